"""`imagewright doctor`: everything that can keep the tools from working, looked at once. Shows no key."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imagewright.cli.checks.finding import Finding, Level
from imagewright.cli.checks.formats import check_program
from imagewright.cli.checks.money import check_money
from imagewright.cli.checks.offered import check_keys, check_offer
from imagewright.cli.checks.places import check_places
from imagewright.cli.checks.server import check_server
from imagewright.cli.checks.setup import AREA, check_settings
from imagewright.cli.output import console, print_json
from imagewright.cli.parser import command_line, command_parser, shared_words
from imagewright.cli.session import offer_for
from imagewright.errors import ImagewrightError
from imagewright.text import plain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console

STYLES = {Level.OK: "green", Level.OFF: "dim", Level.NOTE: "yellow", Level.BROKEN: "bold red"}
INDENT = 9
"""Columns of the level, so that sentences and advice stand below each other."""


def main(words: Sequence[str]) -> int:
    """Print what was found; 1 when something is broken."""
    parser = command_parser("doctor")
    parser.add_argument("--quick", action="store_true", help="do not start the server to speak with it")
    parser.add_argument("--json", action="store_true", help="the findings as JSON")
    message = parser.parse_args(words)
    found = [_shown(finding) for finding in _examine(message)]
    well = all(finding.level is not Level.BROKEN for finding in found)
    if message.json:
        print_json({"ok": well, "findings": [_data(finding) for finding in found]})
    else:
        _print(found, well=well)
    return 0 if well else 1


def _shown(finding: Finding) -> Finding:
    """A finding can name a path or a variable that somebody else has chosen."""
    return replace(finding, says=plain(finding.says), advice=plain(finding.advice))


def _examine(message: argparse.Namespace) -> list[Finding]:
    settings, found = check_settings(os.environ, command_line(message), Path.cwd())
    found = [*check_program(), *found]
    if settings is None:
        return found
    found += check_keys(settings)
    try:
        found += check_offer(offer_for(settings), settings)
    except ImagewrightError as error:
        return [*found, Finding(AREA, Level.BROKEN, str(error), "Correct it; until then the server does not start.")]
    places = check_places(settings.folders)
    found += places
    # a database that is broken is set aside by whoever opens it to work with it, and a look changes nothing
    if all(finding.level is not Level.BROKEN for finding in places):
        found += check_money(settings)
    return found if message.quick else found + check_server(os.environ, shared_words(message))


def _data(finding: Finding) -> dict[str, str]:
    return {
        "area": finding.area,
        "level": str(finding.level),
        "says": finding.says,
        "advice": finding.advice,
    }


def _print(found: list[Finding], *, well: bool) -> None:
    screen = console()
    areas = list(dict.fromkeys(finding.area for finding in found))
    for area, findings in groupby(sorted(found, key=lambda one: areas.index(one.area)), key=attrgetter("area")):
        screen.print(Text(area.capitalize(), style="bold"))
        for finding in findings:
            _print_one(screen, finding)
        screen.print()
    broken = sum(finding.level is Level.BROKEN for finding in found)
    notes = sum(finding.level is Level.NOTE for finding in found)
    if well:
        screen.print(Text(f"Nothing is broken; {notes} to note." if notes else "All is well.", style="bold green"))
    else:
        screen.print(Text(f"{broken} broken, {notes} to note.", style="bold red"))


def _print_one(screen: Console, finding: Finding) -> None:
    if not screen.is_terminal:
        # a layout would fill every line up to the width, which has no end here
        screen.print(f"  {finding.level:<{INDENT - 3}} {finding.says}", soft_wrap=True)
        if finding.advice:
            screen.print(f"{' ' * INDENT}{finding.advice}", soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=INDENT - 3, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(finding.level, style=STYLES[finding.level]), finding.says)
    if finding.advice:
        grid.add_row("", Text(finding.advice, style="italic"))
    screen.print(Padding(grid, (0, 0, 0, 2), expand=False))
