"""The plugin for Claude Code and the extension for Gemini CLI pass the validators of those clients."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.official_tools import run_tool

if TYPE_CHECKING:
    from pathlib import Path

VALIDATORS = {
    "plugin": (("claude", "plugin", "validate", "--strict"), "claude-code", ".claude-plugin/plugin.json", "name"),
    "marketplace": (
        ("claude", "plugin", "validate", "--strict"),
        "claude-code",
        ".claude-plugin/marketplace.json",
        "owner",
    ),
    "extension": (("gemini", "extensions", "validate"), "gemini-cli", "gemini-extension.json", "version"),
}
"""The command, the folder it is about, the manifest, and a field that it cannot do without."""


@pytest.mark.parametrize("kind", VALIDATORS)
def test_the_clients_own_validator_accepts_it_and_would_see_a_fault(built: Path, tmp_path: Path, kind: str) -> None:
    command, folder, file, needed = VALIDATORS[kind]
    place = tmp_path / folder
    shutil.copytree(built / folder, place, ignore=shutil.ignore_patterns("server"))
    subject = place if folder == "gemini-cli" else place / file
    done = run_tool(*command, subject, home=tmp_path / "home")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()
    content = json.loads((place / file).read_text(encoding="utf-8"))
    del content[needed]
    (place / file).write_text(json.dumps(content), encoding="utf-8")
    assert run_tool(*command, subject, home=tmp_path / "home").returncode != 0
