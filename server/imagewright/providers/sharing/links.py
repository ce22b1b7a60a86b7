"""Input pictures as a vendor takes them in a JSON request: inside it while they are small, else handed over first."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from imagewright.providers.base import Prepared

UPLOADS_AT_ONCE = 4


async def picture_links(
    pictures: Sequence[Prepared], inline_bytes: int, upload: Callable[[Prepared], Awaitable[str]]
) -> list[str]:
    """What stands in a request for each picture, in order: data URIs while they are small, else where they were put.

    Args:
        pictures: the input pictures.
        inline_bytes: most bytes that all of them together may have to go into the request itself.
        upload: hands one over and returns its address.

    Raises:
        ProviderError: the first upload that failed; the others are stopped.
    """
    if sum(len(picture.data) for picture in pictures) <= inline_bytes:
        return await anyio.to_thread.run_sync(lambda: [data_uri(picture) for picture in pictures])
    links = [""] * len(pictures)
    failures: list[ProviderError] = []
    turn = anyio.Semaphore(UPLOADS_AT_ONCE)
    async with anyio.create_task_group() as group:

        async def hand_over(place: int, picture: Prepared) -> None:
            async with turn:
                try:
                    links[place] = await upload(picture)
                except ProviderError as error:
                    failures.append(error)
                    group.cancel_scope.cancel()

        for place, picture in enumerate(pictures):
            group.start_soon(hand_over, place, picture)
    if failures:
        raise failures[0]
    return links


def data_uri(picture: Prepared) -> str:
    """The picture inside an address."""
    return f"data:{picture.mime};base64,{base64.b64encode(picture.data).decode('ascii')}"
