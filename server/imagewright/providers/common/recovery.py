"""How a call without an answer is found again: in the vendor's list of recent calls, by its signature."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from imagewright.providers.common.provider import INPUT, MODEL, SINCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping


T = TypeVar("T")

LIST_BYTES = 64_000_000
"""Most bytes of one page of a list: it repeats the pictures that went inside the requests."""
LIST_SECONDS = 60.0
"""Longest wait for one page, as it may be that large."""


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """A call in a list."""

    task: str
    """The vendor's id of it."""
    model: str
    """The vendor's id of the model; empty where the list does not name it."""
    digest: str
    """Digest of its input, see `common.provider.digest`."""
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
