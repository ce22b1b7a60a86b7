"""Kill real server processes hundreds of times, and hold the vendor's books against the user's library.

    python benchmarks/kill.py --rounds 500

In each round one to three calls are begun, of one to three vendor calls each, and a server is killed (SIGKILL): when
one of its calls is in a given state, or at any moment. In half of the rounds two servers share the folder, so that a
living one takes over; in the others the next start does. In some rounds the vendor breaks the connection after it has
begun the work, or answers late. In the end, every picture the vendor was paid for is in the library, or its call is one
whose outcome nobody here can know and which says so; nothing was sent twice; no job is stuck.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server"), str(ROOT)]

from imagewright.storage.states import CallState  # noqa: E402 - as above
from tests.emulators.messages import Answer  # noqa: E402 - found on the path set above
from tests.support.kill_runs import LIVE, AnyVendor, Audit, House, KillPoint, SlowFal, SlowKie  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.raw_client import RawClient

LATE = 1.0
"""Seconds by which a late vendor answers later than usual."""
LONGEST = 2.5
"""Seconds a server lives at most after its calls were begun, when its death is left to chance."""
PEACE = 120.0
"""Seconds until everything must be settled once nobody is killed any more."""
SOMETIMES = 0.2
"""Share of the rounds that wait for peace first, and of those that begin nothing new."""
ENOUGH = 50
"""Rounds after which every state must have been hit."""
FAULTS = ("none", "none", "none", "none", "a reset during the submit", "a late answer")


@dataclass
class Tally:
    """What happened."""

    aims: Counter[str] = field(default_factory=Counter)
    """How many kills waited for each state, or for none."""
    hits: Counter[str] = field(default_factory=Counter)
    """How many servers died with a call in each state."""
    calls: Counter[str] = field(default_factory=Counter)
    """How many calls stood in each state when their server died."""
    rounds: Counter[str] = field(default_factory=Counter)
    """How many rounds there were in each circumstance."""

    def add(self, point: KillPoint) -> None:
        """Count one death."""
        self.aims[point.aimed.value if point.aimed else "any moment"] += 1
        self.hits.update(state.value for state in point.states)
        self.calls.update({state.value: count for state, count in point.states.items()})
        if not point.states:
            self.hits["nothing to do"] += 1


class Rounds:
    """Rounds against one vendor, in one user's folder."""

    def __init__(self, house: House, chance: random.Random, tally: Tally) -> None:
        self._house = house
        self._chance = chance
        self._tally = tally
        self._alive: list[RawClient] = []
        self._begun = 0

    def run(self, rounds: int) -> Audit:
        """So many kills, and then peace until everything is settled."""
        try:
            for number in range(rounds):
                self._round(servers=1 + number % 2)
                say(f"\r{self._house.vendor.name}: {number + 1} of {rounds}")
            self._registry(1)
            self._house.wait_until_settled(patience=PEACE)
        finally:
            for server in self._alive:
                server.__exit__(None, None, None)
        return self._house.audit()

    def _round(self, servers: int) -> None:
        chance, house = self._chance, self._house
        self._registry(servers)
        self._tally.rounds[f"{servers} server{'s' if servers > 1 else ''}"] += 1
        if chance.random() < SOMETIMES:
            house.wait_until_settled(patience=PEACE)
        victim = chance.choice(self._alive)
        if chance.random() < SOMETIMES:
            self._tally.rounds["amid what it took over"] += 1
            self._kill(victim, None)
            return
        usual = house.vendor.lags
        self._disturb(house.vendor, chance.choice(FAULTS))
        for _ in range(chance.randint(1, 3)):
            house.begin(victim, f"kite {self._begun}", variants=chance.randint(1, 3))
            self._begun += 1
        self._kill(victim, chance.choice((None, *LIVE)))
        house.vendor.lags = usual
        house.vendor.heal(house.vendor.submits)

    def _disturb(self, vendor: AnyVendor, fault: str) -> None:
        self._tally.rounds[f"fault: {fault}"] += 1
        if "reset" in fault:
            vendor.fail_next(vendor.submits, Answer.reset(), after=True)
        elif "late" in fault:
            vendor.lags = {**vendor.lags, vendor.submits: LATE}

    def _kill(self, victim: RawClient, aim: CallState | None) -> None:
        self._tally.add(self._house.kill(victim, aim, within=LONGEST if aim else self._chance.uniform(0, LONGEST)))
        self._alive.remove(victim)
        victim.__exit__(None, None, None)

    def _registry(self, servers: int) -> None:
        while len(self._alive) < servers:
            self._alive.append(self._house.server().__enter__())
        while len(self._alive) > servers:
            self._alive.pop(0).__exit__(None, None, None)


def report(tally: Tally, audits: Iterable[tuple[str, Audit]], seconds: float) -> None:
    """The log of kill points, and the equalities."""
    say(f"\r{sum(tally.aims.values())} kills in {seconds:.0f} s\n\n")
    say(f"{'state':16}{'waited for':>12}{'servers died in it':>20}{'calls in it':>13}\n")
    for name in (*(state.value for state in LIVE), "any moment", "nothing to do"):
        say(f"{name:16}{tally.aims[name]:12}{tally.hits[name]:20}{tally.calls[name]:13}\n")
    say("\nrounds: " + "; ".join(f"{name}: {count}" for name, count in sorted(tally.rounds.items())) + "\n")
    for name, audit in audits:
        calls = audit.calls
        unknown = calls[CallState.UNKNOWN]
        paid, kept = sum(audit.made.values()), len(audit.pictures)
        say(
            f"\n{name}: {len(audit.jobs)} jobs, {sum(calls.values())} calls, {sum(audit.submits.values())} submits, "
            f"{sum(audit.tasks.values())} tasks begun, {len(audit.charges)} of them charged and known to be\n"
            f"  {unknown} calls of unknown outcome, each of which says so\n"
            f"  pictures paid = kept + of unknown outcome: {paid} = {kept} + {paid - kept}\n"
        )


def say(text: str) -> None:
    """Show it at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> None:
    """Run it; an equality that does not hold ends it with an error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=500, help="how many kills (default: 500)")
    parser.add_argument("--seed", type=int, default=1, help="of every choice that is left to chance (default: 1)")
    words = parser.parse_args()
    tally, begun = Tally(), time.monotonic()
    audits: list[tuple[str, Audit]] = []
    vendors: tuple[AnyVendor, ...] = (SlowKie(), SlowFal())
    for place, vendor in enumerate(vendors):
        rounds = (words.rounds + 1 - place) // len(vendors)
        with tempfile.TemporaryDirectory() as folder, vendor:
            house = House(Path(folder) / "home", vendor, spawning=True)
            audits.append((vendor.name, Rounds(house, random.Random(words.seed + place), tally).run(rounds)))  # noqa: S311 - repeatable, guards nothing
            audits[-1][1].check()
    report(tally, audits, time.monotonic() - begun)
    missed = [state.value for state in LIVE if not tally.hits[state.value]]
    if missed and words.rounds >= ENOUGH:
        sys.exit(f"never hit: {', '.join(missed)}")


if __name__ == "__main__":
    main()
