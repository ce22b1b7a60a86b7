"""What a fuzz target is, and the limits that hold for all of them: no foreign exception, 1 s, 200 MB."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from imagewright.text import is_whole, plain

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from hypothesis.strategies import SearchStrategy

SECONDS = 1.0
"""Seconds of processor time that one input may take."""
MEMORY = 200_000_000
"""Bytes by which one input may raise the most memory that the process ever had."""
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7.5, -1000, 1e308, float("nan"), float("inf"), -float("inf"), 2**63, 10**400),
    *("", " ", "0", "-5", "NaN", "Infinity", "1e999", "9" * 400, "\ud800", "\x1b[2J", "\u202e\u200b\u0000", "x" * 400),
    *(
        "https://a.example/p.png",
        "http://xn--/",
        "data:image/png;base64,iVBORw0KGgo=",
        "[[[[",
        '{"a":',
        "<html>",
        "busy",
    ),
    *([], [None], [[]], [{}], {}, {"": ""}, {"a": {"b": [1]}}),
)
"""Values that no honest answer or call has at most places. `10**400` is more than a float can hold."""
NAME = re.compile(r"""["']([A-Za-z][\w.-]{1,40})["']""")


class Broken(AssertionError):
    """A target did what it must not do for any input."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that is tried with bytes of any kind."""

    check: Callable[[bytes], None]
    """Tries an input. It raises where something does not hold that must hold, and lets pass what must not be raised."""
    inputs: SearchStrategy[bytes]
    """Inputs of the right form with odd contents, for the tests."""
    words: Sequence[str] = ()
    """Names and values that the code knows, which chance would not find."""
    json_from: int | None = None
    """At which byte of an input JSON begins; None where inputs are none."""


def examine(target: Target, data: bytes, *, seconds: float = SECONDS, memory: int = MEMORY) -> None:
    """Try one input within the limits.

    Raises:
        Broken: it took longer, or more memory.
        Exception: whatever else went wrong.
    """
    peak, began = peak_bytes(), time.thread_time()
    target.check(data)
    if (taken := time.thread_time() - began) > seconds:
        raise Broken(f"it took {taken:.1f} s")
    if (grown := peak_bytes() - peak) > memory:
        raise Broken(f"it took {grown:,} bytes")


def peak_bytes() -> int:
    """The most memory this process has had so far; 0 on Windows, where nothing in the standard library tells it."""
    if sys.platform == "win32":
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def expect(holds: object, what: str) -> None:
    """Raise `Broken` unless it holds. An `assert` would be left out under `python -O`."""
    if not holds:
        raise Broken(what)


def check_line(text: str, most: int) -> None:
    """Words that are shown: one line, nothing in it that acts on the reader's screen, not longer than that."""
    expect(plain(text) == text, f"it holds signs that act or hide: {text[:200]!r}")
    expect(len(text) <= most, f"it has {len(text)} characters, more than {most}")


def check_values(value: Any, where: str = "") -> None:
    """All that a reader found, at any depth: numbers are finite and can be kept, texts can be written down."""
    if isinstance(value, float):
        expect(isfinite(value), f"{where} is {value}")
    elif isinstance(value, int):
        expect(abs(value) < 2**63, f"{where} is beyond what the database can keep")
    elif isinstance(value, str):
        expect(is_whole(value), f"{where} holds half of a character")
    elif isinstance(value, Mapping):
        for name, one in value.items():
            check_values(name, where)
            check_values(one, f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for one in value:
            check_values(one, where)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            check_values(getattr(value, field.name), f"{where}.{field.name}")


def words_of(*modules: ModuleType) -> tuple[str, ...]:
    """The names in quotation marks in the sources of these modules: fields, states, codes."""
    texts = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules]
    return tuple(dict.fromkeys(name for text in texts for name in NAME.findall(text)))


def odd_json(words: Sequence[str]) -> SearchStrategy[Any]:
    """JSON whose names and texts are mostly of these words, and whose values are mostly odd."""
    names = st.sampled_from([*words, ""])
    leaves = st.one_of(st.sampled_from(ODD_VALUES), names, st.integers(), st.floats(), st.text(max_size=40))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=6)),
        max_leaves=12,
    )
