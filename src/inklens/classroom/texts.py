"""``answers.md``: the two explanations, as a file that any editor opens."""

import re
from pathlib import Path

from inklens.classroom.plain import read_plain
from inklens.classroom.work import MAX_TEXT
from inklens.errors import DataError

ANSWERS = "answers.md"
MAX_FILE_BYTES = 200_000
QUESTIONS = (
    "Why does the model read it as it does? Look at the evidence: where does your ink speak for the answer, and where "
    "for the class that comes second?",
    "What did you change, why did you expect the model to read it otherwise, and do its scores and its evidence bear "
    "that out?",
)
# Blanks are given back by no part of it: of a line of very many, all ways to deal them out would be tried.
HEADING = re.compile(r"^#++[^\S\n]*+Digit[^\S\n]++([12])[^\S\n]*+:?[^\S\n]*+$", re.IGNORECASE | re.MULTILINE)
QUOTE = ">"  # lines that begin so are the questions


def blank_answers(first: str = "", second: str = "") -> str:
    """Return the file with its questions, and the answers as far as they are known.

    >>> print(blank_answers("It has a bar at the top."))
    # My explanations
    <BLANKLINE>
    Write below each question, in your own words. Lines that begin with > are the questions and may stay.
    <BLANKLINE>
    ## Digit 1
    <BLANKLINE>
    > Why does the model read it as it does? ...
    <BLANKLINE>
    It has a bar at the top.
    <BLANKLINE>
    ## Digit 2
    ...
    """
    parts = [
        "# My explanations",
        f"Write below each question, in your own words. Lines that begin with {QUOTE} are the questions and may stay.",
    ]
    for number, (question, text) in enumerate(zip(QUESTIONS, (first, second), strict=True), 1):
        parts += [f"## Digit {number}", f"{QUOTE} {question}", text.strip()]
    return "\n\n".join(parts).rstrip() + "\n"


def parse_answers(text: str) -> tuple[str, str]:
    """Return the two explanations of the file.

    >>> parse_answers(blank_answers("Yes.", "No."))
    ('Yes.', 'No.')
    """
    pieces = HEADING.split(text)
    found = {"1": "", "2": ""}
    for number, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        lines = [line.rstrip() for line in piece.splitlines() if not line.lstrip().startswith(QUOTE)]
        found[number] = "\n".join(lines).strip()
    return found["1"], found["2"]


def read_answers(path: Path) -> tuple[str, str]:
    """Return the two explanations of a file.

    Raises
    ------
    DataError
        It is no plain file, no UTF-8 text, or longer than can be handed in.
    """
    try:
        text = read_plain(path, MAX_FILE_BYTES, "write shorter explanations").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{str(path)!r} is no UTF-8 text; save it as UTF-8 in your editor") from error
    answers = parse_answers(text)
    longest = max(map(len, answers))
    if longest > MAX_TEXT:
        raise DataError(f"an explanation in {str(path)!r} has {longest:,} characters; {MAX_TEXT:,} is the most")
    return answers
