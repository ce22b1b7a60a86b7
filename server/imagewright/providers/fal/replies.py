"""What fal's answers mean. No I/O.

`COMPLETED` is not success: the model's own error is in the place of the result, mostly with status 422. And 403 is
more often an empty account than a bad key. So the body is read before the status; `detail` is a list of problems with a
`type` each, or a sentence, and the platform's own failures carry an `error_type`.
"""

from __future__ import annotations

import re
from enum import Enum
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
    ResultLost,
    TaskEnded,
    VendorUnavailable,
)
from imagewright.providers.base import Finished, Output, Running
from imagewright.providers.common.fields import mapping, mappings, seed, text_in, words_in
from imagewright.providers.common.keys import KeyAccepted
from imagewright.providers.common.provider import Listed, Page, digest, read_time
from imagewright.providers.fal.route import NAME
from imagewright.providers.http.classify import MEANING, sounds_moderated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.http.request import Reply


class Done(Enum):
    """A task is over; how it ended is where its result is."""

    DONE = "done"


PLACES = frozenset({"images", "image"})
"""Where a result has its pictures; an answer with neither is not a result of a task."""


class Submitted(NamedTuple):
    """Where to ask for a task that was submitted; links are empty where fal gave none."""

    task: str
    status: str
    response: str
    cancel: str


class Meaning(NamedTuple):
    """What a word of fal's stands for."""

    error: type[ProviderError]
    charged: bool | None


FAILED = Meaning(GenerationFailed, charged=False)
"""Answers of 5xx are not charged."""
WORKED = Meaning(GenerationFailed, charged=None)
"""Others are where work was done."""
PROBLEMS: Mapping[str, Meaning] = {
    "content_policy_violation": Meaning(ContentRefused, charged=None),
    "no_media_generated": WORKED,
    "downstream_service_error": WORKED,
    "internal_server_error": FAILED,
    "generation_timeout": FAILED,
    "downstream_service_unavailable": FAILED,
}
"""By the `type` of a problem, the weightiest first. Any other type is about a field that was sent."""
INPUT = Meaning(RequestRejected, charged=False)
PLATFORM: Mapping[str, Meaning] = {
    "request_timeout": FAILED,
    "startup_timeout": FAILED,
    "runner_scheduling_failure": FAILED,
    "runner_connection_timeout": FAILED,
    "runner_disconnected": FAILED,
    "runner_connection_refused": FAILED,
    "runner_connection_error": FAILED,
    "runner_incomplete_response": FAILED,
    "runner_server_error": FAILED,
    "internal_error": FAILED,
    "client_disconnected": WORKED,
    "client_cancelled": WORKED,
    "bad_request": INPUT,
}
"""By `error_type`: the platform gave up, not the model."""
NO_MONEY = re.compile(r"\bbalance\b|\btop up\b|\bbilling\b|\bcredits?\b|\buser is locked\W*$", re.IGNORECASE)
NO_PATH = re.compile(r"^Path (?!\S*/requests/)/\S* not found")
"""The result of a task whose endpoint is not there, or not under that owner: the queue takes such a task. A path with
`/requests/` is that of the question."""
CANCEL_TAKEN = frozenset({"OK", "CANCELLATION_REQUESTED"})
SPOKEN = frozenset({400, 401, 403, 422, 429})
"""Statuses of refusals whose words are fal's own; any other is judged by its status alone."""
MOST_PROBLEMS = 3
"""Problems that are quoted."""


def read_submitted(reply: Reply) -> Submitted | ProviderError | None:
    """Where to ask for the task; None where the answer has no id, since a task may exist all the same."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        # a 5xx says nothing about whether the task was taken
        return None if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR else _refusal(reply)
    body = mapping(reply.json)
    task = body.get("request_id")
    if not isinstance(task, str) or not task:
        return None
    links = (text_in(body, name) for name in ("status_url", "response_url", "cancel_url"))
    return Submitted(task, *links)


def read_status(reply: Reply) -> Running | Done | TaskEnded | ProviderError | None:
    """How a task stands. An undocumented status counts as running."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _poll_refusal(reply)
    body = mapping(reply.json)
    if not isinstance(body.get("status"), str):
        return None
    if body["status"] == "COMPLETED":
        meaning = PLATFORM.get(text_in(body, "error_type"))
        if meaning is not None:
            return TaskEnded(meaning.error(NAME, _words(body), charged=meaning.charged))
        return Done.DONE
    if body["status"] == "IN_QUEUE":
        return Running(stage="queued")
    return Running(stage="generating")


def read_result(reply: Reply) -> Finished | Running | TaskEnded | ProviderError | None:
    """The pictures of a task that is over, or why there are none."""
    body = mapping(reply.json)
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _task_failure(reply, body)
    if body.get("status") in ("IN_QUEUE", "IN_PROGRESS"):
        return Running(stage="generating")
    return _finished(body) if PLACES & body.keys() else None


def read_listed(reply: Reply) -> Page[None] | ProviderError | None:
    """Ended calls of an endpoint. A call without its input or its time is left out, as it could not be recognised."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _poll_refusal(reply)
    body = mapping(reply.json)
    items = body.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    calls = []
    for item in items:
        sent, task, inputs = read_time(item.get("sent_at")), text_in(item, "request_id"), item.get("json_input")
        if sent is not None and task and isinstance(inputs, dict):
            calls.append(Listed(task, text_in(item, "endpoint_id"), digest(inputs), sent, None))
    return Page(tuple(calls), text_in(body, "next_cursor") if body.get("has_more") is True else "")


def read_prices(reply: Reply) -> KeyAccepted | ProviderError | None:
    """Whether the price of an endpoint was told, which takes a key that is known."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _poll_refusal(reply)
    return KeyAccepted() if isinstance(mapping(reply.json).get("prices"), list) else None


def read_uploaded(reply: Reply) -> Mapping[str, str] | ProviderError | None:
    """The two addresses of a file to be uploaded: `upload_url` takes it, `file_url` is where it can be read."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _refusal(reply, uploading=True)
    body = mapping(reply.json)
    links = {name: text_in(body, name) for name in ("upload_url", "file_url")}
    return links if all(links.values()) else None


def read_put(reply: Reply) -> bool | ProviderError | None:
    """Whether an uploaded file was accepted. The address came from fal, so a refusal does not mean a wrong key."""
    if HTTPStatus.BAD_REQUEST <= reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return RequestRejected(NAME, f"a picture could not be uploaded (HTTP {reply.status})", spoken=False)
    return True if reply.status < HTTPStatus.MULTIPLE_CHOICES else None


def read_cancelled(reply: Reply) -> bool:
    """Whether the task will stop; one that is over cannot."""
    status = mapping(reply.json).get("status")
    return reply.status < HTTPStatus.MULTIPLE_CHOICES if status is None else str(status) in CANCEL_TAKEN


def _finished(body: Mapping[str, Any]) -> Finished | TaskEnded:
    """Utilities return one `image`, generators a list of `images`."""
    listed = body.get("images")
    entries = listed if isinstance(listed, list) else [body.get("image")]
    urls = [entry if isinstance(entry, str) else text_in(mapping(entry), "url") for entry in entries]
    known = seed(body.get("seed"))
    outputs = tuple(Output(url=url, seed=known) for url in urls if url)
    if not outputs:
        if words := text_in(body, "description"):
            return TaskEnded(GenerationFailed(NAME, words))
        return TaskEnded(ResultLost(NAME, "the task is done, but names no picture", charged=None), sure=False)
    return Finished(outputs, notes=tuple(_doubts(body, urls)))


def _doubts(body: Mapping[str, Any], urls: list[str]) -> list[str]:
    notes = []
    if missing := urls.count(""):
        notes.append(f"fal named no address for {missing} of {len(urls)} pictures.")
    flags = body.get("has_nsfw_concepts")
    marked = [str(place) for place, flag in enumerate(flags, 1) if flag is True] if isinstance(flags, list) else []
    if marked:
        # it is not certain that such a picture is black, and it is paid: it is kept
        notes.append(f"fal marks picture {', '.join(marked)} as not safe and may have made it black: look at it.")
    return notes


def _task_failure(reply: Reply, body: Mapping[str, Any]) -> TaskEnded | ProviderError | None:
    """Why a finished task has no result or cannot be read; None where the status says the same."""
    words = _words(body)
    if (problem := _problem_meaning(body)) is not None:
        return TaskEnded(problem.error(NAME, words, charged=problem.charged))
    # the platform's words and a mere sentence may be about the task or about this question: not believed at once
    error_type = text_in(body, "error_type") or reply.headers.get("x-fal-error-type", "")
    if (gave_up := PLATFORM.get(error_type)) is not None:
        return TaskEnded(gave_up.error(NAME, words, charged=gave_up.charged), sure=False)
    if reply.status == HTTPStatus.NOT_FOUND and NO_PATH.match(words):
        return TaskEnded(ModelUnavailable(NAME, words, charged=None), sure=False)
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # a gateway answers so too; with a request id it was the model
        own = "x-fal-request-id" in reply.headers and bool(body)
        return TaskEnded(GenerationFailed(NAME, words, charged=False), sure=False) if own else None
    if words and reply.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
        kind = ContentRefused if sounds_moderated(words) else RequestRejected
        return TaskEnded(kind(NAME, words, charged=None), sure=False)
    return _poll_refusal(reply)


def _poll_refusal(reply: Reply) -> ProviderError | None:
    """Why a task cannot be asked about, in fal's own words; None where the status says the same."""
    text = _words(mapping(reply.json))
    if not text:
        return None
    if reply.status == HTTPStatus.FORBIDDEN and NO_MONEY.search(text):
        return OutOfCredit(NAME, text, charged=None)
    if reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return BadKey(NAME, text, charged=None)
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(NAME, text, charged=None)
    return None


def _refusal(reply: Reply, *, uploading: bool = False) -> ProviderError | None:
    """Why nothing was started; None where the status says the same."""
    body = mapping(reply.json)
    text = _words(body)
    if reply.status == HTTPStatus.FORBIDDEN and NO_MONEY.search(text):
        return OutOfCredit(NAME, text)
    if reply.status == HTTPStatus.CONFLICT:
        return VendorUnavailable(NAME, text)
    if meaning := _problem_meaning(body):
        return meaning.error(NAME, text, charged=False)
    if not text or reply.status not in SPOKEN:
        return None
    kind = MEANING[reply.status]
    if kind is RequestRejected and not uploading and sounds_moderated(text):
        kind = ContentRefused
    return kind(NAME, text, charged=False)


def _problem_meaning(body: Mapping[str, Any]) -> Meaning | None:
    """What a list of problems comes to; None when there is none."""
    kinds = [str(one.get("type") or "") for one in mappings(body.get("detail"))]
    if not kinds:
        return None
    return next((meaning for name, meaning in PROBLEMS.items() if name in kinds), INPUT)


def _words(body: Mapping[str, Any]) -> str:
    """The vendor's words: each problem with the field it is about, or one sentence."""
    problems = mappings(body.get("detail"))
    if not problems:
        error = body.get("error")
        words = text_in(error, "message") if isinstance(error, dict) else words_in(error)
        return words_in(body.get("detail")) or words or text_in(body, "error_type")
    return "; ".join(_sentence(one) for one in problems[:MOST_PROBLEMS])


def _sentence(problem: Mapping[str, Any]) -> str:
    place = problem.get("loc")
    where = [str(part) for part in place if part != "body"] if isinstance(place, list) else []
    words = words_in(problem.get("msg")) or words_in(problem.get("type"))
    limits = problem.get("ctx")
    known = [f"{name} {words_in(value)}" for name, value in limits.items()] if isinstance(limits, dict) else []
    hint = f" ({', '.join(known)})" if known else ""
    return f"{'.'.join(where)}: {words}{hint}" if where else f"{words}{hint}"
