"""The faults any vendor can have that takes its time, and what each must come to.

Each such vendor has its own words for them in a `Queue` of its cases; `providers/test_queue_faults.py` tries all of
them on all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import ProviderError, TaskEnded
from imagewright.providers.base import Finished, Running
from tests.support.faults import check_error, plan
from tests.support.provider_runs import handed_over, ordered
from tests.support.replies import ended
from tests.support.vendors import VENDORS, submitted_to

if TYPE_CHECKING:
    from imagewright.providers.base import Handle, Order, Provider
    from tests.support.faults import Case


async def check_submit(case: Case, provider: Provider, order: Order, emulator: Any, door: str) -> None:
    """A submit that fails is sent no more often than the case allows, and begins a task only if the case says so."""
    plan(emulator, door, case)
    with pytest.raises(ProviderError) as caught:
        await ordered(provider, order)
    check_error(caught.value, case, provider.name, emulator.key)
    assert len(emulator.received(door)) == submitted_to(provider.name, emulator) == case.sends
    assert len(emulator.tasks) == int(case.worked)
    assert not emulator.charges


async def check_upload(case: Case, provider: Provider, order: Order, emulator: Any, door: str) -> None:
    """A picture that cannot be uploaded costs nothing and starts nothing."""
    plan(emulator, door, case)
    with pytest.raises(ProviderError) as caught:
        await handed_over(provider, order)
    check_error(caught.value, case, provider.name, emulator.key)
    assert len(emulator.received(door)) == case.sends
    assert not submitted_to(provider.name, emulator)


async def check_poll(case: Case, provider: Provider, handle: Handle, emulator: Any, door: str) -> None:
    """What is wrong with asking costs one question, and leaves the task as it was."""
    over = door != VENDORS[provider.name].polls[0]
    if over:  # only then is anything asked there
        emulator.seconds = 0.0
    plan(emulator, door, case)
    with pytest.raises(ProviderError) as caught:
        await provider.poll(handle)
    check_error(caught.value, case, provider.name, emulator.key)
    assert len(emulator.received(door)) == 1
    assert isinstance(await provider.poll(handle), Finished if over else Running)
    assert submitted_to(provider.name, emulator) == 1


async def check_doubtful(case: Case, provider: Provider, handle: Handle, emulator: Any, door: str) -> None:
    """What may end a task when one asks how it stands is not believed at once, and admits what it may have cost."""
    emulator.seconds = 0.0
    plan(emulator, door, case)
    with pytest.raises(TaskEnded) as caught:
        await provider.poll(handle)
    check_error(ended(caught.value, sure=False), case, provider.name, emulator.key)
    assert isinstance(await provider.poll(handle), Finished)
