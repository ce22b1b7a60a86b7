"""The table of `python -m tests.security.paths`. Here the names to save as are tried without a server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from imagewright.errors import StorageError
from imagewright.settings.folders import Folders
from imagewright.storage.accounts import LOCAL
from imagewright.storage.records import NewPicture
from imagewright.storage.stores import open_stores
from tests.security.path_tricks import LEGITIMATE, READING, RESOURCES, SAVING, spelt
from tests.security.paths import Attack, files
from tests.support.pictures import photo

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes, devices and links are made as on POSIX")


def test_the_table_is_as_long_as_the_attack_was() -> None:
    assert min(len(set(READING)) - 154, len(set(SAVING)) - 111, len(set(RESOURCES)) - 21, len(LEGITIMATE) - 10) >= 0


def test_nothing_outside_is_read_or_shown(tmp_path: Path) -> None:
    attack = Attack(tmp_path)
    attack.run(saving=False)
    assert attack.broken == []
    assert attack.tried["reading"] == len(READING)


@pytest.mark.anyio
async def test_nothing_is_saved_outside_or_over_something(tmp_path: Path) -> None:
    attack = Attack(tmp_path)
    before = dict(files(tmp_path))
    home, source = tmp_path / "home", tmp_path / "source"
    source.write_bytes(photo(8, 8))
    roots = (tmp_path / "root", home / "pictures")
    stores = open_stores(
        Folders(home / "pictures", home / "imagewright.db", home / "config.toml", home / "keys.toml", roots), lease=10
    )
    new = NewPicture(tool="t", operation="generate", provider="p", model="m", format="png", width=8, height=8)
    refused = 0
    for text in SAVING:
        save_as = spelt(text, tmp_path)
        try:
            await stores.library.target(LOCAL, save_as)
            await stores.library.check_room(LOCAL, save_as, 1000)
        except StorageError:
            refused += 1
        # a folder can have changed after that check, so a refusal there is not relied on
        record, _ = await stores.library.keep(LOCAL, source, new, save_as=save_as)
        assert record.path is not None
        attack.judge_saved(text, record.path)
        assert record.path.read_bytes() == source.read_bytes()
    await stores.close()
    attack.judge_changes(before)
    assert attack.broken == []
    assert refused > 60
