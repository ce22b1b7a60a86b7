"""The faults any vendor can have that answers a submit with the finished pictures, and what each must come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import ProviderError, RateLimited, RequestRejected, UnknownOutcome, VendorUnavailable
from tests.emulators.messages import Answer, truncated
from tests.support.faults import SENDS, Case, check_error, falls_silent, hurry, plan

if TYPE_CHECKING:
    from imagewright.providers.base import Order, Provider

PAGE = {"Content-Type": "text/html"}

COMMON: dict[str, Case] = {
    "rate, no wait named": Case(Answer(429, b"slow down"), RateLimited, False, sends=SENDS),
    "rate, a short wait": Case(Answer(429, b"", {"Retry-After": "0"}), RateLimited, False, sends=SENDS),
    "rate, a long wait": Case(Answer(429, b"", {"Retry-After": "3600"}), RateLimited, False, says="after 1 hour"),
    "gateway busy": Case(Answer(503, b"<html>", PAGE), VendorUnavailable, False, sends=SENDS, says="HTTP 503"),
    "gateway broken": Case(Answer(502, b"<html>", PAGE), UnknownOutcome, None, says="not sent again"),
    "gateway too slow": Case(Answer(504, b"<html>", PAGE), UnknownOutcome, None, after=True),
    "a page instead": Case(Answer(200, b"<html>", PAGE), UnknownOutcome, None, after=True),
    "another shape": Case(Answer.of({"task": "1"}), UnknownOutcome, None, after=True),
    "a redirect": Case(Answer(302, b"", {"Location": "https://elsewhere.example/"}), RequestRejected, False),
    "reset before": Case(Answer.reset(), UnknownOutcome, None, says="not sent again"),
    "reset after": Case(Answer.reset(), UnknownOutcome, None, after=True),
    "half an answer": Case(truncated, UnknownOutcome, None),
    "silence before": Case(Answer.hang(), UnknownOutcome, None, says="no answer within"),
    "silence after": Case(Answer.hang(), UnknownOutcome, None, after=True),
}


async def check_fault(case: Case, provider: Provider, order: Order, emulator: Any) -> None:
    """Submit with the fault planned; hold the error, the requests and the calls that were carried out to the case.

    Args:
        case: the fault.
        provider: wired to the emulator.
        order: what is submitted.
        emulator: its door is called `generate`.
    """
    if falls_silent(case):
        hurry(provider)
    plan(emulator, "generate", case)
    with pytest.raises(ProviderError) as caught:
        await provider.submit(order)
    check_error(caught.value, case, provider.name, emulator.key)
    assert emulator.key[:6] not in str(caught.value)
    assert len(emulator.received("generate")) == case.sends
    assert len(emulator.charges) == int(case.worked)
