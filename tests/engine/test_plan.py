"""Splitting a call, fitting a factor, settling a ratio."""

from __future__ import annotations

import pytest

from imagewright.engine.plan import split
from imagewright.engine.sizes import nearest_ratio


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
