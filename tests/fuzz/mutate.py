"""Change JSON as JSON: a fuzzer that changes bytes alone mostly makes texts that no parser reads."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

from tests.fuzz.target import ODD_VALUES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Mutator = Callable[[bytes, int, int], bytes]
    """What makes the next input from one, the most bytes of the next, and a seed."""

MOST_CHANGES = 3
"""Changes to one input."""
RARELY = 0.25
"""Share of inputs whose bytes are changed all the same."""
DEEPER = 0.8
"""Share of changes to an object or a list that are made within it."""
SIGNS = (b"[", b"{", b"}", b'"', b"\\", b"\\ud800", b",", b":", b"e9", b"-", b"NaN", b"\x00", b"\xff", b"<", b" ")
OFTEN = (1, 1, 1, 2, 50, 2000)
"""How many times a sign is put in: 2,000 brackets are deeper than Python reads."""


def json_mutator(words: Sequence[str], begins: int) -> Mutator:
    """What changes inputs for libFuzzer.

    Its own way with bytes is not to be had beside this (atheris 3.0 ends the process when it is asked for).

    Args:
        words: names and texts to put in.
        begins: at which byte the JSON begins.
    """

    def mutate(data: bytes, most_bytes: int, seed: int) -> bytes:
        random = Random(seed)  # noqa: S311 - chooses changes, guards nothing
        try:
            if random.random() < RARELY:
                return _changed_bytes(data, words, random)[:most_bytes]
            content = json.loads(data[begins:])
            for _ in range(random.randint(1, MOST_CHANGES)):
                content = _changed(content, words, random)
            made = data[:begins] + json.dumps(content).encode()
        except (ValueError, RecursionError):
            made = b""
        return made if 0 < len(made) <= most_bytes else _changed_bytes(data, words, random)[:most_bytes]

    return mutate


def _changed_bytes(data: bytes, words: Sequence[str], random: Random) -> bytes:
    """The input with a few bytes changed, taken out or put in."""
    whole = bytearray(data or b"0")
    for _ in range(random.randint(1, MOST_CHANGES)):
        place = random.randrange(len(whole) + 1)
        end = place + random.randrange(4)
        match random.randrange(4):
            case 0:
                whole[place:end] = random.choice(words).encode("utf-8", "surrogatepass")
            case 1:
                whole[place:end] = random.choice(SIGNS) * random.choice(OFTEN)
            case 2:
                whole[place:end] = random.randbytes(end - place)
            case _:
                whole[place:end] = b""
    return bytes(whole)


def _changed(value: Any, words: Sequence[str], random: Random) -> Any:
    """The value with one change, somewhere in it."""
    if value and isinstance(value, dict | list) and random.random() < DEEPER:
        return _changed_within(value, words, random)
    one, odd = random.choice(words), random.choice(ODD_VALUES)
    return random.choice((one, {one: value}, [value], odd, odd))


def _changed_within(value: Any, words: Sequence[str], random: Random) -> Any:
    """An object or a list with one of its values taken out, put in once more, or changed."""
    made = value.copy()
    place = random.choice(list(value)) if isinstance(value, dict) else random.randrange(len(value))
    taken = made.pop(place)
    how = random.choice(("out", "twice", "changed", "changed", "changed"))
    if how == "changed":
        taken = _changed(taken, words, random)
    if isinstance(made, dict) and how != "out":
        made[place if how == "changed" else random.choice(words)] = taken
    elif how != "out":
        made[place:place] = [taken] if how == "changed" else [taken, taken]
    return made
