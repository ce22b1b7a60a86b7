"""Pydantic AI: its toolset in an agent whose model is a function, which sees what a model would."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

from common import MAKES, asked
from common_client import Answer, AskingTrial, Handle, rising, server
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import BinaryContent, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel


class Toolset(Handle):
    async def _ask(self, *calls: ToolCallPart):
        """What the model is shown: the tools, and the messages after these calls."""
        shown = []

        async def model(messages: Any, info: Any) -> ModelResponse:
            shown.append((messages, info))
            return ModelResponse(parts=[*calls] if calls and len(shown) == 1 else [TextPart("done")])

        await Agent(FunctionModel(model), toolsets=[self.client]).run("go")
        return shown[-1]

    async def names(self):
        _, info = await self._ask()
        return [tool.name for tool in info.function_tools]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        messages, _ = await self._ask(ToolCallPart(tool_name=tool, args=arguments))
        answer = Answer(refused=False)
        for part in messages[-1].parts:
            answer.refused |= getattr(part, "outcome", "success") != "success"
            content = part.content if isinstance(part.content, list | tuple) else [part.content]
            answer.pictures += [one.data for one in content if isinstance(one, BinaryContent)]
            answer.text += " ".join(str(one) for one in content if not isinstance(one, BinaryContent))
        return answer

    async def page(self):
        return str(await self.client.read_resource("guide://overview"))

    async def prompts(self):
        names = [one.name for one in await self.client.list_prompts()]
        filled = await self.client.get_prompt("make_picture", {"subject": "a lighthouse"})
        return names, str(filled.messages)


@asynccontextmanager
async def connect(name: str, *, answer: str = "", **more: Any):
    if answer:

        async def ask(*_: Any) -> ElicitResult:
            return ElicitResult(action=answer, content={"agree": True} if answer == "accept" else None)

        more["elicitation_handler"] = ask
    async with MCPToolset(StdioTransport(**server(name), keep_alive=False), **more) as client:
        yield Toolset(client)


class PydanticAi(AskingTrial):
    async def progress(self) -> str:
        steps: list[float] = []

        async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
            steps.append(done)

        async with self.open("vendor", progress_handler=on_progress) as handle:
            await handle.call(MAKES, asked("progress"))
        return rising(steps)


if __name__ == "__main__":
    PydanticAi(connect).main()
