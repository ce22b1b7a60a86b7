"""One `Settings` from command line, environment, configuration file and key file, in that order of strength."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagewright.errors import SettingsError
from imagewright.settings.config_file import (
    LEASE_SECONDS,
    MOST_MONEY,
    REPLY_BYTES,
    WAIT_SECONDS,
    BudgetTable,
    ConfigFile,
    read_config,
)
from imagewright.settings.folders import Folders, find_folders
from imagewright.settings.keys import Keyring, read_key_file
from imagewright.settings.toggles import Layer, Toggles, names
from imagewright.settings.unexpanded import OURS, filled_in, is_unexpanded, unexpanded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.settings.config_file import Bounds

log = logging.getLogger(__name__)

DEFAULT_WAIT = 45.0
"""Seconds a call waits before it answers with a job id: hosts give up at about 60."""
SURE_WAIT = 3.0
"""Seconds within which every client still listens: the shortest usual time limit is 5 s (a default of openai-agents),
and an answer needs some of it to arrive."""
DEFAULT_REPLY_BUDGET = 700_000
"""Bytes of one encoded reply: below the 1 MiB at which Claude Desktop cuts, with room for the text beside."""
DEFAULT_LEASE = 10.0
"""Seconds after which the jobs of a silent process are taken over: long enough for a busy machine's pauses."""
ADDRESS_SUFFIX = "_BASE_URL"
"""What the variables of addresses end with, as in `IMAGEWRIGHT_KIE_BASE_URL`."""
SWITCH_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
"""How people write on and off in a variable."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What the command line says; it beats everything else. None and empty mean "not said"."""

    tools: str | None = None
    disable: str = ""
    providers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, decided. Frozen; nothing reads the environment after this.

    Attributes:
        folders: where things are kept, and the allowed roots.
        toggles: which tools are on.
        keyring: the API keys.
        providers: providers to use in this order, or None for "every one with a key, cheapest first".
        wait: seconds a call waits before it answers with a job id.
        sure_wait: seconds within which an answer is sure to reach the client: `wait` where the user has set it.
        reply_budget: bytes of one encoded reply.
        resource_links: whether a tool's result carries a link block for each picture besides its id, path and uri.
        lease: seconds after which the jobs of a process that died are taken over by another.
        budget: limits in USD.
        addresses: base addresses set by the user, by provider or provider_part, lower case.
        routes: overrides by tool and provider.
        command_line: kept to reload the rest.
        environment: kept to reload the rest; out of `repr`, as it holds keys.
    """

    folders: Folders
    toggles: Toggles
    keyring: Keyring
    providers: tuple[str, ...] | None
    wait: float
    sure_wait: float
    reply_budget: int
    resource_links: bool
    lease: float
    budget: BudgetTable
    addresses: Mapping[str, str]
    routes: Mapping[str, Mapping[str, Mapping[str, object]]]
    command_line: CommandLine
    environment: Mapping[str, str] = field(repr=False)


def load_settings(
    environment: Mapping[str, str],
    command_line: CommandLine = CommandLine(),
    working_directory: Path | None = None,
) -> Settings:
    """Decide every setting.

    Args:
        environment: usually `os.environ`; it is copied, without variables of ours that were left as `${...}`.
        command_line: what was said there.
        working_directory: for the roots; the process's own when None.

    Raises:
        SettingsError: a variable, file or option cannot be used.
    """
    for name in unexpanded(environment):
        log.warning("%s was left as ${...} by whatever set it: it counts as not set", name)
    environment = filled_in(environment)
    command_line = filled_in_line(command_line)
    folders = find_folders(environment, working_directory or Path.cwd())
    config = read_config(folders.config)
    wait = _number(environment, "IMAGEWRIGHT_WAIT", config.wait or DEFAULT_WAIT, WAIT_SECONDS)
    wait_is_set = bool(config.wait or environment.get("IMAGEWRIGHT_WAIT", "").strip())
    return Settings(
        folders=folders,
        toggles=_toggles(environment, command_line, config, folders.config),
        keyring=Keyring(environment, read_key_file(folders.keys), folders.keys),
        providers=_providers(environment, command_line, config),
        wait=wait,
        sure_wait=max(wait, SURE_WAIT) if wait_is_set else SURE_WAIT,
        reply_budget=int(
            _number(environment, "IMAGEWRIGHT_REPLY_BUDGET", config.reply_budget or DEFAULT_REPLY_BUDGET, REPLY_BYTES)
        ),
        resource_links=_switch(environment, "IMAGEWRIGHT_RESOURCE_LINKS", default=config.resource_links),
        lease=_number(environment, "IMAGEWRIGHT_LEASE", config.lease or DEFAULT_LEASE, LEASE_SECONDS),
        budget=_budget(environment, config.budget),
        addresses=_addresses(environment, config.addresses),
        routes=config.routes,
        command_line=command_line,
        environment=environment,
    )


def filled_in_line(line: CommandLine) -> CommandLine:
    """The command line without what a client has left as `${...}`."""
    tools = None if line.tools is None or is_unexpanded(line.tools) else line.tools
    disable = "" if is_unexpanded(line.disable) else line.disable
    providers = tuple(name for name in line.providers or () if not is_unexpanded(name))
    return CommandLine(tools=tools, disable=disable, providers=providers or None)


def _toggles(environment: Mapping[str, str], line: CommandLine, config: ConfigFile, file: Path) -> Toggles:
    def layer(source: str, allow: str | None, deny: str) -> Layer:
        return Layer(source, None if allow is None else names(allow), names(deny))

    words = environment.get("IMAGEWRIGHT_TOOLS", "").strip() or None
    denied = environment.get("IMAGEWRIGHT_DISABLE", "")
    sources = [variable for variable in ("IMAGEWRIGHT_TOOLS", "IMAGEWRIGHT_DISABLE") if environment.get(variable)]
    allow = None if config.tools.allow is None else frozenset(config.tools.allow)
    return Toggles(
        (
            layer("the command line", line.tools, line.disable),
            layer(" and ".join(sources) or "the environment", words, denied),
            Layer(str(file), allow, frozenset(config.tools.disable)),
        )
    )


def _providers(environment: Mapping[str, str], line: CommandLine, config: ConfigFile) -> tuple[str, ...] | None:
    words = tuple(environment.get("IMAGEWRIGHT_PROVIDERS", "").replace(",", " ").split())
    return line.providers or words or config.providers


def _budget(environment: Mapping[str, str], table: BudgetTable) -> BudgetTable:
    """The configured limits, with those of the environment over them: `IMAGEWRIGHT_BUDGET_PER_DAY` and its like."""
    variables = {
        "per_call": "IMAGEWRIGHT_BUDGET_PER_CALL",
        "per_day": "IMAGEWRIGHT_BUDGET_PER_DAY",
        "per_month": "IMAGEWRIGHT_BUDGET_PER_MONTH",
        "confirm_above": "IMAGEWRIGHT_CONFIRM_ABOVE",
    }
    words = {
        name: _number(environment, variable, 0, (0, MOST_MONEY))
        for name, variable in variables.items()
        if environment.get(variable, "").strip()
    }
    return replace(table, **words)


def _number(environment: Mapping[str, str], variable: str, default: float, bounds: Bounds) -> float:
    text = environment.get(variable, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{variable}: {text!r} is not a number") from None
    low, high = bounds
    if not low <= value <= high:
        raise SettingsError(f"{variable}: {text} is not between {low:.15g} and {high:.15g}")
    return value


def _switch(environment: Mapping[str, str], variable: str, *, default: bool) -> bool:
    text = environment.get(variable, "").strip()
    if not text:
        return default
    if text.lower() not in SWITCH_WORDS:
        raise SettingsError(f"{variable}: {text!r} is neither on nor off; write true or false")
    return SWITCH_WORDS[text.lower()]


def _addresses(environment: Mapping[str, str], table: Mapping[str, str]) -> dict[str, str]:
    """The base addresses by provider or provider_part; the environment's beat those of the file."""
    found = {f"addresses.{name}": (name, address) for name, address in table.items()}
    found |= {
        variable: (variable.removeprefix(OURS).removesuffix(ADDRESS_SUFFIX).lower(), value)
        for variable, value in environment.items()
        if variable.startswith(OURS) and variable.endswith(ADDRESS_SUFFIX) and value.strip()
    }
    for where, (_, address) in found.items():
        if not _is_address(address.strip()):
            raise SettingsError(f"{where}: {address.strip()!r} is not an http(s) address")
    return {name: address.strip().rstrip("/") for name, address in found.values()}


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an address in them, or a port that is none
        return False
