"""mcp-use: its client, and the LangChain tools that its agent makes of the server's."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import mcp.types as t
from common_client import Answer, AskingTrial, Handle, server
from mcp_use import MCPClient
from mcp_use.agents.adapters import LangChainAdapter


class Tools(Handle):
    @property
    def session(self):
        return self.client.get_session("imagewright")

    async def names(self):
        return [tool.name for tool in await self.session.list_tools()]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        tools = await LangChainAdapter().create_tools(self.client)
        found = next(one for one in tools if one.name == tool)
        output = await found.ainvoke(arguments)
        if isinstance(output, dict):
            return Answer(text=str(output), refused="error" in output)
        blocks = output if isinstance(output, list) else [{"type": "text", "text": output}]
        return Answer(
            text=" ".join(block["text"] for block in blocks if block["type"] == "text"),
            pictures=[block["data"] for block in blocks if block["type"] == "image"],
            refused=False,
        )

    async def page(self):
        return (await self.session.read_resource("guide://overview")).contents[0].text

    async def prompts(self):
        names = [one.name for one in await self.session.list_prompts()]
        filled = await self.session.get_prompt("make_picture", {"subject": "a lighthouse"})
        return names, filled.messages[0].content.text


@asynccontextmanager
async def connect(name: str, *, answer: str = ""):
    more = {}
    if answer:

        async def ask(_context: Any, _params: Any) -> t.ElicitResult:
            return t.ElicitResult(action=answer, content={"agree": True} if answer == "accept" else None)

        more["elicitation_callback"] = ask
    client = MCPClient({"mcpServers": {"imagewright": server(name)}}, **more)
    await client.create_all_sessions()
    try:
        yield Tools(client)
    finally:
        await client.close_all_sessions()


if __name__ == "__main__":
    AskingTrial(connect).main()
