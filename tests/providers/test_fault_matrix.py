"""Every vendor and every fault: one class, one sentence, the right word about a retry and about the money.

What a vendor says in its own words is taken from its cases, all of whose words are tried elsewhere; here they are held
against each other.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from imagewright.errors import BadKey, ContentRefused, OutOfCredit, ProviderError, RateLimited, ResultLost
from tests.emulators.messages import Answer
from tests.support import faults
from tests.support.faults import SENDS, Case, check_error, falls_silent, hurry, impatient_sender, plan, quick_sender
from tests.support.provider_runs import made, ordered, plain_order
from tests.support.vendors import VENDORS, opened, submitted_to, wired

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imagewright.providers.base import Provider
    from imagewright.providers.http.client import HttpClient
    from tests.support.vendor_cases import Vendor
    from tests.support.vendors import AnyEmulator

    Where = Literal["submit", "poll", "download"]

pytestmark = pytest.mark.anyio

SIGNED = ("sig=", "Signature=")
"""What stands in a link that opens a file to whoever has it."""


EMPTY = {name: vendor.empty for name, vendor in VENDORS.items() if vendor.empty}


@dataclass(frozen=True)
class Fault:
    """A row of the matrix."""

    where: Where
    """At which step it strikes."""
    case: Case | None
    """What the vendor does and what it becomes; None where each vendor has words of its own for it."""
    error: type[ProviderError]
    """The class it becomes at every vendor."""
    retryable: bool
    """Whether the same call can succeed later."""
    charged: tuple[bool | None, ...]
    """What may be said about the money."""


def _shared(where: Where, case: Case, *, retryable: bool) -> Fault:
    return Fault(where, case, case.error, retryable, (case.charged,))


MATRIX: Mapping[str, Fault] = {
    "429": _shared("submit", Case(Answer(429), RateLimited, False, sends=SENDS), retryable=True),
    "429 with Retry-After": _shared(
        "submit",
        Case(Answer(429, b"", {"Retry-After": "3600"}), RateLimited, False, says="after 1 hour"),
        retryable=True,
    ),
    "503": _shared("submit", faults.SUBMIT["gateway busy"], retryable=True),
    "502": _shared("submit", faults.SUBMIT["gateway broken"], retryable=False),
    "hang": _shared("submit", faults.SUBMIT["silence"], retryable=False),
    "reset": _shared("submit", faults.SUBMIT["reset before"], retryable=False),
    "reset after the work": _shared("submit", faults.SUBMIT["reset after"], retryable=False),
    "half an answer": _shared("submit", faults.SUBMIT["half an answer"], retryable=False),
    "moderation": Fault("submit", None, ContentRefused, retryable=False, charged=(False, None)),
    "no money": Fault("submit", None, OutOfCredit, retryable=False, charged=(False,)),
    "bad key": Fault("submit", None, BadKey, retryable=False, charged=(False,)),
    "429 at a poll": _shared("poll", Case(Answer(429), RateLimited, None), retryable=True),
    "503 at a poll": _shared("poll", faults.POLL["gateway busy"], retryable=True),
    "reset at a poll": _shared("poll", faults.POLL["reset"], retryable=True),
    **{f"{row}, of a picture": _shared("download", case, retryable=False) for row, case in faults.DOWNLOAD.items()},
}


def _case(name: str, emulator: AnyEmulator, row: str) -> Case:
    """What happens and what it becomes at this vendor."""
    fault = MATRIX[row]
    if fault.case is not None:
        return fault.case
    vendor = VENDORS[name]
    return {"moderation": vendor.moderation, "no money": vendor.no_money, "bad key": _wrong_key(emulator)}[row]


def _wrong_key(emulator: AnyEmulator) -> Case:
    """The emulator's own refusal of a key that it does not know."""
    emulator.key = f"another-{emulator.key}"
    return Case(lambda answer: answer, BadKey, False)


def _cannot(vendor: Vendor, where: Where) -> bool:
    """Whether nothing can fail there: its plain route is never asked about, or its pictures stand in the answer."""
    return {"poll": not vendor.polls or vendor.at_once is not None, "download": vendor.links is None}.get(where, False)


async def _whole_call(provider: Provider, into: Path) -> None:
    finished = await made(provider, plain_order(provider.routes[0]))
    await provider.fetch(finished.outputs[0], into)


def _plan(name: str, emulator: AnyEmulator, where: Where, case: Case) -> None:
    labels = {"submit": VENDORS[name].submits, "poll": VENDORS[name].polls, "download": ("download",)}
    for label in labels[where]:
        plan(emulator, label, case)


@pytest.mark.parametrize("row", MATRIX)
@pytest.mark.parametrize("name", VENDORS)
async def test_a_fault_has_one_error_and_never_costs_a_second_submit(name: str, row: str, tmp_path: Path) -> None:
    fault, vendor, into = MATRIX[row], VENDORS[name], tmp_path / "picture"
    with opened([name]) as emulators:
        emulator, key = emulators[name], emulators[name].key
        for attribute, value in (vendor.links or {}).items():
            setattr(emulator, attribute, value)
        wait = fault.case is not None and falls_silent(fault.case)
        async with aclosing(impatient_sender(emulator) if wait else quick_sender()) as http:
            provider = wired(name, emulator, http)
            if wait:
                hurry(provider)
            case = _case(name, emulator, row)
            _plan(name, emulator, fault.where, case)
            if _cannot(vendor, fault.where):
                await _whole_call(provider, into)
                assert into.stat().st_size
                return
            with pytest.raises(ProviderError) as caught:
                await _whole_call(provider, into)
        error = caught.value
        assert (type(error), error.retryable) == (fault.error, fault.retryable)
        assert error.charged in fault.charged
        check_error(error, case, name, key)
        assert not any(signed in str(error) for signed in SIGNED)
        assert submitted_to(name, emulator) == (case.sends if fault.where == "submit" else 1)
        if fault.where == "download":
            assert len(emulator.received("download")) == case.sends
        if error.charged is False:
            assert not emulator.charges
        assert not into.exists()


@pytest.mark.parametrize("name", [name for name, vendor in VENDORS.items() if vendor.expires])
async def test_a_link_whose_time_is_over_has_lost_its_picture(
    name: str, emulator: Any, http: HttpClient, tmp_path: Path
) -> None:
    emulator.link_seconds = -1.0
    with pytest.raises(ResultLost, match="expired"):
        await _whole_call(wired(name, emulator, http), tmp_path / "picture")
    assert not (tmp_path / "picture").exists()


@pytest.mark.parametrize("name", EMPTY)
async def test_an_empty_account_and_a_wrong_key_are_reported(
    name: str, emulator: AnyEmulator, http: HttpClient
) -> None:
    provider = wired(name, emulator, http)
    order = plain_order(provider.routes[0])
    money, little, says = EMPTY[name]
    setattr(emulator, money, little)
    with pytest.raises(OutOfCredit, match=says):
        await ordered(provider, order)
    emulator.key = "another-id:0123456789"
    with pytest.raises(BadKey, match="doctor") as caught:
        await ordered(provider, order)
    assert caught.value.charged is False
    assert not emulator.charges


@pytest.mark.parametrize("name", VENDORS)
def test_every_vendor_is_tried_as_one_that_answers_at_once_or_takes_its_time(name: str) -> None:
    assert VENDORS[name].at_once or VENDORS[name].queue
