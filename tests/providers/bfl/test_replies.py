"""The answers of Black Forest Labs, read without any I/O."""

from __future__ import annotations

from typing import Any

import pytest

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RequestRejected,
    ResultLost,
    VendorUnavailable,
)
from imagewright.providers.base import Finished, Output, Running
from imagewright.providers.bfl.replies import Submitted, read_standing, read_submitted
from tests.support.replies import ended, reply

URL = "https://delivery-eu4.bfl.ai/results/x/sample.png?se=1&sig=2"
ASK = "https://api.eu4.bfl.ai/v1/get_result?id=task-1"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"id": 5}', b'{"id": ""}'])
def test_a_submit_without_a_readable_task_is_left_to_the_status(body: bytes) -> None:
    assert read_submitted(reply(body)) is None


@pytest.mark.parametrize(
    ("content", "task"),
    [
        ({"id": "t", "polling_url": ASK, "cost": 4.0, "input_mp": 1.0}, Submitted("t", ASK, 4.0)),
        ({"id": "t", "polling_url": ASK}, Submitted("t", ASK, None)),
        ({"id": "t", "polling_url": None, "cost": None}, Submitted("t", "", None)),
        ({"id": "t", "cost": "4"}, Submitted("t", "", 4.0)),
        ({"id": "t", "cost": "four"}, Submitted("t", "", None)),
    ],
)
def test_a_task_is_read_whatever_else_is_missing(content: Any, task: Submitted) -> None:
    assert read_submitted(reply(content)) == task


@pytest.mark.parametrize(
    ("status", "content", "expected", "text"),
    [
        (403, {"detail": "Not authenticated"}, BadKey, "Not authenticated"),
        (403, {"detail": "Insufficient credits"}, OutOfCredit, "credits"),
        (402, {"detail": "Insufficient credits"}, OutOfCredit, "credits"),
        (400, {"message": "not enough credits"}, OutOfCredit, "credits"),
        (404, {"detail": "Not Found"}, ModelUnavailable, "Not Found"),
        (422, {"detail": [{"loc": ["body", "seed"], "msg": "no integer"}]}, RequestRejected, "seed: no integer"),
        (422, {"detail": [{"loc": ["body"], "msg": "a"}, {"msg": "b"}]}, RequestRejected, "a; b"),
        (422, {"detail": "safety_tolerance is out of range"}, RequestRejected, "safety_tolerance"),
        (422, {"detail": "The prompt was flagged"}, ContentRefused, "flagged"),
        (429, {"detail": "Too many active tasks"}, RateLimited, "Too many"),
        (503, {"detail": "busy"}, VendorUnavailable, "busy"),
    ],
)
def test_a_refused_submit_cost_nothing_and_says_why(
    status: int, content: Any, expected: type[ProviderError], text: str
) -> None:
    error = read_submitted(reply(content, status))
    assert isinstance(error, ProviderError)
    assert type(error) is expected
    assert error.charged is False
    assert text in error.detail


@pytest.mark.parametrize(("body", "status"), [(b"<html>", 403), (b"{}", 422), ({"detail": "broken"}, 500), (b"", 502)])
def test_what_says_nothing_or_may_have_begun_is_left_to_the_status(body: Any, status: int) -> None:
    assert read_submitted(reply(body, status)) is None


@pytest.mark.parametrize(
    ("wait", "seconds"), [(7, 7.0), (0.5, 0.5), ("7", 7.0), ("soon", None), (-7, None), (None, None), (True, None)]
)
def test_a_wait_that_is_asked_for_in_the_body_is_read(wait: Any, seconds: float | None) -> None:
    error = read_submitted(reply({"error": "rate_limit_exceeded", "message": "slow", "retry_after": wait}, 429))
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds
    assert error.detail == "slow"


@pytest.mark.parametrize("parts", [None, 4.0, 8.0])
@pytest.mark.parametrize(("seed", "known"), [(42, 42), (0, 0), ("42", None), (None, None), (True, None)])
def test_a_finished_task(parts: float | None, seed: Any, known: int | None) -> None:
    content = {"id": "t", "status": "Ready", "result": {"sample": URL, "prompt": "p", "seed": seed}}
    cost = None if parts is None else parts / 100
    assert read_standing(reply(content), parts) == Finished((Output(url=URL, seed=known),), cost_usd=cost)


@pytest.mark.parametrize("result", [None, {}, {"sample": ""}, {"sample": None}, {"sample": 5}, []])
def test_done_without_a_picture_is_a_lost_result(result: Any) -> None:
    lost = ended(read_standing(reply({"status": "Ready", "result": result}), 4.0), sure=False)
    assert type(lost) is ResultLost
    assert lost.charged is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Request Moderated", ContentRefused),
        ("Content Moderated", ContentRefused),
        ("Error", GenerationFailed),
        ("Failed", GenerationFailed),
    ],
)
@pytest.mark.parametrize(
    ("details", "text"),
    [
        ({"Moderation Reasons": ["Violence", "Gore"]}, ": Moderation Reasons: Violence; Gore"),
        ("out of memory", ": out of memory"),
        (None, ""),
        ({}, ""),
        (5, ": 5"),
    ],
)
def test_an_end_without_a_picture_says_why(status: str, expected: type[ProviderError], details: Any, text: str) -> None:
    error = ended(read_standing(reply({"status": status, "result": None, "details": details}), 4.0))
    assert type(error) is expected
    assert error.charged is None
    assert error.detail == status + text


@pytest.mark.parametrize(
    ("status", "progress", "running"),
    [
        ("Pending", None, Running(None, "queued")),
        ("Reasoning", 0, Running(0.0, "reasoning")),
        ("Generating", 0.5, Running(0.5, "generating")),
        ("Generating", 1, Running(None, "generating")),
        ("Generating", 50, Running(None, "generating")),
        ("Generating", "half", Running(None, "generating")),
        ("Polishing", None, Running(None, "working")),
    ],
)
def test_a_status_that_is_not_the_end_is_running(status: str, progress: Any, running: Running) -> None:
    assert read_standing(reply({"status": status, "progress": progress}), None) == running


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"status": null}', b'{"status": 5}'])
def test_a_standing_that_cannot_be_read_is_left_to_the_status(body: bytes) -> None:
    assert read_standing(reply(body), None) is None


@pytest.mark.parametrize("status", ["Task not found", "task NOT found "])
def test_a_task_that_is_not_known_is_asked_about_again(status: str) -> None:
    error = read_standing(reply({"status": status, "result": None}), 4.0)
    assert type(error) is VendorUnavailable
    assert error.charged is None
    assert error.detail == status


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (403, "Not authenticated", BadKey),
        (401, "Not authenticated", BadKey),
        (403, "Insufficient credits", OutOfCredit),
        (400, "not enough credits", OutOfCredit),
    ],
)
def test_what_keeps_from_asking_is_reported_only_where_the_vendor_itself_says_so(
    status: int, words: str, expected: type[ProviderError]
) -> None:
    error = read_standing(reply({"detail": words}, status), None)
    assert type(error) is expected
    assert error.charged is None
    assert read_standing(reply(b"<html>", 403), None) is None
    assert read_standing(reply({"detail": "Task not found"}, 404), None) is None
