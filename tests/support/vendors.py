"""Every vendor's emulator by the provider's name, and how the real server is pointed at it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagewright.providers import KEY_VARIABLES, open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.http.client import HttpClient
from tests.emulators.ark import ArkEmulator
from tests.emulators.base import address_variables
from tests.emulators.bfl import BflEmulator
from tests.emulators.dashscope import DashScopeEmulator
from tests.emulators.fal import FalEmulator
from tests.emulators.google import GoogleEmulator
from tests.emulators.ideogram import IdeogramEmulator
from tests.emulators.kie import KieEmulator
from tests.emulators.openai import OpenAIEmulator
from tests.emulators.recraft import RecraftEmulator
from tests.emulators.replicate import ReplicateEmulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from imagewright.providers.base import Provider, Route, Sender

AnyEmulator = (
    ArkEmulator
    | BflEmulator
    | DashScopeEmulator
    | FalEmulator
    | GoogleEmulator
    | IdeogramEmulator
    | KieEmulator
    | OpenAIEmulator
    | RecraftEmulator
    | ReplicateEmulator
)


@dataclass(frozen=True)
class Vendor:
    """A vendor as a test meets it.

    Attributes:
        emulator: its emulator.
        submits: the doors through which paid work begins.
        polls: the doors where one asks how it stands; none where the submit is answered with the pictures.
        first: doors that a submit goes through before those, and that refuse in the same way.
        lists: the doors where recent calls are listed.
    """

    emulator: type[AnyEmulator]
    submits: tuple[str, ...] = ("generate",)
    polls: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


VENDORS: Mapping[str, Vendor] = {
    "kie": Vendor(KieEmulator, ("create",), ("poll",)),
    "fal": Vendor(FalEmulator, ("submit",), ("status", "result"), lists=("list",)),
    "replicate": Vendor(ReplicateEmulator, ("create", "create_version"), ("poll",), first=("model",), lists=("list",)),
    "openai": Vendor(OpenAIEmulator, ("generate", "edit")),
    "google": Vendor(GoogleEmulator),
    "bfl": Vendor(BflEmulator, ("create",), ("poll",)),
    "recraft": Vendor(RecraftEmulator),
    "ideogram": Vendor(IdeogramEmulator),
    "ark": Vendor(ArkEmulator),
    "dashscope": Vendor(DashScopeEmulator, ("generate", "create"), ("poll",)),
}
"""All vendors: every provider but the one that is built in."""


@contextmanager
def opened(names: Iterable[str], keys: Mapping[str, str] | None = None) -> Iterator[dict[str, AnyEmulator]]:
    """The emulators of these vendors, listening; leaving fails where one was misused.

    Args:
        names: the providers.
        keys: keys by provider, instead of the emulators' own.
    """
    with ExitStack() as stack:
        emulators: dict[str, AnyEmulator] = {}
        for name in names:
            emulator = VENDORS[name].emulator()
            emulator.key = (keys or {}).get(name, emulator.key)
            stack.enter_context(emulator)
            emulators[name] = emulator
        yield emulators


def environment(emulators: Mapping[str, AnyEmulator]) -> dict[str, str]:
    """The variables that give the server the key and the addresses of each; no key where the emulator asks for none."""
    text: dict[str, str] = {}
    for name, emulator in emulators.items():
        if emulator.key:
            text[KEY_VARIABLES[name][0]] = emulator.key
        text |= address_variables(name, emulator.addresses)
    return text


def wired(name: str, emulator: AnyEmulator, http: Sender, **overrides: Mapping[str, Any]) -> Provider:
    """The unmodified provider that speaks to the emulator, with the user's tables by tool."""
    return open_provider(
        name, ProviderConfig(key=emulator.key, addresses=emulator.addresses, overrides=overrides, http=http)
    )


def routes_of(name: str) -> tuple[Route, ...]:
    """The built-in routes of a provider."""
    return open_provider(name, ProviderConfig(key="none", addresses={}, overrides={}, http=HttpClient())).routes


def submitted_to(name: str, emulator: AnyEmulator) -> int:
    """How many requests that begin paid work came to the vendor."""
    return sum(len(emulator.received(label)) for label in VENDORS[name].submits)
