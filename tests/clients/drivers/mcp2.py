"""The official SDK for Python, 2.x."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import common
import mcp.types as t
from common import EDITS, MAKES, OPTIONS, SERVERS, WRONG, Seen, asked, must
from mcp import Client
from mcp.client.stdio import StdioServerParameters


@asynccontextmanager
async def connected(server: str = "plain", **more: Any):
    async with Client(StdioServerParameters(**SERVERS[server]), mode=OPTIONS["mode"], **more) as client:
        yield client


def picture_of(result: Any) -> str:
    must(not result.is_error, str(result.content)[:200])
    pictures = [block.data for block in result.content if block.type == "image"]
    must(pictures, "no image block")
    return pictures[0]


def text_of(result: Any) -> str:
    return " ".join(block.text for block in result.content if block.type == "text")


async def connect() -> str:
    async with connected() as client:
        must(client.protocol_version == OPTIONS["era"], f"it speaks {client.protocol_version}")
        return client.protocol_version


async def tools() -> str:
    async with connected() as client:
        return common.all_listed(tool.name for tool in (await client.list_tools()).tools)


async def guide() -> str:
    async with connected() as client:
        page = await client.read_resource("guide://overview")
        must(MAKES in page.contents[0].text, "the overview names no tool")
        return f"guide://overview, {len(page.contents[0].text)} characters"


async def prompt() -> str:
    async with connected() as client:
        names = [one.name for one in (await client.list_prompts()).prompts]
        filled = await client.get_prompt("make_picture", {"subject": "a lighthouse"})
        must("a lighthouse" in filled.messages[0].content.text, "the prompt has no subject")
        return ", ".join(names)


async def completion() -> str:
    async with connected() as client:
        ref = t.PromptReference(type="ref/prompt", name="make_picture")
        values = (await client.complete(ref, {"name": "tool", "value": "na"})).completion.values
        must(values == [MAKES], f"completed: {values}")
        return ", ".join(values)


async def picture() -> Seen:
    async with connected() as client:
        return Seen(pictures=[picture_of(await client.call_tool(MAKES, asked("picture")))])


async def edit() -> Seen:
    async with connected() as client:
        made = (await client.call_tool(MAKES, asked("edit"))).structured_content["images"][0]["id"]
        return Seen(pictures=[picture_of(await client.call_tool(MAKES, EDITS | {"images": [made]}))])


async def refusal() -> str:
    async with connected() as client:
        result = await client.call_tool(MAKES, WRONG)
        must(result.is_error, "it is no error")
        return common.is_refusal(text_of(result))


async def progress() -> str:
    steps: list[float] = []

    async def on_progress(done: float, _total: float | None, _message: str | None) -> None:
        steps.append(done)

    async with connected("vendor") as client:
        picture_of(await client.call_tool(MAKES, asked("progress"), progress_callback=on_progress))
    must(len(steps) > 1 and steps == sorted(set(steps)), f"progress: {steps}")
    return "it rises"


async def cancel() -> str:
    before = common.paid("vendor")["begun"]
    async with connected("vendor") as client:
        call = asyncio.create_task(client.call_tool(MAKES, asked("cancel")))
        await asyncio.sleep(2)
        call.cancel()
        await asyncio.wait([call], timeout=5)
        must(call.cancelled(), f"the call was not cancelled: {call}")
        common.all_listed(tool.name for tool in (await client.list_tools()).tools)
        await common.paid_once("vendor", before)
    return "the job goes on"


async def price() -> str:
    answers = {"accept": t.ElicitResult(action="accept", content={"agree": True})}
    answers["decline"] = t.ElicitResult(action="decline")
    for action, answer in answers.items():
        before = common.paid("asking")["begun"]

        async def ask(_context: Any, _params: Any, answer: t.ElicitResult = answer) -> t.ElicitResult:
            return answer

        async with connected("asking", elicitation_callback=ask) as client:
            result = await client.call_tool(MAKES, asked(action))
        must(bool(result.is_error) == (action == "decline"), f"{action}: {text_of(result)[:200]}")
        must(common.paid("asking")["begun"] - before == (action == "accept"), f"{action}: {common.paid('asking')}")
    async with connected("asking") as client:
        result = await client.call_tool(MAKES, asked("unable"))
    must(result.is_error and "IMAGEWRIGHT_CONFIRM_ABOVE" in text_of(result), f"unable: {text_of(result)[:200]}")
    return "accept, decline, unable"


async def toggle() -> Seen:
    changed = asyncio.Event()

    async def on_message(message: Any) -> None:
        if isinstance(message, t.ToolListChangedNotification):
            changed.set()

    async with connected(message_handler=on_message) as client:

        async def names() -> list[str]:
            return [tool.name for tool in (await client.list_tools()).tools]

        if OPTIONS["mode"] == "legacy":
            return await common.noticed(changed, names)
        async with client.listen(tools_list_changed=True) as changes:

            async def hear() -> None:
                async for _ in changes:
                    changed.set()

            hearing = asyncio.create_task(hear())
            try:
                return await common.noticed(changed, names)
            finally:
                hearing.cancel()


async def structured() -> Seen:
    async with connected() as client:
        schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
        calls = {MAKES: asked("structured"), "image_gallery": {}, "image_guide": {}}
        values = {name: (await client.call_tool(name, given)).structured_content for name, given in calls.items()}
        pairs = [(schemas[name], value) for name, value in values.items() if schemas[name]]
        must(len(pairs) > 1, "no output schema")
        return Seen(", ".join(name for name in calls if schemas[name]), structured=pairs)


async def slow() -> Seen:
    async with connected("slow") as client:

        async def call() -> str:
            return picture_of(await client.call_tool(MAKES, asked("slow")))

        return await common.until_it_arrives(call)


if __name__ == "__main__":
    common.main(
        connect=connect,
        list=tools,
        guide=guide,
        prompt=prompt,
        completion=completion,
        picture=picture,
        edit=edit,
        refusal=refusal,
        progress=progress,
        cancel=cancel,
        price=price,
        toggle=toggle,
        structured=structured,
        slow=slow,
    )
