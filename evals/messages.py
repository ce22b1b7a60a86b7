"""One request in the forms that models are asked in: the Messages API, Chat Completions, and plain text for anyone."""

from __future__ import annotations

import base64
import json
from datetime import date
from typing import TYPE_CHECKING, Any

from evals.request import DAY, SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evals.request import Request, Turn
    from evals.shown import Shown

HOST = "You are a helpful assistant in a chat application. A server for pictures is connected, and its tools are yours."
"""What a client says before the server's own instructions."""


def system(request: Request, shown: Shown) -> str:
    """The system prompt: the client's line, the day where the client tells it, and the server's instructions."""
    parts = [HOST, *([today_line()] if request.today else []), f"Instructions of the server:\n{shown.instructions}"]
    return "\n\n".join(parts)


def today_line() -> str:
    """What a client says about the day."""
    return f"Today is {date.fromisoformat(DAY):%A, %Y-%m-%d}."


def _encoded(sample: str) -> tuple[str, str]:
    """The media type of a sample and its bytes in base64."""
    kind = "image/png" if sample.endswith(".png") else "image/jpeg"
    return kind, base64.b64encode((SAMPLES / sample).read_bytes()).decode()


def _call_id(place: int) -> str:
    return f"toolu_{place:04d}"


# the Messages API of Anthropic


def anthropic_body(request: Request, shown: Shown) -> dict[str, Any]:
    """The body of a Messages request, without model and limits."""
    messages: list[dict[str, Any]] = []
    for place, turn in enumerate(request.turns):
        for role, blocks in _anthropic_turn(turn, _call_id(place)):
            if messages and messages[-1]["role"] == role:  # roles take turns
                messages[-1]["content"] += blocks
            else:
                messages.append({"role": role, "content": blocks})
    tools = [
        {"name": one["name"], "description": one["description"], "input_schema": one["inputSchema"]}
        for one in shown.tools
    ]
    body = {"system": system(request, shown), "messages": messages}
    return body | ({"tools": tools} if tools else {})


def _anthropic_turn(turn: Turn, call_id: str) -> list[tuple[str, list[dict[str, Any]]]]:
    if turn.assistant:
        return [("assistant", [{"type": "text", "text": turn.assistant}])]
    if turn.user:
        return [("user", [*map(_anthropic_image, turn.attached), {"type": "text", "text": turn.user}])]
    shown = [_anthropic_image(turn.preview)] if turn.preview else []
    content = [*shown, {"type": "text", "text": turn.result}]
    use = {"type": "tool_use", "id": call_id, "name": turn.call, "input": turn.arguments}
    result = {"type": "tool_result", "tool_use_id": call_id, "content": content, "is_error": turn.error}
    return [("assistant", [use]), ("user", [result])]


def _anthropic_image(sample: str) -> dict[str, Any]:
    kind, data = _encoded(sample)
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


# Chat Completions of OpenAI, and of many others


def openai_body(request: Request, shown: Shown) -> dict[str, Any]:
    """The body of a Chat Completions request, without model and limits."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": system(request, shown)}]
    for place, turn in enumerate(request.turns):
        messages += _openai_turn(turn, _call_id(place))
    tools = [
        {
            "type": "function",
            "function": {
                "name": one["name"],
                "description": one["description"],
                "parameters": one["inputSchema"],
            },
        }
        for one in shown.tools
    ]
    return {"messages": messages} | ({"tools": tools} if tools else {})


def _openai_turn(turn: Turn, call_id: str) -> list[dict[str, Any]]:
    if turn.assistant:
        return [{"role": "assistant", "content": turn.assistant}]
    if turn.user:
        text = {"type": "text", "text": turn.user}
        content = [*map(_openai_image, turn.attached), text] if turn.attached else turn.user
        return [{"role": "user", "content": content}]
    function = {"name": turn.call, "arguments": json.dumps(turn.arguments, ensure_ascii=False)}
    messages: list[dict[str, Any]] = [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": call_id, "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": call_id, "content": turn.result},
    ]
    if turn.preview:  # a tool's message takes text alone
        messages.append({"role": "user", "content": [_openai_image(turn.preview)]})
    return messages


def _openai_image(sample: str) -> dict[str, Any]:
    kind, data = _encoded(sample)
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}


# text


def plain_turns(turns: Iterable[Turn]) -> str:
    """A conversation as text that a person can read."""
    return "\n".join(line for turn in turns for line in _plain_turn(turn))


def _plain_turn(turn: Turn) -> list[str]:
    if turn.assistant:
        return [f"ASSISTANT: {turn.assistant}"]
    if turn.user:
        attached = ["(A picture is attached to this message.)" for _ in turn.attached]
        return [f"USER: {turn.user.strip()}", *attached]
    call = json.dumps(turn.arguments, ensure_ascii=False)
    preview = ["(and a preview of the picture)"] if turn.preview else []
    label = "ERROR" if turn.error else "RESULT"
    return [f"ASSISTANT calls {turn.call} {call}", f"{label}: {turn.result}", *preview]
