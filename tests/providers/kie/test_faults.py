"""What can go wrong with Kie, each with its one error: class, words, whether a retry helps, whether it was charged.

The rows of `QUEUE` are tried in `test_queue_faults.py`, beside those of the other vendors that take their time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    ResultLost,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers import open_provider
from imagewright.providers.base import Output, ProviderConfig
from imagewright.providers.kie.routes import ROUTES
from tests.emulators.kie import envelope
from tests.emulators.messages import Answer, truncated
from tests.support import faults
from tests.support.faults import SENDS, Case, check_error
from tests.support.faults_queued import Queue
from tests.support.provider_runs import drive, handed_over, made, plain_order, submitted

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Provider
    from imagewright.providers.http.client import HttpClient
    from tests.emulators.kie import KieEmulator
    from tests.emulators.messages import Fault

pytestmark = pytest.mark.anyio

PLAIN = next(route for route in ROUTES if not route.image_field and "resolution" not in route.takes)
WITH_PICTURE = next(route for route in ROUTES if route.image_field and not route.image_list)
SOON = Answer.of({"code": 429, "msg": "slow down", "data": None}, 429, retry_after="0")
LATER = Answer.of({"code": 429, "msg": "slow down", "data": None}, 429, retry_after="3600")

SUBMIT = faults.SUBMIT | {
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
    "unknown code": Case(envelope(999, "whatever"), ProviderError, None),
    "no task id": Case(envelope(200, "success", {}), UnknownOutcome, None, after=True),
}
UPLOAD = {
    "bad key": Case(envelope(401, "You do not have access permissions"), BadKey, False),
    "bad file": Case(envelope(400, "the file is not a picture"), RequestRejected, False),
    "server error": Case(envelope(500, "Server error"), VendorUnavailable, False, sends=SENDS),
    "reset": Case(Answer.reset(), VendorUnavailable, False, sends=SENDS),
    "silence": Case(Answer.hang(), VendorUnavailable, False, sends=SENDS),
    "wrong host": Case(Answer(404, b"<html>"), RequestRejected, False, says="HTTP 404"),
}
QUEUE = Queue(
    plain=PLAIN,
    submit=SUBMIT,
    uploads={"upload": UPLOAD},
    pictured=plain_order(WITH_PICTURE),
    poll=faults.POLL
    | {
        "rate": Case(envelope(429, "too fast"), RateLimited, None),
        "maintenance": Case(envelope(455, "maintenance"), VendorUnavailable, None),
        "server error": Case(envelope(500, "policy of the day: error"), VendorUnavailable, None),
        "not visible": Case(envelope(404, "not found"), VendorUnavailable, None),
        "bad key": Case(envelope(401, "no access"), BadKey, None),
        "no credit": Case(envelope(402, "Credits insufficient"), OutOfCredit, None),
        "bad request": Case(envelope(400, "flagged"), RequestRejected, None),
    },
    doubtful={
        "given up": Case(envelope(408, "nothing came for ten minutes"), GenerationFailed, None),
        "generation failed": Case(envelope(501, "failed"), GenerationFailed, None),
        "switched off": Case(envelope(505, "Feature disabled"), ModelUnavailable, None),
    },
)


async def test_a_burst_beyond_the_vendors_rate_is_refused_and_said(kie: KieEmulator, provider: Provider) -> None:
    kie.rate = 2
    for _ in range(2):
        await submitted(provider, plain_order(PLAIN))
    with pytest.raises(RateLimited):
        await provider.submit(plain_order(PLAIN))
    assert len(kie.tasks) == 2


async def test_an_upload_whose_answer_was_cut_short_is_not_taken_twice(kie: KieEmulator, provider: Provider) -> None:
    kie.fail_next("upload", truncated)  # which has then stored the file, and takes no name twice
    with pytest.raises(ProviderError) as caught:
        await handed_over(provider, plain_order(WITH_PICTURE))
    assert caught.value.charged is False
    assert not kie.received("create")


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        ("501", "upstream generation failed", GenerationFailed),
        ("500", "server is busy", GenerationFailed),
        ("400", "flagged as sensitive", ContentRefused),
        ("422", "input is wrong", RequestRejected),
    ],
)
@pytest.mark.parametrize("route", {route.family: route for route in ROUTES}.values(), ids=lambda route: route.family)
async def test_a_task_that_fails(  # noqa: PLR0917 - one argument per column of the table, and the fixtures
    route: Any, code: str, text: str, error: type[ProviderError], kie: KieEmulator, provider: Provider, tmp_path: Path
) -> None:
    kie.fail_task_next(code, text)
    with pytest.raises(ProviderError) as caught:
        await drive(provider, plain_order(route), tmp_path)
    tells_credits = route.family == "market"
    check_error(caught.value, Case(Answer(), error, False if tells_credits else None, says=text), "kie", kie.key)
    assert not kie.charges


async def _made(provider: Provider) -> Output:
    return (await made(provider, plain_order(PLAIN))).products[0]


LOST: dict[str, tuple[Fault, int, str]] = {
    "a page": (faults.PAGE, 1, "leads to a page"),
    "JSON": (Answer.of({"error": "expired"}), 1, "leads to a page"),
    "nothing": (Answer(200, b"", {"Content-Type": "image/png"}), SENDS, "empty"),
    "inside": (Answer(302, b"", {"Location": "http://10.0.0.1/"}), 1, "not a public address"),
    "round and round": (lambda _: Answer(302, b"", {"Location": "?again"}), 1, "redirects more than"),
}


@pytest.mark.parametrize("name", LOST)
async def test_a_picture_that_cannot_be_had_is_lost_but_paid(
    name: str, kie: KieEmulator, provider: Provider, tmp_path: Path
) -> None:
    fault, sends, says = LOST[name]
    product = await _made(provider)
    kie.fail_next("download", fault, times=10 if "round" in name else sends)

    with pytest.raises(ResultLost) as caught:
        await provider.fetch(product, tmp_path / "picture")

    check_error(caught.value, Case(Answer(), ResultLost, True, says=says), "kie", kie.key)
    assert not (tmp_path / "picture").exists()
    assert len(kie.received("download")) == (6 if "round" in name else sends)
    assert "sig=" not in str(caught.value)


@pytest.mark.parametrize("fault", [truncated, Answer(502), Answer.reset()], ids=["truncated", "502", "reset"])
async def test_a_download_that_broke_is_begun_again(
    fault: Fault, kie: KieEmulator, provider: Provider, tmp_path: Path
) -> None:
    product = await _made(provider)
    kie.fail_next("download", fault, times=SENDS - 1)
    await provider.fetch(product, tmp_path / "picture")
    whole = await _bytes_of(kie, product)
    assert (tmp_path / "picture").read_bytes() == whole


async def test_what_came_before_a_break_is_not_kept(kie: KieEmulator, provider: Provider, tmp_path: Path) -> None:
    large = truncated(Answer(200, b"\x89PNG" + bytes(8_000_000), {"Content-Type": "image/png"}))
    product = await _made(provider)
    kie.fail_next("download", large)
    (tmp_path / "picture").write_bytes(b"of an earlier try")
    await provider.fetch(product, tmp_path / "picture")
    assert (tmp_path / "picture").read_bytes() == await _bytes_of(kie, product)

    kie.fail_next("download", large, times=SENDS)
    with pytest.raises(ResultLost, match="cut short"):
        await provider.fetch(product, tmp_path / "other")
    assert not (tmp_path / "other").exists()


async def _bytes_of(kie: KieEmulator, product: Output) -> bytes:
    from imagewright.net.fetch import fetch_public  # noqa: PLC0415 - only this check uses the other way in

    assert product.url.startswith(kie.url("files"))
    return await fetch_public(product.url, max_bytes=10_000_000, seconds=5, allow_loopback=True)


async def test_a_result_on_loopback_is_not_fetched_for_a_vendor_that_is_not_there(
    kie: KieEmulator, provider: Provider, http: HttpClient, tmp_path: Path
) -> None:
    product = await _made(provider)
    real = open_provider("kie", ProviderConfig(key=kie.key, addresses={}, overrides={}, http=http))
    with pytest.raises(ResultLost, match="not a public address"):
        await real.fetch(product, tmp_path / "picture")
    assert not kie.received("download")
