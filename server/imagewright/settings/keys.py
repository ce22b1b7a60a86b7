"""API keys: from the environment, else from the key file. Messages name where a key stands and never show it.

A value that cannot be a key counts as not set: a placeholder that was not filled in, one in quotation marks, one with
white space in it, a whole line such as `KIE_API_KEY=...`. `Keyring.flaws` says which and why.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imagewright.errors import SettingsError, why
from imagewright.settings import without_secrets
from imagewright.text import byte_size, clip, closest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

NEVER_IN_A_KEY: Final = re.compile(r"[<>{}()\[\]$%\u2026]|\.\.\.|\*\*\*|://")
"""Signs of a value to be filled in or expanded: `<key>`, `[key]`, `${input:kie}`, `%KIE_KEY%`, `op://vault/kie`."""
STANDS_FOR_A_KEY: Final = re.compile(
    r"(?:[a-z0-9]{1,6} ?)?x{3,}(?: x+)*|.*x{6}.*"  # a row of x, alone or behind a beginning such as `sk-`
    r"|(?:.* )?(?:your|insert|replace|enter|paste|redacted)(?: .*)?"  # your-key, sk-your-key, paste_here
    r"|your(?:api)?(?:key|token).*"  # yourkey, yourApiKey
    r"|(?:put |set |add )?(?:(?:the|my|a|an|vendor|api|secret) )*(?:key|token|secret) (?:goes )?here"
    r"|(?:[a-z]+ )*(?:change ?(?:me|this)|fill ?(?:me ?)?in|fixme|not ?set)"
    r"|replaceme|placeholder|none|null|nil|undefined|unset|empty|todo|tbd|n/a|na|dummy|example"
    r"|(?:(?:[a-z]+ )*api ?)?(?:key|token)|my (?:secret )?(?:key|token)|secret(?: key)?|key id:key secret"
    r"|vendor(?: ai)? key"
    r"|(?:no|example|dummy|placeholder) (?:api )?(?:key|token)",
)
"""What people and templates write where a key belongs; matched whole, in lower case, `_` and `-` as spaces.
`vendor` stands for the vendor's name."""
NAME_OF_A_VARIABLE: Final = re.compile(r"[A-Z]+(?:_[A-Z]+)*_(?:KEY|TOKEN)(?:_HERE)?")
NAMED: Final = re.compile(r"(?:export\s+)?[A-Z]+(?:_[A-Z]+)*_(?:KEY|TOKEN)\s*[=:]")
"""How a line begins that was copied whole, from a script or a file of settings."""
LIKE_A_KEYS_NAME: Final = re.compile(r"\W*\w*?_?(?:api_?)?(?:key|token)s?\b", re.IGNORECASE)
"""How the name of a key looks at the beginning of a line, in another file too: `KIE_API_KEY`, `falkey`."""
LONGEST_PLACEHOLDER: Final = 60
"""Characters up to which words are looked for: a long random key can contain any word by chance."""
LONGEST_KEY: Final = 4000
"""Characters. A terminal cuts what is pasted into one line at 4095, without a word."""
ENDS: Final = {",": "comma", ";": "semicolon"}
"""What is copied along from a file, behind the key."""
LARGEST_FILE: Final = 1_000_000
"""Bytes of a file of settings or keys."""
LINE_OF_ERROR: Final = re.compile(r"\(at (?:line (\d+), column \d+|end of document)\)")
"""How the parser of TOML says where it stopped."""
TOKEN: Final = re.compile(r"[!-~]{16,200}")
"""A token of the server over HTTP: what a header can carry as it is, and nobody guesses."""
TOKEN_BYTES: Final = 32
"""Random bytes of a token that is made here; it has 43 letters."""
QUOTES: Final = "\"'`\u2018\u2019\u201c\u201d"


def flaw(value: str, variables: Sequence[str] = ()) -> str:
    """What keeps a value from being a key, as words that follow its name; empty where it may be one.

    Args:
        value: as it was set, without the white space around it.
        variables: those the key may stand in; each begins with a name of its vendor, as in `KIE_API_KEY`.
    """
    vendors = {variable.partition("_")[0].lower() for variable in variables}
    words = re.split(r"[\s_-]+", value.lower().strip(QUOTES))
    spoken = " ".join("vendor" if word in vendors else word for word in words).strip()
    is_placeholder = (
        NEVER_IN_A_KEY.search(value)
        or NAME_OF_A_VARIABLE.fullmatch(value)
        or (len(value) <= LONGEST_PLACEHOLDER and STANDS_FOR_A_KEY.fullmatch(spoken))
    )
    first, last = value[:1], value[-1:]
    flaws = (
        (is_placeholder, "is set to a placeholder"),
        (NAMED.match(value), "has the name of a variable in its value"),
        (first in QUOTES or last in QUOTES, "has quotation marks around its value"),
        (any(letter.isspace() for letter in value), "has white space in its value"),
        (not (value.isascii() and value.isprintable()), "has letters in its value that no key has"),
        (last in ENDS, f"has a {ENDS.get(last)} at the end of its value"),
        (len(value) > LONGEST_KEY, f"has more than {LONGEST_KEY} characters in its value"),
    )
    return next((words for found, words in flaws if found), "")


@dataclass(frozen=True, slots=True)
class Key:
    """A key and where it came from."""

    value: str = field(repr=False)
    """The secret; kept out of `repr`."""
    source: str
    """The variable's name, or the key file's path with the name in it."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Where keys are looked for."""

    environment: Mapping[str, str] = field(repr=False)
    """The variables of the process; kept out of `repr`."""
    stored: Mapping[str, str] = field(repr=False)
    """Content of the key file; kept out of `repr`."""
    file: Path
    """The key file's path, whether or not it exists."""

    def find(self, variables: Sequence[str]) -> Key | None:
        """The first of these variables that is set to what may be a key, in the environment or else in the key file."""
        return next((key for key in self.all_of(variables) if not flaw(key.value, variables)), None)

    def flaws(self, variables: Sequence[str]) -> list[str]:
        """A sentence for each of these variables whose value counts as not set, with the reason and never the value."""
        flaws = ((key.source, flaw(key.value, variables)) for key in self.all_of(variables))
        return [f"{source} {words}: it counts as not set" for source, words in flaws if words]

    def strangers(self, keys: Mapping[str, Sequence[str]]) -> list[str]:
        """A sentence for each line of the key file that is no provider's key, with the nearest that is.

        `keys` are the variables of each provider's key. The name of a provider stands for its first variable.
        """
        known = [variable for variables in keys.values() for variable in variables]
        sentences = []
        for name in self.stored:
            if name in known:
                continue
            meant = [*keys.get(name.lower(), ())[:1], *closest(name.upper(), known)]
            hint = f" (did you mean {meant[0]!r}?)" if meant else f"; the names are {', '.join(known)}"
            sentences.append(f"{self.file}: {clip(without_secrets(name))} is not the name of a key{hint}")
        return sentences

    def all_of(self, variables: Sequence[str]) -> Iterator[Key]:
        """Every one of these variables that is set, the strongest first, whether or not it can be a key."""
        for variable in variables:
            if value := self.environment.get(variable, "").strip():
                yield Key(value, variable)
        for variable in variables:
            if value := self.stored.get(variable, "").strip():
                yield Key(value, f"{self.file} ({variable})")


def read_key_file(file: Path) -> dict[str, str]:
    """The key file: TOML lines such as `KIE_API_KEY = "..."`. Empty when there is no such file.

    Raises:
        SettingsError: others on the machine can read it, or it is not TOML of texts. Never quotes its content.
    """
    try:
        text, mode = read_text(file)
    except FileNotFoundError:
        return {}
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise SettingsError(f"{file}: others on this machine can read your keys; run: chmod 600 '{file}'")
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        place = LINE_OF_ERROR.search(str(error))
        where = f" (line {place[1]})" if place and place[1] else ""
        # from None: the parser's message can quote the line, and the line holds a key
        raise SettingsError(f'{file}: is not TOML{where}; one line per key, such as KIE_API_KEY = "..."') from None
    if any(not isinstance(value, str) for value in content.values()):
        raise SettingsError(f"{file}: every key must be a text in quotes")
    return content


def read_token(file: Path) -> str:
    """The token of the server over HTTP; empty when there is no such file.

    Raises:
        SettingsError: others on the machine can read it, or it holds no token. Never quotes its content.
    """
    try:
        text, mode = read_text(file)
    except FileNotFoundError:
        return ""
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise SettingsError(f"{file}: others on this machine can read the token; run: chmod 600 '{file}'")
    if not TOKEN.fullmatch(token := text.strip()):
        raise SettingsError(f"{file}: holds no token; delete it, and the next `imagewright serve --http` makes one")
    return token


def make_token(file: Path) -> str:
    """The token of the server over HTTP, made where there is none. Blocks for some milliseconds.

    Raises:
        SettingsError: as `read_token`, or it cannot be written. Never returns an empty text, which would ask nobody.
    """
    if token := read_token(file):
        return token
    draft = file.with_name(f"{file.name}-{secrets.token_hex(8)}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            draft.touch(mode=0o600, exist_ok=False)
            draft.write_text(f"{secrets.token_urlsafe(TOKEN_BYTES)}\n", encoding="ascii")
            # never over another: two servers that start together have the same one
            with suppress(FileExistsError):
                os.link(draft, file)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{file}: cannot be written: {why(error)}") from error
    if not (token := read_token(file)):
        raise SettingsError(f"{file}: is a link to a file that is not there; delete it")
    return token


def read_text(file: Path) -> tuple[str, int]:
    """The text of a file of settings or keys, and the file's mode. A pipe is not waited for.

    Raises:
        FileNotFoundError: it is not there.
        SettingsError: it cannot be read, is not UTF-8, or is larger than `LARGEST_FILE`.
    """
    try:
        mode = file.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):  # /dev/null stands for an empty file
            what = "folder" if stat.S_ISDIR(mode) else "pipe"
            raise SettingsError(f"{file}: is a {what}, and a file is expected there; move it away")
        with file.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise SettingsError(f"{file}: is larger than {byte_size(LARGEST_FILE)}, so it is no file of settings")
        return data.decode("utf-8-sig"), mode
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: is not UTF-8; save it as UTF-8 in your editor") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {why(error)}") from error
