"""CrewAI: the tools that its own MCP support makes, each of which starts a server for each call."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

from common_client import Answer, Handle, Trial, server
from crewai import Agent
from crewai.mcp import MCPServerStdio


class Tools(Handle):
    def _tools(self):
        return self.client.get_mcp_tools(self.client.mcps)

    async def names(self):
        return [tool.name for tool in await asyncio.to_thread(self._tools)]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        tools = await asyncio.to_thread(self._tools)
        found = next(one for one in tools if one.name.endswith(tool))
        output = await asyncio.to_thread(found.run, **arguments)
        if hasattr(output, "message"):
            return Answer(text=output.message, refused=True)
        return Answer(text=str(output), refused=False)


@asynccontextmanager
async def connect(name: str):
    words = MCPServerStdio(**server(name))
    yield Tools(Agent(role="painter", goal="pictures", backstory="none", mcps=[words], llm="gpt-5"))


if __name__ == "__main__":
    Trial(connect).main()
