"""`inklens siblings`."""

import shlex

import click

from inklens.cli.output import (
    Number,
    data_option,
    json_option,
    open_option,
    out_option,
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
from inklens.cli.terminal import echo, shown


class Keys(click.ParamType):
    """Names with commas between them."""

    name = "NAME,..."

    def convert(self, value, param, ctx):
        """Turn "knn,tree" into its names."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


@click.command()
@data_option()
@split_options()
@click.option("--quick", is_flag=True, help="Fewer rows (1,000 and 500) and 10 seconds a model, unless given.")
@click.option(
    "--budget",
    type=Number(0, min_open=True),
    metavar="SECONDS",
    help="What one fit may take; histogram boosting gets half of it.  [default: 60]",
)
@click.option("--only", type=Keys(), default="", help="Only these, and ours: knn, tree, forest, strokes, rbf-svc ...")
@click.option(
    "--with",
    "named",
    multiple=True,
    metavar="MODULE:CLASS(...)",
    help="A further scikit-learn classifier; arguments are plain numbers and words. May be repeated.",
)
@click.option("--pair", nargs=2, metavar="A B", help="Two classes to tell apart in depth.  [default: 5 6]")
@click.option(
    "--jobs", "n_jobs", type=click.IntRange(1, 64), metavar="N", help="Models fitted at a time.  [default: 2]"
)
@click.option("--fresh", is_flag=True, help="Take nothing from the cache of earlier races.")
@out_option("The page: a file ending in .html, or a folder.", metavar="DIR|PAGE", default="siblings", show_default=True)
@open_option
@json_option
def siblings(out: str, open_page: bool | None, as_json: bool, quick: bool, fresh: bool, **options) -> None:
    """Let other classifiers race against softmax regression: how right, how fast, and how each decides.

    Nearest neighbours, a tree, bagging, a forest, AdaBoost, boosting, support vector machines, and softmax regression
    by scikit-learn and by inklens, on pixels and on strokes, learn from the same rows. Each runs in a process of its
    own with a budget of time. The page fills while they run, and shows the same misread digits decided by all.

    \b
    Examples:
      inklens siblings --quick
      inklens siblings --only knn,tree --budget 20 -o few
      inklens siblings --data mnist --train 12000 --test 2000 -o siblings.html
      inklens siblings --with "sklearn.naive_bayes:GaussianNB()"
    """
    from inklens.datasets import load_dataset
    from inklens.siblings.page import SiblingsPage
    from inklens.siblings.run import hurried, run_siblings

    rows = split_of_run(**options)
    wanted = False if as_json else open_page
    page = SiblingsPage.at(out, program=program_anywhere(), rows=rows, first=lambda file: show_page(file, wanted))
    with progress_bar() as progress:
        dataset = load_dataset(options.pop("data"), progress=progress)
        rules = hurried(dataset, **options) if quick else options
        done = run_siblings(dataset, **rules, cached=not fresh, changed=page.write, progress=progress)
    if as_json:
        return print_json({**done.to_json(), "page": str(page.file)})
    for note in done.notes:
        say(f"inklens: {note}")
    print_table(["", "right", "95% interval", "fit", "beside ours"], done.table())
    echo(f"\nThe page: {shown(page.file)}")
    say_next(
        (f"siblings{rows} --with 'sklearn.naive_bayes:GaussianNB()' -o {shlex.quote(out)}", "one more"),
        (f"fit --features strokes{rows} -o strokes.inklens", "ours, with better features"),
    )
