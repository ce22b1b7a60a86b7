"""Which route serves a call: an argument that was given as its default is as good as left out."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from imagewright.catalog.load import catalog, row_in
from imagewright.catalog.row import MODEL
from imagewright.catalog.schema import input_schema
from imagewright.engine.check import check
from imagewright.engine.choose import candidates
from imagewright.engine.offer import ENGINE_ARGUMENTS, effective_row
from tests.support.each import each
from tests.support.provider_runs import PICTURES, effective, example, together, unusual
from tests.support.vendors import VENDORS, routes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imagewright.catalog.row import OperationName
    from imagewright.engine.check import Checked
    from imagewright.providers.base import Route

FILES = {"image": "/pictures/a.png", "mask": "/pictures/mask.png"}
TODAY = date(2026, 1, 1)
"""A day on which nothing that is built in has ended."""
ROUTES = [route for name in VENDORS for route in routes_of(name)]


def _name(route: Route) -> str:
    return f"{route.provider}-{route.tool}-{route.operation}-{route.model}"


def _value(route: Route, name: str, *, most: bool) -> Any:
    argument = effective(route)[name]
    if argument.kind == "pictures":
        return [f"/pictures/{place}.png" for place in range((argument.max_items if most else argument.min_items) or 1)]
    return FILES.get(name) or (unusual(argument) if most else example(argument))


def _least(route: Route) -> dict[str, Any]:
    """The fewest arguments of a call that this route serves."""
    taken = effective(route)
    named = {MODEL: route.edition} if route.edition else {}
    return named | {
        name: _value(route, name, most=False)
        for name, argument in taken.items()
        if argument.required or name in route.needs
    }


def _calls(route: Route) -> Iterator[dict[str, Any]]:
    """The least, also without its edition, with each further argument away from its default, and with every picture."""
    least = _least(route)
    yield least
    yield {name: value for name, value in least.items() if name != MODEL}
    for name in effective(route):
        if name not in (*ENGINE_ARGUMENTS, "mask") or name in least:
            given = least | {name: _value(route, name, most=name not in PICTURES or name == "images")}
            yield together(route, given, {name})


def _defaults(checked: Checked) -> dict[str, Any]:
    return {name: one.default for name, one in checked.arguments.items() if one.default is not None}


def _outcome(arguments: Mapping[str, Any], tool: str, routes: Sequence[Route]) -> list[Any]:
    checked = check(catalog()[tool], dict(arguments))
    return [(one.route, one.against, one.usd) for one in candidates(checked, routes, None)]


def _check_defaults_change_nothing(tool: str, call: Mapping[str, Any], routes: Sequence[Route]) -> None:
    """As a strict client fills the defaults in: all at once, and each alone."""
    own = [one for one in routes if one.tool == tool]
    wanted = _outcome(call, tool, own)
    defaults = _defaults(check(catalog()[tool], dict(call)))
    for more in (defaults, *({name: value} for name, value in defaults.items())):
        filled = dict(call) | {name: value for name, value in more.items() if name not in call}
        assert _outcome(filled, tool, own) == wanted, more


def _served(route: Route) -> Iterator[dict[str, Any]]:
    """Those of its calls that are without fault: two arguments may exclude each other."""
    for call in _calls(route):
        checked = check(catalog()[route.tool], call)
        if not checked.problems and checked.operation == route.operation:
            yield call


@each([(route,) for route in ROUTES], _name)
def test_a_default_that_is_given_changes_neither_who_serves_nor_what_is_refused(route: Route) -> None:
    for call in _served(route):
        _check_defaults_change_nothing(route.tool, call, routes_of(route.provider))


@each([(name, operation) for name, row in catalog().items() for operation in row.operations])
def test_a_default_that_is_given_changes_nothing_where_all_vendors_serve(tool: str, operation: OperationName) -> None:
    """Many routes have the same calls: each is tried once."""
    able = [route for route in ROUTES if (route.tool, route.operation) == (tool, operation)]
    calls = {repr(sorted(call.items())): call for route in able for call in _served(route)}
    assert calls
    for call in calls.values():
        _check_defaults_change_nothing(tool, call, ROUTES)


@cache
def _listed(tool: str, *providers: str) -> dict[str, Any]:
    """The defaults in the schema that a client is shown where these providers serve."""
    routes = [one for one in ROUTES if one.tool == tool and one.provider in providers]
    shown = effective_row(catalog()[tool], routes, TODAY)
    assert shown is not None
    return {name: one["default"] for name, one in input_schema(shown)["properties"].items() if "default" in one}


@each([(route,) for route in ROUTES], _name)
def test_the_defaults_a_schema_shows_can_be_filled_in_for_every_operation(route: Route) -> None:
    """A strict client knows of no operations: it fills in whatever default the one schema of the tool has."""
    for providers in ([route.provider], VENDORS):
        own = [one for one in ROUTES if one.tool == route.tool and one.provider in providers]
        filled = _listed(route.tool, *providers) | _least(route)
        assert check(catalog()[route.tool], filled).problems == ()
        assert _outcome(filled, route.tool, own) == _outcome(_least(route), route.tool, own)


@each([(route,) for route in ROUTES], _name)
def test_a_route_is_taken_for_the_least_of_its_own_calls(route: Route) -> None:
    checked = check(catalog()[route.tool], _least(route))
    assert [one.route for one in candidates(checked, [route], None) if not one.against] == [route]


def test_another_value_than_the_default_still_rules_out_who_does_not_take_it() -> None:
    found = 0
    for route in ROUTES:
        arguments = row_in(route.tool, route.edition).operations[route.operation].arguments
        for name, argument in arguments.items():
            if name in (*route.takes, *PICTURES, MODEL) or argument.required:
                continue
            checked = check(catalog()[route.tool], _least(route) | {name: unusual(argument)})
            if not checked.problems:
                (one,) = candidates(checked, [route], None)
                assert one.against == (f"it takes no {name}",)
                assert name in checked.given
                found += 1
    assert found
