"""A picture's sides are read from its header, and what is too large is refused before a decoder sees it."""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import PictureError
from imagewright.imaging.bitstreams import av1_sides, unit_sides
from imagewright.imaging.files import decoding_cost, head_cost, measure, probe
from imagewright.imaging.headers import CEILINGS, MAX_PIXELS, cost_of, declared_sides
from imagewright.imaging.limiter import INPUT_MAX_PIXELS, PROBE_BYTES, Piece
from imagewright.imaging.signatures import known_formats
from imagewright.imaging.workers import WORKERS
from tests.support.crafted_files import (
    box,
    busy_png,
    flat_png,
    hollow_avif,
    hollow_bmp,
    hollow_gif,
    hollow_heic,
    hollow_jpeg,
    hollow_png,
    hollow_webp,
    ispe_of,
    item_file,
    lossless_webp,
    moving_webp,
    padded_avif,
    padded_heic,
    riff,
    sequence,
    tiff_of,
)
from tests.support.pictures import NOT_PICTURES, STILL_FORMATS, photo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AVIF = pytest.mark.skipif("avif" not in known_formats(), reason="Pillow was built without AVIF")
"""Formats whose damage only their decoder can see."""

BOMBS: dict[str, Callable[[int], bytes]] = {
    "png": lambda side: hollow_png(side, side),
    "jpeg": lambda side: hollow_jpeg(side, side),
    "webp, extended": lambda side: hollow_webp(side, side),
    "webp, moving": lambda side: moving_webp(side, side),
    "webp, lossless": lambda side: lossless_webp(min(side, 16_384), min(side, 16_384)),
    "gif, screen": lambda side: hollow_gif((side, side), (1, 1)),
    "gif, frame": lambda side: hollow_gif((1, 1), (side, side)),
    "heic": lambda side: hollow_heic(side, side),
    "heic, coded": lambda side: padded_heic(side, side),
    "tiff": lambda side: tiff_of((side, side)),
    "bmp": lambda side: hollow_bmp(side, -side),
}
if "avif" in known_formats():
    BOMBS["avif"] = lambda side: hollow_avif(side, side)
"""Small files of any size in px, by what they are."""

ADDRESS_SPACE = 1 << 30
"""Bytes a child process may have. Python with Pillow takes about 200 MB of it, every bomb here more than the rest."""
CHILD = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({ADDRESS_SPACE}, {ADDRESS_SPACE}))
from imagewright.errors import PictureError
from imagewright.imaging.files import measure, open_lazily
for line in sys.stdin:
    data = bytes.fromhex(line)
    measured = measure(data)
    try:
        open_lazily(data)
    except PictureError as error:
        print(measured.width, measured.height, error)
    else:
        print(measured.width, measured.height, "opened")
print("peak", next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.parametrize("name", STILL_FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_header_says_what_the_decoder_will(name: str, mode: str) -> None:
    data = photo(160, 120, name, mode="RGB" if name == "jpeg" else mode)
    measured = measure(data)
    assert (measured.format, measured.width, measured.height, measured.size) == (name, 160, 120, len(data))


@pytest.mark.parametrize("name", ["gif", "webp", "png", *(["avif"] if "avif" in STILL_FORMATS else [])])
def test_an_animation_is_measured_by_its_canvas(name: str) -> None:
    measured = measure(photo(64, 48, name, frames=3))
    assert (measured.width, measured.height) == (64, 48)


def test_a_size_before_the_orientation_is_given() -> None:
    measured = measure(photo(64, 48, "jpeg", orientation=6))
    assert (measured.width, measured.height) == (48, 64)


@pytest.mark.parametrize("kind", sorted(BOMBS))
def test_a_bomb_is_measured_and_refused_for_its_pixels(kind: str) -> None:
    side = 20_000 if "lossless" not in kind else 16_384
    measured = measure(BOMBS[kind](side))
    assert (measured.width, measured.height) == (side, side)
    if side * side > MAX_PIXELS:
        with pytest.raises(PictureError, match="megapixels"):
            probe(BOMBS[kind](side))


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
def test_no_decoder_takes_memory_for_a_bomb() -> None:
    bombs = [make(20_000) for kind, make in sorted(BOMBS.items()) if "lossless" not in kind]
    given = "\n".join(bomb.hex() for bomb in bombs)
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", CHILD], input=given, capture_output=True, text=True, check=False, timeout=60
    )
    assert not done.stderr
    *lines, last = done.stdout.splitlines()
    assert len(lines) == len(bombs)
    assert all(line.startswith("20000 20000 ") and "megapixels" in line for line in lines)
    assert int(last.removeprefix("peak ")) < 120_000


@pytest.mark.parametrize(
    "data",
    [
        busy_png(20_000),
        moving_webp(1_048_616, 30),
        moving_webp(40, 30),
        hollow_jpeg(64, 48, b"\xff\xfe\0\2" * 20_000),
        hollow_jpeg(64, 48, b"\xff" * 100_000),
        hollow_jpeg(64, 48, bytes(100_000)),
        hollow_jpeg(64, 48, b"\xff\0" * 20_000),
        hollow_jpeg(0, 48),
        hollow_png(0, 48),
        b"GIF89a" + bytes(7) + b";",
        b"GIF89a\1\0\1\0\0\0\0!\xfe" + b"\1a" * 50_000 + b"\0" + photo(format="gif")[13:],
        b"GIF89a\1\0\1\0\0\0\0" + (b"," + bytes(8) + b"\0\2\0") * 50_000 + b";",
        b"RIFF\x1a\0\0\0WEBP" + riff(b"JUNK", bytes(14)),
        hollow_bmp(0, 48),
        tiff_of((0, 48)),
        tiff_of((64, 48), (322, 4, [20_000]), (323, 4, [20_000])),
        tiff_of((64, 48), *((tag, 1, [0] * 100) for tag in range(40_000, 40_200)), shared=True),
        b"II*\0\xff\xff\0\0",
        photo(format="png")[:14],
        photo(format="jpeg")[:100],
    ],
    ids=[
        "png of empty chunks",
        "webp with a side nobody writes",
        "webp with frames beyond its canvas",
        "jpeg of empty segments",
        "jpeg of fill bytes",
        "jpeg of zeros",
        "jpeg of escaped bytes",
        "jpeg without width",
        "png without width",
        "gif without frames",
        "gif of tiny blocks",
        "gif of empty frames",
        "webp without picture",
        "bmp without width",
        "tiff without width",
        "tiff of one huge tile",
        "tiff whose tags share their bytes",
        "tiff whose tags lie outside",
        "png of 14 bytes",
        "jpeg without its frame",
    ],
)
def test_what_no_encoder_writes_is_damaged(data: bytes) -> None:
    for ask in (measure, probe):
        with pytest.raises(PictureError, match="cut short or damaged"):
            ask(data)


def test_bytes_between_the_markers_of_a_jpeg_are_passed_over() -> None:
    assert probe(hollow_jpeg(64, 48, b"\xff" * 50 + b"\xff\xfe\0\2")).width == 64


def test_a_jpeg_with_two_frame_headers_is_damaged() -> None:
    whole = photo(format="jpeg")
    at = whole.index(b"\xff\xc0")
    small = whole[at : at + 5] + b"\0\4\0\4" + whole[at + 9 : at + 19]
    with pytest.raises(PictureError, match="cut short or damaged"):
        probe(hollow_jpeg(64, 48, small))


def meta(*properties: bytes) -> bytes:
    return box(b"ftyp", b"avif\0\0\0\0") + box(
        b"meta", bytes(4), box(b"pitm", bytes(6)), box(b"iprp", box(b"ipco", *properties))
    )


def test_of_several_items_the_largest_counts() -> None:
    data = meta(ispe_of(160, 120), box(b"pixi", bytes(8)), ispe_of(4032, 3024), ispe_of(512, 512))
    assert declared_sides("avif", data, len(data)) == [(4032, 3024), (512, 512), (160, 120)]


@pytest.mark.parametrize("version", [0, 1])
def test_a_track_counts_as_well(version: int) -> None:
    head = box(b"tkhd", bytes([version]), bytes(75 + 12 * version), (5000 << 16).to_bytes(4, "big") * 2)
    data = meta(ispe_of(64, 48)) + box(b"moov", box(b"mvhd", bytes(100)), box(b"trak", head))
    assert declared_sides("avif", data, len(data))[0] == (5000, 5000)


REDUCED = ((0, 3), (1, 1), (1, 1), (8, 5))
"""The start of a still picture's sequence header."""
PLAIN = ((0, 3), (0, 1), (0, 1), (0, 1), (0, 1), (0, 5), (0, 12), (8, 5), (0, 1))
"""That of a film: no timing, one operating point with a tier."""
TIMED = (
    *((1, 3), (0, 1), (0, 1), (1, 1), (1000, 32), (25, 32), (1, 1), (0b00101, 5)),  # timing with a number of ticks
    *((1, 1), (9, 5), (90_000, 32), (7, 5), (7, 5), (1, 1), (1, 5)),  # a decoder model, delays, two points
    *((257, 12), (5, 5), (1, 1), (5, 20), (0, 1), (1, 1), (9, 4)),
    *((0, 12), (9, 5), (1, 1), (0, 1), (0, 1)),
)
"""That of a stream with everything that can stand there."""


@pytest.mark.parametrize("start", [REDUCED, PLAIN, TIMED], ids=["reduced", "plain", "timed"])
def test_a_sequence_header_says_its_size(start: tuple[tuple[int, int], ...]) -> None:
    delimiter, frame = b"\x12\0", b"\x32\4abcd"
    data = delimiter + sequence(12_000, 9_000, *start) + frame + sequence(20_000, 4, *start)
    assert av1_sides(memoryview(data), lambda: None) == [(12_000, 9_000), (20_000, 4)]


@pytest.mark.parametrize("cut", range(2, 12))
def test_a_sequence_header_cut_short_is_found_out(cut: int) -> None:
    with pytest.raises(ValueError, match="short"):
        av1_sides(memoryview(sequence(64, 48, *TIMED)[:cut]), lambda: None)


@pytest.mark.parametrize("version", [0, 1])
def test_what_an_item_holds_counts_more_than_what_it_promises(version: int) -> None:
    data = item_file(b"\x12\0" + sequence(12_000, 9_000, *REDUCED), version=version)
    assert declared_sides("avif", data, len(data))[0] == (12_000, 9_000)


def test_what_a_films_first_picture_holds_counts() -> None:
    coded = b"\x12\0" + sequence(12_000, 9_000, *PLAIN)

    def file(start: int) -> bytes:
        stsd = box(b"stsd", bytes(4), b"\0\0\0\1", box(b"av01", bytes(8)))
        stco = box(b"stco", bytes(4), b"\0\0\0\1", struct.pack(">I", start))
        stsz = box(b"stsz", bytes(8), b"\0\0\0\1", struct.pack(">I", len(coded)))
        head = box(b"tkhd", bytes(76), struct.pack(">II", 16 << 16, 12 << 16))
        track = box(b"trak", head, box(b"mdia", box(b"minf", box(b"stbl", stsd, stco, stsz))))
        return box(b"ftyp", b"avis\0\0\0\0") + box(b"moov", track) + box(b"mdat", coded)

    data = file(len(file(0)) - len(coded))
    assert declared_sides("avif", data, len(data)) == [(12_000, 9_000), (16, 12)]


@pytest.mark.parametrize(
    "data",
    [
        item_file(b"", places=b"\0\1" + struct.pack(">II", 1 << 30, 9)),
        item_file(b"\x12\0" * 20_000),
        item_file(bytes(200), places=b"\0\x41" + struct.pack(">II", 0, 9) * 0x41),
        item_file(bytes(200), places=b"\0\x40" + struct.pack(">II", 0, 200) * 0x40),
        item_file(bytes(200), places=b"\0\x40"),
    ],
    ids=["outside the file", "too many units", "too many pieces", "pieces that share bytes", "a table cut short"],
)
def test_items_that_lead_astray_are_found_out(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"outside|units|pieces|share|short"):
        declared_sides("avif", data, len(data))


ZEROS = b"\x42\1" + bytes(13) + bytes(440) + b"\xff" * 57
"""A parameter set of HEVC in which a number begins with 3,520 zeros."""


def test_a_number_with_thousands_of_zeros_is_no_number() -> None:
    with pytest.raises(ValueError, match="too many bits"):
        unit_sides(memoryview(ZEROS))


def test_thousands_of_sizes_are_not_compared_with_each_other() -> None:
    sizes = box(b"ipco", *(ispe_of(1 + place % 100, 1 + place // 100) for place in range(300)))
    with pytest.raises(ValueError, match="too many different sizes"):
        declared_sides("avif", box(b"meta", bytes(4), box(b"iprp", sizes)), 10_000)


@AVIF
def test_an_avif_that_holds_more_than_it_promises_is_measured_by_what_it_holds() -> None:
    assert (measure(padded_avif(640, 480)).width, measure(padded_avif(640, 480)).height) == (640, 480)


@pytest.mark.parametrize(
    "data",
    [
        meta(),
        meta(b"\0\0\0\3ispe"),
        meta(box(b"free") * 20_000, ispe_of(64, 48)),
        meta(box(b"ispe", bytes(6))),
        box(b"ftyp", b"avif\0\0\0\0"),
    ],
    ids=["no sides", "a box shorter than its head", "too many boxes", "sides cut short", "no meta"],
)
def test_boxes_that_lead_nowhere_are_found_out(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"size|box|short"):
        declared_sides("avif", data, len(data))


@AVIF
def test_an_avif_whose_item_promises_more_is_not_larger_than_it_says() -> None:
    assert measure(hollow_avif(640, 480)).width == 640


def test_what_work_costs_is_known_without_reading_all_of_a_file(tmp_path: Path) -> None:
    data = flat_png(2000)
    path = tmp_path / "flat.png"
    path.write_bytes(data)
    wanted = cost_of("png", 2000 * 2000, len(data), PROBE_BYTES)
    assert decoding_cost(data, PROBE_BYTES) == decoding_cost(path, PROBE_BYTES) == wanted
    assert head_cost(data[:33], len(data), PROBE_BYTES) == wanted


@pytest.mark.parametrize("name", STILL_FORMATS)
def test_a_header_longer_than_what_was_read_costs_the_most_there_can_be(name: str) -> None:
    data = photo(format=name)
    most = CEILINGS.get(name, MAX_PIXELS)
    assert head_cost(data[:16], len(data), PROBE_BYTES) == cost_of(name, most, len(data), PROBE_BYTES)


@pytest.mark.parametrize("data", [hollow_png(2**31 - 1, 2**31 - 1), tiff_of((2**32 - 1, 2**32 - 1))])
def test_a_picture_that_is_too_large_costs_no_more_than_the_largest(data: bytes) -> None:
    assert decoding_cost(data, PROBE_BYTES) <= cost_of("webp", MAX_PIXELS, len(data), PROBE_BYTES)
    with pytest.raises(PictureError, match="megapixels are read"):
        WORKERS.do(Piece(decoding_cost(data, PROBE_BYTES)), "probe", data, lambda answer: answer)


@pytest.mark.parametrize("kind", sorted(NOT_PICTURES))
def test_what_no_decoder_sees_costs_nothing(kind: str) -> None:
    assert decoding_cost(NOT_PICTURES[kind][0], PROBE_BYTES) == 0


def test_every_format_has_its_own_ceiling_below_that_of_results() -> None:
    assert set(known_formats()) <= set(INPUT_MAX_PIXELS)
    assert all(limit < MAX_PIXELS / 3 for limit in INPUT_MAX_PIXELS.values())
