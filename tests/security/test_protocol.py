"""Odd lines, odd openings, wrong fields and floods, each over a real server's standard input and output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.security.odd_lines import LINES, OPENINGS, Opening
from tests.security.protocol import (
    FLOODS,
    attack_with_fields,
    attack_with_lines,
    attack_with_opening,
    flood,
    server_in,
)
from tests.support.raw_client import ERAS

if TYPE_CHECKING:
    from pathlib import Path

FEW = 50
"""Lines of a flood here, of which the command sends thousands."""


@pytest.mark.parametrize("revision", ERAS)
def test_every_odd_line_is_answered_as_specified(revision: str, home: Path) -> None:
    assert len(LINES) > 100
    with server_in(home, revision) as client:
        assert [wrong for _, wrong in attack_with_lines(client) if wrong] == []
    assert not any("Traceback" in line for line in client.log)


@pytest.mark.parametrize("opening", OPENINGS, ids=[one.name for one in OPENINGS])
def test_every_odd_opening_is_answered_as_specified(opening: Opening, home: Path) -> None:
    assert attack_with_opening(home, opening) == ""


@pytest.mark.parametrize("revision", ERAS)
def test_every_wrong_field_is_refused_in_few_words(revision: str, home: Path) -> None:
    with server_in(home, revision) as client:
        wrongs = list(attack_with_fields(client))
    assert len(wrongs) > 1197
    assert [wrong for _, wrong in wrongs if wrong] == []
    assert client.log == []


@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("revision", ERAS)
def test_a_flood_has_all_its_answers_and_the_next_request_too(name: str, revision: str, home: Path) -> None:
    assert flood(home, revision, FLOODS[name], FEW).wrong == ""
