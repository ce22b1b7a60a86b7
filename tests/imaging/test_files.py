"""What a file really is, all of it or refused, with exactly its transparent colour clear."""

from __future__ import annotations

import os
import random
import struct
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import PictureError, StorageError
from imagewright.imaging.files import PictureFacts, probe
from imagewright.imaging.headers import MAX_PIXELS
from imagewright.imaging.limiter import Target
from imagewright.imaging.pixels import open_picture, resize_exact
from imagewright.imaging.prepare import mask_coverage, prepare
from imagewright.imaging.preview import look
from imagewright.imaging.signatures import known_formats, most_parts, recognise
from tests.support.crafted_files import (
    COLOUR,
    GREY,
    PALETTE,
    chunk,
    hollow_gif,
    hollow_png,
    hollow_webp,
    packed,
    png_of,
    png_with,
)
from tests.support.pictures import NOT_PICTURES, STILL_FORMATS, cut_short, noise, opened, photo, saved

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image


ANIMATED = ("gif", "webp", "png")


@pytest.mark.parametrize("name", STILL_FORMATS)
def test_facts_come_from_the_bytes_and_never_from_the_name(name: str, tmp_path: Path) -> None:
    data = photo(64, 48, name)
    path = tmp_path / "picture.txt"
    path.write_bytes(data)
    expected = PictureFacts(name, 64, 48, orientation=1, frames=1, has_alpha=False, size=len(data))
    assert probe(path) == probe(data) == probe(data, thorough=False) == expected


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["jpeg", "png", "webp"])
def test_the_size_is_that_of_the_upright_picture(name: str, orientation: int) -> None:
    facts = probe(photo(64, 48, name, orientation=orientation))
    assert (facts.width, facts.height, facts.orientation) == (64, 48, orientation)


def test_a_png_orientation_behind_the_pixels_is_seen_without_decoding() -> None:
    data = photo(64, 48, "png", orientation=6)
    start = data.index(b"eXIf") - 4
    length = struct.unpack(">I", data[start : start + 4])[0] + 12
    moved, end = data[start : start + length], data.rindex(b"IEND") - 4
    late = data[:start] + data[start + length : end] + moved + data[end:]
    assert probe(late, thorough=False).orientation == 6


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x09\1\x12"]
)
def test_damaged_exif_means_upright(exif: bytes) -> None:
    data = photo(64, 48, "png")
    assert probe(data[:33] + chunk(b"eXIf", exif) + data[33:]).orientation == 1


@pytest.mark.parametrize("name", [*ANIMATED, "tiff", "heic"])
def test_frames_are_counted(name: str) -> None:
    assert probe(photo(format=name, frames=3)).frames == 3


def test_a_promise_of_frames_is_not_believed_beyond_what_a_file_can_hold() -> None:
    data = png_with(chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)))
    assert probe(data).frames == most_parts(len(data))


@pytest.mark.parametrize(("name", "mode"), [("png", "RGBA"), ("png", "LA"), ("webp", "RGBA")])
def test_alpha_is_seen(name: str, mode: str) -> None:
    assert probe(photo(format=name, mode=mode)).has_alpha


@pytest.mark.parametrize("kind", sorted(NOT_PICTURES))
def test_what_is_no_picture_is_called_by_its_name(kind: str, tmp_path: Path) -> None:
    data, word = NOT_PICTURES[kind]
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    with pytest.raises(PictureError, match=word) as text:
        probe(path)
    assert "PNG, JPEG, WebP" in str(text.value)


def test_an_empty_file_is_called_empty() -> None:
    with pytest.raises(PictureError, match="0 bytes"):
        probe(b"")


def test_an_unknown_type_lists_the_known_ones() -> None:
    with pytest.raises(PictureError, match=r"00 01 02 03.*PNG, JPEG, WebP"):
        probe(bytes(range(200)))


@pytest.mark.parametrize("name", STILL_FORMATS)
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_file_cut_short_is_found_out(name: str, keep: float) -> None:
    with pytest.raises(PictureError, match="cut short or damaged"):
        probe(cut_short(noise(80, 80, name), keep))


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_a_single_missing_byte_is_found_out(name: str) -> None:
    with pytest.raises(PictureError, match="cut short or damaged"):
        probe(noise(80, 80, name)[:-1])


def test_a_changed_byte_in_a_png_is_found_out() -> None:
    data = bytearray(noise(80, 80, "png"))
    data[len(data) // 2] ^= 0x55
    with pytest.raises(PictureError, match="damaged"):
        probe(bytes(data))


def test_a_palette_that_is_missing_is_damage() -> None:
    data = png_of((4, 4), 8, PALETTE, [bytes(4)] * 4)
    for read in (probe, look, lambda file: prepare(file, Target(formats=("png",)))):
        with pytest.raises(PictureError, match="damaged"):
            read(data)


def test_only_the_header_is_believed_when_not_thorough() -> None:
    assert probe(cut_short(noise(80, 80, "jpeg")), thorough=False).width == 80


def test_a_list_of_brands_is_read_no_further_than_a_head() -> None:
    head = b"\0\1\0\0ftypisom\0\0\0\0"
    assert recognise(head + b"isom" * 251 + b"avif" * 1000) == "avif"
    assert recognise(head + b"isom" * 252 + b"avif" * 1000) is None


def test_bytes_behind_the_end_do_no_harm() -> None:
    assert probe(photo(format="jpeg") + b"appended by a phone").frames == 1


@pytest.mark.parametrize(
    "bomb",
    [
        hollow_png(30_000, 30_000),
        hollow_webp(2**24, 2**20),
        hollow_webp(30_000, 30_000),
        hollow_gif((65_535, 65_535), (1, 1)),
        hollow_gif((10, 10), (65_535, 65_535)),
        hollow_gif((10, 10), (10_000, 10_000)),
    ],
    ids=["png", "webp-huge", "webp", "gif-screen", "gif-frame", "gif-frame-pillow-warns-of"],
)
def test_a_bomb_is_refused_from_its_header(bomb: bytes) -> None:
    with pytest.raises(PictureError, match="megapixels"):
        probe(bomb, thorough=False)


def test_a_large_picture_below_the_cap_gives_no_warning() -> None:
    # Pillow warns from 89 MP and fails from 179 MP on its own; warnings are errors here.
    assert probe(hollow_png(16_384, 16_384), thorough=False).width ** 2 == MAX_PIXELS


def test_a_promise_of_many_pixels_is_not_kept_in_memory_for_long() -> None:
    with pytest.raises(PictureError, match="damaged"):
        probe(hollow_png(2_000, 2_000))


def test_a_file_that_is_not_there_is_a_storage_matter(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gone\.png"):
        probe(tmp_path / "gone.png")


@pytest.mark.skipif(os.name != "posix", reason="named pipes are POSIX's")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(StorageError, match="not a regular file"):
        probe(tmp_path / "pipe.png")


@pytest.mark.parametrize("progressive", [False, True])
def test_every_cut_through_a_jpeg_is_found_out(progressive: bool) -> None:  # noqa: FBT001 - a parameter of the test
    data = saved(opened(noise(40, 30)), "jpeg", progressive=progressive)
    for end in range(data.index(b"\xff\xda") + 12, len(data)):
        with pytest.raises(PictureError, match="cut short or damaged"):
            probe(data[:end])


def test_avif_is_distinguished_from_heic_and_video() -> None:
    heic = b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(40)
    with pytest.raises(PictureError, match="the HEIC file is cut short or damaged"):
        probe(heic)


@pytest.mark.parametrize("name", STILL_FORMATS)
def test_whatever_the_damage_the_answer_is_facts_or_a_picture_error(name: str) -> None:
    dice = random.Random(7)  # noqa: S311 - the same on every run
    whole = photo(64, 48, name)
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(dice.choice((1, 3, 10))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            assert probe(bytes(data)).format in known_formats()
        except PictureError as text:
            assert str(text)  # noqa: PT017 - either outcome is right, any other exception is not
            refused += 1
    assert refused


BAND = 16
"""Px of one colour; wide enough for the lossy ways."""


def banded(depth: int, kind: int, bands: list[tuple[int, ...]], *extra: bytes) -> bytes:
    """Upright bands of the given colours."""
    values = chain.from_iterable(colour * BAND for colour in bands)
    return png_of((BAND * len(bands), BAND), depth, kind, [packed(values, depth)] * BAND, *extra)


def keyed(*values: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


def alphas(image: Image.Image) -> list[int]:
    """The alpha in the middle of each band."""
    middles = range(BAND // 2, image.width, BAND)
    return [image.convert("RGBA").crop((x, 8, x + 1, 9)).tobytes()[3] for x in middles]


GREY_16 = banded(16, GREY, [(30000,), (30060,), (30120,), (30180,)], keyed(30000))
COLOUR_16 = banded(16, COLOUR, [(258, 772, 1286), (258, 772, 1287), (514, 1028, 1542)], keyed(258, 772, 1286))
PICTURES = {
    "grey 16, same high byte": (GREY_16, [0, 255, 255, 255]),
    "grey 16, last": (banded(16, GREY, [(0,), (257,), (65535,)], keyed(65535)), [255, 255, 0]),
    "grey 16, no such pixel": (banded(16, GREY, [(30060,), (30120,)], keyed(30000)), [255, 255]),
    "grey 8": (banded(8, GREY, [(1,), (2,), (3,)], keyed(2)), [255, 0, 255]),
    "grey 4": (banded(4, GREY, [(1,), (2,), (15,)], keyed(2)), [255, 0, 255]),
    "grey 4, white": (banded(4, GREY, [(1,), (2,), (15,)], keyed(15)), [255, 255, 0]),
    "grey 2": (banded(2, GREY, [(0,), (1,), (2,), (3,)], keyed(1)), [255, 0, 255, 255]),
    "grey 1": (banded(1, GREY, [(0,), (1,)], keyed(1)), [255, 0]),
    "colour 16, same high bytes": (COLOUR_16, [0, 255, 255]),
    "colour 16, low bytes of another": (
        banded(16, COLOUR, [(0x0101, 0, 0), (0x0201, 0, 0)], keyed(0x0201, 0, 0)),
        [255, 0],
    ),
    "colour 8": (banded(8, COLOUR, [(1, 2, 3), (1, 2, 4)], keyed(1, 2, 4)), [255, 0]),
    "palette, one clear": (
        banded(2, PALETTE, [(0,), (1,), (2,)], chunk(b"PLTE", bytes(range(9))), chunk(b"tRNS", b"\xff\0")),
        [255, 0, 255],
    ),
    "palette, soft": (
        banded(8, PALETTE, [(0,), (1,), (2,)], chunk(b"PLTE", bytes(range(9))), chunk(b"tRNS", b"\xff\x80\0")),
        [255, 128, 0],
    ),
}


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_only_the_exact_colour_is_clear(name: str) -> None:
    data, wanted = PICTURES[name]
    assert probe(data).has_alpha
    assert alphas(open_picture(data)) == wanted


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_every_way_to_the_pixels_sees_the_same(name: str) -> None:
    data, wanted = PICTURES[name]
    converted = prepare(data, Target(formats=("webp",)))
    assert alphas(opened(converted.data)) == wanted
    width, height = opened(data).size
    assert alphas(opened(resize_exact(data, width * 2, height * 2)).resize((width, height), 0)) == wanted
    _, preview = look(data)
    assert [abs(a - b) < 40 for a, b in zip(alphas(opened(preview.data)), wanted, strict=True)]


def test_a_preview_made_smaller_clears_only_the_exact_colour() -> None:
    _, preview = look(GREY_16, side=BAND * 2)
    alpha = opened(preview.data).convert("RGBA").getchannel("A")
    assert sum(value < 128 for value in alpha.tobytes()) * 4 == pytest.approx(alpha.width * alpha.height, rel=0.2)


@pytest.mark.parametrize(("data", "share"), [(GREY_16, 1 / 4), (COLOUR_16, 1 / 3)])
def test_a_mask_repaints_only_the_exact_colour(data: bytes, share: float) -> None:
    assert mask_coverage(data) == pytest.approx(share)
