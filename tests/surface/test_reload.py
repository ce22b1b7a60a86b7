"""Files changed under a running server: the next call goes by them, or they are refused with their reason."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from imagewright.cli.main import main
from imagewright.engine import config
from imagewright.engine.engine import Engine, open_engine
from imagewright.errors import SettingsError
from imagewright.providers import KEY_VARIABLES, OTHER_HOSTS, open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from tests.emulators.fal import FalEmulator
from tests.emulators.kie import KieEmulator
from tests.support.quick_server import LOOK_EVERY
from tests.support.raw_client import MODERN, PATIENCE, RawClient
from tests.support.slow_vendors import SlowKie
from tests.support.vendors import environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

TOOL, GIVEN = "qwen", {"prompt": "a heron"}
WRONG = [
    ('providers = ["nosuch"]', "there is no provider 'nosuch'"),
    ('[tools]\ndisable = ["qwne"]', "did you mean 'qwen'"),
    ("[routes.qwen.kie]\nusd = -1", "routes.qwen.kie.usd"),
    ("[routes.qwen.kei]\nusd = 1", "did you mean 'kie'"),
    ("[routes.qwne.kie]\nusd = 1", "did you mean 'qwen'"),
    ('[addresses]\nkie = "ftp://gateway.example"', "addresses.kie"),
    ('[addresses]\nkei = "https://gateway.example"', "did you mean 'kie'"),
    ('[addresses]\nkie_uplaod = "https://gateway.example"', "did you mean 'kie_upload'"),
    ("providers = [", "config.toml"),
    pytest.param("providers = " + 100_000 * "[", "config.toml", id="nested"),
    pytest.param("wait = 1" + 5000 * "0", "config.toml", id="a long number"),
    ('[addresses]\nkie = "http://["', "addresses.kie"),
    ('[addresses]\nkie = "http://gateway.example:99999"', "addresses.kie"),
    ('[addresses]\nkie = "https://"', "addresses.kie"),
]
"""What a configuration may hold that cannot be used, and a regular expression for the reason that is given."""
MISTAKES = {
    'providers = ["nosuch"]': "nosuch",
    "[routes.qwen.fal]\nusd = -1": "routes.qwen.fal.usd",
    '[addresses]\nfla = "https://gateway.example"': "addresses.fla",
}
"""Some of them, with words of the reason."""
PRICE = 0.125
"""USD; a price that no route has."""
KEYS = {"KIE_API_KEY": "kie-key-of-a-test", "FAL_KEY": "fal-id:fal-key-of-a-test"}


@asynccontextmanager
async def running(home: Path, **env: str) -> AsyncIterator[Engine]:
    """A engine on this home, whose files are read when the test says so."""
    async with open_engine(load_settings({"IMAGEWRIGHT_HOME": str(home)} | env, working_directory=home)) as engine:
        yield engine


def configure(home: Path, text: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    # at once: an empty file is a configuration too, and would be taken for one in between
    new = home / "config.new"
    new.write_text(text, encoding="utf-8")
    new.replace(home / "config.toml")


async def providers_for(engine: Engine) -> list[str]:
    """The providers a call would be tried at, the one that is taken first."""
    named = [line.partition(" ")[0] for line in await engine.explain(TOOL, GIVEN)]
    return [name for name in named if name in KEY_VARIABLES]  # the last line is about the editions that come later


@pytest.mark.anyio
async def test_the_next_call_goes_by_the_changed_order_of_providers(home: Path) -> None:
    configure(home, 'providers = ["kie", "fal"]')
    async with running(home, **KEYS) as engine:
        assert await providers_for(engine) == ["kie", "fal"]
        configure(home, 'providers = ["fal"]')
        assert await engine.reload()
        assert await providers_for(engine) == ["fal"]
        assert set(engine.config.registry.providers) == {"fal"}
        configure(home, 'providers = ["fal", "kie"]')
        await engine.reload()
        assert await providers_for(engine) == ["fal", "kie"]


@pytest.mark.anyio
async def test_what_cannot_be_read_at_all_does_not_end_the_watching(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(config, "LOOK_EVERY", 0.01)
    changed = anyio.Event()

    async def on_change() -> None:
        changed.set()

    async with running(home, **KEYS) as engine, anyio.create_task_group() as group:
        group.start_soon(engine.follow_files, on_change)
        configure(home, f"providers = {'[' * 50_000}")
        with anyio.fail_after(PATIENCE):
            while "stays in force" not in caplog.text:  # noqa: ASYNC110 - what is waited for sets no event
                await anyio.sleep(0.01)
            configure(home, '[tools]\ndisable = ["qwen"]')
            await changed.wait()
        group.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_client_that_does_not_take_the_news_keeps_no_change_away(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "LOOK_EVERY", 0.01)
    news = [anyio.Event(), anyio.Event()]
    left = iter(news)

    async def on_change() -> None:
        next(left).set()
        await anyio.sleep_forever()

    async with running(home, **KEYS) as engine, anyio.create_task_group() as group:
        group.start_soon(engine.follow_files, on_change)
        with anyio.fail_after(PATIENCE):
            for heard, tool in zip(news, ("qwen", "recraft"), strict=True):
                configure(home, f'[tools]\ndisable = ["{tool}"]')
                await heard.wait()
                assert tool not in engine.offer.serving
        group.cancel_scope.cancel()


@pytest.mark.anyio
async def test_the_next_call_goes_by_changed_prices_and_routes(home: Path) -> None:
    async with running(home, **KEYS) as engine:
        first, second = await providers_for(engine)
        configure(home, f"[routes.{TOOL}.{first}]\nusd = 9.0")
        assert await engine.reload()
        assert await providers_for(engine) == [second, first]


@pytest.mark.parametrize(("text", "reason"), WRONG)
@pytest.mark.anyio
async def test_what_cannot_be_used_is_refused_with_its_reason_and_changes_nothing(
    text: str, reason: str, home: Path
) -> None:
    async with running(home, **KEYS) as engine:
        before = (engine.config, await providers_for(engine))
        configure(home, text)
        with pytest.raises(SettingsError, match=reason):
            await engine.reload()
        assert (engine.config, await providers_for(engine)) == before
    with pytest.raises(SettingsError, match=reason):
        async with running(home, **KEYS):
            pass


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_doctor_gives_the_same_reason(
    text: str, reason: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    configure(home, text)
    assert main(["doctor", "--quick"]) == 1
    assert re.search(f"broken .*{reason}", capsys.readouterr().out)


@pytest.mark.parametrize("provider", [name for name, variables in KEY_VARIABLES.items() if variables])
def test_every_address_a_provider_asks_for_can_be_set(provider: str) -> None:
    asked: Counter[str] = Counter()

    class Noting(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            asked[name] += 1
            return default

    open_provider(provider, ProviderConfig(key="none", addresses=Noting(), overrides={}, http=None))  # type: ignore[arg-type] # nothing is sent
    assert set(asked) == {"", *OTHER_HOSTS.get(provider, ())}


def call(client: RawClient, prompt: str) -> dict[str, Any]:
    result = client.call(TOOL, {"prompt": prompt})
    assert not result.get("isError"), result
    found: dict[str, Any] = result["structuredContent"]
    return found


@pytest.fixture
def kie() -> Iterator[KieEmulator]:
    with KieEmulator() as emulator:
        yield emulator


def write_keys(home: Path, keys: Mapping[str, str]) -> None:
    file = home / "keys.toml"
    file.touch(mode=0o600)
    file.write_text("".join(f'{name} = "{key}"\n' for name, key in keys.items()), encoding="utf-8")


def until(true: Callable[[], bool]) -> None:
    """Return once it holds; the file is looked at every half second, and here more often."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(LOOK_EVERY / 5)


def until_served_by(client: RawClient, provider: str) -> None:
    number = count()
    until(lambda: call(client, f"a heron for {provider}, number {next(number)}")["provider"] == provider)


def until_logged(client: RawClient, words: str) -> None:
    until(lambda: any(words in line for line in client.log))


def test_a_running_server_follows_keys_addresses_and_providers_and_says_what_it_refuses(
    kie: KieEmulator, home: Path
) -> None:
    with FalEmulator() as fal:
        env = environment({"kie": kie, "fal": fal}) | {"IMAGEWRIGHT_HOME": str(home)}
        unset = dict.fromkeys(KEYS, "")
        with RawClient(MODERN, env=env | unset, quick=True) as client:
            assert call(client, "a heron")["provider"] == "offline"
            if os.name == "posix":
                home.mkdir(exist_ok=True)
                (home / "keys.toml").touch(mode=0o644)
            write_keys(home, {"KIE_API_KEY": kie.key})
            if os.name == "posix":
                until_logged(client, "others on this machine can read your keys")
            (home / "keys.toml").chmod(0o600)
            until_served_by(client, "kie")
            configure(home, "providers = " + 100_000 * "[")
            until_logged(client, "config.toml")
            write_keys(home, {"KIE_API_KEY": kie.key, "FAL_KEY": fal.key})
            configure(home, 'providers = ["fal"]')
            until_served_by(client, "fal")
            for text, words in MISTAKES.items():
                configure(home, text)
                until_logged(client, words)
                assert call(client, f"a heron in spite of {words}")["provider"] == "fal"
            configure(home, 'providers = ["kie", "fal"]')
            until_served_by(client, "kie")
            configure(home, 'providers = ["fal"]')
            until_served_by(client, "fal")
            configure(home, f'providers = ["fal"]\n[routes.{TOOL}.fal]\nusd = {PRICE}')
            until(lambda: call(client, f"a heron at {time.monotonic()}")["cost"]["usd"] == PRICE)
            log = "".join(client.log)
    assert log.count("the one before stays in force") >= len(MISTAKES)
    assert kie.key not in log


def test_an_address_changed_in_a_running_server_is_used_by_the_next_call_and_a_job_keeps_its_own(home: Path) -> None:
    with SlowKie() as one, KieEmulator() as other:
        one.seconds = 1.0
        write = {"IMAGEWRIGHT_HOME": str(home), "KIE_API_KEY": one.key, "IMAGEWRIGHT_WAIT": "20"}
        other.key = one.key
        configure(home, _addresses(one))
        with RawClient(MODERN, env=write, quick=True) as client:
            early = client.begin("tools/call", {"name": TOOL, "arguments": {"prompt": "begun before"}})
            deadline = time.monotonic() + PATIENCE
            while not one.received("create"):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            configure(home, _addresses(other))
            late: list[int] = []
            while not other.received("create"):  # the file is looked at now and then
                assert time.monotonic() < deadline
                time.sleep(LOOK_EVERY * 2)
                late.append(client.begin("tools/call", {"name": TOOL, "arguments": {"prompt": f"after, {len(late)}"}}))
            answers = client.answers([early, *late])
    assert all(answer["result"]["structuredContent"]["images"] for answer in answers.values())
    for emulator in (one, other):
        assert len(emulator.received("download")) == len(emulator.received("create"))
    assert len(one.received("create")) + len(other.received("create")) == 1 + len(late)


def _addresses(emulator: KieEmulator) -> str:
    return f'[addresses]\nkie = "{emulator.url("api")}"\nkie_upload = "{emulator.url("upload")}"\n'


@pytest.mark.anyio
async def test_a_call_and_its_job_keep_the_configuration_they_began_with(home: Path) -> None:
    configure(home, 'providers = ["offline"]')
    async with running(home, **KEYS) as engine:
        began = engine.config
        configure(home, 'providers = ["kie"]')
        await engine.reload()
        changed, engine.config = engine.config, began
        async with anyio.create_task_group() as group:

            async def change() -> None:
                engine.config = changed

            group.start_soon(change)  # runs as soon as the call waits for anything
            job = await engine.start(LOCAL, TOOL, GIVEN)
            assert engine.config is changed
        assert await engine.wait(job, PATIENCE)
    assert (job.record.provider, job.record.state) == ("offline", "completed")


@pytest.mark.anyio
async def test_calls_that_race_a_reload_never_break(home: Path) -> None:
    orders = ['providers = ["kie"]', 'providers = ["fal", "kie"]', 'providers = ["fal"]', "", 'providers = ["nosuch"]']
    async with running(home, **KEYS) as engine:
        for text in orders * 4:
            configure(home, text)
            async with anyio.create_task_group() as group:
                group.start_soon(_reload, engine)
                for _ in range(5):
                    assert await providers_for(engine)
                    await anyio.lowlevel.checkpoint()


async def _reload(engine: Engine) -> None:
    try:
        await engine.reload()
    except SettingsError:
        assert await providers_for(engine)
