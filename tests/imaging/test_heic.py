"""HEIC: its size is read from its boxes and its data, and what no phone writes is kept from its decoder."""

from __future__ import annotations

import struct

import pytest

from imagewright.errors import PictureError
from imagewright.imaging.bitstreams import unit_sides
from imagewright.imaging.files import measure, probe
from imagewright.imaging.headers import declared_sides
from imagewright.text import plain
from tests.support.crafted_files import box, ispe_of, item_file, parameter_set
from tests.support.pictures import photo


@pytest.mark.parametrize("layers", [0, 2])
def test_a_parameter_set_says_its_size(layers: int) -> None:
    assert unit_sides(memoryview(parameter_set(20_000, 9_000, layers))) == [(20_000, 9_000)]
    assert unit_sides(memoryview(b"\x26\1" + parameter_set(20_000, 9_000, layers)[2:])) == []


@pytest.mark.parametrize("cut", [2, 8, 15])
def test_a_parameter_set_cut_short_is_found_out(cut: int) -> None:
    with pytest.raises(ValueError, match="short"):
        unit_sides(memoryview(parameter_set(64, 48, 0)[:cut]))


def test_what_heic_data_hold_counts_more_than_what_the_boxes_promise() -> None:
    data = photo(640, 480, "heic")
    at = data.index(b"ispe") + 8
    small = data[:at] + struct.pack(">II", 16, 12) + data[at + 8 :]
    assert (measure(small).width, measure(small).height) == (640, 480)


def test_the_padding_of_heic_data_is_not_part_of_the_picture() -> None:
    assert (measure(photo(1000, 750, "heic")).width, measure(photo(1000, 750, "heic")).height) == (1000, 750)


@pytest.mark.parametrize(
    ("entries", "references"),
    [
        ([(1, b"iovl")], b""),
        ([(1, b"grid"), (2, b"grid")], box(b"dimg", struct.pack(">HHHH", 1, 2, 2, 2))),
        ([(1, b"grid"), (2, b"iden")], box(b"dimg", struct.pack(">HHH", 1, 1, 2))),
    ],
    ids=["an overlay", "a grid of grids", "a grid of what is derived"],
)
def test_a_heic_put_together_of_such_pictures_is_refused(entries: list[tuple[int, bytes]], references: bytes) -> None:
    described = [box(b"infe", b"\2\0\0\0", struct.pack(">HH", item, 0) + kind) for item, kind in entries]
    info = box(b"iinf", bytes(4), struct.pack(">H", len(entries)), *described)
    parts = [info, box(b"iref", bytes(4), references), box(b"iprp", box(b"ipco", ispe_of(64, 48)))]
    data = box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", bytes(4), *parts)
    with pytest.raises(PictureError, match="damaged"):
        measure(data)


@pytest.mark.parametrize("kind", [b"mski", b"unci", b"av01", b"j2k1", b"vvc1", b"a\x1b\0b"])
def test_a_heic_with_parts_that_no_phone_writes_is_kept_from_its_decoder(kind: bytes) -> None:
    whole = photo(640, 480, "heic")
    at = whole.index(b"infe") + 12
    assert whole[at : at + 4] == b"hvc1"
    with pytest.raises(PictureError, match=f'the type "{plain(kind.decode())}" in it.* save it as JPEG'):
        probe(whole[:at] + kind + whole[at + 4 :])


def test_a_heic_film_is_kept_from_its_decoder() -> None:
    track = box(b"trak", box(b"tkhd", bytes(84)))
    with pytest.raises(PictureError, match=r"a film in it.* save it as JPEG"):
        probe(photo(640, 480, "heic") + box(b"moov", track))


@pytest.mark.parametrize(("across", "down"), [(255, 255), (31, 64)])
def test_a_grid_of_more_tiles_than_a_photo_has_is_refused(across: int, down: int) -> None:
    grid = bytes([0, 0, down, across]) + struct.pack(">HH", 4000, 3000)
    with pytest.raises(ValueError, match="tiles"):
        declared_sides("heic", item_file(grid, kind=b"grid"), 10_000)


def test_a_grid_says_its_size() -> None:
    grid = bytes([0, 0, 5, 7]) + struct.pack(">HH", 4000, 3000)
    assert declared_sides("heic", item_file(grid, kind=b"grid"), 10_000)[0] == (4000, 3000)
