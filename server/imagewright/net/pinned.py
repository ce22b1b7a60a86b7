"""The HTTP transport that connects to the very address it has checked. Imports httpx: import this late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from imagewright.net.addresses import DEFAULT_PORTS, is_public

if TYPE_CHECKING:
    import ssl

    from imagewright.net.addresses import Resolver


class NotPublicError(Exception):
    """A host stands for an address that is not public; the text is that address."""


class NotFoundError(Exception):
    """A host stands for no address."""


class PinnedTransport(httpx.AsyncBaseTransport):
    """Looks a host up once, checks every address, and connects to one of those it checked.

    A second look-up between check and connection could give another answer (DNS rebinding); here there is none:
    the address takes the host's place in the URL, while the `Host` header and the name that TLS verifies stay.
    Connections are never kept: two hosts can share one address, and the certificate was checked for one of them.

    Args:
        verify: what certificates are checked against.
        look_up: finds a host's addresses.
        allow_loopback: whether this machine may be connected to.
    """

    def __init__(self, verify: ssl.SSLContext, look_up: Resolver, *, allow_loopback: bool) -> None:
        self._inner = httpx.AsyncHTTPTransport(verify=verify, limits=httpx.Limits(max_keepalive_connections=0))
        self._look_up = look_up
        self._allow_loopback = allow_loopback

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, trying the host's addresses in turn.

        Raises:
            NotFoundError: the host has no address.
            NotPublicError: one of its addresses is not public.
            httpx.TransportError: it is no http(s) address, no address answers, or the connection broke.
        """
        host, usual_port = request.url.host, DEFAULT_PORTS.get(request.url.scheme)
        if usual_port is None:
            raise httpx.UnsupportedProtocol("this is not an http(s) address", request=request)
        addresses = await self._checked(host, request.url.port or usual_port)
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_aimed(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_aimed(request, addresses[-1]))

    async def _checked(self, host: str, port: int) -> list[str]:
        try:
            addresses = [address.partition("%")[0] for address in await self._look_up(host, port)]
        except (OSError, UnicodeError) as error:
            raise NotFoundError(str(error)) from error
        if not addresses:
            raise NotFoundError
        for address in addresses:
            if not is_public(address, allow_loopback=self._allow_loopback):
                raise NotPublicError(address)
        return addresses

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


def _aimed(request: httpx.Request, address: str) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
