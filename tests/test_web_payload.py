"""A model as bytes for browsers: what is lost is stated, what is shown is true, what does not fit is refused."""

import gzip
import json
import struct
from dataclasses import replace

import numpy as np
import pytest

from inklens import DigitReader
from inklens.errors import DataError, ParameterError
from inklens.explanations.plausible import usual_ink
from inklens.photos import typical
from inklens.tasks.models import fit
from inklens.tasks.paths import follow
from inklens.tasks.session import Session
from inklens.web import payload


@pytest.fixture(scope="module")
def reader():
    return fit("embedded", train=1000, test=600, C=0.1, tol=1e-2).reader


@pytest.fixture(scope="module")
def session(reader):
    return Session.of(reader)


@pytest.fixture(scope="module")
def run():
    return follow("embedded", train=1000, test=600, C=1.0, points=12, tol=1e-2)


@pytest.mark.parametrize("n_pixels", [5, 784])
def test_arrays_start_where_a_browser_can_read_them(reader, session, n_pixels):
    odd = DigitReader(np.ones((3, 5)), np.ones(3), ("a", "b", "c"), (1, 5))
    more = {"samples": payload.samples(reader, session, n=7)} if n_pixels == 784 else {}
    data = payload.web_model(reader if more else odd, **more)
    (length,) = struct.unpack_from("<I", data)
    assert (length + 4) % 8 == 0
    header = json.loads(data[4 : 4 + length])
    assert header["format"] == "inklens-web"
    ends = [0]
    for entry in sorted(header["tensors"].values(), key=lambda entry: entry["offset"]):
        assert entry["offset"] % 8 == 0
        assert entry["offset"] >= ends[-1]
        ends.append(entry["offset"] + int(np.prod(entry["shape"])) * np.dtype(entry["dtype"]).itemsize)
    assert ends[-1] == len(data) - 4 - length


def test_the_header_says_what_the_file_records(reader):
    header, tensors = payload.parse(payload.web_model(reader, gate=False))
    assert tensors["coef"] == pytest.approx(reader.coef, rel=1e-7)
    assert tensors["intercept"] == pytest.approx(reader.intercept, rel=1e-7)
    assert header["certificate"] == {**reader.fit_record.certificate.numbers(), "status": "certified"}
    assert header["penalty"] == {"C": 0.1, "l1_ratio": 0.0, "group": False}
    assert header["accuracy"] == dict(reader.recorded("accuracy"))
    assert header["gate"] is header["path"] is header["samples"] is None


def test_a_model_that_says_nothing_of_its_fit_and_one_without_a_penalty():
    bare = DigitReader(np.eye(2, 4), np.zeros(2), ("a", "b"), (2, 2))
    header, _ = payload.parse(payload.web_model(bare))
    assert header["certificate"] is None
    assert header["penalty"] is None
    assert header["accuracy"] == {"train": None, "test": None}
    free = replace(bare, provenance={"fit": {"C": "inf", "l1_ratio": 0.0}})
    assert payload.parse(payload.web_model(free))[0]["penalty"]["C"] == "inf"  # infinity is no JSON


def decoded(header, tensors, shape):
    """A path's coefficients from its bytes, by the words of `encode_path` alone."""
    size = tensors["path0.low"].astype(np.int64) + 256 * tensors["path0.high"].astype(np.int64)
    change = np.where(size % 2, -(size + 1) // 2, size // 2)
    steps = (np.cumsum(change, axis=1) + 2**15) % 2**16 - 2**15
    return steps.T.reshape(shape) * header["path"]["scale"]


def test_a_path_loses_at_most_what_it_states_and_no_zero(reader, run):
    coefs = run.path.coefs.copy()
    coefs[-1].flat[[3, 300]] = 1e-9, -1e-9  # far below one step
    run = replace(run, path=replace(run.path, coefs=coefs))
    header, tensors = payload.parse(payload.web_model(reader, path=run))
    coefs, entry = decoded(header, tensors, run.path.coefs.shape), header["path"]
    error = np.abs(coefs - run.path.coefs).max()
    assert error == pytest.approx(entry["error"], rel=1e-9)
    assert error <= np.abs(run.path.coefs).max() / payload.PATH_LEVELS * 1.001
    assert np.array_equal(coefs == 0.0, run.path.coefs == 0.0)
    assert entry["Cs"] == pytest.approx(run.path.Cs.tolist(), rel=1e-8)
    assert entry["gaps"] == pytest.approx(run.path.gaps.tolist(), rel=1e-3)
    assert entry["nonzeros"] == np.count_nonzero(run.path.coefs, axis=(1, 2)).tolist()
    assert entry["entry_order"] == run.path.entry_order.tolist()
    assert entry["test_accuracy"] == pytest.approx(run.test_accuracy.tolist(), rel=1e-5)
    assert tensors["path0.intercept"] == pytest.approx(run.path.intercepts, rel=1e-6)


def test_a_path_compresses_better_than_its_coefficients(reader, run):
    grown = len(gzip.compress(payload.web_model(reader, path=run))) - len(gzip.compress(payload.web_model(reader)))
    assert grown < len(gzip.compress(run.path.coefs.astype(np.float32).tobytes()))


def test_several_paths_stand_beside_each_other(reader, run):
    header, tensors = payload.parse(payload.web_model(reader, path=[run, run]))
    assert header["more_paths"] == [header["path"]]
    assert np.array_equal(tensors["path0.low"], tensors["path1.low"])


def test_a_path_of_other_classes_or_pixels_is_refused(run):
    letters = DigitReader(np.zeros((10, 784)), np.zeros(10), tuple("abcdefghij"), (28, 28))
    small = DigitReader(np.zeros((10, 64)), np.zeros(10), tuple("0123456789"), (8, 8))
    for other in (letters, small):
        with pytest.raises(DataError, match="follow a path on the data of the model"):
            payload.web_model(other, path=run)


def test_samples_are_what_they_are_called(reader, session):
    X, y, _ = session.half("test")
    chosen = payload.samples(reader, session, n=60)
    proba = reader.predict_proba(X.reshape(-1, 28, 28) / 255)
    answers = np.array(reader.classes)[proba.argmax(axis=1)]
    top = np.sort(proba, axis=1)
    margin = top[:, -1] - top[:, -2]
    rows, kinds = np.array(chosen.rows), np.array(chosen.kinds)
    assert len(set(chosen.rows)) == 60
    assert np.array_equal(chosen.pixels, X[rows])
    assert np.array_equal(chosen.labels, y[rows])
    assert np.array_equal(chosen.predicted, answers[rows])
    assert np.array_equal(kinds == "mistake", answers[rows] != y[rows])
    right = answers == y
    worst_close = margin[rows[kinds == "close"]].max()
    assert (margin[right] < worst_close).sum() == (kinds == "close").sum() - 1
    surest = top[rows[kinds == "mistake"], -1]
    assert surest.min() >= np.sort(top[~right, -1])[-len(surest)]
    assert set(y[rows[kinds == "right"]]) == set(reader.classes)
    counts = [[int(((y == a) & (answers == b)).sum()) for b in reader.classes] for a in reader.classes]
    assert chosen.confusion.tolist() == counts
    assert chosen.n_rows == len(y)


def test_samples_take_what_there_is(reader, session):
    few = replace(
        session, split=session.split._replace(X_test=session.split.X_test[:5], y_test=session.split.y_test[:5])
    )
    assert len(payload.samples(reader, few, n=50).rows) == 5
    with pytest.raises(ParameterError, match="at least one"):
        payload.samples(reader, session, n=0)


def test_a_label_that_the_model_does_not_know_is_a_mistake_outside_the_matrix(reader, session):
    y = session.split.y_test[:20].copy()
    y[3] = "x"
    odd = replace(session, split=session.split._replace(X_test=session.split.X_test[:20], y_test=y))
    chosen = payload.samples(reader, odd, n=20)
    assert chosen.kinds[chosen.rows.index(3)] == "mistake"
    assert chosen.confusion.sum() == 19


def test_usual_ink_is_never_less_than_it_was(reader, session):
    usual = usual_ink(session.split.X_train.reshape(-1, 28, 28), session.split.y_train)
    _, tensors = payload.parse(payload.web_model(reader, usual=usual))
    exact = np.stack([usual[name].ravel() for name in reader.classes])
    assert (tensors["usual"] / 255 >= exact - 1e-12).all()
    assert (tensors["usual"] / 255 - exact).max() < 1 / 255
    with pytest.raises(DataError, match="without 3"):
        payload.web_model(reader, usual={name: ink for name, ink in usual.items() if name != "3"})


def test_the_gate_keeps_its_decisions_in_a_quarter_of_its_size(reader, session):
    limits, tensors = payload.encode_gate(typical.shipped())
    large = {name: tensors[name] * tensors[f"{name}.steps"] for name in ("basis", "whiten", "prototypes", "outliers")}
    outliers = np.concatenate([large.pop("outliers"), tensors["bias"][None]])
    coarse = replace(typical.shipped(), outliers=outliers, **large)
    frames = session.frames("test")
    frames = np.concatenate([frames, frames[:, ::-1], np.maximum(frames, frames[::-1])])  # upside down, two in one
    exact, kept = typical.shipped().likeness(frames), coarse.likeness(frames)
    assert 0.2 < (exact < limits["least"]).mean() < 0.8
    near = np.abs(exact - limits["least"]) < 0.06
    assert np.array_equal((exact >= limits["least"])[~near], (kept >= limits["least"])[~near])
    assert near.mean() < 0.05
    packed = sum(len(gzip.compress(array.tobytes())) for array in tensors.values())
    assert packed < typical.HOME.stat().st_size / 2


def test_a_gate_of_digits_is_no_gate_of_letters(reader):
    letters = replace(reader, classes=tuple("abcdefghij"))
    assert payload.parse(payload.web_model(letters))[0]["gate"] is None
    assert payload.parse(payload.web_model(reader))[0]["gate"]["least"] == 0.5
