"""The configuration file: TOML, every key known, every value judged. All problems are named at once."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from imagewright.errors import SettingsError
from imagewright.settings.table import NAMES
from imagewright.text import clip, did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imagewright.settings.table import Setting

TABLES = tuple(dict.fromkeys(name.partition(".")[0] for name in NAMES if "." in name))
"""The tables whose keys are settings: `[tools]` and `[budget]`."""


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
        raise SettingsError(f"{clip(name)}: there is no such setting{hint}")
    return NAMES[name]
