"""The emulator of Ideogram's reframing, held to the maker's pages; there is no client of the maker's own."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from tests.emulators.ideogram import FIELDS, FILES, REQUIRED, USD, IdeogramEmulator
from tests.emulators.ideogram_words import COLOURS, RESOLUTIONS, STYLES
from tests.emulators.pictures import encode
from tests.support.field_tables import FieldTable, departures, plain_client, renaming
from tests.support.provider_runs import picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

PATH = "/v1/ideogram-v3/reframe"
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
ITEM = {"url", "prompt", "resolution", "is_image_safe", "seed", "style_type"}


class Maker:
    """A client that knows only the documents."""

    def __init__(self, emulator: IdeogramEmulator) -> None:
        self.emulator = emulator
        self.client = plain_client(Api_Key=emulator.key)

    def post(self, fields: dict[str, Any]) -> httpx.Response:
        """One request; texts and files of a form."""
        self.emulator.usd = 100.0
        form = {name: value if isinstance(value, tuple) else (None, value) for name, value in fields.items()}
        return self.client.post(self.emulator.url("api") + PATH, files=form)

    def whole_job(self) -> list[str]:
        """Where a whole job departs from the documents."""
        answer = self.post({**TABLE.least, "num_images": "2", "seed": "12345"}).json()
        found = [f"answer: {sorted(answer)}"] if set(answer) != {"created", "data"} else []
        items = answer.get("data", [])
        found += [f"{len(items)} pictures"] if len(items) != 2 else []
        for item in items:
            if set(item) != ITEM:
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


@pytest.fixture
def maker() -> Iterator[Maker]:
    with IdeogramEmulator() as emulator:
        client = Maker(emulator)
        yield client
        client.client.close()


def test_it_takes_what_the_documents_say_and_nothing_else(maker: Maker) -> None:
    assert list(departures(TABLE, lambda fields: maker.post(fields).status_code)) == []
    assert {*TABLE.least, *TABLE.taken} == {*FIELDS, *FILES}


def test_its_lists_are_as_long_as_the_documents_and_of_the_documents_form() -> None:
    assert (len(RESOLUTIONS), len(STYLES), len(COLOURS)) == (69, 62, 8)
    for one in RESOLUTIONS:
        wide, high = (int(side) for side in one.split("x"))
        # the shape of the list: multiples of 32 between half and one and a half thousand, turned both ways
        assert wide % 32 == high % 32 == 0
        assert 512 <= min(wide, high) <= max(wide, high) <= 1536


@pytest.mark.parametrize("field", [*FIELDS, *FILES])
def test_a_copy_with_one_field_renamed_is_found_out(field: str) -> None:
    def other(name: str) -> str:
        return f"{name}_2" if name == field else name

    parts = {
        "fields": {other(name): check for name, check in FIELDS.items()},
        "files": tuple(map(other, FILES)),
        "required": tuple(map(other, REQUIRED)),
    }
    copy = type("Copy", (IdeogramEmulator,), parts)
    with copy() as emulator:
        client = Maker(emulator)
        assert any(departures(TABLE, lambda fields: client.post(fields).status_code))
        client.client.close()


def test_a_whole_job_goes_as_documented(maker: Maker) -> None:
    assert maker.whole_job() == []


@pytest.mark.parametrize("field", ["created", "data", *sorted(ITEM)])
def test_a_copy_with_one_field_of_its_answers_renamed_is_found_out(maker: Maker, field: str) -> None:
    maker.emulator.fail_next("generate", renaming(field))
    assert maker.whole_job()


def test_a_style_code_does_not_go_with_a_style_picture(maker: Maker) -> None:
    both = {**TABLE.least, "style_codes": "0a1b2c3d", "style_reference_images": PICTURE}
    assert maker.post(both).status_code == 400


@pytest.mark.parametrize("speed", USD)
def test_a_picture_costs_what_the_price_list_says_also_when_it_is_kept_back(maker: Maker, speed: str) -> None:
    maker.emulator.keep_back_next(1)
    answer = maker.post({**TABLE.least, "rendering_speed": speed, "num_images": "2"}).json()
    assert [item["is_image_safe"] for item in answer["data"]] == [False, True]
    assert answer["data"][0]["url"] is None
    listed = {"FLASH": 0.03, "TURBO": 0.03, "DEFAULT": 0.06, "QUALITY": 0.09}
    assert maker.emulator.charges == [2 * listed[speed]]


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
