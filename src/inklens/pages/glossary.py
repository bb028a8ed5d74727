"""The words of the field, each explained in a sentence or two: marked in a page's text, listed at its end and in docs.

>>> print(mark_terms("<p>The softmax turns scores into probabilities; the softmax is smooth.</p>"))
<p>The <a class="term" href="#term-softmax">softmax</a> turns scores into probabilities; the softmax is smooth.</p>
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Term:
    """A word of the field.

    Parameters
    ----------
    name : str
        As the list has it.
    meaning : str
        One to three plain sentences.
    forms : tuple of str
        Other words for it, or other forms, that are marked as well.
    """

    name: str
    meaning: str
    forms: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Anchor of the term on a page."""
        return "term-" + re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


TERMS = (
    Term(
        "calibration",
        "How well stated probabilities match what happens: of the answers given with 90%, nine in ten should be right.",
        ("calibrated", "calibration curve"),
    ),
    Term(
        "certificate",
        "A proof that comes with a fit: a lower bound on the objective. Whatever the coefficients, none can "
        "do better than the bound.",
    ),
    Term(
        "coefficient",
        "The number by which a class multiplies one pixel. Above zero, ink on the pixel speaks for the class; "
        "below zero, against it. Also called a weight.",
        ("coefficients", "weight"),
    ),
    Term(
        "conformal set",
        "A set of answers that holds the right one with a promised probability, such as 95%, whatever the "
        "model, as long as new images come from the same source.",
        ("conformal sets", "conformal"),
    ),
    Term(
        "confusion matrix",
        "A table with a row for each true class and a column for each answer. The diagonal counts right "
        "answers; every other cell counts one kind of mistake.",
    ),
    Term(
        "elastic net",
        "A penalty that mixes L1 and L2. The L1 ratio says how much of it is L1.",
    ),
    Term(
        "evidence",
        "What a pixel adds to the score of a class: its ink times its coefficient. The evidence of all pixels "
        "and the intercept sum to the score exactly.",
        ("map of evidence",),
    ),
    Term(
        "gap",
        "The objective that was reached minus its proven lower bound, as a share of the objective. At a gap "
        "of 0.01% the fit is at most that far from the best one.",
        ("duality gap",),
    ),
    Term(
        "handwritten digits",
        "The numerals 0 to 9 as people write them. MNIST, the best known data set, has 70,000 images of 28 by 28 "
        "pixels.",
    ),
    Term(
        "intercept",
        "The number that a class adds to its score whatever the image. It is never penalised.",
        ("intercepts",),
    ),
    Term(
        "L1 penalty",
        "The sum of the absolute values of the coefficients. It sets many of them to exactly zero, so that "
        "the model uses fewer pixels. Also called the lasso.",
        ("L1",),
    ),
    Term(
        "L2 penalty",
        "Half the sum of the squares of the coefficients. It shrinks all of them a little and sets none to "
        "zero. Also called ridge or weight decay.",
        ("L2",),
    ),
    Term(
        "L-infinity",
        "The size of a change measured by its largest part: here the most that any single pixel changes, "
        "however many do.",
        ("Linf",),
    ),
    Term(
        "log loss",
        "What a fit tries to make small: the sum over the training images of minus the logarithm of the "
        "probability of the right class. Also called cross-entropy.",
        ("cross-entropy",),
    ),
    Term(
        "log-odds",
        "The logarithm of how many times likelier one class is than another. Here it is the difference of "
        "their scores: 0 is a tie, 0.7 is twice as likely, 2.3 ten times, 4.6 a hundred times.",
    ),
    Term(
        "lower bound",
        "A number below which no coefficients can bring the objective. It is proven, not estimated.",
        ("proven bound",),
    ),
    Term(
        "McNemar test",
        "Compares two models on the same images. Only images on which exactly one of them is right count; if "
        "both are equally good, these split like tosses of a coin.",
        ("McNemar",),
    ),
    Term(
        "objective",
        "What a fit minimises: C times the loss plus the penalty.",
    ),
    Term(
        "regularisation",
        "Holding coefficients back by a penalty on their size, so that the model does not bend to every "
        "accident of its training images. A small C is a strong penalty.",
        ("regularised", "penalty", "regularization"),
    ),
    Term(
        "regularisation path",
        "The same model fitted at many strengths of the penalty, from one so strong that no pixel is used to "
        "a weak one.",
    ),
    Term(
        "remainder",
        "What is left of a score when the votes of all training images are summed. It is zero at the exact "
        "optimum and small at a certified one.",
    ),
    Term(
        "separable",
        "Classes are separable when some coefficients give every training image its highest score for its own "
        "class. Then a fit without a penalty has no optimum: larger coefficients always fit better.",
        ("separability", "separated"),
    ),
    Term(
        "softmax",
        "Turns scores into probabilities: raise e to each score and divide by the sum. With two classes it is "
        "the logistic function.",
    ),
    Term(
        "softmax regression",
        "A linear model for several classes: a score for each class, a sum over pixels, turned into "
        "probabilities by the softmax. Also called multinomial logistic regression.",
        ("logistic regression", "multinomial logistic regression"),
    ),
    Term(
        "temperature",
        "One number by which all scores are divided before the softmax. Above 1 it makes a model less sure of "
        "itself, below 1 surer; no answer changes.",
        ("temperature scaling",),
    ),
    Term(
        "tolerance",
        "How near to the optimum a fit has to come before it stops. Here it is a promise about the gap.",
    ),
)

# Words stand in running text only: not in code, links, headings, tables or figures.
_TOKEN = re.compile(r"<(figure|code|pre|a|table|summary|script|style|svg|h\d)\b.*?</\1>|<[^>]+>", re.DOTALL)
_RUNNING = {"p", "li"}


def mark_terms(html: str) -> Markup:
    """Link the first use of each term in a chapter's running text to the glossary."""
    waiting = dict(_FORMS)
    done, inside, end = [], 0, 0
    for token in _TOKEN.finditer(html):
        text = html[end : token.start()]
        done.append(_link(text, waiting) if inside else text)
        done.append(token[0])
        name = re.match(r"</?(\w*)", token[0])
        if name and name[1] in _RUNNING:
            inside += -1 if token[0].startswith("</") else 1
        end = token.end()
    return Markup("".join([*done, html[end:]]))


def to_rst() -> str:
    """Return the glossary as a page of the documentation."""
    lines = [
        "Glossary",
        "========",
        "",
        "The words of the field that the report, the commands and these pages use.",
        "",
        ".. glossary::",
        "",
    ]
    for term in TERMS:
        lines += [f"   {term.name}", *(f"   {form}" for form in term.forms)]
        lines += [*textwrap.wrap(term.meaning, 118, initial_indent=" " * 6, subsequent_indent=" " * 6), ""]
    return "\n".join(lines)


def _link(text: str, waiting: dict[str, Term]) -> str:
    """Link the terms of a piece of text that still wait for their first use, and strike them off."""

    def link(found: re.Match[str]) -> str:
        term = waiting.get(found[0].lower())
        if term is None:
            return found[0]
        for form in [form for form, of in waiting.items() if of is term]:
            del waiting[form]
        return f'<a class="term" href="#{term.id}">{found[0]}</a>'

    return _WORDS.sub(link, text)


def _all_forms() -> Iterator[tuple[str, Term]]:
    for term in TERMS:
        for form in (term.name, *term.forms):
            yield form.lower(), term


_FORMS = dict(_all_forms())
_WORDS = re.compile(
    r"(?<![\w-])(?:" + "|".join(sorted(map(re.escape, _FORMS), key=len, reverse=True)) + r")(?![\w-])", re.IGNORECASE
)
