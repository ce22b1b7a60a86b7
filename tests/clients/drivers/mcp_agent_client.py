"""mcp-agent: an agent's own calls."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from common_client import Answer, Handle, Trial, server
from mcp_agent.agents.agent import Agent
from mcp_agent.app import MCPApp
from mcp_agent.config import LoggerSettings, MCPServerSettings, MCPSettings, Settings


class Tools(Handle):
    async def names(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        result = await self.client.call_tool(tool, arguments)
        return Answer(
            text=" ".join(block.text for block in result.content if block.type == "text"),
            pictures=[block.data for block in result.content if block.type == "image"],
            structured=result.structuredContent,
            refused=bool(result.isError),
        )

    async def page(self):
        return (await self.client.read_resource("guide://overview", "imagewright")).contents[0].text

    async def prompts(self):
        names = [one.name for one in (await self.client.list_prompts()).prompts]
        filled = await self.client.get_prompt("imagewright_make_picture", {"subject": "a lighthouse"})
        return names, filled.messages[0].content.text


@asynccontextmanager
async def connect(name: str):
    servers = {"imagewright": MCPServerSettings(**server(name))}
    settings = Settings(mcp=MCPSettings(servers=servers), logger=LoggerSettings(type="none"))
    async with (
        MCPApp(name="trial", settings=settings).run() as app,
        Agent(name="agent", server_names=["imagewright"], context=app.context) as client,
    ):
        yield Tools(client)


if __name__ == "__main__":
    Trial(connect).main()
