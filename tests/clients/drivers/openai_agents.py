"""The OpenAI Agents SDK: its server class, and its function tools as an agent's run invokes them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

import common
from agents import Agent, RunContextWrapper
from agents.mcp import MCPServerStdio, MCPUtil
from agents.tool_context import ToolContext
from common import Seen
from common_client import READ, Answer, Handle, Trial, server

FAILED = "An error occurred while running the tool."
"""How a call that was given up is told to the model, without a word about why."""


class Tools(Handle):
    async def names(self):
        return [tool.name for tool in await self._tools()]

    async def _tools(self):
        context = RunContextWrapper(context=None)
        return await MCPUtil.get_function_tools(self.client, False, context, Agent(name="agent"))

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        words = json.dumps(arguments)
        found = next(one for one in await self._tools() if one.name == tool)
        context = ToolContext(context=None, tool_name=tool, tool_call_id="call", tool_arguments=words)
        output = await found.on_invoke_tool(context, words)
        if not isinstance(output, list | dict):
            if str(output).startswith(FAILED):
                raise TimeoutError(output)
            return Answer(text=str(output))
        items = output if isinstance(output, list) else [output]
        return Answer(
            text=" ".join(item["text"] for item in items if item["type"] == "text"),
            pictures=[item["image_url"] for item in items if item["type"] == "image"],
        )

    async def page(self):
        return (await self.client.read_resource("guide://overview")).contents[0].text

    async def prompts(self):
        names = [one.name for one in (await self.client.list_prompts()).prompts]
        filled = await self.client.get_prompt("make_picture", {"subject": "a lighthouse"})
        return names, filled.messages[0].content.text


def output_schema(tool: Any) -> Any:
    """By either generation's name."""
    return getattr(tool, "output_schema", None) or tool.outputSchema


@asynccontextmanager
async def connect(name: str, **more: Any):
    async with MCPServerStdio(params=server(name), name="imagewright", **more) as client:
        yield Tools(client)


class Agents(Trial):
    async def structured(self) -> Seen:
        async with self.open("plain", use_structured_content=True) as handle:
            schemas = {tool.name: output_schema(tool) for tool in await handle.client.list_tools()}
            values = {tool: json.loads((await handle.call(tool, given)).text) for tool, given in READ.items()}
        return Seen(", ".join(values), structured=[(schemas[tool], value) for tool, value in values.items()])

    async def toggle(self) -> Seen:
        changed = asyncio.Event()

        async def on_message(message: Any) -> None:
            if "ToolListChanged" in type(getattr(message, "root", message)).__name__:
                changed.set()

        async with self.open("plain", message_handler=on_message) as handle:
            return await common.noticed(changed, handle.names)


if __name__ == "__main__":
    Agents(connect).main()
