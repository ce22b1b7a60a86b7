"""The README works line by line: its commands run as they stand and in order on a machine that has never seen us.

Two things are not as a newcomer has them. The commands that make the environment and install into it need a network, so
`.venv` is there already; what comes after them in their lines is run by tests of its own. And `claude` is a small
program that starts the command it is given, as the real one does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imagewright.cli.progress import CANCELLED, FAILED, OPEN, SOME
from imagewright.engine.config import make_config
from imagewright.engine.sending import STALE_SECONDS
from imagewright.imaging.limiter import INPUT_MAX_PIXELS, MEGA
from imagewright.providers import KEY_VARIABLES
from imagewright.providers.base import PollPolicy
from imagewright.providers.http.client import HttpClient
from imagewright.settings.keys import flaw
from imagewright.settings.load import load_settings
from imagewright.settings.sources import read_config
from imagewright.settings.table import NAMES
from imagewright.text import duration
from tests.support.forked_cli import put_program
from tests.support.forked_servers import HAS_FORK

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)
LANGUAGES = {"sh", "json", "python", "toml"}
INSTALL = "python3 -m venv --upgrade-deps .venv && .venv/bin/pip install "
ELSEWHERE = {".venv/bin/imagewright demo": "cli/test_cli_demo.py", ".venv/bin/pytest": "all of them"}
"""What follows an installation, and where it is run."""
SAMPLES = "server/imagewright/imaging/samples"
CLAUDE = """#!/bin/sh
while [ "$1" != "--" ]; do shift; done
shift
echo "$1"
exec "$@" </dev/null
"""
KEYS = {"KIE_API_KEY": "0123456789abcdef0123456789abcdef"}
"""With a key, the tables of that provider's models are read too."""
PATIENCE = 60


def blocks(language: str) -> list[str]:
    return [content for name, content in BLOCKS if name == language]


def commands() -> list[str]:
    """Every line of every shell block, without those that say something only."""
    lines = [line.strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def clone() -> Iterator[Path]:
    """What of a clone the lines of the README use, with the command line in its environment."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are too long for a socket's address
        place = Path(folder).resolve()
        address = str(place / "socket")
        here = place / "imagewright"
        put_program(here / ".venv" / "bin" / "imagewright", address)
        shutil.copytree(ROOT / SAMPLES, here / SAMPLES)
        shutil.copy(ROOT / "pyproject.toml", here)
        claude = place / "bin" / "claude"
        claude.parent.mkdir()
        claude.write_text(CLAUDE, encoding="utf-8")
        claude.chmod(0o755)
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
                yield here
            finally:
                listening.terminate()


def environment(clone: Path) -> dict[str, str]:
    """A newcomer's: a home of his own and the system's programs."""
    home = clone.parent / "home"
    home.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    programs = [str(clone.parent / "bin"), "/usr/local/bin", "/usr/bin", "/bin"]
    server = str(ROOT / "server")
    return {**kept, "HOME": str(home), "PATH": os.pathsep.join(programs), "PYTHONPATH": server, "PYTHONUTF8": "1"}


def run(words: list[str], clone: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the README's words, which are ours
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=PATIENCE,
        cwd=clone,
        env=environment(clone),
    )


@pytest.mark.skipif(not HAS_FORK, reason="the lines are for a shell, and are run by forked processes")
def test_every_line_runs_as_it_stands_and_in_order(clone: Path) -> None:
    shell = shutil.which("sh") or "/bin/sh"
    lines = commands()
    assert lines[0].startswith(INSTALL), "the first command makes what the others use"
    tried = 0
    for line in lines:
        if line.startswith(INSTALL):
            assert line.rpartition(" && ")[2] in ELSEWHERE
            continue
        done = run([shell, "-c", line], clone)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, line
        assert done.stdout.strip(), f"{line}: it shows nothing"
        tried += 1
    assert tried == len(lines) - len(ELSEWHERE)
    assert tried > 15


@pytest.mark.skipif(not HAS_FORK, reason="as above")
def test_what_a_client_should_start_has_its_full_path(clone: Path) -> None:
    (line,) = (line for line in commands() if line.startswith("claude "))
    done = run([shutil.which("sh") or "/bin/sh", "-c", line], clone)
    assert done.stdout.splitlines()[0] == str(clone / ".venv" / "bin" / "imagewright")


@pytest.mark.skipif(not HAS_FORK, reason="as above")
def test_the_python_agent_makes_a_picture(clone: Path) -> None:
    (agent,) = blocks("python")
    (clone / "agent.py").write_text(agent, encoding="utf-8")
    done = run([sys.executable, "agent.py"], clone)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_file()


def test_every_block_is_of_a_known_language_and_can_be_read() -> None:
    assert {language for language, _ in BLOCKS} <= LANGUAGES
    for content in blocks("json"):
        json.loads(content)
    for content in blocks("python"):
        compile(content, "README.md", "exec")


def test_the_configuration_is_taken_as_it_stands(tmp_path: Path) -> None:
    unset = set(NAMES)
    for example in blocks("toml"):
        (tmp_path / "config.toml").write_text(example, encoding="utf-8")
        make_config(load_settings({"IMAGEWRIGHT_HOME": str(tmp_path)} | KEYS, working_directory=tmp_path), HttpClient())
        found = read_config(tmp_path / "config.toml")
        assert found, "an example sets something"
        unset -= {one.name for one in found}
    assert unset == {
        "reply_budget",
        "keep_metadata",
        "lease",
        "cutout_model",
        "allow_hosts",
        "tools.allow",
        "budget.per_month",
        "rates",
    }, "docs/settings.md has every line"


@pytest.mark.parametrize("provider", KEY_VARIABLES)
def test_each_provider_has_a_line_in_the_table_of_keys(provider: str) -> None:
    variables = " or ".join(f"`{variable}`" for variable in KEY_VARIABLES[provider]) or "none"
    assert f"\n| {variables} | " in TEXT


def test_the_numbers_about_jobs_are_those_of_the_code() -> None:
    ends = {FAILED: "failed", CANCELLED: "cancelled", OPEN: "open", SOME: "some of the pictures"}
    numbers = [f"{code} for {words}" for code, words in ends.items()]
    assert (duration(PollPolicy().patience), duration(STALE_SECONDS)) == ("6 hours", "1 hour")
    for words in (*numbers, "After six hours without an end a job is `stalled`", "for up to an hour"):
        assert words in " ".join(TEXT.split())


def test_no_line_ends_in_a_comment() -> None:
    assert [line for line in commands() if " #" in line] == [], "pasted into zsh, its words would be arguments"


def test_a_variable_in_a_shell_block_reaches_a_command() -> None:
    assert [line for line in commands() if re.fullmatch(r"(?:\w+=(?:\"[^\"]*\"|\S*)\s*)+(?:#.*)?", line)] == []


def test_client_blocks_come_keyless_first_and_no_example_is_a_key() -> None:
    servers = [
        server
        for content in blocks("json")
        for table in json.loads(content).items()
        if table[0] in {"mcpServers", "servers"}
        for server in table[1].values()
    ]
    keyed = ["env" in server for server in servers]
    assert keyed == sorted(keyed)
    assert not keyed[0]
    assert keyed[-1]
    for server in servers:
        assert server["command"].startswith("/"), "clients know no other folder"
        assert all(flaw(value) for value in server.get("env", {}).values())


def test_input_pictures_may_have_as_many_pixels_as_it_says() -> None:
    found = re.search(r"more than (\d+) megapixels are refused \(([^)]+)\)", TEXT)
    assert found is not None
    fewer = {
        name: int(most) for names, most in re.findall(r"([\w\s]+?) (\d+)", found[2]) for name in names.lower().split()
    }
    limits = {form: fewer.get(form, int(found[1])) for form in INPUT_MAX_PIXELS}
    assert limits == {form: pixels // MEGA for form, pixels in INPUT_MAX_PIXELS.items()}
