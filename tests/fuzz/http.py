"""What comes over HTTP before anybody reads it: packed bodies, words of headers, addresses.

An input is one byte that chooses what is tried, and the bytes for it.
"""

from __future__ import annotations

import gzip
import zlib
from math import isfinite
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from imagewright.errors import ProviderError
from imagewright.net import FetchError, codings_of
from imagewright.net.fetch import _checked_url
from imagewright.providers.http import classify
from imagewright.providers.http.request import STEP, CodingError, Inflater, Purpose, Reply, coding_of, read_json
from tests.fuzz.target import Target, check_line, check_values, expect

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_800_000_000.0
"""Seconds since the epoch."""
MOST = 20_000_000
"""Bytes that are unpacked here before it is given up, as the client does at its own limit."""
PARTS = (
    *(
        "gzip",
        "deflate",
        "identity",
        "br",
        ",",
        "x-gzip",
        "aws-chunked",
        "1h52m",
        "467ms",
        "try again in ",
        "resets after ",
    ),
    *(
        "Wed, 21 Oct 2026 07:28:00 GMT",
        "-1",
        "1e400",
        "nan",
        "9" * 30,
        "٣",
        "https://",
        "http://[::1]:80/",
        "xn--",
        "@",
        "#",
    ),
    *("%00", "\\", ":99999", "\r\n", "file:", "data:,", "//", "?", "é.example", "\u3002"),
)
HEADERS = (
    *("retry-after", "retry-after-ms", "content-encoding", "content-type", "x-ratelimit-limit-requests"),
    *("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "x-ratelimit-limit-images"),
)


def _inflate(data: bytes) -> None:
    """The first byte chooses coding and the size of blocks."""
    coding = ("gzip", "deflate")[data[0] & 1] if data else "gzip"
    size = 1 + (data[0] >> 1 if data else 0)
    inflater, body, come = Inflater(coding), data[1:], 0
    try:
        for at in range(0, len(body), size):
            for piece in inflater.feed(body[at : at + size]):
                expect(len(piece) <= STEP, f"{len(piece)} bytes at once")
                come += len(piece)
                if come > MOST:
                    return
        inflater.close()
    except CodingError as error:
        check_values(str(error), "the refusal")
        return
    expect(not body or come == len(_unpacked(coding, body)), "it is not what zlib makes of it")


def _unpacked(coding: str, body: bytes) -> bytes:
    if coding == "gzip":
        return gzip.decompress(body)
    try:
        return zlib.decompress(body)
    except zlib.error:
        return zlib.decompress(body, -zlib.MAX_WBITS)


def _round_trip(data: bytes) -> None:
    """Whatever is packed comes out again, in blocks of any size."""
    size = 1 + (data[0] if data else 0)
    for coding, packed in (("gzip", gzip.compress(data)), ("deflate", zlib.compress(data))):
        inflater = Inflater(coding)
        blocks = [packed[at : at + size] for at in range(0, len(packed), size)]
        made = b"".join(piece for block in blocks for piece in inflater.feed(block))
        inflater.close()
        expect(made == data, f"{coding} does not come out as it went in")


def _headers(data: bytes) -> None:
    """Lines of text, one for each header that is read."""
    lines = data.decode("latin-1").split("\n")
    headers = dict(zip(HEADERS, lines, strict=False))
    for seconds in (
        classify.read_retry_after(headers, NOW),
        classify.spoken_wait(lines[0]),
        classify.read_span(lines[-1]),
    ):
        expect(seconds is None or (isfinite(seconds) and seconds >= 0), f"a wait of {seconds} s")
    limits = classify.read_limits(headers)
    expect(limits is None or (limits.calls or 0) > 0, f"{limits}")
    codings = codings_of(headers.get("content-encoding", ""))
    if codings:
        try:
            expect(coding_of(codings) in ("gzip", "deflate"), "another coding is taken")
        except CodingError as error:
            check_values(str(error), "the refusal")
    classify.is_message(data, headers.get("content-type", ""))
    for purpose in Purpose:
        failure = classify.by_status("a vendor", Reply(len(data) % 600, headers, data, read_json(data)), purpose)
        expect(isinstance(failure, ProviderError), "no failure")
        check_line(str(failure), 1000)


def _address(data: bytes) -> None:
    """Two addresses, the second as a redirect from the first."""
    first, _, second = data.decode("utf-8", "replace").partition("\n")
    try:
        url = _checked_url(first)
        url = _checked_url(second, url) if second else url
    except FetchError as error:
        check_values(str(error), "the refusal")
        return
    expect(url.scheme in ("http", "https") and url.host, f"{url} would be fetched")
    expect(not url.userinfo, f"{url} carries a password")


CHECKS: tuple[Callable[[bytes], None], ...] = (_inflate, _round_trip, _headers, _address)
"""What the first byte of an input chooses from, counted from the sign `0`."""


def _check(data: bytes) -> None:
    CHECKS[(data[0] - ord("0")) % len(CHECKS) if data else 0](data[1:])


_texts = st.lists(st.one_of(st.sampled_from([*PARTS, "\n"]), st.text(max_size=6)), max_size=8).map("".join)
_packed = st.binary(max_size=200).map(lambda data: gzip.compress(data) + data[:3])
_bodies = st.one_of(st.binary(max_size=200), _packed, _texts.map(lambda text: text.encode("utf-8", "replace")))
_first = st.integers(0, len(CHECKS) - 1).map(lambda place: bytes([ord("0") + place]))
TARGETS = {"http": Target(_check, st.builds(bytes.__add__, _first, _bodies), PARTS)}
