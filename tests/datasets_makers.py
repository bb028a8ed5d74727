"""The same few digits in every format. A new source joins by adding its maker to `MAKERS`."""

import csv
import gzip
import struct
from functools import cache

import numpy as np
from PIL import Image

from inklens.datasets import load_dataset

N = 200
N_TRAIN = 150  # rows of the training half, where a source has halves


@cache
def sample():
    """The first embedded digits: pixels and labels."""
    digits = load_dataset("embedded")
    return digits.X[:N], digits.y[:N]


def idx_bytes(array, code=0x08):
    """Encode an array as IDX."""
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def arff_text(X, y, *, classes="0123456789", sparse=False, name="digits"):
    """Encode digits as OpenML does."""
    head = [f"% comment\n@RELATION {name}\n"]
    head += [f"@ATTRIBUTE pixel{i + 1} real" for i in range(X.shape[1])]
    head += ["@ATTRIBUTE class {" + ",".join(classes) + "}", "@DATA"]
    if sparse:
        rows = [
            "{" + ",".join([*(f"{i} {v}" for i, v in enumerate(x) if v), f"{X.shape[1]} {label}"]) + "}"
            for x, label in zip(X.tolist(), y, strict=True)
        ]
    else:
        rows = [",".join([*map(str, x), label]) for x, label in zip(X.tolist(), y, strict=True)]
    return "\n".join([*head, *rows]) + "\n"


def make_embedded(folder, monkeypatch):
    """Cut the embedded data down to the sample."""
    from inklens.datasets import embedded

    X, y = sample()
    cut = embedded.Dataset(X, y, image_shape=(28, 28), name="embedded", source="package", n_train=None)
    monkeypatch.setattr(embedded, "load_embedded", lambda: cut)
    return "embedded"


def make_idx(folder, monkeypatch=None, *, packed=True):
    """Write the four files, three quarters of the digits in the training half."""
    X, y = sample()
    folder.mkdir(parents=True, exist_ok=True)
    for half, rows in (("train", slice(0, N_TRAIN)), ("t10k", slice(N_TRAIN, None))):
        images, labels = X[rows].reshape(-1, 28, 28), y[rows].astype(np.uint8)
        for name, array in ((f"{half}-images-idx3-ubyte", images), (f"{half}-labels-idx1-ubyte", labels)):
            data = idx_bytes(array)
            (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(data, 1) if packed else data)
    return f"idx:{folder}"


def make_folder(folder, monkeypatch=None):
    """Write a PNG per digit."""
    X, y = sample()
    for i, (image, label) in enumerate(zip(X.reshape(-1, 28, 28), y, strict=True)):
        path = folder / "pictures" / label
        path.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path / f"{i}.png")
    return f"folder:{folder / 'pictures'}"


def make_npz(folder, monkeypatch=None):
    """Write Keras' layout."""
    X, y = sample()
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = X.reshape(-1, 28, 28), y.astype(np.uint8)
    np.savez_compressed(
        folder / "a.npz",
        x_train=images[:N_TRAIN],
        y_train=labels[:N_TRAIN],
        x_test=images[N_TRAIN:],
        y_test=labels[N_TRAIN:],
    )
    return f"npz:{folder / 'a.npz'}"


def make_csv(folder, monkeypatch=None):
    """Write the table that Kaggle has: a line of names, the label first."""
    X, y = sample()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *(f"pixel{i}" for i in range(784))])
        writer.writerows([label, *x] for x, label in zip(X.tolist(), y, strict=True))
    return f"csv:{folder / 'a.csv'}"


def make_parquet(folder, monkeypatch=None):
    """Write the layout of Hugging Face: encoded pictures and integer labels."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    X, y = sample()
    pictures = []
    for image in X.reshape(-1, 28, 28):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        pictures.append({"bytes": buffer.getvalue(), "path": None})
    pq.write_table(pa.table({"image": pictures, "label": y.astype(int)}), folder / "a.parquet")
    return f"parquet:{folder / 'a.parquet'}"


def make_sklearn_cache(folder, monkeypatch):
    """Put the data set where scikit-learn's fetch_openml would have left it."""
    import json

    X, y = sample()
    body = arff_text(X, y).encode()
    write_sklearn_cache(folder / "sk", body, json)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(folder / "sk"))
    return "openml:digits@3"


def openml_answers(body, *, name="digits", version=3, data_id=77, md5=None, target="class"):
    """Return path -> JSON of OpenML's interface for one data set."""
    import hashlib

    found = {"data": {"dataset": [{"did": data_id, "name": name, "version": version, "status": "active"}]}}
    about = {
        "data_set_description": {
            "url": f"https://www.openml.org/data/v1/download/5/{name}.arff",
            "md5_checksum": md5 or hashlib.md5(body).hexdigest(),
            "default_target_attribute": target,
            "licence": "Public",
        }
    }
    features = {"data_features": {"feature": [{"name": "class", "is_ignore": "false", "is_row_identifier": "false"}]}}
    return {
        f"/api/v1/json/data/list/data_name/{name}/limit/2/data_version/{version}": found,
        f"/api/v1/json/data/list/data_name/{name}/limit/2/status/active/": found,
        f"/api/v1/json/data/{data_id}": about,
        f"/api/v1/json/data/features/{data_id}": features,
    }


def write_sklearn_cache(home, body, json):
    """Write answers and file as scikit-learn lays them out: host, path, ``.gz``."""
    answers = {path: json.dumps(answer).encode() for path, answer in openml_answers(body).items()}
    for path, data in {**answers, "/data/v1/download/5/digits.arff": body}.items():
        target = home / "openml" / "openml.org" / (path.strip("/") + ".gz")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(data))


MAKERS = {
    "embedded": make_embedded,
    "idx": make_idx,
    "folder": make_folder,
    "npz": make_npz,
    "csv": make_csv,
    "parquet": make_parquet,
    "openml": make_sklearn_cache,
}
