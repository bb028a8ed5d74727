"""Models that judge a model's rows, its labels and its coefficients are models like it, whatever its kind of fit."""

from pathlib import Path

import numpy as np
import pytest

from inklens import SoftmaxRegression
from inklens.datasets import Split
from inklens.errors import DataError
from inklens.evaluation.fitted import problem_of
from inklens.tasks import certainty, labels
from inklens.tasks.model_rows import feature_rows
from inklens.tasks.models import fit
from inklens.tasks.session import Session
from inklens.tasks.verification import verify

GOLDEN = Path(__file__).parent / "golden"
TOL = 1e-10
KINDS = {
    "l2": {"C": 0.3},
    "l1": {"C": 0.6, "l1_ratio": 1.0},
    "elastic": {"C": 0.6, "l1_ratio": 0.4},
    "group": {"C": 0.6, "l1_ratio": 0.8, "group": True},
    "min-max": {"C": 0.3, "scale": "min-max"},
    "min-max, group": {"C": 0.3, "l1_ratio": 1.0, "group": True, "scale": "min-max"},
    "upright": {"C": 0.3, "features": "upright"},
    "strokes": {"C": 0.3, "features": "strokes"},
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(scope="module")
def session(kind):
    data = f"npz:{GOLDEN / ('digits.npz' if 'features' in kind else 'small.npz')}"
    return Session.of(fit(data, train=0.6, test=0.4, seed=3, tol=TOL, **kind).reader)


def independent(kind, reader, X, y):
    """Coefficients for plain ink of a fit of these rows, by the estimator and the definition of each setting."""
    model = SoftmaxRegression(C=kind["C"], l1_ratio=kind.get("l1_ratio", 0.0), group=kind.get("group", False), tol=TOL)
    if kind.get("scale") != "min-max":
        frames = (X / 255).reshape(-1, *reader.image_shape)
        model.fit(reader.transform(frames), y)
        return model.coef_, model.intercept_
    low, high = X.min(axis=0) / 255, X.max(axis=0) / 255
    span = np.where(high > low, high - low, 1.0)
    model.fit((X / 255 - low) / span, y)
    coef = np.where(high > low, model.coef_ / span, 0.0)
    return coef, model.intercept_ - coef @ low


def test_a_refit_on_all_training_rows_is_the_model(session):
    reader, rows = session.reader, session.split
    X = feature_rows(rows.X_train, features=reader.features, image_shape=reader.image_shape)
    again = reader.fit_record.estimator().fit(X, rows.y_train)
    assert again.coef_ == pytest.approx(reader.coef, abs=2e-4 * np.abs(reader.coef).max())
    assert again.intercept_ == pytest.approx(reader.intercept, abs=2e-4 * np.abs(reader.coef).max())


def test_a_refit_may_start_from_the_model(session):
    reader, rows = session.reader, session.split
    X = feature_rows(rows.X_train, features=reader.features, image_shape=reader.image_shape)
    warm = reader.fit_record.estimator(tol=1e-3).set_params(warm_start=True)
    warm.coef_, warm.intercept_, warm.classes_ = reader.coef, reader.intercept, np.array(reader.classes)
    cold = reader.fit_record.estimator(tol=1e-3).fit(X.take(np.arange(X.n_samples)), rows.y_train)  # counts its own
    assert warm.fit(X, rows.y_train).n_passes_ < cold.n_passes_
    assert warm.coef_ == pytest.approx(reader.coef, abs=2e-3 * np.abs(reader.coef).max())


def test_models_that_judge_labels_are_fits_like_it_without_their_part(kind, session, monkeypatch):
    monkeypatch.setattr(labels, "FOLD_TOL", TOL)
    rows, found = session.split, labels.suspect_labels(session, folds=3)
    for number, model in enumerate(found.folds.models):
        seen = found.folds.fold != number
        coef, intercept = independent(kind, session.reader, rows.X_train[seen], rows.y_train[seen])
        vary = coef.any(axis=0)  # of what is constant in a fold's rows, see below
        assert model.coef[:, vary] == pytest.approx(coef[:, vary], abs=5e-4 * np.abs(coef).max())
        assert model.intercept == pytest.approx(intercept, abs=5e-4 * np.abs(coef).max())
        held = (rows.X_train[~seen] / 255).reshape(-1, *session.reader.image_shape)
        assert found.folds.proba[~seen] == pytest.approx(model.predict_proba(held), abs=1e-5)


def test_a_warm_start_gives_no_weight_to_a_constant_column():
    rng = np.random.default_rng(0)
    X, y = rng.random((60, 5)), rng.integers(0, 3, 60)
    X[:, 4] = 0.0
    model = SoftmaxRegression(C=0.3, tol=1e-9, warm_start=True)
    model.classes_, model.intercept_ = np.arange(3), np.zeros(3)
    model.coef_ = np.zeros((3, 5))
    model.coef_[:, 4] = (0.3, -0.1, -0.2)
    assert not model.fit(X, y).coef_[:, 4].any()


@pytest.mark.parametrize("by", ["curvature", "halves", "bootstrap"])
def test_coefficients_are_judged_on_the_problem_that_was_solved(by, session, monkeypatch):
    problems = []

    def record(model, X, y, **options):
        problem = problem_of(model, X, y)
        z = problem.rows.scores(model.coef_, model.intercept_, dtype=np.float64)
        z -= z.max(axis=1, keepdims=True)
        losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), problem.codes]
        problems.append(problem.weights @ losses + problem.penalty.value(model.coef_))

    monkeypatch.setattr(certainty, "curvature" if by == "curvature" else "stability", record)
    certainty.judge_coefficients(session.reader, by=by)
    assert problems == [pytest.approx(session.reader.fit_record.certificate.objective, rel=1e-6)]


def test_the_problem_of_a_record_is_the_one_that_was_solved(session):
    assert verify(session.reader).holds


def test_a_label_that_the_model_does_not_know_is_an_error(session):
    """It was taken for the class that stands in its place in the alphabet."""
    rows = session.split
    strange = rows.y_train.copy()
    strange[2] = "5"
    split = Split(rows.X_train, rows.X_test, strange, rows.y_test, rows.train_index, rows.test_index)
    with pytest.raises(DataError, match="'5'"):
        labels.judge_labels(session.reader, split, folds=3, seed=0)
    with pytest.raises(DataError, match="'5'"):
        Session(session.reader, session.dataset, split).training_codes
    with pytest.raises(DataError, match="'5'"):
        certainty.certainty_of(session.reader, session.frames("train"), strange)


def test_unknown_labels_are_an_error_when_a_certificate_is_verified(session, monkeypatch):
    rows = session.split
    split = rows._replace(y_train=np.where(np.arange(len(rows.y_train)) == 2, "5", rows.y_train))
    monkeypatch.setattr(Session, "of", lambda *args, **options: Session(session.reader, session.dataset, split))
    with pytest.raises(DataError, match="'5'"):
        verify(session.reader)
