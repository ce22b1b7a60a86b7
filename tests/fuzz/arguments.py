"""The arguments of a call, as a client sends them: all ten tools.

An input is one byte that chooses the tool, and the arguments as JSON.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from imagewright.catalog.load import catalog
from imagewright.engine.check import allows, check, read_arguments
from imagewright.errors import Refusal
from imagewright.surface.definitions import helper_arguments
from tests.fuzz.target import Target, check_values, expect, odd_json

ROWS = catalog()
HELPERS = helper_arguments(ROWS.values())
TOOLS = (*ROWS, *HELPERS)
"""What the first byte of an input chooses from, counted from the sign `0`."""
LONGEST_REFUSAL = 100_000
"""Bytes of a refusal's JSON."""
NAMED = [
    *((name, form) for row in ROWS.values() for name, forms in row.arguments().items() for form in forms),
    *((name, argument) for known in HELPERS.values() for name, argument in known.items()),
]
"""Every argument of every tool, under its name."""
WORDS = tuple(dict.fromkeys(word for name, argument in NAMED for word in (name, *map(str, argument.values or ()))))
"""Every argument and every value of a choice."""
SOURCES = ("/a.png", "@'/a b.png'", "img_abc", "https://a.example/p.png", "data:image/png;base64,AAAA", '["/a.png"]')


def _check(data: bytes) -> None:
    tool = TOOLS[(data[0] - ord("0")) % len(TOOLS)] if data else TOOLS[0]
    try:
        sent = json.loads(data[1:])
    except (ValueError, RecursionError):
        return
    if tool in ROWS:
        _check_call(tool, sent)
    elif isinstance(sent, dict):
        _check_helper(tool, sent)


def _check_call(tool: str, sent: object) -> None:
    row = ROWS[tool]
    checked = check(row, sent)
    if checked.problems:
        _check_refusal(Refusal(*checked.problems))
        return
    given = dict(checked.given)
    check_values(given, "an argument")
    for name, value in given.items():
        argument = checked.arguments.get(name) or row.operations[checked.operation].arguments[name]
        expect(allows(argument, value), f"{name} may not be {value!r}")
    again = check(row, given)
    same = (dict(again.given), again.operation, again.problems) == (given, checked.operation, ())
    expect(same, f"read again it is another call: {given} {again.given}")
    expect(all(isinstance(text, str) for _, text in checked.sources()), "a picture is not named by a text")
    expect(checked.count >= 1, f"it asks for {checked.count} pictures")


def _check_helper(tool: str, sent: dict[str, Any]) -> None:
    try:
        found = read_arguments(HELPERS[tool], sent)
    except Refusal as refusal:
        _check_refusal(refusal)
        return
    check_values(found, "an argument")
    expect(read_arguments(HELPERS[tool], found) == found, f"read again it is another call: {found}")


def _check_refusal(refusal: Refusal) -> None:
    text = json.dumps([str(refusal), [[problem.argument, problem.message] for problem in refusal.problems]])
    expect(len(text) < LONGEST_REFUSAL, f"the refusal has {len(text)} bytes")
    expect(refusal.problems, "it is refused without a reason")
    check_values(str(refusal), "the refusal")


_first = st.integers(0, len(TOOLS) - 1).map(lambda place: bytes([ord("0") + place]))
_call = st.dictionaries(st.sampled_from(WORDS), odd_json((*WORDS, *SOURCES)), max_size=6)
TARGETS = {
    "arguments": Target(
        _check,
        st.builds(lambda first, sent: first + json.dumps(sent).encode(), _first, _call),
        (*WORDS, *SOURCES),
        json_from=1,
    )
}
