"""The memory that pictures take: how large an input may be, how much is decoded at once, what is kept.

Memory and not the number of pictures is what runs out, so every piece of work takes a share by its pixels, and the
previews that wait to be sent have a limit in bytes. Pictures are decoded in other processes, see `workers`; their
memory counts as if it were this one's. This module loads no Pillow: it can be imported before the first picture comes.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from math import inf, isqrt
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from imagewright.imaging.headers import GIF_MAX_PIXELS
from imagewright.text import byte_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from imagewright.catalog.row import PictureLimits
    from imagewright.imaging.files import Measured
    from imagewright.imaging.signatures import Sides

    Result = TypeVar("Result")
    Source = TypeVar("Source", bytes, Path)
    More = TypeVarTuple("More")

INPUT_MAX_PIXELS = {
    "png": 8192 * 8192,
    "jpeg": 8192 * 8192,
    "gif": GIF_MAX_PIXELS,
    "webp": 25_000_000,
    "avif": 33_500_000,
    "heic": 50_500_000,
    "tiff": 50_500_000,
    "bmp": 8192 * 8192,
}
"""Pixels of the largest input picture, where the row says no less. Far below `headers.MAX_PIXELS`: anybody can give an
input, and a few hundred bytes are enough for one of 268 MP. The largest photos that phones take by themselves have
50 MP, a 2048 px square enlarged four times has 67, and files of more are rarely within the rows' limits on bytes.
WebP, AVIF, HEIC and TIFF are lower because their decoders hold three or four copies of the picture: about 400 MB
here, up to 600 MB for the last two."""

PROBE_BYTES = 0
LOOK_BYTES = 4
RESIZE_BYTES = 8
MASK_BYTES = 8
PREPARE_BYTES = 15
"""Bytes for each pixel of the source that a piece of work holds beyond those of decoding: none for decoding alone,
one to four copies of the picture for the others."""

WEBP_BYTES = 48
"""The same for writing a WebP with transparency, measured with noise in Pillow 13; a smooth picture takes half."""

MEGA = 1_000_000

ROOM = 300_000_000
"""Bytes that all decoding may take at once: with the server's own 100 MB it stays below 400 MB. Two 4096 px PNGs
fit. What takes more by itself runs alone."""

MOST_AT_ONCE = min(8, max(2, os.cpu_count() or 1))
"""Pieces of work at the same time however small they are: more than there are cores would only delay all of them, and
take the threads that the journal needs."""

WAITS_SECONDS = 5.0
"""How often somebody who waits for a share is told that, where that is wanted."""

TICK_SECONDS = 1.0
"""How often it is looked whether a worker takes too long."""


def fitted(width: int, height: int, *, max_pixels: int | None, max_side: int | None) -> Sides:
    """The largest size in px of the same shape within these limits; the size itself where it is within them."""
    if max_side is not None and max(width, height) > max_side:
        longest = max(width, height)
        width, height = (max(1, side * max_side // longest) for side in (width, height))
    if max_pixels is not None and width * height > max_pixels:
        wide = max(1, min(isqrt(max_pixels * width // height), max_pixels))
        width, height = wide, max(1, min(wide * height // width, max_pixels // wide))
    return width, height


def size_problems(measured: Measured, limits: PictureLimits) -> list[str]:
    """What is too large or too small about an input picture and what would do, one sentence each."""
    problems, width, height = [], measured.width, measured.height
    sides, megapixels = f"is {width}x{height} px", f"{width * height / MEGA:.1f} megapixels"
    most = None if limits.max_megapixels is None else int(limits.max_megapixels * MEGA)
    smaller = fitted(width, height, max_pixels=most, max_side=limits.max_side)
    way_out = f": made smaller, to {smaller[0]}x{smaller[1]} px, it would do" if min(smaller) >= limits.min_side else ""
    if measured.size > limits.max_bytes:
        problems.append(f"has {byte_size(measured.size)}; the limit is {byte_size(limits.max_bytes)}: smaller would do")
    if most is not None and width * height > most:
        problems.append(f"{sides} ({megapixels}); the limit is {limits.max_megapixels:g} megapixels{way_out}")
    elif width * height > (readable := INPUT_MAX_PIXELS[measured.format]):
        limit = f"as {measured.format.upper()} at most {readable / MEGA:.0f} megapixels are taken"
        problems.append(f"{sides} ({megapixels}); {limit}: give a smaller one")
    if min(width, height) < limits.min_side:
        problems.append(f"{sides}; each side needs at least {limits.min_side} px: enlarge it first")
    if limits.max_side is not None and max(width, height) > limits.max_side:
        problems.append(f"{sides}; each side may have at most {limits.max_side} px{way_out}")
    return problems


class DecodeLimiter:
    """Lets work begin in the order in which it was asked for, as far as there is room. For one event loop at a time.

    `room` is the bytes that all work together may take, `most` how many pieces of work there are at the same time. A
    share is given as a whole or not at all, and nobody asks for another while holding one: so there is no deadlock.
    """

    def __init__(self, room: int, most: int) -> None:
        self._room = room
        self.least = room // most
        """Bytes that each piece of work may take, however little it asks for."""
        self.taken = 0
        """Bytes that all shares have now."""
        self._waiting: deque[tuple[int, anyio.Event]] = deque()

    async def run(
        self, work: Callable[[*More], Result], *arguments: *More, cost: int, abandon_on_cancel: bool = False
    ) -> Result:
        """Do blocking work with these arguments in a thread once there is room for it. It decodes nothing.

        `cost` is the bytes of memory it takes; work that needs more than there is at all runs alone. With
        `abandon_on_cancel` a caller that is cancelled does not wait for the thread. The share is then free at once,
        although the thread goes on until it is done.
        """
        async with self.share(cost):
            return await anyio.to_thread.run_sync(partial(work, *arguments), abandon_on_cancel=abandon_on_cancel)

    @asynccontextmanager
    async def share(self, cost: int, waits: Callable[[], Awaitable[None]] | None = None) -> AsyncIterator[None]:
        """A share of the memory for as long as the block lasts; it begins once there is room for it.

        Where it has to wait, `waits` is awaited first and every `WAITS_SECONDS`; what that raises ends the wait.
        """
        share = min(max(cost, self.least), self._room)
        turn = anyio.Event()
        self._waiting.append((share, turn))
        self._admit()
        try:
            while waits is not None and not turn.is_set():
                await waits()
                with anyio.move_on_after(WAITS_SECONDS):
                    await turn.wait()
            if not turn.is_set():  # else a wait would cost a round of the event loop
                await turn.wait()
            yield
        finally:
            if turn.is_set():
                self.taken -= share
            else:
                self._waiting.remove((share, turn))
            self._admit()

    def _admit(self) -> None:
        """Give those who have waited longest their share, up to the first for whom there is no room."""
        while self._waiting and self.taken + self._waiting[0][0] <= self._room:
            share, turn = self._waiting.popleft()
            self.taken += share
            turn.set()


DECODING = DecodeLimiter(ROOM, 2 * MOST_AT_ONCE)
"""The limiter of this process: everything that decodes a picture goes through it. For each worker there is a piece of
work that waits for it, read and checked, so that it has the next at once."""


@dataclass(slots=True)
class Piece:
    """Work that a worker does, between the thread that waits for it and the event loop, which may end it."""

    cost: int
    """Bytes of memory it takes."""
    ended: bool = False
    """Whether nobody waits for it any more, or it has taken too long."""
    ticks: int = 0
    """How often the event loop has looked at it. A process that was frozen looks once when it goes on, so that the
    answer which came meanwhile is not too late."""
    last: float = inf
    """The number of ticks after which it has taken too long; infinite while no worker is at it."""
    _kill: Callable[[], None] | None = None
    """Ends the worker that is at it; None while none is."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, kill: Callable[[], None], ticks: float) -> bool:
        """Note what ends its worker, and how many ticks that may take. Return whether it is still wanted."""
        with self._lock:
            self._kill, self.last = kill, self.ticks + ticks
            return not self.ended

    def finish(self) -> bool:
        """Note that no worker is at it any more. Return whether it is still wanted."""
        with self._lock:
            self._kill, self.last = None, inf
            return not self.ended

    def end(self) -> None:
        """Give it up, and end the worker that is at it."""
        with self._lock:
            self.ended = True
            if self._kill is not None:
                self._kill()


@cache
def _threads() -> ThreadPoolExecutor:
    """The threads that wait for workers. They are our own: anyio's take three rounds of the event loop for each hop."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - the workers load this module too, and need none

    # more than there are shares of the memory: one that nobody waits for any more is busy until its worker has ended
    return ThreadPoolExecutor(4 * MOST_AT_ONCE, "decoding")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)


async def in_worker(
    work: Callable[[Piece, *More], Result], *arguments: *More, cost: int = 0, tick: float = TICK_SECONDS
) -> Result:
    """Do work that waits for a worker in a thread. Whoever calls this holds a share of the memory.

    The function is one of `workers`, or one that calls it; `cost` is the bytes of memory it takes. A caller that is
    cancelled does not wait for it, and its worker is ended. `tick` is the length of a tick in
    seconds; tests take less.
    """
    import asyncio  # noqa: PLC0415 - the workers load this module too, and have no event loop

    loop, piece = asyncio.get_running_loop(), Piece(cost)

    def count() -> None:
        piece.ticks += 1
        if piece.ticks > piece.last:
            piece.end()
        timers[0] = loop.call_later(tick, count)

    timers = [loop.call_later(tick, count)]
    try:
        return await loop.run_in_executor(_threads(), partial(work, piece, *arguments))
    except anyio.get_cancelled_exc_class():
        piece.end()
        raise
    finally:
        timers[0].cancel()


async def decode(
    work: Callable[[Piece, Source, *More], Result],
    source: Source,
    *more: *More,
    per_pixel: int,
    feed: Callable[[bytes], object] | None = None,
) -> Result:
    """Do work that decodes one picture, in a worker, once there is room for its pixels.

    The function is one of `workers`, or one that calls it; it gets the source and the further arguments. `per_pixel` is
    the bytes it takes for each pixel beyond those of decoding: `PROBE_BYTES`, `LOOK_BYTES` ... `feed` gets all bytes of
    a file on disk before it is decoded.

    Raises:
        StorageError: the file cannot be read.
        DecoderError: see `workers`.
    """

    def at_once(piece: Piece) -> tuple[Result] | int:
        cost = piece.cost = _cost(source, per_pixel, feed)
        return cost if cost > DECODING.least else (work(piece, source, *more),)

    # the least share is enough for most pictures, and then one thread does it all
    async with DECODING.share(0):
        done = await in_worker(at_once)
    if not isinstance(done, int):
        return done[0]
    async with DECODING.share(done):
        return await in_worker(work, source, *more, cost=done)


def _cost(source: bytes | Path, per_pixel: int, feed: Callable[[bytes], object] | None) -> int:
    from imagewright.imaging.files import decoding_cost  # noqa: PLC0415 - not before it is needed

    return decoding_cost(source, per_pixel, feed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The form in which a picture is wanted."""

    formats: tuple[str, ...]
    """Accepted file formats, the preferred one first."""
    max_bytes: int | None = None
    """Bytes of the file; None for no limit."""
    max_pixels: int | None = None
    """Width times height; None for no limit."""
    max_side: int | None = None
    """Px of the longer side; None for no limit."""
    exact: bool = False
    """Whether every pixel is needed: then it is refused where it is too large, and never made smaller."""

    def bytes_for(self, name: str, size: int) -> int:
        """Bytes for each pixel that bringing a file of that format and size into this form takes beyond decoding."""
        fits = self.max_bytes is None or size <= self.max_bytes
        may_be_webp = "webp" in self.formats and not (fits and name in self.formats)
        return WEBP_BYTES if may_be_webp else PREPARE_BYTES


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """A picture as it will be sent."""

    data: bytes
    """The whole file."""
    format: str
    """Its real type, one of those asked for."""
    width: int
    """Px, upright."""
    height: int
    """Px, upright."""
    note: str
    """What was changed and why, one sentence; empty when the bytes are the caller's own."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A small picture that is ready to be sent."""

    data: bytes
    """The whole file; `encoded_size` is what it takes as base64."""
    format: str
    """jpeg; webp or png where it is transparent."""
    width: int
    """Px."""
    height: int
    """Px."""

    @property
    def encoded_size(self) -> int:
        """Bytes as base64."""
        return (len(self.data) + 2) // 3 * 4


@dataclass(frozen=True, slots=True)
class Previews:
    """What a reply can show of its pictures."""

    shown: Sequence[Preview]
    missing: Sequence[str]
    """One sentence on each picture that has no preview."""
    left_out: int
    """Previews for which there was no room."""
    shrunk: bool
    """Whether those that are shown were made smaller to save room."""


class PreviewCache:
    """Previews by the picture's id; those used last, as many as have room.

    Args:
        room: bytes that they may take together.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: OrderedDict[str, Preview] = OrderedDict()

    def __setitem__(self, picture_id: str, preview: Preview) -> None:
        self.pop(picture_id)
        self._kept[picture_id] = preview
        self._room -= len(preview.data)
        while self._room < 0:
            self.pop(next(iter(self._kept)))

    def get(self, picture_id: str) -> Preview | None:
        """The preview of a picture, if it is still here."""
        if picture_id in self._kept:
            self._kept.move_to_end(picture_id)
        return self._kept.get(picture_id)

    def pop(self, picture_id: str) -> None:
        """Forget the preview of a picture."""
        if (preview := self._kept.pop(picture_id, None)) is not None:
            self._room += len(preview.data)


PREVIEWS = PreviewCache(32_000_000)
"""The previews of this process that nobody has been sent yet. One that has gone is made again from the file."""
