"""`imagewright jobs`: jobs of any process are listed, shown, stopped, carried on and added up."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import anyio
import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import OperationName
from imagewright.cli.main import main
from imagewright.cli.output import STYLES
from imagewright.cli.progress import CANCELLED
from imagewright.engine.engine import open_engine
from imagewright.providers.http.redact import seal_in
from imagewright.settings.folders import find_folders
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from imagewright.storage.states import JobState
from imagewright.storage.stores import open_stores
from imagewright.surface.definitions import JOB_SCHEMA
from tests.support.seeded_jobs import book, job_of, spend

if TYPE_CHECKING:
    from imagewright.storage.records import CostBasis
    from tests.emulators.kie import KieEmulator

MAKER = min(
    (row for row in catalog().values() if OperationName.GENERATE in row.operations),
    key=lambda row: row.operations[OperationName.GENERATE].rank,
).tool
FIRST, SECOND, *_ = catalog()


pytestmark = pytest.mark.usefixtures("hurried")


def database() -> Path:
    return load_settings(dict(os.environ)).folders.database


def message(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    """The answer of `imagewright jobs ... --json`."""
    capsys.readouterr()
    assert main(["jobs", *words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def leave_behind() -> str:
    """A job that was sent, and whose process has ended since; its id."""

    async def begin() -> str:
        async with open_engine(load_settings(dict(os.environ))) as engine:
            job = await engine.start(LOCAL, MAKER, {"prompt": "a red fox"})
            async for state in engine.watch(job):
                if state.stage == "submitted":
                    break
            return job.id

    return anyio.run(begin)


def test_without_any_job_it_says_how_to_begin_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs"]) == 0
    assert "imagewright run" in capsys.readouterr().err
    assert main(["jobs", "resume"]) == 0
    assert "Nothing was left behind" in capsys.readouterr().out
    assert main(["jobs", "--cost"]) == 0
    assert "nothing was spent" in capsys.readouterr().err
    assert message(capsys) == message(capsys, "resume") == []
    assert not home.exists()


def test_a_job_is_listed_and_shown_with_its_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", MAKER, "--prompt", "a red fox"]) == 0
    capsys.readouterr()
    (job,) = message(capsys)
    assert set(JOB_SCHEMA["required"]) <= set(job) <= set(JOB_SCHEMA["properties"])
    assert main(["jobs"]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split("\t") == ["id", "begun", "tool", "status", "made", "cost"]
    began, day = line.split("\t")[1], f"{datetime.now().astimezone():%Y-%m-%d}"
    assert began.startswith(day)
    assert line.split("\t") == [job["job_id"], began, MAKER, "completed", "1/1", "$0"]
    for words in (["show", job["job_id"]], ["show", f"job://{job['job_id']}"], ["watch", job["job_id"]]):
        assert main(["jobs", *words]) == 0
        shown = capsys.readouterr().out
        assert job["images"][0]["path"] in shown.splitlines()
        assert "completed" in shown
    assert message(capsys, "show", job["job_id"]) == job
    assert main(["jobs", "cancel", job["job_id"]]) == 0
    assert "had ended already: completed" in capsys.readouterr().err


def test_every_state_has_a_style_in_the_list() -> None:
    assert set(get_args(JobState)) == set(STYLES)


def test_the_newest_come_first_and_only_so_many(capsys: pytest.CaptureFixture[str]) -> None:
    spend(database(), 0.1, 0.2, 0.3)
    ids = [job["job_id"] for job in message(capsys)]
    assert sorted(ids, reverse=True) == ids
    assert len(ids) == 3
    assert [job["job_id"] for job in message(capsys, "list", "--limit", "2")] == ids[:2]


@pytest.mark.parametrize("action", ["show", "watch", "cancel", "resume"])
def test_an_unknown_id_names_the_newest(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    spend(database(), 0.1)
    assert main(["jobs", action, "job_nosuch"]) == 2
    error = capsys.readouterr().err
    assert "job_nosuch" in error
    assert f"job_{0:016}" in error


@pytest.mark.parametrize(
    "words",
    [
        ["show"],
        ["nosuch"],
        ["resume", "job_1", "job_2"],
        ["list", "job_1"],
        ["list", "--cost"],
        ["--since", "today"],
        ["--limit", "0"],
        ["--cost", "--since", "someday"],
    ],
)
def test_wrong_words_are_code_2_and_print_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "imagewright" in shown.err


@pytest.mark.parametrize("words", [["resume"], ["resume", "ID"], ["watch", "ID"]])
def test_what_was_left_behind_is_carried_on_and_not_sent_again(
    words: list[str], kie: KieEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = leave_behind()
    assert [job["status"] for job in message(capsys)] == ["running"]
    kie.seconds = 0
    assert main(["jobs", *(job_id if word == "ID" else word for word in words)]) == 0
    shown = capsys.readouterr()
    path = Path(shown.out.splitlines()[0])
    assert path.is_file()
    assert f"{job_id}: completed (100%)" in shown.err
    assert "\x1b" not in shown.out + shown.err
    assert len(kie.tasks) == 1
    assert [job["status"] for job in message(capsys)] == ["completed"]


def test_what_was_left_behind_can_be_stopped(kie: KieEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = leave_behind()
    stopped = message(capsys, "cancel", job_id)
    assert stopped["status"] == "cancelled"
    assert any("may still be charged" in note for note in stopped["notes"])
    assert main(["jobs", "resume"]) == 0
    assert "Nothing was left behind" in capsys.readouterr().out
    assert main(["jobs", "watch", job_id]) == CANCELLED
    assert len(kie.tasks) == 1


def stall(job_id: str) -> None:
    """What a process does with a job that has not ended for hours."""

    async def stall() -> None:
        stores = open_stores(load_settings(dict(os.environ)).folders, lease=15.0)
        try:
            assert await stores.jobs.reclaim_one(LOCAL, job_id)
            await stores.jobs.stall(job_id, ())
        finally:
            await stores.close()

    anyio.run(stall)


@pytest.mark.parametrize("words", [["resume"], ["resume", "ID"], ["watch", "ID"]])
def test_a_stalled_job_is_listed_and_carried_on(
    words: list[str], kie: KieEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = leave_behind()
    stall(job_id)
    assert main(["jobs"]) == 0
    assert "stalled" in capsys.readouterr().out
    assert [job["status"] for job in message(capsys)] == ["stalled"]
    kie.seconds = 0
    assert main(["jobs", *(job_id if word == "ID" else word for word in words)]) == 0
    assert Path(capsys.readouterr().out.splitlines()[0]).is_file()
    assert [job["status"] for job in message(capsys)] == ["completed"]
    assert len(kie.tasks) == 1


def test_what_a_vendor_made_of_a_cancelled_job_is_fetched(kie: KieEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = leave_behind()
    assert message(capsys, "cancel", job_id)["status"] == "cancelled"
    assert main(["jobs", "resume"]) == 0
    assert "Nothing was left behind" in capsys.readouterr().out
    kie.seconds = 0
    assert main(["jobs", "resume", job_id]) == 0
    assert Path(capsys.readouterr().out.splitlines()[0]).is_file()
    assert [job["status"] for job in message(capsys)] == ["completed"]
    assert len(kie.tasks) == 1


def test_a_job_that_has_ended_for_good_cannot_be_resumed(kie: KieEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    kie.seconds = 0
    assert main(["run", MAKER, "--prompt", "a red fox"]) == 0
    (job,) = message(capsys)
    assert main(["jobs", "resume", job["job_id"]]) == 2
    assert f"{job['job_id']} has ended (completed), and nothing is left to fetch" in capsys.readouterr().err


@pytest.mark.usefixtures("kie")
def test_a_job_whose_provider_has_no_key_now_is_named_with_the_key_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = leave_behind()
    monkeypatch.delenv("KIE_API_KEY")
    assert main(["jobs", "resume"]) == 1
    shown = capsys.readouterr()
    assert f"{job_id} cannot be carried on: kie is off" in shown.err
    assert "KIE_API_KEY" in shown.err
    assert "Nothing" not in shown.out
    assert main(["jobs", "show", job_id]) == 0
    assert "held up: No process works on this job: kie is not among the providers in use" in capsys.readouterr().out


def test_a_failed_job_is_code_1_with_its_reason(kie: KieEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    kie.credits = 0
    assert main(["run", MAKER, "--prompt", "a red fox"]) == 1
    reason = capsys.readouterr().err.splitlines()[-1].removeprefix("imagewright: ")
    (job,) = message(capsys)
    assert main(["jobs", "watch", job["job_id"]]) == 1
    assert f"imagewright: {job['job_id']}: {reason}" in capsys.readouterr().err
    assert main(["jobs", "show", job["job_id"]]) == 0
    assert f"error: {reason}" in capsys.readouterr().out


@pytest.fixture
def spent() -> datetime:
    """A journal of three days; the first of them."""
    now = datetime.now().astimezone().replace(hour=12)
    days = [now - timedelta(days=ago) for ago in (60, 1, 0)]
    file = database()
    booked: list[tuple[datetime, str, str, float | None, CostBasis]] = [
        (days[0], FIRST, "alpha", 4.0, "actual"),
        (days[1], FIRST, "alpha", 0.5, "estimate"),
        (days[1], SECOND, "beta", 0.25, "actual"),
        (days[2], SECOND, "alpha", None, "unknown"),
        (days[2], FIRST, "alpha", 0.125, "actual"),
    ]
    for number, (day, tool, provider, usd, basis) in enumerate(booked):
        book(file, job_of(f"job_{number}", provider=provider, tool=tool), usd, basis, created=day.timestamp())
    book(file, job_of("job_running", provider="alpha", tool=FIRST), created=days[2].timestamp(), ended=False)
    return days[0]


def test_costs_are_summed_by_day_tool_and_provider_with_their_basis(
    spent: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    all_of_it = message(capsys, "--cost", "--since", f"{spent:%Y-%m-%d}")
    assert (all_of_it["usd"], all_of_it["jobs"]) == (4.875, 5)
    assert all_of_it["actual"] == {"usd": 4.375, "jobs": 3}
    assert all_of_it["estimate"] == {"usd": 0.5, "jobs": 1}
    assert all_of_it["unknown"] == {"usd": 0.0, "jobs": 1}
    assert [(one["usd"], one["jobs"]) for one in all_of_it["by_day"]] == [(4.0, 1), (0.75, 2), (0.125, 2)]
    assert {one["tool"]: one["usd"] for one in all_of_it["by_tool"]} == {FIRST: 4.625, SECOND: 0.25}
    assert {one["provider"]: one["usd"] for one in all_of_it["by_provider"]} == {"alpha": 4.625, "beta": 0.25}
    assert message(capsys, "--cost", "--since", "today")["jobs"] == 2
    assert message(capsys, "--cost", "--since", "yesterday")["usd"] == 0.875


def test_without_a_day_costs_begin_with_the_month(spent: datetime, capsys: pytest.CaptureFixture[str]) -> None:
    since = datetime.fromisoformat(message(capsys, "--cost")["since"])
    assert (since.day, since.hour, since.minute) == (1, 0, 0)
    assert since > spent


@pytest.mark.usefixtures("spent")
@pytest.mark.parametrize("words", [["jobs"], ["jobs", "--cost", "--since", "2000-01-01"]])
def test_on_a_terminal_nothing_is_wider_than_it(
    words: list[str], terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(words) == 0
    lines = terminal.plain()
    assert len(lines) > 5
    assert max(len(line) for line in lines) <= 80
    text = "".join(lines)
    assert all(tool in text for tool in (FIRST, SECOND))


@pytest.mark.parametrize("key", ["0123456789abcdef0123456789abcdef", "another-key-0123456789"])
def test_the_doctor_names_the_variable_whose_earlier_key_a_job_waits_for(
    home: Path, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    began_with = "0123456789abcdef0123456789abcdef"
    database = find_folders({"IMAGEWRIGHT_HOME": str(home)}, home).database
    sealed = seal_in(f"task-{began_with}", began_with)
    book(database, job_of("job_1", provider="kie"), ended=False, handle={"task": sealed})
    monkeypatch.setenv("KIE_API_KEY", key)
    main(["doctor", "--quick", "--json"])
    found = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["area"] == "jobs"]
    assert [one["advice"].partition(" until")[0] for one in found] == (
        [] if key == began_with else ["Set that key again in KIE_API_KEY or KIE_AI_API_KEY"]
    )
