"""`inklens export`."""

import sys

import click

from inklens.cli.output import OutFile, data_option, json_option, print_json, progress_bar, refuse_given, say

STDOUT = "-"


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option(
    "-o",
    "--out",
    required=True,
    type=OutFile(allow_dash=True),
    metavar="FILE",
    help='By its ending: .html, a live page; .json, weights, card and certificate. "-": the page on standard output.',
)
@click.option(
    "--path",
    "points",
    type=click.IntRange(0, 200),
    is_flag=False,
    flag_value=60,
    metavar="[N]",
    help="Optima from a strong penalty to the model's, to slide over.  [default: 60 where the model's rows are known]",
)
@click.option("--no-path", is_flag=True, help="None of them: a smaller page, and no fit.")
@click.option(
    "--samples",
    type=click.IntRange(0, 5000),
    default=80,
    show_default=True,
    metavar="N",
    help="Held-out digits to look at, the mistakes among them.",
)
@click.option("--stops", is_flag=True, help="Also what scikit-learn's saga has when it stops early, to slide over.")
@click.option(
    "--gate/--no-gate",
    default=True,
    help="Whether the page knows what digits look like, and refuses to read what does not.  [default: --gate]",
)
@data_option(default=None)
@click.option(
    "--lang",
    "language",
    type=click.Choice(["en", "de"]),
    default="en",
    show_default=True,
    help="The language of the page.",
)
@click.option("--title", metavar="TEXT", help="The page's heading.")
@json_option
@click.pass_context
def export(ctx, model: str, out: str, as_json: bool, no_path: bool, **options) -> None:
    """Write MODEL as one live page, or as JSON for other programs.

    The page is one file: it opens without a server and without a network, reads what is drawn on it, says why, and what
    would change its mind.

    \b
    Examples:
      inklens fit --l1-ratio 1 -o sparse.inklens
      inklens export sparse.inklens -o page.html
      inklens export sparse.inklens --no-path --lang de -o seite.html
      inklens export sparse.inklens -o weights.json
    """
    from inklens.reader import DigitReader
    from inklens.tasks.exporting import export_page, export_weights, kind_of

    if no_path:
        refuse_given(ctx, "contradicts --no-path; leave out one of them", "points")
        options["points"] = 0
    if kind_of(out) == "json":
        names = ("points", "no_path", "samples", "stops", "gate", "data", "language", "title")
        refuse_given(ctx, "is about the page, and goes with -o FILE.html", *names)
        result = export_weights(DigitReader.load(model))
    else:
        with progress_bar() as progress:
            result = export_page(DigitReader.load(model), **options, progress=progress)
    _write(result.text, out)
    for note in result.notes:
        say(f"inklens: {note}")
    if out != STDOUT and as_json:
        return print_json({**result.to_json(), "model": model, "export": out})
    if out != STDOUT:
        click.echo(f"{out}: {len(result.text.encode()) / 1000:.0f} kB")


def _write(text: str, out: str) -> None:
    from inklens.storage import write_text

    if out == STDOUT:
        sys.stdout.buffer.write(text.encode())
    else:
        write_text(out, text)
