"""The doctor's checks, from the program and its configuration to the server itself.

Every check yields findings, and none of them ever holds a key.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import anyio

from imagewright import __version__
from imagewright.cli.launching import launch_command
from imagewright.cli.session import locked_jobs_now, spent_now
from imagewright.engine.config import could_serve
from imagewright.engine.offer import endings, tool_names
from imagewright.errors import ImagewrightError, PictureError, SettingsError, StorageError
from imagewright.imaging.limiter import Piece
from imagewright.imaging.signatures import KINDS, known_formats
from imagewright.imaging.workers import probe
from imagewright.net import block_at
from imagewright.providers import KEY_VARIABLES, courier_flaws
from imagewright.settings.folders import find_folders
from imagewright.settings.keys import read_key_file, read_token
from imagewright.settings.load import Settings, filled_in_line, load_settings
from imagewright.settings.sources import LEFT, filled_in, read_config, unexpanded, unknown_variables
from imagewright.settings.table import ALLOW_HOSTS, HTTP_PORT, rate_variable
from imagewright.surface.client import count_tools, open_client, who_serves
from imagewright.text import byte_size, listed, rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from imagewright.engine.offer import Ending, Offer
    from imagewright.settings.folders import Folders
    from imagewright.settings.load import CommandLine
    from imagewright.storage.records import Trouble

FORMAT_ADVICE = {
    "avif": "Install a Pillow that was built with AVIF, or save such pictures as PNG first.",
    "heic": "For pictures from iPhones: pip install pillow-heif",
}
AREA = "configuration"
UNFILLED = "Fill it in where the client asks for it, or take the line out of the client's configuration."
LOW_SPACE = 1_000_000_000
"""Free bytes below which the doctor warns: room for some 25 large pictures."""
PERIODS = {"day": "today", "month": "this month"}
PATIENCE = 30.0
"""Seconds for a start, on a machine that is slow and cold."""
DOT = b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
"""A picture of one pixel."""
LOUD = "Something prints to standard output when Python starts (a sitecustomize, a .pth file or a wrapper): silence it."


class Level(StrEnum):
    """How serious a finding is; only `BROKEN` makes the doctor fail."""

    OK = "ok"
    OFF = "off"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the doctor has found, fit to be shown to anybody."""

    level: Level
    area: str
    """What it is about, such as "keys"."""
    says: str
    """What was found, as one sentence."""
    advice: str = ""
    """What to do about it; empty when nothing need be done."""


ok, off, note, broken = (partial(Finding, level) for level in Level)


def check_program() -> Iterator[Finding]:
    """Versions, and the formats that can and cannot be read."""
    able = known_formats()
    system = f"{platform.system()} {platform.machine()}"
    yield ok("program", f"Imagewright {__version__}, Python {platform.python_version()}, {system}")
    yield ok("program", f"interpreter {sys.executable}")
    yield ok("program", f"reads {', '.join(KINDS[name].title for name in able)}")
    for name, kind in KINDS.items():
        if name not in able:
            yield off("program", f"does not read {kind.title}", FORMAT_ADVICE.get(name, ""))


def check_settings(
    environment: Mapping[str, str], line: CommandLine, working_directory: Path
) -> tuple[Settings | None, list[Finding]]:
    """The settings, or None when they cannot be used; every file that is wrong is named, not only the first."""
    found = [note(AREA, text, "Correct its name.") for text in unknown_variables(environment)]
    found += [note(AREA, f"{name} {LEFT}", UNFILLED) for name in unexpanded(environment)]
    if filled_in_line(line) != line:
        found.append(note(AREA, "an option was left as ${...}: it counts as not given", UNFILLED))
    environment = filled_in(environment)
    try:
        folders = find_folders(environment, working_directory)
        found.append(_file(folders.config, read_config, "every setting has its default"))
        found.append(_file(folders.keys, read_key_file, "keys can be kept there, mode 0600"))
        if any(finding.level is Level.BROKEN for finding in found):
            return None, found
        settings = load_settings(environment, line, working_directory)
        settings.toggles.check_names(tool_names())
    except SettingsError as error:
        return None, [*found, stops_the_start(error)]
    return settings, found


def stops_the_start(error: ImagewrightError) -> Finding:
    """The finding for a configuration that cannot be used."""
    return broken(AREA, str(error), "Correct it; until then the server does not start.")


def _file(file: Path, read: Callable[[Path], object], absent: str) -> Finding:
    try:
        read(file)
    except SettingsError as error:
        return stops_the_start(error)
    return ok(AREA, f"{file} is valid") if file.exists() else off(AREA, f"{file} is not there: {absent}")


def check_offer(offer: Offer, settings: Settings) -> Iterator[Finding]:
    """Which providers and tools are on or off, and why, and what to do about a tool that no provider serves."""
    for state in offer.providers.values():
        yield (ok if state.on else off)("providers", f"{state.name}: {state.because}")
        if state.pace is not None and (limits := rate(state.pace.calls, state.pace.seconds, state.pace.running)):
            yield ok("providers", f"{state.name}: takes {limits}{_source(state.name, settings)}")
    for name in tool_names():
        if name in offer.hidden:
            advice = _remedy(name, settings) if settings.toggles.decide(name).on else ""
            yield off("tools", f"{name}: {offer.hidden[name]}", advice)
        else:
            providers = ", ".join(dict.fromkeys(route.provider for route in offer.routes(name)))
            yield ok("tools", f"{name}: on{f', served by {providers}' if providers else ''}")
    if not offer.names:
        yield broken("tools", "no tool is on", "Switch one on: imagewright tools enable NAME")
    elif offer.offline_only and offer.tools:
        provider, key = next((name, names[0]) for name, names in KEY_VARIABLES.items() if names)
        says = "only the built-in offline provider serves: generating and editing give marked placeholders"
        yield note("tools", says, f"For real pictures set a key, such as {key}: imagewright keys set {provider}")


def _source(provider: str, settings: Settings) -> str:
    return ", as you have set it" if provider in settings.rates else f" ({rate_variable(provider)} changes it)"


def check_ends(offer: Offer, today: date) -> Iterator[Finding]:
    """What is in use and will not be served much longer."""
    for one in endings((route for routes in offer.serving.values() for route in routes), today):
        edition = f" {one.edition}" if one.edition else ""
        advice = _instead(offer, one)
        yield note("models", f"{one.tool}{edition} ends on {one.ends} at {listed(one.providers)}", advice)


def _instead(offer: Offer, ending: Ending) -> str:
    """What to take in place of a model that ends: its successor, and the first that the keys here reach."""
    row = offer.tools[ending.tool]
    living = [name for name, edition in row.editions.items() if not edition.ends]
    if not ending.successor:
        return "Look for another model or provider."
    if ending.successor in living or not living:
        return f"Take {ending.successor} instead."
    return f"Take {living[0]} instead; its successor {ending.successor} needs the key of another provider."


def _remedy(tool: str, settings: Settings) -> str:
    """What to do about a tool that is on and that no provider in use serves."""
    # a provider that needs no key only makes placeholders
    keyed = {name: variables for name, variables in could_serve(tool).items() if variables}
    to_name = [name for name, variables in keyed.items() if settings.keyring.find(variables)]
    to_key = [f"{' or '.join(variables)} ({name})" for name, variables in keyed.items() if name not in to_name]
    ways = [f"set one of these keys: {', '.join(to_key)}"] if to_key else []
    if to_name:
        ways.append(f"name one of these in IMAGEWRIGHT_PROVIDERS or with --provider: {', '.join(to_name)}")
    text = "; or ".join(ways)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def check_places(folders: Folders, troubles: Sequence[Trouble] = ()) -> Iterator[Finding]:
    """The pictures' folder, the roots and the database. Leaves nothing behind.

    Args:
        folders: where all of it is.
        troubles: what is wrong with the database, see `Engine.trouble`.
    """
    yield _kept("pictures", folders.pictures)
    yield _kept("configuration", folders.config.parent)
    for root in folders.roots:
        if root == folders.pictures:
            continue
        if not root.is_dir():
            yield off("folders", f"root: {root} is not there")
        elif trouble := _cannot_write(root):
            yield note("folders", f"root: {root}: {trouble}", "Pictures can be read from it, not saved there.")
        else:
            yield ok("folders", f"root: {root}")
    free = shutil.disk_usage(_nearest_existing(folders.pictures)).free
    if free < LOW_SPACE:
        yield note("folders", f"only {byte_size(free)} are free for pictures", "Make room on that disk.")
    yield from _database(folders.database, troubles)


def _kept(what: str, folder: Path) -> Finding:
    """A folder of our own. It need not exist yet, but it must be possible to make it."""
    existing = _nearest_existing(folder)
    if trouble := _cannot_write(existing):
        advice = "Change its permissions, or set IMAGEWRIGHT_HOME to a folder you can write to."
        return broken("folders", f"{what}: {folder}: {trouble}", advice)
    return ok("folders", f"{what}: {folder}{'' if existing == folder else ' (made when it is first needed)'}")


def _nearest_existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())


def _cannot_write(folder: Path) -> str:
    """Why nothing can be written there, found out by doing it: permission bits alone do not tell on every system."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"cannot be written ({error.strerror or error})"


def _database(file: Path, troubles: Sequence[Trouble]) -> Iterator[Finding]:
    if not file.exists():
        where = _nearest_existing(file.parent)
        if trouble := _cannot_write(where):
            yield broken("database", f"{file}: {where}: {trouble}", "Set IMAGEWRIGHT_HOME.")
        else:
            yield ok("database", f"{file} (made with the first picture)")
    elif trouble := _cannot_write(file.parent):  # it explains why a database that is sound cannot be opened
        yield broken("database", f"{file.parent}: {trouble}", "Change its permissions.")
    else:
        if not any(one.is_broken for one in troubles):
            yield ok("database", str(file))
        for one in troubles:
            if one.is_broken:
                yield broken("database", f"{file}: {one.what}", one.advice)
            else:
                yield note("database", one.what, one.advice)


def check_network(settings: Settings) -> Iterator[Finding]:
    """What may be reached besides the vendors' own addresses. No name is looked up."""
    if not settings.allow_hosts:
        yield ok("network", f"only public addresses are reached for pictures ({ALLOW_HOSTS.variable} opens others)")
    for one in settings.allow_hosts:
        says = f"{one} is open for pictures, as you have set it"
        block = block_at(one.host)
        if block is None or block.is_home:
            yield ok("network", says)
        else:
            advice = "Take it out unless you mean it: an assistant, a page and a vendor can all name it."
            yield note("network", f"{says}: {block.name}", advice)


def check_money(settings: Settings) -> Iterator[Finding]:
    """The limits, and what is spent or set aside today and this month over all processes."""
    budget = settings.budget
    limits = {"day": budget.per_day, "month": budget.per_month}
    try:
        for name, usd in spent_now().items():
            spent, limit = f"{PERIODS[name]}: ${usd:.4g} spent or set aside", limits[name]
            if limit is None:
                yield ok("budget", f"{spent}, no limit")
            elif usd < limit:
                yield ok("budget", f"{spent} of ${limit:g}")
            else:
                yield note("budget", f"{spent} of ${limit:g}", "Calls that cost anything are refused: raise it.")
    except StorageError as error:
        yield note("budget", f"what was spent cannot be read: {error}")
    each = "no limit per call" if budget.per_call is None else f"at most ${budget.per_call:g} per call"
    above = budget.confirm_above
    asked = "nobody is asked about prices" if above is None else f"you are asked about calls above ${above:g}"
    yield ok("budget", f"{each}; {asked}")


def check_jobs() -> Iterator[Finding]:
    """The jobs that wait for a key which was set before."""
    try:
        locked = locked_jobs_now()
    except StorageError as error:
        yield note("jobs", f"the jobs cannot be read: {error}")
        return
    for job_id, name in locked.items():
        words = f"{job_id} can only be asked about with the key that {name} had when it began"
        yield note("jobs", words, f"Set that key again in {listed(KEY_VARIABLES[name], 'or')} until it has ended.")


def check_server(environment: Mapping[str, str], options: Sequence[str]) -> Iterator[Finding]:
    """Whether a server started so keeps standard output clean, ends with its client, and answers."""
    program, *words = launch_command()
    arguments = f", args: {json.dumps(words)}" if words else ""
    yield ok("server", f"for a client's configuration, command: {json.dumps(program)}{arguments}")
    yield check_decoding()
    yield check_courier()
    yield check_silence(environment, options)
    yield anyio.run(check_answer, environment, options)


def check_decoding() -> Finding:
    """Whether a process that decodes pictures can be started, found out by giving one a picture."""
    try:
        probe(Piece(0), DOT)
    except PictureError as error:
        says = f"no picture can be read, neither one you give nor one that a vendor has made: {error}"
        return broken("server", says, "Start it with a Python of its own, as pip and uv install it.")
    return ok("server", "pictures are decoded in processes of their own")


def check_courier() -> Finding:
    """Whether requests that are paid for go on when the server ends."""
    trouble, ending = courier_flaws()
    if trouble:
        says = f"paid requests end with the server, as the process that would carry them on does not start: {trouble}"
        return note("server", says, f"To see why, run: {sys.executable} -m imagewright.providers.http.courier")
    if ending:
        return note(
            "server", f"paid requests may end with the server: {ending}", "Stop it only when no picture is being made."
        )
    return ok("server", "paid requests go on when the server ends")


def check_silence(environment: Mapping[str, str], options: Sequence[str]) -> Finding:
    """Whether nothing is printed for a client that hangs up at once: anything printed is not part of the protocol."""
    words = [sys.executable, "-m", "imagewright", "serve", *options]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own words
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False, env=dict(environment)
        )
    except subprocess.TimeoutExpired:
        return broken("server", f"still runs {PATIENCE:.0f} s after its client hung up", "Please report it.")
    if done.stdout:
        return broken("server", f"{len(done.stdout)} stray bytes on standard output", LOUD)
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it says nothing"]
        return broken("server", f"ends with code {done.returncode}: {last[0]}", "Correct that first.")
    return ok("server", "keeps standard output clean and ends with its client")


async def check_answer(environment: Mapping[str, str], options: Sequence[str]) -> Finding:
    """Whether it answers a client that asks for its tools, and how soon."""
    start = time.monotonic()
    try:
        with anyio.fail_after(PATIENCE):
            async with open_client(["serve", *options], dict(environment)) as client:
                tools = await client.list_tools()
                took = time.monotonic() - start
    except Exception as error:  # noqa: BLE001 - whatever keeps it from answering is the finding
        return broken("server", f"does not answer: {_innermost(error)}", "Run: imagewright serve")
    return ok("server", f"answers with {len(tools)} tools in {took:.1f} s")


def check_http(settings: Settings) -> Iterator[Finding]:
    """Whether a server over HTTP runs where clients look for it, and whether it answers."""
    port = settings.http.port
    if not (version := who_serves("localhost", port) if port else None):
        if version is None:
            advice = "To let several clients share one: imagewright serve --http"
            yield off("over HTTP", f"no server runs on port {port}", advice)
        else:
            advice = f"Choose another port for ours, with --port or {HTTP_PORT.variable}."
            yield off("over HTTP", f"another program has the port {port}", advice)
        return
    url = f"http://127.0.0.1:{port}{settings.http.path}"
    try:
        tools = count_tools(port, settings.http.path, settings.http.token or read_token(settings.folders.token))
    except (OSError, ValueError, SettingsError) as error:
        says = f"imagewright {version} runs at {url}, but does not answer: {error}"
        yield broken("over HTTP", says, "Stop it, and start it again: imagewright serve --http")
    else:
        yield ok("over HTTP", f"imagewright {version} answers at {url} with {tools} tools")
    if version != __version__:
        yield note("over HTTP", f"it is version {version}, and this is {__version__}", "Start it again.")


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
