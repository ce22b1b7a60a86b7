"""The bundle passes its own tool, and what that unpacks runs with the environment that a host makes of the form.

The server is started by the real `uv` with the bundle's own words. Only the installation is left out: what the bundle
needs is taken from the environment of the tests, and its own code from the bundle.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from imagewright.settings.load import CommandLine, load_settings
from imagewright.surface.definitions import all_definitions
from tests.support.official_tools import OWN, TOOLS, run_tool, tool_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.anyio

TOOL_NAMES = [tool["name"] for tool in all_definitions()]
HOST = """
const [config, manifest, folder, answers] = process.argv.slice(1);
const { getMcpConfigForManifest } = await import(config);
console.log(JSON.stringify(await getMcpConfigForManifest({
  manifest: JSON.parse(manifest), extensionPath: folder, systemDirs: {}, pathSeparator: "/",
  userConfig: JSON.parse(answers),
})));
"""
"""What a host does with a form that was filled in, by the code that the bundle's makers give to hosts."""
LARGEST = 2_000_000
"""Bytes of a packed bundle: it holds our own code and two sample photos, nothing that is installed."""


@pytest.fixture(scope="module")
def packed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle as the official tool packs it."""
    home = tmp_path_factory.mktemp("mcpb")
    done = run_tool("mcpb", "pack", built / "mcpb", home / "imagewright.mcpb", home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return home / "imagewright.mcpb"


@pytest.fixture(scope="module")
def unpacked(packed: Path) -> Path:
    """What the official tool unpacks again."""
    folder = packed.parent / "unpacked"
    done = run_tool("mcpb", "unpack", packed, folder, home=packed.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_official_tool_accepts_it_and_would_see_a_fault(built: Path, tmp_path: Path) -> None:
    done = run_tool("mcpb", "validate", built / "mcpb", home=tmp_path)
    assert (done.returncode, "schema validation passes" in done.stdout) == (0, True), done.stdout + done.stderr
    content = json.loads((built / "mcpb" / "manifest.json").read_text(encoding="utf-8"))
    del content["server"]["mcp_config"]
    (tmp_path / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    assert run_tool("mcpb", "validate", tmp_path, home=tmp_path).returncode != 0


def test_it_is_packed_whole_and_small(built: Path, packed: Path, unpacked: Path) -> None:
    assert packed.stat().st_size < LARGEST
    for folder in (built / "mcpb", unpacked):
        assert not [path for path in folder.rglob("*") if path.name in {"__pycache__", ".git", "uv.lock", "tests"}]
    files = {
        folder: {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (built / "mcpb", unpacked)
    }
    assert files[unpacked] == files[built / "mcpb"]


def started_by_a_host(unpacked: Path, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Command, arguments and environment, as the makers' own code puts a form's answers into the manifest."""
    config = tool_folder("mcpb") / Path(TOOLS["mcpb"].program).parents[1] / "shared" / "config.js"
    manifest = (unpacked / "manifest.json").read_text(encoding="utf-8")
    node = shutil.which("node", path=OWN.get("PATH")) or "node"
    words = [node, "--input-type=module", "--eval", HOST, config.as_uri(), manifest, str(unpacked), json.dumps(answers)]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", check=True, timeout=60)  # noqa: S603 - words of our own
    started: dict[str, Any] = json.loads(done.stdout)
    return started


@pytest.mark.parametrize(
    ("answers", "off", "by_file"),
    [
        ({}, set(), True),
        (
            {
                "budget_per_day": 2.5,
                "home": "HOME",
                "roots": f"/a folder/ü{os.pathsep}~/Photos",
                "kie_api_key": "",
                "tool_qwen": False,
            },
            {"qwen"},
            False,
        ),
    ],
    ids=["nothing filled in, by its entry point", "a budget, a folder and a tool off, by its own words"],
)
async def test_it_runs_as_its_host_starts_it(
    unpacked: Path,
    tmp_path: Path,
    answers: dict[str, Any],
    off: set[str],
    by_file: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    home = tmp_path / "my pictures"
    answers = {name: str(home) if value == "HOME" else value for name, value in answers.items()}
    started = started_by_a_host(unpacked, answers)
    assert "${" not in json.dumps(started)
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "UV_NO_SYNC": "1",  # the environment of the tests is taken as it is
        "UV_PROJECT_ENVIRONMENT": sys.prefix,
        "PYTHONPATH": str(unpacked / "server"),
        "PYTHONDONTWRITEBYTECODE": "1",
        **started["env"],
    }
    settings = load_settings(environment, CommandLine())
    assert settings.budget.per_day == answers.get("budget_per_day")
    roots = {Path("/a folder/ü"), Path.home() / "Photos"}  # the home of this process: the server's own is its own
    assert (roots < {*settings.folders.roots}) is ("roots" in answers)
    assert started["command"] == "uv"
    uv = str(tool_folder("uv") / TOOLS["uv"].program)
    words = started["args"]
    if by_file:  # what the makers' page says that a host does with a bundle of this kind
        entry_point = json.loads((unpacked / "manifest.json").read_text(encoding="utf-8"))["server"]["entry_point"]
        words = ["run", "--directory", str(unpacked), entry_point]
    async with Client(StdioServerParameters(command=uv, args=words, env=environment)) as client:
        listed = await client.list_tools()
        assert {tool.name for tool in listed.tools} == {*TOOL_NAMES} - off
        result = await client.call_tool("nano_banana", {"prompt": "a lighthouse at dusk", "save_as": "dusk.png"})
        assert result.structured_content is not None, result
        picture = Path(result.structured_content["images"][0]["path"])
    assert picture.is_relative_to(home if "home" in answers else tmp_path / "Pictures")
    assert not (unpacked / "uv.lock").exists(), "nothing was installed"
