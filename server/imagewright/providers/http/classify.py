"""Decisions about a reply: what a failure means, whether to send again, which words to show. Sends nothing."""

from __future__ import annotations

import math
import random
import re
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
    ResultLost,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.http.request import Purpose
from imagewright.storage.accounts import Pace
from imagewright.text import Foreign, plain, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.net import FetchError
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

MINUTE, DAY = 60.0, 86_400.0
"""Seconds over which vendors count."""
COUNTED = ("requests", "images")
"""What `x-ratelimit-limit-` ends with, where it counts what a call takes one of or more. Tokens are left out: what a
call takes of them is known only afterwards."""
DURATION = re.compile(
    r"(\d+(?:\.\d+)?)\s*(ms|h(?=ours?\b)|m(?=in(?:ute)?s?\b)|s(?=ec(?:ond)?s?\b)|[hms](?![a-z]))[a-z]*", re.IGNORECASE
)
"""A part of a span of time such as `1h52m56.4s`, `467ms`, `51.84 seconds`."""
UNITS = {"ms": 0.001, "s": 1.0, "m": MINUTE, "h": 3600.0}
WAIT = re.compile(rf"\b(?:try again|retry|resets?)\s+(?:in|after)\s+~?((?:{DURATION.pattern}\s*)+)", re.IGNORECASE)
"""How vendors say in words when the next request is taken."""

LONGEST = 300
"""Characters of a vendor's message that are kept."""
MOST_READ = 20_000
"""Characters of it that are read."""
MODERATION = re.compile(
    r"\b(?:content|usage|safety|use)?[ _-]?polic(?:y|ies)\b|\bsensitive\b|\bflagged\b|\bnsfw\b|\bprohibited\b"
    r"|\bsafety\b|\bmoderat(?:ed|ion)\b",
    re.IGNORECASE,
)
"""Words of a refusal of content. Whole words only: `safetyTolerance` is the name of a field."""
PAGES = ("text/", "application/json", "application/xml", "application/xhtml")
"""Content types of messages, not of pictures."""
PAGE_STARTS = (b"<", b"{", b"[")
"""First bytes of messages whose content type says otherwise; of pictures, only drawings (SVG) begin so."""
PICTURE_STARTS = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL ",
)
"""First bytes of pictures: they are believed more than the content type."""
BOXES = b"ftyp"
"""Fifth to eighth byte of AVIF and HEIC."""
DRAWING_STARTS = (b"<svg", b"<?xml", b"<!--", b"<!doctype svg")
"""How a drawing begins; `<svg` comes soon."""
HEAD = 1024
"""Bytes at the beginning in which that is searched for."""
NO_KEY = "the key holds characters that no key has; copy it again"
EXPIRED = {403: "the link has expired or was withdrawn", 404: "the file is gone", 410: "the file is gone"}
"""What a status of a result link means."""


class Broken(Exception):
    """No whole answer came."""

    def __init__(
        self, why: str, *, reached: bool, oversize: bool = False, barred: bool = False, unsent: bool = False
    ) -> None:
        super().__init__(why)
        self.why = why
        """For people."""
        self.reached = reached
        """Whether any of the request may have reached the vendor."""
        self.oversize = oversize
        """Whether the answer was larger than allowed."""
        self.barred = barred
        """Whether nothing may be sent to such a place, now or later."""
        self.unsent = unsent
        """Whether it was written down as being sent, although it never left this machine."""


class NotFetched(Exception):
    """A result could not be fetched whole; the text says why, for people."""

    def __init__(self, why: str, *, passing: bool, final: bool) -> None:
        super().__init__(why)
        self.passing = passing
        """Whether the same address may well work a little later."""
        self.final = final
        """Whether it never will, as the file is larger than is taken."""


def not_fetched(error: FetchError) -> NotFetched:
    """What went wrong, in words about a vendor's link."""
    words = EXPIRED.get(error.status or 0)
    text = f"{words} (HTTP {error.status})" if words else str(error)
    return NotFetched(text, passing=error.passing, final=error.reason == "too_large")


@dataclass(frozen=True, slots=True)
class Retry:
    """How a request that was plainly refused is sent again."""

    resends: int = 3
    """How many times at most."""
    first: float = 2.0
    """Seconds before the first, where the vendor names no wait. The last of three then comes 14 s after the first
    refusal, beyond the ten-second windows in which vendors count requests."""
    factor: float = 2.0
    """Each further wait is this much longer."""
    longest: float = 30.0
    """No wait is longer, in seconds. Where a vendor asks for more, the call fails and names that wait."""
    spread: float = 0.25
    """Share by which a wait is lengthened at random, so that many calls do not come back at once."""

    def wait(self, sends: int, asked: float | None) -> float | None:
        """Seconds before the next send; None to give up.

        It was sent `sends` times (1 or more) so far, and the vendor may have asked to wait `asked` seconds.
        """
        if sends > self.resends or (asked is not None and asked > self.longest):
            return None
        wait = min(self.first * self.factor ** (sends - 1), self.longest) if asked is None else asked
        return wait * (1 + self.spread * random.random())  # noqa: S311 - spreads load, guards nothing


def may_resend(purpose: Purpose, failure: ProviderError, *, status: int | None, reached: bool) -> bool:
    """Whether sending the same request again is safe and can help.

    `status` is that of the reply, None without one; `reached` whether any of the request may have reached the vendor.
    """
    if purpose is Purpose.POLL or not failure.retryable:
        return False
    if purpose is Purpose.UPLOAD or not reached:
        return True
    if isinstance(failure, RateLimited):
        return True
    if not isinstance(failure, VendorUnavailable) or failure.charged is not False or status is None:
        return False
    # some vendors answer 200 and say inside that they take nothing just now
    said_inside = purpose is Purpose.SUBMIT and status < HTTPStatus.MULTIPLE_CHOICES
    return said_inside or status == HTTPStatus.SERVICE_UNAVAILABLE


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


def unanswered(provider: str, broken: Broken, purpose: Purpose) -> ProviderError:
    """The failure of a request that got no whole answer."""
    if broken.barred or (broken.oversize and purpose is Purpose.POLL):
        return ProviderError(provider, broken.why, charged=_charged(purpose))
    if broken.oversize and purpose is not Purpose.UPLOAD:
        return ResultLost(provider, broken.why)
    if broken.reached and purpose is Purpose.SUBMIT:
        return UnknownOutcome(provider, broken.why)
    return VendorUnavailable(provider, broken.why, charged=_charged(purpose))


def read_retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds the vendor asks to wait; None when it names none or nothing sensible.

    Headers are by their names in lower case: `retry-after-ms` is in milliseconds, `retry-after` in seconds or an HTTP
    date. `now` is in seconds since the epoch.
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


def spoken_wait(words: str) -> float | None:
    """Seconds the vendor asks to wait in its words, as in "Please try again in 1m30s"; None where it names none."""
    found = WAIT.search(words[:MOST_READ])
    return None if found is None else read_span(found[1])


def read_span(text: str) -> float | None:
    """Seconds of a span of time such as `6m0s`, `120ms` or `38.2s`; None where it is none."""
    parts = DURATION.findall(text)
    seconds = sum(float(number) * UNITS[unit.lower()] for number, unit in parts)
    return seconds if parts and math.isfinite(seconds) else None


def read_limits(headers: Mapping[str, str]) -> Pace | None:
    """How many requests the vendor takes, from the headers of an answer; None where they do not say it.

    These are OpenAI's, and those of servers that speak like it: `x-ratelimit-limit-requests` is documented,
    `x-ratelimit-limit-images` was seen. Of several, the tightest counts. A plain `x-ratelimit-limit` is left alone: it
    means requests of a minute at one vendor and tasks at work at another.
    """
    found = [limit for name in COUNTED if (limit := _per_minute(headers, name)) is not None]
    return Pace(calls=min(found), seconds=MINUTE) if found else None


def _per_minute(headers: Mapping[str, str], name: str) -> int | None:
    """How many of them are taken in a minute; None where the headers do not say it, or count a day.

    The headers do not name the time they count over. It follows from `reset`, the time until all that was used is there
    again: 1 of 200 comes back after 7 m 12 s where 200 are taken in a day.
    """
    limit = _count(headers.get(f"x-ratelimit-limit-{name}", ""))
    if not limit:
        return None
    remaining = _count(headers.get(f"x-ratelimit-remaining-{name}", ""))
    reset = read_span(headers.get(f"x-ratelimit-reset-{name}", ""))
    used = 0 if remaining is None else limit - remaining
    if used <= 0 or not reset:
        return limit
    counted_over = reset * limit / used
    return limit if counted_over < math.sqrt(MINUTE * DAY) else None


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004 - digits


def _charged(purpose: Purpose) -> bool | None:
    """A task that is being asked about may have been paid already; nothing else has cost anything yet."""
    return None if purpose is Purpose.POLL else False


def _plain_words(reply: Reply) -> str:
    kind = reply.headers.get("content-type", "")
    readable = kind.startswith(("text/plain", "application/json", "application/problem+json"))
    return tidy(reply.body[:2000].decode("utf-8", "replace")) if readable else ""


def tidy(text: str, key: str = "") -> str:
    """A vendor's words in 300 characters on one line, without markup, control characters or any part of the key.

    A web page says nothing of use and becomes empty. The key is hidden in every spelling that `redact` knows.
    """
    if not text or text.lstrip().startswith("<"):
        return ""
    from imagewright.providers.http.redact import without_key  # noqa: PLC0415 - only for what goes wrong

    return shortened(without_key(plain(text[:MOST_READ]), key), LONGEST)


def cited(words: str) -> str:
    """A vendor's words for a sentence of ours: as `tidy`, and in quotation marks that they cannot end."""
    return Foreign(tidy(words)).quoted(LONGEST)


def sounds_moderated(text: str) -> bool:
    """Whether a message is about content rules; some vendors have no code for it, only words."""
    return MODERATION.search(text) is not None


def is_message(head: bytes, kind: str) -> bool:
    """Whether a file that begins so is a message: the bytes decide first, and then the content type."""
    if head.startswith(PICTURE_STARTS) or head[4:8] == BOXES:
        return False
    text = head[:HEAD].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(DRAWING_STARTS) and b"<svg" in text:
        return False
    return text[:1] in PAGE_STARTS or kind.lower().startswith(PAGES)


def cleaned(
    failure: ProviderError, key: str, key_source: str, wait: float | None = None, *, answered: bool = False
) -> ProviderError:
    """The same failure with its words shortened and without the key, the wait asked for, and where a bad key came from.

    What a reader finds in an answer counts as the vendor's own words unless the reader says otherwise. A lost result is
    never the vendor's words, because only this side notices it.
    """
    spoken = failure.spoken
    if spoken is None:
        spoken = answered and not isinstance(failure, ResultLost)
    asked = failure.retry_after
    if asked is None and failure.retryable:
        asked = wait
    changes = {"detail": tidy(failure.detail, key), "retry_after": asked, "spoken": spoken}
    if isinstance(failure, BadKey) and key_source:
        changes["advice"] = f"The key came from {key_source}. {failure.advice}"
    return failure.as_kind(type(failure), **changes)
