"""`inklens fit`, `evaluate`, `verify` and `path`."""

import click

from inklens.cli.output import (
    data_option,
    fit_monitor,
    json_option,
    print_json,
    print_table,
    progress_bar,
    say,
    split_options,
)


@click.command()
@data_option()
@split_options()
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
    type=float,
    default=0.0,
    show_default=True,
    metavar="R",
    help="0: L2, all coefficients small. 1: L1, many exactly 0. Between: elastic net.",
)
@click.option(
    "--tol",
    type=float,
    default=1e-4,
    show_default=True,
    metavar="T",
    help="Promise: (objective - proven bound) / objective is at most this.",
)
@click.option(
    "--time-budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop then, with the best model so far and its bound.",
)
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False), required=True, metavar="FILE", help="The model (.inklens)."
)
@json_option
def fit(as_json: bool, **options) -> None:
    """Fit a softmax regression and prove how close to the optimum it stopped.

    \b
    Examples:
      inklens fit -o digits.inklens
      inklens fit --C 1 --l1-ratio 1 --tol 1e-3 -o sparse.inklens
      inklens fit --data idx:mnist --train 7500 --test 2500 --seed 9 --C inf -o none.inklens

    The objective is C * (sum of the rows' losses) + penalty, the intercept unpenalised.
    """
    from inklens.workflow.models import fit as run

    with progress_bar() as progress, fit_monitor() as monitor:
        result = run(**options, progress=progress, callback=monitor)
    for warning in result.warnings:
        say(f"inklens: {warning}")
    if as_json:
        return print_json(result.to_json())
    n_coef = result.reader.coef.size
    print_table(
        ["", ""],
        [
            ["objective", f"{result.objective:.6f}"],
            ["proven lower bound", f"{result.lower_bound:.6f}"],
            ["relative gap", f"{result.relative_gap:.2e}  ({result.status})"],
            ["coefficients exactly 0", f"{result.zeros} of {n_coef} ({result.zeros / n_coef:.1%})"],
            ["accuracy, training rows", f"{result.accuracy['train']:.4f}"],
            ["accuracy, test rows", f"{result.accuracy['test']:.4f}"],
            ["passes over the data", f"{result.passes}"],
            ["seconds", f"{result.seconds:.2f}"],
            ["model", result.model],
        ],
        left=(0, 1),
    )


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@data_option(default=None)
@click.option(
    "--part",
    type=click.Choice(["test", "train", "all"]),
    default="test",
    show_default=True,
    help="Which rows of the split.",
)
@split_options(seed=None)
@click.option("--figures", type=click.Path(file_okay=False), metavar="DIR", help="Write the confusion matrices there.")
@json_option
def evaluate(model: str, figures: str | None, as_json: bool, **options) -> None:
    """Judge MODEL: accuracy, TP, TN, FP and FN per class, confusions in numbers and words.

    Without --data, the test rows of the model's own split are taken.

    \b
    Example:
      inklens evaluate sparse.inklens --figures figures
    """
    from inklens.reader import DigitReader
    from inklens.workflow.models import evaluate as run

    with progress_bar() as progress:
        judged = run(DigitReader.load(model), **options, progress=progress)
    scores = judged.evaluation
    if figures:
        from inklens.workflow.figures import save_confusions

        say("\n".join(f"wrote {path}" for path in save_confusions(scores, figures)))
    if as_json:
        return print_json({"schema_version": 1, "model": model, **scores.to_json(), "notes": list(judged.notes)})
    for note in judged.notes:
        say(f"inklens: {note}")
    counts = zip(
        scores.classes,
        scores.true_positives,
        scores.true_negatives,
        scores.false_positives,
        scores.false_negatives,
        scores.recall,
        scores.precision,
        strict=True,
    )
    print_table(
        ["class", "TP", "TN", "FP", "FN", "recall", "precision"],
        [[name, *map(int, numbers[:4]), f"{numbers[4]:.3f}", f"{numbers[5]:.3f}"] for name, *numbers in counts],
    )
    print_table(
        ["true \\ predicted", *scores.classes],
        [[name, *map(int, row)] for name, row in zip(scores.classes, scores.confusion, strict=True)],
        title="\nConfusion",
    )
    click.echo("\n" + "\n".join(scores.in_words()))
