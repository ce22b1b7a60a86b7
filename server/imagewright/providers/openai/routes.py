"""What OpenAI's Images API offers for the rows, as data, and what any server that speaks it can be asked for.

The maker's own models are documented with more fields than other servers know. So a route whose model was set to an
id that is not one of the maker's keeps only what every server of this API has: a prompt, pictures, a size, a count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imagewright.catalog.load import catalog
from imagewright.catalog.row import ANY, AUTO, Limits, OperationName, Scalar
from imagewright.errors import RequestRejected, SettingsError
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm, Price, Route
from imagewright.providers.common.fields import ratios
from imagewright.providers.common.overrides import chosen
from imagewright.providers.common.provider import file_part
from imagewright.text import byte_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imagewright.catalog.row import Operation, Row
    from imagewright.providers.base import Order
    from imagewright.providers.http.request import FilePart

NAME = "openai"
MODEL = "gpt-image-2"
"""The newest whose prices are known; it makes transparent backgrounds as a preview."""
OWN_MODELS = ("gpt-image-", "chatgpt-image-")
"""How the ids of the maker's models begin; they always answer in base64 and refuse to be asked for it."""
UNNAMED = "the model of your server"
CHECKED = "2026-11-22"
MOST = 10
"""Pictures of one call."""
MASK_BYTES = 4_000_000
"""Published as "less than 4 MB"."""
PLAIN = ("prompt", "images", "aspect_ratio", *SERVED_BY_ENGINE)
"""What every server of this API takes."""
SAME_WORD = ("prompt", "quality", "background", "output_format")
"""Arguments that are fields under the same name, with the same values."""

SIZES: dict[Scalar, str] = {"1:1": "1024x1024", "3:2": "1536x1024", "2:3": "1024x1536"}
"""What all of the maker's models make."""
FREE_SIZES: dict[Scalar, str] = {
    "1:1": "1024x1024",
    "4:3": "1152x864",
    "3:4": "864x1152",
    "3:2": "1248x832",
    "2:3": "832x1248",
    "5:4": "1120x896",
    "4:5": "896x1120",
    "16:9": "1280x720",
    "9:16": "720x1280",
    "21:9": "1568x672",
    "9:21": "672x1568",
}
"""Of about a megapixel, exact in ratio, sides divisible by 16 as diffusion models need."""


def _by_quality(low: float, medium: float, high: float, source: str) -> Price:
    return Price.table_by("quality", "medium", {"low": low, "medium": medium, "high": high}, source, CHECKED)


PRICE = _by_quality(0.01, 0.06, 0.22, "resellers' tables, for 1024x1024")
ALIKE: Mapping[str, Mapping[str, Price]] = {
    MODEL: {
        **dict.fromkeys(
            ("gpt-image-2.6-sunburst", "gpt-image-2.6-flare", "gpt-image-2.5-sunburst", "gpt-image-2.5-flare"),
            Price(usd=None),
        ),
        # the maker shuts these three down on 2026-12-01
        "gpt-image-1.5": _by_quality(
            0.013, 0.05, 0.2, "two resellers' tables, for 1536x1024; 1024x1024 costs a third less"
        ),
        "gpt-image-1-mini": Price(usd=None),
        "chatgpt-image-latest": Price(usd=None),
    }
}
"""The maker's other models, of its client openai 3.57.0: all take the same fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIRoute(Route):
    """A route with the API's spelling."""

    sizes: Mapping[Scalar, str]
    """The size in px that is asked for, by aspect ratio."""
    asks_base64: bool = False
    """Whether the picture must be asked for in the answer itself, for it may come as a link otherwise."""

    def check(self, order: Order) -> None:
        """What only this API limits and no row can say.

        Raises:
            RequestRejected: the mask is too large as a file.
        """
        if order.mask is not None and len(order.mask.data) >= MASK_BYTES:
            size = byte_size(len(order.mask.data))
            raise RequestRejected(
                NAME, f"the mask has {size} as a PNG; the limit is {byte_size(MASK_BYTES)}: draw it with fewer edges"
            )

    def fields(self, order: Order) -> dict[str, Any]:
        """The fields of a request, without pictures."""
        arguments = order.arguments
        fields: dict[str, Any] = {"model": order.model, "n": order.count}
        fields |= {name: arguments[name] for name in SAME_WORD if name in arguments}
        if "aspect_ratio" in arguments:
            fields["size"] = self.sizes[arguments["aspect_ratio"]]
        if self.asks_base64:
            fields["response_format"] = "b64_json"
        return fields

    def files(self, order: Order) -> tuple[FilePart, ...]:
        """The pictures of an edit, and the mask."""
        # one picture under its plain name is what every server knows; only several are a list
        label = "image" if len(order.images) == 1 else "image[]"
        images = (file_part(label, f"image-{place}", picture) for place, picture in enumerate(order.images, 1))
        return (*images, *([] if order.mask is None else [file_part("mask", "mask", order.mask)]))


_GENERATE = {**dict.fromkeys((*SAME_WORD, "aspect_ratio"), ANY), **SERVED_BY_ENGINE}
_SHARED: dict[str, Any] = {
    "provider": NAME,
    "tool": "openai_4o",
    "model": MODEL,
    "sizes": SIZES,
    "counts": (1, 2, 3, 4),
    "price": PRICE,
}
ROUTES: tuple[OpenAIRoute, ...] = (
    OpenAIRoute(operation=OperationName.GENERATE, takes=_GENERATE, **_SHARED),
    OpenAIRoute(
        operation=OperationName.EDIT,
        takes={**_GENERATE, "images": ANY, "mask": ANY, "aspect_ratio": ratios(SIZES, auto=True)},
        pictures=PictureForm(mask="transparent_is_repainted"),
        **_SHARED,
    ),
)
"""What the maker itself serves."""


def routes_for(overrides: Mapping[str, Mapping[str, Any]], *, own_server: bool) -> tuple[OpenAIRoute, ...]:
    """The routes as the user's tables have them; `own_server` where the base address was set.

    A table of another tool sends that tool to a server of the user's own.

    Raises:
        SettingsError: a table cannot be used.
    """
    own = {route.tool for route in ROUTES}
    guests = [route for tool in overrides if tool not in own and tool in catalog() for route in guest_routes(tool)]
    if guests and not own_server:
        where = f"routes.{guests[0].tool}.{NAME}"
        raise SettingsError(f"{where}: {NAME} itself does not serve it; set IMAGEWRIGHT_OPENAI_BASE_URL to your server")
    # at a server of the user's own the fields are those of this API, for any name of a model
    routes = tuple(map(_fitted, chosen((*ROUTES, *guests), overrides, ALIKE, any_id=own_server)))
    for tool in {route.tool for route in guests}:
        if all(route.model == UNNAMED for route in routes if route.tool == tool):
            wanted = 'name the model of your server, such as model = "maker/weights"'
            raise SettingsError(f"routes.{tool}.{NAME}: {wanted}")
    return tuple(route for route in routes if route.model != UNNAMED)


def guest_routes(tool: str) -> Iterator[OpenAIRoute]:
    """The routes of a tool whose weights stand on a server of the user's own; its model is still to be named."""
    row = catalog()[tool]
    for name, operation in row.operations.items():
        required = {argument for argument, limits in operation.arguments.items() if limits.required}
        if required <= set(PLAIN):
            yield _guest(row, name, operation)


def _guest(row: Row, name: OperationName, operation: Operation) -> OpenAIRoute:
    takes = dict.fromkeys((argument for argument in operation.arguments if argument in PLAIN), ANY)
    shape, variants = operation.arguments.get("aspect_ratio"), operation.arguments.get("variants")
    if shape is not None:
        known = (AUTO, *FREE_SIZES)
        takes["aspect_ratio"] = Limits(values=tuple(value for value in shape.values or known if value in known))
    most = MOST if variants is None or variants.maximum is None else min(MOST, int(variants.maximum))
    return OpenAIRoute(
        provider=NAME,
        tool=row.tool,
        operation=name,
        model=UNNAMED,
        takes=takes,
        sizes=FREE_SIZES,
        counts=(1,) if variants is None else tuple(range(1, most + 1)),
    )


def _fitted(route: OpenAIRoute) -> OpenAIRoute:
    """The route without what is documented for the maker's own models only, if its model is another."""
    if route.model.startswith(OWN_MODELS):
        return route
    takes = {name: limits for name, limits in route.takes.items() if name in PLAIN}
    return replace(route, takes=takes, pictures=PictureForm(), asks_base64=True)
