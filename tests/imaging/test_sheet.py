"""The contact sheet: every picture, whole, in its order, with its words."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageColor

from imagewright.errors import PictureError
from imagewright.imaging.sheet import CELL, CHECKS, GAP, HEAD, MARGIN, PAPER, SheetEntry, contact_sheet
from tests.support.pictures import cut_short, photo

if TYPE_CHECKING:
    from pathlib import Path

HEADING = "A heading that is rather long, with letters of all kinds: é, 猫, Ж" * 3


def _filled(colour: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def _clear() -> bytes:
    """Opaque above, fully transparent below."""
    image = Image.new("RGBA", (64, 64), (90, 20, 20, 255))
    image.paste((0, 0, 0, 0), (0, 32, 64, 64))
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data)).convert("RGB")


@pytest.mark.parametrize("count", [1, 2, 5, 7, 11])
def test_every_picture_is_there_in_its_order(count: int) -> None:
    colours = [(20 * index, 10, 255 - 20 * index) for index in range(count)]
    sheet = _opened(
        contact_sheet([SheetEntry(_filled(one), f"Title {one}", "caption") for one in colours], heading=HEADING)
    )
    found = []
    for colour in colours:
        bands = [
            band.point([255 * (value == want) for value in range(256)])
            for band, want in zip(sheet.split(), colour, strict=True)
        ]
        box = Image.merge("RGB", bands).convert("L").point([0] * 255 + [255]).getbbox()
        assert box is not None
        assert box[2] - box[0] == CELL
        found.append((box[1] // CELL, box[0]))
    assert found == sorted(found)


@pytest.mark.parametrize("size", [(300, 20), (20, 300), (1, 1), (64, 64)])
def test_every_shape_fits_its_place_without_cropping(size: tuple[int, int]) -> None:
    sheet = _opened(contact_sheet([SheetEntry(_filled((200, 10, 30), size), "t", "c")] * 2, heading="h"))
    share = CELL / max(size)
    expected = round(size[0] * share) * round(size[1] * share) * 2
    shown = sum(number for number, colour in sheet.getcolors(maxcolors=2**22) or () if colour == (200, 10, 30))
    assert shown == expected


def test_transparency_lies_on_a_checkerboard() -> None:
    sheet = _opened(contact_sheet([SheetEntry(_clear(), "t", "c")], heading="h"))
    top = MARGIN + HEAD + CELL * 3 // 4
    corner = sheet.crop((MARGIN + 8, top, MARGIN + CELL - 8, top + CELL // 5))
    assert {colour for _, colour in corner.getcolors() or ()} == set(map(ImageColor.getrgb, CHECKS))


def test_words_stay_in_their_column() -> None:
    entries = [SheetEntry(_filled((1, 2, 3)), "word " * 90, "猫" * 200) for _ in range(4)]
    sheet = _opened(contact_sheet(entries, heading=HEADING))
    for column in range(3):
        left = MARGIN + (column + 1) * CELL + column * GAP + 16
        gutter = sheet.crop((left, MARGIN + HEAD, left + GAP - 32, sheet.height))
        assert {colour for _, colour in gutter.getcolors() or ()} == {ImageColor.getrgb(PAPER)}


def test_a_file_and_its_bytes_give_the_same_sheet(tmp_path: Path) -> None:
    data = photo(64, 48, "jpeg")
    file = tmp_path / "one.jpg"
    file.write_bytes(data)
    sheets = [contact_sheet([SheetEntry(source, "t", "c")], heading="h") for source in (data, file)]
    assert sheets[0] == sheets[1]
    assert sheets[0].startswith(b"\x89PNG")


def test_a_damaged_picture_is_named_as_such() -> None:
    with pytest.raises(PictureError):
        contact_sheet([SheetEntry(cut_short(photo(640, 480, "jpeg"), 0.3), "t", "c")], heading="h")
