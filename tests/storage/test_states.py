"""The table of transitions, once more in another form, so that neither can change alone."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from imagewright.storage.database import Database
from imagewright.storage.journal import Journal
from imagewright.storage.journal_entry import CallEntry, JobEntry
from imagewright.storage.states import NEXT, CallState, is_final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#               planned submitting submitted made kept failed cancelled unknown
TABLE = """
    planned     .       x          .         .    .    x      x         .
    submitting  .       .          x         x    .    x      .         x
    submitted   .       .          .         x    .    x      x         .
    made        .       .          .         .    x    x      .         .
    kept        .       .          .         .    .    .      .         .
    failed      .       .          .         .    .    .      .         .
    cancelled   .       .          .         .    .    .      .         .
    unknown     .       .          .         .    .    .      .         .
"""
MARKS = {name: marks for name, *marks in (line.split() for line in TABLE.strip().splitlines())}
PAIRS = list(product(CallState, CallState))


def allowed(before: CallState, after: CallState) -> bool:
    return MARKS[before.value][list(CallState).index(after)] == "x"


def routes_to(state: CallState) -> tuple[CallState, ...]:
    """The shortest way there from the beginning."""
    ways: list[tuple[CallState, ...]] = [()]
    while ways:
        way = ways.pop(0)
        here = way[-1] if way else CallState.PLANNED
        if here is state:
            return way
        ways += [(*way, after) for after in CallState if allowed(here, after)]
    raise AssertionError(f"{state} cannot be reached")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    database = Database(tmp_path / "journal.db")
    yield Journal(database)
    database.close()


def test_the_two_tables_agree() -> None:
    assert list(MARKS) == [state.value for state in CallState]
    assert {pair for pair in PAIRS if allowed(*pair)} == {(one, two) for one in NEXT for two in NEXT[one]}


def test_the_final_states_are_those_without_a_way_on() -> None:
    assert {state for state in CallState if is_final(state)} == {
        CallState.KEPT,
        CallState.FAILED,
        CallState.CANCELLED,
        CallState.UNKNOWN,
    }


def test_nothing_is_sent_twice() -> None:
    assert [before for before in CallState if CallState.SUBMITTING in NEXT[before]] == [CallState.PLANNED]
    assert [before for before in CallState if CallState.PLANNED in NEXT[before]] == []


def test_what_is_made_is_never_thrown_away_by_a_cancel() -> None:
    assert CallState.CANCELLED not in NEXT[CallState.MADE]


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_the_journal_takes_a_step_only_if_the_table_does(journal: Journal, before: CallState, after: CallState) -> None:
    entry = JobEntry(
        id="job_1",
        tool="some_tool",
        operation="generate",
        provider="somebody",
        model="some/model-1",
        fingerprint="f",
        plan={},
        expected=1,
        calls=(CallEntry(number=0),),
        created=1.0,
        owner="me",
    )
    journal.open_job(entry, lease_until=10.0, now=0.0)
    for state in routes_to(before):
        journal.move("job_1", 0, state, owner="me")
    if allowed(before, after):
        journal.move("job_1", 0, after, owner="me")
    else:
        with pytest.raises(ValueError, match=f"no way from {before} to {after}"):
            journal.move("job_1", 0, after, owner="me")
    found = journal.get("job_1")
    assert found is not None
    assert found.calls[0].state is (after if allowed(before, after) else before)
