"""A vendor's own routes: that an order is for one of them, and that their models can be asked for by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from imagewright.errors import SettingsError
from imagewright.providers.base import Order, Route

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

R = TypeVar("R", bound=Route)


def own_route(order: Order, kind: type[R]) -> R:
    """The order's route, as the vendor's own kind of route.

    Raises:
        TypeError: it is another vendor's.
    """
    if not isinstance(order.route, kind):
        raise TypeError(f"not a route of {kind.__module__}: {order.route!r}")
    return order.route


def check_models(routes: Iterable[Route], form: re.Pattern[str], wanted: str) -> None:
    """Refuse an id that is none: it becomes part of an address.

    Args:
        routes: after the user's overrides.
        form: what an id must match as a whole.
        wanted: what the message says of an id that does not, such as "must read owner/name".

    Raises:
        SettingsError: an id does not match.
    """
    for route in routes:
        for model in (route.model, *route.models.values()):
            if not form.fullmatch(model):
                raise SettingsError(f"routes.{route.tool}.{route.provider}.model: {model!r} {wanted}")
