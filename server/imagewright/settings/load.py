"""One `Settings` from command line, environment, configuration file and key file, in that order of strength."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from imagewright.settings import table, without_login
from imagewright.settings.folders import Folders, find_folders
from imagewright.settings.keys import Keyring, read_key_file
from imagewright.settings.kinds import LEVELS, Rate
from imagewright.settings.sources import (
    LEFT,
    filled_in,
    is_unexpanded,
    names,
    read_config,
    read_environment,
    unexpanded,
    unknown_variables,
)
from imagewright.settings.toggles import Layer, Toggles
from imagewright.text import counted, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imagewright.settings import AllowedHost
    from imagewright.settings.table import Setting

log = logging.getLogger(__name__)

SURE_WAIT = 3.0
"""Seconds within which every client still listens: the shortest usual time limit is 5 s (a default of openai-agents),
and an answer needs some of it to arrive."""

FINE_STEP, COARSE_STEP = 50_000_000, 2_000_000_000
"""Nanoseconds from one time of writing to the next that a file system can tell apart, at most: Linux and Windows count
in steps of up to 16 ms, and where only whole seconds are written down, FAT in steps of 2 s."""
HIDDEN = "[hidden]"
"""In the place of a value that is never shown."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The options of the command line. They beat everything else."""

    tools: str | None = None
    """Only these tools, separated by commas or spaces; None where the option was not given."""
    disable: str = ""
    """Without these tools, in the same form."""
    providers: tuple[str, ...] | None = None
    """Providers in order of preference; None where the option was not given."""
    log: str | None = None
    """The level of the log; None where the option was not given."""


class BudgetTable(NamedTuple):
    """Limits in USD, over all server processes of the user. None means no limit."""

    per_call: float | None = None
    """Of one call."""
    per_day: float | None = None
    """From midnight on, local time."""
    per_month: float | None = None
    """From the first of the month on, local time."""
    confirm_above: float | None = None
    """Calls that cost more are asked about first; silence is no."""


@dataclass(frozen=True, slots=True)
class HttpTable:
    """How `imagewright serve --http` can be reached."""

    port: int
    """Its port on this machine; 0 for any that is free."""
    path: str
    """The path of its address."""
    token: str = field(repr=False)
    """The user's own token; empty for the one that is made at the first start. Kept out of `repr`."""


class Seen(NamedTuple):
    """How the followed files stood just before they were read: a change after that is seen as a difference from it."""

    stamps: tuple[tuple[int, ...] | None, ...]
    """For each, what differs after a write, a replacement or a change of who may read it; None while there is none."""
    settled: bool
    """Whether every later write changes a stamp. One in the same step of the clock as the last leaves it the same."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, decided. Frozen; nothing reads the environment after this."""

    folders: Folders
    """Where things are kept, and the allowed roots."""
    toggles: Toggles
    """Which tools are on."""
    keyring: Keyring
    """The API keys."""
    providers: tuple[str, ...] | None
    """Providers to use in this order; None for every one with a key, cheapest first."""
    wait: float
    """Seconds a call waits before it answers with a job id."""
    sure_wait: float
    """Seconds within which an answer is sure to reach the client: `wait` where the user has set it."""
    reply_budget: int
    """Bytes of one encoded reply, previews included."""
    resource_links: bool
    """Whether a tool's result carries a link block for each picture besides its id, path and uri."""
    keep_metadata: bool
    """Whether input pictures are sent with what their files hold beside the picture."""
    lease: float
    """Seconds after which the jobs of a process that died are taken over by another."""
    cutout_model: str
    """The file of a trained model for cutting out offline; empty for none."""
    budget: BudgetTable
    """Limits in USD."""
    log: str
    """What is logged, one of `kinds.LEVELS`."""
    log_prompts: bool
    """Whether the line for a call has its prompt, too."""
    addresses: Mapping[str, str]
    """Base addresses set by the user, by provider or provider_host, in lower case."""
    allow_hosts: tuple[AllowedHost, ...]
    """What may be fetched from although it is not public."""
    rates: Mapping[str, Rate]
    """How many calls a provider takes, where the user says it, by provider in lower case."""
    http: HttpTable
    """How the server over HTTP can be reached; read when it starts."""
    routes: Mapping[str, Mapping[str, Mapping[str, object]]]
    """Overrides of routes by tool and provider."""
    command_line: CommandLine
    """Kept to reload the rest."""
    environment: Mapping[str, str] = field(repr=False)
    """Kept to reload the rest; out of `repr`, as it holds keys."""
    seen: Seen = field(compare=False)
    """How the files stood that the rest was read from."""


def load_settings(
    environment: Mapping[str, str],
    command_line: CommandLine = CommandLine(),
    working_directory: Path | None = None,
    config: Path | None = None,
) -> Settings:
    """Decide every setting.

    The environment is copied, without variables of ours that were left as `${...}`. The working directory, by default
    the process's own, decides the roots. `config` is read in place of the configuration file.

    Raises:
        SettingsError: a variable, file or option cannot be used.
    """
    doubts = [f"{name} {LEFT}" for name in unexpanded(environment)]
    environment = filled_in(environment)
    doubts += unknown_variables(environment)
    command_line = filled_in_line(command_line)
    folders = find_folders(environment, working_directory or Path.cwd())
    seen = look(folders.followed)  # before they are read: what is written after this is news to whoever follows them
    file = read_config(config or folders.config)
    variables = read_environment(environment)

    def decided(setting: Setting) -> Any:
        return variables.get(setting, file.get(setting, setting.default))

    asked = command_line.log
    level = decided(table.LOG) if asked is None else table.LOG.kind.read(table.LOG.option, asked)
    if level != LEVELS[0]:
        for sentence in doubts:
            warn_once(sentence)
    wait = decided(table.WAIT)
    wait_is_set = table.WAIT in variables or table.WAIT in file
    return Settings(
        folders=folders,
        toggles=_toggles(command_line, variables, file, folders.config),
        keyring=Keyring(environment, read_key_file(folders.keys), folders.keys),
        providers=command_line.providers or variables.get(table.PROVIDERS) or file.get(table.PROVIDERS),
        wait=wait,
        sure_wait=max(wait, SURE_WAIT) if wait_is_set else SURE_WAIT,
        reply_budget=decided(table.REPLY_BUDGET),
        resource_links=decided(table.RESOURCE_LINKS),
        keep_metadata=decided(table.KEEP_METADATA),
        lease=decided(table.LEASE),
        cutout_model=decided(table.CUTOUT_MODEL),
        budget=BudgetTable(
            per_call=decided(table.PER_CALL),
            per_day=decided(table.PER_DAY),
            per_month=decided(table.PER_MONTH),
            confirm_above=decided(table.CONFIRM_ABOVE),
        ),
        addresses={**file.get(table.ADDRESSES, {}), **variables[table.ADDRESSES]},
        log=level,
        log_prompts=decided(table.LOG_PROMPTS),
        allow_hosts=decided(table.ALLOW_HOSTS),
        rates={**file.get(table.RATES, {}), **variables[table.RATES]},
        http=HttpTable(decided(table.HTTP_PORT), decided(table.HTTP_PATH), decided(table.HTTP_TOKEN)),
        routes=file.get(table.ROUTES, {}),
        command_line=command_line,
        environment=environment,
        seen=seen,
    )


def look(files: Iterable[Path]) -> Seen:
    """How these files stand now; a `stat` each."""
    stamps = tuple(map(_stamp, files))
    now = time.time_ns()
    return Seen(stamps, settled=all(is_settled(now, *stamp[:2]) for stamp in stamps if stamp is not None))


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    # what was written, moved or copied with its old time has a new time of change
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode


def is_settled(now: int, *times: int) -> bool:
    """Whether a file with these times, in nanoseconds since 1970, gets another one with its next write."""
    newest = max(times)
    return abs(now - newest) >= (FINE_STEP if newest % 1_000_000_000 else COARSE_STEP)


class Placed(NamedTuple):
    """One setting with what is in force, for people."""

    name: str
    """Its name in the file, else its variable."""
    value: str
    """As one would write it, without a password; of a default, in words where it is no single value."""
    source: str
    """Where it comes from: the command line, a variable, the file; empty for a default."""
    weaker: tuple[str, ...] = ()
    """Where else it is set, the strongest first."""


def placed(environment: Mapping[str, str], command_line: CommandLine) -> list[Placed]:
    """Every setting with its value and where that comes from; of addresses, rates and tools, one for each that is set.

    Raises:
        SettingsError: a variable, file or option cannot be used.
    """
    environment, line = filled_in(environment), filled_in_line(command_line)
    path = find_folders(environment, Path.cwd()).config
    file, variables = read_config(path), read_environment(environment)
    options = {
        table.TOOLS: None if line.tools is None else names(line.tools),
        table.DISABLE: names(line.disable) or None,
        table.PROVIDERS: line.providers,
        table.LOG: line.log,
    }
    found = []
    for one in table.SETTINGS:
        of_variables, of_file = variables.get(one), file.get(one)
        if one.kind.is_table or one is table.TOOL_SWITCHES:
            for key in sorted({**(of_file or {}), **(of_variables or {})}):
                variable = one.variable.replace("<PROVIDER>", key.upper()).replace("<TOOL>", key.upper())
                layers = [(variable, (of_variables or {}).get(key)), (str(path), (of_file or {}).get(key))]
                found.append(_placed(f"{one.name}.{key}" if one.name else variable, layers))
        else:
            layers = [(f"the command line ({one.option})", options.get(one)), (one.variable, of_variables)]
            whole = _placed(one.name or one.variable, [*layers, (str(path), of_file)])
            if one.kind.is_secret and whole.source:
                whole = whole._replace(value=HIDDEN)
            default = one.default_words or _as_written(one.default)
            found.append(whole if whole.source else Placed(whole.name, default, ""))
    return found


def _placed(name: str, layers: Sequence[tuple[str, Any]]) -> Placed:
    given = [(source, value) for source, value in layers if value is not None]
    if not given:
        return Placed(name, "", "")
    (source, value), *weaker = given
    return Placed(name, _as_written(value), source, tuple(where for where, _ in weaker))


def _as_written(value: Any) -> str:
    if isinstance(value, Rate):
        return "/".join(shown(part) for part in value if part is not None)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return counted(len(value), "table")
    return without_login(value) if isinstance(value, str) and "://" in value else shown(value)


def log_at(level: str) -> None:
    """Log what the level says, to wherever the log goes.

    The libraries below log no more than warnings, whatever the level: httpx would log whole addresses, and httpcore the
    header with the key. At `debug` the SDK also logs which requests it reads.
    """
    usual = table.LOG.default  # as the log was set up
    logging.getLogger("imagewright").setLevel(logging.NOTSET if level == usual else level.upper())
    logging.getLogger("mcp").setLevel(logging.INFO if level == "debug" else logging.NOTSET)
    root = logging.getLogger()
    if level == "error":
        root.setLevel(logging.ERROR)
    elif root.level == logging.ERROR:  # by the lines above, before a reload
        root.setLevel(logging.WARNING)


@cache
def warn_once(sentence: str) -> None:
    """Log it as a warning, once: a process reads its settings several times, and again at every change of a file."""
    log.warning("%s", sentence)


def filled_in_line(line: CommandLine) -> CommandLine:
    """The command line without what a client has left as `${...}`."""
    tools = None if line.tools is None or is_unexpanded(line.tools) else line.tools
    disable = "" if is_unexpanded(line.disable) else line.disable
    providers = tuple(name for name in line.providers or () if not is_unexpanded(name))
    level = None if line.log is None or is_unexpanded(line.log) else line.log
    return CommandLine(tools=tools, disable=disable, providers=providers or None, log=level)


def _toggles(line: CommandLine, variables: Mapping[Setting, Any], file: Mapping[Setting, Any], path: Path) -> Toggles:
    """The layers, the strongest first; each variable of a tool is one."""

    def layer(source: str, values: Mapping[Setting, Any]) -> Layer:
        allow = values.get(table.TOOLS)
        return Layer(source, None if allow is None else frozenset(allow), frozenset(values.get(table.DISABLE, ())))

    options = {table.TOOLS: None if line.tools is None else names(line.tools), table.DISABLE: names(line.disable)}
    spoken = [setting.variable for setting in (table.TOOLS, table.DISABLE) if setting in variables]
    switches = [
        Layer(f"{table.TOOL_PREFIX}{tool.upper()}", **{"switched_on" if on else "deny": frozenset({tool})})
        for tool, on in variables[table.TOOL_SWITCHES].items()
    ]
    return Toggles(
        (
            layer("the command line", options),
            *switches,
            layer(" and ".join(spoken) or "the environment", variables),
            layer(str(path), file),
        )
    )
