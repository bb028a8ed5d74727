"""`inklens data list|info|limits|twins|fetch|clear`."""

from dataclasses import asdict

import click

from inklens.cli.limits import limits
from inklens.cli.output import (
    DataSpec,
    Number,
    json_option,
    out_option,
    print_json,
    print_table,
    progress_bar,
    say,
    split_options,
)
from inklens.cli.terminal import echo


@click.group()
def data() -> None:
    """List, inspect, fetch or clear data sets; say what they leave open.

    \b
    Examples:
      inklens data list
      inklens data info embedded
      inklens data fetch mnist
    """


@data.command("list", short_help="List what is known by name and what is cached.")
@json_option
def list_(as_json: bool) -> None:
    """List the data sets known by name, and what is in the cache.

    Any other data set of images on OpenML works too (openml:NAME@VERSION), and so do files of your own; see
    inklens fit --help for the ways to name them.
    """
    from inklens.datasets import available

    entries = available()
    if as_json:
        return print_json({"schema_version": 1, "datasets": [asdict(entry) for entry in entries]})
    print_table(
        ["data", "images", "classes", "here", "what"],
        [
            [
                e.spec,
                _number(e.n_samples),
                _number(e.n_classes),
                "yes" if e.cached else _size(e.download_bytes),
                e.title,
            ]
            for e in entries
        ],
        left=(0, 4),
    )


@data.command(short_help="Say what a data set holds.")
@click.argument("spec", type=DataSpec())
@click.option("--load/--no-load", default=None, help="Look into the images.  [default: if no download is needed]")
@json_option
def info(spec: str, load: bool | None, as_json: bool) -> None:
    """Say what the data set SPEC holds: classes, counts, inverted ink, constant pixels, duplicates.

    \b
    Examples:
      inklens data info embedded
      inklens data info idx:FOLDER --json
    """
    from inklens.tasks.data import look

    with progress_bar() as progress:
        facts, sentences = look(spec, load=load, progress=progress)
    if as_json:
        return print_json({"schema_version": 1, **facts})
    echo("\n".join(sentences))


@data.command(short_help="Download a data set and keep it.")
@click.argument("spec", type=DataSpec())
@json_option
def fetch(spec: str, as_json: bool) -> None:
    """Download the data set SPEC, check it, and keep it for work without a network.

    \b
    Examples:
      inklens data fetch mnist
      inklens data fetch fashion-mnist
    """
    from inklens.datasets import fetch as run

    with progress_bar() as progress:
        entry = run(spec, progress=progress)
    if as_json:
        return print_json({"schema_version": 1, **asdict(entry)})
    say(f"{entry.title}: in {entry.path} ({_size(entry.cached_bytes)})")


@data.command(short_help="Remove a data set from the cache.")
@click.argument("spec", type=DataSpec())
@json_option
def clear(spec: str, as_json: bool) -> None:
    """Remove the data set SPEC, or all, from the cache.

    \b
    Examples:
      inklens data clear mnist
      inklens data clear all
    """
    from inklens.datasets import clear as run

    freed = run(spec)
    if as_json:
        return print_json({"schema_version": 1, "freed_bytes": freed})
    say(f"freed {_size(freed)}")


@data.command(short_help="Find test images that nearly repeat a training image.")
@click.argument("spec", type=DataSpec())
@split_options()
@click.option(
    "--closest",
    type=Number(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    default=0.15,
    show_default=True,
    help="Largest distance of two images, as a share of their ink's norm.",
)
@click.option(
    "--shift", type=click.IntRange(0, 3), default=1, show_default=True, metavar="N", help="Largest shift in pixels."
)
@out_option("Draw the closest pairs there (SVG or PNG).")
@json_option
def twins(spec: str, out: str | None, as_json: bool, **options) -> None:
    """Find test images of SPEC that nearly repeat a training image, after a tiny shift.

    Without --train and --test, the source's own halves are compared where it has them. No pair within the distance
    is missed.

    \b
    Examples:
      inklens data twins embedded --test 0.3 -o twins.png
      inklens data twins idx:FOLDER
    """
    from inklens.tasks.twins import find_twins

    with progress_bar() as progress:
        found = find_twins(spec, **options, progress=progress)
    display = found.display()
    if out:
        say(f"wrote {display.save(out)}")
    if as_json:
        return print_json({"schema_version": 1, "data": spec, **found.to_json()})
    echo(f"{display.sentence}, {found.n_conflicting} of them with another label.")
    pairs = [
        [p["test_sample"], p["test_label"], p["train_sample"], p["train_label"], f"{p['distance']:.3f}"]
        for p in found.pairs[:20]
    ]
    if pairs:
        print_table(["test row", "label", "training row", "label", "distance"], pairs)


data.add_command(limits)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.0f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:,.0f} kB"
