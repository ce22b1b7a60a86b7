"""Build the packages: `python -m packages.build [--out DIR] [--namespace NAME]`, from a checkout of the project.

Writes `mcpb`, `claude-code` and `gemini-cli` below the folder, each anew: manifest, icon, licence, and the sources that
`uv` installs from. With a namespace also `server.json`. What to do with them says `docs/packages.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from packages import manifests
from packages.icon import draw_icon
from packages.manifests import ICON, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEPT = ("build-system", "project")
"""Tables of pyproject.toml that a package needs. `uv run` would install the group of the developers too."""
FILES = ("LICENSE", "README.md")
"""What goes into each package as it is; pyproject.toml names both."""
KINDS = frozenset({".py", ".toml", ".md", ".typed", ".jpg", ".png"})
"""Of the files that the server is made of. What else lies among them, such as caches and copies, stays there."""
NEVER = frozenset({"keys.toml", "config.toml"})
"""What the user's own files are called; a developer may have `IMAGEWRIGHT_HOME` among the sources."""
NAMESPACE = re.compile(r"[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+")
"""What the registry takes before its slash, with a dot at least: it is a domain read backwards."""
BUNDLE_URL = re.compile(r"https://[^\s/]+/\S+")
PACKAGES = {
    "mcpb": {"manifest.json": manifests.bundle},
    "claude-code": {
        ".claude-plugin/plugin.json": manifests.claude_plugin,
        ".claude-plugin/marketplace.json": manifests.claude_marketplace,
        ".mcp.json": manifests.claude_servers,
    },
    "gemini-cli": {"gemini-extension.json": manifests.gemini_extension},
}
"""The manifests of each package, by its folder and their names in it."""


def build(out: Path) -> list[Path]:
    """Write every package that needs nothing but this checkout. What an earlier build left in their folders is gone.

    Args:
        out: the folder to write into; made where there is none.

    Returns:
        The folder of each package.

    Raises:
        ValueError: a folder there holds something else than an earlier build.
        OSError: something cannot be written.
    """
    for name, files in PACKAGES.items():
        folder = out / name
        if os.path.lexists(folder) and not _is_ours(folder, next(iter(files))):
            raise ValueError(f"{folder} is not from an earlier build; move it away, or name another folder with --out")
    sources = list(source_files())
    icon = draw_icon()
    folders = []
    for name, files in PACKAGES.items():
        folder = out / name
        if folder.exists():
            shutil.rmtree(folder)
        for file, make in files.items():  # first of all: by them an unfinished build is known as ours
            write_json(folder / file, make())
        for source in sources:
            copy = folder / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        for file in FILES:
            shutil.copy(ROOT / file, folder)
        (folder / ICON).write_bytes(icon)
        (folder / "pyproject.toml").write_text(project_file(), encoding="utf-8", newline="\n")
        folders.append(folder)
    return folders


def _is_ours(folder: Path, manifest: str) -> bool:
    """Whether a folder is empty, or what an earlier build has left there."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    try:
        found = json.loads((folder / manifest).read_bytes())
    except (OSError, ValueError):
        return not any(folder.iterdir())
    return isinstance(found, dict) and found.get("name") == manifests.project()["name"]


def source_files(root: Path = ROOT) -> Iterator[Path]:
    """The files that the server is made of, in the folder of the project.

    Links are left out: they can lead to anything on this machine.
    """
    for folder, below, names in os.walk(root / "server" / "imagewright"):
        below[:] = [name for name in below if not name.startswith((".", "_"))]
        for path in (Path(folder, name) for name in sorted(names)):
            hidden = path.name.startswith(".") or path.name in NEVER
            if path.suffix in KINDS and not hidden and not path.is_symlink():
                yield path


def project_file() -> str:
    """The pyproject.toml of a package: that of the project without what only its developers need."""
    content = tomlkit.parse((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for name in [name for name in content if name not in KEPT]:
        if name != "tool":
            del content[name]
    backend = content["tool"]["uv"]["build-backend"]
    for name in [name for name in backend if not name.startswith("module-")]:
        del backend[name]
    content["tool"] = {"uv": {"build-backend": backend}}
    return tomlkit.dumps(content)


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a manifest as people read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def namespace(text: str) -> str:
    """A namespace as it was typed. Raises an error that the parser shows where it can be none."""
    if not NAMESPACE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no domain read backwards, such as io.github.OWNER")
    return text


def options() -> argparse.ArgumentParser:
    """The options of this command."""
    parser = argparse.ArgumentParser(prog="python -m packages.build", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder to write into (default: dist)")
    parser.add_argument(
        "--namespace", type=namespace, help="yours in the MCP registry, such as io.github.OWNER; writes server.json too"
    )
    parser.add_argument("--bundle", type=Path, help="the packed .mcpb file, for its checksum in server.json")
    parser.add_argument("--bundle-url", default="", help="where that file can be downloaded")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what the arguments ask for and name each folder and file."""
    parser = options()
    given = parser.parse_args(arguments)
    if bool(given.bundle) != bool(given.bundle_url):
        parser.error("--bundle and --bundle-url belong together")
    if given.bundle and not given.namespace:
        parser.error("--bundle is for server.json, which wants --namespace")
    if given.bundle and not given.bundle.is_file():
        parser.error(f"--bundle: there is no file {given.bundle}")
    if given.bundle and not BUNDLE_URL.fullmatch(given.bundle_url):
        parser.error(f"--bundle-url: {given.bundle_url!r} is no address of a file that begins with https://")
    try:
        written = build(given.out)
        if given.namespace:
            entry = manifests.registry_entry(given.namespace, given.bundle_url, given.bundle)
            write_json(given.out / "server.json", entry)
            written.append(given.out / "server.json")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    sys.stdout.writelines(f"{path}\n" for path in written)
    return 0


if __name__ == "__main__":
    sys.exit(main())
