"""What the table of providers says of each is what its module does."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.errors import BadKey
from imagewright.providers import REGISTERED, open_client, open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.common.provider import HttpProvider
from tests.support.provider_runs import plain_order

if TYPE_CHECKING:
    from pathlib import Path

    from imagewright.providers.http.client import Account
    from imagewright.providers.http.request import Request

OVER_HTTP = [name for name, one in REGISTERED.items() if one.keys]


class Refusing:
    """A sender whose vendor takes no key."""

    outlives = False

    def __init__(self) -> None:
        self.accounts: list[Account] = []

    async def send(self, account: Account, request: Request[Any], *_more: Any) -> Any:  # noqa: ARG002 - the signature
        self.accounts.append(account)
        raise BadKey(account.provider, "unknown key")

    async def download(self, account: Account, url: str, into: Path, **_more: Any) -> None:
        raise AssertionError((account, url, into))


@pytest.mark.parametrize("name", REGISTERED)
def test_a_provider_is_opened_by_its_name(name: str) -> None:
    provider = open_provider(name, ProviderConfig(key="k", addresses={}, overrides={}, http=open_client()))
    assert provider.name == name
    assert {route.provider for route in provider.routes} == {name}


@pytest.mark.parametrize("name", OVER_HTTP)
def test_a_vendor_has_the_same_three_files(name: str) -> None:
    folder = files(f"imagewright.providers.{name}")
    modules = {entry.name for entry in folder.iterdir() if entry.name.endswith(".py")}
    assert modules >= {"__init__.py", "provider.py", "routes.py", "replies.py"}
    assert name == import_module(f"imagewright.providers.{name}.routes").NAME


@pytest.mark.anyio
@pytest.mark.parametrize("name", OVER_HTTP)
async def test_the_account_knows_the_registered_hosts_and_where_its_key_came_from(name: str) -> None:
    sender = Refusing()
    addresses = {host: f"https://{host or 'main'}.example" for host in ("", *REGISTERED[name].hosts)}
    config = ProviderConfig("k" * 20, addresses, overrides={}, http=sender, key_source="SOME_VARIABLE")
    provider = open_provider(name, config)
    assert isinstance(provider, HttpProvider)
    assert set(provider._others) == set(REGISTERED[name].hosts)  # noqa: SLF001 - an address that is not set is not seen
    with pytest.raises(BadKey):
        await provider.submit(plain_order(provider.routes[0]))
    (account,) = sender.accounts
    assert account.key_source == "SOME_VARIABLE"
    for address in addresses.values():
        assert account.may_send_key_to(f"{address}/v1/anything")
    assert not account.may_send_key_to("https://unregistered.example")
