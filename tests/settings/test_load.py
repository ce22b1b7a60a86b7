"""Settings: read once, refused by name, and never showing a key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagewright.errors import SettingsError
from imagewright.settings.load import CommandLine, load_settings
from imagewright.settings.table import WAIT

KEY = "sk-planted-0123456789"


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"IMAGEWRIGHT_HOME": "pictures"}, "IMAGEWRIGHT_HOME"),
        ({"IMAGEWRIGHT_ROOTS": os.pathsep.join([str(Path.cwd()), "b"])}, "IMAGEWRIGHT_ROOTS"),
        (
            {"IMAGEWRIGHT_WAIT": "soon"},
            "IMAGEWRIGHT_WAIT: 'soon' is not a number of seconds; write one between 0 and 3600",
        ),
        ({"IMAGEWRIGHT_WAIT": "-1"}, "IMAGEWRIGHT_WAIT: -1 is not between 0 and 3600 seconds"),
        ({"IMAGEWRIGHT_WAIT": "nan"}, "IMAGEWRIGHT_WAIT: nan is not between"),
        ({"IMAGEWRIGHT_REPLY_BUDGET": "10"}, "IMAGEWRIGHT_REPLY_BUDGET: 10 is not between 20000 and 1000000 bytes"),
        ({"IMAGEWRIGHT_REPLY_BUDGET": "20000.5"}, "20000.5 is not a whole number of bytes"),
        ({"IMAGEWRIGHT_RESOURCE_LINKS": "maybe"}, "IMAGEWRIGHT_RESOURCE_LINKS: 'maybe' is neither on nor off"),
        ({"IMAGEWRIGHT_LEASE": "0"}, "IMAGEWRIGHT_LEASE"),
        ({"IMAGEWRIGHT_BUDGET_PER_DAY": "-2"}, "IMAGEWRIGHT_BUDGET_PER_DAY: -2 is not between 0 and 1000000 USD"),
        ({"IMAGEWRIGHT_KIE_BASE_URL": "kie.example"}, "IMAGEWRIGHT_KIE_BASE_URL"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(home: Path, env: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_settings({"IMAGEWRIGHT_HOME": str(home), **env})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tools = 3", "tools: must be a table, [tools]"),
        ("[tool]\nallow = []", "tool: there is no such setting (did you mean 'tools'?)"),
        ("[tools]\ndisabled = []", "tools.disabled: there is no such setting (did you mean 'tools.disable'?)"),
        ("[tools]\ndisable = 'qwen'", "tools.disable: 'qwen' is not a list of names, such as"),
        ("[tools]\nallow = [1]", "tools.allow: a list of 1 is not a list of names"),
        ("per_day = 2", "per_day: there is no such setting (did you mean 'budget.per_day'?)"),
        ("xyzzy = 2", "xyzzy: there is no such setting; the settings are tools.allow, tools.disable, providers"),
        ("wait = -1", "wait: -1 is not between 0 and 3600 seconds"),
        ("[wait]\nx = 3", "wait: a table is not a number of seconds"),
        ("wait = true", "wait: True is not a number of seconds; write one between 0 and 3600"),
        ("reply_budget = 30000.5", "reply_budget: 30000.5 is not a whole number of bytes"),
        ("resource_links = 'maybe'", "resource_links: 'maybe' is neither on nor off; write true or false"),
        (
            "[budget]\nper_day = 'lots'",
            "budget.per_day: 'lots' is not a number of USD; write one between 0 and 1000000",
        ),
        ("[addresses]\nkie = 3", "addresses.kie: 3 is not an http(s) address"),
        ("addresses = 'https://kie.example'", "addresses: 'https://kie.example' is not a table"),
        ("[routes]\nqwen = 3", "routes.qwen: 3 is not a table"),
        ("[routes.qwen]\nkie = 3", "routes.qwen.kie: 3 is not a table"),
        ("home = '/tmp'", "home: there is no such setting in this file; set IMAGEWRIGHT_HOME in the environment"),
        ("roots = []", "roots: there is no such setting in this file; set IMAGEWRIGHT_ROOTS in the environment"),
        (
            "wait = 3\nwait = = 3",
            "config.toml: line 2, 'wait = = 3': Invalid value; write one setting a line, such as wait = 30",
        ),
        ("wait = 3\n[budget", "line 2, '[budget': "),
        (f"wait = 3\nKIE_API_KEY = {KEY}", "line 2: Invalid value; write one setting"),
        (f"providers = [{KEY}a1b2c3d4]", "line 1, 'providers = [[hidden]]': "),
        (f"KIE_API_KEY = '{KEY}'", "KIE_API_KEY: keys do not belong in this file, but in keys.toml beside it"),
        ("fal_key = 'x'", "fal_key: keys do not belong in this file, but in keys.toml beside it"),
        ("IMAGEWRIGHT_WAIT = 3", "IMAGEWRIGHT_WAIT: there is no such setting; in this file it is called wait"),
        ("[providers]\nkie = true", "providers: a table is not a list of names"),
        ("log = 'loud'", "log: 'loud' is not a level of the log; write error, warning, info or debug"),
    ],
)
def test_a_wrong_configuration_names_file_and_key(home: Path, text: str, words: str) -> None:
    file = write(home, "config.toml", text)
    with pytest.raises(SettingsError) as refusal:
        load_settings({"IMAGEWRIGHT_HOME": str(home)})
    assert str(file) in str(refusal.value)
    assert words in str(refusal.value)
    assert KEY not in str(refusal.value)


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices of POSIX")
@pytest.mark.parametrize("name", ["config.toml", "keys.toml"])
def test_a_pipe_is_not_waited_for_and_a_file_without_end_is_not_read(home: Path, name: str) -> None:
    home.mkdir(parents=True)
    file = home / name
    os.mkfifo(file, 0o600)
    with pytest.raises(SettingsError, match="is a pipe, and a file is expected there"):
        load_settings({"IMAGEWRIGHT_HOME": str(home)})
    file.unlink()
    file.write_bytes(b"#" * 1_000_001)
    with pytest.raises(SettingsError, match="is larger than 1 MB"):
        load_settings({"IMAGEWRIGHT_HOME": str(home)})


def test_a_file_that_is_none_or_not_utf_8_is_refused_with_what_to_do(home: Path) -> None:
    (home / "config.toml").mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"config\.toml: is a folder, and a file is expected there; move it away"):
        load_settings({"IMAGEWRIGHT_HOME": str(home)})
    (home / "config.toml").rmdir()
    (home / "config.toml").write_bytes("# caf\u00e9".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"config\.toml: is not UTF-8; save it as UTF-8 in your editor"):
        load_settings({"IMAGEWRIGHT_HOME": str(home)})
    (home / "config.toml").write_bytes(b"\xef\xbb\xbfwait = 3\r\n")  # as editors on Windows write it
    assert load_settings({"IMAGEWRIGHT_HOME": str(home)}).wait == 3


def test_everything_wrong_with_the_configuration_is_named_at_once(home: Path) -> None:
    write(home, "config.toml", "wait = 'soon'\nleese = 3\n[budget]\nper_day = -1\n")
    with pytest.raises(SettingsError) as refusal:
        load_settings({"IMAGEWRIGHT_HOME": str(home)})
    assert all(words in str(refusal.value) for words in ("wait: 'soon'", "did you mean 'lease'", "budget.per_day: -1"))


def test_the_environment_beats_the_file_and_the_line_beats_both(home: Path) -> None:
    write(home, "config.toml", 'wait = 7\nproviders = ["fal"]\n[budget]\nper_day = 3\nper_call = 1\n')
    base = {"IMAGEWRIGHT_HOME": str(home)}
    assert load_settings(base).wait == 7
    assert load_settings(base | {"IMAGEWRIGHT_WAIT": "9"}).wait == 9
    assert load_settings({"IMAGEWRIGHT_HOME": str(home / "other")}).wait == WAIT.default
    budget = load_settings(base | {"IMAGEWRIGHT_BUDGET_PER_DAY": "5"}).budget
    assert (budget.per_day, budget.per_call) == (5, 1)
    assert load_settings(base | {"IMAGEWRIGHT_PROVIDERS": "kie, bfl"}).providers == ("kie", "bfl")
    assert load_settings(base, CommandLine(providers=("offline",))).providers == ("offline",)


@pytest.mark.parametrize(
    ("variable", "file", "expected"),
    [
        (None, "", False),
        (None, "resource_links = true", True),
        ("", "resource_links = true", True),
        ("off", "resource_links = true", False),
        ("TRUE", "", True),
        ("1", "", True),
        ("no", "", False),
    ],
)
def test_a_switch_is_off_unless_the_file_or_a_variable_turns_it_on(
    home: Path, variable: str | None, file: str, expected: object
) -> None:
    write(home, "config.toml", f"{file}\n")
    env = {"IMAGEWRIGHT_HOME": str(home)} | ({} if variable is None else {"IMAGEWRIGHT_RESOURCE_LINKS": variable})
    assert load_settings(env).resource_links is expected


def test_a_key_is_found_with_its_source_and_never_shown(home: Path) -> None:
    file = write(home, "keys.toml", f'FAL_KEY = "{KEY}-file"\n')
    file.chmod(0o600)
    settings = load_settings({"IMAGEWRIGHT_HOME": str(home), "KIE_AI_API_KEY": KEY, "KIE_API_KEY": " "})
    kie, fal = settings.keyring.find(("KIE_API_KEY", "KIE_AI_API_KEY")), settings.keyring.find(("FAL_KEY",))
    assert kie is not None
    assert (kie.value, kie.source) == (KEY, "KIE_AI_API_KEY")
    assert fal is not None
    assert (fal.value, fal.source) == (f"{KEY}-file", f"{file} (FAL_KEY)")
    assert settings.keyring.find(("OPENAI_API_KEY",)) is None
    assert KEY not in repr(settings) + repr(kie) + repr(fal)


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX matter")
def test_a_key_file_that_others_can_read_is_refused(home: Path) -> None:
    file = write(home, "keys.toml", f'FAL_KEY = "{KEY}"\n')
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_settings({"IMAGEWRIGHT_HOME": str(home)})


@pytest.mark.parametrize("text", [f"FAL_KEY = {KEY}", f'FAL_KEY = ["{KEY}"]'])
def test_a_broken_key_file_is_refused_without_quoting_it(home: Path, text: str) -> None:
    write(home, "keys.toml", text).chmod(0o600)
    with pytest.raises(SettingsError) as refusal:
        load_settings({"IMAGEWRIGHT_HOME": str(home)})
    assert KEY not in str(refusal.value)


def test_home_moves_everything_and_a_project_is_a_root(home: Path, tmp_path: Path) -> None:
    project, plain = tmp_path / "project", tmp_path / "plain"
    (project / ".git").mkdir(parents=True)
    plain.mkdir()
    inside = load_settings({"IMAGEWRIGHT_HOME": str(home)}, working_directory=project).folders
    assert inside.pictures == home / "pictures"
    assert home in inside.database.parents
    assert home in inside.config.parents
    assert inside.roots[0] == inside.pictures
    assert project in inside.roots
    outside = load_settings({"IMAGEWRIGHT_HOME": str(home)}, working_directory=plain).folders
    assert plain not in outside.roots
    named = {"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_ROOTS": os.pathsep.join([str(plain), str(project)])}
    assert load_settings(named, working_directory=project).folders.roots == (home / "pictures", plain, project)


@pytest.mark.parametrize(
    ("line", "environment", "file", "level"),
    [
        (None, {}, "", "warning"),
        (None, {}, "log = 'debug'", "debug"),
        (None, {"IMAGEWRIGHT_LOG": "info"}, "log = 'debug'", "info"),
        ("error", {"IMAGEWRIGHT_LOG": "info"}, "log = 'debug'", "error"),
        ("${user_config.log}", {"IMAGEWRIGHT_LOG": "${user_config.log}"}, "", "warning"),
    ],
)
def test_the_level_of_the_log(home: Path, line: str | None, environment: dict[str, str], file: str, level: str) -> None:
    write(home, "config.toml", file)
    assert load_settings({"IMAGEWRIGHT_HOME": str(home), **environment}, CommandLine(log=line)).log == level


def test_a_level_of_error_leaves_out_warnings_of_the_settings(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_settings({"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_LUG": "error", "IMAGEWRIGHT_LOG": "error"})
    assert not caplog.records
    load_settings({"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_LUG": "error"})
    assert "IMAGEWRIGHT_LUG is not a variable that is read (did you mean 'IMAGEWRIGHT_LOG'?)" in caplog.text
