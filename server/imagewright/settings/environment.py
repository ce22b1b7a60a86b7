"""The variables of ours: what they set, which of them nobody reads, and which were left unfilled by a client.

A client that passes a variable on as `${...}` did not fill it in, so it counts as not set. Keys are judged in
`settings.keys`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from imagewright.settings.table import ADDRESS_SUFFIX, ADDRESSES, PREFIX, VARIABLES, read_address
from imagewright.text import closest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.settings.table import Setting

UNEXPANDED: Final = re.compile(r"\$\{[^}]*\}")
"""`${input:kie}`, `${user_config.per_day}`, `${HOME}`, alone or within a value."""


def is_unexpanded(value: str) -> bool:
    """Whether something was left to be filled in."""
    return UNEXPANDED.search(value) is not None


def unexpanded(environment: Mapping[str, str]) -> list[str]:
    """Our variables whose value was left to be filled in."""
    return sorted(name for name, value in environment.items() if name.startswith(PREFIX) and is_unexpanded(value))


def filled_in(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without them."""
    left_out = set(unexpanded(environment))
    return {name: value for name, value in environment.items() if name not in left_out}


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like ours and sets nothing, with the nearest known.

    Addresses are left out: one of an unknown provider stops the start.
    """
    known = {name.removeprefix(PREFIX): name for name in VARIABLES}  # the common beginning makes all of them alike
    return [
        f"{name} is not a variable that is read"
        + "".join(f" (did you mean {known[one]!r}?)" for one in closest(name.removeprefix(PREFIX), known))
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in VARIABLES and not name.endswith(ADDRESS_SUFFIX)
    ]


def names(text: str) -> list[str]:
    """The names in a text that separates them by commas or white space."""
    return text.replace(",", " ").split()


def read_environment(environment: Mapping[str, str]) -> dict[Setting, Any]:
    """What the variables set; an empty one sets nothing.

    Raises:
        SettingsError: a value cannot be used; the message names the variable.
    """
    found = {
        setting: setting.kind.read(variable, names(text) if setting.kind.is_list else text)
        for variable, setting in VARIABLES.items()
        if (text := environment.get(variable, "").strip())
    }
    addresses = {
        variable.removeprefix(PREFIX).removesuffix(ADDRESS_SUFFIX).lower(): read_address(variable, text)
        for variable, text in environment.items()
        if variable.startswith(PREFIX) and variable.endswith(ADDRESS_SUFFIX) and text.strip()
    }
    return {**found, ADDRESSES: addresses}
