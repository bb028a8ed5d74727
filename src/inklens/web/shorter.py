"""Modules made shorter: what nobody uses is left out, and variables get names of a letter or two.

Both go by words alone, so both are careful. A declaration stays if its name stands anywhere in what stays. A variable
is renamed in a whole module at once, and only if its name stands nowhere in that module as a property, a key, a member
of a class, or a browser's own name; so every scope keeps its shape.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from string import ascii_letters, digits

from inklens.web.tokens import COMMENT, PUNCTUATION, SPACE, TEXT, WORD, Token

KEYWORDS = """
    arguments as async await break case catch class const constructor continue debugger default delete do else eval
    export extends false finally for from function get if import in instanceof let new null of return set static super
    switch this throw true try typeof undefined var void while with yield
"""
# What the face calls by its name in a browser; a test in a browser finds what is missing here.
GLOBALS = """
    Array ArrayBuffer Blob Boolean CSSStyleSheet DataView DecompressionStream Error EventSource Float32Array
    Float64Array FormData Infinity Int16Array Int32Array Int8Array IntersectionObserver Intl JSON Map Math NaN Number
    Object OffscreenCanvas Path2D Promise RangeError ResizeObserver Response Set String Symbol TextDecoder TypeError
    URL URLSearchParams Uint16Array Uint32Array Uint8Array WeakMap XMLSerializer addEventListener atob btoa
    clearTimeout close createImageBitmap document encodeURIComponent event fetch getComputedStyle globalThis history
    length location matchMedia name navigator open origin parent parseInt performance removeEventListener
    requestAnimationFrame scroll setTimeout status stop toolbar top window
"""
KEPT = frozenset((*KEYWORDS.split(), *GLOBALS.split()))
BEFORE_BLOCK = frozenset((")", "=>", "else", "try", "finally", "do", ";", "}", "{", ""))
BEFORE_MEMBER = frozenset(("{", ",", "get", "set", "async", "static", "*"))


@dataclass
class Declaration:
    """A statement at the top of a module; `name` where it may be left out if nobody uses that."""

    tokens: list[Token]
    name: str | None = None

    @property
    def words(self) -> set[str]:
        """Every word in it, whatever it is."""
        return {token.text for token in self.tokens if token.kind == WORD}


def only_used(tokens: Iterable[Token], wanted: Iterable[str]) -> list[Token]:
    """Return the tokens without the declarations that neither `wanted` names nor anything that stays."""
    statements = list(_statements(tokens))
    used = set(wanted).union(*(statement.words for statement in statements if statement.name is None))
    waiting = {statement.name: statement for statement in statements if statement.name is not None}
    while found := used & waiting.keys():
        for name in found:
            used |= waiting.pop(name).words
    return [
        token
        for statement in statements
        if statement.name is None or statement.name not in waiting
        for token in statement.tokens
    ]


def _statements(tokens: Iterable[Token]) -> Iterator[Declaration]:
    """Yield what stands at the top of a module, statement by statement."""
    gathered: list[Token] = []
    for token in tokens:
        gathered.append(token)
        closes = token.kind == PUNCTUATION and token.depth == 0
        first = next((t.text for t in gathered if t.kind == WORD), "")
        if closes and (token.text == ";" or (token.text == "}" and first in ("function", "async", "class"))):
            yield Declaration(gathered, _removable(gathered))
            gathered = []
    if gathered:
        yield Declaration(gathered)


def _removable(tokens: list[Token]) -> str | None:
    """Return the name that a declaration without effects declares."""
    kept = [token for token in tokens if token.kind not in (SPACE, COMMENT)]
    texts = [token.text for token in kept]
    if texts[0] == "function":
        return texts[1]
    if texts[:2] == ["async", "function"]:
        return texts[2]
    if texts[0] != "const" or len(texts) < 4 or texts[2] != "=":
        return None
    is_plain = not any(
        text in ("(", "new", "await") or (t.kind == TEXT and text[0] in "`}")
        for text, t in zip(texts, kept, strict=True)
    )
    return texts[1] if is_plain or _is_arrow(kept[3:]) else None


def _is_arrow(tokens: list[Token]) -> bool:
    """Whether an expression is an arrow function and nothing else."""
    start = 1 if tokens[0].text == "async" else 0
    if tokens[start].kind == WORD:
        return tokens[start + 1].text == "=>"
    if tokens[start].text != "(":
        return False
    close = next(i for i, token in enumerate(tokens) if token.text == ")" and token.depth == 1)
    return tokens[close + 1].text == "=>"


# ------------------------------------------------------------------------------------------------- names


def short_names(tokens: Iterable[Token], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return a shorter name for each variable that can have one, the most frequent first; none of `taken` is used."""
    words, fixed = Counter(taken), set[str]()
    for word, is_variable in _words(tokens):
        words[word] += 1
        if not is_variable:
            fixed.add(word)
    pool = (name for name in _names() if name not in words and name not in KEPT)
    long = (word for word, _ in words.most_common() if len(word) > 2 and word not in fixed)
    return {word: name for word, name in zip(long, pool, strict=False) if len(name) < len(word)}


def _names() -> Iterator[str]:
    """Yield names, the shortest first; not m1, m2 and so on, which are the modules'."""
    yield from ascii_letters
    for first, second in product(ascii_letters, ascii_letters + digits):
        if first != "m" or second not in digits:
            yield first + second


def _words(tokens: Iterable[Token]) -> Iterator[tuple[str, bool]]:
    """Yield each word that may be a name of the module's own, and whether it is surely a variable where it stands."""
    kept = [token for token in tokens if token.kind not in (SPACE, COMMENT)]
    texts = ["", *(token.text for token in kept), ""]
    brackets: list[str] = []
    classes: list[int] = []  # how many brackets were open where each class began whose body is still to come
    for number, token in enumerate(kept, 1):
        before, text, after = texts[number - 1 : number + 2]
        if token.kind == TEXT and text[0] in "`}":
            if text[0] == "}":
                brackets.pop()
            if text.endswith("${"):
                brackets.append("${")
        elif token.kind == PUNCTUATION and text in ("(", "["):
            brackets.append(text)
        elif token.kind == PUNCTUATION and text == "{":
            if classes and classes[-1] == len(brackets):
                classes.pop()
                brackets.append("class")
            else:
                brackets.append("block" if before in BEFORE_BLOCK else "object")
        elif token.kind == PUNCTUATION and text in (")", "]", "}"):
            brackets.pop()
        elif token.kind == WORD:
            if text == "class" and before not in (".", "?."):
                classes.append(len(brackets))
            if text not in KEPT and text[0] != "#":
                yield text, _is_variable(before, after, brackets[-1] if brackets else "block")


def _is_variable(before: str, after: str, inside: str) -> bool:
    """Whether a word between two others is surely a variable, within this kind of bracket."""
    if before in (".", "?.", "break", "continue") or inside == "class":
        return False
    if after == ":" and before != "?":
        return False
    return not (inside == "object" and before in BEFORE_MEMBER)
