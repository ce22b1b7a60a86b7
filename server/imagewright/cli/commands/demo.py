"""`imagewright demo`: the real server, every tool once, on sample pictures, without a key and without a network.

The server has a library and a journal of its own, which are removed afterwards. So what the demo makes stands neither
in the gallery nor among the jobs. The pictures stay in one folder, until the next demo replaces them.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import click
from rich.text import Text

from imagewright import __version__
from imagewright.catalog.facts import operations
from imagewright.catalog.load import catalog
from imagewright.catalog.row import PICTURE_KINDS, OperationName, outside, verb
from imagewright.cli.launching import launch_words
from imagewright.cli.options import Command, option
from imagewright.cli.output import console, table
from imagewright.cli.progress import reporting
from imagewright.cli.session import settings_now
from imagewright.imaging.sheet import SheetEntry, contact_sheet
from imagewright.providers import KEY_VARIABLES
from imagewright.settings.table import HOME, ROOTS, WAIT
from imagewright.storage.paths.files import read_file, remove_file, replace_file, save_new
from imagewright.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagewright.catalog.row import Argument, Row
    from imagewright.cli.progress import Reporter
    from imagewright.surface.client import OwnClient

PATIENCE = "600"
"""Seconds the server waits before it answers with a job id instead of pictures."""
HEADING = "Imagewright: every tool once, offline"
MADE = ".imagewright-demo.json"
"""Names what a demo has put into its folder, each file with the SHA-256 digest of its content."""
CLOSING = (
    "Nothing left this machine: the built-in offline provider made these. Cutting out, reframing and enlarging are "
    "real; what is generated or edited is a marked placeholder until a provider has a key. The pictures are not "
    "in your gallery, and the next demo replaces them."
)

LARGEST_SHOWN = 50_000_000
"""Bytes of a picture that is shown on the contact sheet."""
ENDINGS = (".jpg", ".png")
"""Of the bundled sample pictures."""
PROMPTS = {
    "": (
        "Evening over a quiet sea, the sun low, one small sailing boat far out",
        "A small town on a hill on a summer evening, seen from across the valley",
        "Still life with a jug and a bowl of fruit, plain wall, strong simple shapes",
    ),
    "fruit": (
        "Make the light that of a dull winter afternoon; keep the bowl and the fruit as they are",
        "Give the whole picture the look of a watercolour",
        "Put a glass of water beside the bowl",
    ),
    "vase": ("Decorate the vase with leaves and flowers in flat colours; keep all else",),
}
"""By the sample picture they are about, none for generating; taken in turn, so that no two tools get the same."""
MASKS = {"vase": "vase_mask"}
"""The mask of a sample picture; what takes a mask is shown with one of these."""
PICTURES = {OperationName.EDIT: "fruit", OperationName.UPSCALE: "fruit"}
"""The sample picture for each operation; for all others the one that has a mask, as its subject stands clear."""
VALUES: dict[str, Any] = {"variants": 2, "scale": 2, "seed": 7, "resolution": "1K"}
"""By argument: two variants show that they differ, twice the size shows that it grows; the rest is for speed."""
SHAPES = {OperationName.GENERATE: "3:2", OperationName.REFRAME: "16:9"}
"""The aspect ratio asked for; elsewhere the tool's default shows it best."""


@dataclass(slots=True)
class Scene:
    """One call of the demo, and what came of it."""

    row: Row
    operation: OperationName
    arguments: Mapping[str, Any]
    seconds: float = 0.0
    """How long the call took."""
    pictures: list[dict[str, Any]] = field(default_factory=list)
    """`images` of the structured result."""
    trouble: str = ""
    """What the tool answered when it failed; empty when it did not."""


@click.command(cls=Command)
@option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="where the pictures go (default: demo in your pictures)",
)
def command(out: Path | None) -> int:
    """Run the demo; 1 when a tool failed or none is on."""
    screen = console(prose=True)
    screen.print(f"Imagewright {__version__}: every tool once, with no key and no network", style="bold")
    settings = settings_now()
    out = Path(os.path.realpath((out or settings.folders.pictures / "demo").expanduser()))
    on = [tool for tool in catalog() if settings.toggles.decide(tool).on]
    with tempfile.TemporaryDirectory(prefix="imagewright-demo-") as home:
        variables = {HOME.variable: home, ROOTS.variable: str(out), WAIT.variable: PATIENCE}
        shown = anyio.run(partial(_perform, on, out, {**settings.environment, **variables})) if on else []
    _print(shown, out, _sheet(shown, out))
    return 0 if shown and not any(scene.trouble for scene in shown) else 1


async def _perform(on: Sequence[str], out: Path, environment: dict[str, str]) -> list[Scene]:
    with reporting() as reporter:
        tell = reporter.begin("server")
        tell(0.0, "starts")
        await anyio.to_thread.run_sync(clear, out)
        samples = await anyio.to_thread.run_sync(lay_out, out / "samples")
        plan = scenes([catalog()[tool] for tool in on], samples, out)
        # loaded now, as the protocol takes a while and something should stand on the screen before
        from imagewright.surface.client import open_client  # noqa: PLC0415 - see above

        async with open_client(["serve", "--provider", "offline", "--tools", ",".join(on)], environment) as client:
            listed = await client.list_tools()
            tell(1.0, f"offers {counted(len(listed), 'tool')}")
            for scene in plan:
                await _play(client, scene, reporter)
                _note([Path(picture["path"]) for picture in scene.pictures], out)
    return plan


def clear(out: Path) -> None:
    """Remove what an earlier demo has put into the folder and nobody has changed since."""
    for name, digest in _noted(out).items():
        if (out / name).is_file() and _digest(out / name) == digest:
            remove_file(out / name)
    remove_file(out / MADE)


def _note(made: Sequence[Path], out: Path) -> None:
    """Write down what this demo has made, besides what it had made before."""
    noted = _noted(out) | {path.name: _digest(path) for path in made}
    replace_file(out / MADE, json.dumps(noted, indent=1).encode(), lambda _: None)


def _noted(out: Path) -> dict[str, str]:
    """The files that a demo has made in the folder, by name, each with its digest; empty where there was none."""
    try:
        noted = json.loads(read_file(out / MADE, LARGEST_SHOWN))
    except (OSError, ValueError):  # no demo was here, or somebody has edited its note
        return {}
    pairs = noted.items() if isinstance(noted, dict) else ()
    return {name: digest for name, digest in pairs if isinstance(digest, str) and PurePath(name).name == name}


def _digest(path: Path) -> str:
    return hashlib.sha256(read_file(path, LARGEST_SHOWN)).hexdigest()


async def _play(client: OwnClient, scene: Scene, reporter: Reporter) -> None:
    tell = reporter.begin(scene.row.tool)
    start = time.monotonic()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        tell(progress / (total or 1.0), message or "")

    result = await client.call_tool(scene.row.tool, dict(scene.arguments), on_progress)
    scene.seconds = time.monotonic() - start
    if result.get("isError"):
        scene.trouble = " ".join(block["text"] for block in result["content"] if block["type"] == "text")
        tell(0.0, "failed")
    else:
        scene.pictures = result["structuredContent"]["images"]
        tell(1.0, f"{counted(len(scene.pictures), 'picture')} in {scene.seconds:.1f} s")


def _sheet(shown: Sequence[Scene], out: Path) -> Path | None:
    entries = [
        SheetEntry(
            read_file(Path(picture["path"]), LARGEST_SHOWN),
            scene.row.title,
            f"{scene.row.tool}: {verb(scene.operation)}",
        )
        for scene in shown
        for picture in scene.pictures
    ]
    if not entries:
        return None
    sheet = save_new(contact_sheet(entries, heading=HEADING), out / "contact-sheet.png")
    _note([sheet], out)
    return sheet


def _print(shown: Sequence[Scene], out: Path, sheet: Path | None) -> None:
    screen = console()
    if not shown:
        screen.print("No model's tool is on, so there is nothing to show. Look with: imagewright tools")
        return
    rows = [(Text(one.row.tool, style="cyan"), verb(one.operation), _made(one)) for one in shown]
    screen.print()
    screen.print(table(("tool", "shows", "made"), rows, kept=("tool", "shows")))
    screen.print()
    console(prose=True).print(CLOSING)
    screen.print()
    ours = launch_words()
    lines = {
        "pictures": str(out),
        "contact sheet": "none" if sheet is None else str(sheet),
        "clients found here": f"{ours} connect",
        "connect one": f"{ours} connect claude-desktop",
        "any other client": f"have it start: {ours}",
        "real pictures": f"{ours} keys set {next(one for one, names in KEY_VARIABLES.items() if names)}",
        "check the setup": f"{ours} doctor",
    }
    for what, value in lines.items():
        screen.print(Text.assemble((f"{what:<20}", "bold"), value), soft_wrap=True)


def _made(scene: Scene) -> Text:
    if scene.trouble:
        return Text(scene.trouble, style="red")
    sizes = dict.fromkeys(f"{picture['width']} x {picture['height']}" for picture in scene.pictures)
    return Text(f"{counted(len(scene.pictures), 'picture')}, {', '.join(sizes)}, {scene.seconds:.1f} s")


def scenes(rows: Sequence[Row], samples: Mapping[str, Path], out: Path) -> list[Scene]:
    """One call per tool, together showing every operation there is.

    Samples are absolute paths by name; `out` is where the pictures are to be saved, absolute.
    """
    turns: Counter[str] = Counter()
    made = []
    chosen = cast_operations(rows)
    for row in rows:
        operation = chosen[row.tool]
        taken = row.operations[operation].arguments
        picture = _picture(operation, taken)
        given = {name: _value(name, one, operation, samples, picture) for name, one in taken.items()}
        if "prompt" in taken:
            prompts = PROMPTS[picture]
            given["prompt"] = prompts[turns[picture] % len(prompts)]
            turns[picture] += 1
        if "save_as" in taken:
            given["save_as"] = str(out / row.tool)
        made.append(Scene(row, operation, {name: value for name, value in given.items() if value is not None}))
    return made


def _picture(operation: OperationName, taken: Mapping[str, Argument]) -> str:
    """The name of the sample picture to give; empty when none is taken."""
    if not any(argument.kind in PICTURE_KINDS and argument.required for argument in taken.values()):
        return ""
    masked = next(iter(MASKS))
    return masked if "mask" in taken else PICTURES.get(operation, masked)


def cast_operations(rows: Sequence[Row]) -> dict[str, OperationName]:
    """Which operation each tool shows, so that together they show every operation, the rarest first.

    An operation is shown by the tool that ranks first for it. A tool that is left over shows the operation with most
    arguments that no tool has shown yet, and of equal ones the one that has been shown least.
    """
    chosen: dict[str, OperationName] = {}
    able = Counter(name for row in rows for name in row.operations)
    for name in sorted(able, key=lambda one: able[one]):
        free = [row for row in rows if name in row.operations and row.tool not in chosen]
        if free:
            chosen[min(free, key=lambda row: row.operations[name].rank).tool] = name
    known = {name for row in rows if row.tool in chosen for name in row.operations[chosen[row.tool]].arguments}
    for row in rows:
        if row.tool not in chosen:
            count = Counter(chosen.values())
            new = {one: set(row.operations[one].arguments) - known for one in operations(row)}
            chosen[row.tool] = min(new, key=lambda one: (-len(new[one]), count[one]))
            known |= new[chosen[row.tool]]
    return chosen


def _value(name: str, argument: Argument, operation: OperationName, samples: Mapping[str, Path], picture: str) -> Any:
    """What shows the argument off; None to leave it to its default."""
    if argument.kind in PICTURE_KINDS:
        if not argument.required and name != "mask":
            return None
        sample = str(samples[MASKS[picture] if name == "mask" else picture])
        return sample if argument.kind == "picture" else [sample] * (argument.min_items or 1)
    value = SHAPES.get(operation) if name == "aspect_ratio" else VALUES.get(name)
    if value is not None and not outside(argument, value):
        return value
    return _some(argument) if argument.required else None


def _some(argument: Argument) -> Any:
    """Any allowed value of an argument that must be given."""
    if argument.values:
        return argument.values[0]
    if argument.kind in {"integer", "number"}:
        bound = next((one for one in (argument.minimum, argument.maximum) if one is not None), 1)
        return int(bound) if argument.kind == "integer" else bound
    return argument.kind == "boolean" or "a fox"


def lay_out(folder: Path) -> Mapping[str, Path]:
    """Copy the samples into a folder, and return their absolute paths by name, such as "vase" and "vase_mask".

    A sample that is there already is taken as it is.

    Raises:
        StorageError: the folder cannot be written.
    """
    bundled = files("imagewright.imaging") / "samples"
    return {
        PurePath(sample.name).stem: _placed(sample.read_bytes(), folder / sample.name)
        for sample in sorted(bundled.iterdir(), key=lambda one: one.name)
        if sample.name.endswith(ENDINGS)
    }


def _placed(data: bytes, target: Path) -> Path:
    if target.is_file() and target.read_bytes() == data:
        return target
    return save_new(data, target)
