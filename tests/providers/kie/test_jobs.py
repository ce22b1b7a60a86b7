"""Every Kie route from submission to file, through the unmodified provider and real sockets."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.catalog.load import catalog
from imagewright.engine.check import check
from imagewright.engine.plan import candidates
from imagewright.errors import GenerationFailed, VendorUnavailable
from imagewright.providers.base import Running
from imagewright.providers.kie.routes import OTHERS, ROUTES, Family
from tests.emulators.kie_models import FLUX_KONTEXT, GPT4O
from tests.emulators.kie_others import EVERY
from tests.support.provider_runs import drive, full_order, mask, picture, plain_order, submitted, whole_calls

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Provider, Route
    from imagewright.providers.kie.routes import KieRoute
    from tests.emulators.kie import KieEmulator
    from tests.emulators.messages import Received

pytestmark = pytest.mark.anyio


def _name(route: Route) -> str:
    return f"{route.tool}-{route.operation}-{route.model}"


def _credits(route: KieRoute, emulator: KieEmulator) -> float:
    fields = next(iter(emulator.tasks.values())).fields
    if route.family is Family.MARKET:
        return EVERY[route.model].credits_for(fields)
    return (FLUX_KONTEXT if route.family is Family.FLUX_KONTEXT else GPT4O).credits_for(fields)


@pytest.mark.parametrize(("route", "most"), whole_calls(ROUTES, OTHERS))
async def test_a_whole_call(
    route: KieRoute,
    most: bool,  # noqa: FBT001 - a parameter of the table
    emulator: KieEmulator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    order = full_order(route) if most else plain_order(route)

    driven = await drive(provider, order, tmp_path)

    assert len(driven.files) == order.count
    for file in driven.files:
        with Image.open(file) as made:
            made.load()
            assert made.format == str(order.arguments.get("output_format", "png")).upper()
    assert all(isinstance(value, str) for value in driven.handle.data.values())
    shares = [answer.share or 0.0 for answer in driven.running]
    assert len(shares) == 3
    assert [0.0, *shares, 1.0] == sorted([0.0, *shares, 1.0])
    assert len(emulator.received("create")) == 1
    assert len(emulator.received("upload")) == len(order.images) + (order.mask is not None)
    assert [charged for _, charged in emulator.charges] == [_credits(route, emulator)]
    if route.family is Family.MARKET:
        assert driven.finished.cost_usd == pytest.approx(_credits(route, emulator) * 0.005)
    else:
        assert driven.finished.cost_usd is None


@pytest.mark.parametrize("route", [route for route in ROUTES if route.pictures.mask], ids=_name)
async def test_the_region_the_mask_names_is_the_one_that_changes(
    route: KieRoute, provider: Provider, tmp_path: Path
) -> None:
    assert route.pictures.mask == "black_is_repainted"
    order = full_order(route)
    assert order.mask == mask()  # black on its left half

    driven = await drive(provider, order, tmp_path)

    before, after = Image.open(io.BytesIO(picture(shade=0).data)), Image.open(driven.files[0])
    with before, after:
        left, right = (before.width // 4, before.height // 2), (before.width * 3 // 4, before.height // 2)
        assert after.getpixel(left) != before.getpixel(left)
        assert after.getpixel(right) == before.getpixel(right)
    assert any("mask" in note for note in driven.finished.notes)


ENDING = {"gpt4o-image", "gpt-image/1.5-text-to-image", "gpt-image/1.5-image-to-image"}
"""They stand on models that their maker has shut down, or shuts down on 2026-12-01."""


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
    ended = next(route for route in OTHERS if route.model in ENDING)
    with pytest.raises(GenerationFailed) as caught:
        await drive(provider, plain_order(ended), tmp_path)
    assert caught.value.charged is False
    assert not emulator.charges


@pytest.mark.parametrize("route", [route for route in (*ROUTES, *OTHERS) if route.image_list], ids=_name)
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
    assert await provider.poll(handle) == Running(share=0.0, stage="waiting")
