"""What DashScope's answers mean. No I/O.

An empty account has the status 400 there, and a call without a picture can have 200. So the `code` is read before
the status. What is charged are pictures that came out.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RequestRejected,
    TaskEnded,
    VendorUnavailable,
)
from imagewright.providers.base import Finished, Output, Running
from imagewright.providers.common.fields import count, mapping, mappings, text_in
from imagewright.providers.common.keys import KeyAccepted
from imagewright.providers.dashscope.routes import NAME
from imagewright.providers.http.classify import by_status, cited, sounds_moderated
from imagewright.providers.http.request import Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.http.request import Reply

MEANINGS: tuple[tuple[str, type[ProviderError]], ...] = (
    ("DataInspection", ContentRefused),
    ("IPInfringementSuspect", ContentRefused),
    ("InvalidApiKey", BadKey),
    ("Arrearage", OutOfCredit),
    ("FreeTierOnly", OutOfCredit),  # the free quota is used up, and the account is set to use nothing else
    ("AccessDenied", ModelUnavailable),  # not activated, or not bought: AccessDenied.Unpurchased
    ("ModelNotFound", ModelUnavailable),
    ("Model.NotExist", ModelUnavailable),
    ("Throttling", RateLimited),
    ("InvalidParameter", RequestRejected),
    ("InvalidURL", RequestRejected),
    ("InternalError", VendorUnavailable),  # "failed model calls or processing errors do not incur fees"
)
"""By a part of the `code`; for all others the HTTP status decides. The quotation is from the maker's page on editing
images (docs.qwencloud.com/developer-guides/image-generation/image-editing)."""
OVER = frozenset({"FAILED", "CANCELED"})
GONE = "UNKNOWN"
NO_PICTURE = "its answer holds no picture"
TWO_REGIONS = (
    "Keys work in the region they were made in; IMAGEWRIGHT_DASHSCOPE_BASE_URL says which is asked: Singapore, or with "
    "https://dashscope.aliyuncs.com Beijing."
)


class Failure(NamedTuple):
    """What the vendor says about something that failed."""

    code: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in self if part)

    @property
    def meaning(self) -> type[ProviderError] | None:
        """The error it stands for; None for an undocumented code."""
        return next((kind for part, kind in MEANINGS if part in self.code), None)


def read_submitted(reply: Reply) -> Finished | ProviderError | None:
    """The pictures, or the failure it reports; None where pictures may exist and cannot be read."""
    content = mapping(reply.json)
    output = mapping(content.get("output"))
    failure = _failure_in(content)
    if reply.status >= HTTPStatus.BAD_REQUEST or (failure.code and not output):
        return _refusal(reply, failure)
    return _finished(content) if output else None


def read_task(reply: Reply) -> Running | Finished | TaskEnded | ProviderError | None:
    """How a task stands that an older release has begun. An undocumented status counts as running."""
    content = mapping(reply.json)
    output = mapping(content.get("output"))
    status = text_in(output, "task_status")
    if reply.status >= HTTPStatus.BAD_REQUEST or not status:
        failure = _failure_in(content)
        known = failure.meaning in (BadKey, OutOfCredit, RateLimited)
        # it says nothing about the task, which may have been charged
        return failure.meaning(NAME, str(failure), charged=None) if known and failure.meaning else None
    if status in OVER:
        return TaskEnded(_task_failure(output, status))
    if status == GONE:
        return VendorUnavailable(NAME, "the task is not known there, not yet or no longer", charged=None, spoken=False)
    if status != "SUCCEEDED":
        return Running(stage="generating" if status == "RUNNING" else "queued")
    items = list(mappings(output.get("results")))
    urls = [url for item in items if (url := text_in(item, "url"))]
    if urls:
        return Finished(tuple(Output(url=url) for url in urls))
    failure = next((one for one in map(_failure_in, items) if one.code), Failure("", ""))
    kind = failure.meaning or GenerationFailed
    # without a picture and without a reason, it may be a slip
    ended = kind(NAME, str(failure) or NO_PICTURE, charged=_charged(content), spoken=bool(failure.code))
    return TaskEnded(ended, sure=bool(failure.code))


def read_tasks(reply: Reply) -> KeyAccepted | ProviderError | None:
    """Whether the list of tasks was told, which takes a key that is known."""
    content = mapping(reply.json)
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _refusal(reply, _failure_in(content))
    listed = isinstance(content.get("data"), list) or count(content.get("total")) is not None
    return KeyAccepted() if listed else None


def _task_failure(output: Mapping[str, Any], status: str) -> ProviderError:
    """The failure of a task that was taken; nothing came out of it, so nothing is charged."""
    failure = _failure_in(output)
    kind = failure.meaning
    if kind is None or issubclass(kind, VendorUnavailable | RateLimited):
        kind = GenerationFailed
    words = str(failure) or f"the task has ended as {status}"
    return kind(NAME, words, charged=False, spoken=bool(str(failure)))


def _finished(content: Mapping[str, Any]) -> Finished | ProviderError:
    """The pictures; of several, some may be missing, with words in their place."""
    items = [
        part
        for choice in mappings(mapping(content.get("output")).get("choices"))
        for part in mappings(mapping(choice.get("message")).get("content"))
    ]
    urls = [url for item in items if (url := text_in(item, "image"))]
    words = " ".join(text_in(item, "text") for item in items).strip()
    if urls:
        notes = (f"{NAME} says besides: {cited(words)}.",) if words else ()
        return Finished(tuple(Output(url=url) for url in urls), notes=notes)
    kind = ContentRefused if sounds_moderated(words) else GenerationFailed
    return kind(NAME, words or NO_PICTURE, charged=_charged(content), spoken=bool(words))


def _refusal(reply: Reply, failure: Failure) -> ProviderError | None:
    """The failure of a call that was not taken; None for trouble on the way to the vendor."""
    kind = failure.meaning
    if kind is BadKey:
        return BadKey(NAME, str(failure), advice=f"{BadKey.advice} {TWO_REGIONS}")
    if kind is not None:
        return kind(NAME, str(failure), charged=False)
    if reply.status < HTTPStatus.BAD_REQUEST:
        return GenerationFailed(NAME, str(failure), charged=None)
    if not failure.code:
        return None
    judged = by_status(NAME, reply, Purpose.SUBMIT)
    return type(judged)(NAME, f"HTTP {reply.status} {failure}", charged=judged.charged)


def _charged(content: Mapping[str, Any]) -> bool | None:
    """Whether a call without a picture was charged; it counts the pictures it charges for."""
    usage = mapping(content.get("usage"))
    # by 3.0 in the first word, by the models before it in the second
    made = [count(usage.get(name)) for name in ("output_image_count", "image_count")]
    known = [number for number in made if number is not None]
    return any(known) if known else None


def _failure_in(content: Mapping[str, Any]) -> Failure:
    return Failure(text_in(content, "code"), text_in(content, "message").rstrip("."))
