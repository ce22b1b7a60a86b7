"""What can go wrong with DashScope, each with its one error: class, words, retry, money.

The faults in `cases.py` are tried in `test_queue_faults.py`, beside those of the other vendors that take their time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RequestRejected,
)
from tests.emulators.dashscope import DashScopeEmulator, error
from tests.emulators.messages import Answer, truncated
from tests.providers.dashscope.cases import PLAIN, TASK
from tests.support.faults import Case, check_error, check_log
from tests.support.provider_runs import drive, plain_order, submitted

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.dashscope.provider import DashScope

pytestmark = pytest.mark.anyio


async def test_a_poll_with_a_key_that_was_withdrawn_admits_that_it_may_be_charged(
    emulator: DashScopeEmulator, provider: DashScope
) -> None:
    handle = await submitted(provider, plain_order(TASK))
    emulator.key = "another-0123456789abcdef"
    with pytest.raises(BadKey) as caught:
        await provider.poll(handle)
    assert caught.value.charged is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("DataInspectionFailed", ContentRefused),
        ("IPInfringementSuspect", ContentRefused),
        ("InvalidParameter", RequestRejected),
        ("InternalError.Timeout", GenerationFailed),
        ("Throttling", GenerationFailed),
    ],
)
async def test_a_task_that_fails(
    code: str, kind: type[ProviderError], emulator: DashScopeEmulator, provider: DashScope, tmp_path: Path
) -> None:
    emulator.end_task_next("FAILED", code, "the reason")
    with pytest.raises(ProviderError) as caught:
        await drive(provider, plain_order(TASK), tmp_path)
    check_error(caught.value, Case(Answer(), kind, False, says="the reason"), "dashscope", emulator.key)
    assert not emulator.charges


@pytest.mark.parametrize("route", [PLAIN, TASK], ids=["at once", "as a task"])
async def test_an_empty_account_a_wrong_key_and_a_rate_are_kept_apart(
    route: object, emulator: DashScopeEmulator, provider: DashScope
) -> None:
    order = plain_order(PLAIN if route is PLAIN else TASK)
    emulator.rate = 0
    with pytest.raises(RateLimited):
        await provider.submit(order)
    emulator.rate, emulator.credit = None, 0.0
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
    await drive(provider, plain_order(TASK), tmp_path)
    check_log(caplog, "/image-synthesis", emulator.key, "Signature=", "Bearer")
