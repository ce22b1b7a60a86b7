"""Names that were meant, numbers, sizes, times and lists in words."""

from __future__ import annotations

import pytest

from imagewright.text import byte_size, closest, counted, did_you_mean, duration, exact, listed, shown, span

NAMES = ("recraft", "qwen", "Ideogram")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("recrat", " (did you mean 'recraft'?)"),
        ("QWEN", " (did you mean 'qwen'?)"),
        (" qwne ", " (did you mean 'qwen'?)"),
        ("ideogramm", " (did you mean 'Ideogram'?)"),
        ("banana", ""),
        ("", ""),
    ],
)
def test_the_name_that_was_meant_is_offered_as_it_is_written(name: str, hint: str) -> None:
    assert did_you_mean(name, NAMES) == hint


def test_several_are_given_best_first() -> None:
    assert closest("cat.png", ["dog.png", "cat1.png", "CAT.png", "x"], most=2) == ["CAT.png", "cat1.png"]


@pytest.mark.parametrize(("length", "found"), [(100, 1), (101, 0)])
def test_nothing_is_compared_with_a_name_longer_than_a_hundred_characters(length: int, found: int) -> None:
    assert len(closest("x" * length, ["x" * length])) == found


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
    ("count", "text"), [(0, "0 jobs"), (1, "1 job"), (1.5, "1.5 jobs"), (5 / 3, "1.67 jobs"), (1234567, "1234567 jobs")]
)
def test_a_number_of_things(count: float, text: str) -> None:
    assert counted(count, "job") == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (312_400, "312 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (1_550_000, "1.55 MB"),
        (5_000_000, "5 MB"),
        (26_214_400, "26.2 MB"),
        (123_456_789, "123 MB"),
        (4_000_000_000, "4 GB"),
        (10**15, "1000 TB"),
    ],
)
def test_a_size(count: int, text: str) -> None:
    assert byte_size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (14 * 86_400.0, "14 days"),
        (2 * 86_400.0, "2 days"),
        (86_400.0, "24 hours"),
        (3600.0, "1 hour"),
        (600.0, "10 minutes"),
        (100.0, "1.67 minutes"),
        (60.0, "1 minute"),
        (45.0, "45 seconds"),
        (0.0, "0 seconds"),
    ],
)
def test_a_time(seconds: float, text: str) -> None:
    assert duration(seconds) == text
