"""What comes from elsewhere is bounded, listed in a release, and looked up for known holes."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from datetime import UTC, datetime
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.supply.audit import CLEAN, HOLES, UNKNOWN, Audit, audit, failed, read
from tests.supply.closure import NAME, closure, needs
from tests.supply.sbom import bill

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 26, tzinfo=UTC)
MOST_MAJORS = 2
"""How many major versions a range may span: the one before the newest is still in use somewhere."""
REQUIREMENTS = [
    *PROJECT["build-system"]["requires"],
    *PROJECT["project"]["dependencies"],
    *(one for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra),
    *(one for group in PROJECT["dependency-groups"].values() for one in group if isinstance(one, str)),
]


@pytest.mark.parametrize("text", REQUIREMENTS)
def test_a_dependency_has_a_lower_bound_and_ends_before_the_next_major_version(text: str) -> None:
    bounds = {one.operator: Version(one.version) for one in Requirement(text).specifier}
    assert set(bounds) == {">=", "<"}
    least, cap = bounds[">="], bounds["<"]
    if cap.major == 0:  # before 1.0 the second number is the major one
        assert (cap.release[2:], cap.minor) == ((), least.minor + 1)
    else:
        assert not any(cap.release[1:])
        assert least.major < cap.major <= least.major + MOST_MAJORS


@pytest.fixture(scope="module")
def made() -> str:
    """The bill of what is installed here."""
    return bill(closure(), NOW)


def test_the_bill_is_valid(made: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made) is None
    broken = made.replace('"type": "library"', '"type": "book"', 1)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None


def test_the_bill_lists_everything_that_is_needed_and_no_tool_of_the_tests(made: str) -> None:
    content = json.loads(made)
    listed = {one["name"]: one["version"] for one in content["components"]}
    assert content["metadata"]["component"]["version"] == distribution(NAME).version
    wanted = {str(canonicalize_name(one.name)) for one in needs(distribution(NAME))}
    assert wanted
    assert wanted <= listed.keys()
    assert {"httpcore", "pydantic-core"} <= listed.keys()  # what is needed by what is needed
    assert not {"pytest", "ruff", "hypothesis", "pip", NAME} & listed.keys()
    assert listed == {name: distribution(name).version for name in listed}
    edges = {one["ref"].partition("@")[0]: one.get("dependsOn", []) for one in content["dependencies"]}
    assert {name.partition("@")[0].rpartition("/")[2] for name in edges[f"pkg:pypi/{NAME}"]} == wanted


def test_the_bill_lists_the_libraries_inside_a_wheel(made: str) -> None:
    (pillow,) = (one for one in json.loads(made)["components"] if one["name"] == "pillow")
    bills = [file for file in distribution("pillow").files or () if "sboms" in file.parts]
    assert bool(bills) == ("components" in pillow)
    assert all(one["name"] for one in pillow.get("components", ()))


def test_the_bill_names_no_address_and_no_folder(made: str) -> None:
    addresses = set(re.findall(r"\w+://[^\s\"]+", made))
    assert {one for one in addresses if not one.startswith("http://cyclonedx.org/schema/")} == set()
    assert str(Path.home()) not in made


def test_the_same_packages_have_the_same_bill(made: str) -> None:
    assert bill(closure(), NOW) == made


def _answer(*packages: dict[str, Any]) -> dict[str, Any]:
    """What pip-audit writes (its README, "JSON")."""
    return {"dependencies": list(packages), "fixes": []}


GOOD = {"name": "good", "version": "1.0", "vulns": []}
SKIPPED = {"name": "odd", "skip_reason": "Dependency not found on PyPI and could not be audited: odd (1.0)"}
HOLED = {
    "name": "bad",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["2.1"], "aliases": ["CVE-2026-1"], "description": "words"}],
}


@pytest.mark.parametrize(
    ("found", "status", "words"),
    [
        (read(_answer(GOOD)), CLEAN, "1 package looked up, 0 with known holes."),
        (read(_answer(GOOD, HOLED)), HOLES, "bad 2.0: PYSEC-2026-1, CVE-2026-1 (mended in 2.1)"),
        (read(_answer(GOOD, SKIPPED)), UNKNOWN, "Not looked up: odd, because: Dependency not found on PyPI"),
        (read(_answer(HOLED, SKIPPED)), HOLES, "1 package looked up, 1 with known holes."),
        (read(_answer(SKIPPED)), UNKNOWN, "NOTHING was looked up"),
        (read(_answer()), UNKNOWN, "NOTHING was looked up"),
        (
            failed(["a", "b"], "Traceback\nConnectionError: no such host\n"),
            UNKNOWN,
            "a and b, because: ConnectionError",
        ),
        (failed(["a"], ""), UNKNOWN, "NOTHING was looked up"),
    ],
)
def test_an_audit_says_what_was_found_and_what_was_not_looked_up(found: Audit, status: int, words: str) -> None:
    assert found.status == status
    assert words in str(found)


OPTIONS = """
import argparse, json, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--requirement", type=pathlib.Path, required=True)
parser.add_argument("--vulnerability-service", choices=("pypi", "osv"), required=True)
options = parser.parse_args()
"""
"""Those of pip-audit that are used, as its help names them."""
LOOKS_UP = f"""{OPTIONS}
wanted = options.requirement.read_text().split()
named = [dict(zip(("name", "version"), one.split("=="))) | {{"vulns": []}} for one in wanted]
print(json.dumps({{"dependencies": named, "fixes": []}}))
"""
"""A pip-audit that knows no holes."""
FAILS = f"{OPTIONS}\nraise SystemExit('ConnectionError: no such host')"


@pytest.mark.parametrize(
    ("program", "status", "words"),
    [(LOOKS_UP, CLEAN, "2 packages looked up, 0 with known holes."), (FAILS, UNKNOWN, "because: ConnectionError")],
    ids=["data", "no data"],
)
def test_pip_audit_is_asked_about_each_version(program: str, status: int, words: str) -> None:
    found = audit({"one": "1.0", "two": "2.0"}, "pypi", (sys.executable, "-c", program))
    assert found.status == status
    assert words in str(found)


def test_an_option_that_pip_audit_does_not_know_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="required"):
        audit({"one": "1.0"}, "pypi", (sys.executable, "-c", OPTIONS.replace("requirement", "file")))
