"""HTTP/1.1 on one connection, with endings that no well-behaved server offers."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from tests.emulators.messages import Answer, Received

if TYPE_CHECKING:
    from collections.abc import Callable

BODY_LIMIT = 64_000_000
"""Bytes of one request."""
GLANCE = 0.005
"""Seconds between two looks whether an answer that is held may go."""


class Talk:
    """One connection, from its first request to its end.

    Args:
        answer: makes the answer to a request.
        host: name of the host that was connected to.
        reader: what comes.
        writer: what goes.
    """

    def __init__(
        self,
        answer: Callable[[Received], Answer],
        host: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._answer = answer
        self._host = host
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=65536)

    async def go_on(self) -> None:
        try:
            while (received := await self._receive()) is not None and await self._send(self._answer(received)):
                self._http.start_next_cycle()
        except (ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError):
            return  # the client went away or talks nonsense, or the emulator closes: either way the talk is over
        finally:
            self._writer.close()
            with suppress(ConnectionError):
                await self._writer.wait_closed()

    async def _receive(self) -> Received | None:
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._writer.write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                self._http.receive_data(await self._reader.read(65536))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_LIMIT:
                    raise ConnectionError("body too large")
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                return _received(self._host, request, bytes(body))
            else:
                return None

    async def _send(self, answer: Answer) -> bool:
        """Whether the connection can go on."""
        await asyncio.sleep(answer.seconds)
        while answer.until is not None and not answer.until.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(GLANCE)
        if answer.ending == "hang":
            await asyncio.Event().wait()
        if answer.ending == "reset":
            abort(self._writer)
            return False
        length = {} if "Transfer-Encoding" in answer.headers else {"Content-Length": str(len(answer.body))}
        framing = {"Transfer-Encoding": "chunked"} if answer.piece else length
        headers = {**framing, **answer.headers}
        head = self._http.send(h11.Response(status_code=answer.status, headers=list(headers.items())))
        step = answer.piece or len(answer.body) or 1
        pieces = [answer.body[place : place + step] for place in range(0, len(answer.body), step)]
        sent = [self._http.send(h11.Data(data=piece)) or b"" for piece in pieces]
        if answer.pause:
            self._writer.write(head or b"")
            head = b""
            while len(sent) > 1:
                self._writer.write(sent.pop(0))
                await self._writer.drain()
                await asyncio.sleep(answer.pause)
        body = b"".join(sent)
        if answer.ending in ("truncate", "stall"):
            self._writer.write((head or b"") + body[: len(body) // 2])
            await self._writer.drain()
            if answer.ending == "stall":
                await asyncio.Event().wait()
            return False
        self._writer.write((head or b"") + body + (self._http.send(h11.EndOfMessage()) or b""))
        await self._writer.drain()
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE


def _received(host: str, request: h11.Request, body: bytes) -> Received:
    parts = urlsplit(request.target.decode("ascii"))
    return Received(
        host=host,
        method=request.method.decode("ascii"),
        path=unquote(parts.path),
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers},
        body=body,
    )


def abort(writer: asyncio.StreamWriter) -> None:
    """Break a connection so that the other side sees a reset, not an end."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0))
    writer.transport.abort()
