"""Make the two models that ship with the package, from fixed seeds.

    python scripts/make_reader.py --data idx:FOLDER

`photos/typical.safetensors` knows what digits look like; `reader.inklens` reads them: `strokes` features and a softmax
regression, fitted on MNIST's 60,000 training digits and on half as many redrawn with other pens, slants and turns.
The file states the objective of its own rounded coefficients, the bound proven for these rows, and accuracies; the dual
point behind the bound has as many rows as the fit and stays out.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.cluster.vq import kmeans2

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "benchmarks")]

import _paper as paper  # noqa: E402

from inklens import SoftmaxRegression, load_dataset  # noqa: E402
from inklens.linear.penalties import penalty_of  # noqa: E402
from inklens.linear.softmax import log_softmax, raw_prediction  # noqa: E402
from inklens.photos import features, frames, parts, typical  # noqa: E402
from inklens.photos.ink import otsu  # noqa: E402
from inklens.reader import DigitReader  # noqa: E402
from inklens.storage import write_bytes  # noqa: E402

SIDE = 96  # pixels at which signs are drawn
OUTSIDERS = 14_000
CLUSTERS = 24
SIGNS = "ABCEFGHJKLMNPQRTUVWXYabcdefhjkmnprtuvwxyÆΔΘΛΞΠΣΦΨΩЖЛЮЯШЫ&@#%?+=*"
HEBREW_ARABIC = "אבגדשآبجدسع"
TYPICAL_C, READER_C, READER_TOL = 0.4, 0.5, 1e-3


def frame_of(mask: np.ndarray) -> np.ndarray | None:
    """Put drawn ink into a frame as a photo's would be."""
    box = frames.bounding_box(mask)
    if box is None:
        return None
    left, top, right, bottom = box
    crop = mask[top:bottom, left:right]
    if max(crop.shape) < 8:
        return None
    width = frames.pen_width(crop) / max(crop.shape)
    return frames.centred(frames.fit_box(frames.with_pen(crop, width, float(np.clip(width, *frames.PEN)))))


def redrawn(digit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a training digit again with another pen, slant and turn."""
    inked = paper.thick_ink(digit, 64, rng.uniform(-0.06, 0.1), rng.normal(0, 0.12), rng.normal(0, 0.12))
    frame = frame_of(inked > 0.5)
    return digit / 255 if frame is None else frame


def outsiders(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw signs that are no digits: letters of many fonts, strokes, scribbles, faces, textures."""
    latin, wide = _fonts()
    out: list[np.ndarray] = []
    while len(out) < count:
        kind = rng.random()
        if kind < 0.42:
            mask = _letter(rng, latin, wide)
        elif kind < 0.68:
            mask = paper.scribble(rng, SIDE, points=int(rng.integers(3, 9))) > 0.5
        elif kind < 0.82:
            mask = paper.scribble(rng, SIDE, points=int(rng.integers(9, 30))) > 0.5
        elif kind < 0.9:
            mask = np.asarray(Image.fromarray(paper.face(rng)).resize((SIDE, SIDE))) < 128
        else:
            mask = _texture(rng)
        frame = frame_of(mask)
        if frame is not None:
            out.append(frame)
    return np.array(out, np.float32)


def _fonts() -> tuple[list, list]:
    """Return Latin fonts, and those that also know Hebrew and Arabic; all come with matplotlib."""
    from matplotlib import get_data_path

    folder = Path(get_data_path()) / "fonts/ttf"
    wide = [f"DejaVuSans{style}.ttf" for style in ("", "-Bold", "-Oblique", "-BoldOblique")]
    more = ["DejaVuSerif.ttf", "DejaVuSerif-Italic.ttf", "DejaVuSansMono.ttf", "STIXGeneral.ttf"]
    load = lambda name: ImageFont.truetype(str(folder / name), 62)  # noqa: E731
    return [load(name) for name in wide + more], [load(name) for name in wide]


def _letter(rng: np.random.Generator, latin: list, wide: list) -> np.ndarray:
    signs, fonts = (SIGNS, latin) if rng.random() < 0.85 else (HEBREW_ARABIC, wide)
    canvas = Image.new("L", (SIDE, SIDE), 0)
    font = fonts[rng.integers(len(fonts))]
    sign = signs[rng.integers(len(signs))]
    ImageDraw.Draw(canvas).text((SIDE / 2, SIDE / 2), sign, font=font, fill=255, anchor="mm")
    slant, turn, sizes = rng.normal(0, 0.12), rng.normal(0, 0.12), np.exp(rng.normal(0, 0.12, 2))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ [
        [sizes[0], 0],
        [slant, sizes[1]],
    ]
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    at = np.tensordot(matrix, np.array([y, x]), 1) + (SIDE - 1) / 2
    if rng.random() < 0.5:  # as if by hand
        at += [
            ndimage.gaussian_filter(rng.normal(0, 1, (SIDE, SIDE)), 12) * SIDE * rng.uniform(0.3, 1.2) for _ in (0, 1)
        ]
    return ndimage.map_coordinates(np.asarray(canvas, np.float32) / 255, at, order=1) > 0.5


def _texture(rng: np.random.Generator) -> np.ndarray:
    field = (paper.texture(rng) if rng.random() < 0.7 else paper.blank(rng))[:SIDE, :SIDE] / 255
    contrast = np.clip(ndimage.uniform_filter(field, 31) - field, 0, 1)
    labels, found = parts.label(contrast > otsu(contrast / max(contrast.max(), 1e-6)) * contrast.max())
    group = parts.main_groups(found, labels.shape)[:1]
    return np.isin(labels, [part.label for parts_of_one in group for part in parts_of_one])


def fit_typical(rows: np.ndarray, y: np.ndarray, other: np.ndarray) -> typical.Typical:
    """Fit what is typical of digits, and ten digits against clusters of what is none."""
    mean = other.mean(axis=0)
    leading = np.linalg.eigh(np.cov(other.T))[1][:, ::-1][:, :40]
    cluster = kmeans2((other - mean) @ leading, CLUSTERS, iter=20, minit="++", rng=np.random.default_rng(0))[1]
    labels = np.concatenate([np.char.add("a", y), np.char.add("b", np.char.zfill(cluster.astype(str), 2))])
    X = np.concatenate([rows, other])
    model = SoftmaxRegression(C=TYPICAL_C, tol=1e-2).fit(X, labels)
    return typical.fit(rows, y, np.vstack([model.coef_.T, model.intercept_]))


def certificate(
    model: SoftmaxRegression, X: np.ndarray, labels: np.ndarray, coef: np.ndarray, intercept: np.ndarray
) -> dict:
    """Return parameters and certificate of the coefficients as the file holds them, rounded to float16."""
    codes = np.searchsorted(model.classes_, labels)
    log_proba = log_softmax(raw_prediction(X.astype(float), coef, intercept))
    loss = -float(log_proba[np.arange(len(codes)), codes].sum())
    objective = READER_C * loss + penalty_of(0.0).value(coef)
    gap = (objective - model.lower_bound_) / objective
    return {
        "C": READER_C,
        "l1_ratio": 0.0,
        "group": False,
        "tol": READER_TOL,
        "objective": objective,
        "lower_bound": float(model.lower_bound_),
        "relative_gap": float(gap),
        "status": "certified" if gap <= READER_TOL else "stopped",
    }


def main() -> None:
    """Fit and write both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist", help="idx:FOLDER or mnist (OpenML); its first 60,000 rows are used")
    parser.add_argument("--out", type=Path, default=ROOT / "src/inklens")
    args = parser.parse_args()
    data = load_dataset(args.data)
    digits, y = data.images()[:60_000], data.y[:60_000]
    rng = np.random.default_rng(2026)
    rows = features.strokes(digits / np.float32(255))
    other = features.strokes(outsiders(rng, OUTSIDERS))
    chosen = rng.permutation(len(digits))[: len(digits) // 2]
    again = features.strokes(np.array([redrawn(digits[i], rng) for i in chosen], np.float32))
    X, labels = np.concatenate([rows, again]), np.concatenate([y, y[chosen]])
    write_bytes(args.out / "photos/typical.safetensors", typical.to_bytes(fit_typical(X, labels, other)))

    model = SoftmaxRegression(C=READER_C, tol=READER_TOL).fit(X, labels)
    coef, intercept = (part.astype(np.float16).astype(float) for part in (model.coef_, model.intercept_))
    held = slice(60_000, 70_000)
    accuracy = {}
    for half, frames_of, truth in (("train", digits, y), ("test", data.images()[held], data.y[held])):
        z = raw_prediction(features.strokes(frames_of / np.float32(255)).astype(float), coef, intercept)
        if len(truth):
            accuracy[half] = float((model.classes_[z.argmax(axis=1)] == truth).mean())
    provenance = {
        "data": {"name": "MNIST, 60,000 training digits, and 30,000 of them redrawn", "licence": data.licence},
        "fit": certificate(model, X, labels, coef, intercept),
        "accuracy": accuracy,
    }
    classes = tuple(str(label) for label in model.classes_)
    reader = DigitReader(coef, intercept, classes, (28, 28), "strokes", "faithful", provenance)
    reader.save(args.out / "reader.inklens", dtype=np.float16)
    print(f"objective of the fit before rounding: {model.objective_}, gap {model.dual_gap_}, {model.status_}")
    print(provenance)


if __name__ == "__main__":
    main()
