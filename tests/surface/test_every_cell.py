"""Every route of every vendor from a client's line to a picture on disk: real server, real sockets, emulated vendor."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema.validators import validator_for
from PIL import Image

from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL, OperationName
from imagewright.engine.check import check
from imagewright.engine.offer import HELPER_TOOLS
from imagewright.engine.plan import candidates, model_for
from imagewright.providers import KEY_VARIABLES
from tests.support.pictures import mask_of, photo
from tests.support.provider_runs import AUTO, effective, example, together, unusual
from tests.support.raw_client import MODERN, RawClient
from tests.support.vendors import VENDORS, environment, opened, routes_of

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

    from imagewright.catalog.row import Argument
    from imagewright.engine.check import Checked
    from imagewright.engine.plan import Candidate
    from imagewright.providers.base import Route

SECONDS = 0.1
"""How long an emulated vendor that queues takes: longer than nothing, so that there is something to ask about."""
SQUARE = 1024
"""Pixels of the side of a square that is called 1K."""
OTHER_FORMAT = "chose the file type itself"
"""What a note says of a vendor that did not make the file type that was asked for."""


@dataclass(frozen=True)
class Cell:
    """A call that one route serves."""

    route: Route
    """The route."""
    most: bool
    """Whether everything it takes is given, or only what it needs."""
    number: int
    """Tells the calls of one provider apart."""

    def __str__(self) -> str:
        how = "most" if self.most else "least"
        return f"{self.route.provider}-{self.route.tool}-{self.route.operation}-{how}-{self.number}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the input pictures in px; no other call's, because two equal calls would be one."""
        return 480 + self.number, 400 + self.number

    def arguments(self, folder: Path) -> dict[str, Any]:
        """The call's arguments; its pictures are taken to lie in the folder."""
        given = {
            name: self._value(name, argument, folder)
            for name, argument in effective(self.route).items()
            if self.most or argument.required
        }
        given = together(self.route, given)
        if self.route.edition:
            given[MODEL] = self.route.edition
        for rule in catalog()[self.route.tool].rules:
            if all(name in given and value in ("*", given[name]) for name, value in rule.when.items()):
                given |= {name: given[name][:count] for name, count in rule.items.items()}
                given |= {name: allowed[0] for name, allowed in rule.values.items() if name in given}
        return given

    def checked(self, folder: Path = Path("/")) -> Checked:
        """The call as the engine understands it."""
        return check(catalog()[self.route.tool], self.arguments(folder))

    def make_pictures(self, folder: Path) -> None:
        """Write the input pictures."""
        width, height = self.size
        for argument, file in self.checked(folder).sources():
            mask = argument == "mask"
            data = mask_of(width, height, (width // 2, 0, width, height)) if mask else photo(width, height)
            Path(file).write_bytes(data)

    def _value(self, name: str, argument: Argument, folder: Path) -> Any:
        match argument.kind:
            case "pictures":
                count = argument.max_items if self.most else argument.min_items
                return [str(folder / f"{self.number}-{place}.png") for place in range(count or 1)]
            case "picture":
                return str(folder / f"{self.number}-{name}.png")
            case "path":
                return str(folder / "saved" / f"{self.number}.png")
            case "text":
                return f"{example(argument)}, number {self.number}"
            case "integer" | "number" if argument.maximum is not None:
                return int((argument.minimum or 0) + argument.maximum + 1) // 2  # no end and no default
        return unusual(argument) if self.most else example(argument)

    @property
    def is_served(self) -> bool:
        """Whether it is this route that is taken: for the least, a cheaper sibling may do."""
        checked = self.checked()
        assert not checked.problems
        siblings = [route for route in routes_of(self.route.provider) if route.tool == self.route.tool]
        best = candidates(checked, siblings, None)[0]
        assert not best.against
        return best.route == self.route

    @property
    def candidate(self) -> Candidate:
        """What the engine makes of the call at its route."""
        return candidates(self.checked(), [self.route], None)[0]


CELLS = {
    name: [
        cell
        for place, route in enumerate(routes_of(name))
        for most in (False, True)
        if (cell := Cell(route, most, 2 * place + most)).is_served
    ]
    for name in VENDORS
}

ALL = [cell for cells in CELLS.values() for cell in cells]


@dataclass
class Run:
    """What became of all calls of one provider."""

    folder: Path
    """Where its pictures are."""
    tools: dict[str, Any]
    """What the server listed, by name."""
    results: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The result of each call, by the cell's number."""
    strangers: list[str] = field(default_factory=list)
    """Requests for what the vendor does not have."""
    log: list[str] = field(default_factory=list)
    """What the server wrote to its standard error, and to its standard output besides messages."""


def _run(name: str, folder: Path) -> Run:
    """All calls of one provider, side by side: its waits between questions are what takes the time."""
    for cell in CELLS[name]:
        cell.make_pictures(folder)
    home = {"IMAGEWRIGHT_HOME": str(folder / "home"), "IMAGEWRIGHT_ROOTS": str(folder), "HOME": str(folder)}
    with opened([name]) as emulators:
        emulator = emulators[name]
        if hasattr(emulator, "seconds"):
            emulator.seconds = SECONDS
        with RawClient(MODERN, env=environment(emulators) | home) as client:
            run = Run(folder, {tool["name"]: tool for tool in client.ask("tools/list")["tools"]})
            begun = {
                client.begin("tools/call", {"name": cell.route.tool, "arguments": cell.arguments(folder)}): cell.number
                for cell in CELLS[name]
            }
            answers = client.answers(begun)
        run.results = {begun[request]: message["result"] for request, message in answers.items()}
        run.log = client.log + client.stray
        run.strangers = [f"{one.method} {one.path}" for one in emulator.requests if not one.label]
    return run


class Runs:
    """The runs of the providers, each made when a test first asks for it."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._made: dict[str, Run] = {}
        self._begun: set[str] = set()

    def of(self, name: str) -> Run:
        """The run of a provider; one that broke is not begun again, as it may have waited long for an answer."""
        if name not in self._begun:
            self._begun.add(name)
            self._made[name] = _run(name, self._factory.mktemp(name))
        assert name in self._made, "its server broke in an earlier test"
        return self._made[name]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory)


def test_every_provider_with_a_key_is_a_vendor_here() -> None:
    assert set(VENDORS) == {name for name, variables in KEY_VARIABLES.items() if variables}


@pytest.mark.parametrize("name", VENDORS)
def test_every_route_is_taken_by_some_call(name: str) -> None:
    taken = [cell.route for cell in CELLS[name]]
    assert [route for route in routes_of(name) if route not in taken] == []


@pytest.mark.parametrize("name", VENDORS)
def test_a_server_with_one_key_lists_what_that_vendor_serves_and_asks_it_for_nothing_else(
    name: str, runs: Runs
) -> None:
    run = runs.of(name)
    assert set(run.tools) == {route.tool for route in routes_of(name)} | set(HELPER_TOOLS)
    assert run.strangers == []
    assert run.log == []


@pytest.mark.parametrize("cell", ALL, ids=str)
def test_a_call_ends_in_pictures(cell: Cell, runs: Runs) -> None:
    run, route = runs.of(cell.route.provider), cell.route
    tool, result, given = run.tools[route.tool], run.results[cell.number], cell.arguments(run.folder)
    assert result.get("isError") is not True, (result["content"], run.log)
    _judge(json.dumps(tool["inputSchema"])).validate(given)
    data = result["structuredContent"]
    _judge(json.dumps(tool["outputSchema"])).validate(data)

    text = {name: data[name] for name in ("status", "progress", "model", "operation", "provider", "provider_model")}
    assert text == {
        "status": "completed",
        "progress": 1,
        "model": route.tool,
        "operation": str(route.operation),
        "provider": route.provider,
        "provider_model": model_for(route, cell.candidate.arguments),
    }
    assert data["choice"][0].startswith(f"{route.provider} ({route.model}): taken, ")
    _check_cost(cell, data["cost"])
    kinds = [block["type"] for block in result["content"]]
    assert len(data["images"]) == cell.candidate.count
    assert "image" in kinds
    assert "resource_link" not in kinds
    for image in data["images"]:
        _check_picture(cell, image, given, data["notes"])
    if "seed" in given:
        assert data["images"][0]["seed"] == given["seed"]
    if "save_as" in given:
        assert {Path(image["path"]).parent for image in data["images"]} == {run.folder / "saved"}


@cache
def _judge(schema: str) -> Validator:
    """What holds values to a schema, which is given as JSON; to check the schema itself takes longest."""
    read = json.loads(schema)
    kind = validator_for(read)
    kind.check_schema(read)
    return kind(read)


def _check_cost(cell: Cell, cost: dict[str, Any]) -> None:
    expected = cell.candidate.usd
    if cost["basis"] == "actual":
        assert cost["usd"] > 0
    else:
        assert cost == ({"basis": "unknown"} if expected is None else {"basis": "estimate", "usd": expected})


def _check_picture(cell: Cell, image: dict[str, Any], given: dict[str, Any], notes: list[str]) -> None:
    file = Path(image["path"])
    with Image.open(file) as made:
        made.load()
    assert (made.width, made.height, str(made.format).lower()) == (image["width"], image["height"], image["format"])
    assert file.stat().st_size == image["bytes"]
    if "output_format" in given and not any(OTHER_FORMAT in note for note in notes):
        assert image["format"] == given["output_format"]
    if given.get("aspect_ratio", AUTO) != AUTO and "mask" not in given:  # a mask may keep the shape of its picture
        wide, high = (int(part) for part in given["aspect_ratio"].split(":"))
        assert made.width * high == pytest.approx(made.height * wide, rel=0.03)
    if "resolution" in given:
        square = int(given["resolution"].removesuffix("K")) * SQUARE
        assert (made.width * made.height) ** 0.5 == pytest.approx(square, rel=0.3)
    if "scale" in given:
        assert made.size == tuple(side * given["scale"] for side in cell.size)
    if cell.route.operation is OperationName.REMOVE_BACKGROUND:
        assert made.getchannel("A").getextrema() == (0, 255)
