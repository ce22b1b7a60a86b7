"""Nothing can be put in the place of what was decided about."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from imagewright.storage.paths.files import STEP_BY_STEP, open_below

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.conftest import Link

ways = pytest.mark.parametrize("step_by_step", sorted({STEP_BY_STEP, False}))


def content(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


@ways
@pytest.mark.parametrize("parts", [("cat.png",), ("inner", "dog.png")])
def test_files_below_are_opened(root: Path, parts: tuple[str, ...], *, step_by_step: bool) -> None:
    assert content(open_below(root, parts, step_by_step=step_by_step)) == parts[-1][:3].encode()


@ways
def test_a_link_put_in_the_way_is_not_followed(root: Path, link: Link, *, step_by_step: bool) -> None:
    outside = root.parent / "outside"
    (outside / "dog.png").write_bytes(b"secret")
    (root / "inner").rename(root / "moved")
    link(root / "inner", outside)
    with pytest.raises(OSError, match=r"link|symbolic|directory"):
        open_below(root, ("inner", "dog.png"), step_by_step=step_by_step)
    (root / "cat.png").unlink()
    link(root / "cat.png", outside / "secret.txt")
    with pytest.raises(OSError, match=r"link|symbolic"):
        open_below(root, ("cat.png",), step_by_step=step_by_step)


@pytest.mark.skipif(os.name == "nt", reason="pipes in folders are POSIX")
@ways
def test_a_pipe_is_not_waited_on(root: Path, *, step_by_step: bool) -> None:
    os.mkfifo(root / "pipe")
    os.close(open_below(root, ("pipe",), step_by_step=step_by_step))


@pytest.mark.skipif(not STEP_BY_STEP, reason="needs folders opened step by step")
def test_a_racing_swap_of_a_folder_never_leaks(root: Path, link: Link) -> None:
    outside = root.parent / "outside"
    (outside / "dog.png").write_bytes(b"secret")
    link(root / "evil", outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (root / "inner").rename(root / "aside")
            (root / "evil").rename(root / "inner")
            (root / "inner").rename(root / "evil")
            (root / "aside").rename(root / "inner")

    attacker = threading.Thread(target=swap)
    attacker.start()
    seen = set()
    try:
        for _ in range(3000):
            try:
                seen.add(content(open_below(root, ("inner", "dog.png"))))
            except OSError:
                seen.add(b"refused")
    finally:
        stop.set()
        attacker.join()
    assert seen <= {b"dog", b"refused"}
