"""What the tables over all vendors try at Recraft: faults in its words, what its answers mean, its bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from imagewright.providers import open_client
from imagewright.providers.base import ProviderConfig
from imagewright.providers.recraft.provider import Recraft
from imagewright.providers.recraft.replies import read_made
from imagewright.providers.recraft.routes import ROUTES, USD_PER_UNIT
from tests.emulators.messages import Answer
from tests.emulators.recraft import RecraftEmulator, refuse
from tests.support.faults import SENDS, SILENCE, Case
from tests.support.faults_sync import COMMON
from tests.support.golden_bodies import named, without_model
from tests.support.poll_answers import LINK
from tests.support.provider_runs import plain_order
from tests.support.replies import finished, reply
from tests.support.vendor_cases import AtOnce, Vendor

if TYPE_CHECKING:
    from imagewright.providers.base import Finished

(ROUTE,) = ROUTES
REQUEST = Recraft(ProviderConfig("", {}, {}, open_client())).request(plain_order(ROUTE))
TEXT = {"Content-Type": "text/plain"}


def text(code: str, words: str, status: int = 400) -> Answer:
    """A refusal in JSON."""
    return refuse(code, words, status).answer


SUBMIT: dict[str, Case] = COMMON | {
    "silence before": Case(Answer.hang(), UnknownOutcome, None, says=f"no answer within {SILENCE:g} s"),
    "bad key": Case(Answer(401, b"request unauthorized", TEXT), BadKey, False, says="request unauthorized"),
    "wrong path": Case(Answer(404, b"404 page not found", TEXT), ModelUnavailable, False, says="404 page not found"),
    "no money": Case(text("not_enough_credits", "buy more"), OutOfCredit, False, says="buy more"),
    "no money, as a 402": Case(text("not_enough_credits", "buy more", 402), OutOfCredit, False),
    "no money, in text": Case(Answer(400, b"not enough units", TEXT), OutOfCredit, False, says="not enough units"),
    "bad picture": Case(text("invalid_image", "too small"), RequestRejected, False, says="too small"),
    "bad picture, in text": Case(Answer(400, b"too small", TEXT), RequestRejected, False, says="too small"),
    "moderation": Case(text("bad_content", "flagged by moderation"), ContentRefused, None, says="flagged"),
    "rate, in JSON": Case(text("rate_limit", "slow down", 429), RateLimited, False, sends=SENDS, says="slow down"),
    "server error": Case(text("internal", "broken", 500), UnknownOutcome, None),
    "no picture": Case(Answer.of({"image": None, "credits": 10}), GenerationFailed, True, after=True),
    "nothing to fetch": Case(Answer.of({"image": {"url": ""}, "credits": 0}), ResultLost, False, after=True),
    "a damaged picture": Case(Answer.of({"image": {"b64_json": "AAA"}}), ResultLost, None, after=True),
}


def _charged(units: str) -> Finished:
    """Reads the answer of a call that cost so many units."""
    return finished(read_made(reply(f'{{"image": {{"url": "{LINK}"}}, "credits": {units}}}'.encode("ascii"))))


VENDOR = Vendor(
    emulator=RecraftEmulator,
    goldens=lambda: {
        f"{without_model(ROUTE)}.json": {
            "plain": {"model": ROUTE.model, "fields": REQUEST.fields, "files": named(REQUEST.files)}
        }
    },
    moderation=SUBMIT["moderation"],
    no_money=SUBMIT["no money"],
    at_once=AtOnce(plain=ROUTE, submit=SUBMIT),
    empty=("units", 5.0, "Top up"),
    charges={"": (USD_PER_UNIT, _charged)},
)
