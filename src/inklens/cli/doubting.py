"""`inklens labels`, `inklens refit` and `inklens mistakes`."""

from typing import TYPE_CHECKING

import click

from inklens.cli.output import (
    data_option,
    fit_monitor,
    json_option,
    part_option,
    print_json,
    print_table,
    progress_bar,
    say,
)

if TYPE_CHECKING:
    from inklens.tasks.session import Part

figure_option = click.option(
    "-o", "--out", type=click.Path(dir_okay=False), metavar="FIGURE", help="Draw it there (SVG or PNG)."
)
most_option = click.option(
    "-n", "most", type=click.IntRange(1, 1000), default=20, show_default=True, help="Images to show."
)


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@data_option(default=None)
@click.option(
    "--folds", type=click.IntRange(2, 100), default=5, show_default=True, help="Parts; each judged by the rest."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Deals the rows into parts.")
@most_option
@click.option(
    "--relabel", type=click.Path(dir_okay=False), metavar="CSV", help="Write a table to decide in, for inklens refit."
)
@figure_option
@json_option
def labels(
    model: str, data: str | None, most: int, relabel: str | None, out: str | None, as_json: bool, **options
) -> None:
    """Find training rows of MODEL that are probably labelled wrong, and say why.

    Every label is judged by a model like MODEL that was fitted without the row. How many labels are wrong is estimated
    from those that are confidently of another class; those furthest behind are listed. Fit with --features strokes
    first: the better the model, the fewer right labels it doubts.

    \b
    Examples:
      inklens fit --features strokes --C 0.1 -o judge.inklens
      inklens labels judge.inklens -o doubts.png --relabel doubts.csv
      inklens refit judge.inklens --relabel doubts.csv -o corrected.inklens

    In the table, write a class name into the column "decision", or "drop", or leave it empty to keep the label.
    """
    from inklens.reader import DigitReader
    from inklens.tasks.labels import suspect_labels
    from inklens.tasks.session import Session

    with progress_bar() as progress:
        session = Session.of(DigitReader.load(model), data=data, progress=progress)
        found = suspect_labels(session, **options, progress=progress)
    if relabel:
        path = found.save_table(relabel, session)
        say(f"wrote {path}: decide in it, then: inklens refit {model} --relabel {relabel} -o FILE")
    if out:
        say(f"wrote {found.display(most=most).save(out)}")
    if as_json:
        return print_json({"schema_version": 1, "model": model, **found.to_json()})
    suspects = found.errors.suspects
    click.echo(f"{len(suspects):,} of {len(found.index):,} labels are doubted, out of {options['folds']} folds.")
    shown = [found.entry(i, words=True) for i in suspects[:most].tolist()]
    if shown:
        print_table(["row", "given", "or", "log-odds", "because"], [_suspect(entry) for entry in shown], left=(1, 2, 4))


def _suspect(entry: dict) -> list:
    why = entry["why"][0] if entry["why"] else ""
    return [entry["row"], entry["given"], entry["suggested"], f"{entry['log_odds']:+.2f}", why]


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@data_option(default=None)
@click.option(
    "--relabel",
    type=click.Path(dir_okay=False),
    required=True,
    metavar="CSV",
    help="The table of inklens labels, decided.",
)
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False), required=True, metavar="FILE", help="The new model (.inklens)."
)
@json_option
def refit(model: str, data: str | None, relabel: str, out: str, as_json: bool) -> None:
    """Fit MODEL again with corrected labels, just as it was fitted, and say what changed.

    \b
    Example:
      inklens refit judge.inklens --relabel doubts.csv -o corrected.inklens

    Rows and split stay; the new model remembers the corrections, so that evaluate and verify use them too.
    """
    from inklens.reader import DigitReader
    from inklens.tasks.refitting import refit as run

    with progress_bar() as progress, fit_monitor() as monitor:
        changed = run(DigitReader.load(model), relabel, out=out, data=data, progress=progress, callback=monitor)
    if as_json:
        return print_json(changed.to_json())
    click.echo(f"{changed.n_relabelled} rows relabelled, {changed.n_dropped} left out; the model is in {out}")
    print_table(
        ["on the corrected labels", "before", "after"],
        [
            *[
                [f"right, {half} rows", f"{changed.before[half]:.4f}", f"{share:.4f}"]
                for half, share in changed.after.items()
            ],
            ["relabelled training rows read so", changed.agreed, changed.agrees],
        ],
    )
    click.echo(
        f"Answers changed: {changed.answers_changed['train']} on training rows, {changed.answers_changed['test']} on "
        f"test rows. Largest change of a coefficient: {changed.largest_change:.3g}."
    )


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option(
    "--cell", nargs=2, metavar="TRUE ANSWER", help="The cell to open.  [default: the most frequent confusion]"
)
@data_option(default=None)
@part_option
@most_option
@figure_option
@json_option
def mistakes(model: str, cell, data: str | None, part: "Part", most: int, out: str | None, as_json: bool) -> None:
    """Open one cell of MODEL's confusion matrix: its images, and what their ink says on average.

    \b
    Examples:
      inklens mistakes digits.inklens
      inklens mistakes digits.inklens --cell 4 9 -o fours-read-as-nines.png
    """
    from inklens.reader import DigitReader
    from inklens.tasks.judging import evaluate
    from inklens.tasks.mistakes import open_cell

    with progress_bar() as progress:
        judged = evaluate(DigitReader.load(model), data=data, part=part, progress=progress)
    for note in judged.notes:
        say(f"inklens: {note}")
    frequent = judged.evaluation.frequent_confusions(10)
    if not cell and not frequent:
        raise click.UsageError("there is no mistake to show; name a --cell", click.get_current_context())
    opened = open_cell(judged, *(cell or frequent[0][:2]))
    display = opened.display(most=most)
    if out:
        say(f"wrote {display.save(out)}")
    if as_json:
        return print_json({"schema_version": 1, "model": model, **opened.to_json()})
    click.echo(display.sentence)
    rows = [[row, f"{p:.4f}"] for row, p in zip(opened.rows[:most].tolist(), opened.probability[:most], strict=True)]
    if rows:
        print_table(["row", f"P({opened.answer})"], rows)
    if not cell:
        others = ", ".join(f"{true} as {answer} ({n})" for true, answer, n in frequent)
        click.echo(f"\nMost frequent confusions: {others}")
