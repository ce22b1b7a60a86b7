from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import Refusal
from imagewright.storage.library import day_bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WEEKDAYS = ("monday", "Tuesday", " wednesday", "THURSDAY", "friday ", "saturday", "sunday")
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"  # spelt out, so that no time zone data need be installed


@pytest.fixture
def local_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Moves this process into a time zone, where the platform lets it, and back."""
    if not hasattr(time, "tzset"):
        pytest.skip("this platform has no tzset")

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("zone", "day", "starts", "hours"),
    [
        ("UTC", "2026-11-22", "2026-11-22T00:00", 24),
        (BERLIN, "2026-11-22", "2026-11-21T23:00", 24),
        (BERLIN, "2026-03-29", "2026-03-28T23:00", 23),
        (BERLIN, "2026-10-25", "2026-10-24T22:00", 25),
        ("XXX-14", "2026-01-01", "2025-12-31T10:00", 24),
        ("XXX+9:30", "2024-02-29", "2024-02-29T09:30", 24),
    ],
)
def test_days_are_those_of_the_user(
    local_zone: Callable[[str], None], zone: str, day: str, starts: str, hours: int
) -> None:
    local_zone(zone)
    start, end = day_bounds(day)
    assert start.astimezone(UTC) == datetime.fromisoformat(starts).replace(tzinfo=UTC)
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=hours)
    assert day_bounds(date.fromisoformat(day)) == (start, end)


def test_days_by_name() -> None:
    before = datetime.now(UTC)
    (start, end), (eve, start_again) = day_bounds("Today"), day_bounds(" yesterday")
    assert eve < start_again
    if before.astimezone().date() == datetime.now(UTC).astimezone().date():  # unless midnight passed meanwhile
        assert start <= before < end
        assert start_again == start


def test_a_weekday_is_the_last_one_before_today() -> None:
    today = datetime.now(UTC).astimezone().date()
    found = [day_bounds(name)[0].date() for name in WEEKDAYS]
    if today == datetime.now(UTC).astimezone().date():  # unless midnight passed meanwhile
        assert [day.weekday() for day in found] == [*range(7)]
        assert {(today - day).days for day in found} == {*range(1, 8)}


@pytest.mark.parametrize("day", ["2026-13-40", "22.11.2026", "tomorrow", "0000-00-00", "Mon", "Montag", "", date.max])
def test_what_is_no_day_is_refused(day: str | date) -> None:
    with pytest.raises(
        Refusal, match=r"cannot be read as a day; write it as YYYY-MM-DD, .* or a whole weekday"
    ) as caught:
        day_bounds(day)
    assert [problem.argument for problem in caught.value.problems] == ["day"]
