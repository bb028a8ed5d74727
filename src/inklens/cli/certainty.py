"""`inklens certainty`, `inklens stability` and `inklens compare`."""

import click

from inklens.cli.output import data_option, json_option, print_json, print_table, progress_bar, say, split_options
from inklens.cli.photos import anyway_option


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.argument("images", nargs=-1, type=click.Path(allow_dash=True), metavar="[IMAGE]...")
@data_option(default=None)
@split_options(seed=None)
@click.option(
    "--coverage",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    metavar="SHARE",
    help="How often a set is to hold the truth.",
)
@click.option(
    "--sets",
    "method",
    type=click.Choice(["threshold", "cumulative"]),
    default="threshold",
    show_default=True,
    help="Smallest sets on average, or sets whose size follows how hard a picture is.",
)
@click.option("--figures", type=click.Path(file_okay=False), metavar="DIR", help="Write calibration.svg and sets.svg.")
@anyway_option
@json_option
def certainty(model: str, images: tuple[str, ...], figures: str | None, anyway: bool, as_json: bool, **options) -> None:
    """Say how sure the answers of MODEL are: intervals, calibration, and sets such as "4 or 9" with a promise.

    Without --data, the test rows of the model's own split are taken. They set a temperature (one number that makes
    stated probabilities true on average) and the sets; how good both are is judged across two halves of the rows.

    \b
    Examples:
      inklens certainty dense.inklens
      inklens certainty dense.inklens --coverage 0.9 --figures figures
      inklens certainty dense.inklens photo.jpg

    The promise of the sets holds whatever the model is worth, for new pictures from the source of those rows, on
    average over them. A photo from elsewhere gets a set too, but no promise.
    """
    from inklens.reader import DigitReader
    from inklens.tasks.certainty import judge_certainty, sets_of_pictures

    reader = DigitReader.load(model)
    with progress_bar() as progress:
        found = judge_certainty(reader, **options, progress=progress)
        answers = sets_of_pictures(found, images, anyway=anyway)
    if figures:
        say("\n".join(f"wrote {path}" for path in found.save_figures(figures)))
    if as_json:
        document = {"schema_version": 1, "model": model, **found.to_json()}
        return print_json({**document, "images": [answer.to_json() for answer in answers]} if images else document)
    for note in found.notes:
        say(f"inklens: {note}")
    for answer in answers:
        click.echo(
            f"{answer.name}: {click.style(answer.words, bold=True)}  (alone: {answer.label}, {answer.probability:.1%})"
        )
    print_table(["", ""], _summary(found), left=(0, 1))
    click.echo("\n" + "\n".join(found.in_words()))


def _summary(found) -> list[list[str]]:
    sizes = found.to_json()["sets"]["sizes"]
    classes = ", ".join(f"{count:,} of {size}" for size, count in sizes.items())
    return [
        ["accuracy", f"{found.accuracy} with 95 % confidence"],
        ["stated on average", f"{found.before.mean_confidence:.2%}"],
        ["calibration error", f"{found.before.expected_error:.4f}  ({found.before.chance_error:.4f} by chance)"],
        ["log loss, Brier score", f"{found.before.log_loss:.4f}, {found.before.brier_score:.4f}"],
        ["temperature", f"{found.temperature.value:.4f}"],
        ["sets hold the truth", f"{found.coverage}; promised {found.rule.coverage:.2%}"],
        ["classes in a set", classes],
    ]


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@data_option(default=None)
@click.option(
    "--by",
    type=click.Choice(["auto", "curvature", "halves", "bootstrap"]),
    default="auto",
    show_default=True,
    help="Curvature (L2 only), or refits on halves of the rows or on bootstrap samples of them.",
)
@click.option("--refits", type=click.IntRange(2, 10_000), default=50, show_default=True, help="How many refits.")
@click.option(
    "--tol",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-2,
    show_default=True,
    metavar="T",
    help="Promised gap of each refit.",
)
@click.option("-o", "--out", type=click.Path(dir_okay=False), metavar="FIGURE", help="Draw the maps (SVG or PNG).")
@json_option
def stability(model: str, out: str | None, as_json: bool, **options) -> None:
    """Say how sure the coefficients of MODEL are: would other rows of the same kind have given the same map?

    \b
    Examples:
      inklens stability sparse.inklens -o stable.png
      inklens stability sparse.inklens --by bootstrap --refits 200 --json
      inklens stability dense.inklens -o scatter.png

    An L1 fit chooses coefficients. It is repeated on complementary halves of the training rows, and each coefficient is
    shown with the share of the refits that choose it, and a bound on how many do so by chance. An L2 fit keeps all of
    them; the curvature of its objective gives each a standard deviation.
    """
    from inklens.reader import DigitReader
    from inklens.tasks.certainty import judge_coefficients

    with progress_bar() as progress:
        found = judge_coefficients(DigitReader.load(model), **options, progress=progress)
    if out:
        say(f"wrote {found.display().save(out)}")
    if as_json:
        return print_json({"schema_version": 1, "model": model, **found.to_json()})
    click.echo("\n".join(found.in_words()))


@click.command()
@click.argument("model_a", type=click.Path(dir_okay=False))
@click.argument("model_b", type=click.Path(dir_okay=False))
@data_option(default=None)
@split_options(seed=None)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False),
    metavar="FIGURE",
    help="Draw intervals and the pictures on which they part (SVG or PNG).",
)
@json_option
def compare(model_a: str, model_b: str, out: str | None, as_json: bool, **options) -> None:
    """Judge two models on the same rows: who is right where the other is wrong, and could that be chance?

    Without --data, the test rows of MODEL_A's own split are taken. Rows that either model was fitted on are left out,
    and that is said.

    \b
    Examples:
      inklens compare dense.inklens sparse.inklens
      inklens compare dense.inklens sparse.inklens -o apart.png
      inklens compare old.inklens new.inklens --data folder:my-digits --json

    Only rows on which exactly one is right tell the two apart. The exact McNemar test asks whether a fair coin would
    share these out so unevenly; Tango's interval says how large the difference may be.
    """
    from inklens.reader import DigitReader
    from inklens.tasks.comparing import compare as run
    from inklens.tasks.comparing import short_names

    readers = DigitReader.load(model_a), DigitReader.load(model_b)
    with progress_bar() as progress:
        found = run(*readers, names=short_names(model_a, model_b), **options, progress=progress)
    if out:
        say(f"wrote {found.display().save(out)}")
    if as_json:
        return print_json({"schema_version": 1, "model_a": model_a, "model_b": model_b, **found.to_json()})
    for note in found.notes:
        say(f"inklens: {note}")
    print_table(["", *found.names], _versus(found))
    click.echo(f"\nOn {found.data}:\n" + "\n".join(found.comparison.in_words(*found.names)))


def _versus(found) -> list[list[str]]:
    a, b = found.comparison.accuracies
    return [
        ["accuracy", f"{a.value:.2%}", f"{b.value:.2%}"],
        ["95 % interval", *(f"{x.low:.2%} to {x.high:.2%}" for x in (a, b))],
        ["right where the other is wrong", f"{len(found.comparison.only_a):,}", f"{len(found.comparison.only_b):,}"],
        ["coefficients not 0", *(f"{size['nonzeros']:,} of {size['coefficients']:,}" for size in found.sizes)],
        ["features in use", *(f"{size['features_in_use']:,}" for size in found.sizes)],
    ]
