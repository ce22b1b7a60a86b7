"""What the tables over all vendors try at Ideogram: faults in its words, what its answers mean, its bodies."""

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
from imagewright.providers import open_client
from imagewright.providers.base import ProviderConfig
from imagewright.providers.ideogram.provider import Ideogram
from imagewright.providers.ideogram.routes import ROUTES
from tests.emulators.ideogram import IdeogramEmulator, refuse
from tests.emulators.messages import Answer
from tests.support.faults import SENDS, SILENCE, Case
from tests.support.faults_sync import COMMON
from tests.support.golden_bodies import bodies, named
from tests.support.vendor_cases import AtOnce, Vendor

if TYPE_CHECKING:
    from imagewright.providers.base import Order

ROUTE = ROUTES[0]
SAFETY = "Prompt or provided image failed the safety checks"


def text(words: str, status: int, reason: str = "") -> Answer:
    """A refusal in JSON."""
    return Answer.of({"error": words, "reject_reason": reason}, status) if reason else refuse(words, status).answer


def unsafe(count: int) -> Answer:
    """So many pictures, all of them kept back."""
    return Answer.of({"created": "", "data": [{"url": None, "is_image_safe": False}] * count})


SUBMIT: dict[str, Case] = COMMON | {
    "silence before": Case(Answer.hang(), UnknownOutcome, None, says=f"no answer within {SILENCE:g} s"),
    "bad key": Case(text("no", 401), BadKey, False),
    "bad key, without a word": Case(Answer(401), BadKey, False, says="doctor"),
    "no money": Case(text("Insufficient credits.", 402, "insufficient_funds"), OutOfCredit, False),
    "no money, by the status": Case(Answer(402), OutOfCredit, False),
    "no subscription": Case(text("Subscribe", 403, "subscription_required"), OutOfCredit, False),
    "too many at once": Case(text("Too many", 429, "inflight_limit"), RateLimited, False, sends=SENDS),
    "gone model": Case(text("no such model", 404), ModelUnavailable, False, says="[routes]"),
    "bad field": Case(text("resolution cannot be 9x9", 400), RequestRejected, False, says="9x9"),
    "bad field, any body": Case(Answer(400, b"oops"), RequestRejected, False),
    "bad field, as a list": Case(
        Answer.of({"detail": [{"msg": "seed is too large"}]}, 422), RequestRejected, False, says="seed is too large"
    ),
    "too large": Case(Answer(413, b""), RequestRejected, False),
    "moderation": Case(text(SAFETY, 422), ContentRefused, False, says="safety checks"),
    "moderation, another form": Case(Answer.of({"detail": SAFETY}, 422), ContentRefused, False),
    "moderation, as a 400": Case(text(SAFETY, 400), ContentRefused, False),
    "moderation of the result": Case(unsafe(1), ContentRefused, True, says="kept back", after=True),
    "server error": Case(text("broken", 500), UnknownOutcome, None),
    "server busy": Case(text("busy", 503), VendorUnavailable, False, sends=SENDS, says="busy"),
    "no picture": Case(Answer.of({"data": []}), GenerationFailed, None, after=True),
    "nothing to fetch": Case(Answer.of({"data": [{"url": "", "is_image_safe": True}]}), ResultLost, None, after=True),
}


def _form(order: Order) -> dict[str, Any]:
    request = Ideogram(ProviderConfig("", {}, {}, open_client())).request(order)
    return {"fields": request.fields, "files": named(request.files)}


VENDOR = Vendor(
    emulator=IdeogramEmulator,
    goldens=lambda: bodies(
        ROUTES,
        lambda route, order: {"model": route.model, **_form(order)},
    ),
    moderation=SUBMIT["moderation"],
    no_money=SUBMIT["no money"],
    at_once=AtOnce(plain=ROUTE, submit=SUBMIT),
    empty=("usd", 0.01, "Top up"),
    expires=True,
)
