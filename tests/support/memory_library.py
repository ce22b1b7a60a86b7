"""The contracts of pictures and files in memory: the second implementation that their tests run over.

Nothing survives the process; everything else is as promised.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio

from imagewright.errors import StorageError
from imagewright.storage import ChangedFileError
from imagewright.storage.base import BlobGoneError
from imagewright.storage.paths.path_syntax import numbered
from imagewright.storage.records import BlobFolder, comparable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from datetime import datetime
    from pathlib import Path

    from imagewright.storage.accounts import Principal
    from imagewright.storage.records import PictureRecord


class MemoryPictureIndex:
    """See `PictureIndex`."""

    def __init__(self) -> None:
        self._records: dict[str, tuple[str, PictureRecord]] = {}

    async def add(self, who: Principal, record: PictureRecord) -> None:
        self._records.setdefault(record.id, (who.id, replace(record, path=None)))

    async def get(self, who: Principal, picture_id: str) -> PictureRecord | None:
        return next((one for one in self._newest_of(who) if one.id == picture_id), None)

    async def of_job(self, who: Principal, job_id: str) -> list[PictureRecord]:
        return sorted((one for one in self._newest_of(who) if one.job_id == job_id), key=lambda one: one.variant)

    async def search(
        self,
        who: Principal,
        *,
        words: Sequence[str] = (),
        tool: str = "",
        created: tuple[datetime, datetime] | None = None,
        parent: str = "",
        limit: int,
        offset: int = 0,
    ) -> list[PictureRecord]:
        def meets(one: PictureRecord) -> bool:
            text = comparable(one.prompt.raw)
            return (
                all(word in text for word in words)
                and tool in {"", one.tool}
                and (created is None or created[0] <= one.created < created[1])
                and (not parent or parent in one.parents)
            )

        return [one for one in self._newest_of(who) if meets(one)][offset : offset + limit]

    async def newest_ids(self, who: Principal, limit: int) -> list[str]:
        return [one.id for one in self._newest_of(who)][:limit]

    async def keys_of_size(self, size: int) -> list[tuple[str, str]]:
        return [(one.id, one.key) for _, one in self._records.values() if one.bytes == size]

    async def check(self) -> None:
        """It can always be written."""

    def _newest_of(self, who: Principal) -> list[PictureRecord]:
        own = [one for holder, one in self._records.values() if holder == who.id]
        return sorted(own, key=lambda one: one.created)[::-1]  # the later of two of one moment first


class MemoryBlobs:
    """See `BlobStore`; files that are made elsewhere lie in a folder of the test's."""

    def __init__(self, scratch: Path, clock: Callable[[], float] = time.time) -> None:
        self._scratch = scratch
        self._clock = clock
        self._files: dict[str, tuple[bytes, float]] = {}

    async def put(self, key: str, data: bytes, *, lasting: bool = True) -> None:  # noqa: ARG002 - nothing lasts here
        self._files[key] = data, self._clock()

    async def add(
        self,
        key: str,
        source: Path,
        *,
        others: Callable[[int], Coroutine[Any, Any, list[str]]] | None = None,
        digest: bytes | None = None,
    ) -> tuple[str, int]:
        folder, _, name = key.rpartition("/")
        data = await anyio.Path(source).read_bytes()
        if digest not in {None, hashlib.sha256(data).digest()}:
            raise ChangedFileError
        for number in range(1, 10_000):
            free = key if number == 1 else f"{folder}/{numbered(name, number)}"
            same = self._files.get(free, (b"", 0.0))[0] == data
            if free not in self._files or (same and others is not None and free not in await others(len(data))):
                await self.put(free, data)
                return free, len(data)
        raise StorageError("all names like it are taken")

    async def read(self, key: str, limit: int | None = None) -> bytes:
        if key not in self._files:
            raise BlobGoneError(f"{key} has been deleted or moved.")
        data = self._files[key][0]
        if limit is not None and len(data) > limit:
            raise StorageError(f"{key} has {len(data)} bytes; the limit is {limit} bytes.")
        return data

    async def head(self, key: str, count: int) -> tuple[bytes, int]:
        data = await self.read(key)
        return data[:count], len(data)

    async def fetch(self, key: str, into: Path) -> None:
        await anyio.Path(into).write_bytes(await self.read(key))

    async def link(self, key: str, seconds: float) -> str | None:
        return f"memory://{key}?seconds={seconds:g}" if key in self._files else None

    def path(self, key: str) -> Path | None:  # noqa: ARG002 - the contract's
        return None

    async def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self._files if key.startswith(prefix))

    async def folders(self, key: str) -> list[BlobFolder]:
        newest: dict[str, float] = {}
        for one, (_, changed) in self._files.items():
            name, slash, _ = one.removeprefix(f"{key}/").partition("/")
            if one.startswith(f"{key}/") and slash:
                newest[name] = max(newest.get(name, 0.0), changed)
        return [BlobFolder(f"{key}/{name}", self._clock() - changed) for name, changed in newest.items()]

    async def delete(self, prefix: str) -> None:
        for key in await self.keys(prefix):
            del self._files[key]

    async def workplace(self, key: str) -> Path:
        folder = self._scratch / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def check_room(self, key: str, needed_bytes: int) -> None:
        """There is always room."""
