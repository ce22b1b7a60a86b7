"""The command that is shown for clients is there tomorrow, too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from imagewright.cli.launching import NAME, install_words, launch_command, read_source, source

WITH = ".exe" if os.name == "nt" else ""


def program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}{WITH}"
    file.write_text("#!/bin/sh\n", encoding="utf-8")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize("cache", ["archive-v0", "environments-v2", "builds-v0"])
@pytest.mark.parametrize("found", ["beside uv", "on the path"])
def test_out_of_uv_s_cache_the_command_goes_through_uvx(cache: str, found: str, tmp_path: Path) -> None:
    prefix = tmp_path / "any" / cache / "abc"
    program(prefix / "bin", NAME)
    uvx = program(tmp_path / "tools", "uvx")
    where = {"UV": str(uvx.with_name("uv"))} if found == "beside uv" else {"PATH": str(uvx.parent)}
    command = launch_command(prefix, prefix / "bin", where)
    assert command == [str(uvx), "--from", source(), NAME]


@pytest.mark.parametrize("cache", [(".local", "pipx", ".cache"), (".cache", "pipx")])
def test_out_of_pipx_s_cache_the_command_goes_through_pipx(cache: tuple[str, ...], tmp_path: Path) -> None:
    prefix = tmp_path.joinpath(*cache, "abc")
    program(prefix / "bin", NAME)
    pipx = program(tmp_path / "tools", "pipx")
    command = launch_command(prefix, prefix / "bin", {"PATH": str(pipx.parent)})
    assert command == [str(pipx), "run", "--spec", source(), NAME]


@pytest.mark.parametrize("place", [(".venv",), ("share", "uv", "tools", NAME), ("pipx", "venvs", NAME)])
def test_an_environment_that_stays_is_named_by_its_own_program_on_or_off_the_path(
    place: tuple[str, ...], tmp_path: Path
) -> None:
    prefix = tmp_path.joinpath(*place)
    script = program(prefix / "bin", NAME)
    program(tmp_path / "tools", "uvx")
    other = program(tmp_path / "other", NAME)
    for path in ("", str(other.parent), str(script.parent), str(tmp_path / "tools")):
        assert launch_command(prefix, prefix / "bin", {"PATH": path}) == [str(script)]


def test_without_any_program_of_its_own_python_starts_it(tmp_path: Path) -> None:
    assert launch_command(tmp_path, tmp_path, {}) == [sys.executable, "-m", NAME]


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        (None, NAME),
        ('{"url": "https://x.example/imagewright.whl", "archive_info": {}}', "https://x.example/imagewright.whl"),
        (
            '{"url": "https://x.example/i.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}',
            "git+https://x.example/i.git@abc",
        ),
    ],
)
def test_what_it_was_installed_from_is_what_it_is_run_from(note: str | None, expected: str) -> None:
    assert read_source(note) == expected


def test_a_folder_is_named_as_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    assert Path(read_source(f'{{"url": "{folder.as_uri()}", "dir_info": {{}}}}')) == folder


@pytest.mark.parametrize(
    ("note", "command"),
    [
        ("uv-receipt.toml", "uv tool install --force"),
        ("pipx_metadata.json", "pipx install --force"),
        ("pyvenv.cfg", f"{sys.executable} -m pip install"),
        ("archive-v0", "uvx --from"),
    ],
)
def test_an_extra_is_added_by_whatever_installed_the_rest(note: str, command: str, tmp_path: Path) -> None:
    tail = " imagewright" if command.startswith("uvx") else ""
    prefix = tmp_path / note if tail else tmp_path
    (tmp_path / note).touch()
    for origin, wanted in (
        (NAME, "imagewright[goose]"),
        ("/a folder/code", "/a folder/code[goose]"),
        ("git+https://x.example/i.git@abc", "imagewright[goose] @ git+https://x.example/i.git@abc"),
    ):
        assert install_words("goose", prefix, origin) == f'{command} "{wanted}"{tail}'
