"""JavaScript as tokens: as much of the grammar as joining modules and leaving out comments needs.

Strings, templates and regular expressions are whole tokens (a template: one for each stretch of its text), so what
stands inside them is never taken for code. A slash is a division after a value and begins a regular expression
elsewhere; after ``}`` that would need a parser, so it is refused there.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

COMMENT, SPACE, WORD, NUMBER = "comment", "space", "word", "number"
TEXT, REGEX, PUNCTUATION = "text", "regex", "punctuation"

# After these words comes an operand, so that a slash begins a regular expression.
OPERATORS = ("typeof", "in", "delete", "void", "new", "instanceof", "await")
STATEMENTS = ("return", "case", "throw", "do", "else", "yield")
BEFORE_OPERAND = frozenset((*OPERATORS, *STATEMENTS))
BEFORE_CONDITION = frozenset(("if", "while", "for", "with"))  # whose closing parenthesis is no end of a value

PLAIN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<space>\s+)
    |(?P<number>0[xXbBoO][\da-fA-F_]+n?|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?n?)
    |(?P<word>\#?[\w$]+)
    |(?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    |(?P<punctuation>=>|\+\+|--|\?\.(?!\d)|\.\.\.|[-+*/%&|^!~<>=?:;,.@(\[\])])""",
    re.DOTALL | re.VERBOSE,
)
REGULAR_EXPRESSION = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[\w$]*")
TEMPLATE_TEXT = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(?P<end>`|\$\{)", re.DOTALL)


class ModuleError(ValueError):
    """A module that cannot be joined; the text begins with its file and line."""


class Token(NamedTuple):
    """A piece of source, where it begins, and how many braces, brackets and parentheses are open there."""

    kind: str
    text: str
    at: int
    depth: int


class Reader:
    """Reads one module's source as tokens; the tokens' texts joined are the source."""

    def __init__(self, source: str, name: str) -> None:
        self.source, self.name = source, name
        self._open: list[tuple[str, str]] = []  # each bracket, with the word before it
        self._last: Token | None = None  # that is neither space nor comment
        self._is_name = False  # the last one is the name of a property, whatever word it is
        self._ends_value = False

    def tokens(self) -> Iterator[Token]:
        """Yield the tokens in order.

        >>> [token.text for token in Reader("a = `x${b}y`; // c", "m.js").tokens()]
        ['a', ' ', '=', ' ', '`x${', 'b', '}y`', ';', ' ', '// c']
        """
        at = 0
        while at < len(self.source):
            token = self._next(at)
            if token.kind not in (SPACE, COMMENT):
                self._is_name = self._last is not None and self._last.text in (".", "?.")
                self._ends_value = self._is_end_of_value(token)
                self._last = token
            yield token
            at += len(token.text)
        if self._open:
            raise self.error(at, f"{self._open[-1][0]!r} is not closed")

    def error(self, at: int, what: str) -> ModuleError:
        """Return the error about a place in the source."""
        return ModuleError(f"{self.name}:{self.line(at)}: {what}")

    def line(self, at: int) -> int:
        """Return the line of a place in the source, from 1."""
        return self.source.count("\n", 0, at) + 1

    def _next(self, at: int) -> Token:
        char, depth = self.source[at], len(self._open)
        if char == "`":
            return self._template(at)
        if char == "}":
            return self._closing_brace(at)
        if char == "{":
            self._open.append(("{", ""))
            return Token(PUNCTUATION, char, at, depth)
        if char == "/" and self.source[at + 1 : at + 2] not in ("/", "*") and not self._ends_value:
            return Token(REGEX, self._matched(REGULAR_EXPRESSION, at), at, depth)
        found = PLAIN.match(self.source, at)
        if found is None:
            raise self.error(at, f"{self.source[at : at + 20]!r} begins nothing known; write plain ES2022")
        token = Token(str(found.lastgroup), found[0], at, depth)
        if token.kind == PUNCTUATION:
            self._follow(token)
        return token

    def _follow(self, token: Token) -> None:
        """Keep account of parentheses and square brackets, and refuse a slash that may mean two things."""
        if token.text in ("(", "["):
            before = "" if self._last is None or self._is_name else self._last.text
            self._open.append((token.text, before))
        elif token.text in (")", "]"):
            wanted = "(" if token.text == ")" else "["
            if not self._open or self._open[-1][0] != wanted:
                raise self.error(token.at, f"{token.text!r} closes nothing")
        elif token.text == "/" and self._last is not None and self._last.text == "}":
            raise self.error(token.at, "a slash after '}' may divide or begin a regular expression; use parentheses")

    def _is_end_of_value(self, token: Token) -> bool:
        """Whether a slash after this token divides."""
        if token.text in (")", "]") and token.kind == PUNCTUATION:
            return self._open.pop()[1] not in BEFORE_CONDITION or token.text == "]"
        if token.kind == WORD:
            if token.text == "of":  # a name like any other, but in the head of a loop
                return not (self._open and self._open[-1] == ("(", "for"))
            return self._is_name or token.text not in BEFORE_OPERAND
        if token.kind == TEXT:
            return not token.text.endswith("${")
        return token.kind in (NUMBER, REGEX) or token.text in ("++", "--", "}")

    def _template(self, at: int) -> Token:
        depth = len(self._open)
        found = TEMPLATE_TEXT.match(self.source, at + 1)
        if found is None:
            raise self.error(at, "a template that does not end")
        if found["end"] == "${":
            self._open.append(("${", ""))
        return Token(TEXT, "`" + found[0], at, depth)

    def _closing_brace(self, at: int) -> Token:
        if not self._open or self._open[-1][0] not in ("{", "${"):
            raise self.error(at, "'}' closes nothing")
        bracket, _ = self._open.pop()
        if bracket == "{":
            return Token(PUNCTUATION, "}", at, len(self._open))
        rest = self._template(at)  # the next stretch of the template's text, which this brace begins
        return Token(TEXT, "}" + rest.text[1:], at, rest.depth)

    def _matched(self, pattern: re.Pattern[str], at: int) -> str:
        found = pattern.match(self.source, at)
        if found is None:
            raise self.error(at, "a regular expression that does not end")
        return found[0]


# ------------------------------------------------------------------------------------------------- shorter source

# A line that ends after the first, or before the second, does not end its statement, or the statement is over anyway.
CONTINUES_AFTER = (*"{([;,=:?&|<*%!~^.", "=>", "...")
CONTINUES_BEFORE = (*"})];,.:?=&|", "=>", "?.")
# Characters that together would be another token.
KEPT_APART = frozenset(("++", "--", "//", "/*", "<!", "->"))


def without_comments(tokens: Iterable[Token]) -> str:
    """Return the source without comments, and with as little space as leaves its meaning.

    >>> source = "/** Adds. */\\nconst add = (a, b) =>\\n  a + +b; // twice\\nlet s = 'a  //  b'"
    >>> without_comments(Reader(source, "m.js").tokens())
    "const add=(a,b)=>a+ +b;let s='a  //  b'"
    """
    shown: list[str] = []
    last, between = None, ""
    for token in tokens:
        if token.kind in (SPACE, COMMENT):
            between += token.text if token.kind == SPACE or "\n" in token.text else " "
            continue
        if last is not None and between:
            shown.append(_space(last, token, ends_line="\n" in between))
        shown.append(token.text)
        last, between = token, ""
    return "".join(shown)


def _space(left: Token, right: Token, *, ends_line: bool) -> str:
    """Return what has to stand between two tokens that something stood between."""
    inside_template = left.text.endswith("${") or (right.kind == TEXT and right.text.startswith("}"))
    continues = left.kind == PUNCTUATION and left.text in CONTINUES_AFTER
    continues |= right.kind == PUNCTUATION and right.text in CONTINUES_BEFORE
    if ends_line and not continues and not inside_template:
        return "\n"
    words = _is_wordlike(left.text[-1]) and _is_wordlike(right.text[0])
    words |= (left.kind == REGEX and right.kind == WORD) or (left.kind == NUMBER and right.text[0] == ".")
    return " " if words or left.text[-1] + right.text[0] in KEPT_APART else ""


def _is_wordlike(char: str) -> bool:
    return char.isalnum() or char in "_$#"
