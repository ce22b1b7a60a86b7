"""Google's Agent Development Kit: an agent whose model is a class of ours, which sees what a model would."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import Any

import mcp.types as t
from common import MAKES, asked
from common_client import Answer, AskingTrial, Handle, rising, server
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmResponse
from google.adk.runners import InMemoryRunner
from google.adk.tools.mcp_tool import McpToolset, StdioConnectionParams
from google.genai import types
from mcp import StdioServerParameters

SENT: list[Any] = []
"""What the model was sent."""
CALLS: list[types.FunctionCall] = []
"""What it calls next."""


class Model(BaseLlm):
    async def generate_content_async(self, llm_request: Any, stream: bool = False):  # noqa: ARG002, FBT001, FBT002 - as there
        SENT.append(llm_request)
        part = types.Part(function_call=CALLS.pop(0)) if CALLS else types.Part(text="done")
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


class Tools(Handle):
    async def _ask(self, *calls: types.FunctionCall):
        CALLS[:] = calls
        agent = LlmAgent(name="agent", model=Model(model="ours"), tools=[self.client])
        runner = InMemoryRunner(agent=agent, app_name="trial")
        session = await runner.session_service.create_session(app_name="trial", user_id="user")
        message = types.Content(role="user", parts=[types.Part(text="go")])
        async for _ in runner.run_async(user_id="user", session_id=session.id, new_message=message):
            pass
        return SENT[-1]

    async def names(self):
        return [*(await self._ask()).tools_dict]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        sent = await self._ask(types.FunctionCall(name=tool, args=arguments))
        parts = [part for content in sent.contents for part in content.parts]
        response = next(part.function_response for part in parts if part.function_response)
        shown = [*parts, *(response.parts or [])]
        pictures = [part.inline_data.data for part in shown if part.inline_data]
        result = response.response
        text, blocks = json.dumps(result, ensure_ascii=False), result.get("content", [])
        pictures += [block["data"] for block in blocks if block.get("type") == "image"]
        for picture in pictures:
            text = text.replace(str(picture), "...")
        structured = result.get("structuredContent") or result.get("structured_content")
        refused = bool(result.get("isError") or result.get("is_error") or "error" in result)
        return Answer(text=text.replace('\\"', '"'), pictures=pictures, structured=structured, refused=refused)


@asynccontextmanager
async def connect(name: str, *, answer: str = "", **more: Any):
    if answer:

        async def ask(_context: Any, _params: Any) -> t.ElicitResult:
            return t.ElicitResult(action=answer, content={"agree": True} if answer == "accept" else None)

        more["elicitation_callback"] = ask
    parameters = StdioConnectionParams(server_params=StdioServerParameters(**server(name)))
    client = McpToolset(connection_params=parameters, **more)
    try:
        yield Tools(client)
    finally:
        await client.close()


class Adk(AskingTrial):
    async def progress(self) -> str:
        steps: list[float] = []

        async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
            steps.append(done)

        async with self.open("vendor", progress_callback=on_progress) as handle:
            await handle.call(MAKES, asked("progress"))
        return rising(steps)


if __name__ == "__main__":
    Adk(connect).main()
