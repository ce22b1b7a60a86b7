"""Every Kie route from submission to file, through the unmodified provider and real sockets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.catalog.load import catalog
from imagewright.engine.check import check
from imagewright.engine.choose import candidates, estimate
from imagewright.errors import ContentRefused, GenerationFailed, VendorUnavailable
from imagewright.providers.base import Handle, Running
from imagewright.providers.kie.route import Family
from imagewright.providers.kie.routes import ROUTES
from tests.emulators.kie import Task
from tests.emulators.kie_editions import MARKET
from tests.emulators.kie_models import FLUX_KONTEXT, Model
from tests.support.provider_runs import drive, followed, full_order, plain_order, submitted, whole_calls

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Provider, Route
    from imagewright.providers.kie.route import KieRoute
    from tests.emulators.kie import KieEmulator
    from tests.emulators.messages import Received

pytestmark = pytest.mark.anyio


def _name(route: Route) -> str:
    return f"{route.tool}-{route.operation}-{route.model}"


def _model(route: KieRoute) -> Model:
    return MARKET[route.model] if route.family is Family.MARKET else FLUX_KONTEXT


@pytest.mark.parametrize(("route", "most"), whole_calls(ROUTES, ()))
async def test_a_whole_call(
    route: KieRoute,
    most: bool,  # noqa: FBT001 - a parameter of the table
    emulator: KieEmulator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    order = full_order(route) if most else plain_order(route)

    driven = await drive(provider, order, tmp_path)

    (task,) = emulator.tasks.values()
    usual = _model(route).type_for(task.fields) or "png"
    assert len(driven.files) == order.count
    for file in driven.files:
        with Image.open(file) as made:
            made.load()
            assert made.format == str(order.arguments.get("output_format", usual)).upper()
            assert order.arguments.get("background") != "transparent" or made.mode == "RGBA"
    assert all(isinstance(value, str) for value in driven.handle.data.values())
    assert len(driven.running) == 3
    assert len(emulator.received("create")) == 1
    assert len(emulator.received("upload")) == len(order.images)
    assert [charged for _, charged in emulator.charges] == [task.credits]
    assert not emulator.rewritten
    usd = pytest.approx(task.credits * 0.005)
    assert driven.finished.cost_usd == (usd if route.family is Family.MARKET else None)
    sides = [max(one.width, one.height) for one in order.images]
    assert estimate(route.price, order.arguments, order.count, sides=sides) == usd


UPSCALE = next(route for route in ROUTES if route.scales)


@pytest.mark.parametrize(("side", "scale", "usd"), [(2048, 1, 0.05), (2049, 1, 0.1), (1025, 4, 0.2), (2048, 2, 0.1)])
def test_an_enlargement_is_priced_by_what_comes_out(side: int, scale: int, usd: float) -> None:
    assert estimate(UPSCALE.price, {"scale": scale}, 1, sides=[side]) == usd
    size = (side, 8)
    fields = {"upscale_factor": str(scale)}
    assert MARKET[UPSCALE.model].credits_for(fields, [size]) * 0.005 == pytest.approx(usd)


@pytest.mark.parametrize("route", [one for one in ROUTES if one.draws_seed], ids=_name)
async def test_each_call_without_a_seed_gets_another_one_that_is_recorded(
    route: KieRoute, emulator: KieEmulator, provider: Provider, tmp_path: Path
) -> None:
    driven = [await drive(provider, plain_order(route), tmp_path) for _ in range(3)]
    seeds = [one.finished.outputs[0].seed for one in driven]
    assert seeds == [task.fields["seed"] for task in emulator.tasks.values()]
    assert len(set(seeds)) == 3
    given = await drive(provider, plain_order(route, seed=7), tmp_path)
    assert [task.fields["seed"] for task in emulator.tasks.values()][3:] == [7]
    assert "seed" not in given.handle.data


ENDING = {"gpt-image/1.5-text-to-image", "gpt-image/1.5-image-to-image"}
"""They stand on a model that its maker shuts down on 2026-12-01."""


@pytest.mark.parametrize("given", [{}, {"quality": "medium"}, {"images": ["/kite.png"]}], ids=str)
async def test_a_call_is_served_by_a_model_that_lives(
    given: dict[str, Any], emulator: KieEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.ended = ENDING
    checked = check(catalog()["openai_4o"], {"prompt": "a kite", **given})
    examined = candidates(checked, [route for route in ROUTES if route.tool == "openai_4o"], None)
    driven = await drive(provider, plain_order(examined[0].route), tmp_path)
    assert len(driven.files) == 1


async def test_a_model_that_was_removed_comes_to_nothing_and_costs_nothing(
    emulator: KieEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.ended = ENDING
    ended = next(route for route in ROUTES if route.model in ENDING)
    with pytest.raises(GenerationFailed) as caught:
        await drive(provider, plain_order(ended), tmp_path)
    assert caught.value.charged is False
    assert not emulator.charges


@pytest.mark.parametrize("failure", [None, ("400", "")], ids=["made", "refused"])
async def test_a_task_of_the_former_4o_interface_is_followed_to_its_end(
    failure: tuple[str, str] | None, emulator: KieEmulator, provider: Provider, tmp_path: Path
) -> None:
    """An older release started it there, and wrote this handle down."""
    other = await drive(provider, plain_order(ROUTES[0]), tmp_path)
    results = emulator.tasks[other.handle.data["task"]].results
    emulator.tasks["t"] = Task("t", "gpt4o", "gpt4o-image", {}, results, 6.0, failure)
    handle = Handle("kie", {"family": "gpt4o", "task": "t"})
    if failure is None:
        assert len((await followed(provider, handle, tmp_path)).files) == 1
    else:
        with pytest.raises(ContentRefused):
            await followed(provider, handle, tmp_path)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.image_list], ids=_name)
async def test_pictures_keep_their_order(route: KieRoute, emulator: KieEmulator, provider: Provider) -> None:
    order = full_order(route)
    await submitted(provider, order)
    task = next(iter(emulator.tasks.values()))
    uploads = [_upload(one) for one in emulator.received("upload")]
    names = {parts["file"]: parts["fileName"].decode("utf-8") for parts in uploads}
    wanted = [names[one.data] for one in order.images]
    assert [link.rpartition("/")[2] for link in task.fields[route.image_field]] == wanted


def _upload(received: Received) -> dict[str, bytes]:
    return {part.name: part.data for part in received.parts()}


async def test_the_same_picture_is_uploaded_under_a_new_name_each_time(
    emulator: KieEmulator, provider: Provider
) -> None:
    route = next(one for one in ROUTES if one.image_field)
    for _ in range(2):
        await submitted(provider, plain_order(route))
    names = [_upload(one)["fileName"].decode("utf-8") for one in emulator.received("upload")]
    assert len(set(names)) == len(names) == 2
    assert all(re.fullmatch(r"[0-9a-f]{24}\.png", name) for name in names)


async def test_a_task_that_is_not_visible_yet_is_asked_about_again(emulator: KieEmulator, provider: Provider) -> None:
    emulator.hide_tasks(2)
    handle = await submitted(provider, plain_order(ROUTES[0]))
    for _ in range(2):
        with pytest.raises(VendorUnavailable) as caught:
            await provider.poll(handle)
        assert caught.value.charged is None
    assert await provider.poll(handle) == Running(stage="waiting")
