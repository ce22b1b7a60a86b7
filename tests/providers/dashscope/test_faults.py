"""What can go wrong with DashScope, each with its one error: class, words, retry, money."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import BadKey, OutOfCredit, RateLimited
from tests.emulators.dashscope import DashScopeEmulator, error
from tests.emulators.messages import truncated
from tests.providers.dashscope.cases import PLAIN
from tests.support.faults import check_log
from tests.support.provider_runs import drive_at_once, plain_order

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.dashscope.provider import DashScope

pytestmark = pytest.mark.anyio


async def test_an_empty_account_a_wrong_key_and_a_rate_are_kept_apart(
    emulator: DashScopeEmulator, provider: DashScope
) -> None:
    order = plain_order(PLAIN)
    emulator.limit(0)
    with pytest.raises(RateLimited):
        await provider.submit(order)
    emulator.limit()
    emulator.credit = 0.0
    with pytest.raises(OutOfCredit):
        await provider.submit(order)
    emulator.key = "another-0123456789abcdef"
    with pytest.raises(BadKey, match="doctor"):
        await provider.submit(order)
    assert not emulator.bodies


async def test_nothing_secret_is_logged(
    emulator: DashScopeEmulator, provider: DashScope, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.fail_next("generate", error(401, "InvalidApiKey", f"The key {emulator.key} is unknown."))
    emulator.fail_next("download", truncated)
    with pytest.raises(BadKey) as caught:
        await provider.submit(plain_order(PLAIN))
    assert emulator.key[:6] not in str(caught.value)
    await drive_at_once(provider, plain_order(PLAIN), tmp_path)
    check_log(caplog, "/multimodal-generation", emulator.key, "Signature=", "Bearer")
