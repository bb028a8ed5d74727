"""Make the two models that ship with the package, from fixed seeds.

    python scripts/make_reader.py --data idx:FOLDER

`photos/typical.safetensors` knows what digits look like: MNIST's training digits, half as many redrawn with other pens,
slants and turns, and drawn signs that are no digits. `reader.inklens` reads them: `strokes` features and a softmax
regression on the 60,000 training digits and the 1,000 allographs inside the package (`scripts/make_allographs.py`),
so that whoever has MNIST can prove its certificate again:

    inklens verify src/inklens/reader.inklens --data idx:FOLDER

One thread does all sums, so the same processor and libraries give the same bytes whatever number of cores is at hand.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.cluster.vq import kmeans2
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "benchmarks")]

import _paper as paper  # noqa: E402

from inklens import SoftmaxRegression, load_dataset  # noqa: E402
from inklens.datasets import Dataset  # noqa: E402
from inklens.linear.problem.penalties import penalty_of  # noqa: E402
from inklens.linear.problem.problem import Problem  # noqa: E402
from inklens.linear.proofs.certificates import certify  # noqa: E402
from inklens.linear.rows.rows import Rows  # noqa: E402
from inklens.model.records import AddedRecord  # noqa: E402
from inklens.photos import connected, features, frames, typical  # noqa: E402
from inklens.photos.ink import otsu  # noqa: E402
from inklens.photos.typical import DIGITS  # noqa: E402
from inklens.reader import DigitReader  # noqa: E402
from inklens.storage import write_bytes  # noqa: E402
from inklens.tasks.model_rows import DRAWN  # noqa: E402

SIDE = 96  # pixels at which signs are drawn
OUTLIERS = 14_000
CLUSTERS = 24
SIGNS = "ABCEFGHJKLMNPQRTUVWXYabcdefhjkmnprtuvwxyÆΔΘΛΞΠΣΦΨΩЖЛЮЯШЫ&@#%?+=*"
HEBREW_ARABIC = "אבגדשآبجدسع"
TYPICAL_C, READER_C = 0.4, 0.25
READER_TOL, TYPICAL_TOL = 1e-6, 1e-3
NAME = "MNIST, its 60,000 training digits, and 1,000 drawn allographs"


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
    return frames.centred(frames.fit_box(frames.with_pen(crop, width, float(np.clip(width, *frames.PEN_WIDTHS)))))


def redrawn(digit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a training digit again with another pen, slant and turn."""
    inked = paper.thick_ink(digit, 64, rng.uniform(-0.06, 0.1), rng.normal(0, 0.12), rng.normal(0, 0.12))
    frame = frame_of(inked > 0.5)
    return digit / 255 if frame is None else frame


def outliers(rng: np.random.Generator, count: int) -> np.ndarray:
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
    labels, found = connected.label(contrast > otsu(contrast / max(contrast.max(), 1e-6)) * contrast.max())
    group = connected.main_groups(found, labels.shape)[:1]
    return np.isin(labels, [part.label for parts_of_one in group for part in parts_of_one])


def fit_typical(rows: np.ndarray, y: np.ndarray, other: np.ndarray) -> typical.Typical:
    """Fit what is typical of digits, and ten digits against clusters of what is none."""
    mean = other.mean(axis=0)
    leading = np.linalg.eigh(np.cov(other.T))[1][:, ::-1][:, :40]
    cluster = kmeans2((other - mean) @ leading, CLUSTERS, iter=20, minit="++", rng=np.random.default_rng(0))[1]
    labels = np.concatenate([np.char.add("a", y), np.char.add("b", np.char.zfill(cluster.astype(str), 2))])
    X = np.concatenate([rows, other])
    model = SoftmaxRegression(C=TYPICAL_C, tol=TYPICAL_TOL, n_jobs=1).fit(X, labels)
    return typical.fit(rows, y, np.vstack([model.coef_.T, model.intercept_]))


def fit_reader(rows: np.ndarray, y: np.ndarray) -> DigitReader:
    """Fit the reader and state what is proven of its coefficients as the file holds them, in single precision."""
    model = SoftmaxRegression(C=READER_C, tol=READER_TOL / 4, n_jobs=1).fit(rows, y)  # rounding adds its share
    coef, intercept = (part.astype(np.float32).astype(float) for part in (model.coef_, model.intercept_))
    codes = np.searchsorted(model.classes_, y).astype(np.int32)
    problem = Problem(Rows.of(rows, n_threads=1), codes, np.full(len(y), READER_C), DIGITS, penalty_of(0.0))
    proven = certify(problem, coef, intercept)
    gap = (proven.objective - proven.lower_bound) / proven.objective
    fitted = {
        "C": READER_C,
        "l1_ratio": 0.0,
        "group": False,
        "tol": READER_TOL,
        "objective": proven.objective,
        "lower_bound": proven.lower_bound,
        "relative_gap": gap,
        "status": "certified" if gap <= 2 * READER_TOL else "stopped",
    }
    classes = tuple(str(label) for label in model.classes_)
    return DigitReader(coef, intercept, classes, (28, 28), "strokes", "faithful", {"fit": fitted})


def with_data(reader: DigitReader, data: Dataset, added: Dataset) -> DigitReader:
    """Return the reader with what it was fitted on, and its accuracy on both halves of the first of it."""
    halves = {half: data.subset(half) for half in ("train", "test")}
    accuracy = {
        half: float((reader.predict(part.images() / np.float32(255)) == part.y).mean()) for half, part in halves.items()
    }
    sizes = {half: len(part) for half, part in halves.items()}
    extra = AddedRecord(DRAWN, len(added), added.checksum).to_json()
    origin = {"name": NAME, "split": "own", "checksum": data.checksum, **sizes, "add": extra}
    provenance = {**reader.provenance, "data": {**origin, "licence": data.licence}, "accuracy": accuracy}
    return replace(reader, provenance=provenance)


def main() -> None:
    """Fit and write both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist", help="idx:FOLDER or mnist (OpenML), with its own two halves")
    parser.add_argument("--out", type=Path, default=ROOT / "src/inklens")
    args = parser.parse_args()
    data = load_dataset(args.data)
    train = data.subset("train")
    digits, y = train.images(), train.y
    rng = np.random.default_rng(2026)
    with threadpool_limits(1):
        rows = features.strokes(digits / np.float32(255))
        drawn = load_dataset(DRAWN)
        drawn_rows = features.strokes(drawn.images() / np.float32(255))
        fitted = fit_reader(np.concatenate([rows, drawn_rows]), np.concatenate([y, drawn.y]))
        reader = with_data(fitted, data, drawn)
        reader.save(args.out / "reader.inklens", dtype=np.float32)
        other = features.strokes(outliers(rng, OUTLIERS))
        chosen = rng.permutation(len(digits))[: len(digits) // 2]
        again = features.strokes(np.array([redrawn(digits[i], rng) for i in chosen], np.float32))
        known = fit_typical(np.concatenate([rows, again]), np.concatenate([y, y[chosen]]), other)
        write_bytes(args.out / "photos/typical.safetensors", typical.to_bytes(known))
    print(reader.provenance)


if __name__ == "__main__":
    main()
