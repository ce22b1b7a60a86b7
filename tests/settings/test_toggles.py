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
