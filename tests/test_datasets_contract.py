"""What every source keeps: one shape, one kind of label, one polarity, the same content."""

import subprocess
import sys

import numpy as np
import pytest
from datasets_makers import MAKERS, N_TRAIN, sample
from PIL import Image

from inklens.datasets import describe, load_dataset
from inklens.datasets.near import near_duplicates
from inklens.errors import DataError, InklensError, ParameterError


@pytest.fixture(params=sorted(MAKERS))
def source(request, tmp_path, monkeypatch):
    monkeypatch.setenv("INKLENS_CACHE", str(tmp_path / "cache"))
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return MAKERS[request.param](tmp_path, monkeypatch)


def test_same_digits_from_every_source(source):
    X, y = sample()
    dataset = load_dataset(source)
    order = np.lexsort(dataset.X.T)
    expected = np.lexsort(X.T)
    np.testing.assert_array_equal(dataset.X[order], X[expected])
    np.testing.assert_array_equal(dataset.y[order], y[expected])


def test_shape_types_and_protection(source):
    dataset = load_dataset(source)
    assert dataset.X.dtype == np.uint8
    assert dataset.X.flags.c_contiguous
    assert dataset.y.dtype.kind == "U"
    assert dataset.image_shape == (28, 28)
    assert dataset.images().shape == (len(dataset), 28, 28)
    assert dataset.classes == tuple("0123456789")
    assert sum(dataset.counts.values()) == len(dataset)
    assert dataset.name
    assert dataset.source
    with pytest.raises(ValueError, match="read-only"):
        dataset.X[0, 0] = 1


def test_loads_twice_alike(source):
    assert load_dataset(source).checksum == load_dataset(source).checksum


def test_description_counts_what_is_there(source):
    dataset = load_dataset(source)
    description = describe(dataset)
    assert description.n_samples == len(dataset)
    assert description.polarity == "ink is bright"
    assert description.n_constant == sum(len(np.unique(column)) == 1 for column in dataset.X.T)
    assert description.name in str(description)


def test_halves_join_to_all(source):
    dataset = load_dataset(source)
    if dataset.n_train is None:
        with pytest.raises(ParameterError, match="no training and test halves"):
            load_dataset(source, subset="test")
        return
    assert dataset.n_train == N_TRAIN
    np.testing.assert_array_equal(load_dataset(source, subset="train").X, sample()[0][:N_TRAIN])
    halves = [load_dataset(source, subset=half) for half in ("train", "test")]
    np.testing.assert_array_equal(np.concatenate([half.X for half in halves]), dataset.X)
    np.testing.assert_array_equal(np.concatenate([half.y for half in halves]), dataset.y)


@pytest.mark.parametrize("kind", ["idx", "folder", "npz", "csv", "parquet"])
@pytest.mark.parametrize("content", [None, b"", b"\x00" * 64, b"<html>no</html>", bytes(range(256)) * 8])
def test_missing_or_wrong_file_is_one_clear_error(kind, content, tmp_path):
    path = tmp_path / "data"
    if kind in ("idx", "folder") and content is not None:
        (path / "0").mkdir(parents=True)
        for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "0/a.png"):
            (path / name).write_bytes(content)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_dataset(f"{kind}:{path}")
    assert "data" in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("embeded", "did you mean 'embedded'?"),
        ("mnits", "did you mean 'mnist'?"),
        ("fashion-mnst", "did you mean 'fashion-mnist'?"),
        ("nonsense", "openml:NAME"),
        ("idx", "idx:DIR"),
        ("csv:", "csv:FILE"),
        ("openml:", "openml:NAME"),
        ("openml:a b", "openml:NAME@VERSION"),
        ("openml:mnist_784@x", "openml:NAME@VERSION"),
        ("npz:x.npz?colour=1", "shape, range"),
        ("npz:x.npz?shape=0x3", "rows x columns"),
        ("npz:x.npz?range=3:1", "smallest and largest"),
        ("npz:x.npz?invert=maybe", "yes, no or auto"),
        ("npz:x.npz?label=y", "only"),
    ],
)
def test_unknown_spec_says_what_is_possible(spec, hint):
    with pytest.raises(ParameterError, match=r"expected|unknown|setting|names nothing|only") as caught:
        load_dataset(spec)
    assert hint in str(caught.value)


def test_what_the_system_takes_for_no_path_is_unknown_data():
    for spec in ("x" * 5000, "a\0b", "x/" * 3000):
        with pytest.raises(ParameterError, match="unknown data"):
            load_dataset(spec)


def test_plain_paths_are_recognised(tmp_path, monkeypatch):
    for kind in ("npz", "csv", "idx", "folder"):
        spec = MAKERS[kind](tmp_path / kind, monkeypatch)
        assert load_dataset(spec.partition(":")[2]).checksum == load_dataset(spec).checksum


def test_polarity_and_range_are_undone_and_said(tmp_path):
    X, y = sample()
    variants = {
        "0 to 1": X / 255,
        "-1 to 1": X / 127.5 - 1,
        "0 to 65535": X.astype(np.uint16) * 257,
        "signed bytes": (X.astype(np.int16) - 128).astype(np.int8),
        "inverted": 255 - X,
        "exchanged": X.reshape(-1, 28, 28).transpose(0, 2, 1).reshape(len(X), -1),
        "fit no usual range": (X / 255 - 0.1307) / 0.3081,
    }
    for words, pixels in variants.items():
        np.savez(tmp_path / "a.npz", X=pixels, y=y)
        dataset = load_dataset(f"npz:{tmp_path / 'a.npz'}")
        np.testing.assert_array_equal(dataset.X, X, err_msg=words)
        assert any(words in note for note in dataset.notes), (words, dataset.notes)


def test_settings_overrule_what_was_seen(tmp_path):
    X, y = sample()
    np.savez(tmp_path / "a.npz", X=255 - X, y=y)
    np.testing.assert_array_equal(load_dataset(f"npz:{tmp_path}/a.npz?invert=no").X, 255 - X)
    np.savez(tmp_path / "a.npz", X=X, y=y)
    np.testing.assert_array_equal(load_dataset(f"npz:{tmp_path}/a.npz?invert=yes").X, 255 - X)
    half = load_dataset(f"npz:{tmp_path}/a.npz?range=0:510").X
    np.testing.assert_array_equal(half, np.rint(X / 2))
    wide = load_dataset(f"npz:{tmp_path}/a.npz?shape=14x56&transpose=no")
    assert wide.image_shape == (14, 56)
    with pytest.raises(DataError, match="14x14"):
        load_dataset(f"npz:{tmp_path}/a.npz?shape=14x14")
    with pytest.raises(DataError, match="outside the range"):
        load_dataset(f"npz:{tmp_path}/a.npz?range=0:100")


def test_unclear_ink_is_said(tmp_path):
    X, y = sample()
    X = X.copy()
    X[::2] = 255 - X[::2]
    np.savez(tmp_path / "a.npz", X=X, y=y)
    dataset = load_dataset(f"npz:{tmp_path}/a.npz")
    np.testing.assert_array_equal(dataset.X, X)
    assert any("unclear" in note for note in dataset.notes)


@pytest.mark.parametrize(
    "values",
    [[3, 3], [3.0, 3.0], [" 3", "3 "], [b"3", b" 3"], ["3.00", " 3.00"]],
)
def test_labels_become_one_kind(values, tmp_path):
    np.savez(tmp_path / "a.npz", X=sample()[0][:2], y=np.array(values))
    assert load_dataset(f"npz:{tmp_path}/a.npz").y.tolist() == ["3", "3"]


def test_one_hot_labels_are_column_numbers(tmp_path):
    X, y = sample()
    np.savez(tmp_path / "a.npz", X=X, y=np.eye(10)[y.astype(int)])
    np.testing.assert_array_equal(load_dataset(f"npz:{tmp_path}/a.npz").y, y)


@pytest.mark.parametrize("values", [["1", ""], [1.0, np.nan], [1.0, 2.5], [b"1", b"\xff"], ["1", "x" * 300]])
def test_bad_labels_name_their_row(values, tmp_path):
    np.savez(tmp_path / "a.npz", X=sample()[0][:2], y=np.array(values))
    with pytest.raises(DataError, match="row 2"):
        load_dataset(f"npz:{tmp_path}/a.npz")


def test_nan_pixel_names_row_and_pixel(tmp_path):
    X = sample()[0][:4] / 255
    X[2, 5] = np.nan
    np.savez(tmp_path / "a.npz", X=X, y=np.arange(4))
    with pytest.raises(DataError, match="pixel 6 of row 3"):
        load_dataset(f"npz:{tmp_path}/a.npz")


def test_import_needs_numpy_only():
    code = (
        "import sys, inklens.datasets;"
        "bad = {'PIL', 'pyarrow', 'urllib.request', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_embedded_sheet_is_what_it_says():
    dataset = load_dataset("embedded")
    assert dataset.counts == dict.fromkeys("0123456789", 500)
    assert dataset.y[:20].tolist() == list("0123456789") * 2
    assert "MNIST" in dataset.licence


def test_damaged_embedded_sheet_is_refused(tmp_path, monkeypatch):
    from inklens.datasets import embedded

    sheet = np.zeros((1400, 2800), np.uint8)
    Image.fromarray(sheet).save(tmp_path / embedded.SHEET)
    (tmp_path / embedded.LABELS).write_text("0" * 5000)
    monkeypatch.setattr(embedded, "__file__", str(tmp_path / "embedded.py"))
    with pytest.raises(InklensError, match="install inklens again"):
        embedded.load_embedded()


def test_a_pair_at_the_very_limit_is_a_near_duplicate():
    """Rounding in the screening must never rule out what the exact distance keeps."""
    X = sample()[0].reshape(-1, 28, 28)[:, 4:24:2, 4:24:2].reshape(-1, 100)
    noise = np.random.default_rng(0).integers(-25, 26, X.shape)
    noisy = np.clip(X + noise * (X > 0), 0, 255).astype(np.uint8)
    for train, test in zip(X[:40], noisy[:40], strict=True):
        a, b = train.astype(float), test.astype(float)
        distance = np.linalg.norm(a - b) / max(np.linalg.norm(a), np.linalg.norm(b))
        for closest, n_found in ((distance * (1 + 1e-12), 1), (distance * (1 - 1e-12), 0)):
            assert len(near_duplicates(train[None], test[None], (10, 10), closest=closest, shift=0)) == n_found
