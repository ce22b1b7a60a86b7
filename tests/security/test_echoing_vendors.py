"""Vendors that repeat their key in every answer, in every spelling: the pictures come, and the key is nowhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.row import OperationName
from imagewright.settings.table import rate_variable
from tests.emulators.messages import Answer
from tests.support.echoing import Echoing
from tests.support.pictures import photo
from tests.support.provider_runs import effective, example
from tests.support.raw_client import MODERN, RawClient
from tests.support.spellings import SPELLINGS, traces
from tests.support.spellings import seen as seen_in
from tests.support.vendors import VENDORS, environment, opened, routes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.providers.base import Route

ROOT = Path(__file__).parents[2]
LOUD = (
    f"import logging, sys; sys.path[:0] = [{str(ROOT / 'server')!r}, {str(ROOT)!r}]; "
    "logging.basicConfig(stream=sys.stderr, level=logging.DEBUG); "
    "from tests.support.quick_server import hurry; hurry(); "
    "from imagewright.cli.main import main; sys.exit(main())"
)
"""Starts the server with short times and everything logged."""
GOOD = 60
"""Calls that are answered well: more than there are spellings, so that a submit has given out each of them."""
AT_ONCE = 20


@dataclass
class Seen:
    """What came of it."""

    places: dict[str, str]
    """Everything in which the key may not stand, by where it was."""
    planted: set[str]
    """The spellings that were given out in good answers."""
    refusals: list[str]
    """What the caller read of each refusal."""
    states: list[str]
    """How the good calls ended."""
    came_back: int
    """How often an id or a link with the key was sent back."""


def _route(name: str) -> Route:
    routes = routes_of(name)
    return next((route for route in routes if route.operation is OperationName.GENERATE), routes[0])


def _call(route: Route, folder: Path, number: int) -> dict[str, Any]:
    """A call of that route, unlike any other."""
    given = {name: example(argument) for name, argument in effective(route).items() if argument.required}
    if "image" in given:
        picture = folder / f"{number}.png"
        picture.write_bytes(photo(320 + number, 300))
        given["image"] = str(picture)
    return {"name": route.tool, "arguments": given | ({"prompt": f"Kite {number}"} if "prompt" in given else {})}


def _results(client: RawClient, route: Route, folder: Path, numbers: range) -> list[dict[str, Any]]:
    """What calls of those numbers come to that are begun at once."""
    begun = [client.begin("tools/call", _call(route, folder, number)) for number in numbers]
    return [answer["result"] for answer in client.answers(begun).values()]


def _refusal(planted: str) -> Answer:
    content = {
        "code": 422,
        "msg": planted,
        "message": f"No: {planted}",
        "detail": planted,
        "error": {"message": planted},
    }
    return Answer.of(content, 422)


@pytest.fixture(scope="module", params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def key(vendor: str) -> str:
    """A key that is like no other text, in two halves as one of the vendors has it."""
    signs = hashlib.sha256(vendor.encode()).hexdigest()
    return f"{signs[:24]}:{signs[24:60]}"


@pytest.fixture(scope="module")
def seen(vendor: str, key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """A refusal in each spelling, and then good calls whose every answer has one."""
    base = tmp_path_factory.mktemp(vendor)
    env = {"IMAGEWRIGHT_HOME": str(base / "home"), "IMAGEWRIGHT_ROOTS": str(base), "HOME": str(base)}
    route, refusals, states = _route(vendor), [], []
    with opened([vendor], {vendor: key}) as emulators:
        emulator = emulators[vendor]
        echoing = Echoing(emulator)
        for attribute, value in (VENDORS[vendor].links or {}).items():
            setattr(emulator, attribute, value)
        if hasattr(emulator, "seconds"):
            emulator.seconds = 0.05
        env |= environment(emulators) | {rate_variable(vendor): "10000/1/1000"}
        with RawClient(MODERN, env=env, program=("-c", LOUD)) as client:
            for spell, label in product(SPELLINGS.values(), VENDORS[vendor].submits):
                emulator.fail_next(label, _refusal(spell(key)))
            refused = _results(client, route, base, range(len(SPELLINGS)))
            refusals += [result["content"][0]["text"] for result in refused]
            for label in VENDORS[vendor].submits:
                emulator.heal(label)
            for start in range(0, GOOD, AT_ONCE):
                results = _results(client, route, base, range(1000 + start, 1000 + start + AT_ONCE))
                states += [one.get("structuredContent", {}).get("status", str(one["content"])) for one in results]
            for tool in ("image_job", "image_gallery"):
                client.ask("tools/call", {"name": tool, "arguments": {}})
        places = {str(file): file.read_bytes().decode("latin-1") for file in base.rglob("*") if file.is_file()}
        places |= {"standard output": "".join(client.lines), "standard error": "".join(client.log)}
        yield Seen(places, echoing.planted, refusals, states, echoing.came_back.total())


def test_every_spelling_was_heard_and_every_picture_came(seen: Seen, vendor: str, key: str) -> None:
    assert seen.states == ["completed"] * GOOD
    assert seen.planted == {spell(key) for spell in SPELLINGS.values()}
    assert f"{vendor} POST http://127.0.0.1:" in seen.places["standard error"]
    assert sum("[key]" in text for text in seen.refusals) == len(SPELLINGS)
    links = VENDORS[vendor].links is not None
    assert bool(seen.came_back) is (links or VENDORS[vendor].queue is not None)


def test_the_key_is_in_no_result_no_log_no_file_and_no_row(seen: Seen, key: str) -> None:
    given_away = traces(key, *(spell(key) for spell in SPELLINGS.values()))
    found = {place: seen_in(text, given_away) for place, text in seen.places.items() if not place.endswith(".png")}
    assert {place: ways for place, ways in found.items() if ways} == {}
