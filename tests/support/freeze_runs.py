"""Freeze a real server in a chosen moment while a second one lives on its home, and let it go on.

    outcome = play("sending", SlowOpenAI, "seed", folder)
    assert not outcome.problems

The second server takes over what has no owner, and the first wakes up in the middle of what it was doing. The large
version, many times and at random, is `benchmarks/freeze.py`.
"""

from __future__ import annotations

import base64
import random
import signal
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagewright.catalog.row import OperationName
from imagewright.storage.states import CallState
from tests.support.kill_runs import House, given, strike, until
from tests.support.pictures import photo
from tests.support.slow_vendors import AnyVendor, SlowKie, SlowOpenAI
from tests.support.vendors import routes_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.raw_client import RawClient

LEASE = 1.5
"""Seconds."""
PEACE = 90.0
"""Seconds until everything must be settled once nobody is frozen any more."""
TASK_SECONDS = 0.5
"""How long the vendor takes for a picture."""
DRIP = 3.0
"""Seconds over which a file comes that comes slowly."""
LOCKED = 3.0
"""Seconds for which the journal is kept locked at most, to catch a server between its file and its row."""
SLOT = 4.0
"""Seconds in which the vendor takes one call where calls wait for their slots."""
FREEZES = (2.0, 2.0, 4.0)
"""For how many leases a server is frozen."""


@dataclass
class Stage:
    """One round: a home, its servers, its vendor."""

    house: House
    chance: random.Random
    first: RawClient
    """The server that is frozen."""
    held: list[str] = field(default_factory=list)
    """Doors whose answers are held."""
    begun: list[int] = field(default_factory=list)
    """The calls that were made, by the number of the request."""

    @property
    def vendor(self) -> AnyVendor:
        """The emulator."""
        return self.house.vendor

    def hold(self, door: str) -> None:
        """Keep a door's answers until `release`."""
        self.vendor.hold(door)
        self.held.append(door)

    def release(self) -> None:
        """Send all that was kept."""
        while self.held:
            self.vendor.release(self.held.pop())

    def begin(self, calls: int = 1, *, most_variants: int = 2) -> None:
        """Begin so many calls at the first server."""
        for _ in range(calls):
            prompt = f"a kite, number {len(self.begun)}"
            variants = self.chance.randint(1, most_variants)
            self.begun.append(self.house.begin(self.first, prompt, variants=variants))

    def begin_with_picture(self) -> None:
        """Begin a call that has a picture to upload."""
        route = next(one for one in routes_of(self.vendor.name) if one.operation is OperationName.EDIT)
        picture = f"data:image/png;base64,{base64.b64encode(photo(64, 64)).decode()}"
        arguments = given(route, f"a kite, number {len(self.begun)}") | {"images": [picture]}
        self.begun.append(self.first.begin("tools/call", {"name": route.tool, "arguments": arguments}))

    def arrived(self, door: str) -> None:
        """Return when a request came to a door."""
        until(lambda: self.vendor.received(door), f"nothing came to {door}")

    def states(self) -> Counter[CallState]:
        """Where the calls stand."""
        return Counter(call.state for job in self.house.jobs() for call in job.calls)

    def files(self, *folders: str) -> list[Path]:
        """Files with something in them below these folders of the home."""
        found = [file for folder in folders for file in (self.house.home / folder).rglob("*") if file.is_file()]
        with suppress(OSError):  # it was moved meanwhile
            return [file for file in found if file.stat().st_size]
        return []


def uploading(stage: Stage) -> None:
    """Planned: its picture is being uploaded."""
    stage.hold("upload")
    stage.begin_with_picture()
    stage.arrived("upload")


def waiting_for_its_slot(stage: Stage) -> None:
    """Planned: another call has the vendor's only slot."""
    stage.begin(2, most_variants=1)
    until(lambda: sum(stage.states().values()) == len(stage.begun), "the calls were never written down")
    until(lambda: stage.vendor.received(stage.vendor.submits), "the first call was never sent")
    time.sleep(0.3)
    until(lambda: stage.states()[CallState.PLANNED] == 1, "no call waits for its slot", patience=1.0)


def sending(stage: Stage) -> None:
    """Submitting: the vendor has the request and works on it."""
    stage.hold(stage.vendor.submits)
    stage.begin()
    stage.arrived(stage.vendor.submits)


def polling(stage: Stage) -> None:
    """Submitted: it has asked how the task stands."""
    stage.hold(stage.vendor.polls)
    stage.begin(2)
    stage.arrived(stage.vendor.polls)


def fetching(stage: Stage) -> None:
    """Made: it has asked for the file."""
    stage.hold("download")
    stage.begin()
    stage.arrived("download")


def in_the_middle_of_a_file(stage: Stage) -> None:
    """Made: part of the file is here."""
    stage.vendor.drips = {"download": DRIP}
    stage.begin(most_variants=1)
    stage.arrived("download")
    time.sleep(stage.chance.uniform(0.2, 0.6) * DRIP)


def saving(stage: Stage) -> None:
    """The file is on disk, and the journal cannot be written for a moment, so that no row says so yet."""
    door = "download" if stage.vendor.polls else stage.vendor.submits
    stage.hold(door)
    stage.begin()
    stage.arrived(door)
    before = set(stage.files("pictures", "incoming"))
    with stage.house.locked():
        stage.release()
        deadline = time.monotonic() + LOCKED
        while time.monotonic() < deadline and not set(stage.files("pictures")) - before:
            if not stage.vendor.polls and set(stage.files("incoming")) - before:
                break
            time.sleep(0.005)
        time.sleep(stage.chance.uniform(0.0, 0.05))
        strike(stage.first, signal.SIGSTOP)


def any_moment(stage: Stage) -> None:
    """Whatever it was doing, the journal's lock in hand or not."""
    stage.begin(2)
    time.sleep(stage.chance.uniform(0.0, 2.0))


MOMENTS: dict[str, tuple[Callable[[Stage], None], tuple[type[AnyVendor], ...]]] = {
    "uploading": (uploading, (SlowKie,)),
    "waiting for its slot": (waiting_for_its_slot, (SlowKie, SlowOpenAI)),
    "sending": (sending, (SlowKie, SlowOpenAI)),
    "sending, and its courier": (sending, (SlowKie, SlowOpenAI)),
    "polling": (polling, (SlowKie,)),
    "fetching": (fetching, (SlowKie, SlowOpenAI)),
    "in the middle of a file": (in_the_middle_of_a_file, (SlowKie, SlowOpenAI)),
    "saving": (saving, (SlowKie, SlowOpenAI)),
    "any moment": (any_moment, (SlowKie, SlowOpenAI)),
}
"""The states, and where each can be."""
CASES = [(moment, vendor) for moment, (_, vendors) in MOMENTS.items() for vendor in vendors]


@dataclass(frozen=True)
class Outcome:
    """What came of a round."""

    moment: str
    vendor: str
    states: Counter[CallState]
    """Where the calls stood when the server was frozen."""
    taken_over: int
    """How many jobs the second server took over."""
    calls: Counter[CallState]
    """How the calls ended."""
    paid: int
    """Pictures."""
    kept: int
    """Pictures."""
    problems: tuple[str, ...]
    """What was lost, made or sent twice, or is not whole."""


def play(moment: str, vendor: type[AnyVendor], seed: str, folder: Path) -> Outcome:
    """One round in a home in this folder, where the servers' logs are left as well."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, guards nothing
    with vendor() as emulator:
        house = House(folder / "home", emulator, {"IMAGEWRIGHT_LEASE": f"{LEASE:g}"})
        emulator.seconds = TASK_SECONDS
        if isinstance(emulator, SlowOpenAI):
            emulator.links = moment in {"fetching", "in the middle of a file"}
        if moment == "waiting for its slot":
            house.env[f"IMAGEWRIGHT_{emulator.name.upper()}_RATE"] = f"1/{SLOT:g}"
        with ExitStack() as stack:
            first, second = (stack.enter_context(house.server()) for _ in range(2))
            stage = Stage(house, chance, first)
            stack.callback(_thaw, first)
            problems, states = _freeze(stage, moment, second)
        for server, name in ((first, "frozen"), (second, "living")):
            (folder / f"{name}.log").write_text("".join(server.log), "utf-8")
        audit = house.audit()
        problems += audit.problems()
        if audit.lost:
            problems.append(f"{audit.lost} pictures are paid and not kept")
        if len(audit.jobs) != len(stage.begun):
            problems.append(f"{len(stage.begun)} calls were made, {len(audit.jobs)} jobs are in the journal")
    return Outcome(
        moment,
        emulator.name,
        states,
        sum(any("carried on by another" in note for note in job.notes) for job in audit.jobs),
        audit.calls,
        audit.made,
        len(audit.pictures),
        tuple(problems),
    )


def _freeze(stage: Stage, moment: str, second: RawClient) -> tuple[list[str], Counter[CallState]]:
    """Bring the first server into the moment, freeze it, let it go on; what went wrong, and where the calls stood."""
    problems: list[str] = []
    states: Counter[CallState] = Counter()
    try:
        MOMENTS[moment][0](stage)
        with_courier = "courier" in moment
        strike(stage.first, signal.SIGSTOP, with_courier=with_courier)
        states = stage.states()
        frozen, early = LEASE * stage.chance.choice(FREEZES), stage.chance.random()
        time.sleep(frozen * early)
        stage.release()
        time.sleep(frozen * (1 - early))
        strike(stage.first, signal.SIGCONT, with_courier=with_courier)
        stage.house.wait_until_settled(len(stage.begun), patience=PEACE)
        for answer in stage.first.answers(stage.begun).values():
            problems += _unheard(answer)
        for server in (stage.first, second):
            server.ask("tools/list")
    except (AssertionError, OSError) as error:
        problems.append(repr(error))
        _thaw(stage.first)
        stage.release()
        with suppress(AssertionError):  # the audit says what is stuck
            stage.house.wait_until_settled(patience=PEACE)
    return problems, states


def _thaw(server: RawClient) -> None:
    """Let a server and its courier go on, if they still live."""
    with suppress(ProcessLookupError):
        strike(server, signal.SIGCONT, with_courier=True)


def _unheard(answer: dict[str, Any]) -> list[str]:
    """What is wrong with the answer that the client of the frozen server got."""
    result = answer.get("result", {})
    job = result.get("structuredContent") or {}
    if job.get("status") == "completed" and job.get("images"):
        return []
    words = " ".join(block.get("text", "") for block in result.get("content", []))
    return [f"the client heard: {words[:300] or answer}"]
