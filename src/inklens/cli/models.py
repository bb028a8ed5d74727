"""`inklens fit`, `path` and `verify`."""

import shlex
from contextlib import nullcontext
from pathlib import Path

import click

from inklens.cli.output import (
    Number,
    cluster_of,
    dask_option,
    data_option,
    fit_monitor,
    insecure_option,
    json_option,
    out_option,
    print_json,
    print_table,
    progress_bar,
    refuse_given,
    say,
    say_next,
    split_options,
)
from inklens.cli.terminal import echo


@click.command()
@data_option()
@split_options()
@click.option(
    "--add",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Train on the digits of inklens collect as well; allographs are drawn ones inside the package.",
)
@click.option(
    "--relabel",
    type=click.Path(dir_okay=False),
    metavar="CSV",
    help="Correct labels as the table of inklens labels says.",
)
@click.option(
    "--C",
    "C",
    type=float,
    default=1.0,
    show_default=True,
    metavar="X|inf",
    help="Inverse penalty strength: small C, strong penalty; inf, no penalty.",
)
@click.option(
    "--l1-ratio",
    type=Number(0, 1),
    default=0.0,
    show_default=True,
    metavar="R",
    help="0: L2, all coefficients small. 1: L1, many exactly 0. Between: elastic net.",
)
@click.option("--group", is_flag=True, help="With L1: a pixel is used by all classes or by none.")
@click.option(
    "--features",
    type=click.Choice(["pixels", "upright", "strokes"]),
    default="pixels",
    show_default=True,
    help="What the model is fed: the pixels, the deskewed pixels, or directed strokes.",
)
@click.option(
    "--scale",
    type=click.Choice(["255", "min-max"]),
    default="255",
    show_default=True,
    help="Divide pixels by 255, or stretch each to 0..1 by its range in the training rows.",
)
@click.option(
    "--standardize",
    is_flag=True,
    help="Penalise coefficients times their columns' standard deviations, as if columns had been scaled to 1.",
)
@click.option(
    "--max-pixels", type=click.IntRange(min=1), metavar="N", help="Lower C until at most N pixels are used (with L1)."
)
@click.option(
    "--tol",
    type=Number(min=0),
    default=1e-4,
    show_default=True,
    metavar="T",
    help="Promise: (objective - proven bound) / objective is at most this.",
)
@click.option(
    "--time-budget",
    type=Number(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop then, with the best model so far and its bound; --resume goes on.",
)
@dask_option
@insecure_option
@click.option(
    "--resume",
    is_flag=True,
    help="Go on from FILE.checkpoint, which a fit that was broken off has left beside its model.",
)
@out_option("The model (.inklens).", metavar="FILE", required=True)
@json_option
@click.pass_context
def fit(ctx: click.Context, as_json: bool, dask: str | None, insecure: bool, **options) -> None:
    """Fit a softmax regression and prove how close to the optimum it stopped.

    \b
    Examples:
      inklens fit -o digits.inklens
      inklens fit --C 1 --l1-ratio 1 --tol 1e-3 -o sparse.inklens
      inklens fit --l1-ratio 1 --group --max-pixels 60 -o sixty.inklens
      inklens fit --data mnist --train 7500 --test 2500 --seed 9 --C inf -o none.inklens
      inklens fit --dask local:2 -o far.inklens

    The objective is C * (sum of the rows' losses) + penalty, the intercept unpenalised.

    With --dask the training rows are sent to the workers, and fitted there: the same model, proven of every row. A
    fit that is broken off, by kill -9, Ctrl-C or the loss of its cluster, leaves FILE.checkpoint, from which --resume
    goes on.
    """
    from inklens.tasks.models import fit as run

    if dask is None:
        refuse_given(ctx, "goes with --dask, such as --dask tcp://10.0.0.5:8786", "insecure")
    cluster = None if dask is None else cluster_of(dask, insecure=insecure)
    monitoring = fit_monitor() if dask is None else nullcontext()
    with progress_bar() as progress, monitoring as monitor:
        result = run(**options, cluster=cluster, progress=progress, callback=monitor)
    for warning in result.warnings:
        say(f"inklens: {warning}")
    if as_json:
        print_json(result.to_json())
    else:
        _print_fit(result)
    if result.checkpoint is not None:
        say(f"inklens: the same command with --resume goes on from {result.checkpoint}")
    if result.interrupted:
        say(f"inklens: stopped by Ctrl-C; {result.model} is the best model so far, with its bound")
        raise click.exceptions.Exit(130)


def _print_fit(result) -> None:
    n_coef = result.reader.coef.size
    before = f", {result.passes_before:g} of them before it was broken off" if result.passes_before else ""
    passes = f"{result.passes:g}{before}"
    rows = [
        *result.in_words(),
        ["objective", f"{result.objective:.6f}"],
        ["proven lower bound", f"{result.lower_bound:.6f}"],
        ["coefficients exactly 0", f"{result.zeros:,} of {n_coef:,} ({result.zeros / n_coef:.1%})"],
        ["accuracy, training rows", f"{result.accuracy['train']:.4f}"],
        ["accuracy, test rows", f"{result.accuracy['test']:.4f}"],
        ["stopped", result.stop_in_words()],
        ["passes over the data", passes],
        ["seconds", f"{result.seconds:.2f}"],
        *([] if result.workers is None else [["workers", result.workers.in_words()]]),
        ["model", result.model],
    ]
    print_table(["", ""], rows, left=(0, 1))
    if not Path(result.model).is_file():  # written to a device, it can be asked nothing
        return
    model = shlex.quote(result.model)
    say_next(
        (f"evaluate {model}", "how good it is, class by class"),
        (f"explain --model {model} --sample 0", "why test row 0 gets its answer"),
        (f"report {model}", "all of it as a page"),
    )


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@data_option(default=None)
@json_option
def verify(model: str, data: str | None, as_json: bool) -> None:
    """Compute the objective and the proven bound of MODEL again, from its file and its data alone.

    MODEL is what inklens fit wrote, or the JSON that inklens export made of it. Exit code 0 if both are what the file
    states, 1 if not. The solver is not used.

    \b
    Examples:
      inklens fit --l1-ratio 1 -o sparse.inklens
      inklens verify sparse.inklens
    """
    from inklens.reader import DigitReader
    from inklens.tasks.verification import verify as run

    with progress_bar() as progress:
        found = run(DigitReader.load(model), data=data, progress=progress)
    if as_json:
        print_json({"schema_version": 1, "model": model, **found.to_json()})
    else:
        names, stated = ("objective", "lower_bound", "relative_gap"), found.stated.numbers()
        rows = [[name.replace("_", " "), f"{stated[name]:.9g}", f"{getattr(found, name):.9g}"] for name in names]
        print_table(["", "stated", "computed again"], rows)
        if found.separated is not None:
            echo(f"separates the training rows: {'yes' if found.separated else 'NO'}")
        echo("The certificate holds." if found.holds else "The certificate does NOT hold.")
    if not found.holds:
        raise click.exceptions.Exit(1)


@click.command()
@data_option()
@split_options()
@click.option("--C", "C", type=float, default=1.0, show_default=True, metavar="X", help="Where the path ends.")
@click.option(
    "--points",
    type=click.IntRange(min=2, max=10_000),
    default=60,
    show_default=True,
    metavar="N",
    help="How many fits.",
)
@click.option(
    "--l1-ratio",
    type=Number(0, 1),
    default=1.0,
    show_default=True,
    metavar="R",
    help="1: L1; between 0 and 1: elastic net.",
)
@click.option("--group", is_flag=True, help="A pixel is used by all classes or by none.")
@click.option(
    "--standardize",
    is_flag=True,
    help="Penalise coefficients times their columns' standard deviations, as if columns had been scaled to 1.",
)
@click.option(
    "--max-pixels", type=click.IntRange(min=1), metavar="N", help="End where more than N pixels would be used."
)
@click.option(
    "--tol", type=Number(min=0), default=1e-3, show_default=True, metavar="T", help="Promised gap of every point."
)
@out_option("Draw the path (SVG or PNG).")
@json_option
def path(as_json: bool, out: str | None, **options) -> None:
    """Follow the model from a penalty that uses no pixel to a weak one, every point proven.

    \b
    Examples:
      inklens path -o path.svg
      inklens path --group --max-pixels 50
      inklens path --C 10 --points 100 --json > path.json
    """
    from inklens.tasks.paths import follow

    with progress_bar() as progress:
        run = follow(**options, progress=progress)
    if out:
        say(f"wrote {run.save_figure(out)}")
    if as_json:
        return print_json(run.to_json())
    points = run.to_json()["points"]
    print_table(
        ["C", "objective", "gap", "pixels", "coefficients", "training", "test"],
        [
            [f"{p['C']:.4g}", f"{p['objective']:.6g}", f"{p['relative_gap']:.0e}", p["pixels"], p["nonzeros"],
             f"{p['train_accuracy']:.4f}", f"{p['test_accuracy']:.4f}"]
            for p in points
        ],
    )  # fmt: skip
