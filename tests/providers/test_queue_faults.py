"""The vendors that take their time: each fault in each one's words, at the submit, the pictures, the polls, the stop.

The words stand in the vendor's cases; what can go wrong nowhere else is tried in its own folder.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from tests.emulators.messages import Answer
from tests.support import faults
from tests.support.faults import SENDS
from tests.support.faults_queued import check_doubtful, check_poll, check_submit, check_upload
from tests.support.provider_runs import plain_order, submitted
from tests.support.vendors import QUEUES, VENDORS, submitted_to

if TYPE_CHECKING:
    from imagewright.providers.base import Order, Provider
    from tests.support.vendors import AnyEmulator

pytestmark = pytest.mark.anyio

SUBMITS = [(name, row) for name, queue in QUEUES.items() for row in queue.submit]
REFUSED = [(name, row) for name, row in SUBMITS if QUEUES[name].submit[row].sends == SENDS]
UPLOADS = [(name, door) for name, queue in QUEUES.items() for door in queue.uploads]
POLLS = [(name, door) for name in QUEUES for door in VENDORS[name].polls]
UNHEARD = {"reset": Answer.reset(), "silence": Answer.hang()}
"""What becomes of a request to stop that no answer comes to."""


def _plain(name: str) -> Order:
    return plain_order(QUEUES[name].plain)


def _pictured(name: str) -> Order:
    order = QUEUES[name].pictured
    assert order is not None
    return order


@pytest.mark.parametrize(("name", "row"), SUBMITS)
async def test_a_submit_that_fails(name: str, row: str, emulator: AnyEmulator, provider: Provider) -> None:
    queue = QUEUES[name]
    await check_submit(queue.submit[row], provider, _plain(name), emulator, queue.door)


@pytest.mark.parametrize(("name", "row"), REFUSED)
async def test_a_submit_that_was_plainly_refused_is_sent_again(
    name: str, row: str, emulator: Any, provider: Provider
) -> None:
    queue = QUEUES[name]
    emulator.fail_next(queue.door, queue.submit[row].fault, times=SENDS - 1)
    await submitted(provider, _plain(name))
    assert submitted_to(name, emulator) == SENDS
    assert len(emulator.tasks) == 1


@pytest.mark.parametrize(
    ("name", "door", "row"), [(name, door, row) for name, door in UPLOADS for row in QUEUES[name].uploads[door]]
)
async def test_an_upload_that_fails_costs_nothing_and_starts_nothing(
    name: str, door: str, row: str, emulator: AnyEmulator, provider: Provider
) -> None:
    await check_upload(QUEUES[name].uploads[door][row], provider, _pictured(name), emulator, door)


@pytest.mark.parametrize(("name", "door"), UPLOADS)
async def test_an_upload_that_broke_is_sent_again(
    name: str, door: str, emulator: AnyEmulator, provider: Provider
) -> None:
    emulator.fail_next(door, Answer.reset(), times=2)
    await submitted(provider, _pictured(name))
    assert len(emulator.received(door)) == 3


@pytest.mark.parametrize(
    ("name", "door", "row"), [(name, door, row) for name, door in POLLS for row in QUEUES[name].poll]
)
async def test_a_poll_that_fails_leaves_the_task_alone(
    name: str, door: str, row: str, emulator: AnyEmulator, provider: Provider
) -> None:
    await check_poll(QUEUES[name].poll[row], provider, await submitted(provider, _plain(name)), emulator, door)


@pytest.mark.parametrize(
    ("name", "door", "row"), [(name, door, row) for name, door in POLLS for row in QUEUES[name].doubtful]
)
async def test_a_poll_that_may_end_the_task_is_not_believed_at_once(
    name: str, door: str, row: str, emulator: AnyEmulator, provider: Provider
) -> None:
    await check_doubtful(QUEUES[name].doubtful[row], provider, await submitted(provider, _plain(name)), emulator, door)


@pytest.mark.parametrize(
    ("name", "row"),
    [(name, row) for name, queue in QUEUES.items() if queue.stops for row in (*UNHEARD, "gateway broken", "bad key")],
)
async def test_a_cancel_that_fails_breaks_nothing(
    name: str, row: str, emulator: AnyEmulator, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    heard = {"gateway broken": faults.BROKEN, "bad key": QUEUES[name].poll["bad key"].fault}
    caplog.set_level(logging.INFO)
    handle = await submitted(provider, _plain(name))
    emulator.fail_next("cancel", (UNHEARD | heard)[row])
    assert await provider.cancel(handle) is False
    assert len(emulator.received("cancel")) == 1
    assert ("could not be asked to stop" in caplog.text) == (row in UNHEARD)


@pytest.mark.parametrize("name", [name for name, queue in QUEUES.items() if not queue.stops])
async def test_a_vendor_that_cannot_be_asked_to_stop_is_not_asked(
    name: str, emulator: AnyEmulator, provider: Provider
) -> None:
    handle = await submitted(provider, _plain(name))
    asked = len(emulator.requests)
    assert await provider.cancel(handle) is False
    assert len(emulator.requests) == asked
