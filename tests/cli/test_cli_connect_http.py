"""`imagewright connect CLIENT --http`: an entry that reaches the server over HTTP, and back to one that is started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.cli.connect import NAME, Client, clients, edit
from imagewright.settings.keys import read_token
from tests.support.connecting import holds, installed, place, run

if TYPE_CHECKING:
    from imagewright.cli.connect import Remote

pytestmark = pytest.mark.usefixtures("computer")
REACHING = [(one, one.http) for one in clients().values() if one.http is not None]
IDS = [one.name for one, _ in REACHING]
URL = "http://127.0.0.1:8642/mcp"


def entry(client: Client, file: Path) -> dict[str, Any]:
    found: dict[str, Any] = holds(client, file)[client.section][NAME]
    return found


@pytest.mark.parametrize(("client", "http"), REACHING, ids=IDS)
def test_an_entry_has_the_address_and_the_token_and_can_change_its_form(
    client: Client, http: Remote, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, file = installed(client.name)
    assert run(client.name) == 0
    started = entry(client, file)
    assert run(client.name, "--http") == 0
    token = read_token(home / "http-token")
    wanted = {**http.always, http.url: URL, http.headers: {"Authorization": f"Bearer {token}"}}
    assert entry(client, file) == wanted
    shown = capsys.readouterr()
    assert token not in shown.out + shown.err
    assert URL in shown.out
    assert "imagewright serve --http" in shown.out
    assert run(client.name, "--http") == 0
    assert "already connected" in capsys.readouterr().out
    assert run(client.name) == 0
    assert entry(client, file) == started
    assert run(client.name, "--http") == 0
    assert run(client.name, "--remove") == 0
    assert not file.exists() or NAME not in holds(client, file).get(client.section, {})


@pytest.mark.parametrize(("client", "http"), REACHING, ids=IDS)
def test_what_else_stands_in_the_file_stays(client: Client, http: Remote) -> None:
    _, file = installed(client.name)
    text = edit.block(client, client.entry(["program"], [], {})).replace(NAME, "other")
    file.write_text(text, encoding="utf-8")
    before = holds(client, file)
    assert run(client.name, "--http") == 0
    assert http.url in entry(client, file)
    assert run(client.name) == 0
    assert run(client.name, "--remove") == 0
    assert holds(client, file) == before


@pytest.mark.skipif(os.name != "posix", reason="sets a file's mode")
@pytest.mark.parametrize(("mode", "is_told"), [(0o644, True), (0o640, True), (0o600, False)])
def test_who_else_can_read_the_token_is_said(capsys: pytest.CaptureFixture[str], mode: int, *, is_told: bool) -> None:
    _, file = installed("cursor", "{}")
    file.chmod(mode)
    assert run("cursor", "--http") == 0
    assert (f"chmod 600 '{file}'" in capsys.readouterr().out) is is_told
    assert run("cursor") == 0
    assert "chmod" not in capsys.readouterr().out


def test_headers_and_fields_of_the_users_own_stay(home: Path) -> None:
    client, file = installed(
        "cursor", '{"mcpServers": {"imagewright": {"url": "x", "headers": {"X-Mine": "1"}, "y": 2}}}'
    )
    assert run("cursor", "--http") == 2
    assert run("cursor", "--http", "--replace") == 0
    token = read_token(home / "http-token")
    assert entry(client, file) == {
        "url": URL,
        "headers": {"X-Mine": "1", "Authorization": f"Bearer {token}"},
        "y": 2,
    }


def test_port_path_and_token_are_those_that_are_set(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("IMAGEWRIGHT_HTTP_PORT", "4000")
    monkeypatch.setenv("IMAGEWRIGHT_HTTP_PATH", "/images")
    monkeypatch.setenv("IMAGEWRIGHT_HTTP_TOKEN", "a-token-of-my-own")
    client, file = installed("zed")
    assert run("zed", "--http") == 0
    assert entry(client, file)["url"] == "http://127.0.0.1:4000/images"
    assert entry(client, file)["headers"]["Authorization"] == "Bearer a-token-of-my-own"
    assert not (home / "http-token").exists()


def test_a_projects_file_gets_a_variable_and_no_token(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    for client, http in REACHING:
        if not client.project:
            continue
        able = bool(http.variable or http.token)
        assert run(client.name, "--http", "--scope", "project") == (0 if able else 2)
        shown = capsys.readouterr()
        if able:
            found = entry(client, Path(client.project))
            if http.token:
                assert found == {**http.always, http.url: URL, http.token: "IMAGEWRIGHT_HTTP_TOKEN"}
            else:
                assert "IMAGEWRIGHT_HTTP_TOKEN}" in found[http.headers]["Authorization"]
            assert "set it for both" in shown.out
            assert run(client.name, "--scope", "project") == 0
            started = entry(client, Path(client.project))
            assert not {http.url, http.headers, http.token} & started.keys()
        else:
            assert "may be shared" in shown.err
            assert not Path(client.project).exists()
    assert not (home / "http-token").exists()


def test_a_dry_run_makes_no_token_and_shows_none(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    installed("cursor")
    assert run("cursor", "--http", "--dry-run") == 0
    assert URL in capsys.readouterr().out
    assert not (home / "http-token").exists()
    assert run("cursor", "--http") == 0
    token = read_token(home / "http-token")
    assert run("cursor", "--remove") == 0
    capsys.readouterr()
    assert run("cursor", "--http", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert URL in shown
    assert token not in shown


@pytest.mark.parametrize(
    ("words", "variables", "sentence"),
    [
        (["claude-desktop", "--http"], {}, "takes only servers that it starts itself"),
        (["cursor", "--http", "--env", "A=b"], {}, "leave out the other options"),
        (["cursor", "--http", "--tools", "qwen"], {}, "leave out the other options"),
        (["--http", "--links"], {}, "leave out the other options"),
        (["cursor", "--http"], {"IMAGEWRIGHT_HTTP_PORT": "0"}, "a port that stays the same"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    words: list[str],
    variables: dict[str, str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("claude-desktop", "cursor"):
        installed(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert run(*words) == 2
    assert sentence in capsys.readouterr().err
    assert not any(place(clients()[name]).exists() for name in ("claude-desktop", "cursor"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_token_that_cannot_be_written_stops_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir(parents=True)
    home.chmod(0o500)
    installed("cursor")
    assert run("cursor", "--http") == 2
    assert "cannot be written" in capsys.readouterr().err
