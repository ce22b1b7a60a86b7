"""Several vendors at once: which one is taken, what happens when it cannot serve, and what one key alone brings."""

from __future__ import annotations

import base64
import json
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL, OperationName
from imagewright.cli.main import main
from imagewright.engine.engine import open_engine
from imagewright.engine.offer import ENGINE_ARGUMENTS, HELPER_TOOLS
from imagewright.errors import ContentRefused, OutOfCredit, ProviderError, Refusal, UnknownOutcome
from imagewright.providers import KEY_VARIABLES
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from tests.emulators.messages import Answer
from tests.emulators.openai import OpenAIEmulator
from tests.providers.kie import cases as kie
from tests.support.pictures import mask_of, photo
from tests.support.provider_runs import PICTURES, effective, example, unusual
from tests.support.raw_client import MODERN, RawClient
from tests.support.vendors import VENDORS, environment, opened, routes_of, submitted_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job
    from imagewright.providers.base import Route
    from tests.support.vendors import AnyEmulator

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("hurried")]

PATIENCE = 20.0
"""Seconds until a job that has not ended fails the test."""
CHEAP, DEAR = "kie", "fal"
"""Two vendors that serve nearly everything, so that there is a choice; the first is the cheaper for `GIVEN`."""
ROUTE = next(one for one in routes_of(CHEAP) if one.operation is OperationName.GENERATE)
GIVEN: dict[str, Any] = {"prompt": "a kite over the sea"}
PHOTO = "data:image/png;base64," + base64.b64encode(photo(480, 400)).decode("ascii")


@asynccontextmanager
async def _engine(emulators: dict[str, AnyEmulator], folder: Path, **text: str) -> AsyncIterator[Engine]:
    variables = {**os.environ, **environment(emulators), **text}
    async with open_engine(load_settings(variables, working_directory=folder)) as engine:
        yield engine


async def _made(engine: Engine, arguments: dict[str, Any] = GIVEN) -> Job:
    job = await engine.start(LOCAL, ROUTE.tool, arguments)
    assert await engine.wait(job, PATIENCE)
    return job


def _least(route: Route) -> dict[str, Any]:
    """What a call needs to be one of this route's operation."""
    given: dict[str, Any] = {}
    for name, argument in effective(route).items():
        if argument.required or (name == "images" and route.operation is not OperationName.GENERATE):
            given[name] = {"images": [PHOTO] * (argument.min_items or 1), "image": PHOTO}.get(name) or example(argument)
    return given


def _lacking(names: tuple[str, ...]) -> Iterator[tuple[str, Route, str]]:
    """(vendor, route of another, argument): what the one does not take where the other does."""
    for able in names:
        for route in routes_of(able):
            for name in set(route.takes) - {*ENGINE_ARGUMENTS, *PICTURES}:
                for other in names:
                    same = [one for one in routes_of(other) if _alike(one, route)]
                    if same and not any(name in one.takes for one in same):
                        yield other, route, name


def _alike(one: Route, other: Route) -> bool:
    return (one.tool, one.operation) == (other.tool, other.operation)


LACKING = sorted(_lacking((CHEAP, DEAR)), key=str)
NO_SEED = sorted(
    {
        (name, route.tool, str(route.operation)): route
        for name in VENDORS
        for route in routes_of(name)
        if "seed" in catalog()[route.tool].operations[route.operation].arguments
        and not any("seed" in one.takes for one in routes_of(name) if _alike(one, route))
    }.items()
)


@pytest.mark.parametrize(
    ("other", "route", "argument"), LACKING, ids=[f"{one.tool}-{one.operation}-{name}" for _, one, name in LACKING]
)
async def test_an_argument_that_one_vendor_lacks_is_served_by_the_other(
    other: str, route: Route, argument: str, tmp_path: Path
) -> None:
    """Even where the one that lacks it comes first in the user's order."""
    keys = {KEY_VARIABLES[name][0]: "some-key-0123456789" for name in (CHEAP, DEAR)}
    order = f"{other} {route.provider}"
    async with _engine({}, tmp_path, IMAGEWRIGHT_PROVIDERS=order, **keys) as engine:
        value = unusual(effective(route)[argument])
        chosen, *others = await engine.explain(route.tool, {**_least(route), argument: value})
    assert chosen.startswith(f"{route.provider} (")
    assert any(one.startswith(f"{other} (") and f"it takes no {argument}" in one for one in others)


@pytest.mark.parametrize(("cell", "route"), NO_SEED, ids=["-".join(cell) for cell, _ in NO_SEED])
async def test_a_seed_is_refused_where_no_vendor_is_left_that_takes_one(
    cell: tuple[str, str, str], route: Route, tmp_path: Path
) -> None:
    name = cell[0]
    async with _engine({}, tmp_path, **{KEY_VARIABLES[name][0]: "some-key-0123456789"}) as engine:
        with pytest.raises(Refusal, match=rf"{name} .*it takes no seed"):
            await engine.start(LOCAL, route.tool, {**_least(route), "seed": 7})


MASK = "data:image/png;base64," + base64.b64encode(mask_of(480, 400, (0, 0, 240, 400))).decode("ascii")
MASKED = next(one for name in VENDORS for one in routes_of(name) if "mask" in one.takes)


async def test_a_client_that_fills_in_every_default_can_use_a_mask(tmp_path: Path) -> None:
    arguments = catalog()[MASKED.tool].operations[MASKED.operation].arguments
    defaults = {name: one.default for name, one in arguments.items() if one.default is not None}
    with opened([MASKED.provider]) as emulators:
        emulators[MASKED.provider].seconds = 0.0
        async with _engine(emulators, tmp_path) as engine:
            job = await engine.start(LOCAL, MASKED.tool, {**defaults, **GIVEN, "images": [PHOTO], "mask": MASK})
            assert await engine.wait(job, PATIENCE)
    assert (job.record.state, job.record.model) == ("completed", MASKED.model), job.error


async def test_a_default_that_is_given_keeps_nobody_from_being_named_instead(tmp_path: Path) -> None:
    arguments = catalog()[MASKED.tool].operations[OperationName.GENERATE].arguments
    defaults = {name: one.default for name, one in arguments.items() if one.default is not None}
    jpeg = {**GIVEN, "output_format": "jpeg"}
    named = []
    async with _engine({}, tmp_path, **{KEY_VARIABLES[CHEAP][0]: "some-key-0123456789"}) as engine:
        for more in ({}, defaults):
            with pytest.raises(Refusal, match="it takes no output_format") as caught:
                await engine.start(LOCAL, MASKED.tool, {**more, **jpeg})
            named.append(caught.value.instead)
    assert named[0] == named[1] != ()


async def test_the_cheapest_is_taken_and_says_so(tmp_path: Path) -> None:
    with opened((CHEAP, DEAR)) as emulators:
        emulators[CHEAP].seconds = 0.0
        async with _engine(emulators, tmp_path) as engine:
            job = await _made(engine)
        assert (job.record.state, job.record.provider) == ("completed", CHEAP)
        assert job.choice[0].startswith(f"{CHEAP} (")
        assert "cheapest that serves it exactly" in job.choice[0]
        assert any(text.startswith(f"{DEAR} (") and "not cheaper" in text for text in job.choice)
        assert (len(emulators[CHEAP].charges), emulators[DEAR].requests) == (1, [])


async def test_the_users_order_is_stronger_than_the_price(tmp_path: Path) -> None:
    with opened((CHEAP, DEAR)) as emulators:
        async with _engine(emulators, tmp_path, IMAGEWRIGHT_PROVIDERS=f"{DEAR}, {CHEAP}") as engine:
            explained = await engine.explain(ROUTE.tool, GIVEN)
    assert explained[0].startswith(f"{DEAR} (")
    assert "first in your order" in explained[0]
    assert "later in your order" in explained[1]


async def test_a_vendor_without_money_is_passed_over_openly_and_the_picture_is_paid_once(tmp_path: Path) -> None:
    with opened((CHEAP, DEAR)) as emulators:
        emulators[CHEAP].credits = 0.0
        emulators[DEAR].seconds = 0.0
        async with _engine(emulators, tmp_path) as engine:
            job = await _made(engine)
        assert (job.record.state, job.record.provider, len(job.pictures)) == ("completed", DEAR, 1)
        assert job.pictures[0].provider == DEAR
        (note,) = [one for one in job.record.notes if one.startswith(f"{CHEAP} ")]
        assert "Nothing was charged." in note
        assert note.endswith(f"So {DEAR} was asked instead.")
        assert submitted_to(CHEAP, emulators[CHEAP]) == submitted_to(DEAR, emulators[DEAR]) == 1
        assert (len(emulators[CHEAP].charges), len(emulators[DEAR].charges)) == (0, 1)
        (paid,) = [one for one in routes_of(DEAR) if _alike(one, ROUTE) and one.model == job.record.model]
        assert job.record.cost_usd == paid.price.usd


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Answer.reset(), UnknownOutcome),
        (Answer(500, b"<html>"), UnknownOutcome),
        (kie.SUBMIT["moderation"].fault, ContentRefused),
    ],
    ids=["reset", "gateway", "moderation"],
)
async def test_nobody_else_is_asked_where_the_first_may_be_at_work_or_the_call_is_what_is_wrong(
    fault: Answer, error: type[ProviderError], tmp_path: Path
) -> None:
    with opened((CHEAP, DEAR)) as emulators:
        emulators[CHEAP].fail_next("create", fault)
        async with _engine(emulators, tmp_path) as engine:
            job = await _made(engine)
        assert job.record.error is not None
        assert (job.record.state, job.record.error["kind"]) == ("failed", error.category)
        assert submitted_to(CHEAP, emulators[CHEAP]) == 1
        assert emulators[DEAR].requests == []


async def test_with_a_budget_nobody_dearer_is_asked_than_was_agreed_to(tmp_path: Path) -> None:
    with opened((CHEAP, DEAR)) as emulators:
        emulators[CHEAP].credits = 0.0
        async with _engine(emulators, tmp_path, IMAGEWRIGHT_BUDGET_PER_DAY="5") as engine:
            job = await _made(engine, {**GIVEN, MODEL: ROUTE.edition})
        assert job.record.error is not None
        assert (job.record.state, job.record.error["kind"]) == ("failed", OutOfCredit.category)
        assert job.record.cost_usd == 0.0
        assert emulators[DEAR].requests == []


def test_one_key_and_an_address_on_loopback_bring_what_that_vendor_serves_and_doctor_says_what_would_bring_the_rest(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {route.tool for route in routes_of("openai")}
    with opened(["openai"]) as emulators, RawClient(MODERN, env=environment(emulators)) as client:
        assert {tool["name"] for tool in client.ask("tools/list")["tools"]} == {*own, *HELPER_TOOLS}
        for tool in own:
            result = client.call(tool, GIVEN)
            made = result["structuredContent"]
            assert (made["status"], made["provider"]) == ("completed", "openai")
            first_line = next(one["text"] for one in result["content"] if one["type"] == "text").splitlines()[0]
            assert f"with {tool} (edition {made['edition']}) at openai" in first_line, "many clients show only the text"
        hidden = next(tool for tool in catalog() if tool not in own)
        refusal = client.call(hidden, GIVEN)
        assert refusal["isError"] is True
        assert "no configured provider serves it (configured: openai)" in refusal["content"][0]["text"]
        for variable, value in environment(emulators).items():
            monkeypatch.setenv(variable, value)
        assert main(["doctor", "--quick", "--json"]) == 0
    assert home.exists()
    findings = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["area"] == "tools"]
    for tool in catalog():
        (finding,) = [one for one in findings if one["says"].startswith(f"{tool}: ")]
        assert (finding["level"] == "ok") == (tool in own)
        for name in VENDORS if tool not in own else ():
            serves = any(route.tool == tool for route in routes_of(name))
            assert (KEY_VARIABLES[name][0] in finding["advice"]) == serves


async def test_an_address_alone_is_enough_for_a_server_of_ones_own(tmp_path: Path) -> None:
    with OpenAIEmulator(key="") as server:
        text = environment({"openai": server})
        assert list(text) == ["IMAGEWRIGHT_OPENAI_BASE_URL"]
        async with _engine({}, tmp_path, **text) as engine:
            (tool,) = engine.offer.tools
            job = await engine.start(LOCAL, tool, GIVEN)
            assert await engine.wait(job, PATIENCE)
        assert job.record.state == "completed", job.error
        assert [one.label for one in server.requests] == ["generate"]
        assert "authorization" not in server.requests[0].headers
