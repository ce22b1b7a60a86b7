"""Input pictures and masks brought into the form a vendor takes. Pictures are changed as little as can be.

A mask has one meaning for the caller, *white or transparent is repainted, black and opaque is kept*. In full:

1. A pixel whose alpha is below a half is transparent, any other is opaque. A pixel whose luminance is at least a
   half is white, any other is black. So soft edges and the noise of a JPEG fall to the nearer side, and every
   pixel is either repainted or kept.
2. Nothing is transparent: white is repainted. If most pixels are neither near black nor near white, it is no
   mask but a picture, and is refused.
3. Something is transparent, and the opaque rest is colourless and nearly all black or white: it is a drawn mask,
   and what is transparent or white is repainted.
4. Something is transparent, and the opaque rest is a picture: it is the picture with a hole in it. The hole
   alone is repainted, for the white of a cloud means nothing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from PIL import Image, ImageChops

from imagewright.errors import PictureError
from imagewright.imaging.files import PictureFacts, check_whole, decode_once, facts_of, loading, open_lazily
from imagewright.imaging.pixels import (
    HIGH_QUALITY,
    KEEPS_ALPHA,
    decoded,
    encode,
    holds,
    is_transparent,
    open_picture,
    upright,
    without_idle_alpha,
)
from imagewright.imaging.signatures import KINDS

if TYPE_CHECKING:
    from imagewright.imaging.files import Opened

MaskForm = Literal["white_is_repainted", "black_is_repainted", "transparent_is_repainted"]
"""How a vendor wants its masks, as in a route's picture form."""

REPAINTED = 255
KEPT = 0

_BAND = 512
"""Rows that are counted at a time: the many planes of a whole picture would take four times its memory."""

_HALF = 128
_NEAR_BLACK = 63
_NEAR_WHITE = 192
_COLOURED = 48
"""Difference between a pixel's strongest and weakest channel from which it has a colour; JPEG and WebP noise on
black and white stays below."""

_MASK_COLOURED_SHARE = 0.005
_MASK_PLAIN_SHARE = 0.9
"""A drawn mask has hardly a coloured pixel, and few between black and white (soft edges)."""
_PICTURE_PLAIN_SHARE = 0.5
"""An opaque file with less of it near black or white than this is a picture; a wide soft mask still has more."""


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """A picture as it will be sent."""

    data: bytes
    """The whole file."""
    format: str
    """Its real type, one of those asked for."""
    width: int
    """Px, upright."""
    height: int
    """Px, upright."""
    note: str
    """What was changed and why, one sentence; empty when the bytes are the caller's own."""


class _TooLarge(NamedTuple):
    size: int
    what: str


@dataclass(frozen=True, slots=True)
class _Attempt:
    format: str
    lossless: bool

    def __str__(self) -> str:
        title = KINDS[self.format].title
        return title if self.lossless else f"{title} at quality {HIGH_QUALITY}"


def prepare(data: bytes, *, formats: tuple[str, ...], max_bytes: int | None) -> PreparedPicture:
    """Bring a picture into one of the formats a vendor takes, the preferred one first.

    An upright, single-frame picture in an accepted format and small enough passes untouched. Any other is turned
    upright, its first frame taken, and written without loss as the first of `formats` where that can be; a JPEG stays a
    JPEG where it may. When the file then has more than `max_bytes` (None for no limit), the other accepted formats are
    tried at high quality, those that would lose its transparency last.

    Raises:
        PictureError: not a whole picture of a known format, or in no accepted format small enough.
    """
    opened = open_lazily(data)
    facts = facts_of(opened)
    check_whole(opened)
    limit = sys.maxsize if max_bytes is None else max_bytes
    if facts.format not in formats or facts.orientation != 1 or facts.frames > 1:
        return _converted(_pixels(opened), facts, formats, limit, too_large=[])
    if len(data) > limit:
        return _converted(_pixels(opened), facts, formats, limit, too_large=[_TooLarge(len(data), "the file given")])
    decode_once(opened)
    return PreparedPicture(data, facts.format, facts.width, facts.height, "")


def _pixels(opened: Opened) -> Image.Image:
    with loading(opened.format, len(opened.data)):
        return without_idle_alpha(upright(decoded(opened), opened.orientation))


def _converted(
    image: Image.Image, facts: PictureFacts, formats: tuple[str, ...], limit: int, *, too_large: list[_TooLarge]
) -> PreparedPicture:
    transparent = is_transparent(image)
    for attempt in _attempts(facts, formats, transparent=transparent):
        made = encode(image, attempt.format, quality=HIGH_QUALITY, lossless=attempt.lossless)
        if len(made) > limit:
            too_large.append(_TooLarge(len(made), str(attempt)))
            continue
        reasons = _reasons(facts, formats)
        if too_large:
            reasons.append(f"{too_large[0].what} has {_bytes(too_large[0].size)}, over the limit of {_bytes(limit)}")
        if transparent and attempt.format not in KEEPS_ALPHA:
            reasons.append("its transparent parts are now white")
        note = f"sent as {attempt}: {'; '.join(reasons)}"
        return PreparedPicture(made, attempt.format, image.width, image.height, note)
    if not too_large:
        taken = " or ".join(KINDS[name].title if name in KINDS else name for name in formats)
        raise PictureError(
            f"the {KINDS[facts.format].title} of {facts.width} x {facts.height} px cannot be turned into "
            f"{taken} here: give the picture in that format"
        )
    best = min(too_large)
    raise PictureError(
        f"the picture of {facts.width} x {facts.height} px is too large: at most {_bytes(limit)} are taken, and at its "
        f"smallest ({best.what}) it has {_bytes(best.size)}. Give it with fewer pixels"
    )


def _attempts(facts: PictureFacts, formats: tuple[str, ...], *, transparent: bool) -> list[_Attempt]:
    """What to write the picture as, best first: the preferred form, then every accepted format at high quality."""
    able = [name for name in formats if holds(name, facts.width, facts.height)]
    if facts.format == "jpeg":
        # Its losses are already there: another JPEG is nearly the same picture, a PNG many times the bytes.
        able.sort(key=lambda name: {"jpeg": 0, "png": 1}.get(name, 2))
    wanted = [_Attempt(name, lossless=name != "jpeg") for name in able[:1]]
    wanted += [_Attempt(name, lossless=name == "png") for name in able]
    unique = list(dict.fromkeys(wanted))
    return sorted(unique, key=lambda attempt: transparent and attempt.format not in KEEPS_ALPHA)


def _reasons(facts: PictureFacts, formats: tuple[str, ...]) -> list[str]:
    reasons = []
    if facts.format not in formats:
        reasons.append(f"{KINDS[facts.format].title} is not taken here")
    if facts.frames > 1:
        reasons.append(f"only the first of its {facts.frames} frames is used")
    if facts.orientation != 1:
        reasons.append(f"it was turned upright (EXIF orientation {facts.orientation})")
    return reasons


def _bytes(count: int) -> str:
    return f"{count:,} bytes ({count / 1e6:.1f} MB)"


def read_mask(data: bytes) -> Image.Image:
    """The area to repaint, by the rule at the top of this module: mode L, upright, only `REPAINTED` and `KEPT`.

    Raises:
        PictureError: not a whole picture of a known format, or a picture that is not a mask.
    """
    image = open_picture(data)
    white = image.convert("L").point(_at_least(_HALF))
    opaque = _opaque(image)
    coloured, extreme = _shares(image, opaque)
    if opaque.getextrema() == (REPAINTED, REPAINTED):
        if extreme < _PICTURE_PLAIN_SHARE:
            raise PictureError(
                f"this is not a mask: {1 - extreme:.0%} of its pixels are neither black nor white, and none is "
                "transparent. Paint what is to change white, or cut it out, and all else black"
            )
        return white
    clear = ImageChops.invert(opaque)
    drawn = coloured <= _MASK_COLOURED_SHARE and extreme >= _MASK_PLAIN_SHARE
    return ImageChops.lighter(clear, white) if drawn else clear


def convert_mask(data: bytes, form: MaskForm) -> bytes:
    """The mask as a PNG in the form a vendor wants, of the same size in px.

    The first two forms are grey with only 0 and 255; the last is black RGBA with alpha 0 where it is repainted.

    Raises:
        PictureError: as `read_mask`.
    """
    repainted = read_mask(data)
    if form == "white_is_repainted":
        return encode(repainted, "png")
    kept = ImageChops.invert(repainted)
    if form == "black_is_repainted":
        return encode(kept, "png")
    black = Image.new("L", kept.size, 0)
    return encode(Image.merge("RGBA", (black, black, black, kept)), "png")


def mask_coverage(data: bytes) -> float:
    """Share of the pixels that is repainted: 0 where the mask marks nothing, 1 where it keeps nothing.

    Raises:
        PictureError: as `read_mask`.
    """
    mask = read_mask(data)
    return mask.histogram()[REPAINTED] / (mask.width * mask.height)


def _at_least(bound: int) -> list[int]:
    """A table for `point`: 255 from the bound up, 0 below."""
    return [REPAINTED if value >= bound else KEPT for value in range(256)]


def _opaque(image: Image.Image) -> Image.Image:
    """255 where the image hides what is below it, by halves."""
    if image.mode != "RGBA":
        return Image.new("L", image.size, REPAINTED)
    return image.getchannel("A").point(_at_least(_HALF))


def _shares(image: Image.Image, where: Image.Image) -> tuple[float, float]:
    """Of the pixels where `where` is 255: the share that has a colour, and the share near black or white."""
    coloured = extreme = 0
    for top in range(0, image.height, _BAND):
        box = (0, top, image.width, min(top + _BAND, image.height))
        more_coloured, more_extreme = _counts(image.crop(box).convert("RGB"), where.crop(box))
        coloured, extreme = coloured + more_coloured, extreme + more_extreme
    total = max(1, where.histogram()[REPAINTED])
    return coloured / total, extreme / total


def _counts(image: Image.Image, where: Image.Image) -> tuple[int, int]:
    """How many of the pixels where `where` is 255 have a colour, and how many are near black or white."""
    red, green, blue = image.split()
    strongest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    weakest = ImageChops.darker(ImageChops.darker(red, green), blue)
    coloured = ImageChops.subtract(strongest, weakest).point(_at_least(_COLOURED))
    near_black = ImageChops.invert(strongest).point(_at_least(255 - _NEAR_BLACK))
    near_white = weakest.point(_at_least(_NEAR_WHITE))

    def count(of: Image.Image) -> int:
        return ImageChops.darker(of, where).histogram()[REPAINTED]

    return count(coloured), count(ImageChops.lighter(near_black, near_white))
