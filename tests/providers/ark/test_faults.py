"""What can go wrong with Ark, each with its one error: class, words, whether a retry helps, whether it was charged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import BadKey, OutOfCredit, RateLimited, UnknownOutcome
from imagewright.providers.base import Finished
from tests.emulators.ark import ArkEmulator, error
from tests.emulators.messages import Answer, truncated
from tests.providers.ark.cases import EDIT, PLAIN
from tests.support.faults import check_log
from tests.support.provider_runs import drive_at_once, plain_order

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.ark.provider import Ark

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("fault", [Answer.reset(), truncated, Answer.hang()], ids=["reset", "truncated", "silence"])
async def test_an_edit_whose_outcome_is_unknown_is_not_sent_again(
    fault: Answer, emulator: ArkEmulator, provider: Ark
) -> None:
    emulator.fail_next("generate", fault, after=True)
    with pytest.raises(UnknownOutcome):
        await provider.submit(plain_order(EDIT))
    assert len(emulator.received("generate")) == len(emulator.charges) == 1


async def test_an_empty_account_a_wrong_key_and_a_rate_are_kept_apart(emulator: ArkEmulator, provider: Ark) -> None:
    emulator.limit(0)
    with pytest.raises(RateLimited):
        await provider.submit(plain_order(PLAIN))
    emulator.limit()
    emulator.credit = 0.0
    with pytest.raises(OutOfCredit):
        await provider.submit(plain_order(PLAIN))
    emulator.key = "another-0123456789abcdef"
    with pytest.raises(BadKey, match="doctor"):
        await provider.submit(plain_order(PLAIN))
    assert not emulator.charges


async def test_nothing_secret_is_logged(
    emulator: ArkEmulator, provider: Ark, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.fail_next("generate", error(401, "AuthenticationError", f"The key {emulator.key} is unknown."))
    emulator.fail_next("download", truncated)
    with pytest.raises(BadKey) as caught:
        await provider.submit(plain_order(EDIT))
    assert emulator.key[:6] not in str(caught.value)
    await drive_at_once(provider, plain_order(EDIT), tmp_path)
    check_log(caplog, "/images/generations", emulator.key, "Signature=", "Bearer", "base64")


async def test_a_finished_call_names_links_only(provider: Ark) -> None:
    finished = await provider.submit(plain_order(PLAIN))
    assert isinstance(finished, Finished)
    assert all(output.url and output.data is None and output.seed is None for output in finished.outputs)
