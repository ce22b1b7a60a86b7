"""Toggles: decided tool by tool, strongest layer first; misspelt names are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imagewright.errors import SettingsError
from imagewright.settings.load import CommandLine, load_settings

if TYPE_CHECKING:
    from pathlib import Path

CASES = [
    pytest.param({}, {}, ("", ""), {"a": True, "b": True}, id="all on by default"),
    pytest.param({"tools": "a"}, {}, ("", ""), {"a": True, "b": False}, id="allow on the line"),
    pytest.param({"disable": "a"}, {}, ("", ""), {"a": False, "b": True}, id="deny on the line"),
    pytest.param({"tools": "a, b", "disable": "a"}, {}, ("", ""), {"a": False, "b": True}, id="deny beats allow"),
    pytest.param({}, {"IMAGEWRIGHT_TOOLS": "a b"}, ("", "b"), {"a": True, "b": True}, id="environment beats file"),
    pytest.param({"tools": "b"}, {"IMAGEWRIGHT_TOOLS": "a"}, ("", ""), {"a": False, "b": True}, id="line first"),
    pytest.param({}, {"IMAGEWRIGHT_DISABLE": "a"}, ("", "b"), {"a": False, "b": False}, id="the next layer speaks"),
    pytest.param(
        {}, {"IMAGEWRIGHT_TOOLS": "  "}, ("a", ""), {"a": True, "b": False}, id="an empty variable says nothing"
    ),
    pytest.param({}, {"IMAGEWRIGHT_TOOLS": " , "}, ("a", ""), {"a": True, "b": False}, id="nor one without names"),
]


@pytest.mark.parametrize(("line", "env", "file", "expected"), CASES)
def test_each_tool_is_decided_by_the_strongest_layer_that_speaks_of_it(
    home: Path, line: dict[str, str], env: dict[str, str], file: tuple[str, str], expected: dict[str, bool]
) -> None:
    allow, deny = file
    config = home / "config.toml"
    config.parent.mkdir(parents=True)
    lines = [f'allow = ["{allow}"]' if allow else "", f'disable = ["{deny}"]' if deny else ""]
    config.write_text("[tools]\n" + "\n".join(lines), encoding="utf-8")
    toggles = load_settings(
        {"IMAGEWRIGHT_HOME": str(home), **env}, CommandLine(tools=line.get("tools"), disable=line.get("disable", ""))
    ).toggles
    assert {tool: toggles.decide(tool).on for tool in expected} == expected


def test_a_misspelt_name_is_refused_with_the_nearest_and_all_valid_ones() -> None:
    toggles = load_settings({"IMAGEWRIGHT_DISABLE": "recrat", "IMAGEWRIGHT_TOOLS": "quen"}).toggles
    with pytest.raises(SettingsError) as refusal:
        toggles.check_names(["recraft", "qwen", "other"])
    text = str(refusal.value)
    assert "'recrat'" in text
    assert "did you mean 'recraft'" in text
    assert "did you mean 'qwen'" in text
    assert "recraft, qwen, other" in text
    assert "IMAGEWRIGHT_TOOLS" in text


@pytest.mark.parametrize(
    ("line", "environment", "file", "because"),
    [
        (CommandLine(), {"IMAGEWRIGHT_TOOL_QWEN": "off"}, "", "switched off by IMAGEWRIGHT_TOOL_QWEN"),
        (CommandLine(), {"IMAGEWRIGHT_TOOL_QWEN": ""}, "", "on by default"),
        (CommandLine(), {"IMAGEWRIGHT_TOOL_QWEN": "${user_config.qwen}"}, "", "on by default"),
        (
            CommandLine(),
            {"IMAGEWRIGHT_TOOL_QWEN": "true"},
            "[tools]\ndisable = ['qwen']",
            "on by IMAGEWRIGHT_TOOL_QWEN",
        ),
        (
            CommandLine(),
            {"IMAGEWRIGHT_TOOL_QWEN": "on", "IMAGEWRIGHT_DISABLE": "qwen"},
            "",
            "on by IMAGEWRIGHT_TOOL_QWEN",
        ),
        (
            CommandLine(),
            {"IMAGEWRIGHT_TOOL_QWEN": "no", "IMAGEWRIGHT_TOOLS": "qwen"},
            "",
            "off by IMAGEWRIGHT_TOOL_QWEN",
        ),
        (
            CommandLine(),
            {"IMAGEWRIGHT_TOOL_RECRAFT": "off", "IMAGEWRIGHT_TOOLS": "qwen"},
            "",
            "listed in IMAGEWRIGHT_TOOLS",
        ),
        (CommandLine(tools="qwen"), {"IMAGEWRIGHT_TOOL_QWEN": "off"}, "", "listed in the command line"),
        (CommandLine(disable="qwen"), {"IMAGEWRIGHT_TOOL_QWEN": "on"}, "", "switched off by the command line"),
    ],
)
def test_the_variable_of_a_tool_stands_between_the_command_line_and_the_lists(
    tmp_path: Path, line: CommandLine, environment: dict[str, str], file: str, because: str
) -> None:
    (tmp_path / "config.toml").write_text(file, encoding="utf-8")
    here = {"IMAGEWRIGHT_HOME": str(tmp_path), **environment}
    decision = load_settings(here, line).toggles.decide("qwen")
    assert because in decision.because
    assert decision.on is ("off" not in because)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("IMAGEWRIGHT_TOOL_QWN", "IMAGEWRIGHT_TOOL_QWN names 'qwn', which is not a tool (did you mean 'qwen'?)"),
        ("IMAGEWRIGHT_TOOL_QWEN", "IMAGEWRIGHT_TOOL_QWEN: 'perhaps' is neither on nor off; write true or false"),
    ],
)
def test_a_wrong_variable_of_a_tool_is_refused_by_its_name(tmp_path: Path, variable: str, words: str) -> None:
    value = "perhaps" if variable.endswith("QWEN") else "off"
    with pytest.raises(SettingsError) as refusal:
        load_settings({"IMAGEWRIGHT_HOME": str(tmp_path), variable: value}).toggles.check_names(["qwen", "recraft"])
    assert words in str(refusal.value)
