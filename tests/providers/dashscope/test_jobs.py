"""Every DashScope model from submission to file, at once or as a task, through the unmodified provider."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from PIL import Image

from imagewright.errors import BadKey, ContentRefused, GenerationFailed, TaskEnded, VendorUnavailable
from imagewright.providers import open_provider
from imagewright.providers.base import Finished, ProviderConfig, Running
from imagewright.providers.dashscope.routes import OTHERS, ROUTES, DashScopeRoute
from tests.emulators.dashscope_models import picture_in, size_of
from tests.support.provider_runs import drive, drive_at_once, full_order, picture, plain_order, submitted
from tests.support.replies import ended

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Order, Provider
    from imagewright.providers.http.client import HttpClient
    from tests.emulators.dashscope import DashScopeEmulator

pytestmark = pytest.mark.anyio

GENERATE, EDIT = ROUTES
TASK = next(route for route in OTHERS if route.as_task)


def _name(route: DashScopeRoute) -> str:
    return f"{route.operation}-{route.model}"


def _with_pictures(order: Order) -> Order:
    """The order with pictures large enough for this vendor."""
    return replace(order, images=tuple(picture(480, 400, shade=place) for place in range(len(order.images))))


def _at(emulator: DashScopeEmulator, http: HttpClient, base: str = "", **table: Any) -> Provider:
    overrides = {GENERATE.tool: table}
    addresses = {"": base or emulator.url()}
    return open_provider(
        "dashscope", ProviderConfig(key=emulator.key, addresses=addresses, overrides=overrides, http=http)
    )


CALLS = {
    **{f"{_name(route)}, the least": plain_order(route) for route in ROUTES},
    **{f"{_name(route)}, the most": full_order(route) for route in ROUTES},
    # that the others can make as many is shown where their bodies are
    **{_name(route): replace(full_order(route), count=1) for route in OTHERS},
}


@pytest.mark.parametrize("row", CALLS)
async def test_a_whole_call(row: str, emulator: DashScopeEmulator, provider: Provider, tmp_path: Path) -> None:
    order = _with_pictures(CALLS[row])
    route = order.route
    assert isinstance(route, DashScopeRoute)

    if route.as_task:
        driven = await drive(provider, order, tmp_path)
        finished, files = driven.finished, driven.files
        assert driven.running == [Running(stage="queued"), Running(stage="generating")]
        assert all(isinstance(value, str) for value in driven.handle.data.values())
    else:
        finished, files = await drive_at_once(provider, order, tmp_path)

    assert len(files) == order.count
    assert finished.notes == ()
    assert finished.cost_usd is None
    size = size_of(emulator.bodies[0]["parameters"].get("size"))
    for file in files:
        with Image.open(file) as made:
            made.load()
            assert made.format == "PNG"
            assert size is None or made.size == size
            assert made.getpixel((made.width - 8, made.height - 8)) != (255, 255, 255), "a watermark"
    assert len({file.read_bytes() for file in files}) == order.count
    assert emulator.bodies[0]["model"] == route.model
    assert emulator.charges == [pytest.approx(0.03 * order.count)]
    assert len(emulator.received("create" if route.as_task else "generate")) == 1


@pytest.mark.parametrize("base", ["", "/", "/api/v1", "/api/v1/"])
async def test_the_address_may_be_the_hosts_or_the_one_the_makers_client_wants(
    base: str, emulator: DashScopeEmulator, http: HttpClient, tmp_path: Path
) -> None:
    provider = _at(emulator, http, emulator.url() + base)
    await drive_at_once(provider, plain_order(GENERATE), tmp_path)
    await drive(provider, plain_order(TASK), tmp_path)


async def test_pictures_keep_their_order(emulator: DashScopeEmulator, provider: Provider) -> None:
    order = _with_pictures(full_order(EDIT))
    await provider.submit(order)
    content = emulator.bodies[0]["input"]["messages"][0]["content"]
    links = [item["image"] for item in content if "image" in item]
    reds = [one.getpixel((0, 0)) for one in map(picture_in, links) if isinstance(one, Image.Image)]
    assert reds == [(place, 120, 160) for place in range(len(order.images))]


async def test_a_chosen_model_is_called_through_its_task(
    emulator: DashScopeEmulator, http: HttpClient, tmp_path: Path
) -> None:
    provider = _at(emulator, http, generate={"model": TASK.model})
    route = next(one for one in provider.routes if one.operation == TASK.operation)
    await drive(provider, plain_order(route), tmp_path)
    assert next(iter(emulator.tasks.values())).prompt
    assert not emulator.received("generate")


async def test_the_same_seed_gives_the_same_picture(provider: Provider, tmp_path: Path) -> None:
    found: list[bytes] = []
    for seed in (1, 1, 2):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        _, (file,) = await drive_at_once(provider, plain_order(GENERATE, seed=seed), folder)
        found.append(file.read_bytes())
    assert found[0] == found[1] != found[2]


async def test_calls_side_by_side_do_not_mix(emulator: DashScopeEmulator, provider: Provider, tmp_path: Path) -> None:
    found: dict[int, str] = {}

    async def call(seed: int) -> None:
        folder = tmp_path / str(seed)
        folder.mkdir()
        found[seed] = (await drive(provider, plain_order(TASK, seed=seed), folder)).handle.data["task"]

    async with anyio.create_task_group() as group:
        for seed in range(1, 6):
            group.start_soon(call, seed)
    made = {task.parameters["seed"]: task.id for task in emulator.tasks.values()}
    assert made == found


async def test_a_task_is_stopped_while_it_waits_and_not_later(emulator: DashScopeEmulator, provider: Provider) -> None:
    waiting, running = [await submitted(provider, plain_order(TASK)) for _ in range(2)]
    assert await provider.cancel(waiting) is True
    with pytest.raises(TaskEnded, match="cancelled") as caught:
        await provider.poll(waiting)
    error = ended(caught.value)
    assert type(error) is GenerationFailed
    assert error.charged is False
    await provider.poll(running)
    await provider.poll(running)
    assert await provider.cancel(running) is False
    assert isinstance(await provider.poll(running), Finished)
    assert len(emulator.received("cancel")) == 2


async def test_a_task_nobody_knows_is_asked_about_again(emulator: DashScopeEmulator, provider: Provider) -> None:
    handle = await submitted(provider, plain_order(TASK))
    task = emulator.tasks.pop(handle.data["task"])
    with pytest.raises(VendorUnavailable) as caught:
        await provider.poll(handle)
    assert caught.value.charged is None
    emulator.tasks[task.id] = task
    assert isinstance(await provider.poll(handle), Running)


async def test_a_refused_picture_does_not_cost_the_others(
    emulator: DashScopeEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.refuse_next_picture("DataInspectionFailed", "Output data may contain inappropriate content.")
    order = full_order(GENERATE)
    finished, files = await drive_at_once(provider, order, tmp_path)
    assert len(files) == order.count - 1
    assert finished.notes == ("dashscope says besides: 'Output data may contain inappropriate content.'.",)


@pytest.mark.parametrize("route", [GENERATE, TASK], ids=_name)
async def test_a_call_of_one_refused_picture_fails_and_is_not_charged(
    route: DashScopeRoute, emulator: DashScopeEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.refuse_next_picture("DataInspectionFailed", "The output goes against the content policy.")
    with pytest.raises(ContentRefused, match="policy") as caught:
        await (drive if route.as_task else drive_at_once)(provider, plain_order(route), tmp_path)
    assert caught.value.charged is False
    assert not emulator.charges


async def test_a_key_of_the_other_region_is_reported(emulator: DashScopeEmulator, http: HttpClient) -> None:
    addresses = emulator.addresses
    other = open_provider(
        "dashscope", ProviderConfig(key="sk-of-beijing-012345", addresses=addresses, overrides={}, http=http)
    )
    with pytest.raises(BadKey, match="IMAGEWRIGHT_DASHSCOPE_BASE_URL"):
        await other.submit(plain_order(GENERATE))
