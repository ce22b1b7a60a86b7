"""Variables that a client has passed on as `${...}`: it did not fill them in, so they count as not set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS: Final = "IMAGEWRIGHT_"
"""What our variables begin with, apart from keys."""
UNEXPANDED: Final = re.compile(r"\$\{[^}]*\}")
"""`${input:kie}`, `${user_config.per_day}`, `${HOME}`, alone or within a value."""


def is_unexpanded(value: str) -> bool:
    """Whether something was left to be filled in."""
    return UNEXPANDED.search(value) is not None


def unexpanded(environment: Mapping[str, str]) -> list[str]:
    """Our variables whose value was left to be filled in; keys are judged in `settings.keys`."""
    return sorted(name for name, value in environment.items() if name.startswith(OURS) and is_unexpanded(value))


def filled_in(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without them."""
    left_out = set(unexpanded(environment))
    return {name: value for name, value in environment.items() if name not in left_out}
