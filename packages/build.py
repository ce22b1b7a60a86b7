"""Build the packages: `python -m packages.build [--out DIR] [--namespace NAME]`, from a checkout of the project.

Writes `mcpb`, `claude-code` and `gemini-cli` below the folder, each anew: manifest, icon, licence, and the sources that
`uv` installs from. With a namespace also `server.json`. What to do with them says `docs/packages.md`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from packages import manifests
from packages.icon import draw_icon
from packages.manifests import ICON, ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT = ("build-system", "project")
"""Tables of pyproject.toml that a package needs. `uv run` would install the group of the developers too."""
FILES = ("LICENSE", "README.md")
"""What goes into each package as it is; pyproject.toml names both."""
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
    """
    icon = draw_icon()
    folders = []
    for name, files in PACKAGES.items():
        folder = out / name
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(ROOT / "server", folder / "server", ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*"))
        for file in FILES:
            shutil.copy(ROOT / file, folder)
        (folder / ICON).write_bytes(icon)
        (folder / "pyproject.toml").write_text(project_file(), encoding="utf-8", newline="\n")
        for file, make in files.items():
            write_json(folder / file, make())
        folders.append(folder)
    return folders


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


def options() -> argparse.ArgumentParser:
    """The options of this command."""
    parser = argparse.ArgumentParser(prog="python -m packages.build", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder to write into (default: dist)")
    parser.add_argument(
        "--namespace", help="yours in the MCP registry, such as io.github.OWNER; writes server.json too"
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
    written = build(given.out)
    if given.namespace:
        entry = manifests.registry_entry(given.namespace, given.bundle_url, given.bundle)
        write_json(given.out / "server.json", entry)
        written.append(given.out / "server.json")
    sys.stdout.writelines(f"{path}\n" for path in written)
    return 0


if __name__ == "__main__":
    sys.exit(main())
