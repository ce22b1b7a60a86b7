"""Input pictures and masks brought into the form a vendor takes. Pictures are changed as little as can be.

They are made smaller only where the vendor's limits leave no other way, and only for work that does not need every
pixel of them.

A mask has one meaning for the caller, *white or transparent is repainted, black and opaque is kept*. In full:

1. A pixel whose alpha is below a half is transparent, any other is opaque. A pixel whose luminance is at least a
   half is white, any other is black. So soft edges and the noise of a JPEG fall to the nearer side, and every
   pixel is either repainted or kept.
2. Nothing is transparent: white is repainted. If most pixels are neither near black nor near white, it is no
   mask but a picture, and is refused.
3. Something is transparent: that alone is repainted, whatever the opaque rest shows. It may be a picture with a hole
   in it, black, or white. Where it is drawn in black and white, it could be read in two ways, and `mask_doubt` says so.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Literal

from PIL import Image, ImageChops

from imagewright.errors import PictureError
from imagewright.imaging.files import PictureFacts, check_whole, decode_once, facts_of, loading, open_lazily
from imagewright.imaging.limiter import PreparedPicture, Target, fitted
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
from imagewright.text import byte_size

if TYPE_CHECKING:
    from imagewright.imaging.files import Opened
    from imagewright.imaging.signatures import Sides

MaskForm = Literal["white_is_repainted", "black_is_repainted", "transparent_is_repainted"]
"""How a vendor wants its masks, as in a route's picture form."""

REPAINTED = 255
KEPT = 0
"""The two values that a mask is read into."""

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

_LOWER_QUALITY = 85
"""For JPEG and lossy WebP where a file is too large at `HIGH_QUALITY`: about half its bytes."""
_ROUNDS = 8
"""How often a picture is made smaller until its file is small enough; two are usual."""
_MARGIN = 0.95
"""A smaller picture has more bytes for each pixel: so much less than the reckoned side is taken."""
_LOSSY = frozenset({"jpeg", "heic"})
"""Formats whose losses are already there: as a JPEG such a picture is nearly the same, as a PNG it has many times the
bytes."""
_PARTS = {"heic": "only the main one of its {} pictures is used", "tiff": "only the first of its {} pages is used"}
_FRAMES = "only the first of its {} frames is used"


@dataclass(frozen=True, slots=True)
class _Attempt:
    format: str
    quality: int | None
    """1 to 100; None where nothing is lost."""

    def __str__(self) -> str:
        title = KINDS[self.format].title
        return title if self.quality is None else f"{title} at quality {self.quality}"

    def write(self, image: Image.Image) -> bytes:
        return encode(image, self.format, quality=self.quality, lossless=self.quality is None)


def prepare(data: bytes, target: Target) -> PreparedPicture:
    """Bring a picture into one of the formats a vendor takes, the preferred one first, and within its limits.

    An upright, single-frame picture in an accepted format and within the limits passes untouched. Any other is turned
    upright, its first frame taken, and written without loss as the first of `formats` where that can be; a JPEG stays a
    JPEG where it may, and a HEIC becomes one. When the file then has more than `max_bytes`, it is written with loss, at
    high quality, then at a lower one, then with fewer pixels; without its transparency only where no accepted format
    can hold that with loss. An `exact` picture is converted where its format or orientation asks for it, but neither
    written anew nor made smaller for its size alone.

    Raises:
        PictureError: not a whole picture of a known format, in no accepted format small enough, or `exact` and too
            large.
    """
    opened = open_lazily(data)
    facts = facts_of(opened)
    check_whole(opened)
    size = fitted(facts.width, facts.height, max_pixels=target.max_pixels, max_side=target.max_side)
    limit = sys.maxsize if target.max_bytes is None else target.max_bytes
    accepted = facts.format in target.formats and facts.orientation == 1 and facts.frames == 1
    scaled = size != (facts.width, facts.height)
    if accepted and not scaled and len(data) <= limit:
        decode_once(opened)
        return PreparedPicture(data, facts.format, facts.width, facts.height, "")
    if target.exact and (scaled or accepted):
        raise PictureError(
            f"the picture of {facts.width} x {facts.height} px and {_bytes(len(data))} is too large, and here it is "
            "not made smaller: give it with fewer pixels or bytes"
        )
    image = _pixels(opened)
    if scaled:
        image = image.resize(size, Image.Resampling.LANCZOS)
    return _converted(image, facts, target, limit, given=len(data) if accepted else 0)


def _pixels(opened: Opened) -> Image.Image:
    with loading(opened.format, len(opened.data)):
        return without_idle_alpha(upright(decoded(opened), opened.orientation))


def _converted(image: Image.Image, facts: PictureFacts, target: Target, limit: int, *, given: int) -> PreparedPicture:
    """The picture as the first attempt that is small enough. `given` is the bytes of a file in an accepted form."""
    transparent = is_transparent(image)
    large = [(given, "the file given")] if given > limit else []
    attempt = None
    for attempt in _attempts(facts, target, image.size, transparent=transparent):
        made = attempt.write(image)
        if len(made) <= limit:
            break
        large.append((len(made), str(attempt)))
    else:
        if attempt is None:
            taken = " or ".join(KINDS[name].title if name in KINDS else name for name in target.formats)
            raise PictureError(
                f"the {KINDS[facts.format].title} of {facts.width} x {facts.height} px cannot be turned into "
                f"{taken} here: give the picture in that format"
            )
        smaller = None if target.exact else _made_smaller(image, attempt, len(made), limit)
        if smaller is None:
            size, what = min(large)
            raise PictureError(
                f"the picture of {facts.width} x {facts.height} px is too large: at most {_bytes(limit)} are taken, "
                f"and at its smallest ({what}) it has {_bytes(size)}. Give it with fewer pixels"
            )
        image, made = smaller
    reasons = _reasons(facts, target)
    if large:
        reasons.append(f"{large[0][1]} has {_bytes(large[0][0])}, over the limit of {_bytes(limit)}")
    if transparent and attempt.format not in KEEPS_ALPHA:
        reasons.append("its transparent parts are now white")
    note = f"sent as {attempt}: {'; '.join(reasons)}"
    if image.size != (facts.width, facts.height):
        pixels = facts.width * facts.height / 1e6
        sides = f"{image.width}x{image.height} px, {byte_size(len(made))}"
        note = f"{facts.width}x{facts.height} px ({pixels:.1f} megapixels) made smaller to {sides}, {note}"
    return PreparedPicture(made, attempt.format, image.width, image.height, note)


def _made_smaller(image: Image.Image, attempt: _Attempt, size: int, limit: int) -> tuple[Image.Image, bytes] | None:
    """The picture with as few pixels less as the limit of bytes asks for; None if that does not help.

    `size` is the bytes it has at its full size.
    """
    share = 1.0
    for _ in range(_ROUNDS):
        share *= min(1, sqrt(limit / size)) * _MARGIN
        sides = int(image.width * share), int(image.height * share)
        if min(sides) < 1:
            break
        smaller = image.resize(sides, Image.Resampling.LANCZOS)
        made = attempt.write(smaller)
        if (size := len(made)) <= limit:
            return smaller, made
    return None


def _attempts(facts: PictureFacts, target: Target, size: Sides, *, transparent: bool) -> list[_Attempt]:
    """What to write the picture as, best first: the preferred form, then the one lossy form that suits it.

    That is JPEG, and WebP for what is transparent: as a WebP an opaque picture takes ten times as long.
    """
    able = [name for name in target.formats if holds(name, *size)]
    if transparent:
        able.sort(key=lambda name: name not in KEEPS_ALPHA)
    elif facts.format in _LOSSY:
        able.sort(key=lambda name: {"jpeg": 0, "png": 1}.get(name, 2))
    wanted = [_Attempt(name, HIGH_QUALITY if name == "jpeg" else None) for name in able[:1]]
    if transparent and "png" in able:
        wanted.append(_Attempt("png", None))
    lossy = [name for name in (("webp", "jpeg") if transparent else ("jpeg", "webp")) if name in able][:1]
    qualities = (HIGH_QUALITY,) if target.exact else (HIGH_QUALITY, _LOWER_QUALITY)
    wanted += [_Attempt(name, quality) for name in lossy for quality in qualities]
    return list(dict.fromkeys(wanted))


def _reasons(facts: PictureFacts, target: Target) -> list[str]:
    reasons = []
    if facts.format not in target.formats:
        reasons.append(f"{KINDS[facts.format].title} is not taken here")
    if facts.frames > 1:
        reasons.append(_PARTS.get(facts.format, _FRAMES).format(facts.frames))
    if facts.orientation != 1:
        reasons.append(f"it was turned upright (EXIF orientation {facts.orientation})")
    if target.max_side is not None and max(facts.width, facts.height) > target.max_side:
        reasons.append(f"at most {target.max_side:,} px per side are taken")
    if target.max_pixels is not None and facts.width * facts.height > target.max_pixels:
        reasons.append(f"at most {target.max_pixels:,} pixels in all are taken")
    return reasons


def _bytes(count: int) -> str:
    return f"{count:,} bytes ({count / 1e6:.1f} MB)"


def read_mask(data: bytes) -> Image.Image:
    """The area to repaint, by the rule at the top of this module: mode L, upright, only `REPAINTED` and `KEPT`.

    Raises:
        PictureError: not a whole picture of a known format, or a picture that is not a mask.
    """
    image = open_picture(data)
    opaque = _opaque(image)
    if opaque.getextrema() == (REPAINTED, REPAINTED):
        _, extreme = _shares(image, opaque)
        if extreme < _PICTURE_PLAIN_SHARE:
            raise PictureError(
                f"this is not a mask: {1 - extreme:.0%} of its pixels are neither black nor white, and none is "
                "transparent. Paint what is to change white, or cut it out, and all else black"
            )
        return image.convert("L").point(_at_least(_HALF))
    return ImageChops.invert(opaque)


def mask_doubt(data: bytes) -> str:
    """What could be meant otherwise in a mask, one sentence; empty where there is only one way to read it.

    Raises:
        PictureError: not a whole picture of a known format.
    """
    image = open_picture(data)
    opaque = _opaque(image)
    if opaque.getextrema() == (REPAINTED, REPAINTED):
        return ""
    coloured, extreme = _shares(image, opaque)
    white = ImageChops.darker(image.convert("L").point(_at_least(_HALF)), opaque).histogram()[REPAINTED]
    black = opaque.histogram()[REPAINTED] - white
    if coloured > _MASK_COLOURED_SHARE or extreme < _MASK_PLAIN_SHARE or not (white and black):
        return ""
    return "it has transparent parts and is also drawn in black and white: only what is transparent is repainted"


def convert_mask(data: bytes, form: MaskForm, size: tuple[int, int] | None = None) -> bytes:
    """The mask as a PNG in the form a vendor wants, of that size in px; None for its own.

    The first two forms are grey with only 0 and 255; the last is black RGBA with alpha 0 where it is repainted. A pixel
    of a smaller mask is repainted where any of those it stands for is, so that nothing marked is lost.

    Raises:
        PictureError: as `read_mask`.
    """
    repainted = read_mask(data)
    if size is not None and size != repainted.size:
        repainted = repainted.resize(size, Image.Resampling.BOX).point(_at_least(1))
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
