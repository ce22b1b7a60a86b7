"""What a server lists that has one provider's key alone is what docs/providers.md says of that provider."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.row import AUTO
from imagewright.engine.offer import HELPER_TOOLS
from imagewright.providers import KEY_VARIABLES
from tests.support.raw_client import MODERN, RawClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
HEADING = re.compile(r"^### (\w+) \(`(\w+)`\)\n\n((?:\|.*\n)+)", re.MULTILINE)
COLUMNS = {"editions": "model", "shapes": "aspect_ratio", "sizes": "resolution"}
"""Columns that list the values of an argument, and which."""
UNSAID = {"prompt", "save_as"}
"""Arguments that the tables leave out, as they say nothing about a provider."""


@dataclass(frozen=True)
class Key:
    """A provider's part of the page."""

    provider: str
    variable: str
    """Where its key goes."""
    tools: Mapping[str, list[dict[str, str]]]
    """The lines of each tool, one per operation, as text by the column's heading."""


def _read() -> dict[str, Key]:
    keys = {}
    for provider, variable, table in HEADING.findall(TEXT):
        heads, _, *lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines())
        tools: dict[str, list[dict[str, str]]] = {}
        for line in lines:
            cells = dict(zip(heads, line, strict=True))
            tools.setdefault(cells["tool"].strip("`"), []).append(cells)
        keys[provider] = Key(provider, variable, tools)
    return keys


KEYS = _read()
CELLS = [pytest.param(key, tool, id=f"{key.provider}-{tool}") for key in KEYS.values() for tool in key.tools]


@dataclass
class Lists:
    """What a server with one key lists, asked for once per provider."""

    home: Path

    def __post_init__(self) -> None:
        self.of = cache(self._of)

    def _of(self, provider: str) -> dict[str, dict[str, Any]]:
        own = {"IMAGEWRIGHT_HOME": str(self.home / provider), "HOME": str(self.home)}
        key = {KEYS[provider].variable: "no-real-key", "IMAGEWRIGHT_PROVIDERS": provider}
        with RawClient(MODERN, env=own | key, quick=True) as client:
            listed = {tool["name"]: tool["inputSchema"] for tool in client.ask("tools/list")["tools"]}
        assert client.log + client.stray == []
        return listed


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Lists:
    return Lists(tmp_path_factory.mktemp("keys"))


def test_the_page_has_every_provider_that_takes_a_key() -> None:
    assert {key.provider: key.variable for key in KEYS.values()} == {
        name: variables[0] for name, variables in KEY_VARIABLES.items() if variables
    }


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_the_tools_are_those_of_the_table(key: Key, lists: Lists) -> None:
    assert set(lists.of(key.provider)) == {*key.tools, *HELPER_TOOLS}


@pytest.mark.parametrize(("key", "tool"), CELLS)
def test_the_arguments_are_those_of_the_table(key: Key, tool: str, lists: Lists) -> None:
    lines, properties = key.tools[tool], lists.of(key.provider)[tool]["properties"]
    taken = {name for column, name in COLUMNS.items() if any(line[column] for line in lines)}
    taken |= {name for line in lines for name, _ in _others(line)}
    taken |= {"mask" for line in lines if "mask" in line["pictures"]}
    assert set(properties) - UNSAID - {"image", "images"} == taken
    assert ("image" in properties or "images" in properties) is any(line["pictures"] for line in lines)
    lacks = [set(re.findall(r"`(\w+)`", line["does not take"])) for line in lines]
    assert not lacks[0].intersection(*lacks[1:]) & set(properties)


@pytest.mark.parametrize(("key", "tool"), CELLS)
def test_the_values_are_those_of_the_table(key: Key, tool: str, lists: Lists) -> None:
    lines, properties = key.tools[tool], lists.of(key.provider)[tool]["properties"]
    for column, name in COLUMNS.items():
        if name in properties:
            written = [line[column].split(", ") for line in lines if line[column]]
            offered = set(chain.from_iterable(written))
            assert _values(properties[name]) == offered - {AUTO}, name
            apart = {one for one in offered if not all(one in values for values in written)}
            assert [one for one in apart if one not in properties[name]["description"]] == [], "of one operation only"
    whole = json.loads((ROOT / "tool_schemas" / f"{tool}.json").read_text(encoding="utf-8"))
    everything = whole["inputSchema"]["properties"]
    fewer: dict[str, set[str]] = {}
    for name, values in chain.from_iterable(map(_others, lines)):
        if "enum" in everything[name]:
            fewer.setdefault(name, set()).update(values or _values(everything[name]))
    assert {name: _values(properties[name]) for name in fewer} == {name: own - {AUTO} for name, own in fewer.items()}


@pytest.mark.parametrize(("key", "tool"), CELLS)
def test_the_numbers_of_input_pictures_are_those_of_the_table(key: Key, tool: str, lists: Lists) -> None:
    lines, properties = key.tools[tool], lists.of(key.provider)[tool]["properties"]
    spans = [line["pictures"].removesuffix(" + mask") for line in lines if line["pictures"]]
    numbers = [tuple(int(part) for part in span.split("-")) for span in spans]
    if "images" in properties:
        limits = properties["images"]
        assert (limits.get("minItems", 1), limits["maxItems"]) == (
            min(one[0] for one in numbers),
            max(one[-1] for one in numbers),
        )
    else:
        assert set(numbers) <= {(1,)}


def _others(line: Mapping[str, str]) -> Iterable[tuple[str, set[str]]]:
    """Each argument in the column of others, and its values where they are fewer than the model's."""
    for name, values in re.findall(r"`(\w+)`(?: \(([^)]*)\))?", line["takes"]):
        yield name, set(filter(None, re.split(r", | or ", values)))


def _values(schema: Mapping[str, Any]) -> set[str]:
    """The values in a schema but `auto`, which stands for "not given" where it is no value of its own."""
    return {str(value) for value in schema["enum"]} - {AUTO}
