"""What a picture's file tells beside the picture reaches no vendor, through whichever door the picture comes."""

from __future__ import annotations

import base64
import os
import re
import threading
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from imagewright.catalog.load import row_in
from imagewright.catalog.row import PICTURE_KINDS, OperationName
from imagewright.engine.engine import open_engine
from imagewright.imaging.headers import PARTS
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from tests.support.crafted_files import chunk
from tests.support.fitting_arguments import fitting, sample
from tests.support.pictures import mask_of, photo, saved
from tests.support.pictures import opened as pixels_of
from tests.support.vendors import VENDORS, environment, opened, routes_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job
    from imagewright.providers.base import Route
    from tests.emulators.messages import Received
    from tests.support.vendors import AnyEmulator

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("hurried")]

SECRET = b"Rosa at 52.51627 N, 13.37770 E"
PATIENCE = 60.0
"""Seconds until a job that has not ended fails the test."""
BASE64 = re.compile(rb"[A-Za-z0-9+/\\]{64,}={0,2}")
VENDOR = "kie"
"""One that serves every tool, and gets its pictures by an upload."""
NOTE = "Not passed on from {}: EXIF data with the place where it was taken, comments and data after its end."
PLACE = 0x8825


def with_secret(form: str, size: tuple[int, int] = (640, 480), orientation: int = 1) -> bytes:
    """A photo as a phone writes it: with the place, and words about it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(PLACE).update({1: "N", 2: (52.0, 30.0, 58.0), 29: SECRET.decode()})
    image = pixels_of(photo(*size))
    if form == "heic":
        return saved(image, form, exif=exif.tobytes())
    data = saved(image, form, exif=exif.tobytes(), **({"comment": SECRET} if form == "jpeg" else {}))
    return data + SECRET


def sent_anywhere(requests: Iterable[Received], secret: bytes = SECRET) -> list[str]:
    """The requests whose body or heads hold the secret, as it is or inside base64."""
    found = []
    for one in requests:
        plain = [one.body, repr(one.headers).encode()]
        coded = [base64.b64decode(text.replace(b"\\/", b"/") + b"==") for text in BASE64.findall(one.body)]
        found += [f"{one.method} {one.path}" for text in (*plain, *coded) if secret in text]
    return found


@asynccontextmanager
async def engine_with(emulators: dict[str, AnyEmulator], folder: Path, **variables: str) -> AsyncIterator[Engine]:
    everything = {**os.environ, **environment(emulators), "IMAGEWRIGHT_ROOTS": str(folder), **variables}
    async with open_engine(load_settings(everything, working_directory=folder)) as engine:
        yield engine


async def made(engine: Engine, tool: str, arguments: dict[str, Any]) -> Job:
    job = await engine.start(LOCAL, tool, arguments)
    assert await engine.wait(job, PATIENCE)
    assert job.record.state == "completed", job.error
    return job


def _routes(name: str) -> list[Route]:
    """A route of each of a vendor's operations that take pictures."""
    able = {str(one.operation): one for one in reversed(routes_of(name)) if {"image", "images"} & set(one.takes)}
    return list(able.values())


def _call(route: Route, file: Path) -> dict[str, Any]:
    """A call that the route serves, of this picture."""
    row = row_in(route.tool, "")
    arguments = row_in(route.tool, route.edition).operations[route.operation].arguments
    names = {*row.operations[route.operation].selected_by, *fitting(row, route.operation)}
    given = {name: sample(arguments[name]) for name in names}
    for name in names:
        if arguments[name].kind in PICTURE_KINDS:
            given[name] = [str(file)] if arguments[name].kind == "pictures" else str(file)
    return given | ({"model": route.edition} if route.edition and "model" in arguments else {})


@pytest.mark.parametrize("name", [name for name in VENDORS if _routes(name)])
async def test_no_vendor_is_told_where_a_photo_was_taken(name: str, tmp_path: Path) -> None:
    cases = [(route, form) for route in _routes(name) for form in ("jpeg", "png")]
    with opened([name]) as emulators:
        emulator = emulators[name]
        if hasattr(emulator, "seconds"):
            emulator.seconds = 0.0
        async with engine_with(emulators, tmp_path) as engine:
            for number, (route, form) in enumerate(cases):
                file, before = tmp_path / f"photo-{number}", len(emulator.requests)
                file.write_bytes(with_secret(form, (640 + number, 480)))
                job = await made(engine, route.tool, _call(route, file))
                sent = emulator.requests[before:]
                assert sum(len(one.body) for one in sent) > 1000, (route, form)
                assert sent_anywhere(sent) == [], (route, form)
                assert len([note for note in job.record.notes if note.startswith("Not passed on")]) == 1, (route, form)


EDIT = next(one for one in routes_of(VENDOR) if one.operation is OperationName.EDIT)
WORDS = {"prompt": "add a kite"}


async def as_path(data: bytes, folder: Path, _engine: Engine) -> str:
    (folder / "photo").write_bytes(data)
    return str(folder / "photo")


async def as_file_uri(data: bytes, folder: Path, engine: Engine) -> str:
    return Path(await as_path(data, folder, engine)).as_uri()


async def as_data_uri(data: bytes, _folder: Path, _engine: Engine) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


async def as_earlier_result(data: bytes, folder: Path, engine: Engine) -> str:
    """The id of a picture in the library whose file holds more, as other programs' files do and older ones of ours."""
    earlier = await made(engine, EDIT.tool, WORDS | {"images": [await as_path(photo(640, 480), folder, engine)]})
    (folder / "home" / "pictures" / earlier.pictures[0].key.rpartition("/")[2]).write_bytes(data)
    return earlier.pictures[0].id


DOORS = {"path": as_path, "file URI": as_file_uri, "data URI": as_data_uri, "id": as_earlier_result}


@pytest.mark.parametrize("keep", [False, True], ids=["left out", "kept"])
@pytest.mark.parametrize("door", DOORS)
async def test_it_is_left_out_at_every_door_unless_the_user_wants_it(door: str, tmp_path: Path, *, keep: bool) -> None:
    variables = {"IMAGEWRIGHT_KEEP_METADATA": "on"} if keep else {}
    with opened([VENDOR]) as emulators:
        emulators[VENDOR].seconds = 0.0
        async with engine_with(emulators, tmp_path, IMAGEWRIGHT_HOME=str(tmp_path / "home"), **variables) as engine:
            source = await DOORS[door](with_secret("jpeg"), tmp_path, engine)
            job = await made(engine, EDIT.tool, WORDS | {"images": [source]})
        assert bool(sent_anywhere(emulators[VENDOR].requests)) is keep
    assert [note for note in job.record.notes if "passed on" in note] == ([] if keep else [NOTE.format("images[0]")])


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a site with the files of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}"
        site.shutdown()


async def test_so_it_is_at_an_address(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(with_secret("jpeg"))
    with opened([VENDOR]) as emulators, served(tmp_path) as address:
        emulators[VENDOR].seconds = 0.0
        async with engine_with(emulators, tmp_path, IMAGEWRIGHT_ALLOW_HOSTS="127.0.0.1:*") as engine:
            job = await made(engine, EDIT.tool, WORDS | {"images": [f"{address}/photo.jpg"]})
        assert sent_anywhere(emulators[VENDOR].requests) == []
    assert NOTE.format("images[0]") in job.record.notes


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "heic"])
@pytest.mark.parametrize("orientation", [3, 6])
async def test_a_turned_photo_arrives_upright_and_without_it(form: str, orientation: int, tmp_path: Path) -> None:
    file = tmp_path / "photo"
    file.write_bytes(with_secret(form, (640, 480), orientation))
    with opened([VENDOR]) as emulators:
        emulators[VENDOR].seconds = 0.0
        async with engine_with(emulators, tmp_path, IMAGEWRIGHT_KEEP_METADATA="on") as engine:
            job = await made(engine, EDIT.tool, WORDS | {"images": [str(file)]})
        assert sent_anywhere(emulators[VENDOR].requests) == []  # a converted picture holds none of it either way
    assert any("upright" in note or "HEIC" in note for note in job.record.notes)


async def test_a_photo_in_another_format_is_named_as_well(tmp_path: Path) -> None:
    file = tmp_path / "photo"
    file.write_bytes(with_secret("heic"))
    with opened([VENDOR]) as emulators:
        emulators[VENDOR].seconds = 0.0
        async with engine_with(emulators, tmp_path) as engine:
            job = await made(engine, EDIT.tool, WORDS | {"images": [str(file)]})
        assert sent_anywhere(emulators[VENDOR].requests) == []
    assert "Not passed on from images[0]: EXIF data with the place where it was taken." in job.record.notes


async def test_a_note_names_each_picture_once(tmp_path: Path) -> None:
    sources = []
    for place in range(3):
        file = tmp_path / f"photo-{place}"
        file.write_bytes(with_secret("jpeg") if place else photo(640, 480))
        sources.append(str(file))
    with opened([VENDOR]) as emulators:
        emulators[VENDOR].seconds = 0.0
        async with engine_with(emulators, tmp_path) as engine:
            job = await made(engine, EDIT.tool, WORDS | {"images": sources})
    assert job.record.notes == (NOTE.format("images[1] and images[2]"),)


async def test_a_mask_is_drawn_anew(tmp_path: Path) -> None:
    route = next(one for name in VENDORS for one in routes_of(name) if "mask" in one.takes)
    image, mask = tmp_path / "photo.png", tmp_path / "mask.png"
    image.write_bytes(photo(640, 480))
    marked = mask_of(640, 480, (100, 100, 300, 300))
    mask.write_bytes(marked[:33] + chunk(b"tEXt", b"Comment\0" + SECRET) + marked[33:] + SECRET)
    with opened([route.provider]) as emulators:
        async with engine_with(emulators, tmp_path, IMAGEWRIGHT_KEEP_METADATA="on") as engine:
            await made(engine, route.tool, WORDS | {"images": [str(image)], "mask": str(mask)})
        assert sent_anywhere(emulators[route.provider].requests) == []


async def test_a_repeated_call_is_known_whatever_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "photo"
    file.write_bytes(with_secret("jpeg"))
    arguments, jobs = WORDS | {"images": [str(file)]}, []
    with opened([VENDOR]) as emulators:
        emulators[VENDOR].seconds = 60.0
        for keep in ("off", "on"):
            async with engine_with(emulators, tmp_path, IMAGEWRIGHT_KEEP_METADATA=keep) as engine:
                jobs.append(await engine.start(LOCAL, EDIT.tool, arguments, key="one key"))
                if keep == "on":
                    await engine.cancel(jobs[-1])
    assert jobs[0].id == jobs[1].id


def test_a_format_that_a_vendor_gets_as_it_came_is_one_that_is_cleaned() -> None:
    forms = {form for name in VENDORS for route in routes_of(name) for form in route.pictures.formats}
    assert forms
    assert forms <= set(PARTS)
