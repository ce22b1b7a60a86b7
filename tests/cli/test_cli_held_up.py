"""The command line while a vendor cannot be asked how a task stands: it says what is wrong and goes on waiting."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.cli.main import main
from imagewright.providers.kie.provider import Kie
from tests.emulators.kie import envelope
from tests.support.kill_runs import plain_route

if TYPE_CHECKING:
    from tests.emulators.kie import KieEmulator

WORDS = ["run", plain_route("kie").tool, "--prompt", "a red fox"]
NOTICE = (
    "kie did not accept the API key; the vendor says: 'no access [/key]'. The picture may be paid for already, so the "
    "job goes on"
)


@pytest.fixture(autouse=True)
def _trouble_once(kie: KieEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kie, "poll_policy", replace(Kie.poll_policy, first=0.01, longest=0.01))
    kie.seconds = 0.0
    kie.fail_next("poll", envelope(401, "no access [/key]"), times=2)


def test_it_is_reported_once_and_the_picture_arrives(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(WORDS) == 0
    shown = capsys.readouterr()
    assert shown.err.count(NOTICE) == 1
    assert "imagewright: job_" in shown.err
    assert Path(shown.out.splitlines()[0]).is_file()
    assert "API key" not in shown.out


def test_on_a_terminal_too(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(WORDS) == 0
    assert NOTICE in "\n".join(terminal.plain())
    assert "completed" in terminal.getvalue()
