"""Every route of the Images API from submission to file, at the maker's and at a server of one's own."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.catalog.load import catalog
from imagewright.catalog.row import narrowed
from imagewright.engine.choose import estimate
from imagewright.errors import ResultLost, SettingsError
from imagewright.imaging.prepare import convert_mask
from imagewright.providers import open_provider
from imagewright.providers.base import Finished, Prepared, Price, ProviderConfig, Route
from imagewright.providers.common.overrides import undated
from imagewright.providers.http.client import HttpClient
from imagewright.providers.openai.provider import OpenAI
from imagewright.providers.openai.replies import read_images
from imagewright.providers.openai.routes import PER_TOKEN, ROUTES, OpenAIRoute, guest_routes
from tests.emulators.openai import OpenAIEmulator
from tests.emulators.openai_models import MODELS, OPEN_WEIGHTS, fields_of
from tests.support.provider_runs import (
    AUTO,
    ENGINE_ARGUMENTS,
    PICTURES,
    drive_at_once,
    effective,
    full_order,
    mask,
    picture,
    plain_order,
)
from tests.support.replies import reply
from tests.support.vendors import wired

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.providers.base import Order, Provider

pytestmark = pytest.mark.anyio

WEIGHTS = next(iter(OPEN_WEIGHTS))
TOOL = ROUTES[0].tool
EDIT = next(route for route in ROUTES if route.pictures.mask)
GUEST_TOOLS = [tool for tool in catalog() if tool != TOOL and list(guest_routes(tool))]


def _name(route: Route) -> str:
    return f"{route.tool}-{route.operation}-{route.model}"


def _full(route: Route, **given: Any) -> Order:
    """What is unusual for each argument alone is forbidden together: a JPEG has no transparent background."""
    order = full_order(route, **({"background": "opaque"} if "background" in route.takes else {}), **given)
    return replace(order, mask=order.mask and _converted(order.mask.data, route))


def _converted(drawn: bytes, route: Route) -> Prepared:
    """A mask as the caller drew it, in the form the route wants."""
    assert route.pictures.mask is not None
    return Prepared(convert_mask(drawn, route.pictures.mask), "png", mask().width, mask().height)


@pytest.fixture
def own_server() -> Iterator[OpenAIEmulator]:
    """Somebody's own GPUs: other weights, no key."""
    with OpenAIEmulator(key="", own_server=True) as emulator:
        yield emulator


@pytest.mark.parametrize("most", [False, True], ids=["plain", "full"])
@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_a_whole_call(
    route: OpenAIRoute,
    most: bool,  # noqa: FBT001 - a parameter of the table
    emulator: OpenAIEmulator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    order = _full(route) if most else plain_order(route)
    finished, files = await drive_at_once(provider, order, tmp_path)
    assert len(files) == order.count
    for file in files:
        with Image.open(file) as made:
            assert made.size == route.size(order)
            assert made.format == str(order.arguments["output_format"]).upper()
    assert not finished.notes
    assert len(emulator.charges) == len(emulator.requests) == 1
    if route.per_token is None:
        assert finished.cost_usd is None
    else:  # the emulator takes nothing for the prompt
        assert finished.cost_usd == pytest.approx(emulator.charges[0], abs=1e-4)


@pytest.mark.parametrize("usd", [0.5, 0.0])
async def test_tokens_do_not_replace_a_price_that_the_user_has_set(
    usd: float, emulator: OpenAIEmulator, http: HttpClient
) -> None:
    """A gateway may charge something else than the maker."""
    provider = wired("openai", emulator, http, **{TOOL: {"usd": usd}})
    finished = await provider.submit(plain_order(provider.routes[0]))
    assert isinstance(finished, Finished)
    assert finished.cost_usd is None


TOKENS = {"text_tokens": 20, "image_tokens": 1024, "output_tokens": 1756}


@pytest.mark.parametrize("wrong", ['"many"', "null", "-1", "true", "1e400", "1e12", "[7]"])
@pytest.mark.parametrize("name", TOKENS)
def test_tokens_that_cannot_be_true_leave_the_cost_unknown_and_the_picture_kept(name: str, wrong: str) -> None:
    def answer(**counts: str) -> Finished:
        sent = ", ".join(f'"{one}": {counts[one]}' for one in ("text_tokens", "image_tokens"))
        usage = f'{{"input_tokens_details": {{{sent}}}, "output_tokens": {counts["output_tokens"]}}}'
        picture = base64.b64encode(b"a picture").decode("ascii")
        body = f'{{"data": [{{"b64_json": "{picture}"}}], "usage": {usage}}}'
        read = read_images(reply(body.encode("ascii")), PER_TOKEN)
        assert isinstance(read, Finished)
        assert read.outputs[0].data == b"a picture"
        return read

    counts = {one: str(count) for one, count in TOKENS.items()}
    assert answer(**counts).cost_usd == pytest.approx(20 * 5e-6 + 1024 * 8e-6 + 1756 * 30e-6)
    assert answer(**counts | {name: wrong}).cost_usd is None
    assert answer(**counts | {"output_tokens": "0"}).cost_usd is None


def _states(model: str) -> list[str]:
    """The emulator's ids of a model: its own and its dated ones."""
    return [name for name in MODELS if undated(name) == model]


@pytest.mark.parametrize(("route", "model"), [(route, model) for route in ROUTES for model in _states(route.model)])
def test_the_api_takes_every_value_the_route_offers(route: OpenAIRoute, model: str) -> None:
    known = fields_of(MODELS[model], edit=bool(route.takes.get("images")))
    orders = [replace(_full(route), count=count) for count in route.counts]
    for name, argument in effective(route).items():
        if name not in (*ENGINE_ARGUMENTS, *PICTURES):
            values = [value for value in argument.values or () if value != AUTO]
            values += ["x" * argument.max_length] if argument.max_length else []
            assert values
            orders += [plain_order(route, **{name: value}) for value in values]
    for order in orders:
        for field, value in route.fields(order).items():
            assert known[field](value) == "", (field, value)


async def test_several_pictures_keep_their_order(emulator: OpenAIEmulator, provider: Provider) -> None:
    most = effective(EDIT)["images"].max_items
    assert most is not None
    assert most > 1
    images = tuple(picture(shade=10 * place) for place in range(most))
    await provider.submit(replace(plain_order(EDIT), images=images))
    parts = [part for part in emulator.requests[0].parts() if part.filename]
    assert [part.data for part in parts] == [one.data for one in images]
    assert {part.name for part in parts} == {"image[]"}


def _hole() -> bytes:
    """The picture itself, with its right half cut out."""
    with Image.open(io.BytesIO(picture().data)) as opened:
        cut = opened.convert("RGBA")
    cut.paste((0, 0, 0, 0), (cut.width // 2, 0, cut.width, cut.height))
    out = io.BytesIO()
    cut.save(out, "png")
    return out.getvalue()


@pytest.mark.parametrize("drawn", [mask().data, _hole()], ids=["white", "hole"])
async def test_the_region_that_changes_is_the_one_the_callers_mask_names(
    drawn: bytes, provider: Provider, tmp_path: Path
) -> None:
    order = replace(plain_order(EDIT), mask=_converted(drawn, EDIT))
    _, files = await drive_at_once(provider, order, tmp_path)
    with Image.open(io.BytesIO(picture(shade=0).data)) as before, Image.open(files[0]) as after:
        left, right = (after.width // 4, after.height // 2), (after.width * 3 // 4, after.height // 2)
        assert after.convert("RGB").getpixel(left) == before.getpixel((before.width // 4, before.height // 2))
        assert after.convert("RGB").getpixel(right) == (255, 0, 0)


async def test_a_server_of_ones_own_needs_no_key_and_gets_only_what_every_server_knows(
    own_server: OpenAIEmulator, http: HttpClient, tmp_path: Path
) -> None:
    provider = wired("openai", own_server, http, **{TOOL: {"model": WEIGHTS, "usd": 0}})
    for route in provider.routes:
        assert not {"mask", "quality", "background", "output_format"} & set(route.takes)
        assert route.pictures.mask is None
        assert estimate(route.price, {}, 3) == 0
        _, files = await drive_at_once(provider, full_order(route), tmp_path)
        assert len(files) == route.counts[-1]
    assert len(own_server.requests) == len(provider.routes)
    assert not any("authorization" in one.headers for one in own_server.requests)


@pytest.mark.parametrize("tool", GUEST_TOOLS)
async def test_any_tool_can_be_sent_to_a_server_of_ones_own(
    tool: str, own_server: OpenAIEmulator, http: HttpClient, tmp_path: Path
) -> None:
    provider = wired("openai", own_server, http, **{tool: {"model": WEIGHTS}})
    routes = [route for route in provider.routes if route.tool == tool]
    assert routes
    for route in routes:
        order = full_order(route)
        _, files = await drive_at_once(provider, order, tmp_path)
        assert len(files) == order.count
        assert route.price == Price(usd=None)


@pytest.mark.parametrize("route", [route for tool in GUEST_TOOLS for route in guest_routes(tool)], ids=_name)
def test_a_guest_stays_inside_its_row(route: OpenAIRoute) -> None:
    arguments = catalog()[route.tool].operations[route.operation].arguments
    for name, limits in route.takes.items():
        narrowed(arguments[name], limits)
    assert {name for name, argument in arguments.items() if argument.required} <= set(route.takes)
    variants = arguments.get("variants")
    assert route.counts[-1] <= (1 if variants is None else variants.maximum or 1)
    shape = effective(route).get("aspect_ratio")
    for ratio in (shape and shape.values) or ():
        if ratio != AUTO:
            wide, high = route.sizes[str(ratio), "1K"]
            first, second = (int(part) for part in str(ratio).split(":"))
            assert wide * second == high * first
            assert not wide % 16
            assert not high % 16


async def test_pictures_that_come_as_links_are_fetched_without_the_key(
    emulator: OpenAIEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.links = True
    order = _full(ROUTES[0])
    finished, files = await drive_at_once(provider, order, tmp_path)
    assert all(output.url for output in finished.outputs)
    for file in files:
        with Image.open(file) as made:
            made.load()
    assert len(emulator.received("download")) == order.count


async def test_a_link_that_has_expired_is_a_picture_that_is_lost_but_paid(
    emulator: OpenAIEmulator, provider: Provider, tmp_path: Path
) -> None:
    emulator.links = True
    finished, _ = await drive_at_once(provider, plain_order(ROUTES[0]), tmp_path)
    gone = replace(finished.outputs[0], url=f"{emulator.url('files')}/gone.png")
    with pytest.raises(ResultLost) as caught:
        await provider.fetch(gone, tmp_path / "gone")
    assert caught.value.charged is True


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("https://gateway.example/openai/v2", "https://gateway.example/openai/v2"),
    ],
)
def test_an_address_without_a_path_means_its_first_version(address: str, base: str) -> None:
    assert OpenAI.base_of(address) == base


@pytest.mark.parametrize("model", ["gpt-image-9", WEIGHTS])
def test_an_unknown_model_of_ones_own_server_is_the_only_one(model: str, emulator: OpenAIEmulator) -> None:
    routes = wired("openai", emulator, HttpClient(), **{TOOL: {"model": model}}).routes
    assert [(route.model, route.edition, route.price) for route in routes] == [(model, "", Price(usd=None))] * 2
    assert {route.operation for route in routes} == {route.operation for route in ROUTES}


def test_a_gateway_to_the_maker_has_all_editions(emulator: OpenAIEmulator) -> None:
    assert wired("openai", emulator, HttpClient()).routes == ROUTES


def test_a_price_the_user_has_set_stays(emulator: OpenAIEmulator) -> None:
    routes = wired("openai", emulator, HttpClient(), **{TOOL: {"model": "gpt-image-9", "usd": 0.5}}).routes
    assert {route.price.usd for route in routes} == {0.5}


@pytest.mark.parametrize(
    ("overrides", "addresses", "text"),
    [
        ({GUEST_TOOLS[0]: {"model": WEIGHTS}}, {}, "IMAGEWRIGHT_OPENAI_BASE_URL"),
        ({GUEST_TOOLS[0]: {"usd": 0}}, {"": "http://127.0.0.1:1"}, "name the model of your server"),
        ({"recraft": {"model": WEIGHTS}}, {"": "http://127.0.0.1:1"}, "does not serve it"),
        ({"no_such_tool": {"model": WEIGHTS}}, {"": "http://127.0.0.1:1"}, "does not serve it"),
    ],
)
def test_a_tool_that_cannot_be_sent_there_stops_the_start(
    overrides: dict[str, Any], addresses: dict[str, str], text: str
) -> None:
    with pytest.raises(SettingsError, match=text):
        open_provider("openai", ProviderConfig(key="k", addresses=addresses, overrides=overrides, http=HttpClient()))


def test_a_tool_is_sent_there_for_the_operations_whose_model_is_named(own_server: OpenAIEmulator) -> None:
    tool = GUEST_TOOLS[0]
    operations = [str(route.operation) for route in guest_routes(tool)]
    provider = wired("openai", own_server, HttpClient(), **{tool: {operations[0]: {"model": WEIGHTS}}})
    assert [str(route.operation) for route in provider.routes if route.tool == tool] == operations[:1]
