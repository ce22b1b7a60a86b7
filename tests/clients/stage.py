"""What a driver finds: servers to start, each with a home of its own, vendors behind them, pictures, a switch.

A driver reads one JSON document from the variable IMAGEWRIGHT_DRIVE:

    servers    the servers a client may start, by what they are for; each has `command`, `args`, `env`:
                 plain    built-in pictures, no key, at once
                 vendor   a paid vendor whose tasks take 3 s
                 slow     a paid vendor whose tasks take 12 s
                 asking   a paid vendor; the user has to be asked for its price
    paid       an address: `GET <paid>/<server>` answers {"begun": tasks begun, "charged": tasks paid} of its vendor
    toggle     `tool`, and the command lines `off` and `on` that switch it in the home of the server `plain`
               (their environment is `env`); `by` is "driver", or "runner" where the runner does it
    http       with --http: `url` and `token` of a server that runs; else null
    tools      the names of all tools
    samples    pictures, by name: absolute paths
    folder     an empty folder of the driver's own
    options    what its row says
    environment  the folder its packages are installed in, with `node`, the Node to run them with
    abilities  what is to be tried

It prints one line of JSON for each ability, at once when it is known:

    {"ability": "picture", "outcome": "ok", "detail": "...", "note": "", "pictures": [file], "structured": [pair]}

`outcome` is "ok", "fails", "absent" (the client has no such thing) or "untried" (with the reason as `detail`). `note`
is a word or two shown beside "ok". `pictures` are files with the pictures as the client shows them to its model: each
is decoded here, and the ability fails where that fails. `structured` are pairs of `schema` and `value`, validated here.
Where `toggle.by` is "runner", the driver prints {"ready": true} once it listens. Other lines are nobody's concern.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from PIL import Image

from imagewright.catalog.load import catalog
from imagewright.surface.definitions import HELPERS
from tests.clients.environments import node, starter
from tests.clients.results import Cell
from tests.clients.rows import ABILITIES, DRIVERS, Client
from tests.emulators.base import address_variables
from tests.emulators.kie import KieEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VENDORS = {"vendor": 3.0, "slow": 12.0, "asking": 0.5}
"""The servers with a vendor, and how long its tasks take, in seconds."""
CHEAPER = "0.001"
"""USD below every price."""
SWITCHED = "qwen"
SAMPLES = Path(__file__).parents[2] / "server" / "imagewright" / "imaging" / "samples"
MOST_DETAIL = 200
"""Characters that are kept of what was seen."""
LEAST = 64
"""Pixels of the shorter side of a picture that a model can make something of."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The document, and where the driver's own files are."""

    document: Mapping[str, Any]
    home: Path
    """The user's home for client and servers."""


@contextmanager
def stage(client: Client, environment: Path, folder: Path) -> Iterator[Stage]:
    """Set everything up in an empty folder; the vendors are gone afterwards."""
    home, own = folder / "home", folder / "driver"
    home.mkdir(parents=True)
    own.mkdir()
    with ExitStack() as stack:
        vendors = {name: stack.enter_context(KieEmulator(seconds=seconds)) for name, seconds in VENDORS.items()}
        servers = {name: _server(folder / name, vendors.get(name)) for name in ("plain", *VENDORS)}
        servers["asking"]["env"]["IMAGEWRIGHT_CONFIRM_ABOVE"] = CHEAPER
        switch = [servers["plain"]["command"], "-m", "imagewright", "tools"]
        document = {
            "servers": servers,
            "paid": stack.enter_context(_counters(vendors)),
            "toggle": {
                "tool": SWITCHED,
                "off": [*switch, "disable", SWITCHED],
                "on": [*switch, "enable", SWITCHED],
                "env": servers["plain"]["env"] | {"HOME": str(home), "PATH": os.environ.get("PATH", "")},
                "by": "driver",
            },
            "http": None,
            "tools": [*catalog(), *HELPERS],
            "samples": {file.stem: str(file) for file in sorted(SAMPLES.iterdir()) if file.suffix in {".jpg", ".png"}},
            "folder": str(own),
            "options": client.options,
            "environment": str(environment),
            "node": "" if client.kind == "python" else node(environment),
            "abilities": [*ABILITIES],
        }
        yield Stage(document, home)


def _server(home: Path, vendor: KieEmulator | None) -> dict[str, Any]:
    """How a client starts one of the servers."""
    home.mkdir()
    env = {"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_ROOTS": os.pathsep.join([str(SAMPLES), str(home)])}
    if vendor is not None:
        env |= {"KIE_API_KEY": vendor.key} | address_variables("kie", vendor.addresses)
    return {"command": sys.executable, "args": ["-m", "imagewright"], "env": env}


@contextmanager
def _counters(vendors: Mapping[str, KieEmulator]) -> Iterator[str]:
    """An address that tells what was begun and paid at each vendor."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            vendor = vendors[self.path.strip("/")]
            body = json.dumps({"begun": vendor.begun, "charged": len(vendor.charges)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def drive(client: Client, environment: Path, folder: Path, abilities: list[str]) -> dict[str, Cell]:
    """Run a driver to its end and judge what it printed; its output is kept in the folder."""
    with (
        stage(client, environment, folder) as set_up,
        driving(client, set_up, folder, {"abilities": abilities}) as run,
        suppress(subprocess.TimeoutExpired),
    ):
        run.wait(client.patience)
    return judged(output_in(folder))


@contextmanager
def driving(client: Client, set_up: Stage, folder: Path, changes: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """A driver that runs, with these changes to its document; it is gone afterwards."""
    document = json.dumps(dict(set_up.document) | changes)
    variables = {"HOME": str(set_up.home), "IMAGEWRIGHT_DRIVE": document, "NO_COLOR": "1"}
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SSL_CERT_FILE") if name in os.environ}
    with (folder / "stderr.txt").open("wb") as errors, (folder / "stdout.txt").open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - words of our own
            [*starter(Path(set_up.document["environment"]), client), str(DRIVERS / client.driver)],
            env=kept | variables,
            cwd=folder / "driver",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def output_in(folder: Path) -> str:
    """What a driver has printed so far."""
    return (folder / "stdout.txt").read_text(encoding="utf-8", errors="replace")


def judged(output: str) -> dict[str, Cell]:
    """What a driver's lines come to; the last word about an ability holds."""
    cells = {}
    for line in output.splitlines():
        with suppress(ValueError):
            words = json.loads(line)
            if isinstance(words, dict) and words.get("ability") in ABILITIES:
                cells[words["ability"]] = _judge(words)
    return cells


def _judge(words: Mapping[str, Any]) -> Cell:
    detail, note = str(words.get("detail", "")), str(words.get("note", ""))
    problems = [] if words["outcome"] != "ok" else [*_bad_pictures(words), *_bad_values(words)]
    if problems:
        return Cell(outcome="fails", detail=_lasting("; ".join(problems)))
    return Cell(outcome=words["outcome"], detail=_lasting(detail), note=note)


def _lasting(text: str) -> str:
    """What another run of the same would say too: without folders, and without ids that are made anew each time."""
    text = re.sub(r"(?:/[\w.@+=\[\]-]+)+/", ".../", text)
    return re.sub(r"\b(img|job)_(?!0{16})[0-9a-z]{16}\b", r"\1_...", text)[:MOST_DETAIL]


def _bad_pictures(words: Mapping[str, Any]) -> Iterator[str]:
    for file in words.get("pictures", []):
        try:
            with Image.open(file) as picture:
                picture.load()
                if min(picture.size) < LEAST:
                    yield f"a picture of only {picture.width} x {picture.height} px"
        except OSError as error:
            yield f"a picture that cannot be decoded: {error}"


def _bad_values(words: Mapping[str, Any]) -> Iterator[str]:
    for pair in words.get("structured", []):
        for error in Draft202012Validator(pair["schema"]).iter_errors(pair["value"]):
            yield f"structured content breaks the output schema: {error.message}"[:300]
