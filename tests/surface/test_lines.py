"""Bytes into messages: every line is a message or has an answer that says why not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import mcp.types as t
import pytest

from imagewright.surface.opening import LONGEST_LINE, Fault, LineReader, read_line
from tests.support.raw_client import ERAS, PATIENCE, RawClient

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "a prompt nobody should see"
LONG = 20_000_000
"""Bytes."""
PING = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
HALF = '{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"' + SECRET + '","arguments":{"prompt":"%s"}}}'


def line(**changes: Any) -> bytes:
    return json.dumps(PING | changes).encode()


FAULTS: list[tuple[bytes, int, Any]] = [
    (SECRET.encode(), t.PARSE_ERROR, None),
    (b'{"jsonrpc":"2.0","id":7,"method":"ping"', t.PARSE_ERROR, None),
    ((HALF % (7, "\\ud800")).encode(), t.PARSE_ERROR, 7),
    ((HALF % ('"a"', "\\udc00 x")).encode(), t.PARSE_ERROR, "a"),
    ((HALF % ('"\\ud800"', "x")).encode(), t.PARSE_ERROR, None),
    ((HALF % (7, "Z\xfcrich")).encode("latin-1"), t.PARSE_ERROR, 7),
    (b"[" * 100_000, t.PARSE_ERROR, None),
    (b"[1,2", t.PARSE_ERROR, None),
    (b"\x00", t.PARSE_ERROR, None),
    (line() + b"\x00", t.PARSE_ERROR, None),
    ((HALF % (7, "\x00")).encode(), t.PARSE_ERROR, 7),
    (b"NaN", t.PARSE_ERROR, None),
    (b"\xff\xfe\xfd", t.PARSE_ERROR, None),
    (SECRET.encode("utf-16"), t.PARSE_ERROR, None),
    (b"x" * LONG, t.PARSE_ERROR, None),
    ((HALF % (7, "x" * LONG + "\\ud800")).encode(), t.PARSE_ERROR, 7),
    (b"[" + b'{"a":1},' * (LONG // 8) + b"1]", t.INVALID_REQUEST, None),
    (f'{{"jsonrpc":"2.0","id":7,"method":"ping","params":{{"a":{"[" * 300}{"]" * 300}}}}}'.encode(), t.PARSE_ERROR, 7),
    (b"[%s]" % line(), t.INVALID_REQUEST, None),
    (b"[]", t.INVALID_REQUEST, None),
    (b"3", t.INVALID_REQUEST, None),
    (b'"text"', t.INVALID_REQUEST, None),
    (b"null", t.INVALID_REQUEST, None),
    (b"{}", t.INVALID_REQUEST, None),
    (b'{"jsonrpc":"2.0","id":7}', t.INVALID_REQUEST, 7),
    (line(jsonrpc="1.0"), t.INVALID_REQUEST, 7),
    (line(method=5), t.INVALID_REQUEST, 7),
    (line(params=[1]), t.INVALID_REQUEST, 7),
    (line(id={}), t.INVALID_REQUEST, None),
    (line(id=[7]), t.INVALID_REQUEST, None),
    (line(id=True), t.INVALID_REQUEST, None),
    (line(id=1.5), t.INVALID_REQUEST, None),
    (line(id=None), t.INVALID_REQUEST, None),
    (b'{"jsonrpc":"2.0","id":7,"result":5}', t.INVALID_REQUEST, None),
    (b'{"jsonrpc":"2.0","id":7,"error":"bad"}', t.INVALID_REQUEST, None),
    (line(params={"a": [1] * 201}), t.INVALID_REQUEST, 7),
    (line(params={"a": {"b": [1] * 201}}), t.INVALID_REQUEST, 7),
    (line(params={"arguments": {f"a{n}": 1 for n in range(201)}}), t.INVALID_REQUEST, 7),
    (line(params={f"a{n}": 1 for n in range(201)}), t.INVALID_REQUEST, 7),
    (line(params={"a": [1] * 50_002}), t.INVALID_REQUEST, None),
    (line(params={"_meta": {"progressToken": "x" * 201}}), t.INVALID_REQUEST, 7),
    (line(method="x" * 201), t.INVALID_REQUEST, 7),
    (line(id="x" * 201), t.INVALID_REQUEST, None),
    (line(id=10**300), t.INVALID_REQUEST, None),
]


@pytest.mark.parametrize(("text", "code", "request_id"), FAULTS, ids=[repr(one[0][:60]) for one in FAULTS])
def test_what_is_no_message_has_its_error_and_its_id_where_there_is_one(
    text: bytes, code: int, request_id: Any
) -> None:
    found = read_line(text)
    assert isinstance(found, Fault)
    assert (found.code, found.request, found.size) == (code, request_id, len(text))
    assert SECRET not in found.why
    assert len(found.why) < 120
    sent = json.loads(found.answer().model_dump_json(by_alias=True, exclude_unset=True))
    assert sent == {"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": found.why}}


@pytest.mark.parametrize("revision", ERAS)
def test_a_server_answers_each_of_them_logs_each_once_and_serves_the_next_line(revision: str, home: Path) -> None:
    with RawClient(revision, env={"IMAGEWRIGHT_HOME": str(home), "HOME": str(home)}) as client:
        assert client.process.stdin is not None
        for text, code, request_id in FAULTS:
            with open(client.process.stdin.fileno(), "wb", closefd=False) as raw:
                raw.write(text + b"\n")
            answer = client._answers.get(timeout=PATIENCE)  # noqa: SLF001 - an answer without a number is nobody's
            assert (answer["id"], answer["error"]["code"]) == (request_id, code)
            assert client.ask("tools/list")["tools"]
    assert client.process.returncode == 0
    assert len(client.log) == len(FAULTS)
    assert not any(SECRET in one or "Traceback" in one for one in client.log)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (line(), t.JSONRPCRequest),
        (line(id="7"), t.JSONRPCRequest),
        (line(id=7.0), t.JSONRPCRequest),
        (b"\xef\xbb\xbf" + line() + b" \r", t.JSONRPCRequest),
        (line(params={"id": "x"}), t.JSONRPCRequest),
        (line(params={"a": {"b": [1] * 200}, "_meta": {"progressToken": "x" * 200}}), t.JSONRPCRequest),
        (line(method="tools/call", params={"arguments": {f"a{n}": [1] * 9 for n in range(5000)}}), t.JSONRPCRequest),
        (b'{"jsonrpc":"2.0","method":"notifications/initialized"}', t.JSONRPCNotification),
        (b'{"jsonrpc":"2.0","method":"notifications/x","params":{"id":1}}', t.JSONRPCNotification),
        (b'{"jsonrpc":"2.0","id":null,"method":"notifications/initialized"}', t.JSONRPCNotification),
        (b'{"jsonrpc":"2.0","id":7,"result":{}}', t.JSONRPCResponse),
        (b'{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"no"}}', t.JSONRPCError),
    ],
)
def test_what_is_a_message_is_one(text: bytes, kind: type) -> None:
    found = read_line(text)
    assert type(found) is kind
    if isinstance(found, t.JSONRPCRequest):
        assert found.id in (7, "7")
        assert isinstance(found.id, int | str)


@pytest.mark.parametrize("blank", [b"", b"\r", b"  \t"])
def test_a_blank_line_says_nothing(blank: bytes) -> None:
    assert read_line(blank) is None


@pytest.mark.parametrize("size", [1, 7, 40, 4096])
def test_lines_are_the_same_however_the_bytes_arrive(size: int) -> None:
    stream = b"\n".join([line(id=1), b"", SECRET.encode(), line(id=2)])
    reader = LineReader()
    found = [item for start in range(0, len(stream), size) for item in reader.feed(stream[start : start + size])]
    found += reader.finish()
    assert [getattr(item, "id", None) for item in found] == [1, None, 2]
    assert reader.finish() == []


def test_what_comes_together_is_given_together() -> None:
    assert len(LineReader().feed(line() + b"\n" + line() + b"\n")) == 2


def test_a_line_that_is_too_long_is_skipped_and_the_next_is_read() -> None:
    reader = LineReader(longest=100)
    found = [item for _ in range(40) for item in reader.feed(b"x" * 10)]
    found += reader.feed(b"\n" + line(id=8) + b"\n")
    too_long, message = found
    assert isinstance(too_long, Fault)
    assert (too_long.code, too_long.request, too_long.size) == (t.INVALID_REQUEST, None, 400)
    assert isinstance(message, t.JSONRPCRequest)


def test_a_line_of_five_large_pictures_is_not_too_long() -> None:
    assert LONGEST_LINE > 5 * 25 * 1024 * 1024 * 4 / 3
