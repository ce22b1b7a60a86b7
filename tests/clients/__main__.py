"""Run clients and write what they can do: `python -m tests.clients [NAME...] [--only ABILITY] [--keep DIR]`.

Each client that is run is installed first, in a folder of its own that later runs use again. The results go to
`tests/clients/results.json`, and the table into `docs/clients.md`. The exit code is 1 where something fails that is
not explained as the client's own doing, or is explained and does not fail.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.clients.environments import UnavailableError, environment
from tests.clients.results import PAGE, Result, faults, load_results, page_with, save_results
from tests.clients.rows import ABILITIES, Rows, load_rows
from tests.clients.shared import run_shared
from tests.clients.stage import drive

WRITING = threading.Lock()
AT_ONCE = 2
"""Clients that are run at the same time."""


def main() -> int:
    """Run the command."""
    rows = load_rows()
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"clients, all by default: {', '.join(rows.clients)}")
    parser.add_argument("--only", choices=ABILITIES, action="append", help="try only this; the rest stays as it was")
    parser.add_argument(
        "--http", action="store_true", help="several share one server over HTTP; nothing is written down"
    )
    parser.add_argument("--table", action="store_true", help="run nothing, and write the table from what is kept")
    parser.add_argument("--keep", type=Path, help="a folder to keep what each client printed in")
    options = parser.parse_args()
    if unknown := set(options.names) - rows.clients.keys():
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    names = options.names or [name for name, client in rows.clients.items() if client.http or not options.http]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        kept = (options.keep or Path(temporary)).absolute()
        folder = kept / time.strftime("%H%M%S")
        if options.http:
            found = [*run_shared({name: rows.clients[name] for name in names}, folder)]
            sys.stdout.write(
                "".join(f"{fault}\n" for fault in found) or f"{len(names)} clients at once: all is well.\n"
            )
            return int(bool(found))
        run = partial(_run, rows, folder, options.only or [*ABILITIES])
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = [*filter(None, pool.map(run, [] if options.table else names))]
    _write_table(rows)
    found += [fault for fault in faults(rows, load_results()) if fault.partition(":")[0] in names]
    sys.stdout.write("".join(f"{fault}\n" for fault in found) or "Everything that fails is explained.\n")
    return int(bool(found))


def _run(rows: Rows, folder: Path, abilities: list[str], name: str) -> str:
    """Run one client and write down what came of it; what is returned is why it could not be run."""
    client, began = rows.clients[name], time.monotonic()
    try:
        place = environment(client)
    except UnavailableError as error:
        return f"{name}: cannot be installed: {error}"
    installed = time.monotonic()
    own = folder / name
    own.mkdir(parents=True)
    cells = drive(client, place, own, abilities)
    seconds = f"{installed - began:.0f} s to install, {time.monotonic() - installed:.0f} s to run"
    shown = ", ".join(f"{ability} {cells[ability].outcome}" for ability in ABILITIES if ability in cells)
    sys.stdout.write(f"{name}: {seconds}: {shown or 'nothing'}\n")
    sys.stdout.flush()
    with WRITING:
        results = load_results()  # now: another run may have written since
        kept = results[name].cells if name in results and results[name].packages == client.packages else {}
        merged = {ability: cell for ability, cell in kept.items() if ability not in abilities} | cells
        ordered = {ability: merged[ability] for ability in ABILITIES if ability in merged}
        day = time.strftime("%Y-%m-%d")
        results[name] = Result(packages=client.packages, day=day, cells=ordered)
        save_results(results, rows)
        _write_table(rows)
    return ""


def _write_table(rows: Rows) -> None:
    PAGE.write_text(page_with(PAGE.read_text("utf-8"), rows, load_results()), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
