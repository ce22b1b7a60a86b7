"""The written schemas are the served ones, and every way for a file to be out of date is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import imagewright
from imagewright.catalog.facts import END, START, capability_table
from imagewright.catalog.load import catalog
from imagewright.catalog.row import verb
from imagewright.cli.commands.schemas import (
    KEYS,
    PARTS,
    PROVIDERS,
    SETTINGS,
    checkout,
    key_tables,
    provider_table,
    settings_tables,
)
from imagewright.cli.main import main
from imagewright.cli.pages import GENERATED, markers
from imagewright.engine.config import all_paces, all_routes
from imagewright.engine.offer import tool_names
from imagewright.providers import KEY_VARIABLES, OTHER_HOSTS
from imagewright.settings.sources import example

FIRST, LAST = PROVIDERS
BEGIN, FINISH = SETTINGS
TOP, BOTTOM = KEYS
PROJECT = '[project]\nname = "imagewright"\n'
README = f"# Imagewright\n\n{START}\nold\n{END}\n\nMore.\n"
SETTINGS_PAGE = f"# Settings\n\n{BEGIN}\n{FINISH}\n\nMore.\n"
PROVIDERS_PAGE = f"# Keys\n\n{FIRST}\n{LAST}\n\n{TOP}\n{BOTTOM}\n\nMore.\n"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "schemas"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, with a folder of it as the working directory."""
    folder = tmp_path / "checkout"
    (folder / "server").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (folder / "README.md").write_text(README, encoding="utf-8")
    (folder / "docs").mkdir()
    (folder / "docs" / "settings.md").write_text(SETTINGS_PAGE, encoding="utf-8")
    (folder / "docs" / "providers.md").write_text(PROVIDERS_PAGE, encoding="utf-8")
    for name in GENERATED:
        (folder / "docs" / f"{name}.md").write_text("\n".join(markers(name)), encoding="utf-8")
    monkeypatch.chdir(folder / "server")
    return folder


def test_every_tool_is_written_whole_whatever_is_switched_off(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMAGEWRIGHT_DISABLE", next(iter(catalog())))
    assert main(["schemas", "--out", str(out)]) == 0
    files = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in out.iterdir()}
    assert set(files) == set(tool_names())
    assert capsys.readouterr().out.splitlines() == [f"{out / name}.json: written" for name in tool_names()]
    for name, content in files.items():
        assert tuple(content) == PARTS
        assert content["name"] == name
    assert all(b"\r" not in file.read_bytes() and file.read_bytes().endswith(b"}\n") for file in out.iterdir())


def test_writing_again_changes_nothing(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["schemas", "--out", str(out)])
    before = {file: file.stat().st_mtime_ns for file in out.iterdir()}
    capsys.readouterr()
    assert main(["schemas", "--out", str(out)]) == 0
    assert "nothing to write" in capsys.readouterr().out
    assert {file: file.stat().st_mtime_ns for file in out.iterdir()} == before
    assert main(["schemas", "--out", str(out), "--check"]) == 0


def test_check_names_what_differs_is_missing_or_stray_and_writes_nothing(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["schemas", "--out", str(out)])
    differs, missing, *_ = (out / f"{name}.json" for name in tool_names())
    stray = out / "nosuch.json"
    differs.write_text(differs.read_text(encoding="utf-8").replace("description", "words", 1), encoding="utf-8")
    missing.unlink()
    stray.write_text("{}", encoding="utf-8")
    capsys.readouterr()
    assert main(["schemas", "--out", str(out), "--check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == sorted([f"{differs}: differs", f"{missing}: missing", f"{stray}: stray"])
    assert not missing.exists()

    assert main(["schemas", "--out", str(out)]) == 0
    assert f"{stray}: belongs to no tool" in capsys.readouterr().out
    assert stray.exists()
    stray.unlink()
    assert main(["schemas", "--out", str(out), "--check"]) == 0


def test_line_ends_of_a_windows_checkout_are_no_difference(out: Path) -> None:
    main(["schemas", "--out", str(out)])
    for file in out.iterdir():
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert main(["schemas", "--out", str(out), "--check"]) == 0


def test_in_a_checkout_the_tables_of_the_documents_are_looked_after_too(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schemas", "--check"]) == 1
    shown = capsys.readouterr().out
    assert f"{project / 'README.md'}: differs" in shown
    assert f"{project / 'docs' / 'settings.md'}: differs" in shown
    assert f"{project / 'docs' / 'config.example.toml'}: missing" in shown
    assert main(["schemas"]) == 0
    tables = settings_tables(KEY_VARIABLES, OTHER_HOSTS)
    text = (project / "docs" / "settings.md").read_text(encoding="utf-8")
    assert text == f"# Settings\n\n{BEGIN}\n{tables}\n{FINISH}\n\nMore.\n"
    assert (project / "docs" / "config.example.toml").read_text(encoding="utf-8") == example()
    text = (project / "docs" / "providers.md").read_text(encoding="utf-8")
    served, offered = provider_table(all_routes()), key_tables(all_routes(), all_paces())
    assert text == f"# Keys\n\n{FIRST}\n{served}\n{LAST}\n\n{TOP}\n{offered}\n{BOTTOM}\n\nMore.\n"
    text = (project / "README.md").read_text(encoding="utf-8")
    assert text == f"# Imagewright\n\n{START}\n{capability_table(catalog().values())}\n{END}\n\nMore.\n"
    for name, made in GENERATED.items():
        start, end = markers(name)
        assert (project / "docs" / f"{name}.md").read_text(encoding="utf-8") == f"{start}\n{made()}\n{end}"
    assert (project / "tool_schemas").is_dir()
    assert main(["schemas", "--check"]) == 0


def test_another_folder_leaves_the_readme_alone(project: Path, tmp_path: Path) -> None:
    assert main(["schemas", "--out", str(tmp_path / "copy")]) == 0
    assert (project / "README.md").read_text(encoding="utf-8") == README
    assert (project / "docs" / "settings.md").read_text(encoding="utf-8") == SETTINGS_PAGE
    assert not (project / "tool_schemas").exists()


@pytest.mark.parametrize("marker", [START, END, FIRST, LAST, BEGIN, FINISH, TOP, BOTTOM, *markers("tools")])
def test_a_document_without_one_of_its_markers_is_an_error(
    marker: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (project / "README.md", *(project / "docs").iterdir()):
        file.write_text(file.read_text(encoding="utf-8").replace(marker, ""), encoding="utf-8")
    assert main(["schemas"]) == 1
    assert marker in capsys.readouterr().err


def test_the_table_of_providers_says_yes_exactly_where_there_is_a_route() -> None:
    head, _, *lines = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in provider_table(all_routes()).split("\n")
    ]
    assert head == ["tool", "operation", *KEY_VARIABLES]
    message = {(line[0], line[1], who) for line in lines for who, cell in zip(head, line, strict=True) if cell == "yes"}
    assert message == {(route.tool, verb(route.operation), route.provider) for route in all_routes()}
    assert {(line[0], line[1]) for line in lines} == {
        (row.tool, verb(name)) for row in catalog().values() for name in row.operations
    }
    assert all(cell in {"yes", "no"} for line in lines for cell in line[2:])


def test_somebody_else_s_project_is_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "other"\n', encoding="utf-8")
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    assert checkout(tmp_path) is None
    monkeypatch.chdir(tmp_path)
    assert main(["schemas"]) == 0
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == README


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("", encoding="utf-8")
    assert main(["schemas", "--out", str(in_the_way / "deeper")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_the_committed_schemas_and_table_are_current(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = checkout(Path(imagewright.__file__).parent)
    if home is None:
        pytest.skip("not run from a checkout")
    monkeypatch.chdir(home)
    assert main(["schemas", "--check"]) == 0, capsys.readouterr().out
