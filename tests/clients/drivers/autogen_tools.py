"""AutoGen: its workbench, as an assistant agent uses it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from autogen_core.tools import ImageResultContent, TextResultContent
from autogen_ext.tools.mcp import McpWorkbench, StdioServerParams
from common_client import Answer, Handle, Trial, server


class Workbench(Handle):
    async def names(self):
        return [tool["name"] for tool in await self.client.list_tools()]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        result = await self.client.call_tool(tool, arguments)
        return Answer(
            text=" ".join(one.content for one in result.result if isinstance(one, TextResultContent)),
            pictures=[one.content.to_base64() for one in result.result if isinstance(one, ImageResultContent)],
            refused=result.is_error,
        )

    async def page(self):
        return (await self.client.read_resource("guide://overview")).contents[0].text

    async def prompts(self):
        names = [one.name for one in (await self.client.list_prompts()).prompts]
        filled = await self.client.get_prompt("make_picture", {"subject": "a lighthouse"})
        return names, filled.messages[0].content.text


@asynccontextmanager
async def connect(name: str):
    async with McpWorkbench(StdioServerParams(**server(name))) as client:
        yield Workbench(client)


if __name__ == "__main__":
    Trial(connect).main()
