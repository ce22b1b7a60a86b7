"""`server.json` is what the schema of the MCP registry allows."""

from __future__ import annotations

import hashlib
import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from packages.build import main, options
from packages.manifests import REGISTRY_SCHEMA, registry_entry
from tests.support.official_tools import TOOLS, tool_folder
from tests.support.pages import ROOT, blocks

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACE = "com.example"
BUNDLE_URL = "https://example.com/imagewright.mcpb"


@pytest.fixture(scope="module")
def schema() -> Draft7Validator:
    """That of the version that ours names, from a linter that carries the released ones."""
    folder = tool_folder("skillsaw") / TOOLS["skillsaw"].program / "schemas" / "mcp_registry"
    found: list[dict[str, Any]] = [json.loads(file.read_text("utf-8")) for file in folder.glob("*/server.schema.json")]
    named = {one["$id"]: one for one in found}
    assert max(named) == REGISTRY_SCHEMA, "there is a newer one"
    return Draft7Validator(named[REGISTRY_SCHEMA])


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A file to be published; what is in it is for others to judge."""
    file = tmp_path / "imagewright.mcpb"
    file.write_bytes(b"packed")
    return file


def test_the_schema_allows_it_with_and_without_a_bundle(schema: Draft7Validator, built: Path, bundle: Path) -> None:
    entry = json.loads((built / "server.json").read_text(encoding="utf-8"))
    assert [error.message for error in schema.iter_errors(entry)] == []
    assert entry == registry_entry(NAMESPACE)
    entry = registry_entry(NAMESPACE, BUNDLE_URL, bundle)
    assert [error.message for error in schema.iter_errors(entry)] == []
    assert [one["registryType"] for one in entry["packages"]] == ["pypi", "mcpb"]
    assert entry["packages"][1]["fileSha256"] == hashlib.sha256(b"packed").hexdigest()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "imagewright"),
        ("description", "long " * 21),
        ("version", None),
        ("packages", [{"registryType": "pypi"}]),
    ],
)
def test_the_schema_would_see_a_fault(schema: Draft7Validator, field: str, value: object) -> None:
    assert not schema.is_valid({**registry_entry(NAMESPACE), field: value})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--namespace", NAMESPACE, "--bundle", "BUNDLE"], "belong together"),
        (["--namespace", NAMESPACE, "--bundle", "NONE", "--bundle-url", BUNDLE_URL], "there is no file"),
        (
            ["--namespace", NAMESPACE, "--bundle", "BUNDLE", "--bundle-url", "http://a.example/b"],
            "begins with https://",
        ),
        (["--bundle", "BUNDLE", "--bundle-url", BUNDLE_URL], "wants --namespace"),
        *((["--namespace", one], "no domain read backwards") for one in ("", "me", "a.b/c", "../..", "ä.com", "a. b")),
    ],
)
def test_what_the_registry_would_not_take_is_refused_before_anything_is_built(
    words: list[str], sentence: str, tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [{"BUNDLE": str(bundle), "NONE": str(tmp_path / "none")}.get(one, one) for one in words]
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "out"), *words])
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_page_on_packages_gives_options_that_there_are() -> None:
    lines = [
        line for block in blocks(ROOT / "docs" / "packages.md") for line in block.commands if "packages.build" in line
    ]
    given = [options().parse_args(shlex.split(line.partition(" packages.build")[2])) for line in lines]
    assert [bool(one.namespace) for one in given] == [False, True]
