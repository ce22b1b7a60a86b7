"""Kill a real server at a chosen moment and see what becomes of the pictures that were paid for.

The moment is chosen from what stands in the journal. Whoever kills holds the journal's write lock while looking and
striking, so that the states that were read are the states the server died in.

    with SlowKie() as kie:
        house = House(home, kie)
        with house.server() as server:
            house.begin(server, "a kite")
            point = house.kill(server, CallState.SUBMITTED)
        with house.server():
            house.wait_until_settled()
        house.audit().check()
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from imagewright.catalog.row import MODEL, OperationName
from imagewright.settings.folders import find_folders
from imagewright.storage.principal import LOCAL
from imagewright.storage.states import FINAL, CallState
from imagewright.storage.stores import open_stores
from tests.emulators.base import Emulator
from tests.emulators.fal import FalEmulator
from tests.emulators.kie import KieEmulator
from tests.emulators.openai import OpenAIEmulator
from tests.support.engine_bench import place
from tests.support.raw_client import MODERN, QUICK, RawClient
from tests.support.vendors import VENDORS, environment, routes_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from imagewright.providers.base import Route
    from imagewright.storage.records import JobRecord, PictureRecord
    from imagewright.storage.stores import Stores
    from tests.emulators.messages import Answer, Received

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds until a state that never comes fails the test."""
PAUSE = 0.002
"""Seconds between two looks into the journal; the server needs its turn at the lock."""
LIVE = tuple(state for state in CallState if state not in FINAL)
"""The states a server can be killed in with work to do."""


class Unhurried(Emulator):
    """A vendor that takes its time over some answers, or holds them back, so that there is time to die in."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.lags: Mapping[str, float] = {}
        """Seconds by door."""
        self._held: dict[str, Event] = {}

    def hold(self, label: str) -> None:
        """Do the work of a door, and keep its answers until `release`."""
        self._held[label] = Event()

    def release(self, label: str) -> None:
        """Send what was kept, and answer at once from now on."""
        self._held.pop(label).set()

    def answer(self, received: Received) -> Answer:
        own = super().answer(received)
        label = self.requests[-1].label
        return replace(own, seconds=own.seconds + self.lags.get(label, 0.0), until=self._held.get(label))


class SlowKie(Unhurried, KieEmulator):
    """Kie, with credit for thousands of pictures."""

    name = "kie"
    submits = "create"
    lists_calls = False

    def __init__(self) -> None:
        super().__init__()
        self.credits = 1e9
        self.lags = {"create": 0.15, "download": 0.15}


class SlowFal(Unhurried, FalEmulator):
    """fal."""

    name = "fal"
    submits = "submit"
    lists_calls = True

    def __init__(self) -> None:
        super().__init__()
        self.lags = {"submit": 0.15, "download": 0.15}


class SlowOpenAI(Unhurried, OpenAIEmulator):
    """OpenAI, which answers a submit with the pictures: there is nothing to ask about afterwards."""

    name = "openai"
    submits = "generate"


AnyVendor = SlowKie | SlowFal
"""Vendors whose books can be audited: each task has a number."""


@dataclass(frozen=True)
class KillPoint:
    """What a server was doing when it died."""

    aimed: CallState | None
    """The state that was waited for; None when the moment was left to chance."""
    states: Counter[CallState]
    """How many of its unfinished calls stood in each state."""


@dataclass
class House:
    """One user's machine: a folder, a vendor, and any number of server processes."""

    home: Path
    """The user's folder."""
    vendor: AnyVendor | SlowOpenAI
    """The emulator, running."""
    env: dict[str, str] = field(default_factory=dict)
    """Further variables for the servers."""
    spawning: bool = False
    """Whether servers are started from nothing, as users' are, and not forked."""

    def __post_init__(self) -> None:
        self._folders = find_folders({"IMAGEWRIGHT_HOME": str(self.home)}, self.home)
        self._file = self._folders.database

    def server(self, revision: str = MODERN, **env: str) -> RawClient:
        """A server process whose lease is short and which asks the vendor often."""
        return RawClient(
            revision,
            env=self.environment() | {"IMAGEWRIGHT_LEASE": "1"} | self.env | env,
            program=QUICK if self.spawning else (),
            quick=True,
        )

    def environment(self) -> dict[str, str]:
        """The variables that give a server this home and this vendor."""
        return {"IMAGEWRIGHT_HOME": str(self.home), "HOME": str(self.home)} | environment(
            {self.vendor.name: self.vendor}
        )

    def begin(self, server: RawClient, prompt: str, *, variants: int = 1) -> int:
        """Call a tool and do not wait for the answer."""
        route = fan_out_route(self.vendor.name) if variants > 1 else plain_route(self.vendor.name)
        arguments = given(route, prompt)
        if variants > 1:
            arguments["variants"] = variants
        return server.begin("tools/call", {"name": route.tool, "arguments": arguments})

    @contextmanager
    def held(self, state: CallState) -> Iterator[None]:
        """Let no call get beyond this state, which waits for an answer of the vendor."""
        vendor = VENDORS[self.vendor.name]
        doors = {CallState.SUBMITTING: self.vendor.submits, CallState.MADE: "download"}
        door = doors.get(state) or vendor.polls[0]
        self.vendor.hold(door)
        try:
            yield
        finally:
            self.vendor.release(door)

    def kill(self, server: RawClient, aim: CallState | None, *, within: float = PATIENCE) -> KillPoint:
        """SIGKILL it as soon as one of its calls is in this state.

        Args:
            server: the process.
            aim: the state; None to leave the moment to chance.
            within: seconds after which it is killed anyway; it is, too, once it has carried all its calls beyond.
        """
        deadline = time.monotonic() + within
        begun = False
        while True:
            with self._locked() as states_of:
                states = states_of(server.process.pid)
                missed = begun and not states and aim is not None
                begun = begun or bool(states)
                if aim in states or missed or time.monotonic() > deadline:
                    server.process.kill()
                    server.process.wait(PATIENCE)
                    return KillPoint(aim, states)
            assert server.process.poll() is None, f"the server has ended: {''.join(server.log)}"
            time.sleep(PAUSE)

    @contextmanager
    def _locked(self) -> Iterator[Any]:
        """The journal, with nobody else writing: the states of a process's unfinished calls."""

        def states_of(pid: int) -> Counter[CallState]:
            query = (
                "SELECT call.state FROM call JOIN job ON job.id = call.job_id "
                "WHERE job.state = 'running' AND job.worker_id LIKE ?"
            )
            try:
                found = connection.execute(query, (f"{pid}-%",)).fetchall()
            except sqlite3.OperationalError:  # no tables yet
                return Counter()
            return Counter(CallState(state) for (state,) in found if state not in FINAL)

        if not self._file.exists():
            yield lambda _pid: Counter()
            return
        with closing(sqlite3.connect(self._file, timeout=PATIENCE, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield states_of
            finally:
                connection.execute("ROLLBACK")

    def wait_for(self, state: CallState) -> None:
        """Return when a call is in that state."""
        deadline = time.monotonic() + PATIENCE
        while not any(call.state is state for job in self.jobs() for call in job.calls):
            assert time.monotonic() < deadline, f"no call was ever {state}"
            time.sleep(PAUSE)

    def jobs(self) -> list[JobRecord]:
        """Every job in the journal."""
        return self._ask(lambda stores: stores.jobs.newest(LOCAL, 1_000_000))

    def _ask(self, question: Callable[[Stores], Awaitable[T]]) -> T:
        """What the stores answer."""

        async def ask() -> T:
            stores = open_stores(self._folders, lease=1.0)
            try:
                return await question(stores)
            finally:
                await stores.close()

        return anyio.run(ask)

    def wait_until_settled(self, jobs: int = 0, patience: float = PATIENCE) -> None:
        """Return when no job is left unfinished, and there are at least so many."""
        deadline = time.monotonic() + patience
        while True:
            found = self.jobs()
            if all(job.done for job in found) and len(found) >= jobs:
                return
            left = [(job.id, [call.state.value for call in job.calls]) for job in found if not job.done]
            assert time.monotonic() < deadline, f"stuck: {left}, of {len(found)} jobs"
            time.sleep(0.02)

    def pictures(self) -> list[PictureRecord]:
        """Every picture in the library."""
        return self._ask(lambda stores: stores.library.find(LOCAL, limit=1_000_000))

    def audit(self) -> Audit:
        """Hold the vendor's books against the user's."""
        assert not isinstance(self.vendor, SlowOpenAI)
        submits = Counter(_prompt_in(one.json()) for one in self.vendor.received(self.vendor.submits))
        tasks: Counter[str] = Counter()
        made: Counter[str] = Counter()
        for task in self.vendor.tasks.values():
            prompt = str(task.fields["prompt"])
            tasks[prompt] += 1
            made[prompt] += len(task.results)
        return Audit(
            jobs=self.jobs(),
            pictures=self.pictures(),
            submits=submits,
            tasks=tasks,
            made=made,
            charges=[str(charge[0]) for charge in self.vendor.charges],
            findable=self.vendor.lists_calls,
        )


@dataclass(frozen=True)
class Audit:
    """What the vendor says it did, beside what the user has."""

    jobs: list[JobRecord]
    """As the journal has them."""
    pictures: list[PictureRecord]
    """As the library has them."""
    submits: Counter[str]
    """How many requests for paid work came to the vendor, by prompt; no two jobs share a prompt."""
    tasks: Counter[str]
    """How many tasks it began, by prompt."""
    made: Counter[str]
    """How many pictures it made, all of them to be paid for, by prompt."""
    charges: list[str]
    """The tasks it took money for."""
    findable: bool
    """Whether it lists its recent tasks, so that one whose answer was never heard is found there."""

    @property
    def calls(self) -> Counter[CallState]:
        """How the calls ended."""
        return Counter(call.state for job in self.jobs for call in job.calls)

    def check(self) -> None:
        """Nothing lost, nothing paid twice, nothing stuck."""
        assert all(job.done for job in self.jobs), "a job is stuck"
        assert len(self.charges) == len(set(self.charges)), "a task was charged twice"
        written = {job.plan["spec"]["prompt"] for job in self.jobs}
        assert set(self.submits) <= written, "something was sent that was not written down before"
        kept = Counter(record.job_id for record in self.pictures)
        variants = {(record.job_id, record.variant) for record in self.pictures}
        assert len(variants) == len(self.pictures), "a picture is in the library twice"
        assert all(place(record).stat().st_size == record.bytes for record in self.pictures)
        for job in self.jobs:
            self._check_job(job, kept[job.id])
        assert len(self.charges) == self.calls[CallState.KEPT], "charges and kept calls differ"

    def _check_job(self, job: JobRecord, kept: int) -> None:
        prompt = job.plan["spec"]["prompt"]
        states = Counter(call.state for call in job.calls)
        assert set(states) <= {CallState.KEPT, CallState.UNKNOWN}, (job.id, states)
        assert kept == sum(call.count for call in job.calls if call.state is CallState.KEPT), f"{job.id}: {kept} kept"
        # whether a submit that nobody heard the answer to has arrived is known to the vendor alone, unless it lists it
        doubtful = [] if self.findable else [call for call in job.calls if call.state is CallState.UNKNOWN]
        known, begun = states[CallState.KEPT], self.tasks[prompt]
        assert known <= begun <= known + len(doubtful), f"{job.id}: {begun} tasks for {states}"
        assert begun <= self.submits[prompt] <= len(job.calls), f"{job.id}: {self.submits[prompt]} submits"
        lost = self.made[prompt] - kept
        assert 0 <= lost <= sum(call.count for call in doubtful), f"{lost} lost"
        if states[CallState.UNKNOWN]:
            text = " ".join((*job.notes, str((job.error or {}).get("text", ""))))
            assert "may or may not have received" in text, f"{job.id} does not say that its outcome is unknown"
            assert "not sent again" in text


def _prompt_in(body: Any) -> str:
    """The prompt of a submit: vendors put it at the top or into an `input`."""
    return str(body["input"]["prompt"] if "input" in body else body["prompt"])


def plain_route(provider: str) -> Route:
    """The cheapest way to one picture from a prompt."""
    return min(_generating(provider), key=lambda route: route.price.usd or 0.0)


def fan_out_route(provider: str) -> Route:
    """A way on which several variants are several calls, where the vendor has one."""
    able = [route for route in _generating(provider) if "variants" in route.takes]
    return min(able, key=lambda route: len(route.counts))


def given(route: Route, prompt: str) -> dict[str, Any]:
    """The arguments of a call that is served by this route: the prompt, and the edition that the route serves."""
    return {"prompt": prompt} | ({MODEL: route.edition} if route.edition else {})


def _generating(provider: str) -> list[Route]:
    return [
        route
        for route in routes_of(provider)
        if route.operation is OperationName.GENERATE and route.price.usd is not None
    ]
