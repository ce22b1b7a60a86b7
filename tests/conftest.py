"""Every test starts with an empty environment and a home of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

KEPT_VARIABLES = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LANG")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty IMAGEWRIGHT_HOME; no key, no setting and no real user folder is in sight."""
    for variable in list(os.environ):
        if variable not in KEPT_VARIABLES and not variable.startswith("PYTEST"):
            monkeypatch.delenv(variable)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.setenv("IMAGEWRIGHT_HOME", str(folder / "imagewright"))
    return folder / "imagewright"


@pytest.fixture
def anyio_backend() -> str:
    """The event loop the SDK's stdio transport runs on."""
    return "asyncio"
