"""What `tools/list` shows and what a result carries, for clients that take less than the protocol allows."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.surface.client_facts import FACTS
from imagewright.surface.definitions import all_definitions, tool_definitions
from tests.support.raw_client import ERAS, RawClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LISTED = tool_definitions(catalog().values())
EACH_TOOL = pytest.mark.parametrize("tool", LISTED, ids=[tool["name"] for tool in LISTED])


DAYS = ("today", "yesterday")
"""One of them is the day of a picture that was just made, also around midnight."""


def _today() -> str:
    return f"{datetime.now().astimezone():%A, %Y-%m-%d}"


def schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and every schema inside it."""
    yield schema
    for part in (*schema.get("properties", {}).values(), schema.get("items")):
        if isinstance(part, dict):
            yield from schemas(part)


@EACH_TOOL
def test_a_listed_input_schema_has_no_additional_properties_and_no_empty_list(tool: dict[str, Any]) -> None:
    for part in schemas(tool["inputSchema"]):
        assert "additionalProperties" not in part
        assert part.get("required") != []


@EACH_TOOL
def test_every_listed_argument_is_described(tool: dict[str, Any]) -> None:
    for name, part in tool["inputSchema"]["properties"].items():
        assert part["description"], name


def test_a_written_schema_is_the_listed_one_closed() -> None:
    for written, listed in zip(all_definitions(), LISTED, strict=True):
        assert written["inputSchema"] == listed["inputSchema"] | {"additionalProperties": False}
        assert written | {"inputSchema": None} == listed | {"inputSchema": None}


@pytest.mark.parametrize("revision", ERAS)
def test_pictures_are_linked_only_when_a_setting_asks_for_it(revision: str, home: Path) -> None:
    name = next(iter(catalog()))
    plain = {"IMAGEWRIGHT_HOME": str(home), "HOME": str(home)}
    with RawClient(revision, env=plain) as client:
        result = client.call(name, {"prompt": "a fox", "seed": 1})
        assert [block["type"] for block in result["content"]] == ["image", "text"]
        shown = client.call("image_gallery", {})
        assert [block["type"] for block in shown["content"]] == ["image", "text"]
        made = result["structuredContent"]["images"][0]
        assert made["id"] in result["content"][1]["text"]
        assert made["uri"] == f"image://{made['id']}"
        days = [client.call("image_gallery", {"day": day})["structuredContent"]["images"] for day in DAYS]
        assert made["id"] in [one["id"] for found in days for one in found]
        before, none, after = _today(), client.call("image_gallery", {"text": "no such word"}), _today()
        assert any(f"Today is {day}." in none["content"][0]["text"] for day in (before, after))
        assert none["structuredContent"]["today"] in before + after
    with RawClient(revision, env=plain | {"IMAGEWRIGHT_RESOURCE_LINKS": "on"}) as client:
        for again in (client.call("image_gallery", {}), client.call(name, {"prompt": "a fox", "seed": 2})):
            *_, link = again["content"]
            assert link["type"] == "resource_link"
            assert link["uri"] in [one["uri"] for one in again["structuredContent"]["images"]]


@pytest.mark.parametrize("name", [name for name, known in FACTS.items() if known.data_hides_pictures])
@pytest.mark.parametrize("revision", ERAS)
def test_a_client_that_shows_only_data_gets_the_picture_and_the_text(name: str, revision: str, home: Path) -> None:
    with RawClient(revision, env={"IMAGEWRIGHT_HOME": str(home), "HOME": str(home)}, name=name) as client:
        results = [client.call(next(iter(catalog())), {"prompt": "a fox", "seed": 1}), client.call("image_gallery", {})]
        for result in results:
            assert [block["type"] for block in result["content"]] == ["image", "text"]
            assert "structuredContent" not in result
        assert results[0]["content"][1]["text"].split("\n")[1].split(":")[0] in results[1]["content"][1]["text"]
        assert client.call("image_guide", {})["structuredContent"]["topic"] == "overview", "it has no picture"


def test_every_fact_about_a_client_has_its_source() -> None:
    assert FACTS
    for known in FACTS.values():
        assert known.source
        assert date.fromisoformat(known.checked)
