"""`inklens read`."""

import click

from inklens.cli.output import json_option, model_option, print_json, progress_bar, say


@click.command()
@model_option
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path(allow_dash=True))
@click.option("--one", "mode", flag_value="one", default=None, help="There is one digit on each picture.")
@click.option("--many", "mode", flag_value="many", help="There may be several, in rows.")
@click.option("--recipe", type=click.Choice(["faithful", "tutorial"]), help="How a photo becomes 28 x 28 pixels.")
@click.option("--steps", type=click.Path(dir_okay=False), metavar="FIGURE", help="Draw each step of the recipe there.")
@json_option
def read(model: str | None, images: tuple[str, ...], mode, recipe, steps: str | None, as_json: bool) -> None:
    """Read handwritten digits from photos, scans or drawings ("-" reads a picture from standard input).

    \b
    Examples:
      inklens read photo.jpg
      inklens read --json *.png > answers.json
      inklens read --recipe tutorial --steps steps.png photo.jpg

    A picture that cannot be read gets an error of its own, the others are read, and the exit code is 1.
    """
    from inklens.workflow.reading import load_reader
    from inklens.workflow.reading import read as run

    if steps and len(images) > 1:
        raise click.UsageError("--steps draws one picture; name only one", click.get_current_context())
    reader = load_reader(model).with_recipe(recipe)
    with progress_bar() as progress:
        results = run(images, reader=reader, progress=progress)
    if steps and results[0].digits:
        from inklens.workflow.figures import save_steps

        say(f"wrote {save_steps(results[0].digits[0], steps)}")
    if as_json:
        print_json({"schema_version": 1, "images": [result.to_json() for result in results]})
    else:
        for result in results:
            _print(result)
    if any(result.error for result in results):
        raise click.exceptions.Exit(1)


def _print(result) -> None:
    name = click.format_filename(result.path)
    if result.error:
        return say(f"inklens: {name}: {result.error['message']}")
    for reading in result.digits:
        doubt = "" if reading.accepted else f"  (not sure: {'; '.join(reading.reasons)})"
        click.echo(f"{name}: {click.style(reading.label, bold=True)}  {reading.probability:.1%}{doubt}")
