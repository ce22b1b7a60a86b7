"""What judges reached: a file per run in `results/`, and the table of them in `README.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.request import set_name
from evals.score import share
from imagewright import __version__
from imagewright.catalog.facts import replace_between
from imagewright.text import markdown_table

if TYPE_CHECKING:
    from evals.score import Counts, Report

FOLDER = Path(__file__).parent / "results"
README = Path(__file__).parent / "README.md"
MARKERS = ("<!-- results: start -->", "<!-- results: end -->")
"""What the table stands between."""
HEADINGS = ("day", "judge", "asked by", "version", "requests", "right tool", "passes", "as asked", "paid in vain")


def record(report: Report, *, judge: str, day: str, how: str) -> dict[str, Any]:
    """A run as it is kept.

    Args:
        report: the verdicts.
        judge: who answered: a model by its full name, or a person.
        day: when, as YYYY-MM-DD.
        how: by what the questions were asked, such as "pages" or "Messages API".
    """
    whole = report.whole
    return {
        "judge": judge,
        "day": day,
        "how": how,
        "version": __version__,
        "requests": whole.requests,
        "set": set_name(one.request for one in report.verdicts),
        "figures": _figures(whole),
        "kinds": {kind: _figures(counts) for kind, counts in sorted(report.kinds.items())},
        "misses": {
            one.request.name: {
                "calls": [call.model_dump() for call in one.answer.calls] if one.answer else None,
                "faults": list(one.faults),
            }
            for one in report.misses
        },
    }


def _figures(counts: Counts) -> dict[str, Any]:
    return {
        "right tool": [counts.tool, counts.requests],
        "passes": [counts.passes, counts.calls],
        "as asked": [counts.asked, counts.conditions],
        "paid in vain": counts.paid,
    }


def save(name: str, data: dict[str, Any], folder: Path = FOLDER) -> Path:
    """Keep a run under a name."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.json"
    file.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def page(text: str, folder: Path = FOLDER) -> str:
    """The README with the table of all runs that are kept, the newest first."""
    runs = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    runs.sort(key=lambda run: (run["day"], run["judge"]), reverse=True)
    table = markdown_table(HEADINGS, map(_row, runs)) if runs else "None yet."
    return replace_between(text, *MARKERS, table)


def _row(run: dict[str, Any]) -> list[str]:
    figures = run["figures"]
    parts = [
        f"{some} of {of} ({100 * share(some, of):.1f} %)"
        for some, of in (figures[name] for name in ("right tool", "passes", "as asked"))
    ]
    requests = f"{run['requests']} (`{run['set']}`)"
    return [run["day"], run["judge"], run["how"], run["version"], requests, *parts, str(figures["paid in vain"])]
