"""`imagewright schemas [--out DIR] [--check]`: every tool's schema as a file, for people and other programs.

In a checkout of the project the generated parts of README.md and of pages in docs/ are kept current too, and
docs/config.example.toml. What each provider serves is made from the routes here.
"""

from __future__ import annotations

import json
import tomllib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagewright.catalog.facts import END, NO, START, YES, capability_table, replace_between
from imagewright.catalog.load import catalog
from imagewright.catalog.row import MODEL, PICTURE_KINDS, verb
from imagewright.cli import put, put_error
from imagewright.cli.options import Command, option
from imagewright.cli.pages import GENERATED, markers
from imagewright.engine.config import all_paces, all_routes
from imagewright.engine.offer import effective_row, end_of
from imagewright.errors import StorageError
from imagewright.providers import KEY_VARIABLES, OTHER_HOSTS
from imagewright.settings.sources import example
from imagewright.settings.table import SETTINGS as ALL_SETTINGS
from imagewright.settings.table import address_variable, rate_variable
from imagewright.surface.definitions import all_definitions
from imagewright.text import listed, markdown_table, rate, shown, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imagewright.catalog.row import Argument, Operation
    from imagewright.providers.base import Route
    from imagewright.storage.accounts import Pace


FOLDER = "tool_schemas"
PARTS = ("name", "title", "description", "inputSchema", "outputSchema")
"""What of a tool's definition is written, in this order."""
PROVIDERS = ("<!-- provider table: start -->", "<!-- provider table: end -->")
"""What the table of providers stands between in docs/providers.md."""
KEYS = ("<!-- keys: start -->", "<!-- keys: end -->")
"""What the tables of that page stand between, one per key."""
SETTINGS = ("<!-- settings: start -->", "<!-- settings: end -->")
"""What the tables of docs/settings.md stand between."""
ALL = date.min
"""A day on which nothing has ended, so that the tables stay the same from day to day."""
APART = (MODEL, "aspect_ratio", "resolution")
"""Arguments that have a column of their own, besides pictures."""
HEADINGS = ("tool", "operation", "editions", "shapes", "sizes", "pictures", "takes", "does not take")
PLAIN = ("prompt", "save_as")
"""Arguments that say nothing about a provider."""


@click.command(cls=Command)
@option("--out", type=click.Path(path_type=Path), metavar="DIR", help=f"folder to write to (default: {FOLDER})")
@option("--check", is_flag=True, help="write nothing; exit 1 and name each file that is not current")
def command(*, out: Path | None, check: bool) -> int:
    """Write what differs, or with `--check` name it; always for all tools, whatever is switched off."""
    here = Path.cwd()
    home = checkout(here)
    out = out or (home or here) / FOLDER
    # another folder than the project's own is somebody else's copy, and no reason to touch the documents
    own = home if home and out.resolve() == (home / FOLDER).resolve() else None
    found = [*drifts(out, own)]
    for file, what, wanted in found:
        put(f"{file}: {what if check else _write(file, wanted)}\n")
    if check and found:
        put_error("imagewright: not current; write them anew with: imagewright schemas\n")
        return 1
    if not found:
        put(f"{out}: current\n" if check else "All current; nothing to write.\n")
    return 0


def _write(file: Path, wanted: str | None) -> str:
    if wanted is None:
        return "belongs to no tool; left alone, delete it"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(wanted, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StorageError(f"{file}: cannot be written ({error.strerror or error})") from error
    return "written"


def checkout(folder: Path) -> Path | None:
    """The project's own source folder at or above this one, or None when this is elsewhere."""
    return next((one for one in (folder, *folder.parents) if _is_ours(one)), None)


def _is_ours(folder: Path) -> bool:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    return project.get("name") == "imagewright" and (folder / "README.md").is_file()


def drifts(out: Path, home: Path | None) -> Iterator[tuple[Path, str, str | None]]:
    """Every file that is not as it should be: which, why, and what it should hold.

    It is `missing`, `differs`, or is `stray`, belonging to no tool; then it should hold nothing. `out` is the folder of
    the schemas, `home` the checkout whose documents have generated tables; None leaves documents alone.

    Raises:
        CatalogError: a document has lost the markers of a table.
    """
    wanted = {}
    for tool in all_definitions():
        parts = {part: tool[part] for part in PARTS if part in tool}
        wanted[out / f"{tool['name']}.json"] = json.dumps(parts, indent=2, ensure_ascii=False) + "\n"
    stray = [(file, "stray", None) for file in sorted(out.glob("*.json")) if file not in wanted]
    if home is not None:
        readme, settings, keys = home / "README.md", home / "docs" / "settings.md", home / "docs" / "providers.md"
        text = readme.read_text(encoding="utf-8")
        wanted[readme] = replace_between(text, START, END, capability_table(catalog().values()))
        text = settings.read_text(encoding="utf-8")
        wanted[settings] = replace_between(text, *SETTINGS, settings_tables(KEY_VARIABLES, OTHER_HOSTS))
        wanted[home / "docs" / "config.example.toml"] = example()
        for name, made in GENERATED.items():
            page = home / "docs" / f"{name}.md"
            wanted[page] = replace_between(page.read_text(encoding="utf-8"), *markers(name), made())
        text = replace_between(keys.read_text(encoding="utf-8"), *PROVIDERS, provider_table(all_routes()))
        wanted[keys] = replace_between(text, *KEYS, key_tables(all_routes(), all_paces()))
    for file, text in wanted.items():
        try:
            # universal newlines: a Windows checkout may have turned the line ends
            if file.read_text(encoding="utf-8", errors="replace") != text:
                yield file, "differs", text
        except OSError:
            # whatever the reason, it cannot be read, and writing it will show why
            yield file, "missing", text
    yield from stray


def settings_tables(keys: Mapping[str, tuple[str, ...]], hosts: Mapping[str, tuple[str, ...]]) -> str:
    """The tables of docs/settings.md as Markdown: all settings, and each provider's variables for keys and the like."""
    headings = ("variable", "in `config.toml`", "option", "meaning", "values", "default")
    settings = []
    for one in ALL_SETTINGS:
        places, default = map(_code, (one.variable, one.name, one.option)), one.default_words or shown(one.default)
        settings.append([*places, one.help, one.kind.values, default])
    providers = []
    for provider, variables in keys.items():
        names = [provider, *(f"{provider}_{host}" for host in hosts.get(provider, ()))] if variables else []
        rates = [rate_variable(provider)] if variables else []
        cells = (", ".join(map(_code, cell)) or "none" for cell in (variables, map(address_variable, names), rates))
        providers.append([provider, *cells])
    columns = ("provider", "key", "addresses", "rate")
    return f"{markdown_table(headings, settings)}\n\n{markdown_table(columns, providers)}"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def provider_table(routes: Iterable[Route]) -> str:
    """A line per tool and operation, a column per provider, in the order of the routes."""
    routes = tuple(routes)
    providers = list(dict.fromkeys(route.provider for route in routes))
    tools = list(dict.fromkeys(route.tool for route in routes))
    served: dict[tuple[str, str], set[str]] = {}
    for route in routes:
        served.setdefault((route.tool, verb(route.operation)), set()).add(route.provider)
    rows = sorted(served.items(), key=lambda row: tools.index(row[0][0]))
    return markdown_table(
        ["tool", "operation", *providers],
        ([*cell, *(YES if provider in by else NO for provider in providers)] for cell, by in rows),
    )


def key_tables(routes: Iterable[Route], paces: Mapping[str, Pace]) -> str:
    """A heading and a table per provider with a key: what `tools/list` offers where it is the only one.

    Below it stand what ends, and how many calls the vendor takes from an account.
    """
    routes = tuple(routes)
    blocks = []
    for name, variables in KEY_VARIABLES.items():
        own = [route for route in routes if route.provider == name]
        if variables and own:
            blocks.append(f"### {name} (`{variables[0]}`)\n\n{_table(own)}{_ends(own)}{_takes(paces[name])}")
    return "\n\n".join(blocks)


def _takes(pace: Pace) -> str:
    limits = rate(pace.calls, pace.seconds, pace.running)
    return f"\n\nTakes {limits}." if limits else ""


def _table(routes: Sequence[Route]) -> str:
    lines = []
    for tool, row in catalog().items():
        effective = effective_row(row, [route for route in routes if route.tool == tool], ALL)
        for name, operation in effective.operations.items() if effective else ():
            whole = row.operations[name]
            lacks = ", ".join(f"`{one}`" for one in whole.arguments if one not in operation.arguments)
            lines.append([f"`{tool}`", verb(name), *_cells(operation, whole), lacks])
    return markdown_table(HEADINGS, lines)


def _cells(operation: Operation, whole: Operation) -> list[str]:
    """Editions, shapes, sizes, input pictures, and what else it takes."""
    taken = operation.arguments
    pictures = [_pictures(argument) for argument in taken.values() if argument.kind in PICTURE_KINDS]
    others = [_other(name, one, whole.arguments[name]) for name, one in taken.items() if _is_other(name, one)]
    return [*(_values(taken.get(name)) for name in APART), " + ".join(pictures), ", ".join(others)]


def _is_other(name: str, argument: Argument) -> bool:
    return name not in (*APART, *PLAIN) and argument.kind not in PICTURE_KINDS


def _values(argument: Argument | None) -> str:
    return "" if argument is None else ", ".join(map(shown, argument.values or ()))


def _pictures(argument: Argument) -> str:
    if argument.kind == "pictures":
        return span(argument.min_items or 1, argument.max_items or 1)
    return "mask" if not argument.required else "1"


def _other(name: str, argument: Argument, whole: Argument) -> str:
    """The argument, with its values where they are fewer than the row's."""
    fewer = argument.values is not None and argument.values != whole.values
    return f"`{name}` ({listed(map(shown, argument.values or ()), 'or')})" if fewer else f"`{name}`"


def _ends(routes: Sequence[Route]) -> str:
    """A sentence on each edition here that will end."""
    ends = {(end, route.tool, route.edition) for route in routes if (end := end_of(route))}
    return "".join(f"\n\n`{tool}` {edition} ends on {end}." for end, tool, edition in sorted(ends))
