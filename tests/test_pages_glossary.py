"""The glossary: first uses are marked in running text only, once in a chapter."""

import re

import pytest

from inklens.pages.glossary import TERMS, mark_terms

STUDIED = [
    "handwritten digits",
    "softmax regression",
    "logistic regression",
    "regularisation",
    "log-odds",
    "L-infinity",
]


def links(html):
    return re.findall(r'<a class="term" href="#([\w-]+)">([^<]*)</a>', html)


def test_only_the_first_use_in_a_chapter_is_marked_whatever_its_form():
    html = mark_terms("<p>Coefficients are weights; a coefficient</p><ul><li>The Gap. A gap.</li></ul>")
    assert links(html) == [("term-coefficient", "Coefficients"), ("term-gap", "Gap")]


@pytest.mark.parametrize(
    "html",
    [
        "<h2>The gap</h2>",
        "<p><code>gap</code> <a href='#x'>the gap</a></p>",
        "<figure><svg><text>gap</text></svg><figcaption>gap</figcaption></figure>",
        "<table><caption>gap</caption><tr><td>gap</td></tr></table>",
        "<details><summary>gap</summary></details>",
        '<p title="gap">stop-gap gaps</p>',
    ],
)
def test_words_elsewhere_are_left_alone(html):
    assert str(mark_terms(html)) == html


def test_the_longest_form_wins():
    assert links(mark_terms("<p>softmax regression, then softmax</p>")) == [
        ("term-softmax-regression", "softmax regression"),
        ("term-softmax", "softmax"),
    ]


def test_no_form_belongs_to_two_terms_and_every_term_is_explained():
    forms = [form.lower() for term in TERMS for form in (term.name, *term.forms)]
    assert len(set(forms)) == len(forms)
    assert {form.lower() for form in STUDIED} <= set(forms)
    names = [re.sub(r"\W", "", term.name.lower()) for term in TERMS]
    assert names == sorted(names)
    for term in TERMS:
        assert re.fullmatch(r"[A-Z].*\.", term.meaning)
