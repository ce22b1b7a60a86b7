"""What a file tells beside its picture is taken out, and the picture itself stays as it was written."""

from __future__ import annotations

import random
import struct
import sys
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageCms

from imagewright.errors import PictureError
from imagewright.imaging import metadata
from imagewright.imaging.files import check_whole, measure, only_picture, open_lazily, probe
from imagewright.imaging.headers import PARTS, is_plain, is_shown
from imagewright.imaging.pixels import open_picture
from tests.support.crafted_files import busy_png, chunk, riff
from tests.support.pictures import STILL_FORMATS, noise, opened, photo, saved

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = b"Rosa, 52.51627 N"
"""What must not be found in a file that is sent."""
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + SECRET + b"</x:xmpmeta>"
FORMATS = sorted(PARTS)
PLACE, ORIENTATION, MAKER, COMMENT, NOTES = 0x8825, 0x0112, 0x010F, 0x9286, 0x927C


def exif(orientation: int = 1, *, place: bool = True) -> bytes:
    """A camera's EXIF block, with the secret wherever there is text."""
    block = Image.Exif()
    block[ORIENTATION] = orientation
    block[MAKER] = SECRET.decode()
    block.get_ifd(0x8769).update({COMMENT: b"ASCII\0\0\0" + SECRET, NOTES: SECRET})
    if place:
        block.get_ifd(PLACE).update({1: "N", 2: (52.0, 30.0, 58.0), 29: SECRET.decode()})
    return block.tobytes()


def segment(marker: int, content: bytes) -> bytes:
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_part(form: str, part: bytes, data: bytes | None = None) -> bytes:
    """A file of that format with one more part near its beginning; of a WebP at its end."""
    data = photo(format=form) if data is None else data
    if form == "webp":
        return data[:4] + struct.pack("<I", len(data) + len(part) - 8) + data[8:] + part
    at = {"png": 33, "jpeg": 20}[form]
    return data[:at] + part + data[at:]


MORE: list[tuple[str, bytes, str]] = [
    ("png", chunk(b"tEXt", b"parameters\0" + SECRET), metadata.TEXTS),
    ("png", chunk(b"zTXt", b"Raw profile type exif\0\0" + SECRET), metadata.TEXTS),
    ("png", chunk(b"iTXt", b"prompt\0\0\0\0\0" + SECRET), metadata.TEXTS),
    ("png", chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP), metadata.XMP),
    ("png", chunk(b"eXIf", exif(place=False).removeprefix(b"Exif\0\0")), metadata.EXIF),
    ("png", chunk(b"eXIf", exif().removeprefix(b"Exif\0\0")), metadata.PLACE),
    ("png", chunk(b"caBX", b"jumb" + SECRET), metadata.CREDENTIAL),
    ("png", chunk(b"tIME", b"\x07\xea\x0b\x1a\x11\0\0"), metadata.OTHER),
    ("png", chunk(b"iDOT", SECRET), metadata.OTHER),
    ("jpeg", segment(0xE1, exif(place=False)), metadata.EXIF),
    ("jpeg", segment(0xE1, exif()), metadata.PLACE),
    ("jpeg", segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP), metadata.XMP),
    ("jpeg", segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + XMP), metadata.XMP),
    ("jpeg", segment(0xE0, b"JFXX\0\x10" + SECRET), metadata.THUMBNAIL),
    ("jpeg", segment(0xE2, b"MPF\0" + SECRET), metadata.OTHER),
    ("jpeg", segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb" + SECRET), metadata.CREDENTIAL),
    ("jpeg", segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04" + SECRET), metadata.IPTC),
    ("jpeg", segment(0xFE, SECRET), metadata.TEXTS),
    ("jpeg", segment(0xE7, SECRET), metadata.OTHER),
    ("jpeg", SECRET, metadata.OTHER),
    ("webp", riff(b"EXIF", exif()), metadata.PLACE),
    ("webp", riff(b"XMP ", XMP), metadata.XMP),
    ("webp", riff(b"C2PA", b"jumb" + SECRET), metadata.CREDENTIAL),
    ("webp", riff(b"note", SECRET + b"odd"), metadata.OTHER),
]


@pytest.mark.parametrize(("form", "part", "word"), MORE, ids=[f"{form}-{part[:16]!r}" for form, part, _ in MORE])
def test_what_is_not_part_of_the_picture_is_left_out_and_named(form: str, part: bytes, word: str) -> None:
    assert only_picture(with_part(form, part), form) == (photo(format=form), (word,))


@pytest.mark.parametrize("form", FORMATS)
def test_so_is_what_stands_behind_its_end(form: str) -> None:
    for behind in (SECRET, b"\0\0\0\x18ftypmp42" + SECRET, photo(format=form) + SECRET):
        assert only_picture(photo(format=form) + behind, form) == (photo(format=form), (metadata.BEHIND,))


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_is_only_a_picture_is_not_touched(form: str) -> None:
    for data in (photo(format=form), photo(format=form, frames=1 if form == "jpeg" else 3)):
        assert only_picture(data, form)[0] is data


OTHERS = [form for form in STILL_FORMATS if form not in PARTS]


@pytest.mark.parametrize("form", OTHERS)
def test_what_is_always_written_anew_stays_and_what_it_held_is_named(form: str) -> None:
    plain = photo(format=form)
    assert only_picture(plain, form) == (plain, ())
    if form in ("avif", "heic", "tiff"):
        image = opened(plain)
        for place, word in ((False, metadata.EXIF), (True, metadata.PLACE)):
            data = saved(image, form, exif=exif(place=place))
            made, words = only_picture(data, form)
            assert made is data
            assert set(words) == {word} | ({metadata.TEXTS} if form == "tiff" else set())
            for length in range(len(data) - 1, 100, -37):  # what is cut off is told as far as it is there
                with suppress(PictureError):
                    assert set(only_picture(data[:length], form)[1]) <= {*words, metadata.EXIF}


@pytest.mark.parametrize("form", [form for form in ("avif", "heic") if form in STILL_FORMATS])
def test_xmp_data_are_named_there_too(form: str) -> None:
    assert only_picture(saved(opened(photo()), form, xmp=XMP), form)[1] == (metadata.XMP,)


def test_a_thumbnail_in_the_first_segment_is_left_out() -> None:
    data = photo(format="jpeg")
    small = struct.pack(">H", 16 + 3) + data[6:18] + b"\x01\x01" + b"RGB"
    assert only_picture(data[:4] + small + data[20:], "jpeg") == (data, (metadata.THUMBNAIL,))


def full(form: str, orientation: int = 1, **options: Any) -> bytes:
    """A photo as a camera and several programs leave it."""
    image = opened(noise(90, 60))
    data = saved(image, form, icc_profile=PROFILE, exif=exif(orientation), **options)
    for one, part, _ in MORE:
        if one == form and not any(head in part for head in (b"Exif", b"eXIf", b"EXIF", b"MPF")):
            data = with_part(form, part, data)
    return data + SECRET


VARIANTS = [
    ("jpeg", {"quality": 80}),
    ("jpeg", {"progressive": True, "quality": 95}),
    ("jpeg", {"restart_marker_blocks": 2}),
    ("png", {}),
    ("webp", {"quality": 80}),
    ("webp", {"lossless": True}),
]


@pytest.mark.parametrize(("form", "options"), VARIANTS)
def test_pixels_and_colour_profile_stay(form: str, options: dict[str, Any]) -> None:
    data = full(form, **options)
    assert SECRET in data
    made, left_out = only_picture(data, form)
    before, after = opened(data), opened(made)
    assert SECRET not in made
    assert (after.mode, after.size, after.tobytes()) == (before.mode, before.size, before.tobytes())
    assert after.info["icc_profile"] == PROFILE
    assert not {"exif", "xmp", "comment", "parameters", "prompt", "photoshop"} & after.info.keys()
    assert dict(after.getexif()) == {}
    assert {metadata.PLACE, metadata.XMP, metadata.OTHER, metadata.BEHIND} <= set(left_out)
    assert is_plain(form, made)
    assert only_picture(made, form)[0] is made


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGBA", "I;16", "1"])
def test_every_kind_of_png_stays_what_it_is(mode: str) -> None:
    data = saved(opened(photo(mode=mode if mode in ("LA", "RGBA", "I;16") else "RGB")).convert(mode), "png")
    made, _ = only_picture(with_part("png", chunk(b"tEXt", b"a\0" + SECRET), data), "png")
    assert made == data
    keyed = with_part("png", chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3)) + chunk(b"gAMA", struct.pack(">I", 45455)))
    assert only_picture(keyed, "png") == (keyed, ())


def test_a_cmyk_jpeg_keeps_what_says_so() -> None:
    data = saved(opened(photo()).convert("CMYK"), "jpeg")
    assert b"Adobe" in data
    adobe = data[data.index(b"Adobe") :][:12]
    long = data.replace(segment(0xEE, adobe), segment(0xEE, adobe + SECRET))
    assert only_picture(long, "jpeg") == (data, (metadata.OTHER,))
    assert only_picture(data[:2] + segment(0xFE, SECRET) + data[2:], "jpeg") == (data, (metadata.TEXTS,))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", FORMATS)
def test_the_orientation_alone_stays(form: str, orientation: int) -> None:
    data = full(form, orientation)
    made, _ = only_picture(data, form)
    assert SECRET not in made
    assert probe(made).orientation == probe(data).orientation == orientation
    assert dict(opened(made).getexif()) == ({} if orientation == 1 else {ORIENTATION: orientation})
    assert opened(made).tobytes() == opened(data).tobytes()
    assert len(made) < len(data) - 200


def test_a_segment_between_the_scans_of_a_progressive_jpeg_is_found() -> None:
    data = saved(opened(noise(90, 60)), "jpeg", progressive=True)
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 3
    tables = data.rindex(b"\xff\xc4", 0, scans[2]) if b"\xff\xc4" in data[scans[1] : scans[2]] else scans[2]
    more = data[:tables] + segment(0xFE, SECRET) + segment(0xE1, exif()) + data[tables:]
    assert only_picture(more, "jpeg") == (data, (metadata.TEXTS, metadata.PLACE))


def test_an_orientation_behind_the_pixels_turns_nothing() -> None:
    whole = photo(format="jpeg")
    late = whole[:-2] + segment(0xE1, exif(6)) + whole[-2:]
    bare, words = only_picture(late, "jpeg")
    assert (bare, words) == (only_picture(whole, "jpeg")[0], (metadata.PLACE,))


def test_an_orientation_that_a_webp_does_not_speak_of_turns_nothing() -> None:
    whole = full("webp", 6)
    silent = whole[:20] + bytes((whole[20] & ~0x08,)) + whole[21:]
    made, _ = only_picture(silent, "webp")
    assert probe(made).orientation == probe(silent).orientation == 1
    assert SECRET not in made


def test_a_second_head_of_a_webp_hides_nothing() -> None:
    data = saved(opened(photo(32, 32)), "webp", lossless=True)
    more = data[12:] + riff(b"VP8X", bytes(10) + SECRET)
    clean, words = only_picture(riff(b"RIFF", b"WEBP" + more), "webp")
    assert clean == data
    assert words == (metadata.OTHER,)


def test_bytes_that_only_fill_are_nothing() -> None:
    data = photo(format="jpeg")
    made, left_out = only_picture(data[:20] + b"\xff" * 9 + data[20:], "jpeg")
    assert (opened(made).tobytes(), left_out) == (opened(data).tobytes(), ())


def test_a_frame_of_a_moving_webp_is_looked_into() -> None:
    data = photo(format="webp", frames=3)
    part = riff(b"note", SECRET)
    at = data.index(b"ANMF")
    (length,) = struct.unpack("<I", data[at + 4 : at + 8])
    longer = data[: at + 4] + struct.pack("<I", length + len(part)) + data[at + 8 : at + 8 + length] + part
    more = longer + data[at + 8 + length :]
    more = more[:4] + struct.pack("<I", len(more) - 8) + more[8:]
    assert probe(more).frames == 3
    assert only_picture(more, "webp") == (data, (metadata.OTHER,))
    assert only_picture(with_part("webp", riff(b"EXIF", exif()), data), "webp") == (data, (metadata.PLACE,))


FLOODS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "empty chunks": ("png", busy_png),
    "empty chunks behind the end": ("png", lambda count: photo() + chunk(b"teSt") * count),
    "empty segments": ("jpeg", lambda count: with_part("jpeg", segment(0xE7, b"") * count)),
    "empty segments after a scan": ("jpeg", lambda count: photo(format="jpeg")[:-2] + segment(0xFE, b"") * count),
    "restart marks": ("jpeg", lambda count: with_part("jpeg", b"\xff\xd0" * count)),
    "start marks": ("jpeg", lambda count: with_part("jpeg", b"\xff\xd8" * count)),
    "filling": ("jpeg", lambda count: with_part("jpeg", b"\xff" * count)),
    "empty webp chunks": ("webp", lambda count: with_part("webp", riff(b"note", b"") * count)),
    "empty frames": ("webp", lambda count: with_part("webp", riff(b"ANMF", b"") * count)),
}


@pytest.mark.parametrize(("form", "make"), FLOODS.values(), ids=FLOODS)
def test_a_flood_of_parts_is_refused_or_left_out_in_few_steps(form: str, make: Callable[[int], bytes]) -> None:
    data, steps, made = make(300_000), [0], b""

    def count(_frame: object, event: str, _detail: object) -> None:
        steps[0] += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        with suppress(PictureError):
            measure(data)
            made = only_picture(data, form)[0]
    finally:
        sys.setprofile(None)
    assert steps[0] < 500_000
    assert len(made) < 70_000 + len(photo(format=form))


def pixels(data: bytes) -> bytes | None:
    """As a vendor would get them; None where the file is damaged."""
    try:
        check_whole(open_lazily(data))
        return open_picture(data).tobytes()
    except PictureError:
        return None


@pytest.mark.parametrize("form", FORMATS)
def test_damage_is_refused_or_harmless(form: str) -> None:
    """A damaged file that can be decoded still shows the same without its metadata."""
    data = full(form, 6)
    pieces = [data[:length] for length in range(40, len(data), 7)]
    chance = random.Random(7)  # noqa: S311 - the same on every run
    for _ in range(1500):
        mutated = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            mutated[chance.randrange(12, len(data))] = chance.choice((0, 1, 0x7F, 0xD9, 0xDA, 0xE1, 0xFF))
        pieces.append(bytes(mutated))
    kept = 0
    for piece in pieces:
        try:
            made, _ = only_picture(piece, form)
        except PictureError:
            continue
        kept += 1
        assert len(made) <= len(piece) + 60
        assert only_picture(made, form)[0] == made
        if kept % 3 == 0:  # decoding takes longest
            before, after = pixels(piece), pixels(made)
            assert before in (after, None)
    assert kept > len(pieces) // 2


@pytest.mark.parametrize("form", FORMATS)
def test_every_part_of_the_picture_stays_in_its_place(form: str) -> None:
    def shown(data: bytes) -> list[bytes]:
        return [
            data[start:end] for name, start, end in PARTS[form][1](data) if is_shown(form, data, (name, start, end))
        ]

    data = full(form)
    before, after = shown(data), shown(only_picture(data, form)[0])
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [(old[:4], len(old) - len(new)) for old, new in changed] == ([(b"VP8X", 0)] if form == "webp" else [])


@pytest.mark.parametrize("form", FORMATS)
def test_a_cleaned_file_is_sound(form: str) -> None:
    made, _ = only_picture(full(form, 3), form)
    with Image.open(BytesIO(made)) as image:
        image.verify()
