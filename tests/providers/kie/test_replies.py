"""Kie's answers, read without any I/O: every code in every place, and every spelling that was seen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import (
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    ProviderError,
    RateLimited,
    RequestRejected,
    ResultLost,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.base import Finished, Output, Running
from imagewright.providers.kie.replies import (
    CODES,
    DOUBTFUL_ENDS,
    read_created,
    read_flux_kontext,
    read_gpt4o,
    read_market,
    read_uploaded,
)
from tests.support.replies import ended, reply

if TYPE_CHECKING:
    from imagewright.providers.http.request import Reply

URL = "https://files.example/1.png"


def words(code: Any, text: str = "", data: Any = None) -> Reply:
    return reply({"code": code, "msg": text, "data": data})


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"code": null}', b'{"data": {"taskId": "t"}}'])
def test_what_is_not_kies_form_is_left_to_the_status(body: bytes) -> None:
    assert [read(reply(body)) for read in (read_created, read_uploaded, read_market, read_flux_kontext)] == [None] * 4


def test_a_create_without_a_task_is_not_understood() -> None:
    assert read_created(words(200, "success", {"taskId": "t1"})) == "t1"
    assert read_created(words("200", "success", {"taskId": "t1"})) == "t1"
    assert read_created(words(200, "success", {"taskId": ""})) is None
    assert read_created(words(200, "success")) is None


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_means_what_the_table_says_where_it_appears(code: int) -> None:
    meaning = CODES[code]
    created, asked = read_created(words(code)), read_market(words(code))
    failed = ended(read_market(words(200, data={"state": "fail", "failCode": str(code), "failMsg": ""})))
    if code in DOUBTFUL_ENDS:
        asked = ended(asked, sure=False)
    assert isinstance(created, ProviderError)
    assert isinstance(asked, ProviderError)
    assert (type(created), type(asked), type(failed)) == meaning
    begun = code in (408, 500, 501)  # these do not say that nothing was begun
    assert (created.charged, asked.charged, failed.charged) == (None if begun else False, None, None)


def test_a_code_nobody_knows_never_claims_that_nothing_was_charged() -> None:
    created = read_created(words(999, "what"))
    assert type(created) is ProviderError
    assert created.charged is None
    assert isinstance(read_market(words(999)), VendorUnavailable)


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (422, "The model name you specified is not supported.", ModelUnavailable),
        (500, "This interface is temporarily paused", ModelUnavailable),
        (500, "image_size is not within the range of allowed options", RequestRejected),
        (422, "This field is required", RequestRejected),
        (400, "Your content was flagged by OpenAI as violating content policies", ContentRefused),
        (422, "The prompt contains sensitive words", ContentRefused),
        (500, "internal error, please try again later", UnknownOutcome),
        (422, "safetyTolerance is out of bounds", RequestRejected),
        (429, "Rate limited by our usage policy", RateLimited),
    ],
)
def test_where_a_code_says_several_things_the_words_decide(code: int, text: str, expected: type[ProviderError]) -> None:
    assert type(read_created(words(code, text))) is expected
    assert type(read_created(reply({"code": code, "message": text}))) is expected


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("501", "upstream generation failed", GenerationFailed),
        ("500", "server is busy", GenerationFailed),
        ("400", "NSFW content detected", ContentRefused),
        ("422", "prohibited", ContentRefused),
        ("501", "blocked by the safety system", ContentRefused),
        ("", "", GenerationFailed),
        (None, None, GenerationFailed),
        ("E005", "flagged as sensitive", ContentRefused),
    ],
)
def test_a_failed_task_says_why(code: Any, text: Any, expected: type[ProviderError]) -> None:
    data = {"state": "fail", "failCode": code, "failMsg": text, "creditsConsumed": 0}
    failed = ended(read_market(words(200, data=data)))
    assert type(failed) is expected
    assert failed.charged is False
    assert ended(read_market(words(200, data=data | {"creditsConsumed": 4}))).charged is True


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (400, "Your content was flagged", ContentRefused),
        (400, "", ContentRefused),
        (400, "Image size exceeds maximum of 26214400 bytes", RequestRejected),
        (451, "failed to fetch the image", GenerationFailed),
        (500, "internal", GenerationFailed),
    ],
)
@pytest.mark.parametrize("flag", [2, 3, "2"])
def test_a_failed_4o_task_says_why(code: int, text: str, expected: type[ProviderError], flag: Any) -> None:
    failed = ended(read_gpt4o(words(200, data={"successFlag": flag, "errorCode": code, "errorMessage": text})))
    assert type(failed) is expected
    assert failed.charged is None


@pytest.mark.parametrize("result", [json.dumps({"resultUrls": [URL]}), {"resultUrls": [URL]}, {"result_urls": [URL]}])
@pytest.mark.parametrize(("spent", "usd"), [(5.0, 0.025), ("4.8", 0.024), (None, None), (True, None)])
def test_a_finished_market_task(result: Any, spent: Any, usd: float | None) -> None:
    data = {"state": "success", "resultJson": result, "creditsConsumed": spent}
    assert read_market(words(200, data=data)) == Finished((Output(url=URL),), cost_usd=usd)


@pytest.mark.parametrize(
    "response", [{"resultUrls": [URL]}, {"result_urls": [URL]}, {"resultImageUrl": URL, "originImageUrl": "https://x"}]
)
def test_a_finished_task_with_a_flag(response: Any) -> None:
    data = {"successFlag": 1, "response": response}
    assert read_gpt4o(words(200, data=data)) == Finished((Output(url=URL),))
    assert read_flux_kontext(words(200, data=data | {"response": json.dumps(response)})) == Finished((Output(url=URL),))


@pytest.mark.parametrize(
    "result", ["", None, "{", "[" * 9_999, "[]", '{"resultUrls": []}', '{"resultUrls": [null, 5]}', "{}"]
)
def test_done_without_a_picture_is_a_lost_result(result: Any) -> None:
    lost = ended(read_market(words(200, data={"state": "success", "resultJson": result})), sure=False)
    assert type(lost) is ResultLost
    assert lost.charged is None


@pytest.mark.parametrize("state", ["waiting", "queuing", "generating", "dreaming", None, 7])
def test_a_state_that_is_not_the_end_is_running(state: Any) -> None:
    answer = read_market(words(200, data={"state": state, "progress": "50", "taskId": "t"}))
    assert isinstance(answer, Running)
    assert answer.share is None
    assert answer.stage


@pytest.mark.parametrize("flag", [0, None, 9, "soon"])
def test_a_flag_that_is_not_the_end_is_running(flag: Any) -> None:
    answer = read_gpt4o(words(200, data={"successFlag": flag, "progress": "0.25"}))
    assert answer == Running(0.25, "generating")


@pytest.mark.parametrize(("code", "data"), [(422, None), (404, None), (200, None), (200, {})])
def test_a_task_that_is_too_fresh_is_asked_about_again(code: int, data: Any) -> None:
    assert type(read_market(words(code, "recordInfo is null", data))) is VendorUnavailable


def test_an_upload_gives_an_address_and_never_speaks_of_models() -> None:
    assert read_uploaded(words(200, data={"downloadUrl": URL})) == URL
    assert type(read_uploaded(words(404, "no such path"))) is RequestRejected
    assert read_uploaded(words(200, data={})) is None
