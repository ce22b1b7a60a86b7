"""Background removal with a trained model of the user's, through rembg, which the extra `cutout` installs.

Nothing is ever downloaded: the model is a file that the user has.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from imagewright.errors import PictureError, why
from imagewright.imaging.cutout import Cutout, cut_out_along
from imagewright.imaging.segmentation import LEAST

if TYPE_CHECKING:
    from imagewright.imaging.pixels import Picture

SIDE = 320
"""Px of the square in which models of the U2-Net family see a picture."""
UNSURE = 0.3
"""Share of the subject that the model is undecided about from which the outline is not sure. With U2-Net, 30 pictures
with a subject had at most 0.17, and those without one from 0.78."""
_NO, _YES = 64, 192
"""Of 255: what lies between is undecided."""
_HALF = [0] * 128 + [255] * 128


class ModelFileError(PictureError):
    """The model cannot be used."""


def cut_out_with(image: Picture, model: str) -> Cutout:
    """As `cut_out`, with the subject that a model finds: `model` is an ONNX file of the U2-Net family.

    Raises:
        ModelFileError: the file cannot be used as such a model, or the extra is not installed.
    """
    colours = image.convert("RGB")
    try:
        (found,) = _session(model, Path(model).stat().st_mtime_ns).predict(colours)
    except Exception as error:  # rembg and its runtime raise nearly everything on a file that is no model
        reason = why(error) if isinstance(error, OSError) else str(error) or type(error).__name__
        raise ModelFileError(f"the model {model} cannot be used: {reason}") from error
    shrink = min(1.0, SIDE / max(image.size))
    size = (max(1, round(image.width * shrink)), max(1, round(image.height * shrink)))
    small: Image.Image = found.resize(size, Image.Resampling.BOX)
    counts = small.histogram()
    subject, undecided = sum(counts[_NO:]), sum(counts[_NO:_YES])
    mask = small.point(_HALF)
    if subject < LEAST * sum(counts) or mask.getbbox() is None:
        return Cutout(image.convert("RGBA"), found=False)
    share = undecided / subject
    return Cutout(cut_out_along(image, mask), True, share, share < UNSURE)


@lru_cache(maxsize=1)
def _session(model: str, _changed: int) -> Any:
    """The model, ready to be asked, until its file changes. Loading it takes seconds."""
    if find_spec("rembg") is None:
        raise ModelFileError("the extra is not installed: pip install 'imagewright[cutout]'")
    session = import_module("rembg.sessions.u2net_custom").U2netCustomSession

    def file_of(_kind: Any, /, *_: object, model_path: str, **__: object) -> str:
        return model_path

    # rembg itself takes models from a folder of its own only
    anywhere = type("AnyFile", (session,), {"download_models": classmethod(file_of)})
    return anywhere("u2net_custom", import_module("onnxruntime").SessionOptions(), model_path=model)
