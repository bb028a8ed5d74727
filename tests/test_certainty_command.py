"""`inklens certainty`, `stability` and `compare` as people and scripts use them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inklens import DigitReader, SoftmaxRegression, load_dataset
from inklens.cli.main import _run
from inklens.errors import DataError
from inklens.evaluation import curvature
from inklens.tasks.certainty import judge_certainty, judge_coefficients
from inklens.tasks.comparing import compare
from inklens.tasks.models import fit

SPLIT = {"train": 400, "test": 300, "seed": 9}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    fit("embedded", **SPLIT, C=0.01, tol=1e-3, out=folder / "dense.inklens")
    fit("embedded", **SPLIT, C=0.1, l1_ratio=1.0, tol=1e-2, out=folder / "sparse.inklens")
    fit("embedded", train=400, test=300, seed=1, C=0.01, tol=1e-2, out=folder / "other.inklens")
    return folder


def run(capsys, *args):
    code = _run([str(arg) for arg in args])
    out, err = capsys.readouterr()
    return code, out, err


def test_certainty_prints_what_the_rows_say(models, capsys, tmp_path):
    path = models / "dense.inklens"
    code, out, _ = run(capsys, "certainty", path, "--coverage", "0.9", "--figures", tmp_path, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["schema_version"] == 1
    reader = DigitReader.load(path)
    assert document["accuracy"]["value"] == reader.provenance["accuracy"]["test"]
    assert document["sets"]["promised"] == 0.9
    assert document["sets"]["calibrated_on"] == 300
    assert sum(document["sets"]["sizes"].values()) == 300
    assert document["sets"]["covered"]["value"] > 0.82
    assert {path.name for path in tmp_path.iterdir()} == {"calibration.svg", "sets.svg"}
    code, out, _ = run(capsys, "certainty", path)
    assert code == 0
    assert "promise" in out


def test_certainty_gives_a_picture_its_set(models, capsys, tmp_path):
    Image.fromarray(255 - load_dataset("embedded").images(2500)).resize((280, 280)).save(tmp_path / "digit.png")
    code, out, _ = run(capsys, "certainty", models / "dense.inklens", tmp_path / "digit.png", "--json")
    (picture,) = json.loads(out)["images"]
    assert code == 0
    assert picture["label"] in picture["set"]
    found = judge_certainty(DigitReader.load(models / "dense.inklens"))
    frame = found.reader.frame(str(tmp_path / "digit.png"))
    assert found.answers(frame[None]) == [picture["set"]]
    assert found.proba(frame[None]).max() == pytest.approx(picture["probability"])


def test_neither_half_judges_itself(models):
    """Moving one label changes the sets of the other half only, so no row has a say in its own."""
    from inklens.tasks.certainty import certainty_of

    reader = DigitReader.load(models / "dense.inklens")
    rows = load_dataset("embedded").split(**SPLIT)
    frames = rows.X_test.reshape(-1, 28, 28) / 255
    one = certainty_of(reader, frames, rows.y_test)
    half = np.random.default_rng(0).permutation(300)[:150]
    y = rows.y_test.copy()
    y[half] = np.where(y[half] == "0", "1", "0")
    other = certainty_of(reader, frames, y)
    assert np.array_equal(one.sets[half], other.sets[half])
    assert np.array_equal(one.after.proba[half], other.after.proba[half])
    assert not np.array_equal(one.sets, other.sets)


def test_stability_reports_refits_or_curvature(models, capsys, tmp_path):
    args = ["stability", models / "sparse.inklens", "--refits", "6", "-o", tmp_path / "maps.svg"]
    code, out, err = run(capsys, *args, "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["by"], document["n_refits"]) == ("refits", 6)
    assert np.shape(document["maps"]["positive"]["4"]) == (28, 28)
    assert document["expected_by_chance"]["r-concave"] <= document["expected_by_chance"]["any"]
    assert "maps.svg" in err
    code, out, _ = run(capsys, *args)
    assert "stable" in out


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    """The digits on 7 x 7 pixels: the curvature of few coefficients is quick."""
    digits = load_dataset("embedded")
    path = tmp_path_factory.mktemp("coarse") / "digits.npz"
    np.savez(
        path, X=digits.images()[:1000].reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).astype(np.uint8), y=digits.y[:1000]
    )
    return f"npz:{path}"


def test_curvature_is_that_of_the_fit(coarse):
    found = judge_coefficients(fit(coarse, **SPLIT, C=0.01, tol=1e-3).reader, by="curvature")
    rows = load_dataset(coarse).split(**SPLIT)
    model = SoftmaxRegression(C=0.01, tol=1e-3).fit(rows.X_train / 255, rows.y_train)
    expected = curvature(model, rows.X_train / 255, rows.y_train)
    assert found.found.sampling == pytest.approx(expected.sampling, abs=1e-5)
    assert found.to_json()["by"] == "curvature"
    found.display()


@pytest.mark.slow
def test_compare_is_the_comparison_of_both_answers(models, capsys, tmp_path):
    paths = models / "dense.inklens", models / "sparse.inklens"
    code, out, _ = run(capsys, "compare", *paths, "-o", tmp_path / "apart.png", "--json")
    document = json.loads(out)
    assert code == 0
    readers = [DigitReader.load(path) for path in paths]
    for name, reader in zip("ab", readers, strict=True):
        assert document["accuracy"][name]["value"] == reader.provenance["accuracy"]["test"]
        assert document["sizes"][name]["nonzeros"] == np.count_nonzero(reader.coef)
    rows = load_dataset("embedded").split(**SPLIT)
    frames = rows.X_test.reshape(-1, 28, 28) / 255
    right = [reader.predict(frames) == rows.y_test for reader in readers]
    assert document["only_a_right"] == np.sum(right[0] & ~right[1]) == len(document["disagreements"]["only_a"])
    assert (tmp_path / "apart.png").stat().st_size > 10_000
    code, out, _ = run(capsys, "compare", *paths)
    assert "McNemar" in out or "Neither" in out


def test_rows_that_one_model_was_fitted_on_are_left_out_and_said(models, capsys):
    a, b = (DigitReader.load(models / name) for name in ("dense.inklens", "other.inklens"))
    found = compare(a, b, names=("dense", "other"))
    rows, others = load_dataset("embedded").split(**SPLIT), load_dataset("embedded").split(train=400, test=300, seed=1)
    shared = np.isin(rows.test_index, others.train_index)
    assert shared.any()
    assert len(found.y_true) == np.sum(~shared)
    assert any(f"{shared.sum()} of 300 rows were left out: other" in note for note in found.notes)


def test_a_copy_of_training_rows_in_other_data_is_recognised(models, tmp_path):
    rows = load_dataset("embedded").split(**SPLIT)
    np.savez(tmp_path / "copy.npz", X=rows.X_train.reshape(-1, 28, 28), y=rows.y_train)
    a, b = (DigitReader.load(models / f"{name}.inklens") for name in ("dense", "sparse"))
    with pytest.raises(DataError, match="fitted on each of these 100 rows"):
        compare(a, b, data=f"npz:{tmp_path / 'copy.npz'}", train=300, test=100)


def test_models_that_cannot_be_compared_are_refused(models):
    a = DigitReader.load(models / "dense.inklens")
    letters = replace(a, classes=tuple("abcdefghij"))
    with pytest.raises(ValueError, match="different classes"):
        compare(a, letters)
    small = DigitReader(np.zeros((10, 4)), np.zeros(10), a.classes, (2, 2))
    with pytest.raises(ValueError, match="28 x 28"):
        compare(a, small)


def test_a_model_that_does_not_say_what_it_saw_is_said_to_be_unchecked(models):
    a = DigitReader.load(models / "dense.inklens")
    silent = replace(DigitReader.load(models / "sparse.inklens"), provenance={})
    assert any("cannot be checked" in note for note in compare(a, silent).notes)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["certainty"], 2, "MODEL"),
        (["certainty", "{dense}", "--coverage", "1.5"], 2, "coverage"),
        (["certainty", "{dense}", "--test", "10"], 1, "too few"),
        (["stability", "{dense}", "--data", "npz:none.npz"], 1, "none.npz"),
        (["stability", "{sparse}", "--by", "curvature"], 2, "kink"),
        (["stability", "{dense}", "--refits", "1"], 2, "refits"),
        (["compare", "{dense}"], 2, "MODEL_B"),
        (["compare", "{dense}", "none.inklens"], 1, "none.inklens"),
    ],
)
def test_wrong_usage_gives_one_clear_line(models, capsys, args, code, words):
    names = {"dense": models / "dense.inklens", "sparse": models / "sparse.inklens"}
    found, out, err = run(capsys, *(arg.format(**names) for arg in args))
    assert (found, out) == (code, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_a_fit_on_stretched_pixels_is_asked_in_its_own_units(coarse):
    reader = fit(coarse, **SPLIT, C=0.01, tol=1e-3, scale="min-max").reader
    found = judge_coefficients(reader, by="curvature").found
    rows = load_dataset(coarse).split(**SPLIT)
    low, high = rows.X_train.min(axis=0).astype(float), rows.X_train.max(axis=0).astype(float)
    X = (rows.X_train - low) / np.maximum(high - low, 1.0)
    expected = curvature(SoftmaxRegression(C=0.01, tol=1e-3).fit(X, rows.y_train), X, rows.y_train)
    assert found.coef == pytest.approx(expected.coef, abs=1e-3)
    assert found.sampling == pytest.approx(expected.sampling, abs=1e-4)
