"""Look for known holes in what this package needs: `python -m tests.supply.audit`, with pip-audit.

Of this package and all that it needs, the versions that are installed here are looked up, and nothing is installed.
The data are the Python Packaging Advisory Database's, from PyPI (`--service pypi`) or OSV (`--service osv`). A mirror
of PyPI often has none of them, and a closed network reaches neither: then this says that nothing was looked up, and
ends with 3. It ends with 1 where there is a hole, and with 0 where there is none in anything.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from imagewright.text import counted, listed, shortened
from tests.supply.closure import NAME, closure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CLEAN, HOLES, MISSING, UNKNOWN = 0, 1, 2, 3
"""How the command ends: none found; some; pip-audit is not installed; not all could be looked up."""
USAGE = 2
"""How pip-audit ends where it does not know an option."""
SECONDS = 600
"""For all packages."""
LONGEST = 300
"""Characters of pip-audit's last line that are shown where it failed."""
COMMAND = (sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off")


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found."""

    holes: Mapping[str, tuple[str, ...]]
    """By package and version, the names of its known holes, with the versions that mend them."""
    known: int
    """Packages that were looked up."""
    unknown: Mapping[str, str]
    """By package, why nothing is known of it."""

    @property
    def status(self) -> int:
        """How the command ends."""
        if self.holes:
            return HOLES
        return UNKNOWN if self.unknown or not self.known else CLEAN

    def __str__(self) -> str:
        lines = [f"{package}: {'; '.join(names)}" for package, names in self.holes.items()]
        if self.unknown:
            names = listed(list(self.unknown))
            reasons = "; ".join(dict.fromkeys(self.unknown.values()))
            lines.append(f"Not looked up: {names}, because: {reasons}")
        if not self.known:
            lines.append(
                "No vulnerability data could be had here: NOTHING was looked up. Run this where PyPI or OSV is."
            )
        else:
            lines.append(f"{counted(self.known, 'package')} looked up, {len(self.holes)} with known holes.")
        return "\n".join(lines)


def read(answer: Mapping[str, Any]) -> Audit:
    """What an answer of pip-audit says, in its own JSON."""
    packages = answer["dependencies"]
    looked_up = [one for one in packages if "skip_reason" not in one]
    return Audit(
        {f"{one['name']} {one['version']}": tuple(map(_hole, one["vulns"])) for one in looked_up if one["vulns"]},
        len(looked_up),
        {one["name"]: one["skip_reason"] for one in packages if "skip_reason" in one},
    )


def _hole(found: Mapping[str, Any]) -> str:
    mended = listed(found.get("fix_versions") or [], "or")
    return f"{', '.join((found['id'], *found.get('aliases', ())))}{f' (mended in {mended})' if mended else ''}"


def failed(packages: list[str], words: str) -> Audit:
    """The audit of packages of which pip-audit could look up none; `words` is what it wrote about that."""
    why = shortened(next((line for line in reversed(words.splitlines()) if line.strip()), "no word"), LONGEST)
    return Audit({}, 0, dict.fromkeys(packages, why))


def audit(packages: Mapping[str, str], service: str, pip_audit: Sequence[str] = COMMAND) -> Audit:
    """Look up the versions of these packages, by their names, with that command.

    Raises:
        ValueError: the command does not know its options.
    """
    with TemporaryDirectory() as folder:
        wanted = Path(folder) / "packages.txt"
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in packages.items()), encoding="utf-8")
        command = [*pip_audit, f"--vulnerability-service={service}", f"--requirement={wanted}"]
        run = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=SECONDS, check=False)  # noqa: S603 - our own words
    if run.returncode == USAGE:
        raise ValueError(run.stderr)
    try:
        return read(json.loads(run.stdout))
    except (ValueError, KeyError):  # it writes JSON only where it could ask
        return failed([*packages], run.stderr)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.supply.audit", description=__doc__)
    parser.add_argument("--service", choices=("pypi", "osv"), default="pypi")
    service = parser.parse_args().service
    if find_spec("pip_audit") is None:
        sys.stderr.write("pip-audit is not installed: `pip install --group audit` brings it.\n")
        return MISSING
    found = audit({name: package.version for name, package in closure().items() if name != NAME}, service)
    sys.stdout.write(f"{found}\n")
    return found.status


if __name__ == "__main__":
    sys.exit(main())
