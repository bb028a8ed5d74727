"""The lesson on siblings runs cell by cell, and says what is true."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

from inklens.displays import Display

pytestmark = pytest.mark.slow  # all of them run the whole lesson

LESSON = Path(__file__).parents[1] / "notebooks" / "siblings.py"


def cells():
    """Code of the lesson, cell by cell, on few rows."""
    text = LESSON.read_text(encoding="utf-8")
    small = text.replace("TRAIN, TEST = 1000, 400", "TRAIN, TEST = 500, 200")
    assert small != text
    found = re.findall(r"^# %%\n(.*?)(?=^# %%|\Z)", small, re.DOTALL | re.MULTILINE)
    assert len(found) > 20
    return found


def run_cell(code, names):
    """Run a cell; return what its last line is worth, as a notebook shows it."""
    import ast

    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(LESSON), "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), str(LESSON), "eval"), names)


@pytest.fixture(scope="module")
def ran():
    names, printed = {"__name__": "__main__"}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        shown = [run_cell(code, names) for code in cells()]
    return names, shown, printed.getvalue()


def test_every_cell_runs_and_the_figures_are_drawn(ran):
    _, shown, _ = ran
    figures = [value for value in shown if isinstance(value, Display)]
    assert len(figures) >= 10
    assert figures[1].plot().to_svg().startswith("<?xml")


def test_what_is_computed_by_hand_is_the_machines(ran):
    names, _, printed = ran
    by_hand, given = re.findall(r"(?:by hand|decision_function): +(\S+)", printed)
    assert float(by_hand) == pytest.approx(float(given), abs=1e-9)
    assert -names["duelled"].value == pytest.approx(float(given), abs=1e-9)


def test_the_lesson_says_what_is_true(ran):
    names, _, _ = ran
    right = {name: float(np.mean(said == names["y_test"])) for name, said in names["answers"].items()}
    assert min(right["neighbours"], right["forest"]) > right["softmax"] > right["tree"] > right["AdaBoost"]
    assert names["answers"]["softmax"][names["row"]] != names["hard"].true
    assert names["said"][names["support"]].mean() <= names["said"][~names["support"]].mean()
