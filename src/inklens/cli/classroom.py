"""`inklens class`."""

import click

from inklens.cli.output import (
    json_option,
    open_option,
    out_option,
    print_json,
    print_table,
    progress_bar,
    say,
    show_page,
)
from inklens.cli.terminal import shown
from inklens.cli.wall import wall


@click.group(name="class")
def class_() -> None:
    """Check what a class handed in, and show what it drew, for a teacher.

    \b
    Examples:
      inklens class check hand-ins -o grades
      inklens class check hand-ins -o grades --model class.inklens
      inklens class wall digits -o wall.html
    """


class_.add_command(wall)


@class_.command(short_help="Compute a class's hand-ins again: what differs, what is shared.")
@click.argument("folder", type=click.Path(file_okay=False), metavar="DIR")
@out_option("Pages and tables; points that are typed there already are kept.", metavar="DIR", required=True)
@click.option(
    "--model",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="The model that the class was given.  [default: the reader that ships]",
)
@click.option("--unboxed", is_flag=True, help="Check even where the system cannot confine what reads hand-ins.")
@click.option(
    "--decimal-comma/--decimal-point",
    default=None,
    help="Semicolons between the columns of grades.csv and 1,5 in its cells, or commas and 1.5.  [default: as it is]",
)
@json_option
@open_option
def check(
    folder: str,
    out: str,
    model: str | None,
    unboxed: bool,
    decimal_comma: bool | None,
    as_json: bool,
    open_page: bool | None,
) -> None:
    """Compute every hand-in in DIR again, and say where the numbers differ, or pictures and words are shared.

    Nothing handed in is run: pictures are decoded in a process that can open nothing, the recipe and the model are run
    again, and each deliverable is compared. Points and comments that you type into grades.csv are kept when you check
    again. What a check cannot tell is who held the pen.

    \b
    Examples:
      inklens class check hand-ins -o grades
      inklens class check hand-ins -o grades --model class.inklens
      inklens class check hand-ins -o grades --json
    """
    from pathlib import Path

    from inklens.classroom.checking import check_class, some
    from inklens.classroom.grades import GRADES, OVERVIEW, read_table, verdict, write_grades

    read_table(Path(out) / GRADES)  # before the long part: a table that cannot be read ends it
    with progress_bar() as progress:
        found = check_class(folder, model=model, confined=not unboxed, progress=progress)
    write_grades(found, out, decimal_comma=decimal_comma)
    if as_json:
        return print_json({**found.to_json(), "grades": out})
    print_table(["", "", "check"], [[row.file, row.name, verdict(row)] for row in found.rows], left=(0, 1, 2))
    for note in found.notes:
        say(f"inklens: {note}")
    if found.others:
        say(f"inklens: no hand-ins, and not looked at: {shown(some(found.others))}")
    page = Path(out) / OVERVIEW
    say(f"inklens: open {shown(page)}; type points into {shown(out)}/grades.csv")
    show_page(page, open_page)
