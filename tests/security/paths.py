"""Every text of `path_tricks` at a real server's doors, and kept pictures that were replaced by links.

    python -m tests.security.paths

It prints how many were tried at each door, and all that broke: a secret in an answer, anything made or changed outside,
a file that was written over, or an answer that calls a caller's mistake a fault of the server.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.security.path_tricks import HIDDEN, LEGITIMATE, READING, RESOURCES, SAVING, SECRET, lay_out, spelt
from tests.support.raw_client import MODERN, RawClient

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULT = "fault of the server"
OPENED = (" px", "it starts with", "this is ")
"""Words about what a file holds, which nobody can say who has not opened it."""
CALL = {"prompt": "a fox"}
SAVER = "qwen"
"""The tool that saves."""
READER = "recraft"
"""The tool that reads: it takes one picture and nothing else."""


@dataclass
class Attack:
    """A server, the folders that it may use, and what lies beside them."""

    base: Path
    tried: dict[str, int] = field(default_factory=dict)
    """How many texts were tried, by door."""
    broken: list[str] = field(default_factory=list)
    """What may not be, one line each."""

    def __post_init__(self) -> None:
        lay_out(self.base)
        self.env = {
            "IMAGEWRIGHT_HOME": str(self.base / "home"),
            "IMAGEWRIGHT_ROOTS": str(self.base / "root"),
            "HOME": str(self.base / "user"),
        }

    def server(self) -> RawClient:
        """A server of its own."""
        return RawClient(MODERN, env=self.env)

    def judge(self, door: str, text: str, answer: Any, *, refused: bool | None) -> None:
        """Count one answer; `refused` is whether it must be a refusal, None where both are right."""
        self.tried[door] = self.tried.get(door, 0) + 1
        is_error = "error" in answer or answer.get("result", {}).get("isError", False)
        shown = json.dumps(answer)
        wrong = []
        if refused is not None and is_error is not refused:
            wrong.append("let through" if refused else "refused")
        if SECRET in everything(shown) or HIDDEN in shown:
            wrong.append("leaked")
        if refused and any(word in shown for word in OPENED):
            wrong.append("opened")
        if FAULT in shown:
            wrong.append("called a fault of the server")
        self.broken += [f"{door}: {text[:120]!r} was {one}: {shown[:300]}" for one in wrong]

    def read_all(self, client: RawClient) -> None:
        """Every text to read, as an argument."""
        for texts, refused in ((READING, True), (LEGITIMATE, False)):
            for text in texts:
                arguments = {"image": spelt(text, self.base)}
                answer = client.answer(client.begin("tools/call", {"name": READER, "arguments": arguments}))
                self.judge("reading" if refused else "legitimate", text, answer, refused=refused)

    def save_all(self, client: RawClient) -> None:
        """Every name to save as."""
        before = dict(files(self.base))
        for text in SAVING:
            arguments = {**CALL, "save_as": spelt(text, self.base)}
            answer = client.answer(client.begin("tools/call", {"name": SAVER, "arguments": arguments}))
            self.judge("saving", text, answer, refused=None)
            for image in answer.get("result", {}).get("structuredContent", {}).get("images", ()):
                self.judge_saved(text, Path(image["path"]))
        self.judge_changes(before)

    def judge_saved(self, text: str, path: Path) -> None:
        """A picture that was saved must be inside, a regular file, and named as a picture."""
        inside = any(path.resolve().is_relative_to(self.base / name) for name in ("root", "home/pictures"))
        if not inside or path.suffix != ".png" or path.is_symlink():
            self.broken.append(f"saving: {text!r} was saved as {path}")

    def judge_changes(self, before: dict[str, bytes]) -> None:
        """Nothing that was there may have changed, and nothing may be new outside."""
        after = dict(files(self.base))
        self.broken += [f"saving: {name} was changed" for name, data in before.items() if after.get(name) != data]
        new = [name for name in after if not name.startswith("root/") and name not in before]
        self.broken += [f"saving: {name} was made" for name in new]

    def resources_all(self, client: RawClient) -> None:
        """Every address of a resource."""
        for text in RESOURCES:
            answer = client.answer(
                client.begin("resources/read", {"uri": text.replace("{out}", f"{self.base}/outside")})
            )
            self.judge("resources", text, answer, refused=True)

    def replaced_all(self, client: RawClient) -> None:
        """Kept pictures that have become links, or lie in folders that have, at every door that reads them."""
        for kind in ("file", "chain", "folder"):
            name = f"kept-{kind}"
            made = client.call(SAVER, {**CALL, "save_as": f"{self.base}/root/{name}/fox.png"})
            image = made["structuredContent"]["images"][0]
            path = Path(image["path"])
            outside = self.base / "outside" / name
            outside.mkdir()
            (outside / "fox.png").write_bytes((self.base / "outside" / "secret.png").read_bytes())
            if kind == "folder":
                path.parent.rename(path.parent.with_name(f"{name}-moved"))
                path.parent.symlink_to(outside)
            else:
                path.unlink()
                if kind == "chain":
                    path.with_name("step.png").symlink_to(outside / "fox.png")
                path.symlink_to("step.png" if kind == "chain" else outside / "fox.png")
            for given in (str(path), image["id"], image["uri"]):
                answer = client.answer(client.begin("tools/call", {"name": READER, "arguments": {"image": given}}))
                self.judge("replaced", f"{kind} as an argument", answer, refused=True)
            for uri in (image["uri"], f"{image['uri']}/preview"):
                answer = client.answer(client.begin("resources/read", {"uri": uri}))
                self.judge("replaced", f"{kind} as a resource", answer, refused=True)
            arguments = {"previews": True, "text": ""}
            answer = client.answer(client.begin("tools/call", {"name": "image_gallery", "arguments": arguments}))
            self.judge("replaced", f"{kind} in the gallery", answer, refused=False)
            if f"No preview of {image['id']}" not in json.dumps(answer):
                self.broken.append(f"replaced: {kind}: the gallery does not say that the preview is missing")

    def run(self, *, saving: bool = True) -> None:
        """Everything; without `saving`, which takes a picture for each name, about ten seconds less."""
        with self.server() as client:
            for part in (self.read_all, self.resources_all, self.replaced_all, *([self.save_all] if saving else [])):
                part(client)
        if traces := [line for line in client.log if "Traceback" in line]:
            self.broken.append(f"{len(traces)} tracebacks on standard error")


def files(base: Path) -> Iterator[tuple[str, bytes]]:
    """All regular files of the two folders, and what is in them."""
    for name in ("root", "outside", "root-beside"):
        for folder, _, names in os.walk(base / name):
            for path in (Path(folder, one) for one in names):
                if path.is_file() and not path.is_symlink():
                    yield str(path.relative_to(base)), path.read_bytes()


def everything(answer: str) -> bytes:
    """An answer, and what all base64 in it means."""
    parts = (part for part in answer.replace("\\", '"').split('"') if len(part) > len(SECRET))
    return answer.encode() + b"".join(_decoded(part) for part in parts)


def _decoded(part: str) -> bytes:
    try:
        return base64.b64decode(part, validate=True)
    except ValueError:
        return b""


def main() -> int:
    """Print the counts; 1 if anything broke."""
    with tempfile.TemporaryDirectory() as folder:
        attack = Attack(Path(folder).resolve())
        attack.run()
    for door, count in attack.tried.items():
        broken = sum(line.startswith(f"{door}:") for line in attack.broken)
        print(f"{door:<12} {count:>4} tried, {broken} broken")  # noqa: T201 - this is a command
    print(*attack.broken, sep="\n")  # noqa: T201 - as above
    return 1 if attack.broken else 0


if __name__ == "__main__":
    sys.exit(main())
