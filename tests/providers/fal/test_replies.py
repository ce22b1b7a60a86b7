"""Answers of fal, read without any I/O: every word it has for trouble, in every place, and every shape of a result."""

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
    RequestRejected,
    ResultLost,
    VendorUnavailable,
)
from imagewright.providers.base import Finished, Output, Running
from imagewright.providers.fal.replies import (
    PLATFORM,
    PROBLEMS,
    Done,
    Submitted,
    read_cancelled,
    read_put,
    read_result,
    read_status,
    read_submitted,
    read_uploaded,
)
from tests.support.replies import ended, reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagewright.providers.http.request import Reply

URL = "https://files.example/1.png"
LOCKED = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."


def problem(kind: str, words: str = "said", place: str = "prompt", **limits: Any) -> dict[str, Any]:
    entry = {"loc": ["body", place], "msg": words, "type": kind, "input": "x" * 10}
    return {"detail": [entry | ({"ctx": limits} if limits else {})]}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"5", b"{}", b'{"request_id": 5}'])
@pytest.mark.parametrize("read", [read_submitted, read_status, read_uploaded])
def test_what_is_not_fals_form_is_left_to_the_status(read: Callable[[Reply], object], body: bytes) -> None:
    assert read(reply(body)) is None
    assert read(reply(body, 502)) is None
    assert read(reply(body, 404)) is None


def test_a_submit_gives_a_task_with_the_links_it_names() -> None:
    text = {"request_id": "r", "status_url": "s", "response_url": "p", "cancel_url": "c", "queue_position": 0}
    assert read_submitted(reply(text)) == Submitted("r", "s", "p", "c")
    assert read_submitted(reply({"request_id": "r", "status_url": None})) == Submitted("r", "", "", "")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"detail": "No user found for Key ID and Secret"}, BadKey),
        (403, {"detail": LOCKED}, OutOfCredit),
        (403, {"detail": "User is locked."}, OutOfCredit),
        (403, {"detail": "User is locked. Reason: under review"}, BadKey),
        (403, {"detail": "Forbidden"}, BadKey),
        (409, {"detail": "Conflict"}, VendorUnavailable),
        (422, problem("content_policy_violation"), ContentRefused),
        (422, problem("missing"), RequestRejected),
        (422, {"detail": "flagged by a content checker"}, ContentRefused),
        (400, {"detail": "bad request", "error_type": "bad_request"}, RequestRejected),
        (429, {"detail": "too many"}, RateLimited),
    ],
)
def test_a_refusal_of_a_submit_costs_nothing(status: int, body: Any, error: type[ProviderError]) -> None:
    refused = read_submitted(reply(body, status))
    assert type(refused) is error
    assert refused.charged is False


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_whether_a_server_error_took_the_task_is_left_open(status: int) -> None:
    assert read_submitted(reply({"detail": "Internal", "error_type": "internal_error"}, status)) is None
    assert read_submitted(reply(problem("internal_server_error"), status)) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "IN_QUEUE", "queue_position": 2}, Running(stage="queued")),
        ({"status": "IN_PROGRESS", "logs": None}, Running(stage="generating")),
        ({"status": "DREAMING"}, Running(stage="generating")),
        ({"status": "COMPLETED", "logs": []}, Done.DONE),
        ({"status": "COMPLETED", "error": "the model said no"}, Done.DONE),
        ({"status": "COMPLETED", "error": "new", "error_type": "new_kind"}, Done.DONE),
    ],
)
def test_how_a_task_stands(body: Any, expected: Any) -> None:
    assert read_status(reply(body)) == expected
    assert read_status(reply(body, 202)) == expected


@pytest.mark.parametrize("kind", PLATFORM)
def test_what_the_platform_gives_up_is_the_same_in_the_status_and_in_the_result(kind: str) -> None:
    meaning = PLATFORM[kind]
    asked = read_status(reply({"status": "COMPLETED", "error": "Request timed out", "error_type": kind}))
    fetched = read_result(reply({"detail": "Request timed out", "error_type": kind}, 504))
    by_header = read_result(reply({"detail": "Request timed out"}, 504, x_fal_error_type=kind))
    for failed in (ended(asked), ended(fetched, sure=False), ended(by_header, sure=False)):
        assert type(failed) is meaning.error
        assert failed.charged is meaning.charged
        assert failed.detail == "Request timed out"


@pytest.mark.parametrize("kind", PROBLEMS)
@pytest.mark.parametrize("status", [400, 422, 500, 504])
def test_what_a_model_reports_goes_by_its_type_and_not_by_its_status(kind: str, status: int) -> None:
    failed = ended(read_result(reply(problem(kind), status)))
    assert type(failed) is PROBLEMS[kind].error
    assert failed.charged is PROBLEMS[kind].charged


def test_the_weightiest_of_several_problems_counts() -> None:
    entries = [*problem("missing")["detail"], *problem("content_policy_violation", "flagged")["detail"]]
    failed = ended(read_result(reply({"detail": entries}, 422)))
    assert type(failed) is ContentRefused
    assert "prompt: said; prompt: flagged" in str(failed)


@pytest.mark.parametrize(
    "kind", ["image_too_small", "file_download_error", "one_of", "value_error", "anything_new", ""]
)
def test_any_other_type_is_about_what_was_sent(kind: str) -> None:
    failed = ended(read_result(reply(problem(kind, "too large", "image_url", max_width=4096), 422)))
    assert type(failed) is RequestRejected
    assert failed.charged is False
    assert failed.detail == "image_url: too large (max_width 4096)"


@pytest.mark.parametrize(
    ("status", "words", "error"),
    [
        (422, "NSFW content", ContentRefused),
        (422, "something", RequestRejected),
        (400, "something", RequestRejected),
    ],
)
def test_a_result_that_is_refused_in_a_sentence_is_not_believed_at_once(
    status: int, words: str, error: type[ProviderError]
) -> None:
    failed = ended(read_result(reply({"detail": words}, status)), sure=False)
    assert type(failed) is error
    assert failed.charged is None


@pytest.mark.parametrize("read", [read_status, read_result])
@pytest.mark.parametrize(
    ("status", "words", "error"),
    [
        (401, "no user", BadKey),
        (403, "Forbidden", BadKey),
        (403, LOCKED, OutOfCredit),
        (429, "slow", RateLimited),
    ],
)
def test_what_keeps_a_task_from_being_asked_about_does_not_end_it(
    status: int, words: str, error: type[ProviderError], read: Any
) -> None:
    failed = read(reply({"detail": words}, status))
    assert type(failed) is error
    assert failed.charged is None


def test_a_server_error_at_the_result_is_the_models_only_with_its_id() -> None:
    body = {"detail": "Internal Server Error"}
    assert read_result(reply(body, 500)) is None
    assert read_result(reply(b"<html>", 502, x_fal_request_id="r")) is None
    failed = ended(read_result(reply(body, 500, x_fal_request_id="r")), sure=False)
    assert type(failed) is GenerationFailed
    assert failed.charged is False


@pytest.mark.parametrize("status", [403, 404, 408, 500, 503])
def test_what_is_not_fals_own_word_is_left_to_the_status(status: int) -> None:
    bodies: tuple[Any, ...] = ({}, b"<html>", {"detail": []})
    for body in bodies:
        assert read_status(reply(body, status)) is None
        assert read_result(reply(body, status)) is None
        assert read_result(reply(body, 422)) is None


@pytest.mark.parametrize(
    ("body", "seed"),
    [
        ({"images": [{"url": URL, "width": 5}], "seed": 7}, 7),
        ({"images": [URL]}, None),
        ({"image": {"url": URL}, "seed": True}, None),
        ({"image": URL, "seed": 2**64}, None),
        ({"images": [{"url": URL}], "seed": "7", "has_nsfw_concepts": [False]}, None),
    ],
)
def test_pictures_in_every_shape(body: Any, seed: int | None) -> None:
    assert read_result(reply(body)) == Finished((Output(url=URL, seed=seed),))


def test_what_is_missing_or_marked_is_reported_and_the_rest_is_kept() -> None:
    body = {"images": [{"url": URL}, {"url": None}, None], "has_nsfw_concepts": [True, False, True]}
    finished = read_result(reply(body))
    assert isinstance(finished, Finished)
    assert len(finished.outputs) == 1
    assert "no address for 2 of 3" in finished.notes[0]
    assert "picture 1, 3 as not safe" in finished.notes[1]


@pytest.mark.parametrize(
    "body", [{"images": []}, {"images": [None]}, {"image": None}, {"images": None}, {"images": "x"}]
)
def test_done_without_a_picture_is_a_lost_result(body: Any) -> None:
    lost = ended(read_result(reply(body)), sure=False)
    assert type(lost) is ResultLost
    assert lost.charged is None


def test_done_with_words_instead_of_a_picture_says_them() -> None:
    failed = ended(read_result(reply({"images": [], "description": "I would rather not."})))
    assert type(failed) is GenerationFailed
    assert "rather not" in str(failed)


def test_a_result_that_is_not_there_yet_is_running() -> None:
    assert read_result(reply({"status": "IN_PROGRESS"}, 202)) == Running(stage="generating")
    for body in (b"", b"[]", {"seed": 5}, {"login": "https://portal.example"}):
        assert read_result(reply(body)) is None


def test_an_upload_gives_both_addresses_or_is_not_understood() -> None:
    both = {"upload_url": "https://up.example/1", "file_url": URL}
    assert read_uploaded(reply(both | {"more": 1})) == both
    assert read_uploaded(reply({"file_url": URL})) is None
    refused = read_uploaded(reply({"detail": "this file breaks our policy"}, 422))
    assert type(refused) is RequestRejected
    assert type(read_uploaded(reply({"detail": LOCKED}, 403))) is OutOfCredit


def test_a_file_that_is_not_taken_is_no_matter_of_the_key() -> None:
    assert read_put(reply(b"")) is True
    assert type(read_put(reply(b"", 403))) is RequestRejected
    assert read_put(reply(b"", 500)) is None


@pytest.mark.parametrize(
    ("body", "status", "parts"),
    [
        ({"status": "OK"}, 200, True),
        ({"status": "CANCELLATION_REQUESTED"}, 202, True),
        (b"", 202, True),
        ({"status": "ALREADY_COMPLETED"}, 400, False),
        ({"status": "ALREADY_COMPLETED"}, 200, False),
        ({"status": "NOT_FOUND"}, 404, False),
        ({"status": {"code": "OK"}}, 200, False),
        (b"<html>", 502, False),
    ],
)
def test_whether_a_task_was_asked_to_stop(body: Any, status: int, parts: Any) -> None:
    assert read_cancelled(reply(body, status)) is parts
