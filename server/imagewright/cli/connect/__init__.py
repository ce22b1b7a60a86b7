"""Connecting clients: what is known of each, where its configuration is, and what stands in it for us.

Read only by `imagewright connect`; the server knows nothing of it.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date  # noqa: TC003 - pydantic reads it
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from imagewright.errors import SettingsError
from imagewright.settings.table import HTTP_TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "imagewright"
"""What the entry is called in every client."""
UNSAFE = "it is written in a way that cannot be edited without touching something else"
VARIABLE = re.compile(r"\$\{(\w+)\}")
System = Literal["macos", "windows", "linux"]
SYSTEMS: dict[str, System] = {"darwin": "macos", "win32": "windows"}
"""By `sys.platform`; all others are as Linux."""


class Fields(BaseModel):
    """How a client's entry calls what it starts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str = "command"
    args: str = "args"
    env: str = "env"


class Remote(BaseModel):
    """How a client's entry names a server that runs already, over HTTP."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = "url"
    """The field with its address."""
    headers: str = "headers"
    """The field with what every request has in its head."""
    always: dict[str, str | int | bool] = {}
    """What its entry holds besides."""
    variable: str = ""
    """How the value of a header takes an environment variable, with `{name}` for its name; empty where no page says."""
    token: str = ""
    """The field that takes the name of an environment variable with the token, in place of a header; empty for none."""
    pages: tuple[str, ...] = Field(min_length=1)
    """The pages this was read from, as stored copies."""


class Client(BaseModel):
    """One client, as `clients.toml` has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """As it is typed."""
    title: str
    """As people call it."""
    format: Literal["json", "jsonc", "toml", "yaml"]
    """How its file is written; json is read without comments."""
    section: str
    """The key that holds the servers."""
    user: dict[System, tuple[str, ...]]
    """Its file for all projects by system; the first that can be, see `locate`."""
    project: str = ""
    """Its file for one project, relative to the project's folder; empty where there is none."""
    signs: tuple[str, ...] = ()
    """What is there where it is installed; empty for the folder of its file."""
    fields: Fields = Fields()
    """How its entry calls what it starts."""
    always: dict[str, str | int | bool] = {}
    """What its entry holds besides."""
    http: Remote | None = None
    """The same for a server that runs already; None where its file can name none."""
    links: dict[str, str] = {}
    """Templates of install links by their text."""
    next: str
    """What to do after a change, as a sentence."""
    pages: tuple[str, ...] = Field(min_length=1)
    """The pages this was read from, as stored copies."""
    read: date
    """The day on which they were read."""
    tried: str = ""
    """What the program itself made of our entry on that day, as a sentence; empty where it could not be tried."""
    unsure: str = ""
    """What no page says, as a sentence; empty where all is said."""

    def entry(self, launch: Sequence[str], options: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
        """What stands in its file for a server.

        Args:
            launch: the program and arguments that start it.
            options: further words for it.
            env: variables that it gets.
        """
        program, *words = launch
        variables = {self.fields.env: dict(env)} if env else {}
        return {**self.always, self.fields.command: program, self.fields.args: [*words, *options], **variables}

    def http_entry(self, url: str, token: str) -> dict[str, Any]:
        """What stands in its file for a server that runs already.

        Args:
            url: the server's address.
            token: what the client shows it; empty for an environment variable in its place.

        Raises:
            SettingsError: its file can name no such server, or no variable.
        """
        if self.http is None:
            raise SettingsError(f"the file of {self.title} takes only servers that it starts itself; leave out --http")
        fixed = {**self.http.always, self.http.url: url}
        if not token and self.http.token:
            return {**fixed, self.http.token: HTTP_TOKEN.variable}
        if not token and not self.http.variable:
            raise SettingsError(
                f"this file may be shared, and no page says how {self.title} takes the token from a variable; "
                "leave out --scope project"
            )
        shown = token or self.http.variable.replace("{name}", HTTP_TOKEN.variable)
        return {**fixed, self.http.headers: {"Authorization": f"Bearer {shown}"}}

    def is_http(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry names a server that runs already."""
        return self.http is not None and self.http.url in entry

    def filled(self, entry: object) -> object:
        """The entry with what goes without saying; other people leave it out."""
        if not isinstance(entry, dict):
            return entry
        if self.http is not None and self.is_http(entry):
            return {**self.http.always, **entry}
        return {**self.always, self.fields.args: [], **entry}

    def foreign(self, entry: Mapping[str, Any]) -> set[str]:
        """The fields that only an entry of the other form has: of one over HTTP where this is none, or the reverse."""
        if self.http is None:
            return set()
        own, other = {*self.fields.model_dump().values(), *self.always}, {self.http.url, self.http.headers}
        other |= {*self.http.always, *([self.http.token] if self.http.token else ())}
        return own - other if self.is_http(entry) else other - own


class Surroundings(NamedTuple):
    """What decides where a client's file is."""

    system: System
    home: Path
    environment: Mapping[str, str]
    folder: Path
    """The working directory, which is the project."""


class Spot(NamedTuple):
    """Where a client's configuration belongs."""

    file: Path
    """Absolute, whether or not it is there."""
    missing: Path | None
    """What would be there if the client were installed; None where it is, and for a project's file."""


class Splice(NamedTuple):
    """One change of a text."""

    start: int
    """Where the characters that go begin."""
    end: int
    """Where they end; the same as `start` where nothing goes."""
    new: str
    """What comes in their place."""


@cache
def clients() -> dict[str, Client]:
    """Every client by its name, in the order of `clients.toml`."""
    data = tomllib.loads((files(__name__) / "clients.toml").read_text(encoding="utf-8"))
    return {name: Client(name=name, **one) for name, one in data.items()}


def locate(client: Client, surroundings: Surroundings, *, project: bool) -> Spot:
    """Where the client's configuration is, for all projects or for the one in the working directory.

    Raises:
        SettingsError: the client has no file for one project.
    """
    if project:
        if not client.project:
            raise SettingsError(f"{client.title} has no file for one project; leave out --scope project")
        return Spot(surroundings.folder / client.project, None)
    found = [path for one in client.user[surroundings.system] for path in _paths(one, surroundings)]
    if not found:
        wanted = ", ".join(VARIABLE.findall(" ".join(client.user[surroundings.system])))
        raise SettingsError(f"where {client.title} keeps its configuration is not known here: set one of {wanted}")
    signs = [path for one in client.signs for path in _paths(one, surroundings)] or [found[0].parent]
    return Spot(found[0], None if any(sign.exists() for sign in signs) else signs[0])


def _paths(template: str, surroundings: Surroundings) -> list[Path]:
    """The path that a template stands for; none where a variable is not set, or a `*` matches no folder.

    Of several folders that match, those come first whose file is there.
    """
    known = surroundings.environment
    if not all(known.get(name) for name in VARIABLE.findall(template)):
        return []
    text = VARIABLE.sub(lambda one: known[one[1]], template)
    path = surroundings.home / text[2:] if text.startswith("~/") else Path(text)
    pattern = next((at for at, part in enumerate(path.parts) if "*" in part), None)
    if pattern is None:
        return [path]
    base, wanted, rest = Path(*path.parts[:pattern]), path.parts[pattern], path.parts[pattern + 1 :]
    matching = [one.joinpath(*rest) for one in sorted(base.glob(wanted)) if one.is_dir()]
    return sorted(matching, key=lambda one: not one.exists())


def apply(text: str, splices: Sequence[Splice]) -> str:
    """The text with the splices, whose positions are those of the text as it is now."""
    for splice in sorted(splices, reverse=True):
        text = text[: splice.start] + splice.new + text[splice.end :]
    return text


def difference(old: str, new: str) -> list[Splice]:
    """The one splice that makes the new text of the old one."""
    start = _alike(old, new)
    same = _alike(old[start:][::-1], new[start:][::-1])
    return [Splice(start, len(old) - same, new[start : len(new) - same])] if old != new else []


def _alike(one: str, other: str) -> int:
    """With how many equal characters both begin."""
    return next(
        (at for at, (mine, theirs) in enumerate(zip(one, other, strict=False)) if mine != theirs),
        min(len(one), len(other)),
    )


def newline(text: str) -> str:
    """How the lines of a text end."""
    return "\r\n" if "\r\n" in text else "\n"
