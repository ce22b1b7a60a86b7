"""A client of our own server, for `imagewright demo` and `imagewright doctor`, and who serves over HTTP here."""

from __future__ import annotations

import json
import socket
import sys
from contextlib import asynccontextmanager
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any

import mcp.types as t
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from imagewright.surface.listening import HOSTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from mcp.shared.dispatcher import ProgressFnT

NAME = "imagewright"
"""How the server names itself over HTTP."""
PATIENCE = 10.0
"""Seconds for which a server on this machine is waited for."""


class OwnClient:
    """Plain data in, plain data out, so that no other floor needs the protocol's types."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def instructions(self) -> str:
        """What the server tells an assistant first."""
        return self._client.instructions or ""

    async def list_tools(self) -> list[dict[str, Any]]:
        """The tools as they came over the wire."""
        listed = await self._client.list_tools()
        return [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in listed.tools]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], on_progress: ProgressFnT | None = None
    ) -> dict[str, Any]:
        """The result as it came over the wire: `isError`, `content`, `structuredContent`."""
        result = await self._client.call_tool(name, arguments, progress_callback=on_progress)
        return result.model_dump(by_alias=True, exclude_none=True, mode="json")


@asynccontextmanager
async def open_client(arguments: Sequence[str], env: dict[str, str] | None = None) -> AsyncIterator[OwnClient]:
    """Start `python -m imagewright` with arguments such as `["serve", "--provider", "offline"]` and connect to it.

    The variables of `env` come on top of the few that the SDK passes on.
    """
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "imagewright", *arguments], env=env)
    # the process's own: a replaced sys.stderr has no descriptor that a child could be given
    errors = sys.__stderr__ or sys.stderr
    async with Client(stdio_client(parameters, errlog=errors)) as client:
        yield OwnClient(client)


def who_serves(host: str, port: int) -> str | None:
    """Which version of Imagewright listens on a port of this machine; empty for another program, None for nobody.

    No token is shown to it.
    """
    found = None
    for address in HOSTS[host]:
        connection = HTTPConnection(address, port, timeout=PATIENCE)
        try:
            connection.request("GET", "/")
            name, _, version = connection.getresponse().getheader("server", "").partition("/")
        except (ConnectionRefusedError, socket.gaierror):
            continue
        except (OSError, HTTPException):
            found = ""
            continue
        finally:
            connection.close()
        if name == NAME:
            return version
        found = ""
    return found


def count_tools(port: int, path: str, token: str) -> int:
    """How many tools the server over HTTP on a port of this machine lists, which is shown this token.

    Raises:
        ConnectionError: it does not let us in; the message is what it says.
        OSError: it does not answer.
        ValueError: what it answers is not of the protocol.
    """
    meta = {t.PROTOCOL_VERSION_META_KEY: t.LATEST_PROTOCOL_VERSION, t.CLIENT_CAPABILITIES_META_KEY: {}}
    method = "tools/list"
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta}}
    headers = {
        "Accept": "application/json, text/event-stream",
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": t.LATEST_PROTOCOL_VERSION,
        "Mcp-Method": method,
    }
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", path, json.dumps(message), headers)
        answer = json.loads(connection.getresponse().read())
    except HTTPException as error:
        raise ValueError(f"it does not speak HTTP ({error!r})") from error
    finally:
        connection.close()
    match answer:
        case {"result": {"tools": list() as tools}}:
            return len(tools)
        case {"error": {"message": str() as why}}:
            raise ConnectionError(why)
        case _:
            raise ValueError("it answers something else")
