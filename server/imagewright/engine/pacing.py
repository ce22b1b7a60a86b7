"""How a call waits until its vendor takes it: for a slot of the account, and for a vendor that is not available.

A vendor takes only so many requests in a time. The slots of an account are shared by all processes through the store.
Within a process, calls wait in line, and the first of them asks the store. Nothing is sent while a call waits, so it
can be cancelled without a charge.
"""

from __future__ import annotations

import logging
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from imagewright.engine.trouble import no_slot
from imagewright.engine.waiting import Line
from imagewright.errors import RateLimited, StorageError
from imagewright.providers.base import Running
from imagewright.text import counted, duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagewright.engine.waiting import Desk
    from imagewright.errors import ProviderError
    from imagewright.providers.base import Provider
    from imagewright.storage.accounts import Pace

log = logging.getLogger(__name__)

LONGEST_LOOK = 5.0
"""Seconds at most between two looks at the account's slots: another process may have given up its place."""
SPREAD = 0.1
"""Share by which a wait is lengthened at random, so that several processes do not ask in the same moment."""
UPLOAD_PAUSE = 15.0
"""Seconds before pictures are uploaded again to a vendor that has refused them for the rate a few times."""
MINUTE = 60
BUSY_PAUSES = (2.0, 4.0, 8.0)
"""Seconds before each further try at a vendor that says that it is not available. Then another may be asked."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a call needs to wait for its turn."""

    desk: Desk
    """With the lines of this process."""
    provider: Provider
    """To whom the call goes."""
    tell: Callable[[Running], None]
    """Receives the stage."""
    until: float
    """Until when it may be sent, by the event loop's clock, which nobody can set."""

    async def wait(self) -> None:
        """Return with a slot of the provider's account.

        Raises:
            ImagewrightError: none came before the job was too old to be sent. Nothing was sent.
        """
        account = self.provider.account
        line = self.desk.lines.setdefault(account, Line())
        me = object()
        line.waiting.append(me)
        try:
            while True:
                pause, ahead = 0.0, line.waiting.index(me)
                if not ahead:
                    pause = line.pause = await self._take()
                    if not pause:
                        return
                pace = self.desk.pace_of(self.provider)
                self.tell(Running(stage=_words(self.provider.name, pace, ahead, len(line.waiting), line.pause)))
                if (left := self.until - anyio.current_time()) <= 0:
                    raise no_slot(self.provider.name)
                look = min(pause or LONGEST_LOOK, LONGEST_LOOK) * (1 + SPREAD * random.random())  # noqa: S311 - spreads load
                with anyio.move_on_after(min(look, left)):
                    await line.moved.wait()
        finally:
            line.leave(me)
            if not line.waiting:
                self.desk.lines.pop(account, None)

    async def _take(self) -> float:
        """Seconds until a slot may be free; 0 if one was taken."""
        try:
            pace = self.desk.pace_of(self.provider)
            return await self.desk.stores.jobs.take_slot(self.provider.account, self.provider.name, pace)
        except StorageError as error:
            # another program keeps the store locked, or the disk is full: nothing is lost by waiting
            log.warning("no slot of %s can be taken now: %s", self.provider.name, error)
            return LONGEST_LOOK

    async def after(self, refused: ProviderError, before: int) -> None:
        """Return when the vendor may be asked again, after it plainly refused a call for now.

        Args:
            refused: what it answered.
            before: how often it did so before.

        Raises:
            ProviderError: `refused`, where waiting does not help: it asks for a longer wait than the call has, or it
                has been unavailable again and again. Nothing was charged.
        """
        left = self.until - anyio.current_time()
        if (refused.retry_after or 0.0) > left:
            raise refused
        if isinstance(refused, RateLimited):
            # how long to wait is kept with the account, for all calls and processes
            account, pace = self.provider.account, self.desk.pace_of(self.provider)
            try:
                if (stated := self.desk.limits.get(account)) is not None:
                    await self.desk.stores.jobs.learn_pace(account, stated)
                await self.desk.stores.jobs.slot_refused(account, pace, wait=refused.retry_after)
            except StorageError as error:
                log.warning("that %s takes no request now cannot be written down: %s", self.provider.name, error)
                await anyio.sleep(max(refused.retry_after or 0.0, LONGEST_LOOK))
            return
        if before >= len(BUSY_PAUSES):
            raise refused
        self.tell(Running(stage=f"{self.provider.name} is not available{refused.words}; asking again soon"))
        await self._pause(refused, BUSY_PAUSES[before])

    async def after_upload(self, refused: RateLimited) -> None:
        """Return when a picture may be uploaded again, after the vendor took no more of them just now.

        Raises:
            RateLimited: `refused`, where the call has no time left for that. Nothing was charged.
        """
        if max(refused.retry_after or 0.0, UPLOAD_PAUSE) > self.until - anyio.current_time():
            raise refused
        self.tell(Running(stage=f"waiting to upload the pictures{refused.words}"))
        await self._pause(refused, UPLOAD_PAUSE)

    async def _pause(self, refused: ProviderError, seconds: float) -> None:
        await anyio.sleep(max(refused.retry_after or 0.0, seconds * (1 + SPREAD * random.random())))  # noqa: S311 - as above


def _words(name: str, pace: Pace, ahead: int, waiting: int, pause: float) -> str:
    """The stage of a call that waits, with its place in the line of this process and about how long it takes."""
    takes = f", which takes {counted(pace.calls, 'request')} in {pace.seconds:g} s" if pace.calls else ""
    place = f"number {ahead + 1} of {waiting}" if waiting > 1 else "next"
    words = f"waiting for a turn at {name}{takes}: {place}"
    if pace.calls:
        pause += math.floor(ahead / pace.calls) * pace.seconds
    step = 1 if pause < MINUTE else MINUTE  # nobody needs the seconds of minutes
    return f"{words}, in about {duration(max(math.ceil(pause / step) * step, 1))}" if pause else words
