"""A stroke's margins are the model's own, and no other stroke of the grid flips with less ink."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inklens import DigitReader, flip
from inklens.errors import NoFlipError, ParameterError
from inklens.explanations.flips import MARGIN, class_margin
from inklens.explanations.strokes import DIRECTIONS, coverage, strokes


def random_case(seed, shape=(6, 7)):
    rng = np.random.default_rng(seed)
    n_classes = int(rng.integers(2, 5))
    coef = rng.normal(size=(n_classes, shape[0] * shape[1]))
    frame = np.clip(rng.normal(0.2, 0.6, size=shape), 0.0, 1.0)
    return DigitReader(coef, rng.normal(size=n_classes), tuple("abcde"[:n_classes]), shape), frame


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 4.0))
def test_every_stroke_flips_and_costs_no_less_than_the_proven_bound(seed, width):
    reader, frame = random_case(seed)
    found = strokes(reader, frame, width=width)
    assert [s.ink for s in found] == sorted(s.ink for s in found)
    assert len({(s.kind, s.target) for s in found}) == len(found)
    for stroke in found:
        change = stroke.flipped - frame
        assert np.all(change >= 0.0) if stroke.kind == "draw" else np.all(change <= 0.0)
        covered = coverage(stroke.start, stroke.end, width, frame.shape)
        assert np.all(np.abs(change) <= covered + 1e-12)
        assert reader.predict(stroke.flipped[None])[0] == stroke.target
        z = reader.raw_prediction(stroke.flipped[None])[0]
        assert stroke.margin == pytest.approx(class_margin(z, reader.classes.index(stroke.target)), abs=1e-9)
        assert stroke.margin >= MARGIN
        assert stroke.ink == pytest.approx(np.abs(change).sum())
        assert stroke.ink >= flip(reader, frame, stroke.target).lower_bound - 1e-9


@settings(max_examples=5)
@given(st.integers(0, 2**32 - 1))
def test_no_other_stroke_of_the_grid_takes_less_ink(seed):
    reader, frame = random_case(seed, shape=(4, 5))
    best = {(s.kind, s.target): s.ink for s in strokes(reader, frame, width=1.5)}
    source, every = reader.predict(frame[None])[0], {}
    for start in np.ndindex(frame.shape):
        for angle in np.arange(DIRECTIONS) * np.pi / DIRECTIONS:
            for length in range(5):
                end = (start[0] + length * np.sin(angle), start[1] + length * np.cos(angle))
                if not (0 <= end[0] <= 3 and 0 <= end[1] <= 4):
                    continue
                covered = coverage(start, end, 1.5, frame.shape)
                for kind, flipped in (("draw", np.maximum(frame, covered)), ("erase", np.minimum(frame, 1 - covered))):
                    z = reader.raw_prediction(flipped[None])[0]
                    target = reader.classes[int(z.argmax())]
                    if target != source and class_margin(z, int(z.argmax())) >= 2 * MARGIN:
                        ink = np.abs(flipped - frame).sum()
                        every[kind, target] = min(ink, every.get((kind, target), np.inf))
    for key, ink in every.items():
        assert best[key] <= ink + 1e-9


def test_a_chosen_class_is_the_only_one():
    reader, frame = random_case(5)
    for to in reader.classes:
        assert {s.target for s in strokes(reader, frame, to)} <= {to}


def test_coverage_is_the_area_under_the_pen():
    covered = coverage((20.0, 10.0), (20.0, 30.0), 4.0, (40, 40))
    assert covered.sum() == pytest.approx(20 * 4 + np.pi * 2**2, rel=0.02)
    assert np.array_equal(covered, coverage((20.0, 30.0), (20.0, 10.0), 4.0, (40, 40)))


def test_wrong_arguments_are_named():
    reader, frame = random_case(1)
    for arguments, words in (
        ({"width": 0.1}, "0.5 to 10"),
        ({"to": "z"}, "'z'"),
        ({"margin": -1.0}, "at least 0"),
    ):
        with pytest.raises(ParameterError, match=words):
            strokes(reader, frame, **arguments)
    assert strokes(reader, frame, margin=1e6) == []
    with pytest.raises(NoFlipError):
        flip(reader, frame, margin=1e6)
