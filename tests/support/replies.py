"""A vendor's answer as the functions that read answers get it, without a vendor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from imagewright.errors import TaskEnded
from imagewright.providers.base import Finished
from imagewright.providers.http.request import Reply, read_json

if TYPE_CHECKING:
    from imagewright.errors import ProviderError


def reply(content: Any, status: int = 200, **headers: str) -> Reply:
    """JSON, or bytes as they are; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = content if isinstance(content, bytes) else json.dumps(content).encode("utf-8")
    return Reply(status, named, body, read_json(body))


def ended(answer: object, *, sure: bool = True) -> ProviderError:
    """Why an answer to a poll says that the task itself is over.

    Args:
        answer: what was read, or raised.
        sure: whether it must be believed at once.
    """
    assert isinstance(answer, TaskEnded)
    assert answer.sure is sure
    return answer.error


def finished(answer: object) -> Finished:
    """An answer that was read as finished pictures."""
    assert isinstance(answer, Finished)
    return answer
