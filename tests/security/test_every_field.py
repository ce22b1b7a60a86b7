"""The key in every field of every answer of every vendor, good and bad: nothing that is kept or shown has it."""

from __future__ import annotations

import copy
import json
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.errors import ImagewrightError, TaskEnded, UnknownOutcome, error_data
from imagewright.providers.base import Finished, Handle
from imagewright.providers.http.client import HttpClient
from tests.emulators.messages import Answer
from tests.support.echoing import IDS
from tests.support.faults import QUICK
from tests.support.provider_runs import handed_over, plain_order
from tests.support.spellings import SPELLINGS, seen, traces
from tests.support.vendors import QUEUES, VENDORS, opened, wired

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.providers.base import Order, Provider
    from tests.support.vendors import AnyEmulator

pytestmark = pytest.mark.anyio

KEY = "6b1f3c2a-90de-4f7b-8a55-0c9d1e2f3a4b:77aa0c1e5b9d4f2286e3d1c0ba98f765"
TOGETHER = 5
"""Spellings that stand in one field at a time."""
WAYS = list(SPELLINGS.values())
GROUPS = [" ".join(way(KEY) for way in WAYS[place : place + TOGETHER]) for place in range(0, len(WAYS), TOGETHER)]
TRACES = traces(KEY, *GROUPS)
Place = tuple[str | int, ...]


def leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    """Where texts and numbers stand in JSON, and objects, whose names can be the key."""
    if isinstance(value, dict):
        yield (*place, "")
        for name, one in value.items():
            yield from leaves(one, (*place, name))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from leaves(one, (*place, number))
    else:
        yield place


def planted(content: Any, place: Place, text: str) -> Any:
    """The same JSON with a text at a place."""
    changed = {"": copy.deepcopy(content)}
    inner: Any = changed
    for step in ("", *place[:-1]):
        inner, last = inner[step], step
    if not place:
        return text
    last = place[-1]
    if last == "":
        inner[text] = text
    else:
        inner[last] = text if not isinstance(inner[last], str) or len(inner[last]) > 1000 else f"{inner[last]} {text}"
    return changed[""]


class Table:
    """One vendor and what it may answer, by door."""

    def __init__(self, name: str, emulator: AnyEmulator) -> None:
        vendor = VENDORS[name]
        self.emulator, self.queue = emulator, vendor.queue
        cases: dict[str, dict[str, Any]] = {vendor.submits[0]: {}}
        if vendor.queue is not None:
            cases = {vendor.queue.door: dict(vendor.queue.submit), **{door: {} for door in vendor.polls}}
            cases[vendor.polls[-1]] |= {**vendor.queue.poll, **vendor.queue.doubtful}
        if vendor.at_once is not None:
            cases[vendor.submits[0]] |= vendor.at_once.submit
        self.route = vendor.queue.plain if vendor.queue is not None else vendor.at_once.plain  # type: ignore[union-attr] # every vendor has one
        self.bad = {door: [case.fault for case in some.values()] for door, some in cases.items()}

    def answers(self, door: str, good: Answer) -> Iterator[tuple[Answer, Any, bool]]:
        """Each answer that is JSON, its content, and whether it is the good one."""
        for fault in (good, *self.bad[door]):
            if isinstance(fault, Answer) and fault.ending == "whole":
                try:
                    yield fault, json.loads(fault.body), fault is good
                except (ValueError, RecursionError):
                    continue


def shown(outcome: object) -> str:
    """All of an outcome that is kept or shown; what came as bytes is a picture."""
    if isinstance(outcome, Finished):
        return repr([(one.url, one.seed) for one in outcome.outputs]) + repr(outcome.notes)
    if isinstance(outcome, TaskEnded):
        outcome = outcome.error
    if isinstance(outcome, ImagewrightError):
        return f"{outcome} {outcome!r} {json.dumps(error_data(outcome))}"
    return repr(outcome)


async def _outcome(provider: Provider, order: Order, handle: Handle | None) -> object:
    try:
        return await (provider.submit(order) if handle is None else provider.poll(handle))
    except ImagewrightError as error:
        return error


async def _good(table: Table, provider: Provider, order: Order) -> tuple[dict[str, Answer], Handle | None]:
    """The vendor's own answers by door, the last of each, and the handle of a task that is done."""
    good: dict[str, Answer] = {}

    def noted(door: str, own: Answer) -> Answer:
        good[door] = own
        return own

    for door in table.bad:
        table.emulator.fail_next(door, partial(noted, door), times=99)
    answer = await provider.submit(order)
    handle = answer if isinstance(answer, Handle) else None
    while handle is not None and not isinstance(await provider.poll(handle), Finished):  # noqa: ASYNC110 - a vendor is asked
        await anyio.sleep(0.02)
    for door in table.bad:
        table.emulator.heal(door)
    return good, handle


@pytest.mark.parametrize("name", VENDORS)
async def test_no_field_of_any_answer_brings_the_key_out(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tried, http = 0, HttpClient(retry=QUICK)
    with opened([name], {name: KEY}) as emulators:
        emulator = emulators[name]
        if hasattr(emulator, "seconds"):
            emulator.seconds = 0.05
        table, provider = Table(name, emulator), wired(name, emulator, http)
        order = await handed_over(provider, plain_order(table.route))
        good, handle = await _good(table, provider, order)
        for door, own in good.items():
            asked = None if door == next(iter(table.bad)) else handle
            for answer, content, is_good in table.answers(door, own):
                for place in leaves(content):
                    tried += 1
                    for text in GROUPS if is_good else (GROUPS[tried % len(GROUPS)],):
                        body = json.dumps(planted(content, place, text)).encode()
                        emulator.fail_next(door, Answer(answer.status, body, answer.headers), times=9)
                        outcome = await _outcome(provider, order, asked)
                        emulator.heal(door)
                        assert seen(shown(outcome), TRACES) == set(), (door, place, answer.status)
        await http.aclose()
    assert set(good) == (set(table.bad) if handle else {next(iter(table.bad))})
    assert tried > 10
    assert seen(caplog.text, TRACES) == set()


@pytest.mark.parametrize("name", QUEUES)
async def test_an_id_that_is_too_long_to_be_one_is_not_kept_and_the_call_may_have_been_paid(name: str) -> None:
    """Megabytes in place of an id would be written down with every step, and base64 is not searched for the key."""
    http = HttpClient(retry=QUICK)
    with opened([name], {name: KEY}) as emulators:
        table, provider = Table(name, emulators[name]), wired(name, emulators[name], http)
        order = await handed_over(provider, plain_order(table.route))
        door = next(iter(table.bad))

        def lengthened(own: Answer) -> Answer:
            content = json.loads(own.body)
            for place in leaves(content):
                content = planted(content, place, "a" * 1_500_000) if place[-1] in {*IDS, "polling_url"} else content
            return Answer(own.status, json.dumps(content).encode(), own.headers)

        emulators[name].fail_next(door, lengthened)
        outcome = await _outcome(provider, order, None)
        await http.aclose()
    assert isinstance(outcome, UnknownOutcome | Finished)
    assert len(str(outcome)) < 2000
