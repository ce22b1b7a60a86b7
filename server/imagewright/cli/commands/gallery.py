"""`imagewright gallery [TEXT]`: earlier pictures, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from imagewright.catalog.load import catalog
from imagewright.cli.options import Command, completing, option, positive
from imagewright.cli.output import READING_WIDTH, blocks, clipped, console, example, hint, print_json, table, when
from imagewright.cli.session import complete_picture_id, with_engine
from imagewright.storage.accounts import LOCAL
from imagewright.surface.definitions import gallery_data
from imagewright.text import did_you_mean, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from imagewright.engine.engine import Engine
    from imagewright.storage.records import PictureRecord

LIMIT = 20
DAY_FORMS = "YYYY-MM-DD, today, yesterday, or a weekday for the last one before today"
DAYS = completing(lambda: ("today", "yesterday"))
PROMPT_LENGTH = 200
"""Characters of a prompt that are looked at for its line on a terminal; a pipe and `--json` get all of it."""


@click.command(cls=Command)
@click.argument("text", default="", metavar="[TEXT]")
@option("--tool", default="", metavar="TOOL", help="made by this tool", shell_complete=completing(catalog))
@option("--day", default="", metavar="DAY", help=f"made on this day: {DAY_FORMS}", shell_complete=DAYS)
@option(
    "--parent", default="", metavar="ID", help="made from this picture (img_...)", shell_complete=complete_picture_id
)
@option("--limit", type=positive, default=LIMIT, metavar="N", help=f"how many at most (default: {LIMIT})")
@option("--json", "as_json", is_flag=True, help="the list as JSON, with whole prompts")
def command(*, as_json: bool, **wanted: Any) -> int:
    """Print the pictures that were found as a table or as JSON."""
    found = _find(**wanted)
    if as_json:
        print_json([gallery_data(record) for record in found])
    else:
        _print(found, wanted=wanted)
    return 0


@with_engine
async def _find(engine: Engine, /, **wanted: Any) -> list[PictureRecord]:
    return await engine.gallery(LOCAL, **wanted)


def _print(found: list[PictureRecord], *, wanted: Mapping[str, Any]) -> None:
    screen = console()
    if not found:
        asked = any(value for name, value in wanted.items() if name != "limit")
        empty = f"There is no picture yet. Make one with: {example()}"
        tool = wanted["tool"]
        meant = f"There is no tool {tool!r}{did_you_mean(tool, catalog())}. " if tool and tool not in catalog() else ""
        hint(f"{meant}No such picture. All there are: imagewright gallery" if asked else empty)
        return
    if screen.is_terminal:
        _print_blocks(screen, found)
        return
    rows = [(*_facts(one), str(one.path), one.prompt.whole) for one in found]
    screen.print(table(("id", "made", "tool", "size", "path", "prompt"), rows))


def _facts(record: PictureRecord, *, short: bool = False) -> tuple[str, str, str, str]:
    return record.id, when(record.created, short=short), record.tool, f"{record.width}x{record.height}"


def _print_blocks(screen: Console, found: list[PictureRecord]) -> None:
    """Each picture in a few lines: paths are too long for a column, and people want to copy them."""
    styles = ("bold", "", "cyan", "")
    facts = [[Text(*fact) for fact in zip(_facts(record, short=True), styles, strict=True)] for record in found]
    for record, block in zip(found, blocks(facts, screen.width), strict=True):
        for line in block:
            screen.print(line)
        if record.prompt:
            prompt = " ".join(record.prompt.line(PROMPT_LENGTH).split())
            screen.print(Text(f"  {clipped(prompt, min(screen.width, READING_WIDTH) - 2)}"), no_wrap=True)
        screen.print(Text(f"  {plain(str(record.path))}", style="dim"), soft_wrap=True)
