"""Modules of the face joined into one that imports nothing, for a page without a server and for a widget.

Each module becomes a function that is called once and returns what it exports, so that the names of two modules never
meet. The forms of import and export are those that the face uses, and no others:

    import { a, b as c } from './x.js';    export { a, b as c } from './x.js';
    export function f    export async function f    export function* f    export const x    export class C

A vendored file ends in ``export{a as b}`` instead. A front, ``x.js`` that only passes on what the files of ``x/``
export, and these files become one function, for their names never meet: repeating each where it is given and taken
would make a page larger.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Protocol

from inklens.web.tokens import COMMENT, PUNCTUATION, SPACE, TEXT, WORD, ModuleError, Reader, Token, without_comments

VENDOR = "vendor"  # the folder of what others wrote
LICENSES = f"{VENDOR}/LICENSES.txt"
LANGUAGES = ("en", "de")
CATALOGUE, CATALOGUES = "texts.js", "texts/"  # modules with an entry for each language


class Folder(Protocol):
    """A folder of modules: a path, or the files of an installed package."""

    def joinpath(self, name: str, /) -> "Folder":
        """Return a file or folder below."""

    def read_text(self, encoding: str) -> str:
        """Return a file's text."""


def static() -> Folder:
    """Return the folder with the browser's files."""
    return files("inklens.web") / "static"


def read_static(name: str) -> str:
    """Return the text of one of the browser's files."""
    return _file(static(), name).read_text(encoding="utf-8")


def _file(folder: Folder, name: str) -> Folder:
    for part in PurePosixPath(name).parts:
        folder = folder.joinpath(part)
    return folder


@dataclass
class Import:
    """What a module takes from another, and the line that says so."""

    module: str
    names: dict[str, str]  # name there: name here
    line: int


@dataclass
class Module:
    """One file: its code without imports, exports and comments, what it takes from others, and what it gives."""

    name: str
    code: str = ""
    declared: tuple[str, ...] = ()  # names at its top level
    imports: list["Import"] = field(default_factory=list)
    exports: dict[str, str] = field(default_factory=dict)  # name outside: name inside

    @property
    def is_vendored(self) -> bool:
        """Whether others wrote it, and made it short."""
        return self.name.startswith(f"{VENDOR}/")


def joined(entry: str, *, folder: Folder | None = None, language: str | None = None) -> str:
    """Return the source of one module that does what `entry` does with all that it imports.

    Parameters
    ----------
    entry : str
        A file below the folder, such as ``"hosts/page.js"``.
    folder : Path, optional
        Of the modules; by default, that of the face.
    language : {"en", "de"}, optional
        The only one whose texts are kept; by default, all are.

    Raises
    ------
    ModuleError
        A form of import or export other than those above, a name that is not exported, modules that import each other
        in a circle; the text begins with file and line.
    """
    folder = static() if folder is None else folder
    modules = list(_in_order(entry, folder, language))
    names = _names(modules)
    last = modules[-1]
    end = f"export const {{{','.join(last.exports)}}}={names[last.name]};\n" if last.exports else ""
    return _text(modules, names, folder) + end


def split(first: str, later: str, *, address: str, folder: Folder | None = None) -> tuple[str, str]:
    """Return two modules: all that `first` needs, and what `later` needs besides, which takes the rest from the first.

    Parameters
    ----------
    first, later : str
        Entries, as for `joined`; the first does not depend on the later one.
    address : str
        Where the later module finds the first, such as ``"/app.js"``.

    Raises
    ------
    ModuleError
        As for `joined`.
    """
    folder = static() if folder is None else folder
    begin, everything = (list(_in_order(entry, folder, None)) for entry in (first, later))
    known = {module.name for module in begin}
    rest = [module for module in everything if module.name not in known]
    names = _names([*begin, *rest])
    wanted = {other.module for module in rest for other in module.imports} & known
    shared = ",".join(sorted(names[name] for name in wanted))
    return (
        f"{_text(begin, names, folder)}export{{{shared}}};\n",
        f"import{{{shared}}}from{json.dumps(address)};\n{_text(rest, names, folder)}",
    )


def _names(modules: Iterable[Module]) -> dict[str, str]:
    return {module.name: f"m{number}" for number, module in enumerate(modules)}


def _text(modules: Iterable[Module], names: dict[str, str], folder: Folder) -> str:
    """Return modules one after the other, licences first where there are vendored ones."""
    modules = list(modules)
    rooms = {front.name: _behind(front, modules) for front in modules if _is_front(front)}
    inside = {module.name for room in rooms.values() for module in room}
    parts = [
        _room(module, rooms[module.name], names) if module.name in rooms else _wrapped(module, names)
        for module in modules
        if module.name not in inside
    ]
    if any(module.is_vendored for module in modules):
        parts.insert(0, f"/*\n{_file(folder, LICENSES).read_text(encoding='utf-8')}*/\n")
    return "".join(parts)


def _is_front(module: Module) -> bool:
    """Whether a module does nothing but pass on what the files of its folder export."""
    folder = module.name.removesuffix(".js") + "/"
    return bool(module.imports) and not module.code and all(other.module.startswith(folder) for other in module.imports)


def _behind(front: Module, modules: list[Module]) -> list[Module]:
    """Return the files of a front's folder, in order.

    Raises
    ------
    ModuleError
        Another module imports one of them; two declare the same name, or one imports under another name.
    """
    folder = front.name.removesuffix(".js") + "/"
    room = [module for module in modules if module.name.startswith(folder)]
    declared: dict[str, str] = {}
    for module in room:
        for name in module.declared:
            if name in declared:
                raise ModuleError(f"{module.name}: {name} is a name of {declared[name]}, too; give one another name")
            declared[name] = module.name
        for taken in module.imports:
            if not taken.module.startswith(folder) or any(there != here for there, here in taken.names.items()):
                raise ModuleError(
                    f"{module.name}:{taken.line}: files behind {front.name} import each other alone, by the same names"
                )
    for module in modules:
        for taken in module.imports:
            if taken.module.startswith(folder) and module is not front and module not in room:
                raise ModuleError(f"{module.name}:{taken.line}: import from {front.name} what it passes on")
    return room


def _declared(tokens: Iterable[Token]) -> Iterator[str]:
    """Yield the names that a module declares at its top level."""
    kind = previous = ""
    for token in tokens:
        if token.depth or token.kind in (SPACE, COMMENT):
            continue
        if token.kind == WORD and (previous in ("function", "class") or (kind and previous in ("const", "let", ","))):
            yield token.text
        if token.text in ("const", "let"):
            kind = token.text
        elif token.text == ";":
            kind = ""
        previous = previous if token.text == "*" and previous == "function" else token.text


def _room(front: Module, room: list[Module], names: dict[str, str]) -> str:
    """Return the files behind a front as one function, which returns what the front exports."""
    code = "\n".join(module.code for module in room)
    return f"const {names[front.name]}=(()=>{{\n{code}\nreturn{_pairs(front.exports)};\n}})();\n"


@lru_cache(maxsize=16)
def joined_once(entry: str, language: str | None = None) -> str:
    """Return a bundle of the face, made once in a process."""
    return joined(entry, language=language)


def _wrapped(module: Module, names: dict[str, str]) -> str:
    """Return a module as a function that is called once."""
    taken = [f"const{_pairs(wanted.names)}={names[wanted.module]};\n" for wanted in module.imports]
    body = f"{''.join(taken)}{module.code}\nreturn{_pairs(module.exports)};\n"
    return f"const {names[module.name]}=(()=>{{\n{body}}})();\n"


def _pairs(names: dict[str, str]) -> str:
    """Return names of an object with what they are called here, as JavaScript takes it apart or puts it together."""
    return "{" + ",".join(there if there == here else f"{there}:{here}" for there, here in names.items()) + "}"


def _in_order(entry: str, folder: Folder, language: str | None) -> Iterator[Module]:
    """Yield each module after all that it imports."""
    done: dict[str, Module] = {}

    def visit(name: str, above: tuple[str, ...], place: str) -> Iterator[Module]:
        if name in above:
            raise ModuleError(f"{place}: modules import each other in a circle: {' -> '.join([*above, name])}")
        if name in done:
            return
        module = read_module(name, _source(name, folder, place), language if _has_languages(name) else None)
        for wanted in module.imports:
            here = f"{name}:{wanted.line}"
            yield from visit(wanted.module, (*above, name), here)
            missing = wanted.names.keys() - done[wanted.module].exports.keys()
            if missing:
                raise ModuleError(f"{here}: {wanted.module} does not export {', '.join(sorted(missing))}")
        done[name] = module
        yield module

    yield from visit(entry, (), entry)


def _source(name: str, folder: Folder, place: str) -> str:
    try:
        return _file(folder, name).read_text(encoding="utf-8")
    except OSError as error:
        raise ModuleError(f"{place}: there is no module {name}") from error


# ------------------------------------------------------------------------------------------------- one module


def _has_languages(name: str) -> bool:
    return name == CATALOGUE or name.startswith(CATALOGUES)


@lru_cache(maxsize=256)  # of a hundred: what a page, a widget and the studio share is read once in a process
def read_module(name: str, source: str, language: str | None = None) -> Module:
    """Return a module with imports and exports taken out of its code; with texts of one language, if that is named."""
    reader = Reader(source, name)
    tokens = list(reader.tokens())
    if language is not None and _has_languages(name):
        tokens = list(_in_language(tokens, language))
    module, kept = Module(name), list[Token]()
    statement = _Statement(reader, tokens)
    while statement.at < len(tokens):
        token = tokens[statement.at]
        if token.kind == WORD and token.text in ("import", "export") and _is_keyword(tokens, statement.at):
            if token.depth:
                raise reader.error(token.at, f"{token.text!r} inside of a function or block; use it at the top level")
            (_read_import if token.text == "import" else _read_export)(module, statement)
        else:
            kept.append(token)
            statement.at += 1
    module.code, module.declared = without_comments(kept), tuple(_declared(kept))
    return module


def _in_language(tokens: list[Token], language: str) -> Iterator[Token]:
    """Yield the tokens without what an object at the top level has under the codes of other languages."""
    leaving = False
    for number, token in enumerate(tokens):
        if leaving:
            leaving = not (token.text == "," and token.depth == 1) and not (token.text == "}" and token.depth == 0)
            if leaving or token.text == ",":
                continue
        if token.kind == WORD and token.depth == 1 and token.text in LANGUAGES and token.text != language:
            leaving = tokens[number + 1].text == ":"
            if leaving:
                continue
        yield token


def _is_keyword(tokens: list[Token], at: int) -> bool:
    """Whether a word is no property's name."""
    before = next((t.text for t in reversed(tokens[:at]) if t.kind not in (SPACE, COMMENT)), "")
    after = next((t.text for t in tokens[at + 1 :] if t.kind not in (SPACE, COMMENT)), "")
    return before not in (".", "?.") and not (tokens[at].depth and after == ":")


class _Statement:
    """A place among tokens that moves on as the words of a statement are read."""

    def __init__(self, reader: Reader, tokens: list[Token]) -> None:
        self.reader, self.tokens, self.at = reader, tokens, 0

    def peek(self) -> Token:
        """Return the next token that is neither space nor comment."""
        end = Token(PUNCTUATION, "", len(self.reader.source), 0)
        return next((t for t in self.tokens[self.at :] if t.kind not in (SPACE, COMMENT)), end)

    def take(self, *expected: str, kind: str | None = None) -> str:
        """Move beyond the next token, which has to be one of these, or of this kind."""
        token = self.peek()
        if (expected and token.text not in expected) or (kind is not None and token.kind != kind):
            wanted = " or ".join(map(repr, expected)) or f"a {kind}"
            raise self.reader.error(token.at, f"expected {wanted}, got {token.text!r}; {_FORMS}")
        self.at = self.tokens.index(token, self.at) + 1
        return token.text

    def names(self) -> dict[str, str]:
        """Read ``{ a, b as c }``: the first name of each to the second."""
        found: dict[str, str] = {}
        self.take("{")
        while self.peek().text != "}":
            first = self.take(kind=WORD)
            found[first] = first
            if self.peek().text == "as":
                self.take("as")
                found[first] = self.take(kind=WORD)
            if self.peek().text != "}":
                self.take(",")
        self.take("}")
        return found


_FORMS = (
    "modules use import { a, b as c } from './x.js'; the same with export; and export function, function*, async "
    "function, const or class"
)


def _read_import(module: Module, statement: _Statement) -> None:
    statement.take("import")
    _take_from(module, statement, statement.names())


def _take_from(module: Module, statement: _Statement, names: dict[str, str]) -> None:
    """Read ``from './x.js';`` after the names."""
    statement.take("from")
    place = statement.peek()
    text = statement.take(kind=TEXT)[1:-1]
    statement.take(";")
    other = _resolved(text, module.name, place, statement.reader)
    module.imports.append(Import(other, names, statement.reader.line(place.at)))


def _resolved(text: str, name: str, place: Token, reader: Reader) -> str:
    """Return the module that a relative address names."""
    parts = list(PurePosixPath(name).parent.parts)
    if not text.startswith(("./", "../")):
        raise reader.error(place.at, f"{text!r} is no relative address; {_FORMS}")
    for part in text.split("/"):
        if part == "..":
            if not parts:
                raise reader.error(place.at, f"{text!r} leads out of the folder of modules")
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _read_export(module: Module, statement: _Statement) -> None:
    """Take ``export`` away from a declaration, or a list with what it names: of another module, or a vendored file."""
    statement.take("export")
    if module.is_vendored and statement.peek().text == "{":
        module.exports |= {outside: inside for inside, outside in statement.names().items()}
        if statement.peek().text == ";":
            statement.take(";")
        return
    if statement.peek().text == "{":
        passed_on = statement.names()
        _take_from(module, statement, {name: name for name in passed_on})
        module.exports |= {outside: name for name, outside in passed_on.items()}
        return
    begins = statement.tokens.index(statement.peek(), statement.at)
    kind = statement.take("function", "async", "const", "class")
    if kind == "async":
        statement.take("function")
    if kind == "function" and statement.peek().text == "*":
        statement.take("*")
    name = statement.take(kind=WORD)
    module.exports[name] = name
    statement.at = begins
