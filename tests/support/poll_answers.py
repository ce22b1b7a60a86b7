"""What an answer to the question how a task stands can mean, and rows of such answers."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from tests.emulators.messages import Answer

LINK = "https://files.example/1.png"
LONG = "9" * 400
"""A number that no float can hold."""


class Means(StrEnum):
    """What an answer to a poll comes to."""

    ENDED = "the task is over, at once"
    DOUBTFUL = "the task is over, if it is said again"
    REPORTED = "trouble that is shown to the caller"
    PASSING = "trouble that passes by itself"
    RUNNING = "running"
    FINISHED = "finished"


ENDED, DOUBTFUL, REPORTED, PASSING, RUNNING, FINISHED = Means
Rows = dict[str, tuple[Answer, Means]]
"""Answers and what they mean, by a few words about them."""


def answered(status: int, content: Any) -> Answer:
    """An answer in JSON."""
    return Answer.of(content, status)


def raw(text: str) -> Answer:
    """A body that no JSON writer makes, or that is sent as it is."""
    return Answer(200, text.encode("utf-8"), {"Content-Type": "application/json"})


def bare(*statuses: int) -> Rows:
    """Answers of a status and nothing else: of a proxy, a firewall, a network's sign-in page."""
    passing = {404, 408, 409, 425, 429}
    return {f"{one}": (Answer(one), PASSING if one in passing or one >= 500 else REPORTED) for one in statuses}


ANYWHERE: Rows = bare(
    301, 302, 307, 400, 401, 402, 403, 404, 405, 407, 408, 409, 410, 418, 422, 425, 429, 451, 500, 502, 503, 504, 520
) | {
    "a page": (Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}), REPORTED),
    "a page that is refused": (Answer(403, b"<html>Blocked</html>", {"Content-Type": "text/html"}), REPORTED),
    "plain text": (Answer(200, b"come back later", {"Content-Type": "text/plain"}), REPORTED),
    "nothing": (Answer(200), REPORTED),
    "of another service": (answered(200, {"login": "https://portal.example/"}), REPORTED),
    "null": (raw("null"), REPORTED),
    "a list": (answered(200, []), REPORTED),
    "a number": (raw("Infinity"), REPORTED),
    "a long number": (raw(LONG * 20), REPORTED),
    "nested without end": (raw("[" * 100_000), REPORTED),
    "objects without end": (raw('{"data":' * 100_000), REPORTED),
    "no text at all": (Answer(200, b"\xff\xfe\x00", {"Content-Type": "application/json"}), REPORTED),
    "too large": (Answer(200, b" " * 16_000_001), REPORTED),
    "badly packed": (Answer(200, b"no gzip", {"Content-Encoding": "gzip"}), PASSING),
    "cut short": (Answer(200, b'{"status": "done"}', ending="truncate"), PASSING),
    "broken off": (Answer.reset(), PASSING),
    **{
        f"429, after {wait}": (Answer(429, b"", {"Retry-After": wait}), PASSING)
        for wait in ("86400", "9" * 30, "-5", "1e400", "NaN", "soon", "Wed, 21 Oct 2099 07:28:00 GMT")
    },
    "503, after a day": (Answer(503, b"", {"Retry-After": "86400"}), PASSING),
}
"""What can answer in any vendor's place."""
