"""Every route of Black Forest Labs from submission to file, and every fault on the way, through real sockets."""

from __future__ import annotations

import base64
import json
import logging
from contextlib import aclosing
from dataclasses import replace
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
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig, Running
from imagewright.providers.bfl.provider import FIELDS, ROUTES
from imagewright.providers.http.request import Reply
from tests.emulators.bfl import MODELS, BflEmulator
from tests.emulators.messages import Answer
from tests.support import faults
from tests.support.faults import Case, check_error, check_log, quick_sender
from tests.support.faults_queued import Queue
from tests.support.provider_runs import AUTO, check_picture, drive, full_order, made, picture, plain_order, submitted
from tests.support.route_orders import every_offer
from tests.support.vendors import wired

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.providers.base import Provider, Route
    from imagewright.providers.http.client import HttpClient
    from imagewright.providers.http.request import Account, Request
    from tests.emulators.messages import Fault

pytestmark = pytest.mark.anyio
PLAIN = ROUTES[0]
WITH_PICTURE = next(route for route in ROUTES if "images" in route.takes)
ASK = "https://api.eu4.bfl.ai/v1/get_result?id=task-1"


def text(status: int, words: str, **headers: str) -> Answer:
    """A refusal in the vendor's form."""
    return Answer.of({"detail": words}, status, **headers)


SUBMIT: dict[str, Case] = faults.SUBMIT | {
    "bad key": Case(text(403, "Not authenticated"), BadKey, False, says="doctor"),
    "no money": Case(text(402, "Insufficient credits"), OutOfCredit, False, says="Insufficient credits"),
    "no money, as a 403": Case(text(403, "Insufficient credits"), OutOfCredit, False),
    "gone model": Case(text(404, "Not Found"), ModelUnavailable, False, says="[routes]"),
    "bad field": Case(text(422, "seed must be a number"), RequestRejected, False, says="seed"),
    "moderation": Case(text(422, "The prompt was flagged"), ContentRefused, False),
    "rate, no wait named": Case(text(429, "Too many active tasks"), RateLimited, False, sends=faults.SENDS),
    "rate, a short wait": Case(text(429, "Too many", retry_after="0"), RateLimited, False, sends=faults.SENDS),
    "rate, a long wait": Case(text(429, "Too many", retry_after="3600"), RateLimited, False, says="after 3600 s"),
    "server error": Case(text(500, "Internal Server Error"), UnknownOutcome, None),
    "no task id": Case(Answer.of({"cost": 4.0}), UnknownOutcome, None, after=True),
}
QUEUE = Queue(
    plain=WITH_PICTURE,
    submit=SUBMIT,
    poll=faults.POLL
    | {
        "rate": Case(text(429, "slow down"), RateLimited, None),
        "not visible": Case(Answer.of({"id": "t", "status": "Task not found"}), VendorUnavailable, None),
        "not visible, as a 404": Case(text(404, "Task not found"), VendorUnavailable, None),
        "server error": Case(text(500, "Internal Server Error"), VendorUnavailable, None),
        "bad key": Case(text(403, "Not authenticated"), BadKey, None),
        "no money": Case(text(402, "Insufficient credits"), OutOfCredit, None),
        "no money, as a 403": Case(text(403, "Insufficient credits"), OutOfCredit, None),
    },
)
"""Tried in `test_queue_faults.py`, beside those of the other vendors that take their time."""
ENDS: dict[str, type[ProviderError]] = {
    "Request Moderated": ContentRefused,
    "Content Moderated": ContentRefused,
    "Error": GenerationFailed,
    "Failed": GenerationFailed,
}


@pytest.fixture
def vendor() -> Iterator[BflEmulator]:
    with BflEmulator() as emulator:
        yield emulator


@pytest.fixture
def provider(vendor: BflEmulator, http: HttpClient) -> Provider:
    return wired("bfl", vendor, http)


def _name(route: Route) -> str:
    return f"{route.tool}-{route.operation}"


@pytest.mark.parametrize("most", [False, True], ids=["plain", "full"])
@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_a_whole_call(
    route: Route,
    most: bool,  # noqa: FBT001 - a parameter of the table
    vendor: BflEmulator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    order = full_order(route) if most else plain_order(route)

    driven = await drive(provider, order, tmp_path)

    check_picture(driven.files[0], order)
    task = next(iter(vendor.tasks.values()))
    model = MODELS[task.model]
    assert task.model == route.models[order.arguments["quality"]]
    assert [answer.stage for answer in driven.running] == ["queued", "reasoning", "generating"]
    assert driven.finished.products[0].seed == task.seed == order.arguments.get("seed", task.seed)
    assert vendor.charges == [(task.id, model.credits)]
    estimate = route.price.estimate(order.arguments, 1)
    assert driven.finished.cost_usd == estimate == pytest.approx(model.credits / 100)
    assert all(isinstance(value, str) for value in driven.handle.ticket.values())
    assert len(vendor.received("create")) == 1


async def test_the_picture_goes_along_whole_and_its_shape_is_kept(
    vendor: BflEmulator, provider: Provider, tmp_path: Path
) -> None:
    order = plain_order(WITH_PICTURE, aspect_ratio=AUTO)
    driven = await drive(provider, order, tmp_path)
    fields = next(iter(vendor.tasks.values())).fields
    assert base64.b64decode(fields["input_image"]) == picture(shade=0).data
    assert "aspect_ratio" not in fields
    with Image.open(driven.files[0]) as made:
        assert made.size == (order.images[0].width, order.images[0].height)


async def test_it_is_asked_about_where_the_vendor_says_by_another_process_too(
    vendor: BflEmulator, provider: Provider
) -> None:
    handle = await submitted(provider, plain_order(PLAIN))
    assert handle.ticket["url"].startswith(vendor.url("region"))
    async with aclosing(quick_sender()) as other:
        later = wired("bfl", vendor, other)
        assert isinstance(await later.poll(handle), Running)
    assert [one.host for one in vendor.received("poll")] == ["region"]


def _place(url: str | None) -> Fault:
    """Let the answer to a submit name another place to ask at; None for none."""

    def spoil(answer: Answer) -> Answer:
        content = json.loads(answer.body)
        del content["polling_url"]
        return Answer.of(content if url is None else content | {"polling_url": url})

    return spoil


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://elsewhere.example/v1/get_result?id=x",
        "http://api.eu4.bfl.ai/x",
        "",
        "https://[",
        "https://api.bfl.ai:x/",
        "https://xn--/",
    ],
)
async def test_the_key_goes_to_no_other_place_and_the_task_is_found_all_the_same(
    url: str | None, vendor: BflEmulator, provider: Provider, tmp_path: Path
) -> None:
    vendor.fail_next("create", _place(url))
    driven = await drive(provider, plain_order(PLAIN), tmp_path)
    assert driven.handle.ticket["url"].startswith(vendor.url("region"))


class Canned:
    """A sender that sends nothing and has its answers ready."""

    def __init__(self, *answers: object) -> None:
        self.answers = [Reply(200, {}, json.dumps(answer).encode("utf-8")) for answer in answers]
        self.sent: list[tuple[Account, Request[Any]]] = []

    async def send(self, account: Account, request: Request[Any]) -> Any:
        self.sent.append((account, request))
        return request.read(self.answers.pop(0))

    async def download(self, account: Account, url: str, into: Path, *, max_bytes: int = 0) -> None:
        raise NotImplementedError


async def test_another_region_of_the_vendor_is_asked_with_the_key() -> None:
    http = Canned({"id": "task-1", "polling_url": ASK, "cost": 4.0}, {"id": "task-1", "status": "Pending"})
    real = open_provider("bfl", ProviderConfig(key="k", addresses={}, overrides={}, http=http))
    await real.poll(await submitted(real, plain_order(PLAIN)))
    (_, create), (account, poll) = http.sent
    assert create.url == "https://api.bfl.ai/v1/flux-kontext-pro"
    assert (poll.method, poll.url, poll.query) == ("GET", ASK.partition("?")[0], {"id": "task-1"})
    assert account.owns(poll.url)
    assert poll.with_key
    assert not account.owns("https://delivery-eu4.bfl.ai.elsewhere.example/")


async def test_a_model_id_can_be_set(vendor: BflEmulator, http: HttpClient) -> None:
    changed = wired("bfl", vendor, http, flux_kontext={"model": {"pro": "flux-kontext-max"}})
    await submitted(changed, plain_order(changed.routes[0]))
    assert [task.model for task in vendor.tasks.values()] == ["flux-kontext-max"]


async def test_more_tasks_at_once_than_the_vendor_takes_are_said(vendor: BflEmulator, provider: Provider) -> None:
    order = plain_order(PLAIN, quality="max")
    for _ in range(MODELS["flux-kontext-max"].active):
        await submitted(provider, order)
    with pytest.raises(RateLimited, match="Too many active tasks"):
        await provider.submit(order)
    assert len(vendor.tasks) == MODELS["flux-kontext-max"].active


@pytest.mark.parametrize("status", ENDS)
async def test_a_task_that_comes_to_nothing(
    status: str, vendor: BflEmulator, provider: Provider, tmp_path: Path
) -> None:
    vendor.end_next(status, {"Moderation Reasons": ["Violence"]})
    with pytest.raises(ProviderError) as caught:
        await drive(provider, plain_order(PLAIN), tmp_path)
    check_error(caught.value, Case(Answer(), ENDS[status], None, says=f"{status}: "), "bfl", vendor.key)
    assert not vendor.charges


async def test_a_link_that_was_tampered_with_is_lost(provider: Provider, tmp_path: Path) -> None:
    (product,) = (await made(provider, plain_order(PLAIN))).products
    tampered = replace(product, url=product.url.replace("se=", "se=9"))
    with pytest.raises(ResultLost):
        await provider.fetch(tampered, tmp_path / "picture")


async def test_nothing_secret_is_logged(
    vendor: BflEmulator, provider: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.fail_next("create", text(422, f"the key {vendor.key} is odd"))
    with pytest.raises(RequestRejected) as caught:
        await provider.submit(plain_order(PLAIN))
    assert "[key]" in str(caught.value)
    await drive(provider, plain_order(PLAIN), tmp_path)
    check_log(caplog, "get_result", vendor.key, "sig=", "id=task", "x-key")


async def test_every_value_that_is_offered_is_taken(vendor: BflEmulator, provider: Provider) -> None:
    vendor.seconds = 0.0
    tried = 0
    for route in ROUTES:
        for order in every_offer(route):
            await provider.poll(await submitted(provider, order))  # so that it is no longer at work
            tried += 1
    assert len(vendor.charges) == tried > len(FIELDS)


async def test_the_price_follows_the_model_that_was_set(vendor: BflEmulator, http: HttpClient) -> None:
    def price(table: dict[str, Any]) -> float | None:
        config = ProviderConfig(key=vendor.key, addresses={}, overrides={"flux_kontext": table}, http=http)
        return open_provider("bfl", config).routes[0].price.estimate({"quality": "max"}, 1)

    other = {"model": {"max": "flux-kontext-pro"}}
    assert [price({}), price(other), price(other | {"usd": {"max": 0.5}})] == [0.08, 0.04, 0.5]
