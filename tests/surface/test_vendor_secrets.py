"""Every vendor's key at once in one server that logs all it can, and every way a vendor has of repeating its key.

The key must be found in one place only: the header of the requests to its own vendor.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.row import OperationName
from tests.emulators.messages import Answer
from tests.support.pictures import photo
from tests.support.provider_runs import effective, example
from tests.support.raw_client import MODERN, PATIENCE, RawClient
from tests.support.vendors import VENDORS, environment, opened, routes_of, submitted_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imagewright.providers.base import Route
    from tests.emulators.messages import Received
    from tests.support.vendors import AnyEmulator

DEBUGGING = (
    "import logging, sys; logging.basicConfig(stream=sys.stderr, level=logging.DEBUG); "
    "from dataclasses import replace; from imagewright.cli.main import main; "
    "from imagewright.providers.fal.provider import Fal; "
    "from imagewright.providers.replicate.provider import Replicate; "
    "Fal.poll_policy = Replicate.poll_policy = replace(Fal.poll_policy, first=0.05, search=0.2); sys.exit(main())"
)
"""Starts the server with everything logged; it leaves a logging that is set up already as it is. Calls whose answer
cannot be read are looked for, but not for minutes."""
HEADERS = {"authorization", "x-goog-api-key", "x-key", "api-key"}
"""Where a vendor wants its key."""
WINDOW = 12
"""Signs of a key that must not be seen in a row, so that a key shown in part counts as seen."""


def _key(name: str) -> str:
    """A key that is like no other text, in two halves as one of the vendors has it."""
    signs = hashlib.sha256(name.encode("ascii")).hexdigest()
    return f"{signs[:24]}:{signs[24:60]}"


KEYS = {name: _key(name) for name in VENDORS}
REFUSALS: dict[str, Callable[[str], Answer]] = {
    "an unknown key": lambda key: Answer.of({"code": 401, "msg": f"{key}?", "detail": key, "error": {"m": key}}, 401),
    "a bad header": lambda key: Answer(400, f"bad header: Bearer {key}".encode(), {"Content-Type": "text/plain"}),
    "a bad field": lambda key: Answer.of({"code": 422, "msg": key, "message": key, "detail": key}, 422),
    "moderation": lambda key: Answer.of({"code": 400, "msg": f"flagged: {key}", "error": f"moderation: {key}"}, 400),
    "a broken server": lambda key: Answer.of({"code": 500, "msg": key, "message": key, "detail": key}, 500),
    "a page": lambda key: Answer(200, f"<html>{key}".encode(), {"Content-Type": "text/html"}),
    "a redirect": lambda key: Answer(302, key.encode(), {"Location": f"https://elsewhere.example/?key={key}"}),
}
"""Answers to a submit that hold the key; none of them is sent again."""


@dataclass
class Witness:
    """What could be seen of the keys."""

    places: dict[str, bytes]
    """Everything in which no key may stand, by where it was."""
    received: dict[str, list[Received]]
    """The requests that came to each vendor."""
    log: str
    """What the server wrote to its standard error."""
    refusals: dict[str, list[str]]
    """The texts of the calls that were refused, by vendor."""
    pictures: Counter[str]
    """How many pictures each vendor made."""


def _tool_call(route: Route, picture: Path, number: int) -> dict[str, Any]:
    """A call that this route serves, unlike any other."""
    picture = picture.with_name(f"{number}-{picture.name}")
    picture.write_bytes(photo(480 + number, 400 + number))
    given = {name: example(argument) for name, argument in effective(route).items() if argument.required}
    given |= {name: str(picture) for name in ("image",) if name in given}
    given |= {"prompt": f"A kite, number {number}"} if "prompt" in given else {}
    return {"name": route.tool, "arguments": given}


def _refuse_everywhere(emulators: dict[str, AnyEmulator], but: str) -> None:
    """Let every other vendor refuse, plainly and with its key, so that a call comes to the one."""
    for name, emulator in emulators.items():
        for label in (*VENDORS[name].submits, *VENDORS[name].first):
            emulator.heal(label)
            if name != but:
                emulator.fail_next(label, REFUSALS["an unknown key"](KEYS[name]), times=99)


def _route(name: str) -> Route:
    """A route of the vendor that needs no picture, where it has one."""
    routes = routes_of(name)
    return next((route for route in routes if route.operation is OperationName.GENERATE), routes[0])


def _hear_refusals(client: RawClient, emulators: dict[str, AnyEmulator], name: str, picture: Path) -> list[str]:
    """Every refusal of one vendor, one after the other; what the caller reads."""
    emulator, route, number = emulators[name], _route(name), 100 * list(VENDORS).index(name)
    _refuse_everywhere(emulators, but=name)
    parts = []
    for step, refusal in enumerate(REFUSALS.values()):
        for label in VENDORS[name].submits:
            emulator.heal(label)
            emulator.fail_next(label, refusal(KEYS[name]))
        for label in VENDORS[name].lists:
            emulator.heal(label)
            emulator.fail_next(label, refusal(KEYS[name]), times=99)
        result = client.ask("tools/call", _tool_call(route, picture, number + step))
        assert result["isError"] is True
        parts.append(result["content"][0]["text"])
    return parts


def _begin(client: RawClient, emulators: dict[str, AnyEmulator], name: str, picture: Path) -> list[int]:
    """Two calls that the vendor takes; one question about them and one download are answered with the key."""
    emulator, route, number = emulators[name], _route(name), 100 * list(VENDORS).index(name)
    _refuse_everywhere(emulators, but=name)
    for label in VENDORS[name].polls:
        emulator.fail_next(label, REFUSALS["a broken server"](KEYS[name]))
    emulator.fail_next("download", replace(REFUSALS["an unknown key"](KEYS[name]), status=403))
    before = submitted_to(name, emulator)
    begun = [client.begin("tools/call", _tool_call(route, picture, number + step)) for step in (50, 51)]
    deadline = time.monotonic() + PATIENCE
    while submitted_to(name, emulator) < before + len(begun):
        assert time.monotonic() < deadline, name
        time.sleep(0.01)
    return begun


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Witness:
    """Everything that can go wrong, once, at every vendor, in one server."""
    base = tmp_path_factory.mktemp("secrets")
    picture = base / "photo.png"
    env = {"IMAGEWRIGHT_HOME": str(base / "home"), "IMAGEWRIGHT_ROOTS": str(base), "HOME": str(base)}
    # those with one model first: a call of that model need not go past all who have every model
    env["IMAGEWRIGHT_PROVIDERS"] = " ".join(sorted(VENDORS, key=lambda name: len(routes_of(name))))
    with opened(VENDORS, KEYS) as emulators:
        for emulator in emulators.values():
            if hasattr(emulator, "seconds"):
                emulator.seconds = 0.1
        with RawClient(MODERN, env=environment(emulators) | env, program=("-c", DEBUGGING)) as client:
            refusals = {name: _hear_refusals(client, emulators, name, picture) for name in VENDORS}
            begun = [request for name in VENDORS for request in _begin(client, emulators, name, picture)]
            answers = [answer["result"] for answer in client.answers(begun).values()]
            for tool in ("image_job", "image_gallery"):
                client.ask("tools/call", {"name": tool, "arguments": {}})
        received = {name: list(emulator.requests) for name, emulator in emulators.items()}
    made = [one["structuredContent"] for one in answers if not one.get("isError")]
    log, lines = "".join(client.log), "".join(client.lines)
    places = {str(file): file.read_bytes() for file in base.rglob("*") if file.is_file()}
    places |= {"standard output": lines.encode("utf-8"), "standard error": log.encode("utf-8")}
    return Witness(places, received, log, refusals, Counter(one["provider"] for one in made))


def _shows(place: bytes, key: str) -> bool:
    text = key.encode("ascii")
    return any(text[start : start + WINDOW] in place for start in range(len(text) - WINDOW + 1))


@pytest.mark.parametrize("name", VENDORS)
def test_what_was_looked_at_was_really_there(name: str, witness: Witness) -> None:
    """Every refusal was heard, pictures came with trouble, and all was logged: else nothing could have been seen."""
    heard = witness.refusals[name]
    assert len(heard) == len(REFUSALS)
    assert any("[key]" in text for text in heard), "the vendor's words with its key in them never came this far"
    assert witness.pictures[name] == 2
    assert f"{name} POST http://127.0.0.1:" in witness.log
    assert all(any(one.label == label for one in witness.received[name]) for label in VENDORS[name].lists)
    assert any(file.endswith(".db") for file in witness.places)


@pytest.mark.parametrize("name", VENDORS)
def test_a_key_is_in_no_log_no_message_no_file_and_no_database(name: str, witness: Witness) -> None:
    assert [place for place, content in witness.places.items() if _shows(content, KEYS[name])] == []


@pytest.mark.parametrize("name", VENDORS)
def test_a_key_goes_to_its_own_vendor_in_one_header_and_to_nobody_else(name: str, witness: Witness) -> None:
    key, used = KEYS[name], 0
    for vendor, requests in witness.received.items():
        for one in requests:
            holding = {header for header, value in one.headers.items() if _shows(value.encode("utf-8"), key)}
            assert holding <= (HEADERS if vendor == name else set())
            assert len(holding) <= 1
            assert not _shows(" ".join([one.path, *one.query.values()]).encode("utf-8") + one.body, key)
            used += len(holding)
    assert used >= len(REFUSALS)
