"""What OpenAI's Images API offers for the rows, as data, and what any server that speaks it can be asked for.

The maker's own models are documented with more fields than other servers know. So a route whose model was set to an
id that is not one of the maker's keeps only what every server of this API has: a prompt, pictures, a size, a count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from imagewright.catalog.load import catalog
from imagewright.catalog.row import ANY, AUTO, Limits, OperationName
from imagewright.errors import RequestRejected, SettingsError
from imagewright.providers.base import SERVED_BY_ENGINE, PictureForm, Price, Route
from imagewright.providers.common.fields import SizeRule, ratios, turned
from imagewright.providers.common.overrides import SOURCE, chosen
from imagewright.providers.common.provider import file_part
from imagewright.text import byte_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagewright.catalog.row import Operation, Row
    from imagewright.providers.base import Order
    from imagewright.providers.http.request import FilePart

NAME = "openai"
OWN_MODELS = ("gpt-image-", "chatgpt-image-")
"""How the ids of the maker's models begin; they always answer in base64 and refuse to be asked for it."""
UNNAMED = "the model of your server"
CHECKED = "2026-11-26"
MOST = 10
"""Pictures of one call."""
MASK_BYTES = 4_000_000
"""Published as "less than 4 MB"."""
PLAIN = ("prompt", "images", "aspect_ratio", *SERVED_BY_ENGINE)
"""What every server of this API takes."""
SAME_WORD = ("prompt", "quality", "background", "output_format")
"""Arguments that are fields under the same name, with the same values. All are sent with every call: of 2.6-flare a
reseller saw that it chooses a dear quality by itself where none is sent, and a backdrop of `auto` may come out as
either."""

USUAL = "1K"
"""The resolution of a model that makes only one."""
Sizes = Mapping[tuple[str, str], tuple[int, int]]
"""Width and height in px by aspect ratio and resolution."""


def _with_portraits(sizes: Sizes) -> dict[tuple[str, str], tuple[int, int]]:
    """The sizes, and each of them on end."""
    portraits = {(turned(ratio), name): (high, wide) for (ratio, name), (wide, high) in sizes.items()}
    return {**sizes, **portraits}


FIXED_SIZES = _with_portraits({("1:1", USUAL): (1024, 1024), ("3:2", USUAL): (1536, 1024)})
"""All that the models before 2 make; the later ones make them too."""
FREE = SizeRule(least_pixels=655_360, most_pixels=8_294_400, step=16, longest=3840, widest=3)
"""What 2 and later make: step, ratio and longest side of the maker's client openai 3.57.0, which names 2 and 2.5; the
pixels, and that it holds for 2.6 too, from AI SDK's provider @ai-sdk/openai 4.0.118 and ComfyUI's documents."""
FREE_SIZES = FIXED_SIZES | _with_portraits(
    {
        ("16:9", "1K"): (1536, 864),
        ("1:1", "2K"): (2048, 2048),
        ("3:2", "2K"): (2496, 1664),
        ("16:9", "2K"): (2560, 1440),
        ("1:1", "4K"): (2880, 2880),
        ("3:2", "4K"): (3504, 2336),
        ("16:9", "4K"): (3840, 2160),
    }
)
"""Exact in ratio. Beyond 2560 x 1440 px the maker calls them experimental."""
OTHER_SIZES = {
    (ratio, USUAL): size
    for ratio, size in {
        "1:1": (1024, 1024),
        "4:3": (1152, 864),
        "3:4": (864, 1152),
        "3:2": (1248, 832),
        "2:3": (832, 1248),
        "5:4": (1120, 896),
        "4:5": (896, 1120),
        "16:9": (1280, 720),
        "9:16": (720, 1280),
        "21:9": (1568, 672),
        "9:21": (672, 1568),
    }.items()
}
"""Of other makers' weights: about a megapixel, exact in ratio, sides divisible by 16 as diffusion models need."""


class TokenPrices(NamedTuple):
    """USD of a token, by what it stands for."""

    text: float
    """Of the prompt."""
    image: float
    """Of an input picture."""
    made: float
    """Of a picture that is made."""


PER_TOKEN = TokenPrices(text=5e-6, image=8e-6, made=30e-6)
"""From 2 on: the maker's price list."""
USD_OF_INPUT = 0.0082
"""About 1,024 tokens at $8 a million for an input picture of 1024 x 1024 px: ComfyUI's node, the maker's price list."""
LEVELS_2 = {"low": 16, "medium": 48, "high": 96}
LEVELS_25 = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
"""In how many columns the maker's calculator divides a picture, by quality."""
LOW_OF_26 = 4.3
"""What low costs of 2.6 at most, over what it costs of 2.5. Medium costs at most what high does."""
DEAREST_SHAPE = 1.09
"""What a picture of any shape costs at most, over a square of that resolution: computed over all shapes."""


def tokens_of(columns: int, width: int, height: int) -> int:
    """Tokens of one picture of these sides in px, as the maker's calculator counts them."""
    long, short = max(width, height), min(width, height)
    rows = (2 * columns * short + long) // (2 * long)
    return -(-columns * rows * (2_000_000 + width * height) // 4_000_000)


def _by_tokens(levels: Mapping[str, int], source: str, times: Mapping[str, float] | None = None) -> Price:
    """The prices of a model of free sizes; `times` is what a quality costs over what its level says."""
    table: dict[tuple[str, ...], float] = {
        (quality, name, ratio): round(tokens_of(level, *size) * PER_TOKEN.made * (times or {}).get(quality, 1), 4)
        for quality, level in levels.items()
        for (ratio, name), size in FREE_SIZES.items()
    }
    table |= {(*key, AUTO): round(usd * DEAREST_SHAPE, 4) for (*key, ratio), usd in table.items() if ratio == "1:1"}
    by = ("quality", "resolution", "aspect_ratio")
    price = Price.table_by(by, ("medium", USUAL, "1:1"), table, source, CHECKED)
    return replace(price, per_input=USD_OF_INPUT)


def _by_shape(square: tuple[float, ...], longer: tuple[float, ...], per_input: float = USD_OF_INPUT) -> Price:
    """The prices of a model of fixed sizes, each of low, medium and high."""
    # which of the shapes `auto` becomes is not known beforehand
    shapes = {"1:1": square, "3:2": longer, "2:3": longer, AUTO: longer}
    table = {
        (quality, ratio): usd
        for ratio, each in shapes.items()
        for quality, usd in zip(("low", "medium", "high"), each, strict=True)
    }
    by, source = ("quality", "aspect_ratio"), "the maker's price list"
    return replace(Price.table_by(by, ("medium", "1:1"), table, source, CHECKED), per_input=per_input)


CALCULATOR = "the maker's calculator and price list; of an edit that keeps its shape, the most it can be"
PRICE_2 = _by_tokens(LEVELS_2, CALCULATOR)
PRICE_25 = _by_tokens(LEVELS_25, CALCULATOR)
PRICE_26 = _by_tokens(
    {**LEVELS_25, "medium": LEVELS_25["high"]},
    "the calculator of 2.5; low and medium as the most they can be, from one reseller's measurements",
    {"low": LOW_OF_26},
)
PRICE_15 = _by_shape((0.009, 0.034, 0.133), (0.013, 0.05, 0.2))
ENDS_15 = "2026-12-01"
ALIKE: Mapping[str, Mapping[str, Price]] = {
    "gpt-image-1.5": {
        "chatgpt-image-latest": PRICE_15,
        "gpt-image-1-mini": _by_shape((0.005, 0.011, 0.036), (0.006, 0.015, 0.052), per_input=0.0026),
    }
}
"""Further models of the maker that take the same fields; both end on the same day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIRoute(Route):
    """A route with the API's spelling."""

    sizes: Sizes
    """What is asked for by ratio and resolution, `USUAL` where it takes none."""
    per_token: TokenPrices | None = None
    """What the tokens that an answer reports are charged at; None where that is not known, or the user has set what a
    picture costs."""
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
            fields["size"] = "{}x{}".format(*self.size(order))
        if self.asks_base64:
            fields["response_format"] = "b64_json"
        return fields

    def size(self, order: Order) -> tuple[int, int]:
        """Width and height in px of the pictures that are asked for."""
        arguments = order.arguments
        resolution = arguments.get("resolution", USUAL)
        if arguments["aspect_ratio"] != AUTO:
            return self.sizes[arguments["aspect_ratio"], resolution]
        first = order.images[0]
        near = min(
            (size for (_, name), size in self.sizes.items() if name == resolution),
            key=lambda size: abs(math.log(size[0] / size[1] * first.height / first.width)),
        )
        return FREE.like(first.width, first.height, near[0] * near[1])

    def files(self, order: Order) -> tuple[FilePart, ...]:
        """The pictures of an edit, and the mask."""
        # one picture under its plain name is what every server knows; only several are a list
        label = "image" if len(order.images) == 1 else "image[]"
        images = (file_part(label, f"image-{place}", picture) for place, picture in enumerate(order.images, 1))
        return (*images, *([] if order.mask is None else [file_part("mask", "mask", order.mask)]))


def _pair(
    edition: str, model: str, price: Price, *, free: bool = True, ends: str = ""
) -> tuple[OpenAIRoute, OpenAIRoute]:
    """The routes that generate and edit with one edition; `free` where it makes any size within the bounds."""
    sizes = FREE_SIZES if free else FIXED_SIZES
    shapes = dict.fromkeys(ratio for ratio, _ in sizes)
    takes = {
        **dict.fromkeys(SAME_WORD, ANY),
        "quality": Limits(values=tuple(dict.fromkeys(key[0] for key in price.table))),
        "aspect_ratio": ratios(shapes),
        **({"resolution": ANY} if free else {}),
        **SERVED_BY_ENGINE,
    }
    generate = OpenAIRoute(
        provider=NAME,
        tool="openai_4o",
        operation=OperationName.GENERATE,
        edition=edition,
        model=model,
        takes=takes,
        sizes=sizes,
        counts=(1, 2, 3, 4),
        per_token=PER_TOKEN if free else None,
        # the largest square there is has 2880 px a side, which nobody calls 4K
        never=({"aspect_ratio": ("1:1",), "resolution": ("4K",)},) if free else (),
        price=replace(price, table={key: usd for key, usd in price.table.items() if AUTO not in key}),
        ends=ends,
    )
    edit = replace(
        generate,
        operation=OperationName.EDIT,
        takes={**takes, "images": ANY, "mask": ANY, "aspect_ratio": ratios(shapes, auto=True)},
        pictures=PictureForm(mask="transparent_is_repainted"),
        native_auto=free,
        price=price,
    )
    return generate, edit


ROUTES: tuple[OpenAIRoute, ...] = (
    *_pair("2", "gpt-image-2", PRICE_2),
    *_pair("2.5-flare", "gpt-image-2.5-flare", PRICE_25),
    *_pair("2.5-sunburst", "gpt-image-2.5-sunburst", PRICE_25),
    *_pair("2.6-flare", "gpt-image-2.6-flare", PRICE_26),
    *_pair("2.6-sunburst", "gpt-image-2.6-sunburst", PRICE_26),
    *_pair("1.5", "gpt-image-1.5", PRICE_15, free=False, ends=ENDS_15),
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
        known = (AUTO, *(ratio for ratio, _ in OTHER_SIZES))
        takes["aspect_ratio"] = Limits(values=tuple(value for value in shape.values or known if value in known))
    most = MOST if variants is None or variants.maximum is None else min(MOST, int(variants.maximum))
    return OpenAIRoute(
        provider=NAME,
        tool=row.tool,
        operation=name,
        model=UNNAMED,
        takes=takes,
        sizes=OTHER_SIZES,
        counts=(1,) if variants is None else tuple(range(1, most + 1)),
    )


def _fitted(route: OpenAIRoute) -> OpenAIRoute:
    """The route without what is documented for the maker's own models only, if its model is another."""
    if route.model.startswith(OWN_MODELS):
        return route if route.price.source != SOURCE else replace(route, per_token=None)
    takes = {name: limits for name, limits in route.takes.items() if name in PLAIN}
    return replace(
        route, takes=takes, pictures=PictureForm(), native_auto=False, never=(), per_token=None, asks_base64=True
    )
