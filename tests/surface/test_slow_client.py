"""Clients that give up, and clients that leave: unlike a cancel, they lose nothing and pay once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.storage.states import CallState
from tests.support.kill_runs import Aim, House, plain_route
from tests.support.quick_server import SURE_WAIT
from tests.support.raw_client import LEGACY, MODERN, RawClient
from tests.support.slow_vendors import SlowFal, SlowKie

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROMPT = "a heron"
CLIENT_SECONDS = "0.2"
LONG = 60.0
"""Seconds for which a vendor is at work where the picture is not to come."""


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    with SlowKie() as kie:
        house = House(home, kie)
        kie.seconds = 0.0
        yield house


def give_up(server: RawClient, request: int) -> None:
    meta = {"requestId": request, "reason": "the client's own time limit"}
    server.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": meta})


def data(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["result"]["structuredContent"]
    return found


def call(house: House, server: RawClient) -> dict[str, Any]:
    request = house.begin(server, PROMPT)
    return data(server.answers([request])[request])


@pytest.mark.parametrize(
    ("revision", "aim"),
    [(LEGACY[-1], Aim.SUBMITTING), (MODERN, Aim.SUBMITTED), (MODERN, Aim.FETCHING)],
)
def test_whoever_gives_up_and_calls_again_gets_the_picture_of_the_first_call(
    house: House, revision: str, aim: Aim
) -> None:
    with house.server(revision) as server:
        with house.held(aim):
            request = house.begin(server, PROMPT)
            house.wait_for(aim)
            give_up(server, request)
            again = house.begin(server, PROMPT)
        found = data(server.answers([again])[again])
    assert found["status"] == "completed"
    assert len(found["images"]) == 1
    audit = house.audit()
    audit.check()
    assert len(audit.jobs) == len(audit.charges) == 1


def test_an_end_that_came_after_the_clients_patience_is_given_once_and_then_the_call_is_new(house: House) -> None:
    with house.server(IMAGEWRIGHT_WAIT=CLIENT_SECONDS) as server:
        with house.held(Aim.SUBMITTED):
            first = call(house, server)
            assert first["status"] == "running"
        house.wait_until_settled(1)
        parts = call(house, server)
        assert (parts["job_id"], parts["status"], len(parts["images"])) == (first["job_id"], "completed", 1)
        assert any("repeats an earlier one" in note for note in parts["notes"])
        assert call(house, server)["job_id"] != first["job_id"]
        house.wait_until_settled(2)
    assert len(house.audit().charges) == 2


def test_whoever_gives_up_silently_gets_the_picture_with_the_next_call_however_often_it_tries(house: House) -> None:
    with house.server() as server:
        with house.held(Aim.SUBMITTED):
            lost = [house.begin(server, PROMPT)]
            house.wait_for(Aim.SUBMITTED)
            lost += [house.begin(server, PROMPT) for _ in range(3)]  # as impatient: nobody reads what comes late
            server.ask("tools/list")  # by now the server has read all of them
            late = time.monotonic() + SURE_WAIT
            while time.monotonic() <= late:  # an answer that comes sooner counts as heard
                server.ask("tools/list")
        jobs = {data(answer)["job_id"] for answer in server.answers(lost).values()}
        parts = call(house, server)
        assert {parts["job_id"]} == jobs
        assert (parts["status"], len(parts["images"])) == ("completed", 1)
        assert any("For another picture of the same, call once more" in note for note in parts["notes"])
        assert len(house.audit().charges) == 1
        assert call(house, server)["job_id"] not in jobs


def test_a_repeated_call_is_neither_asked_about_its_price_nor_refused_for_want_of_money(house: House) -> None:
    money = {"IMAGEWRIGHT_BUDGET_PER_DAY": "0.01", "IMAGEWRIGHT_CONFIRM_ABOVE": "0.001"}
    with house.server(IMAGEWRIGHT_WAIT=CLIENT_SECONDS) as server:
        with house.held(Aim.SUBMITTED):
            first = call(house, server)
        house.wait_until_settled(1)
    with house.server(**money) as server:
        assert call(house, server)["job_id"] == first["job_id"]
        refusal = server.call(plain_route("kie").tool, {"prompt": f"{PROMPT}, another"})
        assert "confirm_above" in refusal["content"][0]["text"]
    assert len(house.audit().charges) == 1


def test_a_client_that_closes_its_end_leaves_the_job_to_the_next_server(house: House) -> None:
    with house.held(Aim.SUBMITTED), house.server() as server:
        house.begin(server, PROMPT)
        house.wait_for(Aim.SUBMITTED)
    (job,) = house.jobs()
    assert not job.done
    with house.server() as server:
        found = call(house, server)
    assert (found["job_id"], found["status"], len(found["images"])) == (job.id, "completed", 1)
    audit = house.audit()
    audit.check()
    assert len(audit.charges) == 1


def test_an_asked_for_cancel_reaches_the_vendor_and_says_what_may_be_charged(home: Path) -> None:
    with SlowFal() as fal, (house := House(home, fal)).server(IMAGEWRIGHT_WAIT=CLIENT_SECONDS) as server:
        fal.seconds = LONG
        first = call(house, server)
        assert first["status"] == "running"
        house.wait_for(Aim.SUBMITTED)
        answer = server.call("image_job", {"job_id": first["job_id"], "action": "cancel"})
        found = answer["structuredContent"]["jobs"][0]
        assert found["status"] == "cancelled"
        assert "Cancelled" in answer["content"][0]["text"]
        assert any("was asked to stop. What it had begun may still be charged" in note for note in found["notes"])
        assert found["cost"] == first["cost"]
        assert len(fal.received("cancel")) == 1
        assert fal.charges == []
        (job,) = house.jobs()
        assert [one.state for one in job.calls] == [CallState.CANCELLED]


def test_a_vendor_that_cannot_stop_is_reported(house: House) -> None:
    house.vendor.seconds = LONG
    with house.server(IMAGEWRIGHT_WAIT=CLIENT_SECONDS) as server:
        first = call(house, server)
        house.wait_for(Aim.SUBMITTED)
        answer = server.call("image_job", {"job_id": first["job_id"], "action": "cancel"})
    assert any("has no way to stop" in note for note in answer["structuredContent"]["jobs"][0]["notes"])


def test_a_job_of_one_server_is_cancelled_through_another(home: Path) -> None:
    with SlowFal() as fal, (house := House(home, fal)).server() as one, house.server() as other:
        fal.seconds = LONG
        house.begin(one, PROMPT)
        house.wait_for(Aim.SUBMITTED)
        (job,) = house.jobs()
        answer = other.call("image_job", {"job_id": job.id, "action": "cancel"})
        assert answer["structuredContent"]["jobs"][0]["status"] == "cancelled"
        assert len(fal.received("cancel")) == 1
