"""A vendor's file that cannot be read as a picture, kept beside the library's pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from imagewright.errors import StorageError
from imagewright.storage.accounts import LOCAL
from tests.storage.stores_bench import SOURCE, opened, picture

if TYPE_CHECKING:
    from imagewright.settings.folders import Folders

pytestmark = pytest.mark.anyio


async def test_it_is_kept_privately_once_and_never_listed(folders: Folders, source: Path) -> None:
    async with opened(folders) as library:
        paths = {await library.keep_unreadable(source, picture(job_id="job_1"), "svg") for _ in range(2)}
        assert await library.find(LOCAL) == []
    (kept,) = [Path(path) for path in paths]
    assert (kept.parent, kept.suffix) == (folders.pictures / "unreadable", ".svg")
    assert await anyio.Path(kept).read_bytes() == SOURCE


async def test_it_never_replaces_another_file(folders: Folders, source: Path) -> None:
    async with opened(folders) as library:
        first = await library.keep_unreadable(source, picture(job_id="job_1"), "bin")
        await anyio.Path(source).write_bytes(b"something else")
        second = await library.keep_unreadable(source, picture(job_id="job_1"), "bin")
    assert second == first.replace(".bin", "-2.bin")
    assert await anyio.Path(first).read_bytes() == SOURCE


async def test_what_has_the_folders_name_is_reported(folders: Folders, source: Path) -> None:
    await anyio.Path(folders.pictures).mkdir(parents=True)
    await anyio.Path(folders.pictures / "unreadable").write_bytes(b"in the way")
    async with opened(folders) as library:
        with pytest.raises(StorageError, match="cannot be made"):
            await library.keep_unreadable(source, picture(job_id="job_1"), "bin")
