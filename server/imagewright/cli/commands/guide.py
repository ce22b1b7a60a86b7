"""`imagewright guide [TOOL]`: the guidance an assistant gets, for the tools that are on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from imagewright.cli.output import console
from imagewright.cli.parser import command_parser
from imagewright.cli.session import offer_for, settings_for
from imagewright.errors import Problem, Refusal
from imagewright.guide.render import overview, page
from imagewright.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(words: Sequence[str]) -> int:
    """Print the overview or one tool's page: formatted on a terminal, Markdown as it is when piped."""
    parser = command_parser("guide")
    parser.add_argument("tool", nargs="?", metavar="TOOL", help="a model's tool; the overview without one")
    message = parser.parse_intermixed_args(words)
    offer = offer_for(settings_for(message))
    if message.tool is None:
        text = overview(offer.rows)
    elif message.tool in offer.tools:
        text = page(offer.tools[message.tool], offer.rows)
    elif message.tool in offer.hidden:
        raise Refusal(Problem("", f"{message.tool} is off: {offer.hidden[message.tool]}"))
    else:
        pages = ", ".join(offer.tools)
        meant = did_you_mean(message.tool, offer.tools)
        raise Refusal(Problem("", f"there is no page {message.tool!r}{meant}. There are pages for: {pages}"))
    screen = console(prose=True)
    if screen.is_terminal:
        from imagewright.cli.markdown import Page  # noqa: PLC0415 - slow to load, and not needed when piped

        screen.print(Page(text))
    else:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    return 0
