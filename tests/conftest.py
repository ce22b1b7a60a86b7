"""All tests run in an empty environment, and each has a home of its own."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import Counter
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from tests.support.slow_tests import is_slow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.emulators.kie import KieEmulator

KEPT_VARIABLES = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "PYTHONPATH", "LANG")
"""Not PYTHONDONTWRITEBYTECODE: a server under test starts as a user's does, not compiled anew each time."""
AUTHORITY = Path(__file__).parent / "net" / "tls" / "certificate.pem"
"""The only one that is trusted: the real ones are many, and nearly every client here speaks to loopback in plain."""
HOMES = count(1)
SLOWEST = ("conformance", "surface")
"""The folders whose tests wait most, the longest test first."""

# Every worker collects every file. With PYTHONDONTWRITEBYTECODE set, pytest would rewrite the asserts of all of them
# in each worker of each run, which takes longer than all else that collecting does.
sys.dont_write_bytecode = False


class _Grammar(ModuleType):
    """Stands for `rfc3987_syntax` until a value is judged by it.

    jsonschema imports it with itself, to judge addresses. It takes a second to build its grammar, in each process that
    collects the tests, and one test needs it.
    """

    @staticmethod
    def is_valid_syntax(term: str, value: str) -> bool:
        """As there."""
        if isinstance(sys.modules[GRAMMAR], _Grammar):
            del sys.modules[GRAMMAR]
        return bool(import_module(GRAMMAR).is_valid_syntax(term, value))


GRAMMAR = "rfc3987_syntax"
if find_spec(GRAMMAR):
    sys.modules.setdefault(GRAMMAR, _Grammar(GRAMMAR))

# A shell lets what it starts in the background ignore Ctrl-C, and every server under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what is slow, before `-m` chooses."""
    if is_slow(item):
        item.add_marker("slow")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: the tests of real servers wait as much as they compute."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The largest files first, those of the real servers and the others by turns.

    A long file begun last keeps all others waiting; and while one worker waits for a server, another one can compute.
    """
    sizes = Counter(item.path for item in items)
    largest_first = [path for path, _ in sizes.most_common()]
    waiting = [path for folder in SLOWEST for path in largest_first if path.parent.name == folder]
    computing = [path for path in largest_first if path.parent.name not in SLOWEST]
    places = {path: place for paths in (waiting, computing) for place, path in enumerate(paths)}
    items.sort(key=lambda item: (places[item.path], item.path.parent.name not in SLOWEST))


@pytest.fixture(scope="session", autouse=True)
def _bare_environment() -> Iterator[None]:
    """No key, no setting and no real user folder is in sight; of servers that several tests share neither."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in list(os.environ):
            if variable not in KEPT_VARIABLES and not variable.startswith("PYTEST"):
                patch.delenv(variable)
        patch.setenv("SSL_CERT_FILE", str(AUTHORITY))
        yield


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An IMAGEWRIGHT_HOME of the test's own; neither it nor the user's folder around it is there until it is made."""
    folder = tmp_path_factory.getbasetemp() / "homes" / str(next(HOMES))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.setenv("IMAGEWRIGHT_HOME", str(folder / "imagewright"))
    return folder / "imagewright"


@pytest.fixture
def anyio_backend() -> str:
    """The event loop the SDK's stdio transport runs on."""
    return "asyncio"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vendors whose tasks are asked about often, as by `quick_server`."""
    from tests.support.quick_server import hurry  # noqa: PLC0415 - loads vendors: not for tests that need none

    hurry(monkeypatch.setattr)


def pytest_collection_finish() -> None:
    """Keep what was collected out of the garbage collector's rounds: it is large and stays until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def kie(monkeypatch: pytest.MonkeyPatch) -> Iterator[KieEmulator]:
    """A vendor on loopback, set up as a user would."""
    from tests.emulators.kie import KieEmulator  # noqa: PLC0415 - it loads Pillow, and few tests need it

    with KieEmulator() as emulator:
        monkeypatch.setenv("KIE_API_KEY", emulator.key)
        monkeypatch.setenv("IMAGEWRIGHT_KIE_BASE_URL", emulator.url("api"))
        monkeypatch.setenv("IMAGEWRIGHT_KIE_UPLOAD_BASE_URL", emulator.url("upload"))
        yield emulator
