"""`imagewright connect` and the clients' own files: one entry comes in and goes out, to the byte."""

from __future__ import annotations

import json
import os
import stat
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from imagewright.cli.commands.connect import NOTES
from imagewright.cli.connect import NAME, clients, edit
from imagewright.cli.launching import launch_command
from imagewright.errors import StorageError
from tests.support.connecting import copies, holds, installed, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("computer")
FORMATS = [*{one.format: name for name, one in reversed(clients().items())}.values()]
"""One client for each format of files."""
AS_WRITTEN = {
    "claude-desktop": (
        '{\n  "globalShortcut": "Ctrl+Space",\n  "mcpServers": {\n    "files": {\n      "command": "npx",\n'
        '      "args": [\n        "-y",\n        "@modelcontextprotocol/server-filesystem",\n'
        '        "/Users/me/Ünï"\n      ]\n    }\n  }\n}\n'
    ),
    "claude-code": (
        '{\n  "numStartups": 41,\n  "mcpServers": {},\n  "projects": {\n    "/home/me/a": {\n      "mcpServers": {\n'
        '        "imagewright": {\n          "command": "x"\n        }\n      }\n    }\n  },\n  "userID": "0a1b"\n}'
    ),
    "cursor": '{"mcpServers":{"web":{"url":"https://x.example/mcp"}}}',
    "vscode": (
        '\ufeff{\r\n\t// what we share\r\n\t"inputs": [],\r\n\t"servers": {\r\n\t\t"github": {\r\n'
        '\t\t\t"type": "http",\r\n\t\t\t"url": "https://x.example" // ours\r\n\t\t}, // the last\r\n\t},\r\n}\r\n'
    ),
    "windsurf": (
        '{\n    "mcpServers"  :  {\n        "a"  :  { "command":"a" }\n        ,\n'
        '        "b": { "command": "b" }\n    }\n}\n'
    ),
    "zed": (
        "// Zed settings\n//\n// For information on how to configure Zed, see its documentation.\n{\n"
        '  "theme": "One Dark", /* the dark one */\n  "ui_font_size": 16,\n  // "vim_mode": true,\n}\n'
    ),
    "gemini-cli": '{\n  "security": {\n    "auth": {\n      "selectedType": "oauth-personal"\n    }\n  }\n}',
    "codex": (
        'model = "gpt-5"\n\n[mcp_servers.files] # mine\ncommand = "npx"\nargs = [\n  "-y", # yes\n]\n\n'
        '[projects."/home/me/a"]\ntrust_level = "trusted"'
    ),
    "goose": (
        "# Model\nGOOSE_MODEL: gpt-5 # fast\nextensions:\n  # what comes with it\n  developer:\n    bundled: true\n"
        "    enabled: true\n    name: developer\n    timeout: 300\n    type: builtin\n\n  memory:\n    args: []\n"
        "    type: builtin\n# the rest\nGOOSE_MODE: smart_approve\n"
    ),
}
"""A file of each client, as it or its user writes it."""
EMPTY = [
    "",
    "{}",
    "{ }",
    "{\n}\n",
    '{\n  "SECTION": {}\n}',
    '{"SECTION": {\n  }\n}',
    "// none\n",
    '{"SECTION": {/* none */}}',
    '{"SECTION": null}',
    '{\n\t"SECTION": null,\n\t"a": 1\n}\n',
]
BARE = {
    "json": EMPTY,
    "jsonc": EMPTY,
    "toml": ["", "# none\n", "a = 1", "[SECTION]\n", "[SECTION.a]\r\nb = 1\r\n"],
    "yaml": ["", "# none\n", "a: 1", "SECTION: {}\n", "SECTION:\na: 1\n", "SECTION: null\n", "SECTION:\n- a: 1\n"[:9]],
}
"""Files with nothing in their section, or no section, by their format."""
BROKEN: dict[str, list[tuple[bytes, str]]] = {
    "json": [
        (b'{"a": }', "it is no JSON (line 1, column 7"),
        (b"[1]", "no object with keys and values"),
        (b'{"SECTION": []}', "holds no servers"),
        (b'{"SECTION": [1]}', "holds no servers"),
        (b'{"SECTION": {,}}', "it is no JSON"),
        (b'{"a": "\xe4"}', "it is not UTF-8 (byte 7)"),
        (b"\xff\xfe{\x00}\x00", "it is not UTF-8"),
        (b"[" * 100_000, "nested too deeply|it is no JSON"),
    ],
    "toml": [
        (b"a = ", "it is no TOML"),
        (b"SECTION = { a = { b = 1 } }", "touching something else"),
        (b"\xff", "UTF-8"),
    ],
    "yaml": [
        (b"a: [", "it is no YAML"),
        (b"- a\n", "no mapping"),
        (b"SECTION: {a: {b: 1}}\n", "not written as a block"),
        (b"SECTION: []\n", "holds no servers"),
        (b'SECTION: ""\n', "holds no servers"),
        (b"{a: 1}\n", "touching something else"),
        (b"a: 1\n---\nb: 2\n", "it is no YAML"),
    ],
}
"""What cannot be edited, and what is said of it; `|` stands between sentences any of which will do."""


@pytest.mark.parametrize("name", clients())
def test_into_a_real_file_and_out_again(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    client, file = installed(name, AS_WRITTEN[name])
    file.chmod(0o640)
    before, value = file.read_bytes(), holds(client, file)
    assert run(name, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert launch_command()[0] in shown
    assert file.read_bytes() == before
    assert run(name) == 0
    wanted = client.entry(launch_command(), [], {})
    assert holds(client, file) == {**value, client.section: {**value.get(client.section, {}), NAME: wanted}}
    shown = capsys.readouterr().out
    assert client.next in shown
    assert "offline drafts" in shown
    (copy,) = copies(file)
    assert copy.read_bytes() == before
    if os.name == "posix":
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
    after = file.read_bytes()
    assert run(name) == 0
    assert "already connected" in capsys.readouterr().out
    assert (file.read_bytes(), copies(file)) == (after, [copy])
    assert run(name, "--tools", "qwen,recraft") == 0
    assert holds(client, file)[client.section][NAME][client.fields.args][-2:] == ["--tools", "qwen,recraft"]
    assert run(name, "--remove") == 0
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_not_there_is_gone_again(name: str) -> None:
    client, file = installed(name)
    for text in [None, *BARE[client.format]]:
        before = None if text is None else text.replace("SECTION", client.section).encode()
        if before is not None:
            file.write_bytes(before)
        assert run(name) == 0
        assert NAME in holds(client, file)[client.section]
        assert run(name, "--env", "IMAGEWRIGHT_WAIT=30") == 0
        assert run(name, "--remove") == 0
        assert (file.read_bytes() if file.exists() else None) == before, text
        file.unlink(missing_ok=True)


@pytest.mark.parametrize("name", clients())
def test_what_others_change_meanwhile_stays(name: str) -> None:
    client, file = installed(name, AS_WRITTEN[name])
    before = AS_WRITTEN[name]
    assert run(name) == 0
    text, line = file.read_bytes().decode(), "\r\n" if "\r\n" in before else "\n"
    added = f"# new{line}" if client.format in ("toml", "yaml") else f"{line} "
    file.write_bytes((text + added).encode())
    assert run(name, "--disable", "qwen") == 0
    assert run(name, "--remove") == 0
    value = edit.EDITORS[client.format].parse(before.removeprefix("\ufeff"))
    assert holds(client, file) == value
    if value.get(client.section):
        assert (
            file.read_bytes()
            == (before + ("" if before.endswith(line) or client.format != "toml" else line) + added).encode()
        )


@pytest.mark.parametrize("name", FORMATS)
def test_what_cannot_be_edited_is_left_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    client, file = installed(name)
    for template, sentences in BROKEN["json" if client.format == "jsonc" else client.format]:
        content = template.replace(b"SECTION", client.section.encode())
        file.write_bytes(content)
        assert run(name) == 2, content
        shown = capsys.readouterr().err
        assert any(one in shown for one in sentences.split("|")), shown
        assert str(file) in shown
        assert launch_command()[0] in shown, "what to put in by hand"
        assert file.read_bytes() == content
        assert copies(file) == []


def test_what_is_no_file_that_may_be_written_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    name = "cursor"
    _, file = installed(name)
    file.mkdir()
    assert run(name) == 2
    assert "it is a folder" in capsys.readouterr().err
    file.rmdir()
    file.write_text("{}", encoding="utf-8")
    file.chmod(0o444)
    assert run(name) == 2
    assert "read-only" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == "{}"
    file.unlink()
    file.parent.rmdir()
    file.parent.touch()
    assert run(name) == 1
    assert "a part of the path is a file" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_what_is_a_link_stays_one(computer: Path) -> None:
    _, file = installed("cursor")
    real = computer / "dotfiles.json"
    real.write_text("{}", encoding="utf-8")
    file.symlink_to(real)
    assert run("cursor") == 0
    assert file.is_symlink()
    assert NAME in real.read_text(encoding="utf-8")
    assert run("cursor", "--remove") == 0
    assert real.read_text(encoding="utf-8") == "{}"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cursor", b'{"mcpServers": {"imagewright": {"a": 1}, "imagewright": {"b": 1}}}'),
        ("goose", b"extensions:\n  imagewright: {a: 1}\n  imagewright:\n    b: 1\n"),
    ],
)
def test_an_entry_that_stands_twice_is_not_taken_out_by_halves(
    name: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    _, file = installed(name, content)
    assert run(name, "--remove", "--replace") == 2
    assert "without touching something else" in capsys.readouterr().err
    assert file.read_bytes() == content


def test_a_file_that_another_program_changes_just_then_stays_and_so_does_its_note(home: Path) -> None:
    client, file = installed("cursor", "{}")
    note = edit.note_file(home / NOTES, file)
    assert run("cursor") == 0
    before, saved = note.read_bytes(), copies(file)
    change = edit.connect(client, file, client.entry(["x"], [], {}), edit.read_note(note), replace=False)
    file.write_text('{"new": 1}', encoding="utf-8")
    with pytest.raises(StorageError, match="another program has changed it"):
        edit.carry_out(change, home / NOTES, datetime(2026, 11, 26, tzinfo=UTC))
    assert file.read_text(encoding="utf-8") == '{"new": 1}'
    assert copies(file) == saved
    assert note.read_bytes() == before


def test_the_draft_of_a_command_that_was_killed_goes_a_day_later_also_where_nothing_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, file = installed("cursor", AS_WRITTEN["cursor"])
    young, *old = (file.with_name(f".imagewright-{number}.part") for number in range(10))
    for number in range(10):  # whichever comes first
        folder = file.with_name(f".imagewright-that-cannot-be-removed-{number}.part")
        folder.mkdir()
        os.utime(folder, (1000, 1000))
    for words, done in (([], "connected"), ([], "already connected"), (["--remove"], "removed")):
        for draft in (young, *old):
            draft.write_text("{}", encoding="utf-8")
        for draft in old:
            os.utime(draft, (1000, 1000))
        assert run("cursor", *words) == 0
        assert capsys.readouterr().out.startswith(f"Cursor: {done} in")
        assert [one for one in (young, *old) if one.exists()] == [young]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_was_made_for_it_goes_although_its_client_has_written_it_anew(name: str) -> None:
    client, file = installed(name)
    assert run(name) == 0
    program = json.dumps(launch_command()[0])
    file.write_bytes(file.read_bytes().replace(program.encode(), b'"/moved/imagewright"'))
    assert run(name) == 0
    assert launch_command()[0] in str(holds(client, file))
    assert run(name, "--remove") == 0
    assert not file.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_whose_name_is_no_unicode_is_no_obstacle(computer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(computer / os.fsdecode(b"b\xe4d")))
    _, file = installed("cursor", "{}")
    assert run("cursor") == run("cursor", "--tools", "qwen") == run("cursor", "--remove") == 0
    assert file.read_text(encoding="utf-8") == "{}"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused_and_none_is_made_in_their_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, file = installed("cursor", "{}")
    os.chown(file, 12345, -1)
    assert run("cursor") == 2
    assert "belongs to another user" in capsys.readouterr().err
    file.unlink()
    os.chown(file.parent, 12345, -1)
    assert run("cursor") == 2
    assert f"{file.parent} belongs to another user" in capsys.readouterr().err
    assert not file.exists()
