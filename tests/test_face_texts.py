"""The face's catalogue: the same in both languages, nothing missing, nothing unused, numbers filled in."""

import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import inklens.web
from inklens.pages.glossary import TERMS
from inklens.web.tokens import COMMENT, TEXT, Reader

STATIC = Path(inklens.web.__file__).parent / "static"
CATALOGUES = sorted(path.stem for path in (STATIC / "texts").glob("*.js"))
MOST_CHARACTERS = 480  # of a text: about six lines of a card
PLACE = re.compile(r"\{(\w+)\}")
ENTRY = re.compile(r"(?:'([^']+)'|(?<=[\s{,])(\w+)): '((?:[^'\\]|\\.)*)',?")
"""A key with its text, as catalogues write them."""


@cache
def catalogue(name: str) -> dict[str, dict[str, str]]:
    """Return texts by language and key, as the module has them."""
    source = (STATIC / "texts" / f"{name}.js").read_text(encoding="utf-8")
    languages = re.split(r"^  (en|de): \{", source, flags=re.MULTILINE)[1:]
    return {
        language: {quoted or bare: text for quoted, bare, text in ENTRY.findall(body)}
        for language, body in zip(languages[::2], languages[1::2], strict=True)
    }


@cache
def keys() -> frozenset[str]:
    """Return all keys as `app.t` asks for them."""
    found = set()
    for name in CATALOGUES:
        for key in catalogue(name)["en"]:
            if name == "common":
                found.add(key)
            elif key.startswith("explain."):
                found.add(key.replace("explain.", f"explain.{name}.", 1))
            else:
                found.add(f"{name}.{key}")
    return frozenset(found)


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_catalogue_is_read_whole(name):
    source = (STATIC / "texts" / f"{name}.js").read_text(encoding="utf-8")
    strings = [token for token in Reader(source, name).tokens() if token.kind == TEXT]
    quoted = [key for language in catalogue(name).values() for key in language if f"'{key}':" in source]
    listed = source[: source.index("en: {")].count("'") // 2  # of other lists that stand before the texts
    assert len(strings) == sum(map(len, catalogue(name).values())) + len(quoted) + listed


@pytest.mark.parametrize("name", CATALOGUES)
def test_both_languages_have_the_same_keys(name):
    english, german = catalogue(name)["en"], catalogue(name)["de"]
    assert english.keys() == german.keys()


@pytest.mark.parametrize("name", CATALOGUES)
def test_both_languages_fill_in_the_same_values(name):
    english, german = catalogue(name)["en"], catalogue(name)["de"]
    assert {key: set(PLACE.findall(text)) for key, text in english.items()} == {
        key: set(PLACE.findall(text)) for key, text in german.items()
    }


@pytest.mark.parametrize("name", CATALOGUES)
@pytest.mark.parametrize("language", ["en", "de"])
def test_no_text_is_longer_than_one_reads(name, language):
    assert not {key: len(text) for key, text in catalogue(name)[language].items() if len(text) > MOST_CHARACTERS}


@pytest.mark.parametrize("name", CATALOGUES)
def test_texts_are_typed_as_the_language_does(name):
    for key, text in catalogue(name)["en"].items():
        assert not re.search(r"\s%|\w'\w", text), (key, text)
    for key, text in catalogue(name)["de"].items():
        assert not re.search(r"\d%|(?:^|\s)“|\d\.\d(?!\d\d)", PLACE.sub("", text)), (key, text)
        assert not re.search(r"[a-zäöüß,] (Sie|Ihnen|Ihre?[mnrs]?)\b", text), (key, text)  # readers are addressed as du


def test_the_words_of_the_field_are_those_of_the_report():
    texts = catalogue("glossary")["en"]
    meanings = {term.name: term.meaning for term in TERMS}
    names = [key for key in texts if not key.endswith(".is")]
    assert {texts[key]: texts[f"{key}.is"] for key in names} == {texts[key]: meanings[texts[key]] for key in names}


def test_marked_words_are_in_the_glossary():
    for language, texts in catalogue("learn").items():
        marked = [
            name or shown
            for text in texts.values()
            for shown, name in re.findall(r"\[\[([^\]|]+)\|?([^\]]*)\]\]", text)
        ]
        assert marked, language
        assert set(marked) <= catalogue("glossary")["en"].keys()


# ------------------------------------------------------------------------------------------------- use


def plain(path: Path) -> str:
    """Return a module without its comments."""
    tokens = Reader(path.read_text(encoding="utf-8"), path.name).tokens()
    return "".join(token.text for token in tokens if token.kind != COMMENT)


@cache
def modules() -> dict[str, str]:
    """Return the modules that show texts."""
    files = [
        path
        for path in sorted(STATIC.rglob("*.js"))
        if not {"vendor", "texts"} & set(path.parts[len(STATIC.parts) : -1])
    ]
    return {path.relative_to(STATIC).as_posix(): plain(path) for path in files}


def arguments(source: str, call: str) -> list[str]:
    """Return the first argument of each call, as source."""
    return enclosed(source, rf"(?<![\w.]){re.escape(call)}\(")


def enclosed(source: str, opening: str) -> list[str]:
    """Return what stands between each opening and its end, or the first comma there."""
    found = []
    for match in re.finditer(opening, source):
        depth, at = 1, match.end()
        while depth and not (depth == 1 and source[at] == ","):
            depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(source[at], 0)
            at += 1
        found.append(source[match.end() : at if source[at : at + 1] == "," else at - 1])
    return found


def patterns(argument: str) -> list[str]:
    """Return keys that an argument may become, each as a regular expression: all strings and templates in it.

    A choice between keys is two of them; its condition may hold a string as well, which no key has to match.
    """
    if "?" in argument:
        argument = argument.split("?", 1)[1]
    return [pattern_of(template or plain) for plain, template in re.findall(r"'([^']*)'|`([^`]*)`", argument)]


@cache
def asked() -> tuple[tuple[str, str], ...]:
    """Return each key that a module asks for, as (module, regular expression)."""
    found = []
    for name, source in modules().items():
        given = [argument for call in ("app.t", "this.app.t", "this.t") for argument in arguments(source, call)]
        found += [(name, pattern) for argument in given for pattern in patterns(argument)]
        for quoted in re.findall(r'data-explain="([^"]+)"', source):
            found.append((name, rf"explain\.{pattern_of(quoted)}"))
        for code in [
            *enclosed(source, r"data-explain=\$\{"),
            *re.findall(r"(?:dataset\.explain =|\bexplain:) ([^;,]+)[;,]", source),
        ]:
            found += [(name, rf"explain\.{pattern}") for pattern in patterns(code)]
        for before, body, local in scopes(source):
            found += [(name, before + pattern) for argument in arguments(body, local) for pattern in patterns(argument)]
    return tuple(found)


def scopes(source: str) -> Iterator[tuple[str, str, str]]:
    """Yield functions that put a prefix before keys, as (prefix, the code where they hold, their name)."""
    shorthand = re.compile(r"const (\w+) = \((\w+)[^)]*\) => app\.t\(`([^`]*)`")
    for match in shorthand.finditer(source):
        local, argument, template = match.groups()
        rest = re.split(rf"^}}|const {local} = \(", source[match.end() :], maxsplit=1, flags=re.MULTILINE)[0]
        yield pattern_of(template.split(f"${{{argument}}}")[0]), rest, local


def pattern_of(template: str) -> str:
    return re.sub(r"\\\$\\\{.*?\\\}", r"[\\w.-]+", re.escape(template))


def test_every_key_that_is_asked_for_has_a_text():
    missing = [
        (module, pattern) for module, pattern in asked() if not any(re.fullmatch(pattern, key) for key in keys())
    ]
    assert not missing, textwrap.indent("\n".join(map(str, missing)), "  ")


def test_no_text_is_unused():
    """A key may also be put together from its parts: then its last part stands somewhere as a word of its own."""
    sources = "\n".join(modules().values())
    words = set(re.findall(r"[\w.]+", sources))
    known = [re.compile(pattern) for _, pattern in asked()]
    unused = [
        key
        for key in keys()
        if not any(pattern.fullmatch(key) for pattern in known)
        and key not in words
        and key.removeprefix("explain.") not in words
        and key.split(".", 1)[-1] not in words
    ]
    assert not unused, sorted(unused)


def test_a_missing_and_an_unused_text_would_be_noticed():
    assert patterns("isFrame ? 'mode.frame' : `mode.${other}`") == [r"mode\.frame", r"mode\.[\w.-]+"]
    assert not any(re.fullmatch(pattern, "see.nowhere") for pattern in patterns("'see.title'"))
    assert arguments("app.t('a', { n: f(1, 2) }) + app.t(`b.${g(h, 1)}`)", "app.t") == ["'a'", "`b.${g(h, 1)}`"]
