"""The packages, built once for the tests of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from packages.build import main

if TYPE_CHECKING:
    from pathlib import Path

NAMESPACE = "com.example"
"""A domain that belongs to nobody, for documents (RFC 2606)."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that everything was built into."""
    out = tmp_path_factory.mktemp("packages")
    assert main(["--out", str(out), "--namespace", NAMESPACE]) == 0
    return out
