"""Haystack: its toolset, whose tools return a string."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

from common import SERVERS
from common_client import Answer, Handle, Trial
from haystack_integrations.tools.mcp import MCPToolset, StdioServerInfo


class Tools(Handle):
    async def names(self):
        return [tool.name for tool in self.client]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        found = next(one for one in self.client if one.name == tool)
        output = await asyncio.to_thread(found.invoke, **arguments)
        result = json.loads(output) if isinstance(output, str) else output
        content = result.get("content", [])
        return Answer(
            text=" ".join(block["text"] for block in content if block["type"] == "text"),
            pictures=[block["data"] for block in content if block["type"] == "image"],
            structured=result.get("structuredContent"),
            refused=result.get("isError"),
        )


@asynccontextmanager
async def connect(name: str):
    toolset = await asyncio.to_thread(MCPToolset, StdioServerInfo(**SERVERS[name]), eager_connect=True)
    try:
        yield Tools(toolset)
    finally:
        await asyncio.to_thread(toolset.close)


if __name__ == "__main__":
    Trial(connect).main()
