"""`inklens data limits`, and what `inklens flip --all` does; their older names are `limits` and `radii`."""

import click

from inklens.cli.output import (
    data_option,
    json_option,
    out_option,
    part_option,
    print_json,
    print_table,
    progress_bar,
    say,
    split_options,
)
from inklens.cli.terminal import echo


@click.command(short_help="Say what the training rows leave open: pixels, separation.")
@data_option()
@split_options()
@out_option("Draw pixels.svg and separation.svg there.", metavar="DIR", formerly=("--figures",))
@json_option
def limits(out: str | None, as_json: bool, **options) -> None:
    """Say what the training rows leave open: pixels without a say, and whether the classes can be separated.

    Fits without a penalty, and proves separation, or that an optimum exists, where it can.

    \b
    Examples:
      inklens data limits
      inklens data limits --train 0.5 --test 0.25 -o limits
    """
    from inklens.tasks.limits import find_limits

    with progress_bar() as progress:
        found = find_limits(**options, progress=progress)
    if out:
        say("\n".join(f"wrote {path}" for path in found.save_figures(out)))
    if as_json:
        return print_json(found.to_json())
    echo("\n".join([found.verdict, *found.silence.in_words()]))


def show_radii(model: str, out: str | None, as_json: bool, **options) -> None:
    """Print how far each digit is from another answer."""
    from inklens.reader import DigitReader
    from inklens.tasks.limits import measure_radii
    from inklens.tasks.session import row_name

    with progress_bar() as progress:
        found = measure_radii(DigitReader.load(model), **options, progress=progress)
    for note in found.notes:
        say(f"inklens: {note}")
    if out:
        say(f"wrote {found.display().save(out)}")
    if as_json:
        return print_json({"schema_version": 1, "model": model, **found.to_json()})
    quantiles = found.robustness.quantiles()
    print_table(
        ["share of digits that change within", "L1 (ink)", "L2", "L-infinity"],
        [[f"{level:.0%}", *(f"{quantiles[name][level]:.3g}" for name in quantiles)] for level in quantiles["l1"]],
    )
    nearest = [
        f"{row_name(found.part, i)} (a {found.labels[i]} read as {found.answers[i]}, "
        f"{found.robustness.boxed['l1'][i]:.2g})"
        for i in found.nearest(5)
    ]
    echo(f"Nearest to another answer: {', '.join(nearest)}")


@click.command("radii")
@click.argument("model", type=click.Path(dir_okay=False))
@data_option(default=None)
@part_option
@out_option("Draw it there (SVG or PNG).")
@json_option
def radii(model: str, out: str | None, as_json: bool, **options) -> None:
    """Measure how far each digit is from another answer; today: inklens flip --model MODEL --all."""
    show_radii(model, out, as_json, **options)
