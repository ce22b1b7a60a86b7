"""How a process beside this one is started: where it finds modules, and what it does not waste its start on."""

from __future__ import annotations

import gc
import json
import sys
from typing import TYPE_CHECKING, cast

from imagewright import processes
from imagewright.processes import start_python

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    import pytest

HELPER = """
import gc, json, os, imagewright.processes

def serve():
    during = gc.isenabled()
    imagewright.processes.freeze_imports()
    found = [json.__file__, imagewright.processes.__file__, during, gc.isenabled(), gc.get_freeze_count() > 0]
    os.write(1, json.dumps(found).encode())
"""


def test_a_process_finds_modules_where_this_one_does_and_looks_for_garbage_once_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "helper.py").write_text(HELPER, "ascii")
    for unloaded in ("helper.py", "beside/json.py"):  # in the working directory, and behind the standard library
        (tmp_path / unloaded).write_text("this is no Python", "ascii")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path, "beside"])
    process = start_python("helper", {}, own_session=False)
    with cast("FileIO", process.stdin), cast("FileIO", process.stdout) as output:
        found = json.loads(output.read() or "[]")
    assert process.wait() == 0
    assert found == [json.__file__, processes.__file__, False, True, True]
    assert gc.isenabled()
