"""LangChain's adapters, and what the payload for three vendors' models is made of their results."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import common
import mcp.types as t
from common import MAKES, Seen, asked, must
from common_client import Answer, AskingTrial, Handle, rising, server
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langchain_openai import ChatOpenAI

MODELS = {
    "OpenAI chat": lambda: ChatOpenAI(model="gpt-6", api_key="none", use_responses_api=False),
    "OpenAI responses": lambda: ChatOpenAI(model="gpt-6", api_key="none", use_responses_api=True),
    "Anthropic": lambda: ChatAnthropic(model="claude-opus-5", api_key="none"),
    "Google": lambda: ChatGoogleGenerativeAI(model="gemini-3-pro", api_key="none"),
}


class Tools(Handle):
    def __init__(self, client: Any, session: Any) -> None:
        super().__init__(client)
        self.session = session

    async def names(self):
        return [tool.name for tool in await load_mcp_tools(self.session, callbacks=self.client.callbacks)]

    async def message(self, tool: str, arguments: dict[str, Any]):
        tools = await load_mcp_tools(self.session, callbacks=self.client.callbacks)
        found = next(one for one in tools if one.name == tool)
        return await found.ainvoke({"type": "tool_call", "id": "call_1", "name": tool, "args": arguments})

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        message = await self.message(tool, arguments)
        blocks = message.content if isinstance(message.content, list) else [{"type": "text", "text": message.content}]
        return Answer(
            text=" ".join(block["text"] for block in blocks if block["type"] == "text"),
            pictures=[block["base64"] for block in blocks if block["type"] == "image"],
            structured=(message.artifact or {}).get("structured_content"),
            refused=message.status == "error",
        )

    async def page(self):
        return (await self.client.get_resources("imagewright", uris="guide://overview"))[0].as_string()

    async def prompts(self):
        filled = await self.client.get_prompt("imagewright", "make_picture", arguments={"subject": "a lighthouse"})
        return ["make_picture"], filled[0].content

    async def schemas(self):
        return {tool.name: tool.outputSchema for tool in (await self.session.list_tools()).tools}


@asynccontextmanager
async def connect(name: str, *, answer: str = "", **more: Any):
    if answer:

        async def ask(*_: Any) -> t.ElicitResult:
            return t.ElicitResult(action=answer, content={"agree": True} if answer == "accept" else None)

        more["on_elicitation"] = ask
    client = MultiServerMCPClient({"imagewright": server(name) | {"transport": "stdio"}}, callbacks=Callbacks(**more))
    async with client.session("imagewright") as session:
        yield Tools(client, session)


class LangChain(AskingTrial):
    async def picture(self) -> Seen:
        """The picture in the message, and in the payloads that the integrations of vendors make of it."""
        async with self.open("plain") as handle:
            message = await handle.message(MAKES, asked("picture"))
        call = {"type": "tool_call", "id": "call_1", "name": MAKES, "args": asked("picture")}
        history = [HumanMessage("go"), AIMessage("", tool_calls=[call]), message]
        data = next(block["base64"] for block in message.content if block["type"] == "image")
        for vendor, make in MODELS.items():
            model = make()
            if vendor == "Google":
                payload = str(model._prepare_request(history))  # noqa: SLF001 - the last step before it is sent
                must("inline_data" in payload, f"{vendor}: no picture: {payload[:200]}")
            else:
                payload = str(model._get_request_payload(history))  # noqa: SLF001 - as above
                must(data in payload, f"{vendor}: no picture: {payload[:200]}")
            must("image://" not in payload, f"{vendor}: a link that nobody can follow")
        return Seen(f"in the message and for {', '.join(MODELS)}", pictures=[data])

    async def progress(self) -> str:
        steps: list[float] = []

        async def on_progress(done: float, *_: Any) -> None:
            steps.append(done)

        async with self.open("vendor", on_progress=on_progress) as handle:
            await handle.call(MAKES, asked("progress"))
        return rising(steps)

    async def toggle(self) -> Seen:
        async with self.open("plain") as handle:
            return await common.seen_in_next_list(handle.names)


if __name__ == "__main__":
    asyncio.set_event_loop(asyncio.new_event_loop())
    LangChain(connect).main()
