"""Write the software bill of materials of a release: `python -m tests.supply.sbom FILE`, CycloneDX 1.6 in JSON.

It lists this package and all that it needs, as installed here, by each distribution's own metadata, with the libraries
that a wheel says are inside it (PEP 770). So it is made in an environment into which the wheel of the release was
installed. `cyclonedx-py environment` lists the whole environment, with the tools that test and build; `pip inspect` is
no CycloneDX, and names the places that files were downloaded from. The form is that of CycloneDX's own library, which
also judges it in the tests.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from tests.supply.closure import NAME, closure, needs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import Distribution

VERSION = SchemaVersion.V1_6
EPOCH = "SOURCE_DATE_EPOCH"
"""The variable with the time of a build that can be repeated, in seconds since 1970."""
LONGEST_LICENCE = 100
"""Characters of a licence's name; some packages give its whole text there."""


def bill(packages: Mapping[str, Distribution], now: datetime) -> str:
    """The bill as JSON: this package as what it describes, and everything else as its components."""
    components = {name: _component(name, package) for name, package in packages.items()}
    made = Bom(components=[one for name, one in components.items() if name != NAME])
    made.metadata.component = components[NAME]
    made.metadata.timestamp = now
    made.serial_number = uuid.uuid5(
        uuid.NAMESPACE_URL, " ".join(one.bom_ref.value or "" for one in components.values())
    )
    for name, package in packages.items():
        names = {str(canonicalize_name(one.name)) for one in needs(package)}
        made.register_dependency(components[name], [components[one] for one in sorted(names) if one in components])
    return make_outputter(made, OutputFormat.JSON, VERSION).output_as_string(indent=2)


def _component(name: str, package: Distribution) -> Component:
    address = PackageURL("pypi", name=name, version=package.version)
    words = _field(package, "License-Expression") or _field(package, "License") or _classified(package)
    return Component(
        type=ComponentType.APPLICATION if name == NAME else ComponentType.LIBRARY,
        name=name,
        version=package.version,
        description=_field(package, "Summary") or None,
        licenses=[LicenseFactory().make_from_string(words[:LONGEST_LICENCE])] if words else [],
        purl=address,
        bom_ref=address.to_string(),
        components=_inside(package, address.to_string()),
    )


def _inside(package: Distribution, owner: str) -> list[Component]:
    """The libraries that a wheel's own bills name, each once."""
    files = [file for file in package.files or () if "sboms" in file.parts and file.suffix == ".json"]
    listed = [one for file in files for one in json.loads(file.read_text(encoding="utf-8")).get("components", ())]
    named = {(one["name"], one.get("version", "")): one.get("purl") for one in listed}
    return [
        Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version or None,
            purl=_bare(address) if address else None,
            bom_ref=f"{owner}#{name}@{version}",
        )
        for (name, version), address in sorted(named.items())
    ]


def _bare(address: str) -> PackageURL:
    """The name and version alone, without the place it was built from."""
    found = PackageURL.from_string(address)
    return PackageURL(found.type, found.namespace, found.name, found.version)


def _field(package: Distribution, name: str) -> str:
    """A field of the package's metadata; empty where it has none."""
    return next(iter(package.metadata.get_all(name) or ()), "")


def _classified(package: Distribution) -> str:
    """The licence by the package's classifiers, where it is named in no other way."""
    found = [one for one in package.metadata.get_all("Classifier") or () if one.startswith("License ::")]
    return found[0].rpartition(" :: ")[2] if found else ""


def main(arguments: list[str]) -> int:
    """Write the file that is named, else standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.supply.sbom", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="where it is written; standard output by default")
    file: Path | None = parser.parse_args(arguments).file
    moment = os.environ.get(EPOCH)
    now = datetime.now(UTC) if moment is None else datetime.fromtimestamp(int(moment), UTC)
    text = bill(closure(), now.replace(microsecond=0)) + "\n"
    if file is not None:
        file.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
