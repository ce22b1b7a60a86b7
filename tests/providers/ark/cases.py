"""What the tables over all vendors try at Ark: faults in its words, what its answers mean, its bodies."""

from __future__ import annotations

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
)
from imagewright.providers.ark.routes import ALIKE, ROUTES
from tests.emulators.ark import ArkEmulator, error
from tests.emulators.messages import Answer
from tests.support.faults import SENDS, Case
from tests.support.faults_sync import COMMON
from tests.support.golden_bodies import bodies, in_words, with_least_pictures
from tests.support.vendor_cases import AtOnce, Vendor

PLAIN, EDIT = ROUTES[0], ROUTES[1]
SENSITIVE = "The request failed because the input text may contain sensitive information."
SUBMIT = COMMON | {
    "moderation of the prompt": Case(
        error(400, "InputTextSensitiveContentDetected", SENSITIVE), ContentRefused, False, says="sensitive information"
    ),
    "moderation of a picture": Case(
        error(400, "InputImageSensitiveContentDetected.PrivacyInformation", "A real person."), ContentRefused, False
    ),
    "moderation of the result": Case(error(400, "OutputImageSensitiveContentDetected", "m"), ContentRefused, None),
    "key": Case(
        error(401, "AuthenticationError", "The API key is invalid."), BadKey, False, says="not interchangeable"
    ),
    "no money": Case(error(403, "AccountOverdueError", "overdue balance"), OutOfCredit, False, says="overdue balance"),
    "no money for the service": Case(error(403, "OperationDenied.ServiceOverdue", "m"), OutOfCredit, False),
    "not allowed": Case(error(403, "OperationDenied.InvalidState", "m"), BadKey, False, says="InvalidState"),
    "not activated": Case(error(404, "ModelNotOpen", "Please activate the model."), ModelUnavailable, False),
    "not activated, with a 403": Case(error(403, "ModelNotOpen", "m"), ModelUnavailable, False, says="ModelNotOpen"),
    "no such model": Case(error(404, "InvalidEndpointOrModel.NotFound", "m"), ModelUnavailable, False),
    "images a minute": Case(
        error(429, "ModelAccountIpmRateLimitExceeded", "m"), RateLimited, False, sends=SENDS, says="Ipm"
    ),
    "requests a minute": Case(
        error(429, "RateLimitExceeded.EndpointRPMExceeded", "m"), RateLimited, False, sends=SENDS
    ),
    "rate, a long wait in their form": Case(
        error(429, "RateLimitExceeded.Foo", "m", retry_after="3600"), RateLimited, False, says="after 1 hour"
    ),
    "a field": Case(error(400, "InvalidParameter", "`size` is not valid"), RequestRejected, False, says="`size`"),
    "a picture's address": Case(error(400, "InvalidImageURL", "status 403"), RequestRejected, False),
    "a field, another code": Case(error(400, "MissingParameter", "prompt"), RequestRejected, False, says="prompt"),
    "server error": Case(error(500, "InternalServiceError", "unexpected"), UnknownOutcome, None, says="unexpected"),
    "too many at work": Case(error(429, "InflightBatchsizeExceeded", "m"), RateLimited, False, sends=SENDS),
    "too sudden": Case(error(429, "RequestBurstTooFast", "m"), RateLimited, False, sends=SENDS),
    "overloaded": Case(error(429, "ServerOverloaded", "m"), RateLimited, False, sends=SENDS),
    "a limit of the user's own": Case(error(429, "SetLimitExceeded", "paused"), OutOfCredit, False, says="paused"),
    "a quota of the plan": Case(error(429, "QuotaExceeded", "weekly"), OutOfCredit, False, says="weekly"),
    "server error without a code": Case(Answer.of({"message": "?"}, 500), UnknownOutcome, None),
    "an error in a 200": Case(error(200, "SomethingNew", "could not draw"), GenerationFailed, None, says="draw"),
    "no picture": Case(Answer.of({"data": []}), GenerationFailed, None, after=True),
    "no address": Case(Answer.of({"data": [{"url": ""}]}), ResultLost, None, after=True),
}


VENDOR = Vendor(
    emulator=ArkEmulator,
    goldens=lambda: bodies(ROUTES, lambda route, order: route.body(in_words(order)), name=with_least_pictures),
    moderation=SUBMIT["moderation of the prompt"],
    no_money=SUBMIT["no money"],
    at_once=AtOnce(plain=PLAIN, submit=SUBMIT),
    expires=True,
    alike={model: tuple(ids) for model, ids in ALIKE.items()},
)
