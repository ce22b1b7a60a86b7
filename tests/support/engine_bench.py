"""The engine's inner half with a small honest vendor of our own: journal, library and files are the real ones.

    async with workbench(home, vendor) as bench:
        job = await bench.begin(variants=2)
        await bench.done(job)

Two benches on one home are two processes: each has an owner's name of its own. `crash` leaves a bench as SIGKILL would.
"""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.engine.check import check
from imagewright.engine.choose import Candidate
from imagewright.engine.config import ProviderRegistry
from imagewright.engine.jobs import Jobs
from imagewright.engine.ledger import Ledger
from imagewright.engine.plan import JobSpec, Plan
from imagewright.engine.spool import Spool
from imagewright.engine.stores import Stores
from imagewright.providers.base import Finished, Handle, Order, Output, PollPolicy, Price, Route, Running
from imagewright.settings.folders import find_folders
from imagewright.storage.database import Database
from imagewright.storage.library import Library
from imagewright.storage.states import CallState
from tests.support.pictures import photo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from anyio.abc import TaskGroup

    from imagewright.engine.job import Job
    from imagewright.settings.folders import Folders
    from imagewright.storage.journal import Cap, Opened
    from imagewright.storage.journal_entry import JobEntry

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
    """A vendor that does what it is told to; left alone, it makes every picture after one question.

    Attributes:
        at_once: whether a submit is answered with the pictures.
        cost: USD it says it charged per call; None when it does not say.
        stops: whether it has a way to stop a task.
        scripts: by the name of a method, what its next calls do instead: an error is raised, a function is called
            and awaited and what it returns is the answer; None stands for the usual.
        orders: what was submitted.
        asked: handles that were polled.
        stopped: handles that it was told to stop.
        fetched: addresses that were fetched.
    """

    poll_policy = PollPolicy(first=0.001, factor=1.0, longest=0.001, seldom=0.01, doubts=(0.001,) * 3, give_up=PATIENCE)

    def __init__(self, name: str = "vendor", *, at_once: bool = False, usd: float | None = USD) -> None:
        self.name = name
        self.routes: tuple[Route, ...] = (route_of(name, usd),)
        self.at_once = at_once
        self.cost: float | None = None
        self.stops = True
        self.scripts: dict[str, deque[Any]] = {}
        self.orders: list[Order] = []
        self.asked: list[Handle] = []
        self.stopped: list[Handle] = []
        self.fetched: list[str] = []

    def then(self, method: str, *happenings: Any) -> None:
        """What the next calls of a method do."""
        self.scripts.setdefault(method, deque()).extend(happenings)

    async def _happen(self, method: str) -> Any:
        waiting = self.scripts.get(method)
        what = waiting.popleft() if waiting else None
        if isinstance(what, Exception):
            raise what
        return await what() if callable(what) else what

    async def submit(self, order: Order) -> Handle | Finished:
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

    async def fetch(self, output: Output, into: Path) -> None:
        self.fetched.append(output.url)
        await self._happen("fetch")
        await anyio.to_thread.run_sync(into.write_bytes, output.data or PICTURE)


class FakeRegistry(ProviderRegistry):
    """These vendors, without any settings."""

    def __init__(self, *vendors: Vendor) -> None:
        self.renew(*vendors)

    def renew(self, *vendors: Vendor) -> None:
        """Set up these in place of those before, as a changed configuration does."""
        self._providers = {vendor.name: vendor for vendor in vendors}


@dataclass
class Bench:
    """One process at work.

    Attributes:
        jobs: its register.
        stores: library, journal, spool.
        vendors: who serves.
        crew: who is set up to.
    """

    jobs: Jobs
    stores: Stores
    vendors: Sequence[Vendor]
    crew: FakeRegistry
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
    ) -> Opened:
        """A call that comes to so many vendor calls of so many pictures each."""
        plan, crew = plan_for(self.vendors[0], prompt, calls, alternatives), FakeRegistry(*self.vendors)
        return await self.jobs.begin(plan, fingerprint=prompt, key=key, caps=caps, registry=crew)

    async def begin(self, prompt: str = "a kite", **more: Any) -> Job:
        """As `open`, where a new job is what must come of it."""
        opened = await self.open(prompt, **more)
        assert opened.entry is not None
        job = await self.jobs.find(opened.entry.id)
        assert job is not None
        return job

    async def done(self, job: Job) -> Job:
        """The job at its end."""
        with anyio.fail_after(PATIENCE):
            while not job.done:
                await job.changed.wait()
        return job

    async def entry(self, job_id: str) -> JobEntry:
        """The job as the journal has it."""
        found = await self.stores.ledger.get(job_id)
        assert found is not None
        return found

    async def adopted(self, job_id: str) -> Job:
        """The job of a process that is no more, taken over by this one."""
        await self.jobs.adopt()
        job = await self.jobs.find(job_id)
        assert job is not None
        assert job.mine
        return job

    def crash(self) -> None:
        """Stop at once and write nothing more; let all leases seem to have run out long ago."""
        self.crashed = True
        self.group.cancel_scope.cancel()
        self.stores.ledger.journal.release(self.stores.ledger.owner)


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
        Order(route=route, arguments={"prompt": prompt}, count=share, first_variant=1 + sum(calls[:place]))
        for place, share in enumerate(calls)
    )
    spec = JobSpec(
        prompt=prompt,
        request={"prompt": prompt},
        save_as=None,
        parents=(),
        count=count,
        usd=route.price.estimate({}, count),
        exact_size=None,
    )
    others = tuple(candidate_for(one.routes[0], prompt, count=count) for one in alternatives)
    return Plan(route, spec, orders, (), alternatives=others)


def folders_in(home: Path) -> Folders:
    """Where a server with this home keeps things."""
    return find_folders({"IMAGEWRIGHT_HOME": str(home)}, home)


@asynccontextmanager
async def open_bench(
    home: Path,
    *vendors: Vendor,
    lease: float = 10.0,
    patience: float = 5.0,
    library: Callable[[Folders, Database], Library] = Library,
) -> AsyncIterator[Bench]:
    """One process on this home.

    Args:
        home: the user's folder.
        vendors: who serves, the first of them first.
        lease: seconds after which another bench may take over.
        patience: seconds to wait for a locked journal.
        library: makes the library.
    """
    folders = folders_in(home)
    database = Database(folders.database, patience=patience)
    stores = Stores(library(folders, database), Ledger(database, lease), Spool(folders.database.parent))
    try:
        async with anyio.create_task_group() as group:
            crew = FakeRegistry(*vendors)
            bench = Bench(Jobs(group, stores, lambda: crew), stores, vendors, crew, group)
            yield bench
            group.cancel_scope.cancel()
        if not bench.crashed:
            await bench.jobs.release()
    finally:
        database.close()


OUTPUT = {"url": "https://vendor.example/t1/0", "file": "", "seed": None}
SUBMITTING: tuple[CallState, dict[str, Any]] = (CallState.SUBMITTING, {})
SUBMITTED: tuple[CallState, dict[str, Any]] = (CallState.SUBMITTED, {"handle": {"task": "t1", "count": "1"}})
MADE: tuple[CallState, dict[str, Any]] = (CallState.MADE, {"products": [OUTPUT]})
"""Steps of a call, with what is written down at each."""


async def left_behind(
    home: Path, *steps: tuple[CallState, dict[str, Any]], calls: Sequence[int] = (1,), prompt: str = "a kite"
) -> str:
    """A job whose process died when its first call had come so far."""
    async with open_bench(home, Vendor()) as dead:
        opened = await dead.open(prompt, calls=calls)
        assert opened.entry is not None
        dead.crash()
    for state, changes in steps:
        dead.stores.ledger.journal.move(opened.entry.id, 0, state, owner=dead.stores.ledger.owner, **changes)
    return opened.entry.id


async def until(true: Callable[[], object]) -> None:
    """Return once it holds."""
    with anyio.fail_after(PATIENCE):
        while not true():  # noqa: ASYNC110 - what is waited for sets no event
            await anyio.sleep(0.001)


def states(entry: JobEntry) -> list[CallState]:
    """Where each call of a job stands."""
    return [call.state for call in entry.calls]


def cost(job: Job | JobEntry) -> tuple[float | None, str]:
    """What a job cost, and how sure that is."""
    return (None if job.cost_usd is None else round(job.cost_usd, 6), job.cost_basis)
