"""Keys from the command line: asked for without echo, checked for free, kept privately, and never shown."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.cli.main import main
from imagewright.providers import KEY_VARIABLES
from tests.support.vendors import VENDORS, environment, opened

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulators.kie import KieEmulator

KEY = "planted-0123456789abcdef-WXYZ"
REFUSED_VALUES = [
    "your-key",
    '"quoted-0123456789abcdef"',
    "two words-0123456789",
    "${KIE_API_KEY}",
    f"KIE_API_KEY={KEY}",
    f"export KIE_API_KEY='{KEY}'",
    "",
    " \n",
]


@pytest.fixture
def file(home: Path) -> Path:
    return home / "keys.toml"


def _pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def _put(file: Path, text: str, mode: int = 0o600) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)


def test_a_key_from_a_pipe_is_checked_and_kept_privately(
    kie: KieEmulator, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KIE_API_KEY")
    _pipe(monkeypatch, f"{kie.key}\n")
    assert main(["keys", "set", "kie"]) == 0
    shown = capsys.readouterr()
    assert "kie: accepted, $5.00 left" in shown.out
    assert file.read_text(encoding="utf-8") == f'KIE_API_KEY = "{kie.key}"\n'
    assert kie.key not in shown.out + shown.err
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert not kie.charges


def test_the_rest_of_the_file_stays_and_the_name_in_use_is_kept(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = '# mine\nFAL_KEY = "fal-0123456789abcdef" # the team\'s\nKIE_AI_API_KEY = "old-0123456789abcdef" # kie\n'
    _put(file, before)
    _pipe(monkeypatch, KEY)
    assert main(["keys", "set", "KIE_API_KEY", "--no-check"]) == 0
    assert file.read_text(encoding="utf-8") == before.replace("old-0123456789abcdef", KEY)
    assert "not checked" in capsys.readouterr().out
    assert main(["keys", "remove", "kie"]) == 0
    assert file.read_text(encoding="utf-8") == "".join(before.splitlines(keepends=True)[:2])
    assert main(["keys", "remove", "kie"]) == 0
    assert "No key of kie stands in" in capsys.readouterr().out


@pytest.mark.parametrize("value", REFUSED_VALUES)
def test_what_is_no_key_is_refused_and_nothing_is_written(
    value: str, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _pipe(monkeypatch, value)
    assert main(["keys", "set", "kie"]) == 2
    shown = capsys.readouterr()
    assert "Nothing was written." in shown.err
    assert not value.strip() or value not in shown.err
    assert KEY not in shown.err
    assert not file.exists()


@pytest.mark.parametrize("text", [f"\ufeff{KEY}\r\n", f"\x1b[200~{KEY}\x1b[201~\n", f"\t{KEY}  "])
def test_what_programs_put_around_a_key_is_left_off(text: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pipe(monkeypatch, text)
    assert main(["keys", "set", "kie", "--no-check"]) == 0
    assert file.read_text(encoding="utf-8") == f'KIE_API_KEY = "{KEY}"\n'


def test_a_placeholder_in_the_environment_is_not_called_stronger(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KIE_API_KEY", "your-key")
    _pipe(monkeypatch, KEY)
    assert main(["keys", "set", "kie", "--no-check"]) == 0
    assert "stronger" not in capsys.readouterr().err
    assert KEY in file.read_text(encoding="utf-8")


def test_a_pipe_of_other_bytes_is_refused_for_what_it_is(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfek\0"), encoding="utf-8"))
    assert main(["keys", "set", "kie"]) == 2
    assert "has letters in its value that no key has" in capsys.readouterr().err
    assert not file.exists()


def test_a_key_that_the_vendor_refuses_is_kept_only_if_one_insists(
    kie: KieEmulator, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _pipe(monkeypatch, KEY)
    assert main(["keys", "set", "kie"]) == 1
    shown = capsys.readouterr().err
    assert "kie refuses this key: You do not have access permissions. Nothing was written." in shown
    assert not file.exists()
    _pipe(monkeypatch, KEY)
    assert main(["keys", "set", "kie", "--no-check"]) == 0
    shown = capsys.readouterr().err
    assert "but KIE_API_KEY in the environment is stronger" in shown
    assert len(kie.received("credit")) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["set", "kie", KEY], "a key is never given as an argument"),
        (["set", KEY], "a key is never given as an argument"),
        (["set"], "whose key? Such as: imagewright keys set kie"),
        (["set", "googel"], "there is no provider 'googel' (did you mean 'google'?)"),
        (["check", "offline"], "offline needs no key"),
        (["remove"], "whose key? Such as: imagewright keys remove kie"),
    ],
)
def test_a_wrong_call_shows_no_key(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", *words]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert KEY not in shown.err + shown.out


@pytest.mark.skipif(os.name != "posix", reason="modes and terminals of POSIX")
def test_a_file_that_others_can_read_is_not_added_to(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _put(file, 'FAL_KEY = "fal-0123456789abcdef"\n', 0o644)
    _pipe(monkeypatch, KEY)
    assert main(["keys", "set", "kie", "--no-check"]) == 2
    assert f"chmod 600 '{file}'" in capsys.readouterr().err
    assert KEY not in file.read_text(encoding="utf-8")


@pytest.mark.skipif(os.name != "posix", reason="modes and terminals of POSIX")
def test_on_a_terminal_it_is_asked_for_without_echo(child_environment: dict[str, str], file: Path) -> None:
    ours, theirs = os.openpty()
    words = [sys.executable, "-m", "imagewright", "keys", "set", "bfl", "--no-check"]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=child_environment, start_new_session=True
    ) as process:
        os.close(theirs)
        shown = b""
        while b"paste it: " not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, f"{KEY}\n".encode())
        while b"not checked" not in shown:
            shown += os.read(ours, 1000)
        assert process.wait(30) == 0
    os.close(ours)
    assert b"Key for bfl (BFL_API_KEY)" in shown
    assert KEY.encode() not in shown
    assert KEY in file.read_text(encoding="utf-8")


def test_the_list_names_places_and_reasons_and_shows_four_signs_at_most(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _put(file, f'FAL_KEYS = "x"\nKIE_API_KEY = "{KEY}"\nBFL_API_KEY = "short-key-7"\n')
    monkeypatch.setenv("KIE_AI_API_KEY", KEY.replace("WXYZ", "ABCD"))
    monkeypatch.setenv("OPENAI_API_KEY", "<your key>")
    monkeypatch.setenv("IMAGEWRIGHT_PROVIDERS", "kie")
    assert main(["keys", "--json"]) == 0
    text = capsys.readouterr().out
    found = json.loads(text)
    keys: dict[str, dict[str, Any]] = {one["provider"]: one for one in found["keys"]}
    assert set(keys) == {name for name, variables in KEY_VARIABLES.items() if variables}
    assert (keys["kie"]["from"], keys["kie"]["ends_with"], keys["kie"]["in_use"]) == ("KIE_AI_API_KEY", "ABCD", True)
    assert keys["kie"]["ignored"] == [f"{file} (KIE_API_KEY): not used, as KIE_AI_API_KEY is stronger"]
    assert (keys["bfl"]["found"], keys["bfl"]["ends_with"], keys["bfl"]["in_use"]) == (True, "", False)
    assert keys["openai"]["ignored"] == ["OPENAI_API_KEY is set to a placeholder: it counts as not set"]
    assert "did you mean 'FAL_KEY'?" in found["ignored"][0]
    assert main(["keys"]) == 0
    table, reasons = capsys.readouterr()
    assert "…ABCD" in table
    sentences = " ".join(reasons.split())
    assert "bfl: its key is not in use, not among the providers you chose" in sentences
    assert "is stronger" in sentences
    for shown in (text, table, reasons):
        assert KEY[:-4] not in shown
        assert "short-key-7" not in shown


def test_every_key_is_checked_by_its_vendor_at_no_cost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [name for name in VENDORS if name in ("kie", "recraft", "ideogram", "google")]
    with opened(names) as emulators:
        for variable, value in environment(emulators).items():
            monkeypatch.setenv(variable, value)
        assert main(["keys", "check", "--json"]) == 0
        answers = {one["provider"]: one for one in json.loads(capsys.readouterr().out)}
        assert {name: one["answer"] for name, one in answers.items()} == {
            "kie": "accepted",
            "google": "accepted",
            "recraft": "accepted",
            "ideogram": "cannot be checked without spending",
        }
        assert answers["kie"]["usd_left"] == 5.0
        monkeypatch.setenv("RECRAFT_API_TOKEN", KEY)
        assert main(["keys", "check", "recraft", "fal"]) == 1
        shown = capsys.readouterr()
        assert "refused" in shown.out
        assert "fal has no key: run: imagewright keys set fal, or set FAL_KEY" in shown.err
        assert KEY not in shown.out + shown.err
        assert not any(emulator.charges for emulator in emulators.values())


def test_the_doctor_asks_online_only_if_told_to_and_spends_nothing(
    kie: KieEmulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--quick"]) == 0
    assert not kie.requests
    assert main(["doctor", "--quick", "--online"]) == 0
    shown = capsys.readouterr().out
    assert "kie: accepted, $5.00 left" in shown
    assert f"kie: {kie.url('api')} can be reached" in shown
    assert f"kie: {kie.url('upload')} can be reached" in shown
    monkeypatch.setenv("KIE_API_KEY", KEY)
    monkeypatch.setenv("IMAGEWRIGHT_KIE_UPLOAD_BASE_URL", "http://127.0.0.1:1")
    assert main(["doctor", "--quick", "--online"]) == 1
    shown = capsys.readouterr().out
    assert "kie: refused, You do not have access permissions" in shown
    assert "imagewright keys set kie" in shown
    assert "kie: http://127.0.0.1:1: " in shown
    assert KEY not in shown
    assert not kie.charges


def test_the_doctor_and_tools_name_what_is_misspelt_and_what_a_variable_switches(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _put(file, f'FALKEY = "0123456789abcdef"\nBFL_API_KEY = "{KEY}"\n')
    monkeypatch.setenv("BFL_API_KEY", KEY)
    monkeypatch.setenv("IMAGEWRIGHT_TOOL_QWEN", "off")
    assert main(["doctor", "--quick"]) == 0
    shown = capsys.readouterr().out
    assert f"{file}: FALKEY is not the name of a key (did you mean 'FAL_KEY'?)" in shown
    assert "qwen: switched off by IMAGEWRIGHT_TOOL_QWEN" in shown
    assert f"{file} (BFL_API_KEY): not used, as BFL_API_KEY is stronger" in shown
    assert main(["tools"]) == 0
    assert "switched off by IMAGEWRIGHT_TOOL_QWEN" in capsys.readouterr().out
