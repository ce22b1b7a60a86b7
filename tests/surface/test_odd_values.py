"""Whatever a caller sends, in whichever argument, is refused in few words and is no fault of the server."""

from __future__ import annotations

import base64
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import mcp.types as t
import pytest

from imagewright.catalog.load import catalog
from imagewright.engine.engine import open_engine
from imagewright.engine.offer import HELPER_TOOLS
from imagewright.errors import Refusal
from imagewright.settings.load import load_settings
from imagewright.storage.records import LOCAL
from imagewright.surface.definitions import all_definitions
from imagewright.surface.tools import REPORTED, Tools
from tests.support.fitting_arguments import fitting, sample
from tests.support.pictures import photo
from tests.support.raw_client import MODERN, RawClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from imagewright.catalog.row import OperationName, Row
    from imagewright.engine.engine import Engine

LARGEST_REFUSAL = 100_000
"""Bytes of a whole encoded refusal."""
PHOTO = "data:image/png;base64," + base64.b64encode(photo(480, 400)).decode("ascii")
REFUSED_AT_LAST = {"save_as": "../x.png"}
"""Nothing is made for the calls below, however right the rest of them is."""

DEEP = "abc/" * 1100
"""More folders than Python nests calls, and more bytes than a path may have; each folder costs every call time."""


def nest(depth: int) -> Any:
    """A list in a list in a list ..."""
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


ODD: dict[str, Any] = {
    "400 digits": 10**400,
    "minus 400 digits": -(10**400),
    "4,200 digits": 10**4200,
    "infinity": float("inf"),
    "no number": float("nan"),
    "a large float": 1e308,
    "digits": "9" * 400,
    "a wide ratio": f"{'9' * 400}:1",
    "a high ratio": f"1:{'9' * 400}",
    "a huge ratio": f"{'9' * 400}:{'9' * 400}",
    "NUL": "\x00",
    "a name with NUL": "/tmp/a\x00b.png",  # noqa: S108 - nothing is written there
    "half a character": "a\ud800.png",
    "a path with half a character": "/tmp/\udcff.png",  # noqa: S108 - as above
    "turned writing": "\u202egnp.exe",
    "no name": "http://xn--/",
    "a name of no letters": "http://xn--a/x.png",
    "a bracket": "http://[",
    "no port": "http://127.0.0.1:65536/",
    "30 digits for a port": f"http://127.0.0.1:{10**30}/",
    "a long host": f"http://{'a' * 70_000}/",
    "another root": "/proc/1/root/x.png",
    "its own root": "/proc/self/root/x.png",
    "open files": "/proc/self/fd/0",
    "a device": "/dev/zero",
    "deep": "/" + DEEP + "x.png",
    "deep and relative": DEEP + "x.png",
    "long": "/" + "x" * 5000,
    "a megabyte": "x" * 1_000_000,
    "a long name": "ü" * 200 + ".png",
    "nobody's home": "~nobody-of-that-name/x.png",
    "a URI with NUL": "file:///%00",
    "a URI of no letters": "file:///%ff%fe",
    "an empty data URI": "data:",
    "broken base64": "data:image/png;base64,####",
    "no data": "data:image/png;base64,",
    "a long id": "img_" + "a" * 100_000,
    "no such id": "img_none",
    "spaces": " ",
    "lists": nest(300),
    "an object": {"a": {"b": nest(50)}},
    "true": True,
    "many": ["\x00", "\ud800", 1, None, {}],
}


GOOD_NAMES = {"nobody's home", "no such id"}
"""These can be the name of a file."""
NOT_GIVEN = {"spaces"}
"""These count as an argument that was not given."""


@asynccontextmanager
async def engine(folder: Path) -> AsyncIterator[Engine]:
    variables = {**os.environ, "IMAGEWRIGHT_ROOTS": str(folder)}
    async with open_engine(load_settings(variables, working_directory=folder)) as opened:
        yield opened


def _right(row: Row, operation: OperationName) -> dict[str, Any]:
    """A call of this operation that has nothing wrong with it but where it is to be saved."""
    form = row.operations[operation].arguments
    names = {*row.operations[operation].selected_by, *fitting(row, operation)}
    pictures = {"picture": PHOTO, "pictures": [PHOTO]}
    return {name: pictures.get(form[name].kind, sample(form[name])) for name in names} | REFUSED_AT_LAST


def _cells() -> Iterator[tuple[Row, OperationName, str]]:
    for row in catalog().values():
        for name in row.arguments():
            yield row, [one for one, form in row.operations.items() if name in form.arguments][-1], name


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("row", "operation", "name"), [pytest.param(*cell, id=f"{cell[0].tool}-{cell[2]}") for cell in _cells()]
)
async def test_every_argument_of_every_model(row: Row, operation: OperationName, name: str, tmp_path: Path) -> None:
    in_lists = row.operations[operation].arguments[name].kind == "pictures"
    async with engine(tmp_path) as opened:
        for what, value in ODD.items():
            if name == "save_as" and what in GOOD_NAMES | NOT_GIVEN:
                continue
            for given in (value, [value]) if in_lists else (value,):
                with pytest.raises(Refusal) as caught:
                    await opened.start(LOCAL, row.tool, _right(row, operation) | {name: given})
                assert caught.value.problems, what
                assert len(str(caught.value).encode()) < LARGEST_REFUSAL, what


HELPERS = {one["name"]: one["inputSchema"]["properties"] for one in all_definitions() if one["name"] in HELPER_TOOLS}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tool", "name"), [(tool, name) for tool, arguments in HELPERS.items() for name in [*arguments, "frobnicate"]]
)
async def test_every_argument_of_every_helper(tool: str, name: str, tmp_path: Path) -> None:
    """Odd words can be looked for in vain; what no helper needs is a context for progress."""
    async with engine(tmp_path) as opened:
        tools = Tools(opened)
        for what, value in ODD.items():
            arguments = {"job_id": "job_none"} | {name: value} if tool == "image_job" else {name: value}
            params = t.CallToolRequestParams(name=tool, arguments=arguments)
            reply = await tools.call(None, params)  # type: ignore[arg-type] # they use no context
            assert isinstance(reply, t.CallToolResult)
            line = reply.model_dump_json(by_alias=True)
            assert REPORTED not in line, what
            assert len(line.encode()) < LARGEST_REFUSAL, what
            assert reply.is_error or (tool, name) in TAKES_ANY or what in NOT_GIVEN, what


TAKES_ANY = {("image_gallery", name) for name in ("text", "parent", "offset", "previews")}
"""What is looked for need not be there."""
MEGABYTE = "x" * 1_000_000
LARGE_REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "an unknown tool": ("tools/call", {"name": MEGABYTE, "arguments": {}}),
    "unknown arguments": ("tools/call", {"name": "qwen", "arguments": {f"{n}{'a' * 500}": 1 for n in range(2000)}}),
    "many arguments": ("tools/call", {"name": "qwen", "arguments": {f"argument_{n}": 1 for n in range(20_000)}}),
    "one long name": ("tools/call", {"name": "qwen", "arguments": {MEGABYTE: 1}}),
    "many paths": ("tools/call", {"name": "qwen", "arguments": {"prompt": "x", "images": ["/x.png"] * 20_000}}),
    "a deep nest": ("tools/call", {"name": "qwen", "arguments": {"images": nest(100), "prompt": nest(100)}}),
    "digits": ("tools/call", {"name": "qwen", "arguments": {"prompt": "x", "seed": 10**4200}}),
    "a helper's arguments": ("tools/call", {"name": "image_job", "arguments": {f"a{n}": 1 for n in range(20_000)}}),
    "a helper's long name": ("tools/call", {"name": "image_gallery", "arguments": {MEGABYTE: 1}}),
    "a topic": ("tools/call", {"name": "image_guide", "arguments": {"topic": MEGABYTE}}),
    "a job": ("tools/call", {"name": "image_job", "arguments": {"job_id": MEGABYTE}}),
    "a day": ("tools/call", {"name": "image_gallery", "arguments": {"day": MEGABYTE}}),
    "many words": ("tools/call", {"name": "image_gallery", "arguments": {"text": "x " * 40_000}}),
    "a prompt": ("prompts/get", {"name": MEGABYTE}),
    "a prompt's tool": ("prompts/get", {"name": "make_picture", "arguments": {"subject": "x", "tool": MEGABYTE}}),
    "a resource": ("resources/read", {"uri": f"image://{MEGABYTE}"}),
    "a page": ("resources/read", {"uri": f"guide://tools/{MEGABYTE}"}),
    "a completion": (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": MEGABYTE}, "argument": {"name": "tool", "value": "q"}},
    ),
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    base = tmp_path_factory.mktemp("server")
    with RawClient(MODERN, env={"IMAGEWRIGHT_HOME": str(base / "home"), "HOME": str(base)}) as raw:
        yield raw


@pytest.mark.parametrize("request_", LARGE_REQUESTS.values(), ids=LARGE_REQUESTS)
def test_a_large_request_gets_a_short_refusal(request_: tuple[str, dict[str, Any]], client: RawClient) -> None:
    answer = client.answer(client.begin(*request_))
    assert "error" in answer or answer["result"]["isError"] is True
    line = client.lines[-1]
    assert len(line.encode()) < LARGEST_REFUSAL
    assert REPORTED not in line
    assert "internal" not in line.lower()
