"""Facts about the real MNIST, and the split of scikit-learn."""

import dataclasses
import json
import os
import re

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from inklens.datasets import Dataset, constant_pixels, describe, load_dataset, overlap
from inklens.errors import DataError, ParameterError

needs_mnist = pytest.mark.skipif(
    "INKLENS_MNIST" not in os.environ, reason="set INKLENS_MNIST to the folder with MNIST's four files"
)


@pytest.fixture(scope="module")
def mnist():
    return load_dataset(f"idx:{os.environ['INKLENS_MNIST']}")


@needs_mnist
def test_counts_and_order_of_the_tutorial(mnist):
    assert mnist.X.shape == (70_000, 784)
    assert list(mnist.counts.items()) == [
        ("1", 7877),
        ("7", 7293),
        ("3", 7141),
        ("2", 6990),
        ("9", 6958),
        ("0", 6903),
        ("6", 6876),
        ("8", 6825),
        ("4", 6824),
        ("5", 6313),
    ]
    assert mnist.y[:3].tolist() == ["5", "0", "4"]
    assert mnist.y[-3:].tolist() == ["4", "5", "6"]


@needs_mnist
def test_content_is_recognised(mnist):
    assert mnist.name == "mnist_784"
    assert "CC BY-SA 3.0" in mnist.licence


@needs_mnist
def test_halves(mnist):
    assert len(mnist.subset("train")) == 60_000
    assert len(mnist.subset("test")) == 10_000
    assert mnist.subset("test").y[:3].tolist() == ["7", "2", "1"]


@needs_mnist
def test_split_of_the_tutorial(mnist):
    split = mnist.split(train=7500, test=2500, seed=9)
    expected = train_test_split(mnist.X, mnist.y, random_state=9, train_size=7500, test_size=2500)
    for ours, theirs in zip(split[:4], expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert split.y_test[33] == "4"


@needs_mnist
def test_every_embedded_digit_is_a_training_image(mnist):
    digits = load_dataset("embedded")
    train, test = mnist.subset("train"), mnist.subset("test")
    shared = overlap(train.X, digits.X, train.y, digits.y)
    assert (shared.n_test, shared.n_conflicting) == (5000, 0)
    assert overlap(test.X, digits.X).n_test == 0
    for label in "0123456789":
        first = train.X[train.y == label][:500]
        np.testing.assert_array_equal(digits.X[digits.y == label], first)


@needs_mnist
def test_description_of_mnist(mnist):
    description = describe(mnist)
    assert description.overlap.n_test == 0
    assert description.n_constant == 65
    assert description.value_range == (0, 255)
    assert description.polarity == "ink is bright"


@pytest.mark.parametrize(("train", "test"), [(7, 3), (0.7, 0.3), (0.55, 0.44), (5, 0.3), (0.5, 4), (1, 1), (0.1, 0.9)])
def test_split_is_scikit_learns(train, test):
    X = np.arange(40, dtype=np.uint8).reshape(10, 4)
    y = np.array(list("abababababab"))[:10]
    dataset = Dataset(X, y, image_shape=(2, 2), name="toy")
    split = dataset.split(train=train, test=test, seed=3)
    expected = train_test_split(X, y, random_state=3, train_size=train, test_size=test)
    for ours, theirs in zip(split[:4], expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(X[split.train_index], split.X_train)
    assert not set(split.train_index) & set(split.test_index)


def test_own_halves_are_all_rows_once():
    X = np.arange(40, dtype=np.uint8).reshape(10, 4)
    dataset = Dataset(X, np.arange(10), image_shape=(2, 2), name="toy", n_train=7)
    for split, n_train in ((dataset.own_split(), 7), (dataset.own_split(4), 4)):
        assert split.train_index.tolist() == list(range(n_train))
        assert split.test_index.tolist() == list(range(n_train, 10))
        np.testing.assert_array_equal(split.X_test, X[n_train:])
        assert split.y_train.tolist() == [str(i) for i in range(n_train)]
    for n_train in (10, 11):
        with pytest.raises(ParameterError, match="no training and test halves"):
            dataset.own_split(n_train)


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        (9, 2, "only 10"),
        (0, 3, "--train"),
        (3, 0, "--test"),
        (-1, 3, "--train"),
        (float("nan"), 3, "--train"),
        (1.5, 2, "--train"),
        (1.0, 1, "--train"),
        (0.05, 1, "--train"),
    ],
)
def test_impossible_splits_are_refused(train, test, words):
    dataset = Dataset(np.zeros((10, 4), np.uint8), np.arange(10), image_shape=(2, 2), name="toy")
    with pytest.raises(ParameterError, match=words):
        dataset.split(train=train, test=test, seed=0)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "x", None])
def test_impossible_seeds_are_refused(seed):
    dataset = Dataset(np.zeros((10, 4), np.uint8), np.arange(10), image_shape=(2, 2), name="toy")
    with pytest.raises(ParameterError, match="seed"):
        dataset.split(train=5, test=5, seed=seed)


def test_shapes_that_disagree_are_refused():
    with pytest.raises(DataError, match="image_shape"):
        Dataset(np.zeros((2, 4), np.uint8), np.arange(2), image_shape=(3, 2), name="toy")
    with pytest.raises(DataError, match="one label per image"):
        Dataset(np.zeros((2, 4), np.uint8), np.arange(3), image_shape=(2, 2), name="toy")


def test_the_callers_array_stays_writable():
    X = np.zeros((2, 4), np.uint8)
    Dataset(X, np.arange(2), image_shape=(2, 2), name="toy")
    X[0, 0] = 1


def test_duplicates_and_conflicts_are_counted():
    X = np.array([[0, 0, 0, 9], [0, 0, 0, 9], [0, 0, 0, 9], [0, 1, 0, 9], [0, 1, 0, 9]], np.uint8)
    dataset = Dataset(X, np.array(list("aabcc")), image_shape=(2, 2), name="toy", n_train=3)
    description = describe(dataset)
    assert (description.n_duplicates, description.n_conflicts, description.n_constant) == (3, 1, 3)
    assert description.overlap.n_test == 0
    split = dataset.split(train=3, test=2, seed=0)
    seen = {row.tobytes() for row in split.X_train}
    expected = sum(row.tobytes() in seen for row in split.X_test)
    assert describe(dataset, split).overlap.n_test == expected > 0


def test_counts_are_of_each_class_the_most_frequent_first():
    dataset = Dataset(np.zeros((6, 4), np.uint8), np.array(list("bacbcb")), image_shape=(2, 2), name="toy")
    assert list(dataset.counts.items()) == [("b", 3), ("c", 2), ("a", 1)]


@pytest.mark.parametrize("n_train", [None, 0, 2, 3])
def test_a_card_tells_of_halves_where_there_are_some_and_how_large_they_are(n_train):
    dataset = Dataset(
        np.arange(12, dtype=np.uint8).reshape(3, 4), np.array(["a", "b", "a"]), (2, 2), "made", n_train=n_train
    )
    told = [] if n_train is None else [f"{n_train} training and {3 - n_train} test images"]
    assert re.findall(r"\d+ training and \d+ test images", repr(dataset)) == told


def test_pixels_of_one_value_are_those_that_no_row_differs_in():
    X = np.array([[0, 5, 7, 255], [0, 5, 7, 254], [0, 5, 8, 255]], np.uint8)
    assert constant_pixels(X).tolist() == [True, True, False, False]
    assert constant_pixels(X[:1]).all()


def test_a_description_as_json_says_what_it_says_as_text():
    seen = describe(Dataset(np.eye(4, dtype=np.uint8), np.array(["a", "b", "a", "b"]), (2, 2), "made"))
    document = json.loads(json.dumps(seen.as_dict()))
    assert document["name"] == "made"
    assert document["counts"] == {"a": 2, "b": 2}
    assert seen.as_dict().keys() == {field.name for field in dataclasses.fields(seen)}


def test_overlap_compares_values_not_bytes():
    assert overlap(np.array([[0.0, 1.0]]), np.array([[-0.0, 1.0]])).n_test == 1
    assert overlap(np.array([[0, 1]], np.uint8), np.array([[0.0, 1.0]])).n_test == 1
    shared = overlap(np.array([[0, 1]]), np.array([[0, 1]] * 3), np.array(["a"]), np.array(["a", "b", "a"]))
    assert (shared.n_test, shared.n_conflicting, shared.test_rows) == (3, 1, (0, 1, 2))
