"""`inklens labels`, and the older name `refit` for its second half."""

import shlex

import click

from inklens.cli.output import (
    OutFigure,
    OutFile,
    Renamed,
    data_option,
    fit_monitor,
    json_option,
    most_option,
    out_option,
    print_json,
    print_table,
    progress_bar,
    refuse_but,
    refuse_given,
    say,
    say_next,
)
from inklens.cli.terminal import echo


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@data_option(default=None)
@click.option(
    "--folds",
    type=click.IntRange(2, 100),
    default=5,
    show_default=True,
    metavar="N",
    help="Parts of the rows, each judged by a model that was fitted on the others.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Another number deals the rows into other parts.",
)
@most_option
@click.option(
    "--table",
    cls=Renamed,
    formerly=("--relabel",),
    type=OutFile(),
    metavar="CSV",
    help="Write a table to decide in, for --refit.",
)
@click.option("--refit", "decided", type=click.Path(dir_okay=False), metavar="CSV", help="Fit again as it was decided.")
@out_option("Draw them there (SVG or PNG); with --refit, the new model (.inklens).", metavar="FIGURE|FILE")
@json_option
@click.pass_context
def labels(ctx, model: str, data: str | None, decided: str | None, out: str | None, as_json: bool, **options) -> None:
    """Find training rows of MODEL that are probably labelled wrong, say why, and fit again without these errors.

    Every label is judged by a model like MODEL that was fitted without the row. How many labels are wrong is estimated
    from those that are confidently of another class; those furthest behind are listed. Fit with --features strokes
    first: the better the model, the fewer right labels it doubts.

    \b
    Examples:
      inklens fit --features strokes --C 0.1 -o judge.inklens
      inklens labels judge.inklens -o doubts.png --table doubts.csv
      inklens labels judge.inklens --refit doubts.csv -o corrected.inklens

    In the table, write a class name into the column "decision", or "drop", or leave it empty to keep the label. With
    --refit, rows and split stay as they were; the new model remembers the corrections, so that evaluate and verify use
    them too.
    """
    if decided is None:
        refuse_but(OutFigure(), out, ctx)
        return _show_suspects(model, data, out, as_json, **options)
    refuse_given(ctx, "does not go with --refit", "folds", "seed", "most", "table")
    if out is None:
        raise click.UsageError("--refit makes a model; name its file with -o FILE", ctx)
    _refit(model, data, decided, out, as_json)


def _show_suspects(
    model: str, data: str | None, out: str | None, as_json: bool, *, table: str | None, most: int, **options
) -> None:
    from inklens.reader import DigitReader
    from inklens.tasks.labels import suspect_labels
    from inklens.tasks.session import Session

    with progress_bar() as progress:
        session = Session.of(DigitReader.load(model), data=data, progress=progress)
        found = suspect_labels(session, **options, progress=progress)
    if table:
        path = found.save_table(table, session)
        again = f"labels {shlex.quote(model)} --refit {shlex.quote(table)} -o corrected.inklens"
        say(f"wrote {path}: decide in it")
        say_next((again, "fit again as it was decided"))
    if out:
        say(f"wrote {found.display(most=most).save(out)}")
    if as_json:
        return print_json({"schema_version": 1, "model": model, **found.to_json()})
    suspects = found.errors.suspects
    echo(f"{len(suspects):,} of {len(found.index):,} labels are doubted, out of {options['folds']} folds.")
    shown = [found.entry(i, words=True) for i in suspects[:most].tolist()]
    if shown:
        header = ["training row", "given", "or", "log-odds", "because"]
        print_table(header, [_suspect(entry) for entry in shown], left=(1, 2, 4))


def _suspect(entry: dict) -> list:
    why = entry["why"][0] if entry["why"] else ""
    return [entry["sample"], entry["given"], entry["suggested"], f"{entry['log_odds']:+.2f}", why]


def _refit(model: str, data: str | None, decided: str, out: str, as_json: bool) -> None:
    from inklens.reader import DigitReader
    from inklens.tasks.refitting import refit as run

    with progress_bar() as progress, fit_monitor() as monitor:
        changed = run(DigitReader.load(model), decided, out=out, data=data, progress=progress, callback=monitor)
    if as_json:
        return print_json(changed.to_json())
    rows = f"{changed.n_relabelled} row{'s' * (changed.n_relabelled != 1)}"
    echo(f"{rows} relabelled, {changed.n_dropped} left out; the model is in {out}")
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
    echo(
        f"Answers changed: {changed.answers_changed['train']} on training rows, {changed.answers_changed['test']} on "
        f"test rows. Largest change of a coefficient: {changed.largest_change:.3g}."
    )


@click.command("refit")
@click.argument("model", type=click.Path(dir_okay=False))
@data_option(default=None)
@click.option("--relabel", "decided", type=click.Path(dir_okay=False), required=True, metavar="CSV")
@out_option("The new model (.inklens).", metavar="FILE", required=True)
@json_option
def refit(model: str, data: str | None, decided: str, out: str, as_json: bool) -> None:
    """Fit again with corrected labels; today: inklens labels MODEL --refit CSV -o FILE."""
    _refit(model, data, decided, out, as_json)
