"""Kill real server processes hundreds of times, and hold the vendor's books against the user's library.

    python benchmarks/kill.py --rounds 500

In each round one to three calls are begun, of one to three vendor calls each, and a server's process group is killed
(SIGKILL): when one of its calls is in a given state, or at any moment. In half of the rounds two servers share the
folder, so that a living one takes over; in the others the next start does. In some rounds the vendor breaks the
connection after it has begun the work, or answers late; in some, the courier that sends the requests is killed with the
server. A third of the servers start from nothing, as users' do; the others are forked from a process that has imported
everything. In the end, every picture the vendor was paid for is in the library, or its call is one whose outcome nobody
here can know and which says so; nothing was sent twice; no job is stuck.

Calls of unknown outcome are counted by cause: the vendor broke the connection; the courier was killed as well; or
neither. Of the last kind at most 1 in 100 calls may end so. Several homes, each with a vendor of its own, are tried at
the same time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server"), str(ROOT)]

from imagewright.storage.states import CallState  # noqa: E402 - found on the path set above
from tests.emulators.messages import Answer  # noqa: E402 - as above
from tests.support.kill_runs import Aim, House, KillPoint  # noqa: E402 - as above
from tests.support.slow_vendors import AnyVendor, SlowFal, SlowKie, SlowOpenAI  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.audits import Audit
    from tests.support.raw_client import RawClient

VENDORS: dict[str, type[AnyVendor]] = {"kie": SlowKie, "fal": SlowFal, "openai": SlowOpenAI}
USUAL = ("kie", "fal")
LATE = 1.0
"""Seconds by which a late vendor answers later than usual."""
LONGEST = 2.5
"""Seconds a server lives at most after its calls were begun, when its death is left to chance."""
PEACE = 120.0
"""Seconds until everything must be settled once nobody is killed any more."""
SOMETIMES = 0.2
"""Share of the rounds that wait for peace first, of those that begin nothing new, and of those that kill a courier."""
FROM_NOTHING = 1 / 3
"""Share of the servers that are started as users' are."""
ENOUGH = 50
"""Rounds after which every state must have been hit."""
MOST_UNKNOWN = 0.01
"""Share of the calls whose outcome may be unknown because a server was killed."""
IN_ONE_HOME = 25
"""Rounds in one home, against one emulator."""
FAULTS = ("none", "none", "none", "none", "a reset during the submit", "a late answer")
KEPT, VENDOR, COURIER, KILL = "kept", "the vendor broke off", "the courier was killed", "the server was killed"
"""How a call ended; all but the first are why its outcome is unknown."""


@dataclass
class Tally:
    """What happened in one home, or in all of them."""

    aims: Counter[str] = field(default_factory=Counter)
    """How many kills waited for each state, or for none."""
    hits: Counter[str] = field(default_factory=Counter)
    """How many servers died with a call in each state."""
    rounds: Counter[str] = field(default_factory=Counter)
    """How many rounds there were in each circumstance."""
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many calls ended in each way, by the state in which their server died last."""
    figures: Counter[str] = field(default_factory=Counter)
    """Jobs, calls, submits, tasks, pictures paid and kept."""
    problems: list[str] = field(default_factory=list)
    """What was lost, paid twice or is stuck."""

    def add(self, other: Tally) -> None:
        """Add what happened in another home."""
        for name in ("aims", "hits", "rounds", "ends", "figures"):
            getattr(self, name).update(getattr(other, name))
        self.problems += other.problems

    def unknown(self, cause: str) -> int:
        """Calls of unknown outcome for this reason."""
        return sum(count for (_, end), count in self.ends.items() if end == cause)


class Rounds:
    """Rounds against one vendor, in one user's folder."""

    def __init__(self, house: House, chance: random.Random) -> None:
        self._house = house
        self._chance = chance
        self._alive: list[RawClient] = []
        self._dead: list[RawClient] = []
        self._begun = 0
        self._deaths: list[KillPoint] = []
        self.tally = Tally()

    def run(self, rounds: int) -> None:
        """So many kills, and then peace until everything is settled."""
        try:
            for number in range(rounds):
                self._round(servers=1 + number % 2)
            self._registry(1)
            self._house.wait_until_settled(patience=PEACE)
        except AssertionError as error:
            self.tally.problems.append(str(error))
        finally:
            for server in self._alive:
                server.__exit__(None, None, None)
            for place, server in enumerate(self._dead + self._alive):
                (self._house.home / f"server-{place}.log").write_text("".join(server.log), "utf-8")
        audit = self._house.audit()
        self.tally.problems += audit.problems()
        self._count(audit)

    def _round(self, servers: int) -> None:
        chance, house, rounds = self._chance, self._house, self.tally.rounds
        self._registry(servers)
        rounds[f"{servers} server{'s' if servers > 1 else ''}"] += 1
        if chance.random() < SOMETIMES:
            house.wait_until_settled(patience=PEACE)
        victim = chance.choice(self._alive)
        with_courier = chance.random() < SOMETIMES
        if chance.random() < SOMETIMES:
            rounds["amid what it took over"] += 1
            self._kill(victim, None, with_courier=with_courier)
            return
        usual = house.vendor.lags
        self._disturb(house.vendor, chance.choice(FAULTS))
        for _ in range(chance.randint(1, 3)):
            house.begin(victim, f"kite {self._begun}", variants=chance.randint(1, 3))
            self._begun += 1
        self._kill(victim, chance.choice((None, *Aim)), with_courier=with_courier)
        house.vendor.lags = usual
        house.vendor.heal(house.vendor.submits)

    def _disturb(self, vendor: AnyVendor, fault: str) -> None:
        self.tally.rounds[f"fault: {fault}"] += 1
        if "reset" in fault:
            vendor.fail_next(vendor.submits, Answer.reset(), after=True)
        elif "late" in fault:
            vendor.lags = {**vendor.lags, vendor.submits: LATE}

    def _kill(self, victim: RawClient, aim: Aim | None, *, with_courier: bool) -> None:
        within = LONGEST if aim else self._chance.uniform(0, LONGEST)
        point = self._house.kill(victim, aim, within=within, with_courier=with_courier)
        self.tally.aims[point.aimed.value if point.aimed else "any moment"] += 1
        self.tally.hits.update(point.moments or {"nothing to do"})
        self.tally.rounds["the courier was killed as well"] += point.with_courier
        self._deaths.append(point)
        self._alive.remove(victim)
        self._dead.append(victim)
        victim.__exit__(None, None, None)

    def _registry(self, servers: int) -> None:
        while len(self._alive) < servers:
            spawned = self._chance.random() < FROM_NOTHING
            self.tally.rounds["servers from nothing" if spawned else "servers forked"] += 1
            server = self._house.spawned_server() if spawned else self._house.server()
            self._alive.append(server.__enter__())
        while len(self._alive) > servers:
            self._dead.append(self._alive.pop(0))
            self._dead[-1].__exit__(None, None, None)

    def _count(self, audit: Audit) -> None:
        """What became of each call, and why."""
        last = {call: state for point in self._deaths for call, state in point.calls.items()}
        orphaned = {call for point in self._deaths if point.with_courier for call in point.calls}
        for job in audit.jobs:
            broken = self._house.vendor.broken[job.plan["spec"]["prompt"]]
            for call in job.calls:
                died = last.get((job.id, call.number))
                end = KEPT
                if call.state is not CallState.KEPT:
                    end = VENDOR if broken else COURIER if (job.id, call.number) in orphaned else KILL
                    broken -= end == VENDOR
                self.tally.ends[died.value if died else "none", end] += 1
        self.tally.figures = Counter(
            {
                "jobs": len(audit.jobs),
                "calls": sum(audit.calls.values()),
                "submits": sum(audit.submits.values()),
                "tasks begun": audit.tasks,
                "pictures paid": audit.made,
                "pictures kept": len(audit.pictures),
            }
        )


def in_one_home(vendor: str, rounds: int, seed: str) -> Tally:
    """Rounds in a home of their own, in a process of their own. The home of a failure is kept."""
    folder = Path(tempfile.mkdtemp(prefix="kill-"))
    with VENDORS[vendor]() as emulator:
        runs = Rounds(House(folder / "home", emulator), random.Random(seed))  # noqa: S311 - repeatable, guards nothing
        runs.run(rounds)
    if runs.tally.problems or runs.tally.unknown(KILL):
        runs.tally.problems = [f"{vendor}, {folder}: {problem}" for problem in runs.tally.problems]
        print(f"\n{vendor}: not as it should be; the home is kept: {folder}", flush=True)
    else:
        shutil.rmtree(folder)
    return runs.tally


def report(tallies: dict[str, Tally]) -> bool:
    """The log of kill points, and the equalities; returns whether they hold."""
    whole = Tally()
    for tally in tallies.values():
        whole.add(tally)
    print(
        f"\n{'state':16}{'waited for':>12}{'servers died in it':>20}{'calls in it last':>18}{'kept':>7}{'unknown':>9}"
    )
    for name in (*Aim, "made", "any moment", "nothing to do", "none"):
        ends = {end: count for (state, end), count in whole.ends.items() if state == name}
        unknown = sum(ends.values()) - ends.get(KEPT, 0)
        counts = f"{sum(ends.values()):18}{ends.get(KEPT, 0):7}{unknown:9}"
        print(f"{name:16}{whole.aims[name]:12}{whole.hits[name]:20}{counts}")
    print("\nrounds: " + "; ".join(f"{name}: {count}" for name, count in sorted(whole.rounds.items())))
    good = not whole.problems
    for name, tally in tallies.items():
        lost = tally.figures["pictures paid"] - tally.figures["pictures kept"]
        causes = "; ".join(f"{cause}: {tally.unknown(cause)}" for cause in (KILL, COURIER, VENDOR))
        print(f"\n{name}: " + ", ".join(f"{count} {what}" for what, count in tally.figures.items()))
        print(f"  paid and not kept: {lost} pictures; calls of unknown outcome: {causes}")
        share = tally.unknown(KILL) / max(1, tally.figures["calls"])
        print(f"  unknown because a server was killed: {share:.2%} of the calls; at most {MOST_UNKNOWN:.0%}")
        good = good and share <= MOST_UNKNOWN
    for problem in whole.problems:
        print(f"WRONG: {problem}")
    print("\nIt holds." if good else "\nIt does not hold.")
    return good


def carry_out(names: Iterable[str], rounds: int, seed: int, lanes: int) -> dict[str, Tally]:
    """All rounds, several homes at a time."""
    names = list(names)
    wanted = [(rounds + len(names) - 1 - place) // len(names) for place in range(len(names))]
    work: list[tuple[str, int, str]] = []
    for name, count in zip(names, wanted, strict=True):
        starts = range(0, count, IN_ONE_HOME)
        work += [(name, min(IN_ONE_HOME, count - start), f"{seed}-{name}-{start}") for start in starts]
    tallies = {name: Tally() for name in names}
    done = 0
    with ProcessPoolExecutor(lanes, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        homes: dict[Any, tuple[str, int, str]] = {pool.submit(in_one_home, *one): one for one in work}
        for home in as_completed(homes):
            name, count, _ = homes[home]
            tallies[name].add(home.result())
            done += count
            print(f"\r{done} of {rounds}", end="", flush=True)
    return tallies


def main() -> None:
    """Run it; an equality that does not hold ends it with an error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=500, help="how many kills (default: 500)")
    parser.add_argument("--seed", type=int, default=1, help="of every choice that is left to chance (default: 1)")
    parser.add_argument("--homes", type=int, default=4, help="how many at the same time (default: 4)")
    parser.add_argument(
        "--vendor", choices=VENDORS, action="append", help="which emulated vendors (default: kie and fal)"
    )
    words = parser.parse_args()
    begun = time.monotonic()
    tallies = carry_out(words.vendor or USUAL, words.rounds, words.seed, words.homes)
    print(f"\r{words.rounds} kills in {time.monotonic() - begun:.0f} s")
    good = report(tallies)
    hits = sum((tally.hits for tally in tallies.values()), Counter[str]())
    asked = any(VENDORS[name].polls for name in tallies)
    missed = [aim for aim in Aim if not hits[aim] and (asked or aim is not Aim.SUBMITTED)]
    if missed and words.rounds >= ENOUGH:
        sys.exit(f"never hit: {', '.join(missed)}")
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    main()
