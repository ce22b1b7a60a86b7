"""`models --ends` and `--check`, and the doctor: what will not be served much longer, by our data and the vendors'."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.cli.checks import check_ends
from imagewright.cli.main import main
from imagewright.engine.config import all_routes, provider_states
from imagewright.engine.offer import WARNED_DAYS, end_of, endings, make_offer
from imagewright.providers.base import EVERY_EDITION
from imagewright.settings.load import load_settings
from imagewright.settings.toggles import Toggles
from tests.emulators.openai import OpenAIEmulator
from tests.support.vendors import environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("importable", "home")
ROUTES = all_routes()
ENDING = sorted({(end, route.tool, route.edition) for route in ROUTES if (end := end_of(route))})


def _before(day: str, days: int) -> date:
    return date.fromordinal(date.fromisoformat(day).toordinal() - days)


@pytest.mark.parametrize(("end", "tool", "edition"), ENDING)
def test_an_end_is_told_from_sixty_days_before_and_not_sooner(end: str, tool: str, edition: str) -> None:
    for days, named in ((WARNED_DAYS + 1, False), (WARNED_DAYS, True), (1, True)):
        found = {(one.ends, one.tool, one.edition) for one in endings(ROUTES, _before(end, days))}
        assert ((end, tool, edition) in found) == named


def test_the_doctor_names_who_ends_and_what_to_take_instead() -> None:
    end, tool, edition = ENDING[0]
    today = _before(end, 1)
    states = provider_states(load_settings({}))
    offer = make_offer(Toggles(), ROUTES, states, today)
    found = {one.says: one.advice for one in check_ends(offer, today)}
    says, advice = next((says, advice) for says, advice in found.items() if says.startswith(f"{tool} {edition} ends"))
    assert end in says
    successor = catalog()[tool].editions[edition].successor
    assert (successor or "another model") in advice


def test_the_doctor_advises_an_edition_that_the_keys_in_use_reach() -> None:
    """GPT Image 2.6, which follows 1.5, is not at every provider that has 1.5."""
    end, tool, edition = next(
        (end, tool, edition) for end, tool, edition in ENDING if edition and catalog()[tool].editions[edition].successor
    )
    successor = catalog()[tool].editions[edition].successor
    reach = {route.provider for route in ROUTES if route.tool == tool and route.edition in (successor, EVERY_EDITION)}
    routes = [route for route in ROUTES if route.tool == tool and route.provider not in reach]
    today = _before(end, 1)
    offer = make_offer(Toggles(), routes, provider_states(load_settings({})), today)
    advice = next(one.advice for one in check_ends(offer, today) if one.says.startswith(f"{tool} {edition} ends"))
    taken = advice.split()[1]
    assert any(route.edition == taken and not end_of(route) for route in routes)
    assert f"its successor {successor} needs the key of another provider" in advice


def test_what_ends_is_printed_and_exits_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--ends"]) == 0
    text = capsys.readouterr().out
    assert main(["models", "--ends", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(one["ends"] in text for one in found)
    assert found or "Nothing that is built in ends" in text


def _asked(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = main(["models", "--check", "--json"])
    data = json.loads(capsys.readouterr().out)
    assert main(["models", "--check"]) == code
    return code, data, capsys.readouterr().out


def test_a_vendor_that_publishes_ends_is_asked_with_the_users_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    del home
    with OpenAIEmulator() as emulator:
        for name, value in environment({"openai": emulator}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("KIE_API_KEY", "k-0123456789")
        code, data, text = _asked(capsys)
        assert code == 0
        assert not emulator.charges
    known = {(route.provider, route.model): end_of(route) for route in ROUTES}
    assert data["publish_none"] == ["kie"]
    assert data["ends"]
    for one in data["ends"]:
        assert one["built_in"] == known[one["provider"], one["model"]]
        assert f"{one['model']} ends on {one['ends']}" in text
    assert "No ends are published by kie; " in text


def test_a_vendor_that_refuses_the_key_is_said_and_exits_with_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with OpenAIEmulator() as emulator:
        for name, value in environment({"openai": emulator}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-0123456789")
        code, data, text = _asked(capsys)
    assert code == 1
    assert data["ends"] == []
    assert "did not accept the API key" in data["not_asked"]["openai"]
    assert "openai: could not be asked" in text
    assert "sk-wrong" not in text
