"""What the environment and the configuration file set, and which variables and keys are not read.

A client that passes a variable on as `${...}` did not fill it in, so it counts as not set. API keys are judged in
`settings.keys`. All problems of the file, which is TOML, are named at once.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from imagewright.errors import SettingsError
from imagewright.settings import without_secrets
from imagewright.settings.table import BY_PROVIDER, NAMES, PREFIX, VARIABLES
from imagewright.text import clip, closest, did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imagewright.settings.table import Setting

UNEXPANDED: Final = re.compile(r"\$\{[^}]*\}")
"""`${input:kie}`, `${user_config.per_day}`, `${HOME}`, alone or within a value."""
TABLES = tuple(dict.fromkeys(name.partition(".")[0] for name in NAMES if "." in name))
"""The tables whose keys are settings: `[tools]` and `[budget]`."""


def is_unexpanded(value: str) -> bool:
    """Whether a value was left to be filled in."""
    return UNEXPANDED.search(value) is not None


def unexpanded(environment: Mapping[str, str]) -> list[str]:
    """Our variables whose value was left to be filled in."""
    return sorted(name for name, value in environment.items() if name.startswith(PREFIX) and is_unexpanded(value))


def filled_in(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the variables that were left to be filled in."""
    left_out = set(unexpanded(environment))
    return {name: value for name, value in environment.items() if name not in left_out}


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like ours and sets nothing, with the nearest known.

    What stands for one provider is left out: that of an unknown provider stops the start.
    """
    endings = tuple(suffix for suffix, _ in BY_PROVIDER.values())
    known = {name.removeprefix(PREFIX): name for name in VARIABLES}  # the common beginning makes all of them alike
    return [
        f"{name} is not a variable that is read"
        + "".join(f" (did you mean {known[one]!r}?)" for one in closest(name.removeprefix(PREFIX), known))
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in VARIABLES and not name.endswith(endings)
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
    for setting, (suffix, read) in BY_PROVIDER.items():
        found[setting] = {
            variable.removeprefix(PREFIX).removesuffix(suffix).lower(): read(variable, text)
            for variable, text in environment.items()
            if variable.startswith(PREFIX) and variable.endswith(suffix) and text.strip()
        }
    return found


def read_config(file: Path) -> dict[Setting, Any]:
    """What the file sets; nothing when there is no such file.

    Raises:
        SettingsError: not TOML, unknown keys or wrong values; the message names the file and each of them.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise SettingsError(f"{file}: {error}") from error
    except RecursionError as error:
        raise SettingsError(f"{file}: is nested too deeply") from error
    found: dict[Setting, Any] = {}
    problems = []
    for name, value in _entries(content):
        try:
            setting = _setting(name)
            found[setting] = setting.kind.read(name, value)
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError(f"{file}: {'; '.join(problems)}")
    return found


def _entries(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if key in TABLES and isinstance(value, dict):
            for inner, one in value.items():
                yield f"{key}.{inner}", one
        else:
            yield key, value


def _setting(name: str) -> Setting:
    if name in TABLES:
        raise SettingsError(f"{name}: must be a table, [{name}]")
    if name not in NAMES:
        hint = did_you_mean(name, (*NAMES, *TABLES)) or f"; the settings are {listed(NAMES)}"
        if (meant := VARIABLES.get(f"{PREFIX}{name.upper()}")) and not meant.name:
            hint = f" in this file; set {meant.variable} in the environment"
        raise SettingsError(f"{clip(without_secrets(name))}: there is no such setting{hint}")
    return NAMES[name]
