"""Bounds hold in exact arithmetic, on problems whose rounding decides: few pixels, two classes, weights of 1e12.

The numbers of a model and a frame are binary fractions, so with two classes every optimum is known as a Fraction.
"""

import re
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inklens import DigitReader, flip
from inklens.errors import NoFlipError
from inklens.explanations import explain, robustness
from inklens.explanations.programs import (
    Program,
    least_energy,
    least_energy_bound,
    least_ink,
    least_ink_bound,
    rounding,
)

SEEDS = st.integers(0, 2**32 - 1)
SIZES = (1.0, 1e6, 1e12)


def exact(values):
    """The numbers themselves, without rounding, in an object array."""
    values = np.asarray(values, dtype=float)
    return np.array([Fraction(float(v)) for v in values.ravel()], dtype=object).reshape(values.shape)


def two_classes(seed, size):
    """A frame of 6 pixels that is read as "a", with weights of any size that nearly cancel in its score."""
    rng = np.random.default_rng(seed)
    coef, frame = rng.normal(size=(2, 6)) * size, rng.random((2, 3))
    intercept = -coef @ frame.ravel() + np.array([rng.exponential(), 0.0]) * size * 0.3
    reader = DigitReader(coef, intercept, ("a", "b"), (2, 3))
    return reader, frame


def exact_program(reader, frame, margin):
    """What "b" needs against "a": gains a, need r, and the largest change of each pixel in the direction that helps."""
    (coef_a, coef_b), (b_a, b_b), x = exact(reader.coef), exact(reader.intercept), exact(frame.ravel())
    gains = coef_b - coef_a
    need = Fraction(margin) - (b_b - b_a) - sum(gains * x)
    widths = [1 - ink if gain > 0 else ink for gain, ink in zip(gains, x, strict=True)]
    return [abs(gain) for gain in gains], need, widths


def exact_least_ink(gains, need, widths):
    """Fractional knapsack: the pixel that gains most per ink first."""
    cost = Fraction(0)
    for gain, width in sorted(zip(gains, widths, strict=True), reverse=True):
        step = min(width, max(need, Fraction(0)) / gain) if gain else Fraction(0)
        cost, need = cost + step, need - step * gain
    return cost if need <= 0 else None


def exact_least_energy(gains, need, widths):
    """The change of pixel j is min(t gain_j, width_j), with the t at which the gains meet the need."""
    if sum(g * w for g, w in zip(gains, widths, strict=True)) < need:
        return None
    if need <= 0:
        return Fraction(0)
    full, curved = Fraction(0), sum(g * g for g in gains)
    for t, gain, width in sorted((w / g, g, w) for g, w in zip(gains, widths, strict=True) if g):
        if full + t * curved >= need:
            break
        full, curved = full + gain * width, curved - gain * gain
    t = (need - full) / curved
    return sum(min(t * g, w) ** 2 for g, w in zip(gains, widths, strict=True))


def exact_fewest_pixels(gains, need, widths):
    """The pixels that can gain most first."""
    for count, gain in enumerate([Fraction(0), *sorted((g * w for g, w in zip(gains, widths, strict=True)))[::-1]]):
        need -= gain
        if need <= 0:
            return Fraction(count)
    return None


OPTIMA = {"ink": exact_least_ink, "energy": exact_least_energy, "pixels": exact_fewest_pixels}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("norm", OPTIMA)
def test_the_exact_optimum_lies_between_bound_and_cost(norm, size):
    margin = 2.0**-10 * size
    for seed in range(60):
        reader, frame = two_classes(seed, size)
        optimum = OPTIMA[norm](*exact_program(reader, frame, margin))
        if optimum is None:
            with pytest.raises(NoFlipError):
                flip(reader, frame, norm=norm, margin=margin)
            continue
        found = flip(reader, frame, norm=norm, margin=margin)
        assert Fraction(found.lower_bound) <= optimum
        if norm != "pixels":
            assert found.cost == pytest.approx(float(optimum), rel=1e-9)
            assert found.lower_bound == pytest.approx(float(optimum), rel=1e-9)  # and the bound is no empty one


@pytest.mark.parametrize("size", SIZES)
def test_a_flip_has_its_margin_in_exact_arithmetic_up_to_the_rounding_of_a_score(size):
    for seed in range(40):
        reader, frame = two_classes(seed, size)
        try:
            found = flip(reader, frame, margin=size)
        except NoFlipError:
            continue
        z = exact(reader.coef) @ exact(found.flipped.ravel()) + exact(reader.intercept)
        terms = np.abs(exact(reader.coef)) @ exact(found.flipped.ravel()) + np.abs(exact(reader.intercept))
        assert z[1] - z[0] >= Fraction(size) - Fraction(16 * 2.0**-52) * sum(terms)


@given(SEEDS, st.sampled_from(SIZES))
def test_what_multipliers_prove_is_below_the_exact_dual(seed, size):
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(1, 4)), int(rng.integers(1, 7))
    A, x = rng.normal(size=(m, n)) * size, rng.random(n)
    r = A @ rng.uniform(-x, 1 - x)
    program = Program(A, r, x, 1 - x, np.abs(A).sum(axis=1) + np.abs(r))
    for solve, bound, energy in ((least_ink, least_ink_bound, False), (least_energy, least_energy_bound, True)):
        for multipliers in (solve(program).multipliers, rng.exponential(size=m) / size):
            g = exact(multipliers) @ exact(A)
            dual = sum(exact(multipliers) * exact(r))
            for gj, down, up in zip(g, exact(program.erasable), exact(program.addable), strict=True):
                if energy:
                    d = min(max(gj / 2, -down), up)
                    dual -= gj * d - d * d
                else:
                    dual -= up * max(gj - 1, 0) + down * max(-gj - 1, 0)
            assert Fraction(bound(program, multipliers)) <= dual
            assert Fraction(rounding(program, multipliers)) * 2 >= abs(dual - Fraction(bound(program, multipliers)))


def test_the_margin_that_is_called_out_of_reach_is_out_of_reach():
    """The text says that the log-odds stay below a number of four digits: in exact arithmetic they do."""
    seen = 0
    for seed in range(60):
        reader, frame = two_classes(seed, 1.0)
        gains, need, widths = exact_program(reader, frame, 0.0)
        largest = sum(g * w for g, w in zip(gains, widths, strict=True)) - need
        with pytest.raises(NoFlipError, match="proven") as error:
            flip(reader, frame, margin=float(largest) + 1.0)
        stated = Fraction(re.search(r"stay below (\S+);", str(error.value))[1])
        assert largest <= stated <= largest + abs(largest) / 500
        seen += stated != largest
    assert seen > 30


@pytest.mark.parametrize("size", SIZES)
def test_radii_are_exact(size):
    for seed in range(40):
        reader, frame = two_classes(seed, size)
        if reader.predict(frame[None])[0] != "a":
            continue
        radii = robustness(reader, frame[None])
        gains, need, widths = exact_program(reader, frame, 0.0)
        steps = sorted({Fraction(0), *widths})
        reach = [sum(g * min(t, w) for g, w in zip(gains, widths, strict=True)) for t in steps]
        for name, exponent, optimum in (("l1", 1.0, exact_least_ink), ("l2", 0.5, exact_least_energy)):
            cost = optimum(gains, need, widths)
            expected = np.inf if cost is None else float(mpmath.mpf(cost.numerator) / cost.denominator) ** exponent
            assert radii.boxed[name][0] == pytest.approx(expected, rel=1e-9)
        if reach[-1] < need:
            assert radii.boxed["linf"][0] == np.inf
        else:
            i = next(i for i, reached in enumerate(reach) if reached >= need)
            t = steps[i - 1] + (steps[i] - steps[i - 1]) * (need - reach[i - 1]) / (reach[i] - reach[i - 1])
            assert radii.boxed["linf"][0] == pytest.approx(float(t), rel=1e-9)
        with mpmath.workdps(50):
            parts = {
                "l1": max(gains),
                "l2": mpmath.sqrt(sum(mpmath.mpf(g.numerator) ** 2 / mpmath.mpf(g.denominator) ** 2 for g in gains)),
                "linf": sum(gains),
            }
            for name, part in parts.items():
                part = part if name == "l2" else mpmath.mpf(part.numerator) / part.denominator
                free = mpmath.mpf(need.numerator) / need.denominator / part
                assert radii.free[name][0] == pytest.approx(float(free), rel=1e-9)


@settings(max_examples=30)
@given(SEEDS)
def test_evidence_is_ink_times_weight_in_exact_arithmetic(seed):
    rng = np.random.default_rng(seed)
    coef, frame = rng.integers(-8, 9, (3, 6)) / 8, rng.integers(0, 9, (2, 3)) / 8  # no product or sum is rounded
    reader = DigitReader(coef, rng.integers(-8, 9, 3) / 8, ("a", "b", "c"), (2, 3))
    baseline = rng.integers(0, 9, (2, 3)) / 8
    why = explain(reader, frame)
    x, w, b = exact(frame.ravel()), exact(coef), exact(reader.intercept)
    assert (exact(why.contributions).reshape(3, -1) == w * x).all()
    assert (exact(why.z) == w @ x + b).all()
    assert (exact(why.between("b", "c")).ravel() == (w[1] - w[2]) * x).all()
    difference = (w[1] - w[2]) * (x - exact(baseline.ravel()))
    assert (exact(why.between("b", "c", baseline=baseline)).ravel() == difference).all()
    assert Fraction(why.log_odds("b", "c")) == sum((w[1] - w[2]) * x) + b[1] - b[2]
    assert (exact(why.missing("b", "c")).ravel() == (w[1] - w[2]) * (1 - x)).all()
    order = [why.classes[k] for k in np.argsort(-why.z, kind="stable")]
    assert [why.label, why.rival] == order[:2]
