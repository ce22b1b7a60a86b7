"""Editing TOML and YAML by their lines: whatever stands around an entry, it comes in and goes out alone."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore] # as in the code that is tested
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from imagewright.cli.connect import Splice, apply, blocks, edit
from imagewright.errors import SettingsError

EXAMPLES = 30
"""Documents for each way in which lines and the text can end."""
NAME = "imagewright"
ENTRY: dict[str, Any] = {"command": '/x "y"/imagewright', "args": ["--tools", "on", "1e3"], "env": {"A": "#no"}}
OTHER: dict[str, Any] = {"command": "/z", "args": []}
TABLES = [
    '[servers.files] # mine\ncommand = "npx"\nargs = [\n  "-y", # yes\n]\n',
    '[servers."other.one".env]\nA = "[servers.imagewright]"\n',
    '[a]\nx = """\n[b]\n"""\n',
    "[[list]]\nx = 1\n",
    "[[list]]\nx = 2\n",
    "# [servers.imagewright]\n",
    "\n",
]
MAPPINGS = [
    "a: 1 # one\n",
    "text: |\n  servers:\n    imagewright: 1\n",
    "list:\n- a\n- b: 1\n",
    'quoted: "x\n  y"\n',
    "# servers:\n",
    "\n",
]
SECTIONS = [
    "",
    "servers: {}\n",
    "servers:\n",
    "servers: # mine\n  # the first\n  files:\n    cmd: npx\n    args: [a, b]\n",
    'servers:\n    "x":\n        text: |\n            y\n\n    z: {}\n',
]


def toml_documents() -> st.SearchStrategy[str]:
    head = st.sampled_from(["", "# mine\n", "q.b = 1\n", 'x = "[servers]" # c\n\n'])
    body = st.lists(st.sampled_from(TABLES), max_size=5, unique=True).map("".join)
    return st.tuples(head, body).map("".join)


def yaml_documents() -> st.SearchStrategy[str]:
    around = st.lists(st.sampled_from(MAPPINGS), max_size=4, unique=True)
    split = st.tuples(around, st.sampled_from(SECTIONS), st.integers(0, 4))
    return split.map(lambda one: "".join([*one[0][: one[2]], one[1], *one[0][one[2] :]]))


@pytest.mark.parametrize("line", ["\n", "\r\n"])
@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize(
    ("form", "documents", "read"),
    [("toml", toml_documents(), tomllib.loads), ("yaml", yaml_documents(), lambda text: yaml.safe_load(text) or {})],
)
def test_in_and_out_again(form: str, documents: st.SearchStrategy[str], read: Any, *, line: str, end: bool) -> None:
    editor = edit.EDITORS[form]

    @settings(max_examples=EXAMPLES, deadline=None)  # no verdict by wall time
    @given(documents)
    def holds(document: str) -> None:
        assume(end or not document.endswith("imagewright: 1\n"))  # an end of line would belong to that text
        text = (document if end else document.removesuffix("\n")).replace("\n", line)
        value = read(text)
        known = "servers" in value
        splices = editor.insert(text, "servers", NAME, ENTRY)
        changed = apply(text, splices)
        assert read(changed) == {**value, "servers": {**(value.get("servers") or {}), NAME: ENTRY}}
        assert line not in text or changed.count("\n") == changed.count(line)
        pieces = edit._pieces(text, splices)  # noqa: SLF001 - what is noted of a change
        assert apply(changed, [Splice(*one) for one in pieces]) == text
        other = apply(changed, editor.replace(changed, "servers", NAME, OTHER))
        assert {**read(other)["servers"][NAME], "env": 0} == {**OTHER, "env": 0}
        for now in (changed, other):
            out = apply(now, editor.remove(now, "servers", NAME, emptied=not known))
            left = read(out)
            assert {**left, "servers": left.get("servers") or {}} == {**value, "servers": value.get("servers") or {}}
            assert ("servers" in left) is known
            assert [one for one in text.split() if one != "{}"] == [one for one in out.split() if one != "{}"]

    holds()


@pytest.mark.parametrize(
    "text",
    [
        'servers = { imagewright = { command = "x" } }\n',
        'servers.imagewright.command = "x"\n',
        '[servers]\nimagewright = { command = "x" }\n',
    ],
)
def test_a_table_in_another_dress_is_changed_and_taken_out(text: str) -> None:
    other = apply(text, blocks.replace_toml(text, "servers", NAME, OTHER))
    assert tomllib.loads(other) == {"servers": {NAME: OTHER}}
    out = apply(text, blocks.remove_toml(text, "servers", NAME, emptied=True))
    assert tomllib.loads(out) == {}


def test_a_table_that_is_only_quoted_is_not_taken_for_ours() -> None:
    quoted = 'x = """\n[servers.imagewright]\n"""\n'
    text = f'{quoted}\n[servers.imagewright]\ncommand = "x"\n'
    assert apply(text, blocks.remove_toml(text, "servers", NAME, emptied=False)) == f"{quoted}\n"
    with pytest.raises(SettingsError, match="without touching something else"):
        blocks.replace_toml(text, "servers", NAME, OTHER)


def test_what_would_be_brought_into_another_order_is_refused() -> None:
    text = '[servers.imagewright]\ncommand = "x"\n[b]\n[servers.imagewright.env]\nA = "b"\n[servers.c]\n'
    with pytest.raises(SettingsError, match="without touching something else"):
        blocks.replace_toml(text, "servers", NAME, OTHER)


def test_a_table_and_those_below_it_go_together() -> None:
    text = 'a = 1\n\n[servers.imagewright]\ncommand = "x"\n[servers.imagewright.env]\nA = "b"\n\n# next\n[b]\n'
    out = apply(text, blocks.remove_toml(text, "servers", NAME, emptied=False))
    assert out == "a = 1\n\n# next\n[b]\n"
