"""The engine's inner half with a small honest vendor of our own: journal, library and files are the real ones.

    async with workbench(home, vendor) as bench:
        job = await bench.begin(variants=2)
        await bench.done(job)

Two benches on one home are two processes: each is a worker of its own. `crash` leaves a bench as SIGKILL would.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.engine.check import check
from imagewright.engine.choose import Candidate, estimate
from imagewright.engine.config import ProviderRegistry
from imagewright.engine.job import Job, JobSpec
from imagewright.engine.jobs import Jobs
from imagewright.engine.plan import Plan
from imagewright.errors import UnknownOutcome
from imagewright.providers.base import Finished, Handle, Order, Output, PollPolicy, Price, Route, Running
from imagewright.settings.folders import find_folders
from imagewright.storage.accounts import LOCAL, Pace
from imagewright.storage.states import CallState
from imagewright.storage.stores import open_stores
from tests.support.pictures import photo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from anyio.abc import TaskGroup

    from imagewright.providers.sending import Sending
    from imagewright.settings.folders import Folders
    from imagewright.storage.base import KeyClash, OverBudget
    from imagewright.storage.records import Cap, JobRecord, PictureRecord
    from imagewright.storage.stores import Stores
    from tests.support.clock import Clock

LEASE = 10.0
"""Seconds of a bench's lease."""
PATIENCE = 10.0
"""Seconds until what never comes fails the test."""
USD = 0.1
"""Price of one picture."""
TOOL = next(name for name, row in catalog().items() if OperationName.GENERATE in row.operations)
PICTURE = photo(64, 48)


def route_of(provider: str, usd: float | None = USD) -> Route:
    """A way to a picture that has no facts of its own."""
    return Route(
        provider=provider,
        tool=TOOL,
        operation=OperationName.GENERATE,
        model=f"{provider}/model-1",
        takes={},
        price=Price(usd=usd),
    )


class Vendor:
    """A vendor that follows a script; by default it makes every picture after one poll."""

    poll_policy = PollPolicy(first=0.001, factor=1.0, longest=0.001, seldom=0.01, doubts=(0.001,) * 3, give_up=PATIENCE)

    def __init__(self, name: str = "vendor", *, at_once: bool = False, usd: float | None = USD) -> None:
        self.name = self.account = name
        self.pace = Pace()
        self.routes: tuple[Route, ...] = (route_of(name, usd),)
        self.at_once = at_once
        """Whether a submit is answered with the pictures."""
        self.cost: float | None = None
        """USD it says it charged per call; None when it does not say."""
        self.stops = True
        """Whether it has a way to stop a task."""
        self.scripts: dict[str, deque[Any]] = {}
        """By the name of a method, what its next calls do instead: an error is raised, a function is called and awaited
        and what it returns is the answer; None stands for the usual."""
        self.orders: list[Order] = []
        """What was submitted."""
        self.asked: list[Handle] = []
        """Handles that were polled."""
        self.stopped: list[Handle] = []
        """Handles that it was asked to stop."""
        self.fetched: list[str] = []
        """Addresses that were fetched."""
        self.had_begun: list[bool] = []
        """Of each of them, whether some of it might have come before."""

    def then(self, method: str, *happenings: Any) -> None:
        """What the next calls of a method do."""
        self.scripts.setdefault(method, deque()).extend(happenings)

    async def _happen(self, method: str) -> Any:
        waiting = self.scripts.get(method)
        what = waiting.popleft() if waiting else None
        if isinstance(what, Exception):
            raise what
        return await what() if callable(what) else what

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle | Finished:
        if sending is not None and sending.again:  # it has no courier
            raise UnknownOutcome(self.name, "the server stopped while it was sending")
        if sending is not None:
            await sending.begin()
        self.orders.append(order)
        answer: Handle | Finished | None = await self._happen("submit")
        if answer is not None:
            return answer
        number = len(self.orders)
        if self.at_once:
            return Finished((Output(data=PICTURE),) * order.count, cost_usd=self.cost)
        return Handle(self.name, {"task": f"t{number}", "count": str(order.count)})

    async def poll(self, handle: Handle) -> Running | Finished:
        self.asked.append(handle)
        answer: Running | Finished | None = await self._happen("poll")
        if answer is not None:
            return answer
        links = (f"https://vendor.example/{handle.data['task']}/{place}" for place in range(int(handle.data["count"])))
        return Finished(tuple(Output(url=link) for link in links), cost_usd=self.cost)

    async def cancel(self, handle: Handle) -> bool:
        self.stopped.append(handle)
        await self._happen("cancel")
        return self.stops

    async def fetch(self, output: Output, into: Path, *, begun: bool = True) -> None:
        self.fetched.append(output.url)
        self.had_begun.append(begun)
        await self._happen("fetch")
        await anyio.to_thread.run_sync(into.write_bytes, output.data or PICTURE)


class FakeRegistry(ProviderRegistry):
    """These vendors, without any settings."""

    def __init__(self, *vendors: Vendor) -> None:
        self.renew(*vendors)

    def renew(self, *vendors: Vendor) -> None:
        """Set up these in place of those before, as a changed configuration does."""
        self.providers = {vendor.name: vendor for vendor in vendors}


@dataclass
class Bench:
    """One process at work."""

    home: Path
    jobs: Jobs
    """Its register."""
    stores: Stores
    """All that is kept."""
    vendors: Sequence[Vendor]
    """Who serves."""
    registry: FakeRegistry
    """Who is set up to."""
    group: TaskGroup
    crashed: bool = field(default=False)

    async def open(
        self,
        prompt: str = "a kite",
        *,
        calls: Sequence[int] = (1,),
        key: str = "",
        caps: Sequence[Cap] = (),
        alternatives: Sequence[Vendor] = (),
    ) -> Job | KeyClash | OverBudget:
        """A call that comes to so many vendor calls of so many pictures each."""
        plan, registry = plan_for(self.vendors[0], prompt, calls, alternatives), FakeRegistry(*self.vendors)
        return await self.jobs.begin(plan, LOCAL, fingerprint=prompt, key=key, caps=caps, registry=registry)

    async def begin(self, prompt: str = "a kite", **more: Any) -> Job:
        """As `open`, where a job is what must come of it."""
        opened = await self.open(prompt, **more)
        assert isinstance(opened, Job)
        return opened

    async def done(self, job: Job) -> Job:
        """The job at its end."""
        with anyio.fail_after(PATIENCE):
            await job.ended()
        return job

    async def stalled(self, job: Job) -> Job:
        """The job once it waits for somebody to ask for it."""
        with anyio.fail_after(PATIENCE):
            while job.record.state != "stalled":
                await job.changed.wait()
        return job

    async def find(self, job_id: str) -> Job:
        """The job of that id."""
        job = await self.jobs.find(LOCAL, job_id)
        assert job is not None
        return job

    async def record(self, job_id: str) -> JobRecord:
        """The job as the store has it."""
        found = await self.stores.jobs.get(LOCAL, job_id)
        assert found is not None
        return found

    async def pictures(self, job_id: str) -> list[PictureRecord]:
        """The job's pictures as the library has them."""
        return await self.stores.library.of_job(LOCAL, job_id)

    async def reclaimed(self, job_id: str) -> Job:
        """The job of a process that is no more, taken over by this one."""
        await self.jobs.reclaim()
        job = await self.find(job_id)
        assert job.is_local
        return job

    async def crash(self, *steps: tuple[str, CallState, dict[str, Any]]) -> None:
        """Stop at once and write nothing more but these; let all leases seem to have run out long ago."""
        self.crashed = True
        self.group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await crashed(self.home, self.stores.jobs.worker_id, *steps)


async def crashed(home: Path, worker_id: str, *steps: tuple[str, CallState, dict[str, Any]]) -> None:
    """Write steps of first calls in the name of a process that is no more, and let its leases run out."""
    stores = open_stores(folders_in(home), lease=LEASE, worker_id=worker_id)
    for job_id, state, changes in steps:
        await stores.jobs.advance(job_id, 0, state, **changes)
    await stores.jobs.release()
    await stores.close()


def execute(home: Path, change: str, **values: object) -> None:
    """Change the database from outside, as a bug or an older version would have."""
    with closing(sqlite3.connect(folders_in(home).database, timeout=PATIENCE)) as connection, connection:
        connection.execute(change, values)


class Lock:
    """Another program that keeps the database locked."""

    def __init__(self, home: Path) -> None:
        self._file = folders_in(home).database
        self._held: sqlite3.Connection | None = None

    async def hold(self) -> None:
        self._held = sqlite3.connect(self._file, isolation_level=None)
        self._held.execute("BEGIN IMMEDIATE")

    async def let_go(self) -> None:
        assert self._held is not None
        self._held.close()


def candidate_for(route: Route, prompt: str = "a kite", *, count: int = 1, usd: float | None = USD) -> Candidate:
    """A call that this route serves."""
    checked = check(catalog()[TOOL], {"prompt": prompt})
    return Candidate(checked, (), route, against=(), arguments={"prompt": prompt}, count=count, usd=usd)


def plan_for(
    vendor: Vendor, prompt: str = "a kite", calls: Sequence[int] = (1,), alternatives: Sequence[Vendor] = ()
) -> Plan:
    """The plan of so many calls of so many pictures each, and who may be asked next."""
    route = vendor.routes[0]
    count = sum(calls)
    orders = tuple(
        Order(route, {"prompt": prompt}, model=route.model, count=share, first_variant=1 + sum(calls[:place]))
        for place, share in enumerate(calls)
    )
    spec = JobSpec(
        prompt=prompt,
        request={"prompt": prompt},
        save_as=None,
        parents=(),
        count=count,
        usd=estimate(route.price, {}, count),
        exact_size=None,
    )
    others = tuple(candidate_for(one.routes[0], prompt, count=count) for one in alternatives)
    return Plan(route, spec, orders, (), alternatives=others)


def folders_in(home: Path) -> Folders:
    """Where a server with this home keeps things."""
    return find_folders({"IMAGEWRIGHT_HOME": str(home)}, home)


def folder_of(home: Path, job_id: str) -> Path:
    """Where the files of a running job are."""
    return folders_in(home).database.parent / "incoming" / job_id


def left_of(home: Path, job_id: str) -> set[str]:
    """The files of a job that are still there."""
    folder = folder_of(home, job_id)
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@asynccontextmanager
async def open_bench(
    home: Path,
    *vendors: Vendor,
    lease: float = LEASE,
    patience: float = 5.0,
    clock: Clock | None = None,
    change: Callable[[Stores], Stores] = lambda stores: stores,
) -> AsyncIterator[Bench]:
    """One process on this home.

    Args:
        home: the user's folder.
        vendors: who serves, the first of them first.
        lease: seconds after which another bench may take over.
        patience: seconds to wait for a locked journal.
        clock: for leases; the real one by default.
        change: makes the stores that are used of the real ones.
    """
    clocks: dict[str, Any] = {} if clock is None else {"clock": clock, "monotonic": clock.monotonic}
    real = open_stores(folders_in(home), lease=lease, patience=patience, **clocks)
    stores = change(real)
    try:
        async with anyio.create_task_group() as group:
            registry = FakeRegistry(*vendors)
            bench = Bench(home, Jobs(group, stores, lambda: registry), stores, vendors, registry, group)
            yield bench
            group.cancel_scope.cancel()
        if not bench.crashed:
            await bench.jobs.release()
    finally:
        await real.close()


OUTPUT = {"url": "https://vendor.example/t1/0", "file": "", "seed": None}
SUBMITTING: tuple[CallState, dict[str, Any]] = (CallState.SUBMITTING, {})
SUBMITTED: tuple[CallState, dict[str, Any]] = (CallState.SUBMITTED, {"handle": {"task": "t1", "count": "1"}})
MADE: tuple[CallState, dict[str, Any]] = (CallState.MADE, {"outputs": [OUTPUT]})
"""Steps of a call, with what is written down at each."""


async def left_behind(
    home: Path, *steps: tuple[CallState, dict[str, Any]], calls: Sequence[int] = (1,), prompt: str = "a kite"
) -> str:
    """A job whose process died when its first call had come so far."""
    async with open_bench(home, Vendor()) as dead:
        job = await dead.begin(prompt, calls=calls)
        await dead.crash(*((job.id, *step) for step in steps))
    return job.id


async def until(true: Callable[[], object]) -> None:
    """Return once it holds."""
    with anyio.fail_after(PATIENCE):
        while not true():  # noqa: ASYNC110 - what is waited for sets no event
            await anyio.sleep(0.001)


def states(entry: JobRecord) -> list[CallState]:
    """Where each call of a job stands."""
    return [call.state for call in entry.calls]


def cost(job: Job | JobRecord) -> tuple[float | None, str]:
    """What a job cost, and how sure that is."""
    record = job.record if isinstance(job, Job) else job
    return (None if record.cost_usd is None else round(record.cost_usd, 6), record.cost_basis)


def place(record: PictureRecord) -> Path:
    """Where a picture was saved."""
    assert record.path is not None
    return record.path
