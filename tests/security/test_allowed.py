"""The setting that opens hosts, from the environment and the file to the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.engine.engine import open_engine
from imagewright.errors import Refusal
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from tests.emulators.base import Door, Emulator
from tests.emulators.messages import Answer
from tests.support.pictures import photo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from imagewright.engine.engine import Engine

pytestmark = pytest.mark.anyio


class Nas(Emulator):
    """A server of the user's own."""

    def doors(self) -> Sequence[Door]:
        return [
            Door("file", "api", "GET", "/.*", lambda _: Answer(200, photo(256, 256), {"Content-Type": "image/jpeg"}))
        ]


@pytest.fixture
def nas() -> Iterator[Nas]:
    with Nas() as emulator:
        yield emulator


@pytest.fixture
def place(home: Path) -> Path:
    """The folder of the configuration."""
    home.mkdir(parents=True, exist_ok=True)
    return home


async def cut_out(engine: Engine, url: str) -> None:
    job = await engine.start(LOCAL, "recraft", {"image": url})
    await engine.wait(job, 30)


async def test_an_allowed_host_serves_pictures_from_the_next_reload_on(nas: Nas, place: Path) -> None:
    url = f"{nas.url()}/a.jpg"
    environment = {"IMAGEWRIGHT_HOME": str(place), "IMAGEWRIGHT_PROVIDERS": "offline"}
    async with open_engine(load_settings(environment, working_directory=place)) as engine:
        with pytest.raises(Refusal, match="IMAGEWRIGHT_ALLOW_HOSTS=127"):
            await cut_out(engine, url)
        assert not nas.connections
        (place / "config.toml").write_text(f'allow_hosts = ["{url.split("/")[2]}"]', encoding="utf-8")
        await engine.reload()
        await cut_out(engine, url)
        assert [one.path for one in nas.requests] == ["/a.jpg"]
        with pytest.raises(Refusal, match="not a public address"):
            await cut_out(engine, f"http://localhost:{url.split(':')[2]}")


async def test_the_variable_goes_before_the_file(nas: Nas, place: Path) -> None:
    host = nas.url().removeprefix("http://")
    (place / "config.toml").write_text('allow_hosts = ["nas.local:80"]', encoding="utf-8")
    environment = {"IMAGEWRIGHT_HOME": str(place), "IMAGEWRIGHT_ALLOW_HOSTS": f"10.0.0.5:*, {host}"}
    settings = load_settings({**environment, "IMAGEWRIGHT_PROVIDERS": "offline"}, working_directory=place)
    assert [str(one) for one in settings.allow_hosts] == ["10.0.0.5:*", host]
    async with open_engine(settings) as engine:
        await cut_out(engine, f"{nas.url()}/a.jpg")
    assert nas.connections
