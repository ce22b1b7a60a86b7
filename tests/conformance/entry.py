"""A server for the protocol's own suite: the real one over HTTP on loopback, with the suite's fixtures added."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio

from imagewright.engine.engine import open_engine
from imagewright.providers.base import PollPolicy
from imagewright.settings.load import load_settings
from imagewright.surface.http import serve_on
from imagewright.surface.listening import listen
from imagewright.surface.server import McpServer
from tests.conformance.fixtures import CONFIRM_ABOVE, FixturePrompts, FixtureResources, FixtureTools, make_picture
from tests.emulators.kie import KieEmulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOST, PATH = "127.0.0.1", "/mcp"
NO_TOKEN = ""
"""The suite has no way to send one."""
POLL_EVERY = 0.15
"""Seconds: progress is sent at most each tenth of a second, and the suite wants to see it three times."""


@asynccontextmanager
async def serving(home: Path) -> AsyncIterator[str]:
    """The address of the server, for as long as the block lasts. Its pictures come from a vendor on loopback."""
    app: McpServer | None = None

    async def announce() -> None:
        if app is not None:
            await app.offer_changed()

    sockets = listen(HOST, 0)
    with KieEmulator() as kie:
        settings = load_settings(
            {
                "IMAGEWRIGHT_HOME": str(home),
                "IMAGEWRIGHT_CONFIRM_ABOVE": CONFIRM_ABOVE,
                "KIE_API_KEY": kie.key,
                "IMAGEWRIGHT_KIE_BASE_URL": kie.addresses[""],
                "IMAGEWRIGHT_KIE_UPLOAD_BASE_URL": kie.addresses["upload"],
            }
        )
        async with open_engine(settings, on_change=announce) as engine:
            engine.config.registry.providers["kie"].poll_policy = PollPolicy(first=POLL_EVERY, longest=POLL_EVERY)
            picture = await make_picture(engine)
            app = McpServer(
                engine,
                tools=partial(FixtureTools, announce=announce),
                resources=partial(FixtureResources, picture=picture),
                prompts=FixturePrompts,
            )
            asked = anyio.Event()
            async with anyio.create_task_group() as group:
                group.start_soon(serve_on, app, sockets, PATH, NO_TOKEN, asked)
                try:
                    yield f"http://{HOST}:{sockets[0].getsockname()[1]}{PATH}"
                finally:
                    asked.set()
