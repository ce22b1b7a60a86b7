"""Editing JSON with comments: whatever surrounds an entry, it comes in and goes out without touching anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagewright.cli.connect import Splice, apply, edit, jsonc

SECTION, NAME = "servers", "imagewright"
ENTRY: dict[str, Any] = {"command": "/x/imagewright", "args": ["--tools", "qwen"], "env": {"A": '"//,}'}}
KEYS = st.sampled_from(["a", "b", "{", "//", "/*", ",", '"', "ü", "servers "])
GAPS = st.sampled_from(
    ["", "", " ", "\n", "\n  ", "\r\n\t", ' // a } , " comment\n', " /* one, two } */ ", "\n    // x\n    "]
)
SCALARS = st.sampled_from([None, True, 0, -1.5, "", "//", "/* { */", "a\\", 'q"', "\u2028", "[,]"])
Pair = tuple[str, Any]


@st.composite
def collections(draw: st.DrawFn, inner: st.SearchStrategy[Pair]) -> Pair:
    """An object or a list as a text with its value."""
    found = draw(st.lists(inner, max_size=3))
    trailing = "," if bool(found) and draw(st.booleans()) else ""
    if draw(st.booleans()):
        names = draw(st.lists(KEYS, min_size=len(found), max_size=len(found), unique=True))
        return members(draw, list(zip(names, found, strict=True)), trailing), {
            name: value for name, (_, value) in zip(names, found, strict=True)
        }
    words = ",".join(draw(GAPS) + text + draw(GAPS) for text, _ in found)
    return f"[{words}{trailing}{draw(GAPS)}]", [value for _, value in found]


def members(draw: st.DrawFn, found: list[tuple[str, Pair]], trailing: str) -> str:
    """An object's text."""
    words = ",".join(
        f"{draw(GAPS)}{json.dumps(name)}{draw(GAPS)}:{draw(GAPS)}{text}{draw(GAPS)}" for name, (text, _) in found
    )
    return f"{{{words}{trailing}{draw(GAPS)}}}"


VALUES = st.recursive(SCALARS.map(lambda one: (json.dumps(one, ensure_ascii=False), one)), collections, max_leaves=8)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A document, most with a section, in an order and a dress that nobody thought of."""
    names = draw(st.lists(KEYS, max_size=2, unique=True))
    found = [(name, draw(VALUES)) for name in names]
    if draw(st.integers(0, 3)):
        inner = draw(st.lists(KEYS, max_size=3, unique=True))
        held = [(name, draw(VALUES)) for name in inner]
        text = members(draw, held, "," if bool(held) and draw(st.booleans()) else "")
        found.insert(draw(st.integers(0, len(found))), (SECTION, (text, {name: value for name, (_, value) in held})))
    text = members(draw, found, "," if bool(found) and draw(st.booleans()) else "")
    return f"{draw(GAPS)}{text}{draw(GAPS)}", {name: value for name, (_, value) in found}


TWO_COMMENTS = '{"servers": {\n"a": 1 /* one */ }, "b": 2 /* two */ \n}'
"""A comment that ends, more of the object, and another comment, all on one line."""


@settings(deadline=None)  # no verdict by wall time
@given(documents())
@example((TWO_COMMENTS, {"servers": {"a": 1}, "b": 2}))
def test_in_and_out_again_to_the_byte(document: tuple[str, dict[str, Any]]) -> None:
    text, value = document
    assert jsonc.parse(text) == value
    splices = jsonc.insert(text, SECTION, NAME, ENTRY)
    changed = apply(text, splices)
    assert jsonc.parse(changed) == {**value, SECTION: {**value.get(SECTION, {}), NAME: ENTRY}}
    pieces = edit._pieces(text, splices)  # noqa: SLF001 - what is noted of a change
    assert apply(changed, [Splice(*one) for one in pieces]) == text
    out = apply(changed, jsonc.remove(changed, SECTION, NAME, emptied=SECTION not in value))
    assert jsonc.parse(out) == value
    other = apply(changed, jsonc.replace(changed, SECTION, NAME, {"command": 1}))
    assert jsonc.parse(other) == {**value, SECTION: {**value.get(SECTION, {}), NAME: {"command": 1}}}


@settings(deadline=None)  # no verdict by wall time
@given(documents())
def test_without_a_note_it_goes_out_of_a_section_with_others_to_the_byte(
    document: tuple[str, dict[str, Any]],
) -> None:
    text, value = document
    if value.get(SECTION):
        changed = apply(text, jsonc.insert(text, SECTION, NAME, ENTRY))
        assert apply(changed, jsonc.remove(changed, SECTION, NAME, emptied=False)) == text


@pytest.mark.parametrize(
    "text",
    [
        '{"servers": {"a": 1,,}}',
        '{"servers": {,}}',
        "{'a': 1}",
        '{"a": 1} x',
        "{/*",
        '{"a": 1 "b": 2}',
        '["a",]x',
        "[1",
        "x",
    ],
)
def test_what_no_editor_takes_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="JSON"):
        jsonc.insert(text, SECTION, NAME, ENTRY)


def test_a_key_that_stands_twice_counts_as_its_last() -> None:
    text = '{"servers": {"a": 1}, "servers": {"b": 2}}'
    changed = apply(text, jsonc.insert(text, SECTION, NAME, ENTRY))
    assert jsonc.parse(changed)[SECTION] == {"b": 2, NAME: ENTRY}


def test_a_comment_behind_an_entry_keeps_its_line() -> None:
    text = '{"servers": {\n  "imagewright": {}, // mine\n  "b": 1\n}}'
    out = apply(text, jsonc.remove(text, SECTION, NAME, emptied=False))
    assert out == '{"servers": {\n   // mine\n  "b": 1\n}}'
