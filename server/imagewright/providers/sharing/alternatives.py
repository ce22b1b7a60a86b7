"""Models that are known but not the default: the user's configuration chooses one by its id, see `overrides`.

A vendor's next model often spells its fields another way or takes other arguments. Where that is known, the id
alone is enough: the route changes as a whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from imagewright.providers.base import Price, Route
from imagewright.providers.sharing.model_prices import priced
from imagewright.providers.sharing.overrides import SOURCE, overridden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

R = TypeVar("R", bound=Route)


def chosen(
    routes: Sequence[R],
    others: Sequence[R],
    overrides: Mapping[str, Mapping[str, Any]],
    prices: Mapping[str, Price] | None = None,
) -> tuple[R, ...]:
    """A vendor's routes as the user's configuration has them.

    A route whose model was set to a known alternative is spelt, limited and priced as that model is. Any other id
    is taken to be spelt like the default, and its price to be unknown unless the user names one.

    Args:
        routes: the defaults.
        others: the alternatives.
        overrides: the user's tables, by tool.
        prices: of further models that are spelt like a default, by id.

    Raises:
        SettingsError: a table cannot be used.
    """
    changed = overridden(routes, overrides)
    known = {(other.tool, other.operation, other.model): other for other in others}
    become = (
        _become(known.get((after.tool, after.operation, after.model), after), before, after)
        for before, after in zip(routes, changed, strict=True)
    )
    return priced(become, {one.model: one.price for one in (*routes, *others)} | dict(prices or {}))


def _become(other: R, before: R, after: R) -> R:
    """The alternative, with what the configuration says besides the model."""
    if other is after:
        return after
    takes = {name: limits for name, limits in other.takes.items() if name in after.takes or name not in before.takes}
    return replace(
        other,
        takes=takes,
        pictures=other.pictures if "mask" in takes else replace(other.pictures, mask=None),
        price=after.price if after.price.source == SOURCE else other.price,
        counts=tuple(count for count in other.counts if count in after.counts or count not in before.counts),
    )
