"""Splitting a call, fitting a factor, settling a ratio."""

from __future__ import annotations

import pytest

from imagewright.engine.plan import split
from imagewright.engine.sizes import nearest_ratio, pixels_problem
from imagewright.imaging.files import PictureFacts


@pytest.mark.parametrize(
    ("count", "sizes", "shares"),
    [
        (1, (1,), [(1, 1)]),
        (3, (1, 2, 4), [(1, 2), (3, 1)]),
        (4, (1, 2, 4), [(1, 4)]),
        (4, (1,), [(1, 1), (2, 1), (3, 1), (4, 1)]),
        (6, (1, 2, 4), [(1, 4), (5, 2)]),
        (5, (1, 2, 3, 4, 5, 6), [(1, 5)]),
    ],
)
def test_variants_are_fanned_out_largest_first(
    count: int, sizes: tuple[int, ...], shares: list[tuple[int, int]]
) -> None:
    assert list(split(count, sizes)) == shares


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ((1000, 1000), "1:1"),
        ((1920, 1080), "16:9"),
        ((1080, 1920), "9:16"),
        ((1600, 1200), "4:3"),
        ((5000, 400), "16:9"),
    ],
)
def test_the_nearest_ratio_is_nearest_by_proportion(size: tuple[int, int], ratio: str) -> None:
    assert nearest_ratio(*size, ("1:1", "4:3", "3:4", "16:9", "9:16")) == ratio


@pytest.mark.parametrize(
    ("size", "smaller"),
    [
        ((1000, 1000), ""),
        ((1000, 1001), "999x999"),
        ((2000, 1000), "1414x707"),
        ((1000, 4000), "500x2000"),
        ((1, 2_000_000), "1x1000000"),
        ((2_000_000, 1), "1000000x1"),
    ],
)
def test_too_many_pixels_are_refused_with_the_largest_size_of_that_shape_that_would_do(
    size: tuple[int, int], smaller: str
) -> None:
    facts = PictureFacts("png", *size, orientation=1, frames=1, has_alpha=False, size=1000)
    found = pixels_problem(facts, 1_000_000)
    assert found.startswith(f"is {size[0]}x{size[1]} px, ") == bool(smaller)
    assert ("the limit is 1,000,000: made smaller, to " + smaller in found) == bool(smaller)
