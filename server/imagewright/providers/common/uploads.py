"""Input pictures as a vendor takes them in a JSON request: inside it while they are small, else uploaded first."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.errors import ProviderError
from imagewright.providers.http.request import FilePart

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from imagewright.providers.base import Order, Prepared

UPLOADS_AT_ONCE = 4


async def with_links(order: Order, inline_bytes: int, upload: Callable[[Prepared], Awaitable[str]]) -> Order:
    """The order with what stands in a request for each picture: a data URI while they are small, else its address.

    All pictures together may have up to `inline_bytes` to go into the request itself; `upload` returns a picture's
    address.

    Raises:
        ProviderError: the first upload that failed; the others are stopped.
    """
    pictures = order.pictures
    if not pictures:
        return order
    if sum(len(picture.data) for picture in pictures) <= inline_bytes:
        links = await anyio.to_thread.run_sync(lambda: [data_uri(picture) for picture in pictures])
    else:
        links = await _uploaded(pictures, upload)
    return replace(order, links=tuple(links))


def links_of(order: Order) -> tuple[tuple[str, ...], str]:
    """What stands in the request for the images, in order, and for the mask; the latter is empty without one.

    Raises:
        TypeError: the pictures were not uploaded first.
    """
    if len(order.links) != len(order.pictures):
        raise TypeError(f"{len(order.pictures)} pictures, but {len(order.links)} links: hand them over first")
    return order.links[: len(order.images)], order.links[-1] if order.mask is not None else ""


async def _uploaded(pictures: Sequence[Prepared], upload: Callable[[Prepared], Awaitable[str]]) -> list[str]:
    links = [""] * len(pictures)
    failures: list[ProviderError] = []
    turn = anyio.Semaphore(UPLOADS_AT_ONCE)
    async with anyio.create_task_group() as group:

        async def upload_one(place: int, picture: Prepared) -> None:
            async with turn:
                try:
                    links[place] = await upload(picture)
                except ProviderError as error:
                    failures.append(error)
                    group.cancel_scope.cancel()

        for place, picture in enumerate(pictures):
            group.start_soon(upload_one, place, picture)
    if failures:
        raise failures[0]
    return links


def data_uri(picture: Prepared) -> str:
    """The picture inside an address."""
    return f"data:{picture.mime};base64,{base64.b64encode(picture.data).decode('ascii')}"


def file_part(label: str, stem: str, picture: Prepared) -> FilePart:
    """The file of an input picture for a form, under that name with the extension of its type."""
    return FilePart(label, f"{stem}.{picture.extension}", picture.mime, picture.data)
