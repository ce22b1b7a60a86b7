"""The bodies each vendor is sent, kept as files: a change of one word in a route shows in the diff.

`python -m tests.support.goldens` writes them anew; the test compares.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagewright.providers.bfl.provider import ROUTES as BFL_ROUTES
from imagewright.providers.bfl.provider import body as bfl_body
from imagewright.providers.ideogram import provider as ideogram_vendor
from imagewright.providers.kie.others import OTHERS as KIE_OTHERS
from imagewright.providers.kie.routes import ROUTES as KIE_ROUTES
from imagewright.providers.recraft import provider as recraft_vendor
from tests.support.goldens_fields import fal, replicate
from tests.support.goldens_regions import ark, dashscope
from tests.support.goldens_sync import google, openai
from tests.support.provider_runs import full_order, plain_order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagewright.providers.base import Order
    from imagewright.providers.http.request import FilePart

FOLDER = Path(__file__).parents[1] / "golden"


def kie() -> dict[str, Any]:
    """Bodies of every Kie route and alternative, by file name: the least and the most that can be asked for."""
    found: dict[str, Any] = {}
    for route in (*KIE_OTHERS, *KIE_ROUTES):  # where both have a model, the file is the default's
        bodies = {}
        for name, order in (("plain", plain_order(route)), ("full", full_order(route))):
            urls = tuple(f"https://files.example/{place}.png" for place in range(len(order.images)))
            bodies[name] = route.body(order, urls, "https://files.example/mask.png" if order.mask else "")
        found[f"{route.tool}.{route.operation}.{route.model.replace('/', '_')}.json"] = bodies
    return found


def bfl() -> dict[str, Any]:
    """Bodies of every route of Black Forest Labs; a picture is its number in base64."""
    return {
        f"{route.tool}.{route.operation}.json": {
            name: {"model": route.model_for(order.arguments), "body": bfl_body(_numbered(order))}
            for name, order in (("plain", plain_order(route)), ("full", full_order(route)))
        }
        for route in BFL_ROUTES
    }


def recraft() -> dict[str, Any]:
    """The form Recraft is sent."""
    return {
        f"{route.tool}.{route.operation}.json": {
            "plain": {
                "model": route.model,
                "fields": recraft_vendor.FORM,
                "files": _named(recraft_vendor.files(plain_order(route))),
            }
        }
        for route in recraft_vendor.ROUTES
    }


def ideogram() -> dict[str, Any]:
    """The forms Ideogram is sent."""
    return {
        f"{route.tool}.{route.operation}.json": {
            name: {
                "model": route.model,
                "fields": ideogram_vendor.fields(order),
                "files": _named(ideogram_vendor.files(order)),
            }
            for name, order in (("plain", plain_order(route)), ("full", full_order(route)))
        }
        for route in ideogram_vendor.ROUTES
    }


def _named(parts: tuple[FilePart, ...]) -> list[list[str]]:
    return [[part.label, part.name, part.mime] for part in parts]


def _numbered(order: Order) -> Order:
    """The order with short stand-ins for its pictures: encoded ones differ between versions of the encoder."""
    images = tuple(replace(one, data=f"picture {place}".encode()) for place, one in enumerate(order.images))
    return replace(order, images=images)


VENDORS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "kie": kie,
    "fal": fal,
    "replicate": replicate,
    "openai": openai,
    "google": google,
    "bfl": bfl,
    "recraft": recraft,
    "ideogram": ideogram,
    "ark": ark,
    "dashscope": dashscope,
}


def written(content: Any) -> str:
    """The content of a golden file."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all of them; files of routes that are gone are removed."""
    for vendor, bodies in VENDORS.items():
        folder = FOLDER / vendor
        folder.mkdir(parents=True, exist_ok=True)
        wanted = bodies()
        for old in folder.glob("*.json"):
            if old.name not in wanted:
                old.unlink()
        for name, content in wanted.items():
            (folder / name).write_text(written(content), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
