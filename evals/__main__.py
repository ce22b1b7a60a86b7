"""`python -m evals`: write the requests out, have a model answer them, and score the answers."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import anyio
import click

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "server")]

from evals import prompts as files  # noqa: E402 - beside those found on the path set above
from evals import results  # noqa: E402 - as above
from evals.answer import read_answers  # noqa: E402 - as above
from evals.apis import Api, ChatCompletions, Messages  # noqa: E402 - as above
from evals.request import Request, load_requests  # noqa: E402 - as above
from evals.run import RunError, Runner  # noqa: E402 - as above
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
@click.option("--openai", help="Base address of a server of Chat Completions, as https://api.openai.com/v1")
@click.option("--anthropic", help="Base address of a server of Messages, as https://api.anthropic.com")
@click.option("--model", required=True, help="The model's name there")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A file of answers")
@click.option("--concurrency", type=click.IntRange(1, 64), default=4, show_default=True, help="Questions at once")
@click.option("--usd-in", type=float, help="USD per million tokens that are sent, to say the cost")
@click.option("--usd-out", type=float, help="USD per million tokens that come back")
@click.argument("names", nargs=-1)
def run(
    *,
    openai: str | None,
    anthropic: str | None,
    model: str,
    out: Path,
    concurrency: int,
    usd_in: float | None,
    usd_out: float | None,
    names: tuple[str, ...],
) -> None:
    """Have a model answer. What the file has answers to already is not asked again."""
    if (openai is None) == (anthropic is None):
        raise click.UsageError("give one address: --openai or --anthropic")
    api: Api = ChatCompletions() if openai is not None else Messages()
    url = (openai or anthropic or "").rstrip("/")
    runner = Runner(api, url, model, os.environ.get(api.key_variable, ""), concurrency)
    done = read_answers([out]) if out.exists() else {}
    try:
        anyio.run(runner.run, chosen(names), out, done)
    except RunError as error:
        raise click.ClickException(str(error)) from error
    finally:
        click.echo(runner.usage.words(usd_in, usd_out))


@evals.command()
@click.argument("answers", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--partial", is_flag=True, help="Leave out the requests that have no answer")
@click.option("--save", help="Keep the figures in results/ under this name; needs --judge")
@click.option("--judge", default="", help="Who answered: a model by its full name, or a person")
@click.option("--how", default="pages", show_default=True, help="By what the questions were asked")
@click.option("--day", default=lambda: datetime.now(UTC).date().isoformat(), help="When; today by default")
def score(answers: tuple[Path, ...], *, partial: bool, save: str | None, judge: str, how: str, day: str) -> None:
    """Score files of answers; exit with 1 where the figures are not reached."""
    if save and not judge:
        raise click.UsageError("--save needs --judge")
    report = judge_all(load_requests(), read_answers(answers), partial=partial)
    click.echo("\n".join([*misses(report), "", *table(report)]))
    if save:
        results.save(save, results.record(report, judge=judge, day=day, how=how))
        results.README.write_text(results.page(results.README.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0 if report.whole.good else 1)


if __name__ == "__main__":
    evals(prog_name="python -m evals")
