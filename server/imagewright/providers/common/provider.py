"""What the providers over HTTP share: the calls themselves, their input pictures, and what is kept to ask again.

Input pictures go inside the request while they are small, else they are uploaded first. What is kept of a call holds
paths and sentences, no host and no key, so that any process can ask for it again. Where a vendor lists recent calls, a
digest of its input is kept too: neither the prompt nor a picture has to be written down to find it there.
"""

from __future__ import annotations

import hashlib
import json
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from imagewright.errors import ProviderError, TaskEnded, UnknownOutcome
from imagewright.providers.base import Finished, GetsReady, Handle, PollPolicy, Route
from imagewright.providers.http.client import Account
from imagewright.providers.http.request import FilePart, Inline, Purpose, Request
from imagewright.storage.accounts import Pace
from imagewright.storage.paths.files import write_file
from imagewright.text import LONGEST_LINK, SEAL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from imagewright.providers.base import Order, Output, Prepared, ProviderConfig, Running
    from imagewright.providers.http.request import Reply
    from imagewright.providers.sending import Sending

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R", bound=Route)

UPLOADS_AT_ONCE = 4
MODEL, INPUT, SINCE = "model", "input", "since"
CLOCKS_DIFFER = timedelta(minutes=5)
"""How far the vendor's clock may be behind ours."""
UNLINKED = "https://unlinked.invalid/"
"""The address of a picture in a request that is not sent."""
_ACCOUNT = 16
"""Characters of a digest that tell accounts apart."""
NOTES = "notes"
"""Under which name a handle holds what the caller should know, one sentence a line."""
LIST_BYTES = 64_000_000
"""Most bytes of one page of a list: it repeats the pictures that went inside the requests."""
LIST_SECONDS = 60.0
"""Longest wait for one page, as it may be that large."""


class HttpProvider:
    """A provider's account, its addresses, and the calls that are the same at most vendors; see `base.Provider`.

    `others` are the usual base addresses of its further hosts, by the name they have in the settings; empty for none.
    Making one opens no connection.
    """

    name: str
    address: str
    """The usual base address."""
    version = ""
    """Path of the API's version. It is added to a base address without any path, as no vendor's API is at the root."""
    own_hosts: tuple[str, ...] = ()
    """What else the key may be sent to, as in `Account.bases`."""
    key_header = "Authorization"
    key_prefix = "Bearer "
    poll_policy = PollPolicy()
    pace = Pace()
    """What is known of the limits of an account; nothing where they are not published."""

    def __init__(self, config: ProviderConfig, routes: tuple[Route, ...], **others: str) -> None:
        self.routes = routes
        self._base = self.base_of(config.addresses.get("", self.address))
        self._others = {name: config.addresses.get(name, usual).rstrip("/") for name, usual in others.items()}
        self.addresses = {name: base for name, base in {"": self._base, **self._others}.items() if base}
        bases = (*self.addresses.values(), *self.own_hosts)
        auth = {self.key_header: f"{self.key_prefix}{config.key}"} if config.key else {}
        self._account = Account(self.name, bases, config.key, auth, config.key_source, config.allow_hosts)
        self.account = f"{self.name}:{hashlib.sha256(f'{self._base} {config.key}'.encode()).hexdigest()[:_ACCOUNT]}"
        self.pace = _paced(type(self).pace, config.pace)
        self._http = config.http

    @classmethod
    def base_of(cls, address: str) -> str:
        """The base address with its version."""
        bare = address.rstrip("/")
        return bare if urlsplit(bare).path else bare + cls.version

    async def get_ready(self) -> None:
        """See `base.GetsReady`."""
        if isinstance(self._http, GetsReady):
            await self._http.get_ready()

    async def _send(self, request: Request[T], sending: Sending | None = None) -> T:
        return await self._http.send(self._account, request, sending)

    def _as_sent(self, link: str) -> str:
        """A vendor's link as it stands in a request, see `redact.opened`; everywhere else the key in it is sealed."""
        if SEAL not in link:
            return link
        from imagewright.providers.http.redact import opened  # noqa: PLC0415 - hardly any link holds the key

        return opened(link, self._account.key)

    async def _ask(self, url: str, read: Callable[[Reply], T | ProviderError | TaskEnded | None], **more: Any) -> T:
        """Ask the vendor how something stands; `more` are further fields of the `Request`."""
        return await self._send(Request(purpose=Purpose.POLL, method="GET", url=url, read=read, **more))

    async def _look_up(self, url: str, read: Callable[[Reply], T | ProviderError | None], **more: Any) -> T:
        """Read something that is free of charge; `more` are further fields of the `Request`."""
        return await self._send(Request(purpose=Purpose.OTHER, method="GET", url=url, read=read, **more))

    async def reach(self, address: str) -> int:
        """Whatever answers there is enough; see `keys.HasAddresses`."""
        return await self._look_up(address, lambda reply: reply.status)

    async def cancel(self, handle: Handle) -> bool:  # noqa: ARG002 - the signature is the contract's
        """Return False: the vendor has no way to stop a call."""
        return False

    async def fetch(self, output: Output, into: Path, *, begun: bool = True) -> None:
        """Write what came with the answer; what came as a link is streamed to disk without the key."""
        if output.data is None:
            await self._http.download(self._account, output.url, into, begun=begun)
        else:
            await anyio.to_thread.run_sync(write_file, into, output.data)

    async def _request_cancel(self, url: str, read: Callable[[Reply], bool], method: str = "POST") -> bool:
        """Whether the vendor says that it stops. A failed request is not an error: the task then just continues."""
        try:
            return await self._send(Request(purpose=Purpose.OTHER, method=method, url=url, read=read))
        except ProviderError as error:
            log.info("%s: the task could not be asked to stop: %s", self.name, error)
            return False


def _paced(usual: Pace, own: Pace | None) -> Pace:
    """The vendor's limits with what the user says of them; a user who names no number of calls at once keeps its."""
    if own is None:
        return usual
    return own if own.running is not None else replace(own, running=usual.running)


class SynchronousProvider(HttpProvider, ABC):
    """A vendor that answers a submit with the finished pictures: there is nothing to ask about and nothing to stop."""

    seconds = 600.0
    """Longest wait for the answer to a submit. Generous, because a picture is paid for and lost if the wait is too
    short."""

    @abstractmethod
    def request(self, order: Order) -> Request[Finished]:
        """The request that makes the order's pictures. Called in a thread, as encoding pictures takes long."""

    async def submit(self, order: Order, sending: Sending | None = None) -> Finished:
        """Send the order once, its pictures inside, and wait for what was made."""
        return await self._send(await anyio.to_thread.run_sync(self.request, order), sending)

    async def poll(self, handle: Handle) -> Running | Finished:  # noqa: ARG002 - the signature is the contract's
        """Fail: a submit returns the pictures, so there is never anything to ask about.

        Raises:
            TaskEnded: always.
        """
        why = "a call there ends with its answer; it cannot be asked for again"
        raise TaskEnded(ProviderError(self.name, why, charged=None))


def route_as(order: Order, kind: type[R]) -> R:
    """The order's route, as the vendor's own kind of route.

    Raises:
        TypeError: it is another vendor's.
    """
    if not isinstance(order.route, kind):
        raise TypeError(f"not a route of {kind.__module__}: {order.route!r}")
    return order.route


def pictures_of(order: Order) -> tuple[Prepared, ...]:
    """All input pictures, the mask last."""
    return order.images if order.mask is None else (*order.images, order.mask)


async def with_links(order: Order, inline_bytes: int, upload: Callable[[Prepared], Awaitable[str]]) -> Order:
    """The order with what stands in a request for each picture: a data URI while they are small, else its address.

    All pictures together may have up to `inline_bytes` to go into the request itself; `upload` returns a picture's
    address.

    Raises:
        ProviderError: the first upload that failed; the others are stopped.
    """
    pictures = pictures_of(order)
    if not pictures:
        return order
    if sum(len(picture.data) for picture in pictures) <= inline_bytes:
        links = await anyio.to_thread.run_sync(lambda: [str(data_uri(picture)) for picture in pictures])
    else:
        links = await _uploaded(pictures, upload)
    return replace(order, links=tuple(links))


def links_of(order: Order, sending: Sending | None = None) -> tuple[tuple[str, ...], str]:
    """What stands in the request for the images, in order, and for the mask; the latter is empty without one.

    With `Sending.again` nothing is sent, and pictures that were not uploaded have `UNLINKED`.

    Raises:
        TypeError: the pictures were not uploaded first.
    """
    count = len(pictures_of(order))
    if sending is not None and sending.again and not order.links:
        order = replace(order, links=(UNLINKED,) * count)
    if len(order.links) != count:
        raise TypeError(f"{count} pictures, but {len(order.links)} links: upload them first")
    return order.links[: len(order.images)], order.links[-1] if order.mask is not None else ""


async def _uploaded(pictures: Sequence[Prepared], upload: Callable[[Prepared], Awaitable[str]]) -> list[str]:
    links = [""] * len(pictures)
    failures: list[ProviderError] = []
    turn = anyio.Semaphore(UPLOADS_AT_ONCE)
    async with anyio.create_task_group() as group:

        async def upload_one(place: int, picture: Prepared) -> None:
            async with turn:
                try:
                    links[place] = await upload(picture)
                except ProviderError as error:
                    failures.append(error)
                    group.cancel_scope.cancel()

        for place, picture in enumerate(pictures):
            group.start_soon(upload_one, place, picture)
    if failures:
        raise failures[0]
    return links


def mime_of(picture: Prepared) -> str:
    """The media type of an input picture."""
    return f"image/{picture.format}"


def extension_of(picture: Prepared) -> str:
    """What the name of an input picture's file ends with, without a dot."""
    return "jpg" if picture.format == "jpeg" else picture.format


def data_uri(picture: Prepared) -> Inline:
    """The picture inside an address."""
    return Inline(picture.data, f"data:{mime_of(picture)};base64,")


def file_part(label: str, stem: str, picture: Prepared) -> FilePart:
    """The file of an input picture for a form, under that name with the extension of its type."""
    return FilePart(label, f"{stem}.{extension_of(picture)}", mime_of(picture), picture.data)


def handle_of(provider: str, data: Mapping[str, str]) -> Handle:
    """What is kept of a task.

    Raises:
        UnknownOutcome: what the vendor calls it by is too long to be an id or a link, and is not kept.
    """
    if max(map(len, data.values())) > LONGEST_LINK:
        raise UnknownOutcome(provider, f"its id of the task has more than {LONGEST_LINK} characters", spoken=False)
    return Handle(provider, data)


def path_under(base: str, link: str, usual: str) -> str:
    """The part of a vendor's link to a task that follows the base address; the documented path where there is no link.

    Asking by path keeps the key at the address the user has set, such as a gateway's, whatever host the vendor names.
    It also lets a process with another address ask for the same task.
    """
    try:
        parts = urlsplit(link)
    except ValueError:  # no address at all; the task is paid for, and the usual path knows it
        return usual
    if not parts.path.strip("/") or not parts.path.startswith("/"):
        return usual
    prefix = urlsplit(base).path.rstrip("/")
    path = parts.path.removeprefix(prefix) if prefix and parts.path.startswith(f"{prefix}/") else parts.path
    return f"{path}?{parts.query}" if parts.query else path


def with_notes(data: Mapping[str, str], notes: Sequence[str]) -> dict[str, str]:
    """The data of a handle or signature with notes, one line each, that the caller gets with the pictures."""
    return {**data, NOTES: "\n".join(notes)} if notes else dict(data)


def notes_in(data: Mapping[str, str]) -> tuple[str, ...]:
    """The notes that `with_notes` put into the data of a handle or a signature."""
    return tuple(data.get(NOTES, "").splitlines())


def noted(handle: Handle, answer: Running | Finished) -> Running | Finished:
    """The answer to a poll; the last answer gets the notes of the handle."""
    notes = notes_in(handle.data)
    if not notes or not isinstance(answer, Finished):
        return answer
    return replace(answer, notes=(*answer.notes, *notes))


def signature_of(model: str, inputs: Mapping[str, Any], notes: Sequence[str]) -> dict[str, str]:
    """What identifies a call in the vendor's list of recent calls, see `oldest_fitting`.

    `inputs` is the object that will be sent. The notes are for the caller, and are kept for the handle.
    """
    since = datetime.now(UTC) - CLOCKS_DIFFER
    payload = {MODEL: model, INPUT: digest(inputs), SINCE: since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return with_notes(payload, notes)


def digest(inputs: object) -> str:
    """A digest that is the same for every way of writing the same JSON: order of names, spaces, 3 or 3.0."""
    plain = json.loads(json.dumps(inputs), parse_float=_number)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """A call in a list."""

    task: str
    """The vendor's id of it."""
    model: str
    """The vendor's id of the model; empty where the list does not name it."""
    digest: str
    """Digest of its input, see `digest`."""
    sent: datetime
    """When the vendor took it, with its zone."""
    origin: T
    """What else the vendor says of it."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list."""

    calls: tuple[Listed[T], ...]
    """The calls that could be read."""
    next: str
    """Where the next page is; empty when this is the last."""


async def oldest_fitting(
    read_page: Callable[[str], Awaitable[Page[T]]],
    signature: Mapping[str, str],
    known: Collection[str],
    *,
    most_pages: int,
    newest_first: bool,
) -> Listed[T] | None:
    """The oldest call in a list that matches a signature; None when there is none.

    `read_page` reads the page at a place, the first at "", and at most `most_pages` are read. `known` are ids of calls
    that are known to be others. Where the list is sorted by when calls were sent, `newest_first`, it need not be read
    to its end.
    """
    since = read_time(signature[SINCE])
    fitting: list[Listed[T]] = []
    place = ""
    for _ in range(most_pages):
        page = await read_page(place)
        recent = [call for call in page.calls if since is not None and call.sent >= since]
        same = (call for call in recent if call.digest == signature[INPUT] and call.model in ("", signature[MODEL]))
        fitting += [call for call in same if call.task not in known]
        place = page.next
        if not place or (newest_first and len(recent) < len(page.calls)):
            break
    return min(fitting, key=lambda call: call.sent, default=None)


def read_time(text: object) -> datetime | None:
    """A vendor's time, with its zone; None when it is not a time."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
