"""What the tests of storage put into stores: jobs and pictures in which every value that is not named is plain."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from imagewright.storage.accounts import LOCAL
from imagewright.storage.base import JobStore, Started
from imagewright.storage.records import CallRecord, NewJob, NewPicture, PictureRecord, id_of
from imagewright.storage.stores import open_stores
from imagewright.text import Foreign
from tests.support.seeded_jobs import finish

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from imagewright.settings.folders import Folders
    from imagewright.storage.accounts import Principal
    from imagewright.storage.library import Library
    from imagewright.storage.records import Cap, JobRecord

NOW = 100.0
LEASE = 10.0
SOURCE = bytes(range(256)) * 20
"""A finished download. To this floor its bytes are only bytes."""
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Workers(Protocol):
    """Makes the store of one more worker; all share what they keep."""

    def __call__(self, worker_id: str = "me") -> JobStore: ...


def job(name: str = "1", **changes: Any) -> NewJob:
    plain: dict[str, Any] = {
        "id": f"job_{name}",
        "tool": "some_tool",
        "operation": "generate",
        "provider": "somebody",
        "model": "some/model-1",
        "fingerprint": name,
        "plan": {"spec": {"prompt": name}},
        "expected": 1,
        "calls": (CallRecord(number=0),),
    }
    return NewJob(**plain | changes)


async def started(store: JobStore, name: str = "1", *caps: Cap, who: Principal = LOCAL, **changes: Any) -> JobRecord:
    """A job that runs."""
    opened = await store.open(who, job(name, **changes), caps)
    assert isinstance(opened, Started)
    return opened.job


async def ended(
    store: JobStore, name: str = "1", state: Any = "completed", usd: float | None = 0.5, **changes: Any
) -> str:
    """A job that has ended."""
    record = await started(store, name, **changes)
    basis: Any = "unknown" if usd is None else "actual"
    await finish(store, record.id, state, cost_usd=usd, cost_basis=basis, notes=("Done.",))
    return record.id


def picture(**changes: Any) -> NewPicture:
    """What the engine would supply; what is not named has a plain value."""
    plain: dict[str, Any] = {
        "tool": "some_tool",
        "operation": "generate",
        "provider": "somebody",
        "model": "some/model-1",
        "format": "png",
        "width": 64,
        "height": 48,
        "created": NOON,
    }
    return NewPicture(**_worded(plain | changes))


def record(name: str, **changes: Any) -> PictureRecord:
    """A picture as the index has it, with an id made of its name."""
    plain: dict[str, Any] = {
        "id": id_of(f"job_{name}", 1),
        "key": f"pictures/{name}.png",
        "bytes": 100,
        "tool": "some_tool",
        "operation": "generate",
        "provider": "somebody",
        "model": "some/model-1",
        "format": "png",
        "width": 64,
        "height": 48,
        "prompt": name,
        "created": NOON,
    }
    return PictureRecord(**_worded(plain | changes))


def _worded(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"prompt": Foreign(fields.get("prompt", ""))}


def place(record: PictureRecord) -> Path:
    """Where it was saved."""
    assert record.path is not None
    return record.path


@asynccontextmanager
async def opened(folders: Folders) -> AsyncIterator[Library]:
    """One process's library."""
    stores = open_stores(folders, lease=LEASE)
    try:
        yield stores.library
    finally:
        await stores.close()
