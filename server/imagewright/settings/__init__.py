"""What can be set and where from: one table, and readers of the environment, the configuration file and the keys."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple, Self

LAST_PORT: Final = 65535
HOST_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63}){0,126}")
"""A host's name in small letters; one of other scripts in its ASCII form, which begins with `xn--`."""
LIKE_A_KEY: Final = re.compile(r"[\w.+:=-]{16,}")
"""What may be a key: no vendor gives out shorter ones."""
WORDS: Final = re.compile(r"(?:(?:[a-z]{1,15}|[A-Z]{1,15}|[A-Z][a-z]{1,14}|[0-9]{1,5})(?:[_.+:=-]+|$))+")
"""Words and small numbers: what is no key though it is as long, such as `images.example.com:8080`."""


def without_secrets(text: str) -> str:
    """A wrong value of a setting, fit for a message: people paste keys into the wrong line.

    What may be a key, and a user's name and password before a host, becomes `[hidden]`.
    """
    text = re.sub(r"(?<=://)[^/]*@", "[hidden]@", text)  # also of a password with a blank in it
    text = re.sub(
        r"\S+", lambda found: f"[hidden]@{found[0].rpartition('@')[2]}" if "@" in found[0] else found[0], text
    )
    return LIKE_A_KEY.sub(lambda found: found[0] if WORDS.fullmatch(found[0]) else "[hidden]", text)


def without_login(address: str) -> str:
    """An http(s) address, fit to be shown and logged: without a name and password before its host, and its query."""
    scheme, mark, rest = address.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    _, login, host = host.rpartition("@")
    return f"{scheme}{mark}{'[hidden]@' if login else ''}{host}{slash}{path}"


class AllowedHost(NamedTuple):
    """A host that may be fetched from and sent to although it is not on the public Internet."""

    host: str
    """Its name in small letters, or its address as `ipaddress` writes it."""
    port: int | None
    """The one port; None for every port."""

    def __str__(self) -> str:
        """As `parse` reads it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port or '*'}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """A host with its port, such as `nas.local:8080`, `10.0.0.5:*` or `[fd00::5]:443`.

        Raises:
            ValueError: it is written in another way; the text of the error is what was given.
        """
        name, _, port = text.strip().rpartition(":")
        brackets = name.startswith("[") and name.endswith("]")
        known = port == "*" or (port.isascii() and port.isdecimal() and 0 < int(port) <= LAST_PORT)
        try:
            address = ipaddress.ip_address(name[1:-1] if brackets else name)
            host, known = str(address), known and brackets is (address.version == 6) and "%" not in name  # noqa: PLR2004 - of the protocol
        except ValueError:
            host = name.lower().rstrip(".")
            # what ends with a number is an address in a spelling of its own, such as 10.1
            known = known and HOST_NAME.fullmatch(host) is not None and not host.rpartition(".")[2].isdecimal()
        if not known:
            raise ValueError(text)
        return cls(host, None if port == "*" else int(port))
