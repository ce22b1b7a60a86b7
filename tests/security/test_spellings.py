"""A key in every spelling: in no words of a vendor, and sealed in what has to lead to the same task again."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from imagewright.errors import BadKey, VendorUnavailable
from imagewright.providers.http.classify import Retry, cited, cleaned, tidy
from imagewright.providers.http.client import Account, HttpClient
from imagewright.providers.http.redact import (
    SEALED,
    _may_stand_within,
    _spans,
    opened,
    seal_in,
    without_key,
    without_keys,
)
from imagewright.providers.http.request import Purpose, Reply, Request
from imagewright.text import may_hold
from tests.support.each import each
from tests.support.spellings import SPELLINGS, shows

pytestmark = pytest.mark.anyio

KEYS = {
    "kie": "1f0c9b2e7d6a4853b1c2d3e4f5a60718",
    "openai": "sk-proj-Zk3_qWv-81LmTtYx0aBcDeFgHiJk_PqRs",
    "fal": "6b1f3c2a-90de-4f7b-8a55-0c9d1e2f3a4b:77aa0c1e5b9d4f2286e3d1c0ba98f765",
    "google": "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
}
ASKED = "No key: {} is not known."
REPEATED = (
    f"{KEYS['kie']} ", "1f0c9b ", "%41", "%252541", "&#115;", "&amp;amp;", "<", "<aaaa", "\\", "\\u0041", "=41",
    "\uff53", "e\u0301", "x*.…",
)  # fmt: skip
"""Of what long texts are made that take as long as any: the key, a piece of it, codes, and what only begins one."""
ODD = (
    "%", "=", "&", "<", ">", "\\", ";", "%4", "%25", "=4", "= ", "=\n", "=\r\n", "\n", "\\n", "\\\\n", "\\u", "\\u00",
    "\\x", "\\0", "&#", "&amp;", "&#x", "<b", "b>", "<b>", '"', "\0", "狐", "\u0301", "?sig=", " ", "-",
)  # fmt: skip
"""What may stand between the letters of a key, or look like the beginning or the end of a code."""
PART = 25_000
"""Characters of the shorter text, where it is counted how the time grows."""


@each([(key, name) for key in KEYS.values() for name in SPELLINGS])
def test_no_words_of_a_vendor_hold_the_key_in_any_spelling(key: str, name: str) -> None:
    planted = SPELLINGS[name](key)
    assert shows(ASKED.format(planted), planted, key), "the witness does not know this spelling"
    words = tidy(ASKED.format(planted), key)
    assert not shows(words, planted, key)
    assert "[key]" in words
    failure = cleaned(BadKey("vendor", ASKED.format(planted)), key, "", answered=True)
    assert not shows(str(failure), planted, key)


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
async def test_a_link_with_the_key_is_kept_sealed_and_is_sent_as_it_came(key: str, name: str) -> None:
    planted = SPELLINGS[name](key)
    task = f"task-{planted}-1"
    link = f"https://vendor.example/{planted}"
    body: dict[str, Any] = {"id": task, "urls": [link], planted: {"more": [[planted]]}, "n": 5, "x": "y"}
    reply = Reply(200, {"x-task": task}, json.dumps(body).encode())
    for way in (reply, Reply(200, {}, json.dumps(body, ensure_ascii=False).encode()), Reply(500, {}, planted.encode())):
        clean = await without_keys(way, key)
        assert not shows(clean.body.decode(), planted, key)
        assert not any(shows(value, planted, key) for value in clean.headers.values())
        assert opened(clean.body.decode(), key) != clean.body.decode()
    kept = json.loads((await without_keys(reply, key)).body)
    assert (kept["n"], kept["x"]) == (5, "y")
    assert opened(kept["id"], key) == task
    assert opened(kept["urls"][0], key) == body["urls"][0]
    assert kept == json.loads((await without_keys(reply, key)).body), "the same answer is another one the second time"
    assert opened(kept["id"], f"{key}2") == kept["id"], "another key opens it"
    assert "~key." not in cited(kept["id"])


async def test_what_was_sealed_with_an_earlier_key_is_not_asked_about_and_the_variable_is_named() -> None:
    sealed, base = seal_in(f"task-{KEYS['kie']}", KEYS["kie"]), "https://127.0.0.1:9"
    account = Account("vendor", (base,), f"{KEYS['kie']}2", {"x-key": "k"}, "VENDOR_API_KEY")
    request: Request[object] = Request(purpose=Purpose.POLL, url=f"{base}/{sealed}", method="GET", read=lambda _: 1)
    client = HttpClient(Retry(resends=0))
    with pytest.raises(BadKey, match="only be asked about with the key that was set in VENDOR_API_KEY") as refusal:
        await client.send(account, request)
    assert refusal.value.charged is None
    assert str(refusal.value).startswith("vendor was not asked: 'this task can only")
    with pytest.raises(VendorUnavailable):  # nobody listens there
        await client.send(replace(account, key=KEYS["kie"]), request)
    await client.aclose()


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
async def test_an_answer_without_the_key_stays_as_it_is(key: str) -> None:
    other = "0123456789abcdefghijklmnopqrstuvwxyz" * 300
    for body in (
        b'{"code": 200, "data": {"taskId": "281e5b0...97bb0de7cb8", "resultUrls": ["https://a.example/%20x?a=1&b=2"]}}',
        b'{"b64_json": "' + b"iVBORw0KGgo" * 40_000 + b'"}',
        json.dumps({"prompt": "ein Fuchs, 狐狸 &amp; <b>", "url": f"https://a.example/{other}"}).encode(),
        b"<html>Bad gateway</html>",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 50,
        b"[" * 100_000,
        b"",
    ):
        reply = Reply(200, {"content-type": "application/json"}, body)
        clean = await without_keys(reply, key)
        assert clean == reply


async def test_no_code_that_reaches_over_texts_hides_the_key_between_them() -> None:
    for key in KEYS.values():
        for name, spell in SPELLINGS.items():
            planted = spell(key)
            for begin, end in (("<", ">"), ("&", ";"), ("=", "41"), ("%", "25"), ("\\", "x41"), ("<b", "i>")):
                body = json.dumps([begin, {begin: planted, "to": end}, end, "a&b=c<d>%20"]).encode()
                clean = await without_keys(Reply(200, {}, body), key)
                assert not shows(clean.body.decode(), planted, key), (name, begin)


def test_what_may_hold_the_key_is_never_missed_by_the_quick_look() -> None:
    for key in KEYS.values():
        for name, spell in SPELLINGS.items():
            plain = f"a {spell(key)} b"
            for text in (plain, json.dumps([plain]), json.dumps({"inner": json.dumps([plain])})):
                assert may_hold(text.encode(), key), name
        for text in (f"{'A' * 8_100}\n{key}", f"{key}\t{'A' * 8_100}", f"data:image/png;base64,{'A' * 8_100}\n{key}"):
            assert may_hold(json.dumps([text]).encode(), key)  # not all of it is a picture
        assert not may_hold(json.dumps(["A/" * 8_100]).replace("/", r"\/").encode(), "A" * 32)
        assert not may_hold(b'{"id": "abc", "status": "done", "url": "https://vendor.example/a/b.png"}', key)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_no_text_that_holds_the_key_is_missed_where_all_are_read_at_once(key: str) -> None:
    """Against reading each for itself. They are made at random of parts of the key and of codes, whole and broken."""
    chance = random.Random(key)  # noqa: S311 - it has to be the same each time
    held = [False, True]
    for _ in range(400):
        texts = [_made_up(key, chance) for _ in range(3)]
        content: Any = {texts[0]: 1, "b": [texts[1], {"c": chance.choice((None, 7, 0.5))}], "a": texts[2]}
        if chance.random() < 0.3:
            texts.append(json.dumps(content))
            content = {"inner": texts[-1], "&": [content]}
        held.append(any(_spans(text, key) for text in texts))
        assert _may_stand_within(content, key) or not held[-1], content
        for encoding in ("utf-8", "utf-16-le", "utf-32"):  # as they are read from an answer
            assert may_hold(json.dumps(content).encode(encoding), key) or not held[-1], (encoding, content)
    assert 40 < sum(held) < 360


def _made_up(key: str, chance: random.Random) -> str:
    spelled = SPELLINGS[chance.choice([*SPELLINGS])](key)
    start = chance.randrange(len(spelled) // 2)
    piece = spelled[start : start + chance.choice((9, 15, 25, 50, 200))]
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
        place = chance.randrange(len(piece) + 1)
        piece = piece[:place] + chance.choice(ODD) + piece[place:]
    return "".join(chance.choice((piece, "a word", chance.choice(ODD))) for _ in range(chance.randrange(1, 4)))


@pytest.mark.parametrize("text", REPEATED)
def test_the_time_grows_as_the_text_does(text: str) -> None:
    """Eight times as much may not take much more than eight times as long: of a square it would be 64."""
    key, seconds = KEYS["kie"], []
    for size in (PART, 8 * PART):
        long = text * (size // len(text))
        tries = []
        for _ in range(3):
            began = time.process_time()
            seal_in(long, key)
            without_key(long, key)
            tries.append(time.process_time() - began)
        seconds.append(min(tries))
    assert seconds[1] < 30 * seconds[0] + 0.02


@pytest.mark.parametrize(
    "text",
    ["~key.00~", f"~key.{'0' * 18}~", f"~key.{'ab' * 40}~", f"~key.{'abc' * 7}~", "~key.~", "~key.xyz~ a"],
)
def test_a_seal_that_somebody_has_made_up_opens_nothing(text: str) -> None:
    for key in KEYS.values():
        assert opened(text, key) == text


def test_a_seal_has_no_sign_that_an_address_cannot_hold() -> None:
    sealed = seal_in(KEYS["openai"], KEYS["openai"])
    assert SEALED.fullmatch(sealed)
    assert quote(sealed, safe="") == sealed
