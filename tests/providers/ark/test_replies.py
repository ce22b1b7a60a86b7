"""What Ark's answers mean, without any sending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import (
    ContentRefused,
    GenerationFailed,
    ProviderError,
    RateLimited,
    ResultLost,
)
from imagewright.providers.ark.replies import read_images
from imagewright.providers.base import Finished, Output
from tests.support.replies import reply

if TYPE_CHECKING:
    from imagewright.providers.http.request import Reply

URL = "https://pictures.example/1.jpeg?sig=1"
REFUSED = {"error": {"code": "OutputImageSensitiveContentDetected", "message": "The output is sensitive."}}


def text(content: Any, status: int = 200) -> Reply:
    return reply(content, status, content_type="application/json")


def _error(code: str, status: int = 400) -> Any:
    return read_images(text({"error": {"code": code, "message": "m. Request ID: 1", "param": "", "type": "T"}}, status))


def test_pictures_come_as_links() -> None:
    content = {"model": "m", "created": 1, "data": [{"url": URL, "size": "2048x2048"}], "usage": {}}
    assert read_images(text(content)) == Finished((Output(url=URL),))


def test_pictures_in_base64_are_taken_too() -> None:
    assert read_images(text({"data": [{"b64_json": "aGVsbG8="}]})) == Finished((Output(data=b"hello"),))


def test_of_a_set_with_refusals_the_rest_is_kept() -> None:
    answer = read_images(text({"data": [{"url": URL}, REFUSED, {"size": "1x1"}, REFUSED], "error": {"code": "Odd"}}))
    assert isinstance(answer, Finished)
    assert answer.outputs == (Output(url=URL),)
    assert answer.notes == (
        "ark says besides: 'Odd'.",
        "ark did not deliver 2 of the pictures: 'OutputImageSensitiveContentDetected: The output is sensitive'.",
        "ark sent 1 of the pictures in a form that cannot be read.",
    )


@pytest.mark.parametrize(("made", "charged"), [(0, False), (1, True), (None, None), ("0", False)])
def test_a_set_of_refusals_only_is_a_refusal(*, made: Any, charged: bool | None) -> None:
    answer = read_images(text({"data": [REFUSED], "usage": {"generated_images": made}}))
    assert type(answer) is ContentRefused
    assert answer.charged is charged


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ({"error": {"code": "InternalServiceError", "message": "m"}}, GenerationFailed),
        ({"error": {"code": "SomethingNew"}}, GenerationFailed),
        ({"error": "no object"}, GenerationFailed),
    ],
)
def test_a_single_picture_that_failed_is_the_calls_failure(item: Any, kind: type[ProviderError]) -> None:
    assert type(read_images(text({"data": [item]}))) is kind


@pytest.mark.parametrize(
    ("code", "charged"),
    [
        ("InputTextSensitiveContentDetected", False),
        ("InputImageSensitiveContentDetected.PrivacyInformation", False),
        ("OutputImageSensitiveContentDetected", None),
    ],
)
def test_what_was_refused_after_it_was_made_may_be_charged(*, code: str, charged: bool | None) -> None:
    answer = _error(code)
    assert type(answer) is ContentRefused
    assert answer.charged is charged


def test_every_limit_of_the_rate_is_one() -> None:
    assert type(_error("ModelAccountIpmRateLimitExceeded", 429)) is RateLimited
    assert type(_error("RateLimitExceeded.EndpointRPMExceeded", 429)) is RateLimited


def test_an_error_with_status_200_is_a_failure() -> None:
    answer = _error("SomethingNew", 200)
    assert type(answer) is GenerationFailed
    assert "SomethingNew: m" in answer.detail


def test_an_answer_without_pictures() -> None:
    assert type(read_images(text({"data": []}))) is GenerationFailed
    lost = read_images(text({"data": [{"url": ""}], "usage": {"generated_images": 1}}))
    assert type(lost) is ResultLost
    assert lost.charged is True


@pytest.mark.parametrize("content", [[], "text", None, {}, {"data": None}, {"data": "x"}, {"error": "text"}])
def test_an_answer_of_another_shape_is_left_to_its_status(content: Any) -> None:
    assert read_images(text(content)) is None
    assert read_images(reply(b"<html>", 502)) is None
    assert read_images(text({"data": []}, 500)) is None
