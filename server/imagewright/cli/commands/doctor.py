"""`imagewright doctor`: checks everything that can keep the tools from working. Shows no key."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imagewright.cli import checks
from imagewright.cli.checks import Finding, Level
from imagewright.cli.commands.keys import check_keys
from imagewright.cli.options import Command, command_line, option, shared_words
from imagewright.cli.output import console, print_json
from imagewright.cli.session import offer_now, trouble_now
from imagewright.errors import ImagewrightError
from imagewright.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

STYLES = {Level.OK: "green", Level.OFF: "dim", Level.NOTE: "yellow", Level.BROKEN: "bold red"}
FIELDS = ("area", "level", "says", "advice")
"""Of a finding as JSON, in this order."""
INDENT = 9
"""Columns of the level, so that sentences and advice stand below each other."""


@click.command(cls=Command)
@option("--quick", is_flag=True, help="do not start the server to speak with it")
@option("--online", is_flag=True, help="ask the vendors about the keys and try the addresses; nothing is spent")
@option("--json", "as_json", is_flag=True, help="the findings as JSON")
def command(*, quick: bool, online: bool, as_json: bool) -> int:
    """Print what was found; 1 when something is broken."""
    found = [_shown(finding) for finding in _examine(quick=quick, online=online)]
    well = all(finding.level is not Level.BROKEN for finding in found)
    if as_json:
        print_json({"ok": well, "findings": [{name: getattr(one, name) for name in FIELDS} for one in found]})
    else:
        _print(found, well=well)
    return 0 if well else 1


def _shown(finding: Finding) -> Finding:
    """A finding can name a path or a variable that somebody else has chosen."""
    return replace(finding, says=plain(finding.says), advice=plain(finding.advice))


def _examine(*, quick: bool, online: bool) -> Iterator[Finding]:
    yield from checks.check_program()
    settings, found = checks.check_settings(os.environ, command_line(), Path.cwd())
    yield from found
    if settings is None:
        return
    yield from check_keys(settings, online=online)
    try:
        offer = offer_now()
        yield from checks.check_offer(offer, settings)
        yield from checks.check_ends(offer, datetime.now(UTC).date())
    except ImagewrightError as error:
        yield checks.stops_the_start(error)
        return
    yield from checks.check_network(settings)
    places = [*checks.check_places(settings.folders, trouble_now())]
    yield from places
    # opening a broken database for work sets it aside, and the doctor changes nothing
    if all(finding.level is not Level.BROKEN for finding in places):
        yield from checks.check_money(settings)
        yield from checks.check_jobs()
    if not quick:
        yield from checks.check_server(os.environ, shared_words())
        yield from checks.check_http(settings)


def _print(found: list[Finding], *, well: bool) -> None:
    screen = console()
    areas = list(dict.fromkeys(finding.area for finding in found))
    for area, findings in groupby(sorted(found, key=lambda one: areas.index(one.area)), key=attrgetter("area")):
        screen.print(Text(area[0].upper() + area[1:], style="bold"))
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
