"""How the two widely served APIs are asked and what they answer: Messages, and Chat Completions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from evals.answer import Call
from evals.messages import anthropic_body, openai_body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evals.request import Request
    from evals.shown import Shown

MOST_TOKENS = 4096
"""Tokens of one reply where the API wants a limit; the longest right answer, a long brief, takes about 1,000."""
VERSION = "2023-06-01"
"""The version of the Messages API, as its header names it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model replied."""

    calls: tuple[Call, ...]
    ids: tuple[str, ...]
    """The API's own id of each call, which its result has to name."""
    text: str
    message: Mapping[str, Any]
    """The assistant's message as the API wants it back."""
    tokens_in: int
    tokens_out: int


class Api(Protocol):
    """One API."""

    path: str
    """Where it is asked, below the base address that its users give."""
    key_variable: str
    """The environment variable that its key stands in."""

    def headers(self, key: str) -> dict[str, str]:
        """What is sent with the key; nothing where there is none."""
        ...

    def body(self, request: Request, shown: Shown, model: str) -> dict[str, Any]:
        """What is sent."""
        ...

    def read(self, reply: Any) -> Reply:
        """What came back.

        Raises:
            KeyError, IndexError, TypeError: it is not a reply of this API.
        """
        ...

    def results(self, reply: Reply, texts: Sequence[str]) -> list[dict[str, Any]]:
        """The messages that follow when each call of a reply has answered with its text."""
        ...


class Messages:
    """The Messages API of Anthropic."""

    path = "/v1/messages"
    key_variable = "ANTHROPIC_API_KEY"

    def headers(self, key: str) -> dict[str, str]:
        """As in `Api`."""
        return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})

    def body(self, request: Request, shown: Shown, model: str) -> dict[str, Any]:
        """As in `Api`."""
        return {"model": model, "max_tokens": MOST_TOKENS} | anthropic_body(request, shown)

    def read(self, reply: Any) -> Reply:
        """As in `Api`."""
        blocks = reply["content"]
        uses = [block for block in blocks if block["type"] == "tool_use"]
        return Reply(
            calls=tuple(Call(tool=use["name"], arguments=use["input"]) for use in uses),
            ids=tuple(use["id"] for use in uses),
            text="\n".join(block["text"] for block in blocks if block["type"] == "text"),
            message={"role": "assistant", "content": blocks},
            tokens_in=reply["usage"]["input_tokens"],
            tokens_out=reply["usage"]["output_tokens"],
        )

    def results(self, reply: Reply, texts: Sequence[str]) -> list[dict[str, Any]]:
        """As in `Api`."""
        blocks = [
            {"type": "tool_result", "tool_use_id": name, "content": text}
            for name, text in zip(reply.ids, texts, strict=True)
        ]
        return [dict(reply.message), {"role": "user", "content": blocks}]


class ChatCompletions:
    """The Chat Completions API of OpenAI, which many other servers speak too."""

    path = "/chat/completions"
    key_variable = "OPENAI_API_KEY"

    def headers(self, key: str) -> dict[str, str]:
        """As in `Api`."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def body(self, request: Request, shown: Shown, model: str) -> dict[str, Any]:
        """As in `Api`."""
        return {"model": model} | openai_body(request, shown)

    def read(self, reply: Any) -> Reply:
        """As in `Api`. Arguments that are no JSON stay the text that they are."""
        message = reply["choices"][0]["message"]
        made = message.get("tool_calls") or []
        back = {name: value for name, value in message.items() if name in {"role", "content", "tool_calls"}}
        usage = reply.get("usage") or {}  # servers of one's own may count nothing
        return Reply(
            calls=tuple(_call(one["function"]) for one in made),
            ids=tuple(one["id"] for one in made),
            text=message.get("content") or "",
            message=back,
            tokens_in=usage.get("prompt_tokens", 0),
            tokens_out=usage.get("completion_tokens", 0),
        )

    def results(self, reply: Reply, texts: Sequence[str]) -> list[dict[str, Any]]:
        """As in `Api`."""
        answers = [
            {"role": "tool", "tool_call_id": name, "content": text} for name, text in zip(reply.ids, texts, strict=True)
        ]
        return [dict(reply.message), *answers]


def _call(function: Mapping[str, str]) -> Call:
    text = function["arguments"]
    try:
        arguments = json.loads(text or "{}")
    except json.JSONDecodeError:
        arguments = text
    return Call(tool=function["name"], arguments=arguments)
