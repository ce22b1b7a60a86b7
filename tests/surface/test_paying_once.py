"""Racing calls against a budget, and a client that gives up too early: what the vendor was asked to do is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.kill_runs import given, plain_route
from tests.support.raw_client import MODERN, RawClient
from tests.support.vendors import environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulators.kie import KieEmulator

ROUTE = plain_route("kie")
TOOL, PRICE = ROUTE.tool, ROUTE.price.usd or 0.0
CALLS, ROOM = 50, 20


def server(kie: KieEmulator, home: Path, **env: str) -> RawClient:
    own = {"IMAGEWRIGHT_HOME": str(home)} | environment({"kie": kie})
    return RawClient(MODERN, env=own | env, quick=True)


def ask(client: RawClient, prompt: str) -> int:
    return client.begin("tools/call", {"name": TOOL, "arguments": given(ROUTE, prompt)})


def refused(answer: dict[str, Any]) -> bool:
    return bool(answer["result"].get("isError"))


def test_racing_calls_of_two_servers_never_overshoot_the_day(kie: KieEmulator, home: Path) -> None:
    limit = {"IMAGEWRIGHT_BUDGET_PER_DAY": f"{PRICE * (ROOM + 0.5):.6f}"}
    with server(kie, home, **limit) as one, server(kie, home, **limit) as other:
        begun = {
            client: [ask(client, f"{number} of {id(client)}") for number in range(CALLS // 2)]
            for client in (one, other)
        }
        answers = [answer for client, ids in begun.items() for answer in client.answers(ids).values()]
    assert len(kie.charges) == ROOM
    assert sum(not refused(answer) for answer in answers) == ROOM
    texts = [answer["result"]["content"][0]["text"] for answer in answers if refused(answer)]
    assert len(texts) == CALLS - ROOM
    assert all("for this day" in text for text in texts)


def test_a_client_that_gave_up_gets_the_picture_with_its_next_call_and_pays_once(kie: KieEmulator, home: Path) -> None:
    with server(kie, home, IMAGEWRIGHT_WAIT="0.01") as client:
        first = client.call(TOOL, {"prompt": "a heron"})["structuredContent"]
        assert first["status"] == "running"
        assert first["images"] == []
        again = client.call(TOOL, {"prompt": "a heron"})["structuredContent"]
        assert again["job_id"] == first["job_id"]
        done = client.call("image_job", {"job_id": first["job_id"], "wait": 30})["structuredContent"]["jobs"][0]
        assert done["status"] == "completed"
        assert len(done["images"]) == 1
    assert len(kie.charges) == 1


def test_a_cancelled_request_loses_nothing(kie: KieEmulator, home: Path) -> None:
    with server(kie, home) as client:
        request = ask(client, "an owl")
        meta = {"requestId": request, "reason": "the client's own time limit"}
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": meta})
        answer = client.answers([ask(client, "an owl")]).popitem()[1]
    assert not refused(answer)
    assert len(answer["result"]["structuredContent"]["images"]) == 1
    assert len(kie.charges) == 1


def test_the_same_key_is_the_same_job_in_every_process(kie: KieEmulator, home: Path) -> None:
    key = {"imagewright/idempotency-key": "order-17"}
    jobs = set()
    for _ in range(2):
        with server(kie, home) as client:
            client.meta = key
            answer = client.answers([ask(client, "a stork")]).popitem()[1]
            jobs.add(answer["result"]["structuredContent"]["job_id"])
            other = client.answers([ask(client, "a stork in flight")]).popitem()[1]
            assert refused(other)
            assert f"given to another call before, {answer['result']['structuredContent']['job_id']}" in str(other)
    assert len(jobs) == 1
    assert len(kie.charges) == 1
