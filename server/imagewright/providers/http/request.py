"""What vendor files hand to the sender and get back. Plain data: nothing here sends anything."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from imagewright.net.addresses import DEFAULT_PORTS, is_loopback_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagewright.errors import ProviderError
    from imagewright.providers.base import TaskEnded

T = TypeVar("T")

REPLY_BYTES = 4_000_000
"""Most bytes of a reply that carries no pictures."""


class Purpose(StrEnum):
    """What a request is for; it decides how long to wait, what may be sent again, and what a broken line means."""

    SUBMIT = "submit"
    """Starts paid work: sent again only where the vendor has plainly refused it."""
    POLL = "poll"
    """Asks how work stands: never sent again here, as the engine asks again anyway."""
    UPLOAD = "upload"
    """Hands over an input picture, free of charge: sent again whenever that may help."""
    OTHER = "other"
    """Anything else, such as a cancel: sent again only where it was plainly refused."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file of a form.

    Attributes:
        label: name of the form field.
        name: file name.
        mime: media type.
        data: the whole file.
    """

    label: str
    name: str
    mime: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Reply:
    """An answer, whole.

    Attributes:
        status: HTTP status.
        headers: names in lower case.
        body: decoded from transfer and content coding.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[T]):
    """One request, with the reader of its reply.

    Attributes:
        purpose: what it is for.
        url: full address; its query, if it is a link the vendor gave, is never logged.
        read: makes something of the reply, without I/O. Returns the failure the reply speaks of, if it does; while
            polling, `TaskEnded` where the reply says that the task itself is over. None when it cannot make anything
            of it, and then the HTTP status decides; whatever it raises counts as None. It is called for every status.
        method: HTTP method.
        query: parameters after the `?`.
        headers: besides the account's own.
        json: body as JSON; None for none.
        fields: fields of a multipart form, sent with `files`.
        files: files of a multipart form.
        content: raw body.
        seconds: longest wait for the whole exchange; None for the purpose's own, see `http.SECONDS`.
        max_bytes: most bytes of the reply.
        with_key: whether the account's key goes along; it never leaves for a host that is not the account's. Without
            it, the request is for a link that the vendor gave, and goes to public addresses only, through no proxy; to
            this machine where one of the account's addresses is on it.
    """

    purpose: Purpose
    url: str
    read: Callable[[Reply], T | ProviderError | TaskEnded | None]
    method: str = "POST"
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    fields: Mapping[str, str] = field(default_factory=dict)
    files: tuple[FilePart, ...] = ()
    content: bytes | None = None
    seconds: float | None = None
    max_bytes: int = REPLY_BYTES
    with_key: bool = True


@dataclass(frozen=True, slots=True)
class Account:
    """Who is spoken to, and as whom.

    Attributes:
        provider: the provider's name.
        bases: base addresses the key may be sent to; `https://*.example.com` stands for every host under it.
        key: the API key, to keep it out of messages.
        auth: the headers that carry the key.
    """

    provider: str
    bases: tuple[str, ...]
    key: str = field(repr=False)
    auth: Mapping[str, str] = field(repr=False)

    @property
    def on_loopback(self) -> bool:
        """Whether the user has set one of its addresses to this machine; its result links may be here too."""
        return any(is_loopback_url(base) for base in self.bases)

    def owns(self, url: str) -> bool:
        """Whether the key may be sent there: scheme, host and port of one of the bases."""
        try:
            scheme, host, port = _origin(url)
        except ValueError:  # no address at all, such as `http://[` or one whose port is no number
            return False
        for base in self.bases:
            base_scheme, base_host, base_port = _origin(base)
            under = base_host.startswith("*.") and host.endswith(base_host[1:])
            if (scheme, port) == (base_scheme, base_port) and (host == base_host or under):
                return True
        return False


def bearer(provider: str, key: str, *bases: str) -> Account:
    """An account whose key goes into `Authorization: Bearer`."""
    return Account(provider, bases, key, {"Authorization": f"Bearer {key}"})


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme)
