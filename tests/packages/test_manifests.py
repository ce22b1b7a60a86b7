"""What the packages say of themselves agrees with the tables it is made from, and with each other."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import imagewright
from imagewright.catalog.load import catalog
from imagewright.providers import KEY_VARIABLES
from imagewright.settings.keys import flaw
from imagewright.settings.load import CommandLine, load_settings
from imagewright.settings.table import TOOL_PREFIX, VARIABLES
from imagewright.surface.definitions import all_definitions
from packages.manifests import AUTHORS, OFFERED, REGISTRY_SCHEMA, SYSTEMS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MANIFESTS = {
    "bundle": "mcpb/manifest.json",
    "plugin": "claude-code/.claude-plugin/plugin.json",
    "extension": "gemini-cli/gemini-extension.json",
    "registry": "server.json",
}
KEYS = [variables[0] for variables in KEY_VARIABLES.values() if variables]
TOOLS = [tool["name"] for tool in all_definitions()]
SWITCHES = [f"{TOOL_PREFIX}{tool.upper()}" for tool in TOOLS]


def read(built: Path, name: str) -> Any:
    return json.loads((built / MANIFESTS.get(name, name)).read_text(encoding="utf-8"))


def test_the_version_is_the_same_everywhere(built: Path) -> None:
    versions = {name: read(built, name)["version"] for name in MANIFESTS}
    versions |= {f"registry {one['registryType']}": one["version"] for one in read(built, "registry")["packages"]}
    for folder in ("mcpb", "claude-code", "gemini-cli"):
        versions[f"sources of {folder}"] = tomllib.loads((built / folder / "pyproject.toml").read_text())["project"][
            "version"
        ]
    versions["pyproject.toml"] = PROJECT["version"]
    labels = re.findall(r'image\.version="([^"]+)"', (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    versions["Dockerfile"] = labels[-1]
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    if headings[0] != "Unreleased":
        versions["CHANGELOG.md"] = headings[0]
    assert versions == dict.fromkeys(versions, imagewright.__version__)


def test_the_authors_and_the_systems_are_those_of_the_project() -> None:
    assert f"(c) 2026 {AUTHORS}\n" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    names = {"MacOS": "darwin", "Linux": "linux", "Windows": "win32"}
    systems = [one.split(" :: ")[-1] for one in PROJECT["classifiers"] if one.startswith("Operating System")]
    assert {names[system] for system in systems} == set(SYSTEMS)


def test_the_bundle_asks_for_every_key_the_settings_and_a_switch_for_each_tool(built: Path) -> None:
    manifest = read(built, "bundle")
    env, form = manifest["server"]["mcp_config"]["env"], manifest["user_config"]
    assert {f"${{user_config.{name}}}" for name in form} == set(env.values())
    assert len(env) == len(form)
    asked = {variable: form[value.removeprefix("${user_config.").removesuffix("}")] for variable, value in env.items()}
    assert list(asked) == [*KEYS, *(one.variable for one in OFFERED), *SWITCHES]
    assert {variable for variable, field in asked.items() if field.get("sensitive")} == set(KEYS)
    assert {variable: field["default"] for variable, field in asked.items()} == {
        variable: True if variable in SWITCHES else "" for variable in asked
    }
    assert not any(field["required"] for field in form.values())
    assert [tool["name"] for tool in manifest["tools"]] == TOOLS
    assert set(catalog()) < set(TOOLS)


def test_a_form_left_empty_sets_nothing(built: Path, tmp_path: Path) -> None:
    env = read(built, "bundle")["server"]["mcp_config"]["env"]
    own = {"HOME": str(tmp_path), "IMAGEWRIGHT_HOME": str(tmp_path / "home")}
    filled, plain = (load_settings(one, CommandLine()) for one in (dict.fromkeys(env, "") | own, own))
    decided = [one.name for one in fields(filled) if one.name not in {"environment", "keyring"}]
    assert {name: getattr(filled, name) for name in decided} == {name: getattr(plain, name) for name in decided}
    assert [filled.keyring.find(variables) for variables in KEY_VARIABLES.values()] == [None] * len(KEY_VARIABLES)
    assert [filled.keyring.flaws(variables) for variables in KEY_VARIABLES.values()] == [[]] * len(KEY_VARIABLES)


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("plugin", lambda content: content["userConfig"]),
        ("extension", lambda content: [one["envVar"] for one in content["settings"]]),
    ],
)
def test_the_plugin_and_the_extension_ask_for_the_keys_alone(built: Path, name: str, variables: Any) -> None:
    assert [one.upper() for one in variables(read(built, name))] == KEYS


def test_a_key_of_the_environment_comes_before_the_one_typed_into_claude_code(built: Path) -> None:
    (server,) = read(built, "claude-code/.mcp.json")["mcpServers"].values()
    assert list(server["env"]) == KEYS
    for variable, value in server["env"].items():
        assert value == f"${{{variable}:-${{user_config.{variable.lower()}}}}}"
        assert flaw(value), "what a client leaves as it stands is no key"


def test_the_registry_knows_every_variable(built: Path) -> None:
    content = read(built, "registry")
    known = {one["name"]: one for one in content["packages"][0]["environmentVariables"]}
    assert list(known) == list(read(built, "bundle")["server"]["mcp_config"]["env"])
    assert {name for name, one in known.items() if one["isSecret"]} == set(KEYS)
    assert set(known) - set(KEYS) - set(SWITCHES) <= set(VARIABLES)


@pytest.mark.parametrize("name", [*MANIFESTS, "claude-code/.claude-plugin/marketplace.json", "claude-code/.mcp.json"])
def test_no_manifest_invents_an_address(built: Path, name: str) -> None:
    text = (built / MANIFESTS.get(name, name)).read_text(encoding="utf-8")
    assert set(re.findall(r"\w+://[^\s\"]+", text)) <= {REGISTRY_SCHEMA}
    assert "@" not in text


@pytest.mark.parametrize("folder", ["mcpb", "claude-code", "gemini-cli"])
def test_a_package_holds_the_server_and_nothing_of_its_developers(built: Path, folder: str) -> None:
    files = {path.relative_to(built / folder).as_posix() for path in (built / folder).rglob("*") if path.is_file()}
    assert {"LICENSE", "README.md", "pyproject.toml", "icon.png", "server/imagewright/__main__.py"} <= files
    assert {f"server/imagewright/catalog/rows/{tool}.toml" for tool in catalog()} <= files
    assert {f"server/imagewright/guide/pages/{tool}.md" for tool in catalog()} <= files
    assert [
        name for name in files if re.search(r"(^|/)(tests|benchmarks|\.git|__pycache__|\.venv)/|\.pyc$|\.lock$", name)
    ] == []
    project = tomllib.loads((built / folder / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"] == PROJECT
    assert set(project) == {"build-system", "project", "tool"}, "uv would install the group of the developers too"
