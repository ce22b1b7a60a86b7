"""A job as one process sees it: what was asked, and how it stands here while it runs.

What was asked is plain data, written down with the job so that another process can end it.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import anyio

from imagewright.catalog.facts import LARGEST_CLASS, PIXELS_PER_K
from imagewright.catalog.row import OperationName
from imagewright.errors import ImagewrightError, RecordedError
from imagewright.imaging.limiter import PREVIEWS
from imagewright.storage.base import NO_SENSE, UnreadableJobError
from imagewright.storage.states import CallState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.imaging.limiter import PreviewCache
    from imagewright.providers.base import Output
    from imagewright.storage.accounts import Principal
    from imagewright.storage.base import Step
    from imagewright.storage.records import CallRecord, JobRecord, PictureRecord

SHARE_MADE = 0.9
"""The share that is done when all pictures of a job are made and only have to be fetched."""
Sides = tuple[int, int]
"""Width and height in px."""
RATIO_TOLERANCE = 0.01
"""Share by which a shape may differ from the one that was asked for: models make sides in steps of 8 to 64 px."""
BEYOND_ORDER = 5
"""How many times the pixels of its order a result may have and be decoded. An enlargement to twice the sides is made
four times as large where the vendor knows only that, and then brought down."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asked of its pictures. What is empty was not asked for, and is not compared."""

    ratio: str = ""
    """The aspect ratio, such as `16:9`."""
    like: Sides | None = None
    """The first picture's sides in px, where the route keeps its shape."""
    resolution: str = ""
    """The size class, such as `2K`."""
    size: Sides | None = None
    """The exact sides in px: of an enlargement, and of a cut-out, which is as large as its picture."""
    scale: int = 0
    """By how much it is enlarged; 0 where it is not."""
    format: str = ""
    """The file type: the one that was given, else the one that the name to save as ends in, else the default."""
    ending: str = ""
    """The file type that the name to save as ends in."""
    transparent: bool | None = None
    """Whether some pixel has to be transparent, or none may be."""
    cut_out: bool = False
    """Whether the background had to be removed."""

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Asked:
        """What `dataclasses.asdict` made, after it was JSON."""
        sides = {name: tuple(data[name]) if data[name] else None for name in ("like", "size")}
        return cls(**{**data, **sides})


@dataclass(frozen=True, slots=True)
class JobSpec:
    """The caller's request as plain data, which is written down with the job and read back."""

    prompt: str
    """As given; empty when there is none."""
    request: Mapping[str, Any]
    """The caller's arguments without data URIs and without the secrets of signed links."""
    save_as: str | None
    """Where the caller wants it saved; None for the default."""
    parents: tuple[str, ...]
    """Ids of the earlier pictures it is made from."""
    count: int
    """How many pictures were asked for."""
    usd: float | None
    """What the job is estimated to cost, in USD; None when unknown."""
    exact_size: Sides | None
    """Sides in px the result is brought down to; None when it is kept as it comes."""
    edition: str = ""
    """The edition that serves it; empty where there is none."""
    asked: Asked = field(default_factory=Asked)
    """What was asked of its pictures; jobs of older releases have nothing here."""

    @property
    def most_pixels(self) -> int:
        """Pixels of the largest result that is decoded: several times the order, and of the largest class at least."""
        sizes = (self.exact_size, self.asked.size, self.asked.like)
        ordered = [(LARGEST_CLASS * PIXELS_PER_K) ** 2, *(size[0] * size[1] for size in sizes if size is not None)]
        return int(BEYOND_ORDER * max(ordered))

    def as_data(self) -> dict[str, Any]:
        """As JSON can hold it; `from_data` reads it back."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> JobSpec:
        """What `as_data` made."""
        size, asked = data["exact_size"], data.get("asked")
        read = {
            "parents": tuple(data["parents"]),
            "exact_size": tuple(size) if size else None,
            "asked": Asked.from_data(asked) if asked else Asked(),
        }
        return cls(**{**data, **read})


@dataclass(slots=True)
class Job:
    """One job, which only the engine changes."""

    record: JobRecord
    """What is known of it. While this process works on it, notes that are added are written down with the next step of
    a call, and the states of its calls are only in the store and in the `CallRun`s."""
    who: Principal
    """The user for whom it is made."""
    is_local: bool = True
    """Whether this process works on it."""
    share: float = 0.0
    """How far it is, 0 to 1, never going down."""
    stage: str = "starting"
    """A few words for people, such as "queued"."""
    troubles: dict[str, str] = field(default_factory=dict)
    """What is in the way and what to do about it, in sentences for the caller, by the call or picture that is held up.
    The job goes on. Trouble that passes by itself is not here."""
    pictures: list[PictureRecord] = field(default_factory=list)
    """What has arrived so far, in the order of the variants."""
    previews: PreviewCache = PREVIEWS
    """Previews of this process's pictures by id, made when they were checked; dropped once a caller has them."""
    began: float = field(default_factory=time.monotonic)
    """When it began, in seconds of the monotonic clock."""
    ended_at: float | None = None
    """When it ended, by the same clock; None while it runs."""
    changed: anyio.Event = field(default_factory=anyio.Event)
    """Set at the next change, and then replaced by a new one."""
    sent: anyio.Event = field(default_factory=anyio.Event)
    """Set when the first request of it leaves this machine or has to wait for its turn, or when it has ended."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Cancelled to stop the work in this process."""

    @property
    def id(self) -> str:
        """`job_...`, unguessable."""
        return self.record.id

    @property
    def done(self) -> bool:
        """Whether nothing will change any more."""
        return self.record.done

    @property
    def operation(self) -> OperationName:
        """What is being done."""
        return OperationName(self.record.operation)

    @property
    def edition(self) -> str:
        """The edition that serves it; empty where there is none, or it was begun by an older release."""
        return str(self.record.plan["spec"].get("edition", ""))

    @property
    def choice(self) -> tuple[str, ...]:
        """Why this provider was taken and the others were not, one sentence each."""
        return tuple(self.record.plan["choice"])

    @property
    def spec(self) -> JobSpec:
        """The request, as it was written down.

        Raises:
            UnreadableJobError: it makes no sense.
        """
        try:
            return JobSpec.from_data(self.record.plan["spec"])
        except NO_SENSE as error:
            raise UnreadableJobError(self.id, error) from error

    @property
    def error(self) -> ImagewrightError | None:
        """Why it failed, if it did."""
        return error_of(self.record)

    @property
    def elapsed(self) -> float:
        """Seconds since the start, up to the end."""
        return (self.ended_at if self.ended_at is not None else time.monotonic()) - self.began

    @property
    def trouble(self) -> str:
        """All its troubles, each once; empty where there is none."""
        return " ".join(dict.fromkeys(self.troubles.values()))

    def note(self, *notes: str) -> None:
        """Add what the caller should know, unless it is there already."""
        self.record = replace(self.record, notes=tuple(dict.fromkeys((*self.record.notes, *notes))))

    def request_cancel(self) -> None:
        """Note that somebody asked for it to be stopped. A process that just ends leaves the job to the next."""
        self.record = replace(self.record, cancel_requested=True)

    def held_up(self, what: str, trouble: str) -> None:
        """Note what is in the way of a call or a picture, or nothing any more. It shows with the next `tell`."""
        if trouble:
            self.troubles[what] = trouble
        else:
            self.troubles.pop(what, None)

    def tell(self, *, share: float | None = None, stage: str | None = None) -> None:
        """Report progress to those who wait; a share below the last one is ignored."""
        if share is not None:
            self.share = max(self.share, min(share, 1.0))
        if stage is not None:
            self.stage = stage
        self.changed.set()
        self.changed = anyio.Event()

    async def ended(self) -> None:
        """Return when nothing will change any more."""
        while not self.done:
            await self.changed.wait()

    def update(self, record: JobRecord) -> None:
        """Take in what is known now; notes that were added meanwhile stay."""
        notes = (*record.notes, *(note for note in self.record.notes if not note.endswith(ARRIVED)))
        self.record = replace(record, notes=tuple(dict.fromkeys(notes)))

    def finish(self, record: JobRecord) -> None:
        """End the job with this record."""
        self.ended_at = self.ended_at or time.monotonic()
        self.update(record)
        self.troubles.clear()
        self.tell(share=1.0 if record.state == "completed" else None, stage=record.state)


ARRIVED = " pictures arrived."
"""How the note ends that counts the pictures of a job that has fewer than it was asked for."""
SENT = frozenset({CallState.SUBMITTING, CallState.SUBMITTED, CallState.MADE, CallState.KEPT, CallState.UNKNOWN})


@dataclass(slots=True)
class CallRun:
    """One vendor call that is being carried out."""

    call: CallRecord
    """Its present state, also if the store could not be written; see `_note` in `engine.sending`."""
    sent: bool
    """Whether the vendor has it or may have it."""
    error: ImagewrightError | None = None
    """What went wrong."""
    share: float = 0.0
    """How far it is, 0 to 1."""
    outputs: tuple[Output, ...] | None = None
    """What the vendor made, if this process got the answer; `call.outputs` is the same as it was written down."""
    unwritten: list[Step] = field(default_factory=list)
    """Steps it has taken that are written down with the next one, or with the job's end."""
    unrecorded: list[PictureRecord] = field(default_factory=list)
    """Pictures of it whose files are in the library; their records are written with those steps."""
    submitted: float | None = None
    """When this process submitted it, by the clock of the event loop; None if another did."""
    safe: bool = False
    """Whether each of its pictures is in the library, or kept elsewhere as it came."""

    @property
    def state(self) -> CallState:
        """Where it stands."""
        return self.call.state

    @property
    def place(self) -> str:
        """Its name among the job's troubles."""
        return f"call {self.call.number}"

    @property
    def made(self) -> int:
        """How many pictures the vendor made."""
        return len(self.outputs or self.call.outputs or ())

    @property
    def has_unsaved_output(self) -> bool:
        """Whether the job's folder may hold something of it that was made and is not safe."""
        if self.state is CallState.UNKNOWN:  # its answer may still be written to disk, although nothing waits for it
            return True
        kept_before = self.state is CallState.KEPT and self.error is None
        return bool(self.made) and not self.safe and not kept_before


def error_of(record: JobRecord | CallRecord) -> ImagewrightError | None:
    """The error that was written down with it."""
    return None if record.error is None else RecordedError(record.error)


def call_run_of(call: CallRecord) -> CallRun:
    """A call in the state that the store has for it."""
    vendor_answered = "charged" in (call.error or {})
    return CallRun(call, sent=call.handle is not None or vendor_answered or call.state in SENT, error=error_of(call))
