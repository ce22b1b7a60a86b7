"""A download that breaks off is gone on with, by whoever has what came of it; two files never become one."""

from __future__ import annotations

import base64
import itertools
import random
import re
import shutil
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.errors import ResultLost
from imagewright.net import PUBLIC, fetch
from imagewright.providers.http import exchange
from imagewright.providers.http.classify import NotFetched
from imagewright.providers.http.client import Account
from imagewright.providers.http.resume import OVERLAP
from tests.emulators.base import Door, Emulator
from tests.emulators.messages import Answer, Received, truncated
from tests.support.accounts import bearer
from tests.support.faults import QUICK, quick_sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from imagewright.providers.http.client import HttpClient
    from tests.emulators.messages import Ending

pytestmark = pytest.mark.anyio


def noise(seed: int) -> bytes:
    """A file that begins as a picture does."""
    return b"\x89PNG" + random.Random(seed).randbytes(40_000)  # noqa: S311 - it guards nothing


FILE, OTHER = noise(1), noise(2)
HALF = len(FILE) // 2
TAG = '"v1"'
DATE = "Thu, 26 Nov 2026 10:00:00 GMT"


class Shelf(Emulator):
    """A server that sends parts as they should be."""

    hosts = ("files", "cdn")

    def __init__(self) -> None:
        super().__init__()
        self.file = FILE
        self.validators: Mapping[str, str] = {"ETag": TAG}
        """What it tells of the state of its file."""

    def doors(self) -> Sequence[Door]:
        return [Door(host, host, "GET", "/.*", self._send) for host in self.hosts]

    def _send(self, received: Received) -> Answer:
        headers = {"Content-Type": "image/png", **self.validators}
        wanted = re.fullmatch(r"bytes=(\d+)-", received.headers.get("range", ""))
        if wanted is None or received.headers.get("if-range") not in self.validators.values():
            return Answer(200, self.file, headers)
        start = int(wanted[1])
        if start >= len(self.file):
            return Answer(416, b"", {"Content-Range": f"bytes */{len(self.file)}"})
        span = f"bytes {start}-{len(self.file) - 1}/{len(self.file)}"
        return Answer(206, self.file[start:], {**headers, "Content-Range": span})

    @property
    def asked(self) -> list[str]:
        """From where on each request wanted the file; empty for the whole."""
        return [one.headers.get("range", "") for one in self.received("files")]


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf() as emulator:
        yield emulator


async def download(http: HttpClient, shelf: Shelf, into: Path, path: str = "/a.png?sig=1") -> bytes:
    """What is in the file afterwards."""
    account = Account("vendor", (shelf.url("files"),), "", {})
    await http.download(account, shelf.url("files") + path, into)
    assert names_in(into.parent) <= {into.name, f"{into.name}.part.json"}
    return await anyio.Path(into).read_bytes()


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


REST = f"bytes={HALF - OVERLAP}-"


@pytest.mark.parametrize(
    ("validators", "sent"),
    [
        ({"ETag": TAG}, TAG),
        ({"ETag": TAG, "Last-Modified": DATE}, TAG),
        ({"ETag": 'W/"v1"', "Last-Modified": DATE}, DATE),
        ({"Last-Modified": DATE}, DATE),
        ({"ETag": 'W/"v1"'}, None),
        ({}, None),
    ],
)
async def test_only_the_rest_is_asked_for_where_the_file_can_be_told_from_others(
    shelf: Shelf, http: HttpClient, tmp_path: Path, validators: Mapping[str, str], sent: str | None
) -> None:
    shelf.validators = validators
    shelf.fail_next("files", truncated)
    assert await download(http, shelf, tmp_path / "picture") == FILE
    first, second = shelf.received("files")
    assert "range" not in first.headers
    assert second.headers.get("if-range") == sent
    assert second.headers["accept-encoding"] == "identity"
    assert shelf.asked[1] == (REST if sent else "")


def spoilt(**headers: str) -> Callable[[Answer], Answer]:
    """The right rest with other headers; underscores stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer: replace(answer, headers={**answer.headers, **named})


def _span(first: int, last: int, total: int | str) -> Callable[[Answer], Answer]:
    return spoilt(Content_Range=f"bytes {first}-{last}/{total}")


START, END, TOTAL = HALF - OVERLAP, len(FILE) - 1, len(FILE)
LIES: dict[str, Callable[[Answer], Answer]] = {
    "from elsewhere": lambda answer: replace(answer, body=FILE[: TOTAL - START]),
    "of another file": lambda answer: replace(answer, body=OTHER[START:]),
    "another place": _span(START + 1, END, TOTAL),
    "from the beginning": _span(0, END, TOTAL),
    "another length": _span(START, END + 1, TOTAL + 1),
    "no length": _span(START, END, "*"),
    "not to the end": _span(START, END - 1, TOTAL),
    "in other units": spoilt(Content_Range=f"lines {START}-{END}/{TOTAL}"),
    "another tag": spoilt(ETag='"v2"'),
    "packed": spoilt(Content_Encoding="gzip"),
    "in several parts": lambda answer: replace(answer, headers={"Content-Type": "multipart/byteranges"}),
    "no such part": lambda answer: replace(answer, status=416, body=b""),
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_is_not_the_rest_is_not_put_behind_what_came(
    shelf: Shelf, http: HttpClient, tmp_path: Path, lie: str
) -> None:
    shelf.fail_next("files", truncated)
    shelf.fail_next("files", LIES[lie])
    assert await download(http, shelf, tmp_path / "picture") == FILE
    assert shelf.asked == ["", REST, ""]


async def test_a_file_that_has_changed_comes_whole(shelf: Shelf, http: HttpClient, tmp_path: Path) -> None:
    def change(answer: Answer) -> Answer:
        shelf.file, shelf.validators = OTHER[:30_000], {"ETag": '"v2"'}
        return truncated(answer)

    shelf.fail_next("files", change)
    assert await download(http, shelf, tmp_path / "picture") == OTHER[:30_000]
    assert shelf.asked == ["", REST]


async def test_a_server_that_always_breaks_off_brings_the_file_in_the_end(
    shelf: Shelf, http: HttpClient, tmp_path: Path
) -> None:
    shelf.fail_next("files", truncated, times=QUICK.resends)
    assert await download(http, shelf, tmp_path / "picture") == FILE
    starts = [int(one[6:-1]) for one in shelf.asked[1:]]
    assert starts == sorted(set(starts))
    assert len(starts) == QUICK.resends


async def test_a_rest_that_ends_too_soon_is_no_rest(shelf: Shelf, http: HttpClient, tmp_path: Path) -> None:
    shelf.fail_next("files", truncated)
    # in chunks, so that nothing but the length of the whole file shows it
    shelf.fail_next("files", lambda answer: replace(answer, body=answer.body[:6000], piece=1000))
    assert await download(http, shelf, tmp_path / "picture") == FILE
    assert shelf.asked == ["", REST, REST]


@pytest.mark.parametrize(
    ("path", "asked"), [("/a.png?sig=1", REST), ("/a.png?sig=another", REST), ("/b.png?sig=1", "")]
)
async def test_what_has_come_is_of_use_to_the_next_process_and_at_a_fresh_link(
    shelf: Shelf, tmp_path: Path, path: str, asked: str
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    shelf.fail_next("files", truncated)
    shelf.fail_next("files", Answer(403), times=1)
    async with aclosing(quick_sender()) as killed:
        with pytest.raises(ResultLost, match="403"):
            await download(killed, shelf, ours / "picture")
    assert not (ours / "picture").exists()
    shutil.copytree(ours, theirs)
    async with aclosing(quick_sender()) as http:
        assert await download(http, shelf, theirs / "picture", path) == FILE
    assert shelf.asked[2:] == [asked]


async def test_a_part_is_not_looked_for_where_nothing_can_have_come(
    shelf: Shelf, http: HttpClient, tmp_path: Path
) -> None:
    shelf.fail_next("files", truncated)
    shelf.fail_next("files", Answer(403), times=2)
    account = Account("vendor", (shelf.url("files"),), "", {})
    for begun in (False, True, False):
        with suppress(ResultLost):
            await http.download(account, f"{shelf.url('files')}/a.png", tmp_path / "picture", begun=begun)
    assert shelf.asked == ["", REST, REST, ""]
    assert (tmp_path / "picture").read_bytes() == FILE


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"address": 1}'])
async def test_a_part_that_nobody_knows_begins_anew(
    shelf: Shelf, http: HttpClient, tmp_path: Path, damage: bytes
) -> None:
    (tmp_path / "picture.part").write_bytes(OTHER)
    (tmp_path / "picture.part.json").write_bytes(damage)
    assert await download(http, shelf, tmp_path / "picture") == FILE
    assert shelf.asked == [""]


async def test_all_that_came_before_the_name_was_given_is_enough(
    shelf: Shelf, http: HttpClient, tmp_path: Path
) -> None:
    shelf.fail_next("files", lambda answer: replace(truncated(answer), body=answer.body * 2))
    shelf.fail_next("files", Answer(404))
    with pytest.raises(ResultLost):
        await download(http, shelf, tmp_path / "picture")
    note = (tmp_path / "picture.part.json").read_text("utf-8")
    (tmp_path / "picture.part.json").write_text(note.replace(str(TOTAL * 2), str(TOTAL)), "utf-8")
    (tmp_path / "picture.part").write_bytes(FILE)
    assert await download(http, shelf, tmp_path / "picture") == FILE
    assert shelf.asked[2:] == [f"bytes={TOTAL - OVERLAP}-"]


@pytest.mark.parametrize(("ending", "asked"), [("hang", ""), ("stall", REST)])
async def test_a_connection_that_falls_silent_is_given_up_and_gone_on_with(  # noqa: PLR0917 - columns and fixtures
    shelf: Shelf, http: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: Ending, asked: str
) -> None:
    monkeypatch.setattr(fetch, "STALL_SECONDS", 1.0)
    shelf.fail_next("files", lambda answer: replace(answer, ending=ending))
    assert await download(http, shelf, tmp_path / "picture") == FILE
    assert shelf.asked[:2] == ["", asked]


async def test_an_hour_is_the_most_for_one_try(
    shelf: Shelf, http: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "DOWNLOAD_SECONDS", 2.0)
    monkeypatch.setattr(exchange, "WRITE_EVERY", 0.0)
    shelf.fail_next("files", lambda answer: replace(answer, ending="stall"))
    assert await download(http, shelf, tmp_path / "picture") == FILE
    assert shelf.asked[1] == REST


async def test_a_page_that_breaks_off_leaves_nothing(shelf: Shelf, http: HttpClient, tmp_path: Path) -> None:
    shelf.fail_next(
        "files", Answer(200, b"<html>" * 900, {"Content-Type": "image/png", "ETag": TAG}, ending="truncate")
    )
    with pytest.raises(ResultLost, match="not to a picture"):
        await download(http, shelf, tmp_path / "picture")
    assert names_in(tmp_path) == set()


async def test_a_part_of_what_is_too_large_does_not_stay(
    shelf: Shelf, http: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "RESULT_BYTES", TOTAL - 1)
    shelf.fail_next("files", truncated)
    account = Account("vendor", (shelf.url("files"),), "", {})
    with pytest.raises(ResultLost, match="larger") as caught:
        await http.download(account, f"{shelf.url('files')}/a.png", tmp_path / "picture")
    assert caught.value.final
    assert not (tmp_path / "picture.part").exists()


KEY = "sk-test-0123456789abcdef"


def with_key(shelf: Shelf) -> Account:
    """An account that has its files at the shelf and sends it a key."""
    return bearer("vendor", KEY, shelf.url("files"))


async def test_a_file_that_needs_the_key_is_gone_on_with_too(shelf: Shelf, http: HttpClient, tmp_path: Path) -> None:
    shelf.fail_next("files", truncated)
    await http.download(with_key(shelf), f"{shelf.url('files')}/a.png", tmp_path / "picture", with_key=True)
    assert (tmp_path / "picture").read_bytes() == FILE
    assert shelf.asked == ["", REST]
    for asked in shelf.received("files"):
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert asked.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("ending", ["hang", "stall"])
async def test_a_silent_vendor_is_given_up_when_it_wants_the_key_too(
    shelf: Shelf, http: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: Ending
) -> None:
    monkeypatch.setattr(fetch, "STALL_SECONDS", 1.0)
    shelf.fail_next("files", lambda answer: replace(answer, ending=ending))
    await http.download(with_key(shelf), f"{shelf.url('files')}/a.png", tmp_path / "picture", with_key=True)
    assert (tmp_path / "picture").read_bytes() == FILE


@pytest.mark.parametrize("hops", [["files"], ["cdn"], ["files", "cdn", "cdn"], ["cdn", "files"]])
async def test_at_each_hop_the_key_goes_to_the_vendors_own_address_alone(
    shelf: Shelf, http: HttpClient, tmp_path: Path, hops: list[str]
) -> None:
    for host, following in itertools.pairwise(["files", *hops]):
        shelf.fail_next(host, Answer(307, b"", {"Location": f"{shelf.url(following)}/b.png"}))
    await http.download(with_key(shelf), f"{shelf.url('files')}/a.png", tmp_path / "picture", with_key=True)
    assert (tmp_path / "picture").read_bytes() == FILE
    assert [one.host for one in shelf.requests] == ["files", *hops]
    assert all((KEY in one.header_values()) == (one.host == "files") for one in shelf.requests)


async def test_the_vendors_own_address_may_be_where_no_stranger_may_lead(shelf: Shelf, tmp_path: Path) -> None:
    connections = exchange.Connections()
    once = partial(
        connections.download,
        f"{shelf.url('files')}/a.png",
        guard=PUBLIC,
        key=KEY,
        begun=False,
        key_headers=with_key(shelf).headers_for,
    )
    await once(tmp_path / "picture")
    assert (tmp_path / "picture").read_bytes() == FILE
    shelf.fail_next("files", Answer(307, b"", {"Location": f"{shelf.url('cdn')}/b.png"}))
    with pytest.raises(NotFetched, match="not a public address"):
        await once(tmp_path / "another")
    assert len(shelf.requests) == 2
    await connections.aclose()


async def test_a_key_that_cannot_stand_in_a_header_is_not_sent(shelf: Shelf, http: HttpClient, tmp_path: Path) -> None:
    account = bearer("vendor", "sk-\u2026", shelf.url("files"))
    with pytest.raises(ResultLost, match="characters that no key has"):
        await http.download(account, f"{shelf.url('files')}/a.png", tmp_path / "picture", with_key=True)
    assert not shelf.requests


async def test_the_connection_is_used_again_for_a_file_that_needs_the_key(
    shelf: Shelf, http: HttpClient, tmp_path: Path
) -> None:
    for number in range(3):
        await http.download(
            with_key(shelf), f"{shelf.url('files')}/{number}.png", tmp_path / f"{number}", with_key=True
        )
    assert shelf.connections == 1


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
async def test_a_validator_that_repeats_the_key_is_not_written_down(
    shelf: Shelf, http: HttpClient, tmp_path: Path, header: str
) -> None:
    shelf.validators = {header: f'"{base64.b64encode(KEY.encode()).decode()}"'}
    shelf.fail_next("files", truncated)
    await http.download(with_key(shelf), f"{shelf.url('files')}/a.png", tmp_path / "picture", with_key=True)
    assert (tmp_path / "picture").read_bytes() == FILE
    assert shelf.asked == ["", ""]  # nothing was known of the part, so the whole file came again
    assert names_in(tmp_path) == {"picture"}
