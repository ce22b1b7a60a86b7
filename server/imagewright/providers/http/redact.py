"""Keeps a key out of all that is shown or kept, in whatever spelling a vendor repeats it.

A vendor's answer is searched as it arrives, before anything reads it. Words of it get `[key]` in place of the key. An
id or a link has to lead to the same task again, and a paid task must not be lost: there the key is sealed, see `_seal`,
and opened only for the request that is sent. So no handle, no link, no file and no row of the database has it.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import replace
from functools import lru_cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from imagewright.errors import BadKey
from imagewright.providers.http.request import AT_ONCE
from imagewright.text import (
    HIDDEN,
    LONGEST_LINK,
    LOWERED,
    NOT_COMPARED,
    SEAL,
    Spelling,
    folded,
    is_base64,
    may_hold,
    pieces_of,
    spellings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from imagewright.providers.http.request import Reply, Request

OTHER_KEY = "this task can only be asked about with the key that was set in {} when it began; put that one back"
PIECE = 100
"""Characters below which a text of a list may be one piece of a key that the whole list makes up."""
SHORTEST = 4
"""Characters a secret needs for its whole text to be hidden: shorter ones would hide ordinary words."""
SHOWN_START = 6
"""Of a long key, the first characters that are hidden with all that hangs on them: vendors repeat them and mask the
rest."""
SHOWN_END = 3
"""Characters at its end that are hidden behind such a mask."""
LONG_KEY = 16
"""Characters a secret needs for its beginning and its end alone to be hidden."""
SEAL_BYTES = 8
"""Bytes of a seal that tell whether it can be opened with a key."""
SEALED = re.compile(r"~key\.([0-9a-f]{18,})~")
"""A sealed key. Nothing in it has to be escaped in an address."""
CUT_SEAL = re.compile(r"~key\.[0-9a-f]*~?")
"""The same in words, which may be cut in the middle of it."""
ESCAPED = re.compile(
    r"%(?:25){0,3}([0-9A-Fa-f]{2})"
    r"|&(?:amp;){0,3}#(?:[xX]([0-9A-Fa-f]{1,6})|([0-9]{1,7}));?"
    r"|\\{1,8}(?:u\{?([0-9A-Fa-f]{4})\}?|x([0-9A-Fa-f]{2}))"
    r"|\\{1,8}([0-3][0-7]{2})"
    r"|\\{1,8}[bfnrtv]|&(?:amp;){0,3}[A-Za-z]{2,10};|<[^<>]{0,200}>"
)
"""What stands for one character, in percent-encoding (up to four times over), HTML, JSON and C; and, at the end, what
stands for none that counts: blanks, other entities, and tags."""
QUOTED = re.compile(r"=(?:([0-9A-Fa-f]{2})|[ \t]*\r?\n)")
"""The same in quoted-printable, whose lines end in `=`. Read apart: `?key=ab` is more often no code."""
BEGINS_ESCAPED = re.compile(r"[%&<]|\\[ux0-3bfnrtv]")
BEGINS_QUOTED = re.compile(r"=[0-9A-Fa-f \t\r\n]")
"""What every code of each kind has at its beginning. Most texts have none of it."""
BASES = (16, 16, 10, 16, 16, 8)
"""In which base the number of each group of `ESCAPED` is written."""
MASK = re.compile(r"(?:[*•…]+|\.{2,}|[xX]{3,})[\w-]{0,40}")
"""A mask, with what it leaves to be seen behind it."""


class SealedError(BadKey):
    """The vendor's id of a task is sealed with another key than the one that is set now."""

    meaning = "was not asked"


def without_key(text: str, key: str) -> str:
    """Words with `[key]` in place of the key, of its parts between colons, and of longer pieces of them.

    Of a long key, its first characters are hidden too with what follows, and its last ones behind a mask such as `***`.
    """
    text = _replaced(CUT_SEAL.sub(HIDDEN, text), key, lambda _: HIDDEN)
    for secret in sorted({key, *key.split(":")}, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, HIDDEN)
        if len(secret) >= LONG_KEY:
            text = re.sub(re.escape(secret[:SHOWN_START]) + r"[\w*.…-]*", HIDDEN, text, flags=re.IGNORECASE)
            text = MASK.sub(partial(_without_end, secret), text)
    return text


def _without_end(secret: str, found: re.Match[str]) -> str:
    shown = found[0].lstrip("*•….xX").lower()
    return HIDDEN if len(shown) >= SHOWN_END and secret.lower().endswith(shown) else found[0]


async def without_keys(reply: Reply, key: str) -> Reply:
    """The reply with the key sealed wherever it stands, in its body and in the values of its headers."""
    seal = partial(_sealed_reply, reply, key)
    return await anyio.to_thread.run_sync(seal) if len(reply.body) > AT_ONCE else seal()


def _sealed_reply(reply: Reply, key: str) -> Reply:
    # a key that is too short to be searched for in every spelling can stand in a good answer by chance
    short = key if reply.status >= HTTPStatus.BAD_REQUEST and len(key) >= SHORTEST else ""
    headers = reply.headers
    if short or may_hold("\n".join(headers.values()).encode("utf-8", "surrogatepass"), key):
        headers = {name: _without(seal_in(value, key), short) for name, value in headers.items()}
    body = _sealed_body(reply.body, key)
    return replace(reply, headers=headers, body=body.replace(short.encode(), HIDDEN.encode()) if short else body)


def _without(text: str, short: str) -> str:
    return text.replace(short, HIDDEN) if short else text


def _sealed_body(body: bytes, key: str) -> bytes:
    if not may_hold(body, key):
        return body
    try:
        content = json.loads(body)
        if not _may_stand_within(content, key):
            return body
        sealed = _sealed_within(content, key)
        return body if sealed == content else json.dumps(sealed).encode()
    except (ValueError, RecursionError):  # no JSON, or too deep to be of use to anybody
        return seal_in(body.decode("utf-8", "surrogateescape"), key).encode("utf-8", "surrogateescape")


def _may_stand_within(content: Any, key: str) -> bool:
    """Whether `_sealed_within` may find the key; it takes a tenth of the time of that, and may err by yes alone.

    All texts are read as one, and those with codes a second time. No code reaches from one into the next, as what
    stands between them is a tag by itself.
    """
    texts: list[str] = []
    _gather([content], texts)
    plain = "\0".join(texts)
    if _has_piece(plain, key):
        return True
    for code, begins in ((ESCAPED, BEGINS_ESCAPED), (QUOTED, BEGINS_QUOTED)):
        if begins.search(plain):
            coded = "<>".join(one for one in texts if begins.search(one))
            if _has_piece(code.sub(_meant, coded), key):
                return True
    return False


def _has_piece(text: str, key: str) -> bool:
    """Whether one of the pieces of `pieces_of` stands in a text whose codes were read already."""
    data = (text if text.isascii() else folded(text)).encode("utf-8", "surrogatepass")
    letters = data.translate(LOWERED, NOT_COMPARED).decode("utf-8", "surrogatepass")
    return any(map(letters.__contains__, pieces_of(key)))


def _gather(values: Any, texts: list[str]) -> None:
    """Add all that `_sealed_within` looks at in an object or a list."""
    if isinstance(values, dict):
        texts += values
        values = values.values()
    else:
        texts.append(_short_ones(values))
    for one in values:
        if isinstance(one, dict | list):
            _gather(one, texts)
        elif not (isinstance(one, str) and len(one) > LONGEST_LINK and is_base64(one.encode("utf-8", "surrogatepass"))):
            texts.append(str(one))


def _short_ones(values: list[Any]) -> str:
    """The numbers and short texts of a list, in one line."""
    return " ".join(str(one) for one in values if isinstance(one, int) or (isinstance(one, str) and len(one) < PIECE))


def _sealed_within(value: Any, key: str) -> Any:
    """A value of JSON with the key sealed in all of its texts and numbers, and where a list has it piece by piece."""
    if isinstance(value, list):
        sealed = [_sealed_within(one, key) for one in value]
        pieces = _short_ones(sealed)
        return sealed if (whole := seal_in(pieces, key)) == pieces else [whole]
    if isinstance(value, dict):
        return {seal_in(name, key): _sealed_within(one, key) for name, one in value.items()}
    if isinstance(value, str):
        return seal_in(value, key)
    return value if (digits := seal_in(str(value), key)) == str(value) else digits


def seal_in(text: str, key: str) -> str:
    """The text with the key sealed wherever it stands, in any spelling; pictures in base64 stay as they are."""
    return _replaced(text, key, lambda span: _seal(span, key))


def _replaced(text: str, key: str, instead: Callable[[str], str]) -> str:
    data = text.encode("utf-8", "surrogatepass")
    if is_base64(data) or not may_hold(data, key):
        return text
    parts, last = [], 0
    for start, end in _spans(text, key):
        parts += [text[last:start], instead(text[start:end])]
        last = end
    return "".join([*parts, text[last:]])


@lru_cache(maxsize=64)
def _seal(span: str, key: str) -> str:
    """A spelling of the key that only its holder can read: enciphered with the key itself, always in the same way."""
    data = span.encode("utf-8", "surrogatepass")
    tag = hashlib.sha256(key.encode() + b"\0" + data).digest()[:SEAL_BYTES]
    return f"{SEAL}{(tag + _ciphered(data, tag, key)).hex()}~"


def _ciphered(data: bytes, tag: bytes, key: str) -> bytes:
    stream = hashlib.shake_256(b"imagewright seal\0" + tag + key.encode()).digest(len(data))
    return bytes(one ^ other for one, other in zip(data, stream, strict=True))


def opened(text: str, key: str) -> str:
    """The text as the vendor wrote it. What was sealed with another key stays sealed."""
    return SEALED.sub(lambda found: _open(found, key), text) if SEAL in text else text


def _open(found: re.Match[str], key: str) -> str:
    try:
        sealed = bytes.fromhex(found[1])
        tag, data = sealed[:SEAL_BYTES], _ciphered(sealed[SEAL_BYTES:], sealed[:SEAL_BYTES], key)
        span = data.decode("utf-8", "surrogatepass")
    except ValueError:  # an odd number of digits, or sealed with another key
        return found[0]
    return span if hashlib.sha256(key.encode() + b"\0" + data).digest()[:SEAL_BYTES] == tag else found[0]


def opened_request(request: Request[Any], key: str) -> Request[Any]:
    """The request with its address as the vendor wrote it."""
    query: Mapping[str, str] = {name: opened(value, key) for name, value in request.query.items()}
    return replace(request, url=opened(request.url, key), query=query)


def _spans(text: str, key: str) -> list[tuple[int, int]]:
    """Where the key stands in a text, or a part of it that is long enough; ascending and apart."""
    found: list[tuple[int, int]] = []
    ways = spellings(key)
    for code in (None, ESCAPED, QUOTED):
        if code is not None and code.search(text) is None:
            continue
        read = text if code is None else code.sub(_meant, text)
        letters = folded(read)
        if runs := [run for way in ways for run in _runs(letters, way)]:
            starts, ends = _places(text, code)
            found += [(starts[start], ends.get(starts[end - 1], starts[end - 1] + 1)) for start, end in runs]
    return _merged(found)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _meant(found: re.Match[str]) -> str:
    """The character that a code stands for; nothing for what only stands between two."""
    if found.lastindex is None:
        return ""
    number = int(found[found.lastindex], BASES[found.lastindex - 1])
    return chr(number) if number <= sys.maxunicode else ""


def _places(text: str, code: re.Pattern[str] | None) -> tuple[list[int], dict[int, int]]:
    """Where the letters and digits begin that `folded` finds in a text, or in what it means; and where codes end."""
    starts: list[int] = []
    ends: dict[int, int] = {}
    last = 0
    for found in code.finditer(text) if code is not None else ():
        starts += _plain_places(text, last, found.start())
        last = found.end()
        starts += [found.start()] * len(folded(_meant(found)))
        ends[found.start()] = last
    return [*starts, *_plain_places(text, last, len(text))], ends


def _plain_places(text: str, start: int, end: int) -> list[int]:
    part = text[start:end]
    if part.isascii():
        return [place for place, sign in enumerate(part, start) if sign.isalnum()]
    return [place for place, sign in enumerate(part, start) for _ in folded(sign)]


def _runs(letters: str, way: Spelling) -> Iterator[tuple[int, int]]:
    """Where at least `way.least` of its signs stand in a row."""
    whole, size = way.text, len(way.text)
    for number, piece in enumerate(way.pieces):
        begin, ended = number * way.step, 0
        place = letters.find(piece)
        while place >= 0:
            before, after = 0, len(piece)
            if place >= begin and letters.startswith(whole, place - begin):
                before, after = begin, size - begin
            while before < min(begin, place - ended) and letters[place - before - 1] == whole[begin - before - 1]:
                before += 1
            while begin + after < size and letters[place + after : place + after + 1] == whole[begin + after]:
                after += 1
            if before + after >= way.least:
                ended = place + after
                yield place - before, ended
                place = ended - 1
            place = letters.find(piece, place + 1)
