"""A client of our own server over standard input and output, for `imagewright demo` and `imagewright doctor`."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from mcp.shared.dispatcher import ProgressFnT


class OwnClient:
    """Plain data in, plain data out, so that no other floor needs the protocol's types."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def instructions(self) -> str:
        """What the server tells an assistant first."""
        return self._client.instructions or ""

    async def list_tools(self) -> list[dict[str, Any]]:
        """The tools as they came over the wire."""
        listed = await self._client.list_tools()
        return [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in listed.tools]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], on_progress: ProgressFnT | None = None
    ) -> dict[str, Any]:
        """The result as it came over the wire: `isError`, `content`, `structuredContent`."""
        result = await self._client.call_tool(name, arguments, progress_callback=on_progress)
        return result.model_dump(by_alias=True, exclude_none=True, mode="json")


@asynccontextmanager
async def open_client(arguments: Sequence[str], env: dict[str, str] | None = None) -> AsyncIterator[OwnClient]:
    """Start `python -m imagewright` with arguments such as `["serve", "--provider", "offline"]` and connect to it.

    The variables of `env` come on top of the few that the SDK passes on.
    """
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "imagewright", *arguments], env=env)
    # the process's own: a replaced sys.stderr has no descriptor that a child could be given
    errors = sys.__stderr__ or sys.stderr
    async with Client(stdio_client(parameters, errlog=errors)) as client:
        yield OwnClient(client)
