"""What tells the editions of the maker's models apart: sizes, prices, qualities, and on which day they end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.engine.choose import estimate
from imagewright.errors import BadKey, RequestRejected, VendorUnavailable
from imagewright.providers.base import Prepared, Price, TellsRetirements
from imagewright.providers.http.client import HttpClient
from imagewright.providers.openai.routes import ALIKE, FREE, ROUTES, OpenAIRoute
from tests.emulators.messages import Answer
from tests.emulators.openai import OpenAIEmulator, error
from tests.emulators.openai_models import INPUT_TOKENS, INPUT_USD, MODELS, free_size
from tests.emulators.renamed import Renaming
from tests.support.provider_runs import AUTO, drive_at_once, effective, picture, plain_order, together
from tests.support.vendors import wired

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.providers.base import Order, Provider, Route

pytestmark = pytest.mark.anyio

TOOL = ROUTES[0].tool


def _name(route: Route) -> str:
    return f"{route.operation}-{route.model}"


def _shapes(route: OpenAIRoute) -> Iterator[Order]:
    """Every quality, ratio and resolution of a route, together, as far as they can be."""
    own = effective(route)
    for quality in own["quality"].values or ():
        for ratio, name in route.sizes:
            given = {"quality": quality, "aspect_ratio": ratio}
            given |= {"resolution": name} if "resolution" in own else {}
            if given == together(route, given):
                yield plain_order(route, **given)


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_no_picture_costs_more_than_was_estimated(route: OpenAIRoute) -> None:
    """Nor much less, but for what is known as a bound only: two qualities of 2.6."""
    for order in _shapes(route):
        sides = [1024 for _ in order.images]
        estimated = estimate(route.price, order.arguments, 1, sides=sides) or 0.0
        charged = MODELS[route.model].charge(route.size(order), order.arguments["quality"])
        charged += len(sides) * INPUT_TOKENS * INPUT_USD
        assert charged < estimated + 0.0001
        bound = route.edition.startswith("2.6") and order.arguments["quality"] in ("low", "medium")
        assert estimated < (charged * 1.5 if bound else charged + 0.0001)


@pytest.mark.parametrize(
    ("edition", "arguments", "usd"),
    [
        ("2", {"quality": "low"}, 0.0059),
        ("2", {"quality": "high"}, 0.2107),
        ("2", {"aspect_ratio": "2:3"}, 0.0412),
        ("2", {"aspect_ratio": "16:9", "resolution": "2K"}, 0.0553),
        ("2", {"resolution": "2K"}, 0.107),
        ("2", {"aspect_ratio": "9:16", "resolution": "4K", "quality": "high"}, 0.4003),
        ("2.5-flare", {}, 0.0132),
        ("2.5-sunburst", {"aspect_ratio": "3:2", "quality": "xhigh"}, 0.0738),
        ("2.5-sunburst", {"aspect_ratio": "16:9", "resolution": "4K", "quality": "max"}, 0.4003),
        ("2.6-sunburst", {}, 0.0527),
        ("2.6-flare", {"quality": "low"}, 0.0254),
        ("1.5", {}, 0.034),
        ("1.5", {"aspect_ratio": "3:2", "quality": "high"}, 0.2),
    ],
)
def test_the_estimates_are_the_published_figures(edition: str, arguments: dict[str, Any], usd: float) -> None:
    """As printed by the maker or by integrations that list every size; nothing of them was computed here."""
    route = next(one for one in ROUTES if one.edition == edition)
    assert estimate(route.price, plain_order(route, **arguments).arguments, 1) == pytest.approx(usd, abs=0.0001)


WIDE_AND_HIGH = [(4032, 3024), (448, 784), (320, 256), (1920, 1080), (1080, 1920), (333, 500), (7000, 1000), (90, 900)]


@pytest.mark.parametrize("name", ["1K", "2K", "4K"])
@pytest.mark.parametrize(("wide", "high"), WIDE_AND_HIGH)
def test_an_edit_keeps_the_shape_of_its_picture(wide: int, high: int, name: str) -> None:
    route = next(one for one in ROUTES if one.native_auto)
    order = plain_order(route, aspect_ratio=AUTO, resolution=name)
    size = route.size(replace(order, images=(Prepared(b"", "png", wide, high), picture())))
    assert free_size("x".join(map(str, size))) == ""
    shape = min(max(wide / high, 1 / FREE.widest), FREE.widest)
    assert size[0] / size[1] == pytest.approx(shape, rel=0.01)
    usual = [known[0] * known[1] for (_, of), known in route.sizes.items() if of == name]
    assert size[0] * size[1] >= 0.85 * min(usual) or max(size) == FREE.longest
    assert size[0] * size[1] <= 1.1 * max(usual)


def test_an_edit_of_any_shape_costs_at_most_what_is_estimated_for_it() -> None:
    for route in ROUTES:
        for name in ("1K", "2K", "4K") if route.native_auto else ():
            order = plain_order(route, aspect_ratio=AUTO, resolution=name)
            estimated = estimate(route.price, order.arguments, 1) or 0.0
            for wide in range(300, 3001, 50):
                size = route.size(replace(order, images=(Prepared(b"", "png", wide, 1000),)))
                assert MODELS[route.model].charge(size, order.arguments["quality"]) < estimated + 0.0001


def test_an_edition_of_fixed_sizes_leaves_the_shape_to_the_engine() -> None:
    (route,) = (one for one in ROUTES if one.edition == "1.5" and "images" in one.takes)
    assert not route.native_auto
    assert set(route.takes["aspect_ratio"].values or ()) == {AUTO, *(ratio for ratio, _ in route.sizes)}
    assert route.ends == MODELS[route.model].shutdown


@pytest.mark.parametrize(("edition", "before"), [("2", "1.5"), ("2.5-flare", "2"), ("2.6-sunburst", "1.5")])
async def test_an_edition_is_refused_where_the_vendor_knows_only_the_one_before(
    edition: str, before: str, emulator: OpenAIEmulator, provider: Provider
) -> None:
    """All have the same fields; what tells them apart is the values. A route that widened a model would show here."""
    models = {one.edition: one.model for one in ROUTES}
    emulator.models = {models[edition]: MODELS[models[before]]}
    route = next(one for one in ROUTES if one.edition == edition)
    own = effective(route)
    given = {"quality": (own["quality"].values or ())[-1], "aspect_ratio": "16:9", "resolution": "2K"}
    with pytest.raises(RequestRejected):
        await provider.submit(plain_order(route, **given))
    emulator.models = {models[edition]: MODELS[models[edition]]}
    await provider.submit(plain_order(route, **given))
    assert len(emulator.charges) == 1


class Renamed(Renaming, OpenAIEmulator):
    """A copy that calls one field otherwise."""


@pytest.mark.parametrize(
    ("route", "field", "other"),
    [
        (route, field, other)
        for route in ROUTES
        for field, other in (("size", "aspect_ratio"), ("quality", "style"), ("output_format", "response_format"))
    ],
)
async def test_a_vendor_that_calls_a_field_otherwise_refuses_us(
    route: OpenAIRoute, field: str, other: str, http: HttpClient
) -> None:
    with Renamed() as renamed:
        renamed.field = (field, other)
        provider = wired("openai", renamed, http)
        with pytest.raises(RequestRejected, match=f"Unknown parameter.*{other}"):
            await provider.submit(plain_order(route))
        assert not renamed.charges


async def test_transparent_is_asked_for_in_every_edition(
    emulator: OpenAIEmulator, provider: Provider, tmp_path: Path
) -> None:
    for route in ROUTES:
        order = plain_order(route, background="transparent", output_format="webp")
        _, files = await drive_at_once(provider, order, tmp_path)
        with Image.open(files[0]) as made:
            assert made.format == "WEBP"
            assert made.getextrema()[-1] == (0, 254)
    assert len(emulator.charges) == len(ROUTES)


def _known() -> dict[str, list[Price]]:
    """Every id whose fields are known, and the prices of its routes."""
    known: dict[str, list[Price]] = {}
    for route in ROUTES:
        known.setdefault(route.model, []).append(route.price)
    return known | {model: [price] * 2 for prices in ALIKE.values() for model, price in prices.items()}


@pytest.mark.parametrize(
    ("model", "prices"),
    [(f"{model}{day}", prices) for model, prices in _known().items() for day in ("", "-2026-04-21")],
)
def test_the_price_follows_the_model(model: str, prices: list[Price], emulator: OpenAIEmulator) -> None:
    routes = wired("openai", emulator, HttpClient(), **{TOOL: {"model": model}}).routes
    assert [(route.model, route.price) for route in routes if route.preferred] == [(model, one) for one in prices]
    assert len(routes) == len(ROUTES)


async def test_the_ends_are_those_of_the_makers_list(emulator: OpenAIEmulator, provider: Provider) -> None:
    """A model that the list lacks, or says nothing of, has no known end: it may be served all the same."""
    assert isinstance(provider, TellsRetirements)
    ends = await provider.retirements()
    assert ends == {name: model.shutdown for name, model in MODELS.items() if model.shutdown}
    assert {route.model: route.ends for route in ROUTES if route.ends}.items() <= ends.items()
    assert [one.label for one in emulator.requests] == ["models"]
    assert not emulator.charges


@pytest.mark.parametrize(
    ("body", "ends"),
    [
        ({"data": []}, {}),
        ({"data": [{"id": "a", "shutdown_date": "2026-12-01"}, {"id": "b"}]}, {"a": "2026-12-01"}),
        ({"data": [{"id": "a", "shutdown_date": None}, {"shutdown_date": "2026-12-01"}, "c"]}, {}),
        ({"data": [{"id": "a", "shutdown_date": 20261201}, {"id": "b", "shutdown_date": "soon"}]}, {}),
    ],
)
async def test_what_is_no_day_is_not_known(
    body: dict[str, Any], ends: dict[str, str], emulator: OpenAIEmulator, provider: Provider
) -> None:
    assert isinstance(provider, TellsRetirements)
    emulator.fail_next("models", Answer.of(body))
    assert await provider.retirements() == ends


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (error(401, "Incorrect API key provided", "invalid_api_key"), BadKey),
        (error(503, "overloaded"), VendorUnavailable),
        (Answer.of([]), VendorUnavailable),
    ],
    ids=["key", "overloaded", "no list"],
)
async def test_a_list_that_cannot_be_read_is_an_error(
    fault: Answer, kind: type[Exception], emulator: OpenAIEmulator, provider: Provider
) -> None:
    assert isinstance(provider, TellsRetirements)
    emulator.fail_next("models", fault, times=9)
    with pytest.raises(kind):
        await provider.retirements()
