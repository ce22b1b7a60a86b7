"""Settings and offer as a command needs them, without a server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio

from imagewright.cli.parser import command_line
from imagewright.engine.engine import open_engine
from imagewright.engine.offer import tool_names
from imagewright.settings.load import Settings, load_settings

if TYPE_CHECKING:
    import argparse

    from imagewright.engine.offer import Offer


def settings_for(text: argparse.Namespace) -> Settings:
    """The settings from the environment, the files and the shared options.

    Raises:
        SettingsError: one of them cannot be used, or names a tool there is not.
    """
    settings = load_settings(os.environ, command_line(text))
    settings.toggles.check_names(tool_names())
    return settings


def offer_for(settings: Settings) -> Offer:
    """What a server with these settings would offer.

    Raises:
        SettingsError: an unknown provider.
    """

    async def look() -> Offer:
        async with open_engine(settings) as engine:
            return engine.offer

    return anyio.run(look)
