"""What the answers of BytePlus's and Volcengine's image service mean. No I/O.

A set can come back with some of its pictures refused, although the status is 200; and a status of 403 is an empty
account as often as a wrong key. So the codes are read before the status.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RequestRejected,
    ResultLost,
)
from imagewright.providers.ark.routes import NAME
from imagewright.providers.base import Finished
from imagewright.providers.common.fields import count, joined, mapping, mappings, picture_in, text_in
from imagewright.providers.common.keys import KeyAccepted
from imagewright.providers.http.classify import by_status, cited
from imagewright.providers.http.request import Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.providers.http.request import Reply

MEANINGS: tuple[tuple[str, type[ProviderError]], ...] = (
    ("SensitiveContentDetected", ContentRefused),
    ("AuthenticationError", BadKey),
    ("Overdue", OutOfCredit),  # AccountOverdueError, OperationDenied.ServiceOverdue
    ("ModelNotOpen", ModelUnavailable),
    ("RateLimitExceeded", RateLimited),  # also of pictures a minute: ModelAccountIpmRateLimitExceeded
    ("InflightBatchsizeExceeded", RateLimited),  # too many calls at work
    ("RequestBurstTooFast", RateLimited),
    ("ServerOverloaded", RateLimited),
    ("SetLimitExceeded", OutOfCredit),  # a limit that the user has set in the console
    ("QuotaExceeded", OutOfCredit),  # of a free trial, or of hours, a week or a month of a plan
    ("InvalidParameter", RequestRejected),
    ("InvalidImageURL", RequestRejected),
)
"""By a part of the `code`; for all others the HTTP status decides, also for `InternalServiceError`, of which it is not
said that nothing is charged. The codes are those of the table of error codes of
ModelArk and of Ark (docs.byteplus.com/en/docs/ModelArk/1299023)."""
MADE_FIRST = "Output"
"""How the codes begin that refuse a picture only after it was made."""
TWO_REGIONS = (
    "Keys of BytePlus and of Volcengine are not interchangeable; IMAGEWRIGHT_ARK_BASE_URL says which of them is asked."
)
MOST_QUOTED = 3
"""Different reasons that are quoted in one note."""


def read_images(reply: Reply) -> Finished | ProviderError | None:
    """The pictures of an answer, or the failure it reports."""
    content = reply.json
    if not isinstance(content, dict):
        return None
    items, error = content.get("data"), mapping(content.get("error"))
    listed = mappings(items)
    outputs = tuple(output for item in listed if (output := picture_in(item)))
    refused = [mapping(item["error"]) for item in listed if item.get("error")]
    if outputs:
        lost = len(listed) - len(outputs) - len(refused)
        return Finished(outputs, notes=_notes(refused, error, lost=lost))
    if error:
        return _failure(reply, error)
    if refused:
        return _none_made(refused, content)
    answered = reply.status < HTTPStatus.MULTIPLE_CHOICES and isinstance(items, list)
    return _no_picture(listed, content) if answered else None


def read_tasks(reply: Reply) -> KeyAccepted | ProviderError | None:
    """Whether the list of tasks was told, which takes a key that is known."""
    content = mapping(reply.json)
    if error := mapping(content.get("error")):
        return _failure(reply, error)
    listed = isinstance(content.get("items"), list) or count(content.get("total")) is not None
    return KeyAccepted() if reply.status < HTTPStatus.BAD_REQUEST and listed else None


def _notes(refused: Sequence[Mapping[str, Any]], error: Mapping[str, Any], *, lost: int) -> tuple[str, ...]:
    """What became of the other pictures of a set."""
    notes = [f"{NAME} says besides: {cited(_words(error))}."] if error else []
    if refused:
        words = list(dict.fromkeys(cited(_words(error)) for error in refused))[:MOST_QUOTED]
        notes.append(f"{NAME} did not deliver {len(refused)} of the pictures: {'; '.join(words)}.")
    if lost:
        notes.append(f"{NAME} sent {lost} of the pictures in a form that cannot be read.")
    return tuple(notes)


def _none_made(refused: Sequence[Mapping[str, Any]], content: Mapping[str, Any]) -> ProviderError:
    """The failure of a call whose every picture was refused."""
    kinds = [_meaning(text_in(error, "code")) for error in refused]
    kind = next((one for one in kinds if one is not None), GenerationFailed)
    return kind(NAME, _words(refused[0]), charged=_charged(content))


def _no_picture(listed: Sequence[Mapping[str, Any]], content: Mapping[str, Any]) -> ProviderError:
    """The failure of a call that names neither a picture nor a reason."""
    if not listed:
        return GenerationFailed(NAME, "its answer holds no picture", charged=_charged(content), spoken=False)
    return ResultLost(NAME, "its answer holds nothing that can be read as a picture", charged=_charged(content))


def _failure(reply: Reply, error: Mapping[str, Any]) -> ProviderError:
    """The failure of a whole call; it is not charged, unless a picture was made before it was refused."""
    kind = _meaning(text_in(error, "code"))
    words = _words(error)
    if kind is None:
        judged = by_status(NAME, reply, Purpose.SUBMIT)
        if reply.status < HTTPStatus.MULTIPLE_CHOICES:
            return GenerationFailed(NAME, words)
        return type(judged)(NAME, f"HTTP {reply.status} {words}", charged=judged.charged)
    if kind is BadKey:
        return BadKey(NAME, words, advice=f"{BadKey.advice} {TWO_REGIONS}")
    return kind(NAME, words, charged=None if text_in(error, "code").startswith(MADE_FIRST) else False)


def _meaning(code: str) -> type[ProviderError] | None:
    return next((kind for part, kind in MEANINGS if part in code), None)


def _charged(content: Mapping[str, Any]) -> bool | None:
    """Whether a call without a picture was charged: it is for the pictures that were made."""
    made = count(mapping(content.get("usage")).get("generated_images"))
    return None if made is None else made > 0


def _words(error: Mapping[str, Any]) -> str:
    return joined(error, "code", "message").rstrip(".")
