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
from imagewright.storage.accounts import LOCAL
from imagewright.surface.definitions import all_definitions
from imagewright.surface.tools import KEY_META, REPORTED, Tools
from tests.support.fitting_arguments import fitting, sample
from tests.support.odd_calls import LARGE_REQUESTS, ODD, ODD_REQUESTS
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


async def unheard(_context: object, _note: object) -> None:
    """No answer is written."""


HELPERS = {one["name"]: one["inputSchema"]["properties"] for one in all_definitions() if one["name"] in HELPER_TOOLS}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tool", "name"), [(tool, name) for tool, arguments in HELPERS.items() for name in [*arguments, "frobnicate"]]
)
async def test_every_argument_of_every_helper(tool: str, name: str, tmp_path: Path) -> None:
    """Odd words can be looked for in vain; what no helper needs is a context for progress."""
    async with engine(tmp_path) as opened:
        tools = Tools(opened, unheard)
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


@pytest.mark.parametrize("request_", ODD_REQUESTS.values(), ids=ODD_REQUESTS)
def test_an_odd_request_gets_an_error_of_the_protocol(request_: tuple[str, dict[str, Any]], client: RawClient) -> None:
    error = client.answer(client.begin(*request_))["error"]
    assert error["code"] in (t.INVALID_PARAMS, t.METHOD_NOT_FOUND)
    assert len(client.lines[-1].encode()) < 1000
    assert not any("Traceback" in one for one in client.log)


def test_a_completion_of_much_has_no_values(client: RawClient) -> None:
    ref = {"type": "ref/prompt", "name": "make_picture"}
    for typed, count in (("", 10), ("x" * 5_000_000, 0)):
        argument = {"name": "aspect_ratio", "value": typed}
        found = client.ask("completion/complete", {"ref": ref, "argument": argument})["completion"]["values"]
        assert len(found) >= count
        assert bool(found) is bool(count)


KEYS: list[Any] = ["x" * 201, "x" * 1_000_000, "a\ud800", ["x"], {"a": "x"}, 1.5, 10**400]


@pytest.mark.anyio
@pytest.mark.parametrize("key", KEYS, ids=[str(type(key)) + str(len(str(key))) for key in KEYS])
async def test_a_key_is_a_text_of_bounded_length(key: Any, tmp_path: Path) -> None:
    async with engine(tmp_path) as opened:
        refused, taken = "must be a text of at most 200 characters", "prompt: is required"
        for one, words in ((key, refused), ("x" * 200, taken), (7, taken), (None, taken)):
            meta = {KEY_META: one}
            params = t.CallToolRequestParams.model_validate({"name": "qwen", "arguments": {}, "_meta": meta})
            reply = await Tools(opened, unheard).call(None, params)  # type: ignore[arg-type] # it is refused before it needs one
            assert isinstance(reply, t.CallToolResult)
            assert isinstance(reply.content[0], t.TextContent)
            assert words in reply.content[0].text
            assert len(reply.model_dump_json()) < 1000
