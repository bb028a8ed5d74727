"""Model files written by the first release's code load, answer, verify and are written again byte for byte.

Since then frames are measured in double precision before they are deskewed, which moved what models on upright pixels
and strokes answer in the sixth digit; their numbers were recorded again. Those of the reader that ships were recorded
again when it had learned of the allographs. Pixels are exact; upright pixels and strokes are computed in float32, whose
last digit is another on processors with other instructions.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inklens.datasets import load_dataset
from inklens.reader import DigitReader
from inklens.tasks.reading import load_reader
from inklens.tasks.verification import verify

GOLDEN = Path(__file__).parent / "golden"
RECORDED = json.loads((GOLDEN / "recorded.json").read_text(encoding="utf-8"))
FILES = sorted(RECORDED.keys() - {"shipped"})


def same(recorded, model: DigitReader):
    """Return what is as good as the recorded numbers, for the features that a model is fed."""
    return pytest.approx(np.array(recorded), rel=1e-12 if model.features == "pixels" else 4e-6, abs=1e-12)


@pytest.fixture(autouse=True)
def beside_the_data(monkeypatch):
    monkeypatch.chdir(GOLDEN)


def test_every_file_is_recorded():
    assert {path.stem for path in GOLDEN.glob("*.inklens")} == set(FILES)


@pytest.mark.parametrize("name", RECORDED)
def test_answers_are_the_recorded_ones(name):
    model = load_reader() if name == "shipped" else DigitReader.load(f"{name}.inklens")
    frames = load_dataset(RECORDED[name]["data"]).X[:3].reshape(3, *model.image_shape) / 255
    assert model.predict_proba(frames) == same(RECORDED[name]["proba"], model)


@pytest.mark.parametrize("name", FILES)
def test_writing_again_gives_the_same_bytes(name):
    model = DigitReader.load(f"{name}.inklens")
    dtype = np.float32 if name == "upright" else np.float64
    assert model.to_bytes(dtype) == Path(f"{name}.inklens").read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_certificates_hold(name):
    model, recorded = DigitReader.load(f"{name}.inklens"), RECORDED[name]
    found = verify(model)
    assert found.holds
    assert found.separated == recorded["separated"]
    assert found.objective == same(recorded["objective"], model)
    assert found.lower_bound == pytest.approx(recorded["lower_bound"], rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", [name for name in FILES if not RECORDED[name]["separated"]])
def test_what_is_not_proven_does_not_hold(name):
    model = DigitReader.load(f"{name}.inklens")
    found = verify(model)
    assert not verify(replace(model, coef=model.coef * 1.01)).holds
    claimed = {**model.recorded("fit"), "lower_bound": found.objective * (1.0 + 2.0 * found.tolerance)}
    assert not verify(replace(model, provenance={**model.provenance, "fit": claimed})).holds
