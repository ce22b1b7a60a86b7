"""What the tables over all vendors try at Replicate: faults in its words, what its answers mean, its bodies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imagewright.errors import (
    BadKey,
    ContentRefused,
    OutOfCredit,
    RateLimited,
    RequestRejected,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.replicate.routes import ALIKE, ROUTES
from tests.emulators.messages import Answer, truncated
from tests.emulators.replicate import NO_CREDIT, ReplicateEmulator, failure
from tests.support import faults
from tests.support.faults import SENDS, Case
from tests.support.golden_bodies import bodies, fields_body
from tests.support.pictures import noise
from tests.support.poll_answers import DOUBTFUL, ENDED, FINISHED, LINK, PASSING, REPORTED, RUNNING, Rows, answered
from tests.support.provider_runs import picture, plain_order
from tests.support.vendor_cases import Listing, Queue, Vendor

if TYPE_CHECKING:
    import pytest


PLAIN = next(route for route in ROUTES if not route.image_field and not route.makes_sets)
VERSIONED = next(route for route in ROUTES if route.versioned)
WITH_PICTURES = next(route for route in ROUTES if route.image_list and not route.makes_sets)
UPLOADING = replace(plain_order(WITH_PICTURES), images=(replace(picture(), data=noise(320, 320)),))
NO_TOKEN = failure(401, "You did not pass a valid authentication token", "Unauthenticated")
BROKE = failure(402, NO_CREDIT, "Insufficient credit")
NOW = failure(429, "Request was throttled. Your rate limit resets in ~0s.")
SUBMIT = faults.SUBMIT | {
    "bad key": Case(NO_TOKEN, BadKey, False, says="Unauthenticated"),
    "no money": Case(BROKE, OutOfCredit, False, says="insufficient credit"),
    "bad field": Case(
        failure(422, "- input.x is required\n", "Input validation failed"), RequestRejected, False, says="input.x"
    ),
    "moderation": Case(failure(422, "The prompt was flagged as sensitive"), ContentRefused, False),
    "rate, the wait in words": Case(NOW, RateLimited, False, sends=SENDS, says="throttled"),
    "rate, a long wait in words": Case(failure(429, "It resets in ~3600s."), RateLimited, False, says="after 1 hour"),
    "rate, no wait named": Case(failure(429, "throttled"), RateLimited, False, sends=SENDS),
    "rate, a header": Case(Answer.of({}, 429, retry_after="0"), RateLimited, False, sends=SENDS),
    "gateway too slow": Case(failure(504, "timeout"), UnknownOutcome, None),
    "server error": Case(failure(500, "Internal server error"), UnknownOutcome, None),
    "no id": Case(Answer.of({"status": "starting"}, 201), UnknownOutcome, None, after=True),
}
UPLOAD = {
    "bad key": Case(NO_TOKEN, BadKey, False),
    "refused": Case(failure(400, "Missing content"), RequestRejected, False, says="Missing content"),
    "gone": Case(failure(404, "not found"), RequestRejected, False),
    "server error": Case(failure(500, "Internal"), VendorUnavailable, False, sends=SENDS),
    "no address": Case(Answer.of({"id": "f"}, 201), VendorUnavailable, False, sends=SENDS),
    "reset": Case(Answer.reset(), VendorUnavailable, False, sends=SENDS),
    "half an answer": Case(truncated, VendorUnavailable, False, sends=SENDS),
}
ANSWERS: Rows = {
    "failed": (answered(200, {"status": "failed", "error": "out of memory"}), ENDED),
    "canceled": (answered(200, {"status": "canceled"}), ENDED),
    "aborted": (answered(200, {"status": "aborted"}), ENDED),
    "done": (answered(200, {"status": "succeeded", "output": [LINK]}), FINISHED),
    "done, null": (answered(200, {"status": "succeeded", "output": None}), DOUBTFUL),
    "done, empty links": (answered(200, {"status": "succeeded", "output": ["", None, 5, {}]}), DOUBTFUL),
    "done, an empty text": (answered(200, {"status": "succeeded", "output": ""}), DOUBTFUL),
    "done, an empty list": (answered(200, {"status": "succeeded", "output": []}), DOUBTFUL),
    "a new status": (answered(200, {"status": "dreaming"}), RUNNING),
    "no status": (answered(200, {"status": 5}), REPORTED),
    "key": (failure(401, "no", "Unauthenticated"), REPORTED),
    "no money": (failure(402, "no", "Insufficient credit"), REPORTED),
    "not allowed": (failure(403, "no"), REPORTED),
    "not found": (failure(404, "no"), PASSING),
    "a field": (failure(422, "no"), REPORTED),
    "too fast": (failure(429, "It resets in ~3600s."), PASSING),
}
QUEUE = Queue(
    answers={"poll": ANSWERS},
    plain=PLAIN,
    submit=SUBMIT,
    uploads={"upload": UPLOAD},
    pictured=UPLOADING,
    poll=faults.POLL
    | {
        "rate": Case(NOW, RateLimited, None),
        "not visible": Case(failure(404, "not found"), VendorUnavailable, None),
        "server error": Case(failure(500, "Internal"), VendorUnavailable, None),
        "bad key": Case(NO_TOKEN, BadKey, None),
        "no money": Case(BROKE, OutOfCredit, None),
    },
    stops=True,
)


def _two_to_a_page(emulator: ReplicateEmulator, _: pytest.MonkeyPatch) -> None:
    emulator.page = 2


VENDOR = Vendor(
    emulator=ReplicateEmulator,
    goldens=lambda: bodies(ROUTES, fields_body),
    moderation=SUBMIT["moderation"],
    no_money=SUBMIT["no money"],
    submits=("create", "create_version"),
    first=("model",),
    queue=QUEUE,
    listing=Listing(
        refuses=lambda words: Answer.of({"title": "Unauthenticated", "detail": words, "status": 401}, 401),
        began="created",
        two_to_a_page=_two_to_a_page,
    ),
    empty=("broke", True, "purchase credit"),
    alike={default: tuple(models) for default, models in ALIKE.items()},
    states=True,
)
