"""Short blocking work: what waits at the same time goes to a thread together, and each caller gets its own outcome."""

from __future__ import annotations

import asyncio
import threading

import anyio
import anyio.to_thread
import pytest

from imagewright.storage.batches import QUICK, Batches

pytestmark = pytest.mark.anyio


class Held:
    """Work that takes until it is let go."""

    def __init__(self) -> None:
        self._begun, self.go = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self._begun.set()
        assert self.go.wait(30)
        return "held"

    async def begun(self) -> None:
        assert await anyio.to_thread.run_sync(self._begun.wait, 30)


async def test_what_waits_is_done_in_its_order_and_by_one_thread() -> None:
    batches, held, done = Batches(1), Held(), list[tuple[int, int]]()

    def note(number: int) -> None:
        done.append((number, threading.get_ident()))

    async with anyio.create_task_group() as group:
        group.start_soon(batches.run, held)
        await held.begun()
        for number in range(50):
            group.start_soon(batches.run, note, number)
        await anyio.wait_all_tasks_blocked()
        assert not done
        held.go.set()
    assert [number for number, _ in done] == list(range(50))
    assert len({thread for _, thread in done}) == 1


async def test_work_that_takes_long_does_not_hold_up_the_other_threads() -> None:
    batches, held = Batches(2), Held()
    async with anyio.create_task_group() as group:
        group.start_soon(batches.run, held)
        await held.begun()
        with anyio.fail_after(30):
            assert await batches.run(divmod, 7, 2) == (3, 1)
        held.go.set()


async def test_where_the_disk_is_slow_more_threads_are_taken_than_begin_at_once() -> None:
    batches, slow = Batches(QUICK + 2), [Held() for _ in range(QUICK + 1)]
    async with anyio.create_task_group() as group:
        for held in slow:
            group.start_soon(batches.run, held)
            await held.begun()
        with anyio.fail_after(30):
            assert await batches.run(divmod, 7, 2) == (3, 1)
        for held in slow:
            held.go.set()


async def test_an_error_is_raised_for_its_own_caller_alone() -> None:
    batches, results = Batches(1), list[object]()

    async def divide(by: int) -> None:
        try:
            results.append(await batches.run(divmod, 6, by))
        except ZeroDivisionError as error:
            results.append(type(error))

    async with anyio.create_task_group() as group:
        for by in (1, 0, 2):
            group.start_soon(divide, by)
    assert results == [(6, 0), ZeroDivisionError, (3, 0)]


async def test_a_caller_that_is_cancelled_waits_for_what_has_begun() -> None:
    batches, held, ended = Batches(1), Held(), list[str]()
    scope = anyio.CancelScope()

    async def cancelled() -> None:
        with scope:
            ended.append(await batches.run(held))

    async with anyio.create_task_group() as group:
        group.start_soon(cancelled)
        await held.begun()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        assert not ended
        held.go.set()
    assert ended == ["held"]


async def test_one_that_is_cancelled_already_does_nothing() -> None:
    done: list[int] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await Batches(1).run(done.append, 1)
    assert not done


async def test_nobody_hangs_when_asyncio_itself_cancels_another() -> None:
    """As `asyncio.wait_for` does in a program that embeds the engine: no shield holds against it."""
    batches, held = Batches(1), Held()
    first = asyncio.create_task(batches.run(held))
    await held.begun()
    other = asyncio.create_task(batches.run(divmod, 7, 2))
    await anyio.wait_all_tasks_blocked()
    first.cancel()
    await asyncio.wait([first], timeout=30)
    assert first.cancelled()
    held.go.set()
    with anyio.fail_after(30):
        assert await other == (3, 1)


def test_it_works_in_another_loop_whatever_the_last_one_left_undone() -> None:
    batches, held = Batches(1), Held()

    async def leave() -> None:
        task = asyncio.create_task(batches.run(held))
        await held.begun()
        task.cancel()

    asyncio.run(leave())
    held.go.set()

    async def again() -> tuple[int, int]:
        with anyio.fail_after(30):
            return await batches.run(divmod, 7, 2)

    assert asyncio.run(again()) == (3, 1)
