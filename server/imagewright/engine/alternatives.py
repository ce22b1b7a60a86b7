"""What a caller can do instead of a call that is refused: another edition, another tool that is on, another key.

This runs only for a call that is refused. What is wrong with its arguments is in `engine.refusals`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagewright.catalog.load import catalog
from imagewright.catalog.nearest import arguments_meant, nearest
from imagewright.catalog.row import MODEL, Limits, bare, verb
from imagewright.engine.check import allows, check
from imagewright.engine.config import all_routes
from imagewright.engine.offer import end_of
from imagewright.engine.plan import candidates
from imagewright.engine.refusals import amount
from imagewright.errors import MOST_PROBLEMS, Problem, Refusal
from imagewright.providers import KEY_VARIABLES
from imagewright.providers.base import EVERY_EDITION
from imagewright.text import LONGEST_COMPARED, closest, listed, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imagewright.catalog.row import OperationName, Row
    from imagewright.engine.check import Checked
    from imagewright.engine.offer import Offer
    from imagewright.engine.pictures import Source
    from imagewright.engine.plan import Candidate
    from imagewright.providers.base import Route

MOST_PICTURES = 50
"""A list with more pictures is not held against other tools: none takes so many, and reading it takes time."""


def refusal(offer: Offer, checked: Checked, problems: Sequence[Problem], note: str = "") -> Refusal:
    """The refusal of a call for these problems, with what the caller can do instead.

    Other tools are named where correcting the call is not enough: no name is misspelt, and no edition would serve it.
    """
    led = [_with_edition(offer, checked, problem) for problem in problems]
    of_edition = MODEL in checked.given and all(
        new != old or old.argument == MODEL for new, old in zip(led, problems, strict=True)
    )
    if other := _tool_of_edition(offer, checked):
        return Refusal(*led, instead=(other,), note=note)
    misspelt = all(problem.meant for problem in problems)
    return Refusal(*led, instead=() if misspelt or of_edition else _instead(offer, checked), note=note)


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
    instead = tools_instead(offer, checked, sources)
    if not examined:
        text = f"no configured provider offers to {verb(checked.operation)} with {checked.row.tool}"
        return Refusal(Problem("", text), instead=instead)
    wanted = {checked.edition} if checked.edition else {*checked.row.editions_for(checked.operation, checked.given)}
    unfit = checked.row.editions.keys() - wanted
    near = [one for one in examined if one.route.edition not in unfit] or examined
    models: dict[tuple[str, ...], dict[str, None]] = defaultdict(dict)
    for one in near:
        models[one.against][f"{one.route.provider} ({one.route.model})"] = None
    problems = [Problem("", f"{listed(names)} cannot do this: {'; '.join(why)}") for why, names in models.items()]
    return Refusal(*problems, instead=instead)


def _instead(offer: Offer, checked: Checked) -> tuple[str, ...]:
    """The tools that can do what was asked; without any, those that do the operation or take what this one does not."""
    if able := tools_instead(offer, checked):
        return able
    if checked.operation not in offer.tools[checked.row.tool].operations:
        return offer.others(checked.operation, but=checked.row.tool)
    foreign = {name: checked.given[name] for name in _foreign(checked)}
    return _takers(offer, checked.row.tool, foreign) if 0 < len(foreign) <= MOST_PROBLEMS else ()


def tools_instead(offer: Offer, checked: Checked, sources: Sequence[Source] = ()) -> tuple[str, ...]:
    """Listed tools that serve the call as it is, best first: the same operation, with the same arguments and values.

    A tool with another operation counts where the caller gave an argument that this one does not have, such as
    `scale`. Arguments that are misspelt are taken as what they probably mean, and the edition is left out.
    """
    given = _corrected(checked)
    longest = max((len(value) for value in given.values() if isinstance(value, list)), default=0)
    if len(given) > MOST_PROBLEMS or longest > MOST_PICTURES:
        return ()
    foreign = bool(_foreign(checked))
    able = {}
    for other in offer.rows:
        if other.tool == checked.row.tool:
            continue
        found = check(catalog()[other.tool], _in_words_of(other, given))
        if found.problems or not (foreign or found.operation == checked.operation):
            continue
        if any(not one.against for one in candidates(found, offer.serving[other.tool], None, sources)):
            able[other.tool] = other.operations[found.operation].rank
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
        meant = [] if name in own else arguments_meant(name, own)
        found[meant[0] if len(meant) == 1 and meant[0] not in given else name] = value
    return found


def _takers(offer: Offer, tool: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Listed tools that take all of these in one operation or another, without the one named."""
    return tuple(
        row.tool
        for row in offer.rows
        if row.tool != tool
        and all(
            any(allows(form, value) for form in forms)
            for name, value in given.items()
            for forms in [row.arguments().get(name, ())]
        )
    )


def _tool_of_edition(offer: Offer, checked: Checked) -> str:
    """The listed tool that has an edition of the name that was given, where this one has none; else empty."""
    asked = checked.given.get(MODEL)
    if not isinstance(asked, str) or checked.row.edition_called(asked) is not None:
        return ""
    return next((row.tool for row in offer.rows if row.edition_called(asked) is not None), "")


def _with_edition(offer: Offer, checked: Checked, problem: Problem) -> Problem:
    """The problem with the editions that would serve, where it is about one."""
    name, given = problem.argument, checked.given
    if name == MODEL and isinstance(asked := given.get(MODEL), str) and not checked.edition:
        known = checked.row.arguments().get(MODEL)
        return replace(problem, message=_no_such_edition(offer, checked, asked)) if known else problem
    if not checked.edition or name not in checked.arguments.keys() | given.keys() or name not in given:
        return problem
    able = checked.row.editions_for(checked.operation, {name: given[name]})
    serving = _serving(offer.routes(checked.row.tool), checked.row, checked.operation, offer.today.isoformat())
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
    serving = _serving(offer.routes(row.tool), row, operation, offer.today.isoformat())
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
    if edition.ends and edition.ends <= offer.today.isoformat():
        successor = edition.successor
        after = f"; its successor is {successor}, {row.editions[successor].title}" if successor else ""
        return f"{edition.title} ended on {edition.ends}{after}{choice}"
    return f"{_way_to(offer, checked, [name])}{choice}"


def _nearest_edition(row: Row, asked: str, served: Sequence[str]) -> str:
    """The edition that is served and has the number or the name most like what was asked for; empty for none."""
    if not served:
        return ""
    near = nearest(Limits(values=tuple(served)), asked)
    if near is None:
        names = {bare(one): key for key in served for one in (row.editions[key].title, *row.editions[key].also)}
        near = next((names[one] for one in closest(bare(asked), names)), "") if len(asked) <= LONGEST_COMPARED else ""
    return str(near)


def _way_to(offer: Offer, checked: Checked, names: Sequence[str]) -> str:
    """That no configured provider serves these editions for this operation, and with which key one would."""
    row, operation = checked.row, checked.operation
    routes = [one for one in all_routes() if one.tool == row.tool]
    found = _serving(routes, row, operation, offer.today.isoformat())
    able = dict.fromkeys(one for name in names for one in found.get(name, ()) if KEY_VARIABLES[one])
    titles = listed((row.editions[name].title for name in names), "or")
    if not able:
        return f"no provider serves {titles} to {verb(operation)}"
    keys = listed((f"{one} ({listed(KEY_VARIABLES[one], 'or')})" for one in able), "or")
    return f"no configured provider serves {titles} to {verb(operation)}; with a key, {keys} does"


def _serving(routes: Iterable[Route], row: Row, operation: OperationName, today: str) -> dict[str, list[str]]:
    """The editions that live and are served for an operation, in the order of the row, each with its providers."""
    found: dict[str, dict[str, None]] = {
        name: {} for name, edition in row.editions.items() if not edition.ends or edition.ends > today
    }
    for route in routes:
        if route.operation == operation and not "" < end_of(route) <= today:
            for name in found if route.edition == EVERY_EDITION else found.keys() & {route.edition}:
                found[name][route.provider] = None
    return {name: list(providers) for name, providers in found.items() if providers}
