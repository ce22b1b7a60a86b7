"""Every vendor and its limits: what is refused for them costs nothing, may be sent again, and says what it can."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.errors import ProviderError, RateLimited
from imagewright.providers.google.replies import read_limits as google
from imagewright.providers.http.classify import read_limits, spoken_wait
from imagewright.providers.ideogram.replies import read_limits as ideogram
from imagewright.providers.openai.replies import read_limits as openai
from imagewright.providers.replicate.replies import read_limits as replicate
from imagewright.providers.sending import Sending
from imagewright.storage.accounts import Pace
from tests.emulators.google import TYPES
from tests.emulators.messages import Answer
from tests.support.provider_runs import plain_order
from tests.support.replies import reply
from tests.support.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagewright.providers.base import Order, Provider
    from imagewright.providers.http.request import Reply
    from tests.support.vendors import AnyEmulator

pytestmark = pytest.mark.anyio

WAITS = {"replicate", "openai", "google"}
"""Vendors that say when they take the next."""
RATES = {"openai": Pace(2, 60), "google": Pace(2, 60)}
"""What those say of the rate that say it."""
QUEUED = "fal"
"""It never refuses because too many are at work."""


async def _refused(provider: Provider, order: Order | None = None) -> Sending:
    sending = Sending(_begin)
    with pytest.raises(RateLimited) as refused:
        await provider.submit(order or plain_order(provider.routes[0]), sending)
    assert refused.value.charged is False
    assert sending.refused_for_now
    assert (refused.value.retry_after is not None) == (provider.name in WAITS)
    assert refused.value.retry_after is None or 0 < refused.value.retry_after <= 60
    return sending


@pytest.mark.parametrize("name", VENDORS)
async def test_what_is_over_the_rate_is_refused_plainly(name: str, emulator: AnyEmulator, provider: Provider) -> None:
    emulator.limit(2, 60)
    for _ in range(2):
        await provider.submit(plain_order(provider.routes[0]))
    sending = await _refused(provider)
    assert sending.limits == RATES.get(name)
    assert (emulator.begun, emulator.refused) == (2, 1)
    emulator.limit()
    await provider.submit(plain_order(provider.routes[0]))
    assert (emulator.begun, emulator.refused) == (3, 1)


@pytest.mark.parametrize("name", [name for name in VENDORS if name != QUEUED])
async def test_what_is_too_many_at_work_is_refused_plainly(emulator: AnyEmulator, provider: Provider) -> None:
    emulator.limit(running=0)
    await _refused(provider)
    assert (emulator.begun, emulator.refused) == (0, 1)


@pytest.mark.parametrize("name", ["ideogram"])
async def test_each_picture_of_a_call_takes_a_place(emulator: AnyEmulator, provider: Provider) -> None:
    emulator.limit(running=4)
    emulator.seconds = 0.2
    one, four = (replace(plain_order(provider.routes[0]), count=count) for count in (1, 4))
    async with anyio.create_task_group() as group:
        group.start_soon(provider.submit, one)
        while not emulator.begun:  # noqa: ASYNC110 - another thread counts
            await anyio.sleep(0.005)
        sending = await _refused(provider, four)
    assert sending.limits == Pace(running=4)
    await provider.submit(four)
    assert (emulator.begun, emulator.refused) == (2, 1)


@pytest.mark.parametrize("name", ["kie", "replicate", "bfl"])
async def test_a_task_is_at_work_until_it_is_over(emulator: AnyEmulator, provider: Provider) -> None:
    emulator.limit(running=1)
    handle: Any = await provider.submit(plain_order(provider.routes[0]))
    await _refused(provider)
    for _ in range(4):
        await provider.poll(handle)
    await provider.submit(plain_order(provider.routes[0]))
    assert (emulator.begun, emulator.refused) == (2, 1)


@pytest.mark.parametrize(("status", "later"), [(429, True), (503, True), (500, False), (502, False), (504, False)])
@pytest.mark.parametrize("name", VENDORS)
async def test_only_a_plain_refusal_may_be_sent_a_little_later(
    name: str, status: int, *, later: bool, emulator: AnyEmulator, provider: Provider
) -> None:
    for label in (*VENDORS[name].first, *VENDORS[name].submits):
        emulator.fail_next(label, Answer(status))
    sending = Sending(_begin)
    with pytest.raises(ProviderError) as refused:
        await provider.submit(plain_order(provider.routes[0]), sending)
    assert sending.refused_for_now is later
    assert refused.value.charged is (False if later else None)
    assert emulator.begun == 0


async def _begin() -> None:
    """Nothing is written down here."""


@pytest.mark.parametrize("name", ["openai"])
async def test_a_good_answer_says_the_limits_too(emulator: AnyEmulator, provider: Provider) -> None:
    emulator.says_limits = True
    emulator.limit(5, 60)
    for _ in range(5):
        sending = Sending(_begin)
        await provider.submit(plain_order(provider.routes[0]), sending)
        assert sending.limits == Pace(5, 60)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached ... Used 5, Requested 1. Please try again in 12s. Visit https://x", 12),
        ("please slow down and try again after 51.84 seconds.", 51.84),
        ("Please try again in 467ms.", 0.467),
        ("Please try again in 1m30s.", 90),
        ("Please try again in 6m0s.", 360),
        ("Quota exceeded, limit: 100. Please retry in 1h52m56.409571576s.", 6776.409571576),
        ("Request was throttled. Your rate limit resets in ~30s.", 30),
        ("Your limit resets in 5 minutes.", 300),
        ("Try again in 2 Hours 30 min", 9000),
        ("Try again in 2 months.", None),
        ("Try again in 3 messages.", None),
        ("Try again in a minute.", None),
        ("It took 30s. Try again.", None),
        ("", None),
        (f"try again in {'9' * 400}s", None),
    ],
)
async def test_the_wait_that_a_vendor_names_in_words(words: str, seconds: float | None) -> None:
    assert spoken_wait(words) == (None if seconds is None else pytest.approx(seconds))


def _headers(name: str, limit: str, remaining: str = "", reset: str = "") -> dict[str, str]:
    values = {"limit": limit, "remaining": remaining, "reset": reset}
    return {f"x-ratelimit-{word}-{name}": value for word, value in values.items() if value}


@pytest.mark.parametrize(
    ("headers", "pace"),
    [
        ({}, None),
        (_headers("requests", "500"), Pace(500, 60)),
        (_headers("requests", "500", "499", "120ms"), Pace(500, 60)),
        (_headers("images", "5", "4", "12s"), Pace(5, 60)),
        (_headers("images", "5", "0", "1m0s"), Pace(5, 60)),
        (_headers("requests", "500") | _headers("images", "5"), Pace(5, 60)),
        (_headers("requests", "200", "199", "7m12s"), None),  # of a day
        (_headers("requests", "200", "199", "7m12s") | _headers("images", "5"), Pace(5, 60)),
        (_headers("images", "5", "5", "0s"), Pace(5, 60)),
        (_headers("images", "5", "9", "12s"), Pace(5, 60)),
        (_headers("tokens", "30000"), None),
        ({"x-ratelimit-limit": "24"}, None),
        *((_headers("images", text), None) for text in ("0", "-5", "5.0", "many", "\u0665", "9" * 12)),
    ],
)
async def test_the_limits_in_the_headers_of_an_answer(headers: dict[str, str], pace: Pace | None) -> None:
    assert read_limits(headers) == pace


def _openai(words: str) -> Reply:
    return reply({"error": {"message": words, "type": "requests", "code": "rate_limit_exceeded"}}, 429)


def _google(*quotas: dict[str, str]) -> Reply:
    details = [{"@type": f"{TYPES}QuotaFailure", "violations": list(quotas)}]
    return reply({"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": details}}, 429)


MINUTELY = "GenerateRequestsPerMinutePerProjectPerModel"


@pytest.mark.parametrize(
    ("read", "answer", "pace"),
    [
        (
            openai,
            _openai("Rate limit reached for gpt-image-2 in organization org-x on images per min (IPM): Limit 5."),
            5,
        ),
        (openai, _openai("... (for limit gpt-image) in x on input-images per min: Limit 4000, Used 4000."), 4000),
        (openai, _openai("... on requests per minute (RPM): Limit 3, Used 3, Requested 1."), 3),
        (openai, _openai("... on requests per day (RPD): Limit 200, Used 200, Requested 1."), None),
        (openai, _openai("... on tokens per min (TPM): Limit 30000, Used 30000."), None),
        (openai, _openai("slow down"), None),
        (openai, reply([], 429), None),
        (google, _google({"quotaId": f"{MINUTELY}-FreeTier", "quotaValue": "10"}), 10),
        (google, _google({"quotaId": MINUTELY, "quotaValue": "10"}, {"quotaId": MINUTELY, "quotaValue": "7"}), 7),
        (google, _google({"quotaId": MINUTELY}), None),
        (google, _google({"quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": "100"}), None),
        (google, _google({"quotaId": "GenerateContentInputTokensPerModelPerMinute", "quotaValue": "100"}), None),
        (google, reply({"error": {"details": ["x", {"violations": "x"}]}}, 429), None),
        (ideogram, reply({"reject_reason": "inflight_limit", "max_inflight_requests": 25}, 429), Pace(running=25)),
        (ideogram, reply({"reject_reason": "inflight_limit"}, 429), None),
        (ideogram, reply({"max_inflight_requests": -1}, 429), None),
        (replicate, reply({"detail": "Request was throttled. Your rate limit resets in ~30s."}, 429), None),
        (
            replicate,
            reply({"detail": "... reduced to 6 requests per minute with a burst of 1 requests while you ..."}, 429),
            Pace(1, 10),
        ),
        (replicate, reply({"detail": "... reduced to 60 requests per minute."}, 429), 60),
        (replicate, reply({"detail": "... reduced to 0 requests per minute."}, 429), None),
    ],
)
async def test_the_limits_that_a_refusal_states(
    read: Callable[[Reply], Pace | None], answer: Reply, pace: Pace | int | None
) -> None:
    assert read(answer) == (Pace(pace, 60) if isinstance(pace, int) else pace)
