"""The emulator of Ideogram's reframing, held to the maker's pages; there is no client of the maker's own."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from tests.emulators.ideogram import VERSIONS, IdeogramEmulator
from tests.emulators.ideogram_words import COLOURS, RESOLUTIONS, STYLES
from tests.emulators.pictures import encode
from tests.support.field_tables import FieldTable, departures, plain_client, renaming
from tests.support.provider_runs import picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

FIRST, SECOND = "/v1/ideogram-v3/reframe", "/v2/image/reframe/ideogram-3"
PICTURE = ("a.png", picture().data, "image/png")
MEMBERS = {"members": [{"color_hex": "#FF0000", "color_weight": 0.5}, {"color_hex": "#00ff00"}]}
TABLE = FieldTable(
    least={"image": PICTURE, "resolution": "512x1536"},
    taken={
        "image": [(f"a.{form}", encode(Image.new("RGB", (9, 9)), form), f"image/{form}") for form in ("jpeg", "webp")],
        "resolution": ["1536x640", "1024x1024", "1312x736", "736x1312", "1152x864", "832x1248"],
        "num_images": ["1", "8"],
        "seed": ["0", "2147483647"],
        "rendering_speed": ["FLASH", "TURBO", "DEFAULT", "QUALITY"],
        "style_preset": ["80S_ILLUSTRATION", "JAPANDI_FUSION", "WOODBLOCK_PRINT"],
        "color_palette": ['{"name": "EMBER"}', '{"name": "ULTRAMARINE"}', json.dumps(MEMBERS)],
        "style_codes": ["0a1B2c3D"],
        "style_reference_images": [PICTURE],
    },
    refused={
        "image": [("a.png", b"no picture", "image/png"), ("a.png", picture().data, "image/jpeg")],
        "resolution": ["1280x720", "16:9", "1920x1080", ""],
        "num_images": ["0", "9", "1.0", "two"],
        "seed": ["-1", "2147483648", "x"],
        "rendering_speed": ["BALANCED", "turbo"],
        "style_preset": ["REALISTIC", "pop_art"],
        "color_palette": ['{"name": "RUST"}', '{"members": []}', '{"members": [{"color_hex": "red"}]}', "EMBER"],
        "style_codes": ["xyz", "0a1b2c3"],
        "aspect_ratio": ["16:9", "16x9"],
        "prompt": ["x"],
        "mask": [PICTURE],
        "negative_prompt": ["x"],
        "style": ["AUTO"],
        "style_type": ["GENERAL"],
    },
)
TABLES = {
    FIRST: TABLE,
    SECOND: FieldTable(
        least=TABLE.least,
        taken={
            **TABLE.taken,
            "rendering_speed": ["turbo", "default", "quality"],
            "style_preset": ["80s_illustration", "japandi_fusion", "woodblock_print"],
            "async": ["false"],
        },
        refused={
            **TABLE.refused,
            "rendering_speed": ["balanced", "TURBO", "flash"],
            "style_preset": ["realistic", "POP_ART"],
        },
    ),
}
"""The fields of each version, by its path: the second spells its words in small letters."""
ITEM = {"url", "prompt", "resolution", "is_image_safe", "seed"}
ANSWERS = {
    FIRST: ({"created", "data"}, ITEM | {"style_type"}),
    SECOND: ({"generation_id", "generation_kind", "seed", "data"}, ITEM),
}
"""The fields of an answer and of a picture in it."""


class Maker:
    """A client that knows only the documents."""

    def __init__(self, emulator: IdeogramEmulator, path: str) -> None:
        self.emulator = emulator
        self.path = path
        self.client = plain_client(Api_Key=emulator.key)

    def post(self, fields: dict[str, Any]) -> httpx.Response:
        """One request; texts and files of a form."""
        self.emulator.usd = 100.0
        form = {name: value if isinstance(value, tuple) else (None, value) for name, value in fields.items()}
        return self.client.post(self.emulator.url("api") + self.path, files=form)

    def whole_job(self) -> list[str]:
        """Where a whole job departs from the documents."""
        answer = self.post({**TABLE.least, "num_images": "2", "seed": "12345"}).json()
        head, each = ANSWERS[self.path]
        found = [f"answer: {sorted(answer)}"] if set(answer) != head else []
        items = answer.get("data", [])
        found += [f"{len(items)} pictures"] if len(items) != 2 else []
        for item in items:
            if set(item) != each:
                found.append(f"item: {sorted(item)}")
            elif self._size(item["url"]) != item["resolution"] or item["is_image_safe"] is not True:
                found.append(f"picture: {item}")
        return found

    @staticmethod
    def _size(url: str) -> str:
        assert urlsplit(url).path.startswith("/api/images/ephemeral/")
        assert set(parse_qs(urlsplit(url).query)) == {"exp", "sig"}
        with plain_client() as client, Image.open(io.BytesIO(client.get(url).content)) as made:
            return f"{made.width}x{made.height}"


@pytest.fixture(params=TABLES)
def maker(request: pytest.FixtureRequest) -> Iterator[Maker]:
    with IdeogramEmulator() as emulator:
        client = Maker(emulator, request.param)
        yield client
        client.client.close()


def test_it_takes_what_the_documents_say_and_nothing_else(maker: Maker) -> None:
    table, version = TABLES[maker.path], VERSIONS[maker.path]
    assert list(departures(table, lambda fields: maker.post(fields).status_code)) == []
    assert {*table.least, *table.taken} == {*version.fields, *version.files}


def test_its_lists_are_as_long_as_the_documents_and_of_the_documents_form() -> None:
    assert (len(RESOLUTIONS), len(STYLES), len(COLOURS)) == (69, 62, 8)
    for one in RESOLUTIONS:
        wide, high = (int(side) for side in one.split("x"))
        # the shape of the list: multiples of 32 between half and one and a half thousand, turned both ways
        assert wide % 32 == high % 32 == 0
        assert 512 <= min(wide, high) <= max(wide, high) <= 1536


@pytest.mark.parametrize(
    ("path", "field"), [(path, field) for path, one in VERSIONS.items() for field in (*one.fields, *one.files)]
)
def test_a_copy_with_one_field_renamed_is_found_out(path: str, field: str) -> None:
    def other(name: str) -> str:
        return f"{name}_2" if name == field else name

    own = VERSIONS[path]
    changed = replace(
        own,
        fields={other(name): check for name, check in own.fields.items()},
        files=tuple(map(other, own.files)),
        required=tuple(map(other, own.required)),
    )
    copy = type("Copy", (IdeogramEmulator,), {"versions": {path: changed}})
    with copy() as emulator:
        client = Maker(emulator, path)
        assert any(departures(TABLES[path], lambda fields: client.post(fields).status_code))
        client.client.close()


def test_a_whole_job_goes_as_documented(maker: Maker) -> None:
    assert maker.whole_job() == []


def test_a_copy_with_one_field_of_its_answers_renamed_is_found_out(maker: Maker) -> None:
    for field in sorted(set().union(*ANSWERS[maker.path])):
        maker.emulator.fail_next("generate", renaming(field))
        assert maker.whole_job(), field


def test_a_style_code_does_not_go_with_a_style_picture(maker: Maker) -> None:
    both = {**TABLE.least, "style_codes": "0a1b2c3d", "style_reference_images": PICTURE}
    assert maker.post(both).status_code == 400
    preset = TABLES[maker.path].taken["style_preset"][0]
    both = {**TABLE.least, "style_codes": "0a1b2c3d", "style_preset": preset}
    assert (maker.post(both).status_code == 400) == (maker.path == SECOND)


def test_a_picture_costs_what_the_price_list_says_also_when_it_is_kept_back(maker: Maker) -> None:
    listed = {"FLASH": 0.03, "TURBO": 0.03, "DEFAULT": 0.06, "QUALITY": 0.09}
    for speed in TABLES[maker.path].taken["rendering_speed"]:
        maker.emulator.keep_back_next(1)
        answer = maker.post({**TABLE.least, "rendering_speed": speed, "num_images": "2"}).json()
        assert [item["is_image_safe"] for item in answer["data"]] == [False, True]
        assert not answer["data"][0]["url"]
        assert maker.emulator.charges[-1] == 2 * listed[speed.upper()]


def test_links_end_and_keys_are_asked_for(maker: Maker) -> None:
    url = maker.post(dict(TABLE.least)).json()["data"][0]["url"]
    assert 23 * 3600 < int(parse_qs(urlsplit(url).query)["exp"][0]) - time.time() <= 24 * 3600
    with plain_client() as client:
        assert client.get(url.replace("sig=", "sig=x")).status_code == 404
        maker.emulator.link_seconds = -1.0
        expired = maker.post(dict(TABLE.least)).json()["data"][0]["url"]
        assert client.get(expired).status_code == 403
    maker.client.headers["Api-Key"] = "another"
    assert maker.post(dict(TABLE.least)).status_code == 401
