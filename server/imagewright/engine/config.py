"""The configuration in use as one snapshot: settings, providers and offer, which only ever change together."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from imagewright.catalog.load import catalog
from imagewright.engine.offer import ProviderState, make_offer, tool_names
from imagewright.errors import BadKey, ProviderError, ResultLost, SettingsError, UnknownOutcome
from imagewright.providers import (
    KEY_VARIABLES,
    KEYLESS,
    OTHER_HOSTS,
    open_checking_client,
    open_client,
    open_provider,
)
from imagewright.providers.base import PollPolicy, ProviderConfig, TellsRetirements
from imagewright.settings import without_secrets
from imagewright.settings.kinds import LEVELS
from imagewright.settings.load import warn_once
from imagewright.settings.table import address_variable, rate_variable
from imagewright.storage.accounts import Pace
from imagewright.text import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
    from datetime import date
    from pathlib import Path

    from imagewright.engine.offer import Offer
    from imagewright.providers.base import Finished, Handle, Order, Output, Provider, Route, Running
    from imagewright.providers.common.keys import KeyCheck
    from imagewright.providers.http.client import Sender
    from imagewright.providers.sending import Sending
    from imagewright.settings.load import Seen, Settings

log = logging.getLogger(__name__)

OFFLINE = "offline"
"""The built-in provider: it serves when no other provider has a key, or when the user names it."""
LOOK_EVERY = 0.5
"""Seconds between two checks of the files, which cost a `stat` each; a change must be noticed within two seconds."""
WRITING_LOOKS = 5
"""Checks between two of those, once a file has changed, until it stays the same: half a file has only some of the
limits. One that is written without end is read all the same after so many."""
LONGEST_KEPT = 14 * 86_400.0
"""Seconds for which a result is kept by the vendor that keeps it longest, Kie."""
NOT_IN_USE = "it is not among the providers in use: it has no key, or was switched off"


@dataclass(frozen=True, slots=True)
class Config:
    """What is in force. A reload makes a new one; a call and its job keep the one they began with."""

    settings: Settings
    """As last read."""
    registry: ProviderRegistry
    """The providers these settings call for."""
    offer: Offer
    """The tools those providers serve."""


def make_config(settings: Settings, http: Sender, today: date | None = None) -> Config:
    """The snapshot for these settings, at the start and at every reload. Opens no connection; all share one sender.

    What has ended by `today`, by default the current day, is not offered.

    Raises:
        SettingsError: a toggle, a provider, an address, a rate or a route table names something that does not exist, or
            has a value that cannot be used.
    """
    settings.toggles.check_names(tool_names())
    if settings.log != LEVELS[0]:
        for sentence in settings.keyring.strangers(KEY_VARIABLES):
            warn_once(sentence)
    _check_addresses(settings.addresses)
    _check_rates(settings.rates)
    _check_routes(settings.routes)
    registry = ProviderRegistry(settings, http)
    routes = _routes(registry.providers.values())
    day = today or datetime.now(UTC).date()
    return Config(settings, registry, make_offer(settings.toggles, routes, registry.states, day))


def _check_addresses(names: Iterable[str]) -> None:
    """Refuse an address that no provider would use: the calls it is meant for would go to the vendor itself."""
    known = [name for name, variables in KEY_VARIABLES.items() if variables]
    known += [f"{name}_{part}" for name, parts in OTHER_HOSTS.items() for part in parts]
    for name in names:
        _check_name(f"addresses.{name} ({address_variable(name)})", "address", name, known)


def _check_rates(names: Iterable[str]) -> None:
    known = [name for name, variables in KEY_VARIABLES.items() if variables]
    for name in names:
        _check_name(f"rates.{name} ({rate_variable(name)})", "provider with a rate", name, known)


def _check_routes(tables: Mapping[str, Collection[str]]) -> None:
    """Refuse a table of a tool or provider that does not exist; what a table holds is judged by its provider."""
    for tool, providers in tables.items():
        _check_name(f"routes.{tool}", "tool", tool, tuple(catalog()))
        for provider in providers:
            _check_name(f"routes.{tool}.{provider}", "provider", provider, tuple(KEY_VARIABLES))


def _check_name(where: str, kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        there = ", ".join(known)
        wrong = f"{where}: there is no {kind} {name!r}"
        raise SettingsError(f"{without_secrets(wrong)}{did_you_mean(name, known)}; there are: {there}")


class ProviderRegistry:
    """The providers the settings call for; opening one makes no connection.

    Raises:
        SettingsError: the order of providers names one that does not exist, or a route table cannot be used.
    """

    states: Mapping[str, ProviderState]
    """Every provider, on or off, with the reason."""
    providers: Mapping[str, Provider]
    """Those in use, by name."""

    def __init__(self, settings: Settings, http: Sender) -> None:
        states = provider_states(settings)
        self.providers = {
            name: open_provider(name, _provider_config(name, settings, http))
            for name, state in states.items()
            if state.on
        }
        paces = {name: provider.pace for name, provider in self.providers.items()}
        self.states = {name: replace(state, pace=paces.get(name)) for name, state in states.items()}

    async def retirements(self) -> dict[str, Mapping[str, str] | ProviderError | None]:
        """By provider, the days on which its vendor says that models end, by their ids; or why it could not be asked.

        None for a provider whose vendor publishes none.
        """
        found: dict[str, Mapping[str, str] | ProviderError | None] = {}
        for name, provider in self.providers.items():
            try:
                found[name] = await provider.retirements() if isinstance(provider, TellsRetirements) else None
            except ProviderError as error:
                found[name] = error
        return found


async def check_online(settings: Settings, names: Iterable[str]) -> dict[str, tuple[KeyCheck, dict[str, str | int]]]:
    """What the vendors say of these providers' keys, and how each base address answers: its HTTP status, or why not.

    All are asked at once, nothing is spent, and a vendor that does not answer raises no error.
    """
    from imagewright.providers.common.keys import try_addresses, try_key  # noqa: PLC0415 - for commands, not for servers

    http = open_checking_client()
    found: dict[str, tuple[KeyCheck, dict[str, str | int]]] = {}

    async def ask(name: str) -> None:
        provider = open_provider(name, _provider_config(name, settings, http))
        found[name] = await try_key(provider), await try_addresses(provider)

    wanted = [*names]
    try:
        async with anyio.create_task_group() as group:
            for name in wanted:
                group.start_soon(ask, name)
    finally:
        await http.aclose()
    return {name: found[name] for name in wanted}


def _provider_config(name: str, settings: Settings, http: Sender) -> ProviderConfig:
    key = settings.keyring.find(KEY_VARIABLES[name])
    prefix = f"{name}_"
    addresses = {
        "" if where == name else where.removeprefix(prefix): address
        for where, address in settings.addresses.items()
        if where == name or where.startswith(prefix)
    }
    overrides = {tool: tables[name] for tool, tables in settings.routes.items() if name in tables}
    rate = settings.rates.get(name)
    return ProviderConfig(
        key="" if key is None else key.value,
        key_source="" if key is None else key.source,
        addresses=addresses,
        overrides=overrides,
        http=http,
        pace=None if rate is None else Pace(*rate, is_users=True),
        cutout_model=settings.cutout_model,
        allow_hosts=settings.allow_hosts,
    )


def provider_states(settings: Settings) -> dict[str, ProviderState]:
    """Every provider, with whether it serves and why; the user's order first.

    Raises:
        SettingsError: the order names a provider that does not exist.
    """
    wanted = settings.providers
    for name in wanted or ():
        if name not in KEY_VARIABLES:
            known = ", ".join(KEY_VARIABLES)
            wrong = f"{without_secrets(name)!r}{did_you_mean(name, KEY_VARIABLES)}"
            raise SettingsError(f"there is no provider {wrong}; the providers are: {known}")
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
    """A provider that cannot serve because it has no key, with the variable to set."""
    variables = KEY_VARIABLES[name]
    ways = f"set {listed(variables, 'or')}"
    flaws = settings.keyring.flaws(variables)
    if flaws:
        because = f"{'; '.join(flaws)}; {ways} to the key alone"
        return ProviderState(name, on=False, because=because, lacks=f"{name} has no key: {because}")
    ways += f", or run: imagewright keys set {name}"
    # if the user has named no providers, one without a key is not worth a word
    lacks = f"{name} has no key, {ways}" if chosen else ""
    return ProviderState(name, on=False, because=f"no key: {ways}", lacks=lacks)


def all_routes() -> tuple[Route, ...]:
    """The built-in routes of every provider, in the order of the providers, whether or not it has a key."""
    unused = ProviderConfig(key="unused", addresses={}, overrides={}, http=open_client())
    return _routes(open_provider(name, unused) for name in KEY_VARIABLES)


def all_paces() -> dict[str, Pace]:
    """What each provider with a key is known to take from an account, in the order of the providers."""
    unused = ProviderConfig(key="unused", addresses={}, overrides={}, http=open_client())
    return {name: open_provider(name, unused).pace for name, variables in KEY_VARIABLES.items() if variables}


def _routes(providers: Iterable[Provider]) -> tuple[Route, ...]:
    return tuple(route for provider in providers for route in provider.routes)


def could_serve(tool: str) -> dict[str, tuple[str, ...]]:
    """The providers with a route for the tool, each with the variables its key may stand in."""
    return {route.provider: KEY_VARIABLES[route.provider] for route in all_routes() if route.tool == tool}


@dataclass
class AbsentProvider:
    """Stands in for a provider that is not in use any more, so that its jobs can be ended.

    Every request is refused with `BadKey`. Pictures whose bytes have arrived already can still be kept.
    """

    name: str
    routes: tuple[Route, ...] = ()
    poll_policy = PollPolicy(keeps=LONGEST_KEPT)
    pace = Pace()
    account: str = ""

    async def submit(self, order: Order, sending: Sending | None = None) -> Handle | Finished:
        """Raise `BadKey`, as nothing is sent; or `UnknownOutcome` for what another process may have sent."""
        del order
        if sending is not None and sending.again:
            raise UnknownOutcome(self.name, NOT_IN_USE)
        raise BadKey(self.name, NOT_IN_USE, charged=False)

    async def poll(self, handle: Handle) -> Running | Finished:
        """Raise `BadKey`: whether the task was charged is not known."""
        del handle
        raise BadKey(self.name, NOT_IN_USE, charged=None)

    async def cancel(self, handle: Handle) -> bool:
        """Raise `BadKey`: whether the task was charged is not known."""
        del handle
        raise BadKey(self.name, NOT_IN_USE, charged=None)

    async def fetch(self, output: Output, into: Path, *, begun: bool = True) -> None:  # noqa: ARG002 - the contract's
        """Write a picture whose bytes have arrived.

        Raises:
            ResultLost: they are not.
        """
        if output.data is None:
            raise ResultLost(self.name, NOT_IN_USE)
        from imagewright.engine.pictures import write_private  # noqa: PLC0415 - not for the start-up

        await anyio.to_thread.run_sync(write_private, into, output.data)


async def watch_files(
    look: Callable[[], Seen],
    seen: Seen,
    reload: Callable[[], Awaitable[None]],
    pause: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> None:
    """Call `reload` whenever the files differ from what was seen when they were last read.

    If `reload` raises, that is logged and nothing changes. A `SettingsError` is a mistake of the user's, unless a file
    could not be read: then `reload` is called again at the next look.

    Args:
        look: how the files stand now.
        seen: how they stood before they were first read.
        reload: reads them.
        pause: waits for so many seconds.
    """
    refused = ""
    while True:
        await pause(LOOK_EVERY)
        if (now := look()).stamps == seen.stamps and seen.settled:
            continue
        for _ in range(WRITING_LOOKS):
            before = now
            await pause(LOOK_EVERY / WRITING_LOOKS)
            if (now := look()).stamps == before.stamps:
                break
        is_new, seen = now.stamps != seen.stamps, now
        try:
            await reload()
            refused = ""
        except SettingsError as error:
            if is_new or str(error) != refused:
                log.warning("the changed configuration is not used, and the one before stays in force: %s", error)
            refused = str(error)
            if isinstance(error.__cause__, OSError):  # too many open files, or another program has it open for itself
                seen = seen._replace(settled=False)
        except Exception:  # the next change must be seen all the same
            log.exception("the change of the configuration has met a fault")
