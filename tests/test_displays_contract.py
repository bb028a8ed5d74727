"""One contract for all displays; a new one joins by adding its maker to DISPLAYS."""

import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from inklens.displays import (
    NARROW,
    WIDE,
    ByHandDisplay,
    CalibrationDisplay,
    CoefficientMapsDisplay,
    ConfusionCellDisplay,
    ConfusionMatrixDisplay,
    Display,
    EvidenceDisplay,
    FlipDisplay,
    LabelErrorsDisplay,
    MapComparisonDisplay,
    MisclassifiedDisplay,
    ModelComparisonDisplay,
    NearDuplicatesDisplay,
    PathDisplay,
    PredictionSetsDisplay,
    ProbabilityBarsDisplay,
    RadiiDisplay,
    ReasonsDisplay,
    RecipeStepsDisplay,
    SampleGalleryDisplay,
    SeparationDisplay,
    SilenceDisplay,
    StabilityDisplay,
    StrengthDisplay,
    ToleranceDisplay,
    UncertaintyDisplay,
    VotesDisplay,
)
from inklens.displays.scene import any_script
from inklens.errors import OutputError, ParameterError
from inklens.evaluation import Calibration, Comparison


class Case:
    """Random numbers for any number of classes, names and image shape."""

    def __init__(self, names, shape):
        rng = np.random.default_rng(0)
        self.names, self.shape, k = names, shape, len(names)
        self.coef = rng.normal(size=(k, *shape)) * rng.integers(0, 2, size=(k, *shape))
        self.intercept = rng.normal(size=k)
        self.images = rng.random((5, *shape))
        z = self.images.reshape(5, -1) @ self.coef.reshape(k, -1).T + self.intercept
        self.proba = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        self.counts = rng.integers(0, 30, (k, k))


def path_display(case, *, accuracies):
    """Five points at which ever more pixels of a case's maps are in use."""
    ranks = np.random.default_rng(1).permutation(case.coef[0].size).reshape(case.shape)
    shares = np.array([0.0, 0.05, 0.2, 0.5, 0.9])
    coefs = np.stack([case.coef * (ranks < share * ranks.size) for share in shares])
    used = (coefs != 0).any(axis=1).any(axis=0).ravel()
    order = [pixel for pixel in np.argsort(ranks.ravel()) if used[pixel]]
    scores = {"training": 0.1 + shares, "test": 0.1 + 0.9 * shares} if accuracies else None
    return PathDisplay(np.geomspace(3e-4, 1, 5), coefs, class_names=case.names, entry_order=order, accuracies=scores)


def comparison_display(case):
    """Two models of which the second gets two rows right that the first does not."""
    y = np.array([case.names[k % len(case.names)] for k in range(5)])
    said = np.where(np.arange(5) < 2, case.names[-1], y), np.where(np.arange(5) == 4, case.names[-1], y)
    names = ("a model with a long name indeed", "b")
    found = Comparison.from_predictions(y, *said)
    return ModelComparisonDisplay.from_comparison(found, names=names, images=case.images, y_true=y, predictions=said)


def shares(case):
    """Shares of refits above and below zero."""
    return np.maximum(case.coef, 0) / 9, np.maximum(-case.coef, 0) / 9


DISPLAYS = {
    "gallery": lambda c: SampleGalleryDisplay(np.stack([c.images[:3]] * len(c.names)), class_names=c.names),
    "maps": lambda c: CoefficientMapsDisplay(c.coef, class_names=c.names),
    "bars": lambda c: ProbabilityBarsDisplay(c.proba[0], class_names=c.names, true=c.names[-1]),
    "by hand": lambda c: ByHandDisplay(
        c.images[0],
        intercept=c.intercept,
        products=(c.coef * c.images[0]).sum(axis=(1, 2)),
        proba=c.proba[0],
        class_names=c.names,
    ),
    "counts": lambda c: ConfusionMatrixDisplay(c.counts, class_names=c.names),
    "shares": lambda c: ConfusionMatrixDisplay(c.counts, class_names=c.names, normalize="true"),
    "evidence": lambda c: EvidenceDisplay(c.images[0], coef=c.coef, intercept=c.intercept, class_names=c.names),
    "comparison": lambda c: MapComparisonDisplay({"none": c.coef, "L1": c.coef / 2}, class_names=c.names),
    "strength": lambda c: StrengthDisplay(
        np.array([0.01, 0.1, 1, 10]),
        zeros=np.array([1, 0.9, 0.5, 0.0]),
        train_accuracy=np.array([0.5, 0.8, 0.9, 1.0]),
        test_accuracy=np.array([0.5, 0.8, 0.85, 0.8]),
    ),
    "path": lambda c: path_display(c, accuracies=True),
    "path without accuracies": lambda c: path_display(c, accuracies=False),
    "misclassified": lambda c: MisclassifiedDisplay(
        c.images,
        proba=c.proba,
        true=np.zeros(5, dtype=int),
        coef=c.coef,
        class_names=c.names,
        n_mistakes=9,
        n_samples=50,
    ),
    "steps": lambda c: RecipeStepsDisplay(
        list(c.images), captions=["a photograph with a long caption"] * 5, answers=[None, *["<a> & $b$: 50 %"] * 4]
    ),
    "flip": lambda c: FlipDisplay(
        c.images[0],
        c.images[0] * (c.images[1] > 0.3),
        answers=(c.names[0], c.names[-1]),
        proba=(0.99999, 0.5),
        norm="ink",
        cost=1.0,
        lower_bound=0.9,
        margin=1e-6,
        radius=0.123456,
    ),
    "reasons": lambda c: ReasonsDisplay(
        c.images[0],
        contributions=c.images[0] * c.coef[0],
        missing=(1 - c.images[0]) * c.coef[0],
        intercept=0.3,
        names=(c.names[0], c.names[-1]),
        words=[f"the ink at the bottom left adds 2.1 to {c.names[0]} and takes 1.3 from {c.names[-1]}"] * 3,
    ),
    "votes": lambda c: VotesDisplay(
        c.images[0],
        name=f"{c.names[0]} against {c.names[-1]}",
        images_for=c.images,
        images_against=c.images[:0],
        labels_for=[c.names[k % len(c.names)] for k in range(5)],
        labels_against=[],
        votes_for=np.array([1.2, 0.5, 0.25, 1e-3, 1.23456e-5]),
        votes_against=np.zeros(0),
        shares={"intercept": 0.1, "for": 2.0, "against": 0.0, "remainder": -1e-5, "total": 2.1},
        n_samples=60000,
    ),
    "calibration": lambda c: CalibrationDisplay.from_calibration(
        Calibration(c.proba, c.proba.argmin(axis=1)), after=Calibration(c.proba, c.proba.argmax(axis=1))
    ),
    "calibration of one answer": lambda c: CalibrationDisplay.from_calibration(
        Calibration(np.eye(len(c.names))[:1], np.zeros(1, dtype=int))
    ),
    "sets": lambda c: PredictionSetsDisplay.from_sets(
        c.proba > 0.01, c.proba.argmin(axis=1), c.images, class_names=c.names, coverage=0.95, words=["A promise."]
    ),
    "single sets": lambda c: PredictionSetsDisplay.from_sets(
        np.eye(len(c.names), dtype=bool)[:2], np.array([0, 1]), c.images[:2], class_names=c.names, coverage=0.5
    ),
    "two models": comparison_display,
    "stability": lambda c: StabilityDisplay(
        *shares(c), np.abs(c.coef).max(axis=0) / 9, class_names=c.names, n_refits=50, words=["What it says."] * 2
    ),
    "uncertainty": lambda c: UncertaintyDisplay(
        c.coef, np.abs(c.coef[::-1]), class_names=c.names, known=np.abs(c.coef[0]) / 9, words=["What it says."]
    ),
    "label errors": lambda c: LabelErrorsDisplay(
        c.images,
        contributions=c.images * c.coef[0],
        rows=[3, 12, 12345, 0, 69999],
        given=[c.names[0]] * 5,
        suggested=[c.names[-1]] * 5,
        proba_given=np.array([1e-5, 0.001, 0.1, 0.2, 0.3]),
        proba_suggested=np.array([0.99999, 0.9, 0.8, 0.7, 0.6]),
        n_suspects=1234,
        n_samples=60000,
    ),
    "no label errors": lambda c: LabelErrorsDisplay(
        c.images[:0],
        contributions=c.images[:0],
        rows=[],
        given=[],
        suggested=[],
        proba_given=np.zeros(0),
        proba_suggested=np.zeros(0),
        n_suspects=0,
        n_samples=10,
    ),
    "confusion cell": lambda c: ConfusionCellDisplay(
        c.images,
        mean_image=c.images.mean(axis=0),
        mean_contributions=c.images.mean(axis=0) * c.coef[0],
        captions=["99.9 %", "80.0 %", "70.0 %", "60.0 %", "> 99.9 %"],
        n_images=12,
        n_true=345,
        names=(c.names[0], c.names[-1]),
        against=c.names[0],
        log_odds=1.25,
    ),
    "twins": lambda c: NearDuplicatesDisplay(
        np.stack([c.images[:4], c.images[1:]], axis=1), captions=["5% apart"] * 4, n_pairs=40, n_test=10000
    ),
    "radii": lambda c: RadiiDisplay(
        {"l1": c.images.sum(axis=(1, 2)), "l2": np.arange(5.0), "linf": np.array([0.1, 0.2, np.inf, 0.3, 0.4])},
        right=np.array([True, True, False, True, True]),
    ),
    "silence": lambda c: SilenceDisplay(
        (np.abs(c.coef) * 2).astype(int) % 4,
        class_names=c.names,
        sentences=["12 of 784 pixels never change: the data say nothing about their coefficients."] * 2,
    ),
    "separation": lambda c: SeparationDisplay(c.coef, margin=0.125, n_samples=3750, class_names=c.names),
    "tolerance": lambda c: ToleranceDisplay(
        {"loose": c.coef, "tight": c.coef * 2},
        class_names=c.names,
        objectives={"loose": 30.0, "tight": 20.5},
        lower_bounds={"loose": 10.0, "tight": 20.0},
    ),
}

ODD = "clothes, tall images"  # and names with markup and without Latin letters
TWO = "two classes, wide images"
DIGITS, LARGE = "digits", "62 classes"
CASES = {
    DIGITS: Case(list("0123456789"), (28, 28)),
    TWO: Case(["no", "yes"], (6, 17)),
    ODD: Case(["T-shirt/top", "Trouser & <b>", "$x_1$", "Ankle boot, brown", "あ"], (20, 9)),
    LARGE: Case([chr(48 + k) for k in range(62)], (8, 8)),
}
OTHERS = tuple(name for name in CASES if name != ODD)


def each(*quick, slow=(), displays=DISPLAYS):
    """Give a test every display of these cases."""
    pairs = [(name, case) for name in displays for case in (*quick, *slow)]
    params = [pytest.param(pair, id=", ".join(pair), marks=[pytest.mark.slow] * (pair[1] in slow)) for pair in pairs]
    return pytest.mark.parametrize("display", params, indirect=True)


@pytest.fixture
def display(request):
    name, case = request.param
    return DISPLAYS[name](CASES[case])


def test_every_public_display_is_in_the_list():
    import inklens.displays as room

    classes = {name for name in room.__all__ if name.endswith("Display")} - {"Display"}
    made = {type(make(CASES[DIGITS])).__name__ for make in DISPLAYS.values()}
    assert made == classes


@each(TWO)
def test_plot_returns_the_display_and_sets_what_it_drew_on(display):
    assert display.plot() is display
    assert isinstance(display.figure_, Figure)
    assert isinstance(display.ax_, Axes)
    assert isinstance(display, Display)


@each(ODD, slow=OTHERS)
@pytest.mark.parametrize("width", [NARROW, pytest.param(WIDE, marks=pytest.mark.slow)])
def test_words_stay_inside_do_not_overlap_and_are_legible(display, width):
    figure = display.plot(width=width).figure_
    assert figure.get_figwidth() == pytest.approx(width)
    renderer = FigureCanvasAgg(figure).get_renderer()
    with any_script():
        figure.draw_without_rendering()
    texts = [t for ax in figure.findobj(Axes) for t in ax.texts if t.get_text().strip()]
    low, high = np.zeros((len(texts), 2)), np.zeros((len(texts), 2))  # corners, across and down
    for i, text in enumerate(texts):
        assert text.get_fontsize() >= 9
        box = text.get_window_extent(renderer)
        assert box.x0 >= -0.5, text
        assert box.x1 <= figure.bbox.x1 + 0.5, text
        assert box.y0 >= -0.5, text
        assert box.y1 <= figure.bbox.y1 + 0.5, text
        low[i], high[i] = box.min, box.max
    for i, text in enumerate(texts):
        shared = np.minimum(high[i], high[i + 1 :]) - np.maximum(low[i], low[i + 1 :])
        over = np.flatnonzero((shared >= (2, 3)).all(axis=1))
        assert not over.size, f"{text.get_text()!r} over {texts[i + 1 + over[0]].get_text()!r}"


@each(ODD, slow=(TWO,))
def test_svg_holds_words_as_words_and_is_always_the_same(display):
    text = display.plot().to_svg()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "<text" in text
    assert not re.search(r"\d{4}-\d{2}-\d{2}T", text)
    assert display.plot().to_svg() == text


@each(DIGITS, TWO, ODD, slow=(LARGE,))
def test_alt_is_a_sentence_of_its_own(display):
    assert len(display.alt) > 20
    assert display.alt.endswith((".", "?"))


@each(ODD)
def test_draws_on_given_axes(display):
    figure = Figure(figsize=(8, 8))
    ax = figure.add_subplot()
    display.plot(ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    with any_script():
        figure.draw_without_rendering()


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_saves_whole_files_by_suffix(tmp_path, suffix):
    path = DISPLAYS["maps"](CASES[DIGITS]).save(tmp_path / "new" / f"maps{suffix}")
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    if suffix == ".png":
        with Image.open(path) as picture:
            assert picture.width > 1000
            assert "Software" not in picture.text
    else:
        ElementTree.fromstring(path.read_bytes())


def test_refuses_other_suffixes_and_unwritable_places(tmp_path):
    maps = DISPLAYS["maps"](CASES[DIGITS])
    with pytest.raises(ParameterError, match=r"\.svg or \.png"):
        maps.save(tmp_path / "maps.jpg")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        maps.save(tmp_path / "file" / "maps.svg")


@pytest.mark.slow
def test_pyplot_is_never_imported():
    import subprocess

    code = (
        "import sys, numpy as np; from inklens.displays import CoefficientMapsDisplay as D;"
        "D(np.ones((2, 3, 3)), class_names=['a', 'b']).plot().to_svg(); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
