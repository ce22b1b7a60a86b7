"""Attacks of `tests/security/` that need a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys


def run_attack(name: str, *options: str) -> str:
    """What `python -m tests.security.<name>` prints, which must find nothing: its exit code is 0."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and words
        [sys.executable, "-m", f"tests.security.{name}", *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
