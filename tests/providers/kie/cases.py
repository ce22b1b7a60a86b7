"""What the tables over all vendors try at Kie: faults in its words, what its answers mean, its bodies."""

from __future__ import annotations

import json
from dataclasses import replace
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
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.kie.replies import read_flux_kontext, read_gpt4o, read_market
from imagewright.providers.kie.route import USD_PER_CREDIT
from imagewright.providers.kie.routes import ROUTES
from tests.emulators.kie import KieEmulator, envelope
from tests.emulators.messages import Answer
from tests.support import faults
from tests.support.faults import SENDS, Case
from tests.support.golden_bodies import bodies, links
from tests.support.poll_answers import (
    DOUBTFUL,
    ENDED,
    FINISHED,
    LINK,
    LONG,
    PASSING,
    REPORTED,
    RUNNING,
    Means,
    Rows,
    raw,
)
from tests.support.provider_runs import plain_order
from tests.support.replies import finished, reply
from tests.support.vendor_cases import Queue, Vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagewright.providers.base import Finished, Order
    from imagewright.providers.kie.route import KieRoute

PLAIN = next(route for route in ROUTES if not route.image_field and "resolution" not in route.takes)
WITH_PICTURE = next(route for route in ROUTES if route.image_field and not route.image_list)
SOON = Answer.of({"code": 429, "msg": "slow down", "data": None}, 429, retry_after="0")
LATER = Answer.of({"code": 429, "msg": "slow down", "data": None}, 429, retry_after="3600")
SUBMIT = faults.SUBMIT | {
    "no credit": Case(envelope(402, "Credits insufficient"), OutOfCredit, False, says="Credits insufficient"),
    "bad field": Case(envelope(422, "This field is required"), RequestRejected, False, says="This field is required"),
    "bad value": Case(envelope(500, "x is not within the range of allowed options"), RequestRejected, False),
    "no model": Case(envelope(422, "The model name is not supported"), ModelUnavailable, False),
    "paused": Case(envelope(500, "This interface is temporarily paused"), ModelUnavailable, False, says="paused"),
    "switched off": Case(envelope(505, "Feature disabled"), ModelUnavailable, False),
    "moderation": Case(envelope(400, "Flagged by our content policy"), ContentRefused, False, says="Flagged"),
    "limit of the key": Case(envelope(433, "Sub-key Usage Exceeds Limit"), OutOfCredit, False, says="kie.ai/api-key"),
    "maintenance": Case(envelope(455, "maintenance"), VendorUnavailable, False, sends=SENDS),
    "server error": Case(envelope(500, "Server error"), UnknownOutcome, None),
    "queue full": Case(envelope(550, "queue full"), RateLimited, False, sends=SENDS),
    "generation failed": Case(envelope(501, "failed"), GenerationFailed, None),
    "given up": Case(envelope(408, "nothing came for ten minutes"), GenerationFailed, None),
    "rate, no wait named": Case(envelope(429, "too fast"), RateLimited, False, sends=SENDS, says="too fast"),
    "rate, a short wait": Case(SOON, RateLimited, False, sends=SENDS),
    "rate, a long wait": Case(LATER, RateLimited, False, says="after 1 hour"),
    "unknown code": Case(envelope(999, "whatever"), ProviderError, None),
    "no task id": Case(envelope(200, "success", {}), UnknownOutcome, None, after=True),
}
UPLOAD = {
    "bad key": Case(envelope(401, "You do not have access permissions"), BadKey, False),
    "bad file": Case(envelope(400, "the file is not a picture"), RequestRejected, False),
    "server error": Case(envelope(500, "Server error"), VendorUnavailable, False, sends=SENDS),
    "reset": Case(Answer.reset(), VendorUnavailable, False, sends=SENDS),
    "silence": Case(Answer.hang(), VendorUnavailable, False, sends=SENDS),
    "wrong host": Case(Answer(404, b"<html>"), RequestRejected, False, says="HTTP 404"),
}
CODES: Mapping[Means, tuple[int, ...]] = {
    REPORTED: (400, 401, 402, 403, 433),
    PASSING: (404, 422, 429, 451, 455, 500, 503, 550, 999),
    DOUBTFUL: (408, 501, 505),
}


def market(**data: Any) -> Answer:
    return envelope(200, "success", {"taskId": "t", **data})


ANSWERS: Rows = {f"code {code}": (envelope(code, "no"), means) for means, codes in CODES.items() for code in codes} | {
    "a code in words": (envelope(400, "flagged by our content policy"), REPORTED),
    "a code and a status": (envelope(401, "no", status=401), REPORTED),
    "an endless code": (raw('{"code": Infinity}'), REPORTED),
    "a long code": (raw(f'{{"code": {LONG}}}'), REPORTED),
    "nothing inside": (envelope(200, "success"), PASSING),
    "failed": (market(state="fail", failCode="500", failMsg="no"), ENDED),
    "failed, a long code": (raw(f'{{"code": 200, "data": {{"state": "fail", "failCode": {LONG}}}}}'), ENDED),
    "refused": (market(state="fail", failCode="400", failMsg="flagged as sensitive"), ENDED),
    "done": (market(state="success", resultJson=json.dumps({"resultUrls": [LINK]}), creditsConsumed="-1"), FINISHED),
    "done, nothing": (market(state="success", resultJson=None), DOUBTFUL),
    "done, an empty list": (market(state="success", resultJson='{"resultUrls": []}'), DOUBTFUL),
    "done, empty links": (market(state="success", resultJson='{"resultUrls": ["", null, 5]}'), DOUBTFUL),
    "done, null": (market(state="success", resultJson='{"resultUrls": null}'), DOUBTFUL),
    "an endless share": (raw('{"code": 200, "data": {"state": "generating", "progress": Infinity}}'), RUNNING),
    "a long share": (raw(f'{{"code": 200, "data": {{"state": "generating", "progress": {LONG}}}}}'), RUNNING),
    "a new state": (market(state="dreaming"), RUNNING),
}
QUEUE = Queue(
    answers={"poll": ANSWERS},
    plain=PLAIN,
    submit=SUBMIT,
    uploads={"upload": UPLOAD},
    pictured=plain_order(WITH_PICTURE),
    poll=faults.POLL
    | {
        "rate": Case(envelope(429, "too fast"), RateLimited, None),
        "maintenance": Case(envelope(455, "maintenance"), VendorUnavailable, None),
        "server error": Case(envelope(500, "policy of the day: error"), VendorUnavailable, None),
        "not visible": Case(envelope(404, "not found"), VendorUnavailable, None),
        "bad key": Case(envelope(401, "no access"), BadKey, None),
        "no credit": Case(envelope(402, "Credits insufficient"), OutOfCredit, None),
        "bad request": Case(envelope(400, "flagged"), RequestRejected, None),
    },
    doubtful={
        "given up": Case(envelope(408, "nothing came for ten minutes"), GenerationFailed, None),
        "generation failed": Case(envelope(501, "failed"), GenerationFailed, None),
        "switched off": Case(envelope(505, "Feature disabled"), ModelUnavailable, None),
    },
)


def body(order: Order, route: KieRoute) -> dict[str, Any]:
    """What is sent for an order, with 9 for a seed that is drawn."""
    if route.draws_seed:
        order = replace(order, arguments={"seed": 9, **order.arguments})
    return route.body(order, links(order))


def goldens() -> dict[str, Any]:
    return bodies(ROUTES, lambda route, order: body(order, route))


def _charged(read: Callable[[Any], object], done: str) -> Callable[[str], Finished]:
    """Reads the answer of a task that has ended, with so many credits consumed."""
    form = f'{{"code": 200, "data": {{{done}, "creditsConsumed": %s}}}}'
    return lambda units: finished(read(reply((form % units).encode("ascii"))))


FLAGGED = f'"successFlag": 1, "response": {{"resultUrls": ["{LINK}"]}}'
VENDOR = Vendor(
    emulator=KieEmulator,
    goldens=goldens,
    moderation=SUBMIT["moderation"],
    no_money=SUBMIT["no credit"],
    submits=("create",),
    queue=QUEUE,
    empty=("credits", 1.0, "top up"),
    charges={
        "market": (
            USD_PER_CREDIT,
            _charged(read_market, f'"state": "success", "resultJson": {{"resultUrls": ["{LINK}"]}}'),
        ),
        "flux": (USD_PER_CREDIT, _charged(read_flux_kontext, FLAGGED)),
        "4o": (USD_PER_CREDIT, _charged(read_gpt4o, FLAGGED)),
    },
)
