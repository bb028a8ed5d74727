"""Errors in the data are found: planted wrong labels, near-duplicates, and what the data leave open."""

import csv
import json
import os

import numpy as np
import pytest
from command import run
from hypothesis import given
from hypothesis import strategies as st

from inklens import DigitReader, SoftmaxRegression, load_dataset
from inklens.classes import stratified_folds
from inklens.datasets import Dataset
from inklens.datasets.near import near_duplicates
from inklens.datasets.relabel import Relabelling, mark, read_relabel, write_relabel
from inklens.errors import DataError, ParameterError
from inklens.explanations.identifiability import (
    DIVERGES_DOWN,
    DIVERGES_UP,
    IDENTIFIED,
    UNIDENTIFIED,
    identifiability,
)
from inklens.explanations.label_errors import LabelErrors, out_of_fold
from inklens.linear.rows.rows import Rows
from inklens.tasks.model_rows import feature_rows

SEEDS = st.integers(0, 2**32 - 1)


def read_table(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def planted(dataset, n, *, seed, share=0.01):
    """Rows of a data set with a share of labels changed at random, and which."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(dataset))[:n])
    y = dataset.y[rows].copy()
    wrong = rng.choice(n, int(share * n), replace=False)
    for i in wrong:
        y[i] = rng.choice([name for name in dataset.classes if name != y[i]])
    return dataset.X[rows], y, np.isin(np.arange(n), wrong)


def doubts_of(dataset, X, y, *, features, C):
    rows = feature_rows(X, features=features, image_shape=(28, 28))
    model = SoftmaxRegression(C=C, tol=1e-2).fit(rows, y)
    reader = DigitReader(model.coef_, model.intercept_, dataset.classes, (28, 28), features=features)
    folds = out_of_fold(reader, rows, y, estimator=SoftmaxRegression(C=C, tol=1e-3))
    return LabelErrors(dataset.classes, np.searchsorted(dataset.classes, y), folds.proba), folds


# ------------------------------------------------------------------------------------------------- label errors


def test_planted_label_errors_are_found():
    dataset = load_dataset("embedded")
    X, y, wrong = planted(dataset, 2000, seed=0)
    found, folds = doubts_of(dataset, X, y, features="strokes", C=0.1)
    assert max(folds.gaps) <= 1e-3
    assert wrong[found.suspects].sum() >= 0.75 * wrong.sum()
    assert wrong[found.suspects].mean() >= 0.75
    assert 0.5 * wrong.sum() <= found.n_estimated <= 2 * wrong.sum()


@pytest.mark.slow
@pytest.mark.skipif("INKLENS_MNIST" not in os.environ, reason="needs MNIST")
def test_planted_label_errors_are_found_among_60000_rows():
    dataset = load_dataset(f"idx:{os.environ['INKLENS_MNIST']}").subset("train")
    X, y, wrong = planted(dataset, 60_000, seed=1)
    found, _ = doubts_of(dataset, X, y, features="strokes", C=0.1)
    assert wrong[found.suspects].sum() >= 0.9 * wrong.sum()
    assert wrong[found.suspects].mean() >= 0.9


def test_no_row_is_judged_by_a_model_that_saw_it():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (60, 9), dtype=np.uint8), np.array(["a", "b", "c"])[np.arange(60) % 3]
    reader = DigitReader(np.zeros((3, 9)), np.zeros(3), ("a", "b", "c"), (3, 3))
    rows, folds = Rows.of(X, scale=1 / 255), 4
    judged = out_of_fold(reader, rows, y, estimator=SoftmaxRegression(C=1.0, tol=1e-8), folds=folds, seed=3)
    for number in range(folds):
        seen = judged.fold != number
        alone = SoftmaxRegression(C=1.0, tol=1e-8).fit(X[seen] / 255, y[seen])
        assert np.allclose(judged.proba[~seen], alone.predict_proba(X[~seen] / 255), atol=1e-3)
    row = 7
    why = judged.explain(row, X[row].reshape(3, 3) / 255)
    assert np.allclose(why.probabilities, judged.proba[row], atol=1e-6)


@given(SEEDS, st.integers(2, 5), st.integers(1, 6))
def test_folds_are_stratified(seed, folds, n_classes):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_classes), rng.integers(2, 30, n_classes))
    fold = stratified_folds(codes, folds, np.random.default_rng(seed))
    for code in range(n_classes):
        counts = np.bincount(fold[codes == code], minlength=folds)
        assert counts.max() - counts.min() <= 1
        assert (counts < (codes == code).sum()).all()  # so each training part knows the class
    sizes = np.bincount(fold, minlength=folds)
    assert sizes.max() - sizes.min() <= 1


def test_labels_that_cannot_be_judged_are_named():
    reader = DigitReader(np.zeros((2, 4)), np.zeros(2), ("a", "b"), (2, 2))
    rows, fit = Rows.of(np.eye(4)), SoftmaxRegression()
    with pytest.raises(DataError, match="single row"):
        out_of_fold(reader, rows, np.array(list("aaab")), estimator=fit, folds=2)
    with pytest.raises(ParameterError, match="2 folds"):
        out_of_fold(reader, rows, np.array(list("aabb")), estimator=fit, folds=1)
    with pytest.raises(DataError, match="'c'"):
        out_of_fold(reader, rows, np.array(list("aabc")), estimator=fit, folds=2)


@given(SEEDS)
def test_suspects_are_ranked_and_estimated_as_the_paper_says(seed):
    rng = np.random.default_rng(seed)
    n_classes, n = int(rng.integers(2, 5)), int(rng.integers(8, 40))
    proba = rng.dirichlet(np.full(n_classes, 0.5), n)
    codes = np.where(rng.random(n) < 0.8, proba.argmax(axis=1), rng.integers(0, n_classes, n))
    found = LabelErrors(tuple("abcde"[:n_classes]), codes, proba)
    thresholds = [proba[codes == k, k].mean() if (codes == k).any() else 1.0 for k in range(n_classes)]
    joint = np.zeros((n_classes, n_classes))
    for p, k in zip(proba, codes, strict=True):
        above = [c for c in range(n_classes) if p[c] >= thresholds[c]]
        if above:
            joint[k, max(above, key=lambda c: p[c])] += 1
    assert np.array_equal(found.joint, joint)
    wrong = sum(
        (joint[k].sum() - joint[k, k]) / joint[k].sum() * (codes == k).sum() for k in range(n_classes) if joint[k].sum()
    )
    assert abs(found.n_estimated - wrong) <= 0.5 + 1e-9
    odds = found.log_odds[found.suspects]
    assert (np.diff(odds) <= 0).all()
    assert (odds > 0).all()
    assert len(odds) == min(found.n_estimated, (found.log_odds > 0).sum())


# ------------------------------------------------------------------------------------------------- relabel files


@pytest.fixture
def small():
    return Dataset(np.arange(40, dtype=np.uint8).reshape(10, 4), np.array(list("aabbccabca")), (2, 2), "small")


def test_a_decided_table_changes_the_rows_it_names(small, tmp_path):
    path = tmp_path / "table.csv"
    write_relabel(path, small, {3: "a", 5: "b", 0: "c"})
    lines = read_table(path)
    assert [(e["row"], e["given"], e["suggested"], e["decision"]) for e in lines] == [
        ("3", "b", "a", ""), ("5", "c", "b", ""), ("0", "a", "c", ""),
    ]  # fmt: skip
    assert len(read_relabel(path, small)) == 0
    for line, decision in zip(lines, ("a", "drop", "a"), strict=True):
        line["decision"] = decision
    for delimiter, encoding in ((",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16")):
        with path.open("w", encoding=encoding, newline="") as file:
            table = csv.DictWriter(file, lines[0].keys(), delimiter=delimiter)
            table.writeheader()
            table.writerows(lines[::-1])
        changed = read_relabel(path, small)
        assert changed == Relabelling({3: "a"}, frozenset({5}))  # row 0 is an "a" already
    split = small.split(train=6, test=4, seed=0)
    after = changed.apply(split)
    assert len(after.y_train) + len(after.y_test) == 9
    for index, y, X in (
        (after.train_index, after.y_train, after.X_train),
        (after.test_index, after.y_test, after.X_test),
    ):
        assert 5 not in index
        assert np.array_equal(X, small.X[index])
        assert [y[i] for i in range(len(y))] == ["a" if row == 3 else small.y[row] for row in index]
    write_relabel(path, small, {1: "c", 3: "c"}, decided=changed)
    assert read_relabel(path, small) == changed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("3,b,a,z,{mark}", "'z' is no class"),
        ("10,b,a,a,{mark}", "0 to 9"),
        ("-1,b,a,a,{mark}", "0 to 9"),
        ("x,b,a,a,{mark}", "0 to 9"),
        ("3,c,a,a,{mark}", "labelled 'b'"),
        ("3,b,a,a,sha256:0123", "other data"),
        ("3,b,a,a", "other data"),
        ("3,b,a,a,{mark}\n3,b,a,c,{mark}", "line 2 already"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_its_line(small, tmp_path, line, words):
    path = tmp_path / "table.csv"
    path.write_text("row,given,suggested,decision,data\n" + line.format(mark=mark(small)) + "\n")
    with pytest.raises(DataError, match=words) as error:
        read_relabel(path, small)
    assert "line " in str(error.value)


def test_other_files_are_no_relabel_tables(small, tmp_path):
    path = tmp_path / "table.csv"
    for text in ("", "row,given\n1,a\n", "a picture"):
        path.write_text(text)
        with pytest.raises(DataError, match="relabel"):
            read_relabel(path, small)
    with pytest.raises(DataError):
        read_relabel(tmp_path / "none.csv", small)


@pytest.mark.slow
def test_from_doubt_to_refit_on_the_command_line(tmp_path):
    dataset = load_dataset("embedded")
    X, y, wrong = planted(dataset, 800, seed=2, share=0.03)
    np.savez(tmp_path / "flipped.npz", X=X.reshape(-1, 28, 28), y=y)
    model, table, new = tmp_path / "m.inklens", tmp_path / "doubts.csv", tmp_path / "new.inklens"
    options = ["--train", "600", "--test", "200", "--features", "strokes", "--C", "0.1", "--tol", "1e-2"]
    assert run("fit", "--data", f"npz:{tmp_path / 'flipped.npz'}", *options, "-o", model).returncode == 0
    done = run("labels", model, "--relabel", table, "-o", tmp_path / "doubts.svg", "--json")
    document = json.loads(done.stdout)
    assert document["n_rows"] == 600
    assert len(document["suspects"]) == document["n_suspects"] > 0
    assert all(entry["given"] == y[entry["row"]] != entry["suggested"] for entry in document["suspects"])
    assert document["suspects"][0]["why"]
    lines = read_table(table)
    assert [int(line["row"]) for line in lines] == [entry["row"] for entry in document["suspects"]]
    loaded = load_dataset(f"npz:{tmp_path / 'flipped.npz'}")
    for line in lines:
        line["decision"] = str(dataset.y[np.flatnonzero((loaded.X[int(line["row"])] == dataset.X).all(axis=1))[0]])
    lines[-1]["decision"] = "drop"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, lines[0].keys())
        writer.writeheader()
        writer.writerows(lines)
    changed = json.loads(run("refit", model, "--relabel", table, "-o", new, "--json").stdout)
    assert changed["n_dropped"] == 1
    assert changed["n_relabelled"] >= wrong[[entry["row"] for entry in document["suspects"][:-1]]].sum() > 0
    assert changed["agrees"] > changed["agreed"]
    assert run("verify", new).returncode == 0
    evaluated = json.loads(run("evaluate", new, "--json").stdout)
    assert evaluated["accuracy"] == pytest.approx(changed["after"]["test"])
    again = run(
        "fit", "--data", f"npz:{tmp_path / 'flipped.npz'}", *options, "--relabel", table, "-o", tmp_path / "f.inklens"
    )
    assert again.returncode == 0, again.stderr
    assert DigitReader.load(new).provenance["data"] == DigitReader.load(tmp_path / "f.inklens").provenance["data"]
    lines[0]["data"] = "sha256:0"
    table.write_text("row,given,suggested,decision,data\n" + ",".join(lines[0].values()) + "\n")
    refused = run("refit", model, "--relabel", table, "-o", tmp_path / "none.inklens")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "other data" in refused.stderr
    assert not (tmp_path / "none.inklens").exists()


@pytest.mark.slow
def test_a_cell_opens_on_the_command_line(tmp_path):
    model = tmp_path / "m.inklens"
    assert run("fit", "--train", "300", "--test", "400", "--C", "0.1", "--tol", "1e-2", "-o", model).returncode == 0
    confusion = np.array(json.loads(run("evaluate", model, "--json").stdout)["confusion"])
    document = json.loads(run("mistakes", model, "-o", tmp_path / "cell.svg", "--json").stdout)
    true, answer = int(document["true"]), int(document["answer"])
    np.fill_diagonal(confusion, 0)
    assert document["n_images"] == confusion[true, answer] == confusion.max()
    labels = load_dataset("embedded").y
    assert all(labels[image["row"]] == document["true"] for image in document["images"])
    reader = DigitReader.load(model)
    between = reader.intercept[answer] - reader.intercept[true]
    assert np.sum(document["contributions"]) + between == pytest.approx(document["log_odds"], abs=1e-9)
    assert "read as" in run("mistakes", model, "--cell", "4", "4").stdout
    refused = run("mistakes", model, "--cell", "4", "x")
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (2, 1)


# ------------------------------------------------------------------------------------------------- near-duplicates


def brute_force(train, test, shape, closest, shift):
    """The nearest training row within `closest` of every test row, over all shifts, in float64."""
    found = {}
    for i, image in enumerate(test.reshape(-1, *shape).astype(float)):
        best = (np.inf, None)
        for down in range(-shift, shift + 1):
            for right in range(-shift, shift + 1):
                padded = np.pad(image, shift)
                moved = padded[shift - down : shift - down + shape[0], shift - right : shift - right + shape[1]].ravel()
                for j, other in enumerate(train.astype(float)):
                    larger = max(np.linalg.norm(moved), np.linalg.norm(other), 1.0)
                    best = min(best, (np.linalg.norm(moved - other) / larger, j), key=lambda pair: pair[0])
        if best[0] <= closest:
            found[i] = best[0]
    return found


@given(SEEDS, st.integers(0, 2), st.floats(0.05, 0.6))
def test_no_near_duplicate_is_missed(seed, shift, closest):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(3, 7)), int(rng.integers(3, 7)))
    train = (rng.integers(0, 256, (6, *shape)) * (rng.random((6, *shape)) < 0.5)).astype(np.uint8)
    test = np.stack([np.roll(train[int(rng.integers(6))], int(rng.integers(-2, 3)), axis=1) for _ in range(4)])
    test = np.clip(test + rng.integers(-30, 30, test.shape), 0, 255).astype(np.uint8)
    train, test = train.reshape(6, -1), test.reshape(4, -1)
    found = near_duplicates(train, test, shape, closest=closest, shift=shift)
    expected = brute_force(train, test, shape, closest, shift)
    assert dict(zip(found.test_rows.tolist(), found.distances.tolist(), strict=True)) == pytest.approx(expected)
    assert (np.diff(found.distances) >= 0).all()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_of_several_near_duplicates_the_nearest_is_told(order):
    rng = np.random.default_rng(0)
    test = rng.integers(100, 156, (1, 36)).astype(np.uint8)
    noise = np.array([2, 8, 20])[np.array(order)]
    train = np.concatenate([test + size * rng.choice([-1, 1], (1, 36)) for size in noise]).astype(np.uint8)
    found = near_duplicates(train, test, (6, 6), closest=0.5, shift=0)
    assert found.train_rows.tolist() == [noise.argmin()]


def test_near_duplicates_are_told_on_the_command_line(tmp_path):
    X = load_dataset("embedded").images(slice(0, 600, 20))
    twin = np.roll(X[3], 1, axis=0)
    np.savez(tmp_path / "data.npz", X=np.concatenate([X, twin[None]]), y=["a"] * len(X) + ["b"])
    done = run("data", "twins", f"npz:{tmp_path / 'data.npz'}", "--test", "0.5", "-o", tmp_path / "t.svg", "--json")
    document = json.loads(done.stdout)
    rows = {(pair["test_row"], pair["train_row"]) for pair in document["pairs"]}
    both = {(3, len(X)), (len(X), 3)}
    assert rows & both or not document["pairs"]  # the twins may fall into one half
    embedded = run("data", "twins", "embedded", "--train", "400", "--test", "100", "--closest", "0.05")
    assert embedded.stdout.startswith("0 of 100 test images")


# ------------------------------------------------------------------------------------------------- identifiability


@given(SEEDS)
def test_states_are_what_the_loss_does(seed):
    """Moving one coefficient far away never raises the loss where the state says so, and does where it is held."""
    rng = np.random.default_rng(seed)
    n, n_pixels, n_classes = 12, 5, 3
    X = rng.integers(0, 4, (n, n_pixels)) * (rng.random((n, n_pixels)) < 0.5)
    X[:, 0] = 2
    y = np.arange(n) % n_classes
    found = identifiability(X, y)
    W = rng.normal(size=(n_classes, n_pixels))

    def loss(coef):
        z = (X - X.min(axis=0)) @ coef.T  # the intercept takes up a pixel's least value
        return float((np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1) - z[np.arange(n), y]).sum())

    for k in range(n_classes):
        for j in range(n_pixels):
            far = {}
            for step in (-1000.0, 1000.0):
                moved = W.copy()
                moved[k, j] += step
                far[step] = loss(moved) - loss(W)
            state = found.states[k, j]
            assert (far[-1000.0] <= 1e-12) == (state in (UNIDENTIFIED, DIVERGES_DOWN))
            assert (far[1000.0] <= 1e-12) == (state in (UNIDENTIFIED, DIVERGES_UP))
            assert (state == UNIDENTIFIED) == (X[:, j].min() == X[:, j].max())
    assert set(np.unique(found.states)) <= {UNIDENTIFIED, DIVERGES_DOWN, DIVERGES_UP, IDENTIFIED}
    centred = X - X.mean(axis=0)
    assert found.rank == np.linalg.matrix_rank(centred, tol=1e-9)
    assert found.n_constant == int((np.ptp(X, axis=0) == 0).sum())


@pytest.mark.slow
def test_limits_prove_separation_and_draw_it(tmp_path):
    done = run("limits", "--train", "300", "--test", "10", "--figures", tmp_path / "figures", "--json")
    document = json.loads(done.stdout)
    assert document["separated"]
    direction = np.array(document["direction"])
    rows = load_dataset("embedded").split(train=300, test=10, seed=9)
    names = sorted(set(rows.y_train))
    scores = rows.X_train / 255 @ direction.reshape(len(names), -1).T
    assert direction.shape == (10, 28, 28)
    assert np.allclose(direction.sum(axis=0), 0.0, atol=1e-6 * np.abs(direction).max())
    assert scores.shape == (300, 10)
    assert sorted(p.name for p in (tmp_path / "figures").iterdir()) == ["pixels.svg", "separation.svg"]
    assert document["pixels"]["constant"] == int((rows.X_train.min(axis=0) == rows.X_train.max(axis=0)).sum())
    assert "Proven" in run("limits", "--train", "300", "--test", "10").stdout


@pytest.mark.slow
def test_radii_of_a_data_set_are_those_of_each_digit(tmp_path):
    model = tmp_path / "m.inklens"
    assert run("fit", "--train", "300", "--test", "50", "--C", "0.1", "--tol", "1e-2", "-o", model).returncode == 0
    document = json.loads(run("radii", model, "-o", tmp_path / "radii.svg", "--json").stdout)
    assert len(document["rows"]) == 50
    one = json.loads(run("flip", "--model", model, "--sample", "3", "--json").stdout)
    assert document["boxed"]["l1"][3] == pytest.approx(one["radius"]["l1"]["boxed"])
    assert document["quantiles"]["l1"]["0.5"] in document["boxed"]["l1"]
