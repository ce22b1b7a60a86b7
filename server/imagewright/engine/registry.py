"""The providers in use: which have a key, which were asked for, and why the others do not serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagewright.engine.offer import ProviderState
from imagewright.errors import SettingsError
from imagewright.providers import KEY_VARIABLES, KEYLESS, open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.http.client import KeyNamingSender
from imagewright.text import did_you_mean, listed

if TYPE_CHECKING:
    from imagewright.providers.base import Provider, Route, Sender
    from imagewright.settings.load import Settings

OFFLINE = "offline"
"""The built-in provider: it serves when no other can, or when it is asked for by name."""


class ProviderRegistry:
    """Opens the providers the settings call for; opening one makes no connection.

    Args:
        settings: decided settings.
        http: the process's one sender.

    Attributes:
        states: every provider, on or off, with the reason.

    Raises:
        SettingsError: the order of providers names one that does not exist, or a route table cannot be used.
    """

    def __init__(self, settings: Settings, http: Sender) -> None:
        self.states = provider_states(settings)
        self._providers = {
            name: open_provider(name, _provider_config(name, settings, http))
            for name, state in self.states.items()
            if state.on
        }

    @property
    def routes(self) -> tuple[Route, ...]:
        """All routes of the providers in use."""
        return tuple(route for provider in self._providers.values() for route in provider.routes)

    @property
    def names(self) -> tuple[str, ...]:
        """The providers in use."""
        return tuple(self._providers)

    def provider(self, name: str) -> Provider:
        """A provider in use."""
        return self._providers[name]


def _provider_config(name: str, settings: Settings, http: Sender) -> ProviderConfig:
    key = settings.keyring.find(KEY_VARIABLES[name])
    prefix = f"{name}_"
    addresses = {
        "" if where == name else where.removeprefix(prefix): address
        for where, address in settings.addresses.items()
        if where == name or where.startswith(prefix)
    }
    overrides = {tool: tables[name] for tool, tables in settings.routes.items() if name in tables}
    sender = KeyNamingSender(http, key.source) if key else http
    return ProviderConfig(key=key.value if key else "", addresses=addresses, overrides=overrides, http=sender)


def provider_states(settings: Settings) -> dict[str, ProviderState]:
    """Every provider, with whether it serves and why; the user's order first.

    Raises:
        SettingsError: the order names a provider that does not exist.
    """
    wanted = settings.providers
    for name in wanted or ():
        if name not in KEY_VARIABLES:
            known = ", ".join(KEY_VARIABLES)
            raise SettingsError(
                f"there is no provider {name!r}{did_you_mean(name, KEY_VARIABLES)}; the providers are: {known}"
            )
    keys = {name: settings.keyring.find(variables) for name, variables in KEY_VARIABLES.items()}
    open_doors = {name for name in KEYLESS if keys[name] is None and name in settings.addresses}
    any_key = bool(open_doors) or any(key is not None for key in keys.values())
    states = {}
    for name in dict.fromkeys((*(wanted or ()), *KEY_VARIABLES)):
        key, variables = keys[name], KEY_VARIABLES[name]
        if wanted is not None and name not in wanted:
            state = ProviderState(name, on=False, because="not among the providers you chose")
        elif name == OFFLINE and wanted is None:
            reason = "a provider has a key; name offline to use it all the same" if any_key else "no provider has a key"
            state = ProviderState(name, on=not any_key, because=reason)
        elif not variables:
            state = ProviderState(name, on=True, because="you chose it")
        elif name in open_doors:
            state = ProviderState(name, on=True, because="its address is set; no key is sent")
        elif key is None:
            state = _keyless(name, settings, chosen=wanted is not None)
        else:
            state = ProviderState(name, on=True, because=f"key from {key.source}")
        states[name] = state
    return states


def _keyless(name: str, settings: Settings, *, chosen: bool) -> ProviderState:
    """A provider that cannot serve for want of a key, with the variable to set."""
    variables = KEY_VARIABLES[name]
    ways = f"set {listed(variables, 'or')}"
    flaws = settings.keyring.flaws(variables)
    if flaws:
        because = f"{'; '.join(str(flaw) for flaw in flaws)}; {ways} to the key alone"
        return ProviderState(name, on=False, because=because, lacks=f"{name} has no key: {because}")
    # without a choice of the user's, a provider without a key is nothing to point out
    lacks = f"{name} has no key, {ways}" if chosen else ""
    return ProviderState(name, on=False, because=f"no key: {ways}", lacks=lacks)
