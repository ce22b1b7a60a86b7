"""What a provider is to the engine: routes that say what it can do, and four calls that do it.

The engine picks a route, prepares the pictures in the form it wants, and makes an `Order`. The provider submits it, is
polled with the `Handle` it returned, and fetches the finished `Output`s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from imagewright.catalog.row import ANY, Scalar
from imagewright.text import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from imagewright.catalog.row import Limits, OperationName
    from imagewright.providers.http.client import Sender
    from imagewright.providers.sending import Sending
    from imagewright.settings import AllowedHost
    from imagewright.storage.accounts import Pace

SERVED_BY_ENGINE: Mapping[str, Limits] = {"variants": ANY, "save_as": ANY}
"""What every route takes: the engine saves, and makes variants with several calls."""
EVERY_EDITION = "*"
"""As the edition of a route: it serves all of the row's."""
MaskForm = Literal["white_is_repainted", "black_is_repainted", "transparent_is_repainted"]


@dataclass(frozen=True, slots=True)
class PictureForm:
    """The form in which a vendor wants its input pictures; the engine has imaging bring them into it."""

    formats: tuple[str, ...] = ("png", "jpeg", "webp")
    """Accepted file formats; the first is what anything else is converted to."""
    max_bytes: int | None = None
    """Bytes of one picture as sent; None for no limit tighter than the row's."""
    max_pixels: int | None = None
    """Pixels (width times height) of one picture; None for no limit tighter than the row's."""
    max_side: int | None = None
    """Pixels of its longer side; None for no limit tighter than the row's."""
    min_side: int = 1
    """Pixels of its shorter side."""
    widest: float | None = None
    """Its longer side over its shorter one, at most; None for no limit."""
    alpha: bool = True
    """Whether a picture may have an alpha channel. Where the vendor refuses one, or makes an opaque picture of it, a
    route that keeps it is taken instead."""
    mask: MaskForm | None = None
    """How the mask marks what is repainted; None when the route takes no mask."""


PriceKey = Scalar | tuple[Scalar, ...]
"""What a price is listed under: a value of an argument, or of several together."""


def in_words(key: PriceKey) -> str:
    """The key as text: `high`, or `high 4K` for the values of two arguments."""
    return " ".join(map(shown, key)) if isinstance(key, tuple) else shown(key)


@dataclass(frozen=True, slots=True)
class Price:
    """What one picture costs, in USD."""

    usd: float | None
    """Price of one picture; with `by`, the fallback for values that `table` lacks. None when unknown."""
    by: tuple[str, ...] = ()
    """The arguments the price depends on; empty when it depends on none."""
    table: Mapping[Any, float] = field(default_factory=dict)
    """Price by `PriceKey`: by the value of that argument, or by the values of all in `by`, in its order."""
    by_side: tuple[tuple[int, float], ...] = ()
    """Of an enlargement that is charged by what comes out: price up to that many px of its longer side, ascending. The
    last stands for larger ones too."""
    per_input: float = 0.0
    """What each input picture adds to a call."""
    inputs_free: int = 0
    """How many input pictures of a call add nothing."""
    inputs_in_each: bool = False
    """Whether they are charged again in each picture that the call makes."""
    source: str = ""
    """Where the figure was read."""
    checked: str = ""
    """The day it was read, as YYYY-MM-DD."""

    @classmethod
    def table_by(
        cls, by: str | tuple[str, ...], usual: PriceKey, table: Mapping[Any, float], source: str, checked: str
    ) -> Price:
        """A price that depends on arguments; `usual` is the value whose price stands for those not in the table."""
        names = (by,) if isinstance(by, str) else by
        return cls(table[usual], names, table, source=source, checked=checked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How one vendor serves one operation of one model. Vendors extend it with what only they need."""

    provider: str
    """Name of the provider."""
    tool: str
    """Name of the row."""
    operation: OperationName
    """Which of the row's operations."""
    edition: str = ""
    """Which of the row's editions the model is, or `EVERY_EDITION`. Empty where the operation is served by none, and
    for a model of the user's own server: then it serves only calls that name no edition."""
    model: str
    """The vendor's id of the model; with `model_by`, the one for values that `models` lacks. The user's configuration
    can change it, see `providers.common.overrides`."""
    takes: Mapping[str, Limits]
    """The row's arguments this vendor honours, each with tighter limits where it has them. An argument that is not here
    and was given by the caller rules the route out; it is never dropped silently. `images`, `image` and `mask` are
    named here like any other. So are `save_as` and `variants`, which the engine serves itself, see
    `SERVED_BY_ENGINE`. `model` is not: the engine serves it by taking a route of that edition."""
    needs: tuple[str, ...] = ()
    """Arguments without which another route serves the call."""
    pictures: PictureForm = PictureForm()
    """The form its input pictures must have."""
    counts: tuple[int, ...] = (1,)
    """How many pictures one vendor call can make, ascending. The engine adds calls up to the row's limit."""
    scales: tuple[int, ...] = ()
    """Enlargement factors the vendor has; the engine takes the next larger one and reduces the result exactly."""
    max_output_pixels: int | None = None
    """Pixels of the largest picture it makes by enlarging: beyond them the vendor enlarges by less, or fails, and is
    paid for it, so the call is refused. None for no such limit."""
    max_output_side: int | None = None
    """The same for the longer side of that picture, in px."""
    native_auto: bool = False
    """Whether the route itself keeps the first picture's shape for `aspect_ratio: auto`: the vendor does, or is asked
    for a size of that shape. Otherwise the engine picks the nearest ratio it has."""
    makes_sets: bool = False
    """Whether several pictures of one call are a related set. Such a route is taken first for several variants."""
    never: tuple[Mapping[str, tuple[Scalar, ...]], ...] = ()
    """What it cannot do together: values of several arguments, defaults included, that a call may not all have."""
    price: Price = Price(usd=None)
    """What one picture costs."""
    model_by: str = ""
    """The argument that chooses among several model ids; empty when there is one."""
    models: Mapping[Scalar, str] = field(default_factory=dict)
    """Model id per value of that argument."""
    ends: str = ""
    """The first day on which the vendor serves the model no more, as YYYY-MM-DD; empty while the vendor has named none.
    The edition's own end counts as well."""
    preferred: bool = False
    """Whether the user's configuration puts it before the vendor's other editions."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An input picture in the form the route wants."""

    data: bytes
    """The whole file."""
    format: str
    """png, jpeg, webp ..."""
    width: int
    """Pixels, after orientation."""
    height: int
    """Pixels, after orientation."""


@dataclass(frozen=True, slots=True)
class Order:
    """One call to a vendor."""

    route: Route
    """The way to serve it."""
    arguments: Mapping[str, Any]
    """What the caller gave, plus the row's defaults for what the route takes, under the row's names; without pictures,
    `variants` and `save_as`. `aspect_ratio` is never "auto" unless `route.native_auto`, `scale` is one of
    `route.scales`."""
    model: str = field(kw_only=True)
    """The vendor's id of the model, the one that the route has for these arguments."""
    count: int = 1
    """How many pictures, one of `route.counts`."""
    images: tuple[Prepared, ...] = ()
    """The input pictures, in the caller's order."""
    mask: Prepared | None = None
    """In the route's polarity and of the first image's size; None when there is none."""
    first_variant: int = 1
    """Number of the call's first picture among all variants; the first call has 1. `offline` varies by it."""
    links: tuple[str, ...] = ()
    """What stands in the request for each picture, the mask's last, once `UploadsInputs.upload_inputs` has set it."""


@dataclass(frozen=True, slots=True)
class Handle:
    """What is needed to ask for a submitted call again, from any process: plain strings only."""

    provider: str
    """Name of the provider."""
    data: Mapping[str, str]
    """The vendor's task id, polling address and whatever else `poll` needs."""


@dataclass(frozen=True, slots=True)
class Output:
    """One finished picture: either its bytes or where to fetch them."""

    url: str = ""
    """Address of the picture; empty when `data` holds it."""
    data: bytes | None = None
    """The whole file; None when it must be fetched."""
    seed: int | None = None
    """The seed the vendor reports; None when it reports none."""


@dataclass(frozen=True, slots=True)
class Running:
    """Not finished yet."""

    share: float | None = None
    """How much is done, 0 to 1; None when the vendor does not say."""
    stage: str = "working"
    """A word for people, such as "queued"."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The vendor is done."""

    outputs: tuple[Output, ...]
    """The pictures; never empty."""
    cost_usd: float | None = None
    """What was really charged, in USD; None when the vendor does not say."""
    notes: tuple[str, ...] = ()
    """What the caller should know, one sentence each."""


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """How often a vendor wants to be asked, in seconds."""

    first: float = 2.4
    """Wait before the first poll."""
    factor: float = 1.29
    """Each wait is this much longer than the last."""
    longest: float = 10.5
    """No wait is longer."""
    least: float = 0.8
    """No wait is shorter, also where it is known when the task should be done."""
    usual: float = 900.0
    """Time from the beginning of the job within which every call should be done."""
    seldom: float = 60.0
    """Wait between polls after that: the task may still be done, and is paid for. While polls fail, no wait is longer,
    even if the vendor asks for one."""
    doubts: tuple[float, ...] = (20.0, 40.0, 60.0)
    """Waits before each further poll about an end that is not sure. If the last answer is the same, it is believed."""
    keeps: float = 86_400.0
    """How long the vendor keeps a result, from the end of the task; by default a day, as most do."""
    give_up: float = 86_400.0
    """How long a task is asked about at least, from the beginning of the job, where the vendor keeps results for less:
    it may wait for its turn for hours."""
    patience: float = 21_600.0
    """How long a task is asked about by itself, from the beginning of the job; later only if somebody waits for it."""
    search: float = 300.0
    """How long a call without an answer is searched for in the vendor's list of recent calls: such a list may show a
    call only once it is done."""


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """What a provider is built with."""

    key: str = field(repr=False)
    """The API key; empty for a provider without one."""
    addresses: Mapping[str, str]
    """Base addresses set by the user, by name: "" for the main one, "upload" for a second host."""
    overrides: Mapping[str, Mapping[str, Any]]
    """The user's `[routes.<tool>.<provider>]` tables, by tool; see `providers.common.overrides`."""
    http: Sender
    """What sends its requests; all providers of a process share one."""
    key_source: str = ""
    """The variable or file the key came from, for the message where the vendor refuses the key; empty to say none."""
    pace: Pace | None = None
    """What the user says of the account's limits; None for the vendor's own."""
    cutout_model: str = ""
    """The file of a trained model for cutting out, for a provider that does it on this machine; empty for none."""
    allow_hosts: tuple[AllowedHost, ...] = ()
    """Where the links of its vendor may lead besides public addresses."""


class Provider(Protocol):
    """A vendor, as the engine sees it. All failures are `ProviderError`s."""

    name: str
    routes: tuple[Route, ...]
    poll_policy: PollPolicy
    pace: Pace
    """How many requests the vendor takes from one account."""
    account: str
    """The account they count for: the same for all processes that use its key, which cannot be learned from it."""

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle | Finished:
        """Send the order once. Without `sending`, no courier is used, and nothing is awaited before it leaves.

        Raises:
            NotSent: it was written down as being sent, by this process or another, and never left this machine.
            UnknownOutcome: the connection broke when the vendor may already have started.
            ProviderError: the vendor refused; nothing runs there.
        """

    async def poll(self, handle: Handle) -> Running | Finished:
        """Ask once how it stands.

        Raises:
            TaskEnded: the vendor says that the task is over without a picture. Nothing else ends the call.
            Exception: any other failure (a refused key, an empty account, a redirect, an answer that cannot be read, a
                bug in a vendor's file) leaves open how the task stands: it may be paid and is asked about again.
                `RateLimited` and `VendorUnavailable` pass by themselves; all others are shown to the caller at once.
        """

    async def cancel(self, handle: Handle) -> bool:
        """Ask the vendor to stop; whether it says that it does."""

    async def fetch(self, output: Output, into: Path, *, begun: bool = True) -> None:
        """Write the picture to a file, byte for byte as the vendor made it.

        The file is there only once it is whole. What comes before lies beside it, at `sending.part_of`; the next try
        goes on with that, also with another name whose files are copies of all that begin so. Without `begun` nothing
        has come yet, and it is not looked for.

        Raises:
            ResultLost: it could not be fetched whole.
        """


@runtime_checkable
class UploadsInputs(Protocol):
    """A provider whose input pictures are uploaded before the paid request is sent.

    A process that is killed meanwhile has sent nothing that is paid for.
    """

    async def upload_inputs(self, order: Order) -> Order:
        """The order with its `links`, as `submit` needs it.

        Raises:
            ProviderError: a picture could not be uploaded; nothing runs there.
        """


@runtime_checkable
class GetsReady(Protocol):
    """A provider whose first request needs what takes a while to start."""

    async def get_ready(self) -> None:
        """Start it. Nothing is sent, and what goes wrong shows with the first request."""


@runtime_checkable
class CanRecover(Protocol):
    """A provider whose vendor lists recent calls: one whose answer never came can be found there again.

    The data of its handles hold the vendor's id of the call as `task`.
    """

    name: str

    def signature(self, order: Order) -> Mapping[str, str]:
        """What the order can be recognised by in that list; empty where there is no list.

        It is written to disk before the order is submitted, and holds no key and no prompt. Blocks for as long as
        reading the order's pictures takes.
        """
        ...

    async def recover(self, signature: Mapping[str, str], known: Collection[str]) -> Handle | None:
        """The handle of the oldest call in the list that matches; None when there is none, or none yet.

        `signature` is what the method of that name returned for the order; `known` are the vendor's ids of other calls.

        Raises:
            ProviderError: the list could not be read.
        """
        ...


@runtime_checkable
class TellsRetirements(Protocol):
    """A provider whose vendor publishes on which days its models end."""

    async def retirements(self) -> Mapping[str, str]:
        """The day of its end, as in `Route.ends`, by the vendor's id of a model; one that is missing may live on.

        Raises a `ProviderError` where the vendor could not be asked.
        """
        ...
