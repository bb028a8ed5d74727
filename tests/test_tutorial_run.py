"""The tutorial on small data of every kind: numbers that hold, a page that stands alone."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import inklens.tutorial.certainty as sure_module
import inklens.tutorial.fits as fits_module
from inklens.datasets.dataset import Dataset
from inklens.displays import Display
from inklens.errors import DataError, ParameterError, PhotoError
from inklens.model.linear_model import PHOTO_SHAPE
from inklens.pages.figures import ReportFigure
from inklens.tutorial.page import run_tutorial
from inklens.tutorial.paper import paper_photo

VOID = {"meta", "link", "br", "hr", "img", "input", "image", "path", "use", "rect"}


def small_digits(n=400):
    data = load_digits()
    return Dataset(np.rint(data.data[:n] * 255 / 16).astype(np.uint8), data.target[:n], (8, 8), "small <digits> & co")


def clothes():
    """Two classes with awkward names on images that are no squares, with one pixel that tells them apart."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 120, (160, 6 * 9), dtype=np.uint8)
    y = np.where(np.arange(160) % 2, "T-shirt/top <b>", "Ankle boot")
    X[y == "Ankle boot", 20] = 255
    X[:, 0] = 0
    return Dataset(X, y, (6, 9), "clothes")


def frames_28():
    """Three kinds of strokes on 28 x 28 pixels."""
    rng = np.random.default_rng(1)
    images = np.zeros((240, 28, 28), np.uint8)
    y = np.array(["bar", "dash", "cross"] * 80)
    for image, name in zip(images, y, strict=True):
        a, b = rng.integers(11, 15, 2)
        if name != "dash":
            image[5:23, a : a + 3] = rng.integers(200, 256)
        if name != "bar":
            image[b : b + 3, 5:23] = rng.integers(200, 256)
    return Dataset(images.reshape(240, -1), y, (28, 28), "strokes")


DATA = {"digits": (small_digits, 300, 100), "clothes": (clothes, 100, 60), "strokes": (frames_28, 120, 60)}


@pytest.fixture(scope="module", autouse=True)
def fewer_strengths():
    """Three strengths and gaps of one percent tell as much about the code as seven and 1e-4."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sure_module, "N_REFITS", 6)
        patch.setattr(fits_module, "STRENGTHS", (0.05, 1.0, 3.0))
        patch.setattr(fits_module, "POINTS", 6)
        patch.setattr(fits_module, "TIGHT", 1e-2)
        patch.setattr(fits_module, "READABLE", 5e-2)
        patch.setattr(fits_module, "SECONDS_PER_FIT", 5.0)
        yield


SLOW = ("digits", "strokes")


@pytest.fixture(scope="module", params=[pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in DATA])
def run(request, tmp_path_factory, fewer_strengths):
    make, train, test = DATA[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    data, said, photo = make(), [], None
    if data.image_shape == PHOTO_SHAPE:
        photo = folder.with_name("my <photo>.png")
        Image.fromarray(paper_photo(data.images(0) / 255)).save(photo)
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "digits":  # one page draws each figure a third time
            patch.setattr(Display, "to_png", lambda _: b"")
        result = run_tutorial(
            data, train=train, test=test, seed=9, out=folder / "report", photo=photo, progress=lambda *s: said.append(s)
        )
    return result, folder / "report", said


class Outline(HTMLParser):
    """What a screen reader or a checker would walk through."""

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.ids, self.targets, self.images, self.urls = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if values.get("id"):
            self.ids.append(values["id"])
        if tag == "a" and (values.get("href") or "").startswith("#"):
            self.targets.append(values["href"][1:])
        if tag in ("svg", "img"):
            self.images.append(values.get("aria-label") or values.get("alt"))
        self.urls += [values[k] for k in ("src", "href", "xlink:href", "srcset") if values.get(k)]
        data = [
            ("type", "application/gzip"),
            ("id", "live-face"),
        ]  # packed, for frames that the page's own script opens
        assert tag != "script" or attrs in ([("type", "module")], data), "only the page's own"

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.open.pop() == tag


def test_writes_page_numbers_and_figures_and_nothing_else(run):
    _, out, _ = run
    files = {"index.html", "model.inklens", "picture.png", "numbers.json", "predictions.csv", "figures"}
    assert {path.name for path in out.iterdir()} == files
    names = {path.stem for path in (out / "figures").iterdir()}
    assert {"gallery", "maps", "by-hand", "confusion-counts", "mistakes", "evidence", "zeros", "tolerance"} <= names
    assert all((out / "figures" / f"{name}{suffix}").exists() for name in names for suffix in (".svg", ".png"))
    assert [path.name for path in out.parent.iterdir()] == ["report"]


def test_the_page_is_sound_and_self_contained(run):
    _, out, _ = run
    text = (out / "index.html").read_text(encoding="utf-8")
    assert len(text) < 5e6
    outline = Outline(text)
    assert outline.open == []
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.targets) <= set(outline.ids)
    assert all(image and len(image) > 20 for image in outline.images)
    assert all(url.startswith(("#", "data:")) for url in outline.urls)
    assert not re.search(r"url\((?!#)", text)
    assert text.count("<script") == 2


def test_names_are_escaped(run):
    result, out, _ = run
    text = (out / "index.html").read_text(encoding="utf-8")
    assert "<b>" not in text
    assert "<digits>" not in text
    for name in result.classes:
        assert name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in text


def test_numbers_are_json_and_agree_with_the_models(run):
    result, out, _ = run
    numbers = json.loads((out / "numbers.json").read_text(encoding="utf-8"))
    X_test, y_test = result.X_test, result.split.y_test
    assert numbers["evaluation"]["accuracy"] == np.mean(result.fits.l2.model.predict(X_test) == y_test)
    assert len(set(result.accuracy_three_ways)) == 1
    for fit in (numbers["fits"]["gentle"], numbers["fits"]["sparse"], *numbers["strengths"]):
        assert fit["lower_bound"] <= fit["objective"]
    assert numbers["fits"]["plain"]["C"] == "inf"
    assert sum(numbers["data"]["counts"].values()) == numbers["data"]["images"]
    assert numbers["by_hand"]["difference_from_predict_proba"] <= 1e-12


def test_how_sure_it_is_agrees_with_the_models(run):
    result, out, _ = run
    found = json.loads((out / "numbers.json").read_text(encoding="utf-8"))["how_sure"]
    right = [fit.model.predict(result.X_test) == result.split.y_test for fit in (result.fits.l2, result.fits.l1)]
    assert found["answers"]["accuracy"]["value"] == np.mean(right[0])
    assert found["versus"]["only_a_right"] == np.sum(right[0] & ~right[1])
    assert found["versus"]["only_b_right"] == np.sum(right[1] & ~right[0])
    assert found["stability"]["stable"] <= found["stability"]["candidates"]
    assert {"calibration", "sets", "stability"} <= {path.stem for path in (out / "figures").iterdir()}


def test_the_loose_fit_is_not_below_the_proven_bound(run):
    """Two implementations of one objective: scikit-learn's coefficients cannot beat our bound."""
    result, _, _ = run
    assert result.fits.saga.objective >= result.fits.saga.lower_bound
    assert result.fits.saga.objective >= result.fits.l1.objective * (1 - result.fits.l1.gap) - 1e-9


def test_the_objective_of_the_loose_fit_is_that_of_the_estimator(run):
    """Our formula for saga's objective, applied to our own coefficients, gives what the estimator reports."""
    result, _, _ = run
    model = result.fits.l1.model
    log_proba = model.predict_log_proba(result.X_train)
    codes = np.searchsorted(model.classes_, result.split.y_train)
    loss = -log_proba[np.arange(len(codes)), codes].sum()
    assert model.C * loss + np.abs(model.coef_).sum() == pytest.approx(result.fits.l1.objective, rel=1e-9)


def test_progress_counts_up_to_the_end(run):
    _, _, said = run
    done, total, words = zip(*said, strict=True)
    assert (done[0], done[-1]) == (0, total[0])
    assert set(np.diff(done)) <= {0, 1, 2}
    assert len(set(total)) == 1
    assert all(words)


def test_the_strengths_go_from_many_zeros_to_few(run):
    result, _, _ = run
    path = result.fits.path.path
    assert path.n_nonzeros[0] == 0 < path.n_nonzeros[-1]
    assert (path.gaps <= fits_module.READABLE).all()
    assert [fit.model.C for fit in result.fits.strengths] == sorted(set(path.Cs) & {0.05, 1.0, 3.0} | {1.0})
    for fit in result.fits.strengths:
        assert fit.objective >= fit.lower_bound


def test_changes_of_mind_are_answered_as_they_say(run):
    """By the model itself; a stroke takes no less ink than is proven to be needed."""
    result, _, _ = run
    model = result.fits.l2.model
    for found in filter(None, (result.counterfactuals.least, result.counterfactuals.stroke)):
        before, after = model.predict([found.frame.ravel(), found.flipped.ravel()])
        assert (before, after) == (found.source, found.target)
        assert found.source != found.target
        assert 0 <= found.flipped.min() <= found.flipped.max() <= 1
        assert found.ink_changed >= result.counterfactuals.least.lower_bound - 1e-9
    assert result.counterfactuals.least.optimal


def test_every_answer_is_in_the_table(run):
    result, out, _ = run
    lines = (out / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(result.split.y_test)
    assert sum(",yes," in line for line in lines) == result.evaluation.true_positives.sum()


def test_a_photo_is_read_in_both_ways(run):
    result, out, _ = run
    if result.dataset.image_shape != PHOTO_SHAPE:
        pytest.skip("photos become 28 x 28 pixels")
    assert not result.own.made
    assert set(result.own.readings) == {"tutorial", "faithful"}
    assert result.own.readings["faithful"].label == result.dataset.y[0]
    text = (out / "index.html").read_text(encoding="utf-8")
    assert "my &lt;photo&gt;.png" in text
    assert "No photo was given" not in text


def test_other_image_shapes_say_why_there_is_no_recipe(run):
    result, out, _ = run
    text = (out / "index.html").read_text(encoding="utf-8")
    assert ("have another size" in text) == (result.dataset.image_shape != (28, 28))


def test_bad_input_is_said_before_the_long_work_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(fits_module, "_fit", lambda *a, **k: pytest.fail("fitted before checking"))
    (tmp_path / "note.png").write_text("not a picture")
    data = small_digits(60)
    one_class = Dataset(data.X, np.repeat("0", 60), (8, 8), "zeros")
    cases = [
        (ParameterError, data, {"train": 50, "test": 50}),
        (DataError, one_class, {"train": 30, "test": 10}),
        (PhotoError, data, {"train": 40, "test": 10, "photo": tmp_path / "note.png"}),
        (ParameterError, data, {"train": 40, "test": 10, "pixel_filter": 101}),
    ]
    for error, dataset, settings in cases:
        with pytest.raises(error):
            run_tutorial(dataset, out=tmp_path / "report", **settings)
    assert [path.name for path in tmp_path.iterdir()] == ["note.png"]


@pytest.mark.slow
def test_interrupted_in_the_middle_the_older_report_stays(run, tmp_path, monkeypatch):
    if run[0].dataset.name != "clothes":
        pytest.skip("one kind of data is enough")
    out = tmp_path / "report"
    shutil.copytree(run[1], out)
    monkeypatch.setattr(ReportFigure, "html", lambda figure: figure.name)  # what would replace it may look as it will
    monkeypatch.setattr(Display, "to_png", lambda _: b"")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def interrupt(done, total, what):
        if done == total - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tutorial(clothes(), train=100, test=60, out=out, progress=interrupt)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
