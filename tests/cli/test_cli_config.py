"""Settings from the command line: shown with where they come from, and written only where a server would start."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from imagewright.cli.main import main
from imagewright.settings.sources import example, read_config
from imagewright.settings.table import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

COMMENTED = """\
# mine
wait = 45 # seconds
[tools] # which
disable = [ # off
  "qwen", # dear
]

[budget]
per_day = 1.5
"""


@pytest.fixture
def file(home: Path) -> Path:
    home.mkdir(parents=True)
    return home / "config.toml"


def test_the_path_is_printed_alone_and_the_example_is_the_one_of_the_table(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "path"]) == 0
    assert capsys.readouterr().out == f"{home / 'config.toml'}\n"
    assert main(["config", "example"]) == 0
    assert capsys.readouterr().out == example()
    assert not home.exists()


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("wait", "30", "wait = 30 # seconds\n"),
        ("budget.per_day", "2", "per_day = 2\n"),
        ("budget.per_call", "0.5", "per_day = 1.5\nper_call = 0.5\n"),
        ("keep_metadata", "on", "keep_metadata = true\n\n[tools] # which\n"),
        ("log", "INFO", 'log = "info"\n'),
        ("providers", "kie, fal", 'providers = ["kie", "fal"]\n'),
        ("tools.allow", "recraft", 'allow = ["recraft"]\n'),
        ("addresses.openai", "http://127.0.0.1:8000/v1/", '[addresses]\nopenai = "http://127.0.0.1:8000/v1/"\n'),
        ("rates.kie", "20/10", '[rates]\nkie = "20/10"\n'),
    ],
)
def test_a_line_is_written_with_all_else_as_it_was_and_taken_out_again(
    file: Path, name: str, value: str, line: str
) -> None:
    file.write_text(COMMENTED, encoding="utf-8")
    before = read_config(file)
    assert main(["config", "set", name, value]) == 0
    text = file.read_text(encoding="utf-8")
    assert line in text
    assert text.startswith("# mine\nwait = ")
    for kept in ("# mine", "# seconds", "[tools] # which", 'disable = [ # off\n  "qwen", # dear\n]\n'):
        assert kept in text
    after = read_config(file)
    changed = {one.name for one in {**before, **after} if before.get(one) != after.get(one)}
    assert changed == {name.partition(".")[0] if name.startswith(("addresses", "rates")) else name}
    assert main(["config", "unset", name]) == 0
    left = read_config(file)
    assert {one.name for one in left if left[one]} == {one.name for one in before} - {name}
    if name in ("budget.per_call", "tools.allow", "addresses.openai", "rates.kie"):  # it was not there before
        assert file.read_text(encoding="utf-8") == COMMENTED


def test_what_is_so_already_and_what_is_not_there_leave_the_file_alone(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(COMMENTED, encoding="utf-8")
    was = file.stat()
    assert main(["config", "set", "wait", "45"]) == 0
    assert main(["config", "unset", "lease"]) == 0
    assert f"lease is not set in {file}" in capsys.readouterr().out
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (was.st_mtime_ns, was.st_ino)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["wiat", "3"], "wiat: there is no such setting (did you mean 'wait'?)"),
        (["wait", "soon"], "wait: 'soon' is not a number of seconds; write one between 0 and 3600"),
        (["wait"], "which setting, and to what?"),
        (["providers", "goggle"], "there is no provider 'goggle' (did you mean 'google'?)"),
        (["tools.allow", "qwn"], "names 'qwn', which is not a tool (did you mean 'qwen'?)"),
        (["addresses", "https://kie.example"], "addresses is a table: name a provider, too, such as addresses.kie"),
        (["addresses.kei", "https://kie.example"], "there is no address 'kei' (did you mean 'kie'?)"),
        (["rates.kie", "fast"], "rates.kie: 'fast' is not a rate"),
        (["routes.qwen.kie", "3"], "routes are tables: write them into"),
        (["tools", "qwen"], "tools is a table: name a setting in it, tools.allow or tools.disable"),
        (["tools.allow", ""], "tools.allow: names nothing; to take it out of the file: imagewright config unset"),
        (["addresses.kie", "https://me:0123456789abcdef@kie.example?a"], "[hidden]@kie.example' has something behind"),
        (["addresses.kie", "https://kie.example/#0123456789abcdef"], "from ? or # on: leave it out"),
        (["addresses.kie", "https://me:0123456789abcdef blank@kie.example"], "[hidden]@kie.example' is not an http(s)"),
        (["addresses.kie", "https://kie example"], "'https://kie example' is not an http(s) address"),
        (["budget.perday", "3"], "budget.perday: there is no such setting (did you mean 'budget.per_day'?)"),
        (["KIE_API_KEY", "sk-0123456789abcdef"], "keys do not belong in this file"),
    ],
)
def test_a_value_that_cannot_be_is_refused_and_the_file_stays(
    file: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(COMMENTED, encoding="utf-8")
    assert main(["config", "set", *words]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "0123456789abcdef" not in shown
    assert "blank" not in shown
    assert file.read_text(encoding="utf-8") == COMMENTED
    assert list(file.parent.iterdir()) == [file]


def test_a_wrong_line_can_be_set_right_and_a_file_that_is_no_toml_is_left_alone(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text('wait = "soon"\n', encoding="utf-8")
    assert main(["config", "set", "wait", "3"]) == 0
    assert file.read_text(encoding="utf-8") == "wait = 3\n"
    file.write_text("wait = = 3\n", encoding="utf-8")
    assert main(["config", "set", "wait", "3"]) == 2
    assert f"{file}: line 1, 'wait = = 3': " in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == "wait = = 3\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b'[addresses]\nkie = "https://a.example"\n'),
        (b"wait = 3", b'wait = 3\n\n[addresses]\nkie = "https://a.example"\n'),
        (b"wait = 3\n", b'wait = 3\n\n[addresses]\nkie = "https://a.example"\n'),
        (b"\xef\xbb\xbfwait = 3\r\n", b'wait = 3\r\n\r\n[addresses]\r\nkie = "https://a.example"\r\n'),
    ],
)
def test_a_table_is_made_at_the_end_in_the_line_ends_of_the_file(file: Path, before: bytes, after: bytes) -> None:
    file.write_bytes(before)
    assert main(["config", "set", "addresses.kie", "https://a.example"]) == 0
    assert file.read_bytes() == after


@pytest.mark.parametrize(
    "before", [b"", b"wait = 3\n", b"wait = 3\r\n", b"[budget]\nper_day = 1\n\n[rates]\nfal = '1/1'\n"]
)
def test_a_table_goes_as_it_came(file: Path, before: bytes) -> None:
    file.write_bytes(before)
    assert main(["config", "set", "addresses.kie", "https://a.example"]) == 0
    assert main(["config", "unset", "addresses.kie"]) == 0
    assert file.read_bytes() == before


def test_the_password_of_an_address_is_never_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = "https://me:planted@a.example/v1"
    assert main(["config", "set", "addresses.openai", address]) == 0
    assert address in file.read_text(encoding="utf-8")
    for words in (["config"], ["config", "--json"], ["config", "set", "addresses.openai", address]):
        assert main(words) == 0
    shown = capsys.readouterr()
    assert shown.out.count("https://[hidden]@a.example/v1") == 4
    assert "planted" not in shown.out + shown.err


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_a_new_file_is_for_its_owner_only(home: Path) -> None:
    assert main(["config", "set", "wait", "3"]) == 0
    assert stat.S_IMODE((home / "config.toml").stat().st_mode) == 0o600


def test_what_is_set_is_shown_with_where_it_comes_from(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(COMMENTED + '[addresses]\nkie = "https://gateway.example"\n', encoding="utf-8")
    monkeypatch.setenv("IMAGEWRIGHT_WAIT", "9")
    monkeypatch.setenv("IMAGEWRIGHT_TOOL_RECRAFT", "off")
    monkeypatch.setenv("IMAGEWRIGHT_KIE_RATE", "20/10")
    assert main(["config", "--json", "--log-level", "error"]) == 0
    found = {one["name"]: (one["value"], one["from"]) for one in json.loads(capsys.readouterr().out)}
    assert found == {
        "IMAGEWRIGHT_HOME": (str(file.parent), "IMAGEWRIGHT_HOME"),
        "tools.disable": ("qwen", str(file)),
        "IMAGEWRIGHT_TOOL_RECRAFT": ("false", "IMAGEWRIGHT_TOOL_RECRAFT"),
        "wait": ("9", "IMAGEWRIGHT_WAIT"),
        "budget.per_day": ("1.5", str(file)),
        "log": ("error", "the command line (--log-level)"),
        "addresses.kie": ("https://gateway.example", str(file)),
        "rates.kie": ("20/10", "IMAGEWRIGHT_KIE_RATE"),
    }
    assert main(["config", "show", "--all"]) == 0
    table = capsys.readouterr().out
    assert f"IMAGEWRIGHT_WAIT, which beats {file}" in table
    single = [one for one in SETTINGS if not one.kind.is_table and "<" not in one.variable]
    assert all((one.name or one.variable) in table for one in single)


def test_a_stronger_source_is_named_when_a_line_is_written(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMAGEWRIGHT_WAIT", "9")
    assert main(["config", "set", "wait", "3"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"wait = 3 in {file}\n"
    assert "but here it is 9, by IMAGEWRIGHT_WAIT, which is stronger" in shown.err
