"""What DashScope's answers mean, without any sending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    OutOfCredit,
    ProviderError,
    RateLimited,
    VendorUnavailable,
)
from imagewright.providers.base import Finished, Handle, Output, Running
from imagewright.providers.dashscope.replies import read_cancelled, read_standing, read_submitted
from tests.support.replies import ended, reply

if TYPE_CHECKING:
    from imagewright.providers.http.request import Reply

URL, OTHER = "https://pictures.example/1.png?Expires=1", "https://pictures.example/2.png?Expires=1"
BOTH = Finished((Output(url=URL), Output(url=OTHER)))


def text(content: Any, status: int = 200) -> Reply:
    return reply(content, status, content_type="application/json")


def _choices(*contents: list[Any]) -> dict[str, Any]:
    choices = [{"finish_reason": "stop", "message": {"role": "assistant", "content": one}} for one in contents]
    return {"output": {"choices": choices}, "usage": {"image_count": 1}, "request_id": "r"}


def _task(status: str, **more: Any) -> dict[str, Any]:
    return {"output": {"task_id": "t", "task_status": status, **more}, "request_id": "r"}


@pytest.mark.parametrize(
    "content",
    [
        _choices([{"image": URL}, {"image": OTHER}]),
        _choices([{"image": URL}], [{"image": OTHER, "type": "image"}]),
        _task("SUCCEEDED", results=[{"url": URL}, {"url": OTHER}]),
        {**_choices([{"image": URL}, {"image": OTHER}]), "code": "", "message": ""},
        {**_choices([{"image": URL}, {"image": OTHER}]), "code": "Odd", "message": "but done"},
    ],
)
def test_pictures_are_collected_from_wherever_they_stand(content: Any) -> None:
    assert read_submitted(text(content)) == BOTH


def test_a_task_is_distinguished_from_pictures() -> None:
    assert read_submitted(text(_task("PENDING"))) == Handle("dashscope", {"task": "t"})
    assert read_submitted(text(_task("SOMETHING_NEW"))) == Handle("dashscope", {"task": "t"})
    assert type(read_submitted(text(_task("FAILED", code="InternalError", message="m")))) is GenerationFailed


def test_of_several_pictures_the_ones_that_came_out_are_kept() -> None:
    failed = {"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}
    answer = read_standing(text(_task("SUCCEEDED", results=[{"url": URL}, failed, failed])))
    assert isinstance(answer, Finished)
    assert answer.outputs == (Output(url=URL),)
    (note,) = answer.notes
    assert "did not deliver 2 of the pictures: 'DataInspectionFailed: Output data" in note
    assert note.count("Output data") == 1


def test_words_in_place_of_a_picture_are_passed_on() -> None:
    answer = read_submitted(text(_choices([{"image": URL}, {"text": "One of them\nfailed."}])))
    assert isinstance(answer, Finished)
    assert answer.notes == ("dashscope says besides: 'One of them failed.'.",)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ([{"text": "I would rather talk about it."}], GenerationFailed),
        ([{"text": "This goes against our content policy."}], ContentRefused),
        ([], GenerationFailed),
        ([{"image": None}], GenerationFailed),
        ("text", GenerationFailed),
    ],
)
@pytest.mark.parametrize(("count", "charged"), [(0, False), (1, True), (None, None)])
def test_an_answer_without_a_picture(
    *, content: Any, kind: type[ProviderError], count: int | None, charged: bool | None
) -> None:
    answer = read_submitted(text({**_choices(content), "usage": {"image_count": count}}))
    assert type(answer) is kind
    assert answer.charged is charged


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("DataInspectionFailed", ContentRefused),
        ("InternalError.Algo.DataInspectionFailed", ContentRefused),
        ("IPInfringementSuspect", ContentRefused),
        ("InternalError.Timeout", GenerationFailed),
        ("Throttling.RateQuota", GenerationFailed),
        ("SomethingNew", GenerationFailed),
        ("", GenerationFailed),
    ],
)
def test_a_task_that_failed_says_why_and_costs_nothing(code: str, kind: type[ProviderError]) -> None:
    answer = ended(read_standing(text(_task("FAILED", code=code, message="words"))))
    assert type(answer) is kind
    assert answer.charged is False
    assert "words" in answer.detail


def test_a_task_that_was_cancelled_costs_nothing() -> None:
    answer = ended(read_standing(text(_task("CANCELED"))))
    assert type(answer) is GenerationFailed
    assert answer.charged is False


@pytest.mark.parametrize(
    ("status", "stage"),
    [("PENDING", "queued"), ("SUSPENDED", "waiting"), ("RUNNING", "generating"), ("NEW", "working")],
)
def test_a_task_that_is_not_over_is_running(status: str, stage: str) -> None:
    assert read_standing(text(_task(status))) == Running(stage=stage)


def test_a_task_nobody_knows_is_asked_about_again() -> None:
    answer = read_standing(text(_task("UNKNOWN")))
    assert type(answer) is VendorUnavailable
    assert answer.charged is None


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InvalidApiKey", 401, BadKey),
        ("Arrearage", 400, OutOfCredit),
        ("Throttling", 429, RateLimited),
        ("Throttling.AllocationQuota", 429, RateLimited),
    ],
)
def test_a_poll_that_is_refused_does_not_speak_of_the_money(code: str, status: int, kind: type[ProviderError]) -> None:
    answer = read_standing(text({"code": code, "message": "m"}, status))
    assert type(answer) is kind
    assert answer.charged is None


def test_an_empty_account_is_distinguished_from_a_wrong_field_although_both_are_400() -> None:
    assert type(read_submitted(text({"code": "Arrearage", "message": "Access denied, ..."}, 400))) is OutOfCredit


def test_an_error_with_status_200_is_a_failure() -> None:
    answer = read_submitted(text({"code": "SomethingNew", "message": "m", "request_id": "r"}))
    assert type(answer) is GenerationFailed
    assert answer.charged is None


@pytest.mark.parametrize("content", [[], "text", None, {}, {"output": None}, {"output": "x"}, {"output": {}}])
def test_an_answer_of_another_shape_is_left_to_its_status(content: Any) -> None:
    assert read_submitted(text(content)) is None
    assert read_standing(text(content)) is None
    assert read_submitted(reply(b"<html>", 502)) is None
    assert read_standing(text({"code": "InternalError", "message": "m"}, 500)) is None


@pytest.mark.parametrize(
    ("content", "status", "stopped"),
    [
        ({"request_id": "r"}, 200, True),
        ({}, 200, True),
        ({"code": "UnsupportedOperation", "message": "not PENDING"}, 400, False),
        ({"code": "UnsupportedOperation", "message": "not PENDING"}, 200, False),
        (None, 404, False),
    ],
)
def test_whether_a_task_was_asked_to_stop(*, content: Any, status: int, stopped: bool) -> None:
    assert read_cancelled(text(content, status)) is stopped
