"""Switching tools in the configuration file keeps everything else in it, byte for byte."""

from __future__ import annotations

import itertools
import os
import stat
import sys
from pathlib import Path

import pytest

from imagewright.cli.commands.config import edit
from imagewright.cli.commands.tools import switch
from imagewright.errors import SettingsError, StorageError
from imagewright.settings.sources import read_config
from imagewright.settings.table import DISABLE, TOOLS

COMMENTED = """\
# my settings
wait = 30 # seconds

[tools] # which ones
# too dear:
disable = [ # off
  "alpha", # slow
  "beta", # dear
]

[addresses]
kie = "https://gateway.example" # ours
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def put(file: Path, text: str) -> None:
    file.write_bytes(text.encode())


def tables(file: Path) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    values = read_config(file)
    return values.get(TOOLS), values.get(DISABLE, ())


def others(file: Path) -> dict[str, object]:
    return {one.name: value for one, value in read_config(file).items() if one not in (TOOLS, DISABLE)}


def test_a_missing_file_and_its_folder_are_made_for_their_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "new" / "config.toml"
    assert switch(file, ["alpha"], on=False) == ("alpha",)
    assert tables(file) == (None, ("alpha",))
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_enabling_without_a_file_writes_none(file: Path) -> None:
    assert switch(file, ["alpha"], on=True) == ()
    assert not file.exists()


def test_comments_and_order_survive_both_ways(file: Path) -> None:
    put(file, COMMENTED)
    assert switch(file, ["gamma"], on=False) == ("gamma",)
    assert file.read_text(encoding="utf-8") == COMMENTED.replace('  "beta", # dear\n', '  "beta", # dear\n  "gamma",\n')
    assert switch(file, ["gamma"], on=True) == ("gamma",)
    assert file.read_text(encoding="utf-8") == COMMENTED


@pytest.mark.parametrize("on", [True, False])
def test_what_is_so_already_is_left_untouched(file: Path, on: bool) -> None:  # noqa: FBT001 - pytest passes by name
    text = COMMENTED if not on else "wait = 5\n"
    put(file, text)
    before = file.stat()
    assert switch(file, ["alpha", "beta"], on=on) == ()
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    ("text", "on", "allow", "disable"),
    [
        ('[tools]\nallow = ["beta"]\n', True, ("beta", "alpha"), ()),
        ('[tools]\nallow = ["alpha"]\ndisable = ["alpha"]\n', True, ("alpha",), ()),
        ('[tools]\nallow = ["alpha"]\n', False, ("alpha",), ("alpha",)),
        ('tools = { disable = ["beta"] }\nwait = 3\n', False, None, ("beta", "alpha")),
        ('tools.disable = ["beta"]\nwait = 3\n', False, None, ("beta", "alpha")),
        ('tools.disable = ["alpha", "alpha"]\n', True, None, ()),
        ('[addresses]\nkie = "https://gateway.example"', False, None, ("alpha",)),
        ("wait = 3 # no line end", False, None, ("alpha",)),
        ("", False, None, ("alpha",)),
    ],
)
def test_every_way_to_write_the_table(
    file: Path,
    text: str,
    on: bool,  # noqa: FBT001 - as above
    allow: tuple[str, ...] | None,
    disable: tuple[str, ...],
) -> None:
    put(file, text)
    before = others(file)
    assert switch(file, ["alpha"], on=on) == ("alpha",)
    assert tables(file) == (allow, disable)
    assert others(file) == before
    assert switch(file, ["alpha"], on=on) == ()


def test_windows_line_ends_stay(file: Path) -> None:
    put(file, 'wait = 3\r\n\r\n[tools]\r\ndisable = ["beta"]\r\n')
    switch(file, ["alpha"], on=False)
    assert file.read_bytes() == b'wait = 3\r\n\r\n[tools]\r\ndisable = ["beta", "alpha"]\r\n'


@pytest.mark.parametrize("text", ["wait = = 3", "nosuch = 1\n", '[tools]\ndisable = "alpha"\n'])
def test_a_file_that_is_wrong_is_named_and_left_alone(file: Path, text: str) -> None:
    put(file, text)
    with pytest.raises(SettingsError, match=r"config\.toml"):
        switch(file, ["alpha"], on=False)
    assert file.read_text(encoding="utf-8") == text
    assert list(file.parent.glob("*.toml*")) == [file]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_linked_file_stays_a_link_and_keeps_its_mode(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "settings.toml"
    real.parent.mkdir()
    put(real, "wait = 3\n")
    real.chmod(0o640)
    file.symlink_to(real)
    switch(file, ["alpha"], on=False)
    assert file.is_symlink()
    assert tables(real) == (None, ("alpha",))
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_what_another_process_writes_meanwhile_is_kept(file: Path) -> None:
    put(file, "wait = 3\n")
    lines = iter(["# by another\nwait = 3\n", '[tools]\ndisable = ["beta"]\n'])

    def check(draft: Path) -> None:
        assert draft != file
        if (line := next(lines, None)) is not None:
            put(file, line)

    edit(file, lambda document: document.update(lease=5), check)
    assert file.read_text(encoding="utf-8") == 'lease = 5\n\n[tools]\ndisable = ["beta"]\n'
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_never_stands_still_is_left_alone(file: Path) -> None:
    put(file, "wait = 3\n")
    numbers = itertools.count(4)
    with pytest.raises(StorageError, match="another program keeps writing it; nothing was changed"):
        edit(file, lambda document: document.update(lease=5), lambda _: put(file, f"wait = {next(numbers)}\n"))
    assert "lease" not in file.read_text(encoding="utf-8")


def test_the_draft_of_a_command_that_was_killed_is_removed_the_next_day(file: Path) -> None:
    put(file, "wait = 3\n")
    old, young = (file.with_name(f".imagewright-{name}.part") for name in ("0", "1"))
    for draft in (old, young):
        put(draft, "wait = 4\n")
    os.utime(old, (1000, 1000))
    switch(file, ["alpha"], on=False)
    assert sorted(file.parent.iterdir()) == [young, file]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root can write to")
def test_a_folder_that_cannot_be_made_is_reported() -> None:
    with pytest.raises(StorageError, match=r"cannot be written: .*; IMAGEWRIGHT_HOME can name another folder"):
        switch(Path("/proc/imagewright/config.toml"), ["alpha"], on=False)
