"""The figures of `how sure` show the numbers that they were given."""

import numpy as np
import pytest

from inklens.displays import (
    CalibrationDisplay,
    ModelComparisonDisplay,
    PredictionSetsDisplay,
    StabilityDisplay,
    UncertaintyDisplay,
)
from inklens.displays.scene import MARGIN
from inklens.evaluation import Calibration, Comparison


def pixel_of(hover, hovers):
    """Row and column of a hover, counted on the picture that all of them lie on."""
    left, top = min(h.x for h in hovers), min(h.y for h in hovers)
    return round((hover.y - top) / hover.height), round((hover.x - left) / hover.width)


def test_pixels_of_the_stability_map_say_their_own_share():
    rng = np.random.default_rng(0)
    positive, negative = rng.random((2, 3, 4, 5)) / 2
    in_use = np.maximum(positive, negative).max(axis=0)
    display = StabilityDisplay(positive, negative, in_use, class_names="abc", n_refits=10).plot()
    assert len(display._hovers) == 20
    for hover in display._hovers:
        row, col = pixel_of(hover, display._hovers)
        assert hover.text.startswith(f"{row}, {col}: used in {in_use[row, col]:.0%}")
        shares = np.stack([positive[:, row, col], negative[:, row, col]])
        assert hover.text.endswith(f"{'abc'[shares.max(axis=0).argmax()]} in {shares.max():.0%}")


def test_only_clear_coefficients_are_coloured_and_say_their_value():
    coef = np.array([[[3.0, 0.5], [-2.5, 0.0]], [[0.1, -3.0], [0.0, 0.2]]])
    display = UncertaintyDisplay(coef, np.ones_like(coef), class_names="ab").plot()
    assert display.n_clear == 3
    first = [h for h in display._hovers if h.text.endswith("for a")]
    assert [h.text for h in first] == ["0, 0: +3.000 ± 1.000 for a", "1, 0: −2.500 ± 1.000 for a"]
    assert first[0].x == first[1].x >= MARGIN
    assert first[1].y == pytest.approx(first[0].y + first[0].height)


def test_a_calibration_curve_draws_the_bins():
    proba = np.random.default_rng(1).dirichlet([1, 1, 1], 200)
    seen = Calibration(proba, proba.argmax(axis=1))
    display = CalibrationDisplay.from_calibration(seen, after=seen)
    assert display.counts.sum() == 200
    assert (display.right == 1.0).all()
    assert (display.low < 1.0).all()
    assert f"{display.counts[0]:,} answers" in display.alt


def test_sets_are_counted_by_size_and_examples_have_several_classes():
    sets = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1]], dtype=bool)
    codes = np.array([0, 2, 1, 0])
    display = PredictionSetsDisplay.from_sets(
        sets, codes, np.zeros((4, 2, 2)), class_names="479", coverage=0.9, n_images=3
    )
    assert display.table == [(1, 1, 1), (2, 2, 1), (3, 1, 1)]
    assert display.answers == ["4 or 7", "7 or 9", "4, 7 or 9"]
    assert display.kept == [False, True, True]


def test_the_galleries_show_rows_that_only_one_model_gets_right():
    y = np.array(list("aabb"))
    said = np.array(list("abbb")), np.array(list("aaba"))
    images = np.arange(4)[:, None, None] * np.ones((4, 2, 2)) / 4
    display = ModelComparisonDisplay.from_comparison(
        Comparison.from_predictions(y, *said), names=("one", "two"), images=images, y_true=y, predictions=said
    )
    only_one, only_two = display.only
    assert (only_one.n_rows, only_one.truths, only_one.mistakes) == (1, ["b"], ["a"])
    assert (only_two.n_rows, only_two.truths, only_two.mistakes) == (1, ["a"], ["b"])
    assert only_one.images[0, 0, 0] == 0.75
    assert only_two.images[0, 0, 0] == 0.25
