"""The Dockerfile, as far as it can be tried without an engine.

Its lines are judged by a linter, and what it starts runs as it would in the image: with the variables of the file, as a
user without rights, in a file system of which nothing but the volume can be written. The image itself is not built.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.support.official_tools import run_tool

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
TEXT = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text(encoding="utf-8"))
LAST_STAGE = TEXT[TEXT.rindex("\nFROM ") :]
VOLUME = "/data"
CONFINE = """
set -e
volume=$1; user=$2; shift 2
mount --make-rprivate /
mount --bind "$volume" "$volume"
cut -d ' ' -f 5 /proc/self/mountinfo | while read -r place; do
  case "$place" in "$volume"|/proc*|/sys*|/dev*) ;; *) mount -o remount,bind,ro "$place" ;; esac
done
only="-all,+dac_read_search"
exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs \\
  --inh-caps "$only" --ambient-caps "$only" --bounding-set "$only" -- "$@"
"""
"""Every mount but the volume becomes read-only, for this process alone, and root becomes the user of the image.

It keeps one right: to read what the Python of the tests may have in root's own folder."""


def words_of(instruction: str) -> list[str]:
    """The words behind an instruction of the last stage; it stands there once."""
    (line,) = re.findall(rf"^{instruction} (.*)$", LAST_STAGE, flags=re.MULTILINE)
    return shlex.split(line.strip("[]").replace(",", " "))


def can_confine() -> bool:
    """Whether a file system can be made read-only for one process."""
    needed = [shutil.which(name) for name in ("unshare", "setpriv", "mount")]
    if sys.platform != "linux" or not all(needed) or os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as volume:
        words = [needed[0] or "", "--mount", "sh", "-c", CONFINE, "sh", volume, "10001", "true"]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0  # noqa: S603 - words of our own


def test_a_linter_has_nothing_to_say_and_would_see_a_fault(tmp_path: Path) -> None:
    done = run_tool("hadolint", DOCKERFILE, home=tmp_path)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    worse = tmp_path / "Dockerfile"
    worse.write_text(DOCKERFILE.read_text(encoding="utf-8").replace("python:3.13-slim", "python"), encoding="utf-8")
    assert "DL3006" in run_tool("hadolint", worse, home=tmp_path).stdout


def test_it_takes_only_what_is_there_and_needed() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = [words[:-1] for words in map(str.split, re.findall(r"^COPY (?!--from)(.*)$", TEXT, flags=re.MULTILINE))]
    assert "*" in ignored
    assert {one for words in copied for one in words} == allowed
    assert [one for one in allowed if not (ROOT / one).exists()] == []


def test_the_user_is_a_number_and_owns_the_one_volume() -> None:
    (user,) = words_of("USER")
    number, _, group = user.partition(":")
    assert int(number) == int(group) > 0
    assert words_of("VOLUME") == words_of("WORKDIR") == [VOLUME]
    assert f"--owner={number} --group={group} --mode=0700 {VOLUME}" in LAST_STAGE


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody can get to: pytest's own are for their owner alone."""
    if not can_confine():
        pytest.skip("only root of a Linux machine can make a file system read-only")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()


async def test_it_runs_without_rights_where_only_its_volume_can_be_written(place: Path) -> None:
    (user,) = words_of("USER")
    number = user.partition(":")[0]
    volume = place / "volume"
    volume.mkdir()
    os.chown(volume, int(number), int(number))
    variables = dict(word.partition("=")[::2] for word in words_of("ENV"))
    assert variables.pop("PATH") == "/opt/imagewright/bin:$PATH"
    environment = {name: value.replace(VOLUME, str(volume)) for name, value in variables.items()}
    outside = place / "outside"  # an allowed folder that anybody could write to, were it not for the file system
    outside.mkdir()
    outside.chmod(0o777)
    environment |= {"IMAGEWRIGHT_ROOTS": str(outside), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "server")}
    program, *arguments = words_of("ENTRYPOINT")
    assert program == "python"
    words = ["--mount", "sh", "-c", CONFINE, "sh", str(volume), number, sys.executable, *arguments]
    unshare = shutil.which("unshare") or "unshare"
    async with Client(StdioServerParameters(command=unshare, args=words, env=environment, cwd=volume)) as client:
        assert (await client.list_tools()).tools
        result = await client.call_tool("nano_banana", {"prompt": "a fox", "save_as": "fox.png"})
        assert result.structured_content is not None, result
        (picture,) = result.structured_content["images"]
        result = await client.call_tool("nano_banana", {"prompt": "a fox", "save_as": str(outside / "fox.png")})
        assert "the disk is read-only" in str(result.content)
    assert picture["path"] == str(volume / "pictures" / "fox.png")
    assert (volume / "pictures" / "fox.png").stat().st_uid == int(number)
    assert list(outside.iterdir()) == []
