"""What the environment and the configuration file set, and which variables and keys are not read.

A client that passes a variable on as `${...}` did not fill it in, so it counts as not set. API keys are judged in
`settings.keys`. All problems of the file, which is TOML, are named at once.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from imagewright.errors import SettingsError
from imagewright.settings import without_secrets
from imagewright.settings.keys import LIKE_A_KEYS_NAME, LINE_OF_ERROR, read_text
from imagewright.settings.table import (
    BY_PROVIDER,
    NAMES,
    PREFIX,
    ROUTES,
    SETTINGS,
    TOOL_PREFIX,
    TOOL_SWITCHES,
    VARIABLES,
)
from imagewright.text import SHOWN_LENGTH, clip, closest, did_you_mean, listed, quoted, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imagewright.settings.table import Setting

UNEXPANDED: Final = re.compile(r"\$\{[^}]*\}")
"""`${input:kie}`, `${user_config.per_day}`, `${HOME}`, alone or within a value."""
LEFT: Final = "was left as ${...} by whatever set it: it counts as not set"
"""What is said of such a variable, behind its name."""
FORM: Final = "write one setting a line, such as wait = 30, and texts in quotation marks"
EXAMPLE_HEAD: Final = """\
# Every setting of Imagewright. A line without a # before it is in force; the others show what could be set.
# Variables and options are stronger than this file. `imagewright config show` prints what is in force and why.
"""
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

    What stands for one provider or tool is left out: that of an unknown one stops the start.
    """
    endings = tuple(suffix for suffix, _ in BY_PROVIDER.values())
    known = {name.removeprefix(PREFIX): name for name in VARIABLES}  # the common beginning makes all of them alike
    return [
        f"{name} is not a variable that is read"
        + "".join(f" (did you mean {known[one]!r}?)" for one in closest(name.removeprefix(PREFIX), known))
        for name in sorted(environment)
        if name.startswith(PREFIX)
        and name not in VARIABLES
        and not name.endswith(endings)
        and not name.startswith(TOOL_PREFIX)
    ]


def names(text: str) -> list[str]:
    """The names in a text that separates them by commas or white space."""
    return text.replace(",", " ").split()


def read_environment(environment: Mapping[str, str]) -> dict[Setting, Any]:
    """What the variables set; one that is empty, or names nothing, sets nothing. `TOOL_SWITCHES` are by tool.

    Raises:
        SettingsError: a value cannot be used; the message names the variable.
    """
    found = {}
    for variable, setting in VARIABLES.items():
        text = environment.get(variable, "").strip()
        if given := names(text) if setting.kind.is_list else text:
            found[setting] = setting.kind.read(variable, given)
    for setting, (suffix, read) in BY_PROVIDER.items():
        found[setting] = {
            variable.removeprefix(PREFIX).removesuffix(suffix).lower(): read(variable, text)
            for variable, text in environment.items()
            if variable.startswith(PREFIX) and variable.endswith(suffix) and text.strip()
        }
    found[TOOL_SWITCHES] = {
        variable.removeprefix(TOOL_PREFIX).lower(): TOOL_SWITCHES.kind.read(variable, text)
        for variable, text in sorted(environment.items())
        if variable.startswith(TOOL_PREFIX) and text.strip()
    }
    return found


def read_config(file: Path) -> dict[Setting, Any]:
    """What the file sets; nothing when there is no such file.

    Raises:
        SettingsError: not TOML, unknown keys or wrong values; the message names the file and each of them.
    """
    try:
        text, _ = read_text(file)
    except FileNotFoundError:
        return {}
    try:
        content = tomllib.loads(text)
    except RecursionError as error:
        raise SettingsError(f"{file}: is nested too deeply") from error
    except ValueError as error:  # not TOML, or a number of thousands of digits
        raise SettingsError(f"{file}: {_where_wrong(text, str(error))}") from error
    found: dict[Setting, Any] = {}
    problems = []
    for name, value in _entries(content):
        try:
            setting = setting_named(name)
            found[setting] = setting.kind.read(name, value)
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError(f"{file}: {'; '.join(problems)}")
    return found


def example() -> str:
    """A configuration file with every setting it can have, each explained and commented out."""
    lines = [EXAMPLE_HEAD]
    for heading in ("", *TABLES, *(one.name for one in SETTINGS if one.kind.is_table)):
        if heading and heading != ROUTES.name:
            lines.append(f"[{heading}]\n")
        for one in SETTINGS:
            table, _, key = one.name.rpartition(".")
            if one.name and heading == (one.name if one.kind.is_table else table):
                default = one.default_words or shown(one.default)
                plain = json.dumps(one.default) if isinstance(one.default, str) else shown(one.default)
                value = one.example or f"{key} = {plain}"
                commented = "\n".join(f"#{line}" for line in value.splitlines())
                lines.append(f"# {one.help}\n# {one.kind.values}; default: {default}\n{commented}\n")
    return "\n".join(lines)


def _where_wrong(text: str, words: str) -> str:
    """What is no TOML, with the line as it stands there, unless it may hold a key."""
    place = LINE_OF_ERROR.search(words)
    if place is None:
        return f"is not TOML: {words}"
    lines = text.rstrip().splitlines() or [""]
    number = min(int(place[1] or len(lines)), len(lines))
    line = lines[number - 1].strip()
    holds_key = LIKE_A_KEYS_NAME.match(line) is not None
    there = "" if holds_key or not line else f", {quoted(without_secrets(line), SHOWN_LENGTH)}"
    return f"line {number}{there}: {words[: place.start()].strip()}; {FORM}"


def _entries(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if key in TABLES and isinstance(value, dict):
            for inner, one in value.items():
                yield f"{key}.{inner}", one
        else:
            yield key, value


def setting_named(name: str) -> Setting:
    """The setting of that name in the file, such as `wait` or `budget.per_day`.

    Raises:
        SettingsError: there is none; the message has the nearest, or where what was meant belongs.
    """
    if name in TABLES:
        raise SettingsError(f"{name}: must be a table, [{name}]")
    if name not in NAMES and LIKE_A_KEYS_NAME.match(name):
        raise SettingsError(
            f"{clip(without_secrets(name))}: keys do not belong in this file, but in keys.toml beside it; "
            "`imagewright keys set PROVIDER` writes one there"
        )
    if name not in NAMES:
        hint = did_you_mean(name, (*NAMES, *TABLES)) or f"; the settings are {listed(NAMES)}"
        meant = VARIABLES.get(name.upper()) or VARIABLES.get(f"{PREFIX}{name.upper()}")
        if meant and meant.name:
            hint = f"; in this file it is called {meant.name}"
        elif meant:
            hint = f" in this file; set {meant.variable} in the environment"
        raise SettingsError(f"{clip(without_secrets(name))}: there is no such setting{hint}")
    return NAMES[name]
