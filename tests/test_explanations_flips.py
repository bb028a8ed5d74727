"""A flip flips, lies in the box, and no change is smaller: by its own proof, by SciPy's LP, and by trial."""

import os

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from inklens import DigitReader, flip, load_dataset
from inklens.errors import NoFlipError, ParameterError
from inklens.explanations import usual_ink
from inklens.explanations.flips import MARGIN, NORMS
from inklens.explanations.programs import Program, least_energy_bound, least_ink, least_ink_bound, rounding
from inklens.explanations.radii import robustness

SEEDS = st.integers(0, 2**32 - 1)


def random_case(seed):
    """Models of any size and scale, sparse ones with ties among them, and frames with bare paper and full ink."""
    rng = np.random.default_rng(seed)
    n_classes, shape = int(rng.integers(2, 9)), (int(rng.integers(2, 7)), int(rng.integers(2, 9)))
    coef = rng.normal(size=(n_classes, shape[0] * shape[1]))
    if seed % 3 == 0:
        coef = np.round(coef)  # zeros and equal weights
    coef *= 10.0 ** rng.integers(-2, 3)
    frame = np.clip(rng.normal(0.2, 0.6, size=shape), 0.0, 1.0)
    names = tuple("abcdefghi"[:n_classes])
    return DigitReader(coef, rng.normal(size=n_classes) * np.abs(coef).max() / 2, names, shape), frame


def random_limits(reader, seed):
    """Most ink of each class: no ink at all in many pixels, full ink in some."""
    rng = np.random.default_rng(seed)
    sizes = (len(reader.classes), *reader.image_shape)
    return dict(zip(reader.classes, np.clip(rng.normal(0.4, 0.6, size=sizes), 0.0, 1.0), strict=True))


def oracle(reader, frame, target, margin, most=1.0):
    """Least ink by SciPy's HiGHS with at most so much in a pixel; None where it finds the program infeasible."""
    x, t = frame.ravel(), reader.classes.index(target)
    A = reader.coef[t] - np.delete(reader.coef, t, axis=0)
    r = margin - (reader.intercept[t] - np.delete(reader.intercept, t)) - A @ x
    scale = np.abs(A).max() or 1.0
    widths = [(0.0, w) for w in np.concatenate([np.maximum(most - frame, 0.0).ravel(), x])]
    done = linprog(np.ones(2 * len(x)), A_ub=-np.hstack([A, -A]) / scale, b_ub=-r / scale, bounds=widths)
    return done.fun if done.status == 0 else None


@given(SEEDS, st.sampled_from(sorted(NORMS)), st.booleans())
def test_every_flip_flips_in_the_box_and_its_bound_is_below_its_cost(seed, norm, nearest):
    reader, frame = random_case(seed)
    source = reader.predict(frame[None])[0]
    to = None if nearest else next(c for c in reader.classes if c != source)
    try:
        found = flip(reader, frame, to, norm=norm)
    except NoFlipError:
        return
    assert found.source == source != found.target == reader.predict(found.flipped[None])[0]
    assert to in (None, found.target)
    assert found.flipped.min() >= 0.0
    assert found.flipped.max() <= 1.0
    scores = dict(zip(reader.classes, reader.raw_prediction(found.flipped[None])[0].tolist(), strict=True))
    margin = scores.pop(found.target) - max(scores.values())
    assert found.margin == margin >= MARGIN
    assert 0.0 <= found.lower_bound <= found.cost
    assert found.added + found.erased == pytest.approx(found.ink_changed)
    if norm != "pixels":
        assert found.optimal


@given(SEEDS, st.floats(0.0, 3.0))
def test_least_ink_is_what_another_solver_finds(seed, margin):
    reader, frame = random_case(seed)
    source = reader.predict(frame[None])[0]
    costs = {c: oracle(reader, frame, c, margin) for c in reader.classes if c != source}
    for target, cost in costs.items():
        if cost is None:
            with pytest.raises(NoFlipError, match="proven"):
                flip(reader, frame, target, margin=margin)
        else:
            assert flip(reader, frame, target, margin=margin).cost == pytest.approx(cost, rel=1e-6, abs=1e-7)
    reachable = [cost for cost in costs.values() if cost is not None]
    if reachable:
        assert flip(reader, frame, margin=margin).cost == pytest.approx(min(reachable), rel=1e-6, abs=1e-7)


@settings(max_examples=10)
@given(SEEDS, st.floats(0.0, 3.0))
def test_among_many_classes_a_flip_beats_each_and_is_what_another_solver_finds(seed, margin):
    rng = np.random.default_rng(seed)
    coef, frame = rng.normal(size=(60, 30)), np.clip(rng.normal(0.2, 0.6, size=(5, 6)), 0.0, 1.0)
    reader = DigitReader(coef, rng.normal(size=60), tuple(f"c{k}" for k in range(60)), frame.shape)
    source = reader.predict(frame[None])[0]
    costs = [oracle(reader, frame, c, margin) for c in reader.classes if c != source]
    reachable = [cost for cost in costs if cost is not None]
    if not reachable:
        with pytest.raises(NoFlipError, match="proven"):
            flip(reader, frame, margin=margin)
        return
    found = flip(reader, frame, margin=margin)
    assert found.optimal
    assert found.margin >= margin
    assert found.cost == pytest.approx(min(reachable), rel=1e-6, abs=1e-7)


@settings(max_examples=20)
@given(SEEDS)
def test_least_energy_is_what_another_solver_finds(seed):
    reader, frame = random_case(seed)
    try:
        found = flip(reader, frame, norm="energy", margin=0.0)
    except NoFlipError:
        return
    x, t = frame.ravel(), reader.classes.index(found.target)
    A = reader.coef[t] - np.delete(reader.coef, t, axis=0)
    scale = np.abs(A).max()
    ahead = (reader.intercept[t] - np.delete(reader.intercept, t) + A @ x) / scale
    done = minimize(
        lambda d: d @ d,
        found.change.ravel() * 1.1,
        jac=lambda d: 2 * d,
        method="SLSQP",
        bounds=list(zip(-x, 1 - x, strict=True)),
        constraints={"type": "ineq", "fun": lambda d: A @ d / scale + ahead, "jac": lambda d: A / scale},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    if done.success:
        assert found.cost <= done.fun * (1 + 1e-6) + 1e-9


@settings(max_examples=10)
@given(SEEDS, st.sampled_from(sorted(NORMS)))
def test_no_smaller_change_is_found_by_trial(seed, norm):
    reader, frame = random_case(seed)
    try:
        found = flip(reader, frame, norm=norm)
    except NoFlipError:
        return
    rng = np.random.default_rng(seed)
    noise = rng.normal(scale=0.3, size=(3000, *frame.shape)) * (rng.random((3000, 1, 1)) < 0.5)
    trials = np.concatenate([found.change * rng.random((3000, 1, 1)) * 1.05 + noise * 0.1, noise])
    trials = np.clip(frame + trials * (rng.random(trials.shape) < rng.random((len(trials), 1, 1))), 0.0, 1.0)
    z = reader.raw_prediction(trials)
    others = z.argmax(axis=1) != reader.classes.index(found.source)
    costs = [NORMS[norm].cost(change) for change in trials[others] - frame]
    assert not costs or min(costs) >= found.lower_bound - MARGIN / np.abs(reader.coef).max() - 1e-9


@given(SEEDS, SEEDS)
def test_any_multipliers_give_a_true_bound(seed, other):
    reader, frame = random_case(seed)
    rng = np.random.default_rng(other)
    A, x = reader.coef, frame.ravel()
    change = np.clip(rng.normal(size=x.shape), -x, 1 - x)
    needed = Program(A, A @ change, x, 1 - x, np.abs(A).sum(axis=1))
    multipliers = rng.exponential(size=len(A)) / np.abs(A).max()
    assert least_ink_bound(needed, multipliers) <= np.abs(change).sum()
    assert least_energy_bound(needed, multipliers) <= np.square(change).sum()
    assert rounding(needed, multipliers) < 1e-8


@given(SEEDS)
def test_a_flip_does_not_depend_on_the_gauge(seed):
    reader, frame = random_case(seed)
    shift = np.random.default_rng(seed).normal(size=reader.coef.shape[1]) * np.abs(reader.coef).max()
    shifted = DigitReader(reader.coef + shift, reader.intercept + 5.0, reader.classes, reader.image_shape)
    try:
        cost = flip(reader, frame).cost
    except NoFlipError:
        with pytest.raises(NoFlipError):
            flip(shifted, frame)
    else:
        assert flip(shifted, frame).cost == pytest.approx(cost, rel=1e-6, abs=1e-6)


@given(SEEDS)
def test_radii_are_the_costs_of_the_nearest_flips(seed):
    reader, frame = random_case(seed)
    radii = robustness(reader, frame[None])
    for name, norm, root in (("l1", "ink", 1.0), ("l2", "energy", 0.5)):
        if not np.isfinite(radii.boxed[name][0]):
            with pytest.raises(NoFlipError):
                flip(reader, frame, norm=norm, margin=1e-9 * np.abs(reader.coef).max())
        else:
            cost = flip(reader, frame, norm=norm, margin=0.0).cost ** root
            assert cost == pytest.approx(radii.boxed[name][0], rel=1e-5, abs=1e-7)


@given(SEEDS)
def test_largest_change_of_one_pixel_is_what_another_solver_finds(seed):
    reader, frame = random_case(seed)
    radius = robustness(reader, frame[None]).boxed["linf"][0]
    x, z = frame.ravel(), reader.raw_prediction(frame[None])[0]
    source, costs = int(z.argmax()), []
    for k in range(len(z)):
        gain = reader.coef[k] - reader.coef[source]
        if k != source and np.maximum(gain * -x, gain * (1 - x)).sum() >= z[source] - z[k]:
            steps = np.sort(np.where(gain > 0, 1 - x, x))
            reach = [(np.abs(gain) * np.minimum(t, np.where(gain > 0, 1 - x, x))).sum() for t in steps]
            costs.append(np.interp(z[source] - z[k], [0.0, *reach], [0.0, *steps]))
    assert radius == pytest.approx(min(costs, default=np.inf), rel=1e-9, abs=1e-12)


@given(SEEDS)
def test_the_box_only_makes_it_harder_and_radii_are_ordered(seed):
    reader, frame = random_case(seed)
    radii = robustness(reader, np.stack([frame, 1.0 - frame]))
    for name in ("l1", "l2", "linf"):
        assert np.all(radii.boxed[name] >= radii.free[name] * (1 - 1e-12))
    for part in (radii.free, radii.boxed):
        assert np.all(part["linf"] <= part["l2"] * (1 + 1e-12))
        assert np.all(part["l2"] <= part["l1"] * (1 + 1e-12))


def test_what_cannot_be_reached_is_said_with_proof():
    reader = DigitReader(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([5.0, 0.0]), ("a", "b"), (1, 2))
    with pytest.raises(NoFlipError, match=r"'b' .* stay below -3\.999"):
        flip(reader, np.array([[0.5, 0.5]]), "b")


@given(SEEDS, st.sampled_from(sorted(NORMS)))
@example(241, "energy")  # no pixel is free on the way: the dual is linear there
@example(1652, "energy")
def test_plausible_flips_keep_their_limits_and_cost_no_less(seed, norm):
    reader, frame = random_case(seed)
    limits = random_limits(reader, seed)
    try:
        found = flip(reader, frame, norm=norm, plausible=limits)
    except NoFlipError:
        return
    highest = np.maximum(frame, limits[found.target])
    assert found.plausible
    assert np.array_equal(found.highest, highest)
    assert np.all((found.flipped >= 0.0) & (found.flipped <= highest))
    assert reader.predict(found.flipped[None])[0] == found.target != found.source
    assert found.lower_bound <= found.cost
    free = flip(reader, frame, norm=norm)
    assert found.cost >= free.lower_bound
    if norm != "pixels":
        assert found.optimal
        assert found.cost >= free.cost * (1 - 1e-6) - 1e-9


@given(SEEDS)
def test_least_plausible_ink_is_what_another_solver_finds(seed):
    reader, frame = random_case(seed)
    limits, source = random_limits(reader, seed), reader.predict(frame[None])[0]
    costs = {c: oracle(reader, frame, c, 0.5, limits[c]) for c in reader.classes if c != source}
    for target, cost in costs.items():
        if cost is None:
            with pytest.raises(NoFlipError, match=r"no plausible picture.* proven"):
                flip(reader, frame, target, margin=0.5, plausible=limits)
        else:
            found = flip(reader, frame, target, margin=0.5, plausible=limits)
            assert found.cost == pytest.approx(cost, rel=1e-6, abs=1e-7)
    reachable = [cost for cost in costs.values() if cost is not None]
    if reachable:
        nearest = flip(reader, frame, margin=0.5, plausible=limits)
        assert nearest.cost == pytest.approx(min(reachable), rel=1e-6, abs=1e-7)


@given(SEEDS, st.sampled_from(["ink", "energy"]))
def test_limits_of_full_ink_change_nothing(seed, norm):
    reader, frame = random_case(seed)
    full = dict.fromkeys(reader.classes, np.ones(reader.image_shape))
    try:
        free = flip(reader, frame, norm=norm)
    except NoFlipError:
        with pytest.raises(NoFlipError):
            flip(reader, frame, norm=norm, plausible=full)
    else:
        assert np.array_equal(flip(reader, frame, norm=norm, plausible=full).flipped, free.flipped)


@given(SEEDS, st.floats(0.05, 1.0))
def test_usual_ink_is_what_the_share_of_images_stays_below(seed, quantile):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, size=(int(rng.integers(2, 60)), 2, 3)).astype(np.uint8)
    labels = np.append(rng.integers(0, 3, size=len(images) - 1), 3)
    for label, most in usual_ink(images, labels, quantile=quantile).items():
        own = images[labels == int(label)] / 255
        assert np.all((own <= most).mean(axis=0) >= quantile - 1e-9)
        assert np.all((own == most).any(axis=0))  # no darker than need be: some image has it
        assert np.all((own < most).mean(axis=0) <= quantile + 1e-9)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "usual_ink"),
        ({"b": np.ones((1, 3))}, r"\(1, 2\)"),
        ({"b": np.full((1, 2), 255.0)}, "divide"),
        ({"b": np.full((1, 2), np.nan)}, "within 0..1"),
    ],
)
def test_wrong_limits_are_named(limits, words):
    reader = DigitReader(np.eye(2), np.zeros(2), ("a", "b"), (1, 2))
    with pytest.raises(ParameterError, match=words):
        flip(reader, np.array([[1.0, 0.0]]), plausible=limits)
    with pytest.raises(ParameterError, match="labels"):
        usual_ink(np.zeros((2, 1, 2)), ["a"])
    with pytest.raises(ParameterError, match="quantile"):
        usual_ink(np.zeros((1, 1, 2)), ["a"], quantile=0.0)


def test_asking_for_the_present_answer_changes_nothing_or_strengthens_it():
    reader, frame = random_case(1)
    answer = reader.predict(frame[None])[0]
    assert flip(reader, frame, answer, margin=0.0).ink_changed == 0.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"to": "z"}, "a class out of"),
        ({"norm": "l7"}, "ink, energy, pixels"),
        ({"margin": -1.0}, "log-odds"),
        ({"margin": float("nan")}, "log-odds"),
        ({"margin": float("inf")}, "log-odds"),
    ],
)
def test_wrong_arguments_are_named(arguments, words):
    reader, frame = random_case(1)
    with pytest.raises(ParameterError, match=words):
        flip(reader, frame, **arguments)


def test_the_document_holds_what_a_script_needs():
    reader, frame = random_case(2)
    found = flip(reader, frame)
    document = found.to_json()
    assert {"from", "to", "frame", "flipped", "ink_changed", "lower_bound", "optimal"} <= document.keys()
    flipped = np.array(document["flipped"])
    assert reader.predict(flipped[None])[0] == document["to"]
    assert np.abs(flipped - np.array(document["frame"])).sum() == document["ink_changed"] == document["cost"]


def test_fewest_pixels_is_the_smallest_count_on_small_frames():
    rng = np.random.default_rng(3)
    for _ in range(20):
        reader = DigitReader(rng.normal(size=(3, 6)), rng.normal(size=3), ("a", "b", "c"), (2, 3))
        frame = rng.random((2, 3))
        found = flip(reader, frame, norm="pixels", margin=0.0)
        assert found.lower_bound <= smallest_count(reader, frame) <= found.cost


def smallest_count(reader, frame):
    """Try every set of pixels: any other class must be reachable by changing only these."""
    source = int(reader.raw_prediction(frame[None])[0].argmax())
    for size in range(1, frame.size + 1):
        for number in range(2**frame.size):
            chosen = np.array([number >> j & 1 for j in range(frame.size)], dtype=bool)
            if chosen.sum() != size:
                continue
            for target in set(range(3)) - {source}:
                A = reader.coef[target] - np.delete(reader.coef, target, axis=0)
                x = frame.ravel()
                r = -(reader.intercept[target] - np.delete(reader.intercept, target)) - A @ x
                if least_ink(Program(A, r, x * chosen, (1 - x) * chosen, np.ones(2))).change is not None:
                    return size
    return np.inf


@pytest.mark.skipif("INKLENS_MNIST" not in os.environ, reason="INKLENS_MNIST does not name the folder of MNIST's files")
def test_real_digits_flip_with_proof():
    from inklens import SoftmaxRegression

    data = load_dataset("embedded").split(train=1000, test=1, seed=0)
    model = SoftmaxRegression(C=0.1, tol=1e-2).fit(data.X_train / 255, data.y_train)
    reader = DigitReader(model.coef_, model.intercept_, tuple(model.classes_), (28, 28))
    digits = load_dataset(f"idx:{os.environ['INKLENS_MNIST']}").subset("test").images(slice(0, 100)) / 255
    for digit in digits:
        found = flip(reader, digit)
        assert found.optimal
        assert reader.predict(found.flipped[None])[0] == found.target != found.source
