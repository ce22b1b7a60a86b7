"""Every block of README.md and of docs/ works: commands run as they stand, in order, on a machine new to us.

A `sh` block is run from the root of a clone, with `.venv` in it, by a user with an empty home. A `console` block is for
what needs a person or a network: its commands are only read. One thing is not as a newcomer has it: what
makes the environment and installs into it needs a network too, so `.venv` is there already, and what comes after that
in the same line is run by tests of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imagewright.engine.config import make_config
from imagewright.providers import KEY_VARIABLES
from imagewright.providers.http.client import HttpClient
from imagewright.settings.keys import flaw
from imagewright.settings.load import load_settings
from imagewright.settings.sources import read_config
from tests.support.forked_cli import put_program
from tests.support.forked_servers import HAS_FORK
from tests.support.pages import PAGES, ROOT, Block, blocks, commands_in_sentences, fault_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LANGUAGES = {"sh", "console", "json", "toml", "python", "yaml", "text"}
INSTALL = "python3 -m venv --upgrade-deps .venv && .venv/bin/pip install "
ELSEWHERE = {".venv/bin/imagewright demo": "cli/test_cli_demo.py", ".venv/bin/pytest": "all of them"}
"""What follows an installation, and where it is run."""
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "tests", "build", "dist", "*.egg-info")
PYTHON = """#!/bin/sh
exec "{python}" "$@"
"""
KEYS = {"KIE_API_KEY": "0123456789abcdef0123456789abcdef"}
"""With a key, the tables of that provider's models are read too."""
KEY_NAMES = {variable for variables in KEY_VARIABLES.values() for variable in variables}
CLIENTS = {"mcp_servers", "mcpServers", "servers"}
"""Tables of other programs' configuration that name servers."""
PATIENCE = 60
WITH_COMMANDS = [page for page in PAGES if blocks(page, "sh")]


def named(pages: list[Path] | tuple[Path, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.relative_to(ROOT).as_posix())


@pytest.fixture(scope="module")
def socket_address() -> Iterator[str]:
    """Where a process listens that has imported the whole command line."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are too long for a socket's address
        address = str(Path(folder).resolve() / "socket")
        path = os.pathsep.join(["server", "."] if Path.cwd() == ROOT else [str(ROOT / "server"), str(ROOT)])
        listening = subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
            [sys.executable, "-m", "tests.support.forked_cli", address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,  # of the kind its children have: Python remembers whether it can be sought in
            env={**os.environ, "PYTHONPATH": path},
        )
        with listening:
            assert listening.stdout is not None
            assert listening.stdout.readline() == b"ready\n"
            try:
                yield address
            finally:
                listening.terminate()


@pytest.fixture
def clone(socket_address: str, tmp_path: Path) -> Path:
    """A clone with the command line in its environment, beside an empty home."""
    here = tmp_path / "imagewright"
    shutil.copytree(ROOT, here, ignore=LEFT_OUT)
    put_program(here / ".venv" / "bin" / "imagewright", socket_address)
    (tmp_path / "home").mkdir()
    python = here / ".venv" / "bin" / "python"
    python.write_text(PYTHON.format(python=sys.executable), encoding="utf-8")
    python.chmod(0o755)
    return here


def run(words: list[str], clone: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    own = {"HOME": str(clone.parent / "home"), "PATH": os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin"])}
    return subprocess.run(  # noqa: S603 - words of our own pages
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
        cwd=clone,
        env={**kept, **own, "PYTHONPATH": str(ROOT / "server"), "PYTHONUTF8": "1"},
    )


def in_shell(text: str, clone: Path) -> subprocess.CompletedProcess[str]:
    """The block as a script that ends at the first command that fails; standard error has every line before it runs."""
    done = run([shutil.which("sh") or "/bin/sh", "-evc", text], clone)
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.skipif(not HAS_FORK, reason="the lines are for a shell, and are run by forked processes")
@named(WITH_COMMANDS)
def test_every_block_of_commands_runs_as_it_stands_and_in_order(page: Path, clone: Path) -> None:
    for block in blocks(page, "sh"):
        here = [line for line in block.text.splitlines() if not line.startswith(INSTALL)]
        afterwards = [line.rpartition(" && ")[2] for line in block.text.splitlines() if line.startswith(INSTALL)]
        assert set(afterwards) <= set(ELSEWHERE)
        if any(line and not line.startswith("#") for line in here):
            done = in_shell("\n".join(here), clone)
            assert done.stdout.strip(), f"{block.text}: it shows nothing"


@pytest.mark.skipif(not HAS_FORK, reason="as above")
@named([page for page in PAGES if blocks(page, "python")])
def test_every_program_in_python_runs_and_says_something(page: Path, clone: Path) -> None:
    for place, block in enumerate(blocks(page, "python")):
        program = clone / f"block{place}.py"
        program.write_text(block.text, encoding="utf-8")
        done = run([sys.executable, program.name], clone)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip(), "it shows nothing"


def test_the_first_command_makes_what_the_others_use() -> None:
    assert blocks(PAGES[0], "sh")[0].commands[0].startswith(INSTALL)


@named(PAGES)
def test_every_block_is_of_a_known_language(page: Path) -> None:
    found = blocks(page)
    assert page.read_text(encoding="utf-8").count("```") == 2 * len(found), "a block that is not closed or indented"
    assert {block.language for block in found} <= LANGUAGES


@named(PAGES)
def test_every_command_and_option_that_a_page_names_is_there(page: Path) -> None:
    read = [line for block in blocks(page, "console") for line in block.commands]
    found = {line: fault_of(line) for line in (*read, *commands_in_sentences(page))}
    found |= {line: fault_of(line, run=True) for block in blocks(page, "sh") for line in block.commands}
    assert {line: fault for line, fault in found.items() if fault} == {}


@named(WITH_COMMANDS)
def test_no_line_ends_in_a_comment_and_every_variable_reaches_a_command(page: Path) -> None:
    lines = [line for block in blocks(page, "sh") for line in block.commands]
    assert [line for line in lines if " #" in line] == [], "pasted into zsh, its words would be arguments"
    alone = re.compile(r"(?:\w+=(?:\"[^\"]*\"|\S*)\s*)+")
    assert [line for line in lines if alone.fullmatch(line)] == []


@named([page for page in PAGES if blocks(page, "json", "toml")])
def test_every_piece_of_configuration_is_taken_as_it_stands(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "json", "toml"):
        content = json.loads(block.text) if block.language == "json" else tomllib.loads(block.text)
        assert content
        if block.language == "toml" and not CLIENTS & set(content):
            _is_taken(block, set(content), tmp_path)


def _is_taken(block: Block, names: set[str], folder: Path) -> None:
    is_keys = names <= KEY_NAMES
    file = folder / ("keys.toml" if is_keys else "config.toml")
    file.write_text(block.text, encoding="utf-8")
    file.chmod(0o600)
    settings = load_settings({"IMAGEWRIGHT_HOME": str(folder)} | KEYS, working_directory=folder)
    make_config(settings, HttpClient())
    if not is_keys:
        assert read_config(file), "it sets something"
    file.unlink()


@named([page for page in PAGES if blocks(page, "json")])
def test_blocks_for_clients_come_keyless_first_and_no_example_is_a_key(page: Path) -> None:
    tables = [table for block in blocks(page, "json") for table in json.loads(block.text).items()]
    servers = [server for name, servers in tables if name in CLIENTS for server in servers.values()]
    variables = [server.get("env", {}) for server in servers]
    with_key = [any(name in KEY_NAMES for name in one) for one in variables]
    assert with_key == sorted(with_key)
    assert all(flaw(one[name]) for one in variables for name in KEY_NAMES & set(one))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (".venv/bin/imagewright jobs --limit 3 | haed -1", "haed: "),
        ("imagewright jobs --limits 3", "--limits"),
        ("imagewright jbos", "jbos"),
        ("uvx --from . imagewright jobs shwo", "shwo"),
        ("A=b imagewright run recraft --imagee a.png > out && echo done", "--imagee"),
        ("A=b imagewright run recraft --image a.png > out && echo done", ""),
        ("imagewright --version", ""),
        ("imagewright tools --tools recraft,qwen", ""),
        ("uv tool uninstall imagewright", ""),
    ],
)
def test_a_line_that_could_not_be_typed_is_found(line: str, fault: str) -> None:
    assert fault in fault_of(line)
    assert bool(fault_of(line)) is bool(fault)
