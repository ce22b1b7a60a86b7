"""A real server is killed in every state a call can be in; in the end the vendor's books and the user's agree.

The large version, hundreds of times and at random, is `benchmarks/kill.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.storage.states import CallState
from tests.emulators.messages import Answer
from tests.support.kill_runs import Aim, House
from tests.support.slow_vendors import AnyVendor, SlowFal, SlowKie, SlowOpenAI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROMPT = "A red kite over the sea"
LEASE = 2.0
"""Seconds: long enough for a living server to renew it on a busy machine."""
TRIES = 30
"""How often a state that lasts for milliseconds is aimed at."""


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    with SlowKie() as kie:
        house = House(home, kie)
        yield house


@pytest.mark.parametrize("vendor", [SlowKie, SlowFal])
def test_a_server_that_dies_in_any_state_loses_nothing_and_pays_nothing_twice(
    vendor: type[AnyVendor], home: Path
) -> None:
    with vendor() as emulator:
        house = House(home, emulator)
        die_in_every_state(house)


def die_in_every_state(house: House) -> None:
    for aim in Aim:
        if aim in {Aim.PLANNED, Aim.SAVING}:
            aim_at(house, aim, calls=3)
            continue
        with house.held(aim), house.server() as server:
            house.begin(server, f"{PROMPT}, {aim}", variants=2)
            assert house.kill(server, aim).hit
    with house.server():
        house.wait_until_settled(len(Aim))
    audit = house.audit()
    audit.check()
    assert set(audit.calls) == {CallState.KEPT}


def aim_at(house: House, aim: Aim, calls: int = 1) -> None:
    """Kill a server that has so many calls in a moment that no vendor can prolong.

    A try that comes too late does no harm.
    """
    for attempt in range(TRIES):
        with house.server() as server:
            for number in range(calls):
                house.begin(server, f"{PROMPT}, {aim} {attempt} {number}")
            if house.kill(server, aim).hit:
                return
    raise AssertionError(f"no server died while {aim}")


def test_pictures_that_came_with_the_answer_outlive_the_server(home: Path) -> None:
    with SlowOpenAI() as vendor:
        house = House(home, vendor)
        aim_at(house, Aim.SAVING)
        begun, kept = len(house.jobs()), len(house.pictures())
        assert kept < begun
        with house.server():
            house.wait_until_settled(begun)
        assert {call.state for job in house.jobs() for call in job.calls} == {CallState.KEPT}
        assert len(house.pictures()) == begun
        assert len(vendor.charges) == len(vendor.received(vendor.submits)) == begun


def test_a_living_server_takes_over_from_a_dead_one_and_leaves_a_living_one_alone(house: House) -> None:
    house.vendor.lags = dict.fromkeys((house.vendor.submits, "download"), 1.5 * LEASE)
    lease = {"IMAGEWRIGHT_LEASE": f"{LEASE:g}"}
    with house.server(**lease) as living, house.server(**lease) as dying:
        house.begin(living, f"{PROMPT}, living")
        house.begin(dying, f"{PROMPT}, dying")
        house.kill(dying, Aim.SUBMITTED)
        house.wait_until_settled(2)
    house.audit().check()
    for job in house.jobs():
        taken_over = any("carried on by another" in note for note in job.notes)
        assert taken_over == ("dying" in job.plan["spec"]["prompt"])
        assert {call.state for call in job.calls} == {CallState.KEPT}


def test_a_connection_that_breaks_during_the_submit_is_reported_and_never_sent_again(house: House) -> None:
    house.vendor.fail_next(house.vendor.submits, Answer.reset(), after=True)
    with house.server() as server:
        answer = server.answer(house.begin(server, PROMPT))["result"]
    audit = house.audit()
    audit.check()
    assert audit.calls == {CallState.UNKNOWN: 1}
    assert (sum(audit.submits.values()), audit.tasks) == (1, 1)
    assert answer["isError"] is True
    assert "may have been charged" in answer["content"][0]["text"]
    assert "look in the vendor's own history" in answer["content"][0]["text"]


def test_a_vendor_that_answers_late_is_waited_for_by_its_job_and_not_by_the_client(house: House) -> None:
    with house.server(IMAGEWRIGHT_WAIT="0.5") as server:
        with house.held(Aim.SUBMITTING):
            answer = server.answer(house.begin(server, PROMPT))["result"]
            assert answer["structuredContent"]["status"] == "running"
        found = server.call("image_job", {"job_id": answer["structuredContent"]["job_id"], "wait": 20})
        assert found["structuredContent"]["jobs"][0]["status"] == "completed"
    audit = house.audit()
    audit.check()
    assert audit.calls == {CallState.KEPT: 1}
