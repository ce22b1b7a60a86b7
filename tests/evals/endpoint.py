"""A server of both APIs on loopback that is as strict about what it is sent as they are, and answers as it is told."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tests.emulators.base import Door, Emulator
from tests.emulators.messages import Answer, Received

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Replying = Callable[[dict[str, Any]], dict[str, Any]]

NAME = r"^[a-zA-Z0-9_-]{1,64}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Source(_Strict):
    type: Literal["base64"]
    media_type: Literal["image/png", "image/jpeg"]
    data: str


class _Text(_Strict):
    type: Literal["text"]
    text: str = Field(min_length=1)


class _Image(_Strict):
    type: Literal["image"]
    source: _Source


class _Use(_Strict):
    type: Literal["tool_use"]
    id: str
    name: str = Field(pattern=NAME)
    input: dict[str, Any]


class _Result(_Strict):
    type: Literal["tool_result"]
    tool_use_id: str
    content: str | list[_Text | _Image]
    is_error: bool = False


class _Message(_Strict):
    role: Literal["user", "assistant"]
    content: list[_Text | _Image | _Use | _Result] = Field(min_length=1)


class _Tool(_Strict):
    name: str = Field(pattern=NAME)
    description: str
    input_schema: dict[str, Any]


class MessagesBody(_Strict):
    """What `POST /v1/messages` takes, as far as it is used here."""

    model: str
    max_tokens: int = Field(gt=0)
    system: str
    messages: list[_Message] = Field(min_length=1)
    tools: list[_Tool] = []

    def faults(self) -> list[str]:
        """What is wrong beyond the fields' own forms."""
        found = [f"{tool.name}: schema" for tool in self.tools if tool.input_schema.get("type") != "object"]
        roles = [message.role for message in self.messages]
        if roles != [("user", "assistant")[place % 2] for place in range(len(roles))] or roles[-1] != "user":
            found.append(f"roles {roles}")
        asked: list[str] = []
        for message in self.messages:
            answered = [block.tool_use_id for block in message.content if isinstance(block, _Result)]
            if asked != answered or not all(isinstance(block, _Result) for block in message.content[: len(answered)]):
                found.append(f"results of {answered}, not of {asked}")
            asked = [block.id for block in message.content if isinstance(block, _Use)]
            inner = [one for block in message.content if isinstance(block, _Result) for one in _blocks(block)]
            images = [block for block in (*message.content, *inner) if isinstance(block, _Image)]
            found += [fault for image in images if (fault := _picture(image.source.media_type, image.source.data))]
        return found


def _blocks(result: _Result) -> Sequence[_Text | _Image]:
    return [] if isinstance(result.content, str) else result.content


class _Url(_Strict):
    url: str = Field(pattern=r"^data:image/(png|jpeg);base64,")


class _ImagePart(_Strict):
    type: Literal["image_url"]
    image_url: _Url


class _Made(_Strict):
    name: str = Field(pattern=NAME)
    arguments: str


class _ToolCall(_Strict):
    id: str
    type: Literal["function"]
    function: _Made


class _System(_Strict):
    role: Literal["system"]
    content: str


class _User(_Strict):
    role: Literal["user"]
    content: str | list[_Text | _ImagePart]


class _Assistant(_Strict):
    role: Literal["assistant"]
    content: str | None
    tool_calls: list[_ToolCall] = []


class _ToolMessage(_Strict):
    role: Literal["tool"]
    tool_call_id: str
    content: str


class _Function(_Strict):
    name: str = Field(pattern=NAME)
    description: str
    parameters: dict[str, Any]


class _FunctionTool(_Strict):
    type: Literal["function"]
    function: _Function


class ChatBody(_Strict):
    """What `POST /chat/completions` takes, as far as it is used here."""

    model: str
    messages: list[_System | _User | _Assistant | _ToolMessage] = Field(min_length=2)
    tools: list[_FunctionTool] | None = Field(default=None, min_length=1)

    def faults(self) -> list[str]:
        """What is wrong beyond the fields' own forms."""
        found = [] if isinstance(self.messages[0], _System) else ["no system message first"]
        open_calls: list[str] = []
        for message in self.messages:
            if isinstance(message, _ToolMessage):
                if message.tool_call_id not in open_calls:
                    found.append(f"a result of {message.tool_call_id}, not of {open_calls}")
                open_calls = [one for one in open_calls if one != message.tool_call_id]
                continue
            found += [f"{open_calls} not answered"] if open_calls else []
            open_calls = [one.id for one in message.tool_calls] if isinstance(message, _Assistant) else []
            parts = message.content if isinstance(message, _User) and isinstance(message.content, list) else []
            for part in parts:
                if isinstance(part, _ImagePart):
                    kind, _, data = part.image_url.url.removeprefix("data:").partition(";base64,")
                    found += [fault] if (fault := _picture(kind, data)) else []
        return found + ([f"{open_calls} not answered"] if open_calls else [])


def _picture(kind: str, data: str) -> str:
    """What is wrong with an encoded picture; empty for nothing."""
    with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as picture:
        return "" if f"image/{str(picture.format).lower()}" == kind else f"{picture.format} as {kind}"


class ModelEndpoint(Emulator):
    """Both APIs. `reply` makes the model's answer from the body: `{"text": ..., "calls": [(name, arguments), ...]}`."""

    key = "fake-model-key-123"

    def __init__(self, reply: Replying) -> None:
        super().__init__()
        self.reply = reply

    def doors(self) -> list[Door]:
        """As there."""
        return [
            Door("messages", "api", "POST", r"/v1/messages", self._messages),
            Door("chat", "api", "POST", r"/v1/chat/completions", self._chat),
        ]

    def _messages(self, received: Received) -> Answer:
        if received.headers.get("x-api-key") != self.key or "anthropic-version" not in received.headers:
            return Answer.of({"type": "error", "error": {"type": "authentication_error", "message": "no key"}}, 401)
        made = self._made(MessagesBody, received)
        if isinstance(made, Answer):
            return made
        text = [{"type": "text", "text": made["text"]}] if made.get("text") else []
        uses = [
            {"type": "tool_use", "id": f"toolu_new{place}", "name": name, "input": arguments}
            for place, (name, arguments) in enumerate(made.get("calls", []))
        ]
        usage = {"input_tokens": 1000, "output_tokens": 100}
        return Answer.of({"type": "message", "role": "assistant", "content": [*text, *uses], "usage": usage})

    def _chat(self, received: Received) -> Answer:
        if received.headers.get("authorization") != f"Bearer {self.key}":
            return Answer.of({"error": {"message": "Incorrect API key provided"}}, 401)
        made = self._made(ChatBody, received)
        if isinstance(made, Answer):
            return made
        calls = [
            {
                "id": f"call_new{place}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
                },
            }
            for place, (name, arguments) in enumerate(made.get("calls", []))
        ]
        message = {"role": "assistant", "content": made.get("text"), "refusal": None}
        message |= {"tool_calls": calls} if calls else {}
        usage = {"prompt_tokens": 1000, "completion_tokens": 100}
        return Answer.of({"choices": [{"index": 0, "message": message}], "usage": usage})

    def _made(self, form: type[MessagesBody | ChatBody], received: Received) -> dict[str, Any] | Answer:
        """What the model answers, or the refusal of what it was sent."""
        body = json.loads(received.body)
        try:
            faults = form.model_validate(body).faults()
        except ValidationError as error:
            faults = [str(error)]
        if faults:
            self.violations += faults
            return Answer.of({"error": {"type": "invalid_request_error", "message": "; ".join(faults)}}, 400)
        return self.reply(body)
