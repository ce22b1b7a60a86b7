"""Every vendor that is asked how a task stands, answer by answer: which of them speak of the task itself.

Only those end a call. Everything else is trouble with asking, which either is shown to the caller or passes by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.engine.trouble import Trouble
from imagewright.errors import TaskEnded
from imagewright.providers.base import Finished
from tests.support.poll_answers import ANYWHERE, DOUBTFUL, ENDED, FINISHED, PASSING, REPORTED, RUNNING, Means
from tests.support.provider_runs import plain_order, submitted
from tests.support.vendors import QUEUES, VENDORS, wired

if TYPE_CHECKING:
    from imagewright.providers.base import Handle, Provider
    from imagewright.providers.http.client import HttpClient
    from tests.support.vendors import AnyEmulator

pytestmark = pytest.mark.anyio


OWN = {(name, door): (queue.plain, rows) for name, queue in QUEUES.items() for door, rows in queue.answers.items()}
"""The route that is tried and the answers in each vendor's own words, by the door they come from."""


async def _meaning(provider: Provider, handle: Handle) -> Means:
    try:
        answer = await provider.poll(handle)
    except TaskEnded as over:
        return ENDED if over.sure else DOUBTFUL
    except Exception as error:  # noqa: BLE001 - as the engine, which takes anything else for trouble with asking
        return REPORTED if Trouble(provider.name, error).notice(provider.poll_policy) else PASSING
    return FINISHED if isinstance(answer, Finished) else RUNNING


@pytest.mark.parametrize(("name", "door"), OWN)
async def test_only_what_is_said_of_the_task_itself_ends_a_call(
    name: str, door: str, emulator: AnyEmulator, http: HttpClient
) -> None:
    provider = wired(name, emulator, http)
    plain, own = OWN[name, door]
    handle = await submitted(provider, plain_order(plain))
    if door != VENDORS[name].polls[0]:  # only then is anything asked there
        emulator.seconds = 0.0
    rows = ANYWHERE | own
    found = {}
    for row, (answer, _) in rows.items():
        emulator.fail_next(door, answer)
        found[row] = await _meaning(provider, handle)
    assert found == {row: means for row, (_, means) in rows.items()}
