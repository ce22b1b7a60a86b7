"""smolagents: the tools that mcpadapt makes for it, which it calls from a thread."""

from __future__ import annotations

import asyncio
import io
from contextlib import asynccontextmanager
from typing import Any

from common import SERVERS
from common_client import Answer, Handle, Trial
from mcp import StdioServerParameters
from PIL import Image
from smolagents import MCPClient


class Tools(Handle):
    async def names(self):
        return [tool.name for tool in self.client.get_tools()]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        found = next(one for one in self.client.get_tools() if one.name == tool)
        output = await asyncio.to_thread(found, **arguments)
        output = getattr(output, "to_raw", lambda: output)()
        if not isinstance(output, Image.Image):
            return Answer(text=str(output))
        file = io.BytesIO()
        output.save(file, "png")
        return Answer(pictures=[file.getvalue()])


@asynccontextmanager
async def connect(name: str):
    client = await asyncio.to_thread(MCPClient, StdioServerParameters(**SERVERS[name]), structured_output=False)
    try:
        yield Tools(client)
    finally:
        await asyncio.to_thread(client.disconnect)


if __name__ == "__main__":
    Trial(connect).main()
