"""What an answer is worth, and what a run is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from evals.__main__ import evals
from evals.answer import Answer, read_answers
from evals.request import Condition, Request, load_requests
from evals.results import MARKERS, README, page, record, save
from evals.score import holds, judge, judge_all, table
from evals.shown import Understood
from tests.evals.right_answers import right_answers

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = load_requests()
VALUES = {"prompt": "Two red APPLES", "images": ["/a.png", "/b.png"], "seed": 7, "shape": "auto", "variants": 1}
FOUND = Understood("", VALUES, {"shape": "auto", "variants": 1})
CONDITIONS: list[tuple[dict[str, Any], bool]] = [
    ({"argument": "seed", "equals": 7}, True),
    ({"argument": "seed", "equals": 8}, False),
    ({"argument": "variants", "equals": 1}, True),
    ({"argument": "images", "equals": ["/b.png", "/a.png"]}, False),
    ({"argument": "shape", "one_of": ["auto", "1:1"]}, True),
    ({"argument": "model", "one_of": ["4.5", ""]}, True),
    ({"argument": "model", "one_of": ["4.5"]}, False),
    ({"argument": "prompt", "contains": ["apples", "two"]}, True),
    ({"argument": "prompt", "contains": ["apples", "pear"]}, False),
    ({"argument": "images", "contains": ["/b.png"]}, True),
    ({"argument": "images", "contains": ["b.png"]}, False),
    ({"argument": "prompt", "matches": r"(?i)\bapple"}, True),
    ({"argument": "model", "matches": "."}, False),
    ({"argument": "seed", "at_least": 7, "at_most": 7}, True),
    ({"argument": "seed", "at_most": 6}, False),
    ({"argument": "model", "at_least": 0}, False),
    ({"argument": "model", "absent": True}, True),
    ({"argument": "shape", "absent": True}, True),
    ({"argument": "seed", "absent": True}, False),
    ({"any": [{"argument": "seed", "equals": 8}, {"argument": "seed", "equals": 7}]}, True),
    ({"any": [{"argument": "seed", "equals": 8}, {"argument": "model", "equals": "x"}]}, False),
]


@pytest.mark.parametrize(("condition", "met"), CONDITIONS, ids=str)
def test_a_condition_holds_or_not(condition: dict[str, Any], *, met: bool) -> None:
    assert holds(Condition.model_validate(condition), FOUND) == met


def _request(**changes: Any) -> Request:
    plain = {"id": "x", "kind": "k", "turns": ({"user": "u"},), "accept": ("nano_banana",), "why": "because it is so"}
    return Request.model_validate(plain | changes)


def _call(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"tool": tool, "arguments": arguments}


FOX = _call("nano_banana", prompt="a fox")
ANSWERS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], tuple[bool, bool | None, bool | None, int]]] = {
    "right": ({}, [FOX], (True, True, None, 0)),
    "no call where one is due": ({}, [], (False, None, None, 0)),
    "a call too many": ({}, [FOX, FOX], (False, True, None, 0)),
    "as many calls as are right": ({"calls": 2}, [FOX, FOX], (True, True, None, 0)),
    "one of two calls refused": ({"calls": 2}, [FOX, _call("nano_banana")], (True, False, None, 0)),
    "unknown argument": ({}, [_call("nano_banana", prompt="a fox", steps=3)], (True, False, None, 0)),
    "beyond the row": ({}, [_call("nano_banana", prompt="a fox", resolution="8K")], (True, False, None, 0)),
    "no vendor serves it": (
        {"accept": ("flux_kontext",), "setup": {"providers": ("kie",)}},
        [_call("flux_kontext", prompt="a fox", guidance=9)],
        (True, False, None, 0),
    ),
    "what a client sends by mistake": ({}, [_call("nano_banana", prompt="a fox", images=[])], (True, True, None, 0)),
    "the wrong tool": ({}, [_call("qwen", prompt="a fox")], (False, True, None, 0)),
    "paid where none fits": ({"accept": ("none",)}, [FOX], (False, True, None, 1)),
    "a look where words are right": ({"accept": ("none",)}, [_call("image_guide")], (True, True, None, 0)),
    "two looks at once": (
        {"accept": ("image_gallery",)},
        [_call("image_gallery", text="a"), _call("image_gallery", text="b")],
        (True, True, None, 0),
    ),
    "not as asked": (
        {"where": ({"argument": "aspect_ratio", "equals": "16:9"},)},
        [FOX],
        (True, True, False, 0),
    ),
    "a condition of another tool": (
        {"where": ({"tool": "qwen", "argument": "seed", "equals": 1},)},
        [FOX],
        (True, True, None, 0),
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_is_judged(case: str) -> None:
    changes, calls, wanted = ANSWERS[case]
    request = _request(**changes)
    verdict = judge(request, Answer.model_validate({"id": request.key, "calls": calls}))
    assert (verdict.tool, verdict.passes, verdict.asked, verdict.paid) == wanted
    assert verdict.right == (wanted[0] and wanted[1] is not False and wanted[2] is not False)


def _lines(answers: list[Answer]) -> str:
    return "".join(answer.model_dump_json() + "\n" for answer in answers)


RIGHT = {request.key: next(right_answers(request)) for request in REQUESTS}


def test_the_score_is_good_only_where_all_figures_are(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    free = next(request for request in REQUESTS if request.accept == ("none",))
    paid = Answer.model_validate({"id": free.key, "calls": [FOX]})
    outcomes = {}
    for name, answers in {"all": RIGHT, "one paid": RIGHT | {free.key: paid}}.items():
        file.write_text(_lines(list(answers.values())), encoding="utf-8")
        done = CliRunner().invoke(evals, ["score", str(file)])
        outcomes[name] = (done.exit_code, free.name in done.output)
    assert outcomes == {"all": (0, False), "one paid": (1, True)}


def test_a_missing_answer_is_a_miss_unless_part_of_them_is_scored() -> None:
    few = dict(list(RIGHT.items())[:5])
    assert judge_all(REQUESTS, few).whole.tool == 5
    assert not judge_all(REQUESTS, few).whole.good
    assert judge_all(REQUESTS, few, partial=True).whole.good
    with pytest.raises(ValueError, match="there is no request q0"):
        judge_all(REQUESTS, {"q0": Answer(id="q0")})


def test_answers_are_read_as_people_write_them(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text(
        '```json\n{"id": "a", "tool": "qwen", "arguments": {"prompt": "x"}}\n\n{"id": "b", "tool": "none"}\n'
        '{"id": "a", "calls": [{"tool": "recraft", "arguments": {"image": "/x.png"}}]}\n```\n',
        encoding="utf-8",
    )
    read = read_answers([file])
    assert {name: [call.tool for call in answer.calls] for name, answer in read.items()} == {"a": ["recraft"], "b": []}
    file.write_text('{"id": "a"}\n{"id": "b", "toll": "qwen"}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="line 2"):
        read_answers([file])


def test_pages_have_every_request_once_and_tell_no_name(tmp_path: Path) -> None:
    done = CliRunner().invoke(evals, ["prompts", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    whole = "\n".join(file.read_text(encoding="utf-8") for file in tmp_path.iterdir())
    assert {request.key: whole.count(f"### {request.key}\n") for request in REQUESTS} == dict.fromkeys(RIGHT, 1)
    assert [request.name for request in REQUESTS if request.name in whole] == []


def test_a_line_of_prompts_holds_what_the_model_needs(tmp_path: Path) -> None:
    out = tmp_path / "prompts.jsonl"
    done = CliRunner().invoke(evals, ["prompts", "--out", str(out), "off", "gallery/yesterday"])
    assert done.exit_code == 0, done.output
    lines = {one["id"]: one for one in map(json.loads, out.read_text(encoding="utf-8").splitlines())}
    chosen = [request for request in REQUESTS if request.kind == "off" or request.name == "gallery/yesterday"]
    assert lines.keys() == {request.key for request in chosen}
    for request in chosen:
        line, off = lines[request.key], set(request.setup.off)
        names = {tool["function"]["name"] for tool in line.get("tools", ())}
        system = line["messages"][0]["content"]
        assert names.isdisjoint(off)
        assert [tool for tool in off if tool in system] == []
        assert not request.today or "Thursday, 2026-11-26" in system


def test_results_make_the_table(tmp_path: Path) -> None:
    report = judge_all(REQUESTS, dict(list(RIGHT.items())[:5]), partial=True)
    assert table(report)[-1].split()[:2] == ["all", "5"]
    for day, judge_name in (("2026-01-01", "Older"), ("2026-02-01", "Newer")):
        save(judge_name, record(report, judge=judge_name, day=day, how="pages"), tmp_path)
    text = page("\n".join(["before", *MARKERS, "after"]), tmp_path)
    assert text.index("Newer") < text.index("Older")
    assert "5 of 5 (100.0 %)" in text


def test_the_table_in_the_readme_is_the_one_of_the_results() -> None:
    text = README.read_text(encoding="utf-8")
    assert page(text) == text
