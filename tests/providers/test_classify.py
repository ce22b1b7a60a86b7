"""What a bare status means, and what is sent again and when."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from imagewright.errors import (
    BadKey,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RequestRejected,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.http.classify import Broken, Retry, by_status, may_resend, read_retry_after, unanswered
from imagewright.providers.http.request import Purpose, Reply

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers, NOW) == seconds


def test_waits_grow_and_end() -> None:
    retry = Retry(resends=3, first=2.0, factor=2.0, longest=5.0, spread=0.0)
    assert [retry.wait(sends, None) for sends in (1, 2, 3, 4)] == [2.0, 4.0, 5.0, None]
    assert [retry.wait(1, asked) for asked in (0.0, 5.0, 5.1)] == [0.0, 5.0, None]
    spread = Retry(first=10.0, spread=0.5)
    assert all(10.0 <= (spread.wait(1, None) or 0) <= 15.0 for _ in range(50))


def test_the_usual_waits_outlast_a_ten_second_window() -> None:
    retry = Retry(spread=0.0)
    assert sum(retry.wait(sends, None) or 0 for sends in range(1, retry.resends + 1)) > 10


REFUSED, DOWN, MAYBE_PAID = RateLimited("v"), VendorUnavailable("v"), VendorUnavailable("v", charged=None)


@pytest.mark.parametrize(
    ("purpose", "failure", "status", "reached", "again"),
    [
        (Purpose.SUBMIT, REFUSED, 200, True, True),
        (Purpose.SUBMIT, REFUSED, 429, True, True),
        (Purpose.SUBMIT, DOWN, 503, True, True),
        (Purpose.SUBMIT, DOWN, 500, True, False),
        (Purpose.SUBMIT, DOWN, 200, True, True),
        (Purpose.SUBMIT, MAYBE_PAID, 200, True, False),
        (Purpose.SUBMIT, MAYBE_PAID, 503, True, False),
        (Purpose.OTHER, DOWN, 200, True, False),
        (Purpose.OTHER, DOWN, 503, True, True),
        (Purpose.SUBMIT, DOWN, None, False, True),
        (Purpose.SUBMIT, UnknownOutcome("v"), None, True, False),
        (Purpose.SUBMIT, GenerationFailed("v"), 503, True, False),
        (Purpose.SUBMIT, OutOfCredit("v"), 429, True, False),
        (Purpose.UPLOAD, DOWN, None, True, True),
        (Purpose.UPLOAD, BadKey("v"), 401, True, False),
        (Purpose.POLL, REFUSED, 429, True, False),
        (Purpose.POLL, DOWN, None, False, False),
        (Purpose.OTHER, DOWN, None, True, False),
        (Purpose.OTHER, DOWN, None, False, True),
    ],
)
def test_what_is_sent_again(
    purpose: Purpose, failure: ProviderError, status: int | None, *, reached: bool, again: bool
) -> None:
    assert may_resend(purpose, failure, status=status, reached=reached) is again


@pytest.mark.parametrize(
    ("status", "submit", "poll", "upload"),
    [
        (200, UnknownOutcome, ProviderError, VendorUnavailable),
        (302, RequestRejected, RequestRejected, RequestRejected),
        (400, RequestRejected, RequestRejected, RequestRejected),
        (401, BadKey, BadKey, BadKey),
        (402, OutOfCredit, OutOfCredit, OutOfCredit),
        (403, BadKey, RequestRejected, BadKey),
        (404, ModelUnavailable, VendorUnavailable, RequestRejected),
        (418, RequestRejected, RequestRejected, RequestRejected),
        (429, RateLimited, RateLimited, RateLimited),
        (500, UnknownOutcome, VendorUnavailable, VendorUnavailable),
        (502, UnknownOutcome, VendorUnavailable, VendorUnavailable),
        (503, VendorUnavailable, VendorUnavailable, VendorUnavailable),
        (504, UnknownOutcome, VendorUnavailable, VendorUnavailable),
    ],
)
def test_what_a_bare_status_means(
    status: int, submit: type[ProviderError], poll: type[ProviderError], upload: type[ProviderError]
) -> None:
    for purpose, expected in ((Purpose.SUBMIT, submit), (Purpose.POLL, poll), (Purpose.UPLOAD, upload)):
        failure = by_status("vendor", Reply(status, {}, b"<html>"), purpose)
        assert type(failure) is expected
        unsure = purpose is Purpose.POLL or expected is UnknownOutcome
        assert failure.charged is (None if unsure else False)


def test_no_answer_is_an_unknown_outcome_only_where_it_may_cost() -> None:
    assert type(unanswered("v", Broken("reset", reached=True), Purpose.SUBMIT)) is UnknownOutcome
    for purpose in Purpose:
        assert type(unanswered("v", Broken("reset", reached=False), purpose)) is VendorUnavailable
        if purpose is not Purpose.SUBMIT:
            assert type(unanswered("v", Broken("reset", reached=True), purpose)) is VendorUnavailable
