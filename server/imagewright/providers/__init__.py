"""How each vendor spells what the rows promise. A vendor's module is imported when it is first needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imagewright.providers.base import Provider, ProviderConfig
    from imagewright.providers.http.client import Account, HttpClient
    from imagewright.providers.http.request import Request
    from imagewright.providers.sending import Sending

T = TypeVar("T")


class Registration(NamedTuple):
    """What is known of a provider before its module is imported."""

    keys: tuple[str, ...] = ()
    """The environment variables its key may stand in, first one first; none where it needs no key."""
    hosts: tuple[str, ...] = ()
    """Names of the addresses it has besides its main one, as in `IMAGEWRIGHT_KIE_UPLOAD_BASE_URL`."""
    works_keyless: bool = False
    """Whether it also works without a key where the user has set its address: a server of one's own needs none."""


REGISTERED: Mapping[str, Registration] = {
    "kie": Registration(keys=("KIE_API_KEY", "KIE_AI_API_KEY"), hosts=("upload",)),
    "fal": Registration(keys=("FAL_KEY",), hosts=("upload", "list")),
    "replicate": Registration(keys=("REPLICATE_API_TOKEN",)),
    "openai": Registration(keys=("OPENAI_API_KEY",), works_keyless=True),
    "google": Registration(keys=("GEMINI_API_KEY", "GOOGLE_API_KEY")),
    "bfl": Registration(keys=("BFL_API_KEY",), hosts=("poll",)),
    "recraft": Registration(keys=("RECRAFT_API_TOKEN",)),
    "ideogram": Registration(keys=("IDEOGRAM_API_KEY",)),
    "ark": Registration(keys=("ARK_API_KEY",)),
    "dashscope": Registration(keys=("DASHSCOPE_API_KEY",)),
    "offline": Registration(),
}
"""Every provider. A new one is a folder of this name, whose `provider` module sets `PROVIDER`, and a line here."""
CHECK_SECONDS = 15.0
"""Longest wait for the answer to a check."""
KEY_VARIABLES = {name: one.keys for name, one in REGISTERED.items()}
OTHER_HOSTS = {name: one.hosts for name, one in REGISTERED.items() if one.hosts}
KEYLESS = frozenset(name for name, one in REGISTERED.items() if one.works_keyless)


def open_client() -> SharedClient:
    """The HTTP client that all providers of a process share. Its paid requests outlive this process."""
    return SharedClient()


class SharedClient:
    """An `HttpClient` with couriers that is loaded and made for the first request; see there for its methods."""

    def __init__(self) -> None:
        self._made: HttpClient | None = None

    def _client(self) -> HttpClient:
        if self._made is None:
            from imagewright.providers.http.client import HttpClient  # noqa: PLC0415 - not for the start-up

            self._made = HttpClient(couriers=True)
        return self._made

    @property
    def outlives(self) -> bool:
        """Whether paid requests go on when this process ends, those under way included."""
        return self._made is None or self._made.outlives

    async def get_ready(self) -> None:
        """Start what the first request needs."""
        await self._client().get_ready()

    async def send(self, account: Account, request: Request[T], sending: Sending | None = None) -> T:
        """Send a request, and return what its reader made of the reply."""
        return await self._client().send(account, request, sending)

    async def download(
        self, account: Account, url: str, into: Path, *, with_key: bool = False, begun: bool = True
    ) -> None:
        """Stream a result to disk."""
        await self._client().download(account, url, into, with_key=with_key, begun=begun)

    async def aclose(self) -> None:
        """Close the connections, if there are any."""
        if self._made is not None:
            await self._made.aclose()


def open_checking_client() -> HttpClient:
    """A client for checks that somebody waits for: it sends each request once and waits for at most `CHECK_SECONDS`."""
    from imagewright.providers.http.classify import Retry  # noqa: PLC0415 - as above
    from imagewright.providers.http.client import HttpClient  # noqa: PLC0415 - as above
    from imagewright.providers.http.request import Purpose  # noqa: PLC0415 - as above

    return HttpClient(Retry(resends=0), seconds=dict.fromkeys(Purpose, CHECK_SECONDS))


def courier_flaws() -> tuple[str, str]:
    """Why paid requests cannot outlive a server here, found out by trying; each is empty where nothing is wrong.

    First why no courier can be started; then what ends one together with the server. Blocks for about half a second.
    """
    courier = import_module("imagewright.providers.http.courier")
    return courier.try_out(), courier.ends_along()


def needs_earlier_key(kept: Mapping[str, str], key: str) -> bool:
    """Whether what is kept of a task, see `Handle.data`, can only be read with a key that was set before this one."""
    redact = import_module("imagewright.providers.http.redact")
    return any(redact.SEALED.search(redact.opened(text, key)) for text in kept.values())


def open_provider(name: str, config: ProviderConfig) -> Provider:
    """The registered provider of that name, ready to take orders. Opens no connection.

    Raises:
        SettingsError: a route table of the configuration cannot be used.
    """
    module = import_module(f"imagewright.providers.{name}.provider")
    provider: Provider = module.PROVIDER(config)
    return provider
