"""The table of clients is the one that the kept results make, and nothing in it is unexplained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.clients import shared
from tests.clients.results import PAGE, Cell, Result, faults, load_results, page_with, save_results, table
from tests.clients.rows import ABILITIES, DRIVERS, Client, Rows, load_rows
from tests.clients.stage import judged

if TYPE_CHECKING:
    from pathlib import Path

ROWS, RESULTS = load_rows(), load_results()
CLIENT = Client(title="one {one}", kind="python", packages=("one[extra]==1.0",), driver="one.py", own={"edit": "why"})
FINE = {ability: Cell(outcome="ok") for ability in ABILITIES}
FAILS = Cell(outcome="fails", detail="broken")


def rows(**changes: object) -> Rows:
    return Rows(clients={"one": CLIENT.model_copy(update=changes)}, reasons={"why": "it keeps no ids"})


def result(**cells: Cell) -> dict[str, Result]:
    return {"one": Result(packages=CLIENT.packages, day="2026-11-26", cells=FINE | cells)}


def test_the_page_shows_what_the_last_runs_found() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page_with(text, ROWS, RESULTS) == text


def test_whatever_fails_is_explained_and_every_reason_holds() -> None:
    assert [*faults(ROWS, RESULTS)] == []


def test_results_are_kept_as_they_are_written(tmp_path: Path) -> None:
    save_results(RESULTS, ROWS, tmp_path / "results.json")
    assert load_results(tmp_path / "results.json") == RESULTS


@pytest.mark.parametrize("name", ROWS.clients)
def test_a_row_has_a_driver_and_exact_versions(name: str) -> None:
    client = ROWS.clients[name]
    assert (DRIVERS / client.driver).is_file()
    assert all(package.strip("@").replace("==", "@").count("@") == 1 for package in client.packages)
    assert client.name != client.title, "it tells no version"


def test_every_driver_and_every_reason_is_used() -> None:
    files = {file.name for file in DRIVERS.iterdir() if file.suffix in {".py", ".mjs"}}
    assert {client.driver for client in ROWS.clients.values()} == {name for name in files if "common" not in name}
    assert set(ROWS.reasons) <= {text for client in ROWS.clients.values() for text in client.own.values()}


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (result(edit=FAILS), ""),
        (result(edit=FAILS, slow=FAILS), "one: slow fails: broken"),
        (result(edit=Cell(outcome="absent")), ""),
        (result(), "one: edit does not fail"),
        ({}, "one: it was never run"),
        (
            {"one": Result(packages=("one==0.9",), day="", cells=FINE | {"edit": FAILS})},
            "one: it was run with one==0.9",
        ),
        ({"one": Result(packages=CLIENT.packages, day="", cells={})}, "one: connect fails: its driver ended"),
    ],
)
def test_what_is_not_explained_is_a_fault(found: dict[str, Result], fault: str) -> None:
    faulty = [*faults(rows(), found)]
    assert bool(faulty) is bool(fault)
    assert not fault or faulty[0].startswith(fault)


def test_a_cell_says_what_came_of_it_and_reasons_stand_below() -> None:
    untried = Cell(outcome="untried", detail="it needs a screen")
    cells = {"edit": FAILS, "toggle": Cell(outcome="ok", note="next list"), "slow": FAILS, "price": untried}
    lines = table(rows(), result(**cells, cancel=Cell(outcome="absent"))).splitlines()
    shown = dict(zip(ABILITIES, [cell.strip() for cell in lines[2].split("|")[3:-1]], strict=True))
    assert lines[2].startswith("| one 1.0 | - |")
    assert {ability: text for ability, text in shown.items() if text != "ok"} == {
        "edit": "fails: client [1]",
        "cancel": "-",
        "price": "not tried [2]",
        "toggle": "ok (next list)",
        "slow": "FAILS",
    }
    assert lines[-2:] == ["1. it keeps no ids", "2. it needs a screen"]


def test_what_a_driver_shows_is_looked_at(tmp_path: Path) -> None:
    picture, other = tmp_path / "picture", tmp_path / "other"
    Image.new("RGB", (100, 80)).save(picture, "png")
    other.write_bytes(picture.read_bytes()[:60])
    pair = {"schema": {"type": "object", "required": ["id"]}, "value": {"id": 1}}
    lines = [
        {"ability": "picture", "outcome": "ok", "pictures": [str(picture)]},
        {"ability": "edit", "outcome": "ok", "pictures": [str(other)]},
        {"ability": "slow", "outcome": "ok", "pictures": [str(tmp_path / "missing")]},
        {"ability": "structured", "outcome": "ok", "structured": [pair]},
        {"ability": "cancel", "outcome": "fails", "detail": "img_0123456789abcdef at /home/me/a.png, guide://overview"},
        {"ability": "list", "outcome": "fails", "detail": "early"},
        {"ability": "list", "outcome": "ok", "structured": [pair | {"value": {}}]},
        {"ability": "juggle", "outcome": "ok"},
    ]
    cells = judged("\n".join(["noise", "{}", "3", *map(json.dumps, lines)]))
    assert {ability: cell.outcome for ability, cell in cells.items()} == {
        "picture": "ok",
        "edit": "fails",
        "slow": "fails",
        "structured": "ok",
        "cancel": "fails",
        "list": "fails",
    }
    assert "'id' is a required property" in cells["list"].detail


def test_over_http_each_has_to_do_all_of_it_and_to_hear_of_the_switch() -> None:
    fine = {ability: Cell(outcome="ok") for ability in shared.ABILITIES}
    relisted = fine | {"toggle": Cell(outcome="ok", note="next list")}
    assert [*shared.faults_of("one", fine)] == []
    assert [*shared.faults_of("one", relisted)] == ["one: it did not hear of the switch"]
    assert [*shared.faults_of("one", fine | {"list": FAILS})] == ["one: list fails over HTTP: broken"]
    assert len([*shared.faults_of("one", {})]) == len(shared.ABILITIES)


@pytest.mark.parametrize(("line", "is_ready"), [('{"ready": true}', True), ('{"ready": false}', False), ("[1]", False)])
def test_a_driver_says_that_it_listens(line: str, is_ready: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a column
    (tmp_path / "stdout.txt").write_text(f"noise\n{line}\n", encoding="utf-8")
    assert shared.is_ready(tmp_path) is is_ready
