"""What a refused call can do instead: the tools, the editions, the providers and the keys that are named."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import AUTO, MODEL, OperationName
from imagewright.engine.calls import Calls, offer_on
from imagewright.engine.check import check
from imagewright.engine.config import make_config
from imagewright.engine.offer import end_of, make_offer
from imagewright.errors import Refusal
from imagewright.providers import KEY_VARIABLES, open_client
from imagewright.settings.load import load_settings
from imagewright.storage.accounts import LOCAL
from imagewright.storage.stores import open_stores
from imagewright.surface.tools import error_reply
from tests.support.each import each
from tests.support.fitting_arguments import fitting, sample
from tests.support.offers import DAY, KEYED, ROUTES, offered, refused
from tests.support.provider_runs import unusual

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imagewright.catalog.row import Argument, Row
    from imagewright.engine.offer import Offer

FILE = "/pictures/a.png"
WITH_EDITIONS = [row for row in catalog().values() if row.editions]


def _name(row: Row, *more: object) -> str:
    return "-".join((row.tool, *map(str, more)))


def certainly(offer: Offer, tool: str, arguments: dict[str, Any]) -> Refusal:
    found = refused(offer, tool, arguments)
    assert found is not None
    return found


EDIT = {"prompt": "at night", "images": [FILE]}
NEW = {"prompt": "a fox"}
LEADS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("openai_4o", NEW | {"aspect_ratio": "21:9"}, {"bytedance_seedream", "qwen", "flux_kontext", "nano_banana"}),
    ("openai_4o", NEW | {"variants": 5}, {"bytedance_seedream"}),
    ("openai_4o", EDIT | {"images": [FILE] * 6}, {"bytedance_seedream", "qwen", "nano_banana"}),
    ("qwen", EDIT | {"images": [FILE] * 11}, {"nano_banana"}),
    ("flux_kontext", EDIT | {"images": [FILE] * 2}, {"bytedance_seedream", "qwen", "openai_4o", "nano_banana"}),
    ("bytedance_seedream", EDIT | {"mask": FILE}, {"openai_4o"}),
    ("bytedance_seedream", NEW | {"mask": FILE}, {"openai_4o"}),
    ("bytedance_seedream", EDIT | {"scale": 2}, {"nano_banana"}),
    ("bytedance_seedream", NEW | {"steps": 20}, {"qwen"}),
    ("flux_kontext", NEW | {"resolution": "4K"}, {"bytedance_seedream", "openai_4o", "nano_banana"}),
    ("flux_kontext", NEW | {"num_images": 3}, {"bytedance_seedream", "qwen", "openai_4o"}),
    ("recraft", {"image": FILE, "aspect_ratio": "16:9"}, {"ideogram_reframe"}),
    ("recraft", {"image": FILE, "prompt": "x", "seed": 7}, {"bytedance_seedream", "qwen", "flux_kontext"}),
    ("bytedance_seedream", {"images": [FILE], "negative_prompt": "fog"}, {"qwen"}),
    # what would be another operation, which needs more
    ("recraft", {"image": FILE, "output_format": "png"}, set()),
    ("recraft", {"image": FILE, "resolution": "4K"}, set()),
    ("recraft", {"prompt_upsampling": True}, set()),
    # what no tool does together, what none does, and what is only spelt wrong
    ("bytedance_seedream", NEW | {"variants": 6, "aspect_ratio": "21:9", "output_format": "jpeg"}, set()),
    ("bytedance_seedream", NEW | {"variants": 4, "output_format": "jpeg"}, {"qwen", "openai_4o"}),
    ("openai_4o", NEW | {"variants": 11}, set()),
    ("nano_banana", {"images": [FILE], "scale": 8}, set()),
    ("bytedance_seedream", NEW | {"variants": 1.5}, set()),
    ("flux_kontext", {"prompt": "x", "image": FILE}, set()),
    ("openai_4o", NEW | {"size": "1024x1024"}, set()),
]


@pytest.mark.parametrize(
    ("tool", "arguments", "able"), LEADS, ids=[f"{tool} {arguments}"[:90] for tool, arguments, _ in LEADS]
)
def test_the_tools_that_can_do_it_are_named_in_the_text_and_for_programs(
    tool: str, arguments: dict[str, Any], able: set[str]
) -> None:
    found = certainly(offered(), tool, arguments)
    assert set(found.instead) == able
    reply = error_reply(found).model_dump(by_alias=True)
    assert set(reply["_meta"]["imagewright/error"]["instead"]) == able
    assert all(name in reply["content"][0]["text"] for name in able)


def beyond(argument: Argument) -> Iterator[Any]:
    """Values just outside of an argument's limits."""
    if argument.maximum is not None:
        yield int(argument.maximum) + 1
    if argument.max_items is not None:
        yield [FILE] * (argument.max_items + 1)
    if argument.max_length is not None:
        yield "x" * (argument.max_length + 1)
    others = {
        value
        for row in catalog().values()
        for forms in row.arguments().values()
        for form in forms
        if form.describe == argument.describe
        for value in form.values or ()
    }
    yield from sorted(others - {*(argument.values or others), AUTO}, key=str)  # auto is "not given" to the others


CELLS = [
    (row, operation, name, names)
    for row in catalog().values()
    for operation, form in row.operations.items()
    for name in form.arguments
    for names in ((), ("kie",), ("fal",), ("replicate",))
]


@each(CELLS, lambda row, operation, name, names: f"{row.tool}-{operation}-{name}-{names}")
def test_whatever_is_named_instead_serves_the_very_call(
    row: Row, operation: OperationName, name: str, names: tuple[str, ...]
) -> None:
    offer = offered(*names)
    for value in beyond(row.operations[operation].arguments[name]):
        if row.tool in offer.tools and name != MODEL:
            call = fitting(row, operation) | {name: value}
            for other in certainly(offer, row.tool, call).instead:
                assert refused(offer, other, call) is None, (call, other)
                assert check(catalog()[other], call).operation == operation


def test_a_tool_that_is_off_is_never_named() -> None:
    for tool, arguments, able in LEADS:
        for off in able:
            toggles = load_settings({"IMAGEWRIGHT_DISABLE": off}).toggles
            whole = offered()
            fewer = make_offer(toggles, [one for one in ROUTES if one.provider in KEYED], whole.providers, DAY)
            instead = set(certainly(fewer, tool, arguments).instead)
            assert off not in instead
            assert able - {off} <= instead


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (NEW | {"images": [], "mask": FILE}, "mask: works only together with images; images was sent empty"),
        (NEW | {"images": "", "mask": FILE}, "mask: works only together with images; images was sent empty"),
        (NEW | {"size": "1024x1024"}, "size: unknown argument (did you mean 'aspect_ratio' or 'resolution'?)"),
        (NEW | {"width": 1024, "n": 2}, "n: unknown argument (did you mean 'variants'?)"),
        (NEW | {"ratio": "1:1"}, "ratio: unknown argument (did you mean 'aspect_ratio'?)"),
        ({"text": "a fox"}, "text: unknown argument (did you mean 'prompt'?)"),
        (NEW | {"image_url": FILE}, "image_url: unknown argument (did you mean 'images'?)"),
        (NEW | {"imageUrls": [FILE]}, "imageUrls: unknown argument (did you mean 'images'?)"),
        (NEW | {"filename": "fox.png"}, "filename: unknown argument (did you mean 'save_as'?)"),
    ],
)
def test_words_of_other_tools_and_empty_pictures_lead_to_the_argument_that_is_meant(
    arguments: dict[str, Any], text: str
) -> None:
    assert text in str(certainly(offered(), "openai_4o", arguments))


def test_no_other_word_is_an_argument_and_none_is_repeated_for_one() -> None:
    for row in catalog().values():
        for name, (form, *_) in row.arguments().items():
            assert len(set(form.also)) == len(form.also)
            assert not {*form.also} & {*row.arguments()}, (row.tool, name)


def test_a_required_argument_under_another_word_is_not_missed_as_well() -> None:
    (problem,) = check(catalog()["recraft"], {"images": [FILE]}).problems
    assert problem.meant == ("image",)


def _served(offer: Offer, row: Row, operation: OperationName) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for route in offer.routes(row.tool):
        if route.operation == operation and route.edition in row.editions:
            found.setdefault(route.edition, set()).add(route.provider)
    return found


def _with_model(row: Row, offer: Offer) -> Iterator[OperationName]:
    if row.tool in offer.tools:
        yield from (name for name, one in offer.tools[row.tool].operations.items() if MODEL in one.arguments)


@each([(row, names) for row in WITH_EDITIONS for names in ((), *((one,) for one in KEYED))], _name)
def test_an_unknown_edition_leads_to_those_that_are_served_and_by_whom(row: Row, names: tuple[str, ...]) -> None:
    offer = offered(*names)
    for operation in _with_model(row, offer):
        found = certainly(offer, row.tool, fitting(row, operation) | {MODEL: "no such edition"})
        served = _served(offer, row, operation)
        assert len(found.problems) == 1
        assert found.instead == ()
        for edition, providers in served.items():
            assert edition in str(found)
            assert all(one in str(found) for one in providers)


@pytest.mark.parametrize(
    ("row", "asked", "nearest"),
    [
        pytest.param(catalog()["bytedance_seedream"], "seedream 9", "5.5"),
        pytest.param(catalog()["bytedance_seedream"], "Seedream 5 pro max", "5-pro"),
        pytest.param(catalog()["nano_banana"], "1.9", "2"),
        pytest.param(catalog()["openai_4o"], "gpt-image-2.6-flares", "2.6-flare"),
        pytest.param(catalog()["openai_4o"], "gpt-image-2-2026-04-21", "2"),
        pytest.param(catalog()["openai_4o"], "openai/gpt-image-2.5-flare-2026-09-08", "2.5-flare"),
        pytest.param(catalog()["nano_banana"], "gemini-3-pro-image-preview", "pro"),
        pytest.param(catalog()["nano_banana"], "fal-ai/nano-banana-2", "2"),
        pytest.param(catalog()["bytedance_seedream"], "Seedream 5", "5-lite"),
        pytest.param(catalog()["bytedance_seedream"], "5", "5-lite"),
    ],
)
def test_the_nearest_edition_is_named(row: Row, asked: str, nearest: str) -> None:
    assert f'no edition "{asked}"; nearest: {nearest};' in str(certainly(offered(), row.tool, NEW | {MODEL: asked}))


def test_an_operation_without_editions_says_so() -> None:
    found = certainly(offered(), "nano_banana", {"images": [FILE], "scale": 2, MODEL: "pro"})
    assert "model: works only to " in str(found)
    assert "this call is upscale" in str(found)


@pytest.mark.parametrize("asked", ["2", "3", "pro", "2.5", "6"])
def test_a_bare_number_leads_to_no_other_tool(asked: str) -> None:
    assert certainly(offered(), "recraft", {"image": FILE, MODEL: asked}).instead == ()
    assert certainly(offered(), "flux_kontext", NEW | {MODEL: asked}).instead == ()


def test_an_edition_of_another_tool_leads_there() -> None:
    found = certainly(offered(), "bytedance_seedream", NEW | {MODEL: "Nano Banana Pro"})
    assert found.instead == ("nano_banana",)
    assert '"Nano Banana Pro" is an edition of nano_banana' in str(found)


@each([(row, name) for row in WITH_EDITIONS for name in KEYED], _name)
def test_an_edition_that_no_configured_provider_serves_leads_to_the_keys_that_would(row: Row, name: str) -> None:
    offer = offered(name)
    for operation in _with_model(row, offer):
        elsewhere = _served(offered(), row, operation)
        for edition in elsewhere.keys() - _served(offer, row, operation):
            found = certainly(offer, row.tool, fitting(row, operation) | {MODEL: edition})
            assert f"no configured provider serves {row.editions[edition].title} to " in str(found)
            for other in elsewhere[edition]:
                assert KEY_VARIABLES[other][0] in str(found)
            assert found.instead == ()


ENDING = [(row, name) for row in WITH_EDITIONS for name, edition in row.editions.items() if edition.ends]


@pytest.mark.parametrize(("row", "name"), ENDING, ids=lambda one: one if isinstance(one, str) else one.tool)
def test_an_edition_that_ends_while_the_server_runs_is_refused_with_its_end_and_its_successor(
    row: Row, name: str
) -> None:
    edition, offer = row.editions[name], offered("fal", "kie", "openai", "google", "offline")
    end = date.fromisoformat(edition.ends)
    assert offer_on(offer, DAY) is offer
    later = offer_on(offer, end)
    found = certainly(later, row.tool, NEW | {MODEL: edition.also[0] if edition.also else name})
    assert f"{edition.title} ended on {edition.ends}; its successor is {edition.successor}" in str(found)
    assert name not in later.tools[row.tool].editions


def test_an_edition_that_had_ended_when_its_facts_were_read_is_refused_with_its_end() -> None:
    gone = [(row, name) for row in WITH_EDITIONS for name in row.editions if name not in _nameable(row)]
    assert gone
    for row, name in gone:
        (problem,) = certainly(offered(), row.tool, NEW | {MODEL: name}).problems
        assert problem.message.startswith(f"{row.editions[name].title} ended on {row.editions[name].ends}; ")
        assert "takes model" not in problem.message


def _nameable(row: Row) -> set[str]:
    return {name for operation in row.operations for name in row.editions_named(operation)}


def test_a_later_day_takes_away_what_has_ended_and_nothing_else() -> None:
    offer = offered()
    assert offer.until
    day = date.fromisoformat(offer.until)
    later = offer_on(offer, day)
    assert later.today == day
    assert later.until == "" or later.until > offer.until
    for tool in later.tools:
        lived = [route for route in offer.routes(tool) if not end_of(route) or end_of(route) > offer.until]
        assert list(later.routes(tool)) == lived
    assert sum(map(len, later.serving.values())) < sum(map(len, offer.serving.values()))


def _only_elsewhere() -> Iterator[tuple[Row, OperationName, str, str]]:
    """(row, operation, edition, argument): what an edition does not take and another one does."""
    for row in WITH_EDITIONS:
        for operation, whole in row.operations.items():
            for edition in row.editions:
                if edition not in _served(offered(), row, operation):
                    continue
                own = row.in_edition(edition).operations[operation].arguments
                for name in whole.arguments:
                    if name != MODEL and name not in own:
                        yield row, operation, edition, name


@each(_only_elsewhere(), _name)
def test_an_argument_that_only_another_edition_takes_leads_to_that_edition(
    row: Row, operation: OperationName, edition: str, name: str
) -> None:
    argument = row.operations[operation].arguments[name]
    call = fitting(row, operation) | {name: unusual(argument) if argument.values else sample(argument)}
    found = certainly(offered(), row.tool, call | {MODEL: edition})
    able = {
        one for one in _served(offered(), row, operation) if name in row.in_edition(one).operations[operation].arguments
    }
    assert f"{name}: {row.editions[edition].title} takes none; " in str(found)
    for one in able:
        assert one in str(found).partition("takes none; ")[2]
    assert able or "no provider serves" in str(found)
    assert found.instead == ()


@pytest.mark.anyio
async def test_a_call_of_an_edition_that_has_ended_since_the_start_is_refused(tmp_path: Path) -> None:
    """Also by a server that has not read its configuration again since then."""
    row, name = next((row, name) for row, name in ENDING if row.editions[name].ends > row.editions[name].checked)
    end = date.fromisoformat(row.editions[name].ends)
    settings = load_settings({"IMAGEWRIGHT_HOME": str(tmp_path)})
    day = end - timedelta(days=1)
    config = make_config(settings, open_client(), day)
    async with anyio.create_task_group() as group:
        stores = open_stores(settings.folders, lease=settings.lease)
        calls = Calls(group, stores, lambda: config.registry, today=lambda: day)
        assert calls.explain(config, row.tool, NEW | {MODEL: name})
        day = end
        with pytest.raises(Refusal, match=f"ended on {row.editions[name].ends}; its successor is "):
            calls.explain(config, row.tool, NEW | {MODEL: name})
        with pytest.raises(Refusal, match="ended on"):
            await calls.start(LOCAL, config, row.tool, NEW | {MODEL: name}, key="", confirmed=False)
        await calls.close()
