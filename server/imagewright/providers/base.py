"""What a provider is to the engine: routes that say what it can do, and four calls that do it.

A `Route` says how one vendor serves one operation of one model. It may narrow the row, never widen it. The
engine picks a route, prepares the pictures in the form the route wants, and hands over an `Order`. The
provider submits it, is polled with the `Handle` it returned, and fetches the finished `Output`s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from imagewright.catalog.row import ANY
from imagewright.errors import ImagewrightError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from imagewright.catalog.row import Limits, OperationName, Scalar
    from imagewright.providers.http.request import Account, Request

T = TypeVar("T")

SERVED_BY_ENGINE: Mapping[str, Limits] = {"variants": ANY, "save_as": ANY}
"""What a route takes whatever its vendor can: saving is ours, and variants are fanned out."""
MaskForm = Literal["white_is_repainted", "black_is_repainted", "transparent_is_repainted"]


@dataclass(frozen=True, slots=True)
class PictureForm:
    """The form in which a vendor wants its input pictures; the engine has imaging bring them into it.

    Attributes:
        formats: accepted file formats; the first is what anything else is converted to.
        max_bytes: bytes of one picture as sent; None for no limit tighter than the row's.
        max_pixels: pixels (width times height) of one picture; None for no limit tighter than the row's. With a larger
            one the route is not taken, as no picture is made smaller silently.
        mask: how the mask marks what is repainted; None when the route takes no mask.
    """

    formats: tuple[str, ...] = ("png", "jpeg", "webp")
    max_bytes: int | None = None
    max_pixels: int | None = None
    mask: MaskForm | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What one picture costs, in USD.

    Attributes:
        usd: price of one picture; with `by`, the fallback for values the table lacks. None when unknown.
        by: name of the argument the price depends on; empty when it depends on none.
        table: price per value of that argument.
        source: where the figure was read.
        checked: the day it was read, as YYYY-MM-DD.
    """

    usd: float | None
    by: str = ""
    table: Mapping[Scalar, float] = field(default_factory=dict)
    source: str = ""
    checked: str = ""

    def estimate(self, arguments: Mapping[str, Any], pictures: int) -> float | None:
        """USD for that many pictures with these arguments; None when the price is not known."""
        each = self.table.get(arguments.get(self.by, ""), self.usd)
        return None if each is None else round(each * pictures, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How one vendor serves one operation of one model. Vendors extend it with what only they need.

    Attributes:
        provider: name of the provider.
        tool: name of the row.
        operation: which of the row's operations.
        model: the vendor's id of the model; with `model_by`, the one used for values `models` lacks. Can be
            overridden in the user's configuration, see `providers.common.overrides`.
        takes: the row's arguments this vendor honours, each with tighter limits where it has them. An argument
            that is not here and was given by the caller rules the route out; it is never dropped silently.
            `images`, `image`, `mask`, `variants` and `save_as` are named here like any other; `save_as` and
            `variants` are the engine's own and are always taken, `variants` by fan-out where `counts` falls short.
        needs: arguments that a call must have to be served by this route; without them another route serves it.
        pictures: the form its input pictures must have.
        counts: how many pictures one vendor call can make, ascending. The engine adds calls up to the row's limit.
        scales: enlargement factors the vendor has; the engine goes up to the next and comes down exactly.
        native_auto: whether `aspect_ratio: auto` can be left to the vendor. Otherwise the engine picks the
            nearest ratio the route has.
        price: what one picture costs.
        model_by: name of the argument that chooses among several model ids; empty when there is one.
        models: model id per value of that argument.
    """

    provider: str
    tool: str
    operation: OperationName
    model: str
    takes: Mapping[str, Limits]
    needs: tuple[str, ...] = ()
    pictures: PictureForm = PictureForm()
    counts: tuple[int, ...] = (1,)
    scales: tuple[int, ...] = ()
    native_auto: bool = False
    price: Price = Price(usd=None)
    model_by: str = ""
    models: Mapping[Scalar, str] = field(default_factory=dict)

    def model_for(self, arguments: Mapping[str, Any]) -> str:
        """The vendor's model id that serves a call with these arguments."""
        return self.models.get(arguments.get(self.model_by, ""), self.model)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An input picture in the form the route wants.

    Attributes:
        data: the whole file.
        format: png, jpeg, webp ...; `mime` is `image/` and this.
        width: pixels, after orientation.
        height: pixels, after orientation.
    """

    data: bytes
    format: str
    width: int
    height: int

    @property
    def mime(self) -> str:
        """The media type."""
        return f"image/{self.format}"

    @property
    def extension(self) -> str:
        """What the name of such a file ends with, without a dot."""
        return "jpg" if self.format == "jpeg" else self.format


@dataclass(frozen=True, slots=True)
class Order:
    """One call to a vendor.

    Attributes:
        route: the way to serve it.
        arguments: what the caller gave, plus the row's defaults for what the route takes, under the row's names;
            without pictures, `variants` and `save_as`. `aspect_ratio` is never "auto" unless `route.native_auto`,
            `scale` is one of `route.scales`.
        count: how many pictures, one of `route.counts`.
        images: the input pictures, in the caller's order.
        mask: in the route's polarity and of the first image's size; None when there is none.
        first_variant: 1 for the first call of a fan-out, then the number of its first picture: `offline` varies by it.
        links: what stands in the request for each picture, the mask's last, once a `UploadsInputs` has them.
    """

    route: Route
    arguments: Mapping[str, Any]
    count: int = 1
    images: tuple[Prepared, ...] = ()
    mask: Prepared | None = None
    first_variant: int = 1
    links: tuple[str, ...] = ()

    @property
    def pictures(self) -> tuple[Prepared, ...]:
        """All input pictures, the mask last."""
        return self.images if self.mask is None else (*self.images, self.mask)


@dataclass(frozen=True, slots=True)
class Handle:
    """What is needed to ask for a submitted call again, from any process: plain strings only.

    Attributes:
        provider: name of the provider.
        ticket: the vendor's task id, polling address and whatever else `poll` needs.
    """

    provider: str
    ticket: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Output:
    """One finished picture: either its bytes or where to fetch them.

    Attributes:
        url: address of the picture; empty when `data` holds it.
        data: the whole file; None when it must be fetched.
        seed: the seed the vendor reports; None when it reports none.
    """

    url: str = ""
    data: bytes | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """Not finished yet.

    Attributes:
        share: 0 to 1; None when the vendor does not tell.
        stage: a word for people, such as "queued".
    """

    share: float | None = None
    stage: str = "working"


@dataclass(frozen=True, slots=True)
class Finished:
    """The vendor is done.

    Attributes:
        products: the pictures; never empty.
        cost_usd: what was really charged; None when the vendor does not tell.
        notes: what the caller should know, one sentence each.
    """

    products: tuple[Output, ...]
    cost_usd: float | None = None
    notes: tuple[str, ...] = ()


class TaskEnded(ImagewrightError):
    """The vendor says that the task itself is over and made nothing. Nothing else a poll comes to ends a call.

    Only a reader raises it, by returning it, and only for what the answer says of the task: it failed, was refused for
    its content, expired, or was cancelled at the vendor.

    Attributes:
        error: why there is no picture, for the caller.
        sure: whether it is believed at once. An end that may be a slip of the vendor's, such as success without any
            picture, is asked about again first, see `PollPolicy.doubts`.
    """

    def __init__(self, error: ProviderError, *, sure: bool = True) -> None:
        self.error = error
        self.sure = sure
        super().__init__(str(error))


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """How often a vendor wants to be asked, in seconds.

    Attributes:
        first: wait before the first poll.
        factor: each wait is this much longer than the last.
        longest: and never longer than this.
        usual: from the beginning of the job, time within which every call should be done.
        seldom: wait between polls after that: it may yet be done, and is paid for. While there is trouble with
            asking, no wait is longer, whatever the vendor asks for.
        doubts: waits before each further question about an end that is not sure. If the last answer is still the
            same, it is believed.
        keeps: how long the vendor keeps a result, from the end of the task; by default a day, as most do.
        give_up: how long a task is asked about at least, from the beginning of the job, where the vendor keeps results
            for less: it may wait for its turn for hours before it ends.
        search: how long a call whose answer was never heard is looked for in the vendor's list of recent calls: such
            a list may show a call only once it is done.
    """

    first: float = 2.0
    factor: float = 1.3
    longest: float = 10.0
    usual: float = 900.0
    seldom: float = 60.0
    doubts: tuple[float, ...] = (20.0, 40.0, 60.0)
    keeps: float = 86_400.0
    give_up: float = 86_400.0
    search: float = 300.0

    @property
    def deadline(self) -> float:
        """Seconds from the beginning of the job after which nothing can be expected any more."""
        return max(self.keeps, self.give_up)


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """What a provider is built with.

    Attributes:
        key: the API key; empty for a provider without one.
        addresses: base addresses set by the user, by name: "" for the main one, "upload" for a second host.
        overrides: the user's `[routes.<tool>.<provider>]` tables, by tool; see `providers.common.overrides`.
        http: the process's one sender, `providers.http.client.HttpClient`.
    """

    key: str = field(repr=False)
    addresses: Mapping[str, str]
    overrides: Mapping[str, Mapping[str, Any]]
    http: Sender


class Sender(Protocol):
    """The part of `providers.http.client.HttpClient` that vendor files call; see there for the meaning."""

    async def send(self, account: Account, request: Request[T]) -> T:
        """One request; what its reader made of the reply; every failure a `ProviderError`, an end a `TaskEnded`."""
        ...

    async def download(self, account: Account, url: str, into: Path, *, max_bytes: int = ...) -> None:
        """A result, streamed to disk without any key."""
        ...


class Provider(Protocol):
    """A vendor, as the engine sees it. All failures are `ProviderError`s."""

    name: str
    routes: tuple[Route, ...]
    poll_policy: PollPolicy

    async def submit(self, order: Order) -> Handle | Finished:
        """Send the order once.

        Raises:
            UnknownOutcome: the connection broke when the vendor may already have started.
            ProviderError: the vendor said no; nothing runs there.
        """
        ...

    async def poll(self, handle: Handle) -> Running | Finished:
        """Ask once how it stands.

        Raises:
            TaskEnded: the vendor says that the task is over without a picture. Nothing else ends the call.
            Exception: whatever it is (a refused key, an empty account, a redirect, an answer that cannot be read, a bug
                in a vendor's file), it is trouble with asking: the task may be paid and is asked about again.
                `RateLimited` and `VendorUnavailable` pass by themselves; anything else is told to the caller at once.
        """
        ...

    async def cancel(self, handle: Handle) -> bool:
        """Ask the vendor to stop; whether it has a way to."""
        ...

    async def fetch(self, product: Output, into: Path) -> None:
        """Write the picture to a file, byte for byte as the vendor made it.

        Raises:
            ResultLost: it could not be had whole.
        """
        ...


@runtime_checkable
class UploadsInputs(Protocol):
    """A provider to which the pictures are handed over before the order itself, which costs nothing.

    Whoever is killed meanwhile has sent nothing that is paid for.
    """

    async def upload_inputs(self, order: Order) -> Order:
        """The order with its `links`; `submit` wants it so.

        Raises:
            ProviderError: a picture could not be handed over; nothing runs there.
        """
        ...


@runtime_checkable
class CanRecover(Protocol):
    """A provider whose vendor lists recent calls: one whose answer was never heard can be found there again.

    Its tickets hold the vendor's id of the call as `task`.
    """

    name: str

    def trace(self, order: Order) -> Mapping[str, str]:
        """What the order will be known by in that list; empty where there is none to look into.

        Written down before the order is submitted; no key, no prompt. Blocks for as long as reading its pictures takes.
        """
        ...

    async def find(self, trace: Mapping[str, str], known: Collection[str]) -> Handle | None:
        """The handle of the oldest call in the list that fits; None when there is none, or none yet.

        Args:
            trace: what `trace` gave for the order.
            known: the vendor's ids of calls (`task` of their tickets) that are known to be others.

        Raises:
            ProviderError: the list could not be had.
        """
        ...
