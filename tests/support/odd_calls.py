"""Calls and lines that somebody could send who wants to know what breaks: odd values, and far too much of them."""

from __future__ import annotations

from typing import Any

MEGABYTE = "x" * 1_000_000
DEEP = "abc/" * 1100
"""More folders than Python nests calls, and more bytes than a path may have; each folder costs every call time."""


def nest(depth: int) -> Any:
    """A list in a list in a list ..."""
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


ODD: dict[str, Any] = {
    "400 digits": 10**400,
    "minus 400 digits": -(10**400),
    "4,200 digits": 10**4200,
    "infinity": float("inf"),
    "no number": float("nan"),
    "a large float": 1e308,
    "digits": "9" * 400,
    "a wide ratio": f"{'9' * 400}:1",
    "a high ratio": f"1:{'9' * 400}",
    "a huge ratio": f"{'9' * 400}:{'9' * 400}",
    "NUL": "\x00",
    "a name with NUL": "/tmp/a\x00b.png",  # noqa: S108 - nothing is written there
    "half a character": "a\ud800.png",
    "a path with half a character": "/tmp/\udcff.png",  # noqa: S108 - as above
    "turned writing": "\u202egnp.exe",
    "no name": "http://xn--/",
    "a name of no letters": "http://xn--a/x.png",
    "a bracket": "http://[",
    "no port": "http://127.0.0.1:65536/",
    "30 digits for a port": f"http://127.0.0.1:{10**30}/",
    "a long host": f"http://{'a' * 70_000}/",
    "another root": "/proc/1/root/x.png",
    "its own root": "/proc/self/root/x.png",
    "open files": "/proc/self/fd/0",
    "a device": "/dev/zero",
    "deep": "/" + DEEP + "x.png",
    "deep and relative": DEEP + "x.png",
    "long": "/" + "x" * 5000,
    "a megabyte": "x" * 1_000_000,
    "a long name": "ü" * 200 + ".png",
    "nobody's home": "~nobody-of-that-name/x.png",
    "a URI with NUL": "file:///%00",
    "a URI of no letters": "file:///%ff%fe",
    "an empty data URI": "data:",
    "broken base64": "data:image/png;base64,####",
    "no data": "data:image/png;base64,",
    "a long id": "img_" + "a" * 100_000,
    "no such id": "img_none",
    "spaces": " ",
    "lists": nest(300),
    "an object": {"a": {"b": nest(50)}},
    "true": True,
    "many": ["\x00", "\ud800", 1, None, {}],
}

FLOODS: dict[str, Any] = {
    "20,000 unknown arguments": {f"argument_{number}": 1 for number in range(20_000)},
    "20,000 near a known one": {f"prompt{number}": 1 for number in range(20_000)},
    "2,000 names of 5 kB": {f"{number}{'a' * 5000}": 1 for number in range(2000)},
    "one name of 1 MB": {"a" * 1_000_000: 1},
    "names of control signs": {f"{number}{chr(1) * 5000}": 1 for number in range(2000)},
    "names of whole planes": {f"{number}{chr(0x1F600) * 5000}": 1 for number in range(50)},
    "names of half characters": {f"{number}\ud800": 1 for number in range(50)},
    "20,000 paths": {"images": [f"/nowhere/{number}.png" for number in range(20_000)]},
    "20,000 empty paths": {"images": [""] * 20_000},
    "20,000 numbers for paths": {"images": [1] * 20_000},
    "values of 1 MB": {"aspect_ratio": "9" * 1_000_000, "output_format": "png" * 300_000, "seed": "1" * 1_000_000},
    "a value of spaces": {"aspect_ratio": "1" + " " * 1_000_000, "output_format": " " * 1_000_000},
    "200,000 arguments": {f"argument_{number}": 1 for number in range(200_000)},
    "a million paths": {"images": ["/nowhere.png"] * 1_000_000},
    "a million lists": {"images": [["/nowhere.png"]] * 1_000_000},
    "a list of paths as text": {"images": "[" + '"/nowhere.png",' * 500_000 + '"/nowhere.png"]'},
    "a list of blanks as text": {"images": "[" + " " * 5_000_000},
    "a text of quotes": {"images": '"' * 5_000_000, "image": '"' * 5_000_000},
    "a text of blanks": {"images": " " * 5_000_000 + "x", "image": " " * 5_000_000 + "x"},
    "paths of 1 MB": {"images": ["/" + MEGABYTE] * 3, "image": "/" + MEGABYTE, "mask": "/" + MEGABYTE},
    "an address of 5 MB": {"images": ["http://" + "a" * 5_000_000], "image": "http://" + "a" * 5_000_000},
    "an id of 5 MB": {"images": ["img_" + "a" * 5_000_000], "image": "img_" + "a" * 5_000_000},
    "a name of 5 MB": {"save_as": "x" * 5_000_000, "model": "x" * 5_000_000, "frobnicate": 1},
    "a path of many folders": {"save_as": "a/" * 500_000, "frobnicate": 1},
    "a prompt of 5 MB": {"prompt": "\U0001f600" * 5_000_000, "negative_prompt": "x" * 5_000_000, "frobnicate": 1},
    "a shape of 5 MB": {"aspect_ratio": "9:" * 2_500_000},
    "decimals of 5 MB": {"seed": "0." + "0" * 5_000_000, "guidance": "." + "9" * 5_000_000, "frobnicate": 1},
}
"""Arguments of a call, each far too many or far too long for any tool."""

LARGE_REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "an unknown tool": ("tools/call", {"name": MEGABYTE, "arguments": {}}),
    "unknown arguments": ("tools/call", {"name": "qwen", "arguments": {f"{n}{'a' * 500}": 1 for n in range(2000)}}),
    "many arguments": ("tools/call", {"name": "qwen", "arguments": {f"argument_{n}": 1 for n in range(20_000)}}),
    "one long name": ("tools/call", {"name": "qwen", "arguments": {MEGABYTE: 1}}),
    "many paths": ("tools/call", {"name": "qwen", "arguments": {"prompt": "x", "images": ["/x.png"] * 20_000}}),
    "a deep nest": ("tools/call", {"name": "qwen", "arguments": {"images": nest(100), "prompt": nest(100)}}),
    "digits": ("tools/call", {"name": "qwen", "arguments": {"prompt": "x", "seed": 10**4200}}),
    "a helper's arguments": ("tools/call", {"name": "image_job", "arguments": {f"a{n}": 1 for n in range(20_000)}}),
    "a helper's long name": ("tools/call", {"name": "image_gallery", "arguments": {MEGABYTE: 1}}),
    "a topic": ("tools/call", {"name": "image_guide", "arguments": {"topic": MEGABYTE}}),
    "a job": ("tools/call", {"name": "image_job", "arguments": {"job_id": MEGABYTE}}),
    "a day": ("tools/call", {"name": "image_gallery", "arguments": {"day": MEGABYTE}}),
    "many words": ("tools/call", {"name": "image_gallery", "arguments": {"text": "x " * 40_000}}),
    "a prompt": ("prompts/get", {"name": MEGABYTE}),
    "a prompt's tool": ("prompts/get", {"name": "make_picture", "arguments": {"subject": "x", "tool": MEGABYTE}}),
    "a resource": ("resources/read", {"uri": f"image://{MEGABYTE}"}),
    "a page": ("resources/read", {"uri": f"guide://tools/{MEGABYTE}"}),
    "a completion": (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": MEGABYTE}, "argument": {"name": "tool", "value": "q"}},
    ),
    "a long subject": ("prompts/get", {"name": "make_picture", "arguments": {"subject": MEGABYTE}}),
    "many subjects": ("prompts/get", {"name": "make_picture", "arguments": {f"a{n}": "x" for n in range(40_000)}}),
    "many arguments known": (
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "make_picture"},
            "argument": {"name": "aspect_ratio", "value": ""},
            "context": {"arguments": {f"a{n}": "x" for n in range(40_000)}},
        },
    ),
    "many answers": (
        "tools/call",
        {"name": "qwen", "arguments": {}, "inputResponses": {f"a{n}": {"action": "accept"} for n in range(20_000)}},
    ),
    "a list for arguments": ("tools/call", {"name": "qwen", "arguments": [1] * 40_000}),
    "an unknown method": (MEGABYTE, {}),
    "a page of nothing": ("resources/list", {"cursor": MEGABYTE}),
}
"""Whole requests: method and parameters."""

_URIS = (
    *("", "image://", "image://IMG_A", "image://img_\x00", "image://img_" + "a" * 180, "image://../../etc/passwd"),
    *(
        "image://img_a/preview/preview",
        "image://img_a/..",
        "image:img_a",
        "job://",
        "job://job_\u202e",
        "job://job_a/b",
    ),
    *("guide://", "guide://tools/", "guide://tools/../qwen", "guide://tools/image_gallery", "guide://overview?x=1"),
    *("guide://tools/QWEN", "guide://qwen", "file:///etc/passwd", "http://127.0.0.1/", "data:text/plain,x", "\ufeff"),
    *("image://img_%2e%2e", "x" * 201, " guide://overview", "guide://overview/"),
)
_PROMPT = {"type": "ref/prompt", "name": "make_picture"}
ODD_REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"the address {uri[:40]!r}": ("resources/read", {"uri": uri}) for uri in _URIS},
    "no prompt": ("prompts/get", {"name": "__class__"}),
    "no subject": ("prompts/get", {"name": "make_picture"}),
    "an empty subject": ("prompts/get", {"name": "make_picture", "arguments": {"subject": " "}}),
    "a number for a subject": ("prompts/get", {"name": "make_picture", "arguments": {"subject": 7}}),
    "a tool that is none": (
        "prompts/get",
        {"name": "make_picture", "arguments": {"subject": "x", "tool": "{subject}"}},
    ),
    "a list for arguments": ("prompts/get", {"name": "make_picture", "arguments": ["subject"]}),
    "a prompt to complete that is none": (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "tool", "value": ""}},
    ),
    "nothing to complete": ("completion/complete", {"ref": _PROMPT}),
    "a number to complete": ("completion/complete", {"ref": _PROMPT, "argument": {"name": "tool", "value": 7}}),
    "another kind to complete": ("completion/complete", {"ref": {"type": "x"}, "argument": {"name": "a", "value": ""}}),
    "a second page": ("resources/list", {"cursor": "2"}),
    "a second page of templates": ("resources/templates/list", {"cursor": "2"}),
    "no tool": ("tools/call", {}),
    "a number for a tool": ("tools/call", {"name": 7}),
    "a text for arguments": ("tools/call", {"name": "qwen", "arguments": "prompt"}),
    "no method of ours": ("tools/__call__", {}),
}
"""Whole requests that the protocol itself refuses: method and parameters."""
