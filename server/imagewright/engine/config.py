"""The configuration in use as one snapshot: settings, providers and offer, which only ever change together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagewright.catalog.load import catalog
from imagewright.engine.offer import make_offer, tool_names
from imagewright.engine.registry import ProviderRegistry
from imagewright.errors import SettingsError
from imagewright.providers import KEY_VARIABLES, OTHER_HOSTS
from imagewright.settings.table import address_variable
from imagewright.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from imagewright.engine.offer import Offer
    from imagewright.providers.base import Sender
    from imagewright.settings.load import Settings


@dataclass(frozen=True, slots=True)
class Config:
    """What is in force. A reload makes a new one; a call and its job keep the one they began with.

    Attributes:
        settings: as last read.
        registry: the providers these settings call for.
        offer: the tools those providers serve.
    """

    settings: Settings
    registry: ProviderRegistry
    offer: Offer


def make_config(settings: Settings, http: Sender) -> Config:
    """The snapshot for these settings, at the start and at every reload. Opens no connection.

    Args:
        settings: decided settings.
        http: the process's one sender, which all snapshots share.

    Raises:
        SettingsError: a toggle, a provider, an address or a route table names something that does not exist, or has
            a value that cannot be used.
    """
    settings.toggles.check_names(tool_names())
    _check_addresses(settings.addresses)
    _check_routes(settings.routes)
    registry = ProviderRegistry(settings, http)
    return Config(settings, registry, make_offer(settings.toggles, registry.routes, registry.states))


def _check_addresses(names: Iterable[str]) -> None:
    """Refuse an address that nobody would use: the calls it was meant for would go to the vendor itself."""
    known = [name for name, variables in KEY_VARIABLES.items() if variables]
    known += [f"{name}_{part}" for name, parts in OTHER_HOSTS.items() for part in parts]
    for name in names:
        _check_name(f"addresses.{name} ({address_variable(name)})", "address", name, known)


def _check_routes(tables: Mapping[str, Collection[str]]) -> None:
    """Refuse a table of a tool or provider that does not exist; what a table holds is judged by its provider."""
    for tool, providers in tables.items():
        _check_name(f"routes.{tool}", "tool", tool, tuple(catalog()))
        for provider in providers:
            _check_name(f"routes.{tool}.{provider}", "provider", provider, tuple(KEY_VARIABLES))


def _check_name(where: str, kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        listed = ", ".join(known)
        raise SettingsError(f"{where}: there is no {kind} {name!r}{did_you_mean(name, known)}; there are: {listed}")
