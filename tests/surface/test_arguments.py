"""Arguments of the helper tools: taken where they can only mean one thing, refused in plain words where not."""

from __future__ import annotations

from typing import Any

import pytest

from imagewright.catalog.load import catalog
from imagewright.engine.check import read_arguments
from imagewright.errors import Refusal
from imagewright.surface.definitions import GALLERY_LIMIT, helper_arguments

KNOWN = helper_arguments(catalog().values())
MODEL = next(iter(catalog()))


@pytest.mark.parametrize(
    ("tool", "sent", "expected"),
    [
        ("image_gallery", {"limit": 3.0}, {"limit": 3}),
        ("image_gallery", {"limit": "3", "offset": " 2 "}, {"limit": 3, "offset": 2}),
        ("image_gallery", {"previews": "false"}, {"previews": False}),
        ("image_gallery", {"text": "", "model": "", "day": [], "parent": None, "limit": ""}, {}),
        ("image_gallery", {"model": f" {MODEL}"}, {"model": MODEL}),
        ("image_job", {"wait": "1.5"}, {"wait": 1.5}),
        ("image_job", {"job_id": "", "action": ""}, {}),
        ("image_gallery", {"model": "any", "day": "yesterday"}, {"day": "yesterday"}),
        ("image_job", {"job_id": "", "action": "wait", "wait": -1}, {}),
        ("image_guide", {"topic": ""}, {}),
    ],
)
def test_what_can_only_mean_one_thing_is_taken(tool: str, sent: dict[str, Any], expected: dict[str, Any]) -> None:
    plain = read_arguments(KNOWN[tool], {})
    found = read_arguments(KNOWN[tool], sent)
    assert found == plain | expected
    assert {type(value) for value in found.values()} <= {type(value) for value in (plain | expected).values()}


@pytest.mark.parametrize(
    ("tool", "sent", "refused"),
    [
        ("image_gallery", {"limit": 2.5}, "limit: must be a whole number"),
        ("image_gallery", {"limit": True}, "limit: must be a whole number"),
        ("image_gallery", {"limit": GALLERY_LIMIT + 1.0}, f"limit: 51 is above the maximum {GALLERY_LIMIT}"),
        ("image_gallery", {"previews": "maybe"}, "previews: must be true or false"),
        ("image_gallery", {"text": 5}, "text: must be a text"),
        ("image_job", {"wait": "soon"}, "wait: must be a number"),
        ("image_job", {"job": ""}, "job: unknown argument (did you mean 'job_id'?)"),
        ("image_guide", {"topic": "over"}, '"over" is not one of overview'),
    ],
)
def test_anything_else_is_refused_in_plain_words(tool: str, sent: dict[str, Any], refused: str) -> None:
    with pytest.raises(Refusal) as refusal:
        read_arguments(KNOWN[tool], sent)
    assert refused in str(refusal.value)
