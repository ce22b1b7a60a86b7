from __future__ import annotations

import re
import tomllib
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from imagewright.engine.budget import Estimate, caps, check_call, check_together, over_budget, question
from imagewright.engine.engine import open_engine
from imagewright.errors import ConfirmationNeededError, Refusal
from imagewright.providers import open_provider
from imagewright.providers.base import ProviderConfig
from imagewright.providers.http.client import HttpClient
from imagewright.settings.load import BudgetTable, load_settings
from imagewright.storage.accounts import LOCAL
from imagewright.storage.base import OverBudget
from imagewright.storage.records import Cap, Spent
from tests.emulators.openai import OpenAIEmulator
from tests.support.engine_bench import candidate_for, route_of
from tests.support.vendors import environment, opened

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from imagewright.engine.choose import Candidate
    from imagewright.providers.base import Route

ROUTE = route_of("vendor")
HALF_PAST_NINE = datetime(2026, 3, 29, 9, 30, tzinfo=timezone(timedelta(hours=2)))
LIMITS = ("per_call", "per_day", "per_month")


def priced(usd: float | None) -> Candidate:
    return candidate_for(ROUTE, usd=usd)


def table(**limits: float) -> BudgetTable:
    return BudgetTable(**limits)


def test_without_a_budget_nothing_is_refused_and_nobody_asked() -> None:
    check_call(table(), priced(None), confirmed=False)
    check_call(table(), priced(1e6), confirmed=False)
    assert caps(table()) == ()


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_cannot_be_kept_where_the_price_is_not_known(limit: str) -> None:
    """A price for all that the vendor does with the tool would put wrong ones in the place of those that are known."""
    entry = rf"\[routes\.{ROUTE.tool}\.vendor\] {ROUTE.operation} = {{ usd = "
    with pytest.raises(Refusal, match=rf"price of vendor/model-1 at vendor is not known.*{entry}"):
        check_call(table(**{limit: 100.0}), priced(None), confirmed=True)


def test_the_entry_for_an_unknown_price_is_that_of_the_model_where_the_tool_has_several() -> None:
    """It is taken as it stands, and gives no other model a price."""
    address = {"": "https://ark.cn-beijing.volces.com/api/v3"}

    def routes(tables: Mapping[str, Any]) -> tuple[Route, ...]:
        config = ProviderConfig(key="k", addresses=address, overrides=tables, http=HttpClient())
        return open_provider("ark", config).routes

    route = next(one for one in routes({}) if not one.ends)
    with pytest.raises(Refusal, match="have the user set it in the configuration: ") as caught:
        check_call(table(per_call=1.0), candidate_for(route, usd=None), confirmed=True)
    entry = str(caught.value).partition("configuration: ")[2].replace("...", "0.07")
    header, _, line = entry.rstrip(".").partition("] ")
    tables = tomllib.loads(f"{header}]\n{line}")["routes"]
    changed = routes({tool: of[route.provider] for tool, of in tables.items()})
    assert {one.model for one in changed if one.price.usd == 0.07} == {route.model}
    assert {one.price.usd for one in changed if one.model != route.model} == {None}


def test_the_user_is_asked_about_as_many_pictures_as_the_call_makes() -> None:
    for count, words in ((1, "This picture costs about $2 at vendor. Make it?"), (3, "These 3 pictures cost about $2")):
        with pytest.raises(ConfirmationNeededError, match=re.escape(words)):
            check_call(table(confirm_above=0.5), candidate_for(ROUTE, count=count, usd=2.0), confirmed=False)


@pytest.mark.parametrize(("usd", "refused"), [(0.49, False), (0.5, False), (0.51, True)])
def test_the_limit_per_call(usd: float, *, refused: bool) -> None:
    budget = table(per_call=0.5)
    if not refused:
        check_call(budget, priced(usd), confirmed=False)
        return
    with pytest.raises(Refusal, match=r"about \$0.51; the limit per call is \$0.5\. Ask for fewer"):
        check_call(budget, priced(usd), confirmed=True)


@pytest.mark.parametrize(
    ("count", "spent", "limit", "room"),
    [(40, 0.0, 0.2, 40), (40, 0.0, 0.195, 39), (3, 0.7, 0.715, 3), (1, 0.2, 0.2, 0)],
)
@pytest.mark.parametrize("name", ["day", "month"])
def test_calls_together_may_use_a_budget_up_to_its_last_cent(
    count: int, spent: float, limit: float, room: int, name: str
) -> None:
    """Added up, 40 times 0.005 is more than 0.2, and 39 times is more than 0.195."""
    estimates = [Estimate("vendor", "model", 1, 0.005)] * count
    budget = table(**{f"per_{name}": limit})
    if room == count:
        check_together(estimates, budget, {"day": spent, "month": spent})
        return
    with pytest.raises(Refusal, match=rf"for this {name} .*: there is room for {room}\."):
        check_together(estimates, budget, {"day": spent, "month": spent})


def test_a_sum_that_is_the_limit_is_not_above_it_however_it_was_added_up() -> None:
    check_call(table(per_call=0.3, confirm_above=0.3), priced(0.1 + 0.1 + 0.1), confirmed=False)
    assert question([Estimate("vendor", "model", 1, 0.1)] * 3, table(confirm_above=0.3)) is None
    assert question([Estimate("vendor", "model", 1, 0.1)] * 4, table(confirm_above=0.3)) is not None


@pytest.mark.parametrize(
    ("usd", "confirmed", "asks"),
    [(0.5, False, False), (0.51, False, True), (0.51, True, False), (None, False, True), (None, True, False)],
)
def test_the_user_is_asked_above_the_threshold_and_where_the_price_is_not_known(
    usd: float | None, *, confirmed: bool, asks: bool
) -> None:
    budget = table(confirm_above=0.5)
    if not asks:
        check_call(budget, priced(usd), confirmed=confirmed)
        return
    with pytest.raises(ConfirmationNeededError, match="at vendor") as caught:
        check_call(budget, priced(usd), confirmed=confirmed)
    assert caught.value.usd == usd


def test_a_threshold_of_nothing_lets_free_calls_through() -> None:
    check_call(table(confirm_above=0.0), priced(0.0), confirmed=False)
    with pytest.raises(ConfirmationNeededError):
        check_call(table(confirm_above=0.0), priced(0.001), confirmed=False)


@pytest.mark.anyio
@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("limit", "taken"),
    [("", "openai"), ("CONFIRM_ABOVE", "openai"), ("BUDGET_PER_CALL", "kie"), ("BUDGET_PER_DAY", "kie")],
)
async def test_with_a_limit_a_known_price_comes_before_an_unknown_one(limit: str, taken: str, tmp_path: Path) -> None:
    """A call of unknown price would be refused, and the next in the user's order can serve it."""
    tmp_path.joinpath("config.toml").write_text(
        '[routes.qwen.openai]\nmodel = "maker/open-weights"\n', encoding="utf-8"
    )
    text = {"IMAGEWRIGHT_HOME": str(tmp_path), "IMAGEWRIGHT_PROVIDERS": "openai,kie"}
    text |= {f"IMAGEWRIGHT_{limit}": "5"} if limit else {}
    given = {"prompt": "a kite over the sea"}
    with opened(["kie"]) as emulators, OpenAIEmulator(own_server=True) as server:
        emulators["openai"] = server
        settings = load_settings(text | environment(emulators), working_directory=tmp_path)
        async with open_engine(settings) as engine:
            words = await engine.explain("qwen", given)
            job = await engine.start(LOCAL, "qwen", given, confirmed=True)
            assert await engine.wait(job, 20.0)
    assert (job.record.state, job.record.provider) == ("completed", taken)
    assert words[0].startswith(f"{taken} (")
    assert ("of those whose price is known" in words[0]) == (taken == "kie")
    assert ("openai (maker/open-weights): a budget is kept, price unknown" in words) == (taken == "kie")


def test_days_and_months_begin_at_local_midnight() -> None:
    day, month = caps(table(per_day=1.0, per_month=10.0), HALF_PAST_NINE)
    assert day == Cap("day", HALF_PAST_NINE.replace(hour=0, minute=0).timestamp(), 1.0)
    assert month == Cap("month", HALF_PAST_NINE.replace(day=1, hour=0, minute=0).timestamp(), 10.0)


def test_a_full_budget_is_refused_with_the_three_sums() -> None:
    text = str(over_budget(OverBudget(Cap("month", 0.0, 10.0), Spent(9.9, 7)), 0.2))
    assert "about $0.2" in text
    assert "of the $10 for this month $9.9 are spent or set aside" in text


@pytest.mark.anyio
@pytest.mark.usefixtures("hurried")
async def test_an_estimate_is_what_the_call_then_costs_and_begins_nothing(tmp_path: Path) -> None:
    given = {"prompt": "a kite over the sea"}
    with opened(["kie"]) as emulators:
        text = {"IMAGEWRIGHT_HOME": str(tmp_path / "home"), "IMAGEWRIGHT_CONFIRM_ABOVE": "0.0001"}
        settings = load_settings(text | environment(emulators), working_directory=tmp_path)
        async with open_engine(settings) as engine:
            found = await engine.estimate(LOCAL, "qwen", given)
            assert (found.provider, found.count) == ("kie", 1)
            with pytest.raises(Refusal, match="aspect_ratio"):
                await engine.estimate(LOCAL, "qwen", given | {"aspect_ratio": "7:1"})
            with pytest.raises(Refusal, match="outside the folders"):
                await engine.estimate(LOCAL, "qwen", given | {"images": [str(tmp_path / "off.png")]})
            assert not (tmp_path / "home").exists()
            assert not emulators["kie"].tasks
            assert await engine.keyed(LOCAL, "mine") is None
            job = await engine.start(LOCAL, "qwen", given, key="mine", confirmed=True)
            assert await engine.wait(job, 20.0)
            keyed = await engine.keyed(LOCAL, "mine")
            assert keyed is not None
            assert (keyed.id, keyed.record.cost_usd, keyed.record.model) == (job.id, found.usd, found.model)
