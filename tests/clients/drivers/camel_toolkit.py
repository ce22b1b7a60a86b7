"""CAMEL: the functions of its toolkit."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from camel.toolkits import MCPToolkit
from common_client import Answer, Handle, Trial, server


class Tools(Handle):
    async def names(self):
        return [tool.get_function_name() for tool in self.client.get_tools()]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        found = next(one for one in self.client.get_tools() if one.get_function_name() == tool)
        return Answer(text=str(await found.func.async_call(**arguments)))  # as its agent does


@asynccontextmanager
async def connect(name: str):
    client = MCPToolkit(config_dict={"mcpServers": {"imagewright": server(name)}})
    await client.connect()
    try:
        yield Tools(client)
    finally:
        await client.disconnect()


if __name__ == "__main__":
    Trial(connect).main()
