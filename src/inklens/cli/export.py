"""`inklens export`."""

import sys

import click

from inklens.cli.output import Number, OutFile, data_option, json_option, print_json, progress_bar, refuse_given, say
from inklens.cli.terminal import echo

STDOUT = "-"


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option(
    "-o",
    "--out",
    required=True,
    type=OutFile(allow_dash=True),
    metavar="FILE",
    help="By its ending: .html, a live page; .json, weights and certificate; .onnx, for ONNX runtimes; .h, a C header. "
    '"-": the page on standard output.',
)
@click.option(
    "--path",
    "points",
    type=click.IntRange(0, 200),
    is_flag=False,
    flag_value=60,
    metavar="[N]",
    help="A slider over N fits, from a strong penalty to the model's own.  [default: 60 where its rows are known]",
)
@click.option(
    "--l1-ratio",
    "l1_ratios",
    multiple=True,
    type=Number(0.0, 1.0, min_open=True),
    metavar="SHARE",
    help="Also N fits with this share of L1 in the penalty: one more slider. Give it again for more shares.",
)
@click.option("--no-path", is_flag=True, help="No such slider: a smaller page, and nothing is fitted.")
@click.option(
    "--samples",
    type=click.IntRange(0, 5000),
    default=80,
    show_default=True,
    metavar="N",
    help="Test digits in the page to look at, mistakes among them.",
)
@click.option("--stops", is_flag=True, help="A second slider: what scikit-learn's saga has when it stops early.")
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
@click.option("--uint8", is_flag=True, help="The .onnx takes ink as bytes from 0 to 255, not as float32 from 0 to 1.")
@json_option
@click.pass_context
def export(ctx, model: str, out: str, as_json: bool, no_path: bool, uint8: bool, **options) -> None:
    """Write MODEL as one live page, or for other programs: as JSON, ONNX or C.

    The page is one file: it opens without a server and without a network, reads what is drawn on it, says why, and what
    would change its mind. The JSON holds all that the model file holds, and inklens reads it again; the ONNX file takes
    frames and gives labels and probabilities; the C header is for models on pixels.

    \b
    Examples:
      inklens fit --l1-ratio 1 -o sparse.inklens
      inklens export sparse.inklens -o page.html
      inklens export sparse.inklens --path 20 --l1-ratio 0.5 -o two-sliders.html
      inklens export sparse.inklens --no-path --lang de -o seite.html
      inklens export sparse.inklens -o sparse.json
      inklens verify sparse.json
      inklens export sparse.inklens -o sparse.onnx
      inklens export sparse.inklens -o sparse.h
    """
    from inklens.reader import DigitReader
    from inklens.tasks.exporting import export_c, export_onnx, export_page, export_weights, kind_of

    kind = kind_of(out)
    if out == STDOUT:
        refuse_given(ctx, "does not go with -o -, which prints the page", "as_json")
    if no_path:
        refuse_given(ctx, "contradicts --no-path; leave out one of them", "points", "l1_ratios")
        options["points"] = 0
    if kind != "html":
        refuse_given(ctx, "is about the page, and goes with -o FILE.html", "no_path", *options)
    if kind != "onnx":
        refuse_given(ctx, "is about the input of ONNX, and goes with -o FILE.onnx", "uint8")
    reader = DigitReader.load(model)
    if kind == "html":
        with progress_bar() as progress:
            result = export_page(reader, **options, progress=progress)
    elif kind == "onnx":
        result = export_onnx(reader, uint8=uint8)
    else:
        result = export_weights(reader) if kind == "json" else export_c(reader)
    _write(result.content, out)
    for note in result.notes:
        say(f"inklens: {note}")
    if as_json:
        return print_json({**result.to_json(), "model": model, "export": out})
    if out != STDOUT:
        echo(f"{out}: {len(result.content) / 1000:.0f} kB")


def _write(content: bytes, out: str) -> None:
    from inklens.storage import write_bytes

    if out == STDOUT:
        sys.stdout.buffer.write(content)
    else:
        write_bytes(out, content)
