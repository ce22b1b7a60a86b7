"""Numbers and lists in words."""

from __future__ import annotations

import pytest

from imagewright.catalog.words import duration, exact, listed, shown, size, span


@pytest.mark.parametrize(
    ("value", "text"), [(4.0, "4"), (2.5, "2.5"), (True, "true"), (False, "false"), ("16:9", "16:9"), (0, "0")]
)
def test_a_value_is_shown_as_people_write_it(value: float | str, text: str) -> None:
    assert shown(value) == text


def test_whole_numbers_are_integers_and_truth_stays_truth() -> None:
    assert isinstance(exact(3.0), int)
    assert exact(True) is True
    assert exact(0.5) == 0.5


@pytest.mark.parametrize(("low", "high", "text"), [(1, 10, "1-10"), (1.0, 4.0, "1-4"), (3, 3, "3"), (0.5, 2, "0.5-2")])
def test_a_span(low: float, high: float, text: str) -> None:
    assert span(low, high) == text


@pytest.mark.parametrize(
    ("items", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")]
)
def test_a_list(items: list[str], text: str) -> None:
    assert listed(items, "or") == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (312_400, "312 kB"), (5_000_000, "5 MB"), (26_214_400, "26.2 MB")],
)
def test_a_size(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (14 * 86_400.0, "14 days"),
        (2 * 86_400.0, "2 days"),
        (86_400.0, "24 hours"),
        (3600.0, "1 hour"),
        (600.0, "10 minutes"),
        (60.0, "1 minute"),
        (45.0, "45 seconds"),
    ],
)
def test_a_time(seconds: float, words: str) -> None:
    assert duration(seconds) == words
