"""Calls that every route of a vendor must serve, made from rows and routes, and a real server that makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL
from imagewright.engine.check import check
from imagewright.engine.choose import candidates, estimate
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.http.client import HttpClient
from tests.support.pictures import mask_of, photo
from tests.support.provider_runs import effective, example, together, unusual
from tests.support.raw_client import MODERN, RawClient
from tests.support.vendors import VENDORS, environment, opened, routes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

    from imagewright.catalog.row import Argument
    from imagewright.engine.check import Checked
    from imagewright.engine.choose import Candidate
    from imagewright.providers.base import Route

SECONDS = 0.1
"""How long an emulated vendor that queues takes: longer than nothing, so that there is something to ask about."""
FEW = 2
"""How many variants are asked for: each may be a picture of 4K, which takes half a second."""
AT_ONCE = 12
"""Calls that are made side by side: each must be answered within the server's wait, however busy the machine is."""
ENOUGH = 1e6
"""What is in an account that can be empty, in the vendor's own unit."""
WIDTH, HEIGHT = 480, 400
"""Px of the smallest input picture."""


@dataclass(frozen=True)
class Cell:
    """A call that one route serves."""

    route: Route
    """The route."""
    most: bool
    """Whether everything it takes is given, or only what it needs."""
    number: int
    """Tells the calls of one provider apart."""
    preferred: int = 0
    """0 for a call to a server without a configuration. Else in which of the further servers the configuration prefers
    this route: by default a sibling serves all that it does, and it is only there for when that one cannot."""

    def __str__(self) -> str:
        route = self.route
        how = ("most" if self.most else "least") + ("-preferred" if self.preferred else "")
        parts = (route.provider, route.tool, route.operation, route.edition, how, self.number)
        return "-".join(str(part) for part in parts if part != "")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the input pictures in px; no other call's, because two equal calls would be one."""
        least = self.route.pictures.min_side
        return max(WIDTH, least) + self.number, max(HEIGHT, least) + self.number

    def arguments(self, folder: Path) -> dict[str, Any]:
        """The call's arguments; its pictures are taken to lie in the folder."""
        given = {
            name: self._value(name, argument, folder)
            for name, argument in effective(self.route).items()
            if self.most or argument.required or name in self.route.needs
        }
        given = together(self.route, given)
        if self.route.edition:
            given[MODEL] = self.route.edition
        for rule in catalog()[self.route.tool].rules:
            if all(name in given and value in ("*", given[name]) for name, value in rule.when.items()):
                given |= {name: given[name][:count] for name, count in rule.items.items()}
                given |= {name: allowed[0] for name, allowed in rule.values.items() if name in given}
        return given

    def checked(self, folder: Path = Path("/")) -> Checked:
        """The call as the engine understands it."""
        return check(catalog()[self.route.tool], self.arguments(folder))

    def make_pictures(self, folder: Path) -> None:
        """Write the input pictures."""
        width, height = self.size
        for argument, file in self.checked(folder).sources():
            mask = argument == "mask"
            data = mask_of(width, height, (width // 2, 0, width, height)) if mask else photo(width, height)
            Path(file).write_bytes(data)

    def _value(self, name: str, argument: Argument, folder: Path) -> Any:
        if name == "variants" and self.most:
            return FEW
        match argument.kind:
            case "pictures":
                count = argument.max_items if self.most else argument.min_items
                return [str(folder / f"{self.number}-{place}.png") for place in range(count or 1)]
            case "picture" | "path":
                own = folder / "saved" if name == "save_as" else folder
                return str(own / f"{self.number}-{name}.png")
            case "text":
                return f"{example(argument)}, number {self.number}"
            case "integer" | "number" if argument.maximum is not None:
                return int((argument.minimum or 0) + argument.maximum + 1) // 2  # no end and no default
        return unusual(argument) if self.most else example(argument)

    @property
    def is_served(self) -> bool:
        """Whether it is this route that is taken: for the least, a cheaper sibling may do."""
        checked = self.checked()
        assert not checked.problems, (self, checked.problems)
        own = self.route
        routes = _routes(own.provider, own.tool, own.model if self.preferred else "")
        best = candidates(checked, routes, None)[0]
        assert not best.against, (self, best.against)
        return (best.route.model, best.route.operation) == (own.model, own.operation)

    @property
    def candidate(self) -> Candidate:
        """What the engine makes of the call at its route."""
        return candidates(self.checked(), [self.route], None)[0]

    @property
    def usd(self) -> float | None:
        """What it is estimated to cost, its pictures opened; None when unknown."""
        if not self.route.price.by_side:
            return self.candidate.usd
        return estimate(self.route.price, self.candidate.arguments, self.candidate.count, sides=[max(self.size)])


@cache
def _routes(provider: str, tool: str, preferred: str) -> list[Route]:
    """The provider's routes of a tool; with the id that the configuration names for it, unless that is empty."""
    overrides = {tool: {"model": preferred}} if preferred else {}
    config = ProviderConfig(key="none", addresses={}, overrides=overrides, http=HttpClient())
    return [route for route in open_provider(provider, config).routes if route.tool == tool]


def cells_of(provider: str) -> list[Cell]:
    """The least and the most of every route, where it is the one that serves it; of the others what it serves when it
    is preferred."""
    found: list[Cell] = []
    behind: dict[str, list[str]] = {}
    for place, route in enumerate(routes_of(provider)):
        cells = [Cell(route, most, 2 * place + most) for most in (False, True)]
        served = [cell for cell in cells if cell.is_served]
        if not served:
            models = behind.setdefault(route.tool, [])
            models += [route.model] if route.model not in models else []
            again = [Cell(route, cell.most, cell.number, 1 + models.index(route.model)) for cell in cells]
            served = [cell for cell in again if cell.is_served]
        found += served
    return found


@dataclass
class Run:
    """What became of all calls of one provider."""

    folder: Path
    """Where its pictures are."""
    tools: dict[str, Any]
    """What the server without a configuration listed, by name."""
    results: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The result of each call, by the cell's number."""
    strangers: list[str] = field(default_factory=list)
    """Requests for what the vendor does not have."""
    log: list[str] = field(default_factory=list)
    """What the servers wrote to their standard error, and to their standard output besides messages."""


def run(name: str, cells: Sequence[Cell], folder: Path) -> Run:
    """All calls of one provider, many side by side: its waits between questions are what takes the time."""
    for cell in cells:
        cell.make_pictures(folder)
    made = Run(folder, {})
    with opened([name]) as emulators:
        emulator = emulators[name]
        if hasattr(emulator, "seconds"):
            emulator.seconds = SECONDS
        purse = VENDORS[name].empty
        if purse and not isinstance(purse[1], bool):
            setattr(emulator, purse[0], ENOUGH)
        for turn, group in _by_server(cells):
            home = folder / f"home-{turn}"
            home.mkdir()
            preferred = {cell.route.tool: cell.route.model for cell in group if turn}
            tables = (f'[routes.{tool}.{name}]\nmodel = "{model}"\n' for tool, model in preferred.items())
            (home / "config.toml").write_text("".join(tables), encoding="utf-8")
            own = {"IMAGEWRIGHT_HOME": str(home), "IMAGEWRIGHT_ROOTS": str(folder), "HOME": str(folder)}
            own[f"IMAGEWRIGHT_{name.upper()}_RATE"] = "10000/1"  # the cells of a vendor are more than it takes at once
            with RawClient(MODERN, env=environment(emulators) | own, quick=True) as client:
                made.tools = made.tools or {tool["name"]: tool for tool in client.ask("tools/list")["tools"]}
                for place in range(0, len(group), AT_ONCE):
                    begun = {
                        client.begin("tools/call", {"name": cell.route.tool, "arguments": cell.arguments(folder)}): cell
                        for cell in group[place : place + AT_ONCE]
                    }
                    for request, message in client.answers(begun).items():
                        made.results[begun[request].number] = message["result"]
            made.log += client.log + client.stray
        made.strangers = [f"{one.method} {one.path}" for one in emulator.requests if not one.label]
    return made


def _by_server(cells: Sequence[Cell]) -> Iterator[tuple[int, list[Cell]]]:
    for turn in sorted({cell.preferred for cell in cells}):
        yield turn, [cell for cell in cells if cell.preferred == turn]


class Runs:
    """The runs of the providers, each made when a test first asks for it."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._made: dict[str, Run] = {}
        self._begun: set[str] = set()

    def of(self, name: str) -> Run:
        """The run of a provider; one that broke is not begun again, as it may have waited long for an answer."""
        if name not in self._begun:
            self._begun.add(name)
            self._made[name] = run(name, cells_of(name), self._factory.mktemp(name))
        assert name in self._made, "its server broke in an earlier test"
        return self._made[name]
