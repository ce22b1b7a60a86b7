"""Every setting once: its variable, its name in the configuration file, its option, its bounds and what it is for.

Reading the environment, the configuration file and the command line, `imagewright doctor` and docs/settings.md are all
made from `SETTINGS`. Keys, addresses and rates have variables of their own for each provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from imagewright.errors import SettingsError
from imagewright.settings import AllowedHost, without_secrets
from imagewright.text import SHOWN_LENGTH, clip, quoted, say, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX: Final = "IMAGEWRIGHT_"
"""What our variables begin with, apart from keys."""
ADDRESS_SUFFIX: Final = "_BASE_URL"
"""What the variables of addresses end with, as in `IMAGEWRIGHT_KIE_BASE_URL`."""
RATE_SUFFIX: Final = "_RATE"
"""What the variables of rates end with, as in `IMAGEWRIGHT_KIE_RATE`."""
SWITCH_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
"""How people write on and off."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a setting can be."""

    values: str
    """What is allowed, in a few words for the documentation."""
    read: Callable[[str, object], Any]
    """The value as `Settings` holds it, from where it stands (for the message) and what stands there.

    Raises `SettingsError` when that cannot be used."""
    is_list: bool = False
    """Whether the file has a list, and a variable or option has names separated by commas or spaces."""


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


def _read_switch(where: str, value: object) -> bool:
    on = SWITCH_WORDS.get(str(value).strip().lower())
    if on is None:
        raise SettingsError(f"{where}: {_quoted(value)} is neither on nor off; write true or false")
    return on


def _read_names(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise SettingsError(f'{where}: {_quoted(value)} is not a list of names, such as ["one", "two"]')
    return tuple(value)


def _read_folder(_where: str, value: object) -> object:
    return value  # judged by `settings.folders`, which has to know the folders before there can be a file


def _read_model(where: str, value: object) -> str:
    path = value.strip() if isinstance(value, str) else ""
    if not path.endswith(".onnx") or not Path(path).expanduser().is_absolute():
        raise SettingsError(f"{where}: {_quoted(value)} is not the absolute path of an .onnx file")
    return str(Path(path).expanduser())


def _read_addresses(where: str, value: object) -> dict[str, str]:
    return {name: read_address(f"{where}.{name}", address) for name, address in _table(where, value).items()}


def read_address(where: str, value: object) -> str:
    """One address, without a slash at its end.

    Raises:
        SettingsError: it is not an http(s) address.
    """
    address = value.strip() if isinstance(value, str) else ""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an address in them, or a port that is none
        usable = False
    if not usable:
        raise SettingsError(f"{where}: {_quoted(value)} is not an http(s) address")
    return address.rstrip("/")


class Rate(NamedTuple):
    """How many calls a provider takes from the user's account."""

    calls: int
    """How many within `seconds`."""
    seconds: float
    running: int | None
    """How many may run at once; None where only the vendor knows."""


def _read_rates(where: str, value: object) -> dict[str, Rate]:
    return {name: read_rate(f"{where}.{name}", rate) for name, rate in _table(where, value).items()}


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


def _read_hosts(where: str, value: object) -> tuple[AllowedHost, ...]:
    try:
        return tuple(map(AllowedHost.parse, _read_names(where, value)))
    except ValueError as error:
        forms = "such as nas.local:8080, 10.0.0.5:* for every port, or [fd00::5]:443"
        raise SettingsError(f"{where}: {_quoted(str(error))} is not a host with its port; write one {forms}") from error


def _spells_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_routes(where: str, value: object) -> dict[str, dict[str, Mapping[str, object]]]:
    """The tables by tool and provider; what a table holds is judged by its provider."""
    return {
        tool: {
            provider: _table(f"{where}.{tool}.{provider}", table)
            for provider, table in _table(f"{where}.{tool}", providers).items()
        }
        for tool, providers in _table(where, value).items()
    }


def _number(unit: str, low: float, high: float, *, whole: bool = False) -> Kind:
    """A number in that unit, from the least to the most; both are allowed. A text is read as the number it spells."""
    read = partial(_read_number, unit=unit, low=low, high=high, whole=whole)
    return Kind(f"{unit}, {shown(low)} to {shown(high)}", read)


USD = _number("USD", 0, 1_000_000)
"""A budget above a million is a slip of the keyboard."""
TOOL_NAMES = Kind("names of tools", _read_names, is_list=True)


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """One thing that can be set."""

    help: str
    """What it is for, as one sentence without a full stop."""
    kind: Kind
    """What it can be."""
    variable: str = ""
    """The environment variable; empty where there is none."""
    name: str = ""
    """The name in the configuration file, behind its table and a dot; empty where the file cannot say it."""
    option: str = ""
    """The option of every command, such as `--tools`, which takes names; empty where there is none."""
    default: Any = None
    """What holds where nothing is set."""
    default_words: str = ""
    """The default for people, where it is not simply a value."""


def address_variable(name: str) -> str:
    """The variable of an address: `kie_upload` has `IMAGEWRIGHT_KIE_UPLOAD_BASE_URL`."""
    return f"{PREFIX}{name.upper()}{ADDRESS_SUFFIX}"


def rate_variable(name: str) -> str:
    """The variable of a rate: `kie` has `IMAGEWRIGHT_KIE_RATE`."""
    return f"{PREFIX}{name.upper()}{RATE_SUFFIX}"


HOME = Setting(
    "one folder for pictures, library and configuration",
    Kind("an absolute path", _read_folder),
    "IMAGEWRIGHT_HOME",
    default_words="your Pictures folder and the platform's own places",
)
ROOTS = Setting(
    "folders that may be read from and saved into, besides the one for pictures",
    Kind("absolute paths, separated as in `PATH`", _read_folder),
    "IMAGEWRIGHT_ROOTS",
    default_words="Pictures, Downloads, Desktop, Documents, and the project you work in",
)
TOOLS = Setting(
    "only these tools, separated by commas",
    TOOL_NAMES,
    "IMAGEWRIGHT_TOOLS",
    "tools.allow",
    "--tools",
    default_words="all",
)
DISABLE = Setting(
    "without these tools, separated by commas",
    TOOL_NAMES,
    "IMAGEWRIGHT_DISABLE",
    "tools.disable",
    "--disable",
    default=(),
    default_words="none",
)
PROVIDERS = Setting(
    "use these providers, in order of preference; the option can be repeated",
    Kind("names of providers", _read_names, is_list=True),
    "IMAGEWRIGHT_PROVIDERS",
    "providers",
    "--provider",
    default_words="every one that has a key, cheapest first",
)
WAIT = Setting(
    "how long a call waits before it answers with a job id; less than your client waits",
    _number("seconds", 0, 3600),
    "IMAGEWRIGHT_WAIT",
    "wait",
    default=45.0,  # clients give up at about 60
)
REPLY_BUDGET = Setting(
    "size of one encoded reply, previews included",
    _number("bytes", 20_000, 1_000_000, whole=True),
    "IMAGEWRIGHT_REPLY_BUDGET",
    "reply_budget",
    default=700_000,  # Claude Desktop cuts at 1 MiB, and the text stands beside
)
RESOURCE_LINKS = Setting(
    "whether a result carries a resource link per picture; two large agent frameworks fail on one",
    Kind("true or false", _read_switch),
    "IMAGEWRIGHT_RESOURCE_LINKS",
    "resource_links",
    default=False,
)
KEEP_METADATA = Setting(
    "whether the place, camera, comments and the like in the files of input pictures are sent along",
    Kind("true or false", _read_switch),
    "IMAGEWRIGHT_KEEP_METADATA",
    "keep_metadata",
    default=False,
)
LEASE = Setting(
    "after how long the jobs of a server that died are taken over by another",
    _number("seconds", 1, 3600),
    "IMAGEWRIGHT_LEASE",
    "lease",
    default=10.0,  # long enough for the pauses of a busy machine
)
CUTOUT_MODEL = Setting(
    "a trained model for cutting out offline, of the U2-Net family; needs `pip install imagewright[cutout]`",
    Kind("absolute path of an `.onnx` file", _read_model),
    "IMAGEWRIGHT_CUTOUT_MODEL",
    "cutout_model",
    default="",
    default_words="none: the outline is found without a model",
)
PER_CALL = Setting(
    "a call that would cost more is refused",
    USD,
    "IMAGEWRIGHT_BUDGET_PER_CALL",
    "budget.per_call",
    default_words="no limit",
)
PER_DAY = Setting(
    "limit from midnight on, local time, over all servers of yours",
    USD,
    "IMAGEWRIGHT_BUDGET_PER_DAY",
    "budget.per_day",
    default_words="no limit",
)
PER_MONTH = Setting(
    "limit from the first of the month on, local time, over all servers of yours",
    USD,
    "IMAGEWRIGHT_BUDGET_PER_MONTH",
    "budget.per_month",
    default_words="no limit",
)
CONFIRM_ABOVE = Setting(
    "you are asked about a call that costs more, and silence is no",
    USD,
    "IMAGEWRIGHT_CONFIRM_ABOVE",
    "budget.confirm_above",
    default_words="nobody is asked",
)
ADDRESSES = Setting(
    "another address for a provider: a gateway, a region, an emulator, a server of your own",
    Kind("http(s) addresses", _read_addresses),
    address_variable("<provider>"),
    "addresses",
    default_words="the vendor's",
)
ALLOW_HOSTS = Setting(
    "hosts that pictures may be fetched from and sent to although they are not on the public Internet, such as a NAS",
    Kind("host:port, `*` for every port, such as `nas.local:8080`", _read_hosts, is_list=True),
    "IMAGEWRIGHT_ALLOW_HOSTS",
    "allow_hosts",
    default=(),
    default_words="none",
)
RATES = Setting(
    "how many calls a provider takes from your account; set it where your plan differs from the usual one",
    Kind("calls/seconds, such as `20/10`; with how many may run at once, `20/10/100`", _read_rates),
    rate_variable("<provider>"),
    "rates",
    default_words="the vendor's usual one, and what its answers say",
)
ROUTES = Setting(
    "another edition first or another price at a provider, and what it no longer does",
    Kind("tables `[routes.<tool>.<provider>]`", _read_routes),
    name="routes",
    default_words="as built in",
)
SETTINGS = (
    HOME,
    ROOTS,
    TOOLS,
    DISABLE,
    PROVIDERS,
    WAIT,
    REPLY_BUDGET,
    RESOURCE_LINKS,
    KEEP_METADATA,
    LEASE,
    CUTOUT_MODEL,
    PER_CALL,
    PER_DAY,
    PER_MONTH,
    CONFIRM_ABOVE,
    ADDRESSES,
    ALLOW_HOSTS,
    RATES,
    ROUTES,
)
"""Everything that can be set apart from keys, in the order in which it is shown."""
BY_PROVIDER: Mapping[Setting, tuple[str, Callable[[str, object], Any]]] = {
    ADDRESSES: (ADDRESS_SUFFIX, read_address),
    RATES: (RATE_SUFFIX, read_rate),
}
"""The settings that have a variable for each provider: what it ends with, and how its value is read."""
VARIABLES: Mapping[str, Setting] = {one.variable: one for one in SETTINGS if one.variable and one not in BY_PROVIDER}
"""The settings by their variable, but for those with one for each provider."""
NAMES: Mapping[str, Setting] = {one.name: one for one in SETTINGS if one.name}
"""The settings by their name in the configuration file."""


def _table(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{where}: {_quoted(value)} is not a table")
    return value


def _quoted(value: object) -> str:
    return quoted(without_secrets(value), SHOWN_LENGTH) if isinstance(value, str) else say(value)
