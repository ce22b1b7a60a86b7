"""A file that was paid for and cannot be read as a picture: kept as it came, where the user finds it.

It lies in the folder `unreadable` among the library's pictures, under the extension its first bytes call for, and is no
picture of the library: nothing shows it, and no `image://` address leads to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.errors import ResultLost

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.storage.library import Library
    from imagewright.storage.record import NewPicture


class UnreadableResultError(ResultLost):
    """What the vendor made was fetched and cannot be read as a picture; its file was kept as it came.

    Attributes:
        path: where.
    """

    meaning = "made the picture, but its file cannot be read as one"

    def __init__(self, provider: str, why: str, path: Path) -> None:
        self.path = path
        # the path stands outside the quotation of `why`, which changes some characters
        advice = f"The vendor's file was kept as {path}: open it with another program."
        super().__init__(provider, why, charged=True, advice=advice)


def keep_as_it_came(file: Path, new: NewPicture, library: Library) -> Path:
    """Save a file that is no readable picture beside the library's pictures; where. Blocks.

    Raises:
        StorageError: it could not be saved; `file` is untouched.
    """
    from imagewright.imaging.signatures import HEAD_BYTES, extension_of  # noqa: PLC0415 - loads Pillow

    with file.open("rb") as stream:
        extension = extension_of(stream.read(HEAD_BYTES))
    return library.keep_unreadable(file, new, extension.removeprefix("."))
