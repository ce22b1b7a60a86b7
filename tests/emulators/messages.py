"""What comes to an emulator and what goes back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from threading import Event


@dataclass(frozen=True)
class Part:
    """One part of a multipart form."""

    name: str
    filename: str
    mime: str
    data: bytes


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    host: str
    """Which of the vendor's hosts it came to."""
    method: str
    path: str
    """Decoded, without query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    label: str = ""
    """The door that took it; empty when none did."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """The named groups of the door's pattern."""

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def parts(self) -> list[Part]:
        """The parts of a multipart form; none when it is not one."""
        matched = re.fullmatch(r'multipart/form-data;\s*boundary="?([^";]+)"?', self.headers.get("content-type", ""))
        if matched is None:
            return []
        pieces = (b"\r\n" + self.body).split(b"\r\n--" + matched[1].encode("ascii"))[1:-1]
        return [_part(piece) for piece in pieces]

    def header_values(self) -> str:
        """All header values in one text, to search for what must not be there."""
        return "\n".join(self.headers.values())


def _part(piece: bytes) -> Part:
    head, _, data = piece.partition(b"\r\n\r\n")
    text = head.decode("utf-8")
    found = dict(re.findall(r'\b(name|filename)="([^"]*)"', text))
    mime = re.search(r"(?im)^content-type:\s*(\S+)", text)
    return Part(found.get("name", ""), found.get("filename", ""), mime[1] if mime else "", data)


Ending = Literal["whole", "reset", "truncate", "stall", "hang"]


@dataclass(frozen=True)
class Answer:
    """What is sent back, and how the connection ends."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    ending: Ending = "whole"
    """`whole`; `reset` breaks the connection without an answer; `truncate` promises the whole body and sends half of
    it; `stall` does so too, and then says nothing; `hang` says nothing at all until the emulator closes."""
    seconds: float = 0.0
    """How long it takes to come."""
    piece: int = 0
    """Bytes of each piece it is sent in; 0 for all at once."""
    pause: float = 0.0
    """Seconds before each piece of its body but the first."""
    until: Event | None = None
    """What must be set before it comes; None for nothing."""

    @classmethod
    def of(cls, content: Any, status: int = 200, **headers: str) -> Answer:
        """A JSON answer; underscores in header names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, json.dumps(content).encode("utf-8"), {"Content-Type": "application/json", **named})

    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)

    @classmethod
    def reset(cls) -> Answer:
        """The connection breaks."""
        return cls(ending="reset")

    @classmethod
    def hang(cls) -> Answer:
        """Nothing comes, ever."""
        return cls(ending="hang")


class Refused(Exception):
    """Raised by a door's work to answer at once."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


Fault = Answer | Callable[[Answer], Answer]
"""An answer, or how the door's own answer is spoilt."""


def truncated(answer: Answer) -> Answer:
    """A spoiler: half of the body, although the whole was promised."""
    return replace(answer, ending="truncate")
