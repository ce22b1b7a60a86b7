"""The contract of jobs in memory: the second implementation that its tests run over, and a quick one for other tests.

Workers that share jobs share a `MemoryJobs`. Nothing survives the process; everything else is as promised.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from imagewright.storage.accounts import Principal
from imagewright.storage.base import (
    REPEAT_SECONDS,
    ForgottenJobError,
    Joined,
    KeyClash,
    LostLeaseError,
    OverBudget,
    Renewed,
    Started,
    Step,
)
from imagewright.storage.pace import Account
from imagewright.storage.records import CostRow, JobRecord, NewJob, Spent
from imagewright.storage.sqlite.leases import SeenRunOut
from imagewright.storage.states import NEXT, OPEN, CallState
from tests.support.memory_library import MemoryPictureIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Unpack

    from imagewright.storage.accounts import Pace
    from imagewright.storage.base import CallChanges, JobEnd, Opened
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
        return self.job.state in {*OPEN, "completed"} or self.job.cost_usd is None or self.job.cost_usd > 0

    def is_held(self, now: float) -> bool:
        return self.job.state == "running" and now <= self.lease_until <= now + 2 * self.lease


@dataclass
class MemoryJobs:
    """What workers share."""

    kept: dict[str, Kept] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    durations: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    pictures: MemoryPictureIndex = field(default_factory=MemoryPictureIndex)


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
        self._shared = shared
        self._kept = shared.kept
        self._clock = clock
        self._monotonic = monotonic
        self._ended: dict[str, float] = {}
        self._expired = SeenRunOut(lease, monotonic)
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
            awake = self._monotonic() - self._ended.get(job.id, -REPEAT_SECONDS - 1)
            unheard = job.finished is not None and (job.finished >= now - REPEAT_SECONDS or awake <= REPEAT_SECONDS)
            doubtful = unheard if one.seen is None else one.seen > now >= (job.finished or 0.0)
            same_call = job.fingerprint == fingerprint and (not job.done or (doubtful and one.may_have_cost))
            if job.key == key and (one.may_have_cost if key else same_call):
                return Joined(self._as_read(one)) if job.fingerprint == fingerprint else KeyClash(job.id)
        return None

    async def advance(self, job_id: str, number: int, state: CallState, **changes: Unpack[CallChanges]) -> None:
        one = self._mine(job_id)
        one.job = self._after(one.job, Step(number, state, changes))

    def _after(self, job: JobRecord, step: Step) -> JobRecord:
        """The job after a step of one of its calls."""
        calls = {call.number: call for call in job.calls}
        if step.state not in NEXT[calls[step.number].state]:
            message = f"{job.id} call {step.number}: no way from {calls[step.number].state} to {step.state}"
            raise ValueError(message)
        values: dict[str, Any] = json.loads(json.dumps(step.changes, default=str))
        if values.get("outputs") is not None:
            values["outputs"] = tuple(values["outputs"])
        notes = tuple(values.pop("notes", job.notes))
        if math.isfinite(took := values.pop("took", math.inf)) and took >= 0:
            self._shared.durations.setdefault((job.provider, job.model), []).insert(0, took)
        if step.state is CallState.SUBMITTING:
            for account in self._shared.accounts.values():
                if account.provider == job.provider:
                    del account.unsent[:1]
        calls[step.number] = replace(calls[step.number], state=step.state, **values)
        return replace(job, calls=tuple(calls.values()), notes=notes)

    async def conclude(
        self,
        job_id: str,
        steps: Sequence[Step],
        pictures: Sequence[PictureRecord] = (),
        end: tuple[JobState, JobEnd] | None = None,
    ) -> None:
        one = self._mine(job_id)
        job = one.job
        for step in steps:
            job = self._after(job, step)
        one.job = job
        for record in pictures:
            await self._shared.pictures.add(Principal(job.principal), record)
        if end is not None:
            self._end(one, *end)

    async def stall(self, job_id: str, notes: Sequence[str]) -> None:
        one = self._mine(job_id)
        one.job, one.lease_until = replace(one.job, state="stalled", worker_id="", notes=tuple(notes)), 0.0

    async def reopen(self, who: Principal, job_id: str) -> bool:
        one = self._of(who, job_id)
        if one is None or one.job.state != "cancelled":
            return False
        ended = [call for call in one.job.calls if call.state is CallState.CANCELLED]
        sent = [call for call in ended if call.handle is not None or call.outputs is not None]
        again_in = {call.number: CallState.SUBMITTED if call.outputs is None else CallState.MADE for call in sent}
        calls = [
            replace(call, state=again_in[call.number], error=None) if call in sent else call for call in one.job.calls
        ]
        if sent:
            again: dict[str, Any] = {"state": "running", "finished": None, "error": None, "cancel_requested": False}
            one.job, one.lease_until, one.seen = replace(one.job, **again, calls=tuple(calls)), 0.0, None
        return bool(sent)

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

    def _end(self, one: Kept, state: JobState, end: JobEnd) -> None:
        changes: dict[str, Any] = {**end, "notes": tuple(end["notes"]), "error": end.get("error")}
        one.job = replace(one.job, state=state, finished=self._clock(), worker_id="", **changes)
        self._ended[one.job.id] = self._monotonic()

    async def renew(self, job_ids: Collection[str]) -> Renewed:
        known = [one for job_id in job_ids if (one := self._kept.get(job_id)) is not None]
        held = [one for one in known if one.job.worker_id == self.worker_id]
        for one in held:
            one.lease_until, one.lease = self._clock() + self.lease, self.lease
        cancelled = frozenset(one.job.id for one in held if one.job.cancel_requested)
        return Renewed(cancelled, frozenset(one.job.id for one in known) - {one.job.id for one in held})

    async def reclaim(
        self, providers: Collection[str], *, but: Collection[str] = (), stalled: bool = False
    ) -> list[JobRecord]:
        states = OPEN if stalled else {"running"}
        wanted = [
            one
            for one in self._free()
            if one.job.provider in providers and one.job.id not in but and one.job.state in states
        ]
        self._expired.forget_all_but({(one.job.id, one.lease_until) for one in wanted})
        free = [one for one in wanted if self._expired.long_enough(one.job.id, one.lease_until)]
        return [self._take(one) for one in sorted(free, key=lambda one: one.job.created)]

    async def reclaim_one(self, who: Principal, job_id: str) -> JobRecord | None:
        for one in self._free():
            if one.job.id == job_id and one.job.principal == who.id:
                return self._take(one) if self._watched.long_enough(job_id, one.lease_until) else None
        return None

    async def check_lease(self, job_id: str) -> None:
        if job_id in self._kept and self._kept[job_id].job.worker_id != self.worker_id:
            raise LostLeaseError(job_id)

    async def release(self) -> None:
        for one in self._kept.values():
            if one.job.worker_id == self.worker_id and one.job.state == "running":
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

    async def durations(self, provider: str, model: str, limit: int = 20) -> list[float]:
        return self._shared.durations.get((provider, model), [])[:limit]

    async def take_slot(self, account: str, provider: str, pace: Pace) -> float:
        known, now = self._shared.accounts.setdefault(account, Account()), self._clock()
        known.provider = provider
        held = [one.job for one in self._kept.values() if one.is_held(now) and one.job.provider == provider]
        states = [call.state for job in held for call in job.calls]
        at_vendor = states.count(CallState.SUBMITTING) + states.count(CallState.SUBMITTED)
        return known.take(pace, now, lambda: at_vendor)

    async def slot_refused(self, account: str, pace: Pace, *, wait: float | None) -> None:
        self._shared.accounts.setdefault(account, Account()).refuse(pace, self._clock(), wait)

    async def slot_used(self, account: str, late: float) -> None:
        self._shared.accounts.setdefault(account, Account()).use(self._clock(), late)

    async def learn_pace(self, account: str, pace: Pace) -> None:
        self._shared.accounts.setdefault(account, Account()).learn(pace, self._clock())

    def _as_read(self, one: Kept) -> JobRecord:
        return replace(one.job, is_held=one.is_held(self._clock()))

    def _newest_of(self, who: Principal) -> list[Kept]:
        own = [one for one in self._kept.values() if one.job.principal == who.id]
        return sorted(own, key=lambda one: (-one.job.created, one.job.id))

    def _of(self, who: Principal, job_id: str) -> Kept | None:
        one = self._kept.get(job_id)
        return one if one is not None and one.job.principal == who.id else None

    def _free(self) -> list[Kept]:
        return [one for one in self._kept.values() if not one.job.done and not one.is_held(self._clock())]

    def _mine(self, job_id: str) -> Kept:
        if job_id not in self._kept:
            raise ForgottenJobError(job_id)
        if self._kept[job_id].job.worker_id != self.worker_id:
            raise LostLeaseError(job_id)
        return self._kept[job_id]

    def _take(self, one: Kept) -> JobRecord:
        one.job = replace(one.job, state="running", worker_id=self.worker_id)
        one.lease_until, one.lease = self._clock() + self.lease, self.lease
        return self._as_read(one)
