"""Ideogram from submission to file, its answers, and every fault on the way, through real sockets."""

from __future__ import annotations

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
    ProviderError,
    RateLimited,
    RequestRejected,
    ResultLost,
    UnknownOutcome,
    VendorUnavailable,
)
from imagewright.providers.base import Finished, Output, ProviderConfig
from imagewright.providers.ideogram.provider import RESOLUTIONS, ROUTES, SPEEDS, Ideogram, build
from imagewright.providers.ideogram.replies import REASONS, read_made
from tests.emulators.ideogram import USD, IdeogramEmulator, refuse
from tests.emulators.ideogram_words import RESOLUTIONS as LISTED
from tests.emulators.messages import Answer
from tests.support.faults import SENDS, SILENCE, Case, check_log
from tests.support.faults_sync import COMMON, check_fault
from tests.support.provider_runs import drive_at_once, effective, full_order, picture, plain_order
from tests.support.replies import reply
from tests.support.route_orders import every_offer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.providers.http.client import HttpClient

pytestmark = pytest.mark.anyio
(ROUTE,) = ROUTES
URL = "https://ideogram.ai/api/images/ephemeral/abc.png?exp=1743867804&sig=e13e"
SAFETY = "Prompt or provided image failed the safety checks"


def text(words: str, status: int, reason: str = "") -> Answer:
    """A refusal in JSON."""
    return Answer.of({"error": words, "reject_reason": reason}, status) if reason else refuse(words, status).answer


def unsafe(count: int) -> Answer:
    """So many pictures, all of them kept back."""
    return Answer.of({"created": "", "data": [{"url": None, "is_image_safe": False}] * count})


SUBMIT: dict[str, Case] = COMMON | {
    "silence before": Case(Answer.hang(), UnknownOutcome, None, says=f"no answer within {SILENCE:g} s"),
    "bad key": Case(text("no", 401), BadKey, False),
    "bad key, without a word": Case(Answer(401), BadKey, False, says="doctor"),
    "no money": Case(text("Insufficient credits.", 402, "insufficient_funds"), OutOfCredit, False),
    "no money, by the status": Case(Answer(402), OutOfCredit, False),
    "no subscription": Case(text("Subscribe", 403, "subscription_required"), OutOfCredit, False),
    "too many at once": Case(text("Too many", 429, "inflight_limit"), RateLimited, False, sends=SENDS),
    "gone model": Case(text("no such model", 404), ModelUnavailable, False, says="[routes]"),
    "bad field": Case(text("resolution cannot be 9x9", 400), RequestRejected, False, says="9x9"),
    "bad field, any body": Case(Answer(400, b"oops"), RequestRejected, False),
    "bad field, as a list": Case(
        Answer.of({"detail": [{"msg": "seed is too large"}]}, 422), RequestRejected, False, says="seed is too large"
    ),
    "too large": Case(Answer(413, b""), RequestRejected, False),
    "moderation": Case(text(SAFETY, 422), ContentRefused, False, says="safety checks"),
    "moderation, another form": Case(Answer.of({"detail": SAFETY}, 422), ContentRefused, False),
    "moderation, as a 400": Case(text(SAFETY, 400), ContentRefused, False),
    "moderation of the result": Case(unsafe(1), ContentRefused, True, says="kept back", after=True),
    "server error": Case(text("broken", 500), UnknownOutcome, None),
    "server busy": Case(text("busy", 503), VendorUnavailable, False, sends=SENDS, says="busy"),
    "no picture": Case(Answer.of({"data": []}), GenerationFailed, None, after=True),
    "nothing to fetch": Case(Answer.of({"data": [{"url": "", "is_image_safe": True}]}), ResultLost, None, after=True),
}


@pytest.fixture
def vendor() -> Iterator[IdeogramEmulator]:
    with IdeogramEmulator() as emulator:
        yield emulator


@pytest.fixture
def provider(vendor: IdeogramEmulator, http: HttpClient) -> Ideogram:
    return build(ProviderConfig(key=vendor.key, addresses=vendor.addresses, overrides={}, http=http))


@pytest.mark.parametrize("most", [False, True], ids=["plain", "full"])
async def test_a_whole_call(most: bool, vendor: IdeogramEmulator, provider: Ideogram, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the table
    order = full_order(ROUTE) if most else plain_order(ROUTE)

    finished, files = await drive_at_once(provider, order, tmp_path)

    assert len(files) == order.count
    for file in files:
        with Image.open(file) as made:
            made.load()
            assert made.size == RESOLUTIONS[order.arguments["aspect_ratio"]]
    assert len({product.seed for product in finished.products} - {None}) == order.count
    if "seed" in order.arguments:
        assert finished.products[0].seed == order.arguments["seed"]
    assert vendor.charges == [pytest.approx(ROUTE.price.estimate(order.arguments, order.count))]
    assert finished.cost_usd is None
    (received,) = vendor.received("generate")
    assert {part.name: part.data for part in received.parts()}["image"] == picture(shade=0).data


async def test_every_value_that_is_offered_is_taken(vendor: IdeogramEmulator, provider: Ideogram) -> None:
    orders = list(every_offer(ROUTE))
    for order in orders:
        assert isinstance(await provider.submit(order), Finished)
    assert len(vendor.charges) == len(orders) > len(RESOLUTIONS)


@pytest.mark.parametrize("ratio", RESOLUTIONS)
async def test_a_ratio_becomes_the_nearest_of_the_sizes_and_says_where_it_is_only_near(
    ratio: str, provider: Ideogram, tmp_path: Path
) -> None:
    wide, high = (int(part) for part in ratio.split(":"))
    width, height = RESOLUTIONS[ratio]
    assert f"{width}x{height}" in LISTED
    assert width / height == pytest.approx(wide / high, rel=0.005)
    finished, _ = await drive_at_once(provider, plain_order(ROUTE, aspect_ratio=ratio), tmp_path)
    exact = width * high == height * wide
    assert finished.notes == (
        () if exact else (f"{width}x{height} px is the size ideogram has that is nearest to {ratio}.",)
    )


def test_every_ratio_and_speed_of_the_row_has_its_word() -> None:
    arguments = effective(ROUTE)
    assert set(arguments["aspect_ratio"].values or ()) == set(RESOLUTIONS)
    assert set(arguments["rendering_speed"].values or ()) == set(SPEEDS)
    assert {speed: USD[word] for speed, word in SPEEDS.items()} == dict(ROUTE.price.table)


@pytest.mark.parametrize("name", SUBMIT)
async def test_a_submit_that_fails(name: str, vendor: IdeogramEmulator, provider: Ideogram) -> None:
    await check_fault(SUBMIT[name], provider, plain_order(ROUTE), vendor)


async def test_what_is_kept_back_does_not_hold_up_the_rest(
    vendor: IdeogramEmulator, provider: Ideogram, tmp_path: Path
) -> None:
    vendor.keep_back_next(1)
    finished, files = await drive_at_once(provider, full_order(ROUTE), tmp_path)
    assert len(files) == ROUTE.counts[-1] - 1
    assert finished.notes == ("ideogram kept back 1 of 4 pictures as unsafe, and charges for them all the same.",)
    vendor.keep_back_next(4)
    with pytest.raises(ContentRefused) as caught:
        await provider.submit(full_order(ROUTE))
    assert caught.value.charged is True


async def test_nothing_secret_is_logged(
    vendor: IdeogramEmulator, provider: Ideogram, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.fail_next("generate", text(f"the key {vendor.key} is odd", 400))
    with pytest.raises(RequestRejected) as caught:
        await provider.submit(plain_order(ROUTE))
    assert "[key]" in str(caught.value)
    await drive_at_once(provider, plain_order(ROUTE), tmp_path)
    check_log(caplog, "reframe", vendor.key, "sig=", "exp=")


@pytest.mark.parametrize(
    ("item", "product"),
    [
        ({"url": URL, "seed": 12345, "is_image_safe": True}, Output(url=URL, seed=12345)),
        ({"url": URL, "seed": None}, Output(url=URL)),
        ({"url": URL, "seed": True, "is_image_safe": None}, Output(url=URL)),
    ],
)
def test_a_picture_is_read_whatever_else_is_missing(item: Any, product: Output) -> None:
    assert read_made(reply({"data": [item, 5, {"url": None}]})) == Finished((product,))


def test_what_is_called_unsafe_is_not_taken_even_with_an_address() -> None:
    safe, kept_back = {"url": URL, "is_image_safe": True}, {"url": URL, "is_image_safe": False}
    finished = read_made(reply({"data": [kept_back, safe]}))
    assert isinstance(finished, Finished)
    assert finished.products == (Output(url=URL),)
    assert "1 of 2" in finished.notes[0]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 200), (b"<html>", 200), ({"data": None}, 200), ([], 200), (b"", 502), ({"error": "x"}, 500), ({}, 400)],
)
def test_what_cannot_be_read_is_left_to_the_status(body: Any, status: int) -> None:
    assert read_made(reply(body, status)) is None


@pytest.mark.parametrize("reason", [*REASONS, "feature_limit", "a_reason_to_come"])
def test_the_reason_says_more_than_the_status(reason: str) -> None:
    error = read_made(reply({"error": "no", "reject_reason": reason}, 403))
    assert isinstance(error, ProviderError)
    assert type(error) is REASONS.get(reason, BadKey)
    assert error.charged is False
