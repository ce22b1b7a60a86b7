"""Ideogram from submission to file, its answers, and every fault on the way, through real sockets."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.engine.choose import estimate
from imagewright.errors import BadKey, ContentRefused, ProviderError, RequestRejected
from imagewright.providers.base import Finished, Output
from imagewright.providers.ideogram.replies import REASONS, read_made
from imagewright.providers.ideogram.routes import ROUTES, SIZES, IdeogramRoute
from tests.emulators.ideogram import SECOND, USD, IdeogramEmulator
from tests.emulators.ideogram_words import RESOLUTIONS
from tests.emulators.renamed import Renaming
from tests.providers.ideogram.cases import ROUTE, text
from tests.support.faults import check_log
from tests.support.provider_runs import drive_at_once, effective, full_order, picture, plain_order
from tests.support.replies import reply
from tests.support.route_orders import every_offer
from tests.support.vendors import wired

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.http.client import HttpClient
    from imagewright.providers.ideogram.provider import Ideogram

pytestmark = pytest.mark.anyio
URL = "https://ideogram.ai/api/images/ephemeral/abc.png?exp=1743867804&sig=e13e"


class Renamed(Renaming, IdeogramEmulator):
    """A copy that calls one field otherwise."""


def _name(route: IdeogramRoute) -> str:
    return route.model


@pytest.mark.parametrize("most", [False, True], ids=["plain", "full"])
@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_a_whole_call(
    route: IdeogramRoute,
    most: bool,  # noqa: FBT001 - a parameter of the table
    emulator: IdeogramEmulator,
    provider: Ideogram,
    tmp_path: Path,
) -> None:
    order = full_order(route) if most else plain_order(route)

    finished, files = await drive_at_once(provider, order, tmp_path)

    assert len(files) == order.count
    for file in files:
        with Image.open(file) as made:
            made.load()
            assert f"{made.width}x{made.height}" == SIZES[order.arguments["aspect_ratio"]]
    assert len({output.seed for output in finished.outputs} - {None}) == order.count
    if "seed" in order.arguments:
        assert finished.outputs[0].seed == order.arguments["seed"]
    assert emulator.charges == [pytest.approx(estimate(route.price, order.arguments, order.count))]
    assert finished.cost_usd is None
    (received,) = emulator.received("generate")
    assert {part.name: part.data for part in received.parts()}["image"] == picture(shade=0).data


def test_the_second_version_is_taken_first() -> None:
    assert [route.path.startswith(SECOND) for route in ROUTES] == [True, False]


@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_the_configuration_can_prefer_either_version(
    route: IdeogramRoute, emulator: IdeogramEmulator, http: HttpClient
) -> None:
    chosen = wired("ideogram", emulator, http, **{route.tool: {"model": route.model}}).routes
    assert [one.model for one in chosen if one.preferred] == [route.model]


@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_every_value_that_is_offered_is_taken(
    route: IdeogramRoute, emulator: IdeogramEmulator, provider: Ideogram
) -> None:
    orders = list(every_offer(route))
    for order in orders:
        assert isinstance(await provider.submit(order), Finished)
        usd = estimate(route.price, order.arguments, order.count)
        assert emulator.charges[-1] == pytest.approx(usd)
    assert len(emulator.charges) == len(orders) > len(SIZES)


@pytest.mark.parametrize("route", ROUTES, ids=_name)
async def test_a_copy_with_one_field_or_one_word_renamed_refuses_us(route: IdeogramRoute, http: HttpClient) -> None:
    """So the words of the other version, which differ in their letters' case only, cannot stay unnoticed."""
    other = next(one for one in ROUTES if one is not route)
    order = full_order(route)
    with Renamed() as emulator:
        provider = wired("ideogram", emulator, http)
        for field in ("image", *route.inputs(order)):
            emulator.field = (field, f"{field}_2")
            with pytest.raises(RequestRejected):
                await provider.submit(order)
        emulator.field = ("", "")
        assert isinstance(provider.routes[0], IdeogramRoute)
        with pytest.raises(RequestRejected, match="rendering_speed"):
            await provider.submit(replace(order, route=replace(route, fields=other.fields)))
        assert not emulator.charges


@pytest.mark.parametrize("ratio", SIZES)
def test_a_ratio_becomes_the_nearest_of_the_sizes(ratio: str) -> None:
    wide, high = (int(part) for part in ratio.split(":"))

    def error(size: str) -> float:
        width, height = (int(side) for side in size.split("x"))
        return abs(width * high / (height * wide) - 1)

    assert error(SIZES[ratio]) == min(map(error, RESOLUTIONS)) < 0.015


def test_every_ratio_and_speed_of_the_row_has_its_word_in_both_versions() -> None:
    for route in ROUTES:
        arguments = effective(route)
        assert set(arguments["aspect_ratio"].values or ()) == set(SIZES)
        speeds = next(field.words for field in route.fields if field.name == "rendering_speed")
        assert list(speeds) == list(arguments["rendering_speed"].values or ())
        assert {speed: USD[word.upper()] for speed, word in speeds.items()} == dict(route.price.table)


async def test_what_is_kept_back_does_not_hold_up_the_rest(
    emulator: IdeogramEmulator, provider: Ideogram, tmp_path: Path
) -> None:
    emulator.keep_back_next(1)
    finished, files = await drive_at_once(provider, full_order(ROUTE), tmp_path)
    assert len(files) == ROUTE.counts[-1] - 1
    assert finished.notes == ("ideogram kept back 1 of 4 pictures as unsafe, and charges for them all the same.",)
    emulator.keep_back_next(4)
    with pytest.raises(ContentRefused) as caught:
        await provider.submit(full_order(ROUTE))
    assert caught.value.charged is True


async def test_nothing_secret_is_logged(
    emulator: IdeogramEmulator, provider: Ideogram, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    emulator.fail_next("generate", text(f"the key {emulator.key} is odd", 400))
    with pytest.raises(RequestRejected) as caught:
        await provider.submit(plain_order(ROUTE))
    assert "[key]" in str(caught.value)
    await drive_at_once(provider, plain_order(ROUTE), tmp_path)
    check_log(caplog, "reframe", emulator.key, "sig=", "exp=")


@pytest.mark.parametrize(
    ("item", "output"),
    [
        ({"url": URL, "seed": 12345, "is_image_safe": True}, Output(url=URL, seed=12345)),
        ({"url": URL, "seed": None}, Output(url=URL)),
        ({"url": URL, "seed": True, "is_image_safe": None}, Output(url=URL)),
    ],
)
def test_a_picture_is_read_whatever_else_is_missing(item: Any, output: Output) -> None:
    assert read_made(reply({"data": [item, 5, {"url": None}]})) == Finished((output,))


def test_what_is_called_unsafe_is_not_taken_even_with_an_address() -> None:
    safe, kept_back = {"url": URL, "is_image_safe": True}, {"url": URL, "is_image_safe": False}
    finished = read_made(reply({"data": [kept_back, safe]}))
    assert isinstance(finished, Finished)
    assert finished.outputs == (Output(url=URL),)
    assert "1 of 2" in finished.notes[0]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 200), (b"<html>", 200), ({"data": None}, 200), ([], 200), (b"", 502), ({"error": "x"}, 500), ({}, 400)],
)
def test_what_cannot_be_read_is_left_to_the_status(body: Any, status: int) -> None:
    assert read_made(reply(body, status)) is None


@pytest.mark.parametrize("reason", [*REASONS, "feature_limit", "a_reason_to_come"])
def test_the_reason_says_more_than_the_status(reason: str) -> None:
    error = read_made(reply({"error": "no", "reject_reason": reason}, 403))
    assert isinstance(error, ProviderError)
    assert type(error) is REASONS.get(reason, BadKey)
    assert error.charged is False
