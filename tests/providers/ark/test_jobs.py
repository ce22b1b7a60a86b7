"""Every Ark route from submission to file, through the unmodified provider and real sockets."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.engine.choose import estimate
from imagewright.engine.pictures import Source, too_large
from imagewright.errors import BadKey, ContentRefused, ModelUnavailable, RequestRejected
from imagewright.imaging.files import probe
from imagewright.providers import open_provider
from imagewright.providers.ark.routes import ALIKE, ROUTES, ArkRoute
from imagewright.providers.base import Finished, ProviderConfig
from tests.emulators.ark import ArkEmulator
from tests.emulators.ark_models import MODELS, in_china, size_of
from tests.emulators.messages import Answer
from tests.emulators.pictures import encode, look
from tests.support.provider_runs import drive_at_once, full_order, picture, plain_order
from tests.support.vendors import wired

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.base import Provider
    from imagewright.providers.http.client import HttpClient

pytestmark = pytest.mark.anyio

SET, EDIT = ROUTES[0], ROUTES[1]
ALONE = next(route for route in ROUTES if not route.makes_sets)
CLEAR = [route for route in ROUTES if "background" in route.takes]


def _name(route: ArkRoute) -> str:
    limits = route.takes.get("images")
    return f"{route.operation}-{route.edition}-{limits.min_items if limits else ''}"


def _at(emulator: ArkEmulator, http: HttpClient, **table: Any) -> Provider:
    return wired("ark", emulator, http, **{SET.tool: table})


@pytest.mark.parametrize("most", [False, True], ids=["plain", "full"])
@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_a_whole_call(
    route: ArkRoute,
    most: bool,  # noqa: FBT001 - a parameter of the table
    emulator: ArkEmulator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    # all make 2K; a picture in 4K takes the emulator a second
    order = full_order(route, resolution="2K") if most else plain_order(route)

    finished, files = await drive_at_once(provider, order, tmp_path)

    assert len(files) == order.count
    assert finished.notes == ()
    (body,) = emulator.bodies
    for file in files:
        with Image.open(file) as made:
            made.load()
            assert made.size == size_of(MODELS[route.model], body["size"])
            assert made.format == ("PNG" if MODELS[route.model].forms else "JPEG")
            assert ("A" in made.getbands()) == (order.arguments.get("background") == "transparent")
            corner = made.convert("RGB").getpixel((made.width - 8, made.height - 8))
            assert corner != (255, 255, 255), "a watermark"
    assert len({file.read_bytes() for file in files}) == order.count
    sides = [max(one.width, one.height) for one in order.images]
    usd = estimate(route.price, order.arguments, order.count, sides=sides)
    assert emulator.charges == [pytest.approx(usd)]
    assert finished.cost_usd is None
    assert len(emulator.received("generate")) == 1


async def test_an_edit_has_the_shape_and_no_more_than_the_pixels_that_were_asked_for(
    emulator: ArkEmulator, provider: Provider
) -> None:
    for route in (one for one in ROUTES if one.native_auto):
        for resolution in route.takes["resolution"].values or ():
            order = plain_order(route, aspect_ratio="auto", resolution=resolution)
            await provider.submit(replace(order, images=(picture(900, 600), picture(600, 900))[: len(order.images)]))
            wide, high = size_of(MODELS[route.model], emulator.bodies[-1]["size"])
            assert wide / high == pytest.approx(1.5, rel=0.002)
            usd = estimate(route.price, order.arguments, 1, sides=[900] * len(order.images))
            assert emulator.charges[-1] == pytest.approx(usd), "the size that costs more"


@pytest.mark.parametrize("route", CLEAR, ids=_name)
async def test_the_background_is_transparent_only_if_that_is_asked_for(
    route: ArkRoute, emulator: ArkEmulator, provider: Provider, tmp_path: Path
) -> None:
    for background in ("opaque", "transparent"):
        _, (file,) = await drive_at_once(provider, plain_order(route, background=background), tmp_path)
        with Image.open(file) as made:
            assert ("A" in made.getbands()) == (background == "transparent")
        assert emulator.bodies[-1]["background"] == background


@pytest.mark.parametrize("model", [one for models in ALIKE.values() for one in models if one in MODELS])
async def test_another_id_of_the_same_fields_is_called(
    model: str, emulator: ArkEmulator, http: HttpClient, tmp_path: Path
) -> None:
    provider = _at(emulator, http, model=model)
    route = next(one for one in provider.routes if one.model == model)
    finished, _ = await drive_at_once(provider, full_order(route), tmp_path)
    assert len(finished.outputs) == route.counts[-1]
    assert emulator.bodies[0]["model"] == model


async def test_volcengine_knows_the_models_by_their_names_there(http: HttpClient, tmp_path: Path) -> None:
    with ArkEmulator(chinese=True) as emulator:
        abroad = _at(emulator, http)
        with pytest.raises(ModelUnavailable):
            await abroad.submit(plain_order(ALONE))
        for table in ({"model": in_china(ALONE.model)}, {"model": in_china(SET.model)}):
            provider = _at(emulator, http, **table)
            route = next(one for one in provider.routes if one.model == table["model"])
            if route.ends:
                with pytest.raises(ModelUnavailable):
                    await provider.submit(plain_order(route))
            else:
                await drive_at_once(provider, plain_order(route), tmp_path)


async def test_pictures_keep_their_order(emulator: ArkEmulator, provider: Provider) -> None:
    order = full_order(EDIT)
    await provider.submit(order)
    sent = [base64.b64decode(uri.partition(",")[2]) for uri in emulator.bodies[0]["image"]]
    assert sent == [one.data for one in order.images]
    assert len(set(sent)) == len(order.images)


async def test_a_jpeg_goes_as_a_jpeg(emulator: ArkEmulator, provider: Provider) -> None:
    data = encode(look(picture().data), "jpeg")
    await provider.submit(replace(plain_order(EDIT), images=(replace(picture(), data=data, format="jpeg"),)))
    assert emulator.bodies[0]["image"][0].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize(("size", "taken"), [((1600, 100), True), ((1601, 100), False), ((50, 801), False)])
async def test_the_longest_picture_that_the_vendor_takes_is_the_longest_that_is_sent(
    provider: Provider, size: tuple[int, int], *, taken: bool
) -> None:
    order = full_order(EDIT)
    sent = replace(order, images=(picture(*size), *order.images[1:]))
    source = Source("images[0]", "photo", b"", probe(sent.images[0].data))
    assert taken == (not too_large([source], order.route, None))
    if taken:
        assert isinstance(await provider.submit(sent), Finished)
        return
    with pytest.raises(RequestRejected, match="16 times as long as wide"):
        await provider.submit(sent)


async def test_a_set_may_come_out_smaller(emulator: ArkEmulator, provider: Provider, tmp_path: Path) -> None:
    emulator.most = 2
    finished, _ = await drive_at_once(provider, full_order(SET, resolution="2K"), tmp_path)
    assert len(finished.outputs) == 2


async def test_a_refused_picture_does_not_cost_the_others(
    emulator: ArkEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.refuse_next_picture(
        "OutputImageSensitiveContentDetected", "The output image may contain sensitive information."
    )
    order = full_order(SET, resolution="2K")
    finished, files = await drive_at_once(provider, order, tmp_path)
    assert len(files) == order.count - 1
    (note,) = finished.notes
    assert "1 of the pictures" in note
    assert "sensitive" in note


async def test_a_call_of_one_refused_picture_is_refused_and_not_charged(
    emulator: ArkEmulator, provider: Provider
) -> None:
    emulator.refuse_next_picture(
        "OutputImageSensitiveContentDetected", "The output image may contain sensitive information."
    )
    with pytest.raises(ContentRefused) as caught:
        await provider.submit(plain_order(SET))
    assert caught.value.charged is False


async def test_a_key_of_the_other_region_is_reported(http: HttpClient, emulator: ArkEmulator) -> None:
    other = open_provider(
        "ark", ProviderConfig(key="ark-of-china-0123456789", addresses=emulator.addresses, overrides={}, http=http)
    )
    with pytest.raises(BadKey, match="IMAGEWRIGHT_ARK_BASE_URL"):
        await other.submit(plain_order(SET))


async def test_a_picture_in_base64_against_our_asking_is_taken(
    emulator: ArkEmulator, provider: Provider, tmp_path: Path
) -> None:
    data = picture().data

    def spoil(answer: Answer) -> Answer:
        content = json.loads(answer.body)
        content["data"] = [{"b64_json": base64.b64encode(data).decode("ascii")}]
        return Answer.of(content)

    emulator.fail_next("generate", spoil)
    _, (file,) = await drive_at_once(provider, plain_order(SET), tmp_path)
    assert file.read_bytes() == data
    assert not emulator.received("download")
