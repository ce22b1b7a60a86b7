"""The check can fail: where one field has the name it had in another edition, the vendor refuses what is sent.

Kie publishes no client that could drive the emulator, so its fields are held by their names alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.errors import RequestRejected
from imagewright.providers.kie.routes import ROUTES
from tests.emulators.kie import KieEmulator
from tests.emulators.renamed import Renaming
from tests.support.provider_runs import full_order, ordered
from tests.support.vendors import wired

if TYPE_CHECKING:
    from imagewright.providers.http.client import HttpClient
    from imagewright.providers.kie.route import KieRoute

pytestmark = pytest.mark.anyio

FORMER = {
    ("bytedance_seedream", "4.5"): (("aspect_ratio", "image_size"), ("quality", "image_resolution")),
    ("bytedance_seedream", "5-lite"): (("quality", "image_resolution"), ("quality", "size")),
    ("bytedance_seedream", "5-pro"): (("quality", "image_resolution"), ("quality", "size")),
    ("bytedance_seedream", "5-flash"): (("size", "quality"), ("size", "image_resolution")),
    ("qwen", "2.1"): (("aspect_ratio", "image_size"), ("enhance_prompt", "prompt_extend")),
    ("qwen", "3.0"): (("image_size", "aspect_ratio"), ("prompt_extend", "enhance_prompt")),
    ("qwen", "3.0-pro"): (("image_size", "aspect_ratio"), ("prompt_extend", "enhance_prompt")),
    ("openai_4o", "2"): (("resolution", "quality"),),
    ("openai_4o", "2.5-flare"): (("resolution", "quality"), ("background", "quality")),
    ("openai_4o", "2.5-sunburst"): (("resolution", "quality"), ("background", "quality")),
    ("nano_banana", "2"): (("resolution", "image_size"),),
    ("nano_banana", "2.1"): (("resolution", "image_size"),),
    ("nano_banana", "pro"): (("resolution", "image_size"),),
}
"""By edition, its fields and the names that another edition of its tool has for them."""
PICTURES = {
    ("qwen", "2.1"): ("image_urls", "image_url"),
    ("qwen", "3.0"): ("image_urls", "image_url"),
    ("qwen", "3.0-pro"): ("image_urls", "image_url"),
    ("openai_4o", "2"): ("input_urls", "filesUrl"),
    ("openai_4o", "2.5-flare"): ("input_urls", "filesUrl"),
    ("openai_4o", "2.5-sunburst"): ("input_urls", "filesUrl"),
    ("nano_banana", "2"): ("image_input", "image_urls"),
    ("nano_banana", "2.1"): ("image_input", "image_urls"),
    ("nano_banana", "2-lite"): ("image_urls", "image_input"),
    ("nano_banana", "pro"): ("image_input", "image_urls"),
}
"""The same for the field of the input pictures."""
ROWS = [
    (route, names)
    for route in ROUTES
    if route.edition
    for place in [(route.tool, route.edition)]
    for names in (*FORMER.get(place, ()), *([PICTURES[place]] if route.image_field and place in PICTURES else []))
]


class Renamed(Renaming, KieEmulator):
    """A copy in which one field has another name."""


@pytest.mark.parametrize(
    ("route", "names"), [pytest.param(*row, id=f"{row[0].operation}-{row[0].model}-{row[1][0]}") for row in ROWS]
)
async def test_a_field_with_another_editions_name_is_refused(
    route: KieRoute, names: tuple[str, str], http: HttpClient
) -> None:
    emulator = Renamed()
    emulator.field = names
    with emulator, pytest.raises(RequestRejected, match="field") as caught:
        await ordered(wired("kie", emulator, http), full_order(route))
    assert caught.value.charged is False
    assert not emulator.tasks


FIRST = {
    ("bytedance_seedream", "4.0"),
    ("qwen", "2025"),
    ("qwen", "2.0"),  # its fields are some of those of 2025, with other values
    ("openai_4o", "1.5"),
    ("nano_banana", "2.5"),
}
"""The editions that the others are compared with."""


def test_every_edition_with_other_fields_than_an_earlier_one_is_tried() -> None:
    assert {(one.tool, one.edition) for one in ROUTES if one.edition} == {*FORMER, *PICTURES, *FIRST}
