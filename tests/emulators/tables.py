"""What a model takes as one flat object of fields, and what it makes of it; for vendors that host many models.

The tables themselves are typed from the vendors' pages, on purpose without a look at the providers.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.emulators.pictures import cut_out, draw, look, of_area, redraw_middle, repaint

if TYPE_CHECKING:
    from PIL import Image

    from tests.emulators.kie_models import Check
    from tests.emulators.pictures import Size

Fields = Mapping[str, Any]
MEGAPIXEL = 1024 * 1024
SQUARE = (1024, 1024)
DATA_START = "data:image/"
SEED = 2**31 - 1


class Wrong(NamedTuple):
    """What is wrong with an object: the field, a word for the kind of trouble, and words."""

    field: str
    kind: str
    words: str


def link(value: Any) -> str:
    """An address or a data URI of a picture."""
    fits = isinstance(value, str) and value.startswith(("http://", "https://", DATA_START))
    return "" if fits else "must be an URL or a data URI"


def links(least: int, most: int) -> Check:
    """A list of addresses or data URIs."""

    def check(value: Any) -> str:
        if not isinstance(value, list) or any(link(one) for one in value):
            return "must be a list of URLs or data URIs"
        return "" if least <= len(value) <= most else f"must hold {least} to {most}"

    return check


def either(*checks: Check) -> Check:
    """One of several forms."""

    def check(value: Any) -> str:
        found = [one(value) for one in checks]
        return "" if "" in found else found[0]

    return check


def same_size(_fields: Fields, source: Size) -> Size:
    """As large as the first input."""
    return source


def by_ratio(name: str, follow: tuple[str, ...] = (), usual: str = "1:1") -> Callable[[Fields, Size], Size]:
    """About a megapixel of the ratio in a field; some of its words follow the input."""

    def size(fields: Fields, source: Size) -> Size:
        ratio = fields.get(name, usual)
        return source if ratio in follow else of_area(ratio, MEGAPIXEL)

    return size


def enlarged(name: str, usual: int = 2) -> Callable[[Fields, Size], Size]:
    """The input, so many times as large."""

    def size(fields: Fields, source: Size) -> Size:
        factor = fields.get(name, usual)
        return round(source[0] * factor), round(source[1] * factor)

    return size


@dataclass(frozen=True)
class Table:
    """One model."""

    required: Mapping[str, Check]
    """Fields that must be there."""
    optional: Mapping[str, Check] = field(default_factory=dict)
    """Fields that may be."""
    images: str = ""
    """Field with the input pictures, or the one."""
    mask: str = ""
    """Field with the mask, transparent where the picture is to change."""
    size: Callable[[Fields, Size], Size] = same_size
    """Sides of the result from the fields and the first input's sides."""
    count: Callable[[Fields], int] = lambda _: 1
    """How many pictures it makes."""
    kind: str = "draw"
    """What it does with its first picture: draw, cut_out, resize."""
    form: str = "png"
    """Field that chooses the file type, or the type itself."""
    usual_form: str = "png"
    """The type where that field is not there."""
    many: bool = True
    """Whether it answers with a list of pictures."""
    seeded: bool = False
    """Whether it tells the seed."""
    faces: str = ""
    """Field that keeps it from redrawing faces when false; empty where it never does."""

    def wrong(self, fields: Fields) -> Wrong | None:
        """The first thing that is wrong with an object."""
        known = {**self.required, **self.optional}
        if unknown := sorted(set(fields) - set(known)):
            return Wrong(unknown[0], "extra_forbidden", "Extra inputs are not permitted")
        if missing := [name for name in self.required if name not in fields]:
            return Wrong(missing[0], "missing", "Field required")
        for name, value in fields.items():
            if why := known[name](value):
                return Wrong(name, "value_error", why)
        return None

    def links(self, fields: Fields) -> list[str]:
        """Addresses of the input pictures, in order."""
        given = fields.get(self.images, []) if self.images else []
        return [given] if isinstance(given, str) else list(given)

    def file_type(self, fields: Fields) -> str:
        """The type of the files it makes: png, jpeg or webp."""
        form = self.form if self.form in ("png", "jpeg", "webp") else str(fields.get(self.form, self.usual_form))
        return "jpeg" if form == "jpg" else form

    def make(self, fields: Fields, pictures: list[Image.Image], mask: Image.Image | None) -> list[Image.Image]:
        """The pictures it makes."""
        count = self.count(fields)
        size = self.size(fields, pictures[0].size if pictures else SQUARE)
        if mask is not None:
            return [repaint(pictures[0], mask.getchannel("A"), darker=True).resize(size)] * count
        if self.kind == "cut_out":
            return [cut_out(pictures[0])]
        if self.kind == "resize":
            large = pictures[0].convert("RGBA" if pictures[0].has_transparency_data else "RGB").resize(size)
            return [redraw_middle(large) if self.faces and fields.get(self.faces, True) else large]
        plain = sorted((name, str(value)[:60]) for name, value in fields.items())
        return [draw(size, (plain, place)) for place in range(count)]


def look_into(text: str) -> Image.Image | None:
    """The picture in a data URI whose type is what it says; None when it is none.

    Raises:
        OSError: it says it is one, and is not.
    """
    if not text.startswith(DATA_START):
        return None
    head, _, body = text.partition(",")
    try:
        picture = look(base64.b64decode(body, validate=True))
    except binascii.Error as error:
        raise OSError("not base64") from error
    if head != f"data:image/{str(picture.format).lower()};base64":
        raise OSError(f"a {picture.format} is no {head}")
    return picture
