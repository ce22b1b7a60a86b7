"""How an order becomes one flat object."""

from __future__ import annotations

import pytest

from imagewright.providers.base import Order
from imagewright.providers.common.fields import LEFT_OUT, Field, FieldsRoute
from imagewright.providers.fal.routes import ROUTES
from tests.support.provider_runs import picture, plain_order

SHAPE = Field("size", ("ratio", "scale"), {("1:1", 2): {"width": 2}})


@pytest.mark.parametrize(
    ("field", "values", "made"),
    [
        (Field("a", "b"), {"b": 5}, {"a": 5}),
        (Field("a", "b"), {}, {}),
        (Field("a", "b", text=True), {"b": 5}, {"a": "5"}),
        (Field("a", "b", {1: "one"}), {"b": 1}, {"a": "one"}),
        (Field("a", "b", {1: "one"}), {"b": 2}, {"a": 2}),
        (Field("a", "b", {1: LEFT_OUT}), {"b": 1}, {}),
        (Field("a", "b", {1: False}), {"b": 1}, {"a": False}),
        (SHAPE, {"ratio": "1:1", "scale": 2}, {"size": {"width": 2}}),
        (SHAPE, {"ratio": "1:1"}, {}),
    ],
)
def test_a_field_is_spelt(field: Field, values: dict[str, object], made: dict[str, object]) -> None:
    assert field.spell(values) == made


def test_a_combination_without_a_word_is_a_fault_of_the_route_and_never_sent() -> None:
    with pytest.raises(KeyError):
        SHAPE.spell({"ratio": "2:1", "scale": 2})


def test_nothing_is_sent_of_what_was_not_asked_for() -> None:
    route = ROUTES[0]
    bare = FieldsRoute(
        provider="vendor",
        tool=route.tool,
        operation=route.operation,
        model="m",
        takes={},
        fields=(),
        image_field="image",
    )
    order = plain_order(route)
    one = Order(bare, order.arguments, model=bare.model, images=(picture(),))
    assert bare.inputs(one, ["https://x"]) == {"image": "https://x"}
    assert bare.notes_for(one) == ()
