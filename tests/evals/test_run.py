"""A model behind either API is asked in that API's own form, and its answers are kept whatever happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from evals.answer import read_answers
from evals.apis import ChatCompletions, Messages
from evals.request import load_requests
from evals.run import FIRST_PAUSE, TRIES, RunError, Runner
from evals.score import judge_all
from tests.emulators.messages import Answer
from tests.evals.endpoint import ModelEndpoint
from tests.evals.right_answers import right_answers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evals.apis import Api

pytestmark = pytest.mark.anyio

APIS: dict[str, tuple[type[Api], str, str]] = {
    "messages": (Messages, "messages", ""),
    "chat": (ChatCompletions, "chat", "/v1"),
}
"""By name: the API, the label of its door, and what its base address ends in."""
REQUESTS = load_requests()
EVERY_FORM = [one for one in REQUESTS if one.kind in {"steps", "follow", "paths", "off"}]
"""They have results, previews, attachments, errors, and every setup."""
FEW = [one for one in REQUESTS if one.kind == "vague"][:4]


def _last_text(body: dict[str, Any]) -> str:
    """What the model is to answer: the last text in a body of either API."""
    texts: list[str] = []
    for message in body["messages"]:
        content = message["content"]
        blocks = [content] if isinstance(content, str) else content or []
        for block in blocks:
            inner = block.get("content") if isinstance(block, dict) else None
            for one in inner if isinstance(inner, list) else [block]:
                text = one if isinstance(one, str) else one.get("text", "")
                texts += [text] if text else []
    return texts[-1]


def _as_right(body: dict[str, Any]) -> dict[str, Any]:
    last = _last_text(body)
    request = next(one for one in REQUESTS if last in {one.turns[-1].user, one.turns[-1].result})
    answer = next(right_answers(request))
    calls = [(call.tool, call.arguments) for call in answer.calls]
    return {"calls": calls} if calls else {"text": "Which one?"}


def _words(_body: dict[str, Any]) -> dict[str, Any]:
    return {"text": "Hm."}


def _runner(
    api: str, endpoint: ModelEndpoint, pauses: list[float] | None = None, key: str = ModelEndpoint.key
) -> Runner:
    form, _, ending = APIS[api]

    async def sleep(seconds: float) -> None:
        if pauses is not None:
            pauses.append(seconds)

    return Runner(form(), endpoint.url() + ending, "some-model", key, sleep=sleep)


@pytest.mark.parametrize("api", APIS)
async def test_every_form_of_a_request_is_asked_and_answered(api: str, tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    with ModelEndpoint(_as_right) as endpoint:
        runner = _runner(api, endpoint)
        await runner.run(EVERY_FORM, out)
    report = judge_all(REQUESTS, read_answers([out]), partial=True)
    assert {one.request.name: one.faults for one in report.misses} == {}
    assert report.whole.requests == len(EVERY_FORM) == runner.usage.answers
    assert runner.usage.words(1.0, 10.0).endswith(f"about ${len(EVERY_FORM) * 0.002:.2f}")


@pytest.mark.parametrize("api", APIS)
async def test_a_run_waits_and_asks_again_where_that_can_help(api: str, tmp_path: Path) -> None:
    pauses: list[float] = []
    with ModelEndpoint(_words) as endpoint:
        for fault in (Answer.of({"error": "slow down"}, 429, retry_after="7"), Answer.of({}, 529), Answer.reset()):
            endpoint.fail_next(APIS[api][1], fault)
        runner = _runner(api, endpoint, pauses)
        await runner.run(FEW[:1], tmp_path / "answers.jsonl")
    assert pauses == [7.0, 14.0, 28.0]
    assert (runner.usage.answers, runner.usage.retries) == (1, 3)


@pytest.mark.parametrize("api", APIS)
async def test_a_run_that_stopped_goes_on_where_it_was(api: str, tmp_path: Path) -> None:
    out, pauses = tmp_path / "answers.jsonl", list[float]()
    with ModelEndpoint(_words) as endpoint:
        await _runner(api, endpoint).run(FEW[:2], out)
        endpoint.fail_next(APIS[api][1], Answer.of({"error": "down"}, 503), times=TRIES)
        lone = _runner(api, endpoint, pauses)
        lone.concurrency = 1
        with pytest.raises(RunError, match="503"):
            await lone.run(FEW, out, read_answers([out]))
        assert pauses == [FIRST_PAUSE * 2**number for number in range(TRIES - 1)]
        asked = len(endpoint.requests)
        await _runner(api, endpoint).run(FEW, out, read_answers([out]))
        assert len(endpoint.requests) - asked == len(FEW) - 2
    assert read_answers([out]).keys() == {one.key for one in FEW}


@pytest.mark.parametrize("api", APIS)
async def test_a_refused_question_stops_the_run_at_once(api: str, tmp_path: Path) -> None:
    with ModelEndpoint(_words) as endpoint:
        runner = _runner(api, endpoint, key="wrong")
        runner.concurrency = 1
        with pytest.raises(RunError, match="401"):
            await runner.run(FEW, tmp_path / "answers.jsonl")
        assert len(endpoint.requests) == 1
        assert runner.key not in str(endpoint.requests[0].body)


@pytest.mark.parametrize("api", APIS)
async def test_a_look_into_the_guide_is_served(api: str, tmp_path: Path) -> None:
    def looks_first(body: dict[str, Any]) -> dict[str, Any]:
        if "# Making and changing pictures" in json.dumps(body["messages"]):
            return {"calls": [("nano_banana", {"prompt": "a cat"})]}
        return {"calls": [("image_guide", {})]}

    out = tmp_path / "answers.jsonl"
    with ModelEndpoint(looks_first) as endpoint:
        await _runner(api, endpoint).run(FEW[:1], out)
    answer = read_answers([out])[FEW[0].key]
    assert (answer.looked_up, answer.calls[0].tool) == (("overview",), "nano_banana")


ODD: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "arguments that are no JSON": (lambda _: {"calls": [("nano_banana", '{"prompt": ')]}, "must be an object"),
    "a tool that is not there": (lambda _: {"calls": [("paint", {})]}, "paint; right is nano_banana"),
}


@pytest.mark.parametrize("odd", ODD)
async def test_odd_replies_are_misses_and_no_faults_of_the_run(odd: str, tmp_path: Path) -> None:
    reply, fault = ODD[odd]
    out, request = tmp_path / "answers.jsonl", FEW[0]
    with ModelEndpoint(reply) as endpoint:
        await _runner("chat", endpoint).run([request], out)
    report = judge_all([request], read_answers([out]))
    assert fault in "; ".join(report.misses[0].faults)
