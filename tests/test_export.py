"""`inklens export`: what it writes, what it leaves out and says so, and what it refuses."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import run

from inklens import DigitReader
from inklens.errors import ParameterError
from inklens.exports.weights import ENTRIES, weights_document
from inklens.tasks.exporting import export_page, pack_model
from inklens.tasks.models import fit
from inklens.web.page import unpacked
from inklens.web.payload import parse

SCHEMA = json.loads((Path(__file__).parents[1] / "docs/weights.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def jsonschema():
    """Comes with JupyterLab; compiles grammars for seconds as it is imported."""
    return pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.inklens"
    fit(train=300, test=200, C=0.1, l1_ratio=1.0, tol=1e-2, out=path)
    return path


def bytes_of(page):
    """The model in a page."""
    return unpacked(re.search(r'id="model">([^<]*)<', page)[1])


def refused(done, code, *words):
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    for word in words:
        assert word in line


def test_weights_are_the_models_and_follow_the_schema(model, jsonschema, tmp_path):
    done = run("export", model, "-o", tmp_path / "w.json")
    assert done.returncode == 0, done.stderr
    document, reader = json.loads((tmp_path / "w.json").read_text(encoding="utf-8")), DigitReader.load(model)
    jsonschema.validate(document, SCHEMA)
    assert np.array_equal(document["coef"], reader.coef)
    assert np.array_equal(document["intercept"], reader.intercept)
    assert document["certificate"]["status"] == "certified"


@pytest.mark.parametrize(
    "reader",
    [
        DigitReader.shipped(),
        DigitReader(np.eye(2, 4), np.zeros(2), ("a", "b"), (2, 2)),
        DigitReader(np.eye(2, 4), np.zeros(2), ("a", "b"), (2, 2), provenance={"fit": {"C": "inf", "l1_ratio": 0.0}}),
    ],
    ids=["shipped", "bare", "unpenalised"],
)
def test_all_kinds_of_models_follow_the_schema(reader, jsonschema):
    jsonschema.validate(json.loads(json.dumps(weights_document(reader), allow_nan=False)), SCHEMA)


def test_the_schema_names_what_the_reader_asks_for(jsonschema):
    assert set(SCHEMA["required"]) == SCHEMA["properties"].keys() == ENTRIES
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_sees_what_is_wrong(jsonschema):
    good = weights_document(DigitReader(np.eye(2, 4), np.zeros(2), ("a", "b"), (2, 2)))
    more = {"dual": {}}, {"dual": {"coef": "AA==", "intercept": "é"}}, {"sha256": "x"}, {"provenance": "mine"}
    for wrong in (
        {"coef": "x"},
        {"features": "words"},
        {"more": 1},
        {"certificate": {}},
        {"penalty": {"C": -1}},
        *more,
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(good | wrong, SCHEMA)


def test_a_page_holds_the_model_and_says_how_large_it_is(model, tmp_path):
    done = run(
        "export", model, "-o", tmp_path / "p.html", "--path", "5", "--lang", "de", "--title", "Mein <Modell>", "--json"
    )
    assert done.returncode == 0, done.stderr
    document, page = json.loads(done.stdout), (tmp_path / "p.html").read_text(encoding="utf-8")
    assert document["schema_version"] == 1
    assert document["kind"] == "html"
    assert document["bytes"] == len(page.encode())
    assert document["points"] == 5
    assert document["notes"] == []
    assert "<h1><bdi>Mein &lt;Modell&gt;</bdi></h1>" in page
    header, tensors = parse(bytes_of(page))
    assert np.allclose(tensors["coef"], DigitReader.load(model).coef, rtol=1e-6)
    assert header["path"]["Cs"][-1] == pytest.approx(0.1)
    assert len(header["path"]["Cs"]) == 5
    assert max(header["path"]["gaps"]) <= 1e-3
    assert len(header["samples"]["labels"]) == document["samples"]


@pytest.mark.slow
def test_a_page_with_all_there_is_stays_small(tmp_path):
    fit(C=1.0, l1_ratio=1.0, tol=1e-3, out=tmp_path / "m.inklens")
    page = export_page(DigitReader.load(tmp_path / "m.inklens"))
    assert (page.points, page.notes) == (60, ())
    assert page.samples >= 80
    assert len(page.text.encode()) <= 305_000


@pytest.mark.slow
def test_early_stops_are_those_of_the_models_own_problem(model, tmp_path):
    out = tmp_path / "p.html"
    done = run("export", model, "-o", out, "--stops", "--path", "3", "--no-gate", "--samples", "0")
    assert done.returncode == 0, done.stderr
    header, _ = parse(bytes_of(out.read_text(encoding="utf-8")))
    stops = header["tolerance"]
    assert set(stops["Cs"]) == {0.1}
    assert stops["gaps"][-1] <= 1e-4 < min(stops["gaps"][:-1])
    assert 0.1 in stops["tols"]


def test_the_path_of_a_model_without_l1_goes_as_far_as_l1_is_worth_looking_at():
    for C, end in ((0.01, 1.0), (2.0, 2.0)):
        reader = fit(train=200, test=100, C=C, tol=1e-2).reader
        header, _ = parse(pack_model(reader, points=3, samples=0, gate=False).model)
        assert header["path"]["Cs"][-1] == pytest.approx(end)
        assert header["path"]["l1_ratio"] == 1.0


@pytest.mark.slow
def test_other_shares_of_l1_stand_beside_the_models_path(model, tmp_path):
    done = run("export", model, "--path", 4, "--l1-ratio", 0.5, "--samples", 0, "-o", tmp_path / "p.html", "--json")
    assert done.returncode == 0, done.stderr
    header, _ = parse(bytes_of((tmp_path / "p.html").read_text(encoding="utf-8")))
    assert [path["l1_ratio"] for path in (header["path"], *header["more_paths"])] == [1.0, 0.5]
    assert json.loads(done.stdout)["points"] == sum(len(path["Cs"]) for path in (header["path"], *header["more_paths"]))
    refused(run("export", model, "--no-path", "--l1-ratio", 0.5, "-o", tmp_path / "q.html"), 2, "contradicts --no-path")
    with pytest.raises(ParameterError, match="stand beside the model's"):
        pack_model(DigitReader.load(model), points=0, l1_ratios=[0.5])


def test_a_page_goes_to_standard_output(model):
    done = run("export", model, "-o", "-", "--no-path", "--samples", "0", "--no-gate")
    assert done.stdout.startswith("<!doctype html>")
    header, _ = parse(bytes_of(done.stdout))
    assert (header["path"], header["samples"], header["gate"]) == (None, None, None)


@pytest.mark.slow
def test_a_model_without_rows_says_what_its_page_lacks(model, tmp_path):
    replace(DigitReader.load(model), provenance={}).save(tmp_path / "bare.inklens")
    done = run("export", tmp_path / "bare.inklens", "-o", tmp_path / "p.html")
    assert done.returncode == 0
    assert "does not say which rows it was fitted on, so the page has no held-out digits and no path" in done.stderr
    done = run(
        "export", tmp_path / "bare.inklens", "--data", "embedded", "-o", tmp_path / "p.html", "--path", "3", "--json"
    )
    assert json.loads(done.stdout)["points"] == 3


@pytest.mark.slow
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(model, tmp_path):
    out = tmp_path / "p.html"
    refused(run("export", model, "-o", tmp_path / "p.txt"), 2, "expected a file that ends in .html, .json, .onnx or .h")
    refused(run("export", model, "-o", out, "--path", "9", "--no-path"), 2, "contradicts --no-path")
    refused(run("export", model, "-o", tmp_path / "w.json", "--samples", "9"), 2, "goes with -o FILE.html")
    refused(run("export", tmp_path / "none.inklens", "-o", out), 1, "none.inklens")
    refused(run("export", model, "-o", out, "--data", "npz:none.npz"), 1, "none.npz")
    replace(DigitReader.load(model), provenance={}).save(tmp_path / "bare.inklens")
    refused(run("export", tmp_path / "bare.inklens", "-o", out, "--path", "9"), 2, "a path needs the rows")
    DigitReader.shipped().save(tmp_path / "shipped.inklens")
    refused(
        run("export", tmp_path / "shipped.inklens", "--data", "embedded", "-o", out, "--path", "9"),
        2,
        "a path is followed on pixels",
        "--no-path",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.inklens", "shipped.inklens"]
