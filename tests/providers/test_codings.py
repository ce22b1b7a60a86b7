"""Packed answers at every door: one known coding where one is taken, unpacked in steps, and everything else refused."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import (
    BadKey,
    ProviderError,
    RateLimited,
    RequestRejected,
    ResultLost,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.net import FetchError, Guard, codings_of, fetch_public
from imagewright.providers.http.request import (
    REPLY_BYTES,
    STEP,
    CodingError,
    Inflater,
    Purpose,
    Reply,
    Request,
    coding_of,
)
from tests.emulators.base import Door, Emulator
from tests.emulators.messages import Answer
from tests.support.accounts import bearer
from tests.support.pictures import photo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from imagewright.providers.http.client import HttpClient

pytestmark = pytest.mark.anyio


ROOM = 8_000_000
"""Most bytes that may be held at once: twice the largest answer, as it is joined and then copied."""
LARGE = 32_000_000
"""Bytes of a bomb."""
FAILURES = {
    Purpose.SUBMIT: UnknownOutcome,
    Purpose.POLL: VendorUnavailable,
    Purpose.UPLOAD: VendorUnavailable,
    Purpose.OTHER: VendorUnavailable,
}
"""What an answer that cannot be unpacked is; a submit may have been paid for."""


def deflated(data: bytes, window: int = zlib.MAX_WBITS) -> bytes:
    packer = zlib.compressobj(wbits=window)
    return packer.compress(data) + packer.flush()


def bare(data: bytes) -> bytes:
    return deflated(data, -zlib.MAX_WBITS)


@cache
def bomb() -> bytes:
    return gzip.compress(bytes(LARGE), 6, mtime=0)


@cache
def nested() -> bytes:
    return gzip.compress(bomb(), mtime=0)


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "gzip": (bomb, "gzip"),
    "zlib": (lambda: deflated(bytes(LARGE)), "deflate"),
    "bare": (lambda: bare(bytes(LARGE)), "deflate"),
    "nested": (nested, "gzip, gzip"),
}
"""What makes each, and its coding. Not every worker that collects this file makes them."""
JSON = b'{"id": "' + bytes(range(35, 92)) * 40 + b'"}'


class Vendor(Emulator):
    """Answers everything with the same."""

    def __init__(self) -> None:
        super().__init__()
        self.given = Answer()

    def doors(self) -> Sequence[Door]:
        return [Door("api", "api", method, "/.*", lambda _: self.given) for method in ("GET", "POST", "PUT")]

    def gives(self, body: bytes, coding: str, piece: int = 0) -> None:
        self.given = Answer(200, body, {"Content-Encoding": coding, "Content-Type": "image/png"}, piece=piece)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as emulator:
        yield emulator


async def send(http: HttpClient, vendor: Vendor, purpose: Purpose = Purpose.SUBMIT, **more: Any) -> bytes:
    def read(reply: Reply) -> bytes:
        return reply.body

    return await http.send(
        bearer("vendor", "sk-0123456789", vendor.url()), Request(purpose=purpose, url=vendor.url(), read=read, **more)
    )


@pytest.fixture(scope="module")
def body(request: pytest.FixtureRequest) -> bytes:
    """What the parameter makes; of the module, so that it is there before `peak` begins to count."""
    made: bytes = request.param()
    return made


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """The most bytes of Python's that were held at once since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize("piece", [0, 1], ids=["at once", "byte by byte"])
@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("deflate", deflated),
        ("deflate", bare),
        ("identity", bytes),
        ("", bytes),
        ("identity, gzip", gzip.compress),
        ("aws-chunked", bytes),
    ],
    ids=["gzip", "x-gzip", "zlib", "bare", "identity", "nothing", "listed", "a store's word"],
)
async def test_a_vendor_may_send_one_known_coding(
    coding: str, pack: Callable[[bytes], bytes], piece: int, vendor: Vendor, http: HttpClient
) -> None:
    vendor.gives(pack(JSON), coding, piece)
    assert await send(http, vendor) == JSON
    assert vendor.requests[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, 3 * STEP])
@pytest.mark.parametrize("pack", [gzip.compress, deflated, bare], ids=["gzip", "zlib", "bare"])
async def test_a_packed_answer_is_read_in_several_steps(
    size: int, pack: Callable[[bytes], bytes], vendor: Vendor, http: HttpClient
) -> None:
    vendor.gives(pack(bytes(size)), "gzip" if pack is gzip.compress else "deflate")
    assert await send(http, vendor) == bytes(size)


@pytest.mark.parametrize(
    ("body", "coding", "says"),
    [
        (gzip.compress(gzip.compress(JSON)), "gzip, gzip", "packed more than once"),
        (gzip.compress(deflated(JSON)), "deflate, gzip", "packed more than once"),
        (JSON, "br", "not asked for"),
        (JSON, "zstd", "not asked for"),
        (gzip.compress(JSON) + b"more", "gzip", "goes on after its end"),
        (gzip.compress(JSON) * 2, "gzip", "goes on after its end"),
        (gzip.compress(JSON)[:-1], "gzip", "cut short"),
        (deflated(JSON)[:-5], "deflate", "cut short"),
        (b"x", "deflate", "cut short"),
        (JSON, "gzip", "damaged"),
        (JSON, "deflate", "damaged"),
    ],
    ids=["nested", "two", "br", "zstd", "rest", "members", "short", "zlib short", "one", "no gzip", "no zlib"],
)
async def test_any_other_coding_is_an_answer_nobody_can_read(
    body: bytes, coding: str, says: str, vendor: Vendor, http: HttpClient
) -> None:
    vendor.gives(body, coding)
    for purpose, failure in FAILURES.items():
        vendor.requests.clear()
        with pytest.raises(ProviderError, match=says) as caught:
            await send(http, vendor, purpose)
        assert type(caught.value) is failure
        assert (len(vendor.requests) > 1) is (purpose is Purpose.UPLOAD)


@pytest.mark.parametrize(
    ("status", "failure"), [(401, BadKey), (429, RateLimited), (422, RequestRejected), (500, UnknownOutcome)]
)
@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "gzip"])
async def test_a_refusal_is_read_by_its_status(
    status: int, coding: str, failure: type[ProviderError], vendor: Vendor, http: HttpClient
) -> None:
    vendor.given = Answer(status, JSON, {"Content-Encoding": coding})
    with pytest.raises(ProviderError) as caught:
        await http.send(
            bearer("vendor", "sk-0123456789", vendor.url()),
            Request(purpose=Purpose.SUBMIT, url=vendor.url(), read=lambda reply: reply.json),
        )
    assert type(caught.value) is failure


@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, gzip"])
async def test_no_body_needs_no_coding(coding: str, vendor: Vendor, http: HttpClient) -> None:
    vendor.gives(b"", coding)
    assert await send(http, vendor) == b""


@pytest.mark.parametrize(("body", "coding"), BOMBS.values(), ids=BOMBS, indirect=["body"])
async def test_a_bomb_is_never_unpacked_whole(
    body: bytes, coding: str, vendor: Vendor, http: HttpClient, peak: Callable[[], int]
) -> None:
    vendor.gives(body, coding)
    for purpose in Purpose:
        with pytest.raises(ProviderError, match=r"larger than|no answer|cannot be"):
            await send(http, vendor, purpose)
    assert peak() < ROOM


async def test_the_packed_bytes_count_towards_the_limit_as_well(vendor: Vendor, http: HttpClient) -> None:
    nothing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    empty_blocks = b"".join(nothing.flush(zlib.Z_FULL_FLUSH) for _ in range(1000)) * 2
    vendor.gives(b"\x00\x00\x00\xff\xff" * 2000 + empty_blocks, "deflate")
    with pytest.raises(ResultLost, match="larger than 5000 bytes"):
        await send(http, vendor, max_bytes=5000)


PACKED = pytest.mark.parametrize(
    ("body", "coding"),
    [
        (nested, "gzip, gzip"),
        (bomb, "gzip"),
        (lambda: bare(photo(8, 8)), "deflate"),
        (lambda: photo(8, 8), "br"),
    ],
    ids=["nested", "gzip", "deflate", "br"],
    indirect=["body"],
)


@PACKED
async def test_a_packed_file_of_a_callers_is_taken_as_it_is(
    body: bytes, coding: str, vendor: Vendor, peak: Callable[[], int]
) -> None:
    vendor.gives(body, coding)
    with pytest.raises(FetchError, match="sends this file packed") as caught:
        await fetch_public(vendor.url(), max_bytes=REPLY_BYTES, seconds=5, guard=Guard(loopback=True))
    assert caught.value.reason == "coding"
    assert peak() < ROOM


@PACKED
async def test_a_packed_result_is_taken_as_it_is(
    body: bytes, coding: str, http: HttpClient, tmp_path: Path, peak: Callable[[], int]
) -> None:
    with Vendor() as vendor:
        vendor.gives(body, coding)
        with pytest.raises(ResultLost, match="sends this file packed"):
            await http.download(bearer("vendor", "sk-0123456789", vendor.url()), vendor.url(), tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert peak() < ROOM


@pytest.mark.parametrize("coding", ["identity", "aws-chunked", "utf-8", "Identity , aws-chunked"])
async def test_words_for_no_coding_do_a_file_no_harm(
    coding: str, vendor: Vendor, http: HttpClient, tmp_path: Path
) -> None:
    vendor.gives(photo(8, 8), coding, 1)
    await http.download(bearer("vendor", "sk-0123456789", vendor.url()), vendor.url(), tmp_path / "picture")
    assert (tmp_path / "picture").read_bytes() == photo(8, 8)
    got = await fetch_public(vendor.url(), max_bytes=REPLY_BYTES, seconds=5, guard=Guard(loopback=True))
    assert got == photo(8, 8)
    assert {one.headers["accept-encoding"] for one in vendor.requests} == {"identity"}


def test_no_step_is_longer_than_the_longest() -> None:
    inflater = Inflater("gzip")
    steps = [len(piece) for piece in inflater.feed(bomb())]
    assert max(steps) == STEP
    assert sum(steps) == LARGE
    inflater.close()


def test_a_long_list_of_codings_is_not_repeated_whole() -> None:
    with pytest.raises(CodingError) as caught:
        coding_of(codings_of("gzip," * 20_000))
    assert len(str(caught.value)) < 200
