"""Lines that no client should send, and how the specification has each answered, in both eras of the protocol."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Final

from tests.support.raw_client import ERAS, MODERN, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

PARSE, INVALID, NO_METHOD, WRONG_PARAMS, NO_RESOURCE, OTHER_VERSION = -32700, -32600, -32601, -32602, -32002, -32022
DONE: Final = 0
"""In place of an error's code: there is a result."""
NOBODY: Final = "nobody"
"""In place of an id: the answer has none, as the line's cannot be read or must not be used."""
ID: Final = 7
ENVELOPE = {f"{PREFIX}/protocolVersion": MODERN, f"{PREFIX}/clientCapabilities": {}}
HELLO = {"protocolVersion": ERAS[0], "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
SHAKEN = '{"jsonrpc":"2.0","method":"notifications/initialized"}'


@dataclass(frozen=True)
class Expected:
    """The one answer to a line."""

    code: int
    """The error's code, or `DONE`."""
    request: Any = ID
    """The id, or `NOBODY`."""


@dataclass(frozen=True)
class OddLine:
    """One line."""

    name: str
    """What is odd about it."""
    text: bytes | dict[str, Any]
    """The line as it is, or a message, which gets the envelope of its era."""
    answers: dict[str, Expected | None]
    """By revision; None where it must not be answered."""

    def line(self, revision: str) -> bytes:
        """What is sent."""
        if isinstance(self.text, bytes):
            return self.text
        message = self.text
        params = message.get("params") or {}
        has_room = isinstance(params, dict) and isinstance(params.get("_meta", {}), dict)
        if revision == MODERN and {"id", "method"} <= {*message} and message["method"] != "initialize" and has_room:
            message = message | {"params": params | {"_meta": ENVELOPE | params.get("_meta", {})}}
        return json.dumps(message).encode()


def _each(code: int | None, modern: int | EllipsisType | None = ..., request: Any = ID) -> dict[str, Expected | None]:
    """The answer in each era; the later one's code is the same where it is left out."""
    codes = (code, code if isinstance(modern, EllipsisType) else modern)
    return {era: None if one is None else Expected(one, request) for era, one in zip(ERAS, codes, strict=True)}


def ask(method: Any, params: Any = ..., **changes: Any) -> dict[str, Any]:
    """A request."""
    given = {} if params is ... else {"params": params}
    return {"jsonrpc": "2.0", "id": ID, "method": method} | given | changes


def tell(method: str, params: Any = ...) -> dict[str, Any]:
    """A notification."""
    return {"jsonrpc": "2.0", "method": method} | ({} if params is ... else {"params": params})


def _call(arguments: Any, name: Any = "qwen") -> dict[str, Any]:
    return ask("tools/call", {"name": name, "arguments": arguments})


def _raw(line: str, *, head: bytes = b"", tail: bytes = b"") -> bytes:
    return head + line.encode() + tail


PING = '{"jsonrpc":"2.0","id":7,"method":"ping"}'
NESTED = '{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":%s%s}}'

ODD_IDS: tuple[Any, ...] = ({}, [7], True, 1.5)
ODD_TOKENS: tuple[Any, ...] = ({}, [], None, 1.5)
_BYTES: list[tuple[str, bytes, int | None, Any]] = [
    ("words", b"hello", PARSE, NOBODY),
    ("half an object", b'{"jsonrpc":"2.0","id":7,"method":"ping"', PARSE, NOBODY),
    ("two objects", _raw(PING + PING), PARSE, NOBODY),
    ("a comma at the end", b'{"jsonrpc":"2.0","id":7,"method":"ping",}', PARSE, NOBODY),
    ("single quotes", b"{'jsonrpc':'2.0'}", PARSE, NOBODY),
    ("a comment", b'{"jsonrpc":"2.0"/*x*/}', PARSE, NOBODY),
    ("NUL", b"\x00", PARSE, NOBODY),
    ("NUL behind", _raw(PING, tail=b"\x00"), PARSE, NOBODY),
    ("NaN", b"NaN", PARSE, NOBODY),
    ("UTF-16", PING.encode("utf-16"), PARSE, NOBODY),
    ("no UTF-8", b"\xff\xfe\xfd", PARSE, NOBODY),
    ("Latin-1 inside", '{"jsonrpc":"2.0","id":7,"method":"Zürich"}'.encode("latin-1"), PARSE, ID),
    ("UTF-8 that is too long", b'{"jsonrpc":"2.0","id":7,"method":"\xc0\xaf"}', PARSE, ID),
    ("a surrogate in bytes", b'{"jsonrpc":"2.0","id":7,"method":"\xed\xa0\x80"}', PARSE, ID),
    ("half a pair", b'{"jsonrpc":"2.0","id":7,"method":"\\ud800"}', PARSE, ID),
    ("half a pair as id", b'{"jsonrpc":"2.0","id":"\\udc00","method":"ping"}', PARSE, NOBODY),
    ("a tab in a text", b'{"jsonrpc":"2.0","id":7,"method":"a\tb"}', PARSE, ID),
    ("100,000 lists", b"[" * 100_000, PARSE, NOBODY),
    ("100,000 lists inside", (NESTED % ("[" * 100_000, "]" * 100_000)).encode(), PARSE, NOBODY),
    ("300 objects inside", (NESTED % ('{"a":' * 300 + "1", "}" * 300)).encode(), PARSE, ID),
    ("a batch", _raw(f"[{PING}]"), INVALID, NOBODY),
    ("an empty batch", b"[]", INVALID, NOBODY),
    ("a number", b"5", INVALID, NOBODY),
    ("a text", b'"ping"', INVALID, NOBODY),
    ("null", b"null", INVALID, NOBODY),
    ("true", b"true", INVALID, NOBODY),
    ("an empty object", b"{}", INVALID, NOBODY),
    ("only an id", b'{"jsonrpc":"2.0","id":7}', INVALID, ID),
    ("no version", b'{"id":7,"method":"ping"}', INVALID, ID),
    ("a blank line", b"", None, NOBODY),
    ("a line of blanks", b" \t \r", None, NOBODY),
]

LINES: tuple[OddLine, ...] = (
    *(OddLine(name, text, _each(code, request=request)) for name, text, code, request in _BYTES),
    OddLine("a mark of byte order", _raw(PING, head=b"\xef\xbb\xbf"), _each(DONE, WRONG_PARAMS)),
    OddLine("CRLF", _raw(PING, tail=b"\r"), _each(DONE, WRONG_PARAMS)),
    OddLine("blanks around", _raw(PING, head=b"  ", tail=b"\t "), _each(DONE, WRONG_PARAMS)),
    OddLine("two ids", b'{"jsonrpc":"2.0","id":1,"id":7,"method":"ping"}', _each(DONE, WRONG_PARAMS)),
    OddLine("a slash escaped", b'{"jsonrpc":"2.0","id":7,"method":"no\\/such"}', _each(NO_METHOD, WRONG_PARAMS)),
    OddLine("another version of JSON-RPC", ask("ping", jsonrpc="1.0"), _each(INVALID)),
    OddLine("a number for the version", ask("ping", jsonrpc=2.0), _each(INVALID)),
    OddLine("a number for a method", ask(5), _each(INVALID)),
    OddLine("no text for a method", ask(None), _each(INVALID)),
    OddLine("parameters in a list", ask("tools/list", [1]), _each(INVALID)),
    OddLine("parameters in a text", ask("tools/list", "x"), _each(INVALID)),
    *(OddLine(f"the id {one!r}", ask("ping", id=one), _each(INVALID, request=NOBODY)) for one in ODD_IDS),
    OddLine("the id null", ask("ping", id=None), _each(INVALID, request=NOBODY)),
    OddLine("an id beyond all numbers", ask("ping", id=float("inf")), _each(INVALID, request=NOBODY)),
    *(OddLine(f"the id {one!r}", ask("tools/list", id=one), _each(DONE, request=one)) for one in (0, -1, "", 10**30)),
    OddLine("the id 7.0", ask("tools/list", id=7.0), _each(DONE)),
    OddLine("an unknown method", ask("no/such", {}), _each(NO_METHOD)),
    OddLine("an empty method", ask("", {}), _each(NO_METHOD)),
    OddLine("a method with NUL", ask("tools/list\0", {}), _each(NO_METHOD)),
    OddLine("a method of clients", ask("sampling/createMessage", {}), _each(NO_METHOD)),
    OddLine("a notification with an id", ask("notifications/initialized", {}), _each(NO_METHOD)),
    OddLine("what is not offered", ask("resources/subscribe", {"uri": "image://img_x"}), _each(NO_METHOD)),
    OddLine("logging, which is not offered", ask("logging/setLevel", {"level": "debug"}), _each(NO_METHOD)),
    OddLine("tasks, which are not offered", ask("tasks/get", {"taskId": "x"}), _each(NO_METHOD)),
    OddLine("a ping", ask("ping"), _each(DONE, NO_METHOD)),
    OddLine("a ping with parameters", ask("ping", {"a": 1}), _each(DONE, NO_METHOD)),
    OddLine("no parameters", ask("tools/list", None), _each(DONE)),
    *(
        OddLine(f"a page of {kind}", ask(f"{kind}/list", {"cursor": "x"}), _each(WRONG_PARAMS))
        for kind in ("tools", "prompts", "resources", "resources/templates")
    ),
    OddLine("a number for a page", ask("tools/list", {"cursor": 5}), _each(WRONG_PARAMS)),
    OddLine("metadata in a list", ask("tools/list", {"_meta": [1]}), _each(WRONG_PARAMS)),
    *(
        OddLine(f"the token {one!r}", ask("tools/list", {"_meta": {"progressToken": one}}), _each(WRONG_PARAMS))
        for one in ODD_TOKENS
    ),
    OddLine("a call of nothing", ask("tools/call", {}), _each(WRONG_PARAMS)),
    OddLine("a call without parameters", ask("tools/call"), _each(WRONG_PARAMS)),
    OddLine("a number for a tool", _call({}, 5), _each(WRONG_PARAMS)),
    OddLine("arguments in a list", _call([1]), _each(WRONG_PARAMS)),
    OddLine("arguments in a text", _call("{}"), _each(WRONG_PARAMS)),
    OddLine("no arguments", _call(None), _each(DONE)),
    OddLine("no number in an argument", _call({"prompt": "x", "seed": float("nan")}), _each(DONE)),
    OddLine("lists in lists in an argument", _call({"prompt": json.loads("[" * 90 + "]" * 90)}), _each(DONE)),
    OddLine("a resource without an address", ask("resources/read", {}), _each(WRONG_PARAMS)),
    OddLine("a number for an address", ask("resources/read", {"uri": 5}), _each(WRONG_PARAMS)),
    *(
        OddLine(f"the resource {one}", ask("resources/read", {"uri": one}), _each(NO_RESOURCE, WRONG_PARAMS))
        for one in ("", "file:///etc/passwd", "guide://tools/../overview", "image://img_none/preview", "job://job_none")
    ),
    OddLine("a prompt without a name", ask("prompts/get", {}), _each(WRONG_PARAMS)),
    OddLine("an unknown prompt", ask("prompts/get", {"name": "x"}), _each(WRONG_PARAMS)),
    OddLine("a prompt without its subject", ask("prompts/get", {"name": "make_picture"}), _each(WRONG_PARAMS)),
    OddLine(
        "a number in a prompt",
        ask("prompts/get", {"name": "make_picture", "arguments": {"subject": 5}}),
        _each(WRONG_PARAMS),
    ),
    OddLine(
        "braces in a prompt",
        ask("prompts/get", {"name": "make_picture", "arguments": {"subject": "{0.__class__} {tool} %s"}}),
        _each(DONE),
    ),
    OddLine("a completion of nothing", ask("completion/complete", {}), _each(WRONG_PARAMS)),
    *(
        OddLine(
            f"a completion for {ref}",
            ask("completion/complete", {"ref": ref, "argument": {"name": "id", "value": ""}}),
            _each(WRONG_PARAMS),
        )
        for ref in (
            {"type": "ref/x"},
            {"type": "ref/prompt", "name": "x"},
            {"type": "ref/resource", "uri": "file:///{x}"},
        )
    ),
    OddLine("a subscription to nothing", ask("subscriptions/listen", {}), _each(NO_METHOD, WRONG_PARAMS)),
    OddLine("another handshake", ask("initialize", HELLO), _each(DONE, OTHER_VERSION)),
    OddLine("half a handshake", ask("initialize", {}), _each(WRONG_PARAMS, OTHER_VERSION)),
    OddLine("a question after the handshake", ask("server/discover", {}), _each(NO_METHOD, DONE)),
    *(
        OddLine(f"a notification: {name}", one, _each(None))
        for name, one in {
            "unknown": tell("no/such"),
            "a call": tell("tools/call", {"name": "qwen", "arguments": {"prompt": "x"}}),
            "cancelled, nothing": tell("notifications/cancelled"),
            "cancelled, unknown": tell("notifications/cancelled", {"requestId": 99}),
            "cancelled, true": tell("notifications/cancelled", {"requestId": True}),
            "cancelled, an object": tell("notifications/cancelled", {"requestId": {}}),
            "progress of nothing": tell("notifications/progress", {"progressToken": 1, "progress": 1}),
            "progress, odd": tell("notifications/progress", {"progressToken": {}, "progress": "x"}),
            "initialized again": tell("notifications/initialized"),
            "initialized, odd": tell("notifications/initialized", {"_meta": 5}),
        }.items()
    ),
    OddLine("an answer nobody asked for", b'{"jsonrpc":"2.0","id":77,"result":{}}', _each(None)),
    OddLine("an error nobody asked for", b'{"jsonrpc":"2.0","id":77,"error":{"code":1,"message":"x"}}', _each(None)),
    OddLine("an error for nobody", b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}', _each(None)),
    OddLine("an error without an id", b'{"jsonrpc":"2.0","error":{"code":1,"message":"x"}}', _each(None)),
    OddLine("an answer that is a number", b'{"jsonrpc":"2.0","id":7,"result":5}', _each(INVALID, request=NOBODY)),
    OddLine("an error that is a text", b'{"jsonrpc":"2.0","id":7,"error":"x"}', _each(INVALID, request=NOBODY)),
)


@dataclass(frozen=True)
class Opening:
    """The first lines of a conversation."""

    name: str
    """What is odd about them."""
    lines: tuple[str, ...]
    """What is sent, all at once."""
    answers: tuple[tuple[Any, int], ...]
    """The id and the code, or `DONE`, of each answer, in any order."""


def _first(request: int, method: str, params: dict[str, Any] | None = None, **meta: Any) -> str:
    given = (params or {}) | ({"_meta": {f"{PREFIX}/{name}": value for name, value in meta.items()}} if meta else {})
    return json.dumps({"jsonrpc": "2.0", "id": request, "method": method, "params": given})


_LIST, _SHAKE = _first(2, "tools/list"), _first(1, "initialize", HELLO)
_MODERN: dict[str, Any] = {"protocolVersion": MODERN, "clientCapabilities": {}}


def _listed(version: Any) -> str:
    """A list that is asked for in an envelope of this version."""
    return _first(2, "tools/list", protocolVersion=version, clientCapabilities={})


def _hello(**changes: Any) -> str:
    return _first(1, "initialize", HELLO | changes)


OPENINGS: tuple[Opening, ...] = (
    Opening("a request before the handshake", (_LIST, _SHAKE, SHAKEN), ((2, WRONG_PARAMS), (1, DONE))),
    Opening("a ping before the handshake", (_first(2, "ping"), _SHAKE), ((2, DONE), (1, DONE))),
    Opening("an unknown method first", (_first(2, "no/such"), _SHAKE), ((2, NO_METHOD), (1, DONE))),
    Opening("a version nobody knows", (_hello(protocolVersion="1999-01-01"),), ((1, DONE),)),
    Opening("a number for a version", (_hello(protocolVersion=5), _LIST), ((1, WRONG_PARAMS), (2, WRONG_PARAMS))),
    Opening("a handshake of nobody", (_hello(clientInfo=None),), ((1, WRONG_PARAMS),)),
    Opening(
        "two handshakes", (_SHAKE, _first(3, "initialize", HELLO), SHAKEN, _LIST), ((1, DONE), (3, DONE), (2, DONE))
    ),
    Opening("no word that the handshake is over", (_SHAKE, _LIST), ((1, DONE), (2, DONE))),
    Opening("the end of a handshake first", (SHAKEN, _LIST), ((2, DONE),)),
    Opening("answers first", ('{"jsonrpc":"2.0","id":1,"result":{}}', _SHAKE), ((1, DONE),)),
    Opening("garbage first", ("x", "[]", _SHAKE), ((None, PARSE), (None, INVALID), (1, DONE))),
    Opening("a later version", (_listed("2099-01-01"),), ((2, OTHER_VERSION),)),
    Opening("a number for a later version", (_listed(5),), ((2, WRONG_PARAMS),)),
    Opening("an old version in an envelope", (_listed(ERAS[0]),), ((2, OTHER_VERSION),)),
    Opening("half an envelope", (_first(2, "tools/list", protocolVersion=MODERN),), ((2, WRONG_PARAMS),)),
    Opening("an envelope after a handshake", (_SHAKE, _listed(MODERN)), ((1, DONE), (2, INVALID))),
    Opening("a handshake after an envelope", (_listed(MODERN), _SHAKE), ((2, DONE), (1, OTHER_VERSION))),
    Opening("no envelope after one", (_listed(MODERN), _first(3, "tools/list")), ((2, DONE), (3, WRONG_PARAMS))),
    Opening("the same question twice", (_first(2, "server/discover", **_MODERN),) * 2, ((2, DONE), (None, INVALID))),
)


def answered_wrongly(odd: OddLine, revision: str, answers: list[dict[str, Any]]) -> str:
    """What is wrong with all the answers that came to a line; empty where nothing is."""
    expected = odd.answers[revision]
    if expected is None:
        return f"answered: {answers}" if answers else ""
    if len(answers) != 1:
        return f"answered {len(answers)} times: {answers}"
    return "; ".join(_differences(expected, answers[0]))


def _differences(expected: Expected, answer: dict[str, Any]) -> Iterator[str]:
    request = None if expected.request is NOBODY else expected.request
    if answer["id"] != request or type(answer["id"]) is bool:
        yield f"the id is {answer['id']!r} and not {request!r}"
    code = answer["error"]["code"] if "error" in answer else DONE
    if code != expected.code:
        yield f"the code is {code} and not {expected.code}: {answer}"
    if "error" in answer and ("result" in answer or not isinstance(answer["error"]["message"], str)):
        yield f"the error is malformed: {answer}"


def openings_wrong(opening: Opening, answers: list[dict[str, Any]], stray: list[str], log: list[str]) -> str:
    """What is wrong with all the answers to the first lines of a conversation; empty where nothing is."""
    found = Counter((one["id"], one["error"]["code"] if "error" in one else DONE) for one in answers)
    if found != Counter(opening.answers):
        return f"{opening.name}: {dict(found)}"
    return f"{opening.name}: {stray or log}" if stray or any("Traceback" in line for line in log) else ""
