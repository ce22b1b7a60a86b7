"""Waiting for a vendor: when it is asked how a task stands, and until it has finished it.

Each call asks when it is due. A vendor is asked by at most `AT_ONCE` calls of this process at a time, and a call that
is due earlier comes first, so that two hundred calls, or all calls after a laptop's sleep, do not ask at once. What all
calls of a process share for that, and for their turn to be sent (`pacing`), stands here too.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import defaultdict, deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

import anyio

from imagewright.engine.trouble import LEAST_PATIENCE, Stalled, Trouble, took_too_long
from imagewright.errors import BadKey, OutOfCredit, ProviderError, StorageError, TaskEnded
from imagewright.providers.base import Finished, Running
from imagewright.providers.sending import part_of
from imagewright.storage.pace import believed
from imagewright.text import byte_size, duration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from imagewright.engine.config import ProviderRegistry
    from imagewright.engine.elsewhere import Spool
    from imagewright.providers.base import Handle, Output, PollPolicy, Provider
    from imagewright.storage.accounts import Pace
    from imagewright.storage.stores import Stores

log = logging.getLogger(__name__)

SLOW_SECONDS = 5.0
"""After so long, and then as often, a fetch tells how much has come."""
AT_ONCE = 32
"""How many calls ask one vendor at the same time."""
LEARNED_FROM = 20
"""From how many of the newest calls to a model its usual duration is learned."""
QUICK_SHARE = 0.1
"""The share of those calls that may have been quicker than what is expected."""
FIRST_SHARE, FIRST_SECONDS = 0.02, 0.1
"""The first poll comes this share and so many seconds after what is expected."""
LATE_SHARE, LATE_SECONDS = 0.05, 0.3
"""Each further poll comes after this share of the task's age, and so many seconds more. The end is to be noticed within
a tenth of the duration and half a second."""
JITTER, SKEW = 0.12, 0.2
"""Share of a wait by which a poll may be early while nothing is known; raised to this power, most come nearly so."""
LEARNED_SECONDS = 120.0
"""How long what was read of earlier calls is used; the calls of this process are added at once."""
QUESTION_SECONDS = 30.0
"""Longest time that one question counts as trying: a frozen process and a sleeping laptop do not try."""
LEAVE_LOOK = 0.05  # seconds between two looks whether something is still being sent


class Schedule:
    """When one task is asked about, in seconds since it was submitted.

    No poll comes earlier than that of the same number in the vendor's poll policy, but for `JITTER` of a wait. If it is
    known how long such tasks take, the first poll waits until the quickest may be done, and the others follow closely.

    Args:
        poll_policy: the vendor's.
        known: how many seconds earlier calls took; empty if that is not known.
        chance: returns a number from 0 to 1 at random.
    """

    def __init__(self, poll_policy: PollPolicy, known: Sequence[float], chance: Callable[[], float]) -> None:
        self._poll_policy = poll_policy
        self._expected = sorted(known)[int(len(known) * QUICK_SHARE)] if known else None
        self._chance = chance
        self._wait = poll_policy.first
        self._usual = 0.0
        self._due = 0.0

    def next(self, age: float) -> float:
        """When the next poll comes; `age` is when the last question was sent, 0 before the first."""
        poll_policy, wait, is_first = self._poll_policy, self._wait, self._due == 0.0
        self._usual += max(0.0, age - self._due) + wait
        self._wait = min(wait * poll_policy.factor, poll_policy.longest)
        if self._expected is None:
            self._due = self._usual - wait * JITTER * self._chance() ** SKEW
        elif is_first:
            self._due = max(self._usual, self._expected * (1 + FIRST_SHARE) + FIRST_SECONDS)
        else:
            closely = max(poll_policy.least, age * LATE_SHARE + LATE_SECONDS)
            self._due = max(self._usual, age + min(closely, poll_policy.longest))
        return self._due


class Turns:
    """The questions to one vendor. The one that is due earliest has the next turn."""

    def __init__(self) -> None:
        self._free = AT_ONCE
        self._numbers = count()
        self._waiting: list[tuple[float, int, anyio.Event]] = []

    @asynccontextmanager
    async def turn(self, due: float) -> AsyncIterator[None]:
        """One of the turns, for as long as the block lasts. `due` is by any clock that all of them share."""
        entry = (due, next(self._numbers), anyio.Event())
        heappush(self._waiting, entry)
        self._admit()
        try:
            if not entry[2].is_set():  # else a wait would cost a round of the event loop
                await entry[2].wait()
            yield
        finally:
            if entry[2].is_set():
                self._free += 1
            else:
                self._waiting.remove(entry)
                heapify(self._waiting)
            self._admit()

    def _admit(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            heappop(self._waiting)[2].set()


class _Answers:
    """What a vendor has answered about one task so far.

    Args:
        poll_policy, name: the vendor's.
        tell: see `Poller.poll_until_done`.
    """

    def __init__(self, poll_policy: PollPolicy, name: str, tell: Callable[[Running, str], None]) -> None:
        self._poll_policy = poll_policy
        self._name = name
        self._tell = tell
        self._troubles = self._doubts = 0
        self.what = ""
        """What is wrong now; empty if nothing is."""
        self.running: float | None = 0.0
        """The task's age at the last answer, when it still ran; 0 before the first, None if the last was none."""

    def going_on(self, answer: Running, age: float) -> None:
        """Note that the task runs."""
        self._troubles = self._doubts = 0
        self.what, self.running = "", age
        self._tell(answer, "")

    def ended(self, ended: TaskEnded, *, over: bool) -> float:
        """Seconds until the vendor is asked again whether the task has ended.

        Raises:
            ProviderError: that is sure.
        """
        if ended.sure or over or self._doubts == len(self._poll_policy.doubts):
            raise ended.error from ended
        pause = self._poll_policy.doubts[self._doubts]
        self._doubts, self._troubles = self._doubts + 1, 0
        self.what, self.running = "", None
        self._tell(Running(stage=f"asking {self._name} again{ended.error.words}"), "")
        return pause

    def trouble(self, error: Exception) -> float:
        """Seconds until the vendor is asked again, after what says nothing about the task."""
        trouble = Trouble(self._name, error)
        pause = trouble.pause(self._poll_policy, self._troubles)
        self._troubles, self.running = self._troubles + 1, None
        if trouble.what != self.what:
            self.what = trouble.what
            log.warning("%s; asking again", trouble.what, exc_info=None if isinstance(error, ProviderError) else error)
        self._tell(Running(stage=trouble.stage), trouble.notice(self._poll_policy))
        return pause


class Poller:
    """Asks vendors about all tasks of this process, and learns how long they take.

    Args:
        durations: how long the newest calls to a model of a provider took, see `JobStore.durations`.
        chance: returns a number from 0 to 1 at random.
    """

    def __init__(
        self,
        durations: Callable[[str, str, int], Awaitable[Sequence[float]]],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._durations = durations
        self._chance = chance
        self._turns: defaultdict[str, Turns] = defaultdict(Turns)
        self._learned: dict[tuple[str, str], tuple[float, deque[float]]] = {}
        self._reading = anyio.Lock(fast_acquire=True)

    async def poll_until_done(
        self,
        provider: Provider,
        handle: Handle,
        tell: Callable[[Running, str], None],
        begun: float,
        provider_now: Callable[[], Provider],
        *,
        model: str = "",
        submitted: float | None = None,
    ) -> tuple[Finished, float | None]:
        """Poll until the vendor is done, by its poll policy; rarely once it takes longer than it should.

        Only the vendor's own statement about the task ends this, or the deadline after which it keeps no result. After
        any other answer or error it is polled again, at most `PollPolicy.seldom` later, and the provider as it is
        configured now: its key may have been corrected.

        Args:
            provider: the provider that has the task.
            handle: what it gave for the task.
            tell: receives, after each poll but the last, how it stands and the trouble that does not pass by itself.
            begun: when the job began, seconds since 1970, so that a process that takes it over keeps the same deadline.
            provider_now: returns the provider as it is configured now.
            model: the vendor's id of the model, by which durations are learned.
            submitted: when this process submitted it, by the clock of the event loop; None if another did.

        Returns:
            What the vendor made, and how many seconds it took; None if that cannot be estimated.

        Raises:
            Stalled: it was not done within `PollPolicy.patience`, and was asked for `LEAST_PATIENCE` here.
            TookTooLong: the same, and the vendor may keep no result any more.
            ProviderError: the task has ended without a picture.
        """
        began, poll_policy, name = provider, provider.poll_policy, provider.name
        deadline = max(poll_policy.keeps, poll_policy.give_up)  # nothing can be expected after that
        # setting the clock while this runs must not end the call: from here on only elapsed time counts
        last = anyio.current_time()
        start, zero = last - max(0.0, time.time() - begun), last if submitted is None else submitted
        schedule = Schedule(poll_policy, () if submitted is None else await self._known(name, model), self._chance)
        due = zero + schedule.next(0.0)
        if submitted is None and last - start > poll_policy.first:
            due = last  # the process that had the task has waited already, and this one may not live for long
        answers = _Answers(poll_policy, name, tell)
        tried = 0.0
        while True:
            await anyio.sleep(max(0.0, due - anyio.current_time()))
            try:
                async with self._turns[name].turn(due):
                    asked = anyio.current_time()
                    answer = await provider.poll(handle)
            except TaskEnded as ended:
                pause = answers.ended(ended, over=asked - start > deadline)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is no statement about the task
                pause = answers.trouble(error)
                provider = _to_ask_next(began, provider, error, provider_now)
            else:
                age = asked - zero
                if isinstance(answer, Finished):
                    in_time = asked - due <= age * LATE_SHARE + LATE_SECONDS
                    known = submitted is not None and in_time and answers.running is not None
                    return answer, self._estimate(name, model, answers.running or 0.0, age) if known else None
                answers.going_on(answer, age)
                pause = zero + schedule.next(age) - anyio.current_time()
                if asked - start > poll_policy.usual:
                    pause = max(pause, poll_policy.seldom)
            now = anyio.current_time()
            tried += min(now - last, QUESTION_SECONDS + max(0.0, due - last))
            last, due = now, now + pause
            if tried > LEAST_PATIENCE and asked - start > deadline:
                raise took_too_long(name, deadline, answers.what)
            if tried > LEAST_PATIENCE and asked - start > poll_policy.patience:
                minutes = round((asked - start) / 60)
                raise Stalled(f"{name} was asked for {duration(minutes * 60.0)}, and the task did not end.")

    def _estimate(self, name: str, model: str, running: float, done: float) -> float:
        """How long a task took that still ran at one age and was done at a later one; the first is 0 if unknown.

        One that was done at the first poll was done before: what is learned must not creep upwards.
        """
        took = (running + done) / 2 if running else max(0.0, done * (1 - 2 * FIRST_SHARE) - FIRST_SECONDS)
        if (name, model) in self._learned:
            self._learned[name, model][1].appendleft(took)
        return took

    async def _known(self, name: str, model: str) -> Sequence[float]:
        """How many seconds the newest calls to a model took."""
        async with self._reading:  # one reads for all
            read, known = self._learned.get((name, model), (-LEARNED_SECONDS, deque[float]()))
            if (now := anyio.current_time()) - read >= LEARNED_SECONDS:
                try:
                    known = deque(await self._durations(name, model, LEARNED_FROM), LEARNED_FROM)
                except StorageError as error:
                    log.info("how long %s usually takes is not known now: %s", model, error)
                    known = deque(maxlen=LEARNED_FROM)
                self._learned[name, model] = now, known
            return tuple(known)


def _to_ask_next(began: Provider, asked: Provider, error: Exception, provider_now: Callable[[], Provider]) -> Provider:
    """Who is asked after trouble: the provider as it is configured now, as its key may have been corrected.

    A new key may be of another account, which does not have the task: then the one it began with is asked again.
    """
    of_the_account = isinstance(error, BadKey | OutOfCredit)
    return began if asked.account != began.account and not of_the_account else provider_now()


async def fetch(provider: Provider, output: Output, into: Path, tell: Callable[[str], None], *, begun: bool) -> None:
    """As `Provider.fetch`. `tell` receives the stage of a picture that comes slowly: how much of it is here.

    Raises:
        Exception: what the provider raised.
    """
    loop, part, come = asyncio.get_running_loop(), part_of(into), 0
    timer: asyncio.TimerHandle

    def look() -> None:
        loop.run_in_executor(None, _size_of, part).add_done_callback(hear)

    def hear(size: asyncio.Future[int]) -> None:
        nonlocal come, timer
        if timer.cancelled():  # the picture has come meanwhile
            return
        if size.result() > come:
            tell(f"fetching: {byte_size(size.result())} have come")
        come, timer = size.result(), loop.call_later(SLOW_SECONDS, look)

    timer = loop.call_later(SLOW_SECONDS, look)  # no task: nearly every picture is here before the first look
    try:
        await provider.fetch(output, into, begun=begun)
    finally:
        timer.cancel()


def _size_of(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_size
    return 0


@dataclass(slots=True, eq=False)
class Line:
    """The calls of this process that wait for a slot of one account, first come first served."""

    waiting: list[object] = field(default_factory=list)
    """One for each call, in their order."""
    moved: anyio.Event = field(default_factory=anyio.Event)
    """Set when a call has left the line, and then replaced by a new one."""
    pause: float = 0.0
    """Seconds after which the first of them may get its slot, by its last look; 0 where that is not known."""

    def leave(self, who: object) -> None:
        """Take a call out of the line."""
        self.waiting.remove(who)
        self.moved.set()
        self.moved = anyio.Event()


@dataclass(slots=True)
class Desk:
    """What all calls of a process share."""

    stores: Stores
    spool: Spool
    registry: Callable[[], ProviderRegistry]
    """Returns the providers in use now."""
    poller: Poller
    """Asks vendors about all tasks."""
    lines: dict[str, Line] = field(default_factory=dict)
    """The lines by account; one without calls is not there."""
    limits: dict[str, Pace] = field(default_factory=dict)
    """What each account's vendor stated last of the requests it takes."""
    sending: set[anyio.CancelScope] = field(default_factory=set)
    """The scopes of the requests that are being sent."""
    polled: int = 0  # tasks that are asked about
    has_left: bool = False
    """Whether this process is about to end, and begins to send nothing more."""

    def pace_of(self, provider: Provider) -> Pace:
        """What a vendor takes: as documented or as the user has set it by now, and as its answers state it."""
        now = self.registry().providers.get(provider.name)
        known = now.pace if now is not None and now.account == provider.account else provider.pace
        stated = self.limits.get(provider.account)
        return known if stated is None else believed(known, stated)

    async def leave(self, seconds: float, *, outlives: bool) -> None:
        """Wait until no request is being sent any more, but only so long for answers that couriers hear.

        Args:
            seconds: bound on the wait.
            outlives: whether couriers hear the answers to what is still being sent then. Without them, the answers
                would be lost, so they are waited for: each request has a bound of its own.
        """
        self.has_left = True
        with anyio.move_on_after(seconds if outlives else None):
            while any(scope.shield for scope in self.sending):  # noqa: ASYNC110 - a short and rare wait
                await anyio.sleep(LEAVE_LOOK)
        for scope in self.sending:
            scope.shield = False
