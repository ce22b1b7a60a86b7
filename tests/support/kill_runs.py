"""Kill or freeze a real server at a chosen moment and see what becomes of the pictures that were paid for.

The moment is chosen from what stands in the journal. Whoever strikes holds the journal's write lock while looking and
striking, so that the states that were read are the states the server was in.

    with SlowKie() as kie:
        house = House(home, kie)
        with house.server() as server:
            house.begin(server, "a kite")
            point = house.kill(server, Aim.SUBMITTED)
        with house.server():
            house.wait_until_settled()
        house.audit().check()

A strike hits the server's whole process group, as a client's does. A courier, which has a session of its own, is not
in it and is only hit where that is asked for.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import anyio

from imagewright.catalog.row import MODEL, OperationName
from imagewright.settings.folders import find_folders
from imagewright.storage.accounts import LOCAL
from imagewright.storage.states import FINAL, OPEN, CallState
from imagewright.storage.stores import open_stores
from tests.support.audits import Audit
from tests.support.raw_client import MODERN, QUICK, RawClient
from tests.support.slow_vendors import prompt_in
from tests.support.vendors import environment, routes_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from imagewright.providers.base import Route
    from imagewright.storage.records import JobRecord, PictureRecord
    from imagewright.storage.stores import Stores
    from tests.support.slow_vendors import AnyVendor

T = TypeVar("T")

PATIENCE = 90.0
"""Seconds until a state that never comes fails the test; on a busy machine, one that comes may take many."""
PAUSE = 0.002
"""Seconds between two looks into the journal; the server needs its turn at the lock."""
LOCKED = 1.5
"""Seconds for which the journal is kept locked at most to catch a server between a file and its row."""


class Aim(StrEnum):
    """A moment a server can be killed in with work to do."""

    PLANNED = "planned"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    FETCHING = "fetching"
    """It has asked for a file; the journal may still say that its call is submitted."""
    SAVING = "saving"
    """A file is in its place, and the journal does not say so yet."""


@dataclass(frozen=True)
class KillPoint:
    """What a server was doing when it died."""

    aimed: Aim | None
    """What was waited for; None when the moment was left to chance."""
    hit: bool
    """Whether it came."""
    calls: Mapping[tuple[str, int], CallState]
    """Its unfinished calls, by job and number, and where each stood."""
    with_courier: bool = False
    """Whether its courier was killed as well."""

    @property
    def states(self) -> Counter[CallState]:
        """How many of its unfinished calls stood in each state."""
        return Counter(self.calls.values())

    @property
    def moments(self) -> set[str]:
        """What it was doing."""
        return {*self.calls.values()} | ({self.aimed} if self.hit and self.aimed else set())


@dataclass
class House:
    """One user's machine: a folder, a vendor, and any number of server processes."""

    home: Path
    """The user's folder."""
    vendor: AnyVendor
    """The emulator, running."""
    env: dict[str, str] = field(default_factory=dict)
    """Further variables for the servers."""

    def __post_init__(self) -> None:
        self._folders = find_folders({"IMAGEWRIGHT_HOME": str(self.home)}, self.home)
        self._file = self._folders.database

    def server(self, revision: str = MODERN, **env: str) -> RawClient:
        """A server process whose lease is short and which asks the vendor often, with these further variables."""
        return self._server(revision, env)

    def spawned_server(self) -> RawClient:
        """Such a server, started from nothing as users' are, and not forked."""
        return self._server(MODERN, {}, QUICK)

    def _server(self, revision: str, env: Mapping[str, str], program: tuple[str, ...] = ()) -> RawClient:
        variables = {**self.environment(), "IMAGEWRIGHT_LEASE": "1", **self.env, **env}
        return RawClient(revision, env=variables, program=program, quick=True)

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
    def held(self, aim: Aim) -> Iterator[None]:
        """Let no call get beyond this moment, which waits for an answer of the vendor."""
        vendor = self.vendor
        self.vendor.hold(door := {Aim.SUBMITTING: vendor.submits, Aim.SUBMITTED: vendor.polls}.get(aim, "download"))
        try:
            yield
        finally:
            self.vendor.release(door)

    def kill(
        self, server: RawClient, aim: Aim | None, *, within: float = PATIENCE, with_courier: bool = False
    ) -> KillPoint:
        """SIGKILL it as soon as it is in this moment.

        Args:
            server: the process.
            aim: the moment; None to leave it to chance.
            within: seconds after which it is killed anyway; it is, too, once it has carried all its calls beyond.
            with_courier: whether the courier that sends its requests is killed at the same moment.
        """
        deadline = time.monotonic() + within
        asked = self._asked_for_files()
        begun = False
        while True:
            with self.locked() as calls_of:
                calls = calls_of(server.process.pid)
                missed = begun and not calls and aim is not None
                begun = begun or bool(calls)
                hit = begun and self._is_in(aim, calls, asked)
                if hit or missed or time.monotonic() > deadline:
                    struck = strike(server, signal.SIGKILL, with_courier=with_courier)
                    server.process.wait(PATIENCE)
                    return KillPoint(aim, hit, calls, with_courier=struck > 1)
            assert server.process.poll() is None, f"the server has ended: {''.join(server.log)}"
            time.sleep(PAUSE)

    def _is_in(self, aim: Aim | None, calls: Mapping[tuple[str, int], CallState], asked: int) -> bool:
        """Whether a server is in that moment now, the journal being locked; a file is waited for a little."""
        if aim not in {Aim.FETCHING, Aim.SAVING}:
            return aim in {state.value for state in calls.values()}
        if self._asked_for_files() == asked:
            return False
        return aim is Aim.FETCHING or self.sees_new_file(self._file_count())

    def _asked_for_files(self) -> int:
        """How many requests came to the vendor for files, or for what is answered with them."""
        return len(self.vendor.received("download" if self.vendor.polls else self.vendor.submits))

    def _file_count(self) -> int:
        """How many files are in the library, in their place."""
        return sum(1 for _ in self.home.glob("pictures/**/[!.]*.*"))

    def sees_new_file(self, before: int) -> bool:
        """Whether one more file comes into its place soon."""
        deadline = time.monotonic() + LOCKED
        while (new := self._file_count() > before) is False and time.monotonic() < deadline:
            time.sleep(PAUSE)
        return new

    @contextmanager
    def locked(self) -> Iterator[Callable[[int], Mapping[tuple[str, int], CallState]]]:
        """The journal, with nobody else writing: the unfinished calls of a process, by job and number."""

        def calls_of(pid: int) -> Mapping[tuple[str, int], CallState]:
            query = (
                "SELECT job.id, call.number, call.state FROM call JOIN job ON job.id = call.job_id "
                "WHERE job.state = 'running' AND job.worker_id LIKE ?"
            )
            try:
                found = connection.execute(query, (f"{pid}-%",)).fetchall()
            except sqlite3.OperationalError:  # no tables yet
                return {}
            return {(job, number): CallState(state) for job, number, state in found if state not in FINAL}

        if not self._file.exists():
            yield lambda _pid: {}
            return
        with closing(sqlite3.connect(self._file, timeout=PATIENCE, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield calls_of
            finally:
                connection.execute("ROLLBACK")

    def wait_for(self, aim: Aim) -> None:
        """Return when a call is in that moment, which is not over before the vendor has answered."""
        if aim is Aim.FETCHING:
            until(self._asked_for_files, "no file was ever asked for")
            return
        until(lambda: aim in self._states("call"), f"no call was ever {aim}")
        if aim is Aim.SUBMITTING:  # it is written down before anything is sent
            until(lambda: self.vendor.received(self.vendor.submits), "nothing was ever submitted")

    def _states(self, table: Literal["call", "job"]) -> list[str]:
        """The state of every row; a look that costs so little that it can be had again and again."""
        if not self._file.exists():
            return []
        with closing(sqlite3.connect(self._file, timeout=PATIENCE)) as connection:
            try:
                return [state for (state,) in connection.execute(f"SELECT state FROM {table}")]  # noqa: S608 - of two names
            except sqlite3.OperationalError:  # no tables yet
                return []

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
        while len(states := self._states("job")) < jobs or OPEN & {*states}:
            if time.monotonic() > deadline:
                found = self.jobs()
                left = [(job.id, [call.state.value for call in job.calls]) for job in found if not job.done]
                raise AssertionError(f"stuck: {left}, of {len(found)} jobs")
            time.sleep(0.02)

    def pictures(self) -> list[PictureRecord]:
        """Every picture in the library."""
        return self._ask(lambda stores: stores.library.find(LOCAL, limit=1_000_000))

    def audit(self) -> Audit:
        """Hold the vendor's books against the user's."""
        return Audit(
            jobs=self.jobs(),
            pictures=self.pictures(),
            submits=Counter(prompt_in(one.json()) for one in self.vendor.received(self.vendor.submits)),
            work=self.vendor.work(),
            charges=self.vendor.charged(),
            findable=self.vendor.lists_calls,
        )


def strike(server: RawClient, number: signal.Signals, *, with_courier: bool = False) -> int:
    """Send a signal to the server's process group, and to its courier where that is asked for.

    Returns:
        How many processes were aimed at: the server, and its couriers.
    """
    pid = server.process.pid
    if sys.platform == "win32":
        server.process.send_signal(number)
        return 1
    if not with_courier:
        os.killpg(pid, number)
        return 1
    os.killpg(pid, signal.SIGSTOP)  # so that it cannot start another meanwhile
    couriers = children_of(pid)
    for courier in couriers:
        with suppress(ProcessLookupError):
            os.kill(courier, number)
    os.killpg(pid, number)
    return 1 + len(couriers)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that still run; none where there is no /proc."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            if int(file.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(file.parent.name))
    return found


def until(holds: Callable[[], object], otherwise: str, patience: float = PATIENCE) -> None:
    """Return when it holds; fail with these words when it never does."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(PAUSE)


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
