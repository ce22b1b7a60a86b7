"""Freeze a real server (SIGSTOP) for twice its lease or longer while a second server lives, and let it go on (SIGCONT).

    python benchmarks/freeze.py --rounds 60

A debugger, a full swap or a closed laptop do the same. Each round has a home of its own with two servers and one
emulated vendor: kie, which makes a task that is asked about, or openai, which answers with the pictures. The first
server begins one or two calls and is frozen in one of the states that a call can be in. The second takes over what has
no owner, and the first wakes up in the middle of what it was doing. In the end nothing was sent twice, nothing paid is
lost, every file is whole and byte for byte what the vendor gave, there is one row for each in the library, the client
of the frozen server has heard its pictures, and both servers still answer.

With "and its courier" the process that sends the requests is frozen as well.
"""

from __future__ import annotations

import argparse
import base64
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server"), str(ROOT)]

from imagewright.catalog.row import OperationName  # noqa: E402 - found on the path set above
from imagewright.storage.states import CallState  # noqa: E402 - as above
from tests.support.kill_runs import House, given, strike, until  # noqa: E402 - as above
from tests.support.pictures import photo  # noqa: E402 - as above
from tests.support.slow_vendors import AnyVendor, SlowKie, SlowOpenAI  # noqa: E402 - as above
from tests.support.vendors import routes_of  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Callable

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


def play(moment: str, vendor: type[AnyVendor], seed: str) -> Outcome:
    """One round. The home of a failure is kept."""
    folder = Path(tempfile.mkdtemp(prefix="freeze-"))
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
    if problems:
        print(f"\n{moment}, {emulator.name}: {folder} is kept", flush=True)
    else:
        shutil.rmtree(folder)
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


def report(outcomes: list[Outcome]) -> bool:
    """A line for each moment and vendor; returns whether all is well."""
    heads = f"{'frozen while':28}{'vendor':8}{'rounds':>7}{'taken over':>11}"
    print(f"\n{heads}{'kept':>6}{'unknown':>8}{'paid':>6}{'bad':>5}")
    for moment, vendor in CASES:
        found = [one for one in outcomes if (one.moment, one.vendor) == (moment, vendor.name)]
        if not found:
            continue
        calls = sum((one.calls for one in found), Counter[CallState]())
        print(
            f"{moment:28}{vendor.name:8}{len(found):7}{sum(one.taken_over for one in found):11}"
            f"{sum(one.kept for one in found):6}{calls[CallState.UNKNOWN]:8}{sum(one.paid for one in found):6}"
            f"{sum(bool(one.problems) for one in found):5}"
        )
    wrong = [one for one in outcomes if one.problems]
    for one in wrong:
        at = ", ".join(f"{count} {state}" for state, count in one.states.items())
        print(f"WRONG: {one.moment}, {one.vendor} (frozen with {at or 'nothing'}): " + "; ".join(one.problems))
    print("\nIt holds." if not wrong else f"\n{len(wrong)} of {len(outcomes)} rounds went wrong.")
    return not wrong


def main() -> None:
    """Run it; a picture that is lost, twice or not whole ends it with an error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3 * len(CASES), help="how many in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of every choice that is left to chance (default: 1)")
    parser.add_argument("--homes", type=int, default=4, help="how many at the same time (default: 4)")
    parser.add_argument("--moment", choices=MOMENTS, action="append", help="only these (default: all)")
    words = parser.parse_args()
    cases = [case for case in CASES if not words.moment or case[0] in words.moment]
    begun = time.monotonic()
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(words.homes) as pool:
        rounds = [(*cases[number % len(cases)], f"{words.seed}-{number}") for number in range(words.rounds)]
        for future in as_completed([pool.submit(play, *one) for one in rounds]):
            outcomes.append(future.result())
            print(f"\r{len(outcomes)} of {words.rounds}", end="", flush=True)
    print(f"\r{words.rounds} rounds in {time.monotonic() - begun:.0f} s")
    if not report(outcomes):
        sys.exit(1)


if __name__ == "__main__":
    main()
