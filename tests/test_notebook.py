"""The newcomer's notebook, run cell by cell: every cell ends well, and what it shows can be shown."""

import ast
import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.py"
CELL = re.compile(r"^# %%(?P<markdown> \[markdown\])?$", re.MULTILINE)

# Steps of the tutorial, and a name that the notebook uses for each.
STEPS = {
    "T1 load, shapes, counts": "digits.counts",
    "T2 gallery": "SampleGalleryDisplay",
    "T3 split": "digits.split(",
    "T4 scale": "/ 255",
    "T5 no penalty": "C=np.inf",
    "T6 tolerance": "ToleranceDisplay",
    "T7 coefficients": "clf.coef_.shape",
    "T8 maps": "CoefficientMapsDisplay",
    "T9 by hand": "ByHandDisplay",
    "T10 evidence": "EvidenceDisplay",
    "T11 accuracy, confusion": "ConfusionMatrixDisplay",
    "T12 mistakes": "MisclassifiedDisplay",
    "T13 beside another model": "Comparison",
    "T14 own photo": "photo.shape",
    "T15 the tutorial's recipe": 'with_recipe("tutorial")',
    "T16 centred": "RecipeStepsDisplay.from_photo(reader, photo)",
    "T17 what it is read as": "reader.read(photo)",
    "T18 a changed digit": "reader.flip(photo)",
    "T19 zeros": "MapComparisonDisplay",
    "T20 strengths": "StrengthDisplay",
}


def cells(text):
    """Return the code of each cell, in order."""
    starts = list(CELL.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return [text[a.end() : b] for a, b in zip(starts, ends, strict=True) if not a["markdown"]]


def run(code, names):
    """Run a cell; return the value of its last line where that is one."""
    body = ast.parse(code)
    last = body.body.pop() if isinstance(body.body[-1], ast.Expr) else None
    exec(compile(body, "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def show(value):
    """Return what a notebook would put under a cell."""
    for method in ("_repr_html_", "_repr_svg_"):
        if hasattr(value, method):
            return getattr(value, method)()
    return repr(value)


@pytest.fixture(scope="module")
def ran():
    names = {"__name__": "__main__"}
    values = [run(code, names) for code in cells(NOTEBOOK.read_text(encoding="utf-8"))]
    return names, [value for value in values if value is not None], [show(v) for v in values if v is not None]


@pytest.mark.slow
def test_every_cell_runs_and_shows_something_short(ran):
    _, values, shown = ran
    assert len(values) > 25
    for value, text in zip(values, shown, strict=True):
        assert len(repr(value).splitlines()) <= 15
        assert len(text) < 400_000
        assert "http" not in re.sub(r'"http://(www\.w3\.org|purl\.org|creativecommons\.org)[^"]*"', "", text)


@pytest.mark.slow
def test_the_notebook_says_what_is_true(ran):
    names, _, _ = ran
    assert names["free"].status_ == "separated"
    assert names["clf"].status_ == names["clf_l1"].status_ == "certified"
    assert (names["clf_l1"].coef_ == 0).mean() > (names["clf"].coef_ == 0).mean()
    assert names["reading"].label == "4"
    assert names["change"].target != "4"
    zeros = [(model.coef_ == 0).sum() for model in names["strengths"]]
    assert zeros == sorted(zeros, reverse=True)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_the_tutorial_is_there(step):
    assert STEPS[step] in "".join(cells(NOTEBOOK.read_text(encoding="utf-8")))
