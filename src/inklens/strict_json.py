"""JSON as RFC 8259 has it and nothing beyond: no NaN, no name twice, no depth or number that only an attack needs."""

import json
import math
import re
from typing import NoReturn

MAX_DEPTH = 32  # no document of ours is deeper than 6
MAX_DIGITS = 40  # of a number; a float64 needs 17


class JsonError(ValueError):
    """Bytes that are no JSON, or JSON that is refused; the text says why."""


def parse(data: bytes) -> object:
    """Return the value of a document.

    Raises
    ------
    JsonError
        It is not UTF-8, not JSON, too deep, has a number of too many digits, or a name twice in one object.

    >>> parse(b'{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parse(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    inklens.strict_json.JsonError: the name 'a' comes twice in one object
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise JsonError("JSON has to be UTF-8") from error
    if text.count("[") + text.count("{") > MAX_DEPTH and depth(text) > MAX_DEPTH:
        raise JsonError(f"JSON may be nested {MAX_DEPTH} deep")
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integer, parse_float=_number
        )
    except JsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise JsonError("it is no JSON") from error


_QUOTED = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def depth(text: str) -> int:
    """Return how deep brackets are nested, strings left out.

    >>> depth('[[{"a]": "[[["}]]')
    3
    """
    deepest = here = 0
    for bracket in _BRACKET.findall(_QUOTED.sub('""', text)):
        here += 1 if bracket in "[{" else -1
        deepest = max(deepest, here)
    return deepest


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonError(f"the name {twice[:40]!r} comes twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is no JSON number")


def _integer(text: str) -> int:
    return int(_short(text))


def _number(text: str) -> float:
    number = float(_short(text))
    if math.isinf(number):
        raise JsonError(f"the number {text} is beyond what float64 can hold")
    return number


def _short(text: str) -> str:
    if len(text) > MAX_DIGITS:
        raise JsonError(f"a number may have {MAX_DIGITS} characters")
    return text
