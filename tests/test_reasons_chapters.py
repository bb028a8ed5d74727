"""The chapters about reasons say what the model does, and only those that a model can have are told."""

import json
import re

import numpy as np
import pytest

from inklens import DigitReader, SoftmaxRegression, load_dataset
from inklens.datasets import Split
from inklens.explanations import robustness
from inklens.pages import Chapter, render
from inklens.pages.reasons import AFTER, TITLES, Reasons, Subject, reasons_chapters
from inklens.pages.shell import Shell


def subject(rows, shape, *, l1_ratio=0.0, C=0.1):
    model = SoftmaxRegression(C=C, l1_ratio=l1_ratio, tol=1e-3, binary="softmax").fit(rows.X_train / 255, rows.y_train)
    fitted = {"C": C, "l1_ratio": l1_ratio, "group": False, "tol": 1e-3}
    names = tuple(str(name) for name in model.classes_)
    reader = DigitReader(model.coef_, model.intercept_, names, shape, provenance={"fit": fitted})
    return Subject(reader, rows, rows.X_test[0].reshape(shape) / 255, "test image 0")


@pytest.fixture(scope="module")
def digits():
    return load_dataset("embedded").split(train=400, test=150, seed=9)


@pytest.fixture(scope="module")
def told(digits):
    return reasons_chapters(subject(digits, (28, 28)))


def page_of(reasons):
    figures = {figure.name: figure.html() for figure in reasons.figures}
    context = {"r": reasons, "figures": figures, "title": "t", "heading": "h", "description": "d", "version": "0"}
    return render("page.html", chapters=reasons.chapters(), context={**context, "shell": Shell()})


def test_every_chapter_is_told_of_an_l2_model_on_pixels(told):
    assert [chapter.id for chapter in told.chapters()] == list(TITLES)
    assert not told.left_out
    assert not render("reasons/left_out.html", chapters=[], context={"r": told}).strip()
    page = page_of(told)
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert page.count("<details") == len(told.facts["cells"]["opened"])
    assert re.findall("<script[^>]*>", page) == ['<script type="module">'], "only the page's own"
    for figure in told.figures:
        assert f'id="figure-{figure.name}"' in page


def test_the_opened_confusions_are_the_most_frequent(told, digits):
    s = subject(digits, (28, 28))
    answers = s.reader.predict(s.test_frames)
    for cell in told.facts["cells"]["opened"]:
        assert cell["count"] == ((digits.y_test == cell["true"]) & (answers == cell["answer"])).sum()
    assert told.facts["cells"]["n_mistakes"] == (answers != digits.y_test).sum()


def test_values_under_the_pointer_sum_to_the_log_odds(told):
    """In the arrangement for a desk, each inked pixel says ink times weight; on a phone there is no pointer."""
    figure = next(figure for figure in told.figures if figure.name == "why")
    html = str(figure.html())
    wide, narrow = html.split('<div class="narrow">')
    values = re.findall(r"ink ([\d.]+) × ([+−][\d.]+) = ([+−][\d.]+) for", wide)
    assert "<title>" not in narrow
    display = figure.display
    assert len(values) == np.count_nonzero(display.contributions)
    total = sum(float(value[2].replace("−", "-")) for value in values)
    assert total == pytest.approx(float(display.contributions.sum()), abs=1e-3 * len(values))
    for ink, weight, product in values:
        ink, weight, product = (float(v.replace("−", "-")) for v in (ink, weight, product))
        assert abs(ink * weight - product) <= 0.006 * abs(weight) + 0.002


def test_the_numbers_of_every_chapter_are_json(told, digits):
    numbers = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert list(numbers) == list(told.facts)
    assert numbers["cells"]["n_mistakes"] >= max(cell["count"] for cell in numbers["cells"]["opened"])
    frames = digits.X_test.reshape(-1, 28, 28) / 255
    radii = robustness(subject(digits, (28, 28)).reader, frames).boxed
    for name, median in numbers["radii"]["medians"].items():
        assert (radii[name] <= median).mean() >= 0.5 >= (radii[name] < median).mean()
    assert numbers["flips"]["flip"]["ink_changed"] == told.facts["flips"]["flip"].ink_changed
    assert numbers["votes"]["poll"]["n_rows"] == len(digits.y_train)


@pytest.mark.slow
def test_what_a_model_cannot_have_is_left_out(digits):
    sparse = reasons_chapters(subject(digits, (28, 28), l1_ratio=1.0, C=1.0))
    assert "votes" not in sparse.facts
    assert "why" in sparse.facts
    assert 'id="votes"' not in page_of(sparse)
    end = render("reasons/left_out.html", chapters=[], context={"r": sparse})
    assert TITLES["votes"] in end
    assert "L2 penalty" in end
    some = reasons_chapters(subject(digits, (28, 28)), ["why"])
    assert list(some.facts) == ["why"]


@pytest.mark.slow
def test_any_classes_and_any_shape():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (90, 40), dtype=np.uint8)
    y = np.array(["no & never", "<yes>"])[(X[:, :5].mean(axis=1) + rng.normal(0, 20, 90) > 127).astype(int)]
    index = np.arange(90)
    rows = Split(X[:60], X[60:], y[:60], y[60:], index[:60], index[60:])
    reasons = reasons_chapters(subject(rows, (4, 10)))
    page = page_of(reasons)
    assert {"why", "flips", "votes", "limits", "labels"} <= reasons.facts.keys()
    assert "<yes>" not in page


def test_chapters_stand_after_those_they_belong_to():
    reasons = Reasons("a picture", facts={name: {} for name in TITLES})
    page = [Chapter(id, id, "") for id in ("data", "mistakes", "evidence", "mind", "tolerance", "next")]
    ids = [chapter.id for chapter in reasons.among(page)]
    assert [id for id in ids if id not in TITLES] == [chapter.id for chapter in page]
    for id, after in AFTER.items():
        assert ids.index(id) == ids.index(after[0]) + 1
    assert [c.id for c in Reasons("", facts={"votes": {}}).among([])] == ["votes"]
