"""`imagewright connect` as a command: what it finds, what it says, what it refuses, and what it keeps to itself."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from imagewright.cli.commands.connect import NOTES
from imagewright.cli.connect import NAME, Client, Surroundings, clients, edit, locate
from imagewright.cli.launching import launch_command
from imagewright.cli.main import main
from imagewright.errors import SettingsError
from tests.support.connecting import holds, installed, place, run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from imagewright.cli.connect import System

pytestmark = pytest.mark.usefixtures("computer")
PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
KEY = "0123456789abcdef0123456789abcdef"
PROJECTS = [one for one in clients().values() if one.project]


def test_a_client_that_is_not_there_gets_no_file_unless_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    for client in clients().values():
        file = place(client)
        assert run(client.name) == 2
        shown = capsys.readouterr().err
        assert f"{client.title} does not seem to be installed" in shown
        assert "--force" in shown
        assert edit.block(client, client.entry(launch_command(), [], {})) in shown
        assert not file.exists()
        assert run(client.name, "--force") == 0
        assert NAME in holds(client, file)[client.section]
        assert run(client.name, "--remove") == 0
        assert not file.exists()
        assert not file.parent.exists() or file.parent == Path.home()
        capsys.readouterr()


@pytest.mark.parametrize("client", PROJECTS, ids=lambda one: one.name)
def test_a_project_has_a_file_of_its_own(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(client.project)
    assert run(client.name, "--scope", "project") == 0
    assert NAME in holds(client, file)[client.section]
    assert "path on this machine" in capsys.readouterr().out
    assert run(client.name, "--scope", "project", "--remove") == 0
    assert list(Path.cwd().iterdir()) == []


def test_a_client_without_project_files_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("windsurf", "--scope", "project") == 2
    assert "Windsurf has no file for one project" in capsys.readouterr().err


def test_an_entry_written_by_hand_is_shown_and_stays_until_told(capsys: pytest.CaptureFixture[str]) -> None:
    client, file = installed(
        "cursor",
        '{"mcpServers": {"imagewright": {"command": "old", "env": {"FAL_KEY": "SECRET"}, "x": 1,'
        ' "headers": {"Authorization": "SECRET"}}}}',
    )
    before = file.read_bytes()
    for words, way in (([], "change it"), (["--remove"], "take it out")):
        assert run("cursor", *words) == 2
        shown = capsys.readouterr().err
        assert "not put in by this command" in shown
        assert '"command": "old"' in shown
        assert f"--replace to {way} all the same" in shown
        assert "SECRET" not in shown
        assert file.read_bytes() == before
    assert run("cursor", "--replace", "--env", "IMAGEWRIGHT_WAIT=20") == 0
    entry = holds(client, file)["mcpServers"][NAME]
    assert entry["x"] == 1
    assert entry["env"] == {"FAL_KEY": "SECRET", "IMAGEWRIGHT_WAIT": "20"}
    assert entry["command"] == launch_command()[0]
    assert run("cursor", "--remove") == 0
    assert holds(client, file) == {"mcpServers": {}}


@pytest.mark.parametrize("first", [["connect"], []], ids=["connected first", "never connected"])
def test_an_entry_like_ours_counts_as_ours(first: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    program, *words = launch_command()
    content = f"[mcp_servers.{NAME}]\ncommand = {json.dumps(program)}\n" + (f"args = {words}\n" if words else "")
    _, file = installed("codex", content)  # as `codex mcp add` writes it
    if first:
        assert run("codex") == 0
        assert "already connected" in capsys.readouterr().out
        assert file.read_text(encoding="utf-8") == content
    assert run("codex", "--remove") == 0
    assert file.read_text(encoding="utf-8") == ""


def test_a_field_that_the_user_adds_to_our_entry_stays(capsys: pytest.CaptureFixture[str]) -> None:
    client, file = installed("windsurf")
    assert run("windsurf") == 0
    text = file.read_text(encoding="utf-8").replace('"args"', '"disabled": false,\n      "args"')
    file.write_text(text, encoding="utf-8")
    assert run("windsurf", "--provider", "offline") == 0
    entry = holds(client, file)["mcpServers"][NAME]
    assert entry["disabled"] is False
    assert entry["args"][-2:] == ["--provider", "offline"]
    assert "changed in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["curser"], "did you mean 'cursor'?"),
        (["cursor", "--env", "KIE_API_KEY"], "--env wants NAME=VALUE"),
        (["cursor", "--env", "KIE_API_KEY=your-key"], "placeholder"),
        (["cursor", "--env", "IMAGEWRIGHT_WAIT=soon"], "IMAGEWRIGHT_WAIT"),
        (["cursor", "--tools", "qwem"], "did you mean 'qwen'?"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_written(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, file = installed("cursor")
    assert run(*words) == 2
    assert sentence in capsys.readouterr().err
    assert not file.exists()


def test_keys_stay_out_of_the_file_and_off_the_screen(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, file = installed("cursor")
    monkeypatch.setenv("KIE_API_KEY", KEY)
    assert run("cursor") == 0
    shown = capsys.readouterr().out
    assert "offline drafts" in shown
    assert "KIE_API_KEY and IMAGEWRIGHT_HOME are set in this shell; Cursor gets them at most where" in shown
    assert KEY not in file.read_text(encoding="utf-8")
    keys = home / "keys.toml"
    keys.write_text(f'FAL_KEY = "{KEY}"\n', encoding="utf-8")
    keys.chmod(0o600)
    assert run("cursor", "--env", f"IMAGEWRIGHT_HOME={home}") == 0
    shown = capsys.readouterr().out
    assert f"fal from {keys} (FAL_KEY)" in shown
    assert "KIE_API_KEY is set in this shell; Cursor gets it" in shown
    for words in (["--dry-run"], [], ["--dry-run", "--remove"]):
        assert run("cursor", "--env", f"KIE_API_KEY={KEY}", *words) == 0
    assert KEY in file.read_text(encoding="utf-8")
    assert KEY not in "".join(capsys.readouterr())


OTHERS_KEYS = {
    "cursor": '{"mcpServers": {"a": {"command": "npx", "env": {"PEM": "---KEY---\\nSECRET12+/"}, "x": "SECRET12"}}}',
    "windsurf": '{\n  "mcpServers": {\n    "a": {"headers": {"Authorization": "Bearer SECRET12"}}\n  }\n}\n',
    "codex": "[mcp_servers.a]\ncommand = 'npx'\n[mcp_servers.a.env]\nKEY = 'SECRET12'\n",
    "goose": "extensions: {}\nAPI: Bearer SECRET12\n",
}
"""Files with the keys of other servers so near that the lines of a difference hold them."""


@pytest.mark.parametrize("name", OTHERS_KEYS)
def test_a_difference_does_not_show_the_keys_of_other_servers(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    installed(name, OTHERS_KEYS[name])
    for words in ([], ["--remove"]):
        assert run(name, "--dry-run", *words) == 0
        shown = "".join(capsys.readouterr())
        assert "SECRET12" not in shown
        assert launch_command()[0] in shown
        assert run(name) == 0
        capsys.readouterr()


def test_of_a_long_line_only_what_changes_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    content = {"a": ["x y"] * 9_000, "mcpServers": {"web": {"url": "u"}}, "b": ["x y"] * 9_000}
    installed("claude-code", json.dumps(content))
    for words in ([], ["--remove"]):
        assert run("claude-code", "--dry-run", *words) == 0
        shown = capsys.readouterr().out
        assert f'{json.dumps(NAME)}: {{"type": "stdio", "command": {json.dumps(launch_command()[0])}' in shown
        assert [line[0] for line in shown.splitlines()] == [*"-+@-+"]
        assert len(shown) < 3_000
        assert run("claude-code") == 0
        capsys.readouterr()


def test_one_that_fails_does_not_keep_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    installed("cursor")
    installed("codex", "a = ")
    assert run("codex", "cursor", "codex") == 2
    shown = capsys.readouterr()
    assert shown.err.count("it is no TOML") == 1
    assert "Cursor: connected" in shown.out
    assert main(["connect"]) == 0
    states = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert [
        word in states[name] for name, word in (("cursor", "connected"), ("codex", "unreadable"), ("zed", "not found"))
    ] == [True] * 3


def test_comments_in_a_file_of_plain_json_are_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    installed("claude-desktop", "{} // mine\n")
    assert run("claude-desktop") == 0
    assert "Claude Desktop may not read them" in capsys.readouterr().out


def test_without_what_reads_yaml_goose_is_connected_by_hand(
    spawn: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    client, file = installed("goose", "a: 1\n")
    without = "import sys; sys.modules['yaml'] = None; from imagewright.cli.main import main; sys.exit(main({}))"
    done = spawn("-c", without.format(["connect", "goose"]))
    assert done.returncode == 2
    assert "what reads YAML is not installed; install it with:" in done.stderr
    assert "[goose]" in done.stderr
    assert edit.block(client, client.entry(launch_command(), [], {})) in done.stderr
    assert file.read_text(encoding="utf-8") == "a: 1\n"


def test_broken_notes_are_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, file = installed("cursor")
    note = edit.note_file(home / NOTES, file)
    note.parent.mkdir(parents=True)
    note.write_text("[]", encoding="utf-8")
    assert run("cursor") == 2
    assert f"{note}: cannot be read" in capsys.readouterr().err
    assert not file.exists()


@pytest.mark.parametrize(
    ("name", "system", "folders", "variables", "expected"),
    [
        ("claude-desktop", "macos", [], {}, "Library/Application Support/Claude/claude_desktop_config.json"),
        ("claude-desktop", "windows", [], {"APPDATA": "R", "LOCALAPPDATA": "L"}, "R/Claude/claude_desktop_config.json"),
        (
            "claude-desktop",
            "windows",
            ["L/Packages/Claude_pzs8sxrjxfjjc", "L/Packages/Other_1", "R/Claude"],
            {"APPDATA": "R", "LOCALAPPDATA": "L"},
            "L/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json",
        ),
        (
            "claude-desktop",
            "windows",
            ["L/Packages/Claude_a", "L/Packages/Claude_b/LocalCache/Roaming/Claude/claude_desktop_config.json"],
            {"APPDATA": "R", "LOCALAPPDATA": "L"},
            "L/Packages/Claude_b/LocalCache/Roaming/Claude/claude_desktop_config.json",
        ),
        ("claude-code", "linux", [], {"CLAUDE_CONFIG_DIR": "c"}, "c/.claude.json"),
        ("vscode", "macos", [], {}, "Library/Application Support/Code/User/mcp.json"),
        ("vscode", "windows", [], {"APPDATA": "R"}, "R/Code/User/mcp.json"),
        ("zed", "linux", [], {"XDG_CONFIG_HOME": "x"}, "x/zed/settings.json"),
        ("zed", "windows", [], {"APPDATA": "R"}, "R/Zed/settings.json"),
        ("codex", "windows", [], {"CODEX_HOME": "x"}, "x/config.toml"),
        ("goose", "windows", [], {"APPDATA": "R"}, "R/Block/goose/config/config.yaml"),
        ("gemini-cli", "macos", [], {}, ".gemini/settings.json"),
    ],
)
def test_each_system_has_its_places(
    name: str,
    system: System,
    *,
    folders: list[str],
    variables: dict[str, str],
    expected: str,
    tmp_path: Path,
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    environment = {variable: str(tmp_path / value) for variable, value in variables.items()}
    found = locate(clients()[name], Surroundings(system, tmp_path, environment, tmp_path), project=False)
    assert found.file == tmp_path / expected
    assert (found.missing is None) is found.file.parent.is_dir()
    found.file.parent.mkdir(parents=True, exist_ok=True)
    found.file.touch()
    again = locate(clients()[name], Surroundings(system, tmp_path, environment, tmp_path), project=False)
    assert again.file == found.file
    if not clients()[name].signs:
        assert again.missing is None


def test_a_place_that_cannot_be_known_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="set one of APPDATA"):
        locate(clients()["goose"], Surroundings("windows", tmp_path, {}, tmp_path), project=False)


def test_a_link_holds_what_the_file_would(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--links", "--disable", "qwen") == 0
    lines = capsys.readouterr().out.splitlines()
    pairs = [line.removeprefix("- [").removesuffix(")").partition("](") for line in lines]
    found = {text: link for text, _, link in pairs}
    assert list(found) == ["Cursor", "VS Code", "VS Code Insiders"]
    wanted = clients()["cursor"].entry(launch_command(), ["--disable", "qwen"], {})
    cursor = urlsplit(found["Cursor"])
    assert (cursor.scheme, cursor.netloc, cursor.path) == ("cursor", "anysphere.cursor-deeplink", "/mcp/install")
    query = parse_qs(cursor.query, strict_parsing=True)
    assert query["name"] == [NAME]
    assert json.loads(base64.b64decode(query["config"][0], validate=True)) == wanted
    for text, scheme in (("VS Code", "vscode"), ("VS Code Insiders", "vscode-insiders")):
        before, _, coded = found[text].partition("?")
        assert before == f"{scheme}:mcp/install"
        assert json.loads(unquote(coded)) == {"name": NAME, **wanted}


@pytest.mark.parametrize("client", clients().values(), ids=clients())
def test_the_page_says_the_same(client: Client) -> None:
    page = PAGE.read_text(encoding="utf-8")
    _, found, section = page.partition(f"\n## {client.title}\n")
    section = section.partition("\n## ")[0]
    assert found
    assert f"imagewright connect {client.name}\n" in section
    assert f"\n{edit.block(client, client.entry(['/full/path/to/imagewright'], [], {}))}```" in section
    for system, templates in client.user.items():
        usual = templates[-1]
        if system == "windows":
            usual = usual.replace("${", "%").replace("}", "%").replace("~", "%USERPROFILE%").replace("/", "\\")
        assert f"`{usual}`" in section
    assert (f"One project: `{client.project}`" in section) is bool(client.project)
