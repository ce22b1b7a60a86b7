"""fal's list of an account's requests: what it refuses, and how it turns pages. It has a host and a form of its own."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.emulators.messages import Answer, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PARAMETERS = frozenset({"endpoint_id", "start", "end", "status", "request_id", "sort_by", "expand", "limit", "cursor"})
PLAYED = frozenset({"endpoint_id", "start", "expand", "limit", "cursor"})
"""Those that are emulated."""
USUAL, MOST = 50, 100
"""Requests on a page."""
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Ended:
    """A request that is over."""

    id: str
    endpoint: str
    sent: datetime
    ended: datetime
    status: int
    given: Mapping[str, Any]
    made: Mapping[str, Any]


def refuse_list(status: int, kind: str, message: str) -> Refused:
    """A refusal in the form of the platform's own interface, to be raised."""
    return Refused(Answer.of({"error": {"type": kind, "message": message, "request_id": "emulated"}}, status))


def words(moment: datetime) -> str:
    """A time as fal writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def endpoints_in(query: Mapping[str, str]) -> list[str]:
    """Whose requests are asked for."""
    names = [name for name in query.get("endpoint_id", "").split(",") if name]
    if not names or len(names) > USUAL:
        raise refuse_list(400, "validation_error", "endpoint_id: 1 to 50 are expected")
    return names


def page(query: Mapping[str, str], ended: Sequence[Ended]) -> Answer:
    """One page of the requests that are over, the last to end first."""
    if stray := set(query) - PARAMETERS:
        raise refuse_list(400, "validation_error", f"unknown: {', '.join(sorted(stray))}")
    if odd := set(query) - PLAYED:
        raise NotImplementedError(f"not emulated: {', '.join(sorted(odd))}")
    if query.get("expand", "payloads") != "payloads":
        raise refuse_list(400, "validation_error", "expand: only payloads")
    size, number = _whole(query.get("limit", str(USUAL)), "limit"), _number_of(query.get("cursor"))
    if size > MOST:
        raise refuse_list(400, "validation_error", f"limit: at most {MOST}")
    start = _time(query["start"]) if "start" in query else datetime.now(UTC) - DAY
    # of two that ended in the same microsecond, the one that was sent later comes first
    found = sorted((one for one in reversed(ended) if one.ended >= start), key=lambda one: one.ended, reverse=True)
    more = len(found) > number * size
    items = [_item(one, payloads="expand" in query) for one in found[(number - 1) * size : number * size]]
    return Answer.of({"items": items, "next_cursor": _cursor(number + 1) if more else None, "has_more": more})


def _item(one: Ended, *, payloads: bool) -> dict[str, Any]:
    item: dict[str, Any] = {
        "request_id": one.id,
        "endpoint_id": one.endpoint,
        "sent_at": words(one.sent),
        "started_at": words(one.sent),
        "ended_at": words(one.ended),
        "status_code": one.status,
        "duration": (one.ended - one.sent).total_seconds(),
    }
    return item | ({"json_input": one.given, "json_output": one.made} if payloads else {})


def _cursor(number: int) -> str:
    return base64.b64encode(str(number).encode("ascii")).decode("ascii")


def _number_of(cursor: str | None) -> int:
    if cursor is None:
        return 1
    try:
        return _whole(base64.b64decode(cursor, validate=True).decode("ascii"), "cursor")
    except (binascii.Error, UnicodeDecodeError):
        raise refuse_list(400, "validation_error", "cursor: not one of ours") from None


def _whole(text: str, name: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise refuse_list(400, "validation_error", f"{name}: a whole number from 1 is expected")
    return int(text)


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise refuse_list(400, "validation_error", "start: a date in ISO 8601 is expected") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
