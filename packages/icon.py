"""The icon: seven discs in seven colours, one in the middle and six around it, on a dark square with round corners."""

from __future__ import annotations

import colorsys
import io
import math

from PIL import Image, ImageChops, ImageDraw

SIDE = 512
"""Pixels of each side: what the bundle's own tool recommends."""
LARGE = 4 * SIDE
"""Pixels of each side while it is drawn, so that its edges become smooth."""
GROUND = (27, 31, 42)
MIDDLE = (246, 241, 232)
AROUND = 6
"""Discs around the one in the middle."""
CORNER = 0.22
"""Radius of the corners, as a share of the side, as is every length below."""
RADIUS = 0.155
"""Of each disc."""
DISTANCE = 0.235
"""From the middle to the middles of the discs around it: less than twice their radius, so that they overlap."""


def draw_icon() -> bytes:
    """The icon as a PNG of `SIDE` pixels, transparent outside its corners."""
    discs = Image.new("RGB", (LARGE, LARGE))
    for index in range(AROUND):
        angle = math.tau * (index / AROUND - 0.25)
        red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(index / AROUND + 0.02, 0.62, 0.92))
        disc = Image.new("RGB", (LARGE, LARGE))
        at = 0.5 + DISTANCE * math.cos(angle), 0.5 + DISTANCE * math.sin(angle)
        disc.paste((red, green, blue), mask=_disc(*at))
        discs = ImageChops.screen(discs, disc)  # where two overlap, their light adds up
    picture = Image.new("RGB", (LARGE, LARGE), GROUND)
    picture.paste(discs, mask=discs.convert("L").point(lambda value: 255 if value else 0))
    picture.paste(MIDDLE, mask=_disc(0.5, 0.5))
    corners = Image.new("L", (LARGE, LARGE))
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, LARGE - 1, LARGE - 1), LARGE * CORNER, fill=255)
    picture.putalpha(corners)
    out = io.BytesIO()
    picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(out, "PNG", optimize=True)
    return out.getvalue()


def _disc(across: float, down: float) -> Image.Image:
    """White on black, with its middle at these shares of the side."""
    mask = Image.new("L", (LARGE, LARGE))
    box = [LARGE * (middle + way * RADIUS) for way in (-1, 1) for middle in (across, down)]
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask
