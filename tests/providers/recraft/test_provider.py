"""Recraft from submission to file, its answers, and every fault on the way, through real sockets."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.errors import (
    BadKey,
    ContentRefused,
    GenerationFailed,
    ModelUnavailable,
    OutOfCredit,
    RateLimited,
    RequestRejected,
    ResultLost,
    UnknownOutcome,
)
from imagewright.providers.base import Finished, Output, ProviderConfig
from imagewright.providers.recraft.provider import ROUTES, Recraft, build
from imagewright.providers.recraft.replies import read_made
from tests.emulators.messages import Answer
from tests.emulators.recraft import RecraftEmulator, refuse
from tests.support.faults import SENDS, SILENCE, Case, check_log
from tests.support.faults_sync import COMMON, check_fault
from tests.support.provider_runs import drive_at_once, full_order, picture, plain_order
from tests.support.replies import reply
from tests.support.vendors import wired

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.providers.base import Route
    from imagewright.providers.http.client import HttpClient

pytestmark = pytest.mark.anyio
(ROUTE,) = ROUTES
URL = "https://img.recraft.ai/x"
TEXT = {"Content-Type": "text/plain"}


def text(code: str, words: str, status: int = 400) -> Answer:
    """A refusal in JSON."""
    return refuse(code, words, status).answer


SUBMIT: dict[str, Case] = COMMON | {
    "silence before": Case(Answer.hang(), UnknownOutcome, None, says=f"no answer within {SILENCE:g} s"),
    "bad key": Case(Answer(401, b"request unauthorized", TEXT), BadKey, False, says="request unauthorized"),
    "wrong path": Case(Answer(404, b"404 page not found", TEXT), ModelUnavailable, False, says="404 page not found"),
    "no money": Case(text("not_enough_credits", "buy more"), OutOfCredit, False, says="buy more"),
    "no money, as a 402": Case(text("not_enough_credits", "buy more", 402), OutOfCredit, False),
    "no money, in text": Case(Answer(400, b"not enough units", TEXT), OutOfCredit, False, says="not enough units"),
    "bad picture": Case(text("invalid_image", "too small"), RequestRejected, False, says="too small"),
    "bad picture, in text": Case(Answer(400, b"too small", TEXT), RequestRejected, False, says="too small"),
    "moderation": Case(text("bad_content", "flagged by moderation"), ContentRefused, None, says="flagged"),
    "rate, in JSON": Case(text("rate_limit", "slow down", 429), RateLimited, False, sends=SENDS, says="slow down"),
    "server error": Case(text("internal", "broken", 500), UnknownOutcome, None),
    "no picture": Case(Answer.of({"image": None, "credits": 10}), GenerationFailed, True, after=True),
    "nothing to fetch": Case(Answer.of({"image": {"url": ""}, "credits": 0}), ResultLost, False, after=True),
    "a damaged picture": Case(Answer.of({"image": {"b64_json": "AAA"}}), ResultLost, None, after=True),
}


@pytest.fixture
def vendor() -> Iterator[RecraftEmulator]:
    with RecraftEmulator() as emulator:
        yield emulator


@pytest.fixture
def provider(vendor: RecraftEmulator, http: HttpClient) -> Recraft:
    return build(ProviderConfig(key=vendor.key, addresses=vendor.addresses, overrides={}, http=http))


async def test_a_whole_call(vendor: RecraftEmulator, provider: Recraft, tmp_path: Path) -> None:
    order = plain_order(ROUTE)

    finished, files = await drive_at_once(provider, order, tmp_path)

    with Image.open(files[0]) as made:
        made.load()
        assert made.format == "PNG"  # left to itself the vendor makes a WebP
        assert made.mode == "RGBA"
        assert made.size == (order.images[0].width, order.images[0].height)
        assert made.getchannel("A").getextrema() == (0, 255)
    assert finished.cost_usd == ROUTE.price.estimate({}, 1) == pytest.approx(vendor.charges[0] / 1000)
    assert finished.products[0].seed is None
    (received,) = vendor.received("generate")
    assert {part.name: part.data for part in received.parts()}["file"] == picture(shade=0).data


async def test_what_was_not_told_is_not_known(vendor: RecraftEmulator, provider: Recraft, tmp_path: Path) -> None:
    vendor.tells_units = False
    finished, _ = await drive_at_once(provider, full_order(ROUTE), tmp_path)
    assert finished.cost_usd is None


@pytest.mark.parametrize("name", SUBMIT)
async def test_a_submit_that_fails(name: str, vendor: RecraftEmulator, provider: Recraft) -> None:
    await check_fault(SUBMIT[name], provider, plain_order(ROUTE), vendor)


async def test_a_picture_beyond_the_vendors_sides_is_refused_by_it(vendor: RecraftEmulator, provider: Recraft) -> None:
    order = plain_order(ROUTE)
    small = type(order)(route=ROUTE, arguments={}, images=(picture(100, 100),))
    with pytest.raises(RequestRejected, match="256 to 4096 px"):
        await provider.submit(small)
    assert not vendor.charges


async def test_the_price_can_be_set(vendor: RecraftEmulator, http: HttpClient) -> None:
    def routes(table: dict[str, Any]) -> tuple[Route, ...]:
        return wired("recraft", vendor, http, recraft=table).routes

    (dearer,) = routes({"usd": 0.5})
    assert dearer.price.usd == 0.5


async def test_nothing_secret_is_logged(
    vendor: RecraftEmulator, provider: Recraft, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.fail_next("generate", text("bad_key", f"the key {vendor.key} is odd"))
    with pytest.raises(RequestRejected) as caught:
        await provider.submit(plain_order(ROUTE))
    assert "[key]" in str(caught.value)
    await drive_at_once(provider, plain_order(ROUTE), tmp_path)
    check_log(caplog, "removeBackground", vendor.key, "sig=", "Bearer")


@pytest.mark.parametrize(
    ("content", "finished"),
    [
        ({"image": {"url": URL}, "credits": 10}, Finished((Output(url=URL),), cost_usd=0.01)),
        ({"image": {"url": URL, "image_id": "x"}, "credits": "10"}, Finished((Output(url=URL),), cost_usd=0.01)),
        ({"data": [{"url": URL}], "credits": 4}, Finished((Output(url=URL),), cost_usd=0.004)),
        ({"image": {"b64_json": base64.b64encode(b"bytes").decode("ascii")}}, Finished((Output(data=b"bytes"),))),
        ({"image": {"url": None, "b64_json": "Ynl0ZXM="}}, Finished((Output(data=b"bytes"),))),
        ({"image": None, "data": [5, {"url": ""}, {"url": URL}, {"url": "other"}]}, Finished((Output(url=URL),))),
    ],
)
def test_a_picture_is_read_in_every_form_that_was_seen(content: Any, finished: Finished) -> None:
    assert read_made(reply(content)) == finished


@pytest.mark.parametrize(("body", "status"), [(b"", 200), (b"<html>", 200), ({"task": 1}, 200), ([], 200), (b"", 502)])
def test_what_cannot_be_read_is_left_to_the_status(body: Any, status: int) -> None:
    assert read_made(reply(body, status)) is None


def test_a_permission_is_not_money_and_a_page_is_not_a_word_of_the_vendors() -> None:
    denied = read_made(reply({"code": "forbidden", "message": "insufficient permissions"}, 403))
    assert type(denied) is BadKey
    assert read_made(reply(b"<html>content policy</html>", 403)) is None
