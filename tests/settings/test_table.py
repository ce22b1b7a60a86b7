"""Every setting stands once in the table, and everything that reads or shows settings follows from it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import imagewright
from imagewright.engine.config import make_config
from imagewright.engine.offer import tool_names
from imagewright.errors import SettingsError
from imagewright.providers import KEY_VARIABLES, OTHER_HOSTS
from imagewright.providers.http.client import HttpClient
from imagewright.settings import AllowedHost, without_secrets
from imagewright.settings.kinds import Rate
from imagewright.settings.load import CommandLine, load_settings, placed
from imagewright.settings.sources import example, read_config, unknown_variables
from imagewright.settings.table import (
    BY_PROVIDER,
    HOME,
    HTTP_TOKEN,
    NAMES,
    ROOTS,
    SETTINGS,
    TOOL_PREFIX,
    TOOL_SWITCHES,
    VARIABLES,
    address_variable,
    rate_variable,
)
from imagewright.storage.accounts import Pace

if TYPE_CHECKING:
    from imagewright.settings.table import Setting

SOURCE = Path(imagewright.__file__).parent
DOCUMENT, README = SOURCE.parents[1] / "docs" / "settings.md", SOURCE.parents[1] / "README.md"
SAMPLES = {
    "names of tools": ("qwen, recraft", '["qwen", "recraft"]'),
    "names of providers": ("kie fal", '["kie", "fal"]'),
    "seconds, 0 to 3600": ("30.5", "30.5"),
    "seconds, 1 to 3600": ("12", "12"),
    "bytes, 20000 to 1000000": ("50000", "50_000"),
    "absolute path of an `.onnx` file": (" /models/u2net.onnx ", '"/models/u2net.onnx"'),
    "host:port, `*` for every port, such as `nas.local:8080`": (
        "NAS.local.:8080 10.0.0.5:*",
        '["nas.local:8080", "10.0.0.5:*"]',
    ),
    "true or false": ("yes", "true"),
    "error, warning, info or debug": (" Info ", '"info"'),
    "USD, 0 to 1000000": ("0.5", "0.5"),
    "a whole number, 0 to 65535": ("4000", "4000"),
    "a path such as `/mcp`": ("/images/", '"/images"'),
}
"""A value that is no default, for each kind: as a variable has it and as the file has it."""
BOTH = [one for one in SETTINGS if one.name and one.variable and one not in BY_PROVIDER]


@pytest.mark.parametrize("setting", BOTH, ids=lambda one: one.name)
def test_a_setting_means_the_same_as_a_variable_and_in_the_file(home: Path, setting: Setting) -> None:
    text, line = SAMPLES[setting.kind.values]
    there, elsewhere = {HOME.variable: str(home)}, {HOME.variable: str(home / "elsewhere")}
    table, _, key = setting.name.rpartition(".")
    home.mkdir(parents=True)
    (home / "config.toml").write_text(f"[{table}]\n{key} = {line}" if table else f"{key} = {line}", encoding="utf-8")
    of_file = _decided(there)
    assert of_file == _decided({**elsewhere, setting.variable: text})
    assert of_file != _decided(elsewhere)


def _decided(environment: dict[str, str]) -> dict[str, object]:
    settings = load_settings(environment)
    tools = [settings.toggles.decide(tool).on for tool in ("qwen", "recraft", "ideogram_reframe")]
    return {"tools": tools} | {
        name: getattr(settings, name)
        for name in (
            "providers",
            "wait",
            "sure_wait",
            "reply_budget",
            "resource_links",
            "keep_metadata",
            "lease",
            "cutout_model",
            "budget",
            "allow_hosts",
            "log",
            "log_prompts",
            "http",
        )
    }


def test_the_folders_follow_their_variables(tmp_path: Path) -> None:
    home, root = tmp_path / "home", tmp_path / "root"
    folders = load_settings({HOME.variable: str(home), ROOTS.variable: str(root)}).folders
    assert folders.roots == (folders.pictures, root)
    assert all(home in path.parents for path in (folders.pictures, folders.database, folders.config, folders.keys))


def test_every_variable_that_a_message_or_a_document_names_is_read() -> None:
    known = {*VARIABLES, TOOL_PREFIX, "IMAGEWRIGHT_BUDGET_PER_", *(one.variable for one in BY_PROVIDER)}
    known |= {rate_variable(name) for name, variables in KEY_VARIABLES.items() if variables}
    known |= {address_variable(name) for name, variables in KEY_VARIABLES.items() if variables}
    known |= {address_variable(f"{name}_{part}") for name, parts in OTHER_HOSTS.items() for part in parts}
    files = [*SOURCE.rglob("*.py"), *(file for file in (DOCUMENT, README) if file.exists())]
    known |= {TOOL_SWITCHES.variable, *(f"{TOOL_PREFIX}{name.upper()}" for name in tool_names())}
    named = {
        name for file in files for name in re.findall(r"IMAGEWRIGHT_[A-Z_<>]+\b>?", file.read_text(encoding="utf-8"))
    }
    assert named - known == set()
    assert len(named) > len(VARIABLES)


def test_every_setting_can_be_set_once_and_says_its_default() -> None:
    variables = [one.variable for one in SETTINGS if one.variable]
    names = [one.name for one in SETTINGS if one.name]
    assert len(set(variables)) == len(variables)
    assert len(set(names)) == len(names)
    for setting in SETTINGS:
        assert setting.variable or setting.name
        assert setting.default_words or setting.default is not None
        assert not setting.help.endswith(".")


@pytest.mark.parametrize("name", ["kie", "kie_upload"])
def test_an_address_stands_in_the_variable_that_its_name_gives(home: Path, name: str) -> None:
    variables = {HOME.variable: str(home), address_variable(name): " https://gateway.example/ "}
    assert load_settings(variables).addresses == {name: "https://gateway.example"}


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20/10", Rate(20, 10, None)),
        (" 5 / 60 / 12 ", Rate(5, 60, 12)),
        ("100000/1", Rate(100_000, 1, None)),
        ("1/3600/1", Rate(1, 3600, 1)),
        ("5/1.5", Rate(5, 1.5, None)),
    ],
)
def test_a_rate_means_the_same_as_a_variable_and_in_the_file(home: Path, text: str, rate: Rate) -> None:
    assert load_settings({HOME.variable: str(home), rate_variable("kie"): text}).rates == {"kie": rate}
    home.mkdir(parents=True)
    (home / "config.toml").write_text(f'[rates]\nkie = "{text}"\nbfl = "9/9"', encoding="utf-8")
    assert load_settings({HOME.variable: str(home)}).rates == {"kie": rate, "bfl": Rate(9, 9, None)}
    assert load_settings({HOME.variable: str(home), rate_variable("kie"): "7/7"}).rates["kie"] == Rate(7, 7, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fast", "'fast' is not a rate; write calls/seconds, such as 20/10, or with how many may run at once, such as"),
        ("20", "'20' is not a rate; write calls/seconds, such as 20/10"),
        ("20/10/5/6", "'20/10/5/6' is not a rate"),
        ("20/10s", "'20/10s' is not a rate"),
        ("/10", "'/10' is not a rate"),
        ("0/10", "0 is not between 1 and 100000 calls"),
        ("2.5/10", "2.5 is not a whole number of calls"),
        ("nan/10", "nan is not between 1 and 100000 calls"),
        ("20/0", "0 is not between 1 and 3600 seconds"),
        ("20/inf", "inf is not between 1 and 3600 seconds"),
        ("20/10/0", "0 is not between 1 and 100000 calls at once"),
    ],
)
def test_a_wrong_rate_is_refused_where_it_stands(home: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"IMAGEWRIGHT_KIE_RATE: {words}")):
        load_settings({HOME.variable: str(home), rate_variable("kie"): text})
    home.mkdir(parents=True)
    (home / "config.toml").write_text(f'[rates]\nkie = "{text}"', encoding="utf-8")
    with pytest.raises(SettingsError, match=re.escape(f"rates.kie: {words}")):
        load_settings({HOME.variable: str(home)})


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("nas.local:8080", "nas.local", 8080),
        (" NAS.Local.:65535 ", "nas.local", 65535),
        ("my_nas:*", "my_nas", None),
        ("xn--bcher-kva.example:443", "xn--bcher-kva.example", 443),
        ("10.0.0.5:*", "10.0.0.5", None),
        ("[fd00:0::5]:443", "fd00::5", 443),
    ],
)
def test_an_allowed_host_is_read_and_written(text: str, host: str, port: int | None) -> None:
    read = AllowedHost.parse(text)
    assert read == (host, port)
    assert AllowedHost.parse(str(read)) == read


@pytest.mark.parametrize(
    "text",
    [
        "nas.local",
        "nas.local:",
        "nas.local:0",
        "nas.local:65536",
        "nas.local:+1",
        "nas.local:\u0663",
        "nas.local:http",
        "http://nas.local:80",
        "nas.local:80/pictures",
        "me@nas.local:80",
        "*:80",
        "*.local:80",
        "-nas:80",
        "b\u00fccher.example:443",
        ":80",
        "*",
        "10.1:80",
        "167772165:80",
        "10.0.0.0/8:80",
        "[10.0.0.5]:80",
        "[nas.local]:80",
        "fd00::5:443",
        "[fe80::1%eth0]:80",
        "[fd00::5]",
    ],
)
def test_what_is_not_one_host_with_its_port_is_refused_where_it_stands(home: Path, text: str) -> None:
    words = f"{without_secrets(text)!r} is not a host with its port; write one such as nas.local:8080"
    with pytest.raises(SettingsError, match=re.escape(f"IMAGEWRIGHT_ALLOW_HOSTS: {words}")):
        load_settings({HOME.variable: str(home), "IMAGEWRIGHT_ALLOW_HOSTS": f"10.0.0.5:*,{text}"})
    home.mkdir(parents=True)
    (home / "config.toml").write_text(f'allow_hosts = ["{text}"]', encoding="utf-8")
    with pytest.raises(SettingsError, match=re.escape(f"allow_hosts: {words}")):
        load_settings({HOME.variable: str(home)})


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-a1B2c3D4e5F6g7H8",
        "0123456789abcdef0123456789abcdef",
        "1234567890123456789",
        "123e4567-e89b-12d3-a456-426614174000:0123456789abcdef0123456789abcdef",
        "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
        "ftp://me:hunter2@nas.local:80",
        "me:hunter2@nas.local:80",
    ],
)
def test_a_key_in_the_wrong_line_is_not_shown(tmp_path: Path, secret: str) -> None:
    here = {HOME.variable: str(tmp_path)}
    plain = [one for one in SETTINGS if one.variable and not one.kind.is_secret]  # a key could be such a token
    variables = [one.variable for one in plain if one not in BY_PROVIDER]
    for variable in (*variables, rate_variable("kie"), address_variable("kie")):
        with pytest.raises(SettingsError) as refusal:
            make_config(load_settings(here | {variable: secret}, working_directory=tmp_path), HttpClient())
        assert "hunter2" not in str(refusal.value)
        assert secret[:12] not in str(refusal.value)
        assert "[hidden]" in str(refusal.value) or variable == ROOTS.variable  # it is a list, split at the colons


@pytest.mark.parametrize("value", ["short", "hunter2 hunter2 hunter2", "x" * 201, "tök-0123456789abcdef"])
def test_no_message_shows_a_token_that_cannot_be_one(home: Path, value: str) -> None:
    with pytest.raises(SettingsError, match=HTTP_TOKEN.variable) as refusal:
        load_settings({HOME.variable: str(home), HTTP_TOKEN.variable: value})
    assert value not in str(refusal.value)


def test_a_token_of_ones_own_is_taken_and_never_shown(home: Path) -> None:
    variables = {HOME.variable: str(home), HTTP_TOKEN.variable: "hunter2-hunter2-hunter2"}
    settings = load_settings(variables)
    assert settings.http.token == "hunter2-hunter2-hunter2"
    shown = repr(settings), repr(placed(variables, CommandLine()))
    assert HTTP_TOKEN.variable in shown[1]
    assert "hunter2" not in "".join(shown)


@pytest.mark.parametrize(
    "value",
    ["images.example.com:8080", "/models/u2net.onnx", "IMAGEWRIGHT_BUDGET_PER_CALL", "soon", "20/10s", "-1e400"],
)
def test_what_can_be_no_key_is_shown(value: str) -> None:
    assert without_secrets(value) == value


@pytest.mark.parametrize("name", ["kei", "offline", "kie_upload"])
def test_a_rate_of_nobody_stops_the_start(home: Path, name: str) -> None:
    settings = load_settings({HOME.variable: str(home), rate_variable(name): "20/10"})
    variable = f"IMAGEWRIGHT_{name.upper()}_RATE"
    with pytest.raises(SettingsError, match=rf"rates.{name} \({variable}\): there is no provider with a rate '{name}'"):
        make_config(settings, HttpClient())


@pytest.mark.parametrize(
    ("provider", "text", "pace"),
    [
        ("kie", "", Pace(20, 10)),
        ("kie", "200/60", Pace(200, 60, is_users=True)),
        ("bfl", "", Pace(running=24)),
        ("bfl", "10/1", Pace(10, 1, 24, is_users=True)),
        ("bfl", "10/1/48", Pace(10, 1, 48, is_users=True)),
        ("openai", "", Pace()),
        ("openai", "5/60", Pace(5, 60, is_users=True)),
    ],
)
def test_a_rate_takes_the_place_of_the_vendors_and_doctor_reads_it(
    home: Path, provider: str, text: str, pace: Pace
) -> None:
    key = {KEY_VARIABLES[provider][0]: "0123456789abcdef0123456789abcdef"}
    set_by_user = {rate_variable(provider): text} if text else {}
    config = make_config(load_settings({HOME.variable: str(home), **key, **set_by_user}), HttpClient())
    assert config.registry.providers[provider].pace == config.offer.providers[provider].pace == pace
    assert config.offer.providers["offline"].pace is None


def test_a_variable_that_sets_nothing_is_named_once_with_the_nearest(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {
        HOME.variable: str(home),
        "IMAGEWRIGHT_BUDGET_PERDAY": "3",
        "IMAGEWRIGHT_XYZZY": "1",
        "IMAGEWRIGHT_NOBODY_BASE_URL": "https://nobody.example",
        "IMAGEWRIGHT_NOBODY_RATE": "20/10",
        "OTHERS_WAIT": "3",
    }
    sentences = [
        "IMAGEWRIGHT_BUDGET_PERDAY is not a variable that is read (did you mean 'IMAGEWRIGHT_BUDGET_PER_DAY'?)",
        "IMAGEWRIGHT_XYZZY is not a variable that is read",
    ]
    assert unknown_variables(environment) == sentences
    for _ in range(2):  # as one command does, and a server at every change of its files
        load_settings(environment)
    assert [record.getMessage() for record in caplog.records] == sentences


def test_the_example_sets_nothing_as_it_is_and_everything_without_its_marks(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(example(), encoding="utf-8")
    assert not any(read_config(file).values())
    file.write_text(re.sub(r"(?m)^#(?! )", "", example()), encoding="utf-8")
    assert set(read_config(file)) == set(NAMES.values())
    keys = {variables[0]: "0123456789abcdef0123456789abcdef" for variables in KEY_VARIABLES.values() if variables}
    make_config(load_settings({HOME.variable: str(tmp_path), **keys}, working_directory=tmp_path), HttpClient())


@pytest.mark.skipif(not DOCUMENT.exists(), reason="not run from a checkout")
def test_the_message_that_the_document_shows_is_the_one_that_comes(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("wait = 'soon'\n[budget]\nperday = 2\n", encoding="utf-8")
    with pytest.raises(SettingsError) as refusal:
        read_config(file)
    message = str(refusal.value).replace(f"{tmp_path}{os.sep}", "")
    assert message in " ".join(DOCUMENT.read_text(encoding="utf-8").split())
