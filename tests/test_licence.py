"""The licence is there, named in the metadata, and goes along in what is built."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.supply.closure import NAME, closure

if TYPE_CHECKING:
    from importlib.metadata import PackageMetadata

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PERMISSIVE = {"MIT", "MIT-0", "MIT-CMU", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "PSF-2.0"}
OTHERS = {"certifi": "MPL-2.0"}
"""What is needed and is under other terms; `docs/licences.md` names it."""
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


def test_all_that_is_needed_is_under_a_permissive_licence_but_for_what_the_page_names() -> None:
    packages = {name: package.metadata for name, package in closure().items() if name != NAME}
    found = {name: _licence_of(about) for name, about in packages.items()}
    others = {name: licence for name, licence in found.items() if not PERMISSIVE & set(licence.split(" OR "))}
    assert others == OTHERS
    page = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
    named = {licence.partition("-")[0] if licence.startswith("BSD") else licence for licence in PERMISSIVE}
    assert [licence for licence in named if licence not in page] == []
    assert [name for name, licence in OTHERS.items() if not re.search(rf"\| `{name}` .*\| {licence} \|", page)] == []


def _licence_of(about: PackageMetadata) -> str:
    """The licence that a package's metadata name, in the old way or the new."""
    old = {"License :: OSI Approved :: MIT License": "MIT"}
    found = about["License-Expression"] or about["License"]
    return str(found or next((old[one] for one in about.get_all("Classifier") or () if one in old), ""))


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_what_a_wheel_carries_under_other_terms_is_on_the_page(name: str) -> None:
    texts = [file.read_text() for file in distribution(name).files or () if file.name == "LICENSES_bundled.txt"]
    found = dict(re.findall(r"^Name: (\w+)\nLicense: (\w*GPL\w*)", "\n".join(texts), flags=re.MULTILINE))
    assert found == BUNDLED.get(name, {})
    page = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
    assert [library for library in found if library not in page] == []
