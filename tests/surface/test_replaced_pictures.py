"""A kept picture whose file was replaced: nothing of what lies there now is shown, and no other picture is lost."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.settings.folders import find_folders
from imagewright.storage.accounts import LOCAL
from imagewright.storage.records import NewPicture, PictureRecord
from imagewright.storage.stores import open_stores
from tests.support.crafted_files import hollow_png
from tests.support.engine_bench import place
from tests.support.pictures import cut_short, noise, photo
from tests.support.raw_client import MODERN, RawClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = b"the secret that nobody may read"
HUGE = 1 << 30
"""Bytes of a file that no reply could carry; sparse, so that it takes no room on the disk."""
ROOM = 100_000_000
"""Bytes the server may grow by while it looks at a replaced file."""


def _link(path: Path, outside: Path) -> None:
    secret = outside / "secret.txt"
    secret.write_bytes(SECRET)
    path.symlink_to(secret)


def _link_to_picture(path: Path, outside: Path) -> None:
    other = outside / "other.png"
    other.write_bytes(photo(32, 32) + SECRET)
    path.symlink_to(other)


def _pipe(path: Path, _outside: Path) -> None:
    os.mkfifo(path)


def _huge_text(path: Path, _outside: Path) -> None:
    path.write_bytes(SECRET)
    os.truncate(path, HUGE // 4)


def _huge(path: Path, _outside: Path) -> None:
    path.write_bytes(photo())
    os.truncate(path, HUGE)


REPLACEMENTS: dict[str, tuple[Callable[[Path, Path], Any], str]] = {
    "gone": (lambda _path, _outside: None, "deleted or moved"),
    "link": (_link, "leads to"),  # the end of that sentence is cut off where the paths in it are long
    "link to a picture": (_link_to_picture, "leads to"),
    "pipe": (_pipe, "not a regular file"),
    "folder": (lambda path, _outside: path.mkdir(), "folder"),
    "text": (lambda path, _outside: path.write_bytes(SECRET), "is text now"),
    "empty": (lambda path, _outside: path.write_bytes(b""), "is empty now"),
    "huge": (_huge, "at most 300 MB"),
    "huge text": (_huge_text, "now: it is not the picture"),
}
BROKEN: dict[str, tuple[Callable[[Path, Path], Any], str]] = {
    "cut short": (lambda path, _outside: path.write_bytes(cut_short(noise(40, 40))), "cut short or damaged"),
    "bomb": (lambda path, _outside: path.write_bytes(hollow_png(30_000, 30_000)), "megapixels"),
}
"""What may still be sent as the file it is, but has no preview."""
CASES = {
    name: case
    for name, case in (REPLACEMENTS | BROKEN).items()
    if os.name == "posix" or name not in ("link", "link to a picture", "pipe")
}
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a file that is read cannot be replaced on Windows")


@pytest.fixture
def kept(home: Path, tmp_path: Path) -> Callable[[int], list[PictureRecord]]:
    """Puts so many pictures into the library, the oldest first."""
    folders = find_folders({"IMAGEWRIGHT_HOME": str(home)}, home)

    def keep(count: int) -> list[PictureRecord]:
        return anyio.run(keep_all, count)

    async def keep_all(count: int) -> list[PictureRecord]:
        stores = open_stores(folders, lease=1.0)
        records = []
        for number in range(count):
            source = tmp_path / f"made-{number}"
            source.write_bytes(noise(48, 48, seed=number))
            new = NewPicture(
                tool="qwen", operation="generate", provider="p", model="m", format="png", width=48, height=48
            )
            records.append((await stores.library.keep(LOCAL, source, new))[0])
        await stores.close()
        return records

    return keep


@pytest.fixture
def client(kept: Callable[[int], list[PictureRecord]], home: Path) -> Iterator[RawClient]:  # noqa: ARG001 - the home must stand first
    with RawClient(MODERN, env={"IMAGEWRIGHT_HOME": str(home)}) as client:
        yield client


def replaced(record: PictureRecord, by: str, outside: Path) -> str:
    """Replace a picture's file; the words by which its absence must be explained."""
    replace, words = CASES[by]
    place(record).unlink()
    replace(place(record), outside)
    return words


def peak(client: RawClient) -> int:
    """The most memory the server has had at once, in bytes; 0 where that cannot be known."""
    status = Path(f"/proc/{client.process.pid}/status")
    if not status.exists():
        return 0
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) * 1024


def whole(client: RawClient) -> bytes:
    """All that the server has written, and what it means where it is base64."""
    lines = "".join(client.lines)
    blobs = [part for part in lines.replace("\\", '"').split('"') if len(part) > 30]
    return lines.encode() + b"".join(_decoded(part) for part in blobs)


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part, validate=True)
    except ValueError:
        return b""


@pytest.mark.parametrize("by", sorted(CASES))
def test_the_gallery_leaves_out_that_preview_and_says_so(
    by: str, client: RawClient, kept: Callable[[int], list[PictureRecord]], tmp_path: Path
) -> None:
    first, second, third = kept(3)
    client.call("image_gallery", {"previews": True})
    before = peak(client)
    words = replaced(second, by, tmp_path)
    result = client.call("image_gallery", {"previews": True})
    assert not result.get("isError")
    kinds = [block["type"] for block in result["content"]]
    assert kinds.count("image") == 2
    text = next(block["text"] for block in result["content"] if block["type"] == "text")
    (line,) = [line for line in text.splitlines() if line.startswith("No preview of")]
    assert line.startswith(f"No preview of {second.id}: ")
    assert words in line
    assert {one["id"] for one in result["structuredContent"]["images"]} == {first.id, second.id, third.id}
    assert SECRET not in whole(client)
    assert peak(client) - before < ROOM


@pytest.mark.parametrize("by", sorted(CASES))
def test_its_resource_is_refused_with_the_reason(
    by: str, client: RawClient, kept: Callable[[int], list[PictureRecord]], tmp_path: Path
) -> None:
    (record,) = kept(1)
    assert client.ask("resources/read", {"uri": record.uri})["contents"][0]["mimeType"] == "image/png"
    before = peak(client)
    words = replaced(record, by, tmp_path)
    for uri in (record.uri, f"{record.uri}/preview"):
        message = client.answer(client.begin("resources/read", {"uri": uri}))
        if by in BROKEN and uri == record.uri:
            assert message["result"]["contents"][0]["blob"]
            continue
        assert message["error"]["code"] == -32602
        assert words.replace("300", "50" if uri == record.uri else "300") in message["error"]["message"]
    assert SECRET not in whole(client)
    assert peak(client) - before < ROOM


@pytest.mark.parametrize("by", ["link", "pipe", "text"])
def test_a_job_of_an_earlier_process_is_reported_without_that_preview(by: str, home: Path, tmp_path: Path) -> None:
    env = {"IMAGEWRIGHT_HOME": str(home)}
    with RawClient(MODERN, env=env) as client:
        made = client.call("qwen", {"prompt": "hills", "variants": 2})["structuredContent"]
    path = Path(made["images"][0]["path"])
    path.unlink()
    CASES[by][0](path, tmp_path)
    with RawClient(MODERN, env=env) as client:
        result = client.call("image_job", {"job_id": made["job_id"]})
        assert not result.get("isError")
        assert [block["type"] for block in result["content"]].count("image") == 1
        assert any(f"No preview of {made['images'][0]['id']}: " in block.get("text", "") for block in result["content"])
        assert SECRET not in whole(client)


def test_of_many_that_are_gone_only_some_are_named(
    client: RawClient, kept: Callable[[int], list[PictureRecord]]
) -> None:
    for record in kept(9):
        place(record).unlink()
    result = client.call("image_gallery", {"previews": True})
    assert not result.get("isError")
    text = result["content"][0]["text"]
    assert text.count("No preview of img_") == 5
    assert "No preview of 4 more" in text


def test_the_real_type_of_a_replaced_file_is_reported(
    client: RawClient, kept: Callable[[int], list[PictureRecord]]
) -> None:
    (record,) = kept(1)
    place(record).write_bytes(photo(format="jpeg"))
    assert client.ask("resources/read", {"uri": record.uri})["contents"][0]["mimeType"] == "image/jpeg"
