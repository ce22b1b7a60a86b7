"""What the library knows about a picture."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b32encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

CostBasis = Literal["actual", "estimate", "unknown"]

ID_PREFIX = "img_"
_ID_BYTES = 10  # 80 bits, so that a shared server's ids cannot be guessed; 16 letters in base 32


def new_id() -> str:
    """A picture id that nobody can guess: `img_` and 16 of the signs a-z and 2-7."""
    return _spelt(secrets.token_bytes(_ID_BYTES))


def id_of(job_id: str, variant: int) -> str:
    """The id of a job's picture: the same in every process that brings it home, and no easier to guess than the job's.

    Args:
        job_id: the job; not empty.
        variant: which picture of it, from 1.
    """
    return _spelt(hashlib.sha256(f"{job_id}/{variant}".encode()).digest()[:_ID_BYTES])


def _spelt(signs: bytes) -> str:
    return ID_PREFIX + b32encode(signs).decode("ascii").lower()


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPicture:
    """What is known of a picture before it is kept.

    Attributes:
        tool: name of the row that made it.
        operation: what was done.
        provider: who served it.
        model: the vendor's id of the model.
        format: the real type of its bytes, lower case: png, jpeg, webp ...
        width: pixels, after orientation.
        height: pixels, after orientation.
        prompt: as the caller gave it; empty when the operation takes none.
        arguments: what else the caller gave, as JSON; inline picture data is left out by the engine.
        seed: the seed that made it; None when it is not known.
        cost_usd: what this one picture cost; None when it is not known.
        cost_basis: where that figure comes from.
        parents: ids of the library's pictures it was made from, in order.
        job_id: the job it belongs to; empty when there is none.
        variant: which picture of the job, from 1.
        created: when it was made, with a time zone.
    """

    tool: str
    operation: str
    provider: str
    model: str
    format: str
    width: int
    height: int
    prompt: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    cost_usd: float | None = None
    cost_basis: CostBasis = "unknown"
    parents: tuple[str, ...] = ()
    job_id: str = ""
    variant: int = 1
    created: datetime = field(default_factory=_now)

    def __post_init__(self) -> None:
        if self.created.tzinfo is None:
            message = "created must have a time zone"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRecord(NewPicture):
    """A picture that was kept.

    Attributes:
        id: `img_` and 16 signs.
        path: where it was saved, absolute and resolved; the user may have moved it since.
        bytes: size of the file as it was saved.
    """

    id: str
    path: Path
    bytes: int

    @property
    def uri(self) -> str:
        """The address of its resource."""
        return f"image://{self.id}"
