"""`imagewright keys [list|set|check|remove]`: the vendors' keys. No key is shown, logged or given as an argument."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import anyio
import click
from rich.text import Text

from imagewright.cli import put, put_error
from imagewright.cli.checks import Finding, broken, note, off, ok
from imagewright.cli.commands.config import edit
from imagewright.cli.options import Command, Group, completing, option
from imagewright.cli.output import closing, console, hint, print_json, table
from imagewright.cli.session import settings_now
from imagewright.engine.config import check_online, provider_states
from imagewright.errors import SettingsError
from imagewright.providers import KEY_VARIABLES
from imagewright.providers.common.keys import KeyCheck, Verdict
from imagewright.settings import without_login
from imagewright.settings.keys import Keyring, flaw, read_key_file
from imagewright.text import did_you_mean, listed, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imagewright.settings.load import Settings

KEYED = {name: variables for name, variables in KEY_VARIABLES.items() if variables}
"""The providers that take a key, with the variables it may stand in."""
SHOWN_SIGNS, LONG_ENOUGH = 4, 20
"""How many of a key's last characters are shown, and from which length on: the rest must stay unguessable."""
STYLES = {Verdict.ACCEPTED: "green", Verdict.REFUSED: "bold red", Verdict.UNANSWERED: "yellow"}
TYPED = "a key is never given as an argument, as it would stay in your shell's history. Leave it out: it is asked for"
LARGEST = 100_000
"""Characters that are read from a pipe: no key is as long."""
MARKS = ("\ufeff", "\x1b[200~", "\x1b[201~")
"""What programs put around a text: Windows at the start of a file, terminals around what is pasted."""

json_option = option("--json", "as_json", is_flag=True, help="the same as JSON")


@click.group(
    cls=Group,
    invoke_without_command=True,
    epilog="Keys are written to keys.toml beside the configuration file, which only you can read.\n"
    "A running server follows within two seconds.\n",
)
@json_option
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> int | None:
    """List the keys, unless a command does something else with them."""
    return _list(as_json=as_json) if ctx.invoked_subcommand is None else None


@command.command("list", cls=Command, help="which keys were found, where, and which are in use; none is shown")
@json_option
def list_all(*, as_json: bool) -> int:
    """List the keys."""
    return _list(as_json=as_json)


@command.command(
    "set", cls=Command, help="ask for a key without showing it, check it, and keep it; or read it from a pipe"
)
@click.argument("given", metavar="PROVIDER", required=False, shell_complete=completing(lambda: KEYED))
@click.argument("typed", nargs=-1, metavar="")
@option("--no-check", is_flag=True, help="keep it without asking the vendor about it")
def set_key(given: str | None, typed: tuple[str, ...], *, no_check: bool) -> int:
    """Keep a key; 1 where the vendor refuses it."""
    name, variables = _provider(given, "set")
    if typed:
        raise click.UsageError(TYPED, click.get_current_context())
    settings = settings_now()
    file = settings.folders.keys
    variable = next((one for one in variables if one in settings.keyring.stored), variables[0])
    value = _read(name, variable)
    if why := flaw(value, variables):
        raise _refused(why)
    check = KeyCheck(Verdict.UNCHECKED)
    if not no_check:
        check = _checked(replace(settings, keyring=Keyring({variable: value}, {}, file)), [name])[name]
        if check.verdict is Verdict.REFUSED:
            put_error(f"imagewright: {name} refuses this key: {plain(check.detail)}. Nothing was written.\n")
            put_error("imagewright: to keep it all the same, add --no-check\n")
            return 1

    def change(document: Any) -> None:
        document[variable] = value

    edit(file, change, read_key_file, first=True)
    put(f"{variable} is kept in {file}\n")
    put(f"{name}: {'not checked' if no_check else plain(_words(check))}\n")
    for one in variables:
        if (there := os.environ.get(one, "").strip()) and not flaw(there, variables):
            put_error(f"imagewright: but {one} in the environment is stronger\n")
    return 0


@command.command("check", cls=Command, help="ask the vendors whether they take the keys, by calls that cost nothing")
@click.argument("providers", nargs=-1, metavar="[PROVIDER]...", shell_complete=completing(lambda: KEYED))
@json_option
def check(providers: tuple[str, ...], *, as_json: bool) -> int:
    """Check keys; 1 where one is refused or missing."""
    settings = settings_now()
    asked = [_provider(one, "check")[0] for one in providers]
    found = {name: settings.keyring.find(variables) for name, variables in KEYED.items()}
    names = [name for name in dict.fromkeys(asked or KEYED) if found[name]]
    missing = [name for name in asked if not found[name]]
    checks = _checked(settings, names)
    if as_json:
        print_json([_check_data(name, one) for name, one in checks.items()])
    elif checks:
        rows = [
            (name, Text(one.verdict, style=STYLES.get(one.verdict, "")), plain(_more(one)))
            for name, one in checks.items()
        ]
        console().print(table(("provider", "answer", "details"), rows, kept=("provider",)))
    for name in missing:
        put_error(f"imagewright: {name} has no key: {_ways(name)}\n")
    if not checks and not missing:
        put_error("imagewright: no key is set; begin with: imagewright keys set kie\n")
    return 1 if missing or any(one.verdict is Verdict.REFUSED for one in checks.values()) else 0


@command.command("remove", cls=Command, help="take a provider's key out of the key file")
@click.argument("given", metavar="PROVIDER", required=False, shell_complete=completing(lambda: KEYED))
def remove(given: str | None) -> int:
    """Forget a key."""
    name, variables = _provider(given, "remove")
    file = settings_now().folders.keys

    def change(document: Any) -> list[str]:
        return [one for one in variables if document.pop(one, None) is not None]

    gone = edit(file, change, read_key_file, first=True)
    put(f"{listed(gone) if gone else f'No key of {name}'} {'taken out of' if gone else 'stands in'} {file}\n")
    for one in variables:
        if os.environ.get(one, "").strip():
            put_error(f"imagewright: but {one} is set in the environment, which this does not change\n")
    return 0


def _provider(given: str | None, action: str) -> tuple[str, tuple[str, ...]]:
    """A provider by its name, or by the variable of its key.

    Raises:
        SettingsError: there is no such provider, or it takes no key.
    """
    if given is None:
        message = f"whose key? Such as: imagewright keys {action} kie. The providers are: {', '.join(KEYED)}"
        raise click.UsageError(message, click.get_current_context())
    by_variable = {variable: name for name, variables in KEYED.items() for variable in variables}
    name = by_variable.get(given.upper(), given.lower())
    if name in KEYED:
        return name, KEYED[name]
    if name in KEY_VARIABLES:
        raise SettingsError(f"{name} needs no key")
    if not flaw(given) and len(given) >= LONG_ENOUGH:
        raise click.UsageError(TYPED, click.get_current_context())  # without quoting what may be a key
    raise SettingsError(f"there is no provider {given!r}{did_you_mean(name, KEYED)}. They are: {', '.join(KEYED)}.")


def _read(name: str, variable: str) -> str:
    """The key, from a person without echo, or from a pipe.

    Raises:
        SettingsError: there was none, or it is no text.
    """
    try:
        if sys.stdin.isatty():
            prompt = f"Key for {name} ({variable}); it is not shown while you paste it: "
            value = getpass.getpass(prompt, stream=sys.stderr)
        else:
            value = sys.stdin.read(LARGEST)
    except EOFError:
        value = ""
    except UnicodeDecodeError as error:
        raise _refused("has letters in its value that no key has") from error
    for mark in MARKS:
        value = value.replace(mark, "")
    if not value.strip():
        raise SettingsError("no key was given. Nothing was written.")
    return value.strip()


def _refused(why: str) -> SettingsError:
    return SettingsError(f"what you gave {why}; give the key alone. Nothing was written.")


def _checked(settings: Settings, names: Sequence[str]) -> dict[str, KeyCheck]:
    if names and sys.stderr.isatty():  # a slow vendor is waited for
        put_error(f"Asking {listed(names)} ...\n")
    return {name: found for name, (found, _) in anyio.run(check_online, settings, names).items()}


def _words(check: KeyCheck) -> str:
    return f"{check.verdict}{f', {more}' if (more := _more(check)) else ''}"


def _more(check: KeyCheck) -> str:
    left = "" if check.usd_left is None else f"${check.usd_left:,.2f} left"
    return "; ".join(filter(None, (left, check.detail)))


def _check_data(name: str, check: KeyCheck) -> dict[str, Any]:
    return {"provider": name, "answer": check.verdict, "detail": check.detail, "usd_left": check.usd_left}


def _ways(name: str) -> str:
    return f"run: imagewright keys set {name}, or set {listed(KEYED[name], 'or')}"


def _list(*, as_json: bool) -> int:
    settings = settings_now()
    states, ring = provider_states(settings), settings.keyring
    entries: list[dict[str, Any]] = []
    for name, variables in KEYED.items():
        key = ring.find(variables)
        end = key.value[-SHOWN_SIGNS:] if key is not None and len(key.value) >= LONG_ENOUGH else ""
        entries.append(
            {
                "provider": name,
                "variables": list(variables),
                "found": key is not None,
                "from": key.source if key else "",
                "ends_with": end,
                "in_use": states[name].on,
                "because": states[name].because,
                "ignored": [*ring.flaws(variables), *_shadowed(ring, variables)],
            }
        )
    strangers = ring.strangers(KEY_VARIABLES)
    if as_json:
        print_json({"keys": entries, "ignored": strangers, "file": str(settings.folders.keys)})
        return 0
    file = settings.folders.keys
    console().print(table(("provider", "key", "from", "in use"), map(_row, entries), kept=("provider", "key")))
    unused = (one for one in entries if one["found"] and not one["in_use"])
    reasons = [f"{one['provider']}: its key is not in use, {one['because']}" for one in unused]
    for sentence in (*reasons, *(one for entry in entries for one in entry["ignored"]), *strangers):
        hint(sentence, "yellow")
    absent = "" if file.exists() else " (not there yet)"
    closing(f"Key file: {file}{absent}")
    return 0


def _row(entry: dict[str, Any]) -> tuple[Text | str, ...]:
    if not entry["found"]:
        return (entry["provider"], Text("none", style="dim"), listed(entry["variables"], "or"), "")
    in_use = Text("yes", style="green") if entry["in_use"] else Text("no", style="yellow")
    key = f"…{entry['ends_with']}" if entry["ends_with"] else "set"
    return (entry["provider"], key, plain(entry["from"]), in_use)


def _shadowed(ring: Keyring, variables: Sequence[str]) -> list[str]:
    """A sentence for each further place that has a key of the same provider, which is not used."""
    taken = ring.find(variables)
    places = [one.source for one in ring.all_of(variables) if not flaw(one.value, variables)]
    return [f"{place}: not used, as {taken.source} is stronger" for place in places if taken and place != taken.source]


def check_keys(settings: Settings, *, online: bool) -> Iterator[Finding]:
    """For the doctor: which keys were found and where, never what they are.

    Online, what their vendors say of them, and how the base addresses of the providers in use answer.
    """
    for sentence in settings.keyring.strangers(KEY_VARIABLES):
        yield note("keys", sentence, "Correct its name, or take the line out.")
    from_shell: list[str] = []
    for provider, variables in KEYED.items():
        for sentence in settings.keyring.flaws(variables):
            yield note("keys", sentence, "Set it to the key alone, or leave it out.")
        key = settings.keyring.find(variables)
        if key is None:
            yield off("keys", f"{provider}: none ({' or '.join(variables)})")
            continue
        yield ok("keys", f"{provider}: from {key.source}{'' if online else ' (not tried)'}")
        for sentence in _shadowed(settings.keyring, variables):
            yield off("keys", sentence)
        if key.source in variables:
            from_shell.append(key.source)
    if from_shell:
        yield note(
            "keys",
            f"{', '.join(from_shell)}: set in this shell, which desktop clients do not read",
            f"For them, put it into the client's own env block, or into {settings.keyring.file}: imagewright keys set",
        )
    if online:
        yield from _check_online(settings)


def _check_online(settings: Settings) -> Iterator[Finding]:
    names = [name for name, state in provider_states(settings).items() if state.on and name in KEYED]
    for name, (found, addresses) in anyio.run(check_online, settings, names).items():
        if settings.keyring.find(KEYED[name]) is not None:  # a server of one's own may need none
            yield _key_finding(name, found)
        yield from (_address_finding(name, where, answer) for where, answer in addresses.items())


def _key_finding(name: str, check: KeyCheck) -> Finding:
    says = f"{name}: {_words(check)}"
    match check.verdict:
        case Verdict.ACCEPTED:
            return ok("online", says)
        case Verdict.REFUSED:
            return broken("online", says, f"Make a new key at {name}, then run: imagewright keys set {name}")
        case Verdict.UNCHECKED:
            return off("online", f"{name}: the key {check.verdict}")
        case _:
            return note("online", says, "Look at your network and at the address, and try again.")


def _address_finding(name: str, address: str, answer: str | int) -> Finding:
    address = without_login(address)
    if isinstance(answer, int) and answer < HTTPStatus.INTERNAL_SERVER_ERROR:
        return ok("online", f"{name}: {address} can be reached")
    return note(
        "online", f"{name}: {address}: {f'HTTP {answer}' if isinstance(answer, int) else answer}", "Try again later."
    )
