"""`imagewright config [show|set|unset|path|example]`: what is set and where from, and how to set it in the file."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import tomlkit
from tomlkit.exceptions import TOMLKitError

from imagewright.cli import put, put_error
from imagewright.cli.options import Command, Group, command_line, completing, option
from imagewright.cli.output import closing, console, hint, print_json, table
from imagewright.cli.session import settings_now
from imagewright.engine.config import make_config
from imagewright.errors import SettingsError, StorageError, why
from imagewright.providers import open_client
from imagewright.settings import without_login
from imagewright.settings.folders import find_folders
from imagewright.settings.keys import read_text
from imagewright.settings.load import Placed, load_settings, placed
from imagewright.settings.sources import TABLES, example, filled_in, names, setting_named
from imagewright.settings.table import HOME, NAMES, PREFIX, ROOTS, ROUTES, Setting
from imagewright.storage.paths.files import replace_file
from imagewright.text import listed, plain

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MOST_TRIES = 20
"""How often a file is read again, because another process has written it meanwhile."""
MISSING = "which setting, and to what? Such as: imagewright config set wait 30"


@click.group(
    cls=Group,
    invoke_without_command=True,
    epilog="Names are those of the file: wait, budget.per_day, addresses.kie.\n"
    "A running server follows within two seconds, but for what is read when a server starts.\n",
)
@option("--json", "as_json", is_flag=True, help="the same as JSON")
@option("--all", "every", is_flag=True, help="what has its default, too")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool, every: bool) -> int | None:
    """Show what is set, unless a command does something else."""
    return _show(every=every, as_json=as_json) if ctx.invoked_subcommand is None else None


@command.command("show", cls=Command, help="every setting that is set, its value, and where that comes from")
@option("--all", "every", is_flag=True, help="what has its default, too")
@option("--json", "as_json", is_flag=True, help="the same as JSON")
def show(*, every: bool, as_json: bool) -> int:
    """Show what is set."""
    return _show(every=every, as_json=as_json)


@command.command("set", cls=Command, help="write a line of the configuration file, after checking it")
@click.argument("name", required=False, shell_complete=completing(lambda: NAMES))
@click.argument("value", required=False)
def set_one(name: str | None, value: str | None) -> int:
    """Set one."""
    if name is None or value is None:
        raise click.UsageError(MISSING, click.get_current_context())
    setting, key = _named(name)
    written = _written(setting, key, name, value)
    file = _file()
    edit(file, lambda document: _put(document, name, written), _usable)
    shown = without_login(written) if isinstance(written, str) and "://" in written else written
    put(f"{name} = {tomlkit.item(shown).as_string()} in {file}\n")
    _warn_of_stronger(name, file)
    return 0


@command.command("unset", cls=Command, help="take a line out of the configuration file")
@click.argument("name", required=False, shell_complete=completing(lambda: NAMES))
def unset(name: str | None) -> int:
    """Unset one."""
    if name is None:
        raise click.UsageError("which setting? Such as: imagewright config unset wait", click.get_current_context())
    _named(name)
    file = _file()
    was = edit(file, lambda document: _take_out(document, name), _usable)
    put(f"{name} is {'no longer' if was else 'not'} set in {file}\n")
    _warn_of_stronger(name, file)
    return 0


@command.command("path", cls=Command, help="where the configuration file is, whether or not it is there yet")
def path() -> int:
    """Print the path."""
    put(f"{_file()}\n")
    return 0


@command.command("example", cls=Command, help="a configuration file with every setting, explained and commented out")
def show_example() -> int:
    """Print the example."""
    put(example())
    return 0


def _show(*, every: bool, as_json: bool) -> int:
    settings_now()  # says what is wrong with them
    found = [one for one in placed(os.environ, command_line()) if every or one.source]
    if as_json:
        print_json([_data(one) for one in found])
        return 0
    file = _file()
    if found:
        rows = [(one.name, plain(one.value), plain(_origin(one))) for one in found]
        console().print(table(("setting", "value", "from"), rows, kept=("setting",)))
    else:
        hint("Nothing is set; everything has its default, which --all shows.")
    absent = "" if file.exists() else " (not there yet)"
    closing(f"Configuration file: {file}{absent}")
    return 0


def _data(one: Placed) -> dict[str, Any]:
    return {"name": one.name, "value": one.value, "from": one.source or "default", "weaker": list(one.weaker)}


def _origin(one: Placed) -> str:
    weaker = f", which beats {' and '.join(one.weaker)}" if one.weaker else ""
    return f"{one.source or 'default'}{weaker}"


def _file() -> Path:
    return find_folders(filled_in(os.environ), Path.cwd()).config


def _named(name: str) -> tuple[Setting, str]:
    """The setting of a name, and which entry of it where the setting is a table.

    Raises:
        SettingsError: there is none, or it takes more than one line.
    """
    if name in TABLES:
        inside = (one for one in NAMES if one.startswith(f"{name}."))
        raise SettingsError(f"{name} is a table: name a setting in it, {listed(inside, 'or')}")
    head, _, key = name.partition(".")
    setting = NAMES.get(head) if key and head not in TABLES else setting_named(name)
    if setting is ROUTES:
        raise SettingsError(f"routes are tables: write them into {_file()}, as `imagewright config example` shows")
    if setting is None or (key and head not in TABLES and not setting.kind.is_table):
        setting_named(name)  # says what is wrong with it
    elif setting.kind.is_table and not key:
        raise SettingsError(f"{name} is a table: name a provider, too, such as {name}.kie")
    else:
        return setting, key if setting.kind.is_table else ""
    raise SettingsError(f"{name}: there is no such setting")


def _written(setting: Setting, key: str, name: str, text: str) -> Any:
    """The value as it stands in the file.

    Raises:
        SettingsError: the setting cannot have it.
    """
    if key:
        setting.kind.read(setting.name, {key: text})
        return text.strip()
    value = setting.kind.read(name, names(text) if setting.kind.is_list else text)
    if value == ():
        raise SettingsError(f"{name}: names nothing; to take it out of the file: imagewright config unset {name}")
    if isinstance(value, tuple):
        return [str(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _put(document: Any, name: str, value: Any) -> None:
    table, _, key = name.rpartition(".")
    target = table_in(document, table) if table else document
    if target.get(key) != value or type(target[key]) is bool:
        target[key] = value


def _take_out(document: Any, name: str) -> bool:
    table, _, key = name.rpartition(".")
    target = document.get(table, {}) if table else document
    if not isinstance(target, MutableMapping) or key not in target:
        return False
    del target[key]
    if table and not document[table].as_string().strip():
        del document[table]
    return True


def _usable(draft: Path) -> None:
    """Refuse a file that a server could not start with; the variables that may be stronger are left out."""
    kept = {HOME.variable, ROOTS.variable}
    environment = {name: text for name, text in os.environ.items() if name in kept or not name.startswith(PREFIX)}
    make_config(load_settings(environment, config=draft), open_client())


def _warn_of_stronger(name: str, file: Path) -> None:
    for one in placed(os.environ, command_line()):
        if one.name == name and one.source not in ("", str(file)):
            put_error(f"imagewright: but here it is {plain(one.value)}, by {one.source}, which is stronger\n")


def edit(file: Path, change: Callable[[Any], T], check: Callable[[Path], object], *, first: bool = False) -> T:
    """Change a TOML file, made if there is none, and keep its comments and order; returns what `change` returns.

    Where another process writes the file meanwhile, it is read and changed anew: no change is lost.

    Args:
        file: of settings or keys; where it is a link, what that points to is changed.
        change: gets the document, each time it is read. A file whose text stays the same is not touched.
        check: raises where a finished file is wrong; then nothing has changed.
        first: whether the file is checked before it is changed, too.

    Raises:
        SettingsError: it is no TOML, or `check` has refused it.
        StorageError: it cannot be written.
    """
    for _ in range(MOST_TRIES):
        with suppress(_ChangedMeanwhile):
            return _edit_once(file, change, check, first=first)
    raise StorageError(f"{file}: another program keeps writing it; nothing was changed")


class _ChangedMeanwhile(Exception):
    """Another process has written the file since it was read."""


def _edit_once(file: Path, change: Callable[[Any], T], check: Callable[[Path], object], *, first: bool) -> T:
    if first:
        check(file)
    text = _text_of(file)
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        check(file)  # says it better
        raise SettingsError(f"{file}: cannot be changed by this command; change it in an editor") from error
    result = change(document)
    changed = tomlkit.dumps(document).replace("\r\n", "\n")
    if changed.endswith("\n\n") and not text.endswith(("\n\n", "\n\r\n")):
        changed = changed[:-1]  # the line that stood before a table that was taken out
    if "\r\n" in text:
        changed = changed.replace("\n", "\r\n")
    if changed == text:
        return result

    def judge(draft: Path) -> None:
        try:
            check(draft)
        except SettingsError as error:
            raise SettingsError(str(error).replace(str(draft), str(file))) from error
        if _text_of(file) != text:
            raise _ChangedMeanwhile

    try:
        replace_file(file, changed.encode(), judge)
    except OSError as error:
        elsewhere = f"{HOME.variable} can name another folder"
        raise StorageError(f"{file}: cannot be written: {why(error)}; {elsewhere}") from error
    return result


def _text_of(file: Path) -> str:
    try:
        return read_text(file)[0]
    except FileNotFoundError:
        return ""


def table_in(document: Any, name: str) -> Any:
    """The table of that name, made at the end of the document where it is missing.

    Raises:
        SettingsError: something else stands there.
    """
    if name not in document:
        if text := document.as_string():
            for _ in range(1 if text.endswith("\n") else 2):
                document.append(None, tomlkit.nl())
        # at the end, as the header would swallow plain keys behind it
        document.append(name, tomlkit.table())
    if not isinstance(document[name], MutableMapping):
        raise SettingsError(f"{name}: must be a table, [{name}]")
    return document[name]
