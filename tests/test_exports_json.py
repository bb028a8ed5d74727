"""A model as JSON: nothing of its file is lost, `verify` works from it alone, and what was changed is refused."""

import base64
import copy
import json
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import run
from hypothesis import given, settings
from hypothesis import strategies as st

from inklens import DigitReader
from inklens.errors import DataError, ModelFileError
from inklens.exports.weights import ENTRIES, _digest, weights_document, weights_text
from inklens.linear.proofs.dual import DualPoint
from inklens.tasks.verification import verify

GOLDEN = Path(__file__).parent / "golden"
MODELS = sorted(path.stem for path in GOLDEN.glob("*.inklens"))


def loaded(document):
    return DigitReader.from_bytes(json.dumps(document).encode())


def signed(document):
    """A document whose checksum fits, whatever else does not."""
    return {**document, "sha256": _digest({name: value for name, value in document.items() if name != "sha256"})}


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(0)
    coef, intercept = rng.normal(size=(3, 6)), rng.normal(size=3)
    provenance = {
        "fit": {
            **{"C": 0.5, "l1_ratio": 1.0, "objective": 2.0, "lower_bound": 1.5, "relative_gap": 0.25},
            "status": "certified",
        },
        "accuracy": {"train": 0.75, "test": 0.5},
    }
    dual = DualPoint(coef * 2, intercept * 2, coef, intercept)
    return DigitReader(coef, intercept, ("a", "é", "3"), (2, 3), provenance=provenance, dual=dual)


@pytest.mark.parametrize("name", [*MODELS, "shipped"])
def test_nothing_of_a_model_file_is_lost(name):
    reader = DigitReader.shipped() if name == "shipped" else DigitReader.load(GOLDEN / f"{name}.inklens")
    again = DigitReader.from_bytes(weights_text(reader).encode())
    assert again.to_bytes() == reader.to_bytes()
    assert weights_text(again) == weights_text(reader)


def test_json_of_today_is_read_by_all_that_comes_later():
    kept, reader = DigitReader.load(GOLDEN / "l1.json"), DigitReader.load(GOLDEN / "l1.inklens")
    assert kept.to_bytes() == reader.to_bytes()


@pytest.mark.parametrize("name", ["l1", "min-max-group", "unpenalised", "strokes", "no-dual"])
def test_verify_finds_the_same_in_the_json_alone(name, monkeypatch):
    monkeypatch.chdir(GOLDEN)
    reader = DigitReader.load(f"{name}.inklens")
    found = verify(DigitReader.from_bytes(weights_text(reader).encode()))
    assert found.holds
    assert found == verify(reader)


def test_the_command_verifies_json_and_sees_a_forged_coefficient(tmp_path):
    document = weights_document(DigitReader.load(GOLDEN / "l1.inklens"))
    document["provenance"]["data"]["spec"] = f"npz:{GOLDEN / 'small.npz'}"
    good, forged, changed = tmp_path / "good.json", tmp_path / "forged.json", tmp_path / "changed.json"
    good.write_text(json.dumps(signed(document)))
    assert run("verify", good).returncode == 0
    document["coef"][0][24] += 0.3
    changed.write_text(json.dumps(document))
    done = run("verify", changed)
    assert (done.returncode, done.stdout) == (1, "")
    assert "changed or damaged" in done.stderr
    forged.write_text(json.dumps(signed(document)))
    done = run("verify", forged)
    assert done.returncode == 1
    assert "does NOT hold" in done.stdout


def places(value, path=()):
    """The paths to all parts of a document, leaves and branches."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from places(part, (*path, key))


def changed(document, path, value):
    """A copy with another value at one place; `del` deletes it."""
    copied = copy.deepcopy(document)
    *way, last = path
    inside = copied
    for key in way:
        inside = inside[key]
    if value is del_:
        del inside[last]
    else:
        inside[last] = value
    return copied


del_ = object()
LOWER = '"lower_bound": 1.5'


def test_every_changed_and_every_missing_part_is_noticed(small):
    document = json.loads(weights_text(small))
    assert loaded(document).to_bytes() == small.to_bytes()
    for path in places(document):
        for value in (del_, None, "x", 7, [], {}):
            with pytest.raises(ModelFileError):
                loaded(changed(document, path, value))


def test_what_is_said_beside_the_records_has_to_agree_with_them(small):
    document = json.loads(weights_text(small))
    for path, value in {
        ("certificate", "objective"): 1.5,
        ("certificate", "relative_gap"): 0.0,
        ("certificate",): None,
        ("penalty", "C"): 1.0,
        ("accuracy", "test"): 0.99,
        ("provenance", "fit", "lower_bound"): 1.9,
        ("provenance", "accuracy", "test"): 0.99,
    }.items():
        with pytest.raises(ModelFileError, match="not the one of its provenance"):
            loaded(signed(changed(document, path, value)))


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data(), value=any_json)
@settings(max_examples=150, deadline=None)
def test_any_signed_document_is_a_model_or_the_one_error(data, value, small):
    document = json.loads(weights_text(small))
    path = data.draw(st.sampled_from(list(places(document))))
    try:
        reader = loaded(signed(changed(document, path, value)))
    except ModelFileError:
        pass
    else:
        assert np.isfinite(reader.predict_proba(np.full((1, *reader.image_shape), 0.5))).all()


@given(st.dictionaries(st.sampled_from(sorted(ENTRIES)) | st.text(max_size=5), any_json, max_size=4) | any_json)
@settings(max_examples=200, deadline=None)
def test_any_json_is_refused_with_the_one_error(value):
    with pytest.raises(ModelFileError):
        loaded(value)
    with pytest.raises(ModelFileError):
        loaded({"format": "inklens-weights", "schema_version": 1, "value": value})


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_refused_with_the_one_error(data):
    with pytest.raises(ModelFileError):
        DigitReader.from_bytes(b'{"f' + data)


def test_hostile_documents_are_refused_with_one_clear_line(small, tmp_path):
    text, document = weights_text(small), json.loads(weights_text(small))
    twice = text.replace('"classes"', '"recipe": "otsu", "classes"', 1)
    bomb = base64.b64encode(zlib.compress(bytes(10**8), 9)).decode()
    cases = {
        text[:-20]: "no JSON",
        text.replace(LOWER, LOWER.replace("1.5", "NaN"), 1): "NaN is no JSON number",
        text.replace(LOWER, LOWER.replace("1.5", "1" * 5000), 1): "40 characters",
        '{"a":' * 100_000: "32 deep",
        twice: "twice",
        "{}": "no model",
        '{"format": "inklens-page"}': "no model",
        json.dumps({**document, "schema_version": 2}): "newer inklens",
        json.dumps({**document, "more": 1}): "(more)",
        json.dumps(signed({**document, "coef": [[True] * 6] * 3})): "list of lists",
        json.dumps(signed({**document, "coef": [[1.0] * 6, [1.0] * 5, [1.0] * 6]})): "not a usable model",
        json.dumps(signed({**document, "image_shape": [-2, -3]})): "at least one pixel",
        json.dumps(signed({**document, "image_shape": [10**6, 10**6], "features": "strokes"})): "28 x 28",
        json.dumps(signed({**document, "dual": {**document["dual"], "coef": bomb}})): "3 x 6 numbers",
        json.dumps(signed({**document, "dual": {**document["dual"], "coef": "é"}})): "not a usable model",
        json.dumps(signed({**document, "dual": {"coef": document["dual"]["coef"]}})): "intercept",
        json.dumps(signed({**document, "classes": ["a", "\ud800", "c"]})): "surrogates",
    }
    tracemalloc.start()
    for hostile, words in cases.items():
        with pytest.raises(ModelFileError) as caught:
            DigitReader.from_bytes(hostile.encode())
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()
    path = tmp_path / "hostile.json"
    path.write_text("{}")
    with pytest.raises(ModelFileError, match=r"^'.*hostile\.json' is JSON, but no model"):
        DigitReader.load(path)


def test_a_number_that_json_has_not_is_an_error(small):
    with pytest.raises(DataError, match="NaN"):
        weights_text(replace(small, provenance={"more": float("nan")}))
