"""What the tables over all vendors try at the Images API: faults in its words, what its answers mean, its bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from imagewright.providers.openai.routes import ALIKE, ROUTES, OpenAIRoute, routes_for
from tests.emulators.messages import Answer
from tests.emulators.openai import OpenAIEmulator, error
from tests.support.faults import SENDS, Case
from tests.support.faults_sync import COMMON
from tests.support.golden_bodies import bodies, in_words, named
from tests.support.vendor_cases import AtOnce, Vendor

if TYPE_CHECKING:
    from imagewright.providers.base import Order

PLAIN, EDIT = ROUTES[:2]
IPM = "Rate limit reached for gpt-image-2 in organization org-x on images per min (IPM): "
SAFETY = "Your request was rejected by the safety system."


def blocked(stage: str = "") -> Answer:
    details = {"moderation_details": {"moderation_stage": stage, "categories": ["violence"]}} if stage else {}
    return error(400, SAFETY, "moderation_blocked", kind="image_generation_user_error", more=details)


def empty(code: str, status: int = 429) -> Answer:
    return error(status, "You exceeded your current quota.", code, kind="insufficient_quota")


SUBMIT = COMMON | {
    "moderation": Case(blocked(), ContentRefused, None, says=SAFETY),
    "moderation of the input": Case(blocked("input"), ContentRefused, False, says="(violence)"),
    "moderation of the result": Case(blocked("output"), ContentRefused, None, says="(violence)"),
    "moderation without a code": Case(error(400, SAFETY), ContentRefused, None),
    "key": Case(error(401, "Incorrect API key provided: sk-em***.", "invalid_api_key"), BadKey, False, says="[key]"),
    "key, with a 403": Case(error(403, "wrong key", "invalid_api_key"), BadKey, False),
    "organisation": Case(error(403, "must be verified to use the model"), BadKey, False, says="must be verified"),
    "region": Case(error(403, "not here", "unsupported_country_region_territory"), ModelUnavailable, False),
    "no quota": Case(empty("insufficient_quota"), OutOfCredit, False, says="exceeded"),
    "no quota, a newer code": Case(empty("credit_balance_exhausted"), OutOfCredit, False),
    "no quota, a code to come": Case(empty("team_spend_limit_exceeded"), OutOfCredit, False),
    "billing limit": Case(error(400, "limit reached", "billing_hard_limit_reached"), OutOfCredit, False),
    "rate": Case(
        error(429, "Rate limit reached", "rate_limit_exceeded", kind="requests"), RateLimited, False, sends=SENDS
    ),
    "rate, milliseconds": Case(
        error(429, "Rate limit reached", "rate_limit_exceeded", retry_after_ms="5"), RateLimited, False, sends=SENDS
    ),
    "rate, a wait in words": Case(
        error(429, f"{IPM}Limit 5, Used 5, Requested 1. Please try again in 12m.", "rate_limit_exceeded"),
        RateLimited,
        False,
        says="after 12 minutes",
    ),
    "rate, too sudden": Case(error(503, "Slow Down", "slow_down"), RateLimited, False, sends=SENDS),
    "a tier without it": Case(
        error(429, f"{IPM}Limit 0, Used 0, Requested 1.", "rate_limit_exceeded"), OutOfCredit, False, says="Limit 0"
    ),
    "more than is ever taken": Case(
        error(429, f"{IPM}Limit 5, Requested 10.", "rate_limit_exceeded"), RequestRejected, False, says="fewer pictures"
    ),
    "size": Case(error(400, "Invalid size '9x9'.", "invalid_value", param="size"), RequestRejected, False, says="9x9"),
    "no model": Case(error(404, "does not exist", "model_not_found"), ModelUnavailable, False, says="not exist"),
    "no such path": Case(Answer(404, b"Not Found", {"Content-Type": "text/plain"}), ModelUnavailable, False),
    "server error": Case(error(500, "The server had an error", kind="server_error"), UnknownOutcome, None),
    "overloaded": Case(error(503, "overloaded"), VendorUnavailable, False, sends=SENDS, says="overloaded"),
    "an error in a 200": Case(error(200, "could not draw it"), GenerationFailed, None, says="could not draw it"),
    "no picture": Case(Answer.of({"created": 1, "data": []}), GenerationFailed, None, after=True),
    "a damaged picture": Case(Answer.of({"data": [{"b64_json": "AAA"}]}), ResultLost, True, after=True),
    "FastAPI's words": Case(Answer.of({"detail": "Invalid size format"}, 400), RequestRejected, False, says="format"),
    "FastAPI's list": Case(
        Answer.of({"detail": [{"loc": ["body", "prompt"], "msg": "field required"}]}, 422),
        RequestRejected,
        False,
        says="prompt: field required",
    ),
    "not ready": Case(
        Answer.of({"detail": "Diffusion engine not initialized"}, 503), VendorUnavailable, False, sends=SENDS
    ),
    "vLLM's form": Case(Answer.of({"object": "error", "message": "no", "code": 400}, 400), RequestRejected, False),
}


def goldens() -> dict[str, Any]:
    """Fields and files of the maker's routes, and of one tool that goes to a server of the user's own."""

    def body(route: OpenAIRoute, order: Order) -> dict[str, Any]:
        drawn = in_words(order)
        return {"fields": route.fields(drawn), "files": named(route.files(drawn))}

    # a JPEG has no transparent background
    routes = routes_for({"qwen": {"model": "maker/weights"}}, own_server=True)
    return bodies(routes, body, output_format="webp")


VENDOR = Vendor(
    emulator=OpenAIEmulator,
    goldens=goldens,
    moderation=SUBMIT["moderation"],
    no_money=SUBMIT["no quota"],
    submits=("generate", "edit"),
    at_once=AtOnce(plain=PLAIN, submit=SUBMIT),
    links={"links": True},
    alike={default: tuple(models) for default, models in ALIKE.items()},
    states=True,
)
