"""How hard it is to walk from the border to a pixel: the minimum barrier distance.

After Zhang et al., "Minimum Barrier Salient Object Detection at 80 FPS", ICCV 2015: over all paths from the border,
the least difference between the highest and the lowest value on the way. A smooth gradient or a fine texture
is a low barrier however long the way, an outline is a high one.
"""

from __future__ import annotations

SWEEPS = 4
"""Raster sweeps in turn from the top and from the bottom; the paper finds three enough."""


def border_of(width: int, height: int) -> tuple[list[int], list[int], list[int], list[int]]:
    """Indices of the pixels along the top, the right, the bottom and the left."""
    last = (height - 1) * width
    return (
        list(range(width)),
        list(range(width - 1, width * height, width)),
        list(range(last, last + width)),
        list(range(0, width * height, width)),
    )


def barriers(values: list[float], width: int, height: int, seeds: list[int]) -> list[float]:
    """The barrier between the seeds and every pixel.

    Args:
        values: one channel, row by row.
        width: pixels.
        height: pixels.
        seeds: indices of the pixels known to be background; at least one.

    Returns:
        One distance per pixel, in the unit of the values.
    """
    total = width * height
    span = max(values) - min(values) + 1.0
    found = [span] * total
    highest, lowest = values[:], values[:]
    for seed in seeds:
        found[seed] = 0.0
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        rows = range(height) if forward else range(height - 1, -1, -1)
        beside = -1 if forward else 1
        for y in rows:
            columns = (
                range(y * width, y * width + width) if forward else range(y * width + width - 1, y * width - 1, -1)
            )
            before, above_exists = columns[0], 0 <= y + beside < height
            for here in columns:
                best = found[here]
                if best == 0.0:
                    continue
                value = values[here]
                if here != before:
                    there = here + beside
                    high, low = highest[there], lowest[there]
                    high = value if value > high else high  # noqa: FURB136 - max() is three times slower here
                    low = value if value < low else low  # noqa: FURB136 - as above
                    if high - low < best and found[there] < span:
                        best = found[here] = high - low
                        highest[here], lowest[here] = high, low
                if above_exists:
                    there = here + beside * width
                    high, low = highest[there], lowest[there]
                    high = value if value > high else high  # noqa: FURB136 - as above
                    low = value if value < low else low  # noqa: FURB136 - as above
                    if high - low < best and found[there] < span:
                        best = found[here] = high - low
                        highest[here], lowest[here] = high, low
    return found
