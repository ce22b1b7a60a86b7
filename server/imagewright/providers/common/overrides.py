"""The user's `[routes.<tool>.<provider>]` tables: another model id, another price, and what a vendor no longer does.

    [routes.qwen.kie]
    usd = 0.03                                  # every route of the tool at this provider
    edit = { without = ["acceleration"] }       # those of one operation
    "qwen/image-edit" = { model = "qwen/next" } # the one that is built in with this model id

Keys: `model`, an id whose fields are known, or a table of ids by the values of the argument that chooses among
several; `usd`, the price of one picture, or a table in the same way; `without`, arguments the vendor has stopped
taking; `counts`, those of the numbers of pictures a call can make that still work. They can only narrow what a route
does, so the file cannot make it promise what the row does not.

A vendor's next model often spells its fields another way or takes other arguments. Where that is known, the id alone is
enough: the route changes as a whole, and its price with it. Where it is not known, the id is refused.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from imagewright.catalog.load import catalog
from imagewright.catalog.row import verb
from imagewright.errors import SettingsError
from imagewright.providers.base import Price, Route
from imagewright.text import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from imagewright.catalog.row import Scalar

R = TypeVar("R", bound=Route)
KEYS = ("model", "usd", "without", "counts")
SOURCE = "your configuration"
ALWAYS = frozenset({"variants", "save_as"})
"""Served by the engine, not by the vendor."""
DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$|:[0-9a-f]{64}$")
"""The end of an id that names one state of a model: the day of a snapshot, or a version's own 64 characters."""


def undated(model: str) -> str:
    """The model of an id, without the day or the version that the id may name besides: its fields are the model's."""
    return DATED.sub("", model)


def chosen(
    routes: Sequence[R],
    others: Sequence[R],
    overrides: Mapping[str, Mapping[str, Any]],
    alike: Mapping[str, Mapping[str, Price]] | None = None,
    *,
    any_id: bool = False,
) -> tuple[R, ...]:
    """A vendor's routes as the user's configuration has them.

    A route whose model was set to a known alternative has that model's fields, limits and price. One whose model was
    set to an id with the same fields keeps its own, at the price of that id.

    Args:
        routes: the defaults.
        others: the alternatives, each with its own fields.
        overrides: the user's tables, by tool.
        alike: further ids with their prices, by the id of the default whose fields and values they are documented to
            take.
        any_id: whether an unknown id is taken too, with the default's fields and at an unknown price: for a server of
            the user's own, whose fields do not depend on its model.

    Raises:
        SettingsError: a table cannot be used, or names a model whose fields are not known.
    """
    same = alike or {}

    def known(route: R) -> tuple[str, ...]:
        own = (route.model, *route.models.values(), *same.get(route.model, ()))
        return tuple(dict.fromkeys((*own, *_alternatives(route, others))))

    changed = overridden(routes, overrides, None if any_id else known)
    return tuple(
        _with_its_model(before, after, others, same.get(before.model, {}))
        for before, after in zip(routes, changed, strict=True)
    )


def overridden(
    routes: Sequence[R], overrides: Mapping[str, Mapping[str, Any]], known: Callable[[R], Collection[str]] | None
) -> tuple[R, ...]:
    """A provider's routes as the user's tables change them.

    `known` gives the ids that a route's model may be set to because their fields are known; None where any id may be.

    Raises:
        SettingsError: a table cannot be used; the message names its key and what is allowed there.
    """
    own = {route.tool: [one for one in routes if one.tool == route.tool] for route in routes}
    provider = routes[0].provider
    if stray := [tool for tool in overrides if tool not in own]:
        raise SettingsError(f"routes.{stray[0]}.{provider}: {provider} does not serve it{_hint(stray[0], tuple(own))}")
    return tuple(_changed(route, overrides.get(route.tool, {}), own[route.tool], known) for route in routes)


def _changed(
    route: R, table: Mapping[str, Any], siblings: Sequence[R], known: Callable[[R], Collection[str]] | None
) -> R:
    """One route after all tables that apply to it, the most specific last."""
    where = f"routes.{route.tool}.{route.provider}"
    parts: dict[str, list[R]] = {}
    for key in [str(one.operation) for one in siblings] + [one.model for one in siblings]:
        parts[key] = [one for one in siblings if key in (str(one.operation), one.model)]
    if known is not None:
        _check_built_in([key for key in table if key not in (*KEYS, *parts)], siblings, known, where)
    _check_keys(table, (*KEYS, *parts), where)
    changed = _apply(route, {key: table[key] for key in KEYS if key in table}, siblings, where)
    if known is not None and "model" in table:
        _check_known(route, changed, siblings, known, f"{where}.model")
    for key, reached in parts.items():
        if key in table and any(one is route for one in reached):
            inner, place = table[key], f"{where}.{key}"
            if not isinstance(inner, dict):
                raise SettingsError(f"{place}: must be a table of {', '.join(KEYS)}")
            _check_keys(inner, KEYS, place)
            changed = _apply(changed, inner, reached, place)
            if known is not None and "model" in inner:
                _check_known(route, changed, siblings, known, f"{place}.model")
    return changed


def _check_known(
    route: R, changed: R, siblings: Sequence[R], known: Callable[[R], Collection[str]], where: str
) -> None:
    """Refuse an id whose fields are not known: it would be sent with another model's, and paid for."""
    own = known(route)
    for model in (changed.model, *changed.models.values()):
        if {model, undated(model)} & set(own):
            continue
        able = dict.fromkeys(str(one.operation) for one in siblings if {model, undated(model)} & set(known(one)))
        if able:
            keys = " and ".join(f"{key} = {{ model = ... }}" for key in able)
            raise SettingsError(f"{where}: {model} can only {listed(able)}; set it as {keys}")
        raise SettingsError(
            f"{where}: the fields of {model!r} are not known here, and those of another model are never sent to it; "
            f"to {verb(route.operation)} with {route.tool}, {route.provider} can be set to {listed(own, 'or')}"
        )


def _check_built_in(
    keys: Sequence[str], siblings: Sequence[R], known: Callable[[R], Collection[str]], where: str
) -> None:
    """Refuse an entry for a model that is known but not built in: one that was built in earlier, for example."""
    for key in keys:
        places = dict.fromkeys(one.model for one in siblings if {key, undated(key)} & set(known(one)))
        if places:
            entries = listed([f'"{place}" = {{ model = "{key}" }}' for place in places])
            raise SettingsError(
                f"{where}: {key} is not built in here, but {listed(places)}; to use {key} instead, write {entries}, "
                f"with whatever else its entry says; otherwise take the entry out"
            )


def _check_keys(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise SettingsError(f"{where}: {key} is not known here{_hint(key, known)}")


def _apply(route: R, table: Mapping[str, Any], reached: Sequence[R], where: str) -> R:
    for key, value in table.items():
        route = APPLIERS[key](route, value, reached, f"{where}.{key}")
    return route


def _model(route: R, value: Any, reached: Sequence[R], where: str) -> R:
    ids = list(dict.fromkeys(one.model for one in reached))
    if len(ids) > 1:
        named = " or ".join(f'"{one}"' for one in ids)
        raise SettingsError(f"{where}: it would replace {len(ids)} different models; set it under {named} instead")
    if route.model_by:
        models = {**route.models, **_by_value(value, route.model_by, route.models, str, where)}
        default = catalog()[route.tool].operations[route.operation].arguments[route.model_by].default
        return replace(route, models=models, model=models.get(default, route.model))
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{where}: must be the vendor's id of a model, as text")
    return replace(route, model=value)


def _usd(route: R, value: Any, _reached: Sequence[R], where: str) -> R:
    price = route.price
    if isinstance(value, dict) and price.by:
        table = {**price.table, **_by_value(value, price.by, price.table, float, where)}
        return replace(route, price=replace(price, table=table, source=SOURCE))
    if not _is_price(value):
        raise SettingsError(f"{where}: must be the price of one picture in USD, such as 0.03")
    return replace(route, price=Price(usd=float(value), source=SOURCE))


def _without(route: R, value: Any, reached: Sequence[R], where: str) -> R:
    known = {name for one in reached for name in one.takes} - ALWAYS
    row = catalog()[route.tool].operations[route.operation].arguments
    spare = sorted(name for name in known if name not in row or not row[name].required)
    if not isinstance(value, list) or not all(name in spare for name in value):
        raise SettingsError(f"{where}: must be a list of arguments that can be left out: {', '.join(spare) or 'none'}")
    takes = {name: limits for name, limits in route.takes.items() if name not in value}
    pictures = route.pictures if "mask" in takes else replace(route.pictures, mask=None)
    return replace(route, takes=takes, pictures=pictures)


def _counts(route: R, value: Any, reached: Sequence[R], where: str) -> R:
    allowed = sorted({count for one in reached for count in one.counts})
    listed = ", ".join(str(count) for count in allowed)
    if not isinstance(value, list) or 1 not in value or not all(count in allowed for count in value):
        raise SettingsError(f"{where}: must be a list of 1 and others of {listed}")
    return replace(route, counts=tuple(count for count in route.counts if count in value))


APPLIERS: Mapping[str, Callable[[Any, Any, Sequence[Any], str], Any]] = {
    "model": _model,
    "usd": _usd,
    "without": _without,
    "counts": _counts,
}


def _by_value(value: Any, by: str, own: Mapping[Any, object], kind: type[str | float], where: str) -> dict[Any, Any]:
    """A table of texts or prices by the values of an argument."""
    listed = ", ".join(str(one) for one in own)
    if not isinstance(value, dict) or not set(value) <= {str(one) for one in own}:
        raise SettingsError(f"{where}: must be a table by {by}, with {listed} as keys")
    for key, entry in value.items():
        if kind is str and not (isinstance(entry, str) and entry.strip()):
            raise SettingsError(f"{where}.{key}: must be the vendor's id of a model, as text")
        if kind is float and not _is_price(entry):
            raise SettingsError(f"{where}.{key}: must be the price of one picture in USD, such as 0.03")
    return {one: kind(value[str(one)]) for one in own if str(one) in value}


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _hint(wrong: str, right: Sequence[str]) -> str:
    return did_you_mean(wrong, right) or f"; it can be {listed(dict.fromkeys(right), 'or')}"


def _alternatives(route: R, others: Sequence[R]) -> dict[str, R]:
    """The alternatives to a route by their ids. One that chooses among several models has none."""
    if route.model_by:
        return {}
    return {other.model: other for other in others if (other.tool, other.operation) == (route.tool, route.operation)}


def _with_its_model(before: R, after: R, others: Sequence[R], same: Mapping[str, Price]) -> R:
    """The route with its new model."""
    if before.models != after.models:
        return _at_price(after, _price_by_model(before, after.models))
    if before.model == after.model:
        return after
    known = _alternatives(before, others)
    other = known.get(after.model) or known.get(undated(after.model))
    if other is None:
        return _at_price(after, price_of(after.model, {before.model: before.price, **same}))
    return _as_alternative(before, after, replace(other, model=after.model))


def _as_alternative(before: R, after: R, other: R) -> R:
    """The alternative, with what the configuration says besides the model."""
    takes = {name: limits for name, limits in other.takes.items() if name in after.takes or name not in before.takes}
    return replace(
        other,
        takes=takes,
        pictures=other.pictures if "mask" in takes else replace(other.pictures, mask=None),
        price=after.price if after.price.source == SOURCE else other.price,
        counts=tuple(count for count in other.counts if count in after.counts or count not in before.counts),
    )


def _at_price(route: R, price: Price) -> R:
    """The route at that price, unless the user has set one."""
    return route if route.price.source == SOURCE else replace(route, price=price)


def price_of(model: str, prices: Mapping[str, Price]) -> Price:
    """The price of a model or of a snapshot of it; unknown where it is not listed."""
    return prices.get(model) or prices.get(undated(model)) or Price(usd=None)


def _price_by_model(before: Route, models: Mapping[Scalar, str]) -> Price:
    """The price of a route with several models when these models, by the argument's values, take the places of its own.

    Its price depends on the argument that chooses its model, and each new model is one of the route's own.
    """
    each = {model: before.price.table[value] for value, model in before.models.items()}
    table = {value: each[undated(model)] for value, model in models.items()}
    usual = next(value for value, model in before.models.items() if model == before.model)
    return replace(before.price, usd=table[usual], table=table)
