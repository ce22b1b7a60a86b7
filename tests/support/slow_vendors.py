"""Emulated vendors that take their time, and their books: what they began, what they made, what nobody heard of.

They are what servers are killed, frozen and quit against, so each says what it did for every prompt.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING, Any, ClassVar

from tests.emulators.base import Emulator
from tests.emulators.fal import FalEmulator
from tests.emulators.kie import KieEmulator
from tests.emulators.openai import OpenAIEmulator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from tests.emulators.base import Door
    from tests.emulators.messages import Answer, Received
    from tests.emulators.openai_models import Model

PIECES = 20
"""In how many pieces a file comes that comes slowly."""


@dataclass
class Work:
    """What a vendor did for one prompt. No two jobs share a prompt."""

    begun: int = 0
    """Tasks that it began."""
    files: Counter[str] = field(default_factory=Counter)
    """SHA-256 of the pictures it made, all of them to be paid for."""

    @property
    def made(self) -> int:
        """How many pictures it made."""
        return sum(self.files.values())


class Unhurried(Emulator):
    """A vendor that takes its time over some answers, or holds them back, so that there is time to die in."""

    name = ""
    """The provider's."""
    submits: ClassVar[str] = ""
    """The door that begins paid work."""
    polls: ClassVar[str] = ""
    """The door that is asked how work stands; empty where there is none."""
    lists_calls = False
    """Whether it lists its recent tasks, so that one whose answer was never heard is found there."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.lags: Mapping[str, float] = {}
        """Seconds by door."""
        self.drips: Mapping[str, float] = {}
        """Seconds over which the bodies of a door's answers come, piece by piece."""
        self.broken: Counter[str] = Counter()
        """By prompt, how many submits it began work for and then broke the connection."""
        self._held: dict[str, Event] = {}

    def work(self) -> dict[str, Work]:
        """What it did, by prompt."""
        raise NotImplementedError

    def charged(self) -> list[str]:
        """The tasks it took money for."""
        raise NotImplementedError

    def hold(self, label: str) -> None:
        """Do the work of a door, and keep its answers until `release`."""
        self._held[label] = Event()

    def release(self, label: str) -> None:
        """Send what was kept, and answer at once from now on."""
        self._held.pop(label).set()

    def answer(self, received: Received) -> Answer:
        own = super().answer(received)
        label = self.requests[-1].label
        own = replace(own, seconds=own.seconds + self.lags.get(label, 0.0), until=self._held.get(label))
        if label in self.drips and own.body:
            own = replace(own, piece=-(-len(own.body) // PIECES), pause=self.drips[label] / PIECES)
        return own

    def _spoilt(self, door: Door, received: Received) -> Answer:
        answer = super()._spoilt(door, received)
        if door.label == self.submits and answer.ending == "reset":
            self.broken[prompt_in(received.json())] += 1
        return answer


class SlowKie(Unhurried, KieEmulator):
    """Kie, with credit for thousands of pictures."""

    name = "kie"
    submits = "create"
    polls = "poll"

    def __init__(self) -> None:
        super().__init__()
        self.credits = 1e9
        self.lags = {"create": 0.15, "download": 0.15}

    def work(self) -> dict[str, Work]:
        found: dict[str, Work] = defaultdict(Work)
        for task in [*self.tasks.values()]:
            one = found[str(task.fields["prompt"])]
            one.begun += 1
            one.files.update(digest(self._files[name][0]) for name in task.results)
        return found

    def charged(self) -> list[str]:
        return [task for task, _ in self.charges]


class SlowFal(Unhurried, FalEmulator):
    """fal."""

    name = "fal"
    submits = "submit"
    polls = "status"
    lists_calls = True

    def __init__(self) -> None:
        super().__init__()
        self.lags = {"submit": 0.15, "download": 0.15}

    def work(self) -> dict[str, Work]:
        found: dict[str, Work] = defaultdict(Work)
        for task in [*self.tasks.values()]:
            one = found[str(task.fields["prompt"])]
            one.begun += 1
            one.files.update(digest(self._files[name][0]) for name, _ in task.results)
        return found

    def charged(self) -> list[str]:
        return [task for task, _ in self.charges]


class SlowOpenAI(Unhurried, OpenAIEmulator):
    """OpenAI, which answers a submit with the pictures: there is nothing to ask about afterwards."""

    name = "openai"
    submits = "generate"

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.credit = 1e9
        self.lags = {"generate": 0.15, "download": 0.15}
        self._work: dict[str, Work] = defaultdict(Work)

    def work(self) -> dict[str, Work]:
        return self._work

    def charged(self) -> list[str]:
        return [str(number) for number, _ in enumerate(self.charges)]

    def _give(self, made: Sequence[Image.Image], fields: Mapping[str, Any], model: Model, inputs: int) -> Answer:
        answer = super()._give(made, fields, model, inputs)
        one = self._work[str(fields["prompt"])]
        one.begun += 1
        for item in self._items(answer):
            one.files[digest(item)] += 1
        return answer

    def _items(self, answer: Answer) -> list[bytes]:
        """The pictures in an answer, or behind its links."""
        found = []
        for item in answer.json()["data"]:
            inside = item.get("b64_json")
            name = str(item.get("url")).rpartition("/")[2].partition("?")[0]
            found.append(base64.b64decode(inside) if inside else self._files[name][0])
        return found


AnyVendor = SlowKie | SlowFal | SlowOpenAI


def digest(data: bytes) -> str:
    """The SHA-256 of a file, in hex."""
    return hashlib.sha256(data).hexdigest()


def prompt_in(body: Any) -> str:
    """The prompt of a submit: vendors put it at the top or into an `input`."""
    return str(body["input"]["prompt"] if "input" in body else body["prompt"])
