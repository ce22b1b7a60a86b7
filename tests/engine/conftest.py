"""What the engine's tests share."""

from __future__ import annotations

import pytest

from imagewright.storage.records import PictureRecord


@pytest.fixture(scope="session")
def a_picture() -> PictureRecord:
    """A record; its file does not exist."""
    return PictureRecord(
        id="img_a",
        key="pictures/a.png",
        bytes=1,
        tool="some_tool",
        operation="generate",
        provider="vendor",
        model="m",
        format="png",
        width=1,
        height=1,
    )
