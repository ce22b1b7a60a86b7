"""Every edition at fal is asked in its own words: what it is sent, how large, at what price, and what is never sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.engine.check import check
from imagewright.engine.choose import candidates, estimate
from imagewright.engine.pictures import Source
from imagewright.errors import ModelUnavailable, RequestRejected
from imagewright.imaging.files import probe
from imagewright.providers.fal.routes import ALIKE, ROUTES
from tests.emulators.fal import FalEmulator
from tests.emulators.fal_models import ENDPOINTS
from tests.emulators.pictures import encode, look
from tests.emulators.renamed import Renaming
from tests.support.golden_bodies import inputs_of
from tests.support.provider_runs import drive, effective, full_order, picture, plain_order
from tests.support.route_orders import every_offer, masked_order
from tests.support.vendors import wired

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Order, Prepared, Provider, Route
    from imagewright.providers.fal.route import FalRoute
    from imagewright.providers.http.client import HttpClient

pytestmark = pytest.mark.anyio

LIKE_INPUT = [route for route in ROUTES if route.sizes is not None and route.image_field]
SHAPES = [(4032, 3024), (448, 784), (1600, 900), (900, 2100), (2000, 1999), (1500, 500), (333, 500)]


def _name(route: Route) -> str:
    return f"{route.tool}-{route.operation}-{route.model}"


def _charged(route: FalRoute, order: Order) -> float:
    """USD that the emulator would charge for an order."""
    model = order.model
    table, fields = ENDPOINTS[model], inputs_of(order, route)
    inputs = [(one.width, one.height) for one in order.images]
    made = [table.size(fields, inputs[0] if inputs else (1024, 1024))] * table.count(fields)
    return table.charge(fields, inputs, made)


def _body(route: FalRoute, order: Order) -> tuple[dict[str, Any], Any]:
    return inputs_of(order, route), ENDPOINTS[order.model]


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_the_file_type_and_the_quality_are_always_asked_for(route: FalRoute) -> None:
    """Left out, the type is a JPEG at many models, and the quality is the dear one."""
    for order in (plain_order(route), full_order(route)):
        body, table = _body(route, order)
        assert {"output_format", "quality"} & set(table.optional) <= set(body)


@pytest.mark.parametrize("route", [one for one in ROUTES if ENDPOINTS[one.model].off], ids=_name)
def test_what_would_change_the_picture_unasked_is_sent_as_off(route: FalRoute) -> None:
    body, table = _body(route, plain_order(route))
    assert {name: body.get(name) for name in table.off} == dict(table.off)


@pytest.mark.parametrize("route", [one for one in ROUTES if one.price.usd is not None], ids=_name)
def test_an_estimate_is_never_below_the_charge_and_not_far_above(route: FalRoute) -> None:
    """A budget that was checked against less would be broken; the dearest shape of a size stands for all of them."""
    orders = [*every_offer(route), plain_order(route)]
    most = effective(route)["images"].max_items if route.image_list else None
    # many pictures in and out: each of the first may be charged in each of the others
    for order in (*orders, *(replace(one, images=one.images[:1] * most) for one in orders if most)):
        sides = [max(one.width, one.height) for one in order.images]
        usd, charged = estimate(route.price, order.arguments, order.count, sides=sides), _charged(route, order)
        assert usd is not None
        assert charged - 1e-9 <= usd <= 4 * charged, order.arguments


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("route", LIKE_INPUT, ids=_name)
def test_an_edit_keeps_the_shape_of_its_picture(route: FalRoute, shape: tuple[int, int]) -> None:
    least = effective(route)["images"].min_items or 1
    images = (replace(picture(), width=shape[0], height=shape[1]), *(picture(shade=one) for one in range(1, least)))
    own = effective(route)
    for resolution in own["resolution"].values or () if "resolution" in own else ("",):
        given = {"resolution": resolution} if resolution else {}
        order = replace(plain_order(route, **given), images=images)
        body, table = _body(route, order)
        assert table.wrong(body) is None
        size = body["image_size"]
        assert size["width"] / size["height"] == pytest.approx(shape[0] / shape[1], rel=0.01)


@pytest.mark.parametrize("route", [one for one in ROUTES if one.sizes is not None and not one.image_field], ids=_name)
def test_a_size_has_the_ratio_that_was_asked_for(route: FalRoute) -> None:
    for order in every_offer(route):
        wide, high = (int(part) for part in order.arguments["aspect_ratio"].split(":"))
        size = inputs_of(order, route)["image_size"]
        assert size["width"] / size["height"] == pytest.approx(wide / high, rel=0.005)


class Renamed(Renaming, FalEmulator):
    """A copy in which one field has the name it has at another model."""


PREDECESSORS = {
    "openai/gpt-image-2/edit": ("mask_url", "mask_image_url"),
    "openai/gpt-image-2.5/flare/edit": ("mask_url", "mask_image_url"),
    "openai/gpt-image-2.5/sunburst/edit": ("mask_url", "mask_image_url"),
    "fal-ai/gpt-image-1.5/edit": ("mask_image_url", "mask_url"),
    "fal-ai/qwen-image-edit-2511": ("image_urls", "image_url"),
    "alibaba/qwen-image-3/text-to-image": ("enable_prompt_expansion", "prompt_extend"),
    "alibaba/qwen-image-3/edit": ("image_urls", "image_url"),
    "bytedance/seedream/v5/pro/text-to-image": ("num_images", "max_images"),
    "bytedance/seedream/v5/flash/edit": ("num_images", "max_images"),
    "bytedance/seedream/v5.5/text-to-image": ("num_images", "max_images"),
    "google/nano-banana-2.1": ("resolution", "image_size"),
    "fal-ai/nano-banana-2/edit": ("resolution", "image_size"),
    "fal-ai/nano-banana-pro": ("resolution", "image_size"),
    "google/nano-banana-lite/edit": ("aspect_ratio", "image_size"),
    "topaz/upscale/image/precision": ("upscale_factor", "scale"),
    "topaz/upscale/image/transparent": ("image_url", "image_urls"),
    "fal-ai/esrgan": ("scale", "upscale_factor"),
    "fal-ai/ideogram/v3/reframe": ("image_size", "aspect_ratio"),
    "fal-ai/flux-pro/kontext": ("image_url", "image_urls"),
}
"""By id, a field of its own and the name that it has at an earlier or a related model."""


@pytest.mark.parametrize("model", PREDECESSORS)
async def test_a_copy_with_the_field_of_another_model_refuses(model: str, http: HttpClient, tmp_path: Path) -> None:
    route = next(one for one in ROUTES if one.model == model)
    copy = Renamed(seconds=0)
    copy.field = PREDECESSORS[model]
    with copy:
        order = masked_order(route) if route.pictures.mask else full_order(route)
        with pytest.raises(RequestRejected, match=r"not permitted|required") as caught:
            await drive(wired("fal", copy, http), order, tmp_path)
        assert caught.value.charged is False
        assert not copy.charges


async def test_an_id_under_another_owner_is_taken_and_comes_to_nothing(
    emulator: FalEmulator, provider: Provider, tmp_path: Path
) -> None:
    route = replace(
        next(one for one in ROUTES if one.edition == "5-pro"), model="fal-ai/bytedance/seedream/v5/pro/edit"
    )
    with pytest.raises(ModelUnavailable, match="Path /seedream/v5/pro/edit not found") as caught:
        await drive(provider, plain_order(route), tmp_path)
    assert caught.value.charged is None
    assert not emulator.charges


@pytest.mark.parametrize(("default", "model"), [(one, model) for one, models in ALIKE.items() for model in models])
async def test_a_model_of_the_same_fields_makes_the_same(
    default: str, model: str, emulator: FalEmulator, provider: Provider, tmp_path: Path
) -> None:
    route = replace(next(one for one in ROUTES if one.model == default), model=model)
    driven = await drive(provider, plain_order(route), tmp_path)
    assert len(driven.files) == 1
    assert [task.model for task in emulator.tasks.values()] == [model]


def _see_through() -> Prepared:
    drawn = look(picture().data).convert("RGBA")
    drawn.putalpha(128)
    return replace(picture(), data=encode(drawn, "png"))


@pytest.mark.parametrize("route", [one for one in ROUTES if one.operation == OperationName.UPSCALE], ids=_name)
async def test_an_enlarger_keeps_an_alpha_channel_or_says_that_it_takes_none(
    route: FalRoute, provider: Provider, tmp_path: Path
) -> None:
    driven = await drive(provider, replace(plain_order(route), images=(_see_through(),)), tmp_path)
    made = look(driven.files[0].read_bytes())
    assert made.width == picture().width * route.scales[0]
    assert (made.mode == "RGBA") is route.pictures.alpha


@pytest.mark.parametrize("see_through", [False, True])
def test_a_picture_with_an_alpha_channel_goes_to_the_enlarger_that_keeps_it(*, see_through: bool) -> None:
    data = (_see_through() if see_through else picture()).data
    checked = check(catalog()["nano_banana"], {"images": ["/a.png"], "scale": 2})
    own = [one for one in ROUTES if one.tool == "nano_banana"]
    first, *others = candidates(checked, own, None, [Source("images[0]", "/a.png", data, probe(data))])
    assert first.against == ()
    assert first.route.model == f"topaz/upscale/image/{'transparent' if see_through else 'precision'}"
    assert all(one.against for one in others) is see_through


@pytest.mark.parametrize("form", ["png", "webp"])
@pytest.mark.parametrize("route", [one for one in ROUTES if "background" in one.takes], ids=_name)
async def test_a_transparent_background_comes_out_transparent(
    route: FalRoute, form: str, provider: Provider, tmp_path: Path
) -> None:
    given = {"background": "transparent"} | ({"output_format": form} if "output_format" in route.takes else {})
    driven = await drive(provider, plain_order(route, **given), tmp_path)
    assert look(driven.files[0].read_bytes()).mode == "RGBA"


@pytest.mark.parametrize(
    "model", sorted({one.edition for one in ROUTES if one.tool == "openai_4o" and "resolution" in one.takes})
)
def test_a_square_is_not_called_4k(model: str) -> None:
    """The maker's largest has 2880 px a side. The maker itself refuses it under that name, and the schema says so."""
    given = {"prompt": "a wall", "model": model, "aspect_ratio": "1:1", "resolution": "4K"}
    routes = [route for route in ROUTES if route.tool == "openai_4o" and route.edition == model]
    for one in candidates(check(catalog()["openai_4o"], given), routes, None):
        assert 'it does not take aspect_ratio "1:1" and resolution "4K" together' in one.against
    wide = check(catalog()["openai_4o"], {**given, "aspect_ratio": "16:9"})
    assert all(not one.against for one in candidates(wide, routes, None) if "images" not in one.route.takes)
