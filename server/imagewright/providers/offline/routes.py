"""What is done on this machine: every operation of every row, with every argument, made from the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL, Limits, OperationName
from imagewright.providers.base import EVERY_EDITION, PictureForm, Price, Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.catalog.row import Row

NAME = "offline"

HOW: Mapping[OperationName, str] = {
    OperationName.GENERATE: "rehearsal",
    OperationName.EDIT: "rehearsal",
    OperationName.UPSCALE: "lanczos",
    OperationName.REMOVE_BACKGROUND: "segmentation",
    OperationName.REFRAME: "canvas",
}
"""What stands in the place of a model's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineRoute(Route):
    """How an operation is done on this machine."""

    model_file: str = ""
    """The file of a trained model that is used for it; empty where none is."""


def offline_routes(cutout_model: str) -> list[OfflineRoute]:
    """The routes; `cutout_model` is the file of a trained model for cutting out, empty for none."""
    return [_route(row, operation, cutout_model) for row in catalog().values() for operation in row.operations]


def _route(row: Row, operation: OperationName, cutout_model: str) -> OfflineRoute:
    arguments = row.operations[operation].arguments
    most = int(getattr(arguments.get("variants"), "maximum", None) or 1)
    largest = int(getattr(arguments.get("scale"), "maximum", None) or 0)
    model_file = cutout_model if operation is OperationName.REMOVE_BACKGROUND else ""
    return OfflineRoute(
        provider=NAME,
        tool=row.tool,
        operation=operation,
        edition=EVERY_EDITION if MODEL in arguments else "",
        model=Path(model_file).stem or HOW[operation],
        model_file=model_file,
        takes={name: Limits() for name in arguments if name != MODEL},
        pictures=PictureForm(mask="white_is_repainted" if "mask" in arguments else None),
        counts=tuple(range(1, most + 1)),
        scales=tuple(range(1, largest + 1)),
        native_auto=True,
        price=Price(usd=0.0, source="it runs on this machine"),
    )
