"""How a call whose answer was never heard is known again in a vendor's list of recent calls. No I/O of its own.

What it was sent is compared by its digest, so that neither the prompt nor a picture has to be written down.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from imagewright.providers.common.tickets import with_notes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

T = TypeVar("T")

MODEL, INPUT, SINCE = "model", "input", "since"
CLOCKS_DIFFER = timedelta(minutes=5)
"""How far the vendor's clock may be behind ours."""
LIST_BYTES = 64_000_000
"""Most bytes of one page of a list: it repeats the pictures that went inside the requests."""
LIST_SECONDS = 60.0
"""Longest wait for one page, as it may be that large."""


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """A call in a list.

    Attributes:
        task: the vendor's id of it.
        model: the vendor's id of the model; empty where the list does not name it.
        digest: of its input, see `digest`.
        sent: when the vendor took it, with its zone.
        origin: what else the vendor says of it.
    """

    task: str
    model: str
    digest: str
    sent: datetime
    origin: T


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        calls: those that could be read.
        next: where the next page is; empty when this is the last.
    """

    calls: tuple[Listed[T], ...]
    next: str


def trace_of(model: str, inputs: Mapping[str, Any], notes: Sequence[str]) -> dict[str, str]:
    """What a call will be known by.

    Args:
        model: the vendor's id of the model.
        inputs: the very object that will be sent as its input.
        notes: what the caller is to be told with the pictures; the ticket will need them.
    """
    since = datetime.now(UTC) - CLOCKS_DIFFER
    payload = {MODEL: model, INPUT: digest(inputs), SINCE: since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return with_notes(payload, notes)


async def oldest_fitting(
    read_page: Callable[[str], Awaitable[Page[T]]],
    trace: Mapping[str, str],
    known: Collection[str],
    *,
    most_pages: int,
    newest_first: bool,
) -> Listed[T] | None:
    """The oldest call in a list that a trace fits; None when there is none.

    Args:
        read_page: reads the page that stands at that place; the first one's is "".
        trace: what the call is known by, from `trace_of`.
        known: ids of calls that are known to be others.
        most_pages: pages that are read at most.
        newest_first: whether the list goes back in time by when the calls were sent, so that it need not be read to
            its end.
    """
    since = read_time(trace[SINCE])
    fitting: list[Listed[T]] = []
    place = ""
    for _ in range(most_pages):
        page = await read_page(place)
        recent = [call for call in page.calls if since is not None and call.sent >= since]
        fitting += [call for call in recent if _fits(call, trace) and call.task not in known]
        place = page.next
        if not place or (newest_first and len(recent) < len(page.calls)):
            break
    return min(fitting, key=lambda call: call.sent, default=None)


def read_time(text: object) -> datetime | None:
    """A vendor's time, with its zone; None when it is none."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def digest(inputs: object) -> str:
    """The same for every way of writing the same JSON: order of names, spaces, 3 or 3.0."""
    plain = json.loads(json.dumps(inputs), parse_float=_number)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _fits(call: Listed[T], trace: Mapping[str, str]) -> bool:
    return call.digest == trace[INPUT] and call.model in ("", trace[MODEL])


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number
