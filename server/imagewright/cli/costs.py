"""What jobs cost, summed by day, by tool and by provider, with how sure each sum is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from imagewright.cli.output import console, fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.table import Table

    Cost = tuple[float, str, str, float, str]
    """When the job began (seconds since 1970), tool, provider, USD, basis; as the journal returns it."""

BASES = ("actual", "estimate", "unknown")
HEADINGS = ("jobs", "USD", "actual", "estimate", "unknown")
KINDS: dict[str, Callable[[Cost], str]] = {
    "day": lambda cost: f"{datetime.fromtimestamp(cost[0]).astimezone():%Y-%m-%d}",
    "tool": lambda cost: cost[1],
    "provider": lambda cost: cost[2],
}
"""What is summed by, and where a cost stands in it."""


@dataclass(slots=True)
class Sum:
    """A sum of costs.

    Attributes:
        usd: by basis, USD.
        jobs: by basis, how many.
    """

    usd: Counter[str] = field(default_factory=Counter)
    jobs: Counter[str] = field(default_factory=Counter)

    def add(self, usd: float, basis: str) -> None:
        """Count one job."""
        # of floats in truth, which a Counter adds as well
        self.usd[basis] += usd  # type: ignore[assignment]
        self.jobs[basis] += 1

    @property
    def total(self) -> float:
        """USD of every basis."""
        return round(float(sum(self.usd.values())), 6)


def summed(costs: Iterable[Cost], kind: Callable[[Cost], str]) -> dict[str, Sum]:
    """The costs by what the function makes of each, in the order in which they first appear."""
    sums: dict[str, Sum] = {}
    for cost in costs:
        sums.setdefault(kind(cost), Sum()).add(cost[3], cost[4])
    return sums


def cost_data(costs: list[Cost], since: datetime) -> dict[str, Any]:
    """The sums as plain data."""
    return {
        "since": since.isoformat(),
        **_plain(_total(costs)),
        **{
            f"by_{kind}": [{kind: name} | _plain(one) for name, one in summed(costs, place).items()]
            for kind, place in KINDS.items()
        },
    }


def _plain(one: Sum) -> dict[str, Any]:
    return {"usd": one.total, "jobs": one.jobs.total()} | {
        basis: {"usd": round(float(one.usd[basis]), 6), "jobs": one.jobs[basis]} for basis in BASES
    }


def _total(costs: Iterable[Cost]) -> Sum:
    return summed(costs, lambda _: "").get("", Sum())


def print_costs(costs: list[Cost], since: datetime) -> None:
    """The sums as tables."""
    screen = console()
    if not costs:
        screen.print(f"No job has ended since {since:%Y-%m-%d}, so nothing was spent.")
        return
    for kind, place in KINDS.items():
        screen.print(_table(kind, summed(costs, place)))
        screen.print()
    total = _total(costs)
    screen.print(
        Text(f"${total.total:.4f} for {_counted(total.jobs.total())} since {since:%Y-%m-%d}", style="bold"),
        Text("actual: as the vendor told; estimate: from its price list; unknown: jobs not in the sum"),
        Text("Jobs that still run count when they have ended."),
        sep="\n",
    )


def _counted(jobs: int) -> str:
    return f"{jobs} job{'s' if jobs != 1 else ''}"


def _table(kind: str, sums: dict[str, Sum]) -> Table:
    screen = console()
    rows = [[Text(cell) for cell in (name, *_cells(one))] for name, one in sums.items()]
    return fitted(screen, screen.width, [Text(kind), *(Text(heading) for heading in HEADINGS)], rows)


def _cells(one: Sum) -> tuple[str, ...]:
    return (
        str(one.jobs.total()),
        f"{one.total:.4f}",
        f"{one.usd['actual']:.4f}",
        f"{one.usd['estimate']:.4f}",
        str(one.jobs["unknown"]),
    )
