"""What commands share: printing, progress on stderr, and option types."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

DATA_HELP = (
    "embedded (5,000 real digits in the package), mnist, fashion-mnist, kuzushiji-mnist, emnist, "
    "openml:NAME[@VERSION], idx:DIR, folder:DIR, npz:FILE, csv:FILE or parquet:FILE."
)


class RowCount(click.ParamType):
    """A number of rows, or a share of all rows."""

    name = "N|SHARE"

    def convert(self, value, param, ctx):
        """Turn 7500 into an int and 0.7 into a float."""
        if isinstance(value, int | float):
            return value
        try:
            size = float(value) if "." in value else int(value)
        except ValueError:
            self.fail(f"expected a number of rows such as 7500, or a share such as 0.7, got {value!r}", param, ctx)
        if size <= 0 or (isinstance(size, float) and size >= 1.0):
            self.fail(f"expected at least 1 row, or a share between 0 and 1, got {value!r}", param, ctx)
        return size


class DataSpec(click.ParamType):
    """A data spec; the shell completes its names and kinds."""

    name = "SPEC"

    def shell_complete(self, ctx, param, incomplete):
        """Offer what `load_dataset` knows, up to the colon."""
        from click.shell_completion import CompletionItem

        from inklens.datasets.registry import SPECS

        starts = (name[: name.find(":") + 1] or name for name in SPECS)
        return [CompletionItem(start) for start in starts if start.startswith(incomplete)]


def data_option(default: str | None = "embedded"):
    """--data."""
    return click.option(
        "--data", type=DataSpec(), metavar="SPEC", default=default, show_default=default is not None, help=DATA_HELP
    )


def split_options(*, seed: int | None = 9):
    """--train, --test, --seed; without a default seed, the model's own split is the default."""
    own = "the model's own" if seed is None else None
    options = [
        click.option("--train", type=RowCount(), help=f"Training rows, or their share.  [default: {own or '0.75'}]"),
        click.option("--test", type=RowCount(), help=f"Test rows, or their share.  [default: {own or '0.25'}]"),
        click.option("--seed", type=int, default=seed, metavar="N", help=f"Of the split.  [default: {own or seed}]"),
    ]

    def decorate(command):
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


part_option = click.option(
    "--part", type=click.Choice(["test", "train", "all"]), default="test", show_default=True, help="Rows of the split."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
model_option = click.option(
    "--model",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="A model made by inklens fit.  [default: the reader that ships]",
)


def print_json(document: dict) -> None:
    """Print one JSON document; NaN and infinity become null."""
    click.echo(json.dumps(_plain(document), ensure_ascii=False))


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value - value != 0.0:
        return None
    return value


def print_table(header: list[str], rows: list[list], *, title: str | None = None, left: tuple[int, ...] = (0,)) -> None:
    """Print a table; columns in `left` are left-aligned, the others right-aligned. An empty header is not shown."""
    texts = [header, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[j]) for row in texts) for j in range(len(header))]
    if title:
        click.echo(click.style(title, bold=True))
    for i, row in enumerate(texts if any(header) else texts[1:]):
        cells = [c.ljust(w) if j in left else c.rjust(w) for j, (c, w) in enumerate(zip(row, widths, strict=True))]
        line = "  ".join(cells).rstrip()
        click.echo(click.style(line, bold=True) if i == 0 and any(header) else line)


def say(message: str) -> None:
    """Print a line for a person on stderr."""
    click.echo(message, err=True)


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int | None, str], None]]:
    """Yield ``progress(done, total, text)`` that draws a bar on stderr; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total, text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def update(done: int, total: int | None, text: str) -> None:
            bar.update(task, completed=done, total=total, description=text)

        yield update


@contextmanager
def fit_monitor() -> Iterator[Callable]:
    """Yield a solver callback that shows objective, bound and zeros live on stderr."""
    if not sys.stderr.isatty():
        yield lambda solution: None
        return
    from rich.console import Console

    with Console(stderr=True).status("fitting") as status:

        def show(solution) -> None:
            zeros = (solution.coef == 0.0).mean()
            status.update(
                f"objective {solution.objective:.6g}  proven bound {solution.lower_bound:.6g}  "
                f"gap {solution.gap:.1e}  zeros {zeros:.0%}  passes {solution.n_passes}"
            )

        yield show
