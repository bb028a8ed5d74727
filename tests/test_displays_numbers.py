"""What the displays compute, and what their colours promise."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix

from inklens.datasets.dataset import Dataset
from inklens.displays import (
    NARROW,
    PALETTES,
    WIDE,
    ByHandDisplay,
    CoefficientMapsDisplay,
    ConfusionMatrixDisplay,
    EvidenceDisplay,
    MapComparisonDisplay,
    MisclassifiedDisplay,
    PathDisplay,
    ProbabilityBarsDisplay,
    SampleGalleryDisplay,
    StrengthDisplay,
)
from inklens.displays.palettes import signed_pixels
from inklens.displays.path import order_pixels
from inklens.errors import DataError, ParameterError


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return data.data / 16, data.target.astype(str)


@pytest.fixture(scope="module")
def model(digits):
    X, y = digits
    return LogisticRegression(C=0.05).fit(X[:900], y[:900])


@pytest.mark.parametrize("palette", PALETTES)
def test_zero_is_black_near_zero_is_white_and_the_ends_mirror(palette):
    values = np.array([[0.0, 1e-12, -1e-12, 1.0, -1.0, 5.0]])
    pixels = signed_pixels(values, 1.0, palette=palette, black_zeros=True)[0]
    assert pixels[0].tolist() == [0, 0, 0]
    assert pixels[1].tolist() == pixels[2].tolist() == [255, 255, 255]
    assert pixels[3][2] > pixels[3][0], "what adds is blue"
    assert pixels[4][0] > pixels[4][2], "what subtracts is red or orange"
    assert pixels[5].tolist() == pixels[3].tolist()


@pytest.mark.parametrize("palette", PALETTES)
def test_no_coefficient_but_zero_is_painted_black(palette):
    values = np.concatenate([-np.logspace(-9, 1, 500), np.logspace(-9, 1, 500)])[None]
    assert signed_pixels(values, 1.0, palette=palette, black_zeros=True).max(axis=2).min() > 60


def test_zeros_of_each_model_are_its_own(digits):
    """Coefficients of the second model that are zero show black, whatever the first model has there."""
    first, second = np.ones((2, 3, 3)), np.ones((2, 3, 3))
    second[:, 1, 1] = 0
    figure = MapComparisonDisplay({"none": first, "L1": second}, class_names=["a", "b"]).plot()
    pictures = [image.get_array() for image in figure.ax_.images]
    black = [(picture == 0).all(axis=2).sum() for picture in pictures if picture.shape == (3, 3, 3)]
    assert black == [0, 0, 1, 1]


def test_by_hand_equals_predict_proba(digits, model):
    X, y = digits
    for i in range(900, 950):
        hand = ByHandDisplay.from_estimator(model, X[i], image_shape=(8, 8), true=y[i])
        assert hand.difference <= 1e-12
        assert hand.label == model.predict(X[i : i + 1])[0]


def test_by_hand_refuses_what_is_no_softmax(digits):
    from sklearn.multiclass import OneVsRestClassifier

    X, y = digits
    rest = OneVsRestClassifier(LogisticRegression()).fit(X[:300], y[:300])
    rest.coef_ = np.vstack([e.coef_ for e in rest.estimators_])
    rest.intercept_ = np.ravel([e.intercept_ for e in rest.estimators_])
    with pytest.raises(DataError, match="softmax"):
        ByHandDisplay.from_estimator(rest, X[500], image_shape=(8, 8))


def test_by_hand_survives_scores_beyond_the_range_of_exp():
    hand = ByHandDisplay(
        np.ones((1, 1)),
        intercept=np.zeros(2),
        products=np.array([5000.0, 4999.0]),
        proba=np.array([1, np.exp(-1)]) / (1 + np.exp(-1)),
        class_names=["a", "b"],
    )
    assert hand.softmax.sum() == pytest.approx(1)
    assert "max" in hand.plot().to_svg()


def test_two_class_models_of_scikit_learn_are_their_softmax(digits):
    X, y = digits
    pair = np.isin(y, ["3", "8"])
    two = LogisticRegression().fit(X[pair], y[pair])
    hand = ByHandDisplay.from_estimator(two, X[pair][0], image_shape=(8, 8))
    assert hand.difference <= 1e-12
    assert CoefficientMapsDisplay.from_estimator(two, image_shape=(8, 8)).coef.shape == (2, 8, 8)


def test_evidence_sums_to_the_scores(digits, model):
    X, _ = digits
    evidence = EvidenceDisplay.from_estimator(model, X[1000], image_shape=(8, 8))
    assert evidence.scores == pytest.approx(model.decision_function(X[1000:1001])[0], abs=1e-9)


def test_confusion_matches_scikit_learn(digits, model):
    X, y = digits
    pred = model.predict(X)
    display = ConfusionMatrixDisplay.from_estimator(model, X, y)
    assert (display.counts == confusion_matrix(y, pred)).all()
    shares = ConfusionMatrixDisplay.from_predictions(y, pred, normalize="true").values
    assert shares == pytest.approx(confusion_matrix(y, pred, normalize="true"))
    assert np.trace(display.counts) / display.counts.sum() == pytest.approx(model.score(X, y))


def test_misclassified_are_all_wrong_and_spread_from_sure_to_close(digits, model):
    X, y = digits
    display = MisclassifiedDisplay.from_estimator(model, X, y, image_shape=(8, 8), n_images=5)
    wrong = model.predict(X) != y
    assert display.n_mistakes == wrong.sum()
    assert (display.predicted != display.true).all()
    sureness = display.proba.max(axis=1)
    assert (np.diff(sureness) <= 0).all()
    assert sureness[0] == model.predict_proba(X[wrong]).max()


def test_classes_may_be_numbers_that_sort_otherwise_as_words(digits):
    X, y = digits
    numbers = y.astype(int) + 5
    model = LogisticRegression(C=0.05).fit(X[:900], numbers[:900])
    display = MisclassifiedDisplay.from_estimator(model, X, numbers, image_shape=(8, 8))
    assert display.n_mistakes == np.sum(model.predict(X) != numbers)
    counts = ConfusionMatrixDisplay.from_estimator(model, X, numbers).counts
    assert (counts == confusion_matrix(numbers, model.predict(X))).all()


def test_unknown_labels_are_refused():
    with pytest.raises(DataError, match="'c'"):
        ConfusionMatrixDisplay.from_predictions(["a", "c"], ["a", "b"], class_names=["a", "b"])


def test_a_model_without_mistakes_has_an_empty_gallery(digits, model):
    X, _ = digits
    display = MisclassifiedDisplay.from_estimator(model, X, model.predict(X), image_shape=(8, 8))
    assert len(display.images) == 0
    assert "none" in display.alt
    display.plot().to_svg()


def test_gallery_shows_images_of_the_class_it_names(digits):
    X, y = digits
    data = Dataset(np.rint(X * 255).astype(np.uint8), y, (8, 8), "digits")
    gallery = SampleGalleryDisplay.from_dataset(data, per_class=3, random_state=1)
    for name, images in zip(gallery.class_names, gallery.images, strict=True):
        rows = data.X[y == name]
        assert all((rows == image.ravel()).all(axis=1).any() for image in images)


def test_strength_sorts_by_C_and_scores(digits):
    X, y = digits
    models = [LogisticRegression(C=c).fit(X[:500], y[:500]) for c in (1.0, 0.01)]
    display = StrengthDisplay.from_estimators(models, train=(X[:500], y[:500]), test=(X[500:], y[500:]))
    assert display.C.tolist() == [0.01, 1.0]
    assert display.test_accuracy[1] == models[0].score(X[500:], y[500:])


def test_bars_name_the_right_answer(digits, model):
    X, y = digits
    bars = ProbabilityBarsDisplay.from_estimator(model, X[3], true=y[3])
    assert f"right answer is {y[3]}" in bars.alt
    assert bars.proba.sum() == pytest.approx(1)


def test_wrong_sizes_and_settings_are_refused(model):
    with pytest.raises(DataError, match="7 x 8"):
        CoefficientMapsDisplay.from_estimator(model, image_shape=(7, 8))
    maps = CoefficientMapsDisplay.from_estimator(model, image_shape=(8, 8))
    with pytest.raises(ParameterError, match="palette"):
        maps.plot(palette="jet")
    with pytest.raises(ParameterError, match="scale"):
        maps.plot(scale=-1)
    with pytest.raises(ParameterError, match="normalize"):
        ConfusionMatrixDisplay(np.eye(2), class_names=["a", "b"], normalize="all")


def test_a_path_is_shown_as_it_was_fitted(digits):
    from inklens.linear.path import softmax_path

    X, y = digits
    path = softmax_path(X[:300], y[:300], Cs=12, C=0.5)
    scores = np.linspace(0.1, 0.9, 12)
    display = PathDisplay.from_path(path, image_shape=(8, 8), accuracies={"test": scores})
    assert (display.n_pixels == path.n_features_used).all()
    assert (display.n_nonzeros == path.n_nonzeros).all()
    ranks = display.entry_ranks.ravel()
    assert ranks[path.entry_order].tolist() == list(range(1, len(path.entry_order) + 1))
    assert ((ranks == 0) == ~path.in_use.any(axis=0)).all()
    assert f"C = {path.Cs[-1]:.3g}: {path.n_features_used[-1]} of 64 pixels, 90.0% right on test images" in display.alt
    assert display.stages[-1] == 11
    assert 0 not in display.stages, "a model without pixels has no map"


def test_the_order_of_entry_goes_from_dark_to_light_and_never_is_apart():
    pixels = order_pixels(np.arange(40)[None])[0].astype(float)
    lightness = pixels @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness[1:]) > 0).all()
    assert np.abs(pixels[1:] - pixels[0]).max(axis=1).min() > 20


@pytest.mark.parametrize("C", [[1.0], [0.9, 1.0], [1e-8, 1e8]])
def test_a_path_of_any_range_is_drawn(C):
    coefs = np.zeros((len(C), 2, 3, 4))
    empty = PathDisplay(C, coefs, class_names=["a", "b"], entry_order=[])
    assert "0 of 12 pixels" in empty.alt
    assert "<text" in empty.plot().to_svg()


def test_a_path_refuses_numbers_that_do_not_belong_together():
    with pytest.raises(DataError, match="test"):
        PathDisplay(
            [0.1, 1.0], np.zeros((2, 2, 3, 3)), class_names=["a", "b"], entry_order=[], accuracies={"test": [0.5]}
        )


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_the_legend_of_pixels_in_use_lies_on_no_curve(width):
    """Whatever the shape of the curve: here all pixels come at once, and stay."""
    coefs = np.zeros((6, 3, 8, 8))
    coefs[1:] = 1.0
    display = PathDisplay(np.geomspace(1e-3, 10, 6), coefs, class_names="abc", entry_order=np.arange(64)).plot(
        width=width
    )
    display.figure_.draw_without_rendering()
    chart = next(axes for axes in display.figure_.findobj(Axes) if axes.get_legend())
    legend = chart.get_legend().get_window_extent()
    for curve in chart.get_lines():
        path = curve.get_transform().transform_path(curve.get_path())
        if len(path.vertices) > 2:  # not the lines that mark points
            assert not path.intersects_bbox(legend, filled=False), curve.get_label()
