"""Input pictures brought into the form a vendor takes: changed as little as can be, and never shrunk."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from imagewright.errors import PictureError
from imagewright.imaging.files import PictureFacts, check_whole, decode_once, facts_of, loading, open_lazily
from imagewright.imaging.pixels import (
    HIGH_QUALITY,
    KEEPS_ALPHA,
    decoded,
    encode,
    holds,
    is_transparent,
    upright,
    without_idle_alpha,
)
from imagewright.imaging.signatures import KINDS

if TYPE_CHECKING:
    from PIL import Image

    from imagewright.imaging.files import Opened


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
