"""Serve one client over standard input and output; everything else goes to standard error."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from mcp.server.stdio import stdio_server

from imagewright.engine.workshop import open_workshop
from imagewright.surface.app import App

if TYPE_CHECKING:
    from imagewright.settings.load import Settings


async def serve_stdio(settings: Settings) -> None:
    """Serve until the client closes its end.

    Raises:
        SettingsError: a toggle names no tool, or a provider is unknown; nothing was served.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    app: App | None = None

    async def announce() -> None:
        if app is not None:
            await app.offer_changed()

    async with open_workshop(settings, on_change=announce) as workshop:
        app = App(workshop)
        async with stdio_server() as (read, write):
            await app.server.run(read, write, app.server.create_initialization_options())
