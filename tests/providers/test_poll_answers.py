"""Every vendor that is asked how a task stands, answer by answer: which of them speak of the task itself.

Only those end a call. Everything else is trouble with asking, and is either told to the caller or passes by itself.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.engine.trouble import Trouble
from imagewright.providers.base import Finished, TaskEnded
from tests.emulators.dashscope import error
from tests.emulators.fal import LOCKED, problem
from tests.emulators.kie import envelope
from tests.emulators.messages import Answer
from tests.emulators.replicate import failure
from tests.providers.test_queue_faults import POLLS, QUEUES
from tests.support.provider_runs import plain_order, submitted
from tests.support.vendors import VENDORS, wired

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagewright.providers.base import Handle, Provider
    from imagewright.providers.http.client import HttpClient
    from tests.support.vendors import AnyEmulator

pytestmark = pytest.mark.anyio

LINK = "https://files.example/1.png"
LONG = "9" * 400
"""A number that no float can hold."""


class Means(StrEnum):
    """What an answer to a poll comes to."""

    ENDED = "the task is over, at once"
    DOUBTFUL = "the task is over, if it is said again"
    TOLD = "trouble that the caller is told of"
    PASSING = "trouble that passes by itself"
    RUNNING = "running"
    FINISHED = "finished"


ENDED, DOUBTFUL, TOLD, PASSING, RUNNING, FINISHED = Means
Rows = dict[str, tuple[Answer, Means]]


def answered(status: int, content: Any) -> Answer:
    return Answer.of(content, status)


def raw(text: str) -> Answer:
    """A body that no JSON writer makes, or is left as it is."""
    return Answer(200, text.encode("utf-8"), {"Content-Type": "application/json"})


def bare(*statuses: int) -> Rows:
    """Answers of a status and nothing else: of a proxy, a firewall, a network's sign-in page."""
    passing = {404, 408, 409, 425, 429}
    return {f"{one}": (Answer(one), PASSING if one in passing or one >= 500 else TOLD) for one in statuses}


ANYWHERE: Rows = bare(
    301, 302, 307, 400, 401, 402, 403, 404, 405, 407, 408, 409, 410, 418, 422, 425, 429, 451, 500, 502, 503, 504, 520
) | {
    "a page": (Answer(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}), TOLD),
    "a page that is refused": (Answer(403, b"<html>Blocked</html>", {"Content-Type": "text/html"}), TOLD),
    "plain text": (Answer(200, b"come back later", {"Content-Type": "text/plain"}), TOLD),
    "nothing": (Answer(200), TOLD),
    "of another service": (answered(200, {"login": "https://portal.example/"}), TOLD),
    "a list": (answered(200, []), TOLD),
    "a number": (raw("Infinity"), TOLD),
    "a long number": (raw(LONG * 20), TOLD),
    "nested without end": (raw("[" * 100_000), TOLD),
    "objects without end": (raw('{"data":' * 100_000), TOLD),
    "no text at all": (Answer(200, b"\xff\xfe\x00", {"Content-Type": "application/json"}), TOLD),
    "too large": (Answer(200, b" " * 16_000_001), TOLD),
    "broken off": (Answer.reset(), PASSING),
}
"""What can answer in any vendor's place."""

KIE_CODES: Mapping[Means, tuple[int, ...]] = {
    TOLD: (400, 401, 402, 403),
    PASSING: (404, 422, 429, 433, 451, 455, 500, 503, 550, 999),
    DOUBTFUL: (408, 501, 505),
}


def market(**data: Any) -> Answer:
    return envelope(200, "success", {"taskId": "t", **data})


KIE: Rows = {f"code {code}": (envelope(code, "no"), means) for means, codes in KIE_CODES.items() for code in codes} | {
    "a code in words": (envelope(400, "flagged by our content policy"), TOLD),
    "a code and a status": (envelope(401, "no", status=401), TOLD),
    "an endless code": (raw('{"code": Infinity}'), TOLD),
    "a long code": (raw(f'{{"code": {LONG}}}'), TOLD),
    "nothing inside": (envelope(200, "success"), PASSING),
    "failed": (market(state="fail", failCode="500", failMsg="no"), ENDED),
    "failed, a long code": (raw(f'{{"code": 200, "data": {{"state": "fail", "failCode": {LONG}}}}}'), ENDED),
    "refused": (market(state="fail", failCode="400", failMsg="flagged as sensitive"), ENDED),
    "done": (market(state="success", resultJson=json.dumps({"resultUrls": [LINK]}), creditsConsumed="-1"), FINISHED),
    "done, nothing": (market(state="success", resultJson=None), DOUBTFUL),
    "done, an empty list": (market(state="success", resultJson='{"resultUrls": []}'), DOUBTFUL),
    "done, null": (market(state="success", resultJson='{"resultUrls": null}'), DOUBTFUL),
    "an endless share": (raw('{"code": 200, "data": {"state": "generating", "progress": Infinity}}'), RUNNING),
    "a long share": (raw(f'{{"code": 200, "data": {{"state": "generating", "progress": {LONG}}}}}'), RUNNING),
    "a new state": (market(state="dreaming"), RUNNING),
}
FAL_REFUSED: Rows = {
    "key": (answered(401, {"detail": "No user found"}), TOLD),
    "no money": (answered(403, {"detail": LOCKED}), TOLD),
    "not allowed": (answered(403, {"detail": "Forbidden"}), TOLD),
    "not found": (answered(404, {"detail": "Request not found"}), PASSING),
    "too fast": (answered(429, {"detail": "slow down"}), PASSING),
}
FAL_STATUS: Rows = FAL_REFUSED | {
    "given up": (answered(200, {"status": "COMPLETED", "error": "late", "error_type": "request_timeout"}), ENDED),
    "queued": (answered(202, {"status": "IN_QUEUE"}), RUNNING),
    "a new status": (answered(200, {"status": "DREAMING"}), RUNNING),
    "no status": (answered(200, {"status": None}), TOLD),
    "a sentence": (answered(400, {"detail": "no"}), TOLD),
}
FAL_RESULT: Rows = FAL_REFUSED | {
    "a field": (answered(422, {"detail": [problem(["image_url"], "image_too_small", "small")]}), ENDED),
    "refused": (answered(422, {"detail": [problem(["prompt"], "content_policy_violation", "flagged")]}), ENDED),
    "the model broke": (answered(500, {"detail": [problem([], "internal_server_error", "oops")]}), ENDED),
    "a sentence": (answered(422, {"detail": "no"}), DOUBTFUL),
    "a sentence, 400": (answered(400, {"detail": "no"}), DOUBTFUL),
    "a sentence of the model": (Answer.of({"detail": "oops"}, 500, x_fal_request_id="r"), DOUBTFUL),
    "the platform": (answered(504, {"detail": "late", "error_type": "request_timeout"}), DOUBTFUL),
    "no problem named": (answered(422, {"detail": []}), TOLD),
    "done": (raw(f'{{"images": [{{"url": "{LINK}"}}], "seed": {LONG}}}'), FINISHED),
    "done, an empty list": (answered(200, {"images": []}), DOUBTFUL),
    "done, null": (answered(200, {"images": None}), DOUBTFUL),
    "done, words": (answered(200, {"images": [], "description": "I would rather not."}), ENDED),
    "not yet": (answered(202, {"status": "IN_PROGRESS"}), RUNNING),
}
REPLICATE: Rows = {
    "failed": (answered(200, {"status": "failed", "error": "out of memory"}), ENDED),
    "canceled": (answered(200, {"status": "canceled"}), ENDED),
    "aborted": (answered(200, {"status": "aborted"}), ENDED),
    "done": (answered(200, {"status": "succeeded", "output": [LINK]}), FINISHED),
    "done, null": (answered(200, {"status": "succeeded", "output": None}), DOUBTFUL),
    "done, an empty list": (answered(200, {"status": "succeeded", "output": []}), DOUBTFUL),
    "a new status": (answered(200, {"status": "dreaming"}), RUNNING),
    "no status": (answered(200, {"status": 5}), TOLD),
    "key": (failure(401, "no", "Unauthenticated"), TOLD),
    "no money": (failure(402, "no", "Insufficient credit"), TOLD),
    "not allowed": (failure(403, "no"), TOLD),
    "not found": (failure(404, "no"), PASSING),
    "a field": (failure(422, "no"), TOLD),
    "too fast": (failure(429, "It resets in ~3600s."), PASSING),
}
BFL: Rows = {
    **{
        word: (answered(200, {"status": word, "result": None, "details": {"Reasons": ["Gore"]}}), ENDED)
        for word in ("Request Moderated", "Content Moderated", "Error", "Failed")
    },
    "Task not found": (answered(200, {"status": "Task not found"}), PASSING),
    "done": (raw(f'{{"status": "Ready", "result": {{"sample": "{LINK}", "seed": {LONG}}}}}'), FINISHED),
    "done, null": (answered(200, {"status": "Ready", "result": None}), DOUBTFUL),
    "done, nothing": (answered(200, {"status": "Ready", "result": {}}), DOUBTFUL),
    "an endless share": (raw('{"status": "Generating", "progress": Infinity}'), RUNNING),
    "a long share": (raw(f'{{"status": "Generating", "progress": {LONG}}}'), RUNNING),
    "a new status": (answered(200, {"status": "Dreaming"}), RUNNING),
    "key": (answered(403, {"detail": "Not authenticated"}), TOLD),
    "no money": (answered(402, {"detail": "Insufficient credits"}), TOLD),
    "no money, 403": (answered(403, {"detail": "Insufficient credits"}), TOLD),
    "not found": (answered(404, {"detail": "Task not found"}), PASSING),
    "a field": (answered(422, {"detail": [{"loc": ["query", "id"], "msg": "no"}]}), TOLD),
}


def task(status: Any, **more: Any) -> Answer:
    return answered(200, {"output": {"task_id": "t", "task_status": status, **more}})


DASHSCOPE: Rows = {
    "failed": (task("FAILED", code="InternalError.Timeout", message="m"), ENDED),
    "refused": (task("FAILED", code="DataInspectionFailed", message="m"), ENDED),
    "canceled": (task("CANCELED"), ENDED),
    "not known": (task("UNKNOWN"), PASSING),
    "done": (task("SUCCEEDED", results=[{"url": LINK}]), FINISHED),
    "done, an empty list": (task("SUCCEEDED", results=[]), DOUBTFUL),
    "done, null": (task("SUCCEEDED", results=None), DOUBTFUL),
    "done, all refused": (task("SUCCEEDED", results=[{"code": "DataInspectionFailed", "message": "m"}]), ENDED),
    "a new status": (task("DREAMING"), RUNNING),
    "no status": (task(None), TOLD),
    "key": (error(401, "InvalidApiKey", "m"), TOLD),
    "no money": (error(400, "Arrearage", "m"), TOLD),
    "not activated": (error(403, "AccessDenied", "m"), TOLD),
    "a field": (error(400, "InvalidParameter", "m"), TOLD),
    "not found": (error(404, "NotFound", "m"), PASSING),
    "too fast": (error(429, "Throttling", "m"), PASSING),
    "broken": (error(500, "InternalError", "m"), PASSING),
}
OWN: Mapping[tuple[str, str], Rows] = {
    ("kie", "poll"): KIE,
    ("fal", "status"): FAL_STATUS,
    ("fal", "result"): FAL_RESULT,
    ("replicate", "poll"): REPLICATE,
    ("bfl", "poll"): BFL,
    ("dashscope", "poll"): DASHSCOPE,
}
"""In each vendor's own words, by the door they come from."""


def test_no_door_is_missing() -> None:
    assert set(OWN) == set(POLLS)


async def _meaning(provider: Provider, handle: Handle) -> Means:
    try:
        answer = await provider.poll(handle)
    except TaskEnded as over:
        return ENDED if over.sure else DOUBTFUL
    except Exception as error:  # noqa: BLE001 - as the engine, which takes anything else for trouble with asking
        return TOLD if Trouble(provider.name, error).notice(provider.poll_policy) else PASSING
    return FINISHED if isinstance(answer, Finished) else RUNNING


@pytest.mark.parametrize(("name", "door"), OWN)
async def test_only_what_is_said_of_the_task_itself_ends_a_call(
    name: str, door: str, emulator: AnyEmulator, http: HttpClient
) -> None:
    provider = wired(name, emulator, http)
    handle = await submitted(provider, plain_order(QUEUES[name].plain))
    if door != VENDORS[name].polls[0]:  # only then is anything asked there
        emulator.seconds = 0.0  # type: ignore[union-attr]  # a vendor that takes its time
    rows = ANYWHERE | OWN[name, door]
    found = {}
    for row, (answer, _) in rows.items():
        emulator.fail_next(door, answer)
        found[row] = await _meaning(provider, handle)
    assert found == {row: means for row, (_, means) in rows.items()}
