"""Small pictures for the chat, together within one budget of encoded bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image

from imagewright.imaging.files import PictureFacts, check_whole, facts_of, loading, open_lazily
from imagewright.imaging.limiter import Preview
from imagewright.imaging.pixels import (
    decoded,
    encode,
    in_srgb,
    is_transparent,
    open_picture,
    plain,
    upright,
    without_idle_alpha,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from imagewright.imaging.files import Opened

PREVIEW_SIDE = 1024
"""Px on the long side; about what chat models look at without scaling down themselves."""

_FIRST_QUALITY = 85
_LOWER_QUALITIES = (70, 55)
_LOWER_SIDES = (768, 640, 512, 384, 256, 192, 128)
"""Px. Smaller previews would show nothing useful."""
_SMALL_QUALITY = 60
_LAST_QUALITY = 40

_PNG_SIDE = 256
"""Px up to which PNG is tried beside WebP for transparent pictures: icons and plain shapes are often smaller in it."""

_AVERAGE_DOWN_TO = 1.3
"""Big pictures are averaged in whole steps down to this many times the wanted size, and only then filtered by
Lanczos: a 4096 px picture takes 55 ms in place of 200 ms, with no difference to be seen."""

_RESIZABLE = frozenset({"L", "RGB", "RGBA", "CMYK"})


def look(source: bytes | Path, *, side: int = PREVIEW_SIDE) -> tuple[PictureFacts, Preview]:
    """What a thorough `probe` finds out, whether any pixel is transparent, and a first preview, from one decoding.

    The preview's long side has at most `side` px; nothing is enlarged.

    Raises:
        PictureError: as `probe`.
        StorageError: the file cannot be read.
    """
    opened = open_lazily(source)
    facts = facts_of(opened)
    check_whole(opened)
    image = _decoded(opened, side)
    transparent = is_transparent(image)
    return replace(facts, transparent=transparent), _as_preview(_small(opened, image, side), _FIRST_QUALITY)


def fit_previews(first: Sequence[Preview], *, budget: int) -> tuple[list[Preview], bool]:
    """Previews for one reply, together at most `budget` bytes as base64, and whether any was shrunk or left out.

    When the previews that `look` made are too large, all are shrunk alike: first in quality, then in size down to 128
    px. If even that is too much, the last ones are left out and the list is shorter than `first`.
    """
    if sum(preview.encoded_size for preview in first) <= budget:
        return list(first), False
    # Shrinking starts from the first choice and not from the pictures: these may take seconds to decode again.
    smalls = [open_picture(preview.data) for preview in first]
    made: list[Preview] = []
    for lower_side, quality in _steps_below(max(max(small.size) for small in smalls)):
        made = _within_budget(smalls, lower_side, quality, budget)
        if len(made) == len(smalls):
            break
    return made, True


def _steps_below(side: int) -> Iterator[tuple[int, int]]:
    """Side in px and quality of each further choice, best first."""
    for quality in _LOWER_QUALITIES:
        yield side, quality
    for lower in _LOWER_SIDES:
        if lower < side:
            yield lower, _SMALL_QUALITY
    yield min(side, _LOWER_SIDES[-1]), _LAST_QUALITY


def _within_budget(smalls: list[Image.Image], side: int, quality: int, budget: int) -> list[Preview]:
    """The previews at one step, up to the first that breaks the budget."""
    made: list[Preview] = []
    left = budget
    for small in smalls:
        preview = _as_preview(_resized(small, _within(small.size, side)), quality)
        left -= preview.encoded_size
        if left < 0:
            break
        made.append(preview)
    return made


def _decoded(opened: Opened, side: int) -> Image.Image:
    """The picture as stored, in a mode that can be resized; a JPEG with fewer pixels, but at least that long a side."""
    image: Image.Image = opened.image
    target = _within(image.size, side)
    with loading(opened.format, len(opened.data)):
        if opened.format == "jpeg" and target != image.size:
            # A JPEG can be decoded at a half, a quarter or an eighth for a fraction of the work.
            opened.image.draft(None, target)
        opened.image.load()
        return decoded(opened) if image.mode not in _RESIZABLE or "transparency" in image.info else image


def _small(opened: Opened, image: Image.Image, side: int) -> Image.Image:
    """The decoded picture upright, in sRGB, with the long side at most `side` px, as RGB or RGBA."""
    with loading(opened.format, len(opened.data)):
        # Few pixels are cheaper to bring into RGB and to turn than many.
        image = plain(_resized(image, _within(image.size, side)))
        if profile := image.info.get("icc_profile"):
            image = in_srgb(image, profile)
        return without_idle_alpha(upright(image, opened.orientation))


def _within(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size scaled so that its long side is at most `side` px; never enlarged, never 0."""
    longest = max(size)
    if longest <= side:
        return size
    return max(1, round(size[0] * side / longest)), max(1, round(size[1] * side / longest))


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_AVERAGE_DOWN_TO)


def _as_preview(image: Image.Image, quality: int) -> Preview:
    if image.mode == "RGB":
        return Preview(encode(image, "jpeg", quality=quality), "jpeg", *image.size)
    best = Preview(encode(image, "webp", quality=quality, effort=0), "webp", *image.size)
    if max(image.size) <= _PNG_SIDE:
        png = Preview(encode(image, "png"), "png", *image.size)
        best = min(best, png, key=lambda preview: len(preview.data))
    return best
