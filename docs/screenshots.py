"""Takes the pictures in docs/images. Run by hand, in a clone with its environment.

    .venv/bin/pip install pyte
    .venv/bin/python docs/screenshots.py --home /home/you

Each command runs offline in a real pseudo-terminal, with that folder as its home; nothing should be in it, as its paths
are in the pictures. What a command writes goes through a terminal emulator and is drawn in DejaVu Sans Mono. The
contact sheet is that of the demo.
"""

# ruff: noqa: INP001 - a script, run by itself

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import shlex
import shutil
import struct
import subprocess
import termios
from pathlib import Path

import pyte
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
FONTS = Path("/usr/share/fonts/truetype/dejavu")
SAMPLE = ROOT / "server" / "imagewright" / "imaging" / "samples" / "vase.jpg"
VASE = "vase.jpg"
"""Its copy in the clone, so that the commands are short."""
COLUMNS, ROWS = 100, 200
SIZE, MARGIN = 15, 18
"""Px of the letters and around the text."""
GROUND, TEXT = "#16181d", "#d7dae0"
PALETTE = {
    "black": "#3b4048",
    "red": "#f0717a",
    "green": "#8ccf7e",
    "brown": "#e5c76b",
    "blue": "#67b0e8",
    "magenta": "#c47fd5",
    "cyan": "#6cbfbf",
    "white": "#b3b9c5",
}
BEFORE = (
    ["run", "nano_banana", "--prompt", "A lighthouse at dusk, seen from the sea", "--aspect-ratio", "16:9"],
    ["run", "recraft", "--image", VASE, "--save-as", "vase.png"],
    ["run", "qwen", "--prompt", "A bakery window with the words OPEN TILL LATE in gold letters"],
)
"""What was made before, so that there is something to show."""
SHOTS = {
    "demo": ["demo"],
    "models": ["models"],
    "run": ["run", "ideogram_reframe", "--image", VASE, "--aspect-ratio", "16:9"],
    "batch": ["run", "recraft", "--images", "server/imagewright/imaging/samples/*.jpg", "--into", "cutouts"],
    "gallery": ["gallery"],
    "jobs": ["jobs"],
    "doctor": ["doctor"],
}
"""The name of each picture, and the command it shows."""
SHEET_WIDTH = 1400
"""Px of the contact sheet of the demo."""
COLOURS = 32
"""Of the picture's palette: letters are smoothed, and few colours make small files."""


def environment(home: Path) -> dict[str, str]:
    """A newcomer's, with the command on the PATH."""
    path = os.pathsep.join([str(ROOT / ".venv" / "bin"), "/usr/bin", "/bin"])
    return {"HOME": str(home), "PATH": path, "TERM": "xterm-256color", "LANG": "C.UTF-8", "COLUMNS": str(COLUMNS)}


def typed(words: list[str]) -> str:
    """The command as it stands behind the prompt."""
    return shlex.join(["imagewright", *words])


def captured(words: list[str], home: Path) -> pyte.Screen:
    """The screen after the command has ended."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    stream.feed(f"\x1b[1;32m$\x1b[0m {typed(words)}\r\n".encode())
    process, terminal = pty.fork()
    if not process:
        os.chdir(ROOT)
        os.execvpe("imagewright", ["imagewright", *words], environment(home))  # noqa: S606, S607 - the command in the picture
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    try:
        while data := os.read(terminal, 1 << 16):
            stream.feed(data)
    except OSError:  # the other side has closed
        pass
    os.waitpid(process, 0)
    return screen


def colour(name: str, default: str) -> str:
    """A colour of the emulator as one that can be drawn."""
    return default if name == "default" else PALETTE.get(name.removeprefix("bright"), f"#{name}")


def drawn(screen: pyte.Screen) -> Image.Image:
    """The used part of the screen."""
    plain, bold = (ImageFont.truetype(FONTS / f"DejaVuSansMono{kind}.ttf", SIZE) for kind in ("", "-Bold"))
    wide, high = plain.getlength("M"), SIZE + 5
    used = max(row for row, line in enumerate(screen.display) if line.strip()) + 1
    size = round(wide * COLUMNS) + 2 * MARGIN, high * used + 2 * MARGIN
    picture = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(picture)
    for row in range(used):
        for column in range(COLUMNS):
            one = screen.buffer[row][column]
            if not one.data.strip():
                continue
            at = MARGIN + column * wide, MARGIN + row * high
            fill = colour(one.fg, TEXT)
            draw.text(at, one.data, fill=fill, font=bold if one.bold else plain)
    return picture


def run(words: list[str], home: Path) -> None:
    """Run a command whose output nobody sees."""
    program = str(ROOT / ".venv" / "bin" / "imagewright")
    subprocess.run([program, *words], cwd=ROOT, env=environment(home), check=True, capture_output=True)  # noqa: S603 - ours


def main() -> None:
    """Take all pictures, or those that are named."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("names", nargs="*", choices=[[], *SHOTS], help="which pictures (default: all)")
    reader.add_argument("--home", type=Path, required=True, help="an empty folder, which is made")
    reader.add_argument("--out", type=Path, default=IMAGES, help="where they go")
    given = reader.parse_args()
    given.home.mkdir(exist_ok=True)
    given.out.mkdir(exist_ok=True)
    shutil.copy(SAMPLE, ROOT / VASE)
    for words in BEFORE:
        run(words, given.home)
    for name in given.names or SHOTS:
        picture = drawn(captured(SHOTS[name], given.home)).quantize(COLOURS, dither=Image.Dither.NONE)
        picture.save(given.out / f"{name}.png", optimize=True)
    if sheets := [*given.home.glob("Pictures/Imagewright/demo/contact-sheet.png")]:
        whole = Image.open(sheets[0]).convert("RGB")
        small = whole.resize((SHEET_WIDTH, round(whole.height * SHEET_WIDTH / whole.width)), Image.Resampling.LANCZOS)
        small.save(given.out / "contact-sheet.jpg", quality=80, optimize=True)
    (ROOT / VASE).unlink()


if __name__ == "__main__":
    main()
