"""DSPy: the tools that it makes of an SDK client's."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from common_client import Answer, Handle, Trial, server
from dspy import Tool
from mcp import Client
from mcp.client.stdio import StdioServerParameters


class Tools(Handle):
    async def _tools(self):
        return [Tool.from_mcp_tool(self.client, tool) for tool in (await self.client.list_tools()).tools]

    async def names(self):
        return [tool.name for tool in await self._tools()]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        found = next(one for one in await self._tools() if one.name == tool)
        output = await found.acall(**arguments)
        return Answer(text=output if isinstance(output, str) else str(output))


@asynccontextmanager
async def connect(name: str):
    async with Client(StdioServerParameters(**server(name))) as client:
        yield Tools(client)


if __name__ == "__main__":
    Trial(connect).main()
