"""How `imagewright run` ends: its code, what it says, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.cli.main import main
from imagewright.cli.progress import CODES, SOME, exit_code
from imagewright.engine import config, waiting
from imagewright.engine.job import Job
from imagewright.errors import ProviderError, UnknownOutcome, error_data
from imagewright.providers.kie.provider import Kie
from imagewright.storage.accounts import LOCAL
from imagewright.storage.records import JobRecord, PictureRecord
from imagewright.storage.states import JobState
from tests.emulators.kie import envelope
from tests.support.kill_runs import fan_out_route
from tests.support.seeded_jobs import job_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.errors import ImagewrightError
    from tests.emulators.kie import KieEmulator
    from tests.emulators.messages import Answer

MAKER = min(
    (row for row in catalog().values() if OperationName.GENERATE in row.operations),
    key=lambda row: row.operations[OperationName.GENERATE].rank,
).tool


def test_a_provider_s_failure_is_code_1_and_one_line(kie: KieEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    kie.credits = 0
    assert main(["run", MAKER, "--prompt", "a red fox"]) == 1
    shown = capsys.readouterr()
    error = shown.err.splitlines()[-1]
    assert error.startswith("imagewright: kie ")
    assert "Nothing was charged" in error
    assert kie.key not in shown.out + shown.err


RUNNING, _STALLED, COMPLETED, FAILED, CANCELLED = get_args(JobState)
UNKNOWN, FAILURE = UnknownOutcome("vendor"), ProviderError("vendor")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ([], 0),
        ([(COMPLETED, None, 2)], 0),
        ([(COMPLETED, None, 3)], 0),
        ([(COMPLETED, None, 1)], 5),
        ([(COMPLETED, None, 0)], 1),
        ([(FAILED, FAILURE, 0)], 1),
        ([(FAILED, None, 0)], 1),
        ([(CANCELLED, None, 0)], 3),
        ([(CANCELLED, None, 1)], 3),
        ([(FAILED, UNKNOWN, 0)], 4),
        ([(RUNNING, None, 1)], 4),
        ([(COMPLETED, None, 2), (COMPLETED, None, 1)], 5),
        ([(COMPLETED, None, 1), (CANCELLED, None, 0)], 3),
        ([(CANCELLED, None, 0), (RUNNING, None, 0)], 4),
        ([(CANCELLED, None, 0), (RUNNING, None, 0), (FAILED, FAILURE, 0)], 1),
    ],
)
async def test_the_code_says_what_came_of_it(
    ends: list[tuple[JobState, ImagewrightError | None, int]], code: int
) -> None:
    new = replace(job_of("job_1"), expected=2)
    known = {one.name: getattr(new, one.name) for one in fields(new)} | {"principal": "local", "created": 0.0}
    picture = PictureRecord(
        id="img_1",
        key="pictures/1.png",
        tool=MAKER,
        operation="generate",
        provider="vendor",
        model="model",
        format="png",
        width=8,
        height=8,
        bytes=1,
    )
    jobs = [
        Job(
            JobRecord(**known, state=state, error=None if error is None else error_data(error)),
            LOCAL,
            pictures=[picture] * arrived,
        )
        for state, error, arrived in ends
    ]
    assert exit_code(jobs) == code


def test_a_part_of_the_pictures_has_a_code_of_its_own(kie: KieEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    kie.seconds = 0
    kie.fail_task_next("500", "the model broke")
    route = fan_out_route("kie")
    edition = ["--model", route.edition] if route.edition else []
    assert main(["run", route.tool, "--prompt", "a red fox", "--variants", "2", *edition]) == SOME
    shown = capsys.readouterr()
    assert re.search(r"imagewright: job_\w+ is completed: 1 of 2 pictures\n", shown.err)
    assert Path(shown.out.splitlines()[0]).is_file()
    assert main(["jobs", "watch", shown.err.split(" is completed")[0].split()[-1]]) == SOME


@pytest.mark.parametrize("words", [["run", MAKER], ["run"], ["jobs"]])
def test_the_codes_stand_in_the_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    assert CODES in capsys.readouterr().out


@contextmanager
def submitted(child_environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`imagewright run` as a process of its own, once its call is with the vendor."""
    words = [sys.executable, "-m", "imagewright", "run", MAKER, "--prompt", "a red fox"]
    own = {"PYTHONPATH": child_environment["PYTHONPATH"], "IMAGEWRIGHT_LEASE": "1"}
    environment = child_environment | dict(os.environ) | own
    with subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment
    ) as process:
        assert process.stderr is not None
        while "submitted" not in (line := process.stderr.readline()):
            assert line, "ended before it was submitted"
        yield process


def test_a_call_that_was_cancelled_from_elsewhere_ends_with_its_own_code(
    kie: KieEmulator, child_environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with submitted(child_environment) as process:
        assert process.stderr is not None
        (task,) = kie.tasks
        assert task
        assert main(["jobs", "--json"]) == 0
        (job,) = json.loads(capsys.readouterr().out)
        assert main(["jobs", "cancel", job["job_id"]]) == 0
        rest = process.stderr.read()
        assert process.wait(timeout=30) == 3
    assert f"imagewright: {job['job_id']} is cancelled: 0 of 1 pictures" in rest


@pytest.mark.parametrize("place", ["environment", "file"])
def test_a_wrong_key_is_named_by_where_it_came_from_and_nobody_claims_to_try_keys(
    place: str, home: Path, kie: KieEmulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "KIE_API_KEY"
    monkeypatch.setenv("KIE_API_KEY", "another-0123456789abcdef")
    if place == "file":
        monkeypatch.delenv("KIE_API_KEY")
        home.mkdir(parents=True)
        file = home / "keys.toml"
        file.write_text('KIE_AI_API_KEY = "another-0123456789abcdef"\n', encoding="utf-8")
        file.chmod(0o600)
        source = f"{file} (KIE_AI_API_KEY)"
    assert main(["run", MAKER, "--prompt", "a red fox"]) == 1
    shown = capsys.readouterr().err
    assert f"The key came from {source}. " in shown
    assert "tries none" in shown
    assert not kie.tasks


def test_a_key_that_is_corrected_while_a_command_waits_brings_the_picture(
    home: Path, kie: KieEmulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(config, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(waiting, "LEAST_PATIENCE", 5.0)  # it must end without the correction, too
    monkeypatch.setattr(
        Kie, "poll_policy", replace(Kie.poll_policy, first=0.05, longest=0.05, seldom=0.1, keeps=5, give_up=5)
    )
    monkeypatch.delenv("KIE_API_KEY")
    home.mkdir(parents=True)
    file = home / "keys.toml"

    def put_key() -> None:
        file.write_text(f'KIE_API_KEY = "{kie.key}"\n', encoding="utf-8")
        file.chmod(0o600)

    def renew(_own: Answer) -> Answer:
        kie.key = "renewed-0123456789abcdef"
        put_key()
        return envelope(401, "no access")

    put_key()
    kie.seconds = None
    kie.fail_next("poll", renew)
    assert main(["run", MAKER, "--prompt", "a red fox"]) == 0
    assert "Fix the key" in capsys.readouterr().err
    assert len(kie.tasks) == 1


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_ends_the_waiting_and_says_how_to_get_at_the_job(
    kie: KieEmulator, child_environment: dict[str, str]
) -> None:
    with submitted(child_environment) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.stdout.read() == ""
        assert process.wait(timeout=30) == 130
    (line,) = (one for one in rest.splitlines() if one.startswith("imagewright: "))
    assert re.search(r"job_(\w+) .* may be charged; .* jobs resume job_\1; .* jobs cancel job_\1$", line)
    assert "Traceback" not in rest
    assert len(kie.tasks) == 1
