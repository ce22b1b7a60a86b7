"""What Ideogram's answers mean. No I/O."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from imagewright.errors import (
    ContentRefused,
    GenerationFailed,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RequestRejected,
    ResultLost,
)
from imagewright.providers.base import Finished, Output
from imagewright.providers.common.fields import error_words, mapping, mappings, seed, whole
from imagewright.providers.http.classify import MEANING, sounds_moderated
from imagewright.providers.ideogram.routes import NAME
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.http.request import Reply

REASONS: Mapping[str, type[ProviderError]] = {
    "insufficient_funds": OutOfCredit,
    "subscription_required": OutOfCredit,
    "daily_limit": OutOfCredit,
    "priority_credit_required": OutOfCredit,
    "inflight_limit": RateLimited,
}
"""What `reject_reason` says, in the answers that have one; it says more than the status."""


def read_made(reply: Reply) -> Finished | ProviderError | None:
    """The pictures that were made; None where the answer cannot be read and its HTTP status decides."""
    content = mapping(reply.json)
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _refusal(reply.status, content)
    made = content.get("data")
    if not isinstance(made, list):
        return None
    items = mappings(made)
    outputs = tuple(output for item in items if (output := _output(item)) is not None)
    unsafe = sum(item.get("is_image_safe") is False for item in items)
    if outputs:
        note = f"{NAME} kept back {unsafe} of {len(items)} pictures as unsafe, and charges for them all the same."
        return Finished(outputs, notes=(note,) if unsafe else ())
    if unsafe:
        return ContentRefused(NAME, "the result was kept back as unsafe", charged=True, spoken=False)
    if not items:
        return GenerationFailed(NAME, "its answer holds no picture", spoken=False)
    return ResultLost(NAME, "its answer names no picture", charged=None)


def read_limits(reply: Reply) -> Pace | None:
    """How many pictures may be in progress at once, where a refusal says so."""
    most = whole(mapping(reply.json).get("max_inflight_requests"))
    return Pace(running=most) if most is not None and most > 0 else None


def _output(item: Mapping[str, Any]) -> Output | None:
    url = item.get("url")
    if item.get("is_image_safe") is False or not isinstance(url, str) or not url:
        return None
    return Output(url=url, seed=seed(item.get("seed")))


def _refusal(status: int, content: Mapping[str, Any]) -> ProviderError | None:
    # a text, or a list of fields that were not accepted
    text = error_words(content, "error", "detail", "message")
    reason = content.get("reject_reason")
    kind = REASONS.get(reason) if isinstance(reason, str) else None
    if kind is None and text:
        kind = _by_words(status, text, content) or MEANING.get(status)
    if kind is None:
        return None
    # a refusal in place of pictures: none was made
    return kind(NAME, text or str(reason), charged=False)


def _by_words(status: int, text: str, content: Mapping[str, Any]) -> type[ProviderError] | None:
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        # documented for the safety checks alone; a list of fields, as many servers send with it, is something else
        return RequestRejected if isinstance(content.get("detail"), list) else ContentRefused
    return ContentRefused if status == HTTPStatus.BAD_REQUEST and sounds_moderated(text) else None
