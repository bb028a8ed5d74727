"""Searched flips flip, lie in the box, are never called proven, and come near the proven ones where those exist."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from inklens import DigitReader, explain, flip
from inklens.errors import NoFlipError, ParameterError
from inklens.explanations import robustness
from inklens.explanations.searched import linearise

SHAPE = (6, 7)


@dataclass(frozen=True)
class CurvedReader:
    """A model on features that are not linear in the frame: ink beside ink counts, and nothing saturates evenly."""

    coef: np.ndarray
    intercept: np.ndarray
    classes: tuple
    features: str = "curved"
    bend: float = 1.0

    def frame(self, frame):
        return frame

    def raw_prediction(self, frames):
        return self.transform(frames) @ self.coef.T + self.intercept

    def transform(self, frames):
        beside = frames * np.roll(frames, 1, axis=2)
        features = frames + self.bend * np.stack([np.sin(3 * frames), beside])
        return features.transpose(1, 0, 2, 3).reshape(len(frames), -1)


def curved_case(seed, n_classes=4, bend=1.0):
    rng = np.random.default_rng(seed)
    coef = rng.normal(size=(n_classes, 2 * SHAPE[0] * SHAPE[1]))
    reader = CurvedReader(coef, rng.normal(size=n_classes), tuple("abcdef"[:n_classes]), bend=bend)
    return reader, np.clip(rng.normal(0.2, 0.6, size=SHAPE), 0.0, 1.0)


@pytest.mark.parametrize("norm", ["ink", "energy", "pixels"])
@pytest.mark.parametrize("seed", range(8))
def test_a_plausible_searched_flip_keeps_its_limits(seed, norm):
    reader, frame = curved_case(seed)
    most = np.random.default_rng(seed).uniform(0.3, 0.9, size=SHAPE)
    found = flip(reader, frame, norm=norm, plausible=dict.fromkeys(reader.classes, most))
    assert found.source != found.target
    assert np.all((found.flipped >= 0.0) & (found.flipped <= np.maximum(frame, most)))
    assert not found.optimal
    with pytest.raises(NoFlipError, match="plausible"):
        flip(reader, np.zeros(SHAPE), plausible=dict.fromkeys(reader.classes, np.zeros(SHAPE)))


@pytest.mark.parametrize("norm", ["ink", "energy", "pixels"])
@pytest.mark.parametrize("seed", range(15))
def test_a_searched_flip_flips_and_is_never_called_proven(seed, norm):
    reader, frame = curved_case(seed)
    source = reader.classes[int(reader.raw_prediction(frame[None])[0].argmax())]
    found = flip(reader, frame, norm=norm, margin=0.1)
    z = reader.raw_prediction(found.flipped[None])[0]
    assert found.source == source != found.target == reader.classes[int(z.argmax())]
    assert found.margin >= 0.1
    assert found.flipped.min() >= 0.0
    assert found.flipped.max() <= 1.0
    assert found.lower_bound == 0.0
    assert not found.optimal


@pytest.mark.parametrize("seed", range(15))
def test_on_a_linear_model_the_search_comes_near_the_proof(seed):
    rng = np.random.default_rng(seed)
    _, frame = curved_case(seed)
    reader = DigitReader(rng.normal(size=(4, frame.size)), rng.normal(size=4), tuple("abcd"), SHAPE)
    blind = CurvedReader(np.hstack([reader.coef / 2, reader.coef / 2]), reader.intercept, reader.classes, bend=0.0)
    for norm in ("ink", "energy"):
        proven, searched = flip(reader, frame, norm=norm), flip(blind, frame, norm=norm)
        assert proven.lower_bound <= searched.cost <= 1.1 * proven.cost + 0.01


def test_slopes_are_those_of_the_model():
    reader, frame = curved_case(3)
    smooth = replace(reader, bend=0.0)
    _, slopes = linearise(lambda x: smooth.raw_prediction(x.reshape(-1, *SHAPE)), frame.ravel())
    assert np.allclose(slopes, (reader.coef[:, : frame.size] + reader.coef[:, frame.size :]))


def test_what_was_not_found_is_not_called_impossible():
    reader, frame = curved_case(4)
    with pytest.raises(NoFlipError, match="one may exist"):
        flip(reader, frame, margin=1e6)


def test_what_needs_pixels_says_so():
    reader, frame = curved_case(5)
    for function in (explain, lambda r, f: robustness(r, f[None])):
        with pytest.raises(ParameterError, match="pixels"):
            function(reader, frame)
