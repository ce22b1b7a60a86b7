"""`imagewright gallery [TEXT]`: earlier pictures, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from imagewright.catalog.load import catalog
from imagewright.cli.options import Command, completing, option, positive
from imagewright.cli.output import console, print_json, table
from imagewright.cli.session import with_engine
from imagewright.storage.records import LOCAL
from imagewright.surface.definitions import gallery_data
from imagewright.text import plain

if TYPE_CHECKING:
    from rich.console import Console

    from imagewright.engine.engine import Engine
    from imagewright.storage.records import PictureRecord

LIMIT = 20
PROMPT_LENGTH = 80
"""Characters of a prompt shown in the table; `--json` has all of it."""


@click.command(cls=Command)
@click.argument("text", default="", metavar="[TEXT]")
@option("--tool", default="", metavar="TOOL", help="made by this tool", shell_complete=completing(catalog))
@option("--day", default="", metavar="DAY", help="made on this day: YYYY-MM-DD, today or yesterday")
@option("--parent", default="", metavar="ID", help="made from this picture (img_...)")
@option("--limit", type=positive, default=LIMIT, metavar="N", help=f"how many at most (default: {LIMIT})")
@option("--json", "as_json", is_flag=True, help="the list as JSON, with whole prompts")
def command(*, as_json: bool, **wanted: Any) -> int:
    """Print the pictures that were found as a table or as JSON."""
    found = _find(**wanted)
    if as_json:
        print_json([gallery_data(record) for record in found])
    else:
        _print(found)
    return 0


@with_engine
async def _find(engine: Engine, /, **wanted: Any) -> list[PictureRecord]:
    return await engine.gallery(LOCAL, **wanted)


def _print(found: list[PictureRecord]) -> None:
    screen = console()
    if not found:
        screen.print(
            "No such picture. Make one with: imagewright run TOOL --prompt ..., or see all: imagewright gallery"
        )
        return
    if screen.is_terminal:
        for record in found:
            _print_block(screen, record)
        return
    rows = [(*_facts(one), str(one.path), one.prompt.line(PROMPT_LENGTH)) for one in found]
    screen.print(table(("id", "made", "tool", "size", "path", "prompt"), rows))


def _facts(record: PictureRecord) -> tuple[str, str, str, str]:
    made = f"{record.created.astimezone():%Y-%m-%d %H:%M}"
    return record.id, made, record.tool, f"{record.width}x{record.height}"


def _print_block(screen: Console, record: PictureRecord) -> None:
    """One picture in two or three lines: paths are too long for a column, and people want to copy them."""
    picture, made, tool, size = _facts(record)
    screen.print(Text.assemble((picture, "bold"), f"  {made}  ", (tool, "cyan"), f"  {size}"))
    if record.prompt:
        screen.print(f"  {record.prompt.line(PROMPT_LENGTH)}", overflow="ellipsis", no_wrap=True)
    screen.print(Text(f"  {plain(str(record.path))}", style="dim"), soft_wrap=True)
