"""Models that are known but not the default: the user's configuration chooses one by its id, see `overrides`.

A vendor's next model often spells its fields another way or takes other arguments. Where that is known, the id
alone is enough: the route changes as a whole. Where it is not known, the id is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from imagewright.providers.base import Price, Route
from imagewright.providers.common.model_prices import at_price, price_by_model, price_of
from imagewright.providers.common.overrides import SOURCE, overridden, undated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

R = TypeVar("R", bound=Route)


def chosen(
    routes: Sequence[R],
    others: Sequence[R],
    overrides: Mapping[str, Mapping[str, Any]],
    alike: Mapping[str, Mapping[str, Price]] | None = None,
    *,
    any_id: bool = False,
) -> tuple[R, ...]:
    """A vendor's routes as the user's configuration has them.

    A route whose model was set to a known alternative is spelt, limited and priced as that model is. One whose model
    was set to an id with the same fields keeps its own, at the price of that id.

    Args:
        routes: the defaults.
        others: the alternatives, each with its own fields.
        overrides: the user's tables, by tool.
        alike: ids that are documented to take the same fields and values as a default, with their prices, by the
            id of that default.
        any_id: whether an id that is not known is taken too, as spelt like the default and at an unknown price: for
            a server of the user's own, whose fields do not depend on its model.

    Raises:
        SettingsError: a table cannot be used, or names a model whose fields are not known.
    """
    same = alike or {}

    def known(route: R) -> tuple[str, ...]:
        own = (route.model, *route.models.values(), *same.get(route.model, ()))
        return tuple(dict.fromkeys((*own, *_alternatives(route, others))))

    changed = overridden(routes, overrides, None if any_id else known)
    return tuple(
        _become(before, after, others, same.get(before.model, {}))
        for before, after in zip(routes, changed, strict=True)
    )


def _alternatives(route: R, others: Sequence[R]) -> dict[str, R]:
    """The alternatives to a route by their ids. One that chooses among several models has none."""
    if route.model_by:
        return {}
    return {other.model: other for other in others if (other.tool, other.operation) == (route.tool, route.operation)}


def _become(before: R, after: R, others: Sequence[R], same: Mapping[str, Price]) -> R:
    """The route with its new model."""
    if before.models != after.models:
        return at_price(after, price_by_model(before, after.models))
    if before.model == after.model:
        return after
    known = _alternatives(before, others)
    other = known.get(after.model) or known.get(undated(after.model))
    if other is None:
        return at_price(after, price_of(after.model, {before.model: before.price, **same}))
    return _instead(before, after, replace(other, model=after.model))


def _instead(before: R, after: R, other: R) -> R:
    """The alternative, with what the configuration says besides the model."""
    takes = {name: limits for name, limits in other.takes.items() if name in after.takes or name not in before.takes}
    return replace(
        other,
        takes=takes,
        pictures=other.pictures if "mask" in takes else replace(other.pictures, mask=None),
        price=after.price if after.price.source == SOURCE else other.price,
        counts=tuple(count for count in other.counts if count in after.counts or count not in before.counts),
    )
