"""With nothing but one key and an address on this machine, the tool that vendor serves works and no other is listed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from imagewright.catalog.load import catalog
from imagewright.engine.engine import open_engine
from imagewright.providers.openai.routes import ROUTES
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from tests.emulators.openai import OpenAIEmulator

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

TOOL = ROUTES[0].tool


async def test_one_key_and_an_address_on_loopback_are_enough(tmp_path: Path) -> None:
    with OpenAIEmulator() as openai:
        environment = {
            **os.environ,
            "OPENAI_API_KEY": openai.key,
            "IMAGEWRIGHT_OPENAI_BASE_URL": openai.addresses[""],
        }
        async with open_engine(load_settings(environment, working_directory=tmp_path)) as engine:
            assert list(engine.offer.tools) == [TOOL]
            assert set(engine.offer.hidden) == set(catalog()) - {TOOL}
            assert not engine.offer.offline_only
            made = await engine.start(LOCAL, TOOL, {"prompt": "a kite", "variants": 3})
            assert await engine.wait(made, 10)
            assert made.record.state == "completed", made.error
            first = made.pictures[0].id
            changed = await engine.start(LOCAL, TOOL, {"prompt": "a sail", "images": [first]})
            assert await engine.wait(changed, 10)
        assert changed.record.state == "completed", changed.error
        assert (len(made.pictures), len(changed.pictures)) == (3, 1)
        assert made.record.provider == changed.record.provider == "openai"
        assert made.record.cost_basis == "actual"
        assert made.record.cost_usd == pytest.approx(openai.charges[0], abs=1e-4)
        assert [one.label for one in openai.requests] == ["generate", "edit"]
