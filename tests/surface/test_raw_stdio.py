"""The main job as any client sees it: raw lines over stdio, in each protocol revision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from PIL import Image

from imagewright.catalog.load import catalog
from imagewright.engine.offer import HELPER_TOOLS
from tests.support.pictures import photo
from tests.support.raw_client import AS_A_USER, ERAS, LEGACY, MODERN, REVISIONS, RawClient

if TYPE_CHECKING:
    from collections.abc import Iterator

PHOTO = "photo.png"
REPLY_LIMIT = 1_048_576
"""Bytes at which Claude Desktop cuts a reply."""


BY_ERA = (*ERAS, *(revision for revision in REVISIONS if revision not in ERAS))
"""The eras first: pytest tells the values of a parameter apart by their places."""
EACH_ERA = pytest.mark.parametrize("client", ERAS, indirect=True)


@pytest.fixture(params=BY_ERA, scope="module")
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    """One server for all tests of a revision: starting is what takes the time."""
    base = tmp_path_factory.mktemp("server")
    env = {"IMAGEWRIGHT_HOME": str(base / "home"), "IMAGEWRIGHT_ROOTS": str(base), "HOME": str(base)}
    (base / PHOTO).write_bytes(photo(640, 480))
    with RawClient(request.param, env=env, program=AS_A_USER) as raw:
        yield raw
    assert raw.stray == []
    assert raw.process.returncode == 0


def sample_arguments(schema: dict[str, Any], picture: Path) -> dict[str, Any]:
    """Arguments for a tool, from its schema alone."""
    values: dict[str, Any] = {"prompt": "a lighthouse at dusk"} if "prompt" in schema["properties"] else {}
    for name, part in schema["properties"].items():
        if name in schema.get("required", ()):
            match part:
                case {"enum": [first, *_]}:
                    values[name] = first
                case {"type": "array"}:
                    values[name] = [str(picture)]
                case {"type": "string"} if name != "prompt":
                    values[name] = str(picture)
    return values


def test_the_hello_names_the_server_and_its_rules(client: RawClient) -> None:
    assert client.hello["instructions"]
    if client.revision == MODERN:
        assert MODERN in client.hello["supportedVersions"]
    else:
        assert client.hello["protocolVersion"] == client.revision
    assert client.hello["capabilities"]["tools"]["listChanged"] is True
    assert client.hello["capabilities"]["resources"] == {"listChanged": True, "subscribe": False}


def test_the_ten_tools_are_listed_with_schemas(client: RawClient) -> None:
    tools = client.ask("tools/list")["tools"]
    assert [tool["name"] for tool in tools] == [*catalog(), *HELPER_TOOLS]
    for tool in tools:
        jsonschema.Draft202012Validator.check_schema(tool["inputSchema"])
        jsonschema.Draft202012Validator.check_schema(tool["outputSchema"])
        assert tool["description"]


@EACH_ERA
@pytest.mark.parametrize("topic", ["overview", *catalog()])
def test_each_guide_is_a_resource_and_a_tool_answer(client: RawClient, topic: str) -> None:
    uri = "guide://overview" if topic == "overview" else f"guide://tools/{topic}"
    assert uri in [one["uri"] for one in client.ask("resources/list")["resources"]]
    text = client.ask("resources/read", {"uri": uri})["contents"][0]["text"]
    answer = client.call("image_guide", {"topic": topic})
    assert answer["structuredContent"] == {"topic": topic, "markdown": text}


@EACH_ERA
@pytest.mark.parametrize("name", catalog())
def test_each_tool_makes_its_picture(client: RawClient, name: str) -> None:
    tool = next(tool for tool in client.ask("tools/list")["tools"] if tool["name"] == name)
    picture = Path(client.env["IMAGEWRIGHT_ROOTS"]) / PHOTO
    request = client.begin(
        "tools/call", {"name": name, "arguments": sample_arguments(tool["inputSchema"], picture)}, progress=True
    )
    message = client.answer(request)
    result = message["result"]
    assert not result.get("isError"), result
    assert len(json.dumps(message)) < REPLY_LIMIT
    jsonschema.validate(result["structuredContent"], tool["outputSchema"])
    assert "base64" not in json.dumps(result["structuredContent"])
    kinds = [block["type"] for block in result["content"]]
    assert kinds == ["image", "text"]
    made = result["structuredContent"]["images"][0]
    with Image.open(made["path"]) as opened:
        assert opened.size == (made["width"], made["height"])
    assert made["id"] in result["content"][1]["text"]
    assert made["path"] in result["content"][1]["text"]
    full = client.ask("resources/read", {"uri": made["uri"]})["contents"][0]
    assert full["mimeType"] == f"image/{made['format']}"
    small = client.ask("resources/read", {"uri": f"{made['uri']}/preview"})["contents"][0]
    assert small["blob"]


def test_progress_rises_and_stays_below_its_total(client: RawClient) -> None:
    while not client.notifications.empty():
        client.notifications.get()
    client.call(next(iter(catalog())), {"prompt": "hills"}, progress=True)
    sent = []
    while not client.notifications.empty():
        note = client.notifications.get()
        if note["method"] == "notifications/progress":
            sent.append(note["params"]["progress"])
    assert sent
    assert sent == sorted(set(sent))
    assert sent[-1] <= 1


NO_RESOURCE = {LEGACY[0]: -32002, LEGACY[1]: -32002, MODERN: -32602}
"""What each revision says of a resource that is not there."""
NONSENSE: list[tuple[str, dict[str, Any], int | dict[str, int]]] = [
    ("no/such/method", {}, -32601),
    ("resources/read", {"uri": "image://img_nosuchpicture"}, NO_RESOURCE),
    ("resources/read", {"uri": "guide://tools/no_such_tool"}, NO_RESOURCE),
    ("resources/read", {"uri": "file:///etc/passwd"}, NO_RESOURCE),
    ("prompts/get", {"name": "no_such_prompt"}, -32602),
]


@pytest.mark.parametrize(("method", "params", "code"), NONSENSE)
def test_protocol_faults_are_protocol_errors(
    client: RawClient, method: str, params: dict[str, Any], code: int | dict[str, int]
) -> None:
    expected = code if isinstance(code, int) else code[client.revision]
    assert client.answer(client.begin(method, params))["error"]["code"] == expected


PLACEHOLDERS = [
    ("make_picture", {"subject": "$1", "style": "$2", "aspect_ratio": "$3", "tool": "$4"}),
    ("make_picture", {"subject": "$ARGUMENTS", "tool": "$ARGUMENTS"}),
    ("edit_picture", {"picture": "$1", "change": "$2", "tool": "$12"}),
]


@EACH_ERA
@pytest.mark.parametrize(("name", "given"), PLACEHOLDERS)
def test_what_a_client_fills_in_itself_stays_in_the_prompt(client: RawClient, name: str, given: dict[str, str]) -> None:
    (message,) = client.ask("prompts/get", {"name": name, "arguments": given})["messages"]
    assert all(value in message["content"]["text"] for value in given.values())
    error = client.answer(client.begin("prompts/get", {"name": name, "arguments": given | {"tool": "$tool"}}))["error"]
    assert error["code"] == -32602


GARBLED: list[tuple[str, int | None, int | None]] = [
    ("", None, None),
    ("not json", -32700, None),
    ('{"jsonrpc":"2.0","id":9001,"method":"prompts/get","params":{"name":"\\ud800"}}', -32700, 9001),
    ("[1,2]", -32600, None),
    ("5", -32600, None),
    ("{}", -32600, None),
    ('{"jsonrpc":"2.0"}', -32600, None),
    ('{"jsonrpc":"2.0","id":{},"method":"tools/list"}', -32600, None),
]


@EACH_ERA
@pytest.mark.parametrize(("line", "code", "number"), GARBLED)
def test_a_garbled_line_is_answered_and_does_not_stop_the_server(
    client: RawClient, line: str, code: int | None, number: int | None
) -> None:
    client.send(line)
    if code is not None:
        error = client._answers.get(timeout=60)  # noqa: SLF001 - an answer without a number is nobody's
        assert (error["id"], error["error"]["code"]) == (number, code)
    assert client.ask("tools/list")["tools"]


@EACH_ERA
@pytest.mark.parametrize("name", [*catalog(), *HELPER_TOOLS])
def test_unknown_arguments_are_refused_as_tool_errors(client: RawClient, name: str) -> None:
    result = client.call(name, {"frobnicate": 1})
    assert result["isError"] is True
    assert "frobnicate: unknown argument" in result["content"][0]["text"]
    assert "structuredContent" not in result or result["structuredContent"] is None


def test_an_unknown_tool_is_refused_with_the_nearest(client: RawClient) -> None:
    name = next(iter(catalog()))
    result = client.call(name[:-1], {})
    assert result["isError"] is True
    assert repr(name) in result["content"][0]["text"]
