"""Threads for short blocking work on the disk: what waits at the same time goes to one of them together."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

QUICK = 2
"""How many threads begin at once with what waits. Each one more would mostly wait for its turn to run Python."""
SLOW_SECONDS = 0.02
"""Seconds after which another one begins: the others wait for a slow disk."""


@dataclass(eq=False, slots=True)
class _Piece:
    """A piece of work, and its outcome."""

    work: Callable[[], Any]
    done: asyncio.Future[None]
    result: Any = None
    error: BaseException | None = None


class Batches:
    """Does short blocking work in so many threads. All of it that waits at the same time goes to one of them together.

    To hand one piece of work to a thread and to wake up for its result costs an event loop more than to make a folder
    or to read a row. With hundreds of jobs at once, that was a third of its time.
    """

    def __init__(self, threads: int) -> None:
        self._most = self._free = threads
        self._timer: asyncio.TimerHandle | None = None
        self._threads = ThreadPoolExecutor(threads, "batches")
        self._waiting: list[_Piece] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, work: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        """The result of calling `work` in a thread. A caller that is cancelled waits for it all the same.

        Raises:
            Exception: what it raised.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        loop = asyncio.get_running_loop()
        piece = _Piece(partial(work, *arguments), loop.create_future())
        if loop is not self._loop:  # what an earlier loop left undone, nobody waits for
            self._loop, self._free, self._waiting, self._timer = loop, self._most, [], None
        if not self._waiting:
            # at the end of this round of the loop, so that others which are ready now come along
            loop.call_soon(self._start_some, loop)
        self._waiting.append(piece)
        with anyio.CancelScope(shield=True):
            await piece.done
        if piece.error is not None:
            raise piece.error
        result: T = piece.result
        return result

    def _start_some(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start what waits: at once in one of the first threads, a moment later in one of the others."""
        if self._free > self._most - QUICK:
            self._start(loop)
        elif self._free and self._timer is None:
            self._timer = loop.call_later(SLOW_SECONDS, self._start_more, loop)

    def _start_more(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._start(loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and self._free:
            batch, self._waiting = self._waiting, []
            self._free -= 1
            work = loop.run_in_executor(self._threads, _do_all, batch)
            work.add_done_callback(partial(self._end, loop, batch))

    def _end(self, loop: asyncio.AbstractEventLoop, batch: list[_Piece], _: object) -> None:
        self._free += 1
        self._start_some(loop)
        for piece in batch:
            if not piece.done.done():  # asyncio's own cancel, which no shield stops, has ended who waited
                piece.done.set_result(None)


def _do_all(batch: list[_Piece]) -> None:
    for piece in batch:
        try:
            piece.result = piece.work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
            piece.error = error
