"""A vendor's words: made fit to show, taken out of its JSON, and never with the key in them."""

from __future__ import annotations

from typing import Any

import pytest

from imagewright.providers.common.fields import words_in
from imagewright.providers.http.classify import tidy

KEY = "sk-test-0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two\n\tlines\x00\x1b[31m ", "two lines [31m"),
        ("<html><body>no</body></html>", ""),
        (f"bad {KEY}!", "bad [key]!"),
        (f"bad {KEY[:9]}***{KEY[-3:]}.", "bad [key]"),
        (f"Bearer {KEY}", "Bearer [key]"),
        ("x" * 400, "x" * 299 + "…"),
        ("plain words", "plain words"),
    ],
)
def test_a_vendors_words_are_made_fit_to_show(text: str, expected: str) -> None:
    assert tidy(text, KEY) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("  busy ", "busy"),
        (["busy", "", None, ["queue full"]], "busy; queue full"),
        ({"reason": "queue full", "place": 3, "more": {}}, "reason: queue full; place: 3"),
        ([{"loc": ["body", "image", 0], "msg": "too large"}, {"msg": "odd"}], "image.0: too large; odd"),
        (7.5, "7.5"),
        (None, ""),
        (True, ""),
        ([[[[[["deep"]]]]]], ""),
    ],
)
def test_what_a_vendor_s_json_says_is_read_as_plain_words(value: Any, words: str) -> None:
    assert words_in(value) == words


def test_a_key_of_two_parts_is_hidden_part_by_part() -> None:
    first, second = "0a1b2c3d-4e5f", "99887766554433221100"
    assert tidy(f"id {first} and secret {second}", f"{first}:{second}") == "id [key] and secret [key]"


def test_a_short_key_does_not_blank_out_ordinary_words() -> None:
    assert tidy("a key", "a") == "a key"
    assert tidy("no key at all", "") == "no key at all"
