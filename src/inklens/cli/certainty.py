"""`inklens stability` and `inklens compare`."""

import click

from inklens.cli.output import (
    Number,
    data_option,
    json_option,
    out_option,
    print_json,
    print_table,
    progress_bar,
    say,
    split_options,
)
from inklens.cli.terminal import echo


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@data_option(default=None)
@click.option(
    "--by",
    type=click.Choice(["auto", "curvature", "halves", "bootstrap"]),
    default="auto",
    show_default=True,
    help="Curvature (L2 only), or refits on halves of the rows or on bootstrap samples of them.",
)
@click.option(
    "--refits", type=click.IntRange(2, 10_000), default=50, show_default=True, metavar="N", help="How many refits."
)
@click.option(
    "--tol",
    type=Number(min=0, min_open=True),
    default=1e-2,
    show_default=True,
    metavar="T",
    help="Promised gap of each refit.",
)
@out_option("Draw the maps (SVG or PNG).")
@json_option
def stability(model: str, out: str | None, as_json: bool, **options) -> None:
    """Say how sure the coefficients of MODEL are: would other rows of the same kind have given the same map?

    \b
    Examples:
      inklens fit --l1-ratio 1 -o sparse.inklens
      inklens stability sparse.inklens -o stable.png
      inklens stability sparse.inklens --by bootstrap --refits 200 --json
      inklens fit --C 0.1 -o dense.inklens
      inklens stability dense.inklens -o scatter.png

    An L1 fit chooses coefficients. It is repeated on complementary halves of the training rows, and each coefficient is
    shown with the share of the refits that choose it, and a bound on how many do so by chance. An L2 fit keeps all of
    them; the curvature of its objective gives each a standard deviation.
    """
    from inklens.reader import DigitReader
    from inklens.tasks.certainty import judge_coefficients

    with progress_bar() as progress:
        found = judge_coefficients(DigitReader.load(model), **options, progress=progress)
    if out:
        say(f"wrote {found.display().save(out)}")
    if as_json:
        return print_json({"schema_version": 1, "model": model, **found.to_json()})
    echo("\n".join(found.in_words()))


@click.command()
@click.argument("model_a", type=click.Path(dir_okay=False))
@click.argument("model_b", type=click.Path(dir_okay=False))
@data_option(default=None)
@split_options(seed=None)
@out_option("Draw intervals and the pictures on which they part (SVG or PNG).")
@json_option
def compare(model_a: str, model_b: str, out: str | None, as_json: bool, **options) -> None:
    """Judge two models on the same rows: who is right where the other is wrong, and could that be chance?

    Without --data, the test rows of MODEL_A's own split are taken. Rows that either model was fitted on are left out,
    and that is said.

    \b
    Examples:
      inklens fit --C 0.1 -o dense.inklens
      inklens fit --l1-ratio 1 -o sparse.inklens
      inklens compare dense.inklens sparse.inklens -o apart.png
      inklens compare dense.inklens sparse.inklens --train 0.5 --test 0.5 --seed 1 --json

    Only rows on which exactly one is right tell the two apart. The exact McNemar test asks whether a fair coin would
    share these out so unevenly; Tango's interval says how large the difference may be.
    """
    from inklens.reader import DigitReader
    from inklens.tasks.comparing import compare as run
    from inklens.tasks.comparing import short_names

    readers = DigitReader.load(model_a), DigitReader.load(model_b)
    with progress_bar() as progress:
        found = run(*readers, names=short_names(model_a, model_b), **options, progress=progress)
    if out:
        say(f"wrote {found.display().save(out)}")
    if as_json:
        return print_json({"schema_version": 1, "model_a": model_a, "model_b": model_b, **found.to_json()})
    for note in found.notes:
        say(f"inklens: {note}")
    print_table(["", *found.names], _versus(found))
    echo(f"\nOn {found.data}:\n" + "\n".join(found.comparison.in_words(*found.names)))


def _versus(found) -> list[list[str]]:
    a, b = found.comparison.accuracies
    return [
        ["accuracy", f"{a.value:.2%}", f"{b.value:.2%}"],
        ["95% interval", *(f"{x.low:.2%} to {x.high:.2%}" for x in (a, b))],
        ["right where the other is wrong", f"{len(found.comparison.only_a):,}", f"{len(found.comparison.only_b):,}"],
        ["coefficients not 0", *(f"{size['nonzeros']:,} of {size['coefficients']:,}" for size in found.sizes)],
        ["features in use", *(f"{size['features_in_use']:,}" for size in found.sizes)],
    ]
