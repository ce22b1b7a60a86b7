"""What DashScope's answers mean. No I/O.

An empty account has the status 400 there, and a call without a picture can have 200. So the `code` is read before
the status; a task that failed carries its own. What is charged are pictures that came out.
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
from imagewright.providers.base import Finished, Handle, Output, Running
from imagewright.providers.common.fields import mapping, mappings, text_in
from imagewright.providers.dashscope.routes import NAME
from imagewright.providers.http.classify import LONGEST, by_status, sounds_moderated
from imagewright.providers.http.request import Purpose
from imagewright.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imagewright.providers.http.request import Reply

MEANINGS: tuple[tuple[str, type[ProviderError]], ...] = (
    ("DataInspection", ContentRefused),
    ("IPInfringementSuspect", ContentRefused),
    ("InvalidApiKey", BadKey),
    ("Arrearage", OutOfCredit),
    ("AccessDenied", ModelUnavailable),  # not activated, or not bought: AccessDenied.Unpurchased
    ("ModelNotFound", ModelUnavailable),
    ("Model.NotExist", ModelUnavailable),
    ("Throttling", RateLimited),
    ("InvalidParameter", RequestRejected),
    ("InvalidURL", RequestRejected),
    ("InternalError", VendorUnavailable),
)
"""By a part of the `code`; for all others the HTTP status decides."""
OVER = frozenset({"FAILED", "CANCELED"})
GONE = "UNKNOWN"
NO_PICTURE = "its answer holds no picture"
STAGES = {"PENDING": "queued", "SUSPENDED": "waiting", "RUNNING": "generating"}
TWO_REGIONS = (
    "Keys work in the region they were made in; IMAGEWRIGHT_DASHSCOPE_BASE_URL says which is asked: Singapore, or with "
    "https://dashscope.aliyuncs.com Beijing."
)
MOST_QUOTED = 3
"""Different reasons that are quoted in one note."""


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


def read_submitted(reply: Reply) -> Finished | Handle | ProviderError | None:
    """The pictures, or the task they come from, as the vendor chose; None where either may exist and cannot be read."""
    content = mapping(reply.json)
    output = mapping(content.get("output"))
    failure = _failure_in(content)
    if reply.status >= HTTPStatus.BAD_REQUEST or (failure.code and not output):
        return _refusal(reply, failure)
    status, task = text_in(output, "task_status"), text_in(output, "task_id")
    if status in OVER:
        return _task_failure(output)
    if task and status != "SUCCEEDED":
        return Handle(NAME, {"task": task})
    return _finished(content) if output else None


def read_standing(reply: Reply) -> Running | Finished | TaskEnded | ProviderError | None:
    """How a task stands. An undocumented status counts as running."""
    content = mapping(reply.json)
    output = mapping(content.get("output"))
    status = text_in(output, "task_status")
    if reply.status >= HTTPStatus.BAD_REQUEST or not status:
        return _poll_refusal(_failure_in(content))
    if status == "SUCCEEDED":
        made = _finished(content)
        # without a picture and without a reason, it may be a slip
        return made if isinstance(made, Finished) else TaskEnded(made, sure=made.detail != NO_PICTURE)
    if status in OVER:
        return TaskEnded(_task_failure(output))
    if status == GONE:
        return VendorUnavailable(NAME, "the task is not known there, not yet or no longer", charged=None, spoken=False)
    return Running(stage=STAGES.get(status, "working"))


def read_cancelled(reply: Reply) -> bool:
    """Whether the task will stop; only one that waits in the queue can."""
    return reply.status < HTTPStatus.MULTIPLE_CHOICES and not text_in(mapping(reply.json), "code")


def _finished(content: Mapping[str, Any]) -> Finished | ProviderError:
    """The pictures, in whichever form they came; of several, some may be missing."""
    output = mapping(content.get("output"))
    items = list(_items(output))
    urls = [url for item in items if (url := text_in(item, "image") or text_in(item, "url"))]
    failures = [failure for item in items if (failure := _failure_in(item)).code]
    words = " ".join(text_in(item, "text") for item in items).strip()
    if urls:
        return Finished(tuple(Output(url=url) for url in urls), notes=tuple(_notes(failures, words)))
    charged = _charged(content)
    if failures:
        kind = next((one.meaning for one in failures if one.meaning), GenerationFailed)
        return kind(NAME, str(failures[0]), charged=charged)
    kind = ContentRefused if sounds_moderated(words) else GenerationFailed
    return kind(NAME, words or NO_PICTURE, charged=charged, spoken=bool(words))


def _items(output: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Everything that could be a picture: the parts of every choice's message, and a task's results."""
    for choice in mappings(output.get("choices")):
        yield from mappings(mapping(choice.get("message")).get("content"))
    yield from mappings(output.get("results"))


def _notes(failures: list[Failure], words: str) -> Iterator[str]:
    """What became of the other pictures, and the words that came in place of one."""
    if failures:
        message = list(dict.fromkeys(quoted(str(failure), LONGEST) for failure in failures))[:MOST_QUOTED]
        yield f"{NAME} did not deliver {len(failures)} of the pictures: {'; '.join(message)}."
    if words:
        yield f"{NAME} says besides: {quoted(words, LONGEST)}."


def _task_failure(output: Mapping[str, Any]) -> ProviderError:
    """The failure of a task that was taken; nothing came out of it, so nothing is charged."""
    failure = _failure_in(output)
    if text_in(output, "task_status") == "CANCELED":
        return GenerationFailed(NAME, str(failure) or "the task was cancelled", charged=False)
    kind = failure.meaning
    if kind is None or issubclass(kind, (VendorUnavailable, RateLimited)):
        kind = GenerationFailed
    return kind(NAME, str(failure), charged=False)


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


def _poll_refusal(failure: Failure) -> ProviderError | None:
    """Why the task cannot be asked about; it may have been charged."""
    kind = failure.meaning
    return kind(NAME, str(failure), charged=None) if kind in (BadKey, OutOfCredit, RateLimited) else None


def _charged(content: Mapping[str, Any]) -> bool | None:
    """Whether a call without a picture was charged; it counts the pictures it charges for."""
    count = mapping(content.get("usage")).get("image_count")
    return count > 0 if isinstance(count, int) else None


def _failure_in(content: Mapping[str, Any]) -> Failure:
    return Failure(text_in(content, "code"), text_in(content, "message").rstrip("."))
