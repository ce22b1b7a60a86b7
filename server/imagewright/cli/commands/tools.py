"""`imagewright tools [enable|disable NAME...]`: what is on and why, and the switch in the configuration file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import tomlkit
from rich.text import Text

from imagewright.cli import put, put_error
from imagewright.cli.commands.config import edit, table_in
from imagewright.cli.options import Command, Group, command_line, completing, option
from imagewright.cli.output import closing, console, print_json, table
from imagewright.cli.session import offer_now, settings_now
from imagewright.engine.offer import tool_names
from imagewright.errors import SettingsError
from imagewright.settings.load import load_settings
from imagewright.settings.sources import names as split_names
from imagewright.settings.sources import read_config
from imagewright.text import did_you_mean, plain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imagewright.engine.offer import Offer
    from imagewright.settings.toggles import Toggles


@click.group(
    cls=Group,
    invoke_without_command=True,
    epilog="Switching edits the configuration file; a running server follows within two seconds.\n",
)
@option("--json", "as_json", is_flag=True, help="the list as JSON")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> int | None:
    """List the tools, unless some are to be switched."""
    return _list(as_json=as_json) if ctx.invoked_subcommand is None else None


@command.command("enable", cls=Command, help="switch tools on")
@click.argument("names", nargs=-1, metavar="NAME...", shell_complete=completing(tool_names))
def enable(names: tuple[str, ...]) -> int:
    """Switch tools on."""
    return _switch(names, on=True)


@command.command("disable", cls=Command, help="switch tools off")
@click.argument("names", nargs=-1, metavar="NAME...", shell_complete=completing(tool_names))
def disable(names: tuple[str, ...]) -> int:
    """Switch tools off."""
    return _switch(names, on=False)


def _list(*, as_json: bool) -> int:
    settings, offer = settings_now(), offer_now()
    entries = [(name, *_standing(name, offer, settings.toggles)) for name in tool_names()]
    if as_json:
        print_json([{"tool": name, "on": on, "because": because} for name, on, because in entries])
        return 0
    states = {True: Text("on", style="green"), False: Text("off", style="red")}
    screen, file = console(), settings.folders.config
    rows = [(name, states[on], plain(because)) for name, on, because in entries]
    screen.print(table(("tool", "state", "why"), rows, kept=("tool",)))
    absent = "" if file.exists() else " (not there yet: everything has its default)"
    closing(f"Configuration file: {file}{absent}")
    return 0


def _standing(name: str, offer: Offer, toggles: Toggles) -> tuple[bool, str]:
    if name in offer.hidden:
        return False, offer.hidden[name]
    because = toggles.decide(name).because
    providers = dict.fromkeys(route.provider for route in offer.routes(name))
    return True, f"{because}, served by {', '.join(providers)}" if providers else because


def _switch(words: tuple[str, ...], *, on: bool) -> int:
    names, valid = split_names(" ".join(words)), tool_names()
    if not names:
        raise click.UsageError(f"which tools? They are: {', '.join(valid)}", click.get_current_context())
    if wrong := [name for name in names if name not in valid]:
        unknown = "; ".join(f"there is no tool {name!r}{did_you_mean(name, valid)}" for name in wrong)
        raise SettingsError(f"{unknown}. The tools are: {', '.join(valid)}. Nothing was changed.")
    file = load_settings(os.environ).folders.config
    changed = switch(file, names, on=on)
    toggles = load_settings(os.environ, command_line()).toggles
    word = "on" if on else "off"
    for name in dict.fromkeys(names):
        was = "" if name in changed else " already"
        put(f"{name} is{was} {word} in {file}\n")
        decision = toggles.decide(name)
        if decision.on is not on:
            stays = "on" if decision.on else "off"
            put_error(f"imagewright: but {name} stays {stays} here: {decision.because}, which is stronger\n")
    return 0


def switch(file: Path, tools: Iterable[str], *, on: bool) -> tuple[str, ...]:
    """Switch tools on or off in the configuration file, made if there is none; returns those whose entry had to change.

    Off means: listed in `[tools].disable`. On means: not listed there, and in `[tools].allow` where that exists. A file
    that is already so is not touched.

    Raises:
        SettingsError: the file is not valid as it stands; it is left as it is.
        StorageError: it cannot be written.
    """

    def change(document: Any) -> tuple[str, ...]:
        return tuple(name for name in dict.fromkeys(tools) if _switch_one(document, name, on=on))

    return edit(file, change, read_config, first=True)


def _switch_one(document: Any, name: str, *, on: bool) -> bool:
    table = document.get("tools", {})
    disable = table.get("disable", [])
    if on:
        changed = name in disable
        while name in disable:
            disable.remove(name)
        if name not in table.get("allow", [name]):
            table["allow"].append(name)
            changed = True
        return changed
    if name in disable:
        return False
    table_in(document, "tools").setdefault("disable", tomlkit.array()).append(name)
    return True
