"""`inklens homework`."""

import sys
from pathlib import Path

import click

from inklens.cli.output import (
    OutFolder,
    json_option,
    open_option,
    out_option,
    print_json,
    print_table,
    say,
    say_next,
    show_page,
)
from inklens.cli.photos import given, recipe_options
from inklens.cli.terminal import echo, shown

FOLDER = "my-homework"
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif")
MARKS = {True: "yes", False: "missing"}


@click.group()
def homework() -> None:
    """Hand in two digits of your own, and why a model reads them as it does.

    Write a digit, guess what the model will say, see its answer. Then write the same digit slightly changed, so that it
    is read otherwise: misread if the first was read right, read right if it was misread. Explain both.

    \b
    Examples:
      inklens homework new my-homework --photo four.jpg
      inklens homework new my-homework --photo four-changed.jpg
      inklens homework check my-homework
      inklens homework hand-in my-homework -o ada.inkwork
    """


def _recipe(command):
    """The recipe and those of its settings that a hand-in knows."""
    return recipe_options(command, without="orientation")


@homework.command()
@click.argument("places", nargs=-1, type=click.Path(), metavar="[DIR] [PHOTO1 [PHOTO2]]")
@out_option("The homework's folder, also DIR.", metavar="DIR")
@click.option("--photo", "photos", multiple=True, type=click.Path(), metavar="FILE", help="Digit 1, then digit 2.")
@click.option("--draw", is_flag=True, help="Draw the next digit in the browser instead.")
@click.option(
    "--digit", type=click.IntRange(1, 2), metavar="N", help="Which digit one picture is.  [default: the next]"
)
@click.option("--name", metavar="TEXT", help="Yours, for the page and the teacher.")
@click.option("--meant", multiple=True, metavar="CLASS", help="Which digit each is meant to be; once holds for both.")
@click.option("--guess", "guesses", multiple=True, metavar="CLASS", help="What the model will say of each.")
@click.option("--assignment", metavar="TEXT", help="What was asked, as heading.  [default: Try your own image]")
@click.option(
    "--model",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="The class's model.  [default: the reader that ships]",
)
@_recipe
@json_option
def new(
    places: tuple[str, ...],
    out: str | None,
    photos,
    draw: bool,
    digit: int | None,
    name,
    meant,
    guesses,
    assignment,
    model,
    as_json: bool,
    **settings,
) -> None:
    """Begin a homework, or put in other digits.

    It grows in the folder DIR; the digits come one by one or both at once. On a terminal you are asked for what is not
    said: your name, what the digit is meant to be, and your guess before the answer. Come again with another second
    photo as often as you like; the same picture keeps what was said of it.

    \b
    Examples:
      inklens homework new my-homework --photo four.jpg
      inklens homework new my-homework --photo four-changed.jpg
      inklens homework new four.jpg four-changed.jpg -o my-homework --model class.inklens
      inklens homework new my-homework --draw
      inklens homework new my-homework --name Ada --photo a.jpg --photo b.jpg --meant 4 --guess 4 --guess 9
    """
    from inklens.classroom import Homework

    folder, pictures = _places(places, out, photos)
    asked = _Terminal(interactive=_on_terminal() and not as_json, quiet=as_json)
    work = Homework(folder, name=name, model=model, assignment=assignment)
    made = [work.prepare(picture, **given(settings)) for picture in pictures]
    if not work.work.name and asked.interactive:
        work.sign(click.prompt("Your name"))
    numbers = _numbers(work, made, draw=draw, digit=digit)
    if draw:
        made.append(work.prepare(drawing=_drawn(numbers[-1])))
    said = {"meant": _each(meant, numbers, "meant"), "guess": _each(guesses, numbers, "guess")}
    for number, picture in zip(numbers, made, strict=True):
        _put(work, number, picture, {what: of[number] for what, of in said.items()}, asked)
    found = work.check()
    if as_json:
        return print_json({**found.to_json(), "folder": str(folder), "digits": _answers(work)})
    _say_gaps(found)
    at = shown(folder)
    say(f"All of it, to read and to print: {shown(folder / 'page.html')}")
    say_next(
        (f"homework new {at} --photo FILE", "the second digit, or another one in its place"),
        (f"homework check {at}", "what is there and what is missing"),
        (f"homework hand-in {at} -o mine.inkwork", "one file for your teacher"),
    )


@homework.command()
@click.argument("folder", default=FOLDER, type=click.Path(file_okay=False), metavar="[DIR]")
@json_option
def check(folder: str, as_json: bool) -> None:
    """Say what is there and what is missing.

    Each digit has seven deliverables. Where one is missing, the exit code is 1.

    \b
    Examples:
      inklens homework check
      inklens homework check my-homework --json
    """
    work = _opened(folder)
    found = work.check()
    if as_json:
        print_json({**found.to_json(), "folder": folder, "digits": _answers(work)})
    else:
        _print_table(work, found)
        _say_gaps(found)
    if not found.complete:
        raise click.exceptions.Exit(1)


@homework.command("hand-in")
@click.argument("folder", default=FOLDER, type=click.Path(file_okay=False), metavar="[DIR]")
@out_option("The file to hand in.  [default: NAME.inkwork]", metavar="FILE")
@open_option
@json_option
def hand_in(folder: str, out: str | None, open_page: bool | None, as_json: bool) -> None:
    """Write the homework as one file.

    It is a NAME.inkwork, with everything that was computed and a page to read and print, which also stays in the folder
    as page.html. What is missing is said, and the file is written all the same; on a terminal you are asked first.

    \b
    Examples:
      inklens homework hand-in my-homework -o ada.inkwork
      inklens homework hand-in my-homework -o ada.inkwork --json
    """
    work = _opened(folder)
    if _on_terminal() and not as_json and not work.check().complete:
        _say_gaps(work.check())
        if not click.confirm("Hand it in like this?"):
            return say("Nothing was written.")
    out = out or f"{_file_name(work.work.name)}.inkwork"
    found = work.hand_in(out)
    if as_json:
        return print_json({**found.to_json(), "folder": folder, "file": out, "bytes": Path(out).stat().st_size})
    echo(f"{shown(out)}: {Path(out).stat().st_size / 1000:.0f} kB")
    _say_gaps(found)
    show_page(Path(folder) / "page.html", open_page)


# ------------------------------------------------------------------ parts of `new`


def _places(places: tuple[str, ...], out: str | None, photos: tuple[str, ...]) -> tuple[Path, list[str]]:
    """Return the folder and the pictures: the first of `places` is the folder unless it is a picture."""
    named = list(places)
    if out is None and named and not (Path(named[0]).is_file() or Path(named[0]).suffix.lower() in PICTURES):
        out = named.pop(0)
    pictures = [*named, *photos]
    if len(pictures) > 2:
        raise click.UsageError(f"a homework has two digits, got {len(pictures)} pictures", click.get_current_context())
    return Path(OutFolder().convert(out or FOLDER, None, click.get_current_context())), pictures


def _numbers(work, made: list, *, draw: bool, digit: int | None) -> list[int]:
    """Return which digit each new picture is: both, or the one that is asked for, or the next one."""
    count = len(made) + draw
    if count > 2 or (digit and count != 1):
        what = f"--digit {digit} goes with one picture" if digit else "a homework has two digits"
        raise click.UsageError(f"{what}, got {count}", click.get_current_context())
    if count != 1:
        return list(range(1, count + 1))
    first = work.work.digits[0]
    again = first is None or (made and work.known(1, made[0]) is not None)
    return [digit or (1 if again else 2)]


def _each(said: tuple[str, ...], numbers: list[int], what: str) -> dict[int, str | None]:
    """Return what was said of each new digit; what both are meant to be may be said once."""
    if len(said) > len(numbers):
        raise click.UsageError(
            f"--{what} is said once for each new digit; name its picture again, too", click.get_current_context()
        )
    rest = said[-1] if said and what == "meant" else None
    return {number: said[i] if i < len(said) else rest for i, number in enumerate(numbers)}


def _put(work, number: int, made, said: dict, asked: "_Terminal") -> None:
    """Ask what is not known of a picture, then put it in and tell the answer; digit 2 is the first one, changed."""
    before = work.known(number, made)
    first = work.work.digits[0]
    if number == 2 and before is None and first is not None:
        said = {**said, "meant": said["meant"] or first.meant}
    known = {what: of or (getattr(before, what) if before else None) for what, of in said.items()}
    for note in made.notes:
        say(f"inklens: digit {number}: {note}")
    digit = work.put(number, made, **(asked.about(work, number, made, known) if None in known.values() else known))
    asked.tell(number, digit)


class _Terminal:
    """Asks a person, where there is one."""

    def __init__(self, *, interactive: bool, quiet: bool) -> None:
        self.interactive, self.quiet = interactive, quiet

    def about(self, work, number: int, made, known: dict) -> dict:
        """Show the frame and ask what is not known yet, the guess last."""
        from inklens.cli.pictures import shows_blocks, text_picture

        if not self.interactive:
            return known
        echo(f"\n{click.style(f'Digit {number}', bold=True)}, as the model sees it\n")
        echo(text_picture(made.framed.frame / 255, blocks=shows_blocks()))
        classes = click.Choice(work.reader.classes)
        questions = {"meant": "Which digit is it meant to be?", "guess": "What will the model say?"}
        return {
            what: known[what] or click.prompt(question, type=classes, show_choices=len(work.reader.classes) <= 12)
            for what, question in questions.items()
        }

    def tell(self, number: int, digit) -> None:
        """Tell the answer, and what is to be done next."""
        from inklens.reprs import percent

        if self.quiet:
            return
        verdict = "" if digit.outcome is None else f", {digit.outcome}"
        sure = percent(digit.probabilities[digit.label])
        echo(f"digit {number}: {click.style(digit.label, bold=True)}  {sure}{verdict}")
        if number == 1 and digit.outcome is not None and self.interactive:
            turn = "misread" if digit.outcome == "read right" else "read right"
            echo(f"Now change the digit slightly, so that it is {turn}.")


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _drawn(number: int):
    from inklens.classroom.drawing import draw

    return draw(number, tell=lambda address: say(f"inklens: draw digit {number} at {address} (Ctrl-C leaves)"))


# ------------------------------------------------------------------ what is printed


def _opened(folder: str):
    from inklens.classroom import Homework
    from inklens.errors import DataError

    if not (Path(folder) / "work.json").is_file():
        raise DataError(f"there is no homework in {folder!r}; begin one: inklens homework new {folder} --photo FILE")
    return Homework(folder)


def _print_table(work, found) -> None:
    name = work.work.name or "(no name)"
    rows = [[part, *(MARKS[found.done[number][part]] for number in (1, 2))] for part in found.done[1]]
    for what in ("meant", "guess", "label"):
        of = [getattr(digit, what, None) or "missing" for digit in work.work.digits]
        rows.append([{"meant": "meant to be", "guess": "your guess", "label": "the model says"}[what], *of])
    print_table(["", "digit 1", "digit 2"], rows, title=f"{work.work.assignment}: {name}", left=(0, 1, 2))


def _say_gaps(found) -> None:
    if found.complete:
        return say("Complete: nothing is missing.")
    say("\n".join(["Still missing:", *(f"  - {gap.words}" for gap in found.missing)]))


def _answers(work) -> list[dict | None]:
    names = ("meant", "guess", "claim", "label", "outcome", "probabilities")
    return [None if digit is None else {name: getattr(digit, name) for name in names} for digit in work.work.digits]


def _file_name(name: str) -> str:
    """Return a name that any system takes for a file.

    >>> _file_name("Ada Lovelace"), _file_name("../x"), _file_name("")
    ('ada-lovelace', 'x', 'homework')
    """
    kept = "".join(char if char.isalnum() else " " for char in name.lower())
    return "-".join(kept.split())[:60].rstrip("-") or "homework"
