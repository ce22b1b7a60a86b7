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
    TaskEnded,
)
from imagewright.providers.base import Finished, Output, Running
from imagewright.providers.dashscope.replies import read_submitted, read_task
from tests.support.replies import reply

if TYPE_CHECKING:
    from imagewright.providers.http.request import Reply

URL, OTHER = "https://pictures.example/1.png?Expires=1", "https://pictures.example/2.png?Expires=1"
BOTH = Finished((Output(url=URL), Output(url=OTHER)))


def text(content: Any, status: int = 200) -> Reply:
    return reply(content, status, content_type="application/json")


def _choices(*contents: list[Any]) -> dict[str, Any]:
    choices = [{"finish_reason": "stop", "message": {"role": "assistant", "content": one}} for one in contents]
    return {"output": {"choices": choices}, "usage": {"image_count": 1}, "request_id": "r"}


@pytest.mark.parametrize(
    "content",
    [
        _choices([{"image": URL}, {"image": OTHER}]),
        _choices([{"image": URL}], [{"image": OTHER, "type": "image"}]),
        {**_choices([{"image": URL}, {"image": OTHER}]), "code": "", "message": ""},
        {**_choices([{"image": URL}, {"image": OTHER}]), "code": "Odd", "message": "but done"},
    ],
)
def test_pictures_are_collected_from_wherever_they_stand(content: Any) -> None:
    assert read_submitted(text(content)) == BOTH


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
@pytest.mark.parametrize("name", ["image_count", "output_image_count"])
@pytest.mark.parametrize(("count", "charged"), [(0, False), (1, True), (None, None)])
def test_an_answer_without_a_picture(
    *, content: Any, kind: type[ProviderError], name: str, count: int | None, charged: bool | None
) -> None:
    answer = read_submitted(text({**_choices(content), "usage": {name: count}}))
    assert type(answer) is kind
    assert answer.charged is charged


def test_an_empty_account_is_distinguished_from_a_wrong_field_although_both_are_400() -> None:
    assert type(read_submitted(text({"code": "Arrearage", "message": "Access denied, ..."}, 400))) is OutOfCredit


def test_an_error_with_status_200_is_a_failure() -> None:
    answer = read_submitted(text({"code": "SomethingNew", "message": "m", "request_id": "r"}))
    assert type(answer) is GenerationFailed
    assert answer.charged is None


@pytest.mark.parametrize("content", [[], "text", None, {}, {"output": None}, {"output": "x"}, {"output": {}}])
def test_an_answer_of_another_shape_is_left_to_its_status(content: Any) -> None:
    assert read_submitted(text(content)) is None
    assert read_submitted(reply(b"<html>", 502)) is None


def _task(status: Any, **more: Any) -> dict[str, Any]:
    return {"output": {"task_id": "t", "task_status": status, **more}, "request_id": "r"}


REFUSED = {"code": "DataInspectionFailed", "message": "m"}


@pytest.mark.parametrize(
    ("content", "kind", "charged", "sure"),
    [
        (_task("FAILED", code="InternalError.Timeout", message="m"), GenerationFailed, False, True),
        (_task("FAILED", **REFUSED), ContentRefused, False, True),
        (_task("CANCELED"), GenerationFailed, False, True),
        (_task("SUCCEEDED", results=[REFUSED]) | {"usage": {"image_count": 0}}, ContentRefused, False, True),
        (_task("SUCCEEDED", results=[]), GenerationFailed, None, False),
        (_task("SUCCEEDED", results=None), GenerationFailed, None, False),
    ],
)
def test_a_task_that_came_to_nothing(
    content: Any, kind: type[ProviderError], *, charged: bool | None, sure: bool
) -> None:
    answer = read_task(text(content))
    assert isinstance(answer, TaskEnded)
    assert (type(answer.error), answer.error.charged, answer.sure) == (kind, charged, sure)


@pytest.mark.parametrize(("status", "stage"), [("PENDING", "queued"), ("RUNNING", "generating"), ("NEW", "queued")])
def test_a_task_that_is_not_over_is_running(status: str, stage: str) -> None:
    assert read_task(text(_task(status))) == Running(stage=stage)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InvalidApiKey", 401, BadKey),
        ("Arrearage", 400, OutOfCredit),
        ("Throttling.AllocationQuota", 429, RateLimited),
        ("InvalidParameter", 400, None),
        ("InternalError", 500, None),
    ],
)
def test_a_refused_question_says_nothing_about_the_task(
    code: str, status: int, kind: type[ProviderError] | None
) -> None:
    answer = read_task(text({"code": code, "message": "m"}, status))
    assert (None if answer is None else type(answer)) is kind
    assert not isinstance(answer, ProviderError) or answer.charged is None
