"""The user's `[routes.<tool>.<provider>]` tables: another model first, another price, and what a vendor no longer does.

    [routes.qwen.kie]
    model = "qwen/text-to-image"                # the edition that is taken first when a call names none
    usd = 0.03                                  # its price; without `model`, of every route of the tool here
    edit = { without = ["acceleration"] }       # the routes of one operation
    "qwen/image-edit" = { usd = 0.025 }         # those that are built in with this model id

Keys: `model`, an id whose fields are known, or a table of ids by the values of the argument that chooses among
several; `usd`, the price of one picture, or a table in the same way; `without`, arguments the vendor has stopped
taking; `counts`, those of the numbers of pictures a call can make that still work. They can only narrow what a route
does, so the file cannot make it promise what the row does not. Beside the id of a model they are about that model's
routes alone: its price is not that of the vendor's other editions.

A vendor's next model often spells its fields another way or takes other arguments, so an id is sent only with the
fields that are known to be its own. `model` may be an id that is built in, a dated snapshot of one, or one that is
documented to take the same fields; in the entry of an id also an endpoint for that model, where a vendor has such.
Any other is refused, with those that are known.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from imagewright.catalog.load import catalog
from imagewright.catalog.row import verb
from imagewright.errors import SettingsError
from imagewright.providers.base import SERVED_BY_ENGINE, Price, Route, in_words
from imagewright.text import did_you_mean, listed, say

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from imagewright.catalog.row import Scalar

R = TypeVar("R", bound=Route)
KEYS = ("model", "usd", "without", "counts")
SOURCE = "your configuration"
MOST_KEYS = 10
"""Keys of a table that are all named where a wrong one is refused."""
DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$|:[0-9a-f]{64}$")
"""The end of an id that names one state of a model: the day of a snapshot, or a version's own 64 characters."""


def undated(model: str) -> str:
    """The model of an id, without the day or the version that the id may name besides: its fields are the model's."""
    return DATED.sub("", model)


def chosen(
    routes: Sequence[R],
    overrides: Mapping[str, Mapping[str, Any]],
    alike: Mapping[str, Mapping[str, Price]] | None = None,
    *,
    any_id: bool = False,
    endpoint: str = "",
) -> tuple[R, ...]:
    """A provider's routes as the user's tables change them.

    Args:
        routes: all that are built in, of every edition.
        overrides: the user's tables, by tool.
        alike: further ids with their prices, by the built-in id whose fields and values they are documented to take.
        any_id: whether an unknown id is taken too, with the fields of the first route that it replaces and at an
            unknown price: for a server of the user's own, whose fields do not depend on its model.
        endpoint: how the ids of endpoints begin that users have made themselves, each for one model. Such an id is
            taken in the entry of that model, at its price; empty where there are none.

    Raises:
        SettingsError: a table cannot be used, or names a model whose fields are not known; the message names its key
            and what is allowed there.
    """
    own = {route.tool: [one for one in routes if one.tool == route.tool] for route in routes}
    provider = routes[0].provider
    if stray := [tool for tool in overrides if tool not in own]:
        raise SettingsError(f"routes.{stray[0]}.{provider}: {provider} does not serve it{_hint(stray[0], tuple(own))}")
    found: list[R] = []
    for tool, group in own.items():
        table = overrides.get(tool)
        if table is None:
            found += group
        else:
            found += _Table(provider, tool, group, alike or {}, any_id=any_id, endpoint=endpoint).applied(table)
    return tuple(found)


class _Table:
    """The routes of one tool, while its table is applied to them."""

    def __init__(
        self,
        provider: str,
        tool: str,
        routes: Sequence[Any],
        alike: Mapping[str, Mapping[str, Price]],
        *,
        any_id: bool,
        endpoint: str,
    ) -> None:
        self.where = f"routes.{tool}.{provider}"
        self.provider, self.tool = provider, tool
        self.routes: dict[int, Any] = dict(enumerate(routes))
        """What is left of them, by their place."""
        self.built_in = tuple(routes)
        self.alike = alike
        self.any_id = any_id
        self.endpoint = endpoint

    def applied(self, table: Mapping[str, Any]) -> list[Any]:
        """The routes after all parts of the table, the most specific last."""
        parts: dict[str, list[int]] = {}
        for place, route in enumerate(self.built_in):
            parts.setdefault(str(route.operation), []).append(place)
        for place, route in enumerate(self.built_in):
            parts.setdefault(route.model, []).append(place)
        self._check_built_in([key for key in table if key not in (*KEYS, *parts)])
        _check_keys(table, (*KEYS, *parts), self.where)
        everywhere = {key: table[key] for key in KEYS if key in table}
        self._apply(everywhere, list(self.routes), self.where, in_place=False)
        for key, places in parts.items():
            if key not in table:
                continue
            inner, where = table[key], f"{self.where}.{key}"
            if not isinstance(inner, dict):
                raise SettingsError(f"{where}: must be a table of {', '.join(KEYS)}")
            _check_keys(inner, KEYS, where)
            self._apply(inner, places, where, in_place=key in {one.model for one in self.built_in})
        return list(self.routes.values())

    def _apply(self, table: Mapping[str, Any], places: Sequence[int], where: str, *, in_place: bool) -> None:
        """Apply a part to the routes at these places; `in_place` where it is the entry of one id."""
        if "model" in table:
            places = self._set_model(table["model"], places, f"{where}.model", in_place=in_place)
        reached = [self.built_in[place] for place in places]
        for key, apply in APPLIERS.items():
            if key in table:
                for place in places:
                    if place in self.routes:
                        self.routes[place] = apply(self.routes[place], table[key], reached, f"{where}.{key}")

    def _set_model(self, value: Any, places: Sequence[int], where: str, *, in_place: bool) -> Sequence[int]:
        """Prefer the routes of an id; with `in_place`, they replace those whose entry it is.

        Returns:
            The places of the routes that the other keys beside it are about.
        """
        chosen_by = [place for place in places if self.built_in[place].model_by]
        if chosen_by and (isinstance(value, dict) or len(chosen_by) == len(places)):
            for place in chosen_by:
                self.routes[place] = self._with_models(self.routes[place], value, where)
            return places
        if isinstance(value, str) and value.strip():
            return self._prefer(value, places, where, in_place=in_place)
        raise SettingsError(f"{where}: must be the vendor's id of a model, as text")

    def _prefer(self, value: str, places: Sequence[int], where: str, *, in_place: bool) -> Sequence[int]:
        operations = dict.fromkeys(self.built_in[place].operation for place in places)
        able = [
            place
            for place, route in enumerate(self.built_in)
            if route.operation in operations and self._takes_id(route, value)
        ]
        if in_place and self._is_endpoint(value):
            self.routes |= {place: replace(self.routes[place], model=value) for place in places}
            return places
        if not (able or self.any_id):
            raise SettingsError(self._unknown(value, operations, where))
        replaced = places if in_place else ()
        if not able:  # a model of the user's own server: it is the only one there
            first = {self.built_in[place].operation: place for place in reversed(places)}
            able, replaced = list(first.values()), places
        for place in able:
            changed = self._with_id(place, value)
            stays = in_place and place in places
            self.routes[place] = changed if stays else replace(changed, preferred=True)
        for place in set(replaced) - set(able):
            self.routes.pop(place, None)
        return able

    def _is_endpoint(self, model: str) -> bool:
        return bool(self.endpoint) and model.startswith(self.endpoint)

    def _with_id(self, place: int, model: str) -> Any:
        """The route at a place with another id of the same fields, at the price of that id."""
        route = self.built_in[place]
        changed = replace(self.routes.get(place, route), model=model)
        if not self._takes_id(route, model):
            return _at_price(replace(changed, edition=""), Price(usd=None))
        if undated(model) == undated(route.model):
            return changed
        return _at_price(changed, price_of(model, self.alike.get(route.model, {})))

    def _takes_id(self, route: Any, model: str) -> bool:
        """Whether the fields of a route are known to be those of a model."""
        return bool({model, undated(model)} & {route.model, *self.alike.get(route.model, ())})

    def _known(self, operations: Collection[Any]) -> list[str]:
        """The ids whose fields are known, for these operations."""
        able = [route for route in self.built_in if route.operation in operations]
        ids = [one for route in able for one in (route.model, *route.models.values(), *self.alike.get(route.model, ()))]
        return list(dict.fromkeys(ids))

    def _unknown(self, model: str, operations: Collection[Any], where: str) -> str:
        """Why an id is refused: it would be sent with another model's fields, and paid for."""
        if self._is_endpoint(model):
            first = self._known(operations)[0]
            entry = f'such as "{first}" = {{ model = "{model}" }}'
            return f"{where}: which model the endpoint {model!r} serves is not known here; set it in its entry, {entry}"
        does = listed([verb(one) for one in dict.fromkeys(operations)], "or")
        return (
            f"{where}: the fields of {model!r} are not known here, and those of another model are never sent to it; "
            f"to {does} with {self.tool}, {self.provider} can be set to {listed(self._known(operations), 'or')}"
        )

    def _with_models(self, route: Any, value: Any, where: str) -> Any:
        """A route that chooses among several models, with some of them replaced."""
        models = {**route.models, **_by_value(value, route.model_by, route.models, str, where)}
        for model in models.values():
            if not self.any_id and undated(model) not in {undated(one) for one in route.models.values()}:
                raise SettingsError(self._unknown(model, (route.operation,), where))
        default = catalog()[route.tool].operations[route.operation].arguments[route.model_by].default
        changed = replace(route, models=models, model=models.get(default, route.model))
        return _at_price(changed, _price_by_model(route, models))

    def _check_built_in(self, keys: Sequence[str]) -> None:
        """Refuse an entry for a model that is known but not built in: one that was built in earlier, for example."""
        for key in keys:
            places = dict.fromkeys(one.model for one in self.built_in if self._takes_id(one, key))
            if places:
                entries = listed([f'"{place}" = {{ model = "{key}" }}' for place in places])
                raise SettingsError(
                    f"{self.where}: {key} is not built in here, but {listed(places)}; to use {key} instead, write "
                    f"{entries}, with whatever else its entry says; otherwise take the entry out"
                )


def _check_keys(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise SettingsError(f"{where}: {key} is not known here{_hint(key, known)}")


def _usd(route: R, value: Any, reached: Sequence[R], where: str) -> R:
    price = route.price
    if isinstance(value, dict) and len({one.price.by for one in reached}) > 1:
        keys = {key for key in value if isinstance(key, str)}
        fit = [one.model for one in reached if keys <= {in_words(word) for word in one.price.table}]
        entry = f'"{(fit or [route.model])[0]}" = {{ usd = {{ ... }} }}'
        raise SettingsError(f"{where}: these models are not priced by the same argument; write {entry} for each")
    if isinstance(value, dict) and price.by:
        all_words = dict.fromkeys(word for one in reached for word in one.price.table)
        given = _by_value(value, listed(price.by), all_words, float, where)
        table = {word: given.get(word, usd) for word, usd in price.table.items()}
        return replace(route, price=replace(price, table=table, source=SOURCE))
    if not _is_price(value):
        raise SettingsError(f"{where}: must be the price of one picture in USD, such as 0.03")
    return replace(route, price=Price(usd=float(value), source=SOURCE))


def _without(route: R, value: Any, reached: Sequence[R], where: str) -> R:
    known = {name for one in reached for name in one.takes} - SERVED_BY_ENGINE.keys()
    row = catalog()[route.tool].operations[route.operation].arguments
    spare = sorted(name for name in known if name not in row or not row[name].required)
    if not isinstance(value, list) or not all(name in spare for name in value):
        raise SettingsError(f"{where}: must be a list of arguments that can be left out: {', '.join(spare) or 'none'}")
    takes = {name: limits for name, limits in route.takes.items() if name not in value}
    pictures = route.pictures if "mask" in takes else replace(route.pictures, mask=None)
    return replace(route, takes=takes, pictures=pictures)


def _counts(route: R, value: Any, reached: Sequence[R], where: str) -> R:
    allowed = sorted({count for one in reached for count in one.counts})
    if not isinstance(value, list) or 1 not in value or not all(count in allowed for count in value):
        raise SettingsError(f"{where}: must be a list of 1 and others of {', '.join(map(str, allowed))}")
    return replace(route, counts=tuple(count for count in route.counts if count in value))


APPLIERS: Mapping[str, Callable[[Any, Any, Sequence[Any], str], Any]] = {
    "usd": _usd,
    "without": _without,
    "counts": _counts,
}


def _by_value(value: Any, by: str, own: Mapping[Any, object], kind: type[str | float], where: str) -> dict[Any, Any]:
    """A table of texts or prices by the values of an argument."""
    keys = {in_words(one): one for one in own}
    if not isinstance(value, dict) or not set(value) <= set(keys):
        known = f"{', '.join(keys)} as keys" if len(keys) <= MOST_KEYS else f"keys such as {say(next(iter(keys)))}"
        raise SettingsError(f"{where}: must be a table by {by}, with {known}")
    for key, entry in value.items():
        if kind is str and not (isinstance(entry, str) and entry.strip()):
            raise SettingsError(f"{where}.{key}: must be the vendor's id of a model, as text")
        if kind is float and not _is_price(entry):
            raise SettingsError(f"{where}.{key}: must be the price of one picture in USD, such as 0.03")
    return {one: kind(value[key]) for key, one in keys.items() if key in value}


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _hint(wrong: str, right: Sequence[str]) -> str:
    return did_you_mean(wrong, right) or f"; it can be {listed(dict.fromkeys(right), 'or')}"


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
