"""What Replicate's answers mean. No I/O.

A prediction that failed is answered with status 200 or 201: the truth is its own `status`, and why it failed is only
in the words of `error`. A refusal is a `title` and a `detail`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
    TaskEnded,
)
from imagewright.providers.base import Finished, Output, Running
from imagewright.providers.common.fields import joined, mapping, text_in
from imagewright.providers.common.keys import KeyAccepted
from imagewright.providers.common.provider import Listed, Page, digest, read_time
from imagewright.providers.http.classify import MEANING, MINUTE, sounds_moderated, spoken_wait
from imagewright.providers.replicate.routes import NAME
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.http.request import Reply

SPOKEN = frozenset({400, 401, 402, 403, 404, 422, 429})
"""Statuses of refusals whose words are Replicate's own; any other is judged by its status alone."""
OVER = frozenset({"failed", "canceled", "aborted"})
STAGES = {"starting": "starting", "processing": "generating"}
REDUCED = re.compile(r"\b(\d{1,6}) requests per minute(?: with a burst of (\d{1,6}))?", re.IGNORECASE)
"""A refusal names the rate where it is lower than usual: that of an account that has little credit left."""
MODERATED = "(E005)"
"""The code some models give a refusal of content."""
BAD_INPUT = re.compile(r"^input validation error\b", re.IGNORECASE)
NO_MODEL = re.compile(
    r"\bmodel\b.{0,80}\b(?:does not exist|not found|deprecated|shut down|no longer)\b|\bmodel_not_found\b",
    re.IGNORECASE,
)
"""A model's own maker has switched it off."""
LINKS = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Prediction:
    """A prediction as it stands."""

    task: str
    """Its id."""
    get: str
    """Link to ask for it; empty when there is none."""
    cancel: str
    """Link to stop it; empty when there is none."""
    answer: Running | Finished | TaskEnded
    """How it stands."""


def read_created(reply: Reply) -> Prediction | ProviderError | None:
    """The prediction that was created; None where the answer has no id, since one may exist all the same."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _refusal(reply)
    return _prediction(mapping(reply.json))


def read_limits(reply: Reply) -> Pace | None:
    """The rate that a refusal names, as a window that takes no more than that many at once."""
    found = REDUCED.search(text_in(mapping(reply.json), "detail"))
    if found is None or not int(found[1]):
        return None
    calls = int(found[2] or found[1]) or 1
    return Pace(calls=calls, seconds=MINUTE * calls / int(found[1]))


def read_listed(reply: Reply) -> Page[Prediction] | ProviderError | None:
    """Recent predictions. One without its input or its time is left out, as it could not be recognised."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _refusal_of_poll(reply)
    body = mapping(reply.json)
    results = body.get("results")
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        return None
    calls = []
    for result in results:
        sent, made, inputs = read_time(result.get("created_at")), _prediction(result), result.get("input")
        if sent is not None and made is not None and isinstance(inputs, dict):
            calls.append(Listed(made.task, text_in(result, "model"), digest(inputs), sent, made))
    return Page(tuple(calls), text_in(body, "next"))


def read_prediction(reply: Reply) -> Running | Finished | TaskEnded | ProviderError | None:
    """How a prediction stands. An undocumented status counts as running."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _refusal_of_poll(reply)
    return _standing(mapping(reply.json))


def read_account(reply: Reply) -> KeyAccepted | ProviderError | None:
    """Whether the account of a key was told."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _refusal(reply)
    return KeyAccepted() if text_in(mapping(reply.json), "username") else None


def read_version(reply: Reply) -> str | ProviderError | None:
    """The id of a model's newest version."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return _refusal(reply)
    version = text_in(mapping(mapping(reply.json).get("latest_version")), "id")
    return version or ModelUnavailable(NAME, "the model has no version that can be run", spoken=False)


def read_uploaded(reply: Reply) -> str | ProviderError | None:
    """Replicate's address of an uploaded picture."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        failure = _refusal(reply)
        # an upload names no model: what is missing is the address
        return RequestRejected(NAME, failure.detail) if isinstance(failure, ModelUnavailable) else failure
    return text_in(mapping(mapping(reply.json).get("urls")), "get") or None


def read_cancelled(reply: Reply) -> bool:
    """Whether the prediction will stop."""
    return reply.status < HTTPStatus.MULTIPLE_CHOICES


def _prediction(body: Mapping[str, Any]) -> Prediction | None:
    task = text_in(body, "id")
    if not task:
        return None
    links = mapping(body.get("urls"))
    return Prediction(task, text_in(links, "get"), text_in(links, "cancel"), _standing(body) or Running())


def _standing(body: Mapping[str, Any]) -> Running | Finished | TaskEnded | None:
    status = body.get("status")
    if not isinstance(status, str):
        return None
    if status == "succeeded":
        return _finished(body.get("output"))
    if status in OVER:
        return TaskEnded(_failure(status, text_in(body, "error")))
    return Running(stage=STAGES.get(status, "working"))


def _finished(output: Any) -> Finished | TaskEnded:
    """The output is one link or a list of them, as the model has it."""
    entries = output if isinstance(output, list) else [output]
    urls = [entry for entry in entries if isinstance(entry, str) and entry.startswith(LINKS)]
    if not urls:
        # an hour after its end a prediction can still be read, but without what it made
        why = "the prediction has succeeded, but names no picture; they are kept for one hour"
        return TaskEnded(ResultLost(NAME, why), sure=False)
    missing = len(entries) - len(urls)
    notes = (f"replicate named no address for {missing} of {len(entries)} pictures.",) if missing else ()
    return Finished(tuple(Output(url=url) for url in urls), notes=notes)


def _failure(status: str, error: str) -> ProviderError:
    """Why a prediction failed; the vendor does not say whether its time was charged."""
    text = error or status
    if BAD_INPUT.search(error):
        return RequestRejected(NAME, text, charged=None)
    if NO_MODEL.search(error):
        return ModelUnavailable(NAME, text, charged=None)
    if MODERATED in error or sounds_moderated(error):
        return ContentRefused(NAME, text)
    return GenerationFailed(NAME, text)


def _refusal(reply: Reply) -> ProviderError | None:
    """Why nothing was started; None where the status says the same."""
    text = joined(mapping(reply.json), "title", "detail")
    if not text or reply.status not in SPOKEN:
        return None
    kind = MEANING[reply.status]
    if kind is RequestRejected and sounds_moderated(text):
        kind = ContentRefused
    if kind is RateLimited and "retry-after" not in reply.headers:
        return RateLimited(NAME, text, retry_after=spoken_wait(text))
    return kind(NAME, text, charged=False)


def _refusal_of_poll(reply: Reply) -> ProviderError | None:
    """Why a prediction cannot be asked about; None where the status says the same."""
    failure = _refusal(reply)
    if not isinstance(failure, (BadKey, OutOfCredit, RateLimited)):
        return None
    return type(failure)(NAME, failure.detail, charged=None, retry_after=failure.retry_after)
