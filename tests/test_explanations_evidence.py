"""Evidence sums to the score, whatever the model; comparisons do not depend on the softmax gauge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inklens import DigitReader, explain, load_dataset
from inklens.errors import ParameterError
from inklens.explanations.places import named_parts
from inklens.linear.softmax import softmax
from inklens.photos import compute, deskew_matrix, unwarp


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


@given(st.integers(0, 2**32 - 1))
def test_new_ink_adds_what_its_map_says(seed):
    reader, frame = random_reader(seed)
    why = explain(reader, frame)
    i, j = np.random.default_rng(seed).integers((0, 0), frame.shape)
    filled = frame.copy()
    filled[i, j] = 1.0
    then = explain(reader, filled)
    size = np.abs(reader.coef).max()
    assert then.log_odds("a", "c") - why.log_odds("a", "c") == pytest.approx(
        why.missing("a", "c")[i, j], abs=1e-9 * size
    )
    p_before, p_after = why.z - why.z.mean(), then.z - then.z.mean()
    for k, name in enumerate(why.classes):
        assert p_after[k] - p_before[k] == pytest.approx(why.missing(name)[i, j], abs=1e-9 * size)


@given(st.integers(0, 2**32 - 1))
def test_evidence_against_a_baseline_is_the_difference_of_log_odds(seed):
    reader, frame = random_reader(seed)
    baseline = np.random.default_rng(seed + 1).random(frame.shape)
    why, other = explain(reader, frame), explain(reader, baseline)
    expected = why.log_odds("b", "d") - other.log_odds("b", "d")
    assert why.between("b", "d", baseline=baseline).sum() == pytest.approx(
        expected, abs=1e-9 * np.abs(reader.coef).max()
    )


@given(st.integers(0, 2**32 - 1))
def test_places_hold_all_ink_and_all_evidence_in_every_gauge(seed):
    reader, frame = random_reader(seed)
    frame *= np.random.default_rng(seed).random(frame.shape) < 0.4
    shift = np.random.default_rng(seed).normal(size=reader.coef.shape[1])
    shifted = DigitReader(reader.coef + shift, reader.intercept, reader.classes, reader.image_shape)
    why, size = explain(reader, frame), np.abs(reader.coef).max()
    found, other = why.places("a", "b"), explain(shifted, frame).places("a", "b")
    assert sum(place.ink for place in found) == pytest.approx(frame.sum())
    assert sum(place.difference for place in found) == pytest.approx(why.between("a", "b").sum(), abs=1e-9 * size)
    differences = [abs(place.difference) for place in found]
    assert differences == sorted(differences, reverse=True)
    by_name = {place.name: (place.to_a, place.to_b) for place in other}
    for place in found:
        assert (place.to_a, place.to_b) == pytest.approx(by_name[place.name], abs=1e-9 * max(size, 10))


def test_parts_are_named_as_a_person_sees_them():
    frame = np.zeros((9, 9))
    frame[3:6, 3:6] = 1.0
    names = named_parts(frame)
    assert (names[3, 3], names[4, 4], names[5, 4], names[0, 8]) == ("top left", "centre", "bottom", "top right")
    frame = np.zeros((9, 9))
    frame[:, 4] = 1.0
    assert set(named_parts(frame).ravel()) == {"top", "centre", "bottom"}


def test_rank_puts_what_matters_most_first():
    reader, frame = random_reader(4)
    frame[0] = 0.0
    why = explain(reader, frame)
    ranked = why.rank("a", "b")
    values = np.abs(why.between("a", "b")[tuple(ranked.T)])
    assert np.all(np.diff(values) <= 0)
    assert len(ranked) == np.count_nonzero(frame)


def test_unknown_classes_are_named():
    reader, frame = random_reader(4)
    with pytest.raises(ParameterError, match="'z'"):
        explain(reader, frame).between("a", "z")


@pytest.mark.parametrize("features", ["upright", "strokes"])
def test_evidence_of_other_features_sums_to_the_models_own_score(features):
    rng = np.random.default_rng(3)
    frame = load_dataset("embedded").images(17) / 255
    n_features = compute(frame[None], features).shape[1]
    reader = DigitReader(rng.normal(size=(3, n_features)), rng.normal(size=3), ("a", "b", "c"), (28, 28), features)
    why = explain(reader, frame)
    assert np.allclose(why.z, reader.raw_prediction(frame[None])[0], rtol=1e-9, atol=1e-9)
    assert why.between("a", "c").sum() + why.intercept[0] - why.intercept[2] == pytest.approx(why.log_odds("a", "c"))
    assert np.allclose(why.centred.sum(axis=0), 0.0, atol=1e-9)
    assert set(why.to_json()) == {"label", "z", "probabilities", "intercept", "contributions", "comparison"}


def slanted_digit(features, seed=3):
    """A digit that leans and stands off centre, and a random model on its features."""
    rng = np.random.default_rng(seed)
    image = load_dataset("embedded").images(int(rng.integers(5000))) / 255
    frame = np.stack([np.roll(row, (14 - i) // 4) for i, row in enumerate(np.roll(image, 2, axis=0))])
    n_features = compute(frame[None], features).shape[1]
    coef = rng.normal(size=(3, n_features))
    return DigitReader(coef, rng.normal(size=3), ("a", "b", "c"), (28, 28), features), frame


@pytest.mark.parametrize("seed", range(4))
def test_upright_evidence_lies_on_the_ink_of_the_given_frame(seed):
    reader, frame = slanted_digit("upright", seed)
    why = explain(reader, frame)
    assert np.array_equal(why.frame, frame)
    assert np.allclose(why.z, reader.raw_prediction(frame[None])[0], rtol=1e-9, atol=1e-9)
    size = np.abs(why.contributions).sum(axis=0)
    assert size[frame == 0.0].sum() <= 1e-4 * size.sum()
    # the model's own words: the sum of w over the straightened pixels that a pixel of the frame lends its ink to
    lent = reader.coef @ deskew_matrix(frame)
    inside = (deskew_matrix(frame).sum(axis=0) > 0) & (frame.ravel() > 0.5)
    assert np.corrcoef((lent * frame.ravel())[0, inside], why.contributions[0].ravel()[inside])[0, 1] > 0.95


@pytest.mark.parametrize("seed", range(4))
def test_strokes_add_up_to_the_evidence_and_lie_on_its_edges(seed):
    reader, frame = slanted_digit("strokes", seed)
    why = explain(reader, frame)
    drawn = why.strokes("a", "c", most=10_000)
    assert drawn[:, 4].sum() == pytest.approx(why.between("a", "c").sum())
    assert (np.diff(np.abs(drawn[:, 4])) <= 0).all()
    near = np.pad(frame, 4) > 0.0
    rows, cols = np.rint(drawn[:, 0]).astype(int), np.rint(drawn[:, 1]).astype(int)
    assert all(near[row : row + 9, col : col + 9].any() for row, col in zip(rows, cols, strict=True))
    maps = np.random.default_rng(seed).random((2, 28, 28))
    assert np.allclose(unwarp(maps, frame), (maps.reshape(2, -1) @ deskew_matrix(frame)).reshape(2, 28, 28))


def test_a_bars_edges_run_along_it_with_the_ink_to_their_right():
    frame = np.zeros((28, 28))
    frame[4:24, 12:16] = 1.0
    reader = DigitReader(np.eye(2, 520), np.zeros(2), ("a", "b"), (28, 28), "strokes")
    why = explain(reader, frame)
    strong = np.argsort(-why.values)[:4]
    for row, col, down, right in why.edges[strong]:
        assert abs(right) < 0.05 * abs(down)  # upright
        assert 8 < row < 20
        assert (down < 0) == (col < 13.5)  # up the left side, down the right side
