"""`imagewright gallery [TEXT]`: earlier pictures, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from rich.text import Text

from imagewright.cli.output import console, print_json, table
from imagewright.cli.parser import command_parser, positive
from imagewright.cli.session import settings_for
from imagewright.engine.engine import open_engine
from imagewright.surface.definitions import gallery_data
from imagewright.text import plain, shortened

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console

    from imagewright.settings.load import Settings
    from imagewright.storage.record import PictureRecord

LIMIT = 20
PROMPT_LENGTH = 80
"""Characters of a prompt shown in the table; `--json` has all of it."""


def main(words: Sequence[str]) -> int:
    """Print the pictures that were found as a table or as JSON."""
    parser = command_parser("gallery")
    parser.add_argument("text", nargs="?", default="", metavar="TEXT", help="words that the prompt holds")
    parser.add_argument("--tool", default="", metavar="TOOL", help="made by this tool")
    parser.add_argument("--day", default="", metavar="DAY", help="made on this day: YYYY-MM-DD, today or yesterday")
    parser.add_argument("--parent", default="", metavar="ID", help="made from this picture (img_...)")
    parser.add_argument(
        "--limit", type=positive, default=LIMIT, metavar="N", help=f"at most so many (default: {LIMIT})"
    )
    parser.add_argument("--json", action="store_true", help="the list as JSON, with whole prompts")
    message = parser.parse_intermixed_args(words)
    found = anyio.run(_find, settings_for(message), message)
    if message.json:
        print_json([gallery_data(record) for record in found])
    else:
        _print(found)
    return 0


async def _find(settings: Settings, message: argparse.Namespace) -> list[PictureRecord]:
    async with open_engine(settings) as engine:
        return await engine.gallery(
            text=message.text, tool=message.tool, day=message.day, parent=message.parent, limit=message.limit
        )


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
    listing = table("id", "made", "tool", "size", "path", "prompt")
    for record in found:
        listing.add_row(*_facts(record), plain(str(record.path)), shortened(record.prompt, PROMPT_LENGTH))
    screen.print(listing)


def _facts(record: PictureRecord) -> tuple[str, str, str, str]:
    made = f"{record.created.astimezone():%Y-%m-%d %H:%M}"
    return record.id, made, record.tool, f"{record.width}x{record.height}"


def _print_block(screen: Console, record: PictureRecord) -> None:
    """One picture in two or three lines: paths are too long for a column, and are there to be copied whole."""
    picture, made, tool, size = _facts(record)
    screen.print(Text.assemble((picture, "bold"), f"  {made}  ", (tool, "cyan"), f"  {size}"))
    if record.prompt:
        screen.print(f"  {shortened(record.prompt, PROMPT_LENGTH)}", overflow="ellipsis", no_wrap=True)
    screen.print(Text(f"  {plain(str(record.path))}", style="dim"), soft_wrap=True)
