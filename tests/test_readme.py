"""What the README says is so: its numbers, its examples and what it leaves to other pages.

Its commands and blocks are run by `tests/docs/test_blocks.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from imagewright.cli.progress import CANCELLED, FAILED, OPEN, SOME
from imagewright.engine.sending import STALE_SECONDS
from imagewright.imaging.limiter import INPUT_MAX_PIXELS, MEGA
from imagewright.providers import KEY_VARIABLES
from imagewright.providers.base import PollPolicy
from imagewright.settings.sources import read_config
from imagewright.settings.table import NAMES
from imagewright.text import duration
from tests.support.pages import ROOT, blocks

if TYPE_CHECKING:
    from pathlib import Path

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_the_examples_of_the_configuration_show_what_most_people_set(tmp_path: Path) -> None:
    unset = set(NAMES)
    for example in blocks(README, "toml"):
        (tmp_path / "config.toml").write_text(example.text, encoding="utf-8")
        unset -= {one.name for one in read_config(tmp_path / "config.toml")}
    assert unset == {
        "reply_budget",
        "keep_metadata",
        "lease",
        "cutout_model",
        "allow_hosts",
        "tools.allow",
        "budget.per_month",
        "log",
        "log_prompts",
        "rates",
    }, "docs/config.example.toml has every line"


@pytest.mark.parametrize("provider", KEY_VARIABLES)
def test_each_provider_has_a_line_in_the_table_of_keys(provider: str) -> None:
    variables = " or ".join(f"`{variable}`" for variable in KEY_VARIABLES[provider]) or "none"
    assert f"\n| {variables} | " in TEXT


def test_the_numbers_about_jobs_are_those_of_the_code() -> None:
    ends = {FAILED: "failed", CANCELLED: "cancelled", OPEN: "open", SOME: "some of the pictures"}
    numbers = [f"{code} for {words}" for code, words in ends.items()]
    assert (duration(PollPolicy().patience), duration(STALE_SECONDS)) == ("6 hours", "1 hour")
    for words in (*numbers, "After six hours without an end a job is `stalled`", "for up to an hour"):
        assert words in " ".join(TEXT.split())


def test_input_pictures_may_have_as_many_pixels_as_it_says() -> None:
    found = re.search(r"more than (\d+) megapixels are refused \(([^)]+)\)", TEXT)
    assert found is not None
    fewer = {
        name: int(most) for names, most in re.findall(r"([\w\s]+?) (\d+)", found[2]) for name in names.lower().split()
    }
    limits = {form: fewer.get(form, int(found[1])) for form in INPUT_MAX_PIXELS}
    assert limits == {form: pixels // MEGA for form, pixels in INPUT_MAX_PIXELS.items()}
