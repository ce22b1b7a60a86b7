"""The official SDK for Python, 1.x."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import common
import mcp.types as t
from common import MAKES, SHARED, Seen, asked
from common_client import Answer, AskingTrial, Handle, rising, server
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client


class Session(Handle):
    async def names(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool: str, arguments: dict[str, Any], **more: Any) -> Answer:
        return answer_of(await self.client.call_tool(tool, arguments, **more))

    async def page(self):
        return (await self.client.read_resource("guide://overview")).contents[0].text

    async def prompts(self):
        names = [one.name for one in (await self.client.list_prompts()).prompts]
        filled = await self.client.get_prompt("make_picture", {"subject": "a lighthouse"})
        return names, filled.messages[0].content.text

    async def completed(self):
        ref = t.PromptReference(type="ref/prompt", name="make_picture")
        return (await self.client.complete(ref, {"name": "tool", "value": "na"})).completion.values

    async def schemas(self):
        return {tool.name: tool.outputSchema for tool in (await self.client.list_tools()).tools}


def answer_of(result: Any) -> Answer:
    return Answer(
        text=" ".join(block.text for block in result.content if block.type == "text"),
        pictures=[block.data for block in result.content if block.type == "image"],
        structured=result.structuredContent,
        refused=bool(result.isError),
    )


@asynccontextmanager
async def connect(name: str, *, answer: str = "", **more: Any):
    if answer:

        async def ask(_context: Any, _params: Any) -> t.ElicitResult:
            return t.ElicitResult(action=answer, content={"agree": True} if answer == "accept" else None)

        more["elicitation_callback"] = ask
    if SHARED is None:
        transport = stdio_client(StdioServerParameters(**server(name)))
    else:
        headers = {"Authorization": f"Bearer {SHARED['token']}"}
        transport = streamable_http_client(SHARED["url"], http_client=create_mcp_http_client(headers))
    async with transport as (reading, writing, *_), ClientSession(reading, writing, **more) as client:
        await client.initialize()
        yield Session(client)


class Sdk(AskingTrial):
    async def progress(self) -> str:
        steps: list[float] = []

        async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
            steps.append(done)

        async with self.open("vendor") as handle:
            await handle.call(MAKES, asked("progress"), progress_callback=on_progress)
        return rising(steps)

    async def toggle(self) -> Seen:
        changed = asyncio.Event()

        async def on_message(message: Any) -> None:
            if isinstance(message, t.ServerNotification) and isinstance(message.root, t.ToolListChangedNotification):
                changed.set()

        async with self.open("plain", message_handler=on_message) as handle:
            return await common.noticed(changed, handle.names)


if __name__ == "__main__":
    Sdk(connect).main()
