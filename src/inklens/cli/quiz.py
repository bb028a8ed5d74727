"""`inklens quiz`."""

import io
import sys

import click

from inklens.cli.output import DataSpec, json_option, print_json, progress_bar, say
from inklens.cli.photos import anyway_option, digit_option
from inklens.cli.terminal import echo

LEAVE = ("q", "quit", "exit")
LINE_CHARACTERS = 10_000  # of an answer
MOST_TRIES = 100  # lines that are no choice, for one question


@click.command()
@click.option(
    "--model",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="A model made by inklens fit.  [default: one fitted to the embedded digits' pixels]",
)
@click.option("--photo", type=click.Path(), metavar="FILE", help="Ask about a digit in your own hand.")
@click.option(
    "--data", type=DataSpec(), metavar="SPEC", help="Where the digits come from.  [default: the model's own test rows]"
)
@click.option(
    "--rounds", type=click.IntRange(1, 1000), metavar="N", help="How many questions.  [default: 6; with --photo 3]"
)
@click.option(
    "--ask", "kinds", multiple=True, type=click.Choice(["answer", "place", "flip"]), help="Only such questions."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    metavar="N",
    help="The same number asks the same questions again.  [default: others each time]",
)
@digit_option
@anyway_option
@json_option
def quiz(model, photo, data, rounds, kinds, seed, digit, anyway: bool, as_json: bool) -> None:
    """Predict what the model says, which ink speaks for it and what would change its mind; then see its exact answer.

    Type a choice and press Enter; Enter alone shows the answer without a point, q leaves. Answers may come through a
    pipe, one a line.

    \b
    Examples:
      inklens quiz
      inklens quiz --photo my-four.jpg
      printf '4\\nA\\n9\\n' | inklens quiz --seed 1 --rounds 3 --json
    """
    from inklens.tutorial.quiz import KINDS, Score, questions, quiz_frames, quiz_reader

    if photo is None and (digit or anyway):
        raise click.UsageError("--digit and --anyway go with --photo", click.get_current_context())
    which = {"digit": digit, "anyway": anyway, "tell": lambda note: say(f"inklens: {note}")}
    with progress_bar() as progress:
        reader = quiz_reader(model)
        frames, names = quiz_frames(reader, photo=photo, data=data, progress=progress, **which)
    score, game = Score(), _Terminal(to_stderr=as_json)
    asked = questions(
        reader, frames, names, rounds=rounds or (3 if photo else 6), seed=_seed(seed), kinds=kinds or KINDS
    )
    try:
        for number, question in enumerate(asked, 1):
            game.play(number, question, score)
    except _Left as left:
        score.ended = str(left)
    except KeyboardInterrupt:
        score.ended = "Ctrl-C"
    game.show(f"\n{score}." if score.ended == "finished" else f"\nEnded by {score.ended}: {score}.")
    if as_json:
        print_json(score.to_json())
    if score.ended == "Ctrl-C":
        raise click.exceptions.Exit(130)


class _Left(Exception):
    """The player left, and how."""


class _Terminal:
    def __init__(self, *, to_stderr: bool) -> None:
        from inklens.cli.pictures import shows_blocks

        self.to_stderr, self.blocks = to_stderr, shows_blocks()
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="backslashreplace")

    def show(self, text: str) -> None:
        echo(text, err=self.to_stderr)

    def play(self, number: int, question, score) -> None:
        """Show the digit, ask, and answer in exact numbers."""
        from inklens.cli.pictures import change_marks, text_picture

        self.show(f"\n{click.style(f'Question {number}', bold=True)}\n")
        self.show(text_picture(question.frame, question.marks, blocks=self.blocks))
        self.show(f"\n{_wrap(question.text)}")
        given = self.ask(question.choices)
        right = score.add(question, given)
        verdict = "Right." if right else f"No, {question.right}." if given else f"{question.right}."
        self.show(f"{click.style(verdict, bold=True)} ({question.name})")
        if question.after is not None:
            marks = change_marks(question.frame, question.after)
            self.show(text_picture(question.after, marks, blocks=self.blocks))
            self.show("+ ink added, - ink erased")
        self.show("\n".join(_wrap(sentence) for sentence in question.explanation))

    def ask(self, choices: tuple[str, ...]) -> str:
        """Return a choice, or "" for a look at the answer."""
        by_name = {choice.lower(): choice for choice in reversed(choices)} | {choice: choice for choice in choices}
        for _ in range(MOST_TRIES):
            echo(f"{_listed(choices)} > ", nl=False, err=self.to_stderr)
            line = self.line()
            if not sys.stdin.isatty():
                self.show(line.strip())
            if not line:
                raise _Left("end of input")
            said = line.strip()
            for name in (said, said.lower()):
                if name in by_name:
                    return by_name[name]
            if said.lower() in LEAVE:
                raise _Left("you")
            if not said:
                return ""
            self.show(f"Please type one of {_listed(choices)}; Enter alone shows the answer, q leaves.")
        raise _Left("answers that are no choice")

    def line(self) -> str:
        """Return what was typed, of any bytes; nothing where nobody can type."""
        try:
            return sys.stdin.readline(LINE_CHARACTERS)
        except OSError:  # a folder, a terminal that has gone
            return ""


def _seed(seed: int | None) -> int:
    import secrets

    return secrets.randbits(32) if seed is None else seed


def _wrap(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 78)


def _listed(choices: tuple[str, ...]) -> str:
    return ", ".join(choices) if len(choices) <= 12 else f"{choices[0]}, {choices[1]}, ... {choices[-1]}"
