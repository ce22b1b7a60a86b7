"""LlamaIndex: its tool specification, which starts a server for each call."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from common import MAKES, asked
from common_client import Answer, Handle, Trial, rising, server
from llama_index.core.base.llms.types import ImageBlock, TextBlock
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec


class Tools(Handle):
    async def names(self):
        return [tool.metadata.name for tool in await McpToolSpec(self.client).to_tool_list_async()]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        tools = await McpToolSpec(self.client).to_tool_list_async()
        output = await next(one for one in tools if one.metadata.name == tool).acall(**arguments)
        return Answer(
            text=" ".join(block.text for block in output.blocks if isinstance(block, TextBlock)),
            pictures=[block.resolve_image().read() for block in output.blocks if isinstance(block, ImageBlock)],
            structured=output.raw_output.structured_content,
        )

    async def page(self):
        return (await self.client.read_resource("guide://overview")).contents[0].text

    async def prompts(self):
        names = [one.name for one in (await self.client.list_prompts()).prompts]
        filled = await self.client.get_prompt("make_picture", {"subject": "a lighthouse"})
        return names, str(filled[0].content)

    async def schemas(self):
        return {tool.name: tool.output_schema for tool in (await self.client.list_tools()).tools}


@asynccontextmanager
async def connect(name: str):
    words = server(name)
    yield Tools(BasicMCPClient(words.pop("command"), **words))


class LlamaIndex(Trial):
    async def progress(self) -> str:
        steps: list[float] = []

        async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
            steps.append(done)

        async with self.open("vendor") as handle:
            await handle.client.call_tool(MAKES, asked("progress"), progress_callback=on_progress)
        return rising(steps)


if __name__ == "__main__":
    LlamaIndex(connect).main()
