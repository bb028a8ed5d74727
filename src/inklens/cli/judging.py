"""`inklens evaluate`, and the older names `certainty` and `mistakes` for parts of it."""

import shlex

import click

from inklens.cli.output import (
    Number,
    OutFigure,
    OutFile,
    OutFolder,
    data_option,
    json_option,
    most_option,
    out_option,
    part_option,
    print_json,
    print_table,
    program_name,
    progress_bar,
    refuse_but,
    refuse_given,
    sample_options,
    say,
    split_options,
)
from inklens.cli.photos import anyway_option
from inklens.cli.terminal import echo


def set_options(command):
    """--coverage and --sets."""
    options = [
        click.option(
            "--coverage",
            type=Number(0, 1, min_open=True, max_open=True),
            default=0.95,
            show_default=True,
            metavar="SHARE",
            help="With --certainty: how often a set is to hold the truth.",
        ),
        click.option(
            "--sets",
            "method",
            type=click.Choice(["threshold", "cumulative"]),
            default="threshold",
            show_default=True,
            help="With --certainty: smallest sets on average, or sets whose size follows how hard a picture is.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


images_argument = click.argument("images", nargs=-1, type=click.Path(allow_dash=True), metavar="[IMAGE]...")
model_argument = click.argument("model", type=click.Path(dir_okay=False))


@click.command()
@model_argument
@images_argument
@data_option(default=None)
@part_option
@split_options(seed=None)
@click.option("--certainty", is_flag=True, help='How sure it is: intervals, calibration, sets such as "4 or 9".')
@set_options
@click.option(
    "--mistakes", "cell", nargs=2, metavar="TRUE ANSWER", help="Open one cell of the confusion matrix: its images."
)
@most_option
@click.option("--predictions", type=OutFile(), metavar="CSV", help="Write every answer with its probabilities.")
@out_option(
    "Draw figures into that folder; with --mistakes, into one file (SVG or PNG).",
    metavar="DIR|FIGURE",
    formerly=("--figures",),
)
@anyway_option
@json_option
@click.pass_context
def evaluate(ctx, model, images, certainty: bool, cell, predictions, out, as_json: bool, **options) -> None:
    """Judge MODEL: accuracy, TP, TN, FP and FN per class, confusions in numbers and words.

    Without --data, the test rows of the model's own split are taken.

    \b
    Examples:
      inklens fit --l1-ratio 1 -o sparse.inklens
      inklens evaluate sparse.inklens -o figures
      inklens evaluate sparse.inklens --mistakes 4 9 -o fours-read-as-nines.png
      inklens evaluate sparse.inklens --certainty --coverage 0.9
      inklens evaluate sparse.inklens --certainty photo.jpg

    --certainty lets those rows set a temperature (one number that makes stated probabilities true on average) and the
    sets; how good both are is judged across two halves of the rows. The promise of the sets holds whatever the model
    is worth, for new pictures from the source of those rows, on average over them. A photo from elsewhere gets a set
    too, but no promise.
    """
    if not certainty:
        refuse_given(ctx, "goes with --certainty", "images", "coverage", "method", "anyway")
    if not cell:
        refuse_given(ctx, "goes with --mistakes", "most")
    if certainty or cell:
        refuse_given(ctx, "stands alone: leave out --certainty and --mistakes", "predictions")
    split = {name: options[name] for name in ("data", "train", "test", "seed")}
    refuse_but(OutFigure() if cell else OutFolder(), out, ctx)
    if certainty:
        refuse_given(ctx, "does not go with --certainty, which takes the test rows", "part", "cell")
        sets = {name: options[name] for name in ("coverage", "method", "anyway")}
        return show_certainty(model, images, out, as_json, **split, **sets)
    if cell:
        return show_mistakes(model, cell, options["most"], out, as_json, part=options["part"], **split)
    _show_scores(model, predictions, out, as_json, part=options["part"], **split)


def _show_scores(model: str, predictions: str | None, out: str | None, as_json: bool, **options) -> None:
    from inklens.reader import DigitReader
    from inklens.tasks.judging import evaluate as run

    with progress_bar() as progress:
        judged = run(DigitReader.load(model), **options, progress=progress)
    scores = judged.evaluation
    if out:
        from inklens.tasks.figures import save_confusions

        say("\n".join(f"wrote {path}" for path in save_confusions(scores, out)))
    if predictions:
        from inklens.storage import write_text

        write_text(predictions, judged.predictions)
        say(f"wrote {predictions}")
    if as_json:
        return print_json({"schema_version": 1, "model": model, **scores.to_json(), "notes": list(judged.notes)})
    for note in judged.notes:
        say(f"inklens: {note}")
    counts = zip(
        scores.classes,
        scores.true_positives,
        scores.true_negatives,
        scores.false_positives,
        scores.false_negatives,
        scores.recall,
        scores.precision,
        strict=True,
    )
    print_table(
        ["class", "TP", "TN", "FP", "FN", "recall", "precision"],
        [[name, *map(int, numbers[:4]), f"{numbers[4]:.3f}", f"{numbers[5]:.3f}"] for name, *numbers in counts],
    )
    echo()
    print_table(
        ["true \\ predicted", *scores.classes],
        [[name, *map(int, row)] for name, row in zip(scores.classes, scores.confusion, strict=True)],
        title="Confusion",
    )
    echo("\n" + "\n".join(scores.in_words()))


def show_certainty(
    model: str, images: tuple[str, ...], out: str | None, as_json: bool, *, anyway: bool = False, **options
) -> None:
    """Print how sure the answers are."""
    from inklens.reader import DigitReader
    from inklens.reprs import percent
    from inklens.tasks.certainty import judge_certainty, sets_of_pictures

    reader = DigitReader.load(model)
    with progress_bar() as progress:
        found = judge_certainty(reader, **options, progress=progress)
        answers = sets_of_pictures(found, images, anyway=anyway)
    if out:
        say("\n".join(f"wrote {path}" for path in found.save_figures(out)))
    if as_json:
        document = {"schema_version": 1, "model": model, **found.to_json()}
        return print_json({**document, "images": [answer.to_json() for answer in answers]} if images else document)
    for note in found.notes:
        say(f"inklens: {note}")
    for answer in answers:
        echo(
            f"{answer.name}: {click.style(answer.words, bold=True)}  "
            f"(alone: {answer.label}, {percent(answer.probability)})"
        )
    print_table(["", ""], _summary(found), left=(0, 1))
    echo("\n" + "\n".join(found.in_words()))


def _summary(found) -> list[list[str]]:
    sizes = found.to_json()["sets"]["sizes"]
    classes = ", ".join(f"{count:,} of {size}" for size, count in sizes.items())
    return [
        ["accuracy", f"{found.accuracy} with 95% confidence"],
        ["stated on average", f"{found.before.mean_confidence:.2%}"],
        ["calibration error", f"{found.before.expected_error:.4f}  ({found.before.chance_error:.4f} by chance)"],
        ["log loss, Brier score", f"{found.before.log_loss:.4f}, {found.before.brier_score:.4f}"],
        ["temperature", f"{found.temperature.value:.4f}"],
        ["sets hold the truth", f"{found.coverage}; promised {found.rule.coverage:.2%}"],
        ["classes in a set", classes],
    ]


def show_mistakes(model: str, cell, most: int, out: str | None, as_json: bool, **options) -> None:
    """Print the images of one cell; without one, of the most frequent confusion."""
    from inklens.reader import DigitReader
    from inklens.tasks.judging import evaluate
    from inklens.tasks.mistakes import open_cell
    from inklens.tasks.session import row_name

    with progress_bar() as progress:
        judged = evaluate(DigitReader.load(model), **options, progress=progress)
    for note in judged.notes:
        say(f"inklens: {note}")
    frequent = judged.evaluation.frequent_confusions(10)
    if not cell and not frequent:
        where = click.get_current_context()
        raise click.UsageError("there is no mistake to show; name a cell: --mistakes TRUE ANSWER", where)
    opened = open_cell(judged, *(cell or frequent[0][:2]))
    display = opened.display(most=most)
    if out:
        say(f"wrote {display.save(out)}")
    if as_json:
        return print_json({"schema_version": 1, "model": model, **opened.to_json()})
    echo(display.sentence)
    named = zip(opened.samples[:most].tolist(), opened.probability[:most], strict=True)
    rows = [[row_name(opened.part, sample), f"{p:.4f}"] for sample, p in named]
    if rows:
        print_table(["", f"P({opened.answer})"], rows)
        first = sample_options(int(opened.samples[0]), opened.part)
        say(f"The first of them: {program_name()} explain --model {shlex.quote(model)} {first}")
    if not cell:
        others = ", ".join(f"{true} as {answer} ({n})" for true, answer, n in frequent)
        echo(f"\nMost frequent confusions: {others}")


# ---- older names -----------------------------------------------------------------------------------------------------


@click.command("certainty")
@model_argument
@images_argument
@data_option(default=None)
@split_options(seed=None)
@set_options
@out_option("Draw calibration.svg and sets.svg there.", metavar="DIR", formerly=("--figures",))
@anyway_option
@json_option
def certainty(model: str, images, out: str | None, as_json: bool, **options) -> None:
    """Say how sure the answers are; today: inklens evaluate MODEL --certainty."""
    show_certainty(model, images, out, as_json, **options)


@click.command("mistakes")
@model_argument
@click.option("--cell", nargs=2, metavar="TRUE ANSWER", help="[default: the most frequent confusion]")
@data_option(default=None)
@part_option
@most_option
@out_option("Draw it there (SVG or PNG).")
@json_option
def mistakes(model: str, cell, most: int, out: str | None, as_json: bool, **options) -> None:
    """Open one cell of the confusion matrix; today: inklens evaluate MODEL --mistakes TRUE ANSWER."""
    show_mistakes(model, cell, most, out, as_json, **options)
