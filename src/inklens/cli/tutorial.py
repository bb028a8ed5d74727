"""`inklens demo` and `inklens report`."""

import shlex
from pathlib import Path

import click

from inklens.cli.output import (
    Number,
    data_option,
    json_option,
    open_option,
    out_option,
    part_option,
    print_json,
    print_table,
    program_anywhere,
    progress_bar,
    say,
    say_next,
    show_page,
    split_of_run,
    split_options,
)
from inklens.cli.photos import anyway_option
from inklens.cli.terminal import echo, shown


def _out_option(default: str):
    help = "The report's folder; an older report there is replaced as a whole."
    return out_option(help, metavar="DIR", default=default, show_default=True)


@click.command()
@data_option()
@split_options()
@click.option("--photo", type=click.Path(dir_okay=False), metavar="FILE", help="A digit in your own hand.")
@click.option("--label", metavar="CLASS", help="What the photo was meant to be; the page then says right or wrong.")
@anyway_option
@click.option(
    "--pixel-filter",
    type=Number(0, 100),
    default=20,
    show_default=True,
    metavar="PERCENT",
    help="Share of the photo that the tutorial's recipe makes black.",
)
@_out_option("report")
@open_option
@json_option
def demo(data: str, out: str, open_page: bool | None, as_json: bool, **options) -> None:
    """Run the whole tutorial on real digits and write a report.

    Loads and splits the data, fits with and without penalties, proves how near the optimum each fit is, computes one
    answer by hand, judges, reads a picture, explains it, and turns C up and down. The report is one page that needs no
    network; the figures lie beside it.

    \b
    Examples:
      inklens demo
      inklens demo --photo my-seven.jpg --label 7
      inklens demo --data mnist --train 7500 --test 2500 --seed 9 -o mnist-report
    """
    from inklens.datasets import load_dataset
    from inklens.datasets.registry import absolute_spec
    from inklens.pages.shell import Shell
    from inklens.tutorial.page import run_tutorial

    spec = absolute_spec(data)
    shell = Shell(program_anywhere(), split_of_run(data=spec, **options).strip())
    with progress_bar() as progress:
        dataset = load_dataset(data, progress=progress)
        result = run_tutorial(dataset, out=out, **options, spec=spec, shell=shell, progress=progress)
    page = Path(out) / "index.html"
    if as_json:
        return print_json({**result.numbers(), "report": str(page)})
    print_table(
        ["fit", "objective", "proven bound", "zeros", "test accuracy", "seconds"],
        [
            [f.title, f"{f.objective:.4g}", f"{f.lower_bound:.4g}", f"{f.zero_share:.1%}", f"{f.test_accuracy:.4f}",
             f"{f.seconds:.2f}"]
            for f in result.fits.compared.values()
        ],
    )  # fmt: skip
    echo("\n" + "\n".join([f"{result.fits.l2.title}, with which the page reads:", *result.evaluation.in_words()]))
    if options["photo"]:
        echo("\n" + "\n".join(result.own.in_words()))
    echo(f"\nThe report: {shown(page)}")
    show_page(page, open_page)
    rows = split_of_run(data=data, **options)
    model = Path(out) / "model.inklens"
    say_next(
        *[(f"explain --model {shlex.quote(str(model))} --sample 0", "why the page's model says so of test row 0")]
        * model.exists(),
        (f"fit --C 10 --l1-ratio 1{rows} -o more.inklens", "C up: more pixels, closer to the training rows"),
        (f"fit --C 0.1 --l1-ratio 1{rows} -o few.inklens", "C down: fewer pixels, a simpler model"),
        ("evaluate few.inklens", "what that costs"),
        (f"demo --photo my-digit.jpg{rows} -o {shlex.quote(out)}", "your own digit in the same report"),
    )


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@data_option(default=None)
@part_option
@_out_option("model-report")
@click.option("--stability", is_flag=True, help="Add how sure the coefficients are (some seconds more).")
@open_option
@json_option
def report(model: str, out: str, open_page: bool | None, as_json: bool, **options) -> None:
    """Write a page about MODEL: its card and certificate, its maps, accuracy and mistakes, and how sure all that is.

    Without --data, the model is judged on the test rows of its own split.

    \b
    Examples:
      inklens fit --l1-ratio 1 -o sparse.inklens
      inklens report sparse.inklens -o sparse-report
      inklens report sparse.inklens --stability
    """
    from inklens.pages.model_page import write_model_page
    from inklens.pages.shell import Shell
    from inklens.reader import DigitReader

    shell = Shell(program_anywhere())
    with progress_bar() as progress:
        written = write_model_page(DigitReader.load(model), out=out, **options, shell=shell, progress=progress)
    page = Path(out) / "index.html"
    if as_json:
        return print_json({**written.numbers, "report": str(page), "notes": list(written.judged.notes)})
    for note in written.judged.notes:
        say(f"inklens: {note}")
    echo(f"The report: {shown(page)}")
    show_page(page, open_page)
