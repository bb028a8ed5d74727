"""The browser's mathematics against Python's, in Chromium: golden vectors are made anew at every run.

decisions equal on many digits and on drawings, for each kind of features, scores to 1e-5
frames of drawings to 1e-6, and what the gate says of them
flips reach the proven optimum, searched ones are read by Python as asked
"""

import base64
import importlib
import json
import os
import re
import struct
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from chromium import NEEDS_BROWSER, chromium_runs
from handwriting import STROKES
from scipy import ndimage

import inklens.web
from inklens import DigitReader, explain, flip
from inklens.datasets import load_dataset
from inklens.errors import NoFlipError
from inklens.evaluation.intervals import proportion
from inklens.explanations.plausible import usual_ink
from inklens.explanations.radii import robustness
from inklens.photos import compute
from inklens.photos.drawing import normalise_drawing
from inklens.tasks.models import fit
from inklens.tasks.paths import follow
from inklens.tasks.session import Session
from inklens.web import payload
from inklens.web.bundle import joined

pen_strokes = importlib.import_module("inklens.explanations.strokes").strokes
CORE = Path(inklens.web.__file__).parent / "static"
KINDS = ("pixels", "upright", "strokes")
MOST_DIGITS = 1500
N_DRAWINGS = 80
NEAR_LIMIT = 0.1  # of likeness: what the gate's few bits may move it

pytestmark = NEEDS_BROWSER

PREPARE = """
async (source) => {
  window.core = await import('data:text/javascript;base64,' + source);
  window.bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  window.inkOf = (text) => Float64Array.from(bytesOf(text), (level) => level / 255);
  window.models = {};
  window.inks = [];
}
"""


def text(array):
    """An array's bytes as base64."""
    data = array if isinstance(array, bytes) else np.ascontiguousarray(array).tobytes()
    return base64.b64encode(data).decode()


# ------------------------------------------------------------------------------------------------- golden vectors


def as_the_browser_has_it(reader):
    """The reader with its coefficients rounded to single precision, as they travel."""
    coef, intercept = (values.astype(np.float32).astype(np.float64) for values in (reader.coef, reader.intercept))
    return replace(reader, coef=coef, intercept=intercept)


@pytest.fixture(scope="module")
def readers():
    settings = {"pixels": {"C": 0.1}, "upright": {"C": 0.1}, "strokes": {"C": 1.0}}
    return {kind: fit("embedded", train=2000, features=kind, tol=1e-3, **settings[kind]).reader for kind in KINDS}


@pytest.fixture(scope="module")
def session(readers):
    return Session.of(readers["pixels"])


@pytest.fixture(scope="module")
def run():
    return follow("embedded", train=1000, test=500, C=1.0, points=15, tol=1e-2)


@pytest.fixture(scope="module")
def usual(session):
    return usual_ink(session.split.X_train.reshape(-1, 28, 28), session.split.y_train)


@pytest.fixture(scope="module")
def digits():
    folder = os.environ.get("INKLENS_MNIST")
    return load_dataset(f"idx:{folder}" if folder else "embedded").X[-MOST_DIGITS:].reshape(-1, 28, 28)


def inked(paths, side, width):
    """Ink of a round pen along paths of (row, col), uint8 (side, side), with a soft edge of one pixel."""
    paper = np.ones((side, side), bool)
    for path in paths:
        for start, end in pairwise(path):
            steps = np.linspace(0, 1, int(2 * np.abs(np.subtract(end, start)).max()) + 2)[:, None]
            points = np.rint(start + steps * np.subtract(end, start)).astype(int)
            points = points[((points >= 0) & (points < side)).all(axis=1)]
            paper[points[:, 0], points[:, 1]] = False
    if paper.all():
        return np.zeros((side, side), np.uint8)
    cover = np.clip(width / 2 + 0.5 - ndimage.distance_transform_edt(paper), 0, 1)
    return np.rint(cover * 255).astype(np.uint8)


def drawing(number, rng):
    """A digit, shaken, moved, turned, thick or thin; a free stroke; two digits; specks; nothing."""
    side = int(rng.choice([64, 140, 280, 280, 280]))
    size, width = side * rng.uniform(0.25, 0.95), side * rng.choice([0.03, 0.05, 0.08, 0.08, 0.1, 0.16])
    at = side / 2 + rng.uniform(-0.15, 0.15, 2) * side
    if number % 4 == 3:  # a smooth free stroke
        t = np.linspace(0, 1, 40)[:, None]
        waves = sum(rng.normal(0, 1 / k, 2) * np.sin(np.pi * k * t + rng.uniform(0, 6, 2)) for k in (1, 2, 3))
        paths = [at + 0.3 * size * waves]
    else:
        turn = rng.normal(0, 0.15)
        turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        digit = STROKES[str(rng.choice(list(STROKES)))]
        shaken = [np.array(path, float)[:, ::-1] / 100 - 0.5 + rng.normal(0, 0.02, (len(path), 2)) for path in digit]
        paths = [at + size * path @ turned for path in shaken]
    if number % 10 == 5:
        paths += [0.4 * path for path in paths]
    ink = inked(paths, side, width)
    if number % 10 == 6:
        ink = np.maximum(ink, inked([(at + rng.uniform(-0.3, 0.3, (1, 2)) * size).repeat(2, 0)], side, 2))  # a speck
    return np.zeros_like(ink) if number == 0 else ink


@pytest.fixture(scope="module")
def drawings():
    rng = np.random.default_rng(12)
    return [drawing(number, rng) for number in range(N_DRAWINGS)]


@pytest.fixture(scope="module")
def normalised(drawings):
    return [normalise_drawing(ink / np.float32(255)) for ink in drawings]


# ------------------------------------------------------------------------------------------------- one page for all


@pytest.fixture(scope="module")
def page(readers, run, session, usual, drawings):
    with chromium_runs() as chromium:
        page = chromium.new_page()
        faults = []
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.evaluate(PREPARE, text(joined("core.js").encode()))
        for kind, reader in readers.items():
            more = {"path": run, "samples": payload.samples(reader, session), "usual": usual}
            data = payload.web_model(reader, **(more if kind == "pixels" else {}))
            page.evaluate("([kind, data]) => { models[kind] = core.decodeModel(bytesOf(data)); }", [kind, text(data)])
        for start in range(0, len(drawings), 40):
            inks = [[text(ink), *ink.shape] for ink in drawings[start : start + 40]]
            page.evaluate("(inks) => { window.inks.push(...inks); }", inks)
        yield page
        assert not faults


# ------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("kind", KINDS)
def test_digits_are_read_as_python_reads_them(page, readers, digits, kind):
    told = page.evaluate(
        """([kind, data]) => {
          const all = bytesOf(data), model = models[kind], z = [], best = [];
          for (let at = 0; at < all.length; at += 784) {
            const frame = Float64Array.from(all.subarray(at, at + 784), (level) => level / 255);
            const answer = core.answer(model, frame);
            z.push(...answer.z);
            best.push(answer.best);
          }
          return JSON.stringify({ z, best });
        }""",
        [kind, text(digits)],
    )
    told = json.loads(told)  # Playwright takes seconds for a hundred thousand numbers one by one
    z, found = readers[kind].raw_prediction(digits / 255), np.reshape(told["z"], (-1, 10))
    assert np.abs(found - z).max() <= 1e-5
    assert np.array_equal(told["best"], z.argmax(axis=1))


@pytest.mark.parametrize("kind", KINDS)
def test_evidence_is_pythons_and_sums_to_the_scores(page, readers, digits, kind):
    reader = as_the_browser_has_it(readers[kind])
    for digit in digits[:3]:
        told = page.evaluate(
            """([kind, data]) => {
              const model = models[kind], answer = core.answer(model, inkOf(data));
              const { best, second } = answer, map = core.between(model, answer, best, second);
              const absent = core.missing(model, answer, best, second);
              const gauge = core.missing(model, answer, best, null);
              return {
                evidence: [...core.evidence(model, answer)], map: [...map], z: [...answer.z], p: [...answer.p],
                order: answer.order, rank: core.rank(map, answer.frame),
                absent: absent && [...absent], gauge: gauge && [...gauge],
              };
            }""",
            [kind, text(digit)],
        )
        why = explain(reader, digit / 255)
        a, b = why.label, why.rival
        maps = np.reshape(told["evidence"], (10, 28, 28))
        assert maps.sum(axis=(1, 2)) + reader.intercept == pytest.approx(np.array(told["z"]), abs=1e-9)
        assert maps == pytest.approx(why.contributions, abs=2e-5)
        assert np.reshape(told["map"], (28, 28)) == pytest.approx(why.between(a, b), abs=2e-5)
        assert told["p"] == pytest.approx(why.probabilities, abs=1e-5)
        assert [reader.classes[k] for k in told["order"][:2]] == [a, b]
        rows, cols = why.rank(a, b).T
        size = np.abs(why.between(a, b))
        assert sorted(told["rank"]) == sorted((28 * rows + cols).tolist())
        assert size.ravel()[told["rank"]] == pytest.approx(size[rows, cols], abs=2e-5)
        if kind == "pixels":
            assert np.reshape(told["absent"], (28, 28)) == pytest.approx(why.missing(a, b), abs=1e-12)
            assert np.reshape(told["gauge"], (28, 28)) == pytest.approx(why.missing(a), abs=1e-12)
        else:
            assert told["absent"] is told["gauge"] is None


# ------------------------------------------------------------------------------------------------- drawings


NORMALISE = """
(options) => JSON.stringify(inks.map(([data, rows, cols]) => {
  const ink = Float32Array.from(bytesOf(data), (level) => level / 255);
  const seen = core.normaliseDrawing(ink, rows, cols, options);
  const verdict = core.judge(models.pixels, seen);
  const z = Object.fromEntries(
    Object.entries(models).map(([kind, model]) => [kind, [...core.answer(model, seen.frame).z]]));
  return {
    frame: [...seen.frame], box: seen.box, measures: seen.measures, blank: seen.blank, z, like: verdict.like,
    steps: seen.steps.map(({ name, picture, rows, cols }) => [name, picture.length === rows * cols]),
    accepted: verdict.accepted, kinds: verdict.reasons.map(({ kind }) => kind),
  };
}))
"""
KIND_OF = {  # a reason's words in Python, what the browser calls it
    "blank": "blank",
    "several digits": "several",
    "cut off": "cut",
    "too thick": "thick",
    "unclear": "unclear",
}


@pytest.fixture(scope="module")
def told(page):
    return json.loads(page.evaluate(NORMALISE, {}))


def kind_of(reason):
    head, words = reason.split(": ", 1)
    return KIND_OF.get(head) or ("unlike" if "likeness" in words else "holes")


def test_frames_of_drawings_are_pythons(told, normalised):
    for found, wanted in zip(told, normalised, strict=True):
        assert np.abs(np.array(found["frame"]) - wanted.frame.ravel()).max() <= 1e-6
        assert found["blank"] == (not wanted.frame.any())
        assert all(fits for _, fits in found["steps"])
        assert len(found["steps"]) == len(wanted.steps)
        if not found["blank"]:
            assert tuple(found["box"]) == wanted.box
            assert found["measures"] == pytest.approx(wanted.measures, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_drawings_are_read_as_python_reads_them(told, normalised, readers, kind):
    z = readers[kind].raw_prediction(np.array([seen.frame for seen in normalised]))
    found = np.array([seen["z"][kind] for seen in told])
    assert np.abs(found - z).max() <= 1e-5
    assert np.array_equal(found.argmax(axis=1), z.argmax(axis=1))


def test_the_gate_says_of_drawings_what_python_says(told, normalised):
    seen = set()
    for found, wanted in zip(told, normalised, strict=True):
        reasons = [kind_of(reason) for reason in wanted.reasons]
        if wanted.frame.any():
            assert found["like"] == pytest.approx(wanted.like_training, abs=NEAR_LIMIT)
        if abs(wanted.like_training - 0.5) > NEAR_LIMIT:
            assert sorted(found["kinds"]) == sorted(reasons)
            assert found["accepted"] == wanted.accepted
        seen |= set(reasons)
    assert {"blank", "thick", "unlike"} <= seen
    assert any(wanted.accepted for wanted in normalised)


@pytest.mark.parametrize("options", [{"fill": 24}, {"centre": False}, {"pen": None}, {"pen": 0.2}, {"fill": 13}])
def test_the_recipe_has_the_parameters_of_python(page, drawings, options):
    frames = page.evaluate(
        """(options) => inks.slice(0, 25).map(([data, rows, cols]) => {
          const ink = Float32Array.from(bytesOf(data), (level) => level / 255);
          return [...core.normaliseDrawing(ink, rows, cols, options).frame];
        })""",
        options,
    )
    for found, ink in zip(frames, drawings, strict=False):
        wanted = normalise_drawing(ink / np.float32(255), **options)
        assert np.abs(np.array(found) - wanted.frame.ravel()).max() <= 1e-6


def place(ink, side=200):
    """Ink on a pad: pieces of (top, left, height, width)."""
    pad = np.zeros((side, side), np.uint8)
    for top, left, height, width in ink:
        pad[max(0, top) : top + height, max(0, left) : left + width] = 255
    return pad


@pytest.mark.parametrize(
    ("ink", "kind"),
    [
        ([(40, 30, 120, 14), (40, 150, 120, 14)], "several"),
        ([(0, 0, 6, 190), (0, 0, 60, 6)], "cut"),
        ([(40, 40, 110, 110)], "thick"),
        ([(20 + 40 * k, 20, 12, 150) for k in range(4)] + [(20, 20 + 138 * k, 130, 12) for k in range(2)], "holes"),
    ],
)
def test_what_is_no_single_digit_is_refused_by_both(page, ink, kind):
    pad = place(ink)
    found = page.evaluate(
        """([data, side]) => {
          const seen = core.normaliseDrawing(Float32Array.from(bytesOf(data), (v) => v / 255), side, side);
          return core.judge(models.pixels, seen).reasons.map(({ kind }) => kind);
        }""",
        [text(pad), len(pad)],
    )
    assert kind in found
    wanted = normalise_drawing(pad / np.float32(255))
    assert sorted(found) == sorted(map(kind_of, wanted.reasons))


def test_of_two_places_equally_near_both_take_the_same(page):
    """An even bar has its centre of mass between two pixels, up to the rounding of sums."""
    for width in (20, 24, 28):
        pad = place([(40, 100 - width // 2, 120, width)])
        ink = [text(pad), *pad.shape]
        code = "([data, rows, cols]) => [...core.normaliseDrawing(inkOf(data), rows, cols, { pen: null }).frame]"
        frame = normalise_drawing(pad / 255, pen=None).frame
        assert np.array_equal(page.evaluate(code, ink), frame.ravel())
        assert np.flatnonzero(frame.any(axis=1)).min() == 5  # the lower one: rows 5 to 24 have their middle at 14.5


# ------------------------------------------------------------------------------------------------- flips


FLIP = """
([data, target, options]) => {
  const model = models.pixels, frame = inkOf(data);
  if (options.usual) options.highest = (k) => model.usual.subarray(784 * k, 784 * (k + 1));
  const found = target === null ? core.nearestFlip(model, frame, options)
    : core.leastInk(model, frame, target, { ...options, highest: options.highest?.(target) });
  return found && { ...found, flipped: [...found.flipped], change: null };
}
"""


def flipped_by(reader, frame, to=None, **options):
    try:
        return flip(reader, frame, to, **options)
    except NoFlipError:
        return None


@pytest.mark.parametrize("options", [{}, {"usual": True}, {"margin": 4.0}, {"margin": 30.0, "usual": True}])
def test_flips_reach_the_proven_optimum(page, readers, session, usual, options):
    reader, impossible = as_the_browser_has_it(readers["pixels"]), 0
    limits = {name: np.ceil(ink * 255 - 1e-9) / 255 for name, ink in usual.items()}
    asked = {"margin": options.get("margin", 1e-6), "plausible": limits if options.get("usual") else None}
    for number, frame in enumerate(session.split.X_test[:16].reshape(-1, 28, 28)):
        source = reader.predict(frame[None] / 255)[0]
        target = reader.classes[number % 10]
        for to in (None, target) if target != source else (None,):
            found = page.evaluate(FLIP, [text(frame), to and reader.classes.index(to), options])
            wanted = flipped_by(reader, frame / 255, to, **asked)
            assert (found is None) == (wanted is None)
            if found is None:
                impossible += 1
                continue
            after = np.reshape(found["flipped"], (28, 28))
            assert found["cost"] == pytest.approx(wanted.cost, abs=1e-6)
            assert found["optimal"]
            assert found["lowerBound"] <= wanted.cost * (1 + 1e-12)
            assert found["cost"] == pytest.approx(np.abs(after - frame / 255).sum(), abs=1e-9)
            assert found["added"] + found["erased"] == pytest.approx(found["cost"], abs=1e-9)
            assert reader.predict(after[None])[0] == (to or wanted.target) == reader.classes[found["target"]]
            z = reader.raw_prediction(after[None])[0]
            assert z.max() - np.sort(z)[-2] >= asked["margin"] - 1e-12
            highest = wanted.highest if wanted.plausible else 1.0
            assert (after <= highest).all()
            assert (after >= 0).all()
    assert impossible or "usual" not in options or "margin" not in options


def test_the_radius_is_that_of_python(page, readers, session):
    frames = session.split.X_test[:40].reshape(-1, 28, 28)
    wanted = robustness(as_the_browser_has_it(readers["pixels"]), frames / 255).boxed["l1"]
    code = "(list) => list.map((data) => core.radius(models.pixels, inkOf(data)))"
    assert page.evaluate(code, [text(frame) for frame in frames]) == pytest.approx(wanted, rel=1e-9)


STROKE = """
([kind, data, target, options]) => {
  const found = core.smallestStroke(models[kind], inkOf(data), target, options);
  return found && { ...found, flipped: [...found.flipped] };
}
"""


@pytest.mark.slow
def test_strokes_of_a_pen_are_the_smallest(page, readers, session):
    reader = as_the_browser_has_it(readers["pixels"])
    for frame in session.split.X_test[:3].reshape(-1, 28, 28):
        source = int(reader.raw_prediction(frame[None] / 255)[0].argmax())
        best = {(s.kind, s.target): s for s in pen_strokes(reader, frame / 255, width=2.0)}
        for target in set(range(10)) - {source}:
            for erase in (False, True):
                options = {"width": 2, "erase": erase}
                found = page.evaluate(STROKE, ["pixels", text(frame), target, options])
                wanted = best.get(("erase" if erase else "draw", reader.classes[target]))
                assert (found is None) == (wanted is None)
                if found:
                    assert found["ink"] == pytest.approx(wanted.ink, abs=1e-9)
                    assert reader.predict(np.reshape(found["flipped"], (1, 28, 28)))[0] == reader.classes[target]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["upright", "strokes"])
def test_searched_changes_are_read_by_python_as_asked(page, readers, session, kind):
    reader = readers[kind]
    for frame in session.split.X_test[:2].reshape(-1, 28, 28):
        target = int(np.argsort(reader.raw_prediction(frame[None] / 255)[0])[-2])
        found = page.evaluate(
            """([kind, data, target]) => {
              const found = core.leastInk(models[kind], inkOf(data), target, { margin: 1e-3 });
              return found && { ...found, flipped: [...found.flipped], change: null };
            }""",
            [kind, text(frame), target],
        )
        after = np.reshape(found["flipped"], (28, 28))
        assert reader.predict(after[None])[0] == reader.classes[target]
        assert found["cost"] == pytest.approx(np.abs(after - frame / 255).sum(), abs=1e-9)
        assert (found["lowerBound"], found["optimal"]) == (0, False)
        assert found["cost"] <= 1.05 * flip(reader, frame / 255, reader.classes[target], margin=1e-3).cost
        stroke = page.evaluate(STROKE, [kind, text(frame), target, {"margin": 1e-3}])
        assert stroke["searched"]
        assert reader.predict(np.reshape(stroke["flipped"], (1, 28, 28)))[0] == reader.classes[target]


# ------------------------------------------------------------------------------------------------- path and samples


@pytest.mark.slow
def test_points_of_a_path_lose_at_most_what_is_stated(page, run):
    told = page.evaluate(
        """(points) => points.map((i) => {
          const { coef, intercept } = core.pathPoint(models.pixels, i);
          return { coef: [...coef], intercept: [...intercept], error: models.pixels.path.error };
        })""",
        list(range(len(run.path))),
    )
    for point, coef, intercept in zip(told, run.path.coefs, run.path.intercepts, strict=True):
        found = np.reshape(point["coef"], coef.shape)
        assert np.abs(found - coef).max() <= point["error"] * (1 + 1e-9)
        assert np.array_equal(found == 0.0, coef == 0.0)
        assert point["intercept"] == pytest.approx(intercept, rel=1e-6, abs=1e-7)


def test_other_weights_answer_and_explain_and_flip(page, run, digits):
    told = page.evaluate(
        """(data) => {
          const model = models.pixels, weights = core.pathPoint(model, model.path.Cs.length - 1);
          const answer = core.answer(model, inkOf(data), weights);
          const flip = core.nearestFlip(model, answer.frame, { weights });
          const after = core.answer(model, flip.flipped, weights);
          return { z: [...answer.z], evidence: [...core.evidence(model, answer, weights)],
                   intercept: [...weights.intercept], after: after.best, target: flip.target, optimal: flip.optimal,
                   radius: core.radius(model, answer.frame, weights), cost: flip.cost };
        }""",
        text(digits[0]),
    )
    z = run.path.coefs[-1] @ (digits[0].ravel() / 255) + run.path.intercepts[-1]
    assert told["z"] == pytest.approx(z, abs=0.02)
    sums = np.reshape(told["evidence"], (10, -1)).sum(axis=1) + told["intercept"]
    assert sums == pytest.approx(np.array(told["z"]), abs=1e-9)
    assert told["optimal"]
    assert told["after"] == told["target"]
    assert told["radius"] <= told["cost"] <= told["radius"] * 1.01 + 1e-4


def test_samples_arrive_with_their_classes(page, readers, session):
    chosen = payload.samples(readers["pixels"], session)
    told = page.evaluate(
        """() => {
          const { pixels, ...rest } = models.pixels.samples;
          return { ...rest, first: [...pixels.subarray(0, 784)] };
        }"""
    )
    classes = readers["pixels"].classes
    assert [classes[k] for k in told["labels"]] == list(chosen.labels)
    assert [classes[k] for k in told["predicted"]] == list(chosen.predicted)
    assert told["close"] == [kind == "close" for kind in chosen.kinds]
    assert (told["length"], told["size"], told["half"], told["n"]) == (len(chosen.rows), 784, "test", chosen.n_rows)
    assert told["rows"] == list(chosen.rows)
    assert told["confusion"] == chosen.confusion.tolist()
    assert told["first"] == chosen.pixels[0].tolist()


# ------------------------------------------------------------------------------------------------- small things


def test_wilsons_interval_is_pythons(page):
    pairs = [[0, 0], [0, 7], [7, 7], [3, 7], [1125, 1250], [1, 100000]]
    for (count, n), found in zip(
        pairs, page.evaluate("(p) => p.map(([k, n]) => core.wilson(k, n))", pairs), strict=True
    ):
        wanted = proportion(count, n)
        assert found == pytest.approx([wanted.low, wanted.high], abs=1e-12)


def test_features_alone_are_pythons(page, digits):
    code = "([kind, data]) => [...core.transform(kind, inkOf(data))]"
    for kind in KINDS:
        for digit in (*digits[:5], np.zeros_like(digits[0]), np.full_like(digits[0], 255)):
            found = page.evaluate(code, [kind, text(digit)])
            assert found == pytest.approx(compute(digit[None] / 255, kind)[0], abs=2e-6)


def test_a_model_of_other_sizes_and_classes(page):
    rng = np.random.default_rng(0)
    reader = DigitReader(rng.normal(0, 1, (3, 20)), rng.normal(0, 1, 3), ("alpha", "beta", "gamma"), (4, 5))
    frame = rng.integers(0, 256, (4, 5)).astype(np.uint8)
    told = page.evaluate(
        """([data, frame]) => {
          const model = core.decodeModel(bytesOf(data)), answer = core.answer(model, inkOf(frame));
          const verdict = core.judge(model, { frame: answer.frame, measures: { holes: 9 }, blank: false });
          const { cost, target } = core.nearestFlip(model, answer.frame);
          const { rows, cols, classes } = model;
          return { rows, cols, classes, z: [...answer.z], verdict, cost, target };
        }""",
        [text(payload.web_model(reader)), text(frame)],
    )
    assert (told["rows"], told["cols"], told["classes"]) == (4, 5, list(reader.classes))
    assert told["z"] == pytest.approx(reader.raw_prediction(frame[None] / 255)[0], abs=1e-6)
    assert told["verdict"] == {"accepted": True, "like": None, "reasons": []}  # letters have no digits to be like
    wanted = flip(as_the_browser_has_it(reader), frame / 255)
    assert told["cost"] == pytest.approx(wanted.cost, abs=1e-6)
    assert reader.classes[told["target"]] == wanted.target


# ------------------------------------------------------------------------------------------------- broken bytes


DECODE = """
(list) => list.map((data) => {
  try {
    core.decodeModel(bytesOf(data).buffer);
    return 'read';
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
})
"""


def with_header(data, **changes):
    """The bytes with other entries in the header."""
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length]) | changes
    encoded = json.dumps(header).encode()
    encoded += b" " * (-(len(encoded) + 4) % 8)
    return struct.pack("<I", len(encoded)) + encoded + data[4 + length :]


@pytest.fixture(scope="module")
def whole(readers, session):
    """A model with a short path and a few samples."""
    short = follow("embedded", train=300, test=100, C=0.05, points=3, tol=5e-2)
    return payload.web_model(readers["pixels"], path=short, samples=payload.samples(readers["pixels"], session, n=3))


def test_truncated_bytes_are_one_clear_error(page, whole):
    cuts = np.unique(np.geomspace(1, len(whole), 40).astype(int))[:-1]
    for answer in page.evaluate(DECODE, [text(whole[:cut]) for cut in (0, *cuts, len(whole) - 1)]):
        assert answer.startswith("ModelError: this is no model for the browser: ")
        assert answer.endswith("; export the model again")


def test_broken_headers_are_one_clear_error(page, whole):
    header, _ = payload.parse(whole)
    tensors, path, samples = header["tensors"], header["path"], header["samples"]
    changes = {
        "inklens-web": {"format": "other"},
        "version 1, got 7": {"version": 7},
        "two classes": {"classes": ["1"]},
        "image_shape": {"image_shape": [28, 0]},
        "image_shape ": {"image_shape": [1e9, 1e9]},
        "got sound": {"features": "sound"},
        "28 x 28 pixels for strokes": {"features": "strokes", "image_shape": [14, 56]},
        "coef of 10 x 520": {"features": "strokes"},
        "lists no arrays": {"tensors": None},
        "got none": {"tensors": {name: entry for name, entry in tensors.items() if name != "intercept"}},
        "no array coef": {"tensors": {**tensors, "coef": {**tensors["coef"], "dtype": "constructor"}}},
        "no array coef ": {"tensors": {**tensors, "coef": {**tensors["coef"], "offset": 4}}},
        "ends within": {"tensors": {**tensors, "coef": {**tensors["coef"], "shape": [10, 10**7]}}},
        "list gaps": {"path": {**path, "gaps": path["gaps"][1:]}},
        "no coefficients": {"path": {**path, **{k: v[1:] for k, v in path.items() if isinstance(v, list)}}},
        "above 0": {"path": {**path, "scale": 0}},
        "list predicted": {"samples": {**samples, "predicted": []}},
        "no pixels": {"samples": {**samples, **{k: v[1:] for k, v in samples.items() if isinstance(v, list)}}},
    }
    answers = page.evaluate(DECODE, [text(with_header(whole, **change)) for change in changes.values()])
    for words, answer in zip(changes, answers, strict=True):
        assert answer.startswith("ModelError: "), answer
        assert words.strip() in answer
    assert page.evaluate(DECODE, [text(with_header(whole))]) == ["read"]


def test_no_number_in_a_weight_is_refused(page, whole):
    (length,) = struct.unpack_from("<I", whole)
    start = 4 + length + json.loads(whole[4 : 4 + length])["tensors"]["coef"]["offset"]
    broken = whole[:start] + np.float32(np.nan).tobytes() + whole[start + 4 :]
    assert "no number" in page.evaluate(DECODE, [text(broken)])[0]


@pytest.mark.slow
def test_any_other_header_is_read_or_refused(page, whole):
    rng = np.random.default_rng(5)
    (length,) = struct.unpack_from("<I", whole)
    changes = [
        [[int(rng.integers(0, 4 + length)), int(rng.integers(0, 256))] for _ in range(rng.integers(1, 4))]
        for _ in range(120)
    ]
    answers = page.evaluate(
        """([data, changes]) => changes.map((list) => {
          const bytes = bytesOf(data);
          for (const [at, byte] of list) bytes[at] = byte;
          try {
            core.decodeModel(bytes.buffer);
            return 'read';
          } catch (error) {
            return `${error.name}: ${error.message}`;
          }
        })""",
        [text(whole), changes],
    )
    assert all(answer == "read" or answer.startswith("ModelError: ") for answer in answers), set(answers)
    assert sum(answer != "read" for answer in answers) > 40


def test_the_core_imports_nothing_else_and_touches_no_page():
    parts = sorted(CORE.glob("core/*.js"))
    assert parts
    for part in [CORE / "core.js", *parts]:
        source = re.sub(r"/\*.*?\*/", "", part.read_text(encoding="utf-8"), flags=re.S)
        folder = "core/" if part.parent == CORE else ""
        taken = re.findall(r"\bfrom '(.*)';$", source, re.M)
        assert all(re.fullmatch(rf"\./{folder}\w+\.js", other) for other in taken), part
        assert not re.findall(r"\bimport\(|\b(?:document|window|navigator|self)\.|\bfetch\(|\beval\(", source), part
