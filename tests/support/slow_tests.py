"""Which tests are slow: those that start real processes, and those that try every cell of a large table.

The mark is not written at each test. A test has it that can start a process, in its own lines, in a fixture or in a
helper of its own file. `pytest -m "not slow"` leaves them out.
"""

from __future__ import annotations

from functools import cache
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

STARTERS = frozenset({"House", "RawClient", "Runs", "put_program", "subprocess"})
"""What starts a process, by the name it is used under."""
EVERY_CELL = frozenset(
    {
        "test_a_calm_background_is_sure_and_a_busy_one_is_not",
        "test_a_fault_has_one_error_and_never_costs_a_second_submit",
        "test_a_submit_that_fails",
        "test_a_whole_call",
        "test_every_argument_shows_in_the_picture",
        "test_every_picture_people_have_can_be_edited_and_what_was_changed_is_said",
        "test_every_route_makes_as_many_whole_pictures_as_asked_and_the_same_again",
        "test_every_size_class_is_served_at_its_size",
        "test_it_takes_our_bodies_from_the_vendors_client_too",
        "test_the_makers_client_takes_the_bodies_of_every_route",
        "test_what_is_not_promised_is_refused_for_the_argument_that_asks_for_it",
        "test_what_is_promised_arrives_exactly_as_asked",
    }
)
"""Tests whose tables have so many rows, or such large pictures, that they take many seconds in all."""


def is_slow(item: pytest.Item) -> bool:
    """Whether a test can start a process, or tries every cell of a large table."""
    function = getattr(item, "function", None)
    if function is None:
        return False
    fixtures = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined] # noqa: SLF001 - only there are the functions of a test's fixtures
    used = [function, *(one.func for found in fixtures for one in found)]
    return function.__name__ in EVERY_CELL or any(_can_start(one) for one in used)


@cache
def _can_start(function: FunctionType) -> bool:
    """The same for each of its parameters."""
    return _starts(function, set())


def _starts(value: Any, seen: set[int]) -> bool:
    """Whether a function or a class, or what it uses of its own file, uses a starter."""
    if id(value) in seen:
        return False
    seen.add(id(value))
    for function in [value, *vars(value).values()]:
        if not isinstance(function, FunctionType):
            continue
        names = set(_names(function.__code__))
        if names & STARTERS:
            return True
        own = [function.__globals__.get(name) for name in names]
        if any(getattr(one, "__module__", None) == function.__module__ and _starts(one, seen) for one in own):
            return True
    return False


def _names(code: CodeType) -> Iterator[str]:
    """Every name that the code and the functions inside it use."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)
