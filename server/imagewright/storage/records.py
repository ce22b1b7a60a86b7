"""What the store holds: jobs, their calls to vendors, pictures, and whose they are. Plain data.

Times are seconds since 1970, UTC, by the store's own clock. Files are named by blob key: relative, with slashes.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b32encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CostBasis = Literal["actual", "estimate", "unknown"]
JobState = Literal["running", "completed", "failed", "cancelled"]

INCOMING = "incoming"
"""Keys `incoming/<job>/<name>` are files that a running job needs."""
PICTURES = "pictures"
"""Keys `pictures/<name>` are files of the library."""
FILE = "file:"
"""A key `file:<absolute path>` is a picture that was saved in a place of the user's own."""
ID_PREFIX = "img_"
_ID_BYTES = 10  # 80 bits, so that a shared server's ids cannot be guessed; 16 letters in base 32


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a call is made for."""

    id: str
    """Unique among all who share the store."""
    roots: tuple[Path, ...] | None = None
    """Folders this one may read from and save into; None for the configured ones."""
    may_use_paths: bool = True
    """Whether arguments may name files of the server's machine."""


LOCAL = Principal("local")
"""The one user of a server on their own machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call to a vendor."""

    number: int
    """Its place in the job, from 0."""
    state: CallState = CallState.PLANNED
    count: int = 1
    """How many pictures it makes."""
    first_variant: int = 1
    """The number of its first picture within the job, from 1."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What is sent, under the row's names, without pictures."""
    signature: Mapping[str, str] | None = None
    """What the vendor's list of recent calls would show it by, where it has one; written before it is sent."""
    handle: Mapping[str, str] | None = None
    """What the vendor gave to ask by, once it has."""
    outputs: tuple[Mapping[str, Any], ...] | None = None
    """The results once they are made, each with `url`, `file` (a blob key) and `seed`."""
    cost_usd: float | None = None
    """What the vendor says it charged; None when it does not say."""
    error: Mapping[str, Any] | None = None
    """What went wrong, as the engine writes errors; None when nothing did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job that is to be written down before anything is sent."""

    id: str
    """`job_...`, unguessable."""
    tool: str
    operation: str
    provider: str
    model: str
    """The vendor's id of the model."""
    fingerprint: str
    """The same for two calls that are identical in every argument."""
    plan: Mapping[str, Any]
    """What carrying it out needs beside the calls, as JSON; `plan["inputs"]` names its input pictures by blob key."""
    expected: int
    """How many pictures were asked for."""
    calls: tuple[CallRecord, ...]
    """Its vendor calls, in order; at least one."""
    key: str = ""
    """The caller's idempotency key; empty when it gave none."""
    reserved_usd: float = 0.0
    """What is set aside for it; 0 when the price is unknown."""
    cost_usd: float | None = None
    """What it cost or is estimated to cost; None when unknown."""
    cost_basis: CostBasis = "unknown"
    notes: tuple[str, ...] = ()
    """What the caller should know, one sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord(NewJob):
    """A job as the store has it."""

    principal: str
    """The id of whoever it is made for."""
    created: float
    """When it was opened."""
    state: JobState = "running"
    error: Mapping[str, Any] | None = None
    """Why it failed; None when it did not."""
    finished: float | None = None
    """When it ended; None while it runs."""
    worker_id: str = ""
    """The process that works on it or did last; empty once it has ended."""
    is_held: bool = False
    """Whether that process held the job when this was read: it runs, and its lease had not run out."""
    cancel_requested: bool = False

    @property
    def done(self) -> bool:
        """Whether nothing will change any more."""
        return self.state != "running"

    def variant_of(self, call: CallRecord, place: int) -> int:
        """The number of one picture of a call within the job, from 1: the same in every process, whatever has arrived.

        What a vendor made beyond the `count` it was asked for is numbered above `expected`: every call takes each
        n-th number there, n being how many calls the job has, so that no two pictures ever share one.

        Args:
            call: one of `calls`.
            place: which of its pictures, from 0.
        """
        if place < call.count:
            return call.first_variant + place
        return self.expected + 1 + call.number + (place - call.count) * len(self.calls)


@dataclass(frozen=True, slots=True)
class Cap:
    """A budget over time."""

    name: str
    """What to call it, such as `day`."""
    since: float
    """The moment from which spending counts."""
    usd: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent or set aside since a moment."""

    usd: float
    jobs: int
    """How many jobs that is the sum of."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one job that has ended cost."""

    created: float
    tool: str
    provider: str
    usd: float
    basis: CostBasis


def new_id() -> str:
    """A picture id that nobody can guess: `img_` and 16 of the signs a-z and 2-7."""
    return _spelt(secrets.token_bytes(_ID_BYTES))


def id_of(job_id: str, variant: int) -> str:
    """The id of a job's picture: the same in every process that keeps it, and no easier to guess than the job's.

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
    """What is known of a picture before it is kept."""

    tool: str
    """Name of the row that made it."""
    operation: str
    provider: str
    model: str
    """The vendor's id of the model."""
    format: str
    """The real type of its bytes, lower case: png, jpeg, webp ..."""
    width: int
    """Pixels, after orientation."""
    height: int
    """Pixels, after orientation."""
    prompt: str = ""
    """As the caller gave it; empty when the operation takes none."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """What else the caller gave, as JSON; the engine leaves inline picture data out."""
    seed: int | None = None
    """The seed that made it; None when it is not known."""
    cost_usd: float | None = None
    """What this one picture cost; None when it is not known."""
    cost_basis: CostBasis = "unknown"
    parents: tuple[str, ...] = ()
    """Ids of the library's pictures it was made from, in order."""
    job_id: str = ""
    """The job it belongs to; empty when there is none."""
    variant: int = 1
    """Which picture of the job, from 1."""
    created: datetime = field(default_factory=_now)
    """When it was made, with a time zone."""

    def __post_init__(self) -> None:
        if self.created.tzinfo is None:
            message = "created must have a time zone"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRecord(NewPicture):
    """A picture that was kept."""

    id: str
    """`img_` and 16 signs."""
    key: str
    """Its blob."""
    bytes: int
    """Size of the file as it was saved."""
    path: Path | None = None
    """Where it was saved on this machine; None where files are kept elsewhere. The library fills it in."""

    @property
    def uri(self) -> str:
        """The address of its resource."""
        return f"image://{self.id}"


def spooled_key(file: str) -> str:
    """The key of a spooled file: an older release wrote its absolute path into its records. A key stays as it is."""
    parts = PurePath(file).parts[-3:]
    return "/".join(parts) if parts[0:1] == (INCOMING,) else file
