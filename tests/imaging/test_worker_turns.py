"""How many workers there are, and what happens to work that waits for one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from imagewright.imaging import limiter, workers
from imagewright.imaging.limiter import Piece, decode
from imagewright.imaging.workers import WORKERS, DecoderError, Workers
from tests.support.pictures import photo

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio


@pytest.fixture
def fresh() -> Iterator[Workers]:
    """The workers of this process, of which there are none yet."""
    WORKERS.close()
    yield WORKERS
    WORKERS.close()


async def test_work_beyond_the_workers_waits_for_one(fresh: Workers) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(4 * limiter.MOST_AT_ONCE):
            group.start_soon(partial(decode, workers.probe, photo(), per_pixel=0))
    assert 1 <= fresh.count == len(fresh.idle) <= limiter.MOST_AT_ONCE


async def test_a_caller_that_is_cancelled_while_it_waits_costs_no_worker(fresh: Workers) -> None:
    await decode(workers.probe, photo(), per_pixel=0)
    (one,) = fresh.idle
    given_up = Piece(0)
    given_up.end()
    with pytest.raises(DecoderError):
        await anyio.to_thread.run_sync(workers.probe, given_up, photo())
    assert fresh.idle == [one]


async def test_no_more_workers_are_warmed_up_than_there_may_be(fresh: Workers) -> None:
    for wanted in (1, 1000, 1000):
        fresh.warm_up(wanted)
        assert fresh.count == min(wanted, limiter.MOST_AT_ONCE)
    with anyio.fail_after(30):
        while len(fresh.idle) < fresh.count:  # noqa: ASYNC110 - they are started by threads
            await anyio.sleep(0.01)
