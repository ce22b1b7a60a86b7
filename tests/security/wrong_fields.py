"""Calls of every tool with one wrong value in one field, from the schemas that the tools are listed with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagewright.surface.tools import REPORTED

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING_IS_MADE = {"save_as": "../x.png"}
"""In each call that has such a field: however right the rest of it may be, it is refused."""
LARGEST_REFUSAL = 100_000
"""Bytes of a whole encoded refusal."""
HUGE = 10**30
NAN, INFINITY = float("nan"), float("inf")

WRONG: dict[str, list[Any]] = {
    "string": [
        5,
        1.5,
        True,
        False,
        {},
        {"a": 1},
        [1],
        [[]],
        [{}],
        ["a", "b"],
        NAN,
        HUGE,
        -INFINITY,
        0,
        -1,
        1e308,
        10**400,
        {"": ""},
        [True],
    ],
    "enum": [
        "no-such",
        "\u0000",
        "x" * 5000,
        "png ; rm",
        5000,
        -1,
        HUGE,
        {"a": 1},
        [1],
        [[]],
        ["a", "b"],
        NAN,
        True,
        1e308,
        10**400,
        "\u202egnp",
        [True],
        {"x": []},
    ],
    "integer": [
        1.5,
        "x",
        "1e999",
        "9" * 400,
        HUGE,
        -HUGE,
        True,
        {},
        {"a": 1},
        [1, 2],
        NAN,
        INFINITY,
        "0x10",
        "\u0000",
        "1_000",
        "\u0661",
        "\u00b2",
        1e308,
        10**400,
        {"1": 1},
    ],
    "number": [
        "x",
        1e308,
        -1e308,
        HUGE,
        "9" * 400,
        True,
        {},
        {"a": 1},
        [1, 2],
        NAN,
        INFINITY,
        "1,5",
        "\u0000",
        "1_0",
        "\u0661",
        "\u00b2",
        10**400,
        [1.5, 2],
        {"x": 1},
    ],
    "boolean": [
        "maybe",
        5,
        -1,
        1.5,
        {},
        {"a": 1},
        [1],
        [[]],
        "2",
        NAN,
        "\u0000",
        "ja",
        1e308,
        10**400,
        [True, False],
        {"true": 1},
        "\u0661",
    ],
    "array": [
        5,
        True,
        {},
        {"a": 1},
        [5],
        [True],
        [{}],
        [[]],
        [None],
        [["a"]],
        ["a"] * 500,
        NAN,
        HUGE,
        0,
        1e308,
        10**400,
        [1, 2, 3],
        {"images": []},
        [False],
        [["x"], ["y"]],
    ],
}
"""By the kind of field, what it cannot hold."""


def _kind(part: dict[str, Any]) -> str:
    return "enum" if "enum" in part else str(part["type"])


def wrong_calls(tools: list[dict[str, Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The tool, the field and the arguments of each call."""
    for tool in tools:
        fields = tool["inputSchema"]["properties"]
        for field, part in fields.items():
            for value in WRONG[_kind(part)]:
                if isinstance(value, int) and value >= HUGE and "maximum" not in part and part["type"] == "integer":
                    continue
                others = {name: one for name, one in NOTHING_IS_MADE.items() if name in fields}
                yield tool["name"], field, others | {field: value}
        for stray in ("frobnicate", "", "__class__", "x" * 5000, f"{next(iter(fields))} ", "\u202eprompt"):
            yield tool["name"], "unknown argument", {stray: 1}


def refused_wrongly(field: str, answer: dict[str, Any], line: str) -> str:
    """What is wrong with the answer to such a call; empty where nothing is."""
    if "error" in answer:
        return f"a protocol error: {answer['error']}"
    text = answer["result"]["content"][0]["text"]
    if not answer["result"].get("isError"):
        return f"not refused: {text[:200]}"
    if REPORTED in text:
        return "taken for a fault of the server"
    if field not in text:
        return f"not refused for {field}: {text[:200]}"
    return "" if len(line.encode()) < LARGEST_REFUSAL else f"the refusal has {len(line)} characters"
