"""Fuzz one target for a time: `python -m tests.fuzz NAME --seconds 600`.

It needs atheris, the group `fuzz` of `pyproject.toml`. What is found is written to `build/fuzz/NAME/` with the inputs
that reached new lines; the seeds stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
WORK = FOLDER.parents[1] / "build" / "fuzz"
LARGEST = 8192
"""Bytes of an input."""
HANGS = 120
"""Seconds of the wall after which one input hangs. What takes over 1 s of the processor is reported anyway."""
UNWATCHED = ("imagewright.text", "imagewright.errors")
"""What libFuzzer does not watch, but for the target that is about it: every target calls it often, and watching is
slow."""
MOST_MB = 2000
"""MB of the whole process, with libFuzzer's own books."""
NO_ATHERIS = """
atheris is not installed. `pip install --group fuzz` brings it: for Linux on x86-64 as a wheel with Python 3.11 to 3.13;
for macOS it is built from source with Clang; for Windows there is none. The same targets are tried by
`pytest tests/fuzz`, for a few seconds, with inputs that Hypothesis makes.
"""


def main() -> int:
    """Run the command; atheris ends the process itself, with 0 or, where something was found, with 77."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("name", nargs="?", help="the target; without one, all are listed")
    parser.add_argument("--seconds", type=int, default=60, help="how long; 60 by default")
    parser.add_argument("--input", type=Path, help="try only this file, such as one that was found")
    options = parser.parse_args()
    if find_spec("atheris") is None:
        sys.stderr.write(NO_ATHERIS.lstrip())
        return 2
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["imagewright"], exclude=[] if options.name == "words" else [*UNWATCHED]):
        targets = import_module("tests.fuzz.targets").TARGETS
    if options.name not in targets:
        sys.stderr.write(f"The targets: {', '.join(targets)}\n")
        return 2
    _fuzz(atheris, options.name, targets[options.name], options.seconds, options.input)
    return 0


def _fuzz(atheris: Any, name: str, target: Any, seconds: int, only: Path | None) -> None:
    from tests.fuzz.mutate import json_mutator  # noqa: PLC0415 - after the targets, which are instrumented
    from tests.fuzz.target import examine  # noqa: PLC0415 - as above

    found = WORK / name
    (found / "corpus").mkdir(parents=True, exist_ok=True)
    words = found / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words), encoding="ascii")
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LARGEST}",
        f"-timeout={HANGS}",
        f"-rss_limit_mb={MOST_MB}",
        f"-artifact_prefix={found}/",
        f"-dict={words}",
        "-print_final_stats=1",
    ]
    places = [str(only)] if only else [str(found / "corpus"), str(FOLDER / "seeds" / name)]
    more: dict[str, Any] = {}
    if target.json_from is not None:
        more["custom_mutator"] = json_mutator(target.words, target.json_from)
    atheris.Setup([sys.argv[0], *options, *places], lambda data: examine(target, data), **more)
    atheris.Fuzz()


def _escaped(word: str) -> str:
    return "".join(f"\\x{code:02X}" for code in word.encode("utf-8", "surrogatepass"))


if __name__ == "__main__":
    sys.exit(main())
