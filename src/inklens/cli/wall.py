"""`inklens class wall`."""

import click

from inklens.cli.output import json_option, open_option, out_option, print_json, progress_bar, say, show_page
from inklens.cli.terminal import echo, shown


@click.command(short_help="Make one page of what a class drew, and how it is read.")
@click.argument("folder", type=click.Path(file_okay=False), metavar="DIR")
@out_option("The page.", metavar="FILE", default="wall.html", show_default=True)
@click.option(
    "--model",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="The model that reads.  [default: the reader that ships]",
)
@click.option("--names", is_flag=True, help="Show names where students gave them; without it, students are numbers.")
@click.option("--no-refit", is_flag=True, help="Leave out the fits with the class's digits, which take some seconds.")
@json_option
@open_option
def wall(
    folder: str, out: str, model: str | None, names: bool, no_refit: bool, as_json: bool, open_page: bool | None
) -> None:
    """Make one page of a class's digits: what is read as what, whose 4 is a 9, and what they are worth to a fit.

    DIR holds files of digits: what the studio saves (.json), arrays (.npz), hand-ins (.inkwork). No network is needed,
    and nothing in the files is run; a file that cannot be read is named with its reason.

    \b
    Examples:
      inklens class wall digits
      inklens class wall digits -o wall.html --names
      inklens class wall hand-ins --model class.inklens --json
    """
    from pathlib import Path

    from inklens.classroom.drawn import read_class
    from inklens.classroom.wall import SHIPPED, make_wall
    from inklens.classroom.wall_page import write_wall
    from inklens.reader import DigitReader

    drawn = read_class(folder)
    reader = DigitReader.shipped() if model is None else DigitReader.load(model)
    title = SHIPPED if model is None else Path(model).stem
    with progress_bar() as progress:
        found = make_wall(drawn, reader, title=title, refit=not no_refit, progress=progress)
    write_wall(found, out, names=names)
    for note in found.notes:
        say(f"inklens: {note}")
    if as_json:
        return print_json({**found.to_json(), "page": out})
    from inklens.reprs import counted

    digits, students = counted(len(found.labels), "digit"), counted(len(drawn.students), "student")
    echo(f"{digits} of {students}, read as meant: {found.right}")
    say(f"inklens: open {shown(out)}")
    show_page(Path(out), open_page)
