"""How a call is known again in a list: by its model, the digest of its input and the time it was sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.providers.common.provider import (
    CLOCKS_DIFFER,
    Listed,
    Page,
    digest,
    oldest_fitting,
    read_time,
    signature_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

INPUT = {"prompt": "a kite", "seed": 7}
NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}, True),
        ({"a": 3}, {"a": 3.0}, True),
        ({"a": {"b": [2.0]}}, {"a": {"b": [2]}}, True),
        ({"a": ("x",)}, {"a": ["x"]}, True),
        ({"a": 0.5}, {"a": 0.25}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": None}, {}, False),
        ({"a": "Käfer \ud83e"}, {"a": "Kafer"}, False),
    ],
)
def test_the_same_input_has_the_same_digest_however_it_is_written(one: Any, other: Any, *, same: bool) -> None:
    assert (digest(one) == digest(other)) is same


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-01T12:00:00Z", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("2026-01-01T12:00:00.123456789Z", datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2026-01-01T14:00:00+02:00", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("2026-01-01T12:00:00", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1_700_000_000, None),
    ],
)
def test_a_time_is_read_with_its_zone_or_not_at_all(text: object, moment: datetime | None) -> None:
    assert read_time(text) == moment


def test_a_trace_is_short_plain_texts() -> None:
    signature = signature_of("owner/name", INPUT | {"image": "data:" + "x" * 9000}, ("Look at it.",))
    assert all(isinstance(text, str) for text in signature.values())
    assert sum(map(len, signature.values())) < 200
    assert "kite" not in str(signature)
    since = read_time(signature["since"])
    assert since is not None
    assert abs(datetime.now(UTC) - CLOCKS_DIFFER - since) < timedelta(minutes=1)


def _call(task: str, minutes: float, **other: Any) -> Listed[None]:
    """A call that many minutes ago; one that fits unless it is said otherwise."""
    words: Mapping[str, Any] = {"model": "owner/name", "given": INPUT} | other
    return Listed(task, words["model"], digest(words["given"]), NOW - timedelta(minutes=minutes), None)


async def _found(
    pages: list[list[Listed[None]]], known: set[str], *, most_pages: int = 9, newest_first: bool = True
) -> tuple[str, int]:
    """The task that was chosen, and how many pages were read for it."""
    read = []

    async def read_page(place: str) -> Page[None]:
        read.append(place)
        number = int(place or 0)
        return Page(tuple(pages[number]), str(number + 1) if number + 1 < len(pages) else "")

    # as if it had been written down when the table was
    signature = signature_of("owner/name", INPUT, ()) | {"since": (NOW - CLOCKS_DIFFER).isoformat()}
    call = await oldest_fitting(read_page, signature, known, most_pages=most_pages, newest_first=newest_first)
    return call.task if call else "", len(read)


OLD = CLOCKS_DIFFER.total_seconds() / 60 + 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("pages", "known", "task", "read"),
    [
        ([[]], set(), "", 1),
        ([[_call("a", 1)]], set(), "a", 1),
        ([[_call("a", 1), _call("b", 2)], [_call("c", 3)]], set(), "c", 2),
        ([[_call("a", 1), _call("b", 2)], [_call("c", 3)]], {"c"}, "b", 2),
        ([[_call("a", 1), _call("b", 2)]], {"a", "b"}, "", 1),
        ([[_call("a", 1, model="owner/other")]], set(), "", 1),
        ([[_call("a", 1, model="")]], set(), "a", 1),
        ([[_call("a", 1, given={"prompt": "another"})]], set(), "", 1),
        ([[_call("a", OLD)]], set(), "", 1),
        ([[_call("a", 1), _call("b", OLD)], [_call("c", OLD)]], set(), "a", 1),
        ([[_call("a", -1)]], set(), "a", 1),
    ],
)
async def test_the_oldest_that_fits_is_chosen_and_nothing_is_read_in_vain(
    pages: list[list[Listed[None]]], known: set[str], task: str, read: int
) -> None:
    assert await _found(pages, known) == (task, read)


@pytest.mark.anyio
async def test_a_list_that_goes_by_another_time_is_read_to_its_end() -> None:
    pages = [[_call("a", OLD)], [_call("b", 1)]]
    assert await _found(pages, set(), newest_first=False) == ("b", 2)


@pytest.mark.anyio
async def test_no_more_pages_are_read_than_is_documented() -> None:
    assert await _found([[_call(f"{place}", place / 9)] for place in range(9)], set(), most_pages=3) == ("2", 3)
