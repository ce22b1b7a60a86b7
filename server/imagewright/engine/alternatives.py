"""What a caller can do instead of a call that is refused: another edition, another tool that is on, another key.

This runs only for a call that is refused. What is wrong with its arguments is in `engine.refusals`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagewright.catalog.load import catalog
from imagewright.catalog.nearest import arguments_called, nearest
from imagewright.catalog.row import MODEL, Limits, bare, verb
from imagewright.engine.check import allows, check, normalised_for
from imagewright.engine.choose import candidates, is_served
from imagewright.engine.config import all_routes
from imagewright.engine.offer import has_ended, living
from imagewright.engine.refusals import amount
from imagewright.errors import MOST_PROBLEMS, Problem, Refusal
from imagewright.providers import KEY_VARIABLES
from imagewright.providers.base import EVERY_EDITION
from imagewright.text import LONGEST_COMPARED, closest, listed, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from imagewright.catalog.row import OperationName, Row
    from imagewright.engine.check import Checked
    from imagewright.engine.choose import Candidate
    from imagewright.engine.offer import Offer
    from imagewright.engine.pictures import Source
    from imagewright.providers.base import Route

MOST_PICTURES = 50
"""Pictures in a list that is still held against other tools; reading it takes time, and no tool takes so many."""
PINNED = re.compile(r"(?:[\s_-]+(?:[0-9]{2,}|preview|latest))+$")
"""What a vendor's id has after the name of the model, such as `-2026-04-21`."""
NUMBER = re.compile(r"[0-9.]*")
"""A name of an edition that is no more than its number: many tools may have one of that number."""
MOST_CHARACTERS = 50_000
"""Characters of a text that is still held against other tools. The longest that any takes is a prompt of 32,000."""


def refusal(offer: Offer, checked: Checked, problems: Sequence[Problem], note: str = "") -> Refusal:
    """The refusal of a call for these problems, with what the caller can do instead.

    Other tools are named where they take what this one does not. They are not named where the call can be corrected:
    another edition serves it, or a name is misspelt; nor for what is wrong with a file, which is wrong everywhere.
    """
    shown, further = problems[:MOST_PROBLEMS], problems[MOST_PROBLEMS:]
    led = [_with_edition(offer, checked, problem) for problem in shown]
    if other := _tool_of_edition(offer, checked):
        return Refusal(*led, *further, instead=(other,), note=note)
    by_edition = [new != old or old.argument == MODEL for new, old in zip(led, shown, strict=True)]
    correctable = all(problem.meant for problem in shown) or (MODEL in checked.given and all(by_edition))
    elsewhere = not correctable and not further and len(problems) == len(checked.problems)
    return Refusal(*led, *further, instead=_instead(offer, checked) if elsewhere else (), note=note)


def refusal_of_tool(offer: Offer, checked: Checked) -> Refusal:
    """The refusal of a call for a tool that is switched off or not served."""
    tool = checked.row.tool
    able = tools_instead(offer, checked) or offer.others(checked.operation, but=tool)
    none_can = "" if able else f"; no tool that is on can {verb(checked.operation)}"
    return Refusal(Problem("", f"{tool} is off: {offer.hidden.get(tool, 'not listed')}{none_can}"), instead=able)


def unserved_edition(offer: Offer, checked: Checked) -> Problem:
    """Of an edition that the row has and that is not served, or not any more."""
    return Problem(MODEL, _no_such_edition(offer, checked, checked.edition))


def refusal_by_all(
    offer: Offer, checked: Checked, examined: Sequence[Candidate], sources: Sequence[Source] = ()
) -> Refusal:
    """The refusal of a call that no route serves exactly: why not, for each reason, and what can.

    Routes of editions that do not take the call anyway are passed over where others are left.
    """
    note = ""
    instead: tuple[str, ...] = ()
    if editions := _editions_instead(offer, checked, sources):
        note = f"It can be done with model {listed(editions, 'or')}."
    elif not (instead := tools_instead(offer, checked, sources)):
        note = _providers_instead(offer, checked, sources)
    if not examined:
        text = f"no configured provider offers to {verb(checked.operation)} with {checked.row.tool}"
        return Refusal(
            Problem("", text), instead=instead or offer.others(checked.operation, checked.row.tool), note=note
        )
    wanted = {checked.edition} if checked.edition else {*checked.row.editions_for(checked.operation, checked.given)}
    unfit = checked.row.editions.keys() - wanted
    near = [one for one in examined if one.route.edition not in unfit] or examined
    reasons: dict[tuple[str, ...], dict[str, dict[str, None]]] = {}
    for one in near:
        reasons.setdefault(one.against, {}).setdefault(one.route.provider, {})[one.route.model] = None
    problems = [Problem("", f"{_who(models)} cannot do this: {'; '.join(why)}") for why, models in reasons.items()]
    return Refusal(*problems, instead=instead, note=note)


def _who(models: Mapping[str, Iterable[str]]) -> str:
    """`kie (one, another) and fal (a third)`."""
    return listed(f"{provider} ({', '.join(ids)})" for provider, ids in models.items())


def _editions_instead(offer: Offer, checked: Checked, sources: Sequence[Source]) -> list[str]:
    """The editions of the tool that serve the call, of which another one was named."""
    if not checked.edition:
        return []
    plain = {name: value for name, value in checked.given.items() if name != MODEL}
    found = candidates(check(checked.row, plain), offer.serving[checked.row.tool], None, sources)
    return list(dict.fromkeys(one.route.edition for one in found if not one.against and one.route.edition))


def _providers_instead(offer: Offer, checked: Checked, sources: Sequence[Source]) -> str:
    """The providers that would serve the call and are not in use, with what they lack; empty without any."""
    routes = [one for one in living(all_routes(), offer.today) if one.tool == checked.row.tool]
    able = [one.route.provider for one in candidates(checked, routes, None, sources) if not one.against]
    unused = _unused(offer, able)
    return f"It could be done by {unused}." if unused else ""


def _unused(offer: Offer, names: Iterable[str]) -> str:
    """Those of the providers that need a key and are not in use, each with the reason: `fal (no key: set FAL_KEY)`."""
    words = []
    for name in dict.fromkeys(names):
        state, variables = offer.providers[name], KEY_VARIABLES[name]
        if variables and not state.on:
            key = "" if any(one in state.because for one in variables) else f"; its key is {listed(variables, 'or')}"
            words.append(f"{name} ({state.because}{key})")
    return listed(words, "or")


def _instead(offer: Offer, checked: Checked) -> tuple[str, ...]:
    """The tools that can do what was asked.

    Without any, those that do the operation, or that take all that was given where this one does not.
    """
    if able := tools_instead(offer, checked):
        return able
    if checked.operation not in offer.tools[checked.row.tool].operations:
        return offer.others(checked.operation, but=checked.row.tool)
    if not (_foreign(checked) and _is_small(checked.given)):
        return ()
    given = _corrected(checked)
    lacking = {problem.argument for problem in checked.problems} - given.keys()
    return tuple(
        row.tool
        for row in offer.rows
        if row.tool != checked.row.tool and _takes(row, given) and _has(row, given, lacking)
    )


def _is_small(given: Mapping[str, Any]) -> bool:
    """Whether a call can be held against other tools in little time. No tool takes as much as one that is not."""
    lists = [len(value) for value in given.values() if isinstance(value, list)]
    texts = [len(value) for value in given.values() if isinstance(value, str) and not value.startswith("data:")]
    few = len(given) <= MOST_PROBLEMS and max(lists, default=0) <= MOST_PICTURES
    return few and max(texts, default=0) <= MOST_CHARACTERS


def tools_instead(offer: Offer, checked: Checked, sources: Sequence[Source] = ()) -> tuple[str, ...]:
    """Listed tools that serve the call as it is, best first: the same operation, with the same arguments and values.

    A tool with another operation counts where the caller gave an argument that this one does not have, such as
    `scale`. Arguments that are misspelt are taken as what they probably mean, and the edition is left out.
    """
    if not _is_small(checked.given):
        return ()
    given = _corrected(checked)
    foreign = bool(_foreign(checked))
    able = {}
    for other in offer.rows:
        row, words = catalog()[other.tool], _in_words_of(other, given)
        operation = row.operation_for({*words})
        known = other.operations[operation].arguments if operation in other.operations else {}
        if other.tool == checked.row.tool or not (foreign or operation == checked.operation) or words.keys() - known:
            continue
        found = check(row, words)
        if not found.problems and is_served(found, offer.serving[other.tool], sources):
            able[other.tool] = other.operations[operation].rank
    return tuple(sorted(able, key=lambda tool: able[tool]))


def _corrected(checked: Checked) -> dict[str, Any]:
    """What was given beyond the defaults, under the names that were meant; without the edition."""
    meant = {problem.argument: problem.meant[0] for problem in checked.problems if len(problem.meant) == 1}
    return {meant.get(name, name): value for name, value in checked.beyond_defaults.items() if name != MODEL}


def _foreign(checked: Checked) -> list[str]:
    """What was given although the tool has no argument of that name or a similar one."""
    own = checked.row.arguments()
    named = {problem.argument for problem in checked.problems if problem.meant}
    return [name for name in checked.given if name not in own and name not in named]


def _in_words_of(row: Row, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments under the names that a tool has for them: `image` for the only one of `images`."""
    own = {name: forms[0] for name, forms in row.arguments().items()}
    found = {}
    for name, value in given.items():
        meant = [] if name in own else arguments_called(name, own)
        found[meant[0] if len(meant) == 1 and meant[0] not in given else name] = value
    return found


def _takes(row: Row, given: Mapping[str, Any]) -> bool:
    """Whether a tool takes all of these in one operation or another."""
    own = row.arguments()
    words = normalised_for(row, _in_words_of(row, given))
    return all(any(allows(form, value) for form in own.get(name, ())) for name, value in words.items())


def _has(row: Row, given: Mapping[str, Any], lacking: Iterable[str]) -> bool:
    """Whether an operation of a tool needs nothing that was not given, but for what the refused one lacks as well.

    A cut-out that asks for a file type is not led to the tools that edit: they need a prompt, and do something else.
    """
    there = _in_words_of(row, {**dict.fromkeys(lacking), **given}).keys()
    return any(
        there >= {name for name, one in operation.arguments.items() if one.required}
        for operation in row.operations.values()
    )


def _tool_of_edition(offer: Offer, checked: Checked) -> str:
    """The listed tool that has an edition of the name that was given, where this one has none; else empty.

    A bare number or word such as `2` or `pro`, under which a tool's schema lists an edition, does not say which tool.
    """
    asked = checked.given.get(MODEL)
    if not isinstance(asked, str) or checked.row.edition_called(asked) is not None or NUMBER.fullmatch(asked):
        return ""
    found = {row.tool: name for row in offer.rows if (name := row.edition_called(asked)) is not None}
    return "" if len(found) != 1 or bare(asked) in map(bare, found.values()) else next(iter(found))


def _with_edition(offer: Offer, checked: Checked, problem: Problem) -> Problem:
    """The problem with the editions that would serve, where it is about one."""
    name, given = problem.argument, checked.given
    named = checked.row.editions_named(checked.operation) if checked.edition else ()
    if name == MODEL and isinstance(asked := given.get(MODEL), str) and checked.edition not in named:
        taken = MODEL in checked.row.operations[checked.operation].arguments
        return replace(problem, message=_no_such_edition(offer, checked, asked)) if taken else problem
    if not checked.edition or name not in checked.arguments.keys() | given.keys() or name not in given:
        return problem
    able = checked.row.editions_for(checked.operation, {name: given[name]})
    serving = _serving(offer.routes(checked.row.tool), checked.row, checked.operation, offer.today)
    if not able or checked.edition in able:
        return problem
    if here := [one for one in able if one in serving]:
        way = f"model {listed(here, 'or')} takes {amount(name, given[name])}"
    else:
        way = _way_to(offer, checked, able)
    return replace(problem, message=f"{problem.message}; {way}")


def _no_such_edition(offer: Offer, checked: Checked, asked: str) -> str:
    """Why an edition is not served, and which are."""
    row, operation = checked.row, checked.operation
    serving = _serving(offer.routes(row.tool), row, operation, offer.today)
    places: dict[str, list[str]] = defaultdict(list)
    for one, providers in serving.items():
        places[listed(providers)].append(one)
    there = "; ".join(f"{listed(names)} at {providers}" for providers, names in places.items())
    choice = f"; there are {there}" if there else ""
    name = row.edition_called(asked)
    if name is None:
        if other := _tool_of_edition(offer, checked):
            return f"{say(asked)} is an edition of {other}{choice}"
        near = _nearest_edition(row, asked, tuple(serving))
        hint = f"; nearest: {near}" if near else ""
        return f"{row.tool} has no edition {say(asked)}{hint}{choice}"
    edition = row.editions[name]
    if edition.ends and (has_ended(edition.ends, offer.today) or name not in row.editions_named(operation)):
        successor = edition.successor
        after = f"; its successor is {successor}, {row.editions[successor].title}" if successor else ""
        return f"{edition.title} ended on {edition.ends}{after}{choice}"
    return f"{_way_to(offer, checked, [name])}{choice}"


def _nearest_edition(row: Row, asked: str, served: Sequence[str]) -> str:
    """The edition that is served and has the number or the name most like what was asked for; empty for none."""
    if not served or len(asked) > LONGEST_COMPARED:
        return ""
    plain = PINNED.sub("", asked.rpartition("/")[2])
    if (named := row.edition_called(plain) or "") in served:
        return named
    if begun := [key for key in served if any(bare(one).startswith(bare(plain)) for one in _names(row, key))]:
        return begun[0]
    family = set.intersection(*({*one.title.lower().split()} for one in row.editions.values()))
    short = " ".join(word for word in asked.lower().replace("-", " ").split() if word not in family)
    if (near := nearest(Limits(values=tuple(served)), short)) is not None:
        return str(near)
    names = {bare(one): key for key in served for one in _names(row, key)}
    return next((names[one] for one in closest(bare(asked), names)), "")


def _names(row: Row, edition: str) -> tuple[str, ...]:
    return edition, row.editions[edition].title, *row.editions[edition].also


def _way_to(offer: Offer, checked: Checked, names: Sequence[str]) -> str:
    """That no configured provider serves these editions for this operation, and with which key one would."""
    row, operation = checked.row, checked.operation
    routes = [one for one in all_routes() if one.tool == row.tool]
    found = _serving(routes, row, operation, offer.today)
    titles = listed((row.editions[name].title for name in names), "or")
    if unused := _unused(offer, (one for name in names for one in found.get(name, ()))):
        return f"no configured provider serves {titles} to {verb(operation)}; {unused} would"
    return f"no provider serves {titles} to {verb(operation)}"


def _serving(routes: Iterable[Route], row: Row, operation: OperationName, today: date) -> dict[str, list[str]]:
    """The editions that live and are served for an operation, in the order of the row, each with its providers."""
    found: dict[str, dict[str, None]] = {
        name: {} for name in row.editions_named(operation) if not has_ended(row.editions[name].ends, today)
    }
    for route in living(routes, today):
        if route.operation == operation:
            for name in found if route.edition == EVERY_EDITION else found.keys() & {route.edition}:
                found[name][route.provider] = None
    return {name: list(providers) for name, providers in found.items() if providers}
