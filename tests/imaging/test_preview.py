from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import ImageCms

from imagewright.errors import PictureError
from imagewright.imaging.files import probe
from imagewright.imaging.limiter import Preview, PreviewCache
from imagewright.imaging.preview import fit_previews, look
from tests.support.pictures import QUARTERS, STILL_FORMATS, cut_short, noise, opened, photo, quarters, saved

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PLENTY = 10_000_000


def encoded(previews: list[Preview]) -> int:
    return sum(len(base64.b64encode(preview.data)) for preview in previews)


def previews_of(pictures: Iterable[bytes]) -> list[Preview]:
    return [look(picture)[1] for picture in pictures]


def with_hole(data: bytes) -> bytes:
    image = opened(data).convert("RGBA")
    image.paste((0, 0, 0, 0), (100, 100, 200, 200))
    return saved(image, "png")


@pytest.mark.parametrize("name", STILL_FORMATS)
def test_every_format_gets_a_small_jpeg(name: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(photo(300, 200, name))
    _, preview = look(path, side=150)
    assert (preview.format, preview.width, preview.height) == ("jpeg", 150, 100)
    assert opened(preview.data).size == (150, 100)


@pytest.mark.parametrize(
    ("size", "becomes"),
    [((300, 200), (100, 67)), ((200, 300), (67, 100)), ((60, 40), (60, 40)), ((3000, 2), (100, 1))],
)
def test_the_long_side_fits_and_nothing_is_enlarged(size: tuple[int, int], becomes: tuple[int, int]) -> None:
    _, preview = look(photo(*size), side=100)
    assert (preview.width, preview.height) == becomes


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_previewed_upright(orientation: int) -> None:
    _, preview = look(photo(640, 480, "jpeg", orientation=orientation), side=64)
    assert (preview.width, preview.height) == (64, 48)
    red, green, blue = opened(preview.data).crop((5, 5, 6, 6)).tobytes()
    assert red > 180
    assert max(green, blue) < 90


@pytest.mark.parametrize(("size", "formats"), [((400, 300), {"webp"}), ((64, 48), {"png", "webp"})])
def test_transparency_stays_visible(size: tuple[int, int], formats: set[str]) -> None:
    _, preview = look(photo(*size, mode="RGBA"))
    assert preview.format in formats
    assert probe(preview.data).has_alpha


def test_alpha_that_hides_everything_below_is_opaque() -> None:
    _, preview = look(saved(quarters(64, 48).convert("RGBA"), "png"))
    assert preview.format == "jpeg"


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("budget", [400_000, 120_000, 40_000, 20_000])
def test_all_previews_together_stay_within_the_budget(budget: int, mode: str) -> None:
    pictures = [noise(400, 300, seed=seed) for seed in range(4)]
    if mode == "RGBA":
        pictures = [with_hole(data) for data in pictures]
    first = previews_of(pictures)
    previews, shrunk = fit_previews(first, budget=budget)
    assert len(previews) == 4
    assert encoded(previews) <= budget
    assert len({(preview.width, preview.height) for preview in previews}) == 1
    assert shrunk == (encoded(first) > budget)


def test_quality_goes_before_size() -> None:
    _, first = look(noise(300, 300))
    (second,), shrunk = fit_previews([first], budget=first.encoded_size - 1)
    assert shrunk
    assert (second.width, second.height) == (300, 300)


def test_the_last_are_left_out_when_even_the_smallest_are_too_much() -> None:
    first = previews_of(noise(300, 300, seed=seed) for seed in range(5))
    (smallest, *_), _ = fit_previews(first, budget=15_000)
    previews, shrunk = fit_previews(first, budget=smallest.encoded_size * 2 + 100)
    assert shrunk
    assert 1 <= len(previews) < 5
    assert encoded(previews) <= smallest.encoded_size * 2 + 100
    assert fit_previews(first, budget=100) == ([], True)


def test_no_pictures_need_no_budget() -> None:
    assert fit_previews([], budget=0) == ([], False)


@pytest.mark.parametrize("name", STILL_FORMATS)
def test_one_look_tells_what_probing_and_previewing_tell(name: str) -> None:
    data = photo(300, 200, name)
    facts, preview = look(data, side=100)
    assert facts == replace(probe(data), transparent=False)
    assert fit_previews([preview], budget=PLENTY) == ([preview], False)


@pytest.mark.parametrize(
    ("picture", "transparent"),
    [
        (photo(mode="RGBA"), True),
        (photo(mode="LA"), True),
        (photo(format="webp", mode="RGBA"), True),
        (photo(1600, 1200, mode="RGBA"), True),
        (photo(), False),
        (photo(format="jpeg"), False),
        (saved(quarters(64, 48).convert("RGBA"), "png"), False),
        (saved(quarters(64, 48), "png", transparency=QUARTERS[0]), True),
        (saved(quarters(64, 48), "png", transparency=(1, 2, 3)), False),
        (saved(quarters(64, 48).quantize(8), "gif", transparency=0), True),
    ],
)
def test_a_look_tells_whether_any_pixel_is_transparent(picture: bytes, *, transparent: bool) -> None:
    facts, _ = look(picture, side=100)
    assert facts.transparent is transparent


def test_a_single_pixel_counts_even_where_the_preview_loses_it() -> None:
    image = quarters(1600, 1200).convert("RGBA")
    image.putpixel((801, 601), (10, 20, 30, 254))
    facts, preview = look(saved(image, "png"), side=64)
    assert facts.transparent
    assert preview.format == "jpeg"


@pytest.mark.parametrize("name", STILL_FORMATS)
def test_a_look_finds_out_a_file_cut_short(name: str) -> None:
    with pytest.raises(PictureError, match="cut short"):
        look(cut_short(noise(600, 100, name)), side=64)


def test_a_preview_carries_no_profile_and_no_camera_data() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(quarters(300, 200), "jpeg", icc_profile=profile, exif=b"Exif\0\0secret", comment=b"secret")
    _, preview = look(data)
    assert b"secret" not in preview.data
    assert "icc_profile" not in opened(preview.data).info


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "I;16", "RGBA"])
def test_every_mode_of_png_can_be_previewed(mode: str) -> None:
    _, preview = look(photo(300, 200, mode=mode), side=150)
    assert opened(preview.data).size == (150, 100)


def test_the_cache_keeps_those_used_last_within_its_room() -> None:
    cache = PreviewCache(100)
    for name in "abc":
        cache[name] = Preview(bytes(30), "jpeg", 8, 8)
    assert cache.get("a") is not None
    cache["d"] = Preview(bytes(40), "jpeg", 8, 8)
    assert [name for name in "abcd" if cache.get(name)] == ["a", "c", "d"]
    cache["a"] = Preview(bytes(10), "jpeg", 8, 8)
    cache["e"] = Preview(bytes(20), "jpeg", 8, 8)
    assert [name for name in "abcde" if cache.get(name)] == ["a", "c", "d", "e"]
    cache.pop("c")
    cache.pop("c")
    cache["large"] = Preview(bytes(200), "jpeg", 8, 8)
    assert not [name for name in "acde" if cache.get(name)]
    cache["f"] = Preview(bytes(100), "jpeg", 8, 8)
    assert cache.get("f") is not None
