"""Answers of Replicate, read without any I/O: every state, every shape of an output, and the words of its failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
)
from imagewright.providers.base import Finished, Output, Running
from imagewright.providers.replicate.replies import (
    Prediction,
    read_cancelled,
    read_created,
    read_prediction,
    read_uploaded,
    read_version,
)
from tests.support.replies import ended, reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagewright.providers.http.request import Reply

URL = "https://files.example/1.png"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"id": 5, "status": 5}'])
@pytest.mark.parametrize("read", [read_created, read_prediction, read_uploaded])
def test_what_is_not_the_vendors_form_is_left_to_the_status(read: Callable[[Reply], object], body: bytes) -> None:
    assert read(reply(body)) is None
    assert read(reply(body, 502)) is None
    assert read(reply(body, 404)) is None


def test_a_create_gives_the_prediction_with_the_links_it_names() -> None:
    body = {"id": "p", "status": "starting", "urls": {"get": "g", "cancel": "c"}}
    assert read_created(reply(body, 201)) == Prediction("p", "g", "c", Running(stage="starting"))
    assert read_created(reply({"id": "p", "status": None, "urls": None}, 201)) == Prediction("p", "", "", Running())


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"title": "Unauthenticated", "detail": "You did not pass a valid authentication token"}, BadKey),
        (402, {"title": "Insufficient credit", "detail": "You have insufficient credit"}, OutOfCredit),
        (403, {"detail": "not allowed"}, BadKey),
        (404, {"detail": "The requested resource could not be found."}, ModelUnavailable),
        (422, {"title": "Input validation failed", "detail": "- input.prompt is required\n"}, RequestRejected),
        (422, {"detail": "The prompt was flagged as sensitive"}, ContentRefused),
        (400, {"detail": "bad"}, RequestRejected),
    ],
)
def test_a_refusal_costs_nothing_and_says_why(status: int, body: Any, error: type[ProviderError]) -> None:
    refused = read_created(reply(body, status))
    assert type(refused) is error
    assert refused.charged is False
    assert body["detail"].strip() in refused.detail


@pytest.mark.parametrize(
    ("detail", "headers", "wait"),
    [
        ("Request was throttled. Your rate limit resets in ~30s.", {}, 30.0),
        ("Request was throttled. Your rate limit resets in 2.5 s.", {}, 2.5),
        ("Request was throttled. Your rate limit resets in ~30s.", {"retry_after": "5"}, None),
        ("Request was throttled.", {}, None),
    ],
)
def test_the_wait_is_taken_from_the_words_where_no_header_names_it(
    detail: str, headers: dict[str, str], wait: float | None
) -> None:
    for read, charged in ((read_created, False), (read_prediction, None)):
        limited = read(reply({"detail": detail, "status": 429}, 429, **headers))
        assert type(limited) is RateLimited
        assert limited.retry_after == wait
        assert limited.charged is charged


@pytest.mark.parametrize("status", [404, 422, 500, 503])
def test_what_may_pass_leaves_the_prediction_alone(status: int) -> None:
    assert read_prediction(reply({"detail": "whatever"}, status)) is None


@pytest.mark.parametrize(("status", "error"), [(401, BadKey), (402, OutOfCredit), (403, BadKey)])
def test_what_keeps_from_asking_admits_that_it_may_be_charged(status: int, error: type[ProviderError]) -> None:
    refused = read_prediction(reply({"detail": "no"}, status))
    assert type(refused) is error
    assert refused.charged is None
    assert read_prediction(reply(b"<html>", status)) is None


@pytest.mark.parametrize(
    ("status", "stage"), [("starting", "starting"), ("processing", "generating"), ("dreaming", "working")]
)
def test_a_state_that_is_not_the_end_is_running(status: str, stage: str) -> None:
    assert read_prediction(reply({"status": status, "output": None})) == Running(stage=stage)


@pytest.mark.parametrize("output", [URL, [URL]])
def test_an_output_is_one_link_or_a_list(output: Any) -> None:
    assert read_prediction(reply({"status": "succeeded", "output": output})) == Finished((Output(url=URL),))


def test_what_is_missing_is_reported_and_the_rest_is_kept() -> None:
    finished = read_prediction(reply({"status": "succeeded", "output": [URL, None, "x"]}))
    assert isinstance(finished, Finished)
    assert finished.outputs == (Output(url=URL),)
    assert "no address for 2 of 3" in finished.notes[0]


@pytest.mark.parametrize("output", [None, "", [], [None], {"image": URL}, "file:///etc/passwd"])
def test_success_without_a_picture_is_a_lost_result(output: Any) -> None:
    lost = ended(read_prediction(reply({"status": "succeeded", "output": output})), sure=False)
    assert type(lost) is ResultLost
    assert lost.charged is True
    assert "one hour" in str(lost)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("NSFW content detected. Try running it again, or try a different prompt.", ContentRefused),
        (
            "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
            ContentRefused,
        ),
        ("Something went wrong (E005)", ContentRefused),
        ("Input validation error: image could not be fetched", RequestRejected),
        ("The model `gpt-image-1` does not exist or you do not have access to it.", ModelUnavailable),
        ("model_not_found", ModelUnavailable),
        ("CUDA out of memory (E1001)", GenerationFailed),
        ("unknown (E1000)", GenerationFailed),
        ("", GenerationFailed),
        (None, GenerationFailed),
    ],
)
@pytest.mark.parametrize("status", ["failed", "canceled", "aborted"])
def test_a_failed_prediction_says_why_in_words(error: Any, expected: type[ProviderError], status: str) -> None:
    failed = ended(read_prediction(reply({"status": status, "error": error})))
    assert type(failed) is expected
    assert failed.charged is None
    assert failed.detail == (error or status)
    created = read_created(reply({"id": "p", "status": status, "error": error}, 201))
    assert isinstance(created, Prediction)
    assert type(ended(created.answer)) is expected


def test_the_newest_version_of_a_model() -> None:
    assert read_version(reply({"latest_version": {"id": "v"}})) == "v"
    for body in ({"latest_version": None}, {}, {"latest_version": {"id": None}}):
        assert type(read_version(reply(body))) is ModelUnavailable
    assert type(read_version(reply({"detail": "not found"}, 404))) is ModelUnavailable


def test_an_upload_gives_an_address_and_never_speaks_of_models() -> None:
    assert read_uploaded(reply({"urls": {"get": URL}}, 201)) == URL
    assert read_uploaded(reply({"urls": {}}, 201)) is None
    assert type(read_uploaded(reply({"detail": "no such path"}, 404))) is RequestRejected
    assert type(read_uploaded(reply({"detail": "no"}, 401))) is BadKey


def test_whether_a_prediction_was_asked_to_stop() -> None:
    assert read_cancelled(reply({"status": "canceled"})) is True
    assert read_cancelled(reply({"detail": "not found"}, 404)) is False
