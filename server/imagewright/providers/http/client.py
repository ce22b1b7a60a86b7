"""The HTTP client of all vendors: deadlines, what may be sent again, where the key may go, which error a failure is.

A vendor file describes a `Request` and how to read its reply; `HttpClient` does the rest. The request's own reader
decides first what a reply means, as vendors answer 200 to refusals and 403 to an empty account; a reply it cannot read
is judged by its status. The rules for sending again are in `classify`.

Nothing here logs a header or a body, and addresses are logged without their query or a password. httpx is imported with
the first request, not before: it takes long.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from imagewright.errors import BadKey, NotSent, ProviderError, ResultLost, TaskEnded
from imagewright.net import CACHE_SIZE, DEFAULT_PORTS, Guard, blocks, is_loopback_url
from imagewright.providers.http.classify import (
    NO_KEY,
    Broken,
    NotFetched,
    Retry,
    by_status,
    cleaned,
    may_resend,
    read_limits,
    read_retry_after,
    tidy,
    unanswered,
)
from imagewright.providers.http.request import AT_ONCE, Purpose, Reply, read_json
from imagewright.settings import without_login
from imagewright.text import SEAL, may_hold

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imagewright.providers.http.dispatch import Dispatch
    from imagewright.providers.http.exchange import Connections
    from imagewright.providers.http.request import Request
    from imagewright.providers.sending import Sending
    from imagewright.settings import AllowedHost
    from imagewright.storage.accounts import Pace

T = TypeVar("T")
log = logging.getLogger(__name__)

SECONDS: Mapping[Purpose, float] = {Purpose.SUBMIT: 120, Purpose.POLL: 30, Purpose.UPLOAD: 120, Purpose.OTHER: 30}
"""Longest wait for one exchange. A vendor that answers a submit with the finished picture needs its own, longer one."""
BEFORE_MONEY = frozenset({Purpose.UPLOAD, Purpose.SUBMIT})
"""Purposes of requests that a paid one may follow, or that are paid."""


@dataclass(frozen=True, slots=True)
class Account:
    """The vendor's account that requests are made with."""

    provider: str
    """The provider's name."""
    bases: tuple[str, ...]
    """Base addresses the key may be sent to; `https://*.example.com` stands for every host under it."""
    key: str = field(repr=False)
    """The API key, to keep it out of messages."""
    auth: Mapping[str, str] = field(repr=False)
    """The headers that carry the key."""
    key_source: str = ""
    """The variable or file the key came from; empty where that is not known."""
    allowed: tuple[AllowedHost, ...] = ()
    """What the user has allowed that is not public."""

    @property
    def guard(self) -> Guard:
        """Where the vendor's links may lead: also to this machine, where the user has set one of the bases to it."""
        return Guard(any(map(is_loopback_url, self.bases)), self.allowed)

    def may_send_key_to(self, url: str) -> bool:
        """Whether a URL has the scheme, host and port of one of the bases."""
        return _is_of(url, self.bases)

    def guard_for(self, request: Request[Any]) -> Guard | None:
        """What a request has to pass; None where it is for a base as it was set. Behind a `*`, a vendor names hosts."""
        written = tuple(base for base in self.bases if "*" not in base)
        own = request.with_key and (len(written) == len(self.bases) or _is_of(request.url, written))
        return None if own else self.guard

    def headers_for(self, url: str) -> Mapping[str, str]:
        """The headers with the key, for that address; none where the key may not be sent there.

        Raises:
            ValueError: the key cannot stand in a header; the library's own message would quote it.
        """
        if not self.may_send_key_to(url):
            return {}
        if not all(value.isascii() and value.isprintable() for value in self.auth.values()):
            raise ValueError(NO_KEY)
        return self.auth


@lru_cache(CACHE_SIZE)
def _is_of(url: str, bases: tuple[str, ...]) -> bool:
    try:
        scheme, host, port = _origin(url)
    except ValueError:  # not an address, such as `http://[` or one whose port is not a number
        return False
    for base in bases:
        base_scheme, base_host, base_port = _origin(base)
        under = base_host.startswith("*.") and host.endswith(base_host[1:])
        if (scheme, port) == (base_scheme, base_port) and (host == base_host or under):
            return True
    return False


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme)


class Sender(Protocol):
    """The part of `HttpClient` that vendor files and the engine use; see there for the meaning."""

    @property
    def outlives(self) -> bool:
        """Whether paid requests go on when this process ends."""
        ...

    async def send(self, account: Account, request: Request[T], sending: Sending | None = None) -> T:
        """One request; what its reader made of the reply; every failure a `ProviderError`, an end a `TaskEnded`."""
        ...

    async def download(
        self, account: Account, url: str, into: Path, *, with_key: bool = ..., begun: bool = ...
    ) -> None:
        """A result, streamed to disk; only with `with_key` the key goes to the vendor's own hosts."""
        ...


@dataclass(frozen=True, slots=True)
class _Failed:
    """A send that did not succeed."""

    failure: ProviderError
    status: int | None
    reached: bool


class HttpClient:
    """The sender all providers of a process share; it opens nothing before the first request.

    Refused requests and broken downloads are sent again as `retry` and `download_retry` say. `seconds` is the longest
    wait for one exchange, by purpose. With `couriers`, a request whose `Sending` names a folder is sent by a courier,
    see `dispatch`.
    """

    def __init__(
        self,
        retry: Retry = Retry(),  # noqa: B008 - frozen, so a shared default cannot change
        download_retry: Retry = Retry(resends=4, first=1.0),  # noqa: B008 - as above
        seconds: Mapping[Purpose, float] = SECONDS,
        *,
        couriers: bool = False,
    ) -> None:
        self._retry = retry
        self._download_retry = download_retry
        self._seconds = seconds
        self._connections: Connections | None = None
        self._opening = anyio.Lock(fast_acquire=True)
        self._couriers = couriers
        self._dispatch: Dispatch | None = None

    @property
    def outlives(self) -> bool:
        """Whether paid requests go on when this process ends, those under way included."""
        return self._couriers and (self._dispatch is None or not self._dispatch.trouble)

    async def get_ready(self) -> None:
        """Start a courier, and open what requests of this process need: it takes a third of a second."""
        if self._couriers:
            await self._open_dispatch().start()
        await self._open()

    async def send(self, account: Account, request: Request[T], sending: Sending | None = None) -> T:
        """Send a request, again where that is safe, and return what the request's reader made of the reply.

        A submit that may have reached the vendor and got no readable answer is never sent again. With `sending`, one
        that was plainly refused is not sent again here either: the engine does that, as it has to be written down.

        Raises:
            NotSent: it was written down as being sent, here or by another process, and never left this machine.
            UnknownOutcome: a submit may or may not have started paid work.
            RateLimited: refused for the rate, and waiting as long as is sensible did not help.
            VendorUnavailable: no answer, or none that can be used, and nothing was started by it.
            TaskEnded: the reply to a poll says that the task is over.
            ProviderError: what else the reply says; details are short and hold no key.
        """
        # what was sent before is read without a key: it may have been changed since
        again = sending is not None and sending.again
        headers = {} if again else {**request.headers, **_key_headers(account, request)}
        seconds = self._seconds[request.purpose] if request.seconds is None else request.seconds
        sends = 0
        while True:
            outcome = await self._send_once(account, request, headers, seconds, sending)
            sends += 1
            if not isinstance(outcome, _Failed):
                return outcome
            failure = outcome.failure
            again = may_resend(request.purpose, failure, status=outcome.status, reached=outcome.reached)
            if sending is not None and outcome.reached:
                sending.refused_for_now, again = again, False
            wait = self._retry.wait(sends, failure.retry_after) if again else None
            if wait is None:
                raise failure
            log.info("%s: %s; sending again in %.1f s", account.provider, failure.category, wait)
            await anyio.sleep(wait)

    async def download(
        self, account: Account, url: str, into: Path, *, with_key: bool = False, begun: bool = True
    ) -> None:
        """Stream a result to disk. The file is absent afterwards if the download failed.

        Only public addresses are fetched from, and this machine only where the account's address was set to it. With
        `with_key`, the account's own addresses are fetched from too, and only they are sent the key. `begun`: see
        `base.Provider.fetch`.

        Raises:
            ResultLost: it could not be fetched whole, and trying again a few times did not help.
        """
        connections = await self._open()
        key_headers = account.headers_for if with_key else None
        url = _redact().opened(url, account.key) if SEAL in url else url
        download = partial(connections.download, url, into, guard=account.guard, key=account.key)
        for sends in count(1):
            try:
                await download(key_headers=key_headers, begun=begun or sends > 1)
            except NotFetched as error:
                words = tidy(str(error), account.key)
                wait = self._download_retry.wait(sends, None) if error.passing else None
                if wait is None:
                    raise ResultLost(account.provider, words, passing=error.passing, final=error.final) from error
                log.info("%s: %s; downloading again in %.1f s", account.provider, words, wait)
                await anyio.sleep(wait)
            else:
                return

    async def aclose(self) -> None:
        """Close the connections; it opens new ones if it is used again. A courier is not waited for: it finishes."""
        dispatch, self._dispatch = self._dispatch, None
        if dispatch is not None:
            dispatch.close()
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.aclose()

    async def _open(self) -> Connections:
        if self._connections is None:
            async with self._opening:
                if self._connections is None:  # in a thread, as importing httpx takes long
                    self._connections = await anyio.to_thread.run_sync(_connect)
        return self._connections

    async def _exchange(
        self,
        account: Account,
        request: Request[T],
        headers: Mapping[str, str],
        seconds: float,
        sending: Sending | None,
    ) -> Reply:
        """Send once, or collect what another process got. The key is not in the answer, see `redact`."""
        if sending is not None and sending.again:
            from imagewright.providers.http.reply_files import collect_again  # noqa: PLC0415 - no good call needs it

            return await collect_again(account.provider, sending, request.max_bytes, seconds)
        if self._couriers and request.purpose in BEFORE_MONEY:
            # it starts while httpx is imported here and pictures are uploaded
            await self._open_dispatch().start()
        connections = await self._open()
        if SEAL in f"{request.url} {request.query}":
            request = _redact().opened_request(request, account.key)
            if _redact().SEALED.search(f"{request.url} {request.query}"):
                why = _redact().OTHER_KEY.format(account.key_source or "its variable")
                raise _redact().SealedError(account.provider, why, charged=None)
        dispatch = self._dispatch
        if dispatch is None or sending is None or sending.folder is None or not request.with_key:
            reply = await connections.exchange(request, headers, seconds, sending, guard=account.guard_for(request))
            holds = len(reply.body) > AT_ONCE or may_hold(reply.body, account.key)
            return await _redact().without_keys(reply, account.key) if holds else reply
        pack = partial(dispatch.pack, connections, request, headers, folder=sending.folder, number=sending.number)
        pack = partial(pack, provider=account.provider, key=account.key, seconds=seconds)
        parcel = await anyio.to_thread.run_sync(pack)
        answer = await dispatch.exchange(parcel, sending)
        if isinstance(answer, Reply):
            return answer
        from imagewright.providers.http import reply_files  # noqa: PLC0415 - for large replies, and where there is trouble

        if answer is None:
            return await reply_files.send_here(connections, parcel, sending.begin)
        return await reply_files.collect(account.provider, parcel.folder, parcel.number, parcel.max_bytes, answer)

    def _open_dispatch(self) -> Dispatch:
        if self._dispatch is None:
            from imagewright.providers.http.dispatch import Dispatch  # noqa: PLC0415 - not for the start-up

            self._dispatch = Dispatch()
        return self._dispatch

    async def _send_once(
        self,
        account: Account,
        request: Request[T],
        headers: Mapping[str, str],
        seconds: float,
        sending: Sending | None,
    ) -> T | _Failed:
        began = time.monotonic()
        try:
            reply = await self._exchange(account, request, headers, seconds, sending)
        except Broken as broken:
            if broken.unsent:
                raise NotSent(account.provider, broken.why, charged=False) from broken
            # without what a vendor's own link holds besides, such as a signature
            log.info("%s %s %s: no answer", account.provider, request.method, without_login(request.url))
            failure = cleaned(unanswered(account.provider, broken, request.purpose), account.key, account.key_source)
            return _Failed(failure, None, broken.reached)
        elapsed = time.monotonic() - began
        if log.isEnabledFor(logging.DEBUG):
            address = without_login(request.url)
            log.debug("%s %s %s: %d in %.2f s", account.provider, request.method, address, reply.status, elapsed)
        reading = partial(_read, account, request, reply)
        read = await anyio.to_thread.run_sync(reading) if len(reply.body) > AT_ONCE else reading()
        if sending is not None:
            sending.limits = _limits(account, request, reply)
        if isinstance(read, TaskEnded):
            raise TaskEnded(cleaned(read.error, account.key, account.key_source, answered=True), sure=read.sure)
        if isinstance(read, ProviderError):
            failure = cleaned(read, account.key, account.key_source, read_retry_after(reply.headers), answered=True)
            return _Failed(failure, reply.status, reached=True)
        return read


def _redact() -> Any:
    from imagewright.providers.http import redact  # noqa: PLC0415 - hardly any answer repeats the key

    return redact


def _connect() -> Connections:
    from imagewright.providers.http.exchange import Connections  # noqa: PLC0415 - httpx is not for the start-up

    blocks()  # read here, as it also takes a while
    return Connections()


def _read(account: Account, request: Request[T], reply: Reply) -> T | ProviderError | TaskEnded:
    """What the reader returns for the reply; if it returns nothing, what the status means."""
    reply = Reply(reply.status, reply.headers, reply.body, read_json(reply.body))
    try:
        read = request.read(reply)
    except Exception as error:  # noqa: BLE001 - a reader does nothing but read the reply
        # the shape of a vendor's answer is the vendor's to change: it counts as an answer that cannot be read
        kind = type(error).__name__  # not its words: they may quote the answer
        log.warning("%s: the reply to a %s has an unknown shape (%s)", account.provider, request.purpose, kind)
        read = None
    return by_status(account.provider, reply, request.purpose) if read is None else read


def _limits(account: Account, request: Request[Any], reply: Reply) -> Pace | None:
    """How many requests the vendor takes, where its answer says so."""
    found = None
    if request.limits is not None and reply.status >= HTTPStatus.BAD_REQUEST:
        try:
            found = request.limits(replace(reply, json=read_json(reply.body)))
        except Exception as error:  # noqa: BLE001 - as in `_read`: the shape of an answer is the vendor's to change
            log.warning("%s: the limits in a reply have an unknown shape (%s)", account.provider, type(error).__name__)
    return read_limits(reply.headers) if found is None else found


def _key_headers(account: Account, request: Request[Any]) -> Mapping[str, str]:
    """The headers with the key. Raises ProviderError for another's host, BadKey where the key cannot be in a header."""
    if not request.with_key:
        return {}
    if not account.may_send_key_to(request.url):
        charged = None if request.purpose is Purpose.POLL else False
        raise ProviderError(account.provider, "the key is not sent to a host that is not the vendor's", charged=charged)
    try:
        return account.headers_for(request.url)
    except ValueError as error:
        raise cleaned(BadKey(account.provider, str(error)), account.key, account.key_source) from error
