from __future__ import annotations

from typing import Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.engine.check import check
from imagewright.engine.fingerprint import fingerprint
from imagewright.engine.inputs import Source
from imagewright.imaging.files import probe
from tests.support.pictures import photo

ROW = next(row for row in catalog().values() if OperationName.EDIT in row.operations)
CAT, DOG = photo(32, 24), photo(24, 32)


def of(pictures: tuple[bytes, ...] = (), row: Any = ROW, text: str = "/cat.png", **given: Any) -> str:
    if pictures:
        given["images"] = [f"{text}{place}" for place in range(len(pictures))]
    sources = [Source(f"images[{place}]", text, data, probe(data)) for place, data in enumerate(pictures)]
    return fingerprint(check(row, given), sources)


def test_the_same_call_is_the_same_whatever_the_order_of_its_arguments() -> None:
    assert of(prompt="a fox", variants=2) == of(variants=2, prompt="a fox")


def test_a_picture_counts_by_its_bytes_and_not_by_its_address() -> None:
    assert of((CAT,), prompt="a fox") == of((CAT,), prompt="a fox", text="https://example.com/")
    assert of((CAT,), prompt="a fox") != of((DOG,), prompt="a fox")


def test_the_order_of_pictures_counts() -> None:
    assert of((CAT, DOG), prompt="a fox") != of((DOG, CAT), prompt="a fox")


@pytest.mark.parametrize(
    "changed", [{"prompt": "a fox."}, {"prompt": "a fox", "seed": 2}, {"prompt": "a fox", "save_as": "fox.png"}]
)
def test_any_other_argument_makes_another_call(changed: dict[str, Any]) -> None:
    assert of(prompt="a fox", seed=1) != of(**changed)


@pytest.mark.parametrize(
    "spelt",
    [
        {"variants": 2.0},
        {"variants": "2"},
        {"variants": " 2.0 "},
        {"save_as": '"fox.png"'},
        {"negative_prompt": "", "images": [], "aspect_ratio": None},
    ],
    ids=str,
)
def test_the_same_call_is_the_same_however_it_is_spelt(spelt: dict[str, Any]) -> None:
    plain: dict[str, Any] = {"prompt": "a fox", "variants": 2, "save_as": "fox.png"}
    spelt = {name: value for name, value in spelt.items() if name in ROW.arguments()}
    assert of(**plain | spelt) == of(**plain)


def test_another_tool_makes_another_call() -> None:
    other = next(row for row in catalog().values() if row is not ROW and OperationName.GENERATE in row.operations)
    assert of(prompt="a fox") != of(prompt="a fox", row=other)
