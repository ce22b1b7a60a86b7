"""The licence is there, named in the metadata, and goes along in what is built."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PERMISSIVE = {"MIT", "MIT-CMU", "BSD-3-Clause", "Apache-2.0"}
BUNDLED = {"pillow-heif": {"libheif": "LGPLv3", "libde265": "LGPLv3", "x265": "GPLv2"}}
"""By dependency, the libraries in its wheels that are under other terms; `docs/licences.md` says what follows."""
DEPENDENCIES = [re.split(r"[<>=]", text)[0] for text in PROJECT["dependencies"]]


def test_the_licence_is_named_and_goes_along() -> None:
    assert PROJECT["license"] == "MIT"
    (name,) = PROJECT["license-files"]
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.startswith("MIT License\n\nCopyright (c) 2026 The Imagewright authors\n")
    assert "THE SOFTWARE IS PROVIDED" in text
    assert not [one for one in PROJECT["classifiers"] if one.startswith("License ::")], "refused beside an expression"


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_what_is_depended_on_is_under_a_permissive_licence(name: str) -> None:
    about = distribution(name).metadata
    assert (about["License-Expression"] or about["License"]) in PERMISSIVE


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_what_a_wheel_carries_under_other_terms_is_on_the_page(name: str) -> None:
    texts = [file.read_text() for file in distribution(name).files or () if file.name == "LICENSES_bundled.txt"]
    found = dict(re.findall(r"^Name: (\w+)\nLicense: (\w*GPL\w*)", "\n".join(texts), flags=re.MULTILINE))
    assert found == BUNDLED.get(name, {})
    page = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
    assert [library for library in found if library not in page] == []
