"""Which tests are slow: those that start real processes, and those that try every cell of a large table.

The mark is not written at each test. A test has it that can start a process, in its own lines, in a fixture or in a
helper of its own file. `pytest -m "not slow"` leaves them out.
"""

from __future__ import annotations

from functools import cache
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

STARTERS = frozenset(
    {
        "Attack",
        "House",
        "HttpProcess",
        "RawClient",
        "Runs",
        "attack_with_opening",
        "flood",
        "put_program",
        "races",
        "run_attack",
        "run_tool",
        "server_in",
        "subprocess",
        "tool_folder",
    }
)
"""What starts a process, by the name it is used under."""
EVERY_CELL = frozenset(
    {
        "test_512_px_for_everything_is_reported",
        "test_a_call_whose_answer_was_lost_is_found_and_goes_on_as_if_it_had_been_heard",
        "test_a_calm_background_is_sure_and_a_busy_one_is_not",
        "test_a_copy_with_a_field_called_as_at_another_model_refuses_it",
        "test_a_default_that_is_given_changes_neither_who_serves_nor_what_is_refused",
        "test_a_default_that_is_given_changes_nothing_where_all_vendors_serve",
        "test_a_fault_has_one_error_and_never_costs_a_second_submit",
        "test_a_field_with_another_editions_name_is_refused",
        "test_a_flood_is_answered_in_few_steps_and_few_words",
        "test_a_misspelt_option_names_the_nearest",
        "test_a_photo_from_a_phone_is_cut_out_with_every_pixel",
        "test_a_placeholder_has_its_size_and_nothing_in_its_margin",
        "test_a_poll_that_fails_leaves_the_task_alone",
        "test_a_price_beside_a_model_is_that_models_alone",
        "test_a_route_is_taken_for_the_least_of_its_own_calls",
        "test_a_row_that_makes_no_sense_costs_only_itself",
        "test_a_store_takes_a_step_only_if_the_table_does",
        "test_a_submit_that_fails",
        "test_a_submit_that_was_plainly_refused_is_sent_again",
        "test_a_test_imports_no_other_test",
        "test_a_transparent_background_comes_out_transparent",
        "test_a_variable_says_what_it_holds",
        "test_a_whole_call",
        "test_all_previews_together_stay_within_the_budget",
        "test_an_answer_that_is_no_picture_is_asked_again_and_reported",
        "test_an_edit_keeps_the_shape_of_its_picture",
        "test_an_edition_that_a_call_names_is_taken_whatever_is_preferred",
        "test_an_edition_that_is_named_is_the_one_that_serves",
        "test_an_id_whose_fields_are_not_known_is_refused_with_those_that_are",
        "test_an_upload_that_fails_costs_nothing_and_starts_nothing",
        "test_another_file_type_becomes_the_png_that_was_asked_for",
        "test_edge_colours_are_the_subjects_own",
        "test_every_argument_of_every_model",
        "test_every_argument_shows_in_the_picture",
        "test_every_picture_people_have_can_be_edited_and_what_was_changed_is_said",
        "test_every_route_makes_as_many_whole_pictures_as_asked_and_the_same_again",
        "test_every_size_class_is_served_at_its_size",
        "test_every_value_of_a_route_is_one_the_vendor_takes",
        "test_it_takes_our_bodies_from_the_vendors_client_too",
        "test_one_bad_answer_is_reported_and_the_picture_arrives",
        "test_one_odd_answer_to_a_download_costs_no_picture",
        "test_one_odd_answer_to_a_poll_costs_no_picture",
        "test_ordinary_trouble_is_waited_through",
        "test_pictures_go_out_first_and_then_one_request",
        "test_pieces_of_a_large_picture_leave_no_seams",
        "test_prices_by_value_are_taken_in_the_entry_of_a_model",
        "test_setting_what_is_built_in_changes_nothing",
        "test_tests_are_functions",
        "test_the_default_name_suits_every_platform",
        "test_the_defaults_a_schema_shows_can_be_filled_in_for_every_operation",
        "test_the_id_of_an_edition_is_taken_first_where_a_call_names_none",
        "test_the_makers_client_takes_the_bodies_of_every_route",
        "test_the_same_picture_is_cut_the_same_way_twice",
        "test_the_softest_way_comes_first",
        "test_the_subject_is_found_within_its_outline",
        "test_what_is_as_asked_needs_no_note",
        "test_what_is_not_promised_is_refused_for_the_argument_that_asks_for_it",
        "test_what_is_promised_arrives_exactly_as_asked",
        "test_what_only_later_editions_take_leads_to_the_first_of_them",
        "test_what_was_saved_before_a_kill_is_listed_and_not_saved_again",
        "test_whatever_is_named_instead_serves_the_very_call",
        "test_wrong_types_are_refused_in_words",
    }
)
"""Tests whose tables have so many rows, or such large pictures, that they take many seconds in all."""


def is_slow(item: pytest.Item) -> bool:
    """Whether a test can start a process, or tries every cell of a large table."""
    function = getattr(item, "function", None)
    if function is None:
        return False
    fixtures = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined] # noqa: SLF001 - only there are the functions of a test's fixtures
    used = [function, *(one.func for found in fixtures for one in found)]
    return function.__name__ in EVERY_CELL or any(_can_start(one) for one in used)


@cache
def _can_start(function: FunctionType) -> bool:
    """The same for each of its parameters."""
    return _starts(function, set())


def _starts(value: Any, seen: set[int]) -> bool:
    """Whether a function or a class, or what it uses of its own file, uses a starter."""
    if id(value) in seen:
        return False
    seen.add(id(value))
    for function in [value, *vars(value).values()]:
        if not isinstance(function, FunctionType):
            continue
        names = set(_names(function.__code__))
        if names & STARTERS:
            return True
        own = [function.__globals__.get(name) for name in names]
        if any(getattr(one, "__module__", None) == function.__module__ and _starts(one, seen) for one in own):
            return True
    return False


def _names(code: CodeType) -> Iterator[str]:
    """Every name that the code and the functions inside it use."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)
