"""No spelling of a special address is connected to, whoever gives it; what is public is."""

from __future__ import annotations

import pytest

from tests.security import spellings
from tests.security.addresses import CONNECTIONS, fetch_all, special

pytestmark = pytest.mark.anyio
LEAST = 768
"""How many were tried before this table was written."""
REFUSED = {"address", "private", "unresolved"}
"""Why something is not fetched that nothing was connected to for."""


async def test_a_special_address_is_not_connected_to_in_any_spelling() -> None:
    wanted = [*spellings.urls()]
    assert len({url for _, url in wanted}) >= LEAST
    with CONNECTIONS.watched() as seen:
        found = await fetch_all(wanted, {})
    assert not seen
    assert {kind: reason for kind, reason in found.items() if reason not in REFUSED} == {}
    assert len(found) == len(wanted)


async def test_a_name_that_also_leads_to_a_special_address_is_not_connected_to() -> None:
    table = spellings.names()
    with CONNECTIONS.watched() as seen:
        found = await fetch_all([(host, f"http://{host}/a.png") for host in table], table)
    assert not seen
    assert {host: reason for host, reason in found.items() if reason != "private"} == {}


async def test_a_public_address_is() -> None:
    wanted = [(one, f"http://[{one}]/" if ":" in one else f"http://{one}/") for one in spellings.PUBLIC]
    with CONNECTIONS.watched() as seen:
        found = await fetch_all([*wanted, ("a name", "http://public.example/")], {"public.example": ["1.1.1.1"]})
    assert set(found.values()) == {"unreachable"}
    assert len(seen) == len(wanted) + 1
    assert not special(seen)
