"""`inklens explain`, `inklens flip` and `inklens votes` as scripts see them."""

import json

import numpy as np
import pytest
from command import run
from PIL import Image

from inklens import DigitReader, load_dataset


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.inklens"
    options = ["--train", "300", "--test", "200", "--C", "0.1", "--tol", "1e-2"]
    assert run("fit", *options, "-o", path).returncode == 0
    return path


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "digit.png"
    Image.fromarray(255 - load_dataset("embedded").images(2500)).resize((280, 280)).save(path)
    return path


@pytest.mark.parametrize("norm", ["ink", "energy", "pixels"])
def test_flip_prints_a_picture_that_the_model_reads_differently(model, picture, norm, tmp_path):
    (tmp_path / "new").mkdir()
    done = run("flip", "--model", model, picture, "--norm", norm, "-o", tmp_path / "new" / "flip.png", "--json")
    document = json.loads(done.stdout)
    assert document["schema_version"] == 1
    assert document["image"] == str(picture)
    flipped, reader = np.array(document["flipped"]), DigitReader.load(model)
    assert reader.predict(flipped[None])[0] == document["to"] != document["from"]
    assert reader.predict(np.array(document["frame"])[None])[0] == document["from"]
    assert document["lower_bound"] <= document["cost"]
    assert document["optimal"] or norm == "pixels"
    assert set(document["radius"]) == {"l1", "l2", "linf"}
    with Image.open(tmp_path / "new" / "flip.png") as figure:
        assert document["to"] in figure.text["Description"]


def test_a_plausible_flip_stays_where_training_images_have_ink(model, tmp_path):
    command = ("flip", "--model", model, "--sample", "3")
    free = json.loads(run(*command, "--json").stdout)
    done = run(*command, "--plausible", "-o", tmp_path / "flip.svg", "--json")
    document = json.loads(done.stdout)
    assert (free["plausible"], document["plausible"]) == (False, True)
    assert np.all(np.array(document["flipped"]) <= np.array(document["highest"]))
    assert document["optimal"]
    assert document["cost"] >= free["lower_bound"]
    assert "no plausible change with less ink" in (tmp_path / "flip.svg").read_text(encoding="utf-8")
    assert "proven smallest that is plausible" in run(*command, "--plausible").stdout


def test_a_pen_flips_with_one_stroke(model, tmp_path):
    done = run("flip", "--model", model, "--sample", "3", "--pen", "2", "-o", tmp_path / "stroke.svg", "--json")
    document = json.loads(done.stdout)
    assert document["strokes"][0]["ink"] == pytest.approx(document["ink_changed"])
    assert document["lower_bound"] <= document["ink_changed"]
    reader = DigitReader.load(model)
    assert reader.predict(np.array(document["flipped"])[None])[0] == document["to"] == document["strokes"][0]["target"]
    assert "One stroke of a pen 2 pixels wide" in (tmp_path / "stroke.svg").read_text(encoding="utf-8")
    assert "draw" in run("flip", "--model", model, "--sample", "3", "--pen", "2").stdout


def test_flip_takes_a_class_a_margin_and_a_test_row(model):
    done = run("flip", "--model", model, "--sample", "3", "--to", "8", "--margin", "2")
    assert done.returncode == 0, done.stderr
    assert "→ 8" in done.stdout
    assert "proven smallest" in done.stdout


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ([], 2, ["--sample N"]),
        (["--sample", "3", "x.png"], 2, ["--sample N"]),
        (["--sample", "3", "--to", "x"], 2, ["0, 1, 2", "'x'"]),
        (["--sample", "3", "--norm", "magic"], 2, ["energy"]),
        (["--sample", "3", "--margin", "-1"], 2, ["--margin"]),
        (["--sample", "3", "--margin", "1e6"], 1, ["proven"]),
        (["--sample", "3", "--pen", "99"], 2, ["--pen"]),
        (["--sample", "3", "--pen", "2", "--norm", "pixels"], 2, ["--pen"]),
        (["--sample", "3", "--pen", "2", "--plausible"], 2, ["--plausible"]),
        (["--sample", "3", "--pen", "0.5", "--margin", "30"], 1, ["wider pen"]),
        (["--sample", "9999"], 2, ["199"]),
        (["none.png"], 1, ["none.png"]),
        (["--sample", "3", "-o", "figure.gif"], 2, [".svg or .png"]),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(model, args, code, words, tmp_path):
    done = run("flip", "--model", model, *args, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("view", ["between", "classes"])
def test_explain_compares_with_the_runner_up_or_a_class(model, picture, view, tmp_path):
    figure = tmp_path / "why.svg"
    done = run("explain", "--model", model, picture, "-o", figure, "--view", view, "--json")
    document = json.loads(done.stdout)
    comparison, z = document["comparison"], document["z"]
    runner_up = sorted(z, key=z.get)[-2]
    assert (comparison["for"], comparison["against"]) == (document["label"], runner_up)
    log_odds = np.sum(comparison["contributions"]) + comparison["intercept"]
    assert log_odds == pytest.approx(z[document["label"]] - z[runner_up], abs=1e-9)
    assert figure.read_text(encoding="utf-8").startswith("<?xml")
    worst = min(z, key=z.get)
    assert f"and not {worst}" in run("explain", "--model", model, picture, "--against", worst).stdout


def test_explain_begins_with_a_sentence(model, picture):
    for asked in ([picture], ["--sample", "3"]):
        document = json.loads(run("explain", "--model", model, *asked, "--json").stdout)
        begins = document["image"] + "," * (asked[0] == "--sample") + f" is read as {document['label']}\n"
        assert run("explain", "--model", model, *asked).stdout.startswith(begins)


def test_explain_says_when_there_is_nothing_to_compare(model):
    for against in ("x", json.loads(run("explain", "--model", model, "--sample", "3", "--json").stdout)["label"]):
        done = run("explain", "--model", model, "--sample", "3", "--against", against)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.strip().splitlines()) == 1


def test_votes_sum_to_the_score_that_explain_prints(model, picture, tmp_path):
    figure = tmp_path / "votes.svg"
    document = json.loads(run("votes", "--model", model, picture, "-n", "3", "-o", figure, "--json").stdout)
    z = json.loads(run("explain", "--model", model, picture, "--json").stdout)["z"]
    shares = document["shares"]
    parts = shares["for"] + shares["against"] + shares["intercept"] + shares["remainder"]
    assert parts == pytest.approx(shares["total"], abs=1e-12)
    assert shares["total"] == pytest.approx(z[document["class"]], abs=1e-9)
    assert document["n_rows"] == 300
    assert [len(side) for side in document["strongest"].values()] == [3, 3]
    labels = load_dataset("embedded").y
    assert all(labels[e["row"]] == e["label"] for side in document["strongest"].values() for e in side)
    assert figure.read_text(encoding="utf-8").startswith("<?xml")


def test_votes_need_an_l2_model_and_its_own_rows(model, picture, tmp_path):
    sparse = tmp_path / "sparse.inklens"
    assert run("fit", "--train", "300", "--test", "9", "--l1-ratio", "1", "--tol", "0.1", "-o", sparse).returncode == 0
    done = run("votes", "--model", sparse, picture)
    assert (done.returncode, done.stdout) == (2, "")
    assert "L2" in done.stderr
    np.savez(tmp_path / "other.npz", X=np.zeros((40, 28, 28), np.uint8), y=np.arange(40) % 10)
    done = run("votes", "--model", model, picture, "--data", f"npz:{tmp_path / 'other.npz'}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not the data" in done.stderr
