"""The emulator of Recraft, held to the maker's pages; there is no client of the maker's own."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.emulators.pictures import encode
from tests.emulators.recraft import RecraftEmulator
from tests.support.field_tables import FieldTable, departures, plain_client, renaming
from tests.support.provider_runs import picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

PATH = "/v1/images/removeBackground"


def _file(data: bytes, mime: str) -> tuple[str, bytes, str]:
    return "image.bin", data, mime


def _of(form: str, width: int = 300, height: int = 280) -> tuple[str, bytes, str]:
    return _file(encode(Image.new("RGB", (width, height)), form), f"image/{form}")


PICTURE = _file(picture().data, "image/png")
TABLE = FieldTable(
    least={"file": PICTURE},
    taken={
        "file": [_of("jpeg"), _of("webp"), _of("png", 256, 4096), _file(b"<svg/>", "image/svg+xml")],
        "response_format": ["url", "b64_json"],
        "image_format": ["png", "webp"],
    },
    refused={
        "file": [
            _file(b"no picture", "image/png"),
            _file(picture().data, "image/jpeg"),
            _of("png", 255, 300),
            _of("png", 300, 4097),
            _of("png", 4096, 4096),
        ],
        "response_format": ["b64", "png", ""],
        "image_format": ["jpeg", "PNG", ""],
        "image": [PICTURE],
        "prompt": ["x"],
        "model": ["recraftv3"],
        "n": ["1"],
        "mask": [PICTURE],
    },
)


class Maker:
    """A client that knows only the documents."""

    def __init__(self, emulator: RecraftEmulator) -> None:
        self.emulator = emulator
        self.client = plain_client(Authorization=f"Bearer {emulator.key}")

    def post(self, fields: dict[str, Any]) -> httpx.Response:
        """One request; texts and files of a form."""
        form = {name: value if isinstance(value, tuple) else (None, value) for name, value in fields.items()}
        form = form or {"nothing": (None, "x")}
        return self.client.post(self.emulator.url("api") + PATH, files=form)

    def whole_job(self, kind: str) -> list[str]:
        """Where a whole job departs from the documents."""
        image = self.post({"file": PICTURE, "response_format": kind}).json().get("image", {})
        if kind not in image:
            return [f"image: {sorted(image)}"]
        data = base64.b64decode(image[kind]) if kind == "b64_json" else self._bytes(image[kind])
        with Image.open(io.BytesIO(data)) as made:
            found = (made.format, made.mode)
        return [] if found == ("WEBP", "RGBA") else [f"a picture of {found}"]

    @staticmethod
    def _bytes(url: str) -> bytes:
        with plain_client() as client:
            return client.get(url).content


@pytest.fixture
def maker() -> Iterator[Maker]:
    with RecraftEmulator() as emulator:
        client = Maker(emulator)
        yield client
        client.client.close()


def test_it_takes_what_the_documents_say_and_nothing_else(maker: Maker) -> None:
    assert list(departures(TABLE, lambda fields: maker.post(fields).status_code)) == []


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_copy_with_one_field_renamed_is_found_out(place: int) -> None:
    names = tuple(f"{name}_2" if at == place else name for at, name in enumerate(RecraftEmulator.fields))
    copy = type("Copy", (RecraftEmulator,), {"fields": names})
    with copy() as emulator:
        client = Maker(emulator)
        assert any(departures(TABLE, lambda fields: client.post(fields).status_code))
        client.client.close()


@pytest.mark.parametrize("kind", ["url", "b64_json"])
def test_a_whole_job_goes_as_documented(maker: Maker, kind: str) -> None:
    assert maker.whole_job(kind) == []


@pytest.mark.parametrize(("kind", "field"), [("url", "image"), ("url", "url"), ("b64_json", "b64_json")])
def test_a_copy_with_one_field_of_its_answers_renamed_is_found_out(maker: Maker, kind: str, field: str) -> None:
    maker.emulator.fail_next("generate", renaming(field))
    assert maker.whole_job(kind)


def test_the_two_refusals_that_are_documented_are_text(maker: Maker) -> None:
    lost = maker.client.post(maker.emulator.url("api") + "/v1/images/removeForeground")
    assert (lost.status_code, lost.text) == (404, "404 page not found")
    maker.client.headers["Authorization"] = "Bearer another"
    refused = maker.post({"file": PICTURE})
    assert (refused.status_code, refused.text) == (401, "request unauthorized")
    assert refused.headers["content-type"].startswith("text/plain")


def test_a_drawing_stays_a_drawing(maker: Maker) -> None:
    url = maker.post({"file": _file(b"<svg/>", "image/svg+xml")}).json()["image"]["url"]
    with plain_client() as client:
        assert client.get(url).headers["content-type"] == "image/svg+xml"
