"""The provider that needs nothing: every operation of every row, every argument seen, the same pixels every time."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from PIL import Image, ImageChops

from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL, Argument, OperationName
from imagewright.engine.choose import estimate
from imagewright.errors import RequestRejected, ResultLost, TaskEnded
from imagewright.imaging.files import probe
from imagewright.imaging.placeholder import placeholder_size
from imagewright.imaging.reframe import growth_for
from imagewright.providers import open_provider
from imagewright.providers.base import Finished, Handle, Order, Output, Prepared, ProviderConfig
from imagewright.providers.http.client import HttpClient
from imagewright.providers.offline.work import KEY_NOTE, NOT_FOUND_NOTE, SAME_SHAPE_NOTE
from tests.support.pictures import cut_short, mask_of, noise, photo
from tests.support.replies import ended

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imagewright.providers.base import Route

pytestmark = pytest.mark.anyio

CONFIG = ProviderConfig(key="", addresses={}, overrides={}, http=HttpClient())
ROUTES = open_provider("offline", CONFIG).routes
SIZE = (96, 64)
LEGIBLE = (480, 320)
"""Large enough for an edit's card to be read."""
PLACEHOLDERS = (OperationName.GENERATE, OperationName.EDIT)


def _name(route: Route) -> str:
    return f"{route.tool}-{route.operation}"


def _each(*operations: OperationName, taking: str = "") -> pytest.MarkDecorator:
    """The routes of these operations (all by default) that take an argument (any by default)."""
    chosen = [
        route
        for route in ROUTES
        if route.operation in (operations or tuple(OperationName)) and (not taking or taking in route.takes)
    ]
    return pytest.mark.parametrize("route", chosen, ids=_name)


each_route = _each()


def _arguments(route: Route) -> Mapping[str, Argument]:
    return catalog()[route.tool].operations[route.operation].arguments


def _prepared(data: bytes) -> Prepared:
    facts = probe(data)
    return Prepared(data, facts.format, facts.width, facts.height)


def _order(
    route: Route,
    asked: Mapping[str, Any] | None = None,
    *,
    count: int = 1,
    first: int = 1,
    pictures: int = 1,
    size: tuple[int, int] = SIZE,
    mask: Prepared | None = None,
) -> Order:
    """A call as the engine hands it over: what is required, the defaults, and what is asked, kept small."""
    given: dict[str, Any] = {}
    images: tuple[Prepared, ...] = ()
    for name, argument in _arguments(route).items():
        if argument.kind in ("picture", "pictures"):
            if argument.required:
                images = tuple(_prepared(photo(*size)) for _ in range(pictures))
        elif name == "resolution":
            given[name] = (argument.values or ("",))[0]
        elif argument.default is not None and name not in ("variants", "save_as"):
            given[name] = argument.default
        elif argument.required:
            given[name] = argument.values[0] if argument.values else (argument.minimum or "a harbour at dusk")
    return Order(route, given | dict(asked or {}), count, images, mask, first, model=route.model)


async def _made(order: Order) -> Finished:
    return await open_provider("offline", CONFIG).submit(order)  # type: ignore[return-value] # it never leaves a task


def _data(finished: Finished) -> list[bytes]:
    return [output.data or b"" for output in finished.outputs]


PLAIN: dict[str, bytes] = {}


async def _plain(route: Route) -> bytes:
    """What the route makes of a call that asks for nothing special; made once."""
    if _name(route) not in PLAIN:
        PLAIN[_name(route)] = _data(await _made(_order(route, size=LEGIBLE)))[0]
    return PLAIN[_name(route)]


def _pixels(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data)).convert("RGBA")


def _another(argument: Argument, value: Any) -> Any:
    """An allowed value that is not this one; of size classes the smallest, which is the quickest."""
    if argument.kind == "choice":
        return next(one for one in argument.values or () if one not in (value, "auto"))
    if argument.kind == "boolean":
        return not value
    if argument.kind == "text":
        return "blurry, text, watermark"
    low = argument.minimum or 0
    return low + 1 if value == low else low


def test_there_is_a_route_for_every_operation_of_every_row_with_all_its_arguments() -> None:
    served = {(route.tool, route.operation): set(route.takes) for route in ROUTES}
    assert served == {
        (row.tool, name): set(operation.arguments) - {MODEL}
        for row in catalog().values()
        for name, operation in row.operations.items()
    }


@each_route
def test_it_costs_nothing_and_needs_no_fan_out(route: Route) -> None:
    assert estimate(route.price, {}, 3) == 0
    variants = _arguments(route).get("variants")
    assert route.counts[-1] == (variants.maximum if variants else 1)
    scale = _arguments(route).get("scale")
    assert route.scales == (tuple(range(1, int(scale.maximum or 0) + 1)) if scale else ())


@each_route
async def test_every_route_makes_as_many_whole_pictures_as_asked_and_the_same_again(route: Route) -> None:
    order = _order(route, count=min(2, route.counts[-1]))
    finished = await _made(order)
    assert len(set(_data(finished))) == len(finished.outputs) == order.count
    assert finished.cost_usd == 0
    assert all((output.seed is not None) is ("seed" in route.takes) for output in finished.outputs)
    for data in _data(finished):
        assert probe(data).size == len(data)
    assert _data(await _made(order)) == _data(finished)
    notes = " ".join(finished.notes)
    assert ("placeholder" in notes and "key" in notes) is (route.operation in PLACEHOLDERS)


def _ways() -> list[tuple[Route, str]]:
    """Every argument of every operation once, wherever it is first found."""
    found: dict[tuple[str, str], tuple[Route, str]] = {}
    for route in ROUTES:
        for name, argument in _arguments(route).items():
            if argument.kind not in ("picture", "pictures", "path") and name != "variants":
                found.setdefault((route.operation, name), (route, name))
    return list(found.values())


@pytest.mark.parametrize(("route", "name"), _ways(), ids=lambda one: one if isinstance(one, str) else _name(one))
async def test_every_argument_shows_in_the_picture(route: Route, name: str) -> None:
    plain = _order(route, size=LEGIBLE)
    changed = _order(route, {name: _another(_arguments(route)[name], plain.arguments.get(name))}, size=LEGIBLE)
    one, other = await _plain(route), _data(await _made(changed))[0]
    if name == "output_format":
        assert probe(other).format == changed.arguments[name] != probe(one).format
    first, second = _pixels(one), _pixels(other)
    assert first.size != second.size or first.tobytes() != second.tobytes()


@pytest.mark.parametrize("route", [one for one in ROUTES if "seed" in one.takes and one.counts[-1] > 1], ids=_name)
async def test_a_variant_can_be_had_again_by_the_seed_it_reports(route: Route) -> None:
    together = await _made(_order(route, {"seed": 40}, count=2))
    assert [output.seed for output in together.outputs] == [40, 41]
    alone = await _made(_order(route, {"seed": 41}))
    assert _data(alone)[0] == _data(together)[1]
    later = await _made(_order(route, {"seed": 40}, first=2))
    assert _data(later) == _data(alone)


@_each(taking="seed")
async def test_seeds_stay_within_the_rows_range(route: Route) -> None:
    highest = int(_arguments(route)["seed"].maximum or 0)
    derived = (await _made(_order(route))).outputs[0].seed
    assert derived is not None
    assert 0 <= derived <= highest
    over = await _made(_order(route, {"seed": highest}, count=min(2, route.counts[-1])))
    assert [output.seed for output in over.outputs] == [highest, 0][: len(over.outputs)]


def _shapes() -> list[tuple[Route, str]]:
    """Every aspect ratio once, wherever it is first found."""
    found: dict[str, tuple[Route, str]] = {}
    for route in ROUTES:
        if route.operation is OperationName.GENERATE:
            for ratio in _arguments(route)["aspect_ratio"].values or ():
                found.setdefault(str(ratio), (route, str(ratio)))
    return list(found.values())


@pytest.mark.parametrize(("route", "ratio"), _shapes(), ids=lambda one: one if isinstance(one, str) else _name(one))
async def test_a_placeholder_has_exactly_the_asked_shape(route: Route, ratio: str) -> None:
    facts = probe(_data(await _made(_order(route, {"aspect_ratio": ratio})))[0])
    assert (facts.width, facts.height) == placeholder_size(None, ratio, "1K")


async def test_every_size_class_is_served_at_its_size() -> None:
    for route in ROUTES:
        argument = _arguments(route).get("resolution")
        if argument is None or route.operation is not OperationName.GENERATE:
            continue
        for value in argument.values or ():
            facts = probe(_data(await _made(_order(route, {"resolution": value})))[0])
            assert (facts.width, facts.height) == placeholder_size(
                None, str(_arguments(route)["aspect_ratio"].default), str(value)
            )


@_each(OperationName.EDIT)
async def test_an_edit_keeps_the_pictures_own_shape_on_auto(route: Route) -> None:
    facts = probe(_data(await _made(_order(route, {"aspect_ratio": "auto"})))[0])
    assert facts.width / facts.height == pytest.approx(SIZE[0] / SIZE[1], rel=0.01)
    if "resolution" not in route.takes:
        assert (facts.width, facts.height) == SIZE


@pytest.mark.parametrize(
    "route",
    [one for one in ROUTES if one.operation is OperationName.EDIT and (_arguments(one)["images"].max_items or 9) > 1],
    ids=_name,
)
async def test_as_many_pictures_as_the_row_takes_go_into_one_edit(route: Route) -> None:
    most = _arguments(route)["images"].max_items or 9
    one = _data(await _made(_order(route)))[0]
    assert _data(await _made(_order(route, pictures=most)))[0] != one


@_each(taking="mask")
async def test_a_mask_is_repainted_and_all_else_kept(route: Route) -> None:
    box = (16, 16, 64, 48)
    order = _order(route, mask=_prepared(mask_of(*SIZE, box)))
    order = replace(order, arguments={**order.arguments, "resolution": ""})  # no class: as large as its picture
    before, after = _pixels(order.images[0].data), _pixels(_data(await _made(order))[0])
    changed = ImageChops.difference(before.convert("RGB"), after.convert("RGB"))
    assert changed.getbbox() == box


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@_each(OperationName.UPSCALE)
async def test_an_enlarged_picture_is_exact_and_stays_what_it_was(route: Route, format: str) -> None:  # noqa: A002 - the argument's name on every tool
    for scale in route.scales:
        order = _order(route, {"scale": scale})
        picture = _prepared(photo(*SIZE, format))
        order = Order(route, order.arguments, 1, (picture,), model=order.model)
        facts = probe(_data(await _made(order))[0])
        assert (facts.width, facts.height, facts.format) == (SIZE[0] * scale, SIZE[1] * scale, format)


@_each(OperationName.REFRAME)
async def test_a_reframed_picture_has_the_shape_and_the_picture_in_it(route: Route) -> None:
    for ratio in _arguments(route)["aspect_ratio"].values or ():
        across, down = (int(part) for part in str(ratio).split(":"))
        order = _order(route, {"aspect_ratio": ratio}, count=route.counts[-1])
        growth = growth_for(SIZE, (across, down))
        finished = await _made(order)
        results = _data(finished)
        for data in results:
            image = _pixels(data)
            assert image.size == (growth.width, growth.height)
            box = (growth.left, growth.top, growth.left + SIZE[0], growth.top + SIZE[1])
            assert image.crop(box).tobytes() == _pixels(order.images[0].data).tobytes()
        as_it_is = (growth.width, growth.height) == SIZE
        assert len(set(results)) == (1 if as_it_is else len(results))
        grounds = [note for note in finished.notes if note.startswith("What is new around the picture is ")]
        assert len(grounds) == (0 if as_it_is else len(results))
        assert (SAME_SHAPE_NOTE in finished.notes) is as_it_is
        assert (KEY_NOTE in finished.notes) is not as_it_is


@_each(OperationName.REMOVE_BACKGROUND)
async def test_a_removed_background_is_transparent_or_reported_as_not_found(route: Route) -> None:
    subject = Image.new("RGB", (96, 64), "white")
    subject.paste((200, 30, 40), (30, 20, 66, 50))
    for picture, found in ((subject, True), (Image.new("RGB", (96, 64), "white"), False)):
        out = BytesIO()
        picture.save(out, "PNG")
        finished = await _made(Order(route, {}, 1, (_prepared(out.getvalue()),), model=route.model))
        alpha = _pixels(_data(finished)[0]).getchannel("A")
        assert alpha.getextrema() == ((0, 255) if found else (255, 255))
        assert finished.notes == (() if found else (NOT_FOUND_NOTE, KEY_NOTE))


@_each(OperationName.REMOVE_BACKGROUND)
async def test_an_outline_in_a_busy_picture_is_said_not_to_be_sure(route: Route) -> None:
    order = Order(route, {}, 1, (_prepared(noise(96, 64)),), model=route.model)
    (unsure, key) = (await _made(order)).notes
    assert re.fullmatch(r"The outline is not sure: [2-9]\d% of the picture could be subject or background\.", unsure)
    assert key == KEY_NOTE


@_each(OperationName.REMOVE_BACKGROUND)
async def test_a_model_of_the_users_is_named_and_a_file_that_is_not_there_is_refused(
    route: Route, tmp_path: Path
) -> None:
    provider = open_provider("offline", replace(CONFIG, cutout_model=str(tmp_path / "u2netp.onnx")))
    (own,) = [one for one in provider.routes if (one.tool, one.operation) == (route.tool, route.operation)]
    assert own.model == "u2netp"
    assert {one.model for one in provider.routes} - {"u2netp"} < {one.model for one in ROUTES}
    order = Order(own, {}, 1, (_prepared(photo(*SIZE)),), model=own.model)
    with pytest.raises(RequestRejected, match=r"u2netp\.onnx cannot be used") as refused:
        await provider.submit(order)
    assert "cutout_model" in str(refused.value)


@_each(*(operation for operation in OperationName if operation is not OperationName.GENERATE))
async def test_a_picture_that_cannot_be_read_is_refused_without_a_charge(route: Route) -> None:
    order = _order(route)
    broken = Prepared(cut_short(photo(400, 300, "jpeg"), 0.3), "jpeg", 400, 300)
    with pytest.raises(RequestRejected) as refused:
        await _made(Order(route, order.arguments, 1, (broken,), model=order.model))
    assert refused.value.charged is False


async def test_the_event_loop_goes_on_while_pictures_are_made() -> None:
    order = next(
        _order(route, count=min(2, route.counts[-1])) for route in ROUTES if route.operation is OperationName.GENERATE
    )
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await anyio.sleep(0.002)
            ticks += 1

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        await _made(order)
        group.cancel_scope.cancel()
    assert ticks > 1  # one alone would come before or after work that blocks the loop


async def test_a_cancelled_call_ends_at_once() -> None:
    order = next(_order(route) for route in ROUTES if route.operation is OperationName.GENERATE)
    with anyio.move_on_after(0) as scope:
        await _made(order)
    assert scope.cancelled_caught


async def test_a_picture_is_fetched_byte_for_byte_and_only_its_own(tmp_path: Path) -> None:
    provider = open_provider("offline", CONFIG)
    await provider.fetch(Output(data=b"a picture"), tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == b"a picture"
    with pytest.raises(ResultLost):
        await provider.fetch(Output(url="https://example.com/x.png"), tmp_path / "two")


async def test_no_task_is_ever_left_to_ask_for() -> None:
    provider = open_provider("offline", CONFIG)
    handle = Handle("offline", {"task": "1"})
    assert await provider.cancel(handle) is False
    with pytest.raises(TaskEnded) as failed:
        await provider.poll(handle)
    assert ended(failed.value).charged is False


def test_the_notes_name_no_model() -> None:
    from imagewright.providers.offline import work as offline_work  # noqa: PLC0415 - only here

    text = " ".join(value for name, value in vars(offline_work).items() if name.endswith("_NOTE"))
    assert not re.search("|".join(catalog()), text)
