"""What pages say is so: their numbers are those of the code, and each provider has its line."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from imagewright.catalog.load import catalog, parse_row
from imagewright.cli.progress import CANCELLED, DONE, FAILED, OPEN, SOME
from imagewright.engine.sending import STALE_SECONDS
from imagewright.imaging.limiter import INPUT_MAX_PIXELS, MEGA
from imagewright.providers import KEY_VARIABLES
from imagewright.providers.base import PollPolicy
from imagewright.settings.table import HTTP_PATH, HTTP_PORT, REPLY_BUDGET, WAIT
from imagewright.surface.delivery import MOST_SESSIONS, WRITE_SECONDS
from imagewright.surface.http import BODY_SECONDS, IDLE_SECONDS, LONGEST_HEAD
from imagewright.surface.listening import HEAD_SECONDS, HOSTS, MOST_CONNECTIONS
from imagewright.surface.opening import LONGEST_LINE
from imagewright.surface.output import MOST_CHARACTERS
from imagewright.text import duration
from tests.support.pages import PAGES, ROOT, blocks

if TYPE_CHECKING:
    from pathlib import Path

INDEX = ROOT / "docs" / "README.md"


def text(page: str) -> str:
    """A page as one line."""
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


@pytest.mark.parametrize("provider", KEY_VARIABLES)
def test_each_provider_has_a_line_in_the_table_of_keys(provider: str) -> None:
    variables = " or ".join(f"`{variable}`" for variable in KEY_VARIABLES[provider]) or "none"
    assert f"| {variables} | " in text("docs/providers.md")


def test_the_numbers_about_jobs_are_those_of_the_code() -> None:
    ends = {DONE: "all pictures", FAILED: "it failed", CANCELLED: "it was cancelled", OPEN: "open", SOME: "some of the"}
    assert all(f"| {code} | {words}" in text("docs/command-line.md") for code, words in ends.items())
    assert (duration(PollPolicy().patience), duration(STALE_SECONDS)) == ("6 hours", "1 hour")
    assert (WAIT.default, REPLY_BUDGET.default) == (45, 700_000)
    for words in ("After six hours without an end a job is `stalled`", "for up to an hour", "longer than 45 seconds"):
        assert words in text("docs/jobs.md")
    assert "stays below 700 kB" in text("docs/results.md")


def test_the_bounds_of_the_server_over_http_are_those_of_the_code() -> None:
    page = text("docs/http.md")
    assert LONGEST_LINE == MOST_CHARACTERS, "the page names one bound for both"
    for line in (
        f"| {LONGEST_LINE >> 20} MiB, and so much for all that wait; it has to come within {BODY_SECONDS:.0f} s |",
        f"| {LONGEST_HEAD >> 10} KiB, within {HEAD_SECONDS:.0f} s |",
        f"| is hung up on after {WRITE_SECONDS:.0f} s |",
        f"| {MOST_CONNECTIONS:,}; beyond them the one ends",
        f"| {MOST_SESSIONS}; beyond them the one ends",
        f"`{HTTP_PORT.variable}`, `{HTTP_PORT.name}` | {HTTP_PORT.default};",
        f"`{HTTP_PATH.variable}`, `{HTTP_PATH.name}` | `{HTTP_PATH.default}` |",
        f"`localhost`, which is {' and '.join(f'`{address}`' for address in HOSTS['localhost'])};",
    ):
        assert line in page
    assert (IDLE_SECONDS, "and any after a day |" in page) == (24 * 3600, True)


def test_input_pictures_may_have_as_many_pixels_as_it_says() -> None:
    found = re.search(r"more than (\d+) megapixels are refused \(([^)]+)\)", text("docs/results.md"))
    assert found is not None
    fewer = {
        name: int(most) for names, most in re.findall(r"([\w\s]+?) (\d+)", found[2]) for name in names.lower().split()
    }
    limits = {form: fewer.get(form, int(found[1])) for form in INPUT_MAX_PIXELS}
    assert limits == {form: pixels // MEGA for form, pixels in INPUT_MAX_PIXELS.items()}


def test_the_row_of_the_example_is_one_and_an_eighth() -> None:
    (row, *_) = (block.text for block in blocks(ROOT / "docs" / "adding-a-model.md", "text"))
    words = tomllib.loads((ROOT / "server/imagewright/catalog/arguments.toml").read_text(encoding="utf-8"))
    raw = tomllib.loads(row)
    assert parse_row(f"{raw['tool']}.toml", raw, words).tool not in catalog()


def test_a_message_that_is_quoted_is_one_of_ours() -> None:
    quoted = re.findall(
        r"^\|[^|\n]*\"([^\"|]+)\"[^|\n]*\|", (ROOT / "docs" / "troubleshooting.md").read_text("utf-8"), re.MULTILINE
    )
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "server").rglob("*.py"))
    assert len(quoted) >= 4
    assert [words for words in quoted if words.removesuffix(" ...") not in sources] == []


def test_every_page_is_in_the_index() -> None:
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", INDEX.read_text(encoding="utf-8")))
    assert listed == {page.name for page in PAGES if page.parent == INDEX.parent and page != INDEX}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_link_into_a_page_leads_to_a_heading(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([\w./-]*\.md)?#([\w-]+)\)", page.read_text(encoding="utf-8")):
        there = page.parent / target if target else page
        headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert heading in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


def test_every_picture_is_small_and_shown_on_a_page() -> None:
    shown = {name for page in PAGES for name in re.findall(r"images/([\w-]+\.\w+)\)", page.read_text(encoding="utf-8"))}
    sizes = {file.name: file.stat().st_size for file in (ROOT / "docs" / "images").iterdir()}
    assert shown == set(sizes)
    assert max(sizes.values()) < 200_000
