"""What can go wrong with the Images API, each with its one error: class, words, retry, money."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import BadKey, OutOfCredit, RateLimited, RequestRejected, UnknownOutcome
from tests.emulators.messages import Answer, truncated
from tests.emulators.openai import OpenAIEmulator, error
from tests.providers.openai.cases import EDIT, PLAIN
from tests.support.faults import SENDS, Case, check_error, check_log
from tests.support.provider_runs import drive_at_once, full_order, picture, plain_order

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.openai.provider import OpenAI

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("fault", [Answer.reset(), truncated], ids=["reset", "truncated"])
async def test_an_edit_whose_outcome_is_unknown_is_not_sent_again(
    fault: Answer, emulator: OpenAIEmulator, provider: OpenAI
) -> None:
    emulator.fail_next("edit", fault, after=True)
    with pytest.raises(UnknownOutcome):
        await provider.submit(plain_order(EDIT))
    assert len(emulator.received("edit")) == 1
    assert len(emulator.charges) == 1


async def test_a_submit_that_was_plainly_refused_is_sent_again(
    emulator: OpenAIEmulator, provider: OpenAI, tmp_path: Path
) -> None:
    emulator.fail_next("edit", error(429, "later", "rate_limit_exceeded", retry_after_ms="1"), times=SENDS - 1)
    await drive_at_once(provider, plain_order(EDIT), tmp_path)
    assert len(emulator.received("edit")) == SENDS
    assert len(emulator.charges) == 1


async def test_an_empty_account_a_wrong_key_and_a_rate_are_kept_apart(
    emulator: OpenAIEmulator, provider: OpenAI
) -> None:
    emulator.limit(1)
    await provider.submit(plain_order(PLAIN))
    with pytest.raises(RateLimited, match="after 1 minute"):
        await provider.submit(plain_order(PLAIN))
    emulator.limit()
    emulator.credit = 0.0
    with pytest.raises(OutOfCredit):
        await provider.submit(plain_order(PLAIN))
    emulator.key = "sk-another-0123456789abcdef"
    with pytest.raises(BadKey) as caught:
        await provider.submit(plain_order(PLAIN))
    check_error(caught.value, Case(Answer(), BadKey, False, says="[key]"), "openai", "sk-emul")
    assert len(emulator.charges) == 1


async def test_some_pictures_of_several_arrive_with_a_note(
    emulator: OpenAIEmulator, provider: OpenAI, tmp_path: Path
) -> None:
    def spoil(answer: Answer) -> Answer:
        content = json.loads(answer.body)
        content["data"][1]["b64_json"] = "not base64"
        content["data"].append({"revised_prompt": "nothing"})
        return Answer.of(content)

    emulator.fail_next("generate", spoil)
    order = replace(plain_order(PLAIN), count=4)
    finished, files = await drive_at_once(provider, order, tmp_path)
    assert len(files) == order.count - 1
    assert finished.notes == (f"openai sent {order.count + 1} pictures, of which 2 cannot be read.",)


async def test_a_mask_that_is_too_large_as_a_file_is_refused_before_anything_is_sent(
    emulator: OpenAIEmulator, provider: OpenAI
) -> None:
    order = replace(full_order(EDIT, output_format="webp"), mask=replace(picture(), data=b"x" * 4_000_000))
    with pytest.raises(RequestRejected, match="4 MB") as caught:
        await provider.submit(order)
    assert caught.value.charged is False
    assert not emulator.requests


async def test_nothing_secret_is_logged(
    emulator: OpenAIEmulator, provider: OpenAI, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.fail_next("edit", error(401, f"Incorrect API key provided: {emulator.key}.", "invalid_api_key"))
    with pytest.raises(BadKey):
        await provider.submit(plain_order(EDIT))
    await drive_at_once(provider, plain_order(EDIT), tmp_path)
    check_log(caplog, "/v1/images/edits", emulator.key, "Bearer")
