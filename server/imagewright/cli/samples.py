"""The bundled sample pictures, put where the server may read them."""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from imagewright.storage.saving import write_new

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDINGS = (".jpg", ".png")


def lay_out(folder: Path) -> Mapping[str, Path]:
    """Copy the samples into a folder; one that is there already is taken as it is.

    Returns:
        Absolute paths by the sample's name, such as "vase" and "vase_mask".

    Raises:
        StorageError: the folder cannot be written.
    """
    bundled = files("imagewright.imaging") / "samples"
    return {
        PurePath(sample.name).stem: _placed(sample.read_bytes(), folder / sample.name)
        for sample in sorted(bundled.iterdir(), key=lambda one: one.name)
        if sample.name.endswith(ENDINGS)
    }


def _placed(data: bytes, target: Path) -> Path:
    if target.is_file() and target.read_bytes() == data:
        return target
    return write_new(BytesIO(data), target).path
