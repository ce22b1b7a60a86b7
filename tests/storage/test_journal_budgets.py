"""What jobs cost or have set aside, and budgets that hold over all processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.storage.database import Database
from imagewright.storage.journal import Cap, Journal
from tests.storage.journal_rows import NOW, ended, job, opened

if TYPE_CHECKING:
    from pathlib import Path


def test_fifty_racing_calls_against_a_budget_for_twenty(file: Path) -> None:
    cap = Cap("day", 0.0, 20 * 0.1)
    start = Barrier(50)

    def call(place: int) -> bool:
        with closing(Database(file)) as database:
            start.wait()
            result = opened(Journal(database), job(str(place), reserved_usd=0.1), cap)
        assert (result.entry is None) == (result.over is not None)
        return result.entry is not None

    with ThreadPoolExecutor(50) as pool:
        sent = list(pool.map(call, range(50)))
    assert sum(sent) == 20
    with closing(Database(file)) as database:
        spent = Journal(database).spent(0.0)
    assert spent.jobs == 20
    assert spent.usd == pytest.approx(2.0)


def test_what_a_job_really_cost_takes_the_place_of_what_was_set_aside(journal: Journal) -> None:
    cap = Cap("day", 0.0, 1.0)
    assert opened(journal, job("1", reserved_usd=1.0), cap).entry
    over = opened(journal, job("2", reserved_usd=0.1), cap).over
    assert over is not None
    assert over[0] == cap
    assert (over[1].usd, over[1].jobs) == (1.0, 1)
    journal.finish("job_1", "failed", owner="me", now=NOW, cost_usd=0.0, cost_basis="actual", notes=())
    assert opened(journal, job("2", reserved_usd=1.0), cap).entry


def test_yesterday_does_not_count_even_where_it_still_runs(journal: Journal) -> None:
    ended(journal, job("1", created=NOW - 50), usd=5.0)
    opened(journal, job("2", created=NOW - 50, reserved_usd=3.0))
    assert journal.spent(NOW - 10).usd == 0.0
    assert journal.spent(NOW - 60).usd == 8.0


@pytest.mark.parametrize("usd", [float("inf"), -3.0, 1e300, "much"])
def test_a_charge_that_makes_no_sense_counts_as_what_was_set_aside(journal: Journal, usd: Any) -> None:
    ended(journal, job("1", reserved_usd=0.25))
    with journal._database.writing() as connection:  # noqa: SLF001 - as an earlier version may have written it
        connection.execute("UPDATE job SET cost_usd = ?", (usd,))
    assert journal.spent(0.0).usd == 0.25
    assert journal.costs(0.0) == []


def test_the_first_cap_without_room_is_named(journal: Journal) -> None:
    day, month = Cap("day", NOW - 10, 1.0), Cap("month", 0.0, 2.0)
    ended(journal, job("1", created=NOW - 50), usd=1.5)
    over = opened(journal, job("2", reserved_usd=0.6), day, month).over
    assert over is not None
    assert (over[0].name, over[1].usd) == ("month", 1.5)


def test_a_repeated_call_needs_no_room(journal: Journal) -> None:
    cap = Cap("day", 0.0, 1.0)
    opened(journal, job("1", reserved_usd=1.0, fingerprint="f"), cap)
    assert opened(journal, job("2", reserved_usd=1.0, fingerprint="f"), cap).joined == journal.get("job_1")


def test_costs_are_listed_oldest_first(journal: Journal) -> None:
    ended(journal, job("2", created=NOW + 1, provider="b"), usd=None)
    ended(journal, job("1"), usd=0.5)
    opened(journal, job("3"))
    assert journal.costs(NOW) == [
        (NOW, "some_tool", "somebody", 0.5, "actual"),
        (NOW + 1, "some_tool", "b", 0.0, "unknown"),
    ]
