"""Open country: mountains, hills, dunes and woods, in layers that fade with distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.imaging.drafting.air import down, ridge, sky
from imagewright.imaging.drafting.brush import Canvas, Point, curve
from imagewright.imaging.drafting.colour import Colour, lighter, mix

if TYPE_CHECKING:
    from imagewright.imaging.drafting.palette import Palette


def mountains(canvas: Canvas, palette: Palette) -> None:
    """Ranges behind ranges, mist in the valleys, conifers in front."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    horizon = palette.sky[-1]
    sun = (width * canvas.span(0.22, 0.78), height * canvas.span(0.2, 0.34))
    sky(canvas, palette, sun, unit * canvas.span(0.07, 0.12))
    layers = 5
    for layer in range(layers):
        share = layer / (layers - 1)
        level = height * (0.5 + 0.42 * share**1.15)
        crest = ridge(canvas, level, unit * (0.085 - 0.04 * share), unit * (0.85 - 0.3 * share), peaks=True)
        tone = mix(mix(palette.far, horizon, 0.25), palette.near, round(share**1.2, 3))
        haze = mix(tone, horizon, round(0.55 * (1 - share), 3))
        canvas.fill(down(canvas, crest), (tone, mix(tone, haze, 0.4), haze, haze))
        if layer == layers - 1:
            _conifers(canvas, crest, tone)
        else:
            canvas.mist(level, height * (0.62 + 0.42 * share), horizon, 0.3 * (1 - share))


def _conifers(canvas: Canvas, crest: list[Point], tone: Colour) -> None:
    unit = canvas.unit
    at = 0
    while at < len(crest):
        x, y = crest[at]
        tall = unit * canvas.span(0.025, 0.075)
        conifer(canvas, (x, y + tall * 0.25), tall, tone)
        at += max(1, int(len(crest) * unit / canvas.width * canvas.span(0.008, 0.06)))


def conifer(canvas: Canvas, foot: Point, tall: float, tone: Colour) -> None:
    """A fir as a stack of three skirts."""
    x, y = foot
    wide = tall * 0.2
    outline: list[Point] = [(x, y - tall)]
    right = []
    for tier in range(1, 4):
        edge = y - tall * (1 - tier / 3.2)
        right += [(x + wide * tier / 3, edge), (x + wide * tier / 3 * 0.55, edge - tall * 0.02)]
    right[-1] = (x + wide * 0.14, right[-2][1])
    outline += right
    outline += [(x + wide * 0.14, y), (x - wide * 0.14, y)]
    outline += [(2 * x - px, py) for px, py in reversed(right)]
    canvas.fill(outline, tone)


def hills(canvas: Canvas, palette: Palette) -> None:
    """Rolling fields with light on their shoulders and a few round trees."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    sun = (width * canvas.span(0.2, 0.8), height * canvas.span(0.2, 0.36))
    sky(canvas, palette, sun, unit * canvas.span(0.08, 0.13))
    layers = 5
    for layer in range(layers):
        share = layer / (layers - 1)
        level = height * (0.52 + 0.36 * share)
        crest = ridge(canvas, level, unit * canvas.span(0.035, 0.065), unit * canvas.span(1.1, 1.9))
        tone = mix(mix(palette.far, palette.sky[-1], 0.2), palette.near, round(share**1.3 * 0.9, 3))
        canvas.fill(down(canvas, crest), (lighter(tone, 0.05), tone, mix(tone, palette.near, 0.35)))
        if 0 < layer < layers - 1:
            for _ in range(1 + int(canvas.rng.random() * 4)):
                x, y = crest[int(canvas.rng.random() * (len(crest) - 1))]
                tree = mix(tone, palette.near, 0.55)
                _round_tree(canvas, (x, y + unit * 0.006), unit * (0.018 + 0.03 * share), tree)


def _round_tree(canvas: Canvas, foot: Point, tall: float, tone: Colour) -> None:
    x, y = foot
    canvas.line([(x, y), (x, y - tall)], max(1.0, tall * 0.09), tone)
    canvas.oval((x, y - tall * 1.25), tall * 0.52, tall * 0.68, (lighter(tone, 0.05), tone))


def dunes(canvas: Canvas, palette: Palette) -> None:
    """Sand in long curves, one side lit and one in shade."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    way = 1 if canvas.rng.random() < 0.5 else -1  # noqa: PLR2004 - a coin
    sun = (width * (0.5 - way * canvas.span(0.16, 0.34)), height * canvas.span(0.18, 0.34))
    sky(canvas, palette, sun, unit * canvas.span(0.09, 0.14))
    layers = 5
    for layer in range(layers):
        share = layer / (layers - 1)
        lit = mix(mix(palette.far, palette.sky[-1], 0.3), palette.near, round(0.62 * share**1.4, 3))
        shade = mix(mix(palette.far, palette.near, 0.55), palette.near, round(0.75 * share, 3))
        base, tall = height * (0.54 + 0.38 * share), unit * (0.07 + 0.13 * share)
        _dune(canvas, (width * canvas.span(0.15, 0.85), base), tall, (lit, shade), way)


def _dune(canvas: Canvas, middle: Point, tall: float, tones: tuple[Colour, Colour], way: int) -> None:
    """One dune from edge to edge, its flank away from the light in shade; `way` is -1 for left, 1 for right."""
    (peak, base), (lit, shade) = middle, tones
    reach = canvas.unit * canvas.span(0.7, 1.1)
    crest = curve(
        [
            (min(-2.0, peak - reach * 1.6), base + tall * 0.5),
            (peak - reach * 0.7, base + tall * 0.1),
            (peak, base - tall),
            (peak + reach * 0.6, base - tall * 0.15),
            (max(canvas.width + 2.0, peak + reach * 1.5), base + tall * 0.4),
        ],
        24,
    )
    canvas.fill(down(canvas, crest), (lighter(lit, 0.03), lit, mix(lit, shade, 0.6)))
    bottom = canvas.height + 2.0
    flank = [point for point in crest if (point[0] - peak) * way >= 0][::way]
    # From the peak the edge of the shade runs down in an S.
    edge = curve(
        [
            (peak, base - tall),
            (peak + way * reach * 0.1, base - tall * 0.35),
            (peak - way * reach * 0.08, base + tall * 0.5),
            (peak + way * reach * 0.18, bottom),
        ]
    )
    outline = [*flank, (flank[-1][0], bottom), *reversed(edge)]
    canvas.fill(outline, (shade, mix(shade, lit, 0.35), mix(shade, lit, 0.55)))


def woods(canvas: Canvas, palette: Palette) -> None:
    """Firs behind firs in the mist, trunks close by."""
    width, height, unit = canvas.width, canvas.height, canvas.unit
    horizon = palette.sky[-1]
    sun = (width * canvas.span(0.3, 0.7), height * canvas.span(0.2, 0.36))
    sky(canvas, palette, sun, unit * canvas.span(0.1, 0.15))
    layers = 5
    for layer in range(layers):
        share = layer / (layers - 1)
        level = height * (0.56 + 0.42 * share)
        tone = mix(mix(palette.far, horizon, 0.4), palette.near, round(share**1.1, 3))
        crest = ridge(canvas, level, unit * 0.03, unit * 1.3)
        canvas.fill(down(canvas, crest), (tone, mix(tone, horizon, round(0.3 * (1 - share), 3))))
        tall = unit * (0.15 + 0.27 * share)
        x = -tall * canvas.rng.random() * 0.3
        while x < width + tall * 0.2:
            ground = crest[min(len(crest) - 1, max(0, int(x / width * (len(crest) - 1))))][1]
            conifer(canvas, (x, ground + tall * 0.1), tall * canvas.span(0.6, 1.15), tone)
            x += tall * canvas.span(0.14, 0.42 + 0.35 * share)
        if layer < layers - 1:
            canvas.mist(level - tall * 0.35, level + unit * 0.14, horizon, 0.5 * (1 - share) + 0.1)
