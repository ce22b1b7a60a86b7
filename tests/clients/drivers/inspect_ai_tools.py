"""Inspect: its tools, as a solver calls them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from common_client import Answer, Handle, Trial, server
from inspect_ai.model import ContentImage, ContentText
from inspect_ai.tool import ToolDef, mcp_connection, mcp_server_stdio


class Tools(Handle):
    async def _tools(self):
        return {definition.name: tool for tool in await self.client.tools() for definition in [ToolDef(tool)]}

    async def names(self):
        return [*await self._tools()]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        output = await (await self._tools())[tool](**arguments)
        contents = output if isinstance(output, list) else [ContentText(text=str(output))]
        return Answer(
            text=" ".join(one.text for one in contents if isinstance(one, ContentText)),
            pictures=[one.image for one in contents if isinstance(one, ContentImage)],
        )


@asynccontextmanager
async def connect(name: str):
    words = server(name)
    client = mcp_server_stdio(name="imagewright", **words)
    async with mcp_connection([client]):
        yield Tools(client)


if __name__ == "__main__":
    Trial(connect).main()
