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
