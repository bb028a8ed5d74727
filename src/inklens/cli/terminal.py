"""What reaches a terminal: text in which nothing is left that a terminal would obey, but our own bold.

Names of files and classes, labels, and what a model file tells of itself may hold anything. The one function that
prints escapes it; JSON is escaped by its own rules, so that it is valid UTF-8 whatever a path was.
"""

import json
import os
import re

import click

from inklens.names import DIRECTIONS, showable

# An escape sequence of `click.style(..., bold=True)`, or one character that is not for printing. C1 controls, and
# halves of characters (bytes of a path that is no UTF-8), are among the latter.
OBEYED = re.compile(rf"\x1b\[[01]m|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{DIRECTIONS}\ud800-\udfff]")
UNPRINTED = re.compile(rf"[\x7f-\x9f\u2028\u2029{DIRECTIONS}\ud800-\udfff]")  # what `json.dumps` leaves as it is


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a line on standard output or error, with control characters written as escapes."""
    click.echo(OBEYED.sub(_escaped, str(text)), err=err, nl=nl)


def shown(path: str | os.PathLike[str]) -> str:
    r"""Return a path as one line of text; bytes that are no UTF-8 are written as escapes.

    >>> shown("a\nb")
    'a\\nb'
    """
    return showable(os.fsencode(path).decode("utf-8", "backslashreplace"))


def json_text(document: object) -> str:
    r"""Return JSON that is valid UTF-8 whatever its texts are, on one line.

    >>> json_text({"path": "é\udcff\x9b"})
    '{"path": "é\\udcff\\u009b"}'
    """
    return UNPRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(document, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    return found[0] if len(found[0]) > 1 else showable(found[0])
