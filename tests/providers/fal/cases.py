"""What the tables over all vendors try at fal: faults in its words, what its answers mean, its bodies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
from imagewright.providers.fal.routes import ALIKE, ROUTES
from tests.emulators.fal import LOCKED, FalEmulator, problem
from tests.emulators.messages import Answer, truncated
from tests.support import faults
from tests.support.faults import SENDS, Case
from tests.support.golden_bodies import bodies, fields_body
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
from tests.support.provider_runs import plain_order
from tests.support.vendor_cases import Listing, Queue, Vendor

PLAIN = next(route for route in ROUTES if not route.image_field and "resolution" not in route.takes)
UPLOADING = replace(next(route for route in ROUTES if route.image_list and route.native_auto), inline_bytes=0)


def text(status: int, detail: Any, **more: Any) -> Answer:
    return Answer.of({"detail": detail, **more}, status)


SUBMIT = faults.SUBMIT | {
    "bad key": Case(text(401, "No user found for Key ID and Secret"), BadKey, False, says="doctor"),
    "no money": Case(text(403, LOCKED), OutOfCredit, False, says="Exhausted balance"),
    "not allowed": Case(text(403, "Forbidden"), BadKey, False),
    "no model": Case(text(404, "Application 'x' not found"), ModelUnavailable, False, says="not found"),
    "bad field": Case(text(422, [problem(["x"], "missing", "Field required")]), RequestRejected, False, says="x: "),
    "moderation": Case(text(422, [problem(["prompt"], "content_policy_violation", "flagged")]), ContentRefused, False),
    "conflict": Case(text(409, "Conflict"), VendorUnavailable, False),
    "rate, no wait named": Case(text(429, "too fast"), RateLimited, False, sends=SENDS, says="too fast"),
    "rate, no body": Case(Answer(429), RateLimited, False, sends=SENDS),
    "rate, a short wait": Case(Answer.of({}, 429, retry_after="0"), RateLimited, False, sends=SENDS),
    "rate, a long wait": Case(Answer.of({}, 429, retry_after="3600"), RateLimited, False, says="after 1 hour"),
    "server error": Case(text(500, "Internal", error_type="internal_error"), UnknownOutcome, None),
    "no id": Case(Answer.of({"status": "IN_QUEUE"}), UnknownOutcome, None, after=True),
}
UPLOAD = {
    "bad key": Case(text(401, "No user found for Key ID and Secret"), BadKey, False),
    "no money": Case(text(403, LOCKED), OutOfCredit, False),
    "refused": Case(text(422, "content_type is not allowed"), RequestRejected, False, says="content_type"),
    "gone": Case(text(404, "Not Found"), RequestRejected, False),
    "server error": Case(text(500, "Internal"), VendorUnavailable, False, sends=SENDS),
    "no addresses": Case(Answer.of({"file_url": "https://x"}), VendorUnavailable, False, sends=SENDS),
    "reset": Case(Answer.reset(), VendorUnavailable, False, sends=SENDS),
    "half an answer": Case(truncated, VendorUnavailable, False, sends=SENDS),
}
PUT = {
    "expired": Case(Answer(403, b"<Error>"), RequestRejected, False, says="HTTP 403"),
    "server error": Case(Answer(500), VendorUnavailable, False, sends=SENDS),
    "reset": Case(Answer.reset(), VendorUnavailable, False, sends=SENDS),
}
REFUSED: Rows = {
    "key": (answered(401, {"detail": "No user found"}), REPORTED),
    "no money": (answered(403, {"detail": LOCKED}), REPORTED),
    "not allowed": (answered(403, {"detail": "Forbidden"}), REPORTED),
    "not found": (answered(404, {"detail": "Request not found"}), PASSING),
    "too fast": (answered(429, {"detail": "slow down"}), PASSING),
}
STATUS: Rows = REFUSED | {
    "given up": (answered(200, {"status": "COMPLETED", "error": "late", "error_type": "request_timeout"}), ENDED),
    "queued": (answered(202, {"status": "IN_QUEUE"}), RUNNING),
    "a new status": (answered(200, {"status": "DREAMING"}), RUNNING),
    "no status": (answered(200, {"status": None}), REPORTED),
    "a sentence": (answered(400, {"detail": "no"}), REPORTED),
}
RESULT: Rows = REFUSED | {
    "a field": (answered(422, {"detail": [problem(["image_url"], "image_too_small", "small")]}), ENDED),
    "refused": (answered(422, {"detail": [problem(["prompt"], "content_policy_violation", "flagged")]}), ENDED),
    "the model broke": (answered(500, {"detail": [problem([], "internal_server_error", "oops")]}), ENDED),
    "a sentence": (answered(422, {"detail": "no"}), DOUBTFUL),
    "a sentence, 400": (answered(400, {"detail": "no"}), DOUBTFUL),
    "a sentence of the model": (Answer.of({"detail": "oops"}, 500, x_fal_request_id="r"), DOUBTFUL),
    "the platform": (answered(504, {"detail": "late", "error_type": "request_timeout"}), DOUBTFUL),
    "no endpoint": (answered(404, {"detail": "Path /text-to-image not found"}), DOUBTFUL),
    "no such path": (answered(404, {"detail": "Path /a/b/requests/r not found"}), PASSING),
    "no problem named": (answered(422, {"detail": []}), REPORTED),
    "done": (raw(f'{{"images": [{{"url": "{LINK}"}}], "seed": {LONG}}}'), FINISHED),
    "done, an empty list": (answered(200, {"images": []}), DOUBTFUL),
    "done, empty links": (answered(200, {"images": ["", {"url": ""}, {"url": 5}, None]}), DOUBTFUL),
    "done, null": (answered(200, {"images": None}), DOUBTFUL),
    "done, words": (answered(200, {"images": [], "description": "I would rather not."}), ENDED),
    "not yet": (answered(202, {"status": "IN_PROGRESS"}), RUNNING),
}
QUEUE = Queue(
    answers={"status": STATUS, "result": RESULT},
    plain=PLAIN,
    door="submit",
    submit=SUBMIT,
    uploads={"upload": UPLOAD, "put": PUT},
    pictured=plain_order(UPLOADING),
    poll=faults.POLL
    | {
        "rate": Case(text(429, "too fast"), RateLimited, None),
        "not visible": Case(text(404, "Request not found"), VendorUnavailable, None),
        "server error": Case(text(500, "Internal"), VendorUnavailable, None),
        "bad key": Case(text(401, "No user found"), BadKey, None),
        "no money": Case(text(403, LOCKED), OutOfCredit, None),
        "not allowed": Case(text(403, "Forbidden"), BadKey, None),
    },
    stops=True,
)


VENDOR = Vendor(
    emulator=FalEmulator,
    goldens=lambda: bodies(ROUTES, fields_body),
    moderation=SUBMIT["moderation"],
    no_money=SUBMIT["no money"],
    submits=("submit",),
    queue=QUEUE,
    listing=Listing(
        refuses=lambda words: Answer.of({"error": {"type": "authorization_error", "message": words}}, 401),
        began="sent",
        two_to_a_page=lambda _, patch: patch.setattr("imagewright.providers.fal.provider.LIST_PAGE", 2),
    ),
    empty=("locked", True, "Top up"),
    alike={default: tuple(models) for default, models in ALIKE.items()},
)
