"""Agno: the functions of its toolkit, as an agent calls them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from agno.tools.function import FunctionCall
from agno.tools.mcp import MCPTools
from common_client import Answer, Handle, Trial, server
from mcp import StdioServerParameters


class Tools(Handle):
    async def names(self):
        if self.client.refresh_connection:  # what an agent does before each run
            await self.client.build_tools()
        return [*self.client.functions]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        call = FunctionCall(function=self.client.functions[tool], arguments=arguments)
        done = await call.aexecute()
        result = done.result
        if result is None:
            return Answer(text=str(done.error), refused=True)
        return Answer(text=result.content, pictures=[image.content for image in result.images or []])


@asynccontextmanager
async def connect(name: str):
    async with MCPTools(server_params=StdioServerParameters(**server(name))) as client:
        yield Tools(client)


if __name__ == "__main__":
    Trial(connect).main()
