"""Microsoft's Agent Framework: the functions of its MCP tool, as an agent calls them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

from agent_framework import MCPStdioTool
from common import NOTICED, OPTIONS, Seen, all_listed, switch
from common_client import Answer, Handle, Trial, server

PROMPTS = {"make_picture", "edit_picture"}


class Tools(Handle):
    async def names(self):
        return [one.name for one in self.client.functions if one.name not in PROMPTS]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        found = next(one for one in self.client.functions if one.name == tool)
        contents = await found.invoke(arguments=arguments)
        texts = [one.text for one in contents if one.type == "text"]
        structured = None
        for text in texts:
            if text.startswith("{"):
                structured = json.loads(text)
        return Answer(
            text=" ".join(texts), pictures=[one.uri for one in contents if one.type == "data"], structured=structured
        )

    async def prompts(self):
        found = next(one for one in self.client.functions if one.name == "make_picture")
        filled = await found.invoke(arguments={"subject": "a lighthouse"})
        return sorted(PROMPTS), " ".join(str(one.text) for one in filled)


@asynccontextmanager
async def connect(name: str):
    async with MCPStdioTool(name="imagewright", **server(name), **OPTIONS) as client:
        yield Tools(client)


class AgentFramework(Trial):
    async def toggle(self) -> Seen:
        """It reloads by itself, with no word to anybody."""
        async with self.open("plain") as handle:
            await switch("off")
            for _ in range(int(NOTICED * 2)):
                await asyncio.sleep(0.5)
                if len(names := [*await handle.names()]) < 10:
                    break
            await switch("on")
        return Seen(all_listed(names, without="qwen"))


if __name__ == "__main__":
    AgentFramework(connect).main()
