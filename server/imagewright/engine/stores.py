"""What every attempt at a job works with, and the errors of jobs as the journal holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.errors import ImagewrightError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.engine.ledger import Ledger
    from imagewright.engine.spool import Spool
    from imagewright.storage.library import Library


@dataclass(frozen=True, slots=True)
class Stores:
    """Library, journal and spool of one process."""

    library: Library
    ledger: Ledger
    spool: Spool


class RecordedError(ImagewrightError):
    """An error read back from the journal.

    Attributes:
        category: its stable word for programs.
        charged: whether the vendor took money; None when that is not known, or the error is not the vendor's.
    """

    def __init__(self, text: str, category: str, *, charged: bool | None) -> None:
        self.category = category
        self.charged = charged
        super().__init__(text)


def error_data(error: ImagewrightError | None) -> dict[str, Any] | None:
    """An error as the journal holds it."""
    if error is None:
        return None
    if isinstance(error, RecordedError):
        return {"kind": error.category, "text": str(error), "charged": error.charged}
    if isinstance(error, ProviderError):
        return {
            "kind": error.category,
            "text": str(error),
            "retryable": error.retryable,
            "charged": error.charged,
        }
    return {"kind": "failed", "text": str(error)}


def read_error(data: Mapping[str, Any] | None) -> ImagewrightError | None:
    """The error that `error_data` wrote down."""
    return None if data is None else RecordedError(data["text"], data["kind"], charged=data.get("charged"))
