"""Every cell of the offline provider's table, made from the rows: all promises are kept, and all else is refused.

The cells are, for each operation of each tool: the least call; every value of every choice, and one that is none of
them; every number of a short range, both ends of a long one, and one past each end; texts and lists of pictures at
their limits and one past; both positions of a switch; every rule across arguments, broken; and where an input picture
is taken as it is, one of every file type, one at every limit and one past it. Every edition is named once, and what it
has less of than its row is tried again with it.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from math import isqrt
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from PIL import Image, ImageOps

from imagewright.catalog.load import catalog
from imagewright.catalog.row import AUTO, MODEL, PICTURE_KINDS, OperationName
from imagewright.catalog.schema import stand_in
from imagewright.engine.engine import open_engine
from imagewright.errors import Refusal
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from imagewright.storage.records import extension
from tests.support.pictures import mask_of, quarters, saved
from tests.support.provider_runs import example, unusual

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imagewright.catalog.row import Argument, PictureLimits, Row, Rule
    from imagewright.engine.engine import Engine
    from imagewright.engine.job import Job

COUNTED = 448
"""How many cells an earlier count had, made by hand before there were editions. The rows make 609 as of 2026-11-26."""
SHORT = 10
"""A range of at most so many whole numbers is tried whole."""
CLOSE = 0.005
"""Share by which a shape may differ from what was asked for."""
AREA_CLOSE = 0.1
"""The same for the number of pixels of a class such as 2K: sides are whole multiples of the ratio's own numbers."""
CLASS_SIDE = 1024
"""Px of the side of a square of class 1K."""
SIDE = 256
"""Px of the shorter side of an input picture that is nothing special: the least that every row takes."""
WIDTHS = 97
"""So many widths of such pictures are gone through before the height grows: no two calls are the same."""
SECONDS = 120.0
"""Until a call that does not end fails."""
AT_ONCE = 3
"""Calls that are made side by side."""
AS_IT_IS = (OperationName.UPSCALE, OperationName.REMOVE_BACKGROUND)
"""Operations whose input picture is never scaled or converted to fit."""
NUMBERS = count()


@dataclass(frozen=True)
class Shot:
    """An input picture."""

    width: int
    """Px."""
    height: int
    """Px."""
    format: str = "png"
    bytes: int = 0
    """To how many bytes the file is filled up; 0 for as many as it has."""

    def write(self, file: Path, *, on_white: bool) -> None:
        """Write it: a colour in each quarter, or a subject on white, which can be cut out."""
        image = quarters(self.width, self.height)
        if on_white:
            image = ImageOps.expand(ImageOps.crop(image, SIDE // 8), SIDE // 8, "white")
        data = saved(image, self.format)
        if self.bytes:
            filling = b"prVt" + bytes(self.bytes - len(data) - 12)  # length, name and sum of a chunk are 12 bytes
            chunk = struct.pack(">I", len(filling) - 4) + filling + struct.pack(">I", zlib.crc32(filling))
            data = data[:-12] + chunk + data[-12:]
        file.write_bytes(data)


def _another() -> Shot:
    """A picture that no other call has."""
    rows, columns = divmod(next(NUMBERS), WIDTHS)
    return Shot(SIDE + 4 + columns, SIDE + rows)


@dataclass(frozen=True)
class Cell:
    """A call."""

    row: Row
    operation: OperationName
    edition: str = ""
    """The edition that is named; empty for none."""
    tried: Mapping[str, Any] = field(default_factory=dict)
    """What is given beyond the least; of pictures how many."""
    served: bool = True
    """Whether it is promised. If not, it is refused for the first argument that is tried."""
    shot: Shot = field(default_factory=_another)
    """Its input picture, if it has any."""
    number: int = field(default_factory=partial(next, count()))
    """Tells the calls apart."""

    def __str__(self) -> str:
        tried = (f"{name}-{_short(value)}" for name, value in self.tried.items())
        parts = (self.row.tool, self.operation, self.edition, *tried, "" if self.served else "refused", self.number)
        return "-".join(str(part) for part in parts if part != "")

    def arguments(self, folder: Path) -> dict[str, Any]:
        """The call's arguments; its pictures lie in the folder."""
        file = str(folder / f"{self.number}.{extension(self.shot.format)}")
        whole = self.row.operations[self.operation].arguments
        tried = {
            name: [file] * value if whole[name].kind == "pictures" else value for name, value in self.tried.items()
        }
        able = [self.edition] if self.edition else self.row.editions_for(self.operation, tried)
        forms = [self.row.in_edition(name).operations[self.operation].arguments for name in able or ("",)]
        own = min(forms, key=_smallest)  # the smallest picture is the quickest
        given: dict[str, Any] = {MODEL: self.edition} if self.edition else {}
        for name, argument in own.items():
            if name == "resolution" and "mask" not in self.tried:
                given[name] = _smallest(own)
            elif argument.required:
                by_kind = {"pictures": [file], "picture": file, "text": f"A kite, number {self.number}"}
                given[name] = by_kind.get(argument.kind) or example(argument)
        return given | {
            name: f"{folder}/mask-{self.number}.png" if name == "mask" else one for name, one in tried.items()
        }

    def make_pictures(self, folder: Path) -> None:
        """Write what the arguments name."""
        if any(one.kind in PICTURE_KINDS for one in self.row.operations[self.operation].arguments.values()):
            on_white = self.operation is OperationName.REMOVE_BACKGROUND
            self.shot.write(folder / f"{self.number}.{extension(self.shot.format)}", on_white=on_white)
        if "mask" in self.tried:
            width, height = self.shot.width, self.shot.height
            (folder / f"mask-{self.number}.png").write_bytes(mask_of(width, height, (0, 0, width // 2, height)))


def _smallest(arguments: Mapping[str, Argument]) -> str:
    """The first of the sizes there, which come in order; where there are none, what is larger than all."""
    argument = arguments.get("resolution")
    return "none" if argument is None else str((argument.values or ("",))[0])


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < SHORT else f"{len(text)}-long"


def _cells() -> Iterator[Cell]:
    for row in catalog().values():
        for operation, form in row.operations.items():
            yield Cell(row, operation)
            editions = form.arguments[MODEL].values or () if MODEL in form.arguments else ()
            for edition in ("", *editions):
                yield from _of_arguments(row, operation, str(edition))
            for rule in row.rules:
                if set(rule.when) <= set(form.arguments):
                    yield from _breaking(row, operation, rule)
            if operation in AS_IT_IS:
                yield from _of_picture(row, operation, row.pictures)


def _of_arguments(row: Row, operation: OperationName, edition: str) -> Iterator[Cell]:
    """Each argument as the row has it, or as the edition has it where that differs."""
    whole = row.operations[operation].arguments
    own = row.in_edition(edition).operations[operation].arguments
    for name, argument in whole.items():
        if name == MODEL:
            yield (
                Cell(row, operation, edition)
                if edition
                else Cell(row, operation, "", {MODEL: "none-such"}, served=False)
            )
        elif name not in own:
            yield Cell(row, operation, edition, {name: _unlike_default(argument)}, served=False)
        elif not edition or own[name] != argument:
            known = [*_trials(argument)] if edition else []
            for value, served in _trials(own[name]):
                if (value, served) not in known:
                    yield Cell(row, operation, edition, {name: value}, served=served)
            for value in argument.values or ():
                if value not in (own[name].values or ()):
                    yield Cell(row, operation, edition, {name: value}, served=False)


def _unlike_default(argument: Argument) -> Any:
    """A value the row takes that does not mean the same as leaving it out."""
    return "blur" if argument.kind == "text" else unusual(argument)


def _trials(argument: Argument) -> Iterator[tuple[Any, bool]]:
    """Values, and whether they are within the limits. Sent empty is not given: wrong only where it is required."""
    low, high = argument.minimum, argument.maximum
    match argument.kind:
        case "boolean":
            yield from ((True, True), (False, True))
        case "picture":
            if not argument.required:
                yield "given", True
        case "pictures":
            least, most = argument.min_items or 1, argument.max_items or 1
            yield from ((number, number <= most) for number in dict.fromkeys((least, most, most + 1)))
        case "text" | "path":
            yield from (("y" * length, True) for length in (argument.min_length, argument.max_length) if length)
            if argument.max_length:
                yield "y" * (argument.max_length + 1), False
            if argument.required:
                yield "", False
        case "integer" | "number":
            assert low is not None
            assert high is not None
            short = argument.kind == "integer" and high - low < SHORT
            within = range(int(low), int(high) + 1) if short else (low, high)
            whole = all(float(one).is_integer() for one in (low, high))
            past = low - 1 - (stand_in((argument,)) == low - 1)  # the neutral value is not given and not wrong
            for value, served in (*((one, True) for one in within), (past, False), (high + 1, False)):
                yield int(value) if whole else value, served
        case _:
            yield from ((value, True) for value in argument.values or ())
            yield "none-such", False


def _breaking(row: Row, operation: OperationName, rule: Rule) -> Iterator[Cell]:
    """Calls that a rule forbids."""
    arguments = row.operations[operation].arguments
    when = {name: "given" if value == "*" else value for name, value in rule.when.items()}
    for name, number in rule.items.items():
        if name in arguments:
            yield Cell(row, operation, "", when | {name: number + 1}, served=False)
    for name, allowed in rule.values.items():
        for value in arguments[name].values or ():
            yield Cell(row, operation, "", when | {name: value}, served=value in allowed)


def _of_picture(row: Row, operation: OperationName, limits: PictureLimits) -> Iterator[Cell]:
    """Input pictures of every type, and at every limit and one past it."""
    for name in limits.formats:
        yield Cell(row, operation, shot=Shot(SIDE + 1, SIDE + 2, name))
    at_limit = [(Shot(SIDE + 3, SIDE, bytes=limits.max_bytes), Shot(SIDE + 3, SIDE, bytes=limits.max_bytes + 1))]
    if limits.min_side > 1:
        at_limit.append((Shot(SIDE + 5, limits.min_side), Shot(SIDE + 5, limits.min_side - 1)))
    if limits.max_side:
        at_limit.append((Shot(limits.max_side, SIDE), Shot(limits.max_side + 1, SIDE)))
    if limits.max_megapixels:
        side = isqrt(round(limits.max_megapixels * 1_000_000))
        at_limit.append((Shot(side, side), Shot(side + 1, side)))
    for inside, past in at_limit:
        yield Cell(row, operation, shot=inside)
        yield Cell(row, operation, served=False, shot=past)


CELLS = list(_cells())


class Outcomes:
    """What became of all calls of a tool, made when a test first asks for them."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._of: dict[str, dict[int, Job | Refusal]] = {}
        self.folders: dict[str, Path] = {}

    def of(self, cell: Cell) -> Job | Refusal:
        """The ended job of a call, or its refusal."""
        tool = cell.row.tool
        if tool not in self._of:
            self._of[tool] = {}
            self.folders[tool] = self._factory.mktemp(tool)
            anyio.run(_run, [one for one in CELLS if one.row.tool == tool], self.folders[tool], self._of[tool])
        assert cell.number in self._of[tool], "an earlier test broke while the calls were made"
        return self._of[tool][cell.number]


async def _run(cells: list[Cell], folder: Path, found: dict[int, Job | Refusal]) -> None:
    variables = {"IMAGEWRIGHT_HOME": str(folder / "home"), "IMAGEWRIGHT_ROOTS": str(folder), "HOME": str(folder)}
    room = anyio.CapacityLimiter(AT_ONCE)

    async def call(engine: Engine, cell: Cell) -> None:
        async with room:
            cell.make_pictures(folder)
            try:
                job = await engine.start(LOCAL, cell.row.tool, cell.arguments(folder))
                assert await engine.wait(job, SECONDS), cell
                found[cell.number] = job
            except Refusal as refusal:
                found[cell.number] = refusal

    async with (
        open_engine(load_settings(variables, working_directory=folder)) as engine,
        anyio.create_task_group() as group,
    ):
        for cell in cells:
            group.start_soon(call, engine, cell)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return Outcomes(tmp_path_factory)


def test_there_are_more_cells_than_were_counted_once() -> None:
    """The 448 of the count were all ratios, sizes, numbers of variants, scales, file types and limits with one past."""
    assert len(CELLS) >= COUNTED
    verdicts = {(one.row.tool, one.operation, one.served) for one in CELLS}
    assert verdicts == {
        (row.tool, name, served) for row in catalog().values() for name in row.operations for served in (True, False)
    }
    named = {(one.row.tool, one.edition) for one in CELLS if one.edition}
    choices = {
        (row.tool, str(name))
        for row in catalog().values()
        for one in row.arguments().get(MODEL, ())
        for name in one.values or ()
    }
    assert named == choices


@pytest.mark.parametrize("cell", [cell for cell in CELLS if not cell.served], ids=str)
def test_what_is_not_promised_is_refused_for_the_argument_that_asks_for_it(cell: Cell, outcomes: Outcomes) -> None:
    refusal = outcomes.of(cell)
    assert isinstance(refusal, Refusal)
    about = next(iter(cell.tried), "image")
    assert [one.argument for one in refusal.problems if one.argument.startswith(about)], refusal
    able = cell.row.editions_for(cell.operation, dict(cell.tried)) if cell.edition else ()
    assert not able or any(one in str(refusal) for one in able), refusal


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.served], ids=str)
def test_what_is_promised_arrives_exactly_as_asked(cell: Cell, outcomes: Outcomes) -> None:
    job = outcomes.of(cell)
    assert not isinstance(job, Refusal), job
    given = cell.arguments(outcomes.folders[cell.row.tool])
    assert job.record.state == "completed", job.error
    assert not [note for note in job.record.notes if note.startswith("Asked")]
    assert len(job.pictures) == len({one.path for one in job.pictures}) == given.get("variants", 1)
    for record in job.pictures:
        assert record.path is not None
        assert record.path.suffix == f".{extension(record.format)}"
        with Image.open(record.path) as image:
            assert str(image.format).lower() == record.format == _format(cell, given)
            assert image.size == (record.width, record.height)
            _check_sides(cell, given, image.size)
            _check_alpha(cell, given, image)
    digests = {record.path.read_bytes() for record in job.pictures if record.path}
    assert len(digests) == len(job.pictures)
    if "seed" in given:
        assert job.pictures[0].seed == given["seed"]
    if "save_as" in given:
        assert job.pictures[0].path is not None
        assert job.pictures[0].path.stem.startswith(given["save_as"])


def _format(cell: Cell, given: Mapping[str, Any]) -> str:
    own = cell.shot.format if cell.operation is OperationName.UPSCALE else "png"
    return str(given.get("output_format", own))


def _check_sides(cell: Cell, given: Mapping[str, Any], size: tuple[int, int]) -> None:
    own = cell.shot.width, cell.shot.height
    if cell.operation in AS_IT_IS:
        scale = given.get("scale", 1)
        assert size == (own[0] * scale, own[1] * scale)
        return
    default = cell.row.operations[cell.operation].arguments["aspect_ratio"].default
    asked = str(given.get("aspect_ratio", default))
    across, down = own if asked == AUTO else (int(part) for part in asked.split(":"))
    assert size[0] * down == pytest.approx(size[1] * across, rel=CLOSE)
    if "mask" in given:
        assert size == own
    elif "resolution" in given or cell.operation is OperationName.GENERATE:
        side = float(str(given.get("resolution", "1K")).removesuffix("K")) * CLASS_SIDE
        assert size[0] * size[1] == pytest.approx(side * side, rel=AREA_CLOSE)
        assert across != down or size == (side, side)
    elif asked == AUTO:
        assert size == own


def _check_alpha(cell: Cell, given: Mapping[str, Any], image: Image.Image) -> None:
    backdrop = given.get("background", AUTO)
    if cell.operation is OperationName.REMOVE_BACKGROUND:
        assert image.getchannel("A").getextrema() == (0, 255)
    elif backdrop == "transparent":
        assert image.getchannel("A").getextrema()[0] == 0
    elif backdrop == "opaque":
        assert "A" not in image.getbands() or image.getchannel("A").getextrema()[0] == 255
