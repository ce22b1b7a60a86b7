"""API keys: from the environment, else from the key file. Where a key came from is known; what it is, is not shown."""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagewright.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Key:
    """A key and its origin.

    Attributes:
        value: the secret; kept out of `repr`.
        source: the variable's name or the key file's path.
    """

    value: str = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys that were found.

    Attributes:
        environment: the variables of the process; kept out of `repr`.
        stored: content of the key file; kept out of `repr`.
        file: the key file's path, whether or not it exists.
    """

    environment: Mapping[str, str] = field(repr=False)
    stored: Mapping[str, str] = field(repr=False)
    file: Path

    def find(self, variables: Sequence[str]) -> Key | None:
        """The first of these variables that is set, in the environment or else in the key file."""
        for variable in variables:
            if value := self.environment.get(variable, "").strip():
                return Key(value, variable)
        for variable in variables:
            if value := self.stored.get(variable, "").strip():
                return Key(value, f"{self.file} ({variable})")
        return None


def read_key_file(file: Path) -> dict[str, str]:
    """The key file: TOML lines such as `KIE_API_KEY = "..."`. Empty when there is no such file.

    Raises:
        SettingsError: others on the machine can read it, or it is not TOML of texts. Never quotes its content.
    """
    try:
        text = file.read_text(encoding="utf-8")
        mode = file.stat().st_mode
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read ({type(error).__name__})") from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise SettingsError(f"{file}: others on this machine can read your keys; run: chmod 600 '{file}'")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        # from None: the parser's message can quote the line, and the line holds a key
        raise SettingsError(f'{file}: is not TOML; one line per key, such as KIE_API_KEY = "..."') from None
    if any(not isinstance(value, str) for value in content.values()):
        raise SettingsError(f"{file}: every key must be a text in quotes")
    return content
