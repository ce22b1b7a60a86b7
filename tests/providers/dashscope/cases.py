"""What the tables over all vendors try at DashScope: faults in its words, what its answers mean, its bodies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    RateLimited,
    RequestRejected,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.dashscope.routes import ROUTES
from tests.emulators.dashscope import DashScopeEmulator, error
from tests.support.faults import SENDS, Case
from tests.support.faults_sync import COMMON
from tests.support.golden_bodies import bodies, in_words, with_least_pictures
from tests.support.provider_runs import picture
from tests.support.vendor_cases import AtOnce, Vendor

if TYPE_CHECKING:
    from imagewright.providers.base import Order

PLAIN = ROUTES[0]
INPUT = "Input data may contain inappropriate content."
OUTPUT = "Output data may contain inappropriate content."
REFUSED = {
    "moderation of the input": Case(
        error(400, "DataInspectionFailed", INPUT), ContentRefused, False, says="Input data"
    ),
    "moderation of the result": Case(error(400, "DataInspectionFailed", OUTPUT), ContentRefused, False),
    "somebody's rights": Case(error(400, "IPInfringementSuspect", "m"), ContentRefused, False),
    "key": Case(error(401, "InvalidApiKey", "Invalid API-key provided."), BadKey, False, says="made in"),
    "no money": Case(
        error(400, "Arrearage", "Access denied, please make sure your account is in good standing."),
        OutOfCredit,
        False,
        says="good standing",
    ),
    "free quota": Case(error(403, "AllocationQuota.FreeTierOnly", "used up"), OutOfCredit, False, says="used up"),
    "not activated": Case(error(403, "AccessDenied", "m"), ModelUnavailable, False, says="AccessDenied"),
    "not bought": Case(error(403, "AccessDenied.Unpurchased", "m"), ModelUnavailable, False),
    "no such model": Case(error(404, "ModelNotFound", "m"), ModelUnavailable, False),
    "no such model any more": Case(error(404, "Model.NotExist", "m"), ModelUnavailable, False),
    "rate": Case(error(429, "Throttling.RateQuota", "too fast"), RateLimited, False, sends=SENDS, says="too fast"),
    "rate, a short wait": Case(error(429, "Throttling", "m", retry_after_ms="5"), RateLimited, False, sends=SENDS),
    "rate, a long wait": Case(
        error(429, "Throttling.AllocationQuota", "m", retry_after="3600"), RateLimited, False, says="after 1 hour"
    ),
    "a field": Case(
        error(400, "InvalidParameter", "num_images_per_prompt must be 1"), RequestRejected, False, says="must be 1"
    ),
    "a picture's address": Case(error(400, "InvalidURL", "m"), RequestRejected, False),
    "a field, another code": Case(error(400, "BadRequest.TooLarge", "m"), RequestRejected, False, says="TooLarge"),
    "server error": Case(error(500, "InternalError.Timeout", "m"), VendorUnavailable, False, says="InternalError"),
    "busy, in their form": Case(error(503, "SystemBusy", "m"), VendorUnavailable, False, sends=SENDS),
    "server error, another code": Case(error(500, "SomethingNew", "m"), UnknownOutcome, None, says="SomethingNew"),
    "an error in a 200": Case(error(200, "SomethingNew", "no luck"), GenerationFailed, None, says="no luck"),
}
"""What the vendor says in its own form."""
AT_ONCE = COMMON | REFUSED


def sized(order: Order) -> Order:
    """The order with pictures that are large enough for this vendor."""
    return replace(order, images=tuple(picture(480, 400, shade=place) for place in range(len(order.images))))


VENDOR = Vendor(
    emulator=DashScopeEmulator,
    goldens=lambda: bodies(
        ROUTES, lambda route, order: route.body(in_words(order, (1024, 768))), name=with_least_pictures
    ),
    moderation=REFUSED["moderation of the input"],
    no_money=REFUSED["no money"],
    at_once=AtOnce(plain=PLAIN, submit=AT_ONCE),
    expires=True,
    states=True,
)
