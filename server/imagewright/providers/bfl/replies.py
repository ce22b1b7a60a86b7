"""What the answers of Black Forest Labs mean. No I/O."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    OutOfCredit,
    ProviderError,
    ResultLost,
    TaskEnded,
    VendorUnavailable,
)
from imagewright.providers.base import Finished, Output, Running
from imagewright.providers.bfl.routes import NAME, USD_PER_CREDIT
from imagewright.providers.common.fields import decimal, error_words, mapping, seed, share, usd, words_in
from imagewright.providers.common.keys import KeyAccepted, with_credit
from imagewright.providers.http.classify import MEANING, sounds_moderated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.http.request import Reply

READY = "ready"
STAGES = {"pending": "queued", "reasoning": "reasoning", "generating": "generating"}
ENDS: Mapping[str, type[ProviderError]] = {
    "request moderated": ContentRefused,
    "content moderated": ContentRefused,
    "error": GenerationFailed,
    "failed": GenerationFailed,
}
"""Statuses that are final. Whether a refused or failed task is charged is not documented."""
WORDS = ("detail", "message", "error")
"""Fields with the vendor's words: a text, or a list of fields that were not accepted."""
NOT_FOUND = "task not found"
"""Also the answer for a task that is not visible yet; it may have been paid, so it is asked about again."""
KEY_STATUSES = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class Submitted(NamedTuple):
    """A task that was created."""

    id: str
    url: str
    """Where it is to be asked about; empty when the answer names no place."""
    credits: float | None
    """What it will cost; None when the answer does not say."""


def read_submitted(reply: Reply) -> Submitted | ProviderError | None:
    """The task that was created; None where the answer has no id, since a task may exist all the same."""
    content = mapping(reply.json)
    if reply.status < HTTPStatus.BAD_REQUEST:
        task, url = content.get("id"), content.get("polling_url")
        if not isinstance(task, str) or not task:
            return None
        return Submitted(task, url if isinstance(url, str) else "", decimal(content.get("cost")))
    text = error_words(content, *WORDS)
    kind = _by_words(reply.status, text) or MEANING.get(reply.status)
    if not text or kind is None:
        return None
    # no task exists: nothing has cost anything
    wait = decimal(content.get("retry_after"))
    return kind(NAME, text, charged=False, retry_after=None if wait is None or wait < 0 else wait)


def read_credits(reply: Reply) -> KeyAccepted | ProviderError | None:
    """What is left in the account."""
    content = mapping(reply.json)
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _poll_refusal(reply.status, error_words(content, *WORDS))
    return with_credit(content.get("credits"), per_unit=USD_PER_CREDIT)


def read_standing(reply: Reply, price: str | float | None) -> Running | Finished | TaskEnded | ProviderError | None:
    """How a task stands; an undocumented status counts as running.

    `price` is the cost in credits that the answer to the submit named, if it did.
    """
    content = mapping(reply.json)
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _poll_refusal(reply.status, error_words(content, *WORDS))
    status = content.get("status")
    if not isinstance(status, str):
        return None
    word = status.strip().lower()
    if word == READY:
        return _finished(mapping(content.get("result")), price)
    why = words_in(content.get("details"))
    words = f"{status}: {why}" if why else status
    if word in ENDS:
        return TaskEnded(ENDS[word](NAME, words, charged=None))
    if word == NOT_FOUND:
        return VendorUnavailable(NAME, words, charged=None)
    return Running(share(content.get("progress")), STAGES.get(word, "working"))


def _poll_refusal(status: int, words: str) -> ProviderError | None:
    """Why a task cannot be asked about, in the vendor's own words; None where the status says the same."""
    if _by_words(status, words) is OutOfCredit:
        return OutOfCredit(NAME, words, charged=None)
    return BadKey(NAME, words, charged=None) if words and status in KEY_STATUSES else None


def _finished(result: Mapping[str, Any], price: str | float | None) -> Finished | TaskEnded:
    url = result.get("sample")
    if not isinstance(url, str) or not url:
        return TaskEnded(ResultLost(NAME, "the task is done, but names no picture", charged=None), sure=False)
    output = Output(url=url, seed=seed(result.get("seed")))
    return Finished((output,), cost_usd=usd(price, per_unit=USD_PER_CREDIT))


def _by_words(status: int, text: str) -> type[ProviderError] | None:
    """What the words of a refusal say, where a status could stand for several things."""
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN) and "credit" in text.lower():
        return OutOfCredit
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY) and sounds_moderated(text):
        return ContentRefused
    return None
