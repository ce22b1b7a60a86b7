"""`imagewright tools [enable|disable NAME...]`: what is on and why, and the switch."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rich.text import Text

from imagewright.cli.config_edit import switch
from imagewright.cli.output import console, print_json, state, table
from imagewright.cli.parser import command_line, command_parser
from imagewright.cli.session import offer_for, settings_for
from imagewright.engine.offer import tool_names
from imagewright.errors import SettingsError
from imagewright.settings.load import load_settings
from imagewright.text import did_you_mean, plain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from imagewright.engine.offer import Offer
    from imagewright.settings.toggles import Toggles

ACTIONS = {"enable": True, "disable": False}


def main(words: Sequence[str]) -> int:
    """List the tools, or switch some."""
    parser = command_parser(
        "tools",
        usage="imagewright tools [--json]\n       imagewright tools enable|disable NAME [NAME ...]",
        epilog="Switching edits the configuration file; a running server follows within two seconds.",
    )
    parser.add_argument("action", nargs="?", choices=tuple(ACTIONS), metavar="enable|disable", help="what to switch to")
    parser.add_argument("names", nargs="*", metavar="NAME", help="tools to switch")
    parser.add_argument("--json", action="store_true", help="the list as JSON")
    message = parser.parse_intermixed_args(words)
    if message.action is None:
        return _list(message)
    if not message.names:
        parser.error(f"which tools? They are: {', '.join(tool_names())}")
    return _switch(message, on=ACTIONS[message.action])


def _list(message: argparse.Namespace) -> int:
    settings = settings_for(message)
    offer = offer_for(settings)
    entries = [(name, *_standing(name, offer, settings.toggles)) for name in tool_names()]
    if message.json:
        print_json([{"tool": name, "on": on, "because": because} for name, on, because in entries])
        return 0
    listing = table("tool", "", "why", kept=("tool",))
    for name, on, because in entries:
        listing.add_row(name, state(on=on), plain(because))
    screen = console()
    screen.print(listing)
    screen.print(Text(f"\nConfiguration file: {_described(settings.folders.config)}", style="dim"), soft_wrap=True)
    return 0


def _standing(name: str, offer: Offer, toggles: Toggles) -> tuple[bool, str]:
    if name in offer.hidden:
        return False, offer.hidden[name]
    because = toggles.decide(name).because
    providers = dict.fromkeys(route.provider for route in offer.routes(name))
    return True, f"{because}, served by {', '.join(providers)}" if providers else because


def _described(file: Path) -> str:
    return str(file) if file.exists() else f"{file} (not there yet: everything has its default)"


def _switch(message: argparse.Namespace, *, on: bool) -> int:
    valid = tool_names()
    if wrong := [name for name in message.names if name not in valid]:
        parts = "; ".join(f"there is no tool {name!r}{did_you_mean(name, valid)}" for name in wrong)
        raise SettingsError(f"{parts}. The tools are: {', '.join(valid)}. Nothing was changed.")
    file = load_settings(os.environ).folders.config
    changed = switch(file, message.names, on=on)
    toggles = load_settings(os.environ, command_line(message)).toggles
    word = "on" if on else "off"
    for name in dict.fromkeys(message.names):
        was = "" if name in changed else " already"
        sys.stdout.write(f"{name} is{was} {word} in {file}\n")
        decision = toggles.decide(name)
        if decision.on is not on:
            stays = "on" if decision.on else "off"
            sys.stderr.write(f"imagewright: but {name} stays {stays} here: {decision.because}, which is stronger\n")
    return 0
