"""`python -m evals`: write the requests out, have a model answer them, and score the answers."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import click

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server")]

from evals import prompts as files  # noqa: E402 - beside those found on the path set above
from evals.answer import read_answers  # noqa: E402 - as above
from evals.request import Request, load_requests  # noqa: E402 - as above
from evals.score import judge_all, misses, table  # noqa: E402 - as above

PROMPTS = "prompts.jsonl"


def chosen(names: tuple[str, ...]) -> list[Request]:
    """The requests of these kinds or of these names; all of them where none is named.

    Raises:
        click.UsageError: a name is neither.
    """
    requests = load_requests()
    if strange := set(names) - {request.kind for request in requests} - {request.name for request in requests}:
        raise click.UsageError(f"no kind and no request is called {', '.join(sorted(strange))}")
    return [one for one in requests if not names or one.kind in names or one.name in names]


@click.group()
def evals() -> None:
    """Whether an assistant picks the right tool and gives it the right arguments."""


@evals.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A folder, or a file that ends in .jsonl")
@click.option("--size", default=files.BATCH, show_default=True, help="Requests of one page")
@click.argument("names", nargs=-1)
def prompts(out: Path, size: int, names: tuple[str, ...]) -> None:
    """Write the requests for anyone to answer: pages of Markdown into a folder, or JSON Lines into a file."""
    requests = chosen(names)
    seen = anyio.run(files.all_shown, requests)
    if out.suffix == ".jsonl":
        whole = {out.name: "".join(f"{line}\n" for line in files.lines(requests, seen))}
        written = files.write(out.parent, whole)
    else:
        written = files.write(out, files.pages(requests, seen, size))
    for file in written:
        click.echo(f"{file}: {file.stat().st_size / 1000:.0f} kB")


@evals.command()
@click.argument("answers", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--partial", is_flag=True, help="Leave out the requests that have no answer")
def score(answers: tuple[Path, ...], *, partial: bool) -> None:
    """Score files of answers; exit with 1 where the figures are not reached."""
    report = judge_all(load_requests(), read_answers(answers), partial=partial)
    click.echo("\n".join([*table(report), *misses(report)]))
    sys.exit(0 if report.whole.good else 1)


if __name__ == "__main__":
    evals(prog_name="python -m evals")
