"""What the protocol's own suite says of this server, as a table: `python -m tests.conformance`.

It is installed with the first run; that needs npm, and a registry each for npm and pip. The exit code is 1 where
something is not as baseline.toml has it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from tests.conformance.suite import REVISIONS, baseline, required, run_suite, surprises, table


def main() -> int:
    """Run the suite and print the table."""
    known = baseline()
    try:
        with tempfile.TemporaryDirectory() as folder:
            reports = run_suite(Path(folder))
    except pytest.skip.Exception as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in table(reports, known))
    odd = {
        f"{revision} {name}": what
        for revision in REVISIONS
        for name, what in surprises(reports[revision], revision, known, required(revision)).items()
    }
    for name, what in odd.items():
        sys.stderr.write(f"{name}: {what}\n")
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main())
