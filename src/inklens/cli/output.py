"""What commands share: printing, progress on stderr, and option types."""

import math
import os
import shlex
import shutil
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from inklens.cli.terminal import echo, json_text, shown
from inklens.names import showable
from inklens.storage import FIGURE_ENDINGS, check_ending, check_file, check_folder

if TYPE_CHECKING:
    from distributed import Client

DATA_HELP = (
    "embedded (5,000 real digits in the package), mnist, fashion-mnist, kuzushiji-mnist, emnist, "
    "openml:NAME[@VERSION], idx:DIR, folder:DIR, npz:FILE, csv:FILE or parquet:FILE."
)

OWN_DATA = "the model's own data"

LOG_SECONDS = 60.0  # between two lines of progress, where stderr is no terminal
SEED = 9  # of the split, unless another is asked for: the tutorial's


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


class Number(click.FloatRange):
    """A finite number in a range: NaN lies in every one, as no comparison with it is true."""

    def convert(self, value, param, ctx):
        """Turn text into a float."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"expected a finite number, got {value!r}", param, ctx)
        return number


class DataSpec(click.ParamType):
    """A data spec; the shell completes its names and kinds."""

    name = "SPEC"

    def shell_complete(self, ctx, param, incomplete):
        """Offer what `load_dataset` knows, up to the colon."""
        from click.shell_completion import CompletionItem

        from inklens.datasets.registry import SPECS

        starts = (name[: name.find(":") + 1] or name for name in SPECS)
        return [CompletionItem(start) for start in starts if start.startswith(incomplete)]


class Renamed(click.Option):
    """An option that also answers to older names, which help does not show."""

    def __init__(self, *args, formerly: tuple[str, ...], **settings) -> None:
        super().__init__(*args, **settings)
        self.formerly = formerly

    def add_to_parser(self, parser, ctx) -> None:
        """Add the option, and its older names."""
        super().add_to_parser(parser, ctx)
        parser.add_option(self, self.formerly, dest=self.name, action="store", nargs=self.nargs)


class OutFile(click.Path):
    """A file to write, in a folder that is there; what has no ending may be a folder where `or_folder` says so."""

    def __init__(self, *, or_folder: bool = False, allow_dash: bool = False) -> None:
        super().__init__(dir_okay=or_folder, allow_dash=allow_dash)
        self.or_folder = or_folder

    def convert(self, value, param, ctx):
        """Refuse a place for no such output before any work is done."""
        path = os.fsdecode(super().convert(value, param, ctx))
        if path != "-" or not self.allow_dash:
            _checked(check_folder if self.or_folder and not Path(path).suffix else check_file, path, ctx)
        return path


class OutFigure(OutFile):
    """A figure to write, of a kind that can be drawn."""

    def __init__(self, *endings: str) -> None:
        super().__init__()
        self.endings = endings or FIGURE_ENDINGS

    def convert(self, value, param, ctx):
        """Refuse another ending before any work is done."""
        path = super().convert(value, param, ctx)
        _checked(partial(check_ending, endings=self.endings), path, ctx)
        return path


class OutFolder(click.Path):
    """A folder to write into, which is made where there is none."""

    def __init__(self) -> None:
        super().__init__(file_okay=False)

    def convert(self, value, param, ctx):
        """Refuse what is there and is no folder, and what is named as a figure, before any work is done."""
        path = os.fsdecode(super().convert(value, param, ctx))
        if Path(path).suffix.lower() in FIGURE_ENDINGS and not Path(path).is_dir():
            raise click.UsageError(f"{path!r} is named as one figure, and a folder is written; name a folder", ctx)
        _checked(check_folder, path, ctx)
        return path


def refuse_but(kind: click.Path, out: str | None, ctx: click.Context) -> None:
    """Refuse a place for -o of another kind, where other options say which kind it is."""
    if out is not None:
        kind.convert(out, None, ctx)


def _checked(check: Callable[[str], None], path: str, ctx: click.Context | None) -> None:
    from inklens.errors import OutputError, ParameterError

    if path == "-":
        raise click.UsageError(
            "cannot write to '-': standard output is for what the command says; name a place ('./-' is one, too)", ctx
        )
    try:
        check(path)
    except (OutputError, ParameterError) as error:
        raise click.UsageError(str(error), ctx) from error


def out_option(help: str, *, metavar: str = "FIGURE", formerly: tuple[str, ...] = (), **settings):
    """-o, --out: where the result goes; of which kind it is, the metavar says."""
    kinds = {"DIR": OutFolder, "FIGURE": OutFigure}
    kind = kinds[metavar]() if metavar in kinds else OutFile(or_folder="DIR" in metavar)
    return click.option(
        "-o", "--out", cls=Renamed, formerly=formerly, type=kind, metavar=metavar, help=help, **settings
    )


def data_option(default: str | None = "embedded"):
    """--data; without a default, the model's own data are."""
    shown = f"{DATA_HELP}  [default: {default or OWN_DATA}]"
    return click.option("--data", type=DataSpec(), metavar="SPEC", default=default, help=shown)


def split_options(*, seed: int | None = SEED):
    """--train, --test, --seed; without a default seed, the model's own split is the default."""
    own = "the model's own" if seed is None else None
    options = [
        click.option("--train", type=RowCount(), help=f"Training rows, or their share.  [default: {own or '0.75'}]"),
        click.option("--test", type=RowCount(), help=f"Test rows, or their share.  [default: {own or '0.25'}]"),
        click.option(
            "--seed",
            type=int,
            default=seed,
            metavar="N",
            help=f"Shuffles the rows.  [default: {own or seed}]",
        ),
    ]

    def decorate(command):
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


part_option = click.option(
    "--part",
    type=click.Choice(["test", "train", "all"]),
    default="test",
    show_default=True,
    help="Half of the rows, or all.",
)
most_option = click.option(
    "-n", "most", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="Images to show."
)
open_option = click.option(
    "--open/--no-open",
    "open_page",
    default=None,
    help="Open the page in the browser.  [default: on a terminal with a display]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
model_option = click.option(
    "--model",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="A model made by inklens fit.  [default: the reader that ships]",
)


dask_option = click.option(
    "--dask",
    metavar="ADDRESS|local[:N]",
    help="Work on a Dask cluster: the address of its scheduler, or N processes of this computer.",
)
insecure_option = click.option(
    "--insecure", is_flag=True, help="Go to a scheduler on another computer without encryption (plain tcp://)."
)


def cluster_of(dask: str, *, insecure: bool):
    """Return what opens the cluster that --dask names; what cannot be meant, or is not installed, is said at once."""
    from inklens import cluster
    from inklens.errors import require

    require("distributed", extra="dask")
    place = cluster.where(dask)
    if place.address is not None:
        cluster.require_encryption(place.address, insecure=insecure)
    return partial(_opened, dask, insecure=insecure)


@contextmanager
def _opened(dask: str, *, insecure: bool) -> Iterator["Client"]:
    """Open a cluster, and say where its dashboard is."""
    from inklens import cluster

    with cluster.opened(dask, insecure=insecure) as client:
        if link := cluster.dashboard(client):
            say(f"inklens: the cluster's dashboard is {link}")
        yield client


def refuse_given(ctx: click.Context, why: str, *names: str) -> None:
    """Refuse parameters that were given but would be ignored; `why` follows the option's name."""
    for parameter in ctx.command.params:
        if parameter.name in names and ctx.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT:
            given = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.make_metavar(ctx)
            if ctx.params[parameter.name] not in (None, ()):
                raise click.UsageError(f"{given} {why}", ctx)


def sample_options(sample: int, part: str) -> str:
    """Return the options that name one row to `inklens explain`, `flip` and `votes`."""
    return f"--sample {sample}" + ("" if part == "test" else f" --part {part}")


def program_name() -> str:
    """Return the program as the user called it, fit to be typed again: ``inklens``, or its path."""
    called = sys.argv[0] if sys.argv else ""
    if Path(called).name == "__main__.py":
        return f"{_typed(sys.executable)} -m inklens"
    return _typed(called) if Path(called).stem == "inklens" else "inklens"


def program_anywhere() -> str:
    """Return the program as any folder can call it: ``inklens`` where the shell finds it, else its whole path."""
    called = Path(sys.argv[0] if sys.argv else "")
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m inklens"
    if called.stem != "inklens" or program_name() == "inklens":
        return "inklens"
    return shlex.quote(str(called.absolute()))


def show_page(page: Path, wanted: bool | None) -> None:
    """Open a page in the browser: where that is wanted, or on a terminal with a display unless it is not."""
    has_display = sys.platform in ("win32", "darwin") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    if wanted is None and not (has_display and sys.stdout.isatty()):
        return
    if wanted is not False and not webbrowser.open(page.absolute().as_uri()) and wanted:
        say(f"inklens: no browser could be started; open {shown(page)} in one")


def _typed(program: str) -> str:
    """Return its name where the shell finds it, else the shortest path from here."""
    try:
        here, path = Path.cwd(), Path(program).absolute()
    except FileNotFoundError:  # the folder that we are in has been removed
        return shlex.quote(program)
    found = shutil.which(path.name)
    if found and Path(found).absolute() == path:
        return path.name
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else program))


def print_json(document: dict) -> None:
    """Print one JSON document; NaN and infinity become null."""
    echo(json_text(_plain(document)))


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
    texts = [header, *[[showable(str(cell)) for cell in row] for row in rows]]  # a line break would make up a row
    widths = [max(len(row[j]) for row in texts) for j in range(len(header))]
    if title:
        echo(click.style(showable(title), bold=True))
    for i, row in enumerate(texts if any(header) else texts[1:]):
        cells = [c.ljust(w) if j in left else c.rjust(w) for j, (c, w) in enumerate(zip(row, widths, strict=True))]
        line = "  ".join(cells).rstrip()
        echo(click.style(line, bold=True) if i == 0 and any(header) else line)


def say(message: str) -> None:
    """Print a line for a person on stderr."""
    echo(message, err=True)


def say_next(*commands: tuple[str, str]) -> None:
    """Offer commands, ready to be typed, with what they are for; on stderr, so that scripts do not see them."""
    lines = [f"{program_name()} {command}" for command, _ in commands]
    width = max(map(len, lines))
    offered = [f"  {line:<{width}}  # {purpose}" for line, (_, purpose) in zip(lines, commands, strict=True)]
    say("\n".join(["", "Try next:", *offered]))


def split_of_run(*, data: str, train: float | None, test: float | None, seed: int | None, **_: object) -> str:
    """Return the options that give another command the same rows; those with their default value are left out."""
    options = {"--data": None if data == "embedded" else data, "--train": train, "--test": test}
    options["--seed"] = None if seed in (None, SEED) else seed
    return "".join(f" {name} {shlex.quote(str(value))}" for name, value in options.items() if value is not None)


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int | None, str], None]]:
    """Yield ``progress(done, total, text)`` that draws a bar on stderr; in a log it is a line a minute."""
    if not sys.stderr.isatty():
        lines = SeldomLines()
        yield lambda done, total, text: lines.tell(f"{done:,} of {total:,}, {text}" if total else text)
        return
    from rich.console import Console
    from rich.markup import escape
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
            bar.update(task, completed=done, total=total, description=escape(shown(text)))

        yield update


@contextmanager
def fit_monitor() -> Iterator[Callable]:
    """Yield a solver callback that shows objective, bound and zeros live on stderr; in a log, once a minute."""
    if not sys.stderr.isatty():
        lines = SeldomLines()
        yield lambda solution: lines.tell(_fit_so_far(solution))
        return
    from rich.console import Console

    with Console(stderr=True).status("fitting") as status:
        yield lambda solution: status.update(_fit_so_far(solution))


def _fit_so_far(solution) -> str:
    return (
        f"objective {solution.objective:.6g}  proven bound {solution.lower_bound:.6g}  gap {solution.gap:.1e}  "
        f"zeros {(solution.coef == 0.0).mean():.0%}  passes {solution.n_passes:.0f}"
        + (f"  slow: {solution.difficulty}" if solution.difficulty else "")
    )


class SeldomLines:
    """Signs of life in a log, where no bar can be drawn: at most one a minute, and none of what is short."""

    def __init__(self) -> None:
        self.due = time.monotonic() + LOG_SECONDS

    def tell(self, text: str) -> None:
        """Print a line if one is due."""
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + LOG_SECONDS
            say(f"inklens: {text}")
