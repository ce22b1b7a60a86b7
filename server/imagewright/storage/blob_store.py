"""The contract between the engine and whatever keeps files. What a key names stands in `records`, at `INCOMING`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from imagewright.storage.records import BlobFolder


class BlobStore(Protocol):
    """Files by key. Its methods take no principal, because keys are found only in records, and those are scoped.

    All methods raise `StorageError` if the store cannot be used, and its subclass `BlobGoneError` if there is no file
    with the key, or the text cannot be a key.
    """

    async def put(self, key: str, data: bytes, *, lasting: bool = True) -> None:
        """Write a file, whole or not at all. It replaces a file that has this key.

        Args:
            key: of the file.
            data: its content.
            lasting: whether the file must survive a power cut after this returns.
        """

    async def add(
        self,
        key: str,
        source: Path,
        *,
        others: Callable[[int], Coroutine[Any, Any, list[str]]] | None = None,
        digest: bytes | None = None,
    ) -> tuple[str, int]:
        """Add a file under a free key, byte for byte, whole or not at all. It survives a power cut after this returns.

        Args:
            key: the wanted key. If it is taken, `-2`, `-3` ... is put before the extension.
            source: a file of this machine. It is not changed, and it stays. If there is a digest, nothing may be
                written into it after this, because it may be one file with the added one, under two names: it may only
                be removed, or replaced by another file.
            others: returns the keys of all other pictures with a given size in bytes. It is called if the wanted key
                is taken by a file with exactly the same bytes. If that file is none of these pictures, it was written
                by a process that was killed before it could record it: then its key is returned, and nothing is
                written. With None, such a file is always taken for another picture.
            digest: the SHA-256 digest that it must have; None if that does not matter.

        Returns:
            The key that it was given, and its size in bytes.

        Raises:
            ChangedFileError: it has another digest; nothing was added.
        """

    async def read(self, key: str, limit: int | None = None) -> bytes:
        """The content of a file. Raises `StorageError` if it has more than `limit` bytes, and never reads more."""

    async def head(self, key: str, count: int) -> tuple[bytes, int]:
        """The first `count` bytes of a file, or fewer if it is shorter, and its size in bytes."""

    async def fetch(self, key: str, into: Path) -> None:
        """Copy a file to a path of this machine, whole or not at all."""

    async def link(self, key: str, seconds: float) -> str | None:
        """A URL from which anybody can fetch the file for that many seconds; None if this store has no URLs."""

    def path(self, key: str) -> Path | None:
        """The path of a file on this machine, whether it exists or not; None if it is elsewhere or this is no key."""

    async def keys(self, prefix: str) -> list[str]:
        """The keys of all finished files that begin with this text, sorted. It need not end at a slash."""

    async def folders(self, key: str) -> list[BlobFolder]:
        """The folders directly below a key. Symbolic links are left out."""

    async def delete(self, prefix: str) -> None:
        """Remove all files whose keys begin with this text, unfinished ones too. What cannot be removed is left."""

    async def workplace(self, key: str) -> Path:
        """A private folder on this machine to work in. It is made if it is missing.

        If the store is on this machine, a file made in the folder has a key of its own: `<key>/<name>`.
        """

    async def check_room(self, key: str, needed_bytes: int) -> None:
        """Check that files can be written below a key, and that there is room for that many bytes."""
