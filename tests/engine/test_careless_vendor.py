"""A vendor that makes whatever it likes: the result of every tool says what is other than asked."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
from jsonschema import validate

from imagewright.catalog.load import catalog
from imagewright.catalog.row import AUTO, MODEL, Limits, OperationName
from imagewright.engine.config import Config
from imagewright.engine.engine import Engine, job_data
from imagewright.engine.offer import make_offer
from imagewright.providers import open_client
from imagewright.providers.base import PollPolicy, Price, Route
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from imagewright.surface.definitions import JOB_SCHEMA
from tests.support.engine_bench import FakeRegistry, Vendor
from tests.support.fitting_arguments import fitting
from tests.support.pictures import opened, photo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from imagewright.providers.base import Output

pytestmark = pytest.mark.anyio

SIZE = (640, 360)
SMALL = 512
CELLS = [(name, operation) for name, row in catalog().items() for operation in row.operations]
each_operation = pytest.mark.parametrize(("tool", "operation"), CELLS, ids=str)


class Careless(Vendor):
    """Serves every operation of every row, each in its first edition, and answers all with the same picture."""

    poll_policy = PollPolicy(first=0.001, factor=1.0, longest=0.001)

    def __init__(self, picture: bytes) -> None:
        super().__init__("careless")
        self.picture = picture
        self.routes = tuple(_route(tool, operation) for tool, operation in CELLS)

    async def fetch(self, output: Output, into: Path, **_more: Any) -> None:  # noqa: ARG002 - the contract's
        await anyio.to_thread.run_sync(into.write_bytes, self.picture)


def _route(tool: str, operation: OperationName) -> Route:
    row = catalog()[tool]
    edition = next(iter(row.editions), "") if MODEL in row.operations[operation].arguments else ""
    arguments = row.in_edition(edition).operations[operation].arguments
    return Route(
        provider="careless",
        tool=tool,
        operation=operation,
        edition=edition,
        model="careless/one",
        takes={name: Limits() for name in arguments if name != MODEL},
        counts=(1, 2),
        scales=(1, 2, 3, 4),
        native_auto=True,
        price=Price(usd=0.0),
    )


@asynccontextmanager
async def opened_engine(home: Path, picture: bytes) -> AsyncIterator[Engine]:
    """An engine of its own on this home, which only knows this vendor."""
    settings = load_settings({"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_ROOTS": str(home)}, working_directory=home)
    registry = FakeRegistry(Careless(picture))
    offer = make_offer(settings.toggles, registry.providers["careless"].routes, {}, datetime.now(UTC).date())
    http = open_client()
    async with anyio.create_task_group() as group:
        engine = Engine(Config(settings, registry, offer), group, http)
        yield engine
        await engine.close()
        await http.aclose()
        group.cancel_scope.cancel()


async def made(home: Path, picture: bytes, tool: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The structured content of a call's result."""
    async with opened_engine(home, picture) as engine:
        job = await engine.start(LOCAL, tool, dict(given))
        with anyio.fail_after(20):
            await job.ended()
        data = job_data(job)
    validate(data, JOB_SCHEMA)
    assert data["status"] == "completed"
    return data


def call(home: Path, tool: str, operation: OperationName, **more: Any) -> dict[str, Any]:
    """The least that this operation needs, with one input picture of `SIZE`, and what more it takes of this."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "cat.png").write_bytes(photo(*SIZE))
    arguments = catalog()[tool].operations[operation].arguments
    given = fitting(catalog()[tool], operation) | {name: value for name, value in more.items() if name in arguments}
    for name in ("images", "image"):
        if name in given:
            given[name] = [str(home / "cat.png")] if name == "images" else str(home / "cat.png")
    return given


@each_operation
async def test_512_px_for_everything_is_reported(home: Path, tool: str, operation: OperationName) -> None:
    given = call(home, tool, operation, aspect_ratio="16:9", scale=3)
    data = await made(home, photo(SMALL, SMALL), tool, given)
    (image,) = data["images"]
    assert (image["width"], image["height"], image["format"]) == (SMALL, SMALL, "png")
    assert image["transparent"] is False
    values = {
        OperationName.UPSCALE: "Asked 1920x1080 px (3x), arrived 512x512 px.",
        OperationName.REMOVE_BACKGROUND: "Asked 640x360 px (as large as the picture given), arrived 512x512 px.",
    }
    assert values.get(operation, "Asked 16:9, arrived 512x512 px (1:1).") in data["notes"]
    resolution = catalog()[tool].operations[operation].arguments.get("resolution")
    classes = [note for note in data["notes"] if note.endswith("arrived 512x512 px (0.262 megapixels).")]
    assert len(classes) == (resolution is not None)
    if operation is OperationName.REMOVE_BACKGROUND:
        assert any("background was not removed" in note for note in data["notes"])
    assert data.get("edition", "") == _route(tool, operation).edition


@each_operation
async def test_what_is_as_asked_needs_no_note(home: Path, tool: str, operation: OperationName) -> None:
    """The counterpart: with pictures that are as asked nothing is reported, so a note means something."""
    sides = {"1K": (1344, 756), "2K": (2720, 1530)}
    resolution = catalog()[tool].operations[operation].arguments.get("resolution")
    usual = sides[str(resolution.default)] if resolution is not None else sides["1K"]
    exact = {OperationName.UPSCALE: (1920, 1080), OperationName.REMOVE_BACKGROUND: SIZE}
    mode = "RGBA" if operation is OperationName.REMOVE_BACKGROUND else "RGB"
    picture = photo(*exact.get(operation, usual), mode=mode)
    data = await made(home, picture, tool, call(home, tool, operation, aspect_ratio="16:9", scale=3))
    assert data["notes"] == []
    assert data["images"][0]["transparent"] is (mode == "RGBA")


@pytest.mark.parametrize("tool", [name for name, operation in CELLS if operation is OperationName.EDIT])
async def test_auto_asks_for_the_shape_of_the_first_picture(home: Path, tool: str) -> None:
    data = await made(home, photo(SMALL, SMALL), tool, call(home, tool, OperationName.EDIT, aspect_ratio=AUTO))
    words = "Asked the shape of the first picture (640x360 px, 16:9), arrived 512x512 px (1:1)."
    assert words in data["notes"]


@pytest.mark.parametrize("form", ["jpeg", "webp"])
@pytest.mark.parametrize(("tool", "operation"), [one for one in CELLS if one[1] is OperationName.GENERATE])
async def test_another_file_type_becomes_the_png_that_was_asked_for(
    home: Path, tool: str, operation: OperationName, form: str
) -> None:
    picture = photo(1024, 1024, form)
    data = await made(home, picture, tool, call(home, tool, operation, save_as="kite.png", output_format="png"))
    (image,) = data["images"]
    assert f"Asked png, arrived {form}: turned into png, by which nothing is lost." in data["notes"]
    assert image["format"] == "png"
    assert image["path"].endswith("kite.png")
    assert opened((home / "pictures" / "kite.png").read_bytes()).tobytes() == opened(picture).tobytes()


async def test_the_notes_of_equal_variants_are_not_repeated(home: Path) -> None:
    tool = next(name for name, operation in CELLS if operation is OperationName.REFRAME)
    given = call(home, tool, OperationName.REFRAME, aspect_ratio="16:9", variants=3)
    data = await made(home, photo(SMALL, SMALL), tool, given)
    assert len(data["images"]) == 3
    assert data["notes"].count("Asked 16:9, arrived 512x512 px (1:1).") == 1
