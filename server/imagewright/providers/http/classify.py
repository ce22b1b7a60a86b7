"""The decisions of sending, without any sending: what a status means, and whether to send again."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from imagewright.errors import (
    BadKey,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RequestRejected,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.http.redact import tidy
from imagewright.providers.http.request import Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.http.request import Reply

MEANING: dict[int, type[ProviderError]] = {
    400: RequestRejected,
    401: BadKey,
    402: OutOfCredit,
    403: BadKey,
    404: ModelUnavailable,
    405: RequestRejected,
    408: VendorUnavailable,
    409: RequestRejected,
    410: ModelUnavailable,
    413: RequestRejected,
    415: RequestRejected,
    422: RequestRejected,
    425: VendorUnavailable,
    429: RateLimited,
    503: VendorUnavailable,
}
"""What a status means where the body does not say it better; see `by_status` for the rest."""
PASSING_AT_POLL = frozenset({404, 408, 409, 425})
"""While polling, these mean "not visible just now" and pass by themselves: a fresh task is not found for seconds."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How a request that was plainly refused is sent again.

    Attributes:
        resends: how many times at most.
        first: seconds before the first, where the vendor names no wait. The last of three then comes 14 s after
            the first refusal, beyond the ten-second windows in which vendors count requests.
        factor: each further wait is this much longer.
        longest: no wait is longer; a vendor that asks for more is taken at its word, and the caller is told.
        spread: share by which a wait is lengthened at random, so that many calls do not come back at once.
    """

    resends: int = 3
    first: float = 2.0
    factor: float = 2.0
    longest: float = 30.0
    spread: float = 0.25

    def wait(self, sends: int, asked: float | None) -> float | None:
        """Seconds before the next send; None to give up.

        Args:
            sends: how often it was sent so far, 1 or more.
            asked: seconds the vendor asked to wait, if it did.
        """
        if sends > self.resends or (asked is not None and asked > self.longest):
            return None
        wait = min(self.first * self.factor ** (sends - 1), self.longest) if asked is None else asked
        return wait * (1 + self.spread * random.random())  # noqa: S311 - spreads load, guards nothing


def may_resend(purpose: Purpose, failure: ProviderError, *, status: int | None, reached: bool) -> bool:
    """Whether sending the same request again is safe and can help.

    Args:
        purpose: what the request is for.
        failure: what became of it.
        status: HTTP status of the reply; None when there was none.
        reached: whether any of it may have reached the vendor.
    """
    if purpose is Purpose.POLL or not failure.retryable:
        return False
    if purpose is Purpose.UPLOAD or not reached:
        return True
    refused = status == HTTPStatus.SERVICE_UNAVAILABLE and isinstance(failure, VendorUnavailable)
    return refused or isinstance(failure, RateLimited)


def by_status(provider: str, reply: Reply, purpose: Purpose) -> ProviderError:
    """The failure a reply stands for, judged by its HTTP status alone."""
    status = reply.status
    words = _plain_words(reply)
    message, spoken = f"HTTP {status} {words}".strip(), bool(words)
    if status < HTTPStatus.MULTIPLE_CHOICES:
        message, spoken = "its answer cannot be read", False
        if purpose is Purpose.POLL:  # a sign-in page of the network, mostly: nothing that passes by itself
            return ProviderError(provider, message, charged=None, spoken=False)
    elif status < HTTPStatus.BAD_REQUEST:
        message = f"HTTP {status}: it redirects elsewhere, and the key is not sent there; check the base address"
        return RequestRejected(provider, message, charged=_charged(purpose), spoken=False)
    meaning = _meaning(status, purpose)
    # 500, 502, 504 and what cannot be read: the vendor may have begun before something broke
    if meaning is None and purpose is Purpose.SUBMIT:
        return UnknownOutcome(provider, message, spoken=spoken)
    return (meaning or VendorUnavailable)(provider, message, charged=_charged(purpose), spoken=spoken)


def _meaning(status: int, purpose: Purpose) -> type[ProviderError] | None:
    if purpose is Purpose.POLL and status in PASSING_AT_POLL:
        return VendorUnavailable
    meaning = MEANING.get(status)
    if meaning is ModelUnavailable and purpose is not Purpose.SUBMIT:
        return RequestRejected
    if status == HTTPStatus.FORBIDDEN and purpose is Purpose.POLL:
        return RequestRejected  # without the vendor's own words it may be a firewall's, and not about the key
    refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return RequestRejected if meaning is None and refused else meaning


def unanswered(provider: str, why: str, purpose: Purpose, *, reached: bool) -> ProviderError:
    """The failure of a request that got no whole answer."""
    if reached and purpose is Purpose.SUBMIT:
        return UnknownOutcome(provider, why)
    return VendorUnavailable(provider, why, charged=_charged(purpose))


def read_retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds the vendor asks to wait; None when it names none or nothing sensible.

    Args:
        headers: names in lower case. `retry-after-ms` is in milliseconds, `retry-after` in seconds or an HTTP date.
        now: seconds since the epoch; the clock's when None.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        try:
            seconds = float(text) / unit
        except ValueError:
            continue
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", "")).timestamp()
    except (ValueError, OverflowError, OSError):  # no date, or one beyond what the machine can count
        return None
    return max(moment - (time.time() if now is None else now), 0.0)


def _charged(purpose: Purpose) -> bool | None:
    """A task that is being asked about may have been paid already; nothing else has cost anything yet."""
    return None if purpose is Purpose.POLL else False


def _plain_words(reply: Reply) -> str:
    kind = reply.headers.get("content-type", "")
    readable = kind.startswith(("text/plain", "application/json", "application/problem+json"))
    return tidy(reply.body[:2000].decode("utf-8", "replace")) if readable else ""
