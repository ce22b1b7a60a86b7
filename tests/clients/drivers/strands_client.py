"""Strands Agents: its client, whose results are content blocks for a model."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import common
import mcp.types as t
from common import MAKES, SERVERS, Seen, asked
from common_client import Answer, AskingTrial, Handle, rising
from mcp import StdioServerParameters, stdio_client
from strands.tools.mcp import MCPClient


class Tools(Handle):
    async def names(self):
        return [tool.tool_name for tool in await asyncio.to_thread(self.client.list_tools_sync)]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        result = await self.client.call_tool_async("call_1", tool, arguments)
        return Answer(
            text=" ".join(block["text"] for block in result["content"] if "text" in block),
            pictures=[block["image"]["source"]["bytes"] for block in result["content"] if "image" in block],
            structured=result.get("structuredContent"),
            refused=result["status"] == "error",
        )

    async def page(self):
        read = await asyncio.to_thread(self.client.read_resource_sync, "guide://overview")
        return read.contents[0].text

    async def prompts(self):
        names = [one.name for one in (await asyncio.to_thread(self.client.list_prompts_sync)).prompts]
        filled = await asyncio.to_thread(self.client.get_prompt_sync, "make_picture", {"subject": "a lighthouse"})
        return names, filled.messages[0].content.text

    async def schemas(self):
        tools = await asyncio.to_thread(self.client.list_tools_sync)
        return {tool.tool_name: tool.tool_spec["outputSchema"]["json"] for tool in tools}


@asynccontextmanager
async def connect(name: str, *, answer: str = "", **more: Any):
    if answer:

        async def ask(_context: Any, _params: Any) -> t.ElicitResult:
            return t.ElicitResult(action=answer, content={"agree": True} if answer == "accept" else None)

        more["elicitation_callback"] = ask
    client = MCPClient(lambda: stdio_client(StdioServerParameters(**SERVERS[name])), **more)
    await asyncio.to_thread(client.start)
    try:
        yield Tools(client)
    finally:
        await asyncio.to_thread(client.stop, None, None, None)


class Strands(AskingTrial):
    async def progress(self) -> str:
        steps: list[float] = []

        async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
            steps.append(done)

        async with self.open("vendor", progress_callback=on_progress) as handle:
            await handle.call(MAKES, asked("progress"))
        return rising(steps)

    async def toggle(self) -> Seen:
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def on_change(*_: Any) -> None:
            loop.call_soon_threadsafe(changed.set)

        async with self.open("plain", on_tools_changed=on_change) as handle:
            return await common.noticed(changed, handle.names)


if __name__ == "__main__":
    Strands(connect).main()
