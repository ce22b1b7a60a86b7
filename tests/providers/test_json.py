"""Vendors' JSON is read without trusting it: what is not of the expected kind counts as absent, and nothing raises."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from imagewright.providers.common.fields import error_words, joined, mapping, mappings, text_in, whole
from imagewright.providers.http.request import BASE64_STEP, Inline, json_body, read_json

ODD: list[Any] = [None, True, 7, 1.5, "words", [], [1, "a", None], {}]


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_what_is_no_object_counts_as_an_empty_one(value: Any) -> None:
    assert mapping(value) == {}
    assert mappings(value) == []


def test_objects_are_read_as_they_are() -> None:
    assert mapping({"a": 1}) == {"a": 1}
    assert mappings([{"a": 1}, "b", {"c": 2}, None]) == [{"a": 1}, {"c": 2}]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, ""),
        ({"a": "one", "b": "two"}, "one"),
        ({"a": "", "b": "two"}, "two"),
        ({"a": 7, "b": "two"}, "two"),
        ({"a": None, "b": ["two"]}, ""),
    ],
)
def test_the_first_field_that_is_a_text_counts(body: dict[str, Any], text: str) -> None:
    assert text_in(body, "a", "b") == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, ""),
        ({"code": "E1", "message": " bad size "}, "E1: bad size"),
        ({"code": "E1"}, "E1"),
        ({"code": 7, "message": "bad size"}, "bad size"),
        ({"code": " ", "message": "bad size"}, "bad size"),
    ],
)
def test_a_code_and_its_message_become_one_sentence(body: dict[str, Any], text: str) -> None:
    assert joined(body, "code", "message") == text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, ""),
        ({"detail": [], "error": "bad size"}, "bad size"),
        ({"detail": [{"loc": ["body", "n"], "msg": "too large"}], "error": "unseen"}, "n: too large"),
    ],
)
def test_the_first_field_with_words_is_quoted(body: dict[str, Any], words: str) -> None:
    assert error_words(body, "detail", "error") == words


@pytest.mark.parametrize(
    ("value", "number"),
    [(200, 200), ("200", 200), (200.9, 200), (None, None), (True, None), ("x", None), ("1e999", None), (1e30, None)],
)
def test_a_whole_number_may_be_written_as_a_text(value: Any, number: int | None) -> None:
    assert whole(value) == number


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
def test_half_of_a_character_becomes_a_question_mark(encoding: str) -> None:
    halved = r'{"a\ud800": ["\uD83D\ude00", "id-\uDC00", {"b": "\uDfff\u00e9"}, "é\n"], "c": 5}'
    read = {"a?": ["\U0001f600", "id-?", {"b": "?é"}, "é\n"], "c": 5}
    assert read_json(halved.encode(encoding)) == read
    raw = halved.replace(r"\uDC00", "\udc00").encode(encoding, "surrogatepass")
    assert read_json(raw) == read


def test_pictures_stand_in_a_body_as_base64_and_everything_else_as_it_is() -> None:
    sizes = (0, 1, 2, 3, BASE64_STEP - 1, BASE64_STEP + 1)
    pictures = [Inline(bytes(range(256)) * (size // 256) + bytes(size % 256), f"data:{size};base64,") for size in sizes]
    value = {"prompt": 'a "kite" \\ \u2028 \U0001fa81 \0', "images": pictures, "more": [1.5, None, {"of": pictures[2]}]}
    body = json_body(value)
    assert json.loads(body) == json.loads(json.dumps(value, default=str))
    assert "\U0001fa81".encode() in body
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_body({"seed": float("nan")})


def test_making_a_body_takes_little_more_memory_than_it_has_bytes() -> None:
    value = [Inline(bytes(BASE64_STEP)) for _ in range(10)]
    tracemalloc.start()
    try:
        body = json_body(value)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(body) <= peak < len(body) * 1.3
