"""Every route of every vendor from a client's line to a picture on disk: real server, real sockets, emulated vendor."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema.validators import validator_for
from PIL import Image

from imagewright.catalog.row import OperationName
from imagewright.engine.choose import model_for
from imagewright.engine.offer import HELPER_TOOLS
from imagewright.providers import KEY_VARIABLES
from tests.support.provider_runs import AUTO
from tests.support.route_cells import Runs, cells_of
from tests.support.vendors import VENDORS, routes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema.protocols import Validator

    from tests.support.route_cells import Cell

CLASS_SIDE = 1024
"""Px of the side of a square of class 1K."""
CLASS_FACTOR = 2.1
"""How many times more or fewer pixels than the square of its class a picture may have without a word."""
CLOSE = 0.01
"""Share by which a shape may differ from what was asked for without a word."""
CELLS = {name: cells_of(name) for name in VENDORS}
ALL = [cell for cells in CELLS.values() for cell in cells]


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
    assert data.get("edition", "") == route.edition
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
    expected = cell.usd
    if cost["basis"] == "actual":
        assert cost["usd"] > 0
    else:
        assert cost == ({"basis": "unknown"} if expected is None else {"basis": "estimate", "usd": expected})


def _check_picture(cell: Cell, image: dict[str, Any], given: dict[str, Any], notes: list[str]) -> None:
    """The picture is what was asked for, or the notes say what it is not; and they say nothing else."""
    file = Path(image["path"])
    with Image.open(file) as made:
        if made.format == "PNG" and "A" not in made.getbands():
            made.verify()  # by its sums; what is seen in it does not matter
        else:
            made.load()
    assert (made.width, made.height, str(made.format).lower()) == (image["width"], image["height"], image["format"])
    assert file.stat().st_size == image["bytes"]
    clear = "A" in made.getbands() and made.getchannel("A").getextrema() != (255, 255)
    assert image["transparent"] is clear
    alone = cell.candidate.count == 1  # else a note may be about another picture
    for words, as_asked in _claims(cell, given, made, clear=clear):
        about = [note for note in notes if note.startswith(f"Asked {words}")]
        assert as_asked or about, (words, made, notes)
        assert not (alone and as_asked) or all("turned into" in note for note in about), notes


def _claims(cell: Cell, given: dict[str, Any], made: Image.Image, *, clear: bool) -> Iterator[tuple[str, bool]]:
    """What was asked for, as a note would call it, and whether the picture is that."""
    wide, high = made.size
    taken = cell.candidate.arguments
    if "output_format" in taken:
        yield f"{taken['output_format']}, ", str(made.format).lower() == taken["output_format"]
    if (ratio := taken.get("aspect_ratio", AUTO)) != AUTO:
        across, down = (int(part) for part in ratio.split(":"))
        yield f"{ratio}, ", _same_shape(wide / high, across / down)
    elif "aspect_ratio" in taken and cell.route.native_auto:
        yield "the shape of the first picture", _same_shape(wide / high, cell.size[0] / cell.size[1])
    if "resolution" in taken:
        square = (float(taken["resolution"].removesuffix("K")) * CLASS_SIDE) ** 2
        fits = square / CLASS_FACTOR <= wide * high <= square * CLASS_FACTOR
        yield f"{taken['resolution']} ", fits
    if "scale" in given:
        size = tuple(side * given["scale"] for side in cell.size)
        yield f"{size[0]}x{size[1]} px", made.size == size
    if taken.get("background") in ("transparent", "opaque"):
        yield (
            f"a{'n' * (taken['background'] == 'opaque')} {taken['background']} background",
            clear is (taken["background"] == "transparent"),
        )
    if cell.route.operation is OperationName.REMOVE_BACKGROUND:
        yield "a cut-out", clear


def _same_shape(ratio: float, other: float) -> bool:
    return ratio == pytest.approx(other, rel=CLOSE)
