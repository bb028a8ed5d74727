"""The zoo: tables of every kind that a multinomial regression meets, made by seeds or shipped with scikit-learn.

A kind is a recipe and a list of shapes. Shapes at even places of a list may be looked at while a solver is worked on;
those at odd places are `unseen`: they are run, never studied. Each table has two jobs: a smooth one (L2 or none) and
one with thresholds (L1, elastic net or group); over shapes and seeds each kind meets every penalty, and C from 1e-4
to 1e4.

>>> job = jobs(kinds=["genes"], quick=True)[0]
>>> table = job.data()
>>> job.name, table.X.shape == (job.shape.n_samples, job.shape.n_features)
('genes 60x2000x2 seed 0 l2 C=1', True)
"""

import math
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse

SEEDS = (0, 1, 2)
L1_RATIOS = {"l1": 1.0, "elasticnet": 0.5, "group": 1.0}  # of a penalty's name; 0 for the others
STRENGTHS = (1e-4, 1e-2, 0.1, 10.0, 100.0, 1e4)  # C of the seeds after the first, in turn; the first has C = 1


@dataclass(frozen=True)
class Shape:
    """How large a table is; the last classes of a rare label may be missing from a draw."""

    n_samples: int
    n_features: int
    n_classes: int
    name: str = ""  # of a table that ships

    def __str__(self) -> str:
        size = f"{self.n_samples}x{self.n_features}x{self.n_classes}"
        return f"{self.name} {size}" if self.name else size

    @property
    def size(self) -> int:
        """Coefficients times rows."""
        return self.n_samples * self.n_features * self.n_classes


@dataclass(frozen=True, eq=False)
class Table:
    """X (n_samples, n_features), dense or CSR; y class numbers from 0 without holes; weights (n_samples,) or None."""

    X: np.ndarray | sparse.csr_matrix
    y: np.ndarray
    weights: np.ndarray | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes that occur."""
        return int(self.y.max()) + 1


Recipe = Callable[[np.random.Generator, Shape], Table]


@dataclass(frozen=True)
class Kind:
    """A recipe with its shapes; those at odd places are unseen."""

    recipe: Recipe
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Job:
    """One problem: C * sum_i s_i loss_i + penalty, on the table of a kind, a shape and a seed."""

    kind: str
    shape: Shape
    seed: int
    penalty: str  # none, l2, l1, elasticnet (l1_ratio 0.5) or group (a norm over the classes for each feature)
    C: float  # infinite for none

    @property
    def name(self) -> str:
        """One line that names the job and no other."""
        strength = "" if math.isinf(self.C) else f" C={self.C:g}"
        return f"{self.kind} {self.shape} seed {self.seed} {self.penalty}{strength}"

    @property
    def is_unseen(self) -> bool:
        """Whether nobody looks at this job while working on a solver."""
        return KINDS[self.kind].shapes.index(self.shape) % 2 == 1

    @property
    def l1_ratio(self) -> float:
        """Share of the penalty that has a kink."""
        return L1_RATIOS.get(self.penalty, 0.0)

    def data(self) -> Table:
        """Make the table, the same one at every call; the last one is kept."""
        return made(self.kind, self.shape, self.seed)


def jobs(
    *,
    kinds: Iterable[str] | None = None,
    seen_only: bool = False,
    quick: bool = False,
    seeds: Iterable[int] = SEEDS,
) -> list[Job]:
    """Return the zoo, or a part: `quick` is the smallest shape of each kind that may be looked at, with seed 0."""
    found = []
    for kind in KINDS if kinds is None else kinds:
        shapes = KINDS[kind].shapes
        chosen = [min(shapes[::2], key=lambda shape: shape.size)] if quick else shapes[::2] if seen_only else shapes
        for shape in chosen:
            for seed in SEEDS[:1] if quick else seeds:
                found += [Job(kind, shape, seed, *task) for task in tasks(kind, shapes.index(shape), seed)]
    return found


def tasks(kind: str, place: int, seed: int) -> list[tuple[str, float]]:
    """Return penalty and C of the smooth job of a table, and of the one with thresholds.

    The first seed has L2 and L1 with C = 1, as most people call it. The next has L2 and elastic net, the last none
    and L1 on the first two shapes (one is seen, one not), L2 and group on the others, C going round.
    """
    if seed == 0:
        return [("l2", 1.0), ("l1", 1.0)]
    turn = 5 * list(KINDS).index(kind) + 2 * place + 3 * (seed - 1)
    smooth, sparse_ = STRENGTHS[turn % len(STRENGTHS)], STRENGTHS[(turn + place // 2 + 1) % len(STRENGTHS)]
    if seed == 1:
        return [("l2", smooth), ("elasticnet", sparse_)]
    return [("none", np.inf), ("l1", sparse_)] if place < 2 else [("l2", smooth), ("group", sparse_)]


@lru_cache(maxsize=1)
def made(kind: str, shape: Shape, seed: int) -> Table:
    """Make a table from its names alone."""
    sizes = (shape.n_samples, shape.n_features, shape.n_classes)
    rng = np.random.default_rng([zlib.crc32(kind.encode()), *sizes, seed])
    table = KINDS[kind].recipe(rng, shape)
    present, y = np.unique(table.y, return_inverse=True)
    if len(present) < 2:
        raise ValueError(f"{kind} {shape} seed {seed} drew one class only")
    return Table(table.X, y.astype(np.int64), table.weights)


# ---- parts of recipes ------------------------------------------------------------------------------------------------


def drawn(rng: np.random.Generator, scores: np.ndarray) -> np.ndarray:
    """Draw labels with the softmax of the scores (n_samples, n_classes) as probabilities."""
    return (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)


def labelled(rng: np.random.Generator, X: np.ndarray, n_classes: int, signal: float = 2.0) -> np.ndarray:
    """Draw labels from a random softmax model whose scores vary by `signal` over the rows."""
    coef = rng.normal(size=(X.shape[1], n_classes)) * (rng.random((X.shape[1], 1)) < 0.5)
    scores = X @ coef
    scores -= scores.mean(axis=0)
    return drawn(rng, scores * (signal / max(float(scores.std()), 1e-12)) + rng.normal(size=n_classes) / 2)


def standardised(X: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and variance 1."""
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)


def correlated(rng: np.random.Generator, n_samples: int, n_features: int) -> np.ndarray:
    """Draw Gaussian columns that correlate a little, each with many."""
    mix = np.eye(n_features) + rng.normal(size=(n_features, n_features)) / (2.0 * np.sqrt(n_features))
    return rng.normal(size=(n_samples, n_features)) @ mix


def clustered(rng: np.random.Generator, shape: Shape, distance: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows around one centre a class in a few directions; return them and the labels."""
    rank = min(shape.n_features, 4 * shape.n_classes, 64)
    y = rng.integers(0, shape.n_classes, shape.n_samples)
    centres = distance * rng.normal(size=(shape.n_classes, rank)) / np.sqrt(rank) * 3.0
    hidden = centres[y] + rng.normal(size=(shape.n_samples, rank))
    return hidden @ (rng.normal(size=(rank, shape.n_features)) / np.sqrt(rank)), y


def zipf(n_values: int) -> np.ndarray:
    """Return Zipf's probabilities."""
    share = 1.0 / np.arange(1, n_values + 1)
    return share / share.sum()


# ---- recipes ---------------------------------------------------------------------------------------------------------


def shipped_raw(rng: np.random.Generator, shape: Shape) -> Table:
    """A table of scikit-learn's, nine rows in ten, in its own units."""
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{shape.name}")(return_X_y=True)
    kept = np.sort(rng.permutation(len(y))[: shape.n_samples])
    return Table(np.ascontiguousarray(X[kept], dtype=np.float64), y[kept])


def shipped(rng: np.random.Generator, shape: Shape) -> Table:
    """The same, standardised."""
    table = shipped_raw(rng, shape)
    return Table(standardised(table.X), table.y)


def gaussian(rng: np.random.Generator, shape: Shape) -> Table:
    """Standardised correlated columns."""
    X = standardised(correlated(rng, shape.n_samples, shape.n_features))
    return Table(X, labelled(rng, X, shape.n_classes))


def ranges(rng: np.random.Generator, shape: Shape) -> Table:
    """Raw columns whose units span eight decades, some of them far from zero."""
    X = correlated(rng, shape.n_samples, shape.n_features)
    y = labelled(rng, X, shape.n_classes)
    units = 10.0 ** rng.uniform(-3.0, 5.0, shape.n_features)
    offsets = np.where(rng.random(shape.n_features) < 0.3, rng.normal(0.0, 5.0, shape.n_features), 0.0)
    return Table((X + offsets) * units, y)


def one_hot(rng: np.random.Generator, shape: Shape) -> Table:
    """Categories with Zipf levels as one-hot columns (CSR), and six standardised numbers."""
    n_numbers = 6
    left, levels = shape.n_features - n_numbers, []
    while left > 0:
        levels.append(min(left, int(rng.integers(2, max(3, shape.n_features // 4)))))
        left -= levels[-1]
    numbers = standardised(np.exp(rng.normal(size=(shape.n_samples, n_numbers)) * rng.uniform(0.1, 1.0, n_numbers)))
    parts = [sparse.csr_matrix(numbers)]
    scores = numbers @ rng.normal(0.0, 0.4, (n_numbers, shape.n_classes))
    for count in levels:
        level = rng.choice(count, shape.n_samples, p=zipf(count))
        effect = rng.normal(0.0, 0.7, (count, shape.n_classes))
        scores += effect[level]
        places = np.arange(shape.n_samples)
        parts.append(sparse.csr_matrix((np.ones(shape.n_samples), (places, level)), (shape.n_samples, count)))
    return Table(sparse.hstack(parts, format="csr"), drawn(rng, scores))


def mixed_raw(rng: np.random.Generator, shape: Shape) -> Table:
    """Ten raw numbers of large units beside dummies, dense, as land-cover tables have them."""
    n_numbers = 10
    numbers = np.abs(correlated(rng, shape.n_samples, n_numbers) + 2.0) * 10.0 ** rng.uniform(0.5, 3.5, n_numbers)
    count = shape.n_features - n_numbers
    level = rng.choice(count, shape.n_samples, p=zipf(count))
    X = np.zeros((shape.n_samples, shape.n_features))
    X[:, :n_numbers] = np.round(numbers)
    X[np.arange(shape.n_samples), n_numbers + level] = 1.0
    scores = standardised(numbers) @ rng.normal(0.0, 0.8, (n_numbers, shape.n_classes))
    scores += rng.normal(0.0, 1.0, (count, shape.n_classes))[level] + np.linspace(2.0, -2.0, shape.n_classes)
    return Table(X, drawn(rng, scores))


def text_rows(rng: np.random.Generator, shape: Shape, words_per_row: float) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return term weights as text has them: Zipf columns, rows of unit length, classes with words of their own."""
    y = rng.integers(0, shape.n_classes, shape.n_samples)
    lengths = rng.poisson(words_per_row, shape.n_samples) + 1
    common = 1.0 / np.arange(1, shape.n_features + 1)
    rows, columns = [], []
    tilt = rng.gamma(0.3, size=(shape.n_classes, shape.n_features))
    for k in range(shape.n_classes):
        own = np.flatnonzero(y == k)
        share = np.cumsum(common * tilt[k])
        count = lengths[own]
        columns.append(np.searchsorted(share, rng.random(count.sum()) * share[-1]))
        rows.append(np.repeat(own, count))
    places = np.concatenate(rows), np.concatenate(columns)
    X = sparse.csr_matrix((np.ones(len(places[0])), places), shape=(shape.n_samples, shape.n_features))
    X.sum_duplicates()
    X.data = 1.0 + np.log(X.data)
    norm = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1.0 / np.maximum(norm, 1e-12)).tocsr() @ X), y


def text(rng: np.random.Generator, shape: Shape) -> Table:
    """Term weights of sixty words a row; one label in twenty is wrong."""
    X, y = text_rows(rng, shape, 60.0)
    wrong = rng.random(shape.n_samples) < 0.05
    return Table(X, np.where(wrong, rng.integers(0, shape.n_classes, shape.n_samples), y))


def hashed_text(rng: np.random.Generator, shape: Shape) -> Table:
    """Term weights of a vocabulary that was hashed: of every 32 columns about one holds a word, or two that collide."""
    words = text(rng, Shape(shape.n_samples, shape.n_features // 32, shape.n_classes))
    place = rng.integers(0, shape.n_features, words.X.shape[1])
    entries = words.X.tocoo()
    X = sparse.csr_matrix((entries.data, (entries.row, place[entries.col])), shape=(shape.n_samples, shape.n_features))
    return Table(X, words.y)


def genes(rng: np.random.Generator, shape: Shape) -> Table:
    """Far more columns than rows, in blocks of fifty that move together; a few blocks decide."""
    block, noise = 50, rng.normal(size=(shape.n_samples, shape.n_features))
    factors = rng.normal(size=(shape.n_samples, -(-shape.n_features // block)))
    share = rng.uniform(0.3, 0.95, factors.shape[1])
    member = np.arange(shape.n_features) // block
    X = np.sqrt(share)[member] * factors[:, member] + np.sqrt(1.0 - share)[member] * noise
    return Table(standardised(X), labelled(rng, factors[:, :10], shape.n_classes, signal=3.0))


def cells(rng: np.random.Generator, shape: Shape) -> Table:
    """Single cells: logarithms of counts, most of them zero, dense, in clusters with marker genes."""
    y = rng.integers(0, shape.n_classes, shape.n_samples)
    level = rng.gamma(0.3, 1.0, shape.n_features)
    markers = np.exp(1.5 * rng.normal(size=(shape.n_classes, shape.n_features)) * (rng.random(shape.n_features) < 0.2))
    depth = rng.lognormal(0.0, 0.5, shape.n_samples)
    counts = rng.poisson(np.minimum(level * markers[y] * depth[:, None], 1e4))
    return Table(np.log1p(counts / depth[:, None]), y)


def tall(rng: np.random.Generator, shape: Shape) -> Table:
    """Many rows of few correlated columns."""
    X = correlated(rng, shape.n_samples, shape.n_features)
    return Table(X, labelled(rng, X, shape.n_classes, signal=1.5))


def many_classes(rng: np.random.Generator, shape: Shape) -> Table:
    """Overlapping clusters, one a class."""
    X, y = clustered(rng, shape)
    return Table(standardised(X), y)


def imbalanced(rng: np.random.Generator, shape: Shape) -> Table:
    """Classes whose shares fall evenly (in logarithms) to one row in ten thousand."""
    X = standardised(correlated(rng, shape.n_samples, shape.n_features))
    scores = X @ (rng.normal(size=(shape.n_features, shape.n_classes)) / np.sqrt(shape.n_features))
    y = drawn(rng, scores + np.log(np.geomspace(1.0, 1e-4, shape.n_classes)))
    for k in range(shape.n_classes):  # of every class at least three rows
        if (missing := 3 - int((y == k).sum())) > 0:
            y[scores[:, k].argsort()[-missing:]] = k
    return Table(X, y)


def counts(rng: np.random.Generator, shape: Shape) -> Table:
    """Overdispersed counts in raw units, one value in a thousand a hundred times too large."""
    y = rng.integers(0, shape.n_classes, shape.n_samples)
    level = rng.lognormal(1.0, 1.5, shape.n_features)
    effect = np.exp(0.5 * rng.normal(size=(shape.n_classes, shape.n_features)))
    X = rng.poisson(level * effect[y] * rng.gamma(1.0, 1.0, (shape.n_samples, shape.n_features))).astype(np.float64)
    outliers = rng.random(X.shape) < 1e-3
    X[outliers] = (X[outliers] + 1.0) * 100.0
    return Table(X, y)


def images_raw(rng: np.random.Generator, shape: Shape) -> Table:
    """Noisy square images of smooth patterns, uint8, hardly a zero among them."""
    side = math.isqrt(shape.n_features)
    waves = np.cos(np.pi * np.outer(np.arange(8), (np.arange(side) + 0.5) / side))
    y = rng.integers(0, shape.n_classes, shape.n_samples)
    own = rng.normal(size=(shape.n_classes, 64)) * 3.5  # classes overlap: within one the spread is four times as wide
    pattern = np.einsum("fr,gc->fgrc", waves, waves).reshape(64, side * side)
    X = 128.0 + (own[y] + rng.normal(0.0, 14.0, (shape.n_samples, 64))) @ pattern / 2.0
    X += rng.normal(0.0, 20.0, X.shape)
    return Table(np.clip(np.round(X), 1, 255).astype(np.uint8), y)


def images(rng: np.random.Generator, shape: Shape) -> Table:
    """The same, from 0 to 1."""
    table = images_raw(rng, shape)
    return Table((table.X / np.float32(255)).astype(np.float32), table.y)


def embeddings(rng: np.random.Generator, shape: Shape) -> Table:
    """Rows of a network's last layer: float32, no zeros, a few columns far larger than the others."""
    X, y = clustered(rng, shape, distance=0.6)
    X = X + 0.3 * rng.normal(size=X.shape) + rng.normal(0.0, 0.5, shape.n_features)
    large = rng.choice(shape.n_features, 4, replace=False)
    X[:, large] *= 15.0
    return Table(X.astype(np.float32), y)


def polynomial(rng: np.random.Generator, shape: Shape) -> Table:
    """Numbers, their cubes and products, not standardised again."""
    n_base = next(q for q in range(2, shape.n_features) if 2 * q + q * (q + 1) // 2 >= shape.n_features)
    base = correlated(rng, shape.n_samples, n_base)
    first, second = np.triu_indices(n_base)
    X = np.hstack([base, base[:, first] * base[:, second], base**3])[:, : shape.n_features]
    return Table(X, labelled(rng, X, shape.n_classes))


def splines(rng: np.random.Generator, shape: Shape) -> Table:
    """Cubic B-splines with twelve columns for each number, which sum to one."""
    from sklearn.preprocessing import SplineTransformer

    base = correlated(rng, shape.n_samples, shape.n_features // 12)
    X = SplineTransformer(n_knots=10, degree=3, knots="quantile").fit_transform(base)
    return Table(np.ascontiguousarray(X), labelled(rng, np.sin(2.0 * base), shape.n_classes))


def collinear(rng: np.random.Generator, shape: Shape) -> Table:
    """Each column twice, the second time with noise from 1e-2 down to 1e-6 of its spread."""
    half = shape.n_features // 2
    X = correlated(rng, shape.n_samples, half)
    noise = 10.0 ** rng.uniform(-6.0, -2.0, half)
    again = X + noise * rng.normal(size=X.shape)
    return Table(standardised(np.hstack([X, again])), labelled(rng, X, shape.n_classes))


def weighted(rng: np.random.Generator, shape: Shape) -> Table:
    """Rows whose weights span six decades."""
    X = standardised(correlated(rng, shape.n_samples, shape.n_features))
    y = labelled(rng, X, shape.n_classes)
    return Table(X, y, 10.0 ** rng.uniform(-3.0, 3.0, shape.n_samples))


SHIPPED = (
    Shape(160, 13, 3, "wine"), Shape(135, 4, 3, "iris"), Shape(512, 30, 2, "breast_cancer"),
    Shape(1617, 64, 10, "digits"),
)  # fmt: skip

KINDS: dict[str, Kind] = {
    "shipped": Kind(shipped, SHIPPED),
    "shipped raw": Kind(shipped_raw, SHIPPED),
    "gaussian": Kind(
        gaussian, (Shape(20_000, 100, 5), Shape(2_000, 30, 3), Shape(1_000, 200, 4), Shape(60_000, 60, 8))
    ),
    "ranges": Kind(ranges, (Shape(20_000, 40, 4), Shape(5_000, 80, 3), Shape(1_000, 20, 2), Shape(50_000, 30, 6))),
    "one-hot": Kind(
        one_hot, (Shape(50_000, 2_000, 5), Shape(5_000, 300, 3), Shape(24_420, 108, 2), Shape(200_000, 800, 4))
    ),
    "mixed raw": Kind(
        mixed_raw, (Shape(50_000, 54, 7), Shape(100_000, 40, 5), Shape(3_000, 30, 3), Shape(10_000, 100, 2))
    ),
    "text": Kind(
        text,
        (Shape(5_000, 30_000, 20), Shape(500, 8_000, 2), Shape(1_000, 10_000, 4), Shape(20_000, 60_000, 50),
         Shape(30_000, 100_000, 10), Shape(100_000, 200_000, 100)),
    ),
    "genes": Kind(genes, (Shape(100, 10_000, 5), Shape(250, 20_000, 3), Shape(60, 2_000, 2), Shape(500, 5_000, 12))),
    "cells": Kind(cells, (Shape(1_500, 1_500, 20), Shape(5_000, 2_000, 12), Shape(600, 800, 6), Shape(3_000, 500, 40))),
    "tall": Kind(
        tall, (Shape(1_000_000, 20, 5), Shape(300_000, 30, 3), Shape(200_000, 8, 2), Shape(2_000_000, 12, 3))
    ),
    "many classes": Kind(
        many_classes, (Shape(20_000, 100, 200), Shape(10_000, 60, 500), Shape(4_000, 40, 50), Shape(30_000, 64, 100))
    ),
    "imbalanced": Kind(
        imbalanced, (Shape(50_000, 30, 4), Shape(30_000, 50, 2), Shape(20_000, 20, 2), Shape(100_000, 40, 8))
    ),
    "counts": Kind(counts, (Shape(10_000, 100, 4), Shape(3_000, 300, 8), Shape(2_000, 60, 3), Shape(40_000, 50, 5))),
    "images": Kind(
        images, (Shape(7_500, 784, 10), Shape(3_000, 1_024, 20), Shape(2_000, 196, 5), Shape(20_000, 400, 10))
    ),
    "images raw": Kind(
        images_raw, (Shape(7_500, 784, 10), Shape(3_000, 1_024, 20), Shape(2_000, 196, 5), Shape(20_000, 400, 10))
    ),
    "embeddings": Kind(
        embeddings, (Shape(10_000, 768, 10), Shape(5_000, 768, 100), Shape(2_000, 768, 4), Shape(50_000, 768, 3))
    ),
    "polynomial": Kind(
        polynomial, (Shape(10_000, 230, 5), Shape(4_000, 495, 3), Shape(2_000, 65, 3), Shape(30_000, 119, 8))
    ),
    "splines": Kind(splines, (Shape(20_000, 240, 5), Shape(5_000, 480, 3), Shape(2_000, 96, 3), Shape(60_000, 120, 8))),
    "collinear": Kind(
        collinear, (Shape(10_000, 100, 4), Shape(2_000, 400, 3), Shape(1_500, 40, 3), Shape(40_000, 60, 6))
    ),
    "weighted": Kind(weighted, (Shape(10_000, 60, 4), Shape(50_000, 30, 3), Shape(2_000, 30, 3), Shape(5_000, 120, 8))),
    "hashed text": Kind(
        hashed_text,
        (Shape(2_000, 1 << 20, 4), Shape(1_000, 1 << 18, 2), Shape(20_000, 1 << 20, 20), Shape(10_000, 1 << 20, 8)),
    ),
}  # fmt: skip
