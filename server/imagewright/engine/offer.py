"""The offer: which tools are listed, the effective row of each, and which routes serve it.

The effective row of a tool is its row narrowed to what at least one configured route can do. So an assistant reads only
of what it can have.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from imagewright.catalog.load import catalog, row_in
from imagewright.catalog.row import AUTO, MODEL, Argument, Operation, OperationName, Row, narrowed
from imagewright.catalog.schema import widest
from imagewright.providers.base import EVERY_EDITION, SERVED_BY_ENGINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from imagewright.catalog.row import Scalar
    from imagewright.providers.base import Route
    from imagewright.settings.toggles import Toggles
    from imagewright.storage.accounts import Pace

HELPER_TOOLS = ("image_job", "image_gallery", "image_guide")
"""The tools that cost nothing."""
ENGINE_ARGUMENTS = frozenset(SERVED_BY_ENGINE)
WARNED_DAYS = 60
"""How many days before a model ends people are told."""


def tool_names() -> tuple[str, ...]:
    """All names that can be switched, models first."""
    return (*catalog(), *HELPER_TOOLS)


@dataclass(frozen=True, slots=True)
class ProviderState:
    """Whether a provider serves, and why or why not."""

    name: str
    on: bool
    because: str
    lacks: str = ""
    """Why a provider that the user seems to want cannot serve, and what to set; else empty."""
    pace: Pace | None = None
    """How many calls it takes; None where it does not serve."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What is on. A change of the configuration makes a new offer; this one stays as it is."""

    tools: Mapping[str, Row]
    """Effective row of each listed model tool, by name, in a fixed order."""
    helpers: tuple[str, ...]
    """The listed tools that cost nothing."""
    hidden: Mapping[str, str]
    """Why a tool is not listed, by name."""
    serving: Mapping[str, tuple[Route, ...]]
    """The routes of each listed model tool."""
    providers: Mapping[str, ProviderState]
    """State of every provider."""
    offline_only: bool
    """Whether only the offline provider serves, so that generating and editing make placeholders."""
    today: date = field(compare=False)
    """The day it is for: what has ended by then is not in it."""
    until: str = ""
    """The first day on which something of it is served no more, as YYYY-MM-DD; empty while no day is known."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """The effective rows, in order."""
        return tuple(self.tools.values())

    @property
    def names(self) -> tuple[str, ...]:
        """All listed tools."""
        return (*self.tools, *self.helpers)

    def routes(self, tool: str) -> tuple[Route, ...]:
        """The routes of a tool; none where it is not listed."""
        return self.serving.get(tool, ())

    def others(self, operation: OperationName, but: str) -> tuple[str, ...]:
        """Listed tools that can do the operation, best first, without the one named."""
        able = [row for row in self.rows if row.tool != but and operation in row.operations]
        return tuple(row.tool for row in sorted(able, key=lambda row: row.operations[operation].rank))

    def on(self, today: date) -> Offer:
        """What is left of it on a later day: a server may run for longer than a model lives."""
        serving = {tool: tuple(living(routes, today)) for tool, routes in self.serving.items()}
        found = {tool: effective_row(catalog()[tool], routes, today) for tool, routes in serving.items()}
        tools = {tool: row for tool, row in found.items() if row is not None}
        gone = {tool: "what served it has ended" for tool in found if tool not in tools}
        return replace(
            self,
            tools=tools,
            hidden={**self.hidden, **gone},
            serving={tool: serving[tool] for tool in tools},
            today=today,
            until=_first_end(tools, serving),
        )


def make_offer(toggles: Toggles, routes: Iterable[Route], providers: Mapping[str, ProviderState], today: date) -> Offer:
    """The offer that follows from the toggles and the routes of the providers in use, without what has ended."""
    by_tool: dict[str, list[Route]] = {}
    for route in living(routes, today):
        by_tool.setdefault(route.tool, []).append(route)
    tools: dict[str, Row] = {}
    hidden: dict[str, str] = {}
    for name, row in catalog().items():
        decision = toggles.decide(name)
        effective = effective_row(row, by_tool.get(name, ()), today)
        if not decision.on:
            hidden[name] = decision.because
        elif effective is None:
            hidden[name] = _unserved(providers)
        else:
            tools[name] = effective
    helpers = []
    for name in HELPER_TOOLS:
        decision = toggles.decide(name)
        if decision.on:
            helpers.append(name)
        else:
            hidden[name] = decision.because
    return Offer(
        tools=tools,
        helpers=tuple(helpers),
        hidden=hidden,
        serving={name: tuple(by_tool[name]) for name in tools},
        providers=dict(providers),
        offline_only={state.name for state in providers.values() if state.on} == {"offline"},
        today=today,
        until=_first_end(tools, by_tool),
    )


def living(routes: Iterable[Route], today: date) -> list[Route]:
    """The routes whose models have not ended."""
    return [route for route in routes if not has_ended(end_of(route), today)]


def has_ended(end: str, today: date) -> bool:
    """Whether the first day without a model, as YYYY-MM-DD, has come; it never does where none is named."""
    return "" < end <= today.isoformat()


def _first_end(tools: Mapping[str, Row], serving: Mapping[str, Iterable[Route]]) -> str:
    """The first day on which a route or an edition of these tools ends; empty when none does."""
    editions = [edition.ends for row in tools.values() for edition in row.editions.values()]
    return min(filter(None, (*editions, *(end_of(route) for tool in tools for route in serving[tool]))), default="")


def _unserved(providers: Mapping[str, ProviderState]) -> str:
    """Why no provider serves a tool that is on."""
    serving = ", ".join(state.name for state in providers.values() if state.on)
    lacking = "; ".join(state.lacks for state in providers.values() if state.lacks)
    if lacking and not serving:
        return f"no configured provider serves it: {lacking}"
    more = f"; {lacking}" if lacking else ""
    return f"no configured provider serves it (configured: {serving or 'none'}{more})"


def end_of(route: Route) -> str:
    """The first day on which a route's model is not served any more, by its vendor or its maker; empty for none."""
    edition = catalog()[route.tool].editions.get(route.edition)
    ends = filter(None, (route.ends, "" if edition is None else edition.ends))
    return min(ends, default="")


class Ending(NamedTuple):
    """A model that its maker or a vendor will not serve any more."""

    tool: str
    edition: str
    """Empty where the operation has none."""
    providers: tuple[str, ...]
    """Who serves it until then."""
    models: tuple[str, ...]
    """Its ids there."""
    ends: str
    """The first day without it, as YYYY-MM-DD."""
    successor: str
    """The edition to take instead; empty where none is named."""


def endings(routes: Iterable[Route], today: date, days: int = WARNED_DAYS) -> list[Ending]:
    """What ends within so many days from `today`, or has ended; the earliest first."""
    limit = (today + timedelta(days=days)).isoformat()
    found: dict[tuple[str, str, str], list[Route]] = {}
    for route in routes:
        if "" < (end := end_of(route)) <= limit:
            found.setdefault((end, route.tool, route.edition), []).append(route)
    return [
        Ending(
            tool=tool,
            edition=name,
            providers=tuple(dict.fromkeys(route.provider for route in group)),
            models=tuple(dict.fromkeys(route.model for route in group)),
            ends=end,
            successor=getattr(catalog()[tool].editions.get(name), "successor", ""),
        )
        for (end, tool, name), group in sorted(found.items())
    ]


def effective_row(row: Row, routes: Iterable[Route], today: date) -> Row | None:
    """The row, narrowed to what its routes can do together; None when there is no route.

    Its editions are those that the routes serve. A route of every edition serves all that have not ended.
    """
    routes = tuple(routes)
    operations = {
        name: _effective_operation(row, name, able, today)
        for name in row.operations
        if (able := [route for route in routes if route.operation == name])
    }
    if not operations:
        return None
    served = {
        value for one in operations.values() if MODEL in one.arguments for value in one.arguments[MODEL].values or ()
    }
    editions = {name: edition for name, edition in row.editions.items() if name in served}
    return row.model_copy(update={"operations": operations, "editions": editions})


def _effective_operation(row: Row, name: OperationName, routes: Sequence[Route], today: date) -> Operation:
    operation = row.operations[name]
    arguments = {}
    for key, argument in operation.arguments.items():
        if key == MODEL:
            arguments[key] = argument.model_copy(update={"values": _editions(row, argument, routes, today)})
        elif key in ENGINE_ARGUMENTS:
            arguments[key] = argument
        elif forms := [form for route in routes if (form := _form(route, key)) is not None]:
            arguments[key] = _widest(argument, forms)
    several = [key for key, one in arguments.items() if one.kind == "pictures" and one.max_items != 1]
    for key in arguments.keys() - {*several, *ENGINE_ARGUMENTS, MODEL}:
        taking = [route for route in routes if key in route.takes]
        if any(all(getattr(_form(route, one), "max_items", 1) == 1 for route in taking) for one in several):
            arguments[key] = arguments[key].model_copy(update={"one_picture": True})
    return operation.model_copy(update={"arguments": arguments})


def _editions(row: Row, argument: Argument, routes: Sequence[Route], today: date) -> tuple[Scalar, ...]:
    """The editions that the routes serve, in the order of the row."""
    own = {route.edition for route in routes}
    served = [name for name in argument.values or () if name in own or EVERY_EDITION in own]
    return tuple(name for name in served if not has_ended(row.editions[str(name)].ends, today))


def _form(route: Route, name: str) -> Argument | None:
    """An argument as a route has it; None when it does not take it."""
    own = row_in(route.tool, route.edition).operations[route.operation].arguments
    return narrowed(own[name], route.takes[name]) if name in route.takes and name in own else None


def _widest(argument: Argument, forms: list[Argument]) -> Argument:
    """One argument that allows what any of its forms allows."""
    changes = widest(forms)
    if argument.values is not None:
        allowed = {value for form in forms for value in form.values or ()} | ({AUTO} & set(argument.values))
        changes["values"] = tuple(value for value in argument.values if value in allowed)
    return argument.model_copy(update=changes)
