"""What can go wrong with DashScope, each with its one error: class, words, retry, money.

The rows of `QUEUE` are tried in `test_queue_faults.py`, beside those of the other vendors that take their time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

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
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.base import ProviderConfig
from imagewright.providers.dashscope.provider import DashScope, build
from imagewright.providers.dashscope.routes import OTHERS, ROUTES
from tests.emulators.dashscope import DashScopeEmulator, error
from tests.emulators.messages import Answer, truncated
from tests.support import faults
from tests.support.faults import SENDS, Case, check_error, check_log
from tests.support.faults_queued import Queue
from tests.support.faults_sync import COMMON, check_fault
from tests.support.provider_runs import drive, plain_order, submitted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.providers.http.client import HttpClient

pytestmark = pytest.mark.anyio

PLAIN = ROUTES[0]
TASK = next(route for route in OTHERS if route.as_task)
INPUT = "Input data may contain inappropriate content."
OUTPUT = "Output data may contain inappropriate content."

REFUSED = {
    "moderation of the input": Case(
        error(400, "DataInspectionFailed", INPUT), ContentRefused, False, says="Input data"
    ),
    "moderation of the result": Case(error(400, "DataInspectionFailed", OUTPUT), ContentRefused, False),
    "somebody's rights": Case(error(400, "IPInfringementSuspect", "m"), ContentRefused, False),
    "key": Case(error(401, "InvalidApiKey", "Invalid API-key provided."), BadKey, False, says="made in"),
    "no money": Case(
        error(400, "Arrearage", "Access denied, please make sure your account is in good standing."),
        OutOfCredit,
        False,
        says="good standing",
    ),
    "not activated": Case(error(403, "AccessDenied", "m"), ModelUnavailable, False, says="AccessDenied"),
    "not bought": Case(error(403, "AccessDenied.Unpurchased", "m"), ModelUnavailable, False),
    "no such model": Case(error(404, "ModelNotFound", "m"), ModelUnavailable, False),
    "no such model any more": Case(error(404, "Model.NotExist", "m"), ModelUnavailable, False),
    "rate": Case(error(429, "Throttling.RateQuota", "too fast"), RateLimited, False, sends=SENDS, says="too fast"),
    "rate, a short wait": Case(error(429, "Throttling", "m", retry_after_ms="5"), RateLimited, False, sends=SENDS),
    "rate, a long wait": Case(
        error(429, "Throttling.AllocationQuota", "m", retry_after="3600"), RateLimited, False, says="after 3600 s"
    ),
    "a field": Case(
        error(400, "InvalidParameter", "num_images_per_prompt must be 1"), RequestRejected, False, says="must be 1"
    ),
    "a picture's address": Case(error(400, "InvalidURL", "m"), RequestRejected, False),
    "a field, another code": Case(error(400, "BadRequest.TooLarge", "m"), RequestRejected, False, says="TooLarge"),
    "server error": Case(error(500, "InternalError.Timeout", "m"), VendorUnavailable, False, says="InternalError"),
    "busy, in their form": Case(error(503, "SystemBusy", "m"), VendorUnavailable, False, sends=SENDS),
    "server error, another code": Case(error(500, "SomethingNew", "m"), UnknownOutcome, None, says="SomethingNew"),
    "an error in a 200": Case(error(200, "SomethingNew", "no luck"), GenerationFailed, None, says="no luck"),
}
"""What the vendor says in its own form; the two ways of calling it are alike in it."""
AT_ONCE = COMMON | REFUSED
QUEUE = Queue(
    plain=TASK,
    submit=faults.SUBMIT | REFUSED,
    poll=faults.POLL
    | {
        "rate": Case(error(429, "Throttling.RateQuota", "m"), RateLimited, None),
        "server error": Case(error(500, "InternalError", "m"), VendorUnavailable, None),
        "not found": Case(error(404, "NotFound", "m"), VendorUnavailable, None),
        "bad key": Case(error(401, "InvalidApiKey", "Invalid API-key provided."), BadKey, None),
        "no money": Case(error(400, "Arrearage", "Access denied, ..."), OutOfCredit, None),
    },
    stops=True,
)


@pytest.fixture
def dashscope() -> Iterator[DashScopeEmulator]:
    with DashScopeEmulator() as emulator:
        yield emulator


@pytest.fixture
def provider(dashscope: DashScopeEmulator, http: HttpClient) -> DashScope:
    return build(ProviderConfig(key=dashscope.key, addresses=dashscope.addresses, overrides={}, http=http))


@pytest.mark.parametrize("name", AT_ONCE)
async def test_a_submit_that_fails(name: str, dashscope: DashScopeEmulator, provider: DashScope) -> None:
    await check_fault(AT_ONCE[name], provider, plain_order(PLAIN), dashscope)


async def test_a_submit_that_was_plainly_refused_is_sent_again(
    dashscope: DashScopeEmulator, provider: DashScope
) -> None:
    dashscope.fail_next("generate", error(429, "Throttling", "m"), times=SENDS - 1)
    await provider.submit(plain_order(PLAIN))
    assert len(dashscope.received("generate")) == SENDS
    assert len(dashscope.bodies) == 1


async def test_a_poll_with_a_key_that_was_withdrawn_admits_that_it_may_be_charged(
    dashscope: DashScopeEmulator, provider: DashScope
) -> None:
    handle = await submitted(provider, plain_order(TASK))
    dashscope.key = "another-0123456789abcdef"
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
    code: str, kind: type[ProviderError], dashscope: DashScopeEmulator, provider: DashScope, tmp_path: Path
) -> None:
    dashscope.end_task_next("FAILED", code, "the reason")
    with pytest.raises(ProviderError) as caught:
        await drive(provider, plain_order(TASK), tmp_path)
    check_error(caught.value, Case(Answer(), kind, False, says="the reason"), "dashscope", dashscope.key)
    assert not dashscope.charges


@pytest.mark.parametrize("route", [PLAIN, TASK], ids=["at once", "as a task"])
async def test_an_empty_account_a_wrong_key_and_a_rate_are_told_apart(
    route: object, dashscope: DashScopeEmulator, provider: DashScope
) -> None:
    order = plain_order(PLAIN if route is PLAIN else TASK)
    dashscope.rate = 0
    with pytest.raises(RateLimited):
        await provider.submit(order)
    dashscope.rate, dashscope.credit = None, 0.0
    with pytest.raises(OutOfCredit):
        await provider.submit(order)
    dashscope.key = "another-0123456789abcdef"
    with pytest.raises(BadKey, match="doctor"):
        await provider.submit(order)
    assert not dashscope.bodies


async def test_nothing_secret_is_logged(
    dashscope: DashScopeEmulator, provider: DashScope, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    dashscope.fail_next("generate", error(401, "InvalidApiKey", f"The key {dashscope.key} is unknown."))
    dashscope.fail_next("download", truncated)
    with pytest.raises(BadKey) as caught:
        await provider.submit(plain_order(PLAIN))
    assert dashscope.key[:6] not in str(caught.value)
    await drive(provider, plain_order(TASK), tmp_path)
    check_log(caplog, "/image-synthesis", dashscope.key, "Signature=", "Bearer")
