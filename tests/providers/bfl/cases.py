"""What the tables over all vendors try at Black Forest Labs: faults in its words, what its answers mean, its bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.errors import (
    BadKey,
    ContentRefused,
    ModelUnavailable,
    OutOfCredit,
    RateLimited,
    RequestRejected,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.bfl.replies import Submitted, read_standing, read_submitted
from imagewright.providers.bfl.routes import ROUTES, USD_PER_CREDIT, body
from tests.emulators.bfl import BflEmulator
from tests.emulators.messages import Answer
from tests.support import faults
from tests.support.faults import Case
from tests.support.golden_bodies import bodies, in_words, without_model
from tests.support.poll_answers import (
    DOUBTFUL,
    ENDED,
    FINISHED,
    LINK,
    LONG,
    PASSING,
    REPORTED,
    RUNNING,
    Rows,
    answered,
    raw,
)
from tests.support.replies import finished, reply
from tests.support.vendor_cases import Queue, Vendor

if TYPE_CHECKING:
    from imagewright.providers.base import Finished

PLAIN = ROUTES[0]
WITH_PICTURE = next(route for route in ROUTES if "images" in route.takes)


def text(status: int, words: str, **headers: str) -> Answer:
    """A refusal in the vendor's form."""
    return Answer.of({"detail": words}, status, **headers)


SUBMIT: dict[str, Case] = faults.SUBMIT | {
    "bad key": Case(text(403, "Not authenticated"), BadKey, False, says="doctor"),
    "no money": Case(text(402, "Insufficient credits"), OutOfCredit, False, says="Insufficient credits"),
    "no money, as a 403": Case(text(403, "Insufficient credits"), OutOfCredit, False),
    "gone model": Case(text(404, "Not Found"), ModelUnavailable, False, says="[routes]"),
    "bad field": Case(text(422, "seed must be a number"), RequestRejected, False, says="seed"),
    "moderation": Case(text(422, "The prompt was flagged"), ContentRefused, False),
    "rate, no wait named": Case(text(429, "Too many active tasks"), RateLimited, False, sends=faults.SENDS),
    "rate, a short wait": Case(text(429, "Too many", retry_after="0"), RateLimited, False, sends=faults.SENDS),
    "rate, a long wait": Case(text(429, "Too many", retry_after="3600"), RateLimited, False, says="after 1 hour"),
    "server error": Case(text(500, "Internal Server Error"), UnknownOutcome, None),
    "no task id": Case(Answer.of({"cost": 4.0}), UnknownOutcome, None, after=True),
}
ANSWERS: Rows = {
    **{
        word: (answered(200, {"status": word, "result": None, "details": {"Reasons": ["Gore"]}}), ENDED)
        for word in ("Request Moderated", "Content Moderated", "Error", "Failed")
    },
    "Task not found": (answered(200, {"status": "Task not found"}), PASSING),
    "done": (raw(f'{{"status": "Ready", "result": {{"sample": "{LINK}", "seed": {LONG}}}}}'), FINISHED),
    "done, null": (answered(200, {"status": "Ready", "result": None}), DOUBTFUL),
    "done, an empty link": (answered(200, {"status": "Ready", "result": {"sample": ""}}), DOUBTFUL),
    "done, no text": (answered(200, {"status": "Ready", "result": {"sample": [LINK]}}), DOUBTFUL),
    "done, nothing": (answered(200, {"status": "Ready", "result": {}}), DOUBTFUL),
    "an endless share": (raw('{"status": "Generating", "progress": Infinity}'), RUNNING),
    "a long share": (raw(f'{{"status": "Generating", "progress": {LONG}}}'), RUNNING),
    "a new status": (answered(200, {"status": "Dreaming"}), RUNNING),
    "key": (answered(403, {"detail": "Not authenticated"}), REPORTED),
    "no money": (answered(402, {"detail": "Insufficient credits"}), REPORTED),
    "no money, 403": (answered(403, {"detail": "Insufficient credits"}), REPORTED),
    "not found": (answered(404, {"detail": "Task not found"}), PASSING),
    "a field": (answered(422, {"detail": [{"loc": ["query", "id"], "msg": "no"}]}), REPORTED),
}
QUEUE = Queue(
    answers={"poll": ANSWERS},
    plain=WITH_PICTURE,
    submit=SUBMIT,
    poll=faults.POLL
    | {
        "rate": Case(text(429, "slow down"), RateLimited, None),
        "not visible": Case(Answer.of({"id": "t", "status": "Task not found"}), VendorUnavailable, None),
        "not visible, as a 404": Case(text(404, "Task not found"), VendorUnavailable, None),
        "server error": Case(text(500, "Internal Server Error"), VendorUnavailable, None),
        "bad key": Case(text(403, "Not authenticated"), BadKey, None),
        "no money": Case(text(402, "Insufficient credits"), OutOfCredit, None),
        "no money, as a 403": Case(text(403, "Insufficient credits"), OutOfCredit, None),
    },
)


def _charged(units: str) -> Finished:
    """Reads the answers of a task that costs so many credits: they stand in the first, and the handle keeps them."""
    taken = read_submitted(reply(f'{{"id": "t", "cost": {units}}}'.encode("ascii")))
    assert isinstance(taken, Submitted)
    kept = "" if taken.credits is None else str(taken.credits)
    return finished(read_standing(reply({"status": "Ready", "result": {"sample": LINK}}), kept))


VENDOR = Vendor(
    emulator=BflEmulator,
    goldens=lambda: bodies(
        ROUTES,
        lambda _, order: {"model": order.model, "body": body(in_words(order))},
        name=without_model,
    ),
    moderation=SUBMIT["moderation"],
    no_money=SUBMIT["no money"],
    submits=("create",),
    queue=QUEUE,
    empty=("credits", 1.0, "Top up"),
    expires=True,
    charges={"": (USD_PER_CREDIT, _charged)},
)
