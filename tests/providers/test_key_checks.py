"""What each vendor says of a key, by a call that is free of charge: nothing paid ever begins."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.providers import KEY_VARIABLES, open_checking_client, open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.common.keys import ChecksKey, KeyCheck, Verdict, try_addresses, try_key
from tests.emulators.messages import Answer
from tests.support.vendors import VENDORS, submitted_to

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulators.base import Emulator

pytestmark = pytest.mark.anyio

DOORS = {
    "kie": "credit",
    "fal": "prices",
    "replicate": "account",
    "openai": "models",
    "google": "models",
    "bfl": "credits",
    "recraft": "user",
    "ark": "tasks",
    "dashscope": "tasks",
}
"""The door of each vendor's free call. Ideogram has none that is sure to be free."""
LEFT = {"kie": 5.0, "bfl": 10.0, "recraft": 1.0}
"""USD that the emulated account holds, where the free call says it."""
PAGE = (b"<html>Sign in</html>", {"Content-Type": "text/html"})
ODD = (
    (Answer.of({"hello": "there"}), Verdict.UNANSWERED),
    (Answer.of({}, 404), Verdict.UNCLEAR),
    (Answer(200, *PAGE), Verdict.UNANSWERED),
    *((Answer(status, *PAGE), Verdict.UNCLEAR) for status in (302, 401, 402, 403, 407, 429)),
    (Answer(401, b""), Verdict.UNCLEAR),
    (Answer.of({"total": None, "data": None, "credits": "many", "code": "many"}), Verdict.UNANSWERED),
    (Answer.of({}, 503), Verdict.UNANSWERED),
    (Answer.reset(), Verdict.UNANSWERED),
)
"""Answers that say nothing about the key; something else than the vendor may give them."""
WRONG = "wrong-0123456789abcdef-KEY"


async def _check(name: str, emulator: Emulator, key: str, addresses: Mapping[str, str] | None = None) -> KeyCheck:
    http = open_checking_client()
    given = emulator.addresses if addresses is None else addresses
    provider = open_provider(name, ProviderConfig(key=key, addresses=given, overrides={}, http=http))
    try:
        return await try_key(provider)
    finally:
        await http.aclose()


def test_every_vendor_with_a_free_call_is_in_the_table() -> None:
    found = set()
    for name, variables in KEY_VARIABLES.items():
        provider = open_provider(name, ProviderConfig("x", {}, {}, open_checking_client()))
        if variables and isinstance(provider, ChecksKey):
            found.add(name)
    assert found == set(DOORS)


@pytest.mark.parametrize("name", VENDORS)
async def test_a_good_key_a_wrong_key_and_odd_answers(name: str) -> None:
    emulator: Any = VENDORS[name].emulator()
    with emulator:
        if name not in DOORS:
            assert await _check(name, emulator, emulator.key) == KeyCheck(Verdict.UNCHECKED)
            assert not emulator.requests
            return
        good = await _check(name, emulator, emulator.key)
        assert good == KeyCheck(Verdict.ACCEPTED, usd_left=LEFT.get(name))
        wrong = await _check(name, emulator, WRONG)
        assert wrong.verdict is Verdict.REFUSED
        assert wrong.detail
        assert WRONG not in wrong.detail
        for answer, verdict in ODD:
            emulator.fail_next(DOORS[name], answer)
            assert (await _check(name, emulator, emulator.key)).verdict is verdict, answer
        assert submitted_to(name, emulator) == 0
        assert not emulator.charges
        assert {one.label for one in emulator.requests} == {DOORS[name]}


async def test_an_empty_account_has_a_key_that_is_known() -> None:
    emulator: Any = VENDORS["kie"].emulator()
    with emulator:
        emulator.fail_next("credit", Answer.of({"code": 402, "msg": "Credits insufficient", "data": None}))
        found = await _check("kie", emulator, emulator.key)
    assert found.verdict is Verdict.ACCEPTED
    assert "no credit" in found.detail


async def test_an_overdrawn_account_has_a_key_that_is_known() -> None:
    for name in LEFT:
        emulator: Any = VENDORS[name].emulator()
        with emulator:
            emulator.fail_next(DOORS[name], Answer.of({"code": 200, "data": -5, "credits": -5}))
            assert await _check(name, emulator, emulator.key) == KeyCheck(Verdict.ACCEPTED)


async def test_the_key_does_not_go_to_the_vendor_where_a_gateway_is_set() -> None:
    emulator: Any = VENDORS["fal"].emulator()
    with emulator:
        gateway = {"": emulator.url("api")}
        assert (await _check("fal", emulator, emulator.key, gateway)).verdict is Verdict.UNCHECKED
        assert not emulator.requests


async def test_any_answer_of_a_base_address_is_enough_and_none_is_said() -> None:
    emulator: Any = VENDORS["kie"].emulator()
    http = open_checking_client()
    with emulator:
        api = emulator.url("api")
        addresses = {"": api, "upload": "http://127.0.0.1:1"}
        provider = open_provider("kie", ProviderConfig("x" * 20, addresses, {}, http))
        found = await try_addresses(provider)
    await http.aclose()
    assert found[api] == 404
    assert found["http://127.0.0.1:1"] == os.strerror(errno.ECONNREFUSED)


async def test_a_host_that_there_is_not_is_said_to_be_none() -> None:
    emulator: Any = VENDORS["kie"].emulator()
    found = await _check("kie", emulator, "x" * 20, {"": "http://vendor.invalid"})
    assert found == KeyCheck(Verdict.UNANSWERED, "its host cannot be found")
