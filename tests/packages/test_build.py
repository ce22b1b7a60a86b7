"""Building from a checkout in disorder, into folders that hold something already."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from packages.build import PACKAGES, main, source_files
from packages.manifests import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_every_file_of_a_tidy_checkout_is_a_source_and_nothing_else_of_an_untidy_one(
    tmp_path: Path,
) -> None:
    there = {path.relative_to(ROOT) for path in (ROOT / "server").rglob("*") if path.is_file()}
    tidy = {path for path in there if "__pycache__" not in path.parts}
    assert {path.relative_to(ROOT) for path in source_files()} == tidy
    package = tmp_path / "server" / "imagewright"
    package.mkdir(parents=True)
    shutil.copy(ROOT / "server" / "imagewright" / "__init__.py", package)
    for name in (".env", "keys.toml", "x.py.orig", "x.py~", "__pycache__/x.py", ".cache/x.py", "x.db", "../build/x.py"):
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).touch()
    (package / "link.py").symlink_to(ROOT / "LICENSE")
    (package / "dangling.py").symlink_to(tmp_path / "none")
    (package / "folder").symlink_to(ROOT / "tests", target_is_directory=True)
    assert [path.name for path in source_files(tmp_path)] == ["__init__.py"]


@pytest.mark.parametrize("kind", ["folder", "file", "link", "manifest of another", "out is a file"])
def test_what_is_not_from_an_earlier_build_stays(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    place = out / next(iter(PACKAGES))
    other.mkdir()
    kept = other / "photo"
    if kind == "out is a file":
        out.touch()
    else:
        out.mkdir()
    if kind in ("folder", "manifest of another"):
        place.mkdir()
        kept = place / ("manifest.json" if kind == "manifest of another" else "photo")
    elif kind == "file":
        kept = place
    elif kind == "link":
        place.symlink_to(other, target_is_directory=True)
    kept.write_text('{"name": "mine"}', encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["--out", str(out)])
    assert "Traceback" not in capsys.readouterr().err
    assert kept.read_text(encoding="utf-8") == '{"name": "mine"}'


def test_an_earlier_build_and_an_empty_folder_are_built_over(built: Path, tmp_path: Path) -> None:
    for name in PACKAGES:
        (tmp_path / name).mkdir()
    for _ in range(2):
        assert main(["--out", str(tmp_path)]) == 0
        (tmp_path / "mcpb" / "server" / "old.py").touch()
    assert main(["--out", str(tmp_path)]) == 0
    files = [
        {path.relative_to(one): path.read_bytes() for path in (one / "mcpb").rglob("*") if path.is_file()}
        for one in (built, tmp_path)
    ]
    assert files[0] == files[1]
