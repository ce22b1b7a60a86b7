"""A network of its own in which every address there is leads to this machine, and which sees every connection.

It needs Linux and its `unshare` and `ip`; on many systems no right beyond those of a user. Nothing in it reaches the
real network. Names are found in a table, and a site that redirects is at every public address.
"""

from __future__ import annotations

import errno
import http.server
import ipaddress
import os
import shutil
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.security import spellings
from tests.support.pictures import photo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

NAMESERVER = "9.9.9.9"
PORTS = (80, 8080)
"""Where the site listens; connections to other ports are seen as well, and refused."""
UNREACHABLE = {errno.EINVAL, errno.ENETUNREACH, errno.EACCES, errno.EHOSTUNREACH}
"""What the system says of an address that it never connects to, such as one of multicast."""
SETTLE = 0.2
"""Seconds in which a packet that was sent is also seen."""
IPV4_HEAD, IPV6_HEAD = 20, 40
SYN, ACK = 0x02, 0x10
A, AAAA = 1, 28


def why_not() -> str:
    """Why there can be no such network here; empty where there can."""
    if sys.platform != "linux":
        return "it needs Linux"
    if not (shutil.which("unshare") and shutil.which("ip")):
        return "it needs the commands unshare and ip"
    done = subprocess.run(  # noqa: S603 - our own words
        [*_unshared(), "ip", "link", "set", "lo", "up"], capture_output=True, text=True, timeout=30, check=False
    )
    return f"this system lets nobody make one: {done.stderr.strip()}" if done.returncode else ""


def run_inside(module: str, *arguments: str) -> int:
    """Run a module in such a network; its exit code."""
    return subprocess.run([*_unshared(), sys.executable, "-m", module, *arguments], check=False).returncode  # noqa: S603 - our own interpreter and words


def _unshared() -> list[str]:
    own_user = [] if os.geteuid() == 0 else ["--map-root-user"]
    return [shutil.which("unshare") or "unshare", *own_user, "--net", "--mount"]


def _do(*words: str) -> None:
    subprocess.run(words, check=True, timeout=30)  # noqa: S603 - our own words


class MadeUpNetwork:
    """The network, from within; it is set up with `with`."""

    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
        self.seen: set[tuple[str, int]] = set()
        """Address and port of every connection that was begun."""
        self.served: set[str] = set()
        """The addresses at which the site was spoken to."""
        self._names = names
        self._sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))  # every protocol
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Self:
        for words in (
            ("link", "set", "lo", "up"),
            ("route", "add", "local", "0.0.0.0/0", "dev", "lo"),
            ("-6", "route", "add", "local", "::/0", "dev", "lo"),
        ):
            _do("ip", *words)
        resolver = Path(self._folder.name, "resolv.conf")
        resolver.write_text(f"nameserver {NAMESERVER}\noptions timeout:1 attempts:1\n", encoding="ascii")
        _do("mount", "--bind", str(resolver), "/etc/resolv.conf")
        self._sniffer.bind(("lo", 0))
        site = [_Site(port, self) for port in PORTS]
        for run in (self._sniff, _Nameserver(self._names).serve_forever, *(one.serve_forever for one in site)):
            threading.Thread(target=run, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def _sniff(self) -> None:
        while True:
            frame, (_, protocol, direction, *_) = self._sniffer.recvfrom(200)
            if direction == socket.PACKET_OUTGOING and (found := _begun(frame[14:], protocol)):
                self.seen.add(found)

    def reachable(self, addresses: Sequence[str]) -> list[str]:
        """Those that a program here can connect to, each of which must have been seen.

        Raises:
            AssertionError: a connection was made and not seen.
        """
        found = []
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family) as one:
                one.settimeout(1.0)
                code = one.connect_ex((address, PORTS[0]))
            if code in UNREACHABLE:
                continue
            found.append(address)
        time.sleep(SETTLE)
        seen = {address for address, _ in self.seen}
        # the unspecified address is this machine
        assert all(one in seen or ipaddress.ip_address(one).is_unspecified for one in found), set(found) - seen
        return found

    def taken(self) -> set[tuple[str, int]]:
        """What was connected to since this was last asked, without asking for names."""
        time.sleep(SETTLE)
        seen, self.seen = self.seen, set()
        return {(address, port) for address, port in seen if (address, port) != (NAMESERVER, 53)}


def _begun(packet: bytes, protocol: int) -> tuple[str, int] | None:
    """Where a packet begins a TCP connection to; None where it begins none."""
    if protocol == 0x0800:
        head, kind, where = (packet[0] & 0x0F) * 4, packet[9], packet[16:20]
    elif protocol == 0x86DD:
        head, kind, where = IPV6_HEAD, packet[6], packet[24:40]
    else:
        return None
    if kind != socket.IPPROTO_TCP or packet[head + 13] & (SYN | ACK) != SYN:
        return None
    return str(ipaddress.ip_address(where)), int.from_bytes(packet[head + 2 : head + 4], "big")


class _Site(http.server.ThreadingHTTPServer):
    """Redirects where its path says so, and has a picture everywhere else."""

    address_family = socket.AF_INET6
    daemon_threads = True

    def __init__(self, port: int, network: MadeUpNetwork) -> None:
        self.network = network
        super().__init__(("::", port), _Page)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _Page(http.server.BaseHTTPRequestHandler):
    server: _Site

    def do_GET(self) -> None:
        """Answer."""
        self.server.network.served.add(self.connection.getsockname()[0].removeprefix("::ffff:"))
        body = photo(8, 8)
        try:
            status, location = spellings.redirect_of(self.path)
        except ValueError:
            self.send_response(200)
        else:
            body = b""
            self.send_response(status)
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""


class _Nameserver(socketserver.ThreadingUDPServer):
    daemon_threads = True

    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
        self.names = names
        super().__init__((NAMESERVER, 53), _Question)


class _Question(socketserver.DatagramRequestHandler):
    server: _Nameserver

    def handle(self) -> None:
        """Answer one question (RFC 1035, section 4)."""
        packet = self.rfile.read()
        labels, place = [], 12
        while length := packet[place]:
            labels.append(packet[place + 1 : place + 1 + length].decode("ascii"))
            place += length + 1
        (kind,) = struct.unpack_from("!H", packet, place + 1)
        found = [ipaddress.ip_address(one) for one in self.server.names.get(".".join(labels).lower(), ())]
        fitting = [one.packed for one in found if one.version == {A: 4, AAAA: 6}.get(kind)]
        answers = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(one)) + one for one in fitting)
        status = 0x8180 if found else 0x8183  # an answer, or that there is no such name
        head = packet[:2] + struct.pack("!HHHHH", status, 1, len(fitting), 0, 0)
        self.wfile.write(head + packet[12 : place + 5] + answers)
