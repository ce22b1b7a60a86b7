"""Texts that try to lead out of the allowed folders: paths to read, names to save as, addresses of resources.

In each text `{root}` is an allowed folder, `{out}` one beside it with a secret picture, `{uri}` and `{outuri}` are both
as `file:` URIs. `lay_out` makes what the texts name.
"""

# ruff: noqa: S108 - nothing of it is made
from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.support.pictures import photo

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"the secret that nobody may read"
HIDDEN = "hidden-name-9371.png"
"""A file outside whose name no answer may tell."""

TARGETS = (
    "{out}/secret.png",
    "{out}/secret.txt",
    "/etc/passwd",
    "/etc/shadow",
    "/proc/self/environ",
    "/proc/1/environ",
)
_WAYS_UP = (
    "{root}/../outside/secret.png",
    "{root}/inner/../../outside/secret.png",
    "{root}/./../outside/secret.png",
    "{root}//..//outside//secret.png",
    "{root}/inner/..//.././outside/./secret.png",
    "{root}/missing/../../outside/secret.png",
    "{root}/cat.png/../../outside/secret.png",
    "{root}/inner/inner/../../../outside/secret.png",
    "{root}/..",
    "{root}/../",
    "{root}/../outside",
    "{root}/../outside/",
    "{root}/../outside/.",
    "{root}/../outside/secret.png/",
    "{root}/../outside/secret.png/.",
    "{root}/../outside/hidden-name-9372.png",
    "{root}" + "/.." * 50 + "/etc/passwd",
    "{root}" + "/x/.." * 400 + "/../outside/secret.png",
    "{root}/..\\outside\\secret.png",
    "{root}\\..\\outside\\secret.png",
    "{root}/.../outside/secret.png",
    "{root}/.. /outside/secret.png",
    "{root}/../outside/secret.png ",
    "{root}/../outside/secret.png.",
    "{root}/..;/outside/secret.png",
    "{root}-beside/secret.png",
    "{root}x",
    "{out}/../outside/secret.png",
    "{out}/../root/../outside/secret.png",
    "/{root}/../outside/secret.png",
    "///{root}/../outside/secret.png",
    "/../../../../etc/passwd",
    "/./etc/./passwd",
    "//etc/passwd",
    "/etc//passwd",
    "/etc/passwd/",
    "/ETC/PASSWD",
)
_URIS = (
    "{outuri}/secret.png",
    "{uri}/../outside/secret.png",
    "{uri}/%2e%2e/outside/secret.png",
    "{uri}/%2E%2E%2Foutside%2Fsecret.png",
    "{uri}/.%2e/outside/secret.png",
    "{uri}/%252e%252e/outside/secret.png",
    "{uri}/%c0%ae%c0%ae/outside/secret.png",
    "{uri}/%e0%80%ae%e0%80%ae/outside/secret.png",
    "{uri}/%u002e%u002e/outside/secret.png",
    "{uri}/..%5coutside%5csecret.png",
    "{uri}/..%00/outside/secret.png",
    "{uri}/cat.png%00{out}/secret.png",
    "{uri}/cat.png%0a{out}/secret.png",
    "{uri}/..%2foutside/secret.png?x=1",
    "{uri}/../outside/secret.png#x",
    "file:/etc/passwd",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "fIlE:/etc/passwd",
    "file:////etc/passwd",
    "file://///etc/passwd",
    "file://localhost/etc/passwd",
    "file://LOCALHOST/etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "file://[::1]/etc/passwd",
    "file://example.org/etc/passwd",
    "file://localhost:80/etc/passwd",
    "file://user@localhost/etc/passwd",
    "file:etc/passwd",
    "file:///%2fetc/passwd",
    "file:///etc%2fpasswd",
    "file:///proc/self/environ",
    "file:///%70%72%6f%63/self/environ",
    "url:file:///etc/passwd",
    "view-source:file:///etc/passwd",
    "jar:file:///etc/passwd!/x",
    "s3://bucket/../../etc/passwd",
    "vscode-file://vscode-app/etc/passwd",
)
_LINKS = (
    "{root}/link.png",
    "{root}/relative.png",
    "{root}/chain-1.png",
    "{root}/chain-20.png",
    "{root}/folder/secret.png",
    "{root}/folder/../outside/secret.png",
    "{root}/folder/../secret.png",
    "{root}/folder/deep/deeper.png",
    "{root}/inner/out/secret.png",
    "{root}/inner/../folder/secret.png",
    "{root}/folder",
    "{root}/folder/",
    "{root}/loop.png",
    "{root}/loop-a.png",
    "{root}/self/self/self/folder/secret.png",
    "{root}/dangling.png",
    "{root}/to-process/outside",
    "{root}/to-process/etc/passwd",
    "{root}/to-etc/passwd",
    "{root}/to-zero.png",
    "{root}/to-random.png",
    "{root}/to-pipe.png",
    "{root}/to-stdin.png",
    "{root}/to-home/.ssh/id_rsa",
    "{uri}/link.png",
    "{uri}/folder/secret.png",
    "{root}/a\u00a0link.png",
    "{root}/a link.png",
)
_SYSTEM = (
    "/proc/self/root/etc/passwd",
    "/proc/self/root{out}/secret.png",
    "/proc/self/cwd/secret.png",
    "/proc/1/root{out}/secret.png",
    "/proc/1/root/etc/passwd",
    "/proc/1/cwd",
    "/proc/1/fd/0",
    "/proc/thread-self/environ",
    "/proc/self/fd/0",
    "/proc/self/fd/1",
    "/proc/self/fd/2",
    "/proc/self/mem",
    "/proc/self/maps",
    "/proc/self/cmdline",
    "/proc/self/task/1/environ",
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/version",
    "/dev/stdin",
    "/dev/fd/0",
    "/dev/zero",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/mem",
    "/dev/sda",
    "/dev/shm/x.png",
    "/sys/kernel/notes",
    "/sys/class/net/eth0/address",
    "/run/secrets/key",
    "/var/run/docker.sock",
    "/",
    "/tmp",
    "/root/.ssh/id_rsa",
    "/home",
)
_OTHERS = (
    "~/secret.png",
    "~/.ssh/id_rsa",
    "~root/.bashrc",
    "~+/secret.png",
    "~-/secret.png",
    "~nobody/secret.png",
    "$HOME/secret.png",
    "${{HOME}}/secret.png",
    "%USERPROFILE%\\secret.png",
    "$(cat /etc/passwd)",
    "`cat /etc/passwd`",
    "{root}/cat.png;cat /etc/passwd",
    "{root}/cat.png|cat /etc/passwd",
    "|cat /etc/passwd",
    "{root}/*.png",
    "{root}/../out*/secret.png",
    "{root}/[a-z]at.png",
    "{root}/{{cat,dog}}.png",
    "secret.png",
    "../outside/secret.png",
    "./../outside/secret.png",
    "outside/secret.png",
    "cat.png\n{out}/secret.png",
    "{root}/cat.png\0.txt",
    "{root}/ca\rt.png",
    "{root}/ca\tt.png",
    "{root}/\u202egnp.tac",
    "{root}/cat\u200b.png",
    "{root}/\uff0e\uff0e/outside/secret.png",
    "{root}/\u2024\u2024/outside/secret.png",
    "{root}\u2215..\u2215outside\u2215secret.png",
    "{root}\uff0f..\uff0foutside\uff0fsecret.png",
    "{out}\u2044secret.png",
    "C:\\Windows\\win.ini",
    "C:/Windows/win.ini",
    "c:secret.png",
    "\\\\host\\share\\secret.png",
    "//host/share/secret.png",
    "\\\\?\\C:\\secret.png",
    "\\\\.\\pipe\\secret",
    "\\??\\C:\\secret.png",
    "{root}/pipe.png",
    "{root}/socket.png",
    "{root}/inner",
    "{root}",
    "{root}/",
    "{root}/empty.png",
    "{root}/missing.png",
    "{root}/" + "a" * 255,
    "{root}/" + "a" * 256,
    "{root}/" + "a/" * 2100 + "x.png",
    "/" + "a" * 5000,
    "",
    " ",
    ".",
    "..",
    "-",
    "image://../../etc/passwd",
    "image://img_x/../../../etc/passwd",
    "job://job_x",
    "guide://overview",
    "img_../../etc/passwd",
    "img_",
)
READING = (*TARGETS, *_WAYS_UP, *_URIS, *_LINKS, *_SYSTEM, *_OTHERS)
"""None of them may be read."""
LEGITIMATE = (
    "{root}/cat.png",
    "{root}/inner/../cat.png",
    "{root}/./cat.png",
    "{root}//cat.png",
    "{root}/inside.png",
    "{root}/inner/dog.png",
    "{uri}/cat.png",
    "{uri}/inner/%2e%2e/cat.png",
    "{uri}/%63at.png",
    "{root}/self/self/cat.png",
)
"""All of them are read."""

_SPELT = (
    "fox.png", "fox", "fox.", "fox ", " fox.png", "fox.exe", "fox.sh", "fox.png.exe", "fox.svg", "fox.html",
    "fox.desktop", ".bashrc", ".ssh/authorized_keys", ".git/hooks/pre-commit", ".config/autostart/fox.desktop",
    "CON", "con.png", "NUL", "aux.png", "COM1", "lpt9.png", "CONIN$", "fox:hidden", "fox.png:hidden", "fox::$DATA",
    "fo<x.png", "fo>x.png", 'fo"x.png', "fo|x.png", "fo?x.png", "fo*x.png", "fo\\x.png",
    "a\\..\\..\\outside\\fox.png", "fox\n.png", "fox\0.png", "fox\r.png", "fox\x1b]0;x\x07.png", "\u202egnp.xof",
    "f" * 240 + ".png", "f" * 300, "\u72d0" * 100, "a/" * 99 + "fox.png", "a/" * 101 + "fox.png",
    "a/" * 2000 + "fox.png", "$HOME/fox.png", "${{HOME}}.png", "%TEMP%.png", "$(id).png", "`id`.png", "fox;id.png",
    "-rf", "--help.png", "*.png", "~", "~/fox.png", "~root/fox.png", ".", "..", "./fox.png", "./", "/", "", " ",
    "//", "...", "a/.../fox.png",
)  # fmt: skip
_OUT = (
    "../fox.png", "../outside/fox.png", "inner/../../outside/fox.png", "inner/../fox.png", "a/../../outside/fox.png",
    "{out}/fox.png", "{out}", "{out}/", "{out}/new/fox.png", "{out}/secret.png", "{root}/../outside/fox.png",
    "{root}/inner/../../outside/fox.png", "{root}-beside/fox.png", "{root}/..", "/fox.png", "/etc/fox.png",
    "/etc/cron.d/fox", "/tmp/fox-9371.png", "/proc/self/cwd/fox.png", "/proc/self/root{out}/fox.png",
    "/proc/1/root{out}/fox.png", "/dev/null", "/dev/shm/fox-9371.png", "/sys/fox.png", "{uri}/../outside/fox.png",
    "{uri}/%2e%2e/outside/fox.png", "{outuri}/fox.png", "file:///etc/fox.png", "file://host/fox.png",
    "https://example.org/fox.png", "//host/share/fox.png", "\\\\host\\share\\fox.png", "C:\\fox.png", "C:/fox.png",
    "c:fox.png",
)  # fmt: skip
_THERE = (
    "folder/fox.png", "{root}/folder/fox.png", "{root}/folder", "{root}/folder/", "{root}/folder/new/fox.png",
    "{root}/inner/out/fox.png", "{root}/link.png", "{root}/relative.png", "{root}/chain-1.png",
    "{root}/dangling.png", "{root}/loop.png", "{root}/loop/fox.png", "{root}/loop-a.png/fox.png",
    "{root}/to-etc/fox.png", "{root}/to-zero.png", "{root}/to-pipe.png", "{root}/to-home/fox.png",
    "{root}/to-process{out}/fox.png", "{root}/self/self/fox.png", "{root}/cat.png", "{root}/cat.png/fox.png",
    "{root}/inner", "{root}/pipe.png", "{root}/socket.png", "{root}/empty.png",
)  # fmt: skip
SAVING = (*_SPELT, *_OUT, *_THERE)
"""Nothing outside may change through them, and nothing that is there may be written over."""

RESOURCES = (
    "image://../../etc/passwd", "image:///etc/passwd", "image://etc/passwd", "image://img_../../etc/passwd",
    "image://img_x/../../../etc/passwd", "image://img_aaaaaaaaaaaaaaaa", "image://img_aaaaaaaaaaaaaaaa/preview",
    "image://img_x%2f..%2f..%2fetc%2fpasswd", "image://img_x\0", "image://img_x\n", "image://IMG_X",
    "image://" + "a" * 5000, "image://img_' OR 1=1 --", "job://../../etc/passwd", "job://job_../../etc/passwd",
    "guide://../../etc/passwd", "guide://tools/../../../etc/passwd", "guide://tools/%2e%2e", "file:///etc/passwd",
    "file://{out}/secret.png", "http://127.0.0.1/", "", "image://{out}/secret.png",
)  # fmt: skip
"""There are no such resources."""


def lay_out(base: Path) -> None:
    """Make the allowed folder `root` and `outside` beside it, with everything that the texts name."""
    root, outside = base / "root", base / "outside"
    for folder in (root / "inner", outside / "deep", base / "root-beside"):
        folder.mkdir(parents=True)
    for picture in (root / "cat.png", root / "inner" / "dog.png"):
        picture.write_bytes(photo(270, 270))
    for secret in ("outside/secret.png", f"outside/{HIDDEN}", "root-beside/secret.png", "outside/deep/deeper.png"):
        (base / secret).write_bytes(photo(290, 280) + SECRET)
    (outside / "secret.txt").write_bytes(SECRET)
    (root / "empty.png").touch()
    links = {
        "link.png": f"{outside}/secret.png",
        "relative.png": "../outside/secret.png",
        "folder": str(outside),
        "inner/out": "../../outside",
        "loop.png": "loop.png",
        "loop": "loop",
        "loop-a.png": "loop-b.png",
        "loop-b.png": "loop-a.png",
        "self": ".",
        "inside.png": "inner/dog.png",
        "dangling.png": f"{outside}/not-there.png",
        "to-process": "/proc/self/root",
        "to-etc": "/etc",
        "to-zero.png": "/dev/zero",
        "to-random.png": "/dev/random",
        "to-pipe.png": "pipe.png",
        "to-stdin.png": "/dev/stdin",
        "to-home": os.path.expanduser("~"),  # noqa: PTH111 - a text is wanted
        "a\u00a0link.png": f"{outside}/secret.png",
        "chain-0.png": f"{outside}/secret.png",
    }
    links |= {f"chain-{number}.png": f"chain-{number - 1}.png" for number in range(1, 21)}
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "pipe.png")
    with suppress(OSError), socket.socket(socket.AF_UNIX) as door:  # a long path has no room in an address
        door.bind(str(root / "socket.png"))


def spelt(text: str, base: Path) -> str:
    """The text for the folders that were laid out there."""
    root, outside = base / "root", base / "outside"
    return text.format(root=root, out=outside, uri=root.as_uri(), outuri=outside.as_uri())
