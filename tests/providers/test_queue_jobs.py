"""The vendors that take their time: what holds of a whole call at each of them, whatever its routes are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from PIL import Image

from imagewright.providers.base import Prepared, Running
from tests.emulators.pictures import encode
from tests.support.faults import quick_sender
from tests.support.provider_runs import drive, plain_order, submitted
from tests.support.vendors import QUEUES, routes_of, wired

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Output, Provider, Route
    from tests.support.vendors import AnyEmulator

pytestmark = pytest.mark.anyio

CALLS = range(1, 13)
ENLARGERS = [
    pytest.param(name, route, id=f"{name}-{route.model}")
    for name in QUEUES
    for route in routes_of(name)
    if route.scales and route.pictures.alpha
]


@pytest.mark.parametrize("name", [name for name, queue in QUEUES.items() if queue.names_tasks])
async def test_calls_side_by_side_do_not_mix(name: str, emulator: Any, provider: Provider, tmp_path: Path) -> None:
    others = {"image", "images", "resolution"}
    route = next(one for one in routes_of(name) if "seed" in one.takes and not others & one.takes.keys())
    found: dict[int, Output] = {}

    async def call(seed: int) -> None:
        folder = tmp_path / str(seed)
        folder.mkdir()
        driven = await drive(provider, plain_order(route, seed=seed), folder)
        (found[seed],) = driven.finished.outputs

    async with anyio.create_task_group() as group:
        for seed in CALLS:
            group.start_soon(call, seed)
    made = {task.fields["seed"]: task.id for task in emulator.tasks.values()}
    assert sorted(made) == list(CALLS)
    assert all(made[seed] in output.url for seed, output in found.items())
    parts = {seed: output.seed for seed, output in found.items() if output.seed is not None}
    assert parts in ({}, {seed: seed for seed in CALLS})
    assert len(emulator.charges) == len(CALLS)


@pytest.mark.parametrize(("name", "route"), ENLARGERS)
async def test_an_enlarged_picture_keeps_its_type_its_transparency_and_what_it_shows(
    route: Route, provider: Provider, tmp_path: Path
) -> None:
    red, clear = (200, 40, 40, 255), (0, 0, 0, 0)
    before = Image.new("RGBA", (48, 36), red)
    before.paste(clear, (0, 0, before.width // 2, before.height))
    picture = Prepared(encode(before, "png"), "png", *before.size)
    scale = route.scales[-1]

    driven = await drive(provider, replace(plain_order(route, scale=scale), images=(picture,)), tmp_path)

    with Image.open(driven.files[0]) as after:
        assert (after.format, after.mode) == ("PNG", "RGBA")
        assert after.size == (before.width * scale, before.height * scale)
        seen = [after.getpixel((x * scale, 18 * scale)) for x in (8, 18, 30, 40)]
        assert seen == [clear, clear, red, red]


@pytest.mark.parametrize("name", QUEUES)
async def test_another_process_can_go_on_with_the_handle(name: str, emulator: AnyEmulator, provider: Provider) -> None:
    handle = await submitted(provider, plain_order(QUEUES[name].plain))
    other = quick_sender()
    assert isinstance(await wired(name, emulator, other).poll(handle), Running)
    await other.aclose()
    kept = "".join(handle.data.values())
    assert emulator.key not in kept
    assert emulator.url("api") not in kept
