"""From chapters to one HTML file that needs nothing else."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from inklens.pages.glossary import TERMS, mark_terms
from inklens.reprs import counted, percent

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Chapter:
    """A section of a page: its anchor, its heading and the template that tells it."""

    id: str
    title: str
    template: str


def render(
    template: str, *, chapters: Sequence[Chapter], context: Mapping[str, object], package: str | None = None
) -> str:
    """Return the page as text; all words from outside are escaped.

    Parameters
    ----------
    template : str
        Name of the page's template.
    chapters : sequence of Chapter
        In reading order; also the table of contents.
    context : dict
        What the templates may speak of.
    package : str, optional
        A package with templates beside those of ``pages``, named after it: ``tutorial/data.html`` for
        "inklens.tutorial".
    """
    return _environment(package).get_template(template).render(chapters=chapters, **context)


@lru_cache
def _environment(package: str | None) -> "Environment":
    """Return what knows the templates, each compiled once."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined

    own = {} if package is None else {package.rpartition(".")[2]: PackageLoader(package)}
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("inklens.pages"), PrefixLoader(own)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["glossary"] = TERMS
    environment.filters["mark_terms"] = mark_terms
    environment.filters.update(
        number=_number, counted=counted, percent=percent, share=_share, gap=_gap, join_words=join_words
    )
    return environment


def join_words(words: Sequence[object], last: str = "and") -> str:
    """Join words as in a sentence.

    >>> join_words(["a"]), join_words(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    texts = [str(word) for word in words]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {last} {texts[-1]}" if texts else ""


def _number(value: float, digits: int = 0) -> str:
    """1234.5 -> 1,234.50 (or 1,235)."""
    return f"{value:,.{digits}f}".replace("-", "−")


def _share(value: float, digits: int = 1) -> str:
    """0.9052 -> 90.5%."""
    return f"{value:.{digits}%}"


def _gap(value: float) -> str:
    """Write a small share with two digits: 5.2e-05 -> 0.0052%, 0.237 -> 24%."""
    if value <= 0:
        return "0%"
    return f"{value * 100:.{max(0, 1 - math.floor(math.log10(value * 100)))}f}%"
