"""What objects print and show: few lines, small self-contained HTML, everything escaped. A new class joins OBJECTS."""

import base64
import inspect
import io
import pickle
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from inklens import DigitReader, SoftmaxRegression, load_dataset, softmax_path
from inklens import datasets as datasets_room
from inklens import evaluation as evaluation_room
from inklens import explanations as explanations_room
from inklens.datasets import Dataset, describe, info, overlap
from inklens.datasets.near import near_duplicates
from inklens.datasets.relabel import Relabelling
from inklens.displays.palettes import signed_pixels
from inklens.evaluation import (
    Calibration,
    Comparison,
    Conformal,
    Evaluation,
    Temperature,
    curvature,
    proportion,
    stability,
)
from inklens.explanations import LabelErrors, Voters, explain, flip, identifiability, out_of_fold, robustness, strokes
from inklens.linear.rows.rows import Rows
from inklens.model.linear_model import LinearModel
from inklens.reprs import Card, map_tiles

MOST_LINES, MOST_BYTES = 15, 60_000
HOSTILE = ["<b>bold</b>", 'a "quoted" & long name ' * 8, "</td><td>", "あ", "$x_1$"]


def small_data(names, shape, n=40):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (n * len(names), shape[0] * shape[1])).astype(np.uint8)
    return Dataset(X, np.array(names).repeat(n), shape, "<i>own</i>", notes=("a note\nof two lines",) * 30)


@pytest.fixture(scope="module")
def objects():
    """One object of every public class that holds results."""
    digits = load_dataset().only("3", "5", "8")
    split = digits.split(train=120, test=60, seed=9)
    X, y = split.X_train / 255, split.y_train
    model = SoftmaxRegression(C=0.1).fit(X, y)
    reader = DigitReader.from_estimator(model)
    frame, shape = split.X_test[0] / 255, split.image_shape
    proba, codes = reader.predict_proba(split.X_test), np.searchsorted(reader.classes, split.y_test)
    frames = split.X_test[:4].reshape(-1, *shape) / 255
    photo = np.full((140, 140), 1.0)
    photo[:112, :112] -= frames[0].repeat(4, axis=0).repeat(4, axis=1)
    folds = out_of_fold(reader, Rows.of(X), y, estimator=SoftmaxRegression(C=0.1, tol=1e-2), folds=2)
    return {
        "Dataset": digits,
        "Split": split,
        "Description": describe(digits),
        "Overlap": overlap(split.X_train, split.X_test),
        "DatasetInfo": info("mnist"),
        "NearDuplicates": near_duplicates(split.X_train, split.X_test, shape),
        "Relabelling": Relabelling(dict.fromkeys(range(500), "3")),
        "Evaluation": Evaluation.from_estimator(reader, split.X_test, split.y_test),
        "Proportion": proportion(3, 7),
        "Calibration": Calibration(proba, codes),
        "Bin": Calibration(proba, codes).bins[0],
        "Conformal": Conformal.fit(proba, codes),
        "Temperature": Temperature.fit(reader.raw_prediction(split.X_test), codes),
        "Comparison": Comparison.from_predictions(split.y_test, reader.predict(split.X_test), split.y_test),
        "Curvature": curvature(model, X, y),
        "Stability": stability(model, X, y, n_refits=2),
        "Evidence": explain(reader, frame),
        "StrokeEvidence": DigitReader.shipped().explain(frames[0]),
        "Flip": flip(reader, frame),
        "Stroke": strokes(reader, frame)[0],
        "Robustness": robustness(reader, frames),
        "Votes": Voters(reader, split.X_train, y, C=0.1).votes(frames[0]),
        "Identifiability": identifiability(split.X_train, y),
        "LabelErrors": LabelErrors(reader.classes, codes, proba),
        "OutOfFold": folds,
        "Reading": reader.read(photo)[0],
        "DigitReader": reader,
        "shipped": DigitReader.shipped(),
        "LinearModel": LinearModel.from_estimator(model),
        "SoftmaxPath": softmax_path(X, y, Cs=4),
        "SoftmaxRegression": model,
    }


def results_of(room):
    """Public classes of a room that hold results."""
    found = {name for name in room.__all__ if inspect.isclass(getattr(room, name))}
    return found - {"Voters", "SpreadEvidence"}  # rows that wait to vote, and what two kinds of evidence share


def test_every_public_class_is_here(objects):
    expected = {"DigitReader", "SoftmaxPath", "SoftmaxRegression", "Reading"}
    for room in (datasets_room, evaluation_room, explanations_room):
        expected |= results_of(room)
    assert expected <= {type(thing).__name__ for thing in objects.values()}


class Reader(HTMLParser):
    """Balanced tags, texts, and attributes of pictures."""

    def __init__(self, text):
        super().__init__()
        self.open, self.pictures, self.tags, self.texts = [], [], set(), []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "img":
            self.pictures.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def check(thing):
    """The laws of everything that is shown."""
    assert len(repr(thing).splitlines()) <= MOST_LINES
    assert "object at 0x" not in repr(thing)
    if not hasattr(thing, "_repr_html_"):
        return None
    page = thing._repr_html_()
    seen = Reader(page)
    assert len(page.encode()) < MOST_BYTES
    assert seen.tags <= {"div", "span", "img"}
    assert not re.search(r"https?://|url\(", page)
    assert not re.search(r"(?<!-)color\s*:", page)  # text has the colour of the page around it, light or dark
    for picture in seen.pictures:
        assert len(picture["alt"]) > 3
        kind, data = picture["src"].split(",")
        assert kind == "data:image/png;base64"
        Image.open(io.BytesIO(base64.b64decode(data))).load()
    return seen


def test_objects_print_few_lines_and_show_small_self_contained_html(objects):
    for thing in objects.values():
        check(thing)


def test_what_a_notebook_shows_has_pictures_numbers_and_the_certificate(objects):
    pictures = {"Dataset": 3, "Split": 3, "Reading": 1, "DigitReader": 3, "Evidence": 4, "Flip": 3}
    for name, count in pictures.items():
        assert len(check(objects[name]).pictures) == count, name
    for name in ("DigitReader", "SoftmaxRegression"):
        words = " ".join(check(objects[name]).texts)
        assert "certified" in words
        assert f"{objects['SoftmaxRegression'].objective_:.6g}" in words
    accuracy = f"{objects['Evaluation'].accuracy:.4f}"
    assert accuracy in repr(objects["Evaluation"])


@pytest.mark.parametrize("shape", [(3, 40), (200, 300)])
@pytest.mark.parametrize("names", [HOSTILE, [f"class {k}" for k in range(62)]], ids=["hostile names", "62 classes"])
def test_any_names_and_sizes(names, shape):
    data = small_data(names, shape, n=4)
    k = len(data.classes)
    rng = np.random.default_rng(1)
    reader = DigitReader(rng.normal(size=(k, shape[0] * shape[1])), np.zeros(k), data.classes, shape)
    frame = rng.random(shape)
    scores = Evaluation.from_estimator(reader, data.X, data.y)
    for thing in (data, data.split(train=2 * k, test=k, seed=0), reader, reader.explain(frame), scores):
        seen = check(thing)
        assert "bold" not in seen.tags
    assert "<b>" not in data._repr_html_()
    assert "&lt;i&gt;own&lt;/i&gt;" in data._repr_html_()


def test_maps_have_the_colours_of_the_figures():
    values = np.linspace(-2, 2, 40).reshape(5, 8)
    values[2, 3] = 0.0
    (tile,) = map_tiles(values[None], ["a"], what="map of")
    shown = np.asarray(Image.open(io.BytesIO(tile.png)).convert("RGB")).astype(int)
    scale = float(np.quantile(np.abs(values[values != 0]), 0.99))
    drawn = signed_pixels(values, scale, palette="blue-red", black_zeros=True).astype(int)
    assert np.abs(shown - drawn).max() <= 8  # of 255: half a shade of 32
    assert shown[2, 3].tolist() == [0, 0, 0]


def test_a_card_escapes_and_limits_all_that_it_is_given():
    card = Card("<u>", {f"<b{n}>": "<&>\n" * 999 for n in range(99)}, bars={"<i>": 0.5})
    assert len(card.to_text().splitlines()) <= MOST_LINES
    assert max(map(len, card.to_text().splitlines())) <= 100
    assert Reader(card.to_html()).tags == {"div", "span"}


def test_labels_are_plain_text(objects):
    plain = [
        *objects["Dataset"].classes,
        *objects["Dataset"].counts,
        *objects["DigitReader"].classes,
        DigitReader(np.eye(2, 4), np.zeros(2), np.array(["0", "1"]), (2, 2)).classes[0],
        objects["Evidence"].label,
        objects["Evidence"].rival,
        objects["Flip"].source,
        objects["Flip"].target,
        objects["Reading"].label,
        *objects["Reading"].probabilities,
        *Evaluation(np.eye(2, dtype=int), np.array(["a", "b"])).hardest(),
        *objects["Evaluation"].frequent_confusions()[0][:2],
        *objects["Identifiability"].classes,
    ]
    assert {type(label) for label in plain} == {str}


def test_a_split_stays_a_tuple_of_six_that_knows_its_images(objects):
    split = objects["Split"]
    assert isinstance(split, tuple)
    assert len(split) == 6
    for copy in (split, pickle.loads(pickle.dumps(split)), Relabelling({}).apply(split)):
        assert copy.image_shape == (28, 28)
    assert split._replace(y_test=split.y_test).image_shape is None  # nobody says that the images are the same


def test_a_fitted_estimator_shows_itself_in_a_notebook_and_an_unfitted_one_as_scikit_learn_does(objects):
    bundle = objects["SoftmaxRegression"]._repr_mimebundle_()
    assert bundle["text/html"] == objects["SoftmaxRegression"]._repr_html_()
    assert "certificate" in bundle["text/html"]
    assert "certificate" not in SoftmaxRegression()._repr_html_()
    assert repr(objects["SoftmaxRegression"]) == "SoftmaxRegression(C=0.1)"


def test_changed_ink_has_colours_of_its_own():
    """Blue and red say what speaks for and against a class; a notebook's tile of a flip is coloured as its figure."""
    from inklens.displays.flips import change_pixels
    from inklens.explanations.flips import InkChange

    before, after = np.array([[0.0, 1.0, 0.5]]), np.array([[1.0, 0.0, 0.5]])
    tile = InkChange(before, after)._tiles("a", "b")[1]
    shown = np.asarray(Image.open(io.BytesIO(tile.png)).convert("RGB"))
    assert np.abs(shown[0, :2].astype(float) - change_pixels(before, after)[0, :2]).max() <= 2
    assert shown[0, 2].tolist() == [255, 255, 255]
