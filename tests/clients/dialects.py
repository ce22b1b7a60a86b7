"""How four model interfaces are spoken: what a client sends a model, and how a model asks for a call.

Each function pair reads one request into `Asked` and writes one turn of the model, whole or as a stream of events.
Only what clients need is written. Read from the makers' own SDKs and documents in November 2026.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable  # noqa: TC003 - data classes are read at run time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Json = dict[str, Any]
MODEL = "fake-model"
USAGE = 7
"""Tokens of everything, for fields that want a number."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool as the model is told of it."""

    name: str
    description: str
    schema: Json
    namespace: str = ""
    """The group it stands in, where an interface has groups."""


@dataclass
class Shown:
    """What a call came to, as the model is shown it."""

    call: str
    """The id of the call, or its tool's name where calls have no id."""
    text: str = ""
    pictures: list[bytes] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    """Blocks that are neither a text nor an embedded picture."""
    is_error: bool | None = None
    """Whether it is marked as failed; None where the interface has no such mark."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to the model."""

    tools: list[Offered]
    shown: list[Shown]
    """The results of all calls so far, in order."""
    text: str
    """What its system and user said, in one piece."""
    streamed: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model answers: a call of a tool, or words."""

    text: str = ""
    tool: Offered | None = None
    arguments: Json = field(default_factory=dict)
    call: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One interface."""

    label: str
    path: str
    """Regular expression of the paths its requests go to."""
    read: Callable[[Json], Asked]
    write: Callable[[Turn], Json]
    stream: Callable[[Turn], Iterator[tuple[str, Json]]]
    """Events as (name, content); an empty name for interfaces that give none."""
    end: str = ""
    """What closes a stream."""


def _parts(content: Any) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [part if isinstance(part, dict) else {"type": "text", "text": str(part)} for part in content or []]


def _add(shown: Shown, parts: Iterable[Json]) -> None:
    """Take the blocks of a result, of whichever interface."""
    for part in parts:
        match part:
            case {"type": "text" | "input_text" | "output_text", "text": str() as text} | {"text": str() as text}:
                shown.text += f"{text}\n"
            case {"type": "image", "source": {"type": "base64", "data": str() as data}}:
                shown.pictures.append(base64.b64decode(data))
            case {"image_url": {"url": str() as url}} | {"image_url": str() as url} if url.startswith("data:image/"):
                shown.pictures.append(base64.b64decode(url.partition(",")[2]))
            case {"inlineData": {"mimeType": str() as mime, "data": str() as data}} if mime.startswith("image/"):
                shown.pictures.append(base64.b64decode(data))
            case _:
                shown.strange.append(json.dumps(part)[:200])


def _pictures_of(parts: Iterable[Json]) -> list[Json]:
    return [part for part in parts if {"image_url", "inlineData"} & part.keys() or part.get("type") == "image"]


# Anthropic, Messages


def _read_messages(body: Json) -> Asked:
    tools = [
        Offered(tool["name"], tool.get("description", ""), tool["input_schema"])
        for tool in body.get("tools", [])
        if "input_schema" in tool
    ]
    shown: list[Shown] = []
    texts = [part.get("text", "") for part in _parts(body.get("system"))]
    for message in body["messages"]:
        for part in _parts(message["content"]):
            if part["type"] == "tool_result":
                one = Shown(part["tool_use_id"], is_error=bool(part.get("is_error")))
                _add(one, _parts(part.get("content")))
                shown.append(one)
            elif shown and part["type"] == "image":
                _add(shown[-1], [part])
            elif message["role"] == "user":
                texts.append(part.get("text", ""))
    return Asked(tools, shown, "\n".join(texts), body.get("stream") is True)


def _message_blocks(turn: Turn) -> list[Json]:
    if turn.tool is None:
        return [{"type": "text", "text": turn.text}]
    return [{"type": "tool_use", "id": turn.call, "name": turn.tool.name, "input": turn.arguments}]


def _write_message(turn: Turn) -> Json:
    return {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": _message_blocks(turn),
        "stop_reason": "tool_use" if turn.tool else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": USAGE, "output_tokens": USAGE},
    }


def _stream_message(turn: Turn) -> Iterator[tuple[str, Json]]:
    def event(kind: str, **content: Any) -> tuple[str, Json]:
        return kind, {"type": kind, **content}

    whole = _write_message(turn)
    yield event("message_start", message={**whole, "content": [], "stop_reason": None})
    block = whole["content"][0]
    if turn.tool:
        yield event("content_block_start", index=0, content_block={**block, "input": {}})
        delta = {"type": "input_json_delta", "partial_json": json.dumps(turn.arguments)}
    else:
        yield event("content_block_start", index=0, content_block={**block, "text": ""})
        delta = {"type": "text_delta", "text": turn.text}
    yield event("content_block_delta", index=0, delta=delta)
    yield event("content_block_stop", index=0)
    ending = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=ending, usage={"output_tokens": USAGE})
    yield event("message_stop")


# OpenAI, Chat Completions


def _read_chat(body: Json) -> Asked:
    tools = [
        Offered(tool["function"]["name"], tool["function"].get("description", ""), tool["function"]["parameters"])
        for tool in body.get("tools") or []
        if "parameters" in tool.get("function", {})
    ]
    shown: list[Shown] = []
    texts = []
    for message in body["messages"]:
        parts = _parts(message.get("content"))
        if message["role"] == "tool":
            shown.append(Shown(message["tool_call_id"]))
            _add(shown[-1], parts)
        elif message["role"] != "assistant":
            texts += [part.get("text", "") for part in parts]
            if shown:
                _add(shown[-1], _pictures_of(parts))
    return Asked(tools, shown, "\n".join(texts), body.get("stream") is True)


def _write_chat(turn: Turn) -> Json:
    message: Json = {"role": "assistant", "content": turn.text or None}
    if turn.tool:
        function = {"name": turn.tool.name, "arguments": json.dumps(turn.arguments)}
        message["tool_calls"] = [{"index": 0, "id": turn.call, "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if turn.tool else "stop"}
    usage = {"prompt_tokens": USAGE, "completion_tokens": USAGE, "total_tokens": 2 * USAGE}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [choice],
        "usage": usage,
    }


def _stream_chat(turn: Turn) -> Iterator[tuple[str, Json]]:
    whole = _write_chat(turn)
    choice = whole["choices"][0]
    chunk = {**whole, "object": "chat.completion.chunk", "usage": None}
    yield "", {**chunk, "choices": [{"index": 0, "delta": choice["message"], "finish_reason": None}]}
    yield "", {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
    yield "", {**chunk, "choices": [], "usage": whole["usage"]}


# OpenAI, Responses


def _offered_responses(tools: Iterable[Json], namespace: str = "") -> Iterator[Offered]:
    for tool in tools:
        if tool.get("type") == "namespace":
            yield from _offered_responses(tool["tools"], tool["name"])
        elif "parameters" in tool:
            yield Offered(tool["name"], tool.get("description", ""), tool["parameters"], namespace)


def _read_responses(body: Json) -> Asked:
    shown: list[Shown] = []
    texts = [body.get("instructions") or ""]
    items = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
    for item in items:
        if item.get("type") == "function_call_output":
            shown.append(Shown(item["call_id"]))
            _add(shown[-1], _parts(item["output"]))
        elif item.get("role") in {"user", "developer", "system"}:
            parts = _parts(item["content"])
            texts += [part.get("text", "") for part in parts]
            if shown:
                _add(shown[-1], _pictures_of(parts))
    tools = [*_offered_responses(body.get("tools") or [])]
    return Asked(tools, shown, "\n".join(texts), body.get("stream") is True)


def _response_item(turn: Turn) -> Json:
    if turn.tool is None:
        content = [{"type": "output_text", "text": turn.text, "annotations": []}]
        return {"type": "message", "id": "msg_fake", "role": "assistant", "status": "completed", "content": content}
    item = {"type": "function_call", "id": f"fc_{turn.call}", "call_id": turn.call, "status": "completed"}
    group = {"namespace": turn.tool.namespace} if turn.tool.namespace else {}
    return {**item, "name": turn.tool.name, **group, "arguments": json.dumps(turn.arguments)}


def _write_response(turn: Turn) -> Json:
    usage = {
        "input_tokens": USAGE,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": USAGE,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 2 * USAGE,
    }
    return {
        "id": f"resp_{turn.call or 'end'}",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": MODEL,
        "output": [_response_item(turn)],
        "parallel_tool_calls": False,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage,
    }


def _stream_response(turn: Turn) -> Iterator[tuple[str, Json]]:
    whole = _write_response(turn)
    item = whole["output"][0]
    number = iter(range(100))

    def event(kind: str, **content: Any) -> tuple[str, Json]:
        return kind, {"type": kind, "sequence_number": next(number), **content}

    yield event("response.created", response={**whole, "status": "in_progress", "output": [], "usage": None})
    place = {"output_index": 0, "item_id": item["id"]}
    if turn.tool:
        begun = {**item, "status": "in_progress", "arguments": ""}
        yield event("response.output_item.added", output_index=0, item=begun)
        yield event("response.function_call_arguments.delta", **place, delta=item["arguments"])
        yield event("response.function_call_arguments.done", **place, name=item["name"], arguments=item["arguments"])
    else:
        part = item["content"][0]
        at = {**place, "content_index": 0}
        yield event("response.output_item.added", output_index=0, item={**item, "status": "in_progress", "content": []})
        yield event("response.content_part.added", **at, part={**part, "text": ""})
        yield event("response.output_text.delta", **at, delta=turn.text, logprobs=[])
        yield event("response.output_text.done", **at, text=turn.text, logprobs=[])
        yield event("response.content_part.done", **at, part=part)
    yield event("response.output_item.done", output_index=0, item=item)
    yield event("response.completed", response=whole)


# Google, generateContent


def _read_contents(body: Json) -> Asked:
    tools = [
        Offered(one["name"], one.get("description", ""), one.get("parametersJsonSchema") or one.get("parameters") or {})
        for group in body.get("tools", [])
        for one in group.get("functionDeclarations", [])
    ]
    shown: list[Shown] = []
    texts = [part.get("text", "") for part in (body.get("systemInstruction") or {}).get("parts", [])]
    for content in body["contents"]:
        for part in content["parts"]:
            if "functionResponse" in part:
                answer = part["functionResponse"]
                one = Shown(answer.get("id") or answer["name"], is_error="error" in answer["response"])
                one.text = "\n".join(v if isinstance(v, str) else json.dumps(v) for v in answer["response"].values())
                _add(one, answer.get("parts", []))
                shown.append(one)
            elif shown and "inlineData" in part:
                _add(shown[-1], [part])
            elif content.get("role") != "model":
                texts.append(part.get("text", ""))
    return Asked(tools, shown, "\n".join(texts), streamed=False)  # the path says whether it is a stream


def _write_content(turn: Turn) -> Json:
    part: Json = {"text": turn.text}
    if turn.tool:
        part = {"functionCall": {"id": turn.call, "name": turn.tool.name, "args": turn.arguments}}
    content = {"role": "model", "parts": [part]}
    usage = {"promptTokenCount": USAGE, "candidatesTokenCount": USAGE, "totalTokenCount": 2 * USAGE}
    candidate = {"content": content, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL, "responseId": "fake"}


def _stream_content(turn: Turn) -> Iterator[tuple[str, Json]]:
    yield "", _write_content(turn)


DIALECTS = (
    Dialect("anthropic", r"(/v1)?/messages", _read_messages, _write_message, _stream_message),
    Dialect("chat", r"(/v1)?/chat/completions", _read_chat, _write_chat, _stream_chat, "data: [DONE]\n\n"),
    Dialect("responses", r"(/v1)?/responses", _read_responses, _write_response, _stream_response),
    Dialect("google", r"/v1\w*/models/[^:]+:(?P<how>\w+)", _read_contents, _write_content, _stream_content),
)
