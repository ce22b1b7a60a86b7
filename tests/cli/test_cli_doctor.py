"""The doctor names what is wrong and what to do, shows no key, and fails only when something is broken."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.cli.checks import Level, check_answer, check_places, check_program, check_settings, check_silence
from imagewright.cli.main import main
from imagewright.engine.config import could_serve
from imagewright.engine.offer import tool_names
from imagewright.imaging.signatures import KINDS
from imagewright.providers import KEY_VARIABLES
from imagewright.settings.load import CommandLine, load_settings
from imagewright.settings.table import ADDRESS_SUFFIX
from imagewright.storage.records import Trouble
from tests.support.seeded_jobs import spend

if TYPE_CHECKING:
    from imagewright.cli.checks import Finding

SECRET = "sk-planted-0123456789abcdef"
LONE_KEY = ("OPENAI_API_KEY", "one-key-alone")
"""Of a provider that serves one tool only."""
KEYED = [(provider, variables[0]) for provider, variables in KEY_VARIABLES.items() if variables]
STOPPED = {"IMAGEWRIGHT_WAIT": "soon"}
"""Keeps a server from starting, before it has loaded anything."""

pytestmark = pytest.mark.usefixtures("importable")


def examined(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, str]]]:
    """Exit code and findings of `imagewright doctor --json`."""
    capsys.readouterr()
    code = main(["doctor", "--json", *(words or ["--quick"])])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert answer["ok"] == (code == 0)
    return code, answer["findings"]


def message(found: list[dict[str, str]], level: Level) -> str:
    return "\n".join(f"{one['says']} {one['advice']}" for one in found if one["level"] == level)


def test_a_fresh_machine_is_well_and_hears_of_placeholders(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = examined(capsys, "--provider", "offline")
    assert code == 0, message(found, Level.BROKEN)
    assert "placeholders" in message(found, Level.NOTE)
    assert {one["area"] for one in found} >= {
        "program",
        "configuration",
        "keys",
        "tools",
        "folders",
        "database",
        "server",
    }
    shown = message(found, Level.OK)
    assert all(f"{name}: on" in shown for name in tool_names())
    assert f"answers with {len(tool_names())} tools" in shown
    assert not home.exists(), "a look changes nothing"


@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_keys_are_named_by_where_they_came_from_and_never_shown(
    json_too: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for _, variable in KEYED:
        monkeypatch.setenv(variable, SECRET)
    assert main(["doctor", "--quick", *json_too]) == 0
    shown = capfd.readouterr()
    assert all(f"{provider}: from {variable}" in shown.out for provider, variable in KEYED)
    assert "desktop clients do not read" in shown.out
    assert all(len(line) < 400 for line in shown.out.splitlines())
    assert SECRET not in shown.out + shown.err
    assert SECRET[3:12] not in shown.out + shown.err


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize(("mode", "code"), [(0o600, 0), (0o644, 1)])
def test_the_key_file_is_found_and_its_mode_judged(
    mode: int, code: int, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    home.mkdir(parents=True)
    file = home / "keys.toml"
    provider, variable = KEYED[0]
    file.write_text(f'{variable} = "{SECRET}"\n', encoding="utf-8")
    file.chmod(mode)
    assert main(["doctor", "--quick"]) == code
    shown = capfd.readouterr()
    assert SECRET not in shown.out + shown.err
    if code:
        assert f"chmod 600 '{file}'" in shown.out
    else:
        assert f"{provider}: from {file}" in shown.out
        assert "desktop clients" not in shown.out


@pytest.mark.parametrize(
    "value", [f'"{SECRET}"', f"{SECRET} {SECRET}", "${KEY}", "<your key>", "your-key-here", "schlüssel"]
)
def test_a_key_that_cannot_be_one_is_pointed_out_without_being_shown(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variable = KEYED[0][1]
    monkeypatch.setenv(variable, value)
    _, found = examined(capsys)
    notes = message(found, Level.NOTE)
    assert f"{variable} " in notes
    assert "it counts as not set" in notes
    assert f"{KEYED[0][0]}: from" not in message(found, Level.OK)
    assert value not in json.dumps(found, ensure_ascii=False)


def test_a_setting_that_a_client_left_to_be_filled_in_is_pointed_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("IMAGEWRIGHT_BUDGET_PER_DAY", "IMAGEWRIGHT_TOOLS", "IMAGEWRIGHT_KIE_BASE_URL"):
        monkeypatch.setenv(name, "${user_config.it}")
    code, found = examined(capsys, "--quick", "--provider", "${user_config.provider}")
    assert code == 0
    notes = message(found, Level.NOTE)
    for name in ("IMAGEWRIGHT_BUDGET_PER_DAY", "IMAGEWRIGHT_TOOLS", "IMAGEWRIGHT_KIE_BASE_URL"):
        assert f"{name} was left as ${{...}}" in notes
    assert "an option was left as ${...}" in notes
    assert "no limit" in message(found, Level.OK)


def test_nothing_says_that_a_key_was_tried(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(*LONE_KEY)
    _, found = examined(capsys)
    shown = message(found, Level.OK)
    assert "openai: from OPENAI_API_KEY (not tried)" in shown


@pytest.mark.parametrize(("provider", "variable"), KEYED)
def test_a_provider_named_without_its_key_names_the_variable_at_every_door(
    provider: str, variable: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ways = f"set {' or '.join(KEY_VARIABLES[provider])}, or run: imagewright keys set {provider}"
    wanted = f"{provider} has no key, {ways}"
    tool = next(name for name in catalog() if provider in could_serve(name))
    _, found = examined(capsys, "--quick", "--provider", provider)
    tools = [one["says"] for one in found if one["area"] == "tools"]
    assert f"{tool}: no configured provider serves it: {wanted}" in tools
    assert main(["tools", "--provider", provider]) == 0
    assert wanted in capsys.readouterr().out
    assert main(["run", tool, "--provider", provider, "--prompt", "a fox"]) == 2
    assert variable in capsys.readouterr().err


def settle(home: Path, name: str, text: str) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    file = home / name
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return file


def test_every_broken_file_is_named_at_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = settle(home, "config.toml", "wait = = 1")
    keys = settle(home, "keys.toml", "not toml at all")
    code, found = examined(capsys)
    assert code == 1
    broken = message(found, Level.BROKEN)
    assert str(config) in broken
    assert str(keys) in broken


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("IMAGEWRIGHT_HOME", "pictures", "not an absolute path"),
        ("IMAGEWRIGHT_ROOTS", "pictures", "not an absolute path"),
        ("IMAGEWRIGHT_DISABLE", "nosuch", "which is not a tool"),
        ("IMAGEWRIGHT_PROVIDERS", "nosuch", "nosuch"),
        ("IMAGEWRIGHT_WAIT", "soon", "not a number"),
        ("IMAGEWRIGHT_DISABLE", ",".join(tool_names()), "no tool is on"),
    ],
)
def test_what_stops_the_start_is_broken(
    variable: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    code, found = examined(capsys)
    assert code == 1
    assert expected in message(found, Level.BROKEN)


def test_a_misspelt_variable_is_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "IMAGEWRIGHT_DISABLED": "x",
        f"IMAGEWRIGHT_{KEYED[0][0].upper()}{ADDRESS_SUFFIX}": "https://x.example",
    }
    monkeypatch.delenv("IMAGEWRIGHT_HOME")
    _, found = check_settings(environment, CommandLine(), Path.cwd())
    notes = [finding.says for finding in found if finding.level is Level.NOTE]
    assert len(notes) == 1
    assert "IMAGEWRIGHT_DISABLED" in notes[0]
    assert "did you mean 'IMAGEWRIGHT_DISABLE'?" in notes[0]


def test_an_address_nobody_uses_is_reported_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variable = f"IMAGEWRIGHT_NOBODY{ADDRESS_SUFFIX}"
    monkeypatch.setenv(variable, "https://x.example")
    code, found = examined(capsys)
    assert code == 1
    assert [one["level"] for one in found if variable in one["says"]] == [Level.BROKEN]


def by_area(found: list[Finding], area: str) -> list[Finding]:
    return [finding for finding in found if finding.area == area]


def test_a_rate_is_shown_with_whose_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for provider in ("kie", "bfl", "openai"):
        monkeypatch.setenv(KEY_VARIABLES[provider][0], SECRET)
    monkeypatch.setenv("IMAGEWRIGHT_BFL_RATE", "30/60")
    _, found = examined(capsys)
    shown = message(found, Level.OK)
    assert "kie: takes 20 calls in 10 s (IMAGEWRIGHT_KIE_RATE changes it)" in shown
    assert "bfl: takes 30 calls in 60 s, at most 24 of them at once, as you have set it" in shown
    assert "openai: takes" not in shown, "what is not known is not said"


@pytest.mark.parametrize(
    ("hosts", "level", "says"),
    [
        ("", Level.OK, "only public addresses are reached for pictures (IMAGEWRIGHT_ALLOW_HOSTS opens others)"),
        ("NAS.local:8080", Level.OK, "nas.local:8080 is open for pictures, as you have set it"),
        ("[fd00::5]:*", Level.OK, "[fd00::5]:* is open for pictures"),
        (
            "100.100.100.200:80",
            Level.NOTE,
            "100.100.100.200:80 is open for pictures, as you have set it: Alibaba Cloud",
        ),
        ("[::ffff:a9fe:a9fe]:80", Level.NOTE, "metadata of AWS"),
    ],
)
def test_what_is_open_besides_public_addresses_is_shown(
    hosts: str, level: Level, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMAGEWRIGHT_ALLOW_HOSTS", hosts)
    _, found = examined(capsys)
    (shown,) = [one for one in found if one["area"] == "network"]
    assert (shown["level"], says in shown["says"]) == (level, True)
    assert bool(shown["advice"]) is (level is Level.NOTE)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root can write to")
def test_a_folder_that_cannot_be_written_is_broken_and_a_root_is_only_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEWRIGHT_HOME", "/proc/imagewright")
    monkeypatch.setenv("IMAGEWRIGHT_ROOTS", f"/proc/self{os.pathsep}/nosuch/folder")
    found = [*check_places(load_settings(dict(os.environ)).folders)]
    levels = {finding.says.split(": ")[0]: finding.level for finding in by_area(found, "folders")}
    assert levels["pictures"] is Level.BROKEN
    roots = [finding for finding in found if finding.says.startswith("root: ")]
    assert [finding.level for finding in roots] == [Level.NOTE, Level.OFF]
    assert by_area(found, "database")[0].level is Level.BROKEN


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root can write to")
def test_a_database_in_a_folder_that_cannot_be_written_is_not_to_be_moved_aside() -> None:
    folders = replace(load_settings(dict(os.environ)).folders, database=Path("/proc/self/status"))
    (finding,) = by_area([*check_places(folders, [Trouble("unable to open database file", "")])], "database")
    assert finding.level is Level.BROKEN
    assert finding.says.startswith("/proc/self: cannot be written")
    assert finding.advice == "Change its permissions."


def test_stray_output_at_python_s_start_is_found(tmp_path: Path, child_environment: dict[str, str]) -> None:
    noisy = tmp_path / "noisy"
    noisy.mkdir()
    (noisy / "sitecustomize.py").write_text("print('hello from a wrapper')\n", encoding="utf-8")
    path = os.pathsep.join([str(noisy), child_environment["PYTHONPATH"]])
    finding = check_silence(child_environment | STOPPED | {"PYTHONPATH": path}, [])
    assert finding.level is Level.BROKEN
    assert "stray bytes on standard output" in finding.says


def test_a_server_that_does_not_start_is_found_with_its_last_word(child_environment: dict[str, str]) -> None:
    finding = check_silence(child_environment | STOPPED, [])
    assert finding.level is Level.BROKEN
    assert "ends with code 2" in finding.says
    assert "IMAGEWRIGHT_WAIT" in finding.says


@pytest.mark.anyio
async def test_a_server_that_does_not_answer_is_found(child_environment: dict[str, str]) -> None:
    finding = await check_answer(child_environment | STOPPED, [])
    assert finding.level is Level.BROKEN
    assert "does not answer" in finding.says


def test_every_format_is_accounted_for() -> None:
    shown = " ".join(finding.says for finding in check_program())
    assert all(kind.title in shown for kind in KINDS.values())
    assert sys.executable in shown


def test_piped_no_line_is_filled_up_with_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 20
    assert [line for line in lines if line != line.rstrip()] == []


def test_on_a_terminal_no_line_is_wider_than_it(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv(*LONE_KEY)
    assert main(["doctor", "--quick"]) == 0
    assert max(len(line) for line in terminal.plain()) <= 80


def test_a_tool_that_nobody_serves_says_whose_key_brings_it_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(*LONE_KEY)
    lone = next(provider for provider, variable in KEYED if variable == LONE_KEY[0])
    off = next(row.tool for row in catalog().values() if lone not in could_serve(row.tool))
    switched = next(row.tool for row in catalog().values() if lone not in could_serve(row.tool) and row.tool != off)
    _, found = examined(capsys, "--quick", "--disable", switched)
    advice = {one["says"].split(":")[0]: one["advice"] for one in found if one["area"] == "tools"}
    for provider, variables in could_serve(off).items():
        assert all(f"{' or '.join(variables)} ({provider})" in advice[off] for _ in variables)
    assert "offline" not in advice[off]
    assert advice[switched] == "", "what the user switched off needs no key"
    assert all(not advice[row.tool] for row in catalog().values() if lone in could_serve(row.tool))


def test_a_provider_with_a_key_that_was_not_chosen_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(*LONE_KEY)
    everything = next(provider for provider, _ in KEYED if all(provider in could_serve(tool) for tool in catalog()))
    monkeypatch.setenv(KEY_VARIABLES[everything][0], "another")
    lone = next(provider for provider, variable in KEYED if variable == LONE_KEY[0])
    _, found = examined(capsys, "--quick", "--provider", lone)
    advice = [one["advice"] for one in found if one["area"] == "tools" and one["advice"]]
    assert len(advice) == sum(lone not in could_serve(tool) for tool in catalog())
    assert all(f"with --provider: {everything}." in one for one in advice)


def test_budgets_and_what_is_spent_of_them_are_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, found = examined(capsys)
    shown = message([one for one in found if one["area"] == "budget"], Level.OK)
    assert "today: $0 spent or set aside, no limit" in shown
    assert "no limit per call; nobody is asked" in shown
    assert not home.exists(), "a look changes nothing"

    monkeypatch.setenv("IMAGEWRIGHT_BUDGET_PER_DAY", "0.25")
    monkeypatch.setenv("IMAGEWRIGHT_BUDGET_PER_MONTH", "10")
    monkeypatch.setenv("IMAGEWRIGHT_BUDGET_PER_CALL", "0.5")
    monkeypatch.setenv("IMAGEWRIGHT_CONFIRM_ABOVE", "0.1")
    spend(load_settings(dict(os.environ)).folders.database, 0.2, 0.05)
    code, found = examined(capsys)
    assert code == 0
    budget = [one for one in found if one["area"] == "budget"]
    assert "today: $0.25 spent or set aside of $0.25" in message(budget, Level.NOTE)
    assert "this month: $0.25 spent or set aside of $10" in message(budget, Level.OK)
    assert "at most $0.5 per call; you are asked about calls above $0.1" in message(budget, Level.OK)


def test_a_database_that_is_none_is_broken_and_left_where_it_is(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = load_settings(dict(os.environ)).folders.database
    settle(home, file.name, "this is no database, whatever its name says; " * 40)
    code, found = examined(capsys)
    assert code == 1
    assert f"{file}: file is not a database" in message(found, Level.BROKEN)
    assert [one.name for one in home.iterdir()] == [file.name]


def test_a_database_of_a_newer_release_is_said_among_all_other_findings(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = load_settings(dict(os.environ)).folders.database
    home.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    code, found = examined(capsys)
    assert code == 0
    assert "what was spent cannot be read" in message(found, Level.NOTE)
    assert "was made by a newer Imagewright" in message(found, Level.NOTE)
    assert {one["area"] for one in found} >= {"keys", "providers", "budget"}
