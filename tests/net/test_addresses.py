"""Which addresses may be connected to: the list of special ones, carriers of others, and what the user has allowed."""

from __future__ import annotations

import ipaddress
import tomllib
from datetime import date
from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest

from imagewright.net import BITS, PUBLIC, Guard, barring, block_at, block_of, blocks
from imagewright.settings import AllowedHost
from tests.security import spellings
from tests.support.each import each

LIST: dict[str, Any] = tomllib.loads((files("imagewright.net") / "addresses.toml").read_text(encoding="utf-8"))
LOOPBACK = ("127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1")
NAS, ANY, LOCAL = AllowedHost("nas.local", 8080), AllowedHost("nas.local", None), AllowedHost("localhost", 9000)
BY_ADDRESS, METADATA = AllowedHost("10.0.0.5", 80), AllowedHost("169.254.169.254", 80)
SIX, METADATA_SIX = AllowedHost("fd00::5", 443), AllowedHost("fd00:ec2::254", 80)


@each([(one,) for one in [*spellings.IPV4, *spellings.IPV6]])
def test_special_addresses_are_not_public(address: str) -> None:
    assert block_of(address) is not None


@each([(one,) for one in spellings.PUBLIC])
def test_their_neighbours_are(address: str) -> None:
    assert block_of(address) is None


@each([(one,) for one in spellings.IPV4])
def test_an_address_that_carries_a_special_one_is_not_public(address: str) -> None:
    for carrier in spellings.carriers(address).values():
        assert block_of(carrier) is not None, carrier


@each([(one,) for one in [*spellings.IPV4, *spellings.IPV6, *LOOPBACK]])
def test_this_machine_may_be_opened_as_a_whole_and_alone(address: str) -> None:
    assert (barring(Guard(loopback=True), "a.example", 80, address) is None) is (address in LOOPBACK)


def test_a_scope_is_ignored_and_what_is_no_address_is_a_name() -> None:
    assert block_of("fe80::1%eth0") == block_of("fe80::1")
    with pytest.raises(ValueError, match="nas"):
        block_of("nas.local")
    assert block_at("nas.local") is None
    assert block_at("10.0.0.5") == block_of("10.0.0.5")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("10.1.2.3", "private use"),
        ("192.0.0.192", "Oracle Cloud metadata"),
        ("192.0.0.1", "IPv4 service continuity"),
        ("192.0.0.200", "IETF protocol assignments"),
        ("::ffff:168.63.129.16", "Azure platform (WireServer)"),
        ("fd00:ec2::254", "AWS: metadata, credentials, DNS and time"),
        ("fd00::1", "unique local"),
        ("7::1", "not given out"),
    ],
)
def test_the_most_special_block_is_named(address: str, name: str) -> None:
    found = block_of(address)
    assert found is not None
    assert found.name == name


def test_the_list_says_where_it_comes_from_and_each_block_is_there_once() -> None:
    assert all(source.startswith("https://www.iana.org/assignments/") for source in LIST["sources"])
    assert date(2025, 10, 9) <= LIST["updated"] <= LIST["compared"]
    for row in LIST["special"]:
        assert row["name"], row
        assert row["source"], row
        assert row.keys() <= {"network", "name", "source", "home", "loopback", "ipv4_at", "ipv4_inverted_at"}
    networks = [ipaddress.ip_network(row["network"]) for row in LIST["special"]]
    assert len(set(networks)) == len(networks)


def test_every_address_of_every_block_is_special_and_what_lies_between_is_not() -> None:
    for version, some in blocks().items():
        kind = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}[version]
        edges = {0, 1 << BITS[version]} | {edge for one in some for edge in (one.first, one.last + 1)}
        for low, high in pairwise(sorted(edges)):
            fitting = [one for one in some if one.first <= low <= one.last]
            nearest = min(fitting, key=lambda one: one.last - one.first, default=None)
            if nearest is not None and nearest.carried(low):
                continue
            for number in (low, (low + high) // 2, high - 1):
                assert block_of(str(kind(number))) is nearest, kind(number)


@pytest.mark.parametrize(
    ("allowed", "host", "port", "address", "open_"),
    [
        (NAS, "nas.local", 8080, "192.168.1.5", True),
        (NAS, "NAS.Local.", 8080, "192.168.1.5", True),
        (NAS, "nas.local", 8080, "fd00::5", True),
        (NAS, "nas.local", 8080, "100.64.0.5", True),
        (NAS, "nas.local", 8080, "127.0.0.1", True),
        (NAS, "nas.local", 8080, "::ffff:10.0.0.5", True),
        (NAS, "nas.local", 8080, "93.184.216.34", True),
        (NAS, "nas.local", 80, "192.168.1.5", False),
        (NAS, "nas", 8080, "192.168.1.5", False),
        (NAS, "my.nas.local", 8080, "192.168.1.5", False),
        (NAS, "nas.local.evil.example", 8080, "192.168.1.5", False),
        (NAS, "192.168.1.5", 8080, "192.168.1.5", False),
        (NAS, "nas.local", 8080, "169.254.169.254", False),
        (NAS, "nas.local", 8080, "168.63.129.16", False),
        (NAS, "nas.local", 8080, "100.100.100.200", False),
        (NAS, "nas.local", 8080, "fd00:ec2::254", False),
        (NAS, "nas.local", 8080, "224.0.0.1", False),
        (NAS, "nas.local", 8080, "0.0.0.0", False),  # noqa: S104 - what must stay closed
        (NAS, "nas.local", 8080, "64:ff9b::a9fe:a9fe", False),
        (ANY, "nas.local", 1, "10.0.0.5", True),
        (ANY, "nas.local", 65535, "10.0.0.5", True),
        (LOCAL, "localhost", 9000, "::1", True),
        (LOCAL, "127.0.0.1", 9000, "127.0.0.1", False),
        (BY_ADDRESS, "10.0.0.5", 80, "10.0.0.5", True),
        (BY_ADDRESS, "10.0.0.5", 443, "10.0.0.5", False),
        (BY_ADDRESS, "10.0.0.6", 80, "10.0.0.6", False),
        (BY_ADDRESS, "rebound.example", 80, "10.0.0.5", False),
        (BY_ADDRESS, "167772165", 80, "10.0.0.5", False),
        (BY_ADDRESS, "::ffff:10.0.0.5", 80, "::ffff:10.0.0.5", False),
        (METADATA, "169.254.169.254", 80, "169.254.169.254", True),
        (METADATA, "metadata.example", 80, "169.254.169.254", False),
        (SIX, "fd00::5", 443, "fd00::5", True),
        (SIX, "FD00:0:0::5", 443, "fd00::5", True),
        (SIX, "fd00::6", 443, "fd00::6", False),
        (METADATA_SIX, "fd00:ec2::254", 80, "fd00:ec2::254", True),
    ],
)
def test_what_is_allowed_opens_that_host_at_that_port_and_nothing_else(
    allowed: AllowedHost, host: str, port: int, address: str, *, open_: bool
) -> None:
    assert (barring(Guard(allowed=(METADATA_SIX, allowed)), host, port, address) is None) is open_
    assert (barring(Guard(allowed=(allowed,)), host, port, address) is None) is open_
    assert (barring(PUBLIC, host, port, address) is None) is (address == "93.184.216.34")
