"""A vendor whose results are links to files, and where they lie: real sockets, and the real downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagewright.providers.base import Finished, Handle, Output, Running
from imagewright.providers.http.client import Account, HttpClient
from tests.emulators.base import Door, Emulator
from tests.emulators.messages import Answer, Received
from tests.support.engine_bench import PICTURE, Vendor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imagewright.providers.sending import Sending

PNG = {"Content-Type": "image/png", "ETag": '"1"'}


class Shelf(Emulator):
    """Where a vendor's pictures lie; a link is good for as long as its round is the current one."""

    hosts = ("files",)

    def __init__(self) -> None:
        super().__init__()
        self.round = 0
        """The links of now."""
        self.dead = 200
        """What an older link answers."""

    def doors(self) -> Sequence[Door]:
        return [Door("download", "files", "GET", "/(?P<round>[0-9]+)/.*", self._file)]

    def _file(self, received: Received) -> Answer:
        old = int(received.groups["round"]) < self.round
        if old and self.dead != 200:
            return Answer(self.dead, b"expired")
        if wanted := received.headers.get("range", ""):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            span = f"bytes {start}-{len(PICTURE) - 1}/{len(PICTURE)}"
            return Answer(206, PICTURE[start:], {**PNG, "Content-Range": span})
        return Answer(200, PICTURE, PNG)


class Linking(Vendor):
    """A vendor whose results are links to a shelf, fetched as real ones are."""

    def __init__(self, shelf: Shelf, http: HttpClient, *, handle: bool = True) -> None:
        super().__init__(at_once=not handle)
        self.shelf = shelf
        self.http = http

    def _links(self, count: int) -> Finished:
        base = f"{self.shelf.url('files')}/{self.shelf.round}"
        return Finished(tuple(Output(url=f"{base}/{place}.png") for place in range(count)))

    async def submit(self, order: Any, sending: Sending | None = None) -> Handle | Finished:
        answer = await super().submit(order, sending)
        return self._links(order.count) if isinstance(answer, Finished) else answer

    async def poll(self, handle: Handle) -> Running | Finished:
        await super().poll(handle)
        return self._links(int(handle.data["count"]))

    async def fetch(self, output: Output, into: Path, **more: Any) -> None:
        self.fetched.append(output.url)
        await self._happen("fetch")
        account = Account(self.name, (self.shelf.url("files"),), "", {})
        await self.http.download(account, output.url, into, **more)
