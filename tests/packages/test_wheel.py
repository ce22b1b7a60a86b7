"""What goes to PyPI holds all that the server needs and nothing of its tests, and runs from where it is installed.

It is built and installed by `uv`, the backend's own program, without a network. What the wheel depends on is taken from
the environment of the tests.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import imagewright
from imagewright.catalog.load import catalog
from tests.support.official_tools import run_tool

ROOT = Path(__file__).parents[2]
PATIENCE = 120


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source distribution, and the wheel that was built from that."""
    out = tmp_path_factory.mktemp("made")
    done = run_tool("uv", "build", "--offline", "--out-dir", out, ROOT, home=out / "home")
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(made: Path) -> Path:
    """The wheel."""
    (file,) = made.glob("*.whl")
    return file


def test_the_wheel_is_the_package_with_its_licence_and_all_its_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        names = {name for name in content.namelist() if not name.endswith("/")}
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        about = Parser().parsestr(content.read(metadata).decode())
        licence = content.read(metadata.replace("METADATA", "licenses/LICENSE"))
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert (about["Name"], about["Version"], about["License-Expression"]) == (
        "imagewright",
        imagewright.__version__,
        "MIT",
    )
    source = ROOT / "server"
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    assert {name for name in names if ".dist-info/" not in name} == files
    assert {f"imagewright/catalog/rows/{tool}.toml" for tool in catalog()} <= files
    assert {f"imagewright/guide/pages/{tool}.md" for tool in catalog()} <= files


def test_the_source_distribution_is_enough_to_test_it_and_to_build_its_packages(made: Path) -> None:
    (file,) = made.glob("*.tar.gz")
    with tarfile.open(file) as content:
        names = {name.partition("/")[2] for name in content.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md", "pyproject.toml", "Dockerfile"} <= names
    assert {
        "server/imagewright/__main__.py",
        "tests/conftest.py",
        "packages/build.py",
        "tool_schemas/qwen.json",
    } <= names
    assert [
        name for name in names if re.search(r"(^|/)(\.git|\.venv|__pycache__|dist|build)/|\.pyc$|\.lock$", name)
    ] == []


def test_it_runs_from_an_environment_that_has_nothing_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    for words in (
        ("venv", "--python", sys.executable, environment),
        ("pip", "install", "--no-deps", "--python", environment, wheel),
    ):
        done = run_tool("uv", *words, "--offline", "--no-cache", home=tmp_path / "home")
        assert done.returncode == 0, done.stderr
    packages = next((environment / "lib").glob("python*/site-packages"), environment / "Lib" / "site-packages")
    others = [path for path in sys.path if "site-packages" in path]
    (packages / "others.pth").write_text("\n".join(others), encoding="utf-8")
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    home = tmp_path / "imagewright"
    done = subprocess.run(  # noqa: S603 - what was just installed
        [programs / "imagewright", "run", "nano_banana", "--prompt", "a fox"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "IMAGEWRIGHT_HOME": str(home)},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    (picture,) = (home / "pictures").glob("*.png")
    assert str(picture) in done.stdout
