"""The nearest allowed value, as a refusal names it."""

from __future__ import annotations

from typing import Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.nearest import nearest
from imagewright.catalog.row import Argument, Limits, outside

RATIOS = ("auto", "1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16", "21:9")
SIZES = ("1K", "2K", "4K")
TYPES = ("png", "jpeg", "webp")


@pytest.mark.parametrize(
    ("values", "value", "expected"),
    [
        (RATIOS, "5:3", "16:9"),
        (RATIOS, "3:5", "9:16"),
        (RATIOS, "5:4", "4:3"),
        (RATIOS, "1920x1080", "16:9"),
        (RATIOS, "1080 \u00d7 1920", "9:16"),
        (RATIOS, "2.39:1", "21:9"),
        (RATIOS, "1:100", "9:16"),
        (RATIOS, "16/9", "16:9"),
        (RATIOS, "AUTO", "auto"),
        (RATIOS, "portrait", "3:4"),
        (RATIOS, "Square", "1:1"),
        (RATIOS, "0:1", "1:1"),
        (RATIOS, "banana", None),
        (RATIOS, 7, None),
        (SIZES, "3K", "4K"),
        (SIZES, "8k", "4K"),
        (SIZES, "2k", "2K"),
        (SIZES, "2048", "2K"),
        (SIZES, 1024, "1K"),
        (SIZES, "3840x2160", "4K"),
        (SIZES, "huge", None),
        (TYPES, "jpg", "jpeg"),
        (TYPES, "JPEG", "jpeg"),
        (TYPES, " PNG ", "png"),
        (TYPES, "tiff", None),
        (TYPES, None, None),
        ((1, 2, 4), 3, 2),
        ((1, 2, 4), "8x", 4),
        ((1, 2, 4), -5, 1),
    ],
)
def test_nearest_of_listed_values(values: tuple[Any, ...], value: Any, expected: Any) -> None:
    assert nearest(Limits(values=values), value) == expected


@pytest.mark.parametrize(
    ("limits", "value", "expected"),
    [
        (Limits(minimum=1, maximum=6), 11, 6),
        (Limits(minimum=1, maximum=6), 0, 1),
        (Limits(minimum=1, maximum=6), "9", 6),
        (Limits(minimum=1, maximum=6), 2.5, 2.5),
        (Limits(minimum=0.5, maximum=1.5), 2, 1.5),
        (Limits(maximum=6), float("nan"), None),
        (Limits(maximum=6), "many", None),
        (Limits(maximum=6), [3], None),
        (Limits(maximum=6), True, None),
        (Limits(max_length=6), "far too long", None),
        (Limits(), 3, None),
        (Argument(kind="integer", describe="", minimum=1, maximum=6), 2.6, 3),
        (Argument(kind="boolean", describe=""), "Yes", True),
        (Argument(kind="boolean", describe=""), 0, False),
        (Argument(kind="boolean", describe=""), "perhaps", None),
    ],
)
def test_nearest_within_bounds(limits: Limits, value: Any, expected: Any) -> None:
    assert nearest(limits, value) == expected


def test_whatever_is_named_as_nearest_is_allowed() -> None:
    values: tuple[Any, ...] = (
        "5:3",
        "7:1",
        "800x600",
        "3K",
        0,
        -1,
        99,
        10**9,
        2.5,
        "jpg",
        "HIGH",
        "auto",
        "",
        None,
        True,
        [],
        {},
    )
    for row in catalog().values():
        for operation in row.operations.values():
            for name, argument in operation.arguments.items():
                for value in values:
                    found = nearest(argument, value)
                    assert found is None or not outside(argument, found), (row.tool, name, value, found)
