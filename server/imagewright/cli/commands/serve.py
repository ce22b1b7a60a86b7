"""`imagewright serve`: the MCP server on standard input and output, or over HTTP. Imports only what it needs."""

from __future__ import annotations

import gc
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from imagewright.cli import closed_streams, ended_by_the_system, put, put_error
from imagewright.cli.options import Command, command_line, option
from imagewright.errors import SettingsError
from imagewright.settings.load import load_settings
from imagewright.settings.table import HTTP_PATH, HTTP_PORT

if TYPE_CHECKING:
    from imagewright.settings.load import Settings

GREETING = (
    "This is an MCP server: it waits for a client to speak to it on standard input. "
    "To see what it does, press Ctrl-C and run: imagewright demo\n"
)
ONLY_HERE = (
    "serves only this machine, so --host can be localhost, 127.0.0.1 or ::1. Teams and other addresses are for a later "
    "release"
)
OPEN = (
    "imagewright: without a token, every program and every user on this machine can read your pictures and spend your "
    "money through this server\n"
)
SECTION = "Over HTTP"


@click.command(cls=Command)
@option("--http", "over_http", is_flag=True, section=SECTION, help="serve several clients on this machine over HTTP")
@option(
    "--host", metavar="NAME", section=SECTION, help="localhost, 127.0.0.1 or ::1 (default: localhost, which is both)"
)
@option("--port", metavar="NUMBER", section=SECTION, help=f"the port (default: {HTTP_PORT.default}); 0 for a free one")
@option("--path", metavar="PATH", section=SECTION, help=f"the path of its address (default: {HTTP_PATH.default})")
@option("--no-token", is_flag=True, section=SECTION, help="let every program on this machine in, without a token")
def command(*, over_http: bool, host: str | None, port: str | None, path: str | None, no_token: bool) -> int:
    """Serve until the client hangs up, or until TERM, a closed terminal or Ctrl-C; then the process ends here.

    The exit code is 0, and 130 after Ctrl-C. Daemons end with 0 when TERM ends them in order, and init systems, Docker
    and Kubernetes read that as success. 143 means that something was left undone.

    Raises:
        SettingsError: an option or setting is wrong, standard input or output is closed, or the port is taken.
    """
    if over_http:
        interrupted = _over_http(load_settings(os.environ, command_line()), host, port, path, with_token=not no_token)
    elif given := [
        f"--{name}" for name, value in (("host", host), ("port", port), ("path", path)) if value is not None
    ]:
        raise SettingsError(f"{given[0]} is for --http; add it")
    elif no_token:
        raise SettingsError("--no-token is for --http; add it")
    else:
        interrupted = _over_stdio()
    # All is closed. To take the interpreter apart costs a quarter of a second more, and a client that waits for the end
    # sends TERM after 2 s; until then, nothing would be left to take that signal.
    sys.stderr.flush()
    os._exit(128 + signal.SIGINT if interrupted else 0)


def _over_stdio() -> bool:
    if closed_streams & {"stdin", "stdout"}:
        raise SettingsError("standard input and output must be open: they are how a client speaks to this server")
    settings = load_settings(os.environ, command_line())
    if sys.stdin.isatty():
        put_error(GREETING)
    gc.disable()  # what is loaded now stays, and to look for garbage in it takes 40 ms; `serving` turns it on again
    try:
        with ended_by_the_system():
            import anyio  # noqa: PLC0415 - a wrong option or setting is answered without loading the server

            from imagewright.surface.stdio import serve_stdio  # noqa: PLC0415 - as above

        return anyio.run(partial(serve_stdio, settings))
    finally:
        gc.enable()  # also where it does not come to serve, and whoever called goes on


def _over_http(settings: Settings, host: str | None, port: str | None, path: str | None, *, with_token: bool) -> bool:
    with ended_by_the_system():
        import anyio  # noqa: PLC0415 - not for the server on standard input

        from imagewright.settings.keys import make_token  # noqa: PLC0415 - as above
        from imagewright.surface.client import who_serves  # noqa: PLC0415 - as above
        from imagewright.surface.http import serve_http  # noqa: PLC0415 - as above
        from imagewright.surface.listening import HOSTS, TakenError, listen  # noqa: PLC0415 - as above

    name = (host or "localhost").strip().lower().removeprefix("[").removesuffix("]")
    if name not in HOSTS:
        raise SettingsError(f"imagewright serve --http {ONLY_HERE}")
    number = settings.http.port if port is None else HTTP_PORT.kind.read("--port", port)
    place = settings.http.path if path is None else HTTP_PATH.kind.read("--path", path)
    token = ""
    if with_token:
        token = settings.http.token or make_token(settings.folders.token)
    try:
        sockets = listen(name, number)
    except TakenError as error:
        if not (version := who_serves(name, number)):
            raise
        raise SettingsError(
            f"imagewright {version} serves on port {number} already, and clients can use it as it is: imagewright "
            "connect CLIENT --http. For another beside it, choose another --port"
        ) from error
    address = f"http://{'[::1]' if name == '::1' else '127.0.0.1'}:{sockets[0].getsockname()[1]}{place}"
    if not with_token:
        put_error(OPEN)
    (put if sys.stdout.isatty() else put_error)(f"Imagewright serves at {address}\n")
    if with_token and sys.stdout.isatty():
        source = "IMAGEWRIGHT_HTTP_TOKEN" if settings.http.token else settings.folders.token
        put(f"Its token is in {source}. Connect a client: imagewright connect CLIENT --http. Ctrl-C ends the server.\n")
    sys.stdout.flush()
    return anyio.run(partial(serve_http, settings, sockets, place, token))
