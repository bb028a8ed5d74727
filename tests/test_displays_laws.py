"""What is drawn is what the numbers say: which picture stands under which name, which way up, in which colour."""

import io
import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from PIL import Image

from inklens.displays import (
    PALETTES,
    CoefficientMapsDisplay,
    ConfusionMatrixDisplay,
    EvidenceDisplay,
    FlipDisplay,
    LabelErrorsDisplay,
    MisclassifiedDisplay,
    ProbabilityBarsDisplay,
    RadiiDisplay,
    SeparationDisplay,
    SilenceDisplay,
    StabilityDisplay,
)
from inklens.displays.base import symmetric_scale
from inklens.displays.palettes import NEITHER, PREDICTED, TRUE, signed_pixels
from inklens.displays.probabilities import percent
from inklens.displays.scene import MARGIN, text_width, wrap
from inklens.pages.reasons import Reasons, _radii

RNG = np.random.default_rng(3)
SHAPE = (5, 7)


def pictures(display, shape=SHAPE):
    """Return (left, top, right, bottom, pixels) of each picture of that many rows and columns."""
    found = []
    for image in display.ax_.images:
        left, right, bottom, top = image.get_extent()
        pixels = np.asarray(image.get_array())
        if pixels.shape[:2] == shape:
            found.append((left, top, right, bottom, pixels))
    return found


def words(display):
    """Return text -> (x, y) of everything written on the scene."""
    return {text.get_text(): text.get_position() for text in display.ax_.texts}


def picture_under(display, name):
    """Return the pixels of the picture just below the middle of a title."""
    x, y = words(display)[name]
    below = [p for p in pictures(display) if p[0] <= x <= p[2] and p[1] >= y]
    return min(below, key=lambda p: p[1])[4]


def names_of(n):
    return [f"class {k}" for k in range(n)]


@pytest.mark.parametrize("width", [9.0, 3.4])
def test_each_map_stands_under_the_name_of_its_class(width):
    coef = RNG.normal(size=(6, *SHAPE))
    display = CoefficientMapsDisplay(coef, class_names=names_of(6)).plot(width=width, scale=2.0)
    for k, name in enumerate(names_of(6)):
        expected = signed_pixels(coef[k], 2.0, palette="blue-red", black_zeros=True)
        assert np.array_equal(picture_under(display, name), expected)


@pytest.mark.parametrize("bold", [False, True])
def test_a_line_ends_where_the_next_word_would_not_fit(bold):
    """At widths that some words take to a hair, laid out as a whole, whose letters stand closer than alone."""
    some = ["AVATAR", "To", "WAVE", "Yo", "LTA,", "away", "with", "Tiffany's", "1,111", "V.A.T.", "—", "Ångström"]
    for n in range(2, len(some) + 1):
        exact = text_width(" ".join(some[:n]), bold=bold)
        for width, many in ((exact, n), (exact - 1e-6, n - 1)):
            first, *_ = wrap(" ".join(some), width, bold=bold).split("\n")
            assert first == " ".join(some[:many])


def test_the_first_row_of_an_image_is_the_upper_one_and_the_first_column_the_left_one():
    coef = np.zeros((2, *SHAPE))
    coef[0, 0, :], coef[0, :, 0] = 1.0, -1.0
    display = CoefficientMapsDisplay(coef, class_names=["a", "b"]).plot()
    with Image.open(io.BytesIO(display.to_png(dpi=72))) as png:
        drawn = np.asarray(png.convert("RGB")).astype(int)
    left, top, right, bottom, _ = pictures(display)[0]
    top, bottom = min(top, bottom), max(top, bottom)
    height, width = (bottom - top) / SHAPE[0], (right - left) / SHAPE[1]

    def colour(row, col):
        x, y = MARGIN + left + (col + 0.5) * width, MARGIN + top + (row + 0.5) * height
        return drawn[int(y), int(x)]

    assert colour(0, 6)[2] > colour(0, 6)[0], "the first row adds: blue at the top right"
    assert colour(4, 0)[0] > colour(4, 0)[2], "the first column subtracts: red at the bottom left"
    assert colour(4, 6).tolist() == [0, 0, 0]


def test_values_under_the_pointer_lie_on_their_pixels():
    image = np.zeros(SHAPE)
    image[1, 5], image[4, 2] = 0.5, 1.0
    coef = RNG.normal(size=(2, *SHAPE))
    display = EvidenceDisplay(image, coef=coef, intercept=np.zeros(2), class_names=["a", "b"]).plot()
    lower = [p for p in pictures(display) if p[1] > 60]
    root = ElementTree.fromstring(display.to_svg())
    said = [r for r in root.iter() if r.tag.endswith("}rect") and len(r) and r[0].tag.endswith("}title")]
    assert len(said) == 4
    for rect in said:
        row, col, ink, weight = re.match(r"(\d+), (\d+): (\S+) × (\S+) =", rect[0].text).groups()
        x, y = (float(rect.get(a)) + float(rect.get(b)) / 2 - MARGIN for a, b in (("x", "width"), ("y", "height")))
        (k, under) = next((k, p) for k, p in enumerate(lower) if p[0] <= x <= p[2] and p[1] <= y <= p[3])
        assert int((y - under[1]) / (under[3] - under[1]) * SHAPE[0]) == int(row)
        assert int((x - under[0]) / (under[2] - under[0]) * SHAPE[1]) == int(col)
        assert float(ink) == image[int(row), int(col)]
        assert float(weight.replace("−", "-")) == pytest.approx(coef[k, int(row), int(col)], abs=5e-4)


@pytest.mark.parametrize("values", [RNG.normal(2.0, 1.0, (4, 5)), np.array([-3.0, -1.0, 0.0, 0.5])], ids=["pos", "neg"])
def test_the_scale_is_the_same_for_both_signs(values):
    assert symmetric_scale(values) == symmetric_scale(-values)
    assert 0 < symmetric_scale(values) <= np.abs(values).max()


@pytest.mark.parametrize("palette", PALETTES)
def test_opposite_values_have_mirrored_places_on_the_scale(palette):
    values = np.linspace(-1, 1, 257)[None]
    there, back = (signed_pixels(v, 1.0, palette=palette, black_zeros=False) for v in (values, -values))
    assert np.array_equal(there[:, ::-1], back)
    paleness = there[0].sum(axis=1).astype(int)
    assert paleness.argmax() == 128, "zero is the palest"
    assert (np.diff(paleness[:129]) >= 0).all()
    assert (np.diff(paleness[128:]) <= 0).all()


@pytest.mark.parametrize("palette", PALETTES)
def test_the_legend_says_what_the_colours_of_the_maps_mean(palette):
    coef = np.ones((2, *SHAPE))
    coef[1] = -1.0
    coef[:, 0, 0] = 0.0
    display = CoefficientMapsDisplay(coef, class_names=["a", "b"]).plot(palette=palette, scale=1.0)
    adds, subtracts = palette.split("-")
    legend = " ".join(words(display))
    assert f"{adds}: ink here adds" in legend
    assert f"{subtracts}: ink here subtracts" in legend
    assert "black: exactly zero" in legend
    left, _, right, _, bar = pictures(display, (1, 129))[0]
    assert np.array_equal(bar[0, -1], picture_under(display, "a")[1, 1])
    assert np.array_equal(bar[0, 0], picture_under(display, "b")[1, 1])
    assert words(display)["≤ −1"][0] == left
    assert words(display)["≥ 1"][0] == right
    dense = CoefficientMapsDisplay(coef + 2.0, class_names=["a", "b"]).plot()
    assert "black" not in " ".join(words(dense)), "no zeros, no black to explain"


def test_other_maps_keep_exact_zeros_black_too():
    coef = RNG.normal(size=(2, *SHAPE))
    coef[:, 2, 3] = 0.0
    stable = StabilityDisplay(
        np.maximum(coef, 0) / 9, np.maximum(-coef, 0) / 9, np.ones(SHAPE), class_names=["a", "b"], n_refits=9
    ).plot()
    direction = RNG.normal(size=(3, *SHAPE))
    direction[:, 2, 3] = 0.1
    assert (direction - direction.mean(axis=0))[0, 2, 3] != 0.0, "rounding alone tells the classes apart"
    separation = SeparationDisplay(direction, margin=1.0, n_samples=9, class_names=["a", "b", "c"]).plot()
    for display in (stable, separation):
        black = [(p[4] == 0).all(axis=2) for p in pictures(display)[:2]]
        assert all(b.sum() == 1 and b[2, 3] for b in black)


def test_states_of_coefficients_have_the_colours_that_the_legend_names():
    states = np.array([[[0, 1, 2, 3]], [[3, 2, 1, 0]]])
    display = SilenceDisplay(states, class_names=["a", "b"]).plot()
    a = pictures(display, (1, 4))[0][4][0]
    boxes = [p for p in display.ax_.patches if p.get_width() == 9]
    by_words = {to_hex(p.get_facecolor()): min(words(display), key=lambda t: _distance(display, t, p)) for p in boxes}
    said = [by_words["#{:02x}{:02x}{:02x}".format(*colour)] for colour in a]
    for text, start in zip(said, ("any value", "could sink", "could rise", "held from both"), strict=True):
        assert text.startswith(start)


def _distance(display, text, box):
    x, y = words(display)[text]
    return np.inf if x < box.get_x() + 9 else abs(y - box.get_y() - 8) + abs(x - box.get_x() - 14)


def bars(display, colour):
    swatch = 9  # points; a square of the key, not a bar
    return [p for p in display.ax_.patches if to_hex(p.get_facecolor()) == colour and p.get_height() != swatch]


def test_bars_are_as_long_as_probabilities_in_the_colour_of_their_role():
    proba = np.array([0.1, 0.6, 0.25, 0.05])
    display = ProbabilityBarsDisplay(proba, class_names=names_of(4), true="class 2").plot()
    (predicted,), (true,), neither = (bars(display, colour) for colour in (PREDICTED, TRUE, NEITHER))
    full = predicted.get_width() / 0.6
    assert true.get_width() == pytest.approx(0.25 * full)
    assert sorted(bar.get_width() / full for bar in neither) == pytest.approx([0.05, 0.1])
    assert predicted.get_y() < words(display)["class 1"][1] < predicted.get_y() + predicted.get_height()
    assert true.get_y() < words(display)["class 2"][1] < true.get_y() + true.get_height()


def test_a_mistake_shows_the_map_of_the_answer_before_that_of_the_truth():
    coef = RNG.normal(size=(3, *SHAPE))
    display = MisclassifiedDisplay(
        RNG.random((1, *SHAPE)),
        proba=np.array([[0.1, 0.2, 0.7]]),
        true=np.array([1]),
        coef=coef,
        class_names=names_of(3),
        n_mistakes=1,
        n_samples=9,
    ).plot(scale=2.0)
    _, predicted, true = (p[4] for p in sorted(pictures(display)))
    assert np.array_equal(predicted, signed_pixels(coef[2], 2.0, palette="blue-red", black_zeros=True))
    assert np.array_equal(true, signed_pixels(coef[1], 2.0, palette="blue-red", black_zeros=True))
    assert "class 1 read as class 2" in words(display)
    assert "class 2: 70.0% · class 1: 20.0%" in words(display)


def test_rows_of_a_confusion_matrix_are_true_classes():
    counts = np.array([[50, 3, 0], [7, 40, 1], [2, 9, 60]])
    display = ConfusionMatrixDisplay(counts, class_names=["a", "b", "c"]).plot()
    position = words(display)
    heading = {t.get_text(): t.get_position() for t in display.ax_.texts if t.get_ha() == "center"}
    side = {t.get_text(): t.get_position() for t in display.ax_.texts if t.get_ha() == "right"}
    assert min(position["b"]) >= 0
    for i, true in enumerate("abc"):
        for j, predicted in enumerate("abc"):
            if counts[i, j]:
                x, y = position[str(counts[i, j])]
                assert x == pytest.approx(heading[predicted][0])
                assert y == pytest.approx(side[true][1])
    colours = pictures(display, (3, 3))[0][4].astype(int)
    assert (colours[np.eye(3, dtype=bool)].argmax(axis=1) == 1).all(), "right answers are green"
    off = colours[~np.eye(3, dtype=bool) & (counts > 0)]
    assert (off.argmin(axis=1) == 1).all(), "wrong ones are magenta"


def test_a_doubtful_label_is_named_before_the_suggestion():
    display = LabelErrorsDisplay(
        RNG.random((1, *SHAPE)),
        contributions=np.ones((1, *SHAPE)),
        rows=[12],
        given=["four"],
        suggested=["nine"],
        proba_given=np.array([0.02]),
        proba_suggested=np.array([0.9]),
        n_suspects=1,
        n_samples=9,
    ).plot()
    assert "training row 12: four, or nine?" in words(display)
    assert "four: 2.0% · nine: 90.0%" in words(display)
    blue = pictures(display)[1][4][0, 0]
    assert blue[2] > blue[0]
    assert "blue: speaks for the suggested class" in " ".join(words(display))


def test_no_probability_short_of_certainty_is_written_as_certain():
    near = np.concatenate([[5e-324, 1e-9], np.linspace(0.0001, 0.001, 91), np.linspace(0.999, 0.9999, 91), [1 - 1e-16]])
    assert not {percent(float(p)) for p in near} & {"0.0%", "100.0%"}
    assert percent(0.0) == "0.0%"
    assert percent(1.0) == "100.0%"
    for p in np.linspace(0.001, 0.999, 997):
        assert abs(float(percent(float(p)).rstrip("%")) - 100 * p) <= 0.05 + 1e-9


def test_answers_that_no_change_alters_count_as_kept_and_leave_the_curve_finite():
    radii = RadiiDisplay({"l1": np.array([1.0, np.inf, np.inf, 3.0])}, right=np.array([True, True, False, True]))
    assert radii.share("l1", 1e12) == 0.25
    inner = next(a for a in radii.plot().figure_.findobj(Axes) if a is not radii.ax_)
    sizes, shares = inner.lines[0].get_data()
    assert np.isfinite(sizes).all()
    assert sizes[-1] <= 3.0
    assert shares[0] == 0.75
    assert (np.diff(shares) <= 0).all()


def test_infinite_medians_are_null_in_json(monkeypatch):
    import inklens.pages.reasons as module
    from inklens.explanations.radii import Robustness

    class Subject:
        test_frames = np.zeros((3, *SHAPE))
        rows = type("Rows", (), {"y_test": np.array(["a", "b", "a"])})
        reader = type("Reader", (), {"predict": staticmethod(lambda frames: np.array(["a", "a", "a"]))})

    class Known:
        def __init__(self):
            self.boxed = {"l1": np.array([1.0, np.inf, np.inf])}

        def quantiles(self):
            return {"l1": {0.5: np.inf}, "l2": {0.5: 2.0}}

    assert hasattr(Robustness, "quantiles")
    monkeypatch.setattr(module, "robustness", lambda reader, frames: Known())
    reasons = Reasons("")
    reasons.facts["radii"], _ = _radii(Subject())
    assert json.loads(json.dumps(reasons.to_json(), allow_nan=False))["radii"]["medians"] == {"l1": None, "l2": 2.0}


@pytest.mark.parametrize(("norm", "cost"), [("ink", 2.0), ("energy", 2.0), ("pixels", 2.0)])
def test_only_what_is_proven_is_called_the_least(norm, cost):
    before = np.array([[0.0, 1.0], [0.0, 0.0]])
    shown = {
        bound: FlipDisplay(
            before,
            1 - before,
            answers=("1", "7"),
            proba=(0.9, 0.6),
            norm=norm,
            cost=cost,
            lower_bound=bound,
            margin=0.1,
        ).alt
        for bound in (cost, 0.9 * cost, 0.0)
    }
    assert ["Least" in alt or "Fewest" in alt for alt in shown.values()] == [True, False, False]
