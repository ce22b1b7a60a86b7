"""What a file is, by its bytes: its type, its sides, its parts, and what its header says.

An input is a file. Its pixels are decoded too where they are few: the decoders belong to Pillow, and in the server they
work in processes of their own.
"""

from __future__ import annotations

from dataclasses import replace
from struct import pack

from hypothesis import strategies as st

from imagewright.errors import PictureError
from imagewright.imaging.files import PictureFacts, decoding_cost, measure, only_picture, probe
from imagewright.imaging.metadata import EXIF
from imagewright.imaging.signatures import HEAD_BYTES, KINDS, describe, extension_of, recognise
from tests.fuzz.target import Target, check_line, expect
from tests.support.crafted_files import hollow_bmp, hollow_gif, hollow_webp, item_file, sequence, tiff_of
from tests.support.pictures import STILL_FORMATS, photo

FEW_PIXELS = 1_000_000
"""Pixels of the largest picture that is decoded here; it takes a few MB."""
WORK = 8
"""Bytes a pixel, of work on a picture."""
LONGEST_REFUSAL = 400
PARTS = (
    *("IHDR", "IDAT", "IEND", "eXIf", "iTXt", "zTXt", "acTL", "fcTL"),
    *("VP8X", "VP8L", "VP8 ", "ANMF", "EXIF"),
    *("ftyp", "meta", "iprp", "ipco", "ipma", "ispe", "irot", "clap", "iloc", "iinf", "infe", "hvcC", "av1C"),
    *("grid", "pitm", "mdat"),
)
"""Names of the parts of PNG, WebP, AVIF and HEIC."""


def _check(data: bytes) -> None:
    head = data[:HEAD_BYTES]
    name = recognise(head)
    expect(name is None or name in KINDS, f"{name!r} is no format")
    check_line(describe(head) or "", 60)
    expect(extension_of(head).startswith("."), "an extension without a dot")
    expect(decoding_cost(data, WORK) >= 0, "memory below nothing")
    try:
        measured = measure(data)
        expect(measured.width > 0 and measured.height > 0, f"{measured.width} x {measured.height} px")
        decoded = measured.width * measured.height <= FEW_PIXELS
        facts = probe(data, thorough=decoded)
    except PictureError as error:
        check_line(str(error), LONGEST_REFUSAL)
        return
    expect(facts.width > 0 and facts.height > 0 and facts.frames > 0, f"{facts}")
    expect(1 <= facts.orientation <= 8, f"{facts}")
    if decoded and facts.frames == 1:  # of a moving picture only the first frame was decoded
        _check_only_picture(facts, data)


def _check_only_picture(facts: PictureFacts, data: bytes) -> None:
    """What a vendor gets of a file holds nothing but the picture, and that is the same one."""
    try:
        bare, words = only_picture(data, facts.format)
    except PictureError as error:  # a part is cut off behind the pixels
        check_line(str(error), LONGEST_REFUSAL)
        return
    for word in words:
        check_line(word, 60)
    left = probe(bare, thorough=False)
    expect(replace(left, size=facts.size) == facts, f"it was {facts} and is {left}")
    again, more = only_picture(bare, facts.format)
    expect(again == bare, f"another file is left of what was left: {words} {more}")
    expect(bare is data or set(more) <= {EXIF}, f"{more} is left")  # with the orientation alone


def whole_files() -> dict[str, bytes]:
    """A small file of each kind, by a name for it."""
    plain = {form: photo(16, 12, form) for form in STILL_FORMATS}
    turned = {f"turned-{form}": photo(16, 12, form, orientation=6) for form in ("png", "jpeg", "webp")}
    moving = {f"moving-{form}": photo(16, 12, form, frames=2) for form in ("png", "gif", "webp")}
    crafted = {
        "item": item_file(sequence(16, 12)),
        "crafted-tiff": tiff_of((4, 2), pixels=bytes(24), order=">"),
        "hollow-webp": hollow_webp(64, 64),
        "hollow-gif": hollow_gif((8, 8), (8, 8)),
        "hollow-bmp": hollow_bmp(8, 8),
    }
    return plain | turned | moving | crafted


def _changed(data: bytes, changes: list[tuple[int, bytes]], end: int) -> bytes:
    whole = bytearray(data)
    for at, new in changes:
        place = at % len(whole)
        whole[place : place + len(new)] = new
    return bytes(whole[: len(whole) - end % len(whole)])


_numbers = st.sampled_from([pack(form, value) for form in (">I", "<I", ">H", "<H") for value in (0, 1, 0x7FFF, 0xFFFF)])
_pieces = st.one_of(st.binary(min_size=1, max_size=6), _numbers, st.sampled_from([name.encode() for name in PARTS]))
_files = st.builds(
    _changed,
    st.sampled_from(list(whole_files().values())),
    st.lists(st.tuples(st.integers(0, 4000), _pieces), max_size=4),
    st.one_of(st.just(0), st.integers(0, 4000)),
)
TARGETS = {"pictures": Target(_check, _files, PARTS)}
