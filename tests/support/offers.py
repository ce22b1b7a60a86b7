"""What providers offer together on a day, and how the engine refuses a call there. No vendor is asked."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from imagewright.engine.alternatives import refusal, refusal_by_all
from imagewright.engine.calls import understand
from imagewright.engine.choose import candidates, is_served
from imagewright.engine.config import all_routes, provider_states
from imagewright.engine.offer import Offer, make_offer
from imagewright.providers import KEY_VARIABLES
from imagewright.settings.load import load_settings
from imagewright.settings.toggles import Toggles

if TYPE_CHECKING:
    from imagewright.errors import Refusal

DAY = date(2026, 1, 1)
"""A day on which nothing that is built in has ended."""
KEYED = [name for name, variables in KEY_VARIABLES.items() if variables]
ROUTES = all_routes()


@cache
def offered(*names: str, day: date = DAY) -> Offer:
    """What these providers serve; all that need a key, when none is named."""
    variables = {KEY_VARIABLES[name][0]: "some-key-0123456789" for name in names or KEYED if KEY_VARIABLES[name]}
    variables |= {"IMAGEWRIGHT_PROVIDERS": " ".join(names)} if "offline" in names else {}
    own = [route for route in ROUTES if route.provider in (names or KEYED)]
    return make_offer(Toggles(), own, provider_states(load_settings(variables)), day)


def refused(offer: Offer, tool: str, arguments: object) -> Refusal | None:
    """The refusal of a call, as the engine makes it; None for a call that some route serves. No picture is opened."""
    checked = understand(offer, tool, arguments)
    if checked.problems:
        return refusal(offer, checked, checked.problems)
    if is_served(checked, offer.serving[tool]):
        return None
    return refusal_by_all(offer, checked, candidates(checked, offer.serving[tool], None))
