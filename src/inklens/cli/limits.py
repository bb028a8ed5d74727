"""`inklens limits` and `inklens radii`."""

import click

from inklens.cli.output import (
    data_option,
    json_option,
    part_option,
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
    "--figures", type=click.Path(file_okay=False), metavar="DIR", help="Write pixels.svg and separation.svg there."
)
@json_option
def limits(figures: str | None, as_json: bool, **options) -> None:
    """Say what the training rows leave open: pixels without a say, and whether the classes can be separated.

    Fits without a penalty, and proves separation, or that an optimum exists, where it can.

    \b
    Examples:
      inklens limits
      inklens limits --data idx:mnist --train 7500 --test 2500 --figures limits
    """
    from inklens.tasks.limits import find_limits

    with progress_bar() as progress:
        found = find_limits(**options, progress=progress)
    if figures:
        say("\n".join(f"wrote {path}" for path in found.save_figures(figures)))
    if as_json:
        return print_json(found.to_json())
    click.echo("\n".join([found.verdict, *found.silence.in_words()]))


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@data_option(default=None)
@part_option
@click.option("-o", "--out", type=click.Path(dir_okay=False), metavar="FIGURE", help="Draw it there (SVG or PNG).")
@json_option
def radii(model: str, out: str | None, as_json: bool, **options) -> None:
    """Measure how far each digit is from another answer of MODEL, exactly: in ink, in L2 and in change per pixel.

    \b
    Examples:
      inklens radii digits.inklens -o radii.svg
      inklens radii digits.inklens --part train --json
    """
    from inklens.reader import DigitReader
    from inklens.tasks.limits import measure_radii

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
        ["share of digits that change within", "L1 (ink)", "L2", "Linf"],
        [[f"{level:.0%}", *(f"{quantiles[name][level]:.3g}" for name in quantiles)] for level in quantiles["l1"]],
    )
    click.echo("Nearest to another answer: " + ", ".join(
        f"row {found.rows[i]} (a {found.labels[i]} read as {found.answers[i]}, {found.robustness.boxed['l1'][i]:.2g})"
        for i in found.nearest(5)
    ))  # fmt: skip
