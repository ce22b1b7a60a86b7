"""A call that is refused costs next to nothing: no file is opened, no address looked up, and the words are few."""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL, PICTURE_KINDS, Argument
from imagewright.engine.calls import NOT_OPENED
from imagewright.engine.check import check, read_arguments
from imagewright.engine.engine import open_engine
from imagewright.engine.offer import ENGINE_ARGUMENTS
from imagewright.errors import MOST_PROBLEMS, Problem, Refusal
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from imagewright.surface.tools import error_reply
from imagewright.text import clip, say
from tests.support.fitting_arguments import fitting, sample
from tests.support.odd_calls import FLOODS
from tests.support.offers import offered, refused
from tests.support.pictures import photo
from tests.support.vendors import VENDORS, environment, routes_of
from tests.support.vendors import opened as opened_vendors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from imagewright.catalog.row import OperationName, Row
    from imagewright.engine.engine import Engine

LARGEST_REFUSAL = 100_000
"""Bytes of a whole encoded refusal."""
WATCHED = {"open", "socket.getaddrinfo", "socket.connect"}
"""What Python tells an audit hook about files and addresses."""


class Witness:
    """What was opened and looked up while it watched. Audit hooks stay for ever, so there is one, mostly idle."""

    def __init__(self) -> None:
        self.seen: list[str] | None = None
        self._hooked = False

    def _hook(self, event: str, details: tuple[Any, ...]) -> None:
        if self.seen is not None and event in WATCHED:
            self.seen.append(f"{event} {details[0]}")

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        if not self._hooked:
            sys.addaudithook(self._hook)
            self._hooked = True
        seen: list[str] = []
        self.seen = seen
        yield seen
        self.seen = None


WITNESS = Witness()


@asynccontextmanager
async def engine(folder: Path, more: Mapping[str, str] = {}) -> AsyncIterator[Engine]:
    variables = {**os.environ, "IMAGEWRIGHT_ROOTS": str(folder), **more}
    async with open_engine(load_settings(variables, working_directory=folder)) as opened:
        yield opened


def _picture_cells() -> Iterator[tuple[Row, OperationName, str, Argument]]:
    for row in catalog().values():
        for operation, form in row.operations.items():
            for name, argument in form.arguments.items():
                if argument.kind in PICTURE_KINDS:
                    yield row, operation, name, argument


CELLS = pytest.mark.parametrize(
    ("row", "operation", "name", "argument"),
    [pytest.param(*cell, id=f"{cell[0].tool}-{cell[1]}-{cell[2]}") for cell in _picture_cells()],
)


@pytest.mark.anyio
@CELLS
async def test_nothing_is_looked_at_for_a_call_that_is_refused_by_its_arguments(
    row: Row, operation: OperationName, name: str, argument: Argument, tmp_path: Path
) -> None:
    file = tmp_path / "photo.png"
    file.write_bytes(b"no picture, so that the call is refused in the end as well")
    for source in (str(file), "http://localhost:9/photo.png"):
        given = _least(row, operation) | {name: source if argument.kind == "picture" else [source]}
        wrong = [given | {"frobnicate": 1}, given | {"output_format": 7}]
        wrong += [given | {"save_as": name} for name in ("../x.png", "/nowhere/x.png", "a\x00b")]
        if argument.max_items is not None:
            wrong.append(given | {name: [source] * (argument.max_items + 1)})
        async with engine(tmp_path) as opened:
            for call in wrong:
                with WITNESS.watching() as seen, pytest.raises(Refusal) as caught:
                    await opened.start(LOCAL, row.tool, call)
                assert [one for one in seen if "photo" in one or "localhost" in one] == []
                assert caught.value.note == NOT_OPENED
            with WITNESS.watching() as seen, pytest.raises(Refusal):  # so that what it does not see is not there
                await opened.start(LOCAL, row.tool, given)
            assert [one for one in seen if "photo" in one or "localhost" in one]


UNSERVED = [
    (name, route, argument)
    for name in VENDORS
    for route in {(one.tool, one.operation): one for one in routes_of(name)}.values()
    for argument in catalog()[route.tool].operations[route.operation].arguments
    if not any(
        argument in one.takes for one in routes_of(name) if (one.tool, one.operation) == (route.tool, route.operation)
    )
    and argument not in (*ENGINE_ARGUMENTS, MODEL, "mask")
    and {"image", "images"} & set(route.takes)
]
"""A vendor, one of its routes that takes pictures, and an argument of the tool that none of its routes takes there."""


@pytest.mark.anyio
async def test_nor_for_a_call_that_no_provider_serves(tmp_path: Path) -> None:
    assert len(UNSERVED) > 5
    file = tmp_path / "photo.png"
    file.write_bytes(photo(640, 480))
    for name, route, argument in UNSERVED:
        row = catalog()[route.tool]
        call = _least(row, route.operation) | {argument: _away(row.operations[route.operation].arguments[argument])}
        pictures = {"image": str(file), "images": [str(file)]}
        call |= {key: value for key, value in pictures.items() if key in call}
        with opened_vendors([name]) as emulators:
            async with engine(tmp_path, environment(emulators)) as opened:
                with WITNESS.watching() as seen, pytest.raises(Refusal) as caught:
                    await opened.start(LOCAL, route.tool, call)
        assert argument in str(caught.value), (name, route.tool, str(caught.value))
        assert [one for one in seen if "photo" in one] == []


def _away(argument: Argument) -> Any:
    """A value that is allowed and not the default."""
    values = [value for value in argument.values or (True, False) if value != argument.default]
    return values[0] if argument.kind in ("choice", "boolean") else sample(argument)


def _least(row: Row, operation: OperationName) -> dict[str, Any]:
    """The fewest arguments that make a call of this operation, its pictures included."""
    form = row.operations[operation]
    return {name: sample(form.arguments[name]) for name in form.selected_by} | fitting(row, operation)


MOST_STEPS = 20_000
"""Python functions called for a refusal, however much was sent. To compare one name with ours takes a thousand."""


@contextmanager
def counted() -> Iterator[list[int]]:
    """The number of Python functions that were called meanwhile."""
    steps = [0]

    def count(_frame: object, event: str, _detail: object) -> None:
        steps[0] += event == "call"

    sys.setprofile(count)
    try:
        yield steps
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("row", catalog().values(), ids=catalog())
def test_a_flood_is_answered_in_few_steps_and_few_words(row: Row) -> None:
    for name, flood in FLOODS.items():
        offer = offered()
        with counted() as steps:
            refusal = refused(offer, row.tool, flood)
        assert refusal is not None
        size = len(error_reply(refusal).model_dump_json(by_alias=True).encode())
        assert size < LARGEST_REFUSAL, (name, size)
        assert 0 < len(refusal.problems) <= MOST_PROBLEMS, name
        assert refusal.more == len(check(row, flood).problems) - len(refusal.problems)
        assert all(len(problem.argument) < 90 for problem in refusal.problems), name
        assert steps[0] < MOST_STEPS, (name, steps[0])


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_so_is_one_to_a_helper(flood: dict[str, Any]) -> None:
    with counted() as steps, pytest.raises(Refusal) as caught:
        read_arguments({name: Argument(kind="text", describe=name) for name in ("text", "prompt")}, flood)
    assert len(error_reply(caught.value).model_dump_json(by_alias=True).encode()) < LARGEST_REFUSAL
    assert steps[0] < MOST_STEPS


def test_a_refusal_tells_twenty_problems_and_how_many_more() -> None:
    refusal = Refusal(*(Problem(f"a{number}", "is wrong") for number in range(25)), instead=("qwen",), note="A note.")
    assert (len(refusal.problems), refusal.more) == (20, 5)
    assert str(refusal).endswith("a19: is wrong; and 5 more. Can do it: qwen. A note.")
    content = error_reply(refusal).model_dump(by_alias=True)
    assert content["content"][0]["text"].endswith("- and 5 more\nA note.\nTools that can do this: qwen.")
    assert content["_meta"]["imagewright/error"]["more"] == 5


@pytest.mark.parametrize("letter", ["a", "\x00", "ü", "\ud800", "\U0001f600", '"'])
def test_however_long_the_messages_are_the_refusal_is_short(letter: str) -> None:
    refusal = Refusal(*(Problem(letter * 70, letter * 100_000) for _ in range(30)))
    assert len(error_reply(refusal).model_dump_json(by_alias=True).encode()) < LARGEST_REFUSAL
    assert refusal.problems
    assert len(refusal.problems) + refusal.more == 30


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("png", '"png"'),
        ("x" * 61, f'"{"x" * 60}…" (61 characters)'),
        ("a\udc80", '"a\\udc80"'),
        (7, "7"),
        (10**54, "1" + "0" * 54),
        (10**400, "a number of about 400 digits"),
        (-(10**4000), "a number of about 4000 digits"),
        (1.5, "1.5"),
        (True, "True"),
        ([[1]] * 3, "a list of 3"),
        ({"a": []}, "an object of 1"),
        (None, "None"),
    ],
)
def test_how_a_callers_value_is_shown(value: object, shown: str) -> None:
    assert say(value) == shown


def test_a_long_name_is_cut() -> None:
    assert clip("x" * 61) == f"{'x' * 60}… (61 characters)"
    assert clip("x" * 60) == "x" * 60
