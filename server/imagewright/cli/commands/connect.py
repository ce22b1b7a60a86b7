"""`imagewright connect CLIENT...`: one entry in the client's own configuration, everything else in it as it was."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from dataclasses import dataclass
from datetime import datetime
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imagewright.cli import put, put_error
from imagewright.cli.connect import SYSTEMS, Surroundings, clients, difference, edit, links, locate
from imagewright.cli.launching import launch_command
from imagewright.cli.options import Command, completing, option, shared_words
from imagewright.cli.output import closing, console, table
from imagewright.cli.session import settings_now
from imagewright.errors import ImagewrightError, SettingsError
from imagewright.providers import KEY_VARIABLES
from imagewright.settings.keys import flaw, make_token, read_token
from imagewright.settings.load import load_settings
from imagewright.settings.table import HTTP_PORT, HTTP_TOKEN
from imagewright.text import clip, did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imagewright.cli.connect import Client
    from imagewright.cli.connect.edit import Change
    from imagewright.settings.load import Settings

NOTES = "connected"
"""The folder of what was put into clients, beside the configuration file."""
OURS = "IMAGEWRIGHT_"
HIDDEN = "(not shown)"
"""In the place of a value that can be a key."""
TEXT = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([^\s\"',{}\[\]]+)")
"""A text in JSON, TOML or YAML: in either kind of quotes, or a bare word."""
LONGEST_LINE = 1000
"""Characters of a line that is shown as a whole; more than our entry takes."""
NEAR = 60
"""Characters that are shown on either side of a change in a longer one."""
SHORTEST_KEY = 8
"""Characters of the shortest text that is hidden: no key is shorter, and many of the words between them are."""


def _titles() -> dict[str, str]:
    return {name: client.title for name, client in clients().items()}


@click.command(
    cls=Command,
    epilog=(
        "Without a client: which there are, and where. Keys are not written into a client's file: its\n"
        "server finds them in keys.toml. With --tools, --disable or --provider the server is started so.\n"
    ),
)
@click.argument("names", nargs=-1, metavar="[CLIENT]...", shell_complete=completing(_titles))
@option("--env", "env", multiple=True, metavar="NAME=VALUE", help="a variable for the server, written into the file")
@option(
    "--scope",
    type=click.Choice(["user", "project"]),
    default="user",
    metavar="user|project",
    help="for all your projects, or for the one in this folder (default: user)",
)
@option("--dry-run", is_flag=True, help="show what would change, and write nothing")
@option("--remove", is_flag=True, help="take out what was put in")
@option("--replace", is_flag=True, help="change or take out an entry of that name which was written by hand, too")
@option("--force", is_flag=True, help="write the file also where the client does not seem to be installed")
@option(
    "--http", "over_http", is_flag=True, help="let it reach `imagewright serve --http` instead of starting a server"
)
@option("--links", "as_links", is_flag=True, help="print links that install the server on this machine, as Markdown")
def command(
    *, names: tuple[str, ...], env: tuple[str, ...], scope: str, as_links: bool, over_http: bool, **how: bool
) -> int:
    """Connect the clients that are named; 1 or 2 when one of them could not be."""
    settings = settings_now()
    notes = settings.folders.config.with_name(NOTES)
    if wrong := [name for name in names if name not in clients()]:
        unknown = "; ".join(f"there is no client {name!r}{did_you_mean(name, clients())}" for name in wrong)
        raise SettingsError(f"{unknown}. The clients are: {', '.join(clients())}. Nothing was changed.")
    around = Surroundings(SYSTEMS.get(sys.platform, "linux"), Path.home(), os.environ, Path.cwd())
    in_project = scope == "project"
    server = None
    if over_http:
        if as_links or env or shared_words():
            raise SettingsError("--http names a server that runs with settings of its own; leave out the other options")
        makes = bool(names) and not (in_project or how["dry_run"] or how["remove"])
        server = _running(settings, in_project=in_project, makes=makes)
    wish = Wish(_variables(env), around, notes, server=server, project=in_project, **how)
    if as_links:
        put("".join(f"- [{text}]({link})\n" for text, link in links.install_links(wish.entry).items()))
        return 0
    if not names:
        _list(wish)
        return 0
    codes = [_one(clients()[name], wish) for name in dict.fromkeys(names)]
    return min((code for code in codes if code), default=0)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of every client that is named."""

    variables: Mapping[str, str]
    """What the server gets in its environment."""
    around: Surroundings
    """Where it is looked for."""
    notes: Path
    """The folder of the notes on what was put in."""
    server: tuple[str, str] | None
    """Address and token of the server that runs already; None for one that the client starts."""
    project: bool
    dry_run: bool
    remove: bool
    replace: bool
    force: bool

    def entry(self, client: Client) -> dict[str, Any]:
        """What is to stand in the client's file. Raises SettingsError where that file can hold no such thing."""
        if self.server is not None:
            return client.http_entry(*self.server)
        return client.entry(launch_command(), shared_words(), self.variables)

    def change(self, client: Client, file: Path) -> Change:
        """What is to become of the client's file, see `edit.connect`."""
        note = edit.read_note(edit.note_file(self.notes, file))
        if self.remove:
            return edit.disconnect(client, file, self.entry(client), note, replace=self.replace)
        return edit.connect(client, file, self.entry(client), note, replace=self.replace)


def _running(settings: Settings, *, in_project: bool, makes: bool) -> tuple[str, str]:
    """Address and token of the server over HTTP. In a project's file, which others read, the token is left out.

    Args:
        settings: where it is.
        in_project: whether the file is a project's.
        makes: whether a token that is missing is made.

    Raises:
        SettingsError: it has no port of its own, or the token cannot be read or written.
    """
    if not settings.http.port:
        raise SettingsError(f"--http needs a port that stays the same; set {HTTP_PORT.variable}")
    url = f"http://127.0.0.1:{settings.http.port}{settings.http.path}"
    if in_project:
        return url, ""
    made = make_token if makes else read_token
    return url, settings.http.token or made(settings.folders.token) or HIDDEN


def _one(client: Client, wish: Wish) -> int:
    """Connect or disconnect one client, and tell what came of it; returns an exit code."""
    file: Path | None = None
    try:
        file, missing = locate(client, wish.around, project=wish.project)
        if missing and not (wish.force or wish.remove):
            raise SettingsError(
                f"{client.title} does not seem to be installed, as {missing} is not there. Start it once and try "
                f"again, or use --force to write {file} all the same"
            )
        change = wish.change(client, file)
        if wish.dry_run:
            _show(client, change, wish)
            return 0
        copy = edit.carry_out(change, wish.notes, datetime.now().astimezone())
    except ImagewrightError as error:
        is_none = wish.remove or (wish.server is not None and client.http is None) or file is None
        _explain(client, file, error, None if is_none else wish.entry(client))
        return 2 if isinstance(error, SettingsError) else 1
    _report(client, change, copy, wish)
    return 0


def _variables(given: tuple[str, ...]) -> dict[str, str]:
    """The variables for the server by name.

    Raises:
        SettingsError: one is not written `NAME=VALUE`, or is a key's variable with a placeholder.
    """
    variables = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.isidentifier():
            raise SettingsError("--env wants NAME=VALUE, such as --env IMAGEWRIGHT_WAIT=30")
        variables[name] = value
    vendors = {name: names for names in KEY_VARIABLES.values() for name in names}
    for name in vendors.keys() & variables.keys():
        # a client can fill in `${...}` itself
        if (why := flaw(variables[name], vendors[name])) and "${" not in variables[name]:
            raise SettingsError(f"--env {name} {why}; leave it out and put the key into keys.toml")
    load_settings(variables)
    return variables


def _list(wish: Wish) -> None:
    rows = []
    for client in clients().values():
        try:
            file, missing = locate(client, wish.around, project=False)
            known = edit.entry_in(client, file) is not None
        except ImagewrightError as error:
            rows.append((client.name, "unreadable", str(error)))
        else:
            rows.append((client.name, "connected" if known else "not found" if missing else "found", str(file)))
    console().print(table(("client", "state", "configuration file"), rows, kept=("client", "state")))
    closing("Connect one with: imagewright connect CLIENT")


def _show(client: Client, change: Change, wish: Wish) -> None:
    """What would change, with one line around it.

    What those lines hold besides our entry can be another server's key, so its longer texts are not shown.
    """
    if change.after == change.before:
        put(f"{client.title}: {change.done}, nothing to change in {change.file}\n")
        return
    before, after = ([*text.splitlines()] for text in edit.texts(change))
    old, new = (os.devnull if data is None else str(change.file) for data in (change.before, change.after))
    text = "".join(f"{line}\n" for line in unified_diff(before, after, old, new, n=1, lineterm=""))
    entries = wish.entry(client), edit.entry_in(client, change.file)
    hidden = {word for one in edit.other_texts(client, change) for word in (one, *one.split())}
    hidden = {word for word in hidden if len(word) >= SHORTEST_KEY} - {*launch_command(), *client.always.values()}
    hidden.update(_key_values(client, *entries))

    def covered(found: re.Match[str]) -> str:
        inner = found[found.lastindex or 0]
        return found[0].replace(inner, HIDDEN) if {inner, _unescaped(found[0])} & hidden else found[0]

    put("".join(f"{line}\n" for line in _shortened(TEXT.sub(covered, text).splitlines())))


def _shortened(lines: list[str]) -> list[str]:
    """The lines of a difference; of long ones, as in a file of one line, only what is near the change."""
    long = [at for at, line in enumerate(lines) if len(line) > LONGEST_LINE]
    texts = [lines[at][1:] for at in long]
    splices = difference(texts[0], texts[-1]) if texts else []
    start = min((one.start for one in splices), default=0)
    same_behind = min((len(texts[0]) - one.end for one in splices), default=0)
    for at, text in zip(long, texts, strict=True):
        piece = text[max(0, start - NEAR) : len(text) - max(0, same_behind - NEAR)]
        lines[at] = f"{lines[at][0]}... {clip(piece, LONGEST_LINE)} ..."
    return lines


def _unescaped(text: str) -> str:
    """A text in JSON's quotes as it is meant, which is how TOML and YAML mean it too; any other as it stands."""
    try:
        return str(json.loads(text))
    except ValueError:
        return text


def _key_values(client: Client, *entries: Any) -> Iterator[str]:
    """The keys that stand in entries of ours."""
    names = [name for names in KEY_VARIABLES.values() for name in names]
    for entry in entries:
        headers = entry.get(client.http.headers) if client.http and isinstance(entry, dict) else None
        yield from map(str, headers.values() if isinstance(headers, dict) else ())
        env = entry.get(client.fields.env) if isinstance(entry, dict) else None
        yield from (str(env[name]) for name in names if isinstance(env, dict) and env.get(name))


def _report(client: Client, change: Change, copy: Path | None, wish: Wish) -> None:
    """Say what was done, what the client starts, which keys that finds, and what to do next."""
    same = ", nothing changed" if change.after == change.before else ""
    where = "" if change.done == "not connected" else f" in {change.file}"
    facts = {}
    if not wish.remove:
        entry = wish.entry(client)
        if wish.server is not None:
            facts = dict(_reached(client, wish))
        else:
            facts = {"starts": " ".join([entry[client.fields.command], *entry[client.fields.args]])}
            facts |= dict(_keys(client, wish.variables))
    if copy:
        facts["before"] = f"kept as {copy}"
    if not same:
        facts["next"] = f"Restart {client.title}." if wish.remove else client.next
    notes = []
    if wish.project and not wish.remove and wish.server is None:
        notes.append("the file names a path on this machine, so others who share the project cannot use it")
    if wish.server is not None and wish.server[1] and not wish.remove and _others_read(change.file):
        notes.append(f"others on this machine can read the token in this file; run: chmod 600 '{change.file}'")
    if client.format == "json" and change.after and not _is_plain(change):
        notes.append(f"the file has comments or trailing commas, and {client.title} may not read them")
    if notes:
        facts["note"] = "; ".join(notes)
    put(f"{client.title}: {change.done}{where}{same}\n")
    put("".join(f"  {what:<7} {text}\n" for what, text in facts.items()))


def _reached(client: Client, wish: Wish) -> Iterator[tuple[str, str]]:
    """Where a client reaches a server that must run already, and how it gets the token."""
    url, token = wish.server or ("", "")
    yield "reaches", url
    yield "run", "imagewright serve --http"
    if not token:
        yield "token", f"{client.title} takes it from {HTTP_TOKEN.variable}, as the file may be shared: set it for both"


def _others_read(file: Path) -> bool:
    return os.name == "posix" and bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _is_plain(change: Change) -> bool:
    try:
        json.loads(edit.texts(change)[1])
    except ValueError:
        return False
    return True


def _keys(client: Client, variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Which keys the client's server will find, and what of this shell will not reach it."""
    there, here = load_settings(variables), load_settings(os.environ)
    found = {name: there.keyring.find(names) for name, names in KEY_VARIABLES.items()}
    sources = [f"{name} from {key.source}" for name, key in found.items() if key]
    first = next(name for name, names in KEY_VARIABLES.items() if names)
    none = f"none: pictures are offline drafts until you run: imagewright keys set {first}"
    yield "keys", listed(sources) if sources else none
    apart = [
        key.source for name, names in KEY_VARIABLES.items() if not found[name] and (key := here.keyring.find(names))
    ]
    apart += [name for name in os.environ if name.startswith(OURS) and name not in variables]
    if apart:
        verb, what = ("is", "it") if len(apart) == 1 else ("are", "them")
        who = f"{client.title} gets {what} at most where it is started from here"
        yield "shell", f"{listed(apart)} {verb} set in this shell; {who}"


def _explain(client: Client, file: Path | None, error: ImagewrightError, entry: Mapping[str, Any] | None) -> None:
    """Say what is in the way, that nothing was changed, and what to do by hand."""
    text = str(error)
    where = f"{file}: " if file and isinstance(error, SettingsError) and str(file) not in text else ""
    put_error(f"imagewright: {client.title}: {where}{text.removesuffix('.')}. Nothing was changed.\n")
    if isinstance(error, edit.ByHandError):
        shown = json.dumps(_without_values(error.entry), indent=2, ensure_ascii=False)
        put_error(f"It holds:\n{shown}\nUse --replace to {'change it' if entry else 'take it out'} all the same.\n")
    elif entry is not None and file is not None:
        block = edit.block(client, _without_values(entry))
        put_error(f"By hand, put this into {file}:\n{block}")
        if HIDDEN in block:
            put_error(
                f"In place of {HIDDEN} write the value; for the server over HTTP, the word Bearer and the token in\n"
                "the file http-token, beside the file that `imagewright config path` prints.\n"
            )


def _without_values(entry: Any) -> Any:
    """The entry without the values of its variables, headers and the like."""
    if not isinstance(entry, dict):
        return entry
    return {name: dict.fromkeys(one, HIDDEN) if isinstance(one, dict) else one for name, one in entry.items()}
