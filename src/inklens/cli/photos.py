"""`inklens read` and `inklens collect`."""

import click

from inklens.cli.output import json_option, model_option, print_json, progress_bar, say


@click.command()
@model_option
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path(allow_dash=True))
@click.option("--one", "mode", flag_value="one", default=None, help="There is one digit on each picture.")
@click.option("--many", "mode", flag_value="many", help="There may be several, in rows.")
@click.option(
    "--recipe", type=click.Choice(["faithful", "otsu", "tutorial"]), help="How a photo becomes 28 x 28 pixels."
)
@click.option("--steps", type=click.Path(dir_okay=False), metavar="FIGURE", help="Draw each step of the recipe there.")
@click.option("--boxes", type=click.Path(dir_okay=False), metavar="FIGURE", help="Draw what was found on the picture.")
@json_option
def read(model: str | None, images: tuple[str, ...], mode, recipe, steps, boxes, as_json: bool) -> None:
    """Read handwritten digits from photos, scans or drawings ("-" reads a picture from standard input).

    \b
    Examples:
      inklens read photo.jpg
      inklens read --json *.png > answers.json
      inklens read --many --boxes found.png page.jpg
      inklens read --recipe tutorial --steps steps.png photo.jpg

    A picture that cannot be read gets an error of its own, the others are read, and the exit code is 1.
    """
    from inklens.workflow.reading import load_reader
    from inklens.workflow.reading import read as run

    if (steps or boxes) and len(images) > 1:
        raise click.UsageError("--steps and --boxes draw one picture; name only one", click.get_current_context())
    reader = load_reader(model).with_recipe(recipe)
    with progress_bar() as progress:
        results = run(images, reader=reader, many={"one": False, "many": True}.get(mode), progress=progress)
    if results[0].digits and (steps or boxes):
        _draw(images[0], results[0].digits, steps, boxes)
    if as_json:
        print_json({"schema_version": 1, "images": [result.to_json() for result in results]})
    else:
        for result in results:
            _print(result)
    if any(result.error for result in results):
        raise click.exceptions.Exit(1)


def _draw(picture: str, digits: list, steps: str | None, boxes: str | None) -> None:
    from inklens.workflow.figures import save_boxes, save_steps

    if steps:
        say(f"wrote {save_steps(digits[0], steps)}")
    if boxes:
        say(f"wrote {save_boxes(picture, digits, boxes)}")


def _print(result) -> None:
    name = click.format_filename(result.path)
    if result.error:
        return say(f"inklens: {name}: {result.error['message']}")
    if len(result.digits) == 1:
        (reading,) = result.digits
        return click.echo(
            f"{name}: {click.style(reading.label, bold=True)}  {reading.probability:.1%}{_doubt(reading)}"
        )
    for line in result.text_lines or ["(nothing)"]:
        click.echo(f"{name}: {click.style(line, bold=True)}")
    for number, reading in enumerate(result.digits, 1):
        if not reading.accepted:
            click.echo(f"  character {number}, {reading.label}{_doubt(reading)}")


def _doubt(reading) -> str:
    return "" if reading.accepted else f"  (not sure: {'; '.join(reading.reasons)})"


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path())
@click.option("--label", required=True, help="What is written on these pictures, such as 7.")
@click.option("--to", "folder", default="my-digits", show_default=True, type=click.Path(file_okay=False),
              metavar="DIR", help="Where the digits are kept, one sub-folder a label.")  # fmt: skip
def collect(images: tuple[str, ...], label: str, folder: str) -> None:
    """Keep your own digits, ready to be fitted.

    \b
    Examples:
      inklens collect --label 7 seven-1.jpg seven-2.jpg
      inklens fit --add my-digits -o mine.inklens
      inklens data info folder:my-digits
    """
    from inklens.workflow.collecting import collect as run

    with progress_bar() as progress:
        kept, refused = run(images, label=label, folder=folder, progress=progress)
    for path in kept:
        click.echo(click.format_filename(str(path)))
    for error in refused:
        say(f"inklens: {error}")
    if refused:
        raise click.exceptions.Exit(1)
