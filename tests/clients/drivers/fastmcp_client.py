"""fastmcp's own client, 2 to 4."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import common
import mcp.types as t
from common import MAKES, SHARED, Seen, asked
from common_client import Answer, AskingTrial, Handle, rising, server
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.messages import MessageHandler
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport


class Session(Handle):
    async def names(self):
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, tool: str, arguments: dict[str, Any], **more: Any) -> Answer:
        result = await self.client.call_tool(tool, arguments, **more)
        return Answer(
            text=" ".join(block.text for block in result.content if block.type == "text"),
            pictures=[block.data for block in result.content if block.type == "image"],
            structured=result.structured_content,
            refused=result.is_error,
        )

    async def page(self):
        return (await self.client.read_resource("guide://overview"))[0].text

    async def prompts(self):
        names = [one.name for one in await self.client.list_prompts()]
        filled = await self.client.get_prompt("make_picture", {"subject": "a lighthouse"})
        return names, filled.messages[0].content.text

    async def completed(self):
        ref = t.PromptReference(type="ref/prompt", name="make_picture")
        return (await self.client.complete(ref, {"name": "tool", "value": "na"})).values

    async def schemas(self):
        listed = await self.client.list_tools()
        return {
            tool.name: getattr(tool, "outputSchema", None) or getattr(tool, "output_schema", None) for tool in listed
        }


def output_schema(tool: Any) -> Any:
    """By the name of either generation of the SDK."""
    return tool.output_schema if hasattr(tool, "output_schema") else tool.outputSchema


@asynccontextmanager
async def connect(name: str, *, answer: str = "", **more: Any):
    if answer:

        async def ask(*_: Any) -> ElicitResult:
            return ElicitResult(action=answer, content={"agree": True} if answer == "accept" else None)

        more["elicitation_handler"] = ask
    if SHARED is None:
        transport = StdioTransport(**server(name), keep_alive=False)
    else:
        transport = StreamableHttpTransport(SHARED["url"], auth=SHARED["token"])
    async with Client(transport, **more) as client:
        yield Session(client)


class FastMcp(AskingTrial):
    async def progress(self) -> str:
        steps: list[float] = []

        async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
            steps.append(done)

        async with self.open("vendor") as handle:
            await handle.call(MAKES, asked("progress"), progress_handler=on_progress)
        return rising(steps)

    async def toggle(self) -> Seen:
        changed = asyncio.Event()

        class Handler(MessageHandler):
            async def on_tool_list_changed(self, message: Any) -> None:  # noqa: ARG002 - as there
                changed.set()

        async with self.open("plain", message_handler=Handler()) as handle:
            return await common.noticed(changed, handle.names)


if __name__ == "__main__":
    FastMcp(connect).main()
