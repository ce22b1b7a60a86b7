"""The storage contract in memory: the second implementation that its tests run over, and a quick one for other tests.

Workers that share jobs share a `MemoryJobs`. Nothing survives the process; everything else is as promised.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import anyio

from imagewright.errors import StorageError
from imagewright.storage.base import (
    REPEAT_SECONDS,
    BlobFolder,
    BlobGoneError,
    ForgottenJobError,
    Joined,
    KeyClash,
    LostLeaseError,
    OverBudget,
    Renewed,
    SeenRunOut,
    Started,
)
from imagewright.storage.paths.path_syntax import numbered
from imagewright.storage.records import CostRow, JobRecord, NewJob, Spent, plain
from imagewright.storage.states import NEXT, CallState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import Unpack

    from imagewright.storage.base import CallChanges, JobEnd, Opened
    from imagewright.storage.principal import Principal
    from imagewright.storage.records import Cap, PictureRecord
    from imagewright.storage.states import JobState


@dataclass
class Kept:
    """A job with what its record does not say."""

    job: JobRecord
    lease_until: float
    lease: float
    seen: float | None = None

    @property
    def may_have_cost(self) -> bool:
        return self.job.state in {"running", "completed"} or self.job.cost_usd is None or self.job.cost_usd > 0

    def is_held(self, now: float) -> bool:
        return not self.job.done and now <= self.lease_until <= now + 2 * self.lease


@dataclass
class MemoryJobs:
    """What workers share."""

    kept: dict[str, Kept] = field(default_factory=dict)


class MemoryJobStore:
    """The hand of one worker in shared jobs; see `JobStore`."""

    def __init__(
        self,
        shared: MemoryJobs,
        *,
        worker_id: str = "me",
        lease: float = 10.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.worker_id = worker_id
        self.lease = lease
        self._kept = shared.kept
        self._clock = clock
        self._stalled = SeenRunOut(lease, monotonic)
        self._watched = SeenRunOut(lease, monotonic)

    async def open(self, who: Principal, job: NewJob, caps: Sequence[Cap] = ()) -> Opened:
        if (earlier := await self.repeated(who, job.fingerprint, job.key)) is not None:
            return earlier
        for cap in caps:
            spent = await self.spent(who, cap.since)
            if spent.usd + job.reserved_usd > cap.usd + 1e-9:
                return OverBudget(cap, spent)
        now = self._clock()
        new: dict[str, Any] = {one.name: getattr(job, one.name) for one in fields(NewJob)}
        record = JobRecord(**new, principal=who.id, created=now, worker_id=self.worker_id)
        self._kept[job.id] = Kept(record, now + self.lease, self.lease)
        return Started(self._as_read(self._kept[job.id]))

    async def repeated(self, who: Principal, fingerprint: str, key: str) -> Joined | KeyClash | None:
        now = self._clock()
        for one in self._newest_of(who):
            job = one.job
            unheard = job.finished is not None and job.finished >= now - REPEAT_SECONDS
            doubtful = unheard if one.seen is None else one.seen > now
            same_call = job.fingerprint == fingerprint and (not job.done or (doubtful and one.may_have_cost))
            if job.key == key and (one.may_have_cost if key else same_call):
                return Joined(self._as_read(one)) if job.fingerprint == fingerprint else KeyClash(job.id)
        return None

    async def advance(self, job_id: str, number: int, state: CallState, **changes: Unpack[CallChanges]) -> None:
        one = self._mine(job_id)
        calls = {call.number: call for call in one.job.calls}
        if state not in NEXT[calls[number].state]:
            message = f"{job_id} call {number}: no way from {calls[number].state} to {state}"
            raise ValueError(message)
        values: dict[str, Any] = json.loads(json.dumps(changes, default=str))
        if values.get("outputs") is not None:
            values["outputs"] = tuple(values["outputs"])
        notes = tuple(values.pop("notes", one.job.notes))
        calls[number] = replace(calls[number], state=state, **values)
        one.job = replace(one.job, calls=tuple(calls.values()), notes=notes)

    async def claim(self, job_id: str, number: int, handle: Mapping[str, str]) -> bool:
        if any(call.handle == handle for one in self._kept.values() for call in one.job.calls):
            return False
        await self.advance(job_id, number, CallState.SUBMITTED, handle=handle)
        return True

    async def known_handles(self, provider: str, seconds: float) -> list[Mapping[str, str]]:
        jobs = (one.job for one in self._kept.values() if one.job.created >= self._clock() - seconds)
        calls = (call for job in jobs if job.provider == provider for call in job.calls)
        return [call.handle for call in calls if call.handle is not None]

    async def replan(self, job: NewJob) -> None:
        one = self._mine(job.id)
        changes = {name: getattr(job, name) for name in ("provider", "model", "plan", "notes", "reserved_usd", "calls")}
        one.job = replace(one.job, **changes)

    async def finish(self, job_id: str, state: JobState, **end: Unpack[JobEnd]) -> None:
        one = self._mine(job_id)
        changes: dict[str, Any] = {**end, "notes": tuple(end["notes"]), "error": end.get("error")}
        one.job = replace(one.job, state=state, finished=self._clock(), worker_id="", **changes)

    async def renew(self, job_ids: Collection[str]) -> Renewed:
        known = [one for job_id in job_ids if (one := self._kept.get(job_id)) is not None]
        held = [one for one in known if one.job.worker_id == self.worker_id]
        for one in held:
            one.lease_until, one.lease = self._clock() + self.lease, self.lease
        cancelled = frozenset(one.job.id for one in held if one.job.cancel_requested)
        return Renewed(cancelled, frozenset(one.job.id for one in known) - {one.job.id for one in held})

    async def reclaim(self, providers: Collection[str], *, but: Collection[str] = ()) -> list[JobRecord]:
        wanted = [one for one in self._run_out() if one.job.provider in providers and one.job.id not in but]
        self._stalled.forget_all_but({(one.job.id, one.lease_until) for one in wanted})
        free = [one for one in wanted if self._stalled.long_enough(one.job.id, one.lease_until)]
        return [self._take(one) for one in sorted(free, key=lambda one: one.job.created)]

    async def reclaim_one(self, who: Principal, job_id: str) -> JobRecord | None:
        for one in self._run_out():
            if one.job.id == job_id and one.job.principal == who.id:
                return self._take(one) if self._watched.long_enough(job_id, one.lease_until) else None
        return None

    async def check_lease(self, job_id: str) -> None:
        if job_id in self._kept and self._kept[job_id].job.worker_id != self.worker_id:
            raise LostLeaseError(job_id)

    async def release(self) -> None:
        for one in self._kept.values():
            if one.job.worker_id == self.worker_id and not one.job.done:
                one.lease_until = 0.0

    async def request_cancel(self, who: Principal, job_id: str) -> None:
        if (one := self._of(who, job_id)) is not None and not one.job.done:
            one.job = replace(one.job, cancel_requested=True)

    async def mark_seen(self, who: Principal, job_id: str, doubt: float = 0.0) -> None:
        if (one := self._of(who, job_id)) is None:
            return
        now, job = self._clock(), one.job
        same = [
            other
            for other in self._newest_of(who)
            if (other.job.key, other.job.fingerprint) == ("", job.fingerprint) and other.may_have_cost
        ]
        recent = [other for other in same if (other.job.finished or 0.0) >= now - REPEAT_SECONDS]
        seen = now + doubt * max(1, len(recent))
        one.seen = seen if one.seen is None else min(one.seen, seen)

    async def get(self, who: Principal, job_id: str) -> JobRecord | None:
        one = self._of(who, job_id)
        return None if one is None else self._as_read(one)

    async def get_unscoped(self, job_id: str) -> JobRecord | None:
        one = self._kept.get(job_id)
        return None if one is None else self._as_read(one)

    async def newest(self, who: Principal, limit: int) -> list[JobRecord]:
        return [self._as_read(one) for one in self._newest_of(who)[:limit]]

    async def spent(self, who: Principal, since: float) -> Spent:
        jobs = [one.job for one in self._newest_of(who) if one.job.created >= since]
        return Spent(sum((job.cost_usd or 0.0) if job.done else job.reserved_usd for job in jobs), len(jobs))

    async def costs(self, who: Principal, since: float) -> list[CostRow]:
        jobs = [one.job for one in reversed(self._newest_of(who)) if one.job.created >= since and one.job.done]
        return [CostRow(job.created, job.tool, job.provider, job.cost_usd or 0.0, job.cost_basis) for job in jobs]

    def _as_read(self, one: Kept) -> JobRecord:
        return replace(one.job, is_held=one.is_held(self._clock()))

    def _newest_of(self, who: Principal) -> list[Kept]:
        own = [one for one in self._kept.values() if one.job.principal == who.id]
        return sorted(own, key=lambda one: (-one.job.created, one.job.id))

    def _of(self, who: Principal, job_id: str) -> Kept | None:
        one = self._kept.get(job_id)
        return one if one is not None and one.job.principal == who.id else None

    def _run_out(self) -> list[Kept]:
        return [one for one in self._kept.values() if not one.job.done and not one.is_held(self._clock())]

    def _mine(self, job_id: str) -> Kept:
        if job_id not in self._kept:
            raise ForgottenJobError(job_id)
        if self._kept[job_id].job.worker_id != self.worker_id:
            raise LostLeaseError(job_id)
        return self._kept[job_id]

    def _take(self, one: Kept) -> JobRecord:
        one.job = replace(one.job, worker_id=self.worker_id)
        one.lease_until, one.lease = self._clock() + self.lease, self.lease
        return self._as_read(one)


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
            text = plain(one.prompt)
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
        self, key: str, source: Path, *, others: Callable[[int], Coroutine[Any, Any, list[str]]] | None = None
    ) -> tuple[str, int]:
        folder, _, name = key.rpartition("/")
        data = await anyio.Path(source).read_bytes()
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
