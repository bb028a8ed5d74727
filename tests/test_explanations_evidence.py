"""Evidence sums to the score, whatever the model; comparisons do not depend on the softmax gauge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inklens import DigitReader, explain
from inklens.linear.softmax import softmax


def random_reader(seed, n_classes=4, shape=(6, 5)):
    rng = np.random.default_rng(seed)
    coef = rng.normal(size=(n_classes, shape[0] * shape[1])) * 10.0 ** rng.integers(-2, 3)
    reader = DigitReader(coef, rng.normal(size=n_classes), tuple("abcdefgh"[:n_classes]), shape)
    return reader, rng.random(shape)


@given(st.integers(0, 2**32 - 1))
def test_contributions_sum_to_the_models_own_score(seed):
    reader, frame = random_reader(seed)
    why = explain(reader, frame)
    assert np.allclose(why.z, reader.raw_prediction(frame[None])[0], rtol=1e-12, atol=1e-9)
    assert np.allclose(why.probabilities, reader.predict_proba(frame[None])[0], atol=1e-12)
    assert why.label == reader.predict(frame[None])[0]


@given(st.integers(0, 2**32 - 1))
def test_a_comparison_is_the_log_odds_in_every_gauge(seed):
    reader, frame = random_reader(seed)
    shift = np.random.default_rng(seed).normal(size=reader.coef.shape[1])
    shifted = DigitReader(reader.coef + shift, reader.intercept + 3.0, reader.classes, reader.image_shape)
    why, other = explain(reader, frame), explain(shifted, frame)
    assert np.allclose(why.between("a", "c"), other.between("a", "c"), atol=1e-9)
    log_p = np.log(softmax(why.z[None] / np.abs(why.z).max())[0]) * np.abs(why.z).max()
    odds = why.between("a", "c").sum() + why.intercept[0] - why.intercept[2]
    assert odds == pytest.approx(log_p[0] - log_p[2], rel=1e-6, abs=1e-6)


def test_no_ink_gives_no_evidence():
    reader, frame = random_reader(0)
    assert not explain(reader, np.zeros_like(frame)).contributions.any()


def test_the_json_holds_what_sums_to_z():
    reader, frame = random_reader(1)
    document = explain(reader, frame).to_json()
    for name, z in document["z"].items():
        assert np.sum(document["contributions"][name]) + document["intercept"][name] == pytest.approx(z)
