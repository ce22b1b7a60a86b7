"""What Kie's answers mean. No I/O.

Kie answers HTTP 200 even to refusals: the truth is the `code` inside. The same code means different things when a
task is created, when it is asked about, and inside a task that failed, so one table has a column for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
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
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.base import Finished, Output, Running
from imagewright.providers.common.fields import error_words, mapping, share, text_in, usd, whole, words_in
from imagewright.providers.common.keys import KeyAccepted, with_credit
from imagewright.providers.http.classify import sounds_moderated
from imagewright.providers.http.request import read_json
from imagewright.providers.kie.route import NAME, USD_PER_CREDIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.http.request import Reply

OK = 200
Failure = type[ProviderError]


class Meaning(NamedTuple):
    """What one code stands for, by where it appears."""

    create: Failure
    """In the answer to a create or an upload: no task exists, but for `UnknownOutcome` and `BEGUN`."""
    poll: Failure
    """In the answer to a question about a task: the question failed, and the task goes on, but for `DOUBTFUL_ENDS`."""
    task: Failure
    """As the reason of a task that failed."""


CODES: Mapping[int, Meaning] = {
    400: Meaning(RequestRejected, RequestRejected, RequestRejected),
    401: Meaning(BadKey, BadKey, BadKey),
    402: Meaning(OutOfCredit, OutOfCredit, OutOfCredit),
    403: Meaning(BadKey, BadKey, BadKey),  # keys can be bound to addresses and spending limits
    404: Meaning(ModelUnavailable, VendorUnavailable, ModelUnavailable),  # a fresh task is not found for seconds
    408: Meaning(GenerationFailed, GenerationFailed, GenerationFailed),  # nothing came for more than ten minutes
    422: Meaning(RequestRejected, VendorUnavailable, RequestRejected),  # "recordInfo is null": not visible yet
    429: Meaning(RateLimited, RateLimited, GenerationFailed),
    433: Meaning(OutOfCredit, OutOfCredit, GenerationFailed),  # the key has a limit by hour, by day or in all
    451: Meaning(VendorUnavailable, VendorUnavailable, GenerationFailed),  # could not fetch the input picture
    455: Meaning(VendorUnavailable, VendorUnavailable, GenerationFailed),  # maintenance
    500: Meaning(UnknownOutcome, VendorUnavailable, GenerationFailed),
    501: Meaning(GenerationFailed, GenerationFailed, GenerationFailed),
    503: Meaning(VendorUnavailable, VendorUnavailable, GenerationFailed),
    505: Meaning(ModelUnavailable, ModelUnavailable, ModelUnavailable),  # feature switched off
    550: Meaning(RateLimited, VendorUnavailable, GenerationFailed),  # queue full
}
"""The codes that Kie documents, and what they mean. Its documentation calls 500 "an unexpected error while processing
the request", and does not say that nothing was begun or charged then: so it is never sent again."""
BEGUN = frozenset({408, 501})
"""In the answer to a create, these speak of work that was begun: it may have been charged."""
UNKNOWN_CODE = Meaning(ProviderError, VendorUnavailable, GenerationFailed)
DOUBTFUL_ENDS = frozenset({408, 501, 505})
"""In the answer to a question about a task these may speak of the task, although its own state does not stand there."""

LIMIT_OF_KEY = 433
KEY_LIMIT = "This key's own limit at Kie is used up: raise it at kie.ai/api-key, or use another key."
PAUSED = ("temporarily paused",)
NO_MODEL = ("model name", "not supported")
BAD_FIELD = ("range of allowed options", "field is required", "exceeds maximum", "invalid image format")
SPEAKING = frozenset({400, 422, 500, 501})
"""Codes that stand for several things; for these the words decide first."""
GPT4O_MODERATION = 400
"""In a task of the former 4o interface this code means that the content was refused, unless the words name a field."""

STAGES = {"waiting": "waiting", "queuing": "queued", "generating": "generating"}


@dataclass(frozen=True, slots=True)
class Envelope:
    """The outer form of every answer."""

    code: int | None
    """The true status; None when the body is not of this form."""
    message: str
    """Kie's words."""
    data: Mapping[str, Any]


def open_envelope(reply: Reply) -> Envelope:
    """The outer form; `msg` and `message` are both in use."""
    content = mapping(reply.json)
    return Envelope(whole(content.get("code")), error_words(content, "msg", "message"), mapping(content.get("data")))


def read_created(reply: Reply) -> str | ProviderError | None:
    """The id of the task that was created; None where the answer has none, since a task may exist all the same."""
    envelope = open_envelope(reply)
    if envelope.code is None:
        return None
    if envelope.code != OK:
        return _create_failure(envelope.code, envelope.message)
    return text_in(envelope.data, "taskId", "task_id") or None


def read_credit(reply: Reply) -> KeyAccepted | ProviderError | None:
    """What is left in the account."""
    envelope = open_envelope(reply)
    if envelope.code is None:
        return None
    if envelope.code != OK:
        kind = CODES.get(envelope.code, UNKNOWN_CODE).poll
        return kind(NAME, envelope.message or f"code {envelope.code}", charged=False)
    return with_credit(mapping(reply.json).get("data"), per_unit=USD_PER_CREDIT)


def read_uploaded(reply: Reply) -> str | ProviderError | None:
    """Kie's address of an uploaded picture."""
    envelope = open_envelope(reply)
    if envelope.code is None:
        return None
    if envelope.code != OK:
        failure = _create_failure(envelope.code, envelope.message)
        if isinstance(failure, ModelUnavailable):  # an upload names no model: what is missing is the address
            return RequestRejected(NAME, failure.detail)
        # it is free of charge, so nothing is at stake
        return VendorUnavailable(NAME, failure.detail) if isinstance(failure, UnknownOutcome) else failure
    return text_in(envelope.data, "downloadUrl", "download_url") or None


def read_market(reply: Reply) -> Running | Finished | TaskEnded | ProviderError | None:
    """How a market task stands. An undocumented state counts as running."""
    envelope = open_envelope(reply)
    if envelope.code is None:
        return None
    if trouble := _poll_failure(envelope.code, envelope):
        return trouble
    data = envelope.data
    state = data.get("state")
    if state == "success":
        return _finished(_urls(_decoded(data.get("resultJson"))), data)
    if state == "fail":
        return TaskEnded(_task_failure(data.get("failCode"), data.get("failMsg"), data))
    return Running(stage=STAGES.get(str(state), "working"))


def read_flux_kontext(
    reply: Reply, moderation: int | None = None
) -> Running | Finished | TaskEnded | ProviderError | None:
    """How a task of FLUX Kontext stands, or of the former 4o interface.

    Its `successFlag` is 0 at work, 1 done, 2 not created, 3 failed; anything else counts as at work. `moderation` is
    the code of a task whose content was refused, where there is one for that alone.
    """
    envelope = open_envelope(reply)
    if envelope.code is None:
        return None
    if trouble := _poll_failure(envelope.code, envelope):
        return trouble
    data = envelope.data
    flag = whole(data.get("successFlag"))
    if flag == 1:
        return _finished(_urls(_decoded(data.get("response"))), data)
    if flag in (2, 3):
        return TaskEnded(_task_failure(data.get("errorCode"), data.get("errorMessage"), data, moderation))
    return Running(share(data.get("progress")), "generating")


read_gpt4o = partial(read_flux_kontext, moderation=GPT4O_MODERATION)
"""For jobs of an older release that are still running: no model is called through that interface any more."""


def _poll_failure(code: int, envelope: Envelope) -> TaskEnded | ProviderError | None:
    """Why an answer does not say how the task stands. The task may have been paid for nevertheless."""
    if code == OK:
        if envelope.data:
            return None
        return VendorUnavailable(NAME, "the task is not visible yet", charged=None, spoken=False)
    kind, words = CODES.get(code, UNKNOWN_CODE).poll, envelope.message or f"code {code}"
    if code in DOUBTFUL_ENDS:
        return TaskEnded(_by_words(code, envelope.message, kind)(NAME, words, charged=None), sure=False)
    return kind(NAME, words, charged=None)


def _create_failure(code: int, message: str) -> ProviderError:
    """The failure of a create or an upload: nothing was started, unless the code is unknown or says otherwise."""
    usual = CODES.get(code, UNKNOWN_CODE).create
    kind = _by_words(code, message, usual)
    open_end = code not in CODES or (kind is usual and (kind is UnknownOutcome or code in BEGUN))
    advice = KEY_LIMIT if code == LIMIT_OF_KEY else ""
    return kind(NAME, message or f"code {code}", charged=None if open_end else False, advice=advice)


def _task_failure(code: Any, message: Any, data: Mapping[str, Any], moderation: int | None = None) -> ProviderError:
    """The failure of a task, with what `creditsConsumed` says about the money."""
    number = whole(code)
    words = words_in(message)
    kind = CODES.get(number or 0, UNKNOWN_CODE).task
    if number is not None and number == moderation:
        kind = ContentRefused
    spent = usd(data.get("creditsConsumed"), per_unit=USD_PER_CREDIT)
    failure = _by_words(number, words, kind)
    return failure(
        NAME,
        words or (f"code {code}" if code else ""),
        charged=None if spent is None else spent > 0,
    )


def _by_words(code: int | None, message: str, usual: Failure) -> Failure:
    """What the words of an error mean, where its code can mean several things."""
    if code in CODES and code not in SPEAKING:
        return usual
    words = message.lower()
    if any(hint in words for hint in PAUSED) or all(hint in words for hint in NO_MODEL):
        return ModelUnavailable
    if any(hint in words for hint in BAD_FIELD):
        return RequestRejected
    return ContentRefused if sounds_moderated(message) else usual


def _finished(urls: tuple[str, ...], data: Mapping[str, Any]) -> Finished | TaskEnded:
    spent = usd(data.get("creditsConsumed"), per_unit=USD_PER_CREDIT)
    if urls:
        return Finished(tuple(Output(url=url) for url in urls), cost_usd=spent)
    charged = None if spent is None else spent > 0
    return TaskEnded(ResultLost(NAME, "the task is done, but names no picture", charged=charged), sure=False)


def _urls(result: Mapping[str, Any]) -> tuple[str, ...]:
    for name in ("resultUrls", "result_urls", "resultImageUrl", "result_image_url"):
        found = result.get(name)
        if isinstance(found, str) and found:
            return (found,)
        if isinstance(found, list) and (urls := tuple(url for url in found if isinstance(url, str) and url)):
            return urls
    return ()


def _decoded(value: Any) -> Mapping[str, Any]:
    """An object that may be written as JSON inside a text."""
    return mapping(read_json(value) if isinstance(value, str) else value)
