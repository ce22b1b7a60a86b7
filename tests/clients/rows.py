"""The clients: which there are, where each comes from, how it is driven, and what is its own fault or gap."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

HERE = Path(__file__).parent
DRIVERS = HERE / "drivers"
ABILITIES = {
    "connect": "connects",
    "list": "ten tools",
    "guide": "guide",
    "prompt": "prompt",
    "completion": "completion",
    "picture": "picture seen",
    "edit": "edit by id",
    "refusal": "refusal read",
    "progress": "progress",
    "cancel": "cancel",
    "price": "price question",
    "toggle": "toggle noticed",
    "structured": "structured valid",
    "slow": "slow call",
}
"""What is tried, with the heading of its column."""
Ability = Literal[
    "connect",
    "list",
    "guide",
    "prompt",
    "completion",
    "picture",
    "edit",
    "refusal",
    "progress",
    "cancel",
    "price",
    "toggle",
    "structured",
    "slow",
]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Client(BaseModel):
    """One client, or one of its ways of working."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Text
    """How the table calls it; `{name}` is the version of that package."""
    kind: Literal["python", "node", "program"]
    """Python packages driven from Python; npm packages driven from Node; npm packages driven from our own Python."""
    packages: tuple[Text, ...] = Field(min_length=1)
    """What is installed, each of one exact version: `name==1.0` for Python, `name@1.0` for npm."""
    python: Text = "3.11"
    """The version of Python, for that kind."""
    node: Text = ""
    """The version of the npm package `node` to run it with; empty for the Node of this machine."""
    driver: Text
    """Its file in `drivers/`."""
    era: Text = ""
    """The version of the protocol it comes to speak; empty where it does not tell."""
    options: dict[str, Any] = {}
    """What the driver is told, so that one file can drive several rows."""
    patience: float = 300
    """Seconds for everything its driver tries."""
    http: bool = False
    """Whether it takes part in `--http`, where several clients share one server."""
    own: dict[Ability, Text] = {}
    """Why something does not work or is not there, where that is the client's doing: a text, or the name of one of the
    common `reasons`."""

    @property
    def name(self) -> str:
        """How the table calls it."""
        versions = [package.rpartition("==" if self.kind == "python" else "@") for package in self.packages]
        return self.title.format_map({name.partition("[")[0]: version for name, _, version in versions})


class Rows(BaseModel):
    """Everything that `clients*.toml` hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clients: dict[str, Client]
    """In the order of the table."""
    reasons: dict[str, Text]
    """Reasons that hold for several clients, by a short name."""

    def reason(self, client: str, ability: str) -> str:
        """Why this is the client's own doing; empty where it is not."""
        text = {str(name): text for name, text in self.clients[client].own.items()}.get(ability, "")
        return self.reasons.get(text, text)


def load_rows(folder: Path = HERE) -> Rows:
    """Every client of the files `clients*.toml`.

    Raises:
        ValueError: a name stands twice, or a row is not whole.
    """
    clients: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for file in sorted(folder.glob("clients*.toml"), key=lambda file: file.stem):
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        more_reasons = content.pop("reasons", {})
        if twice := (clients.keys() & content.keys()) | (reasons.keys() & more_reasons.keys()):
            raise ValueError(f"{file.name}: {', '.join(sorted(twice))} stands in another file too")
        clients |= content
        reasons |= more_reasons
    return Rows(clients=clients, reasons=reasons)
