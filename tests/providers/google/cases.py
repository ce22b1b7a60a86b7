"""What the tables over all vendors try at Gemini: faults in its words, what its answers mean, its bodies."""

from __future__ import annotations

import base64
from typing import Any

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    RateLimited,
    RequestRejected,
    ResultLost,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.google.replies import REFUSALS
from imagewright.providers.google.routes import ROUTES
from tests.emulators.google import GoogleEmulator, bad_key, blocked, ended, error, over_quota
from tests.emulators.messages import Answer
from tests.support.faults import SENDS, Case
from tests.support.faults_sync import COMMON
from tests.support.golden_bodies import bodies, in_words
from tests.support.provider_runs import picture
from tests.support.vendor_cases import AtOnce, Vendor

PLAIN, EDIT = ROUTES[:2]
PNG_TEXT = base64.b64encode(picture().data).decode("ascii")


def candidate(*parts: dict[str, Any], **more: Any) -> Answer:
    return Answer.of({"candidates": [{"content": {"role": "model", "parts": list(parts)}, **more}]})


def blob(data: str, mime: str = "image/png", **more: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime, "data": data}, **more}


SUBMIT = (
    COMMON
    | {
        "prompt blocked": Case(blocked("PROHIBITED_CONTENT"), ContentRefused, None, says="PROHIBITED_CONTENT"),
        "key": Case(bad_key(), BadKey, False, says="API key not valid"),
        "no key": Case(error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers"), BadKey, False),
        "rate with a short wait": Case(over_quota("RequestsPerMinute", "0.01s"), RateLimited, False, sends=SENDS),
        "rate with a long wait": Case(
            over_quota("RequestsPerMinute", "38s"), RateLimited, False, says="after 38 seconds"
        ),
        "rate without a wait": Case(over_quota("RequestsPerMinute"), RateLimited, False, sends=SENDS),
        "quota of the day": Case(
            over_quota("GenerateRequestsPerDayPerProject-FreeTier", "38s"), OutOfCredit, False, says="exceeded"
        ),
        "rate with a wait in words": Case(
            error(429, "RESOURCE_EXHAUSTED", "Quota exceeded, limit: 100. Please retry in 1h52m56.4s."),
            RateLimited,
            False,
            says="after 1.88 hours",
        ),
        "nothing in the plan": Case(
            error(429, "RESOURCE_EXHAUSTED", "Quota exceeded for metric: x, limit: 0, model: y"), OutOfCredit, False
        ),
        "region": Case(error(400, "FAILED_PRECONDITION", "User location is not supported"), ModelUnavailable, False),
        "no model": Case(error(404, "NOT_FOUND", "models/x is not found"), ModelUnavailable, False, says="not found"),
        "bad field": Case(error(400, "INVALID_ARGUMENT", "Unknown name"), RequestRejected, False, says="Unknown name"),
        "overloaded": Case(
            error(503, "UNAVAILABLE", "The model is overloaded"),
            VendorUnavailable,
            False,
            sends=SENDS,
            says="overloaded",
        ),
        "server error": Case(error(500, "INTERNAL", "An internal error"), UnknownOutcome, None),
        "deadline": Case(error(504, "DEADLINE_EXCEEDED", "too slow"), UnknownOutcome, None),
        "words instead": Case(ended("STOP", "Which kite do you mean?"), GenerationFailed, None, says="Which kite"),
        "nothing at all": Case(ended("STOP"), GenerationFailed, None, says="no picture"),
        "no image": Case(ended("NO_IMAGE"), GenerationFailed, None, says="NO_IMAGE"),
        "a damaged picture": Case(candidate(blob("AAA")), ResultLost, True, after=True),
        "only an interim picture": Case(candidate(blob(PNG_TEXT, thought=True)), GenerationFailed, None, after=True),
        "neither candidates nor a reason": Case(Answer.of({"candidates": []}), UnknownOutcome, None, after=True),
    }
    | {f"result refused: {reason}": Case(ended(reason), ContentRefused, None, says=reason) for reason in REFUSALS}
)


VENDOR = Vendor(
    emulator=GoogleEmulator,
    goldens=lambda: bodies(ROUTES, lambda route, order: route.body(in_words(order))),
    moderation=SUBMIT["prompt blocked"],
    no_money=SUBMIT["quota of the day"],
    at_once=AtOnce(plain=PLAIN, submit=SUBMIT),
    links=None,  # the pictures stand in the answer itself
    states=True,
)
