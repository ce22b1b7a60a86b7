from __future__ import annotations

import pytest

from imagewright.storage.paths.path_syntax import LONGEST_NAME, LONGEST_PATH, check_name, parse, shown

POSIX = {
    "/home/me/cat.png": "/home/me/cat.png",
    "file:///home/me/cat.png": "/home/me/cat.png",
    "FILE:///home/me/cat.png": "/home/me/cat.png",
    "file:/home/me/cat.png": "/home/me/cat.png",
    "file://localhost/home/me/cat.png": "/home/me/cat.png",
    "file:///home/me/my%20cat%231.png": "/home/me/my cat#1.png",
    "file:///home/me/100%.png": "/home/me/100%.png",
    "file:///home/me/%E7%8C%AB.png": "/home/me/猫.png",
    "file:///home/me/a%252fb.png": "/home/me/a%2fb.png",
    "/home/me/100%25.png": "/home/me/100%25.png",
    "/home/me/NUL": "/home/me/NUL",
    "/home/me/a:b.png": "/home/me/a:b.png",
    "cat.png": "cat.png",
    "./inner/cat.png": "inner/cat.png",
    "~someone/cat.png": "~someone/cat.png",
}

WINDOWS = {
    r"C:\Users\me\cat.png": r"C:\Users\me\cat.png",
    "C:/Users/me/cat.png": r"C:\Users\me\cat.png",
    "file:///C:/Users/me/my%20cat.png": r"C:\Users\me\my cat.png",
    "file:///C%3A/Users/me/cat.png": r"C:\Users\me\cat.png",
    "file:///c|/Users/me/cat.png": r"c:\Users\me\cat.png",
    "file://localhost/C:/Users/me/cat.png": r"C:\Users\me\cat.png",
    r"\\server\share\me\cat.png": r"\\server\share\me\cat.png",
    r"\\SERVER\Share\me\cat.png": r"\\SERVER\Share\me\cat.png",
    r"C:\Users\me\console.png": r"C:\Users\me\console.png",
    r"C:\Users\..\me\cat.png": r"C:\Users\..\me\cat.png",
    r"inner\cat.png": r"inner\cat.png",
}

REFUSED_EVERYWHERE = {
    "": "empty",
    " \t ": "empty",
    "/home/me/cat\0.png": "control",
    "/home/me/cat\n.png": "control",
    "file:///home/me/cat%00.png": "control",
    "file:///home/me/%FF.png": "UTF-8",
    "/home/me/\ud800.png": "control",
    "/" + "a" * LONGEST_PATH: str(LONGEST_PATH),
    "file://host/share/cat.png": "another machine",
    "file://///host/share/cat.png": "another machine",
    "file:////host/share/cat.png": "another machine",
    "//host/share/cat.png": "another machine",
    r"\\host\share\cat.png": "another machine",
    "/\\host/share/cat.png": "another machine",
    r"\\?\C:\cat.png": "another machine",
    r"\\.\pipe\cat": "another machine",
    "https://example.org/cat.png": "address",
    "s3://bucket/cat.png": "address",
}

REFUSED_ON_WINDOWS = {
    r"C:\cat.png:hidden": "stream",
    "cat.png:hidden": "stream",
    "file:///C:/cat.png%3Ahidden": "stream",
    r"C:\NUL": "device",
    r"C:\me\com1.png": "device",
    r"C:\me\LPT³.png": "device",
    "nul .txt": "device",
    r"C:\aux\cat.png": "device",
    r"C:\me\cat.png.": "dot or a space",
    r"C:\me \cat.png": "dot or a space",
    r"\\server\share\..\secret\cat.png": "another machine",
    r"\\server\shared\cat.png": "another machine",
}


@pytest.mark.parametrize(("text", "path"), POSIX.items())
def test_posix_spellings(text: str, path: str) -> None:
    assert str(parse(text, windows=False)) == path


@pytest.mark.parametrize(("text", "path"), WINDOWS.items())
def test_windows_spellings(text: str, path: str) -> None:
    assert str(parse(text, shares=["D:\\pictures", r"\\server\share\me"], windows=True)) == path


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize(("text", "reason"), REFUSED_EVERYWHERE.items())
def test_spellings_refused_everywhere(text: str, reason: str, *, windows: bool) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text, windows=windows)


@pytest.mark.parametrize(("text", "reason"), REFUSED_ON_WINDOWS.items())
def test_spellings_refused_on_windows(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text, shares=[r"\\server\share"], windows=True)


def test_a_windows_path_on_another_system_is_called_that() -> None:
    with pytest.raises(ValueError, match="path of Windows"):
        parse(r"C:\Users\me\cat.png", windows=False)


@pytest.mark.parametrize(("text", "absolute"), [(r"C:cat.png", False), (r"\cat.png", False), (r"C:\cat.png", True)])
def test_half_absolute_windows_paths_are_not_absolute(text: str, *, absolute: bool) -> None:
    assert parse(text, windows=True).is_absolute() is absolute


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    assert str(parse("~/cat.png", windows=False)) == "/home/me/cat.png"


@pytest.mark.parametrize(
    "name", ["fox.png", "fox", ".fox.png", "狐.png", "a fox, 2.png", "console.png", "f" * 236 + ".png"]
)
def test_names_for_every_platform(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("fox.png:hidden", "holds :"),
        ("a<b>.png", "holds < >"),
        ('"fox".png', 'holds "'),
        ("what?.png", "holds ?"),
        ("fo\\x.png", "holds"),
        ("CON", "CON is a device"),
        ("nul.png", "NUL is a device"),
        ("com9.tar.gz", "COM9 is a device"),
        ("conin$.png", "is a device"),
        ("fox.png.", "ends with"),
        ("fox.png ", "ends with"),
        (" fox.png", "starts with"),
        ("fox\u202egnp.exe", "U+202E"),
        ("fo\u200bx.png", "U+200B"),
        ("fox\u2028img_fake.png", "U+2028"),
        ("fox\u00ad.png", "U+00AD"),
        ("fox\U000e0041.png", "U+E0041"),
        ("fox\u3164.png", "U+3164"),
        ("\ufefffox.png", "U+FEFF"),
        ("-rf", "hyphen"),
        ("--output=fox.png", "hyphen"),
        ("狐" * 80 + ".png", str(LONGEST_NAME)),
    ],
)
def test_names_some_platform_cannot_hold(name: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the reason is looked for as plain text below
        check_name(name)
    assert reason in str(caught.value)


def test_long_and_strange_texts_are_cut_and_escaped_in_messages() -> None:
    assert len(shown("a" * 10_000)) < 200
    assert "\n" not in shown("a\nb")
    assert "\x1b" not in shown("\x1b[31m")
    assert shown("\ud800") == r"'\ud800'"
    assert shown(r"C:\Users\me") == r"'C:\Users\me'"
