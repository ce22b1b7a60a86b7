"""Every vendor's readers of answers, each vendor alone and all together.

An input is one byte that chooses the HTTP status, and a body. Every reader of the vendor gets it, as a vendor can send
any body to any question.
"""

from __future__ import annotations

import json
from enum import Enum
from functools import partial
from http import HTTPStatus
from importlib import import_module
from inspect import isfunction
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from imagewright.errors import ProviderError, TaskEnded
from imagewright.providers.base import Finished, Running
from imagewright.providers.common import fields
from imagewright.providers.common.fields import LARGEST_SEED, MOST_USD
from imagewright.providers.http.classify import cleaned
from imagewright.providers.http.request import Reply, read_json
from imagewright.providers.openai.routes import PER_TOKEN
from imagewright.storage.accounts import Pace
from tests.fuzz.target import Target, check_line, check_values, expect, odd_json, words_of
from tests.support.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Reader = Callable[[Reply], object]

STATUSES = (200, 201, 202, 204, 302, 400, 401, 402, 403, 404, 408, 409, 410, 422, 425, 429, 451, 500, 502, 503)
"""What the first byte of an input chooses from, counted from the sign `0`."""
KEY = "sk-planted-0123456789abcdef"
"""The account's key. No reader may return it, whatever the vendor sends."""
LONGEST = 2500
"""Characters of a failure's sentence or of a note: 300 of the vendor's words for each of a few reasons, and ours."""
KINDS = ("application/json", "text/html", "text/plain; charset=utf-8")


def _price(reply: Reply) -> str | float | None:
    cost = fields.mapping(reply.json).get("cost")
    return cost if isinstance(cost, str | float | None) else None


MORE: Mapping[str, Callable[[Reply], Mapping[str, Any]]] = {
    "bfl.read_standing": lambda reply: {"price": _price(reply)},
    "openai.read_images": lambda _: {"per_token": PER_TOKEN},
}
"""What readers get besides the answer."""


def _readers(vendor: str) -> dict[str, Reader]:
    module = import_module(f"imagewright.providers.{vendor}.replies")
    found: dict[str, Reader] = {}
    for name, value in vars(module).items():
        function = value.func if isinstance(value, partial) else value
        if name.startswith("read_") and isfunction(function) and function.__module__ == module.__name__:
            found[f"{vendor}.{name}"] = value
    return found


READERS = {vendor: _readers(vendor) for vendor in VENDORS}
"""The readers of each vendor, by vendor and name."""


def _checked(readers: Mapping[str, Reader]) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        status = STATUSES[(data[0] - ord("0")) % len(STATUSES)] if data else HTTPStatus.OK
        body = data[1:]
        headers = {"content-type": KINDS[len(data) % len(KINDS)]}
        reply = Reply(status, headers, body, read_json(body))
        for name, reader in readers.items():
            more = MORE.get(name)
            answer = reader(reply, **more(reply)) if more else reader(reply)
            check_answer(answer)

    return check


def check_answer(answer: object) -> None:
    """What holds of everything that a reader can return."""
    if isinstance(answer, TaskEnded):
        answer = answer.error
    if isinstance(answer, ProviderError):
        shown = cleaned(answer, KEY, "the environment", answered=True)
        check_line(str(shown), LONGEST)
        expect(KEY not in str(shown), "it shows the key")
        wait = shown.retry_after
        expect(wait is None or wait >= 0, f"it asks to wait {wait} s")
        check_values(wait, "the wait")
    elif isinstance(answer, Finished):
        _check_finished(answer)
    elif isinstance(answer, Running):
        expect(answer.share is None or 0 <= answer.share <= 1, f"{answer.share} of the task is done")
        check_line(answer.stage, 40)
    elif isinstance(answer, Pace):
        expect(answer.calls is None or answer.calls > 0, "no call is allowed")
        expect(answer.running is None or answer.running > 0, "nothing may run")
        expect(answer.seconds > 0, "calls are counted over no time")
    if not isinstance(answer, ProviderError | Enum):
        check_values(answer, type(answer).__name__)


def _check_finished(answer: Finished) -> None:
    expect(answer.outputs, "it is finished without a picture")
    for output in answer.outputs:
        expect(bool(output.url) != bool(output.data), "a picture is neither here nor there, or both")
        expect(output.seed is None or 0 <= output.seed <= LARGEST_SEED, f"the seed is {output.seed}")
    cost = answer.cost_usd
    expect(cost is None or 0 <= cost < MOST_USD, f"it costs {cost} USD")
    for note in answer.notes:
        check_line(note, LONGEST)


def _target(readers: Mapping[str, Reader], vendors: Iterable[str]) -> Target:
    modules = [import_module(f"imagewright.providers.{vendor}.replies") for vendor in vendors]
    words = words_of(fields, *modules)
    body = odd_json(words).map(_encoded)
    first = st.integers(0, len(STATUSES) - 1).map(lambda place: bytes([ord("0") + place]))
    return Target(_checked(readers), st.builds(bytes.__add__, first, body), words, json_from=1)


def _encoded(content: object) -> bytes:
    return json.dumps(content).encode()


TARGETS = {f"replies-{vendor}": _target(readers, [vendor]) for vendor, readers in READERS.items()} | {
    "replies": _target({name: one for readers in READERS.values() for name, one in readers.items()}, READERS)
}
