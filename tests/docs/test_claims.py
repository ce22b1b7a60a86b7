"""What pages say is so: their numbers are those of the code, and each provider has its line."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from imagewright.catalog.facts import LARGEST_CLASS, PIXELS_PER_K
from imagewright.catalog.load import catalog, parse_row
from imagewright.cli.calls import AT_ONCE as BATCH_AT_ONCE
from imagewright.cli.inputs import PATIENCE as PIPE_PATIENCE
from imagewright.cli.progress import CANCELLED, DONE, FAILED, OPEN, SOME
from imagewright.engine.inputs import INLINE_COPIES, INPUT_ROOM, WAIT_SECONDS
from imagewright.engine.job import BEYOND_ORDER
from imagewright.engine.run import LAST_ANSWER_SECONDS
from imagewright.engine.sending import STALE_SECONDS, UNREADABLE_SECONDS
from imagewright.imaging.limiter import INPUT_MAX_PIXELS, MEGA
from imagewright.net import CALLERS_LOOK_UPS, LOOK_UP_SECONDS
from imagewright.providers import KEY_VARIABLES
from imagewright.providers.base import PollPolicy
from imagewright.providers.bfl.provider import Bfl
from imagewright.providers.fal.provider import Fal
from imagewright.providers.http.courier import GO_SECONDS
from imagewright.providers.http.courier import IDLE_SECONDS as COURIER_IDLE_SECONDS
from imagewright.providers.kie.provider import Kie
from imagewright.providers.replicate.provider import Replicate
from imagewright.settings.keys import LONGEST_KEY
from imagewright.settings.table import HTTP_PATH, HTTP_PORT, REPLY_BUDGET, WAIT
from imagewright.storage.stores import LATELY
from imagewright.surface.delivery import MOST_SESSIONS, WRITE_SECONDS
from imagewright.surface.http import BODY_SECONDS, LONGEST_HEAD
from imagewright.surface.http import IDLE_SECONDS as SESSION_SECONDS
from imagewright.surface.listening import HEAD_SECONDS, HOSTS, MOST_CONNECTIONS
from imagewright.surface.opening import LONGEST_LINE
from imagewright.surface.output import MOST_CHARACTERS
from imagewright.text import byte_size, duration
from tests.support.each import each
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


LEAST_BEYOND = round(BEYOND_ORDER * (LARGEST_CLASS * PIXELS_PER_K) ** 2 / MEGA)
NUMBERS = [
    ("docs/http.md", f"| the body of a request | {LONGEST_LINE >> 20} MiB, within {BODY_SECONDS:.0f} s |"),
    ("docs/http.md", f"| the bodies of all requests that wait for their answers | {MOST_CHARACTERS >> 20} MiB |"),
    ("docs/http.md", f"| the head of a request | {LONGEST_HEAD >> 10} KiB, within {HEAD_SECONDS:.0f} s |"),
    ("docs/http.md", f"| its connection is closed after {WRITE_SECONDS:.0f} s |"),
    ("docs/http.md", f"| connections | {MOST_CONNECTIONS:,}; beyond them,"),
    ("docs/http.md", f"| sessions | {MOST_SESSIONS}; beyond them,"),
    ("docs/http.md", f"each ends after {duration(SESSION_SECONDS)} without use |"),
    ("docs/http.md", f"`{HTTP_PORT.variable}`, `{HTTP_PORT.name}` | {HTTP_PORT.default};"),
    ("docs/http.md", f"`{HTTP_PATH.variable}`, `{HTTP_PATH.name}` | `{HTTP_PATH.default}` |"),
    ("docs/http.md", f"`localhost`, which is {' and '.join(f'`{address}`' for address in HOSTS['localhost'])};"),
    ("docs/jobs.md", f"Kie {duration(Kie.poll_policy.keeps)}, fal {duration(Fal.poll_policy.keeps)}, most"),
    ("docs/jobs.md", f"others {duration(PollPolicy().keeps)}, Replicate {duration(Replicate.poll_policy.keeps)},"),
    ("docs/jobs.md", f"BFL {duration(Bfl.poll_policy.keeps)}."),
    (
        "docs/courier.md",
        f"waited for up to {duration(UNREADABLE_SECONDS)}, or for {duration(LAST_ANSWER_SECONDS)} once",
    ),
    ("docs/courier.md", f"Without the word `go` within {GO_SECONDS:.0f} s nothing is sent"),
    ("docs/courier.md", f"or after {duration(COURIER_IDLE_SECONDS)} without a request"),
    ("docs/batches.md", f"At most {BATCH_AT_ONCE} calls run at a time"),
    ("docs/command-line.md", f"a pipe that stays silent for {duration(PIPE_PATIENCE)} is not waited for"),
    ("docs/keys.md", f"has more than {LONGEST_KEY} characters"),
    ("docs/storage.md", f"`imagewright doctor` names it for {duration(LATELY)}"),
    ("SECURITY.md", f"{CALLERS_LOOK_UPS} at once and {LOOK_UP_SECONDS:.0f} seconds each"),
    ("SECURITY.md", f"more than {BEYOND_ORDER} times the pixels of its order, and at least {LEAST_BEYOND} megapixels"),
    ("SECURITY.md", f"input pictures take {byte_size(INPUT_ROOM)} in all calls together"),
    ("SECURITY.md", f"for {duration(WAIT_SECONDS)} at most"),
    ("SECURITY.md", f"and counts for {INLINE_COPIES} times its pictures"),
    ("SECURITY.md", f"up to {LONGEST_LINE >> 20} MiB a line"),
]
"""Sentences with numbers of the code, by the page that they stand on."""


@each(NUMBERS)
def test_a_number_on_a_page_is_that_of_the_code(page: str, words: str) -> None:
    assert words in text(page)


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
