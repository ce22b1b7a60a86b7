"""Every request can be answered as it wants to be, and says so of no other answer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from evals.answer import Answer, Call
from evals.request import NONE, PAID, Request, load_requests
from evals.score import judge
from evals.shown import offer_of
from imagewright.engine.offer import tool_names
from tests.evals.right_answers import right_answers

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = load_requests()
KINDS = dict.fromkeys(request.kind for request in REQUESTS)


def _of(kind: str) -> list[Request]:
    return [request for request in REQUESTS if request.kind == kind]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_request_asks_for_can_be_had(kind: str) -> None:
    faults = {
        (request.name, answer.calls[0].tool if answer.calls else NONE): verdict.faults
        for request in _of(kind)
        for answer in right_answers(request)
        if (verdict := judge(request, answer)).faults or verdict.paid
    }
    assert faults == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tool_that_is_not_acceptable_is_wrong(kind: str) -> None:
    for request in _of(kind):
        for tool in {*tool_names(), NONE} - request.right:
            verdict = judge(request, Answer(id=request.key, calls=() if tool == NONE else (Call(tool=tool),)))
            assert not verdict.tool, f"{request.name}: {tool}"
            assert verdict.paid == (tool in PAID and PAID.isdisjoint(request.accept)), f"{request.name}: {tool}"


def test_every_acceptable_tool_is_on() -> None:
    hidden = {
        request.name: missing
        for request in REQUESTS
        if (missing := set(request.accept) - {NONE} - set(offer_of(request.setup).names))
    }
    assert hidden == {}


def test_what_is_on_is_what_the_setup_says() -> None:
    setups = {request.setup for request in REQUESTS}
    assert any(setup.on == () for setup in setups)
    for setup in setups:
        on = set(offer_of(setup).names)
        assert on.isdisjoint(setup.off), setup.name
        assert setup.on is None or on & PAID == set(setup.on) & PAID, setup.name


def test_there_are_enough_of_them_and_every_tool_is_right_somewhere() -> None:
    first = Counter(request.accept[0] for request in REQUESTS)
    assert len(REQUESTS) >= 160
    assert len(KINDS) >= 12
    assert {tool: first[tool] for tool in (*tool_names(), NONE) if first[tool] < 1} == {}
    assert min(first[tool] for tool in PAID) >= 10


NAMED = 'id = "x"\nuser = "y"'
BAD = {
    "an unknown tool": 'accept = ["dalle"]',
    "a tool that is off": 'off = ["qwen"]\naccept = ["qwen"]',
    "an unknown operator": 'accept = ["qwen"]\nwhere = [{ argument = "prompt", like = "x" }]',
    "a condition that says nothing": 'accept = ["qwen"]\nwhere = [{ argument = "prompt" }]',
    "an unknown provider": 'accept = ["qwen"]\nproviders = ["nobody"]',
    "an unknown sample": 'accept = ["qwen"]\nattached = ["nothing.jpg"]',
    "the same name twice": f'accept = ["qwen"]\nwhy = "because it is so"\n[[request]]\n{NAMED}\naccept = ["none"]',
}


@pytest.mark.parametrize("entry", BAD.values(), ids=BAD)
def test_a_wrong_entry_is_refused_with_its_name(entry: str, tmp_path: Path) -> None:
    text = f'[[request]]\n{NAMED}\n{entry}\nwhy = "because it is so"\n'
    (tmp_path / "kind.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"kind(\.toml, |/)x"):
        load_requests(tmp_path)
