"""From chapters to one HTML file that needs nothing else."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from inklens.pages.glossary import TERMS, mark_terms
from inklens.reprs import counted, percent

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


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
    environment.filters.update(mark_terms=mark_terms, keep_options=keep_options)
    environment.filters.update(
        number=_number, counted=counted, percent=percent, share=_share, gap=_gap, join_words=join_words
    )
    return environment


def keep_options(html: str) -> "Markup":
    """Mark the words of code within a line that a narrow screen would break behind a hyphen, such as ``--C``.

    >>> print(keep_options("<p><code>fit --C 1</code>"))
    <p><code>fit <span class="whole">--C</span> 1</code>
    """
    from markupsafe import Markup

    def marked(code: re.Match[str]) -> str:
        return re.sub(r"[^\s<>]*-[^\s<>]*", r'<span class="whole">\g<0></span>', code[0])

    return Markup(re.sub(r"(?<=<code>)[^<\n]*(?=</code>)", marked, html))


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
