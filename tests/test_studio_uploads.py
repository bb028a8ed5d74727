"""Data that are uploaded to the studio, as archives."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import studio as studios
from PIL import Image

from inklens.errors import DataError
from inklens.studio import archives

ROOT = Path(__file__).parents[1]


def archive(members, *, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return file.getvalue()


def upload(studio, content, kind, name="mine"):
    return studio.client.post(
        f"/api/datasets?name={name}&kind={kind}", content=content, headers={"content-type": "application/zip"}
    )


def pictures_of_digits(rng):
    for label in "01":
        for number in range(40):
            paper = rng.integers(0, 60, (28, 28), np.uint8)
            paper[4:24, (4 if label == "0" else 18) :][:, :6] = 255
            file = io.BytesIO()
            Image.fromarray(paper).save(file, "PNG")
            yield f"top/{label}/{number}.png", file.getvalue()


def test_uploads_become_data_that_a_model_is_fitted_to(studio):
    rng = np.random.default_rng(0)
    made = upload(studio, archive(dict(pictures_of_digits(rng))), "zip")
    assert made.status_code == 201, made.text
    known = made.json()
    assert (known["n_samples"], known["classes"]) == (80, ["0", "1"])
    ended = studio.ended(studio.job(kind="fit", data=known["spec"], train=40, test=40, C=1.0))
    assert ended["result"]["accuracy"]["test"] == 1.0
    assert str(ROOT) not in json.dumps(ended)
    file = io.BytesIO()
    np.savez(file, X=rng.integers(0, 255, (20, 784), np.uint8), y=np.arange(20) % 2)
    assert upload(studio, file.getvalue(), "npz", "arrays").json()["n_samples"] == 20
    listed = studio.client.get("/api/datasets").json()["datasets"]
    assert {"embedded", known["spec"]} <= {entry["spec"] for entry in listed}
    assert studio.client.delete(f"/api/datasets/{known['id']}").status_code == 204
    studios.is_problem(studio.client.post("/api/jobs", json={"kind": "fit", "data": known["spec"]}), 404)


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def test_mnists_files_in_an_archive_are_read(studio):
    images = np.random.default_rng(0).integers(0, 255, (30, 28, 28), np.uint8)
    labels = (np.arange(30) % 10).astype(np.uint8)
    members = {"m/train-images-idx3-ubyte": idx(images), "m/train-labels-idx1-ubyte": idx(labels)}
    assert upload(studio, archive(members), "zip", "idx").json()["n_samples"] == 30
    members["m/train-labels-idx1-ubyte"] = idx(labels[:-1])
    studios.is_problem(upload(studio, archive(members), "zip", "idx"), 422)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"no archive",
        archive({"a.txt": b"x"}),
        archive({"a/b.png": b"x"}),
        archive({"../../etc/a.png": studios.png(28)}),
        archive({f"c/{n}.png": bytes(5_000_000) for n in range(3)}),
        archive(
            {
                "train-images-idx3-ubyte": b"\0\0\x08\x03" + b"\xff" * 12,
                "train-labels-idx1-ubyte": b"\0\0\x08\x01\xff\xff\xff\xff",
            }
        ),
    ],
    ids=range(8),
)
def test_archives_that_are_no_data_leave_nothing(studio, content):
    folder = studio.server.studio.settings.folder / "datasets"
    before = sorted(folder.iterdir())
    answer = upload(studio, content, "zip")
    if answer.status_code != 201:  # a path that climbs is a class called etc, and nothing is unpacked
        studios.is_problem(answer, 422)
        assert sorted(folder.iterdir()) == before
    studios.is_problem(upload(studio, content, "npz"), 422)
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == []


def test_pictures_of_too_many_pixels_together_are_refused_before_all_are_decoded(monkeypatch):
    decoded = []

    def small(file):
        decoded.append(file)
        return np.zeros((40, 50), np.uint8)

    monkeypatch.setattr(archives, "decode_picture", small)
    monkeypatch.setattr("inklens.datasets.sources.folder.MAX_TOTAL_PIXELS", 10_000)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for k in range(20):
            archive.writestr(f"a/{k}.png", b"x")
    with pytest.raises(DataError, match="pixels together"):
        archives.arrays_of(packed)
    assert len(decoded) == 6  # one over five, which fit
