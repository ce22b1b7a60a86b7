"""The model on this machine asks for its calls one by one, in each interface, and reads what they came to."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.fake_model import DONE, FIRST_SEARCHES, FakeModel, Step

STEPS = [Step("paint", {"prompt": "a fox"}), Step("paint", {"images": ["{id}"]})]
PICTURE = base64.b64encode(b"picture").decode()
TEXT = "made img_0123456789abcdef"
SCHEMA = {"type": "object"}
CALLS = ("call_step_0", "call_step_1")


Ask = Callable[[int], tuple[str, dict[str, Any]]]


def anthropic(results: int) -> tuple[str, dict[str, Any]]:
    source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
    content = [{"type": "text", "text": TEXT}, {"type": "image", "source": source}]
    shown = [{"type": "tool_result", "tool_use_id": call, "content": content} for call in CALLS[:results]]
    messages = [{"role": "user", "content": "go on"}, {"role": "user", "content": shown}]
    return "/v1/messages", {"tools": [{"name": "mcp__x__paint", "input_schema": SCHEMA}], "messages": messages}


def chat(results: int) -> tuple[str, dict[str, Any]]:
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
    shown = [{"role": "tool", "tool_call_id": call, "content": TEXT} for call in CALLS[:results]]
    follow = [{"role": "user", "content": [url]}] if results else []
    tools = [{"type": "function", "function": {"name": "x_paint", "parameters": SCHEMA}}]
    return "/v1/chat/completions", {"tools": tools, "messages": [{"role": "user", "content": "go on"}, *shown, *follow]}


def responses(results: int) -> tuple[str, dict[str, Any]]:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"}
    output = [{"type": "input_text", "text": TEXT}, image]
    shown = [{"type": "function_call_output", "call_id": call, "output": output} for call in CALLS[:results]]
    tools = [{"type": "namespace", "name": "x", "tools": [{"type": "function", "name": "paint", "parameters": SCHEMA}]}]
    return "/v1/responses", {"tools": tools, "input": [{"role": "user", "content": "go on"}, *shown]}


def google(results: int) -> tuple[str, dict[str, Any]]:
    answer = {"functionResponse": {"name": "x_paint", "response": {"output": TEXT}}}
    image = {"inlineData": {"mimeType": "image/png", "data": PICTURE}}
    contents = [{"role": "user", "parts": [{"text": "go on"}]}, *[{"parts": [answer, image]}] * results]
    body = {"tools": [{"functionDeclarations": [{"name": "x_paint", "parameters": SCHEMA}]}], "contents": contents}
    return "/v1beta/models/any:generateContent", body


def post(model: FakeModel, path: str, body: dict[str, Any]) -> str:
    request = urllib.request.Request(model.url() + path, json.dumps(body).encode(), method="POST")  # noqa: S310 - ours
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - loopback
        return str(reply.read().decode())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("ask", [anthropic, chat, responses, google])
def test_it_asks_for_one_call_after_the_other(
    ask: Callable[[int], tuple[str, dict[str, Any]]], *, stream: bool
) -> None:
    with FakeModel(STEPS) as model:
        answers = []
        for results in range(3):
            path, body = ask(results)
            if stream and ask is google:
                path = path.replace(":generate", ":streamGenerate")
            answers.append(post(model, path, body | ({"stream": True} if stream else {})))
    assert "a fox" in answers[0]
    assert "img_0123456789abcdef" in answers[1], "the id is read in the first result"
    assert DONE in answers[2]
    assert all(answer.startswith(("data: ", "event: ")) is stream for answer in answers)
    assert [tool.name.endswith("paint") for tool in model.tools_at[0]] == [True]
    assert [one.text.strip() for one in model.shown] == [TEXT, TEXT]
    assert model.shown[-1].pictures[-1] == b"picture"
    assert not model.missing
    assert not model.shown[0].strange


def test_a_tool_that_is_no_longer_offered_is_missed() -> None:
    with FakeModel([STEPS[0], Step("draw")]) as model:
        answers = [post(model, *anthropic(results)) for results in range(2)]
    assert "There is no tool draw" in answers[1]
    assert model.missing == {"draw"}


def test_a_tool_that_is_kept_back_is_searched_for_a_few_times() -> None:
    search = {"name": "ToolSearch", "input_schema": SCHEMA}
    path, body = anthropic(0)
    with FakeModel([Step("draw")]) as model:
        model.pause = 0
        found: list[dict[str, Any]] = []
        for _ in range(FIRST_SEARCHES + 1):
            messages = [*body["messages"], {"role": "user", "content": found}]
            answer = json.loads(post(model, path, {"tools": [search], "messages": messages}))["content"][0]
            if answer["type"] == "text":
                break
            assert (answer["name"], answer["input"]) == ("ToolSearch", {"query": "draw"})
            found.append({"type": "tool_result", "tool_use_id": answer["id"], "content": "nothing"})
    assert answer["text"] == "There is no tool draw."
    assert len(found) == FIRST_SEARCHES
