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

from imagewright.engine.choose import estimate
from imagewright.errors import ContentRefused, GenerationFailed, ProviderError, RateLimited, RequestRejected, ResultLost
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig, Running
from imagewright.providers.bfl.routes import FIELDS, ROUTES
from tests.emulators.bfl import MODELS, BflEmulator
from tests.emulators.messages import Answer
from tests.providers.bfl.cases import PLAIN, WITH_PICTURE, text
from tests.support.faults import Case, check_error, check_log, quick_sender
from tests.support.provider_runs import AUTO, check_picture, drive, full_order, made, picture, plain_order, submitted
from tests.support.replies import reply
from tests.support.route_orders import every_offer
from tests.support.vendors import wired

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Provider, Route
    from imagewright.providers.http.client import Account, HttpClient
    from imagewright.providers.http.request import Request
    from tests.emulators.messages import Fault

pytestmark = pytest.mark.anyio
ASK = "https://api.eu4.bfl.ai/v1/get_result?id=task-1"


ENDS: dict[str, type[ProviderError]] = {
    "Request Moderated": ContentRefused,
    "Content Moderated": ContentRefused,
    "Error": GenerationFailed,
    "Failed": GenerationFailed,
}


def _name(route: Route) -> str:
    return f"{route.tool}-{route.operation}"


@pytest.mark.parametrize("most", [False, True], ids=["plain", "full"])
@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_a_whole_call(
    route: Route,
    most: bool,  # noqa: FBT001 - a parameter of the table
    emulator: BflEmulator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    order = full_order(route) if most else plain_order(route)

    driven = await drive(provider, order, tmp_path)

    check_picture(driven.files[0], order)
    task = next(iter(emulator.tasks.values()))
    model = MODELS[task.model]
    assert task.model == route.models[order.arguments["quality"]]
    assert [answer.stage for answer in driven.running] == ["queued", "reasoning", "generating"]
    assert driven.finished.outputs[0].seed == task.seed == order.arguments.get("seed", task.seed)
    assert emulator.charges == [(task.id, model.credits)]
    usd = estimate(route.price, order.arguments, 1)
    assert driven.finished.cost_usd == usd == pytest.approx(model.credits / 100)
    assert all(isinstance(value, str) for value in driven.handle.data.values())
    assert len(emulator.received("create")) == 1


async def test_the_picture_goes_along_whole_and_its_shape_is_kept(
    emulator: BflEmulator, provider: Provider, tmp_path: Path
) -> None:
    order = plain_order(WITH_PICTURE, aspect_ratio=AUTO)
    driven = await drive(provider, order, tmp_path)
    fields = next(iter(emulator.tasks.values())).fields
    assert base64.b64decode(fields["input_image"]) == picture(shade=0).data
    assert "aspect_ratio" not in fields
    with Image.open(driven.files[0]) as made:
        assert made.width / made.height == pytest.approx(order.images[0].width / order.images[0].height, rel=0.02)


async def test_it_is_asked_about_where_the_vendor_says_by_another_process_too(
    emulator: BflEmulator, provider: Provider
) -> None:
    handle = await submitted(provider, plain_order(PLAIN))
    assert handle.data["url"].startswith(emulator.url("region"))
    async with aclosing(quick_sender()) as other:
        later = wired("bfl", emulator, other)
        assert isinstance(await later.poll(handle), Running)
    assert [one.host for one in emulator.received("poll")] == ["region"]


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
    url: str | None, emulator: BflEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.fail_next("create", _place(url))
    driven = await drive(provider, plain_order(PLAIN), tmp_path)
    assert driven.handle.data["url"].startswith(emulator.url("region"))


class Canned:
    """A sender that sends nothing and has its answers ready."""

    outlives = False

    def __init__(self, *answers: object) -> None:
        self.answers = [reply(answer) for answer in answers]
        self.sent: list[tuple[Account, Request[Any]]] = []

    async def send(self, account: Account, request: Request[Any], *_more: Any) -> Any:
        self.sent.append((account, request))
        return request.read(self.answers.pop(0))

    async def download(self, account: Account, url: str, into: Path, **_more: Any) -> None:
        raise NotImplementedError


async def test_another_region_of_the_vendor_is_asked_with_the_key() -> None:
    http = Canned({"id": "task-1", "polling_url": ASK, "cost": 4.0}, {"id": "task-1", "status": "Pending"})
    real = open_provider("bfl", ProviderConfig(key="k", addresses={}, overrides={}, http=http))
    await real.poll(await submitted(real, plain_order(PLAIN)))
    (_, create), (account, poll) = http.sent
    assert create.url == "https://api.bfl.ai/v1/flux-kontext-pro"
    assert (poll.method, poll.url, poll.query) == ("GET", ASK, {})
    assert account.may_send_key_to(poll.url)
    assert poll.with_key
    assert not account.may_send_key_to("https://delivery-eu4.bfl.ai.elsewhere.example/")


async def test_a_model_id_can_be_set(emulator: BflEmulator, http: HttpClient) -> None:
    changed = wired("bfl", emulator, http, flux_kontext={"model": {"pro": "flux-kontext-max"}})
    await submitted(changed, plain_order(changed.routes[0]))
    assert [task.model for task in emulator.tasks.values()] == ["flux-kontext-max"]


async def test_more_tasks_at_once_than_the_vendor_takes_are_reported(emulator: BflEmulator, provider: Provider) -> None:
    order = plain_order(PLAIN, quality="max")
    for _ in range(MODELS["flux-kontext-max"].active):
        await submitted(provider, order)
    with pytest.raises(RateLimited, match="Too many active tasks"):
        await provider.submit(order)
    assert len(emulator.tasks) == MODELS["flux-kontext-max"].active


@pytest.mark.parametrize("status", ENDS)
async def test_a_task_that_comes_to_nothing(
    status: str, emulator: BflEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.end_next(status, {"Moderation Reasons": ["Violence"]})
    with pytest.raises(ProviderError) as caught:
        await drive(provider, plain_order(PLAIN), tmp_path)
    check_error(caught.value, Case(Answer(), ENDS[status], None, says=f"{status}: "), "bfl", emulator.key)
    assert not emulator.charges


async def test_a_link_that_was_tampered_with_is_lost(provider: Provider, tmp_path: Path) -> None:
    (output,) = (await made(provider, plain_order(PLAIN))).outputs
    tampered = replace(output, url=output.url.replace("se=", "se=9"))
    with pytest.raises(ResultLost):
        await provider.fetch(tampered, tmp_path / "picture")


async def test_nothing_secret_is_logged(
    emulator: BflEmulator, provider: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.fail_next("create", text(422, f"the key {emulator.key} is odd"))
    with pytest.raises(RequestRejected) as caught:
        await provider.submit(plain_order(PLAIN))
    assert "[key]" in str(caught.value)
    await drive(provider, plain_order(PLAIN), tmp_path)
    check_log(caplog, "get_result", emulator.key, "sig=", "id=task", "x-key")


async def test_every_value_that_is_offered_is_taken(emulator: BflEmulator, provider: Provider) -> None:
    emulator.seconds = 0.0
    tried = 0
    for route in ROUTES:
        for order in every_offer(route):
            await provider.poll(await submitted(provider, order))  # so that it is no longer at work
            tried += 1
    assert len(emulator.charges) == tried > len(FIELDS)


async def test_the_price_follows_the_model_that_was_set(emulator: BflEmulator, http: HttpClient) -> None:
    def price(table: dict[str, Any]) -> float | None:
        config = ProviderConfig(key=emulator.key, addresses={}, overrides={"flux_kontext": table}, http=http)
        return estimate(open_provider("bfl", config).routes[0].price, {"quality": "max"}, 1)

    other = {"model": {"max": "flux-kontext-pro"}}
    assert [price({}), price(other), price(other | {"usd": {"max": 0.5}})] == [0.08, 0.04, 0.5]
