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
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server"), str(ROOT)]

from imagewright.storage.states import CallState  # noqa: E402 - found on the path set above
from tests.support.freeze_runs import CASES, MOMENTS, Outcome, play  # noqa: E402 - as above

if TYPE_CHECKING:
    from tests.support.slow_vendors import AnyVendor


def play_apart(moment: str, vendor: type[AnyVendor], seed: str) -> Outcome:
    """One round. The home of a failure is kept."""
    folder = Path(tempfile.mkdtemp(prefix="freeze-"))
    outcome = play(moment, vendor, seed, folder)
    if outcome.problems:
        print(f"\n{moment}, {outcome.vendor}: {folder} is kept", flush=True)
    else:
        shutil.rmtree(folder)
    return outcome


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
        for future in as_completed([pool.submit(play_apart, *one) for one in rounds]):
            outcomes.append(future.result())
            print(f"\r{len(outcomes)} of {words.rounds}", end="", flush=True)
    print(f"\r{words.rounds} rounds in {time.monotonic() - begun:.0f} s")
    if not report(outcomes):
        sys.exit(1)


if __name__ == "__main__":
    main()
