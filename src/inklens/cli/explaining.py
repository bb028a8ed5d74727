"""`inklens explain`, `inklens flip` and `inklens votes`."""

from functools import partial

import click

from inklens.cli.limits import show_radii
from inklens.cli.output import (
    DataSpec,
    Number,
    Renamed,
    json_option,
    model_option,
    most_option,
    out_option,
    part_option,
    print_json,
    print_table,
    refuse_given,
    say,
)
from inklens.cli.photos import anyway_option, digit_option, given, recipe_options
from inklens.cli.terminal import echo, shown


def picture_options(command):
    """IMAGE, or --sample N of a half of --data."""
    options = [
        click.argument("image", required=False, type=click.Path(allow_dash=True)),
        click.option("--sample", type=int, metavar="N", help="Take row N (from 0) of the half --part of the data."),
        part_option,
        click.option(
            "--data",
            type=DataSpec(),
            metavar="SPEC",
            help="Where rows of data come from.  [default: the model's own data]",
        ),
        digit_option,
        anyway_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def load_frame(model, image, sample, part, data, settings):
    """Return the reader, the frame that was asked for and its name.

    `settings` is how a photo becomes a frame, which of its digits is taken, and whether a refused one is.
    """
    from inklens.tasks.explaining import picture_frame
    from inklens.tasks.reading import load_reader

    digit, anyway = settings.pop("digit"), settings.pop("anyway")

    if (image is None) == (sample is None):
        raise click.UsageError("name a picture, or a test row with --sample N", click.get_current_context())
    if image is None and (digit or anyway):
        raise click.UsageError("--digit and --anyway are for pictures, not for --sample", click.get_current_context())
    if sample is None:
        refuse_given(click.get_current_context(), "goes with --sample", "part")
    reader = load_reader(model).with_parameters(**given(settings))
    which = {"digit": digit, "anyway": anyway, "tell": lambda note: say(f"inklens: {note}")}
    return reader, *picture_frame(reader, image, sample=sample, part=part, data=data, **which)


@click.command()
@model_option
@picture_options
@click.option("--against", metavar="CLASS", help="Compare the answer with this class.  [default: the runner-up]")
@out_option("Draw the evidence (SVG or PNG).")
@click.option(
    "--view",
    type=click.Choice(["between", "classes"]),
    default="between",
    show_default=True,
    help="Draw the answer against another class, or the maps of every class.",
)
@click.option(
    "--colour-range",
    "scale",
    cls=Renamed,
    formerly=("--scale",),
    type=Number(min=0, min_open=True),
    metavar="R",
    default=0.5,
    show_default=True,
    help="With --view classes: colour range of the contributions, relative to the weights'.",
)
@recipe_options
@json_option
def explain(model, image, sample, part, data, against, out, view, scale, as_json: bool, **settings) -> None:
    """Show why IMAGE got its answer: what each pixel adds to it against another class, and to each class.

    \b
    Examples:
      inklens explain photo.jpg -o why.png
      inklens explain photo.jpg --against 9
      inklens fit --l1-ratio 1 -o sparse.inklens
      inklens explain --model sparse.inklens --sample 33 -o maps.svg --view classes

    The contributions of a class, summed over all pixels, plus its intercept are its score z; softmax of the scores
    gives the probabilities. The difference of two scores is the log-odds of their classes.
    """
    from inklens.tasks.explaining import explain_frame, save_explanation

    reader, frame, name = load_frame(model, image, sample, part, data, settings)
    evidence, against = explain_frame(reader, frame, against)
    if out:
        say(f"wrote {save_explanation(evidence, out, against=against, view=view, scale=scale)}")
    if as_json:
        return print_json({"schema_version": 1, "image": name, **evidence.to_json(against)})
    comma = "," if image is None else ""  # test row 33, a 4, is read as 9
    echo(f"{shown(name)}{comma} is read as {click.style(evidence.label, bold=True)}")
    print_table(["class", "adds", "takes", "intercept", "z", "probability"], _scores(evidence))
    echo(f"\nWhy {evidence.label} and not {against} (weights centred over all classes):")
    for line in evidence.in_words(evidence.label, against):
        echo(f"  {line}")


def _scores(evidence) -> list[list[str]]:
    columns = zip(
        evidence.classes,
        evidence.contributions,
        evidence.intercept,
        evidence.z,
        evidence.probabilities,
        strict=True,
    )
    return [
        [name, f"{c[c > 0].sum():+.3f}", f"{c[c < 0].sum():+.3f}", f"{b:+.3f}", f"{z:+.3f}", f"{p:.4f}"]
        for name, c, b, z, p in columns
    ]


@click.command()
@model_option
@picture_options
@click.option("--to", metavar="CLASS", help="The answer to reach.  [default: the nearest other answer]")
@click.option(
    "--norm",
    type=click.Choice(["ink", "energy", "pixels"]),
    default="ink",
    show_default=True,
    help="What is to be small: total ink added and erased, sum of squares, or number of pixels.",
)
@click.option(
    "--margin",
    type=Number(min=0),
    metavar="X",
    default=1e-6,
    show_default=True,
    help="Log-odds by which the new answer must win; 3 is 95% against 5%.",
)
@click.option(
    "--plausible",
    is_flag=True,
    help="Give no pixel more ink than 99 in 100 training images of the new answer have there.",
)
@click.option(
    "--pen",
    type=Number(0.5, 10),
    metavar="WIDTH",
    help="Change the answer with one straight stroke, drawn or erased, of a pen that many pixels wide "
    "(on features other than pixels, the best that a search finds).",
)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="For each row of --part, how far another answer is (models on pixels).",
)
@out_option("Draw it there (SVG or PNG).")
@partial(recipe_options, without="pen")  # here, --pen is that of the stroke to draw
@json_option
def flip(
    model, image, sample, part, data, to, norm, margin, plausible, pen, every, out, as_json: bool, **settings
) -> None:
    """Find the smallest change of ink that makes the model answer another class, and prove that none is smaller.

    \b
    Examples:
      inklens flip photo.jpg
      inklens flip photo.jpg --to 9 -o flip.png
      inklens flip photo.jpg --to 9 --plausible -o flip.png
      inklens flip photo.jpg --pen 2 -o stroke.png
      inklens fit --l1-ratio 1 -o sparse.inklens
      inklens flip --model sparse.inklens --sample 33 --norm pixels
      inklens flip --model sparse.inklens --all -o radii.svg

    The ink of the changed picture stays between paper and full ink. The lower bound is a proof: no change of less
    reaches that answer; with --plausible, no change that puts ink only where training images have it (those of
    --data, else of the model, else the digits in the package). With fewest pixels a smaller change may exist where
    the bound lies below the result; the strokes of --pen are searched one by one, and the bound is that of any change.
    For models on other features than pixels, such as the reader that ships, all of this is searched, nothing proven.
    """
    from inklens.tasks.explaining import flip_frame, save_flip, stroke_frame, training_ink

    if every:
        return _flip_all(model, out, as_json, part=part, data=data)
    if pen is not None and norm != "ink":
        raise click.UsageError("--pen counts ink; leave out --norm", click.get_current_context())
    if pen is not None and plausible:
        raise click.UsageError("--pen draws whole strokes; leave out --plausible", click.get_current_context())
    reader, frame, name = load_frame(model, image, sample, part, data, settings)
    drawable: list = []
    if pen is None:
        limits = training_ink(reader, data) if plausible else None
        found, radii = flip_frame(reader, frame, to, norm=norm, margin=margin, plausible=limits)
    else:
        found, radii, drawable = stroke_frame(reader, frame, to, width=pen, margin=margin)
    if out:
        say(f"wrote {save_flip(found, out, radius=radii.get('l1', {}).get('boxed'), pen=pen)}")
    if as_json:
        extra = {} if pen is None else {"strokes": [stroke.to_json() for stroke in drawable]}
        return print_json({"schema_version": 1, "image": name, **found.to_json(), "radius": radii, **extra})
    same = " already, nothing needs to change" if found.ink_changed == 0.0 else ""
    echo(f"{shown(name)}: {found.source} → {click.style(found.target, bold=True)}{same}")
    print_table(["", ""], _lines(found, radii), left=(0, 1))
    if drawable:
        print_table(["stroke", "to", "ink", "from row, col", "to row, col", "margin"], [_row(s) for s in drawable])


def _flip_all(model: str | None, out: str | None, as_json: bool, **options) -> None:
    ctx = click.get_current_context()
    others = {parameter.name for parameter in ctx.command.params} - {"model", "part", "data", "every", "out", "as_json"}
    refuse_given(ctx, "does not go with --all", *others)
    if model is None:
        raise click.UsageError("--all takes a model that says which rows it was fitted on; name it with --model", ctx)
    show_radii(model, out, as_json, **options)


def _row(stroke) -> list[str]:
    start, end = (f"{row:.1f}, {col:.1f}" for row, col in (stroke.start, stroke.end))
    return [stroke.kind, stroke.target, f"{stroke.ink:.2f}", start, end, f"{stroke.margin:+.3f}"]


def _lines(found, radii) -> list[list[str]]:
    from inklens.reprs import counted

    pixels = counted(found.pixels_changed, "pixel")
    cost = f"{found.cost:.6g}"
    size = {"ink": f"{cost} full pixels of ink", "energy": f"{cost} sum of squares", "pixels": pixels}[found.norm]
    proof = (
        f"proven smallest{' that is plausible' if found.plausible else ''}"
        if found.optimal
        else "by search, not proven smallest"
    )
    usual = f"no more ink in a pixel than images of {found.target} usually have there"
    boxed = [radii[measure]["boxed"] for measure in radii]
    radius = "no other answer within {:.4g} of ink (L1), {:.4g} (L2), {:.4g} a pixel (L-infinity)"
    return [
        ["change", f"{size} ({proof})"],
        ["proven lower bound", f"{found.lower_bound:.6g}" if radii else "none"],
        ["ink", f"{found.added:.4g} added, {found.erased:.4g} erased, in {pixels}"],
        ["margin", f"log-odds {found.margin:+.4g} to the next best class"],
        *([["plausible", usual]] if found.plausible else []),
        *([["radius", radius.format(*boxed)]] if boxed else []),
    ]


@click.command()
@model_option
@picture_options
@click.option("--for", "a", metavar="CLASS", help="Whose score to take apart.  [default: the answer]")
@click.option("--against", "b", metavar="CLASS", help="Take apart the log-odds against this class instead.")
@most_option
@out_option("Draw them there (SVG or PNG).")
@recipe_options
@json_option
def votes(model, image, sample, part, data, a, b, most, out, as_json: bool, **settings) -> None:
    """Show which training images speak for and against an answer.

    \b
    Examples:
      inklens fit --C 0.1 -o dense.inklens
      inklens votes --model dense.inklens photo.jpg -o votes.png
      inklens votes --model dense.inklens --sample 33 --against 9

    Under an L2 penalty a score is exactly a sum over the training images: each adds its likeness to the picture times
    what the model still gets wrong about it. What a fit left short of its optimum is stated as the remainder.
    The reader that ships does not hold its training images; a model of your own finds its.
    """
    from inklens.tasks.explaining import poll
    from inklens.tasks.session import row_name

    reader, frame, name = load_frame(model, image, sample, part, data, settings)
    result = poll(reader, frame, a, b, data=data)
    if out:
        say(f"wrote {result.save(out, most=most)}")
    document = result.to_json(most=most)
    if as_json:
        return print_json({"schema_version": 1, "image": name, **document})
    echo(f"{shown(name)}: {document['n_rows']:,} training images vote on {result.name}")
    rows = {"for": "votes for", "against": "votes against", "intercept": "intercept", "remainder": "remainder"}
    shares = [[words, f"{document['shares'][part]:+.6g}"] for part, words in rows.items()]
    print_table(["", ""], [*shares, ["sum", f"{document['shares']['total']:+.6g}"]])
    for side, entries in document["strongest"].items():
        strongest = ", ".join(
            f"{row_name(e['part'], e['sample'])} (a {e['label']}) {e['vote']:+.3g}" for e in entries[:5]
        )
        echo(f"strongest {side}: {strongest or 'none'}")
