"""The protocol's own suite for servers: what it requires, what it found, and what was expected.

A requirement set is frozen with its revision of the protocol: https://github.com/modelcontextprotocol/conformance.
"""

from __future__ import annotations

import json
import re
import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import anyio.to_thread
import yaml  # type: ignore[import-untyped,unused-ignore] # its stubs are a package more

from tests.conformance.entry import serving
from tests.support.official_tools import run_tool, tool_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REVISIONS = ("2025-11-25", "2026-07-28")
"""Of the protocol; each has its requirement set."""
REQUIREMENTS = "node_modules/@modelcontextprotocol/conformance/requirements"
FOLDER = re.compile(r"server-(.+)-\d{4}-\d\d-\d\dT.*")
"""Where the suite puts what it found about a scenario, and when."""
SEVERITY = ("FAILURE", "WARNING", "SUCCESS", "SKIPPED", "INFO")
"""What a check can say, the worst first."""
BAD = SEVERITY[:2]
WIRE = "wire-schema-valid"
"""The check that every message fits the protocol's schema; each scenario has it besides its own."""
NO_TOOL = "there is no tool "
"""In our reply to a call of a tool that is not there: it is text and an error, as a few scenarios want it."""
SCENARIO_MS = 30_000
"""How long one scenario may take; the longest takes three seconds where nothing else is going on."""


class Check(NamedTuple):
    """What the suite says of one requirement."""

    status: str
    """One of `SEVERITY`; of several checks of one name the worst."""
    message: str
    """What is wrong; empty where nothing is."""


Report = dict[str, dict[str, Check]]
"""By scenario, its checks by name."""


class Known(NamedTuple):
    """Scenarios of which something is known beforehand: an entry of baseline.toml."""

    what: str
    why: str
    scenarios: Mapping[str, list[str]]
    """By revision: `scenario`, or `scenario:check` where only that check is meant."""


class Baseline(NamedTuple):
    """What is known beforehand."""

    not_offered: list[Known]
    """These fail."""
    weak: list[Known]
    """These pass and show little of the product."""

    def why_not(self, revision: str) -> dict[str, Known]:
        """What is expected to fail, by its name in baseline.toml."""
        return {name: one for one in self.not_offered for name in one.scenarios.get(revision, ())}

    def weakly(self, revision: str) -> dict[str, Known]:
        """What passes but shows little."""
        return {name: one for one in self.weak for name in one.scenarios.get(revision, ())}


def baseline() -> Baseline:
    """As it stands in the file beside this one."""
    found = tomllib.loads(Path(__file__).with_name("baseline.toml").read_text(encoding="utf-8"))
    return Baseline(*([Known(**entry) for entry in found[part]] for part in Baseline._fields))


def required(revision: str) -> set[str]:
    """The scenarios for servers that the suite runs for a revision."""
    file = tool_folder("conformance") / REQUIREMENTS / f"{revision}.yaml"
    found = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {*found["server"], *(one["scenario"] for one in found["not_scored"] if one["leg"] == "server")}


def run_suite(home: Path) -> dict[str, Report]:
    """What the suite says of our server, by revision. Both parts of it speak to one server at the same time."""
    for tool in ("conformance", "node"):
        tool_folder(tool)
    return anyio.run(_run_suite, home)


async def _run_suite(home: Path) -> dict[str, Report]:
    found: dict[str, Report] = {}

    async def run(revision: str) -> None:
        found[revision] = await anyio.to_thread.run_sync(partial(_judge, url, revision, home / revision))

    async with serving(home / "imagewright") as url, anyio.create_task_group() as group:
        for revision in REVISIONS:
            group.start_soon(run, revision)
    return found


def _judge(url: str, revision: str, home: Path) -> Report:
    arguments = ("server", "--url", url, "--requirements", revision, "--timeout", str(SCENARIO_MS))
    done = run_tool("conformance", *arguments, "--output-dir", home / "results", home=home)
    report = {
        named[1]: collapsed(json.loads(file.read_text(encoding="utf-8")))
        for file in (home / "results").glob("*/checks.json")
        if (named := FOLDER.fullmatch(file.parent.name))
    }
    assert report, f"the suite has ended with {done.returncode}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
    return report


def collapsed(checks: list[dict[str, Any]]) -> dict[str, Check]:
    """A scenario's checks as the suite writes them, by name. The refusal of a tool that is not there is no pass."""
    found: dict[str, Check] = {}
    for one in checks:
        check = Check(one["status"], one.get("errorMessage") or "")
        if check.status == "SUCCESS" and NO_TOOL in json.dumps(one.get("details")):
            check = Check("FAILURE", "passes only because there is no such tool")
        found[one["id"]] = min(found.get(one["id"], check), check, key=lambda known: SEVERITY.index(known.status))
    return found


def surprises(report: Report, revision: str, known: Baseline, names: set[str]) -> dict[str, str]:
    """What is not as expected, by `scenario` or `scenario:check`.

    Args:
        report: what the suite said.
        revision: of which requirement set.
        known: what is known beforehand.
        names: the scenarios of that set.
    """
    return dict(_surprises(report, known.why_not(revision), known.weakly(revision), names))


def _surprises(
    report: Report, why_not: dict[str, Known], weakly: dict[str, Known], names: set[str]
) -> Iterator[tuple[str, str]]:
    for name in sorted(names - {*report}):
        yield name, "did not run"
    used: set[str] = set()
    for scenario, checks in report.items():
        bad = {name: check for name, check in checks.items() if check.status in BAD}
        for name, check in bad.items():
            covering = {scenario, f"{scenario}:{name}"} & {*why_not}
            used |= covering
            if not covering:
                yield f"{scenario}:{name}", f"{check.status}: {check.message}"
        if not bad and scenario not in weakly and not any(_shows_something(name, one) for name, one in checks.items()):
            yield scenario, "passes without a check of its own, and is not named as weak"
    for name in sorted({*why_not} - used):
        yield name, "passes, and is named as not offered"
    for name in sorted(weakly):
        if name not in report or any(check.status in BAD for check in report[name].values()):
            yield name, "does not pass, and is named as weak"


def _shows_something(name: str, check: Check) -> bool:
    return name != WIRE and check.status == "SUCCESS"


def table(reports: Mapping[str, Report], known: Baseline) -> Iterator[str]:
    """The lines of a Markdown table: every scenario, and how it ended under each revision."""
    yield "| scenario | " + " | ".join(REVISIONS) + " | note |"
    yield "|---" * (len(REVISIONS) + 2) + "|"
    for scenario in sorted({name for report in reports.values() for name in report}):
        cells, notes = [], set()
        for revision in REVISIONS:
            cell, note = _cell(reports[revision].get(scenario), scenario, revision, known)
            cells.append(cell)
            notes |= note
        yield f"| {scenario} | {' | '.join(cells)} | {'; '.join(sorted(notes))} |"
    counts = [_counts(reports[revision], revision, known) for revision in REVISIONS]
    yield f"| all | {' | '.join(counts)} | |"


def _cell(checks: dict[str, Check] | None, scenario: str, revision: str, known: Baseline) -> tuple[str, set[str]]:
    if checks is None:
        return "", set()
    passed = sum(check.status == "SUCCESS" for check in checks.values())
    notes = {f"weak: {one.what}" for name, one in known.weakly(revision).items() if name == scenario}
    bad = {name: check for name, check in checks.items() if check.status in BAD}
    if not bad:
        return f"passes ({passed})", notes
    covered = {name: one for name, one in known.why_not(revision).items() if name.partition(":")[0] == scenario}
    if scenario in covered:
        return "not offered", {one.what for one in covered.values()}
    if all(f"{scenario}:{name}" in covered for name in bad):
        return f"passes ({passed}), {len(bad)} not offered", {one.what for one in covered.values()}
    return f"FAILS ({len(bad)} of {passed + len(bad)})", {check.message for check in bad.values()}


def _counts(report: Report, revision: str, known: Baseline) -> str:
    cells = [_cell(checks, scenario, revision, known)[0] for scenario, checks in report.items()]
    passing = sum(cell.startswith("passes") for cell in cells)
    checks = sum(check.status == "SUCCESS" for found in report.values() for check in found.values())
    not_offered = cells.count("not offered")
    return f"{passing} pass ({checks} checks), {not_offered} not offered, {len(cells) - passing - not_offered} fail"
