"""Holds an emulator to a vendor's field table, where no client of the vendor's own can do it.

The table is typed in the test, from the vendor's documents; the emulator has its own. Both were typed by hand, so a
slip in one shows against the other.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.emulators.messages import Answer

REFUSALS = (400, 422)
"""The statuses of a request with a wrong field."""


@dataclass(frozen=True)
class FieldTable:
    """What a request may hold."""

    least: Mapping[str, Any]
    """The required fields, with values that are taken."""
    taken: Mapping[str, Sequence[Any]]
    """Values that are taken, by field."""
    refused: Mapping[str, Sequence[Any]]
    """Values that are not; for a field the vendor does not have, any."""


def departures(table: FieldTable, send: Callable[[dict[str, Any]], int]) -> Iterator[str]:
    """Where the emulator departs from the table, one after the other.

    Args:
        table: the vendor's fields.
        send: sends a request of these fields and returns the status of the answer.
    """
    for what, fields, taken in _trials(table):
        status = send(fields)
        if status not in ((200,) if taken else REFUSALS):
            yield f"{what}: HTTP {status}"


def _trials(table: FieldTable) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """What is sent, its fields, and whether it must be taken."""
    yield "the least", dict(table.least), True
    for name in table.least:
        yield f"without {name}", {other: value for other, value in table.least.items() if other != name}, False
    for values_of, taken in ((table.taken, True), (table.refused, False)):
        for name, values in values_of.items():
            for value in values:
                yield f"{name}={value!r:.60}", {**table.least, name: value}, taken


def plain_client(**headers: str) -> httpx.Client:
    """A client for loopback; underscores in header names stand for hyphens. Close it after use."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    # a context without authorities: loading them takes longer than all the rest
    return httpx.Client(headers=named, trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def shape(value: Any) -> Any:
    """The names of an answer's fields, at every depth, without their values."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return None


def renaming(name: str) -> Callable[[Answer], Answer]:
    """A spoiler: the field of that name is called otherwise, wherever it stands in a JSON answer."""

    def rename(value: Any) -> Any:
        if isinstance(value, dict):
            return {f"{key}_2" if key == name else key: rename(inner) for key, inner in value.items()}
        return [rename(inner) for inner in value] if isinstance(value, list) else value

    return lambda answer: replace(answer, body=json.dumps(rename(json.loads(answer.body))).encode("utf-8"))
