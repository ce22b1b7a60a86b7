"""What a call asks of its pictures, from its arguments and its route, written down with the job and read back."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import Limits, OperationName
from imagewright.engine.check import check
from imagewright.engine.choose import candidates
from imagewright.engine.job import Asked, JobSpec
from imagewright.engine.pictures import Source
from imagewright.engine.plan import first_plan
from imagewright.imaging.files import probe
from imagewright.providers.base import EVERY_EDITION
from tests.support.engine_bench import route_of
from tests.support.pictures import photo

pytestmark = pytest.mark.anyio

CAT = photo(320, 256)


def rows_of(operation: OperationName, *arguments: str) -> list[str]:
    return [
        name
        for name, row in catalog().items()
        if operation in row.operations and set(arguments) <= row.operations[operation].arguments.keys()
    ]


async def spec_for(
    tool: str, given: dict[str, Any], *, ratios: tuple[str, ...] = (), without: tuple[str, ...] = (), most: int = 4
) -> JobSpec:
    """The request of a call at a route that takes everything but `without` and enlarges by `most` alone.

    It keeps a picture's shape by itself, unless it has only these ratios.
    """
    checked = check(catalog()[tool], given)
    assert checked.problems == ()
    names = catalog()[tool].operations[checked.operation].arguments.keys() - {"model", *without}
    route = replace(
        route_of("vendor"),
        tool=tool,
        operation=checked.operation,
        edition=EVERY_EDITION,
        takes=dict.fromkeys(names, Limits()) | ({"aspect_ratio": Limits(values=ratios)} if ratios else {}),
        native_auto=not ratios,
        scales=(most,),
    )
    sources = [Source(argument, text, CAT, probe(CAT)) for argument, text in checked.sources()]
    (candidate,) = candidates(checked, [route], None, sources)
    assert candidate.against == ()
    return (await first_plan([candidate], limited=False)).spec


EDIT = {"prompt": "a kite", "images": ["/cat.png"]}
MAKE = {"prompt": "a kite"}


@pytest.mark.parametrize(
    ("operation", "given", "asked"),
    [
        (OperationName.GENERATE, MAKE, {"ratio": "1:1"}),
        (OperationName.GENERATE, MAKE | {"aspect_ratio": "16:9"}, {"ratio": "16:9"}),
        (OperationName.EDIT, EDIT, {"ratio": "", "like": (320, 256)}),
        (OperationName.EDIT, EDIT | {"aspect_ratio": "16:9"}, {"ratio": "16:9", "like": None}),
        (OperationName.GENERATE, MAKE | {"resolution": "4K"}, {"resolution": "4K"}),
        (OperationName.GENERATE, MAKE | {"background": "transparent"}, {"transparent": True, "cut_out": False}),
        (OperationName.GENERATE, MAKE | {"background": "opaque"}, {"transparent": False}),
        (OperationName.GENERATE, MAKE | {"output_format": "jpeg"}, {"format": "jpeg", "ending": ""}),
        (
            OperationName.GENERATE,
            MAKE | {"output_format": "png", "save_as": "a.jpg"},
            {"format": "png", "ending": "jpeg"},
        ),
        (OperationName.GENERATE, MAKE | {"save_as": "/x/kite.JPG"}, {"format": "jpeg", "ending": "jpeg"}),
        (OperationName.GENERATE, MAKE | {"save_as": "kite.v2", "output_format": "jpeg"}, {"ending": ""}),
        (OperationName.UPSCALE, {"images": ["/c.png"], "scale": 3}, {"size": (960, 768), "scale": 3, "ratio": ""}),
        (OperationName.UPSCALE, {"images": ["/c.png"], "scale": 1}, {"size": (320, 256), "scale": 1}),
        (
            OperationName.REMOVE_BACKGROUND,
            {"image": "/c.png"},
            {"size": (320, 256), "transparent": True, "cut_out": True},
        ),
        (OperationName.REFRAME, {"image": "/c.png", "aspect_ratio": "2:1"}, {"ratio": "2:1", "size": None}),
    ],
)
async def test_what_is_asked_follows_from_the_call(
    operation: OperationName, given: dict[str, Any], asked: dict[str, Any]
) -> None:
    tools = rows_of(operation, *(given.keys() - {"scale"}))
    assert tools
    for tool in tools:
        found = asdict((await spec_for(tool, given)).asked)
        assert {name: found[name] for name in asked} == asked


async def test_a_default_counts_where_the_route_takes_it() -> None:
    for tool in rows_of(OperationName.GENERATE, "output_format"):
        argument = catalog()[tool].operations[OperationName.GENERATE].arguments["output_format"]
        assert (await spec_for(tool, MAKE)).asked.format == argument.default
        assert (await spec_for(tool, MAKE, without=("output_format",))).asked.format == ""
        given = MAKE | {"output_format": argument.default}
        assert (await spec_for(tool, given, without=("output_format",))).asked.format == argument.default


async def test_where_the_vendor_does_not_know_auto_the_nearest_ratio_is_asked_for() -> None:
    for tool in rows_of(OperationName.EDIT, "aspect_ratio"):
        spec = await spec_for(tool, EDIT, ratios=("1:1", "4:3", "16:9"))
        assert (spec.asked.ratio, spec.asked.like) == ("4:3", None)


async def test_only_another_factor_than_was_asked_is_brought_down() -> None:
    (tool,) = rows_of(OperationName.UPSCALE)
    given = {"images": ["/c.png"], "scale": 3}
    assert (await spec_for(tool, given, most=4)).exact_size == (960, 768)
    assert (await spec_for(tool, given, most=3)).exact_size is None


async def test_another_process_reads_what_was_written() -> None:
    for spec in (
        await spec_for(rows_of(OperationName.UPSCALE)[0], {"images": ["/c.png"], "scale": 3}),
        await spec_for(rows_of(OperationName.EDIT)[0], EDIT),
    ):
        assert JobSpec.from_data(json.loads(json.dumps(spec.as_data()))) == spec


async def test_a_job_of_an_older_release_asks_nothing() -> None:
    data = (await spec_for(rows_of(OperationName.GENERATE)[0], MAKE)).as_data()
    del data["asked"]
    assert JobSpec.from_data(data).asked == Asked()
