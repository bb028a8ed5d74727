"""Evidence: the signed contributions that, with the intercept, are the raw prediction.

    z_k = b_k + sum_j w_kj x_j

Adding one map to the weights of every class changes no probability, so the maps of single classes depend on a gauge;
the difference of two classes does not. Shapes: frame (rows, cols), contributions (n_classes, rows, cols), z,
probabilities, intercept (n_classes,).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inklens.errors import ParameterError
from inklens.explanations.places import Place, places, sentences
from inklens.linear.softmax import softmax
from inklens.model.linear_model import LinearModel
from inklens.reprs import MAP_NOTE, Card, Shown, Tile, ink_tile, listed, map_scale, map_tile, most_likely

STROKES = 20  # strokes that are drawn
HALF_STROKE = 0.3  # of a cell's width


@dataclass(frozen=True, eq=False, repr=False)
class Evidence(Shown):
    """Why a model answered what it answered.

    Parameters
    ----------
    frame : array (rows, cols)
        The picture that the classifier saw, ink = 1.
    classes : tuple of str
        Class names, in the order of all arrays here.
    coef : array (n_classes, rows, cols)
        The model's weights as maps.
    intercept : array (n_classes,)
        The model's intercepts b_k.

    Examples
    --------
    >>> frame = np.array([[1.0, 0.5]])
    >>> why = Evidence(frame, ("a", "b"), coef=np.array([[[2.0, 0.0]], [[0.0, 4.0]]]), intercept=np.array([1.0, 0.0]))
    >>> why.contributions.tolist(), why.z.tolist(), why.label
    ([[[2.0, 0.0]], [[0.0, 2.0]]], [3.0, 2.0], 'a')
    >>> float(why.between("a", "b").sum()) + 1.0  # with the difference of intercepts: the log-odds
    1.0
    """

    frame: npt.NDArray[np.float64]
    classes: tuple[str, ...]
    coef: npt.NDArray[np.float64]
    intercept: npt.NDArray[np.float64]

    @property
    def contributions(self) -> npt.NDArray[np.float64]:
        """Products x * w_k for every class; their sum over pixels plus b_k is z_k."""
        return self.coef * self.frame

    @property
    def z(self) -> npt.NDArray[np.float64]:
        """Raw predictions."""
        return np.asarray(self.contributions.sum(axis=(1, 2)) + self.intercept)

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Softmax of `z`."""
        return np.asarray(softmax(self.z[None])[0])

    @property
    def label(self) -> str:
        """The class with the largest z."""
        return self.classes[int(self.z.argmax())]

    @property
    def rival(self) -> str:
        """The class with the second largest z."""
        return self.classes[int(np.argsort(-self.z, kind="stable")[1])]

    def between(self, a: str, b: str, *, baseline: np.ndarray | None = None) -> npt.NDArray[np.float64]:
        """Return x * (w_a - w_b), whose sum plus b_a - b_b is log p_a / p_b.

        Independent of the softmax gauge: adding one vector to all w_k changes nothing here. With a `baseline` frame
        (paper by default) it is (x - baseline) * (w_a - w_b), whose sum is the log-odds less those of the baseline.
        """
        i, j = self._index(a), self._index(b)
        ink = self.frame if baseline is None else self.frame - baseline
        return np.asarray((self.coef[i] - self.coef[j]) * ink)

    def log_odds(self, a: str, b: str) -> float:
        """Return log p_a / p_b."""
        return float(self.z[self._index(a)] - self.z[self._index(b)])

    @property
    def centred(self) -> npt.NDArray[np.float64]:
        """Contributions x * (w_k - mean of w over the classes), (n_classes, rows, cols).

        The gauge in which the classes' contributions of a pixel sum to 0: what it adds to one it takes from others.
        """
        return np.asarray((self.coef - self.coef.mean(axis=0)) * self.frame)

    def missing(self, a: str, b: str | None = None) -> npt.NDArray[np.float64] | None:
        """Return what new ink would add, per pixel filled to the full: (1 - x) * (w_a - w_b).

        To the log-odds of a against b; without b, to the score of a with weights centred over the classes.
        """
        other = self.coef.mean(axis=0) if b is None else self.coef[self._index(b)]
        return np.asarray((1.0 - self.frame) * (self.coef[self._index(a)] - other))

    def rank(self, a: str, b: str) -> np.ndarray:
        """Return (row, col) of all inked pixels, those that matter most between a and b first, (n_inked, 2)."""
        size = np.abs(self.between(a, b)).ravel()
        order = np.argsort(-size, kind="stable")
        inked = order[self.frame.ravel()[order] > 0.0]
        return np.stack(np.unravel_index(inked, self.frame.shape), axis=1)

    def _index(self, name: str) -> int:
        if name not in self.classes:
            raise ParameterError(f"expected a class out of {listed(self.classes)}, got {name!r}")
        return self.classes.index(name)

    def in_words(self, a: str, b: str, *, most: int = 4) -> list[str]:
        """Return why a and not b, place by place, as sentences; the strongest reasons first, and what would help b."""
        return sentences(self.places(a, b), a, b, most=most)

    def places(self, a: str, b: str) -> list[Place]:
        """Return the parts of the digit with what their ink does, the one that matters most between a and b first."""
        to_a, to_b = (self.centred[self._index(name)] for name in (a, b))
        return places(self.frame, to_a, to_b, missing=self.missing(a, b))

    def to_json(self, against: str | None = None) -> dict[str, object]:
        """Return the document of ``inklens explain --json`` without the file name.

        Its "comparison" sets the answer beside its rival, or beside the class `against`.
        """
        per_class = dict(zip(self.classes, range(len(self.classes)), strict=True))
        return {
            "label": self.label,
            "z": {c: float(self.z[k]) for c, k in per_class.items()},
            "probabilities": {c: float(self.probabilities[k]) for c, k in per_class.items()},
            "intercept": {c: float(self.intercept[k]) for c, k in per_class.items()},
            "contributions": {c: self.contributions[k].tolist() for c, k in per_class.items()},
            "comparison": self._comparison(self.label, against or self.rival),
        }

    def _card(self) -> Card:
        a, b = self.label, self.rival
        facts = {
            "probabilities": most_likely(self.classes, self.probabilities),
            "log-odds": f"{self.log_odds(a, b):+.3f} of {a} against {b}",
            **{f"reason {number}": words for number, words in enumerate(self.in_words(a, b), 1)},
        }
        return Card(f"Evidence: {a} rather than {b}", facts, self._tiles(a, b), MAP_NOTE)

    def _tiles(self, a: str, b: str) -> list[Tile]:
        """Return the frame, what it gives to either class, and what speaks for one against the other."""
        given, between = self.contributions, self.between(a, b)
        i, j = self._index(a), self._index(b)
        scale = map_scale(np.stack([given[i], given[j], between]))
        return [
            ink_tile(self.frame, "the picture", alt="the picture that the model saw"),
            map_tile(given[i], f"for {a}", scale=scale, alt=f"what its ink adds to the score of {a}"),
            map_tile(given[j], f"for {b}", scale=scale, alt=f"what its ink adds to the score of {b}"),
            map_tile(between, f"{a}, not {b}", scale=scale, alt=f"what its ink adds to {a} against {b}"),
        ]

    def _comparison(self, a: str, b: str) -> dict[str, object]:
        missing = self.missing(a, b)
        return {
            "for": a,
            "against": b,
            "log_odds": self.log_odds(a, b),
            "intercept": float(self.intercept[self._index(a)] - self.intercept[self._index(b)]),
            "contributions": self.between(a, b).tolist(),
            "missing": None if missing is None else missing.tolist(),
            "strongest": self.rank(a, b)[:20].tolist(),
            "words": self.in_words(a, b),
        }


@dataclass(frozen=True, eq=False, repr=False)
class SpreadEvidence(Evidence):
    """Evidence of a model on features of the straightened frame: w_kf * f for each feature f, laid on the given frame.

    Each feature is spread over the pixels that it comes from, so the maps still sum, with the intercept, to the score.
    `coef` is (n_classes, n_features).

    Parameters
    ----------
    values : array (n_features,)
        The features of the frame.
    shares : array (n_features, rows * cols)
        Where in the frame each comes from; sums to 1 for every feature that is not 0.
    """

    values: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]

    @property
    def contributions(self) -> npt.NDArray[np.float64]:
        """What the ink at each pixel adds to each class, (n_classes, rows, cols)."""
        return self._spread(self.coef)

    def between(self, a: str, b: str, *, baseline: np.ndarray | None = None) -> npt.NDArray[np.float64]:
        """Return what the ink at each pixel adds to log p_a / p_b, less the intercepts; paper is the only baseline."""
        if baseline is not None:
            raise ParameterError(
                "evidence of a straightened frame is measured against bare paper; leave the baseline out"
            )
        return np.asarray(self._spread(self.coef[[self._index(a)]] - self.coef[[self._index(b)]])[0])

    @property
    def centred(self) -> npt.NDArray[np.float64]:
        """The contributions with weights centred over the classes, (n_classes, rows, cols)."""
        return self._spread(self.coef - self.coef.mean(axis=0))

    def missing(self, a: str, b: str | None = None) -> None:
        """Return None: new ink would move the whole straightened frame. Ask for a flip instead."""

    def _spread(self, weights: np.ndarray) -> npt.NDArray[np.float64]:
        return ((weights * self.values) @ self.shares).reshape(-1, *self.frame.shape)


@dataclass(frozen=True, eq=False, repr=False)
class StrokeEvidence(SpreadEvidence):
    """Evidence of a model on `strokes`, which also knows where each stroke's edge lies and how it runs.

    `shares` are over the straightened frame; maps are laid back onto the frame.

    Parameters
    ----------
    edges : array (n_features, 4)
        Row and column in the frame of the middle of each feature's edges, and (rows, columns) of half a stroke along
        them; ink lies to the right of that direction.
    """

    edges: np.ndarray

    def strokes(self, a: str, b: str, *, most: int = STROKES) -> np.ndarray:
        """Return the strokes that matter most between a and b, (n, 5): row, col, half a stroke's rows and columns, and
        what it adds to log p_a / p_b; the largest in size first.
        """
        adds = (self.coef[self._index(a)] - self.coef[self._index(b)]) * self.values
        order = np.argsort(-np.abs(adds), kind="stable")[:most]
        return np.asarray(np.column_stack([self.edges, adds])[order[adds[order] != 0.0]])

    def _spread(self, weights: np.ndarray) -> npt.NDArray[np.float64]:
        from inklens.photos import unwarp

        return unwarp(super()._spread(weights), self.frame)


def explain(reader: LinearModel, photo_or_frame: object) -> Evidence:
    """Return the evidence for one picture.

    Parameters
    ----------
    reader : LinearModel
        The model, such as a `DigitReader`.
    photo_or_frame : path, bytes, picture, or float array of the model's image shape in [0, 1]
        An array of the model's shape is taken as a frame (ink = 1); anything else is normalised first.

    Returns
    -------
    Evidence
        On the frame; features that straighten it first are mapped back.

    Raises
    ------
    ParameterError
        Features whose evidence is not known.
    """
    frame = reader.frame(photo_or_frame)
    seen = reader.transform(frame[None])[0]
    model = (frame, reader.classes, reader.coef, reader.intercept)
    if reader.features == "strokes":
        return StrokeEvidence(*model, seen, *_strokes_of(frame))
    if reader.features == "upright":
        return SpreadEvidence(*model, seen, _inked(frame))
    if seen.size != frame.size:
        raise ParameterError(f"evidence needs features of pixels, upright pixels or strokes, not {reader.features!r}")
    return Evidence(frame, reader.classes, reader.coef.reshape(-1, *frame.shape), reader.intercept)


def _inked(frame: np.ndarray) -> np.ndarray:
    """Return the shares of straightened pixels in the frame's ink, and where they see none, in its pixels."""
    from inklens.photos import deskew_matrix

    where = deskew_matrix(frame)
    ink = where * frame.ravel()
    totals = ink.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(ink, totals, out=where, where=totals > 0.0))


def _strokes_of(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where in the straightened frame stroke features come from, and the edges of the frame that they are."""
    from inklens.photos import CENTRE, pose, stroke_layout, stroke_shares

    shares = stroke_shares(frame)
    at, (row, col, row_step, col_step, slant) = np.arange(frame.shape[0]), (float(v[0]) for v in pose(frame[None]))
    rise = (shares.sum(axis=2) @ at - CENTRE) * row_step  # of the middle of each feature's edges
    along = (shares.sum(axis=1) @ at - CENTRE) * col_step + slant * rise
    angle = np.deg2rad([cell.direction_degrees for cell in stroke_layout()])  # into the ink
    length = np.array([cell.width for cell in stroke_layout()]) * HALF_STROKE
    down, right = -np.cos(angle) * length, np.sin(angle) * length  # along the edge, ink to the right
    rows = row_step * down
    edges = np.column_stack([row + rise, col + along, rows, col_step * right + slant * rows])
    return shares.reshape(len(shares), -1), edges
