"""The table of transitions, once more in another form, so that neither can change alone."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from imagewright.storage.accounts import LOCAL
from imagewright.storage.states import FINAL, NEXT, CallState
from tests.storage.stores_bench import started

if TYPE_CHECKING:
    from tests.storage.stores_bench import Workers

#               planned submitting submitted made stalled kept failed cancelled unknown
TABLE = """
    planned     .       x          .         .    .       .    x      x         .
    submitting  x       .          x         x    .       .    x      .         x
    submitted   .       .          .         x    x       .    x      x         .
    made        .       .          .         .    x       x    x      .         .
    stalled     .       .          x         x    .       .    x      x         .
    kept        .       .          .         .    .       .    .      .         .
    failed      .       .          .         .    .       .    .      .         .
    cancelled   .       .          x         x    .       .    .      .         .
    unknown     .       .          .         .    .       .    .      .         .
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


def test_the_two_tables_agree() -> None:
    assert list(MARKS) == [state.value for state in CallState]
    assert {pair for pair in PAIRS if allowed(*pair)} == {(one, two) for one in NEXT for two in NEXT[one]}


def test_from_the_final_states_only_the_user_leads_on() -> None:
    assert {
        CallState.KEPT,
        CallState.FAILED,
        CallState.CANCELLED,
        CallState.UNKNOWN,
    } == FINAL
    assert {state for state in FINAL if NEXT[state]} == {CallState.CANCELLED}


def test_nothing_is_sent_twice() -> None:
    """A call is planned again only from where its worker knows that the vendor did not take it."""
    assert [before for before in CallState if CallState.SUBMITTING in NEXT[before]] == [CallState.PLANNED]
    assert [before for before in CallState if CallState.PLANNED in NEXT[before]] == [CallState.SUBMITTING]


def test_what_is_made_is_never_thrown_away_by_a_cancel() -> None:
    assert CallState.CANCELLED not in NEXT[CallState.MADE]


@pytest.mark.anyio
@pytest.mark.parametrize(("before", "after"), PAIRS)
async def test_a_store_takes_a_step_only_if_the_table_does(
    workers: Workers, before: CallState, after: CallState
) -> None:
    store = workers()
    await started(store)
    for state in routes_to(before):
        await store.advance("job_1", 0, state)
    if allowed(before, after):
        await store.advance("job_1", 0, after)
    else:
        with pytest.raises(ValueError, match=f"no way from {before} to {after}"):
            await store.advance("job_1", 0, after)
    found = await store.get(LOCAL, "job_1")
    assert found is not None
    assert found.calls[0].state is (after if allowed(before, after) else before)
