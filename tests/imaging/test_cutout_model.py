"""Cutting out with a model of the user's: any ONNX file of the U2-Net family, and no download."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageDraw

from imagewright.imaging.cutout import ModelFileError, cut_out_with

if TYPE_CHECKING:
    from pathlib import Path

needs_rembg = pytest.mark.skipif(
    importlib.util.find_spec("rembg") is None, reason="the extra is not installed: pip install 'imagewright[cutout]'"
)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # rembg's own


def _field(number: int, value: int | str | bytes) -> bytes:
    """One field of a protobuf message; numbers below 128 only."""
    if isinstance(value, int):
        return bytes((number << 3, value)) if number < 16 else bytes((number << 3 & 0x7F | 0x80, number >> 4, value))
    data = value.encode() if isinstance(value, str) else value
    sizes = [len(data)] if len(data) < 128 else [len(data) & 0x7F | 0x80, len(data) >> 7]
    return bytes((number << 3 | 2, *sizes)) + data


def _tensor(name: str, *sides: bytes) -> bytes:
    shape = b"".join(_field(1, side) for side in sides)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, shape)))


def _model() -> bytes:
    """The smallest model in that form (onnx.proto3): what is bright is the subject."""
    one, many = _field(1, 1), b"\x08\xc0\x02"  # 1 and 320
    three = _field(1, 3)
    channels = _field(1, "axes") + _field(8, 1) + _field(20, 7)
    node = _field(1, "picture") + _field(2, "mask") + _field(4, "ReduceMean") + _field(5, channels)
    graph = _field(1, node) + _field(2, "bright")
    graph += _field(11, _tensor("picture", one, three, many, many)) + _field(12, _tensor("mask", one, one, many, many))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))


@pytest.fixture
def model(tmp_path: Path) -> str:
    file = tmp_path / "bright.onnx"
    file.write_bytes(_model())
    return str(file)


def _product() -> Image.Image:
    image = Image.new("RGB", (640, 480), (30, 30, 40))
    ImageDraw.Draw(image).ellipse((200, 120, 440, 360), fill=(240, 220, 200))
    return image


@needs_rembg
def test_the_subject_that_the_model_finds_is_cut_out(model: str) -> None:
    image = _product()
    result = cut_out_with(image, model)
    alpha = result.image.getchannel("A")
    assert (result.found, result.is_sure, result.image.size) == (True, True, image.size)
    assert alpha.getpixel((320, 240)) == 255
    assert alpha.getpixel((20, 20)) == 0
    assert alpha.histogram()[255] == pytest.approx(3.14159 * 120 * 120, rel=0.03)


@needs_rembg
def test_a_model_that_cannot_decide_is_not_sure(model: str) -> None:
    image = Image.merge("RGB", [Image.linear_gradient("L").resize((640, 480))] * 3)
    result = cut_out_with(image, model)
    assert result.undecided == pytest.approx(128 / 192, abs=0.05)
    assert not result.is_sure


@needs_rembg
def test_what_was_transparent_stays_so(model: str) -> None:
    image = _product().convert("RGBA")
    image.paste((0, 0, 0, 0), (300, 200, 340, 240))
    alpha = cut_out_with(image, model).image.getchannel("A")
    assert alpha.crop((300, 200, 340, 240)).getextrema() == (0, 0)


@needs_rembg
def test_a_model_that_was_replaced_is_loaded_again(model: str, tmp_path: Path) -> None:
    assert cut_out_with(_product(), model).found
    (tmp_path / "bright.onnx").write_bytes(b"no model")
    with pytest.raises(ModelFileError, match=r"bright\.onnx cannot be used"):
        cut_out_with(_product(), model)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"the model .*gone\.onnx cannot be used: it is not there"):
        cut_out_with(_product(), str(tmp_path / "gone.onnx"))


@pytest.mark.skipif(importlib.util.find_spec("rembg") is not None, reason="the extra is installed here")
def test_without_the_extra_it_says_how_to_get_it(model: str) -> None:
    with pytest.raises(ModelFileError, match=r"pip install 'imagewright\[cutout\]'"):
        cut_out_with(_product(), model)
