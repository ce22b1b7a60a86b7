"""A vendor that repeats its key in whatever it answers, in one spelling after the other, and is right in all else."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.support.pictures import photo
from tests.support.spellings import SPELLINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulators.messages import Answer, Received
    from tests.support.vendors import AnyEmulator

IDS = frozenset({"taskId", "request_id", "id"})
"""Fields that hold what a task is called by."""
ECHO = "echo"
PICTURE = photo(64, 48)
MARKED = re.compile(r"--echo.*?echo--", re.DOTALL)
"""What was added to an id."""


class Echoing:
    """Stands before an emulator, from before its first connection.

    To each id, link and object of its answers in JSON it adds the key, and takes it away again where it comes back. It
    notes whether each came back exactly as it was given.
    """

    def __init__(self, emulator: AnyEmulator) -> None:
        self.planted: set[str] = set()
        """The spellings that were given out."""
        self.came_back: Counter[str] = Counter()
        """How often each was sent back, as part of an id or a link."""
        self._answer, self._key, self._ways = emulator.answer, emulator.key, list(SPELLINGS.values())
        self._number: Counter[str] = Counter()
        emulator.answer = self.answer

    def answer(self, received: Received) -> Answer:
        """The emulator's answer, with the key in it; for a picture, a small one."""
        own: Answer = self._answer(self._as_given(received))
        try:
            content = json.loads(own.body)
        except ValueError:  # a picture: a small one is soon read
            return replace(own, body=PICTURE, headers={**own.headers, "Content-Type": "image/png"})
        self._number[received.method] += 1
        planted = self._ways[self._number[received.method] % len(self._ways)](self._key)
        self.planted.add(planted)
        return replace(own, body=json.dumps(_planted(content, planted)).encode())

    def _as_given(self, received: Received) -> Received:
        query = {name: self._note(value) for name, value in received.query.items()}
        if ECHO in query:
            self.came_back[query.pop(ECHO)] += 1
        return replace(received, path=self._note(received.path), query=query)

    def _note(self, text: str) -> str:
        """A text of a request without what was added to it."""
        for found in MARKED.findall(text):
            self.came_back[found.removeprefix("--echo").removesuffix("echo--")] += 1
        return MARKED.sub("", text)


def _planted(value: Any, planted: str) -> Any:
    if isinstance(value, list):
        return [_planted(one, planted) for one in value]
    if not isinstance(value, dict):
        return _linked(value, planted) if isinstance(value, str) else value
    fields: Mapping[str, Any] = {
        name: f"{one}--echo{planted}echo--" if name in IDS and isinstance(one, str) else _planted(one, planted)
        for name, one in value.items()
    }
    return {**fields, f"x{planted}": planted, "note": {"key": [planted, planted]}}


def _linked(text: str, planted: str) -> str:
    """A link with the key; JSON inside a text is another answer."""
    if text.startswith("{"):
        return json.dumps(_planted(json.loads(text), planted))
    if not text.startswith(("http://", "https://")):
        return text
    return f"{text}{'&' if '?' in text else '?'}{ECHO}={quote(planted, safe='')}"
