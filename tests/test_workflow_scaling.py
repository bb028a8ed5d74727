"""Min-max scaling: scikit-learn's, and a model that reads plain ink all the same."""

import csv
import io

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from inklens import SoftmaxRegression, load_dataset
from inklens.errors import ParameterError
from inklens.model.scaling import MinMax
from inklens.model.stretched import StretchedRegression
from inklens.tasks.judging import evaluate
from inklens.tasks.models import fit
from inklens.tasks.verification import verify

SIZES = {"train": 300, "test": 200, "seed": 9}


@pytest.fixture(scope="module")
def rows():
    return load_dataset().split(**SIZES)


def test_rows_are_stretched_as_by_scikit_learn(rows):
    """Also test rows beyond the training range, and pixels that never change."""
    scaler = MinMaxScaler().fit(rows.X_train)
    stretch = MinMax.of(rows.X_train)
    for X in (rows.X_train, rows.X_test):
        varies = stretch.span > 0
        np.testing.assert_allclose(stretch.transform(X)[:, varies], scaler.transform(X)[:, varies], atol=1e-6)
        assert not stretch.transform(X)[:, ~varies].any()
    assert stretch.transform(rows.X_test).max() > 1


def test_the_way_to_plain_ink_and_back_changes_nothing(rows):
    rng = np.random.default_rng(0)
    stretch = MinMax.of(rows.X_train)
    coef, intercept = rng.normal(size=(10, 784)) * (stretch.span > 0), rng.normal(size=10)
    plain, moved = stretch.to_ink(coef, intercept)
    np.testing.assert_allclose(
        rows.X_test / 255 @ plain.T + moved, stretch.transform(rows.X_test) @ coef.T + intercept, atol=1e-3
    )
    again, back = stretch.from_ink(plain, moved)
    np.testing.assert_allclose(again, coef, atol=1e-12)
    np.testing.assert_allclose(back, intercept, atol=1e-9)


@pytest.mark.parametrize("penalty", [{"C": 1.0, "l1_ratio": 1.0}, {"C": 0.1}, {"C": np.inf}])
def test_a_stretched_fit_is_the_pipeline_of_scikit_learn_and_its_certificate_holds(rows, penalty):
    result = fit("embedded", **SIZES, **penalty, scale="min-max", tol=1e-7)
    assert verify(result.reader).holds
    if result.status == "separated":  # no optimum to compare
        return
    model = make_pipeline(MinMaxScaler(), SoftmaxRegression(**penalty, tol=1e-7)).fit(rows.X_train, rows.y_train)
    proba = result.reader.predict_proba((rows.X_test / 255).reshape(-1, 28, 28))
    np.testing.assert_allclose(proba, model.predict_proba(rows.X_test), atol=5e-3)
    assert result.objective == pytest.approx(model[-1].objective_, rel=1e-6)


def test_only_pixels_are_stretched():
    with pytest.raises(ParameterError, match="min-max"):
        fit("embedded", **SIZES, scale="min-max", features="strokes")


def test_predictions_are_the_models_answers_to_the_rows_they_name(rows):
    result = fit("embedded", **SIZES, C=0.1, tol=1e-2)
    table = list(csv.DictReader(io.StringIO(evaluate(result.reader).predictions)))
    data = load_dataset()
    assert [line["true"] for line in table] == data.y[[int(line["row"]) for line in table]].tolist()
    assert np.mean([line["right"] == "yes" for line in table]) == result.accuracy["test"]
    for line in table[:20]:
        p = {name: float(line[f"p_{name}"]) for name in result.reader.classes}
        assert max(p, key=p.get) == line["answer"]
        assert sum(p.values()) == pytest.approx(1, abs=1e-5)


def test_a_stretched_fit_that_fails_says_why_and_changes_nothing():
    rng = np.random.default_rng(0)
    model = StretchedRegression(warm_start=True).fit(rng.random((30, 2)), np.arange(30) % 2)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="class"):
        model.fit(rng.random((30, 3)), np.zeros(30))
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
