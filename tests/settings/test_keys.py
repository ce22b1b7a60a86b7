"""What may be a key and what only stands in its place, in the environment and in the key file alike."""

from __future__ import annotations

import random
import string
from pathlib import Path

import pytest

from imagewright.engine.config import make_config, provider_states
from imagewright.errors import SettingsError
from imagewright.providers import KEY_VARIABLES
from imagewright.providers.http.client import HttpClient
from imagewright.settings.keys import Keyring, flaw
from imagewright.settings.load import CommandLine, load_settings

PLACEHOLDER = "is set to a placeholder"
NO_KEYS = {
    "your key, or leave this line out": PLACEHOLDER,
    "your-key": PLACEHOLDER,
    "your_key_here": PLACEHOLDER,
    "YOUR_API_KEY": PLACEHOLDER,
    "yourApiKey": PLACEHOLDER,
    "sk-your-key-here": PLACEHOLDER,
    "your-kie-key": PLACEHOLDER,
    "<key>": PLACEHOLDER,
    "<your key>": PLACEHOLDER,
    "xxx": PLACEHOLDER,
    "XXXX": PLACEHOLDER,
    "xxxxxxxx-xxxx-xxxx": PLACEHOLDER,
    "sk-xxxx": PLACEHOLDER,
    "r8_xxxxxxxxxxxxxxxxxxxxx": PLACEHOLDER,
    "AIzaXXXXXXXXXXXX": PLACEHOLDER,
    "...": PLACEHOLDER,
    "sk-...": PLACEHOLDER,
    "sk-…": PLACEHOLDER,
    "sk-****": PLACEHOLDER,
    "${input:kie}": PLACEHOLDER,
    "${user_config.kie_key}": PLACEHOLDER,
    "$KIE_API_KEY": PLACEHOLDER,
    "%KIE_API_KEY%": PLACEHOLDER,
    "{{kie}}": PLACEHOLDER,
    "KIE_API_KEY": PLACEHOLDER,
    "changeme": PLACEHOLDER,
    "change-me": PLACEHOLDER,
    "none": PLACEHOLDER,
    "null": PLACEHOLDER,
    "undefined": PLACEHOLDER,
    "insert-key-here": PLACEHOLDER,
    "key goes here": PLACEHOLDER,
    "placeholder": PLACEHOLDER,
    "api-key": PLACEHOLDER,
    "my-api-key": PLACEHOLDER,
    "my-secret-key": PLACEHOLDER,
    "kie-api-key": PLACEHOLDER,
    "kie_key": PLACEHOLDER,
    "put the kie key here": PLACEHOLDER,
    "KEY_ID:KEY_SECRET": PLACEHOLDER,
    "[YOUR_API_KEY]": PLACEHOLDER,
    "[key]": PLACEHOLDER,
    "(key)": PLACEHOLDER,
    "token": PLACEHOLDER,
    "AIzaxxxx": PLACEHOLDER,
    "fill-me-in": PLACEHOLDER,
    "change_this": PLACEHOLDER,
    "not-set": PLACEHOLDER,
    "REDACTED": PLACEHOLDER,
    "op://vault/kie/key": PLACEHOLDER,
    '"your-key"': PLACEHOLDER,
    '"abc"': "has quotation marks around its value",
    "'sk-0123456789'": "has quotation marks around its value",
    "“sk-0123456789”": "has quotation marks around its value",
    "sk-0123 456789": "has white space in its value",
    "sk-0123\n456789": "has white space in its value",
    "schlüssel-0123": "has letters in its value that no key has",
    "sk-0123\x07": "has letters in its value that no key has",
    "KIE_API_KEY=0123456789abcdef": "has the name of a variable in its value",
    "export FAL_KEY=0123456789abcdef": "has the name of a variable in its value",
    "0123456789abcdef,": "has a comma at the end of its value",
    "0123456789abcdef;": "has a semicolon at the end of its value",
    "01234567" * 501: "has more than 4000 characters in its value",
}
HEX, ALPHANUMERIC = "0123456789abcdef", string.ascii_letters + string.digits
URL_SAFE = f"{ALPHANUMERIC}-_"


def _body(letters: str, length: int) -> str:
    return "".join(random.choice(letters) for _ in range(length))  # noqa: S311 - guards nothing


def _uuid() -> str:
    return "-".join(_body(HEX, length) for length in (8, 4, 4, 4, 12))


SHAPES = {
    "kie": lambda: _body(HEX, 32),
    "fal": lambda: f"{_uuid()}:{_body(HEX, 32)}",
    "replicate": lambda: f"r8_{_body(ALPHANUMERIC, 37)}",
    "openai": lambda: f"sk-proj-{_body(URL_SAFE, 156)}",
    "openai, older": lambda: f"sk-{_body(ALPHANUMERIC, 48)}",
    "google": lambda: f"AIza{_body(URL_SAFE, 35)}",
    "google, newer": lambda: f"AQ.{_body(URL_SAFE, 50)}",
    "bfl": lambda: f"bfl_{_body(ALPHANUMERIC, 40)}",
    "bfl, older": _uuid,
    "recraft": lambda: _body(URL_SAFE, 64),
    "ideogram": lambda: _body(URL_SAFE, 86),
    "ark": _uuid,
    "dashscope": lambda: f"sk-{_body(HEX, 32)}",
    "a gateway's": lambda: _body(f"{ALPHANUMERIC}+/", 43) + "=",
}
"""What real keys look like, the body by chance."""
TRIES = 300


@pytest.mark.parametrize(("value", "why"), NO_KEYS.items(), ids=map(ascii, NO_KEYS))
def test_a_placeholder_is_no_key_wherever_it_stands(value: str, why: str) -> None:
    file = Path("/keys.toml")
    in_environment = Keyring({"KIE_API_KEY": value}, {}, file)
    in_file = Keyring({}, {"KIE_API_KEY": value}, file)
    for ring, source in ((in_environment, "KIE_API_KEY"), (in_file, f"{file} (KIE_API_KEY)")):
        assert ring.find(KEY_VARIABLES["kie"]) is None
        (found,) = ring.flaws(KEY_VARIABLES["kie"])
        assert str(found) == f"{source} {why}: it counts as not set"
    states = provider_states(load_settings({"KIE_API_KEY": value}))
    assert states["offline"].on
    assert f"KIE_API_KEY {why}: " in states["kie"].because
    assert "set KIE_API_KEY or KIE_AI_API_KEY" in states["kie"].because


@pytest.mark.parametrize("variable", [variable for variables in KEY_VARIABLES.values() for variable in variables])
def test_the_name_of_the_vendor_before_the_word_key_is_no_key(variable: str) -> None:
    vendor = variable.partition("_")[0].lower()
    for value in (f"{vendor}-key", f"{vendor} ai key", f"my {vendor} key here"):
        assert flaw(value, (variable,)) == PLACEHOLDER


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_real_key_is_never_taken_for_one(shape: object) -> None:
    assert callable(shape)
    for _ in range(TRIES):
        value = shape()
        assert flaw(value) == "", value


def test_white_space_around_a_key_is_left_off_and_an_empty_value_is_no_flaw() -> None:
    ring = Keyring({"KIE_API_KEY": " 0123456789abcdef\n", "FAL_KEY": " "}, {}, Path("/keys.toml"))
    key = ring.find(KEY_VARIABLES["kie"])
    assert key is not None
    assert key.value == "0123456789abcdef"
    assert ring.find(KEY_VARIABLES["fal"]) is None
    assert ring.flaws(("KIE_API_KEY", "FAL_KEY")) == []


def test_a_real_key_behind_a_placeholder_is_found() -> None:
    stored = {"KIE_API_KEY": "0123456789abcdef"}
    ring = Keyring({"KIE_API_KEY": "${input:kie}"}, stored, Path("/keys.toml"))
    key = ring.find(KEY_VARIABLES["kie"])
    assert key is not None
    assert key.source == f"{Path('/keys.toml')} (KIE_API_KEY)"
    assert len(ring.flaws(KEY_VARIABLES["kie"])) == 1


@pytest.mark.parametrize(
    ("variable", "left"),
    [
        ("IMAGEWRIGHT_HOME", "${user_config.home}"),
        ("IMAGEWRIGHT_ROOTS", "${workspaceFolder}/pictures"),
        ("IMAGEWRIGHT_TOOLS", "${user_config.tools}"),
        ("IMAGEWRIGHT_DISABLE", "${user_config.off}"),
        ("IMAGEWRIGHT_PROVIDERS", "${user_config.provider}"),
        ("IMAGEWRIGHT_WAIT", "${user_config.wait}"),
        ("IMAGEWRIGHT_REPLY_BUDGET", "${user_config.bytes}"),
        ("IMAGEWRIGHT_LEASE", "${user_config.lease}"),
        ("IMAGEWRIGHT_BUDGET_PER_DAY", "${user_config.per_day}"),
        ("IMAGEWRIGHT_CONFIRM_ABOVE", " ${input:ask} "),
        ("IMAGEWRIGHT_KIE_BASE_URL", "https://${input:host}"),
    ],
)
def test_a_setting_left_to_be_filled_in_counts_as_not_set_and_is_logged(
    home: Path, variable: str, left: str, caplog: pytest.LogCaptureFixture
) -> None:
    plain = {"IMAGEWRIGHT_HOME": str(home)} if variable != "IMAGEWRIGHT_HOME" else {}
    assert load_settings({**plain, variable: left}) == load_settings(plain)
    assert [record.getMessage().partition(" ")[0] for record in caplog.records] == [variable]


def test_an_option_left_to_be_filled_in_counts_as_not_given(home: Path) -> None:
    line = CommandLine(tools="${t}", disable="${d}", providers=("${p}",))
    environment = {"IMAGEWRIGHT_HOME": str(home)}
    assert load_settings(environment, line) == load_settings(environment)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("FALKEY", " (did you mean 'FAL_KEY'?)"),
        ("FAL_KEYS", " (did you mean 'FAL_KEY'?)"),
        ("fal_key", " (did you mean 'FAL_KEY'?)"),
        ("kie", " (did you mean 'KIE_API_KEY'?)"),
        ("google", " (did you mean 'GEMINI_API_KEY'?)"),
        ("KIE_KEY", " (did you mean 'KIE_API_KEY'?)"),
        ("xyzzy", "; the names are KIE_API_KEY, "),
    ],
)
def test_a_misspelt_name_in_the_key_file_is_named_at_the_start(
    home: Path, name: str, hint: str, caplog: pytest.LogCaptureFixture
) -> None:
    home.mkdir(parents=True)
    file = home / "keys.toml"
    file.write_text(f'{name} = "0123456789abcdef"\nOPENAI_API_KEY = "sk-0123456789abcdef"\n', encoding="utf-8")
    file.chmod(0o600)
    for _ in range(2):
        make_config(load_settings({"IMAGEWRIGHT_HOME": str(home)}), HttpClient())
    (sentence,) = (record.getMessage() for record in caplog.records)
    assert sentence.startswith(f"{file}: {name} is not the name of a key{hint}")
    assert "0123456789abcdef" not in sentence


def test_a_key_file_that_cannot_be_read_is_refused_with_what_to_do(home: Path) -> None:
    (home / "keys.toml").mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"keys\.toml: is a folder, and a file is expected there"):
        load_settings({"IMAGEWRIGHT_HOME": str(home)})
    (home / "keys.toml").rmdir()
    (home / "keys.toml").write_text('FAL_KEY = "x"\nKIE_API_KEY = planted', encoding="utf-8")
    (home / "keys.toml").chmod(0o600)
    with pytest.raises(SettingsError, match=r"is not TOML \(line 2\); one line per key") as refusal:
        load_settings({"IMAGEWRIGHT_HOME": str(home)})
    assert "planted" not in str(refusal.value)
