"""A vendor's file that cannot be read as a picture, kept beside the library's pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.settings.folders import Folders
    from imagewright.storage.library import Library
    from tests.storage.conftest import Picture


def test_what_cannot_be_read_is_kept_privately_once_and_never_listed(
    library: Library, source: Path, picture: Picture, folders: Folders
) -> None:
    new = picture(job_id="job_1")
    paths = {library.keep_unreadable(source, new, "svg") for _ in range(2)}
    (kept,) = paths
    assert kept.parent == folders.pictures / "unreadable"
    assert kept.suffix == ".svg"
    assert kept.read_bytes() == source.read_bytes()
    assert library.find() == []


def test_it_never_replaces_another_file(library: Library, source: Path, picture: Picture) -> None:
    first = library.keep_unreadable(source, picture(job_id="job_1"), "bin")
    source.write_bytes(b"something else")
    second = library.keep_unreadable(source, picture(job_id="job_1"), "bin")
    assert second.name == first.name.replace(".bin", "-2.bin")
    assert first.read_bytes() != second.read_bytes()


def test_what_has_the_folders_name_is_said(library: Library, source: Path, picture: Picture, folders: Folders) -> None:
    folders.pictures.mkdir(parents=True)
    (folders.pictures / "unreadable").write_bytes(b"in the way")
    with pytest.raises(StorageError, match="cannot be made"):
        library.keep_unreadable(source, picture(job_id="job_1"), "bin")
