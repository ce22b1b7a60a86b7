"""What the server shows to an assistant: its instructions and its list of tools, taken from the real server."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
from mcp import Client

from evals.request import DAY
from imagewright.catalog.load import catalog
from imagewright.engine.calls import understand
from imagewright.engine.check import read_arguments
from imagewright.engine.choose import candidates, is_served
from imagewright.engine.config import Config, make_config
from imagewright.engine.engine import Engine
from imagewright.errors import Refusal
from imagewright.providers import KEY_VARIABLES, open_client
from imagewright.settings.load import load_settings
from imagewright.surface.definitions import helper_arguments
from imagewright.surface.server import McpServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from evals.request import Setup
    from imagewright.engine.offer import Offer

KEY = "not-a-real-key-0123456789"
"""Given for every provider, so that it counts as configured. Nothing here calls a provider."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What an assistant reads before its first call."""

    instructions: str
    tools: tuple[dict[str, Any], ...]
    """As in `tools/list`: name, title, description, inputSchema and the rest."""


@dataclass(frozen=True, slots=True)
class Understood:
    """The arguments of a call, as the engine understood them."""

    refused: str
    """Why the engine refuses the call; empty where it would take it."""
    values: Mapping[str, Any]
    """What was given, with the defaults of all else that the call could have."""
    defaults: Mapping[str, Any]
    """The value that each argument has when it is left out."""


def settings_variables(setup: Setup, home: str) -> dict[str, str]:
    """The environment of a server with this setup."""
    named = setup.providers or [name for name, variables in KEY_VARIABLES.items() if variables]
    found = {"HOME": home, "IMAGEWRIGHT_HOME": home} | {KEY_VARIABLES[name][0]: KEY for name in named}
    off = catalog() if setup.on == () else setup.off  # an empty list of what is on counts as none given
    return found | {"IMAGEWRIGHT_TOOLS": ",".join(setup.on or ()), "IMAGEWRIGHT_DISABLE": ",".join(off)}


def _config(setup: Setup, home: str) -> Config:
    settings = load_settings(settings_variables(setup, home))
    return make_config(settings, open_client(), date.fromisoformat(DAY))


@cache
def offer_of(setup: Setup) -> Offer:
    """What is on in a setup, on the day of the requests."""
    with tempfile.TemporaryDirectory() as home:
        return _config(setup, home).offer


@asynccontextmanager
async def connected(setup: Setup) -> AsyncIterator[Client]:
    """A client of the server with this setup, in this process."""
    with tempfile.TemporaryDirectory() as home:
        async with anyio.create_task_group() as group:
            engine = Engine(_config(setup, home), group, open_client())
            async with Client(McpServer(engine).server) as client:
                yield client
            await engine.close()
            group.cancel_scope.cancel()


async def shown(setup: Setup) -> Shown:
    """The instructions and the tools of a setup, as a client gets them."""
    async with connected(setup) as client:
        listed = await client.list_tools()
        tools = tuple(tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools)
        return Shown(client.instructions or "", tools)


def understood(setup: Setup, tool: str, arguments: object) -> Understood:
    """A call as the engine understands it in this setup. No picture is opened and nothing is sent."""
    offer = offer_of(setup)
    if tool in offer.helpers:
        return _helper(offer, tool, arguments)
    try:
        checked = understand(offer, tool, arguments)
    except Refusal as refusal:
        return Understood(str(refusal), {}, {})
    defaults = {name: one.default for name, one in checked.arguments.items() if one.default is not None}
    values = defaults | dict(checked.given)
    if checked.problems:
        return Understood("; ".join(map(str, checked.problems)), values, defaults)
    routes = offer.serving[tool]
    if is_served(checked, routes):
        return Understood("", values, defaults)
    examined = candidates(checked, routes, None)
    against = "; ".join(examined[0].against) if examined else "no route serves the operation"
    return Understood(f"no provider serves it: {against}", values, defaults)


def _helper(offer: Offer, tool: str, arguments: object) -> Understood:
    known = helper_arguments(offer.rows)[tool]
    defaults = {name: one.default for name, one in known.items() if one.default is not None}
    if not isinstance(arguments, dict):
        return Understood("arguments: must be an object", defaults, defaults)
    try:
        return Understood("", read_arguments(known, arguments), defaults)
    except Refusal as refusal:
        return Understood(str(refusal), {**defaults, **arguments}, defaults)


async def guide_page(setup: Setup, arguments: object) -> str:
    """What `image_guide` answers in a setup."""
    async with connected(setup) as client:
        given = arguments if isinstance(arguments, dict) else {}
        result = await client.call_tool("image_guide", given)
        return "\n".join(block.text for block in result.content if block.type == "text")
