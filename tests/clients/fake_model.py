"""A model on this machine that does what it is told, for clients that call a tool only because a model asks for it.

It takes the requests of four interfaces (Anthropic's Messages, OpenAI's Chat Completions and Responses, Google's
generateContent) and asks for one call after the other: the first `Step` whose result is not yet in the conversation.
Then it says that it is done. A request without the wanted tool, such as one for a title, is answered with words.
What it was sent is kept, and read as a model would: which tools it has, and what its calls came to.

    with FakeModel([Step("nano_banana", {"prompt": "a fox"}), Step("image_job", {"job_id": "{job}"})]) as model:
        run_the_client(base_url=f"{model.url()}/v1", key=model.key)
        model.shown[0].pictures
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.clients.dialects import DIALECTS, MODEL, USAGE, Asked, Dialect, Offered, Shown, Turn
from tests.emulators.base import Door, Emulator
from tests.emulators.messages import Answer, Received

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE = "Everything is done."
MARKS = {"{id}": r"img_[a-z0-9]{16}", "{job}": r"job_[a-z0-9]{16}"}
"""What stands in the arguments of a step for something that the model reads in the last results, and its form."""
CALL = "call_step_"
"""What begins the id of a call; then comes its number."""
SEARCH = "call_search_"
"""The same for a search."""
FIRST_SEARCHES = 4
"""How often the first tool is searched for."""
SEARCHES = ("ToolSearch", "tool_search")
"""Tools with which clients let a model look for those that they keep back."""


@dataclass(frozen=True, slots=True)
class Step:
    """A call that the model asks for."""

    tool: str
    """How the server calls the tool; clients put something before the name."""
    arguments: dict[str, Any] = field(default_factory=dict)
    before: Callable[[], None] | None = None
    """Done once, before the model asks for this tool."""


Plan = Callable[[list[Shown]], Step | None]
"""What the model asks for next, by what its calls came to so far; None when it is done."""


class FakeModel(Emulator):
    """The model and what it was sent.

    Args:
        plan: the calls it asks for, or what decides about the next one.
    """

    key = "fake-model-0123456789abcdef"
    pause = 3.0
    """Seconds before a search is done again."""
    begins = ()

    def __init__(self, plan: Sequence[Step] | Plan) -> None:
        super().__init__()
        self._plan = plan if callable(plan) else partial(_next_of, plan)
        self._wanted: set[str] = set()
        self.texts: list[str] = []
        """What system and user said in each request."""
        self.shown: list[Shown] = []
        """What each call came to, in order."""
        self.tools_at: dict[int, list[Offered]] = {}
        """The tools that were last offered when so many calls had come to something."""
        self.missing: set[str] = set()
        """Tools that it wanted to call and was not offered, although it was offered others of the server."""

    def doors(self) -> Sequence[Door]:
        """Every way in."""
        speak = [Door(one.label, "api", "POST", one.path, partial(self._answer, one)) for one in DIALECTS]
        count = Door("count", "api", "POST", r".*/count_tokens", lambda _: Answer.of({"input_tokens": USAGE}))
        listed = {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "us"}]}
        return [count, *speak, Door("models", "api", "GET", r"(/v1)?/models", lambda _: Answer.of(listed))]

    def _answer(self, dialect: Dialect, received: Received) -> Answer:
        how = received.groups.get("how", "")
        if how == "countTokens":
            return Answer.of({"totalTokens": USAGE})
        asked = dialect.read(received.json())
        self.texts.append(asked.text)
        turn = self._turn(asked)
        pause = self.pause if turn.call.startswith(SEARCH) and any(SEARCH in one.call for one in asked.shown) else 0.0
        if not (asked.streamed or how.startswith("stream")):
            return replace(Answer.of(dialect.write(turn)), seconds=pause)
        names = {name: f"event: {name}\n" for name, _ in dialect.stream(turn) if name}
        events = [f"{names.get(name, '')}data: {json.dumps(one)}\n\n" for name, one in dialect.stream(turn)]
        body = "".join([*events, dialect.end]).encode("utf-8")
        return Answer(200, body, {"Content-Type": "text/event-stream"}, seconds=pause)

    def _turn(self, asked: Asked) -> Turn:
        """What the model answers to one request."""
        shown = [one for one in asked.shown if self._is_of_step(one)]
        number = len(shown)
        if number > len(self.shown):
            self.shown = shown
        step = self._plan(shown)
        tool = next((one for one in asked.tools if is_called(one, step.tool)), None) if step else None
        search = None if step is None or tool else self._search(asked, step, number)
        if search is None and (tool or shown):
            self.tools_at[number] = asked.tools
        if step is None or tool is None:
            if step and not search and self.tools_at:
                self.missing.add(step.tool)
            return search or Turn(f"There is no tool {step.tool}." if step else DONE)
        if step.before is not None and step.tool not in self._wanted:
            step.before()
        self._wanted.add(step.tool)
        arguments = json.loads(_filled(json.dumps(step.arguments), shown))
        return Turn(tool=tool, arguments=arguments, call=f"{CALL}{number}")

    def _is_of_step(self, shown: Shown) -> bool:
        return shown.call.startswith(CALL) or any(shown.call.endswith(name) for name in self._wanted)

    def _search(self, asked: Asked, step: Step, number: int) -> Turn | None:
        """A search for a tool that the client keeps back, unless that was done before this step.

        To begin with, it is done again: the server may still be starting.
        """
        tool = next((one for one in asked.tools if one.name in SEARCHES), None)
        begin = f"{SEARCH}{number}"
        done = sum(one.call.startswith(begin) for one in asked.shown)
        if tool is None or done >= (1 if self.tools_at else FIRST_SEARCHES):
            return None
        return Turn(tool=tool, arguments={"query": step.tool}, call=f"{begin}_{time.monotonic_ns()}")


def _next_of(steps: Sequence[Step], shown: list[Shown]) -> Step | None:
    return steps[len(shown)] if len(shown) < len(steps) else None


def is_called(tool: Offered, name: str) -> bool:
    """Whether a client's tool is that of the server, whatever the client puts before its name."""
    return tool.name == name or re.fullmatch(rf".*[^a-z0-9]{re.escape(name)}", tool.name) is not None


def _filled(text: str, shown: Sequence[Shown]) -> str:
    """Arguments with what the model reads in earlier results."""
    for mark, form in MARKS.items():
        if mark in text:
            found = [re.findall(form, one.text) for one in shown]
            text = text.replace(mark, next((ids[0] for ids in reversed(found) if ids), "nothing"))
    return text
