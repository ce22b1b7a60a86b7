"""The licence is there, named in the metadata, and goes along in what is built."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_licence_is_named_and_goes_along() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "MIT"
    (name,) = project["license-files"]
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.startswith("MIT License\n\nCopyright (c) 2026 The Imagewright authors\n")
    assert "THE SOFTWARE IS PROVIDED" in text
    assert not [one for one in project["classifiers"] if one.startswith("License ::")], "refused beside an expression"
