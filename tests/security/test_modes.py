"""What a full run makes is its owner's alone, under any umask, at every moment that a vendor can look at."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import imagewright
from tests.emulators.base import address_variables
from tests.emulators.kie import KieEmulator
from tests.support.pictures import photo

if TYPE_CHECKING:
    from tests.emulators.messages import Answer

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no modes on Windows")

CALL = """
import os, sys
os.umask(int(sys.argv[1], 8))
from imagewright.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def run(umask: int, env: dict[str, str], *words: str, code: int = 0) -> None:
    """A command in a process of its own: the umask is the whole process's."""
    env = {**os.environ, **env, "PYTHONPATH": str(Path(imagewright.__file__).parents[1])}
    command = [sys.executable, "-c", CALL, f"{umask:o}", *words]
    done = subprocess.run(command, timeout=120, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    assert done.returncode == code, done.stderr


def modes(folder: Path) -> dict[str, tuple[bool, int]]:
    """Of everything in a folder and of itself, by path: whether it is a folder, and its mode."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        try:
            status = path.lstat()
        except FileNotFoundError:  # a part that has become a file meanwhile
            continue
        name = path.relative_to(folder.parent).as_posix()
        found[name] = stat.S_ISDIR(status.st_mode), stat.S_IMODE(status.st_mode)
    return found


def wrong(found: dict[str, tuple[bool, int]]) -> dict[str, str]:
    return {name: oct(mode) for name, (is_folder, mode) in found.items() if mode != (0o700 if is_folder else 0o600)}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids=oct)
def test_a_paid_call_with_an_input_picture(umask: int, tmp_path: Path) -> None:
    home = tmp_path / "home"
    seen: dict[str, tuple[bool, int]] = {}

    def look(answer: Answer) -> Answer:
        seen.update(modes(home))
        return answer

    given = tmp_path / "in.png"
    given.write_bytes(photo(300, 300))
    with KieEmulator() as emulator:
        for door in ("upload", "create", "poll", "download"):
            emulator.fail_next(door, look)
        env = {"KIE_API_KEY": emulator.key, "IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_ROOTS": str(tmp_path)}
        env |= address_variables("kie", emulator.addresses)
        words = ("--prompt", "a kite", "--images", str(given), "--save-as", str(home / "kites" / "deep" / "first.png"))
        run(umask, env, "run", "nano_banana", *words)
    seen |= modes(home)
    assert wrong(seen) == {}
    names = {name.rpartition("/")[2] for name in seen}
    assert names >= {"imagewright.db", "imagewright.db-wal", "incoming", "input-0", "lock-0", "reply-0", "deep"}
    assert {path.name for path in (home / "kites").rglob("*.png")} == {"first.png"}


def test_what_the_commands_write(tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = {"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_ROOTS": str(home), "IMAGEWRIGHT_TOOLS": "recraft"}
    run(0, env, "tools", "disable", "qwen")
    run(0, env, "demo", "--out", str(home / "demo"))
    words = ("run", "recraft", "--image", str(home / "demo" / "samples" / "vase.jpg"))
    run(0, env, *words)
    (home / "imagewright.db").write_bytes(b"no database" * 1000)
    run(0, env, *words, code=1)  # it sets the database aside
    run(0, env, *words)
    found = modes(home)
    assert wrong(found) == {}
    names = {Path(name).name.partition("-20")[0] for name in found}
    assert names >= {"config.toml", "contact-sheet.png", "vase.jpg", "imagewright.db.corrupt", "imagewright.db.lock"}


def test_a_configuration_keeps_the_mode_that_its_owner_gave_it(tmp_path: Path) -> None:
    tmp_path.joinpath("config.toml").write_text("", encoding="utf-8")
    tmp_path.joinpath("config.toml").chmod(0o644)
    run(0o077, {"IMAGEWRIGHT_HOME": str(tmp_path)}, "tools", "disable", "qwen")
    assert tmp_path.joinpath("config.toml").stat().st_mode & 0o777 == 0o644
