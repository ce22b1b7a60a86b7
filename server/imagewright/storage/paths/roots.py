"""The one place that decides which paths may be read and written.

It decides after links are resolved, and opens files and folders so that they are what it has decided about: below a
folder that was opened without following a link, see `OpenFolder`.
"""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from imagewright.errors import StorageError, why
from imagewright.storage.paths import OpenFolder, open_folder
from imagewright.storage.paths.path_syntax import check_name, parse, shown
from imagewright.text import byte_size, closest, listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import PurePath

MOST_NAMES = 5000
"""How many names of one folder are compared with a missing one. This takes some 10 ms."""
DEEPEST = 100
"""How many names a path to be written may have. Making thousands of folders takes seconds."""


class ConfineError(StorageError):
    """A path may not be used, or leads to no file. The message says what to do instead."""


@dataclass(frozen=True, slots=True)
class Place:
    """A resolved path inside the roots."""

    path: Path
    """The whole path, resolved."""
    base: Path | None = None
    """The folder on that path which is a root under another name; None if the path begins as that of its root does."""
    identity: tuple[int, int] | None = None
    """Device and number of that folder."""


class AllowedRoots:
    """The folders that may be read from and written into. They are resolved anew for each question.

    Args:
        roots: absolute paths, at least one. They need not exist. A bare name is taken inside the first.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        if not roots:
            message = "there must be at least one root"
            raise ValueError(message)
        self._roots = tuple(roots)

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders as they were given."""
        return self._roots

    def open_readable(self, text: str) -> tuple[BinaryIO, Path]:
        """Open a regular file, so that nothing can be put in its place between the check and the opening.

        Args:
            text: an absolute path or a `file:` URI of this machine; `~` is expanded.

        Returns:
            The open file, which the caller closes, and its resolved path.

        Raises:
            ConfineError: the path is not absolute, is outside the roots, or leads to no regular file.
            StorageError: the file cannot be opened.
        """
        pure = self._parse(text)
        if not pure.is_absolute():
            self._refuse_relative(text, pure)
        place = self._inside(resolved_path(Path(pure)), text)
        with suppress(FileNotFoundError, NotADirectoryError):
            return self._open(place), place.path
        if twin := same_name(place.path):
            place = self._inside(resolved_path(twin), text)
            with suppress(FileNotFoundError, NotADirectoryError):
                return self._open(place), place.path
        raise ConfineError(f"There is no file {place.path}{nearest_names(place.path)}")

    def read_bytes(self, text: str, limit: int) -> bytes:
        """The content of a file, opened as by `open_readable`.

        Args:
            text: as for `open_readable`.
            limit: bytes; never more is read.

        Raises:
            ConfineError: as for `open_readable`.
            StorageError: the file is larger than the limit, or cannot be read.
        """
        stream, path = self.open_readable(text)
        with stream:
            return read_within(stream, path, limit)

    def open_recorded(self, path: Path) -> BinaryIO:
        """Open a file that this server has written, even if the roots have changed since.

        A path without links is taken for the file that was written. If there is a link on the path now, it must lead
        into the roots.

        Raises:
            FileNotFoundError: the file is gone.
            NotADirectoryError: its folder is gone.
            ConfineError: it was replaced by a link out of the roots, or by something that is not a regular file.
            StorageError: the file cannot be opened.
        """
        try:
            return self._open(Place(path))
        except (FileNotFoundError, NotADirectoryError):
            raise
        except StorageError:
            resolved = resolved_path(path)
            if resolved == path:
                raise
        return self._open(self._inside(resolved, str(path)))

    def target(self, text: str) -> tuple[Path, str]:
        """The folder, resolved, and the file name that a `save_as` means. Neither needs to exist.

        Args:
            text: an absolute path or `file:` URI, or a name or relative path, which is taken inside the first root.

        Returns:
            The folder, and the name; the name is empty if the text means a folder.

        Raises:
            ConfineError: the folder is outside the roots, or a platform cannot hold the name.
        """
        pure = self._parse(text)
        if ".." in pure.parts:
            self._refuse(f"{shown(text)} holds '..'; name the folder itself")
        if len(pure.parts) > DEEPEST:
            self._refuse(f"{shown(text)} is {len(pure.parts)} folders deep; at most {DEEPEST} are made")
        if pure.anchor and not pure.is_absolute():
            self._refuse(f"{shown(text)} is neither absolute nor a plain name")
        path = self._roots[0] / pure
        is_folder = path in self._roots or os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises on names too long
        if not is_folder:
            self._check_names(_new_names(path) if pure.is_absolute() else pure.parts)
        if is_folder or text.endswith(("/", "\\")):
            return self._inside(resolved_path(path), text).path, ""
        return self._inside(resolved_path(path.parent), text).path, path.name

    def open_folder(self, folder: Path) -> OpenFolder:
        """Open a folder inside the roots. It is made if it is missing, and its missing parents too.

        New folders are private (mode 0700). Folders that exist keep their mode.

        Raises:
            ConfineError: it is outside the roots.
            StorageError: it cannot be made or opened.
        """
        place = self._inside(resolved_path(folder), str(folder))
        try:
            return _open_below(place, place.path, make=True)
        except OSError as error:
            raise StorageError(f"The folder {folder} cannot be made or opened: {why(error)}.") from error

    def make_folder(self, folder: Path) -> Path:
        """As `open_folder`, but returns only its resolved path."""
        with self.open_folder(folder) as opened:
            return opened.path

    def _parse(self, text: str) -> PurePath:
        try:
            return parse(text, shares=[str(root) for root in self._roots])
        except ValueError as error:
            raise ConfineError(str(error)) from None

    @staticmethod
    def _check_names(names: Sequence[str]) -> None:
        try:
            for name in names:
                check_name(name)
        except ValueError as error:
            raise ConfineError(str(error)) from None

    def _open(self, place: Place) -> BinaryIO:
        """Open a regular file.

        Raises:
            FileNotFoundError: it is not there.
            NotADirectoryError: its folder is not there.
            ConfineError: it is not a regular file.
            StorageError: it cannot be opened.
        """
        path = place.path
        if path in (place.base, Path(path.anchor)):
            raise ConfineError(f"{path} is a folder; name a file in it.")
        try:
            with _open_below(place, path.parent) as folder:
                _check_regular(folder.status(path.name), path)  # opening some devices does something
                stream = os.fdopen(folder.open(path.name), "rb")
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError as error:
            raise StorageError(f"{path} cannot be opened: {why(error)}.") from error
        try:
            _check_regular(os.fstat(stream.fileno()), path)
        except ConfineError:
            stream.close()
            raise
        return stream

    def _inside(self, resolved: Path, text: str) -> Place:
        """The root that holds a resolved path: by its text, or else by identity, as some file systems ignore case."""
        roots = _all_resolved(self._roots)
        for root in roots:
            if resolved.is_relative_to(root):
                return Place(resolved)
        known = {mark for root in roots if (mark := _identity(root))}
        for ancestor in (resolved, *resolved.parents):
            if (mark := _identity(ancestor)) in known:
                return Place(resolved, ancestor, mark)
        where = "" if str(resolved) == text else f" leads to {resolved}, which"
        return self._refuse(f"{shown(text)}{where} is outside the folders that may be used")

    def _refuse_relative(self, text: str, pure: PurePath) -> NoReturn:
        start = working_directory()
        folders = dict.fromkeys([*([start] if start else []), *self._roots])
        guesses = dict.fromkeys(folder / end for folder in folders for end in (pure, pure.name))
        meant = " or ".join(dict.fromkeys(str(path) for guess in guesses if (path := self._file_at(guess))))
        hint = f"; did you mean {meant}?" if meant else f", such as {self._roots[0] / (pure.name or 'fox.png')}."
        raise ConfineError(f"{shown(text)} is a relative path; give the absolute path{hint}")

    def _file_at(self, guess: Path) -> Path | None:
        """The resolved path of a guess if it is a file that may be read."""
        with suppress(StorageError, OSError):  # what cannot be read is not a good guess
            place = self._inside(resolved_path(guess), str(guess))
            self._open(place).close()
            return place.path
        return None

    def _refuse(self, what: str) -> NoReturn:
        roots = ", ".join(str(root) for root in self._roots)
        raise ConfineError(
            f"{what}. Folders that may be used: {roots}. Put the file into one of them, or have the user set "
            f"IMAGEWRIGHT_ROOTS to all folders wanted (separated by {os.pathsep!r}) and restart the server."
        )


def _open_below(place: Place, folder: Path, *, make: bool = False) -> OpenFolder:
    """Open a folder of a place. Raises OSError if it cannot be opened, or its root was exchanged meanwhile."""
    if place.base is None:
        return open_folder(folder, make=make)
    found = open_folder(place.base)
    if found.identity() != place.identity:
        found.close()
        raise OSError(errno.ESTALE, "a folder on its path was exchanged meanwhile", str(place.base))
    for name in folder.relative_to(place.base).parts:
        with found:
            found = found.child(name, make=make)
    return found


def _check_regular(status: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ConfineError(f"{path} is a folder; name a file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise ConfineError(f"{path} is not a regular file but a link, pipe or device; name a picture file.")


def read_within(stream: BinaryIO, path: Path, limit: int) -> bytes:
    """The rest of an open file.

    Args:
        stream: the open file.
        path: its name for messages.
        limit: bytes; never more is read.

    Raises:
        StorageError: there is more than the limit, or the file cannot be read.
    """
    try:
        size = os.fstat(stream.fileno()).st_size
        data = stream.read(limit + 1) if size <= limit else b""
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {why(error)}.") from error
    if max(size, len(data)) > limit:
        raise StorageError(
            f"{path} has {byte_size(max(size, len(data)))}; the limit is {byte_size(limit)}. Use a smaller one."
        )
    return data


def _new_names(path: Path) -> list[str]:
    """The names of a path that are not on the disk: its own, and those of the folders to be made for it."""
    missing = takewhile(lambda folder: not os.path.lexists(folder), path.parents)
    return [path.name, *(folder.name for folder in missing)]


def resolved_path(path: Path) -> Path:
    """The path with all links resolved.

    Raises:
        StorageError: the system refuses this, as for the folders of other processes in `/proc`, or a link on the path
            was exchanged meanwhile.
    """
    try:
        return Path(os.path.realpath(path))  # Path.resolve raises on circles of links, differently by version
    except OSError as error:
        reason = "a part of it was exchanged just now" if error.errno == errno.EINVAL else why(error)
        raise StorageError(f"{shown(str(path))} cannot be accessed: {reason}.") from error


def _all_resolved(roots: Sequence[Path]) -> list[Path]:
    """The roots with links resolved. A root that cannot be resolved is left out."""
    found = []
    for root in roots:
        with suppress(StorageError):
            found.append(resolved_path(root))
    return found


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a resolved path; None if it is missing, or if its file system has no such numbers."""
    try:
        status = path.stat(follow_symlinks=False)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else None


def working_directory() -> Path | None:
    """The working directory of this process; None if it has been removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def same_name(path: Path) -> Path | None:
    """The file in the folder of a missing path whose name looks the same, if there is exactly one.

    macOS puts a narrow no-break space into the names of screenshots, and accented letters have a composed and a
    decomposed form. A model that copies such a name often writes other characters that look the same.
    """
    wanted = _as_read(path.name)
    alike = [name for name in _names(path.parent) or () if _as_read(name) == wanted]
    return path.parent / alike[0] if len(alike) == 1 else None


def nearest_names(path: Path) -> str:
    """The end of a sentence about a missing file: similar names in its folder, or that the folder is missing."""
    names = _names(path.parent)
    if names is None:
        return f": there is no folder {path.parent}."
    close = [str(path.parent / name) for name in closest(path.name, names, most=3)]
    return f"; did you mean {listed(close, 'or')}?" if close else "."


def _names(folder: Path) -> list[str] | None:
    """The names of what is in a folder, or of some of it; None if there is no such folder."""
    try:
        with open_folder(folder) as opened:
            return [entry.name for entry in opened.entries(MOST_NAMES)]
    except PermissionError:  # a folder that cannot be listed has no neighbours to offer
        return []
    except OSError:
        return None


def _as_read(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).split())
