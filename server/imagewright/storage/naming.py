"""File names: readable, sortable, and the same on every platform."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath
from typing import TYPE_CHECKING

from imagewright.storage.record import ID_PREFIX

if TYPE_CHECKING:
    from imagewright.storage.record import NewPicture

LONGEST_SLUG = 40
"""Signs of the prompt in a file name."""
_ID_SIGNS = 6  # enough to tell the pictures of one second apart

EXTENSIONS = {
    "png": ("png",),
    "jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "webp": ("webp",),
    "gif": ("gif",),
    "avif": ("avif",),
    "heic": ("heic", "heif"),
    "tiff": ("tif", "tiff"),
    "bmp": ("bmp",),
    "svg": ("svg",),
}
"""File name extensions by format, the usual one first."""

# Latin letters that no Unicode decomposition turns into ASCII.
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i"})


def plain(text: str) -> str:
    """The text without differences of case, accents and forms of one letter, for comparing words of any script."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(sign for sign in apart if not unicodedata.combining(sign)))


def slug(text: str, longest: int = LONGEST_SLUG) -> str:
    """The first words of a text in a-z, 0-9 and `-`; empty when it has none in Latin script."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"['\u2019]", "", plain(text)).translate(_LETTERS))
    kept = ""
    for word in words:
        longer = f"{kept}-{word}" if kept else word
        if len(longer) > longest:
            break
        kept = longer
    return kept or (words[0][:longest] if words else "")


def default_name(new: NewPicture, picture_id: str) -> str:
    """A name that sorts by time and can be told apart by eye: `20261122-163012_<tool>_<words>_<id>.<extension>`.

    The time is local. The operation stands in for a prompt that has no word in Latin script.
    """
    when = new.created.astimezone().strftime("%Y%m%d-%H%M%S")
    short = picture_id.removeprefix(ID_PREFIX)[:_ID_SIGNS]
    return f"{when}_{new.tool}_{slug(new.prompt) or slug(new.operation)}_{short}.{extension(new.format)}"


def extension(form: str) -> str:
    """The usual extension of a format, without a dot."""
    return EXTENSIONS.get(form, (form,))[0]


def with_real_extension(name: str, form: str) -> str:
    """The name with the extension of the real type.

    One that already says the type stays as it was typed; another picture extension is replaced; anything else after
    a dot is part of the name.
    """
    typed = PurePath(name).suffix.lower().removeprefix(".")
    if typed in EXTENSIONS.get(form, (form,)):
        return name
    stem = PurePath(name).stem if any(typed in known for known in EXTENSIONS.values()) else name
    return f"{stem}.{extension(form)}"


def numbered(name: str, number: int) -> str:
    """The name with `-<number>` before its extension."""
    path = PurePath(name)
    return f"{path.stem}-{number}{path.suffix}"
