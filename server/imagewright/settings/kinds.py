"""The kinds of values that settings have: what is allowed, in words, and how a value is read."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from imagewright.errors import SettingsError
from imagewright.settings import LAST_PORT, AllowedHost, without_login, without_secrets
from imagewright.settings.keys import TOKEN
from imagewright.text import SHOWN_LENGTH, clip, listed, quoted, say, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SWITCH_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
"""How people write on and off."""
PATH = re.compile(r"/[\w.~/-]{0,100}", re.ASCII)
"""The path of an address, in letters that stand for themselves."""
LEVELS = ("error", "warning", "info", "debug")
"""What is logged: the worst alone, or more and more."""


class Kind(NamedTuple):
    """What a setting can be."""

    values: str
    """What is allowed, in a few words for the documentation."""
    read: Callable[[str, object], Any]
    """The value as `Settings` holds it, from where it stands (for the message) and what stands there.

    Raises `SettingsError` when that cannot be used."""
    is_list: bool = False
    """Whether the file has a list, and a variable or option has names separated by commas or spaces."""
    is_table: bool = False
    """Whether the file has a table, whose keys are not settings of their own."""
    is_secret: bool = False
    """Whether it is never shown."""


def _read_number(where: str, value: object, unit: str, low: float, high: float, *, whole: bool) -> float:
    number = value
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            number = None
    kind = f"a {'whole ' if whole else ''}number of {unit}"
    bounds = f"between {shown(low)} and {shown(high)}"
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise SettingsError(f"{where}: {_quoted(value)} is not {kind}; write one {bounds}")
    if not low <= number <= high:
        raise SettingsError(f"{where}: {clip(without_secrets(str(value)))} is not {bounds} {unit}")
    if whole and number != int(number):
        raise SettingsError(f"{where}: {clip(without_secrets(str(value)))} is not {kind}")
    return int(number) if whole else float(number)


def read_level(where: str, value: object) -> str:
    """A level of the log, one of `LEVELS`.

    Raises:
        SettingsError: it is another word.
    """
    level = value.strip().lower() if isinstance(value, str) else ""
    if level not in LEVELS:
        raise SettingsError(f"{where}: {_quoted(value)} is not a level of the log; write {listed(LEVELS, 'or')}")
    return level


def read_switch(where: str, value: object) -> bool:
    """On or off, in one of `SWITCH_WORDS`.

    Raises:
        SettingsError: it is another word.
    """
    on = SWITCH_WORDS.get(str(value).strip().lower())
    if on is None:
        raise SettingsError(f"{where}: {_quoted(value)} is neither on nor off; write true or false")
    return on


def read_names(where: str, value: object) -> tuple[str, ...]:
    """A list of texts.

    Raises:
        SettingsError: it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise SettingsError(f'{where}: {_quoted(value)} is not a list of names, such as ["one", "two"]')
    return tuple(value)


def read_folder(_where: str, value: object) -> object:
    """The value as it is: `settings.folders` judges it, which has to know the folders before there can be a file."""
    return value


def read_model(where: str, value: object) -> str:
    """The absolute path of an `.onnx` file.

    Raises:
        SettingsError: it is something else.
    """
    path = value.strip() if isinstance(value, str) else ""
    if not path.endswith(".onnx") or not Path(path).expanduser().is_absolute():
        raise SettingsError(f"{where}: {_quoted(value)} is not the absolute path of an .onnx file")
    return str(Path(path).expanduser())


def read_port(where: str, value: object) -> int:
    """The number of a port; 0 is any that is free.

    Raises:
        SettingsError: it is something else.
    """
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal() and len(text) < SHOWN_LENGTH):
        raise SettingsError(f"{where}: {_quoted(value)} is not a port; write a whole number from 0 to {LAST_PORT}")
    if int(text) > LAST_PORT:
        raise SettingsError(f"{where}: {clip(without_secrets(text))} is not a port; the last one is {LAST_PORT}")
    return int(text)


def read_path(where: str, value: object) -> str:
    """The path of an address, such as `/mcp`, without a slash at its end.

    Raises:
        SettingsError: it is something else.
    """
    path = value.strip() if isinstance(value, str) else ""
    # clients take `.` and `..` out of an address before they ask
    if not PATH.fullmatch(path) or {".", ".."} & {*path.split("/")}:
        raise SettingsError(f"{where}: {_quoted(value)} is not the path of an address; write one such as /mcp")
    return path.rstrip("/") or "/"


def read_token(where: str, value: object) -> str:
    """A token of the user's own. No message shows it.

    Raises:
        SettingsError: it is too short, too long, or has characters that a header cannot carry.
    """
    token = value.strip() if isinstance(value, str) else ""
    if not TOKEN.fullmatch(token):
        raise SettingsError(f"{where}: is no token; write 16 to 200 letters, digits and signs without a blank")
    return token


def read_addresses(where: str, value: object) -> dict[str, str]:
    """The addresses of a table, by provider or provider_host.

    Raises:
        SettingsError: one of them is none.
    """
    return {name: read_address(f"{where}.{name}", address) for name, address in read_table(where, value).items()}


def read_address(where: str, value: object) -> str:
    """One address, without a slash at its end.

    Raises:
        SettingsError: it is not an http(s) address.
    """
    address = value.strip() if isinstance(value, str) else ""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and " " not in address
    except ValueError:  # brackets without an address in them, or a port that is none
        usable = False
    if not usable:
        raise SettingsError(f"{where}: {_quoted(value)} is not an http(s) address")
    if "?" in address or "#" in address:
        raise SettingsError(
            f"{where}: {_quoted(without_login(address))} has something behind it, from ? or # on: leave it out"
        )
    return address.rstrip("/")


class Rate(NamedTuple):
    """How many calls a provider takes from the user's account."""

    calls: int
    """How many within `seconds`."""
    seconds: float
    running: int | None
    """How many may run at once; None where only the vendor knows."""


def read_rates(where: str, value: object) -> dict[str, Rate]:
    """The rates of a table, by provider.

    Raises:
        SettingsError: one of them is none.
    """
    return {name: read_rate(f"{where}.{name}", rate) for name, rate in read_table(where, value).items()}


def read_rate(where: str, value: object) -> Rate:
    """One rate, such as `20/10` or `20/10/100`.

    Raises:
        SettingsError: it is written in another way, or a number is out of bounds.
    """
    parts = [part.strip() for part in value.split("/")] if isinstance(value, str) else []
    if len(parts) not in (2, 3) or not all(map(_spells_number, parts)):
        form = "calls/seconds, such as 20/10, or with how many may run at once, such as 20/10/100"
        raise SettingsError(f"{where}: {_quoted(value)} is not a rate; write {form}")
    calls, seconds, *running = parts
    return Rate(
        int(_read_number(where, calls, "calls", 1, 100_000, whole=True)),
        _read_number(where, seconds, "seconds", 1, 3600, whole=False),  # no call waits longer than an hour for its turn
        int(_read_number(where, running[0], "calls at once", 1, 100_000, whole=True)) if running else None,
    )


def read_hosts(where: str, value: object) -> tuple[AllowedHost, ...]:
    """Hosts with their ports.

    Raises:
        SettingsError: one of them is none.
    """
    try:
        return tuple(map(AllowedHost.parse, read_names(where, value)))
    except ValueError as error:
        forms = "such as nas.local:8080, 10.0.0.5:* for every port, or [fd00::5]:443"
        raise SettingsError(f"{where}: {_quoted(str(error))} is not a host with its port; write one {forms}") from error


def _spells_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_routes(where: str, value: object) -> dict[str, dict[str, Mapping[str, object]]]:
    """The tables by tool and provider; what a table holds is judged by its provider.

    Raises:
        SettingsError: something else stands where a table belongs.
    """
    return {
        tool: {
            provider: read_table(f"{where}.{tool}.{provider}", table)
            for provider, table in read_table(f"{where}.{tool}", providers).items()
        }
        for tool, providers in read_table(where, value).items()
    }


def number_of(unit: str, low: float, high: float, *, whole: bool = False) -> Kind:
    """A number in that unit, from the least to the most; both are allowed. A text is read as the number it spells."""
    read = partial(_read_number, unit=unit, low=low, high=high, whole=whole)
    return Kind(f"{unit}, {shown(low)} to {shown(high)}", read)


def read_table(where: str, value: object) -> Mapping[str, Any]:
    """A table of the configuration file.

    Raises:
        SettingsError: it is something else.
    """
    if not isinstance(value, dict):
        raise SettingsError(f"{where}: {_quoted(value)} is not a table")
    return value


def _quoted(value: object) -> str:
    if isinstance(value, dict):  # as the file calls it
        return "a table"
    return quoted(without_secrets(value), SHOWN_LENGTH) if isinstance(value, str) else say(value)
