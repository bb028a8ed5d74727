"""`inklens read` and `inklens collect`."""

import os

import click

from inklens.cli.output import (
    Number,
    OutFigure,
    Renamed,
    cluster_of,
    dask_option,
    insecure_option,
    json_option,
    model_option,
    out_option,
    print_json,
    progress_bar,
    refuse_given,
    say,
)
from inklens.cli.terminal import echo, shown

MODES = {None: None, "one": False, "many": True}
UNREAD = "?"  # stands for a sign that gets no answer

anyway_option = click.option(
    "--anyway", is_flag=True, help="Answer even where a picture is refused: blank, cut off, not a digit, ..."
)
digit_option = click.option(
    "--digit",
    type=click.IntRange(1),
    metavar="N",
    help="Take the Nth digit of the picture, in reading order.  [default: the first that can be read]",
)


class PenWidth(click.ParamType):
    """auto, none, or a width relative to the digit's box."""

    name = "auto|none|WIDTH"

    def convert(self, value, param, ctx):
        """Turn 0.14 into a float; "none" leaves the pen as it is."""
        if value in ("auto", "none"):
            return value
        try:
            return float(value)
        except ValueError:
            self.fail(f"expected auto, none or a width such as 0.14, got {value!r}", param, ctx)


class ListFile(click.File):
    """A text to read line by line; what would be waited for, or read, for ever is refused."""

    def convert(self, value, param, ctx):
        """Open it, a line at a time."""
        from inklens.addresses import may_never_end

        if isinstance(value, str) and value != "-" and may_never_end(value):
            self.fail(f"{value!r} is no file, and may never end; - is standard input", param, ctx)
        return super().convert(value, param, ctx)


def recipe_options(command, *, without: str = ""):
    """Add the parameters of `Normaliser`, one left out perhaps; what is not given stays as the recipe has it."""
    options = {
        "recipe": click.option("--recipe", type=click.Choice(["faithful", "otsu", "tutorial"]),
                                  help="How a photo becomes 28 x 28 pixels: with care for shadows and lines, by one "
                                  "threshold, or as the tutorial does it.  [default: the model's own]"),
        "pixel_filter": click.option("--pixel-filter", type=Number(0, 100), metavar="PERCENT",
                                  help="tutorial: so much of the picture, the lightest, becomes paper.  [default: 20]"),
        "polarity": click.option("--polarity", type=click.Choice(["auto", "dark", "light"]),
                                  help="The ink is darker, or lighter, than its paper; auto: found out."),
        "threshold": click.option("--threshold", metavar="CONTRAST",
                                  type=Number(0, 1, min_open=True, max_open=True),
                                  help="Contrast to paper (0 to 1) from which a pixel is ink.  [default: Otsu's]"),
        "lines": click.option("--lines/--no-lines", default=None, help="Take printed lines out, or not."),
        "pen": click.option("--stroke-width", "pen", cls=Renamed, formerly=("--pen",), type=PenWidth(),
                            help="Draw strokes again with this width, relative to the digit's box; none: as they are."),
        "centre": click.option("--centre/--no-centre", default=None,
                               help="Move the ink's centre of mass to the middle, or not."),
        "orientation": click.option("--orientation", type=click.IntRange(1, 8), metavar="N",
                                    help="Turn the picture by this Exif orientation, not by the one in the file."),
    }  # fmt: skip
    for name in reversed(options):
        if name != without:
            command = options[name](command)
    return command


def given(settings: dict) -> dict:
    """Return the parameters that were given."""
    chosen = {name: value for name, value in settings.items() if value is not None}
    return {**chosen, "pen": None} if chosen.get("pen") == "none" else chosen


@click.command()
@model_option
@click.argument("images", nargs=-1, metavar="IMAGE...", type=click.Path(allow_dash=True))
@click.option("--one", "mode", flag_value="one", default=None, help="There is one digit on each picture.")
@click.option("--many", "mode", flag_value="many", help="There may be several, in rows.")
@recipe_options
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="How many processes.  [default: all cores]")
@click.option("--steps", type=OutFigure(), metavar="FIGURE", help="Draw each step of the recipe there.")
@click.option("--boxes", type=OutFigure(".png"), metavar="FIGURE", help="Draw what was found on the picture.")
@anyway_option
@dask_option
@insecure_option
@out_option("With --dask: the table, a folder of Parquet files.", metavar="DIR")
@click.option(
    "--list",
    "listed",
    type=ListFile("r", errors="surrogateescape"),
    metavar="FILE",
    help="With --dask: read the pictures named there, one a line; - for standard input.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="With --dask: pictures that are read and written at a time.  [default: 100 or more]",
)
@json_option
@click.pass_context
def read(
    ctx: click.Context,
    model: str | None,
    images: tuple[str, ...],
    mode,
    jobs,
    steps,
    boxes,
    anyway: bool,
    dask,
    insecure: bool,
    out,
    listed,
    batch,
    as_json: bool,
    **settings,
) -> None:
    """Read handwritten digits from photos, scans or drawings ("-" reads a picture from standard input).

    \b
    Examples:
      inklens read photo.jpg
      inklens read --json *.png > answers.json
      inklens read --many --boxes found.png page.jpg
      inklens read --recipe tutorial --steps steps.png photo.jpg
      inklens read scans --dask local:2 -o answers.parquet

    A picture that cannot be read gets an error of its own, the others are read, and the exit code is 1. A picture
    without a digit gets a reason and a remedy in place of an answer; --json has both, with "accepted": false.

    With --dask, images may be folders and patterns ("scans/**/*.png"), or addresses of such (s3://bucket/scans),
    millions of pictures in all. The table has a row for each; one that cannot be read has its error there. The same
    command again reads what is new or changed.
    """
    from inklens.tasks.reading import load_reader
    from inklens.tasks.reading import read as run

    if not images and listed is None:
        raise click.UsageError("Missing argument 'IMAGE...'", ctx)
    if dask is not None:
        refuse_given(ctx, "does not go with --dask", "jobs", "steps", "boxes", "anyway")
        return _read_into_table(
            images,
            model=model,
            many=MODES[mode],
            dask=dask,
            insecure=insecure,
            table=out,
            listed=listed or (),
            size=batch,
            as_json=as_json,
            settings=settings,
        )
    refuse_given(ctx, "goes with --dask, such as --dask local", "insecure", "out", "listed", "batch")
    if (steps or boxes) and len(images) > 1:
        raise click.UsageError("--steps and --boxes draw one picture; name only one", click.get_current_context())
    reader = load_reader(model).with_parameters(**given(settings))
    with progress_bar() as progress:
        results = run(images, reader=reader, many=MODES[mode], jobs=jobs or os.cpu_count() or 1, progress=progress)
    if results[0].digits and (steps or boxes):
        _draw(images[0], results[0].digits, reader, steps, boxes, anyway=anyway)
    if as_json:
        print_json({"schema_version": 1, "images": [result.to_json() for result in results]})
    else:
        for result in results:
            _print(result, anyway=anyway)
    if any(result.error for result in results):
        raise click.exceptions.Exit(1)


def _read_into_table(
    images: tuple[str, ...],
    *,
    model: str | None,
    many,
    dask: str,
    insecure: bool,
    table,
    listed,
    size,
    as_json: bool,
    settings: dict,
) -> None:
    from inklens.errors import require
    from inklens.tasks.reading import load_reader

    if table is None:
        raise click.UsageError(
            "--dask needs -o DIR, the folder of the table, such as -o answers.parquet", click.get_current_context()
        )
    cluster = cluster_of(dask, insecure=insecure)
    require("pyarrow", extra="parquet")
    from inklens.tasks.bulk.pictures import names_on
    from inklens.tasks.bulk.run import read_into_table

    reader = load_reader(model).with_parameters(**given(settings))
    with progress_bar() as progress:
        result = read_into_table(
            images,
            named=names_on(listed),
            table=table,
            reader=reader,
            cluster=cluster,
            many=many,
            size=size,
            progress=progress,
        )
    for note in result.notes:
        say(f"inklens: {note}")
    if as_json:
        print_json(result.to_json())
    else:
        for line in result.in_words():
            echo(line)
    if result.interrupted:
        say(f"inklens: stopped by Ctrl-C; {shown(table)} holds what was read, and the same command goes on from there")
        raise click.exceptions.Exit(130)


def _draw(picture: str, digits: list, reader, steps: str | None, boxes: str | None, *, anyway: bool) -> None:
    from dataclasses import replace

    from inklens.tasks.figures import save_boxes, save_steps

    if steps:
        say(f"wrote {save_steps(digits[0], steps, reader=reader)}")
    if boxes:
        shown = [digit if digit.accepted or anyway else replace(digit, label="") for digit in digits]
        say(f"wrote {save_boxes(picture, shown, boxes, orientation=reader.settings.get('orientation'))}")


def _print(result, *, anyway: bool) -> None:
    from inklens.reprs import percent

    name = shown(result.path)
    if result.error:
        return say(f"inklens: {name}: {result.error['message']}")
    if result.refusal and not anyway:
        return echo(f"{name}: {result.refusal}")
    if len(result.digits) == 1:
        (reading,) = result.digits
        answer = f"{click.style(reading.label, bold=True)}  {percent(reading.probability)}"
        return echo(f"{name}: {_doubt(reading)}{answer}")
    for line in result.lines:
        text = "".join(reading.label if reading.accepted or anyway else UNREAD for reading in line)
        echo(f"{name}: {click.style(text or '(nothing)', bold=True)}")
    for number, reading in enumerate(result.digits, 1):
        if not reading.accepted:
            what = f"{_doubt(reading)}{reading.label}" if anyway else _refusal(reading)
            echo(f"  digit {number}: {what}")


def _doubt(reading) -> str:
    return "" if reading.accepted else f"not sure, {'; '.join(reading.reasons)}: "


def _refusal(reading) -> str:
    from inklens.tasks.reading import refusal

    return refusal(reading.reasons)


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path())
@recipe_options
@anyway_option
@click.option("--label", required=True, help="What is written on these pictures, such as 7.")
@out_option("Where the digits are kept, one sub-folder a label.", metavar="DIR", formerly=("--to",),
            default="my-digits", show_default=True)  # fmt: skip
def collect(images: tuple[str, ...], label: str, out: str, anyway: bool, **settings) -> None:
    """Keep your own digits, ready to be fitted.

    \b
    Examples:
      inklens collect --label 7 seven-1.jpg seven-2.jpg
      inklens fit --add my-digits -o mine.inklens
      inklens data info folder:my-digits
    """
    from inklens.tasks.collecting import collect as run

    with progress_bar() as progress:
        kept, refused = run(images, label=label, folder=out, anyway=anyway, progress=progress, **given(settings))
    for path in kept:
        echo(shown(path))
    for error in refused:
        say(f"inklens: {error}")
    if refused:
        raise click.exceptions.Exit(1)
