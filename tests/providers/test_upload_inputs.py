"""The vendors to which pictures are uploaded first: what is free goes out before the order, and only that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.providers.base import Handle, UploadsInputs
from imagewright.providers.common.provider import pictures_of
from tests.support.pictures import noise
from tests.support.provider_runs import full_order, handed_over, mask, picture
from tests.support.vendors import QUEUES, VENDORS, routes_of, submitted_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.providers.base import Order, Provider
    from tests.support.vendors import AnyEmulator

pytestmark = pytest.mark.anyio

FIRST = [name for name, queue in QUEUES.items() if queue.uploads]
FREE = {"upload", "put"}
"""The doors for pictures."""
LARGE = 320
"""Sides in px of a picture that is too large to stand inside a request."""


def _orders(name: str) -> Iterator[Order]:
    """An order with several pictures that cannot stand inside the request, and one with a mask where there is one."""
    routes = [route for route in routes_of(name) if route.pictures.mask or route.takes.keys() & {"images", "image"}]
    several = next(route for route in routes if len(full_order(route).images) > 1)
    masked = next((route for route in routes if route.pictures.mask), None)
    for route in (several, *([masked] if masked else [])):
        narrow: dict[str, Any] = {"inline_bytes": 0} if hasattr(route, "inline_bytes") else {}
        order = full_order(replace(route, **narrow))
        large = tuple(replace(image, data=noise(LARGE, LARGE + place)) for place, image in enumerate(order.images))
        yield replace(order, images=large, mask=order.mask and mask(LARGE, LARGE))


ORDERS = [pytest.param(name, order, id=f"{name}-{order.route.tool}") for name in FIRST for order in _orders(name)]


@pytest.mark.parametrize("name", VENDORS)
async def test_exactly_the_vendors_that_upload_take_pictures_first(name: str, provider: Provider) -> None:
    assert isinstance(provider, UploadsInputs) == (name in FIRST)


@pytest.mark.parametrize(("name", "order"), ORDERS)
async def test_pictures_go_out_first_and_then_one_request(
    name: str, order: Order, emulator: AnyEmulator, provider: Provider
) -> None:
    ready = await handed_over(provider, order)
    assert len(ready.links) == len(set(ready.links)) == len(pictures_of(order))
    assert {one.label for one in emulator.requests} <= FREE
    assert len(emulator.received("upload")) == len(pictures_of(order))

    before = len(emulator.requests)
    assert isinstance(await provider.submit(ready), Handle)
    assert len(emulator.requests) == before + 1
    assert submitted_to(name, emulator) == 1


@pytest.mark.parametrize(("name", "order"), ORDERS)
async def test_an_order_whose_pictures_were_not_handed_over_is_not_sent(
    order: Order, emulator: AnyEmulator, provider: Provider
) -> None:
    for links in ((), tuple("x" for _ in pictures_of(order)[1:])):
        with pytest.raises(TypeError, match="upload them first"):
            await provider.submit(replace(order, links=links))
    assert not emulator.requests


@pytest.mark.parametrize("name", FIRST)
async def test_an_order_without_pictures_is_ready_as_it_is(
    name: str, emulator: AnyEmulator, provider: Provider
) -> None:
    route = next(one for one in routes_of(name) if not one.takes.keys() & {"images", "image"})
    order = full_order(route)
    assert await handed_over(provider, order) is order
    assert not emulator.requests


@pytest.mark.parametrize("name", FIRST)
async def test_the_route_of_another_vendor_is_a_mistake(name: str, emulator: AnyEmulator, provider: Provider) -> None:
    other = next(route for vendor in FIRST if vendor != name for route in routes_of(vendor) if "image" in route.takes)
    order = replace(full_order(other), images=(picture(),))
    with pytest.raises(TypeError, match="not a route of"):  # some see it already when they take the picture
        await provider.submit(await handed_over(provider, order))
    with pytest.raises(TypeError, match="not a route of"):
        await provider.submit(replace(order, links=("https://files.example/1.png",)))
    assert not emulator.requests
