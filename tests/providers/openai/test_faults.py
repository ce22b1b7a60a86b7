"""What can go wrong with the Images API, each with its one error: class, words, retry, money."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    RateLimited,
    RequestRejected,
    ResultLost,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.base import ProviderConfig
from imagewright.providers.openai.provider import OpenAI, build
from imagewright.providers.openai.routes import ROUTES
from tests.emulators.messages import Answer, truncated
from tests.emulators.openai import OpenAIEmulator, error
from tests.support.faults import SENDS, Case, check_error, check_log
from tests.support.faults_sync import COMMON, check_fault
from tests.support.provider_runs import drive_at_once, full_order, picture, plain_order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.providers.http.client import HttpClient

pytestmark = pytest.mark.anyio

PLAIN, EDIT = ROUTES
SAFETY = "Your request was rejected by the safety system."


def _blocked(stage: str = "") -> Answer:
    details = {"moderation_details": {"moderation_stage": stage, "categories": ["violence"]}} if stage else {}
    return error(400, SAFETY, "moderation_blocked", kind="image_generation_user_error", more=details)


def _empty(code: str, status: int = 429) -> Answer:
    return error(status, "You exceeded your current quota.", code, kind="insufficient_quota")


SUBMIT = COMMON | {
    "moderation": Case(_blocked(), ContentRefused, None, says=SAFETY),
    "moderation of the input": Case(_blocked("input"), ContentRefused, False, says="(violence)"),
    "moderation of the result": Case(_blocked("output"), ContentRefused, None, says="(violence)"),
    "moderation without a code": Case(error(400, SAFETY), ContentRefused, None),
    "key": Case(error(401, "Incorrect API key provided: sk-em***.", "invalid_api_key"), BadKey, False, says="[key]"),
    "key, with a 403": Case(error(403, "wrong key", "invalid_api_key"), BadKey, False),
    "organisation": Case(error(403, "must be verified to use the model"), BadKey, False, says="must be verified"),
    "region": Case(error(403, "not here", "unsupported_country_region_territory"), ModelUnavailable, False),
    "no quota": Case(_empty("insufficient_quota"), OutOfCredit, False, says="exceeded"),
    "no quota, a newer code": Case(_empty("credit_balance_exhausted"), OutOfCredit, False),
    "no quota, a code to come": Case(_empty("team_spend_limit_exceeded"), OutOfCredit, False),
    "billing limit": Case(error(400, "limit reached", "billing_hard_limit_reached"), OutOfCredit, False),
    "rate": Case(
        error(429, "Rate limit reached", "rate_limit_exceeded", kind="requests"), RateLimited, False, sends=SENDS
    ),
    "rate, milliseconds": Case(
        error(429, "Rate limit reached", "rate_limit_exceeded", retry_after_ms="5"), RateLimited, False, sends=SENDS
    ),
    "size": Case(error(400, "Invalid size '9x9'.", "invalid_value", param="size"), RequestRejected, False, says="9x9"),
    "no model": Case(error(404, "does not exist", "model_not_found"), ModelUnavailable, False, says="not exist"),
    "no such path": Case(Answer(404, b"Not Found", {"Content-Type": "text/plain"}), ModelUnavailable, False),
    "server error": Case(error(500, "The server had an error", kind="server_error"), UnknownOutcome, None),
    "overloaded": Case(error(503, "overloaded"), VendorUnavailable, False, sends=SENDS, says="overloaded"),
    "an error in a 200": Case(error(200, "could not draw it"), GenerationFailed, None, says="could not draw it"),
    "no picture": Case(Answer.of({"created": 1, "data": []}), GenerationFailed, None, after=True),
    "a damaged picture": Case(Answer.of({"data": [{"b64_json": "AAA"}]}), ResultLost, True, after=True),
    "FastAPI's words": Case(Answer.of({"detail": "Invalid size format"}, 400), RequestRejected, False, says="format"),
    "FastAPI's list": Case(
        Answer.of({"detail": [{"loc": ["body", "prompt"], "msg": "field required"}]}, 422),
        RequestRejected,
        False,
        says="prompt: field required",
    ),
    "not ready": Case(
        Answer.of({"detail": "Diffusion engine not initialized"}, 503), VendorUnavailable, False, sends=SENDS
    ),
    "vLLM's form": Case(Answer.of({"object": "error", "message": "no", "code": 400}, 400), RequestRejected, False),
}


@pytest.fixture
def openai() -> Iterator[OpenAIEmulator]:
    with OpenAIEmulator() as emulator:
        yield emulator


@pytest.fixture
def provider(openai: OpenAIEmulator, http: HttpClient) -> OpenAI:
    return build(ProviderConfig(key=openai.key, addresses=openai.addresses, overrides={}, http=http))


@pytest.mark.parametrize("name", SUBMIT)
async def test_a_submit_that_fails(name: str, openai: OpenAIEmulator, provider: OpenAI) -> None:
    await check_fault(SUBMIT[name], provider, plain_order(PLAIN), openai)


@pytest.mark.parametrize("fault", [Answer.reset(), truncated], ids=["reset", "truncated"])
async def test_an_edit_whose_outcome_is_unknown_is_not_sent_again(
    fault: Answer, openai: OpenAIEmulator, provider: OpenAI
) -> None:
    openai.fail_next("edit", fault, after=True)
    with pytest.raises(UnknownOutcome):
        await provider.submit(plain_order(EDIT))
    assert len(openai.received("edit")) == 1
    assert len(openai.charges) == 1


async def test_a_submit_that_was_plainly_refused_is_sent_again(
    openai: OpenAIEmulator, provider: OpenAI, tmp_path: Path
) -> None:
    openai.fail_next("edit", error(429, "later", "rate_limit_exceeded", retry_after_ms="1"), times=SENDS - 1)
    await drive_at_once(provider, plain_order(EDIT), tmp_path)
    assert len(openai.received("edit")) == SENDS
    assert len(openai.charges) == 1


async def test_an_empty_account_a_wrong_key_and_a_rate_are_told_apart(openai: OpenAIEmulator, provider: OpenAI) -> None:
    openai.rate = 0
    with pytest.raises(RateLimited, match="after 12 s"):
        await provider.submit(plain_order(PLAIN))
    openai.rate, openai.credit = None, 0.0
    with pytest.raises(OutOfCredit):
        await provider.submit(plain_order(PLAIN))
    openai.key = "sk-another-0123456789abcdef"
    with pytest.raises(BadKey) as caught:
        await provider.submit(plain_order(PLAIN))
    check_error(caught.value, Case(Answer(), BadKey, False, says="[key]"), "openai", "sk-emul")
    assert not openai.charges


async def test_some_pictures_of_several_arrive_with_a_note(
    openai: OpenAIEmulator, provider: OpenAI, tmp_path: Path
) -> None:
    def spoil(answer: Answer) -> Answer:
        content = json.loads(answer.body)
        content["data"][1]["b64_json"] = "not base64"
        content["data"].append({"revised_prompt": "nothing"})
        return Answer.of(content)

    openai.fail_next("generate", spoil)
    order = replace(plain_order(PLAIN), count=4)
    finished, files = await drive_at_once(provider, order, tmp_path)
    assert len(files) == order.count - 1
    assert finished.notes == (f"openai sent {order.count + 1} pictures, of which 2 cannot be read.",)


async def test_a_mask_that_is_too_large_as_a_file_is_refused_before_anything_is_sent(
    openai: OpenAIEmulator, provider: OpenAI
) -> None:
    order = replace(full_order(EDIT, output_format="webp"), mask=replace(picture(), data=b"x" * 4_000_000))
    with pytest.raises(RequestRejected, match="4 MB") as caught:
        await provider.submit(order)
    assert caught.value.charged is False
    assert not openai.requests


async def test_nothing_secret_is_logged(
    openai: OpenAIEmulator, provider: OpenAI, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    openai.fail_next("edit", error(401, f"Incorrect API key provided: {openai.key}.", "invalid_api_key"))
    with pytest.raises(BadKey):
        await provider.submit(plain_order(EDIT))
    await drive_at_once(provider, plain_order(EDIT), tmp_path)
    check_log(caplog, "/v1/images/edits", openai.key, "Bearer")
