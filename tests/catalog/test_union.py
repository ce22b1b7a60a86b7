"""What operations have different is said in a few generated words, and the union is as wide as any of them."""

from __future__ import annotations

from typing import Any

import pytest

from imagewright.catalog.facts import argument_names
from imagewright.catalog.row import Argument, Operation, OperationName, PictureLimits, Row, Rule
from imagewright.catalog.schema import input_schema


def invented(**operations: dict[str, Argument]) -> Row:
    """A row with these operations; `edit` is chosen by `images`, `upscale` by `scale`."""
    chosen = {"edit": ("images",), "upscale": ("scale",)}
    return Row(
        tool="invented",
        title="Invented",
        place=1,
        character="plain",
        first_choice="tests",
        pictures=PictureLimits(formats=("png",), max_bytes=1),
        rules=(Rule(when={"mask": "*"}, items={"images": 1}, say="one image"),),
        operations={
            OperationName(name): Operation(rank=1, when="tests", selected_by=chosen.get(name, ()), arguments=arguments)
            for name, arguments in operations.items()
        },
    )


def argument(kind: Any = "integer", **limits: Any) -> Argument:
    return Argument(kind=kind, describe="Words", **limits)


IMAGES = argument("pictures", required=True, min_items=1, max_items=4)
SCALE = argument(required=True, minimum=1, maximum=4)
NOTES = [
    pytest.param({"generate": {"x": argument(default=1)}, "edit": {"x": argument(default=1)}}, "Words", id="alike"),
    pytest.param(
        {"generate": {"x": argument(default=30)}, "edit": {"x": argument(default=25)}},
        "Words; default 30; edit: default 25",
        id="other default",
    ),
    pytest.param(
        {
            "generate": {"x": argument(minimum=2, maximum=250, default=30)},
            "edit": {"x": argument(minimum=2, maximum=49, default=25)},
        },
        "Words; default 30; edit: 2-49, default 25; -1: unset",
        id="other range and default",
    ),
    pytest.param(
        {"generate": {"x": argument(minimum=0, maximum=2)}, "edit": {"x": argument(minimum=0, maximum=6)}},
        "Words; generate: 0-2; -1: unset",
        id="the first is tighter",
    ),
    pytest.param(
        {"generate": {"x": argument("text", max_length=9)}, "edit": {"x": argument("text", max_length=5)}},
        "Words; edit: at most 5 characters",
        id="shorter",
    ),
    pytest.param(
        {
            "generate": {"x": argument("choice", values=("a", "b"), default="a")},
            "edit": {"x": argument("choice", values=("auto", "a", "b"), default="auto")},
        },
        "Words; auto: a; edit: as first image",
        id="one more value, its default",
    ),
    pytest.param(
        {
            "generate": {"x": argument("choice", values=("a", "b", "c"))},
            "edit": {"x": argument("choice", values=("a", "b"))},
        },
        "Words; edit: not c",
        id="one value less",
    ),
    pytest.param(
        {
            "generate": {"x": argument("choice", values=tuple("abcdef"))},
            "edit": {"x": argument("choice", values=("a", "b"))},
        },
        "Words; edit: only a, b or auto",
        id="many values less",
    ),
    pytest.param({"generate": {"x": argument()}, "edit": {"images": IMAGES}}, "Words; generate only", id="one only"),
    pytest.param(
        {"generate": {"x": argument()}, "edit": {"x": argument()}, "upscale": {"scale": SCALE}},
        "Words; not for upscale",
        id="all but one",
    ),
    pytest.param(
        {
            "generate": {"x": argument(required=True)},
            "edit": {"x": argument(required=True)},
            "upscale": {"scale": SCALE},
        },
        "Words; required unless upscale",
        id="required where taken",
    ),
    pytest.param(
        {"generate": {"x": argument()}, "edit": {"x": argument(required=True)}},
        "Words; edit: required",
        id="required in one",
    ),
]


@pytest.mark.parametrize(("operations", "text"), NOTES)
def test_what_differs_between_operations_is_reported_in_a_few_words(
    operations: dict[str, dict[str, Argument]], text: str
) -> None:
    schema = input_schema(invented(**operations))
    assert schema["properties"]["x"]["description"] == text


def test_a_rule_across_arguments_is_reported_where_it_applies() -> None:
    mask = {"images": IMAGES, "mask": argument("picture")}
    schema = input_schema(invented(generate={"prompt": argument("text")}, edit=mask))
    assert schema["properties"]["mask"]["description"] == 'Words; needs exactly 1 image; "": unset'
    assert schema["properties"]["images"]["description"] == "Words"


def test_the_union_is_as_wide_as_any_operation() -> None:
    found = input_schema(
        invented(
            generate={"x": argument(minimum=2, maximum=5)},
            edit={"x": argument(minimum=1, maximum=4), "images": IMAGES},
            upscale={"x": argument(maximum=9), "scale": SCALE},
        )
    )["properties"]["x"]
    assert found["maximum"] == 9
    assert "minimum" not in found, "one operation has no lower bound"


def test_what_one_operation_takes_stands_beside_its_neighbour() -> None:
    row = invented(upscale={"images": IMAGES, "scale": SCALE}, edit={"prompt": argument("text"), "images": IMAGES})
    assert argument_names(row) == ["prompt", "images", "scale"]


def test_a_choice_of_numbers_is_a_number() -> None:
    whole = invented(generate={"x": argument("choice", values=(1, 2.0, 4))})
    parts = invented(generate={"x": argument("choice", values=(1, 2.5))})
    listed = {"type": "integer", "enum": [1, 2, 4, 0], "description": "Words; 0: unset"}
    assert input_schema(whole)["properties"]["x"] == listed
    assert input_schema(parts)["properties"]["x"]["type"] == "number"
