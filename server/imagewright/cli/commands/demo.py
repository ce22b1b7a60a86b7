"""`imagewright demo`: the real server, every tool once, on sample pictures, without a key and without a network."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from rich.text import Text

from imagewright.catalog.load import catalog
from imagewright.catalog.row import verb
from imagewright.cli.launching import launch_words
from imagewright.cli.output import console, table
from imagewright.cli.parser import command_parser, shared_words
from imagewright.cli.progress import reporting
from imagewright.cli.samples import lay_out
from imagewright.cli.session import settings_for
from imagewright.cli.showcase import Scene, scenes
from imagewright.imaging.sheet import SheetEntry, contact_sheet
from imagewright.providers import KEY_VARIABLES
from imagewright.storage.saving import write_new
from imagewright.surface.client import open_client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.cli.progress import Reporter
    from imagewright.surface.client import OwnClient

PATIENCE = "600"
"""Seconds the server waits before it answers with a job id instead of pictures: a demo waits."""
HEADING = "Imagewright: every tool once, offline"
CLOSING = (
    "Nothing left this machine: the built-in offline provider made these. Cutting out, reframing and enlarging are "
    "real; what is generated or edited is a marked draft until a provider has a key."
)


@dataclass(slots=True)
class Take:
    """What came of one call.

    Attributes:
        scene: the call.
        seconds: how long it took.
        pictures: `images` of the structured result.
        trouble: what the tool said when it failed; empty when it did not.
    """

    scene: Scene
    seconds: float
    pictures: list[dict[str, Any]] = field(default_factory=list)
    trouble: str = ""


def main(words: Sequence[str]) -> int:
    """Run the demo; 1 when a tool failed or none is on."""
    parser = command_parser("demo")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the pictures go (default: demo in your pictures)"
    )
    spoken = parser.parse_args(words)
    settings = settings_for(spoken)
    out: Path = (spoken.out or settings.folders.pictures / "demo").expanduser().absolute()
    on = any(settings.toggles.decide(tool).on for tool in catalog())
    options = shared_words(spoken, but=("--provider",))
    takes = anyio.run(partial(_perform, out, settings.environment, options)) if on else []
    sheet = _sheet(takes, out)
    _print(takes, out, sheet)
    return 0 if takes and not any(take.trouble for take in takes) else 1


async def _perform(out: Path, environment: Mapping[str, str], options: Sequence[str]) -> list[Take]:
    samples = await anyio.to_thread.run_sync(lay_out, out / "samples")
    roots = [str(out), environment.get("IMAGEWRIGHT_ROOTS", "")]
    variables = {
        **environment,
        "IMAGEWRIGHT_ROOTS": os.pathsep.join(root for root in roots if root),
        "IMAGEWRIGHT_WAIT": PATIENCE,
    }
    async with open_client(["serve", "--provider", "offline", *options], variables) as client:
        listed = {tool["name"] for tool in await client.list_tools()}
        plan = scenes([row for row in catalog().values() if row.tool in listed], samples, out)
        with reporting() as reporter:
            return [await _take(client, scene, reporter) for scene in plan]


async def _take(client: OwnClient, scene: Scene, reporter: Reporter) -> Take:
    tell = reporter.begin(scene.row.tool)
    start = time.monotonic()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        tell(progress / (total or 1.0), message or "")

    result = await client.call_tool(scene.row.tool, dict(scene.arguments), on_progress)
    take = Take(scene, time.monotonic() - start)
    if result.get("isError"):
        take.trouble = " ".join(block["text"] for block in result["content"] if block["type"] == "text")
        tell(0.0, "failed")
    else:
        take.pictures = result["structuredContent"]["images"]
        tell(1.0, f"{_counted(take)} in {take.seconds:.1f} s")
    return take


def _sheet(takes: Sequence[Take], out: Path) -> Path | None:
    entries = [
        SheetEntry(Path(picture["path"]), take.scene.row.title, f"{take.scene.row.tool}: {verb(take.scene.operation)}")
        for take in takes
        for picture in take.pictures
    ]
    if not entries:
        return None
    return write_new(BytesIO(contact_sheet(entries, heading=HEADING)), out / "contact-sheet.png").path


def _print(takes: Sequence[Take], out: Path, sheet: Path | None) -> None:
    screen = console()
    if not takes:
        screen.print("No model's tool is on, so there is nothing to show. Look with: imagewright tools")
        return
    listing = table("tool", "shows", "made", kept=("tool", "shows"))
    for take in takes:
        listing.add_row(Text(take.scene.row.tool, style="cyan"), verb(take.scene.operation), _made(take))
    screen.print(listing)
    screen.print()
    console(prose=True).print(CLOSING)
    screen.print()
    key = next(variables[0] for variables in KEY_VARIABLES.values() if variables)
    lines = {
        "pictures": str(out),
        "contact sheet": "none" if sheet is None else str(sheet),
        "connect Claude Code": f"claude mcp add imagewright -- {launch_words()}",
        "other clients": f"have them start: {launch_words()}",
        "real pictures": f"set {key} there, then ask your assistant for one",
        "check the setup": f"{launch_words()} doctor",
    }
    for what, value in lines.items():
        screen.print(Text.assemble((f"{what:<21}", "bold"), value), soft_wrap=True)


def _made(take: Take) -> Text:
    if take.trouble:
        return Text(take.trouble, style="red")
    sizes = dict.fromkeys(f"{picture['width']} x {picture['height']}" for picture in take.pictures)
    return Text(f"{_counted(take)}, {', '.join(sizes)}, {take.seconds:.1f} s")


def _counted(take: Take) -> str:
    count = len(take.pictures)
    return f"{count} picture{'s' if count != 1 else ''}"
