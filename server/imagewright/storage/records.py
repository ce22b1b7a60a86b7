"""The records of the stores as plain data: users, jobs, their calls to vendors, pictures, and the names of their files.

Times are seconds since 1970, UTC, by the store's own clock. Files are named by blob keys, see below.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from base64 import b32encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from imagewright.storage.states import OPEN, CallState, JobState
from imagewright.text import Foreign

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CostBasis = Literal["actual", "estimate", "unknown"]

INCOMING = "incoming"
"""Begins the keys of files that a running job needs: `incoming/<job>/<name>`."""
PICTURES = "pictures"
"""Begins the keys of the library's files: `pictures/<name>`."""
FILE = "file:"
"""Begins the keys of pictures that were saved in folders of the user's own: `file:<absolute path>`."""
ID_PREFIX = "img_"
_ID_BYTES = 10  # 80 bits, so that a shared server's ids cannot be guessed; 16 letters in base 32
LONGEST_SLUG = 40
"""Signs of the prompt in a file name."""
_ID_SIGNS = 6  # enough to tell the pictures of one second apart

EXTENSIONS = {
    "png": ("png",),
    "jpeg": ("jpg", "jpeg", "jpe", "jfif"),
    "webp": ("webp",),
    "gif": ("gif",),
    "avif": ("avif",),
    "heic": ("heic", "heif"),
    "tiff": ("tif", "tiff"),
    "bmp": ("bmp",),
    "svg": ("svg",),
}
"""File name extensions by format, the usual one first."""

# Latin letters that no Unicode decomposition turns into ASCII.
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call to a vendor."""

    number: int
    """The number of the call within its job, from 0."""
    state: CallState = CallState.PLANNED
    count: int = 1
    """How many pictures it makes."""
    first_variant: int = 1
    """The number of its first picture within its job, from 1."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """The arguments that are sent, by the names of the row, without pictures."""
    signature: Mapping[str, str] | None = None
    """How to find the call in the vendor's list of recent calls, if the vendor has one. Written before it is sent."""
    handle: Mapping[str, str] | None = None
    """How to ask the vendor about the call; None until the vendor has answered."""
    outputs: tuple[Mapping[str, Any], ...] | None = None
    """The results, each with `url`, `file` (a blob key) and `seed`; None until they are made."""
    cost_usd: float | None = None
    """What the vendor says it charged; None if it does not say."""
    error: Mapping[str, Any] | None = None
    """What went wrong, in the form in which the engine writes errors; None if nothing did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job as it is written down before anything is sent."""

    id: str
    """`job_` and characters that nobody can guess."""
    tool: str
    operation: str
    provider: str
    model: str
    """The vendor's id of the model."""
    fingerprint: str
    """Equal for two calls with equal arguments, and different for all others."""
    plan: Mapping[str, Any]
    """What else is needed to carry it out, as JSON. `plan["inputs"]` names its input pictures by blob key."""
    expected: int
    """How many pictures were asked for."""
    calls: tuple[CallRecord, ...]
    """Its vendor calls, in order; at least one."""
    key: str = ""
    """The caller's idempotency key; empty if it gave none."""
    reserved_usd: float = 0.0
    """What is reserved for it in the budgets while it runs; 0 if the price is unknown."""
    cost_usd: float | None = None
    """What it cost, or is estimated to cost while it runs; None if that is unknown."""
    cost_basis: CostBasis = "unknown"
    notes: tuple[str, ...] = ()
    """What the caller should know, one sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord(NewJob):
    """A job as it is in the store."""

    principal: str
    """The id of its owner."""
    created: float
    """When it was opened."""
    state: JobState = "running"
    error: Mapping[str, Any] | None = None
    """Why it failed, in the form in which the engine writes errors; None if it did not fail."""
    finished: float | None = None
    """When it ended; None while it runs."""
    worker_id: str = ""
    """The worker that has the job, or had it last; empty once the job has ended."""
    is_held: bool = False
    """Whether the job was running and its lease had not expired when this record was read."""
    cancel_requested: bool = False

    @property
    def done(self) -> bool:
        """Whether the job has ended. One that is stalled has not."""
        return self.state not in OPEN

    def variant_of(self, call: CallRecord, place: int) -> int:
        """The number of a picture within the job, from 1. Every process comes to the same number.

        Pictures that a vendor made beyond the `count` it was asked for are numbered above `expected`. With n calls,
        each call uses every n-th of these numbers, so that no two pictures get the same one.

        Args:
            call: one of `calls`.
            place: the place of the picture among those of the call, from 0.
        """
        if place < call.count:
            return call.first_variant + place
        return self.expected + 1 + call.number + (place - call.count) * len(self.calls)

    def new_picture(
        self,
        variant: int,
        *,
        prompt: str,
        arguments: dict[str, Any],
        seed: int | None,
        cost_usd: float | None,
        cost_basis: CostBasis,
        parents: tuple[str, ...],
    ) -> NewPicture:
        """One of its pictures, as far as it is known before the file is here: without format and sides."""
        return NewPicture(
            tool=self.tool,
            operation=self.operation,
            provider=self.provider,
            model=self.model,
            job_id=self.id,
            variant=variant,
            created=datetime.fromtimestamp(self.created, UTC),
            format="",
            width=0,
            height=0,
            prompt=Foreign(prompt),
            arguments=arguments,
            seed=seed,
            cost_usd=cost_usd,
            cost_basis=cost_basis,
            parents=parents,
        )


@dataclass(frozen=True, slots=True)
class Cap:
    """A budget over time."""

    name: str
    """Its name for people, such as `day`."""
    since: float
    """The moment from which spending counts."""
    usd: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent or reserved since a moment."""

    usd: float
    jobs: int
    """How many jobs this is the sum of."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one job that has ended cost."""

    created: float
    tool: str
    provider: str
    usd: float
    basis: CostBasis


@dataclass(frozen=True, slots=True)
class BlobFolder:
    """All files whose blob keys begin with `key` and a slash."""

    key: str
    idle: float
    """Seconds since any of them was changed, by the store's clock."""


class Trouble(NamedTuple):
    """What is wrong with the stores, in words."""

    what: str
    advice: str
    """What to do about it."""
    is_broken: bool = True
    """Whether nothing can be stored because of it."""


def new_id() -> str:
    """A picture id that nobody can guess: `img_` and 16 characters out of a-z and 2-7."""
    return _spelt(secrets.token_bytes(_ID_BYTES))


def id_of(job_id: str, variant: int) -> str:
    """The id of a job's picture. Every process comes to the same id; it is as hard to guess as the job's.

    Args:
        job_id: the job; not empty.
        variant: the number of the picture within the job, from 1.
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
    transparent: bool | None = None
    """Whether any pixel is transparent; None if it is not known."""
    prompt: Foreign = Foreign("")  # noqa: RUF009 - frozen, so a shared default cannot change
    """As the caller gave it; empty if the operation takes none."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """The caller's other arguments, as JSON, without inline picture data."""
    seed: int | None = None
    """None if it is not known."""
    cost_usd: float | None = None
    """What this picture alone cost; None if that is not known."""
    cost_basis: CostBasis = "unknown"
    parents: tuple[str, ...] = ()
    """Ids of the library's pictures it was made from, in order."""
    job_id: str = ""
    """The job it belongs to; empty if there is none."""
    variant: int = 1
    """Its number within the job, from 1."""
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
    """`img_` and 16 characters."""
    key: str
    """The key of its file."""
    bytes: int
    """Size of the file as it was saved."""
    path: Path | None = None
    """Its file on this machine; None if files are kept elsewhere. Not stored: the library fills it in."""

    @property
    def uri(self) -> str:
        """The address of its resource."""
        return f"image://{self.id}"

    @property
    def file_name(self) -> Foreign:
        """The name of its file."""
        return Foreign(self.key.rpartition("/")[2])


def spooled_key(file: str) -> str:
    """The key of a running job's file, from the absolute path that older releases recorded. A key stays as it is."""
    parts = PurePath(file).parts[-3:]
    return "/".join(parts) if parts[0:1] == (INCOMING,) else file


def comparable(text: str) -> str:
    """The text without differences of case, accents and forms of one letter, for comparing words of any script."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(sign for sign in apart if not unicodedata.combining(sign)))


def slug(text: str, longest: int = LONGEST_SLUG) -> str:
    """The first words of a text in a-z, 0-9 and `-`; empty when it has none in Latin script."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"['\u2019]", "", comparable(text)).translate(_LETTERS))
    kept = ""
    for word in words:
        longer = f"{kept}-{word}" if kept else word
        if len(longer) > longest:
            break
        kept = longer
    return kept or (words[0][:longest] if words else "")


def default_name(new: NewPicture, picture_id: str) -> str:
    """A name that sorts by time and that people can tell apart: `20261122-163012_<tool>_<words>_<id>.<extension>`.

    The time is local. The operation stands in for a prompt that has no word in Latin script.
    """
    when = new.created.astimezone().strftime("%Y%m%d-%H%M%S")
    short = picture_id.partition("_")[2][:_ID_SIGNS]
    return f"{when}_{new.tool}_{slug(new.prompt.raw) or slug(new.operation)}_{short}.{extension(new.format)}"


def extension(form: str) -> str:
    """The usual extension of a format, without a dot."""
    return EXTENSIONS.get(form, (form,))[0]


def with_real_extension(name: str, form: str) -> str:
    """The name with the extension of the real type.

    One that already says the type stays as it was typed; another picture extension is replaced; anything else after
    a dot is part of the name.
    """
    typed = PurePath(name).suffix.lower().removeprefix(".")
    if typed in EXTENSIONS.get(form, (form,)):
        return name
    stem = PurePath(name).stem if any(typed in known for known in EXTENSIONS.values()) else name
    return f"{stem}.{extension(form)}"
