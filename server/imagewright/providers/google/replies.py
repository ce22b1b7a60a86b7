"""What Gemini's answers mean. No I/O.

Gemini answers HTTP 200 to prompts it blocks and without a picture where it refuses, and HTTP 400 to a wrong key: the
body is read before the status.
"""

from __future__ import annotations

import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    ResultLost,
)
from imagewright.providers.base import Finished, Output
from imagewright.providers.common.fields import decimal, mapping, mappings, read_base64, text_in, words_in
from imagewright.providers.common.keys import KeyAccepted
from imagewright.providers.google.routes import NAME
from imagewright.providers.http.classify import MINUTE, by_status, cited, spoken_wait
from imagewright.providers.http.request import Purpose
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imagewright.providers.http.request import Reply

REFUSALS: Mapping[str, str] = {
    "SAFETY": "the picture broke its safety rules",
    "IMAGE_SAFETY": "the picture broke its safety rules",
    "PROHIBITED_CONTENT": "the content is prohibited there",
    "IMAGE_PROHIBITED_CONTENT": "the content is prohibited there",
    "BLOCKLIST": "a word is on its list of blocked words",
    "RECITATION": "the result is too close to a known work",
    "IMAGE_RECITATION": "the result is too close to a known work",
    "SPII": "the content holds personal data",
}
"""Reasons for which a call ends without a picture that are about its content; any other is a failure to make one."""
REASONS: Mapping[str, type[ProviderError]] = {"API_KEY_INVALID": BadKey}
"""By the `reason` in the details of an error."""
STATUSES: Mapping[str, type[ProviderError]] = {"FAILED_PRECONDITION": ModelUnavailable}
"""By the `status` of an error: the account's region is not served. All others are what their HTTP status says."""
FOR_THE_DAY = "perday"
"""In the id of a quota that does not clear before tomorrow; waiting seconds or minutes does not help."""
NOTHING = re.compile(r"\blimit: 0\b")
"""In the words about a quota: the account's plan has none of it, so waiting does not help."""
A_MINUTE = re.compile(r"GenerateRequestsPerMinute\w*(?:-\w+)?")
COUNT = re.compile(r"[1-9]\d{0,8}")
DELAY = re.compile(r"(\d+(?:\.\d+)?)s")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
"""What a moment such as `2027-03-15T00:00:00Z` begins with."""
SHOWN_WORDS = 200
"""Characters that are shown of the words a model wrote instead of making a picture."""


def read_content(reply: Reply) -> Finished | ProviderError | None:
    """The picture of an answer, or the failure it reports."""
    content = reply.json
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("error"), dict):
        return _failure(reply, content["error"])
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return None
    candidates = mappings(content.get("candidates"))
    if not candidates:
        return _blocked(content.get("promptFeedback"))
    answer = _read_candidate(candidates[0])
    ends = DAY.match(text_in(mapping(content.get("modelStatus")), "retirementTime"))
    if ends is None or not isinstance(answer, Finished):
        return answer
    model = cited(text_in(content, "modelVersion"))
    return replace(answer, notes=(f"{NAME} says that it ends {model} on {ends[0]}.",))


def read_models(reply: Reply) -> KeyAccepted | ProviderError | None:
    """Whether the list of models was told, which takes a key that is known."""
    content = mapping(reply.json)
    if isinstance(content.get("error"), dict):
        return _failure(reply, content["error"], Purpose.OTHER)
    listed = reply.status < HTTPStatus.BAD_REQUEST and isinstance(content.get("models"), list)
    return KeyAccepted() if listed else None


def _read_candidate(candidate: Mapping[str, Any]) -> Finished | ProviderError:
    parts = mappings(mapping(candidate.get("content")).get("parts"))
    # interim pictures of a model that thinks in pictures come first and are flagged
    final = [part for part in parts if not part.get("thought")]
    blobs = [blob for part in final if isinstance(blob := part.get("inlineData") or part.get("inline_data"), dict)]
    if not blobs:
        return _no_picture(candidate, " ".join(words_in(part.get("text")) for part in final).strip())
    data = read_base64(blobs[-1].get("data"))
    if data is None:
        return ResultLost(NAME, "its answer holds nothing that can be read as a picture")
    return Finished((Output(data=data),))


def _no_picture(candidate: Mapping[str, Any], words: str) -> ProviderError:
    """A call that ended without a picture; whether it is paid for is not published."""
    reason = str(candidate.get("finishReason") or "")
    message = words_in(candidate.get("finishMessage")) or words[:SHOWN_WORDS]
    if reason in REFUSALS:
        return ContentRefused(NAME, f"{REFUSALS[reason]} ({reason})" + (f": {message}" if message else ""))
    reported = f"it answered in words: {message}" if message else "its answer holds no picture"
    return GenerationFailed(
        NAME, reported if reason in {"", "STOP"} else f"{reported} ({reason})", spoken=bool(message)
    )


def _blocked(feedback: Any) -> ProviderError | None:
    if not isinstance(feedback, dict) or not feedback.get("blockReason"):
        return None
    message = words_in(feedback.get("blockReasonMessage"))
    why = f"{message or 'the prompt or a picture was blocked'} ({words_in(feedback['blockReason'])})"
    return ContentRefused(NAME, why, spoken=bool(message))


def _failure(reply: Reply, error: Mapping[str, Any], purpose: Purpose = Purpose.SUBMIT) -> ProviderError:
    details = mappings(error.get("details"))
    message = words_in(error.get("message"))
    judged = by_status(NAME, reply, purpose)
    kind = STATUSES.get(str(error.get("status")))
    kind = next((REASONS[reason] for one in details if (reason := str(one.get("reason"))) in REASONS), kind)
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS and (_is_for_the_day(details) or NOTHING.search(message)):
        kind = OutOfCredit
    charged = judged.charged if kind is None else False
    kind = kind or type(judged)
    wait = (_wait(details) or spoken_wait(message)) if kind.retryable else None
    return kind(
        NAME, f"HTTP {reply.status}: {message}" if message else judged.detail, charged=charged, retry_after=wait
    )


def read_limits(reply: Reply) -> Pace | None:
    """How many requests of a minute a refusal says are taken."""
    quotas = _violations(mappings(mapping(mapping(reply.json).get("error")).get("details")))
    counts = [
        int(value)
        for quota in quotas
        if A_MINUTE.fullmatch(text_in(quota, "quotaId")) and COUNT.fullmatch(value := text_in(quota, "quotaValue"))
    ]
    return Pace(calls=min(counts), seconds=MINUTE) if counts else None


def _is_for_the_day(details: Sequence[Mapping[str, Any]]) -> bool:
    return any(FOR_THE_DAY in str(quota.get("quotaId") or "").lower() for quota in _violations(details))


def _violations(details: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The quotas that were exceeded."""
    for detail in details:
        yield from mappings(detail.get("violations"))


def _wait(details: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds the vendor asks to wait; it says so in the body, not in a header."""
    for detail in details:
        if matched := DELAY.fullmatch(str(detail.get("retryDelay") or "")):
            return decimal(matched[1])
    return None
