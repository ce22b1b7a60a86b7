"""Every DashScope model from submission to file, through the unmodified provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from PIL import Image

from imagewright.engine.choose import estimate
from imagewright.errors import BadKey, ContentRefused, VendorUnavailable
from imagewright.providers import open_provider
from imagewright.providers.base import Handle, ProviderConfig, Running
from imagewright.providers.dashscope.routes import ROUTES, DashScopeRoute
from tests.emulators.dashscope_models import picture_in, size_of
from tests.emulators.pictures import draw
from tests.providers.dashscope.cases import sized
from tests.support.provider_runs import drive_at_once, followed, full_order, plain_order

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Provider
    from imagewright.providers.http.client import HttpClient
    from tests.emulators.dashscope import DashScopeEmulator

pytestmark = pytest.mark.anyio

GENERATE, EDIT = ROUTES[0], ROUTES[1]


def _name(route: DashScopeRoute) -> str:
    return f"{route.operation}-{route.edition}"


def _at(emulator: DashScopeEmulator, http: HttpClient, base: str = "", **table: Any) -> Provider:
    overrides = {GENERATE.tool: table}
    addresses = {"": base or emulator.url()}
    return open_provider(
        "dashscope", ProviderConfig(key=emulator.key, addresses=addresses, overrides=overrides, http=http)
    )


@pytest.mark.parametrize("most", [False, True], ids=["plain", "full"])
@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_a_whole_call(
    route: DashScopeRoute,
    most: bool,  # noqa: FBT001 - a parameter of the table
    emulator: DashScopeEmulator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    order = sized(full_order(route) if most else plain_order(route))

    finished, files = await drive_at_once(provider, order, tmp_path)

    assert len(files) == order.count
    assert finished.notes == ()
    assert finished.cost_usd is None
    (body,) = emulator.bodies
    size = size_of(body["parameters"]["size"])
    assert size is not None
    for place, file in enumerate(files):
        with Image.open(file) as made:
            made.load()
            assert (made.format, made.size) == ("PNG", size)
            # drawn from the caller's own words, and without a watermark
            drawn = draw((1, 1), f"{order.arguments['prompt']} {place} {order.arguments.get('seed')}")
            assert made.getpixel((made.width - 8, made.height - 8)) == drawn.getpixel((0, 0))
    assert body["model"] == route.model
    sides = [max(one.width, one.height) for one in order.images]
    assert emulator.charges == [pytest.approx(estimate(route.price, order.arguments, order.count, sides=sides))]


@pytest.mark.parametrize("base", ["", "/", "/api/v1", "/api/v1/"])
async def test_the_address_may_be_the_hosts_or_the_one_the_makers_client_wants(
    base: str, emulator: DashScopeEmulator, http: HttpClient, tmp_path: Path
) -> None:
    provider = _at(emulator, http, emulator.url() + base)
    await drive_at_once(provider, plain_order(GENERATE), tmp_path)


async def test_pictures_keep_their_order(emulator: DashScopeEmulator, provider: Provider) -> None:
    order = sized(full_order(EDIT))
    await provider.submit(order)
    content = emulator.bodies[0]["input"]["messages"][0]["content"]
    links = [item["image"] for item in content if "image" in item]
    reds = [one.getpixel((0, 0)) for one in map(picture_in, links) if isinstance(one, Image.Image)]
    assert reds == [(place, 120, 160) for place in range(len(order.images))]


async def test_the_same_seed_gives_the_same_picture(provider: Provider, tmp_path: Path) -> None:
    found: list[bytes] = []
    for seed in (1, 1, 2):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        _, (file,) = await drive_at_once(provider, plain_order(GENERATE, seed=seed), folder)
        found.append(file.read_bytes())
    assert found[0] == found[1] != found[2]


async def test_calls_side_by_side_do_not_mix(provider: Provider, tmp_path: Path) -> None:
    async def call(seed: int) -> None:
        folder = tmp_path / str(seed)
        folder.mkdir()
        order = plain_order(GENERATE, seed=seed)
        _, (file,) = await drive_at_once(provider, order, folder)
        drawn = draw((1, 1), f"{order.arguments['prompt']} 0 {seed}")
        with Image.open(file) as made:
            assert made.getpixel((0, 0)) == drawn.getpixel((0, 0))

    async with anyio.create_task_group() as group:
        for seed in range(1, 6):
            group.start_soon(call, seed)


async def test_a_refused_picture_does_not_cost_the_others(
    emulator: DashScopeEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.refuse_next_picture("DataInspectionFailed", "Output data may contain inappropriate content.")
    order = full_order(GENERATE)
    finished, files = await drive_at_once(provider, order, tmp_path)
    assert len(files) == order.count - 1
    assert finished.notes == ("dashscope says besides: 'Output data may contain inappropriate content.'.",)


async def test_a_call_of_one_refused_picture_fails_and_is_not_charged(
    emulator: DashScopeEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.refuse_next_picture("DataInspectionFailed", "The output goes against the content policy.")
    with pytest.raises(ContentRefused, match="policy") as caught:
        await drive_at_once(provider, plain_order(GENERATE), tmp_path)
    assert caught.value.charged is False
    assert not emulator.charges


async def test_a_key_of_the_other_region_is_reported(emulator: DashScopeEmulator, http: HttpClient) -> None:
    addresses = emulator.addresses
    other = open_provider(
        "dashscope", ProviderConfig(key="sk-of-beijing-012345", addresses=addresses, overrides={}, http=http)
    )
    with pytest.raises(BadKey, match="IMAGEWRIGHT_DASHSCOPE_BASE_URL"):
        await other.submit(plain_order(GENERATE))


async def test_a_task_of_an_older_release_is_followed_to_its_end(
    emulator: DashScopeEmulator, provider: Provider, tmp_path: Path
) -> None:
    """That release began it with a model of 2025, and wrote this handle down."""
    finished, _ = await drive_at_once(provider, plain_order(GENERATE), tmp_path)
    handle = Handle("dashscope", {"task": "t"})
    with pytest.raises(VendorUnavailable, match="not known"):
        await provider.poll(handle)
    emulator.tasks["t"] = {"task_status": "RUNNING"}
    assert await provider.poll(handle) == Running(stage="generating")
    emulator.tasks["t"] = {"task_status": "SUCCEEDED", "results": [{"url": finished.outputs[0].url}]}
    assert len((await followed(provider, handle, tmp_path)).files) == 1
    emulator.tasks["t"] = {"task_status": "FAILED", "code": "DataInspectionFailed", "message": "no"}
    with pytest.raises(ContentRefused):
        await followed(provider, handle, tmp_path)
