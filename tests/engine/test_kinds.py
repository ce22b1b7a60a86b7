"""Every kind of argument of every row, in the forms real clients send."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import pytest

from imagewright.catalog.load import catalog
from imagewright.catalog.row import KINDS, Kind
from imagewright.engine.check import READERS, Wanted, normalised, wanted_by
from imagewright.engine.refusals import LONGEST, MOST_GIVEN

if TYPE_CHECKING:
    from imagewright.catalog.row import Row

ARGUMENTS = [pytest.param(row, name, id=f"{row.tool}-{name}") for row in catalog().values() for name in row.arguments()]
CAT, DOG, LINK = "/home/me/a cat.png", "C:\\dog.png", "https://example.com/a,b?x=1"
DATA = "data:image/png;base64,/9j/4AAQ\n/img"
NUMBERS: list[tuple[Any, Any]] = [
    (2, 2),
    (2.0, 2),
    ("2", 2),
    (" 2 ", 2),
    ("2.0", 2),
    ("+2", 2),
    ("-2", -2),
    (2**70, 2**70),
    (str(2**60), 2**60),
]
"""What a number is sent as, and what is meant."""
NO_NUMBERS: list[Any] = ["two", "2 3", "1,5", "1e3", "0x2", "٢", "9" * 21, True, [2], {"a": 2}, float("inf"), 1e300]
"""What stays as it came, to be refused."""
MEANT: dict[Kind, list[tuple[Any, Any]]] = {
    "integer": [*NUMBERS, *((one, one) for one in [1.5, "1.5", *NO_NUMBERS])],
    "number": [
        *NUMBERS,
        *((one, one) for one in [1.5, *NO_NUMBERS]),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-0.25", -0.25),
        ("7.", 7),
    ],
    "boolean": [
        ("true", True),
        ("false", False),
        ("True", True),
        (" FALSE ", False),
        (False, False),
        *((one, one) for one in ["yes", "1", 1, 0, 1.0, [True]]),
    ],
    "text": [(one, one) for one in ['"in quotes"', "@name", "2", " a fox\n", '["a"]', 5, ["a fox"]]],
    "picture": [
        (CAT, CAT),
        (f'"{CAT}"', CAT),
        (f"'{CAT}'", CAT),
        (f"@{CAT}", CAT),
        (f'@"{CAT}"', CAT),
        (f'"@{CAT}"', CAT),
        (f" `{LINK}`\n", LINK),
        ([CAT], CAT),
        (json.dumps([CAT]), CAT),
        (DATA, DATA),
        ("it's", "it's"),
        ("'a' and 'b'", "'a' and 'b'"),
        *((one, one) for one in [[CAT, DOG], [5], 5, {"path": CAT}, "@", "[not json", '{"path": "/a.png"}']),
    ],
    "pictures": [
        ([CAT, f"@{DOG}"], [CAT, DOG]),
        (json.dumps([CAT, DOG]), [CAT, DOG]),
        (f" {json.dumps([LINK])}", [LINK]),
        (CAT, [CAT]),
        (f'"{CAT}"', [CAT]),
        (f"@{DOG}", [DOG]),
        (LINK, [LINK]),
        (DATA, [DATA]),
        ("/home/me/cat, dog.png", ["/home/me/cat, dog.png"]),
        ("img_abc", ["img_abc"]),
        ([CAT, 5, ""], [CAT, 5, ""]),
        *(
            (one, one)
            for one in [
                f"{CAT}, {CAT}",
                f"{CAT}\n{DOG}",
                f'"{CAT}" "{CAT}"',
                f"{DATA},{DATA}",
                "img_abc img_def",
                "[broken",
                "[" * 5_000,
                5,
                {"0": CAT},
            ]
        ),
    ],
    "path": [
        ('"a fox.png"', "a fox.png"),
        ("'/home/me/fox.png'", "/home/me/fox.png"),
        *((one, one) for one in ["fox.png", " fox.png ", "@fox.png", "it's", 5, ["fox.png"]]),
    ],
}
"""By kind: what is sent, and what is understood."""
VALUES: list[Any] = ["", "a fox", 2, 10**400, 1.5, float("inf"), float("nan"), True, ["/a.png"], {"a": 1}, None]
TEXTS = ["", "a fox"]
FITTING: dict[Kind, list[Any]] = {
    "text": TEXTS,
    "choice": [*TEXTS, 2, 10**400, 1.5, float("inf"), float("nan")],
    "integer": [2, 10**400],
    "number": [2, 10**400, 1.5],
    "boolean": [True],
    "picture": TEXTS,
    "pictures": [["/a.png"]],
    "path": TEXTS,
}
"""By kind: which of the values have a right type. Of a choice each value is compared with the listed ones later."""


def meant(form: Wanted, value: Any) -> Any:
    return normalised({"it": value}, {"it": form})["it"]


@pytest.mark.parametrize(("row", "name"), ARGUMENTS)
def test_every_argument_is_understood_by_its_kind(row: Row, name: str) -> None:
    form = wanted_by(row)[name]._replace(neutral=None)
    assert {one.kind for one in row.arguments()[name]} == {form.kind}
    if form.kind == "choice":
        cases = [(sent, value) for value in form.values for sent in (value, f" {value} ")]
    else:
        cases = MEANT[form.kind]
    for sent, understood in cases:
        found = meant(form, sent)
        assert (found, type(found)) == (understood, type(understood)), sent


def test_every_kind_has_its_table() -> None:
    assert {*MEANT, "choice"} == {*KINDS} == {*get_args(Kind)} == {*FITTING} == {*READERS, "text", "choice"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_fits_a_kind_by_its_type(kind: Kind) -> None:
    assert [repr(value) for value in VALUES if KINDS[kind].fits(value)] == [repr(value) for value in FITTING[kind]]


@pytest.mark.parametrize(
    ("values", "sent", "understood"),
    [
        ((1, 2, 4), "2", 2),
        ((1, 2, 4), 2.0, 2),
        ((1, 2, 4), "2.0", 2),
        ((1, 2, 4), 3, 3),
        (("1", "2"), 2, "2"),
        (("1.0", "1"), "1.0", "1.0"),
        ((1, "1"), "1", "1"),
        (("low", "high"), "LOW", "low"),
        (("low", "high"), ["low"], ["low"]),
    ],
)
def test_a_choice_is_the_one_value_that_is_written_so(values: tuple[Any, ...], sent: Any, understood: Any) -> None:
    found = meant(Wanted("choice", values), sent)
    assert (found, type(found)) == (understood, type(understood))


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("empty", [None, "", " \n\t", []])
def test_what_is_sent_empty_was_not_given(kind: Kind, empty: object) -> None:
    assert normalised({"it": empty}, {"it": Wanted(kind, ("a",))}) == {}


@pytest.mark.parametrize(("kind", "empty"), [("pictures", "[]"), ("picture", '""'), ("pictures", '""'), ("path", "''")])
def test_an_empty_text_or_list_is_empty_in_any_spelling(kind: Kind, empty: str) -> None:
    assert normalised({"it": empty}, {"it": Wanted(kind)}) == {}


@pytest.mark.parametrize(("kind", "sent"), [("pictures", "@"), ("pictures", [""]), ("picture", "@"), ("boolean", {})])
def test_what_may_be_a_slip_is_not_taken_as_empty(kind: Kind, sent: object) -> None:
    assert "it" in normalised({"it": sent}, {"it": Wanted(kind)})


def test_a_stranger_keeps_its_value_and_goes_only_when_null() -> None:
    assert normalised({"a": "", "b": [], "c": None, "d": "2"}, {}) == {"a": "", "b": [], "d": "2"}


@pytest.mark.parametrize("blank", [" ", ", ", " '", "\n"])
def test_a_long_text_of_blanks_is_read_in_one_pass(blank: str) -> None:
    """Searched again from every blank it would take hours, on the event loop of every client."""
    blanks = (blank * 5000)[: LONGEST - 4]
    text, several = f"/a{blanks}b", f"/a{blanks}/b"
    assert normalised({"images": text}, {"images": Wanted("pictures")}) == {"images": [text]}
    assert normalised({"images": several}, {"images": Wanted("pictures")}) == {"images": several}
    assert normalised({"images": text + blanks}, {"images": Wanted("pictures")}) == {"images": text + blanks}


@pytest.mark.parametrize("count", [2, MOST_GIVEN])
def test_pictures_in_a_long_text_are_read(count: int) -> None:
    uri = "data:image/png;base64," + "A" * LONGEST
    assert normalised({"images": json.dumps([uri] * count)}, {"images": Wanted("pictures")}) == {
        "images": [uri] * count
    }
    assert normalised({"images": f" {uri} "}, {"images": Wanted("pictures")}) == {"images": [uri]}
    assert normalised({"image": f"'{uri}'"}, {"image": Wanted("picture")}) == {"image": uri}
    many = json.dumps([uri] * (MOST_GIVEN + 5))
    assert normalised({"images": many}, {"images": Wanted("pictures")}) == {"images": many}
