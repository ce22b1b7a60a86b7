"""A call whose answer was lost is found again in the vendor's list, and goes on as if it had been heard."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import BadKey, ProviderError, RateLimited, UnknownOutcome
from imagewright.providers import open_provider
from imagewright.providers.base import CanRecover, Handle, ProviderConfig
from imagewright.providers.common.provider import CLOCKS_DIFFER
from imagewright.providers.replicate.routes import ROUTES
from tests.emulators.fal import FalEmulator
from tests.emulators.messages import Answer
from tests.emulators.replicate import ReplicateEmulator
from tests.emulators.replicate_models import version_of
from tests.support.faults import POLL, SENDS, SILENCE, check_error, falls_silent
from tests.support.provider_runs import followed, handed_over, plain_order, submitted
from tests.support.vendors import VENDORS, opened, routes_of, wired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from imagewright.providers.base import Order, Route
    from imagewright.providers.http.client import HttpClient
    from tests.support.vendors import AnyEmulator

pytestmark = pytest.mark.anyio

LISTINGS = {name: vendor.listing for name, vendor in VENDORS.items() if vendor.listing}
LOOKS = 5
"""How often the list is looked at before a call counts as not there; fal shows what has ended, at the third look."""
EVERY = {
    f"{name}-{route.tool}-{route.operation}-{route.model}": (name, route)
    for name, listing in LISTINGS.items()
    for route in (*routes_of(name), *listing.others)
}


@pytest.fixture
def provider(name: str, emulator: AnyEmulator, http: HttpClient) -> Any:
    return _listing(name, emulator, http)


@pytest.fixture
def twin(name: str, http: HttpClient) -> Iterator[Any]:
    """The same provider at another emulator, whose tasks have the same ids."""
    with opened([name]) as emulators:
        yield _listing(name, emulators[name], http)


def _listing(name: str, emulator: AnyEmulator, http: HttpClient) -> Any:
    provider = wired(name, emulator, http)
    assert isinstance(provider, CanRecover)
    return provider


def _plain(name: str, **given: Any) -> Order:
    """An order without pictures of a route that takes a seed."""
    return plain_order(_route(name), **given)


def _route(name: str) -> Route:
    return next(one for one in routes_of(name) if "seed" in one.takes and not one.takes.keys() & {"images", "image"})


async def _lost(provider: Any, emulator: AnyEmulator, order: Order) -> Mapping[str, str]:
    """The signature of an order that was carried out without its answer ever coming."""
    ready = await handed_over(provider, order)
    signature: Mapping[str, str] = provider.signature(ready)
    for label in VENDORS[provider.name].submits:
        emulator.fail_next(label, Answer.reset(), after=True)
    with pytest.raises(UnknownOutcome):
        await provider.submit(ready)
    for label in VENDORS[provider.name].submits:
        emulator.heal(label)
    return signature


async def _found(provider: Any, signature: Mapping[str, str], *known: str) -> Handle | None:
    for _ in range(LOOKS):
        handle = await provider.recover(signature, set(known))
        if handle is not None:
            assert isinstance(handle, Handle)
            return handle
    return None


@pytest.mark.parametrize("name", VENDORS)
async def test_exactly_these_vendors_list_recent_calls(name: str, emulator: AnyEmulator, http: HttpClient) -> None:
    assert isinstance(wired(name, emulator, http), CanRecover) == (name in LISTINGS)


@pytest.mark.parametrize(("name", "route"), EVERY.values(), ids=EVERY)
async def test_a_call_whose_answer_was_lost_is_found_and_goes_on_as_if_it_had_been_heard(
    route: Route, emulator: AnyEmulator, provider: Any, twin: Any, tmp_path: Path
) -> None:
    order = plain_order(route)
    heard = await submitted(twin, order)

    signature = await _lost(provider, emulator, order)
    handle = await _found(provider, signature)

    assert handle == heard
    driven = await followed(provider, handle, tmp_path)
    assert len(driven.files) == order.count
    assert all(file.read_bytes() for file in driven.files)


@pytest.mark.parametrize("name", LISTINGS)
async def test_a_call_that_never_arrived_is_not_found(name: str, emulator: AnyEmulator, provider: Any) -> None:
    order = _plain(name)
    assert await _found(provider, provider.signature(order)) is None
    await submitted(provider, _plain(name, seed=2))
    assert await _found(provider, provider.signature(order)) is None
    assert len(emulator.received("list")) == 2 * LOOKS


@pytest.mark.parametrize("name", LISTINGS)
async def test_of_identical_calls_the_oldest_comes_first_and_those_that_are_known_not_at_all(
    name: str, emulator: Any, provider: Any
) -> None:
    order = _plain(name)
    signature = await _lost(provider, emulator, order)
    await _lost(provider, emulator, order)
    first, second = emulator.tasks
    for known, expected in (((), first), ((first,), second), ((second,), first), ((first, second), None)):
        found = await _found(provider, signature, *known)
        assert (found.data["task"] if found else None) == expected


@pytest.mark.parametrize("name", LISTINGS)
async def test_another_input_another_model_and_an_earlier_time_do_not_fit(
    name: str, emulator: Any, provider: Any
) -> None:
    signature = dict(await _lost(provider, emulator, _plain(name)))
    other = next(route for route in routes_of(name) if route.tool != _route(name).tool)
    later = provider.signature(_plain(name))["since"].replace("20", "30", 1)
    for changed in (
        {"input": provider.signature(_plain(name, seed=2))["input"]},
        {"model": other.model},
        {"since": later},
    ):
        assert await _found(provider, signature | changed) is None
    assert await _found(provider, signature) is not None


@pytest.mark.parametrize("name", LISTINGS)
async def test_clocks_may_differ_but_not_by_more_than_is_documented(name: str, emulator: Any, provider: Any) -> None:
    signature = await _lost(provider, emulator, _plain(name))
    (task,) = emulator.tasks.values()
    for behind, found in ((CLOCKS_DIFFER - timedelta(minutes=1), True), (CLOCKS_DIFFER * 2, False)):
        began = getattr(task, LISTINGS[name].began)
        setattr(task, LISTINGS[name].began, began - behind)
        assert (await _found(provider, signature) is not None) is found
        setattr(task, LISTINGS[name].began, began)


SHAPES: Mapping[str, Any] = {
    "no list": {},
    "a list of nothing": {"items": None, "results": None},
    "a list of numbers": {"items": [1], "results": [1]},
    "not even an object": [],
    "a number": 7,
}


@pytest.mark.parametrize("name", LISTINGS)
@pytest.mark.parametrize("fault", POLL)
async def test_a_list_that_cannot_be_had_says_nothing_about_the_call(
    name: str, fault: str, emulator: AnyEmulator, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = POLL[fault]
    if falls_silent(case):
        monkeypatch.setattr("imagewright.providers.common.provider.LIST_SECONDS", SILENCE)
    emulator.fail_next("list", case.fault, times=SENDS, after=case.after)
    with pytest.raises(ProviderError) as caught:
        await provider.recover(provider.signature(_plain(name)), ())
    check_error(caught.value, case, name, emulator.key)
    # whoever waits for it asks again anyway
    assert len(emulator.received("list")) == 1


@pytest.mark.parametrize("name", LISTINGS)
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_list_that_is_none_is_reported(name: str, shape: str, emulator: AnyEmulator, provider: Any) -> None:
    emulator.fail_next("list", Answer.of(SHAPES[shape]))
    with pytest.raises(ProviderError, match="cannot be read"):
        await provider.recover(provider.signature(_plain(name)), ())


@pytest.mark.parametrize("name", LISTINGS)
async def test_a_list_that_is_refused_is_reported(name: str, emulator: AnyEmulator, provider: Any) -> None:
    signature = provider.signature(_plain(name))
    emulator.fail_next("list", LISTINGS[name].refuses(f"No such key: {emulator.key}"))
    with pytest.raises(BadKey, match=r"No such key: \[key\]") as caught:
        await provider.recover(signature, ())
    assert caught.value.charged is None
    emulator.fail_next("list", Answer.of({"detail": "slowly"}, 429, retry_after="7"))
    with pytest.raises(RateLimited) as limited:
        await provider.recover(signature, ())
    assert limited.value.retry_after == 7


def _spoilt(**fields: Any) -> Callable[[Answer], Answer]:
    """A list whose first entry says something else."""

    def spoil(answer: Answer) -> Answer:
        body = json.loads(answer.body)
        entry = (body.get("items") or body.get("results"))[0]
        entry |= fields
        return Answer.of(body)

    return spoil


@pytest.mark.parametrize("name", LISTINGS)
@pytest.mark.parametrize(
    "fields",
    [
        {"sent_at": None, "created_at": None},
        {"sent_at": "soon", "created_at": "soon"},
        {"json_input": None, "input": None},
        {"json_input": "hidden", "input": "hidden"},
        {"request_id": "", "id": None},
    ],
    ids=str,
)
async def test_an_entry_that_cannot_be_read_is_passed_over(
    name: str, fields: dict[str, Any], emulator: AnyEmulator, provider: Any
) -> None:
    order = _plain(name)
    signature = await _lost(provider, emulator, order)
    await _lost(provider, emulator, order)
    assert await _found(provider, signature) is not None
    emulator.fail_next("list", _spoilt(**fields))
    assert await provider.recover(signature, ()) is not None


@pytest.mark.parametrize("name", LISTINGS)
async def test_pages_are_turned_as_far_as_there_are_any(
    name: str, emulator: Any, provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    LISTINGS[name].two_to_a_page(emulator, monkeypatch)
    signature = await _lost(provider, emulator, _plain(name))
    for seed in range(2, 6):
        await submitted(provider, _plain(name, seed=seed))
    assert await _found(provider, signature) is not None
    looks = len(emulator.received("list"))

    assert await provider.recover(signature, ()) is not None
    assert len(emulator.received("list")) == looks + 3
    monkeypatch.setattr(f"imagewright.providers.{name}.provider.LIST_PAGES", 2)
    assert await provider.recover(signature, ()) is None
    assert len(emulator.received("list")) == looks + 5


async def test_replicate_is_read_no_further_back_than_the_call(http: HttpClient) -> None:
    with ReplicateEmulator() as replicate:
        provider = _listing("replicate", replicate, http)
        replicate.page = 1
        for seed in range(4):
            await submitted(provider, _plain("replicate", seed=seed + 2))
        for task in replicate.tasks.values():
            task.created -= CLOCKS_DIFFER * 2
        signature = await _lost(provider, replicate, _plain("replicate"))
        assert await provider.recover(signature, ()) is not None
        assert len(replicate.received("list")) == 2


async def test_the_next_page_is_asked_for_at_the_address_that_was_set(http: HttpClient) -> None:
    def elsewhere(answer: Answer) -> Answer:
        return Answer.of(json.loads(answer.body) | {"next": "https://elsewhere.example/v1/predictions?cursor=p0002"})

    with ReplicateEmulator() as replicate:
        provider = _listing("replicate", replicate, http)
        signature = await _lost(provider, replicate, _plain("replicate"))
        await submitted(provider, _plain("replicate", seed=2))
        replicate.page = 1
        replicate.fail_next("list", elsewhere)
        assert await provider.recover(signature, ()) is not None
        assert [dict(one.query) for one in replicate.received("list")] == [{}, {"cursor": "p0002"}]


async def test_fal_is_asked_at_the_host_of_its_list_for_one_endpoint_and_no_more_than_is_needed(
    http: HttpClient,
) -> None:
    with FalEmulator() as fal:
        provider = _listing("fal", fal, http)
        signature = provider.signature(_plain("fal"))
        assert await provider.recover(signature, ()) is None
        (request,) = fal.requests
        assert (request.host, request.label) == ("platform", "list")
        assert request.query == {
            "endpoint_id": _plain("fal").route.model,
            "start": signature["since"],
            "expand": "payloads",
            "limit": "10",
        }


async def test_a_model_with_a_version_is_looked_for_by_its_name(http: HttpClient) -> None:
    route = next(one for one in ROUTES if one.versioned)
    with ReplicateEmulator() as replicate:
        provider = _listing("replicate", replicate, http)
        pinned = replace(route, model=f"{route.model}:{version_of(route.model)}")
        signature = await _lost(provider, replicate, plain_order(pinned))
        assert signature["model"] == route.model
        assert await provider.recover(signature, ()) is not None


async def test_behind_a_gateway_the_vendors_own_list_is_not_asked(http: HttpClient) -> None:
    at_home = ProviderConfig(key="of the gateway", addresses={}, overrides={}, http=http)
    behind: Any = open_provider("fal", replace(at_home, addresses={"": "https://gateway.example"}))
    usual: Any = open_provider("fal", at_home)
    assert behind.signature(_plain("fal")) == {}
    assert usual.signature(_plain("fal")) != {}
