"""What can go wrong with Kie, each with its one error: class, words, whether a retry helps, whether it was charged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from driving import drive, handed_over, plain_order, submitted
from emulators.kie import envelope
from emulators.messages import Answer, truncated
from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    ProviderError,
    RateLimited,
    RequestRejected,
    ResultLost,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers import open_provider
from imagewright.providers.base import Finished, Product, Running, Wiring
from imagewright.providers.kie.routes import ROUTES
from imagewright.providers.sending.http import Http
from imagewright.providers.sending.request import Purpose
from imagewright.providers.sending.verdict import Retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from emulators.kie import KieEmulator
    from emulators.messages import Fault
    from imagewright.providers.base import Provider

pytestmark = pytest.mark.anyio

PLAIN = next(route for route in ROUTES if not route.image_field and "resolution" not in route.takes)
WITH_PICTURE = next(route for route in ROUTES if route.image_field and not route.image_list)
SENDS = 4
"""One send and three resends."""
HTML = Answer(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})
BUSY = Answer(503, b"<html>Busy</html>", {"Content-Type": "text/html"})
SOON = Answer.of({"code": 429, "msg": "slow down", "data": None}, 429, retry_after="0")
LATER = Answer.of({"code": 429, "msg": "slow down", "data": None}, 429, retry_after="3600")


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    """A sender that waits milliseconds, also for what hangs."""
    quick = Retry(first=0.001, longest=0.02, spread=0.0)
    seconds = {Purpose.SUBMIT: 0.3, Purpose.POLL: 0.3, Purpose.UPLOAD: 0.3, Purpose.OTHER: 0.3}
    sender = Http(retry=quick, download_retry=quick, seconds=seconds)
    yield sender
    await sender.aclose()


@dataclass(frozen=True)
class Case:
    """A fault and its error.

    Attributes:
        sends: how many requests the fault may cost.
        tasks: how many tasks exist afterwards.
        says: words of the message.
    """

    fault: Fault
    error: type[ProviderError]
    charged: bool | None
    sends: int = 1
    tasks: int = 0
    says: str = ""
    after: bool | None = None


SUBMIT = {
    "no credit": Case(envelope(402, "Credits insufficient"), OutOfCredit, False, says="Credits insufficient"),
    "bad field": Case(envelope(422, "This field is required"), RequestRejected, False, says="This field is required"),
    "bad value": Case(envelope(500, "x is not within the range of allowed options"), RequestRejected, False),
    "no model": Case(envelope(422, "The model name is not supported"), ModelUnavailable, False),
    "paused": Case(envelope(500, "This interface is temporarily paused"), ModelUnavailable, False, says="paused"),
    "switched off": Case(envelope(505, "Feature disabled"), ModelUnavailable, False),
    "moderation": Case(envelope(400, "Flagged by our content policy"), ContentRefused, False, says="Flagged"),
    "account limit": Case(envelope(433, "limit"), VendorUnavailable, False),
    "maintenance": Case(envelope(455, "maintenance"), VendorUnavailable, False),
    "server error": Case(envelope(500, "Server error"), VendorUnavailable, False),
    "queue full": Case(envelope(550, "queue full"), VendorUnavailable, False),
    "generation failed": Case(envelope(501, "failed"), GenerationFailed, False),
    "rate, no wait named": Case(envelope(429, "too fast"), RateLimited, False, sends=SENDS, says="too fast"),
    "rate, a short wait": Case(SOON, RateLimited, False, sends=SENDS),
    "rate, a long wait": Case(LATER, RateLimited, False, says="after 3600 s"),
    "gateway busy": Case(BUSY, VendorUnavailable, False, sends=SENDS, says="HTTP 503"),
    "gateway broken": Case(HTML, UnknownOutcome, None, says="not sent again"),
    "unknown code": Case(envelope(999, "whatever"), ProviderError, None),
    "a page instead": Case(Answer(200, b"<html>"), UnknownOutcome, None),
    "no task id": Case(envelope(200, "success", {}), UnknownOutcome, None, tasks=1, after=True),
    "a redirect": Case(Answer(302, b"", {"Location": "https://elsewhere.example/"}), RequestRejected, False),
    "reset before": Case(Answer.reset(), UnknownOutcome, None),
    "reset after": Case(Answer.reset(), UnknownOutcome, None, tasks=1, after=True),
    "half an answer": Case(truncated, UnknownOutcome, None, tasks=1),
    "silence": Case(Answer.hang(), UnknownOutcome, None, says="no answer within"),
    "silence after": Case(Answer.hang(), UnknownOutcome, None, tasks=1, after=True),
}
UPLOAD = {
    "bad key": Case(envelope(401, "You do not have access permissions"), BadKey, False),
    "bad file": Case(envelope(400, "the file is not a picture"), RequestRejected, False),
    "server error": Case(envelope(500, "Server error"), VendorUnavailable, False, sends=SENDS),
    "reset": Case(Answer.reset(), VendorUnavailable, False, sends=SENDS),
    "half an answer": Case(truncated, VendorUnavailable, False, sends=1),
    "silence": Case(Answer.hang(), VendorUnavailable, False, sends=SENDS),
    "wrong host": Case(Answer(404, b"<html>"), RequestRejected, False, says="HTTP 404"),
}
POLL = {
    "rate": Case(envelope(429, "too fast"), RateLimited, None),
    "maintenance": Case(envelope(455, "maintenance"), VendorUnavailable, None),
    "server error": Case(envelope(500, "policy of the day: error"), VendorUnavailable, None),
    "not visible": Case(envelope(404, "not found"), VendorUnavailable, None),
    "gateway broken": Case(HTML, VendorUnavailable, None),
    "gateway's firewall": Case(Answer(403, b"<html>"), VendorUnavailable, None),
    "reset": Case(Answer.reset(), VendorUnavailable, None),
    "half an answer": Case(truncated, VendorUnavailable, None),
    "silence": Case(Answer.hang(), VendorUnavailable, None),
    "a page instead": Case(Answer(200, b"<html>"), VendorUnavailable, None),
}
POLL_FINAL = {
    "bad key": Case(envelope(401, "no access"), BadKey, None),
    "given up": Case(envelope(408, "nothing came for ten minutes"), GenerationFailed, None),
    "generation failed": Case(envelope(501, "failed"), GenerationFailed, None),
    "moderation": Case(envelope(400, "flagged"), ContentRefused, None),
}


def _plan(kie: KieEmulator, label: str, case: Case) -> None:
    kie.fail_next(label, case.fault, times=case.sends, after=case.after)


def _check(error: ProviderError, case: Case, key: str) -> None:
    assert type(error) is case.error
    assert error.charged is case.charged
    text = str(error)
    assert case.says in text
    assert text.startswith("kie ")
    assert text.endswith(".")
    assert key not in text
    assert ("A retry can help" in text) == (error.retryable or error.retry_after is not None)
    assert len(error.detail) <= 300


@pytest.mark.parametrize("name", SUBMIT)
async def test_a_submit_that_fails(name: str, kie: KieEmulator, provider: Provider) -> None:
    case = SUBMIT[name]
    _plan(kie, "create", case)

    with pytest.raises(ProviderError) as caught:
        await provider.submit(plain_order(PLAIN))

    _check(caught.value, case, kie.key)
    assert len(kie.received("create")) == case.sends
    assert len(kie.tasks) == case.tasks
    assert not kie.charges


@pytest.mark.parametrize("fault", [envelope(429, "too fast"), SOON, BUSY], ids=["code 429", "HTTP 429", "HTTP 503"])
async def test_a_submit_that_was_plainly_refused_is_sent_again(
    fault: Answer, kie: KieEmulator, provider: Provider
) -> None:
    kie.fail_next("create", fault, times=SENDS - 1)
    await submitted(provider, plain_order(PLAIN))
    assert len(kie.received("create")) == SENDS
    assert len(kie.tasks) == 1


async def test_a_burst_beyond_the_vendors_rate_is_refused_and_said(kie: KieEmulator, provider: Provider) -> None:
    kie.rate = 2
    for _ in range(2):
        await submitted(provider, plain_order(PLAIN))
    with pytest.raises(RateLimited):
        await provider.submit(plain_order(PLAIN))
    assert len(kie.tasks) == 2


async def test_an_empty_account_is_said_before_anything_runs(kie: KieEmulator, provider: Provider) -> None:
    kie.credits = 1.0
    with pytest.raises(OutOfCredit, match="top up"):
        await provider.submit(plain_order(PLAIN))


@pytest.mark.parametrize("name", UPLOAD)
async def test_an_upload_that_fails_costs_nothing_and_creates_nothing(
    name: str, kie: KieEmulator, provider: Provider
) -> None:
    case = UPLOAD[name]
    kie.fail_next("upload", case.fault, times=SENDS if case.fault is truncated else case.sends, after=case.after)

    with pytest.raises(ProviderError) as caught:
        await handed_over(provider, plain_order(WITH_PICTURE))

    error = caught.value
    if case.fault is not truncated:  # the emulator has then stored the file, and takes no name twice
        _check(error, case, kie.key)
        assert len(kie.received("upload")) == case.sends
    assert error.charged is False
    assert not kie.received("create")


async def test_an_upload_that_broke_is_sent_again(kie: KieEmulator, provider: Provider) -> None:
    kie.fail_next("upload", Answer.reset(), times=2)
    await submitted(provider, plain_order(WITH_PICTURE))
    assert len(kie.received("upload")) == 3


@pytest.mark.parametrize("name", POLL)
async def test_a_poll_that_fails_in_passing_leaves_the_task_alone(
    name: str, kie: KieEmulator, provider: Provider
) -> None:
    case = POLL[name]
    handle = await submitted(provider, plain_order(PLAIN))
    _plan(kie, "poll", case)

    with pytest.raises(ProviderError) as caught:
        await provider.poll(handle)

    _check(caught.value, case, kie.key)
    assert len(kie.received("poll")) == 1
    assert isinstance(await provider.poll(handle), Running)
    assert len(kie.received("create")) == 1


@pytest.mark.parametrize("name", POLL_FINAL)
async def test_a_poll_that_ends_the_task_admits_that_it_may_be_charged(
    name: str, kie: KieEmulator, provider: Provider
) -> None:
    case = POLL_FINAL[name]
    handle = await submitted(provider, plain_order(PLAIN))
    _plan(kie, "poll", case)
    with pytest.raises(ProviderError) as caught:
        await provider.poll(handle)
    _check(caught.value, case, kie.key)


@pytest.mark.parametrize(
    ("code", "said", "error"),
    [
        ("501", "upstream generation failed", GenerationFailed),
        ("500", "server is busy", GenerationFailed),
        ("400", "flagged as sensitive", ContentRefused),
        ("422", "input is wrong", RequestRejected),
    ],
)
@pytest.mark.parametrize("route", {route.family: route for route in ROUTES}.values(), ids=lambda route: route.family)
async def test_a_task_that_fails(  # noqa: PLR0917 - one argument per column of the table, and the fixtures
    route: Any, code: str, said: str, error: type[ProviderError], kie: KieEmulator, provider: Provider, tmp_path: Path
) -> None:
    kie.fail_task_next(code, said)
    with pytest.raises(ProviderError) as caught:
        await drive(provider, plain_order(route), tmp_path)
    tells_credits = route.family == "market"
    _check(caught.value, Case(Answer(), error, False if tells_credits else None, says=said), kie.key)
    assert not kie.charges


async def _made(provider: Provider, kie: KieEmulator) -> Product:
    handle = await submitted(provider, plain_order(PLAIN))
    kie.seconds = 0.0
    answer = await provider.poll(handle)
    assert isinstance(answer, Finished)
    return answer.products[0]


def _page(answer: Answer) -> Answer:
    return Answer(200, answer.body, {"Content-Type": "text/html; charset=utf-8"})


LOST: dict[str, tuple[Fault, int, str]] = {
    "expired": (Answer(403, b"expired"), 1, "expired or was withdrawn (HTTP 403)"),
    "gone": (Answer(404, b"gone"), 1, "the file is gone (HTTP 404)"),
    "server error": (Answer(500), SENDS, "HTTP 500"),
    "truncated": (truncated, SENDS, "cut short"),
    "reset": (Answer.reset(), SENDS, "cannot be reached"),
    "a page": (_page, 1, "leads to a page"),
    "JSON": (Answer.of({"error": "expired"}), 1, "leads to a page"),
    "a page that says it is a picture": (Answer(200, b" <?xml", {"Content-Type": "image/png"}), 1, "not to a picture"),
    "nothing": (Answer(200, b"", {"Content-Type": "image/png"}), SENDS, "empty"),
    "inside": (Answer(302, b"", {"Location": "http://10.0.0.1/"}), 1, "not a public address"),
    "round and round": (lambda _: Answer(302, b"", {"Location": "?again"}), 1, "redirects more than"),
}


@pytest.mark.parametrize("name", LOST)
async def test_a_picture_that_cannot_be_had_is_lost_but_paid(
    name: str, kie: KieEmulator, provider: Provider, tmp_path: Path
) -> None:
    fault, sends, says = LOST[name]
    product = await _made(provider, kie)
    kie.fail_next("download", fault, times=10 if "round" in name else sends)

    with pytest.raises(ResultLost) as caught:
        await provider.fetch(product, tmp_path / "picture")

    _check(caught.value, Case(Answer(), ResultLost, True, says=says), kie.key)
    assert not (tmp_path / "picture").exists()
    assert len(kie.received("download")) == (6 if "round" in name else sends)
    assert "sig=" not in str(caught.value)


@pytest.mark.parametrize("fault", [truncated, Answer(502), Answer.reset()], ids=["truncated", "502", "reset"])
async def test_a_download_that_broke_is_begun_again(
    fault: Fault, kie: KieEmulator, provider: Provider, tmp_path: Path
) -> None:
    product = await _made(provider, kie)
    kie.fail_next("download", fault, times=SENDS - 1)
    await provider.fetch(product, tmp_path / "picture")
    whole = await _bytes_of(kie, product)
    assert (tmp_path / "picture").read_bytes() == whole


async def test_what_came_before_a_break_is_not_kept(kie: KieEmulator, provider: Provider, tmp_path: Path) -> None:
    large = truncated(Answer(200, b"\x89PNG" + bytes(8_000_000), {"Content-Type": "image/png"}))
    product = await _made(provider, kie)
    kie.fail_next("download", large)
    (tmp_path / "picture").write_bytes(b"of an earlier try")
    await provider.fetch(product, tmp_path / "picture")
    assert (tmp_path / "picture").read_bytes() == await _bytes_of(kie, product)

    kie.fail_next("download", large, times=SENDS)
    with pytest.raises(ResultLost, match="cut short"):
        await provider.fetch(product, tmp_path / "other")
    assert not (tmp_path / "other").exists()


async def _bytes_of(kie: KieEmulator, product: Product) -> bytes:
    from imagewright.providers.sending.fetch import fetch_public  # noqa: PLC0415 - only this check uses the other way in

    assert product.url.startswith(kie.url("files"))
    return await fetch_public(product.url, max_bytes=10_000_000, seconds=5, allow_loopback=True)


async def test_a_result_on_loopback_is_not_fetched_for_a_vendor_that_is_not_there(
    kie: KieEmulator, provider: Provider, http: Http, tmp_path: Path
) -> None:
    product = await _made(provider, kie)
    real = open_provider("kie", Wiring(key=kie.key, addresses={}, overrides={}, http=http))
    with pytest.raises(ResultLost, match="not a public address"):
        await real.fetch(product, tmp_path / "picture")
    assert not kie.received("download")
