"""Semantic Kernel: its plugin in a kernel, whose functions return the contents for a model."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import common
from common import Seen
from common_client import Answer, Handle, Trial, server
from semantic_kernel import Kernel
from semantic_kernel.connectors.mcp import MCPStdioPlugin
from semantic_kernel.contents import ImageContent

PROMPTS = {"make_picture", "edit_picture"}


class Plugin(Handle):
    def _kernel(self) -> Kernel:
        kernel = Kernel()
        kernel.add_plugin(self.client)
        return kernel

    async def names(self):
        return [one.name for one in self._kernel().get_full_list_of_function_metadata() if one.name not in PROMPTS]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        result = await self._kernel().invoke(plugin_name="imagewright", function_name=tool, **arguments)
        return Answer(
            text=" ".join(str(one) for one in result.value if not isinstance(one, ImageContent)),
            pictures=[one.data_string for one in result.value if isinstance(one, ImageContent)],
        )

    async def prompts(self):
        more = {"style": "", "aspect_ratio": "", "tool": ""}  # it makes every argument required
        filled = await self._kernel().invoke(
            plugin_name="imagewright", function_name="make_picture", subject="a lighthouse", **more
        )
        return sorted(PROMPTS), str(filled.value)


@asynccontextmanager
async def connect(name: str, kind: Any = MCPStdioPlugin):
    async with kind(name="imagewright", **server(name)) as client:
        yield Plugin(client)


class SemanticKernel(Trial):
    async def toggle(self) -> Seen:
        changed = asyncio.Event()

        class Watched(MCPStdioPlugin):
            async def load_tools(self) -> None:
                changed.set()
                await super().load_tools()

        async with self.open("plain", kind=Watched) as handle:
            return await common.noticed(changed, handle.names)


if __name__ == "__main__":
    SemanticKernel(connect).main()
