"""Early stops of another solver, judged by a bound that it does not know: what `inklens.tasks.stops` says is true."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss

from inklens.datasets import load_dataset
from inklens.errors import DataError, ParameterError
from inklens.tasks.model_rows import scale_pixels
from inklens.tasks.models import fit
from inklens.tasks.stops import early_stops
from inklens.web import payload

C = 0.3


@pytest.fixture(scope="module")
def rows():
    return load_dataset("embedded").split(train=300, test=150, seed=9)


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def stops(rows, told):
    return early_stops(rows, C=C, tols=(0.03, 0.1), progress=lambda *now: told.append(now))


def probabilities(coef, intercept, X):
    z = X @ coef.T + intercept
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_objectives_and_accuracies_are_those_of_the_coefficients(stops, rows):
    X, X_test = scale_pixels(rows.X_train), scale_pixels(rows.X_test)
    for point, (coef, b) in enumerate(zip(stops.coefs, stops.intercepts, strict=True)):
        loss = log_loss(rows.y_train, probabilities(coef, b, X), labels=stops.classes, normalize=False)
        assert stops.objectives[point] == pytest.approx(C * loss + np.abs(coef).sum(), rel=1e-5)
        answers = stops.classes[probabilities(coef, b, X_test).argmax(axis=1)]
        assert stops.test_accuracy[point] == pytest.approx(accuracy_score(rows.y_test, answers))


def test_no_stop_is_below_the_bound_and_the_last_is_at_it(stops):
    assert (stops.objectives >= stops.lower_bound).all()
    assert (np.diff(stops.objectives) < 0).all()
    assert stops.gaps[-1] <= 1e-4 < stops.gaps[:-1].min()


def test_each_tolerance_stops_where_scikit_learn_stops(stops, rows):
    X = scale_pixels(rows.X_train)
    assert [tol for tol in stops.tols if tol is not None] == [0.1, 0.03]
    for tol in (0.1, 0.03):
        theirs = LogisticRegression(C=C, l1_ratio=1.0, solver="saga", tol=tol, random_state=0, max_iter=1000)
        theirs.fit(X, rows.y_train)
        point = stops.tols.index(tol)
        assert stops.epochs[point] == theirs.n_iter_.max()
        np.testing.assert_array_equal(stops.coefs[point], theirs.coef_)


def test_stops_come_in_the_order_of_time_with_the_optimum_last(stops):
    *epochs, last = stops.epochs
    assert last is None
    assert stops.tols[-1] is None
    assert epochs == sorted(set(epochs))
    assert epochs[0] == 1


def test_progress_counts_up_to_all(told):
    done, totals = [now[0] for now in told], {now[1] for now in told}
    assert done == list(range(len(done)))
    assert totals == {len(done)}


def test_two_classes_have_a_row_each():
    rows = load_dataset("embedded").split(train=400, test=200, seed=9)
    halves = {}
    for half in ("train", "test"):
        X, y = getattr(rows, f"X_{half}"), getattr(rows, f"y_{half}")
        keep = np.isin(y, ["3", "8"])
        halves |= {f"X_{half}": X[keep], f"y_{half}": y[keep]}
    two = rows._replace(**halves)
    stops = early_stops(two, C=C, tols=(0.1,))
    assert stops.coefs.shape[1:] == (2, 784)
    assert (stops.objectives >= stops.lower_bound).all()


@pytest.mark.parametrize(
    "wrong", [{"C": 0.0}, {"C": float("nan")}, {"C": float("inf")}, {"tols": ()}, {"tols": (0.1, -1.0)}]
)
def test_what_cannot_be_is_refused(rows, wrong):
    with pytest.raises(ParameterError, match="positive"):
        early_stops(rows, **wrong)


@pytest.fixture(scope="module")
def reader():
    return fit("embedded", train=300, test=150, C=0.1, tol=1e-2).reader


def test_the_browser_gets_zeros_as_zeros_and_weights_within_the_stated_error(stops, reader):
    header, tensors = payload.parse(payload.web_model(reader, tolerance=stops))
    entry = header["tolerance"]
    low, high = (tensors[f"tolerance.{part}"].astype(np.int64) for part in ("low", "high"))
    size = low + 256 * high
    change = np.where(size % 2, -(size + 1) // 2, size // 2).reshape(-1, len(stops.epochs)).T
    decoded = (np.cumsum(change, axis=0) * entry["scale"]).reshape(stops.coefs.shape)
    assert np.abs(decoded - stops.coefs).max() == pytest.approx(entry["error"])
    assert entry["error"] <= entry["scale"]
    np.testing.assert_array_equal(decoded == 0.0, stops.coefs == 0.0)
    assert entry["epochs"] == list(stops.epochs)
    assert entry["tols"] == list(stops.tols)
    assert entry["nonzeros"] == [np.count_nonzero(coef) for coef in stops.coefs]
    np.testing.assert_allclose(entry["gaps"], stops.gaps, rtol=1e-3)


def test_stops_of_another_model_are_refused(stops, reader):
    three = type(reader)(reader.coef[:3], reader.intercept[:3], reader.classes[:3], reader.image_shape)
    with pytest.raises(DataError, match="classes"):
        payload.web_model(three, tolerance=stops)
