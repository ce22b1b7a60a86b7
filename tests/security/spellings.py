"""Special addresses, and the ways to write one that an attacker has: in a URL, behind a name, behind a redirect.

The addresses are written down here once more on purpose, and not taken from the list under test.
"""

from __future__ import annotations

import base64
import ipaddress
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

IPV4 = (
    "0.0.0.0",  # noqa: S104 - what must not be connected to
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "161.26.0.10",
    "166.9.0.1",
    "168.63.129.16",
    "169.254.0.23",
    "169.254.42.42",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.170",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.1.1",
    "192.175.48.6",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "233.252.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
)
IPV6 = (
    "::",
    "::1",
    "::2",
    "::a00:1",
    "::ffff:0:a00:1",
    "64:ff9b:1::1",
    "64:ff9b:1:ffff::a00:1",
    "100::1",
    "100:0:0:1::1",
    "200::1",
    "400::1",
    "1000::1",
    "2001:1::1",
    "2001:1::2",
    "2001:1::3",
    "2001:2::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:5::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2001:db8:ffff:ffff::1",
    "2620:4f:8000::6",
    "3fff::1",
    "3fff:fff:ffff::1",
    "4000::1",
    "5f00::1",
    "5fff::1",
    "6000::1",
    "8000::1",
    "a000::1",
    "c000::1",
    "e000::1",
    "f000::1",
    "f800::1",
    "fc00::1",
    "fd00:42::42",
    "fd00:a9fe:a9fe::1",
    "fd00:ec2::23",
    "fd00:ec2::253",
    "fd00:ec2::254",
    "fd12:3456:789a::1",
    "fd20:ce::254",
    "fdff:ffff:ffff::1",
    "fe00::1",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "febf:ffff::1",
    "fec0::1",
    "feff:ffff::1",
    "ff02::1",
    "ff05::1:3",
    "ff0e::1",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "2001:0:a00:1:8000:63bf:f7f7:f7f7",
)
"""The last two are Teredo addresses, of a client and of a server that are private."""
PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "161.25.255.255",
    "161.27.0.1",
    "166.7.255.255",
    "166.12.0.1",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "191.255.255.255",
    "192.0.1.1",
    "192.0.3.1",
    "192.167.255.255",
    "192.169.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "203.0.112.255",
    "203.0.114.1",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2606:4700:4700::1111",
    "2620:4f:7fff::1",
    "2620:4f:8001::1",
    "2a00:1450:4001:80b::200e",
    "3ffe:ffff::1",
    "3fff:1000::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "2001:0:808:808:8000:63bf:f7f7:f7f7",
)
"""Just outside of special blocks, and carriers of public addresses."""


def carriers(address: str) -> dict[str, str]:
    """The IPv6 addresses whose packets go to an IPv4 address, or once went there."""
    number = int(ipaddress.IPv4Address(address))
    tail = f"{number >> 16:x}:{number & 0xFFFF:x}"
    turned = f"{number >> 16 ^ 0xFFFF:x}:{number & 0xFFFF ^ 0xFFFF:x}"
    return {
        "mapped": f"::ffff:{tail}",
        "mapped, with dots": f"::ffff:{address}",
        "mapped, in full": f"0:0:0:0:0:ffff:{tail}",
        "compatible": f"::{tail}",
        "translated": f"::ffff:0:{tail}",
        "NAT64": f"64:ff9b::{tail}",
        "NAT64, local": f"64:ff9b:1::{tail}",
        "6to4": f"2002:{tail}::1",
        "Teredo": f"2001:0:808:808:0:0:{turned}",
    }


def spelled(address: str) -> dict[str, str]:
    """The ways to write an IPv4 address as the host of a URL."""
    a, b, c, d = (int(part) for part in address.split("."))
    number = int(ipaddress.IPv4Address(address))
    wide = str.maketrans("0123456789", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19")
    circled = str.maketrans("123456789", "\u2460\u2461\u2462\u2463\u2464\u2465\u2466\u2467\u2468")
    plain = {
        "plain": address,
        "a dot behind": f"{address}.",
        "one number": str(number),
        "one hexadecimal number": f"{number:#x}",
        "one octal number": f"0{number:o}",
        "hexadecimal": f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        "octal": f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        "octal, padded": f"{a:06o}.{b:06o}.{c:06o}.{d:06o}",
        "mixed": f"{a:#x}.{b}.0{c:o}.{d}",
        "three parts": f"{a}.{b}.{c << 8 | d}",
        "two parts": f"{a}.{b << 16 | c << 8 | d}",
        "wide digits": address.translate(wide),
        "circled digits": address.translate(circled),
        "wide stops": address.replace(".", "\u3002"),
        "half-wide stops": address.replace(".", "\uff61"),
        "percent": "".join(f"%{ord(one):02x}" for one in address),
        "percent, one sign": address.replace(".", "%2e", 1),
        "a soft hyphen": address.replace(".", "\u00ad.", 1),
        "a zero-width space": address.replace(".", "\u200b.", 1),
        "a tab": address.replace(".", "\t.", 1),
        "a line end": address.replace(".", "\r\n.", 1),
        "user-info": f"8.8.8.8@{address}",
        "user-info of a name": f"public.example:80@{address}",
        "a backslash": f"8.8.8.8\\@{address}",
        "a percent-written at sign": f"8.8.8.8%40{address}",
    }
    return plain | {kind: f"[{one}]" for kind, one in carriers(address).items()}


def urls(addresses: tuple[str, ...] = IPV4, others: tuple[str, ...] = IPV6) -> Iterator[tuple[str, str]]:
    """(what is odd about it, URL) for everything that must not be connected to."""
    for address in addresses:
        for kind, host in spelled(address).items():
            yield f"{address}, {kind}", f"http://{host}/a.png"
        yield f"{address}, https", f"https://{address}/a.png"
        yield f"{address}, another port", f"http://{address}:8080/a.png"
        yield f"{address}, large letters", f"HTTP://{address}/A.PNG"
    for address in others:
        yield f"{address}", f"http://[{address}]/a.png"
        yield f"{address}, https", f"https://[{address}]/a.png"
        yield f"{address}, another port", f"http://[{address}]:8080/a.png"
        yield f"{address}, with a zone", f"http://[{address}%25lo]/a.png"
        yield f"{address}, in full", f"http://[{ipaddress.IPv6Address(address).exploded}]/a.png"
        yield f"{address}, large letters", f"http://[{address.upper()}]/a.png"


def names(addresses: tuple[str, ...] = IPV4, others: tuple[str, ...] = IPV6) -> Mapping[str, list[str]]:
    """Hosts whose name leads to a special address: alone, and beside a public one, before it and behind it."""
    found: dict[str, list[str]] = {}
    for place, address in enumerate((*addresses, *others)):
        public = "2606:4700:4700::1111" if ":" in address else "93.184.216.34"
        found[f"inside-{place}.example"] = [address]
        found[f"first-{place}.example"] = [address, public]
        found[f"last-{place}.example"] = [public, address]
    for place, address in enumerate(addresses):
        for kind, carrier in enumerate(carriers(address).values()):
            found[f"carried-{place}-{kind}.example"] = [carrier]
    return found


REDIRECTS = (300, 301, 302, 303, 305, 306, 307, 308, 304)


def redirects(site: str, addresses: tuple[str, ...] = (*IPV4, *IPV6)) -> Iterator[tuple[str, str]]:
    """The same behind a redirect: URLs of a site that sends on, as `redirect_of` reads them."""
    for address, status in product(addresses, REDIRECTS):
        host = f"[{address}]" if ":" in address else address
        yield f"{address}, by a redirect {status}", f"{site}/{status}/{_packed(f'http://{host}/a.png')}"


def redirect_of(path: str) -> tuple[int, str]:
    """The status and the `Location` that the path of such a URL asks for."""
    _, status, packed = path.split("/")
    return int(status), base64.urlsafe_b64decode(packed).decode()


def _packed(url: str) -> str:
    return base64.urlsafe_b64encode(url.encode()).decode()
