"""What every index of pictures promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.storage.accounts import LOCAL
from imagewright.text import Foreign
from tests.storage.stores_bench import NOON, record

if TYPE_CHECKING:
    from imagewright.storage.base import PictureIndex

pytestmark = pytest.mark.anyio

FOX, ROOF, KITSUNE, CHILD = "A red fox in SNOW", "The fox, Über den Dächern: 100%", "狐 under_score", "a grandchild"
MOTHER = record("1", tool="a", prompt=FOX)
ALL = (
    MOTHER,
    record("2", tool="b", prompt=ROOF, created=NOON + timedelta(hours=1), parents=(MOTHER.id,)),
    record("3", tool="a", prompt=KITSUNE, created=NOON + timedelta(days=1), parents=("img_x", MOTHER.id)),
    record("4", tool="b", prompt=CHILD, created=NOON - timedelta(days=9), parents=("img_x",), bytes=7),
)


async def filled(index: PictureIndex) -> PictureIndex:
    for one in ALL:
        await index.add(LOCAL, one)
    return index


async def test_a_record_comes_back_whole(index: PictureIndex) -> None:
    one = record(
        "fox",
        prompt="Eine Füchsin im Schnee 狐",
        arguments={"aspect_ratio": "16:9", "images": ["img_a"], "deep": {"steps": 3, "on": True, "no": None}},
        seed=2**64 - 1,
        transparent=False,
        cost_usd=0.045,
        cost_basis="actual",
        parents=("img_bbb", "img_aaa"),
        job_id="job_1",
        variant=3,
        created=NOON + timedelta(microseconds=123_457),
    )
    await index.add(LOCAL, replace(one, path=Path("/where/it/lies")))
    assert await index.get(LOCAL, one.id) == one
    assert await index.get(LOCAL, "img_other") is None


async def test_what_is_there_already_stays_as_it_is(index: PictureIndex) -> None:
    await index.add(LOCAL, MOTHER)
    await index.add(LOCAL, replace(MOTHER, prompt=Foreign("another"), key="pictures/another.png"))
    assert await index.search(LOCAL, limit=10) == [MOTHER]


async def test_the_pictures_of_a_job_come_in_the_order_of_their_variants(index: PictureIndex) -> None:
    for variant in (3, 1, 2):
        await index.add(LOCAL, record(str(variant), job_id="job_1", variant=variant))
    await index.add(LOCAL, record("other", job_id="job_2"))
    assert [one.variant for one in await index.of_job(LOCAL, "job_1")] == [1, 2, 3]


DAY = (NOON, NOON + timedelta(hours=1, microseconds=1))


@pytest.mark.parametrize(
    ("filters", "prompts"),
    [
        ({}, [KITSUNE, ROOF, FOX, CHILD]),
        ({"words": ["fox"]}, [ROOF, FOX]),
        ({"words": ["snow", "fox"]}, [FOX]),
        ({"words": ["fox", "wolf"]}, []),
        ({"words": ["uber", "dachern"]}, [ROOF]),
        ({"words": ["狐"]}, [KITSUNE]),
        ({"words": ["%"]}, [ROOF]),
        ({"words": ["_"]}, [KITSUNE]),
        ({"words": ["'", "1=1"]}, []),
        ({"tool": "a"}, [KITSUNE, FOX]),
        ({"tool": "A"}, []),
        ({"parent": "img_x"}, [KITSUNE, CHILD]),
        ({"parent": MOTHER.id}, [KITSUNE, ROOF]),
        ({"parent": "img_nobody"}, []),
        ({"created": DAY}, [ROOF, FOX]),
        ({"created": (NOON, DAY[1] - timedelta(microseconds=1))}, [FOX]),
        ({"tool": "b", "words": ["fox"]}, [ROOF]),
        ({"limit": 2}, [KITSUNE, ROOF]),
        ({"limit": 2, "offset": 1}, [ROOF, FOX]),
        ({"offset": 4}, []),
        ({"limit": 0}, []),
    ],
)
async def test_searching(index: PictureIndex, filters: dict[str, Any], prompts: list[str]) -> None:
    found = await (await filled(index)).search(LOCAL, **{"limit": 10, **filters})
    assert [one.prompt.raw for one in found] == prompts


async def test_the_newest_ids_come_newest_first(index: PictureIndex) -> None:
    await filled(index)
    newest = [one.id for one in await index.search(LOCAL, limit=10)]
    assert await index.newest_ids(LOCAL, 10) == newest
    assert await index.newest_ids(LOCAL, 2) == newest[:2]


async def test_pictures_of_one_moment_come_newest_first(index: PictureIndex) -> None:
    for name in "123":
        await index.add(LOCAL, record(name))
    assert [one.prompt.raw for one in await index.search(LOCAL, limit=10)] == ["3", "2", "1"]


async def test_files_are_known_by_their_size(index: PictureIndex) -> None:
    await filled(index)
    assert await index.keys_of_size(7) == [(ALL[3].id, "pictures/4.png")]
    assert await index.keys_of_size(8) == []


async def test_half_a_character_costs_no_picture_its_entry(index: PictureIndex) -> None:
    await index.add(LOCAL, record("half", prompt="half \ud83d", arguments={"deep": "\ud83d"}))
    assert len(await index.search(LOCAL, words=["half"], limit=10)) == 1


async def test_it_can_be_asked_whether_it_can_be_written(index: PictureIndex) -> None:
    await index.check()
    assert await index.search(LOCAL, limit=10) == []
