"""How sure are the answers, and the coefficients: what ``inklens certainty`` and ``inklens stability`` do."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from inklens.classes import encode
from inklens.errors import DataError, ParameterError
from inklens.evaluation import (
    Calibration,
    Conformal,
    Curvature,
    Proportion,
    Stability,
    Temperature,
    covered,
    curvature,
    proportion,
    set_in_words,
    stability,
)
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.tasks.judging import evaluate
from inklens.tasks.model_rows import Size
from inklens.tasks.session import Session

if TYPE_CHECKING:
    from inklens.displays import Display, StabilityDisplay, UncertaintyDisplay

Method = Literal["threshold", "cumulative"]
Scheme = Literal["auto", "curvature", "halves", "bootstrap"]
FEWEST_ROWS = 20  # to split between calibrating and judging
MAKE_DIFFER = 0.1  # change of temperature from 1 that is worth a word


@dataclass(frozen=True, eq=False)
class Certainty:
    """How far a model's answers can be relied on, judged on rows that it was not fitted on.

    The rows are dealt into two halves at random, and each half is judged with the temperature and the sets that the
    other half sets; what new pictures get is set by all rows.

    Parameters
    ----------
    reader : DigitReader
    before, after : Calibration
        Of the probabilities as the model states them, and with the other half's temperature.
    temperature : Temperature
        Of all rows.
    rule : Conformal
        Of all rows, on the probabilities as stated: a temperature fitted on the same rows would break its promise.
    sets : bool array (n_samples, n_classes)
        By the other half's rule.
    frames : array (n_samples, rows, cols)
    notes : tuple of str
    """

    reader: DigitReader
    before: Calibration
    after: Calibration
    temperature: Temperature
    rule: Conformal
    sets: np.ndarray
    frames: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def accuracy(self) -> Proportion:
        """Share of right answers."""
        return self.before.accuracy

    @property
    def coverage(self) -> Proportion:
        """Share of the rows whose set holds the truth."""
        n = len(self.sets)
        return proportion(round(covered(self.sets, self.after.codes) * n), n)

    def proba(self, frames: np.ndarray) -> np.ndarray:
        """Return probabilities after the temperature, (n_frames, n_classes)."""
        return self.temperature.proba(self.reader.raw_prediction(frames))

    def answers(self, frames: np.ndarray) -> list[str]:
        """Return the set of each frame in words, such as "4 or 9"."""
        sets = self.rule.sets(self.reader.predict_proba(frames))
        return [set_in_words(members, self.reader.classes) for members in sets]

    def in_words(self) -> list[str]:
        """Say how sure the model is, and may be."""
        return [*self.before.in_words(), self._temperature_words(), *self.set_words()]

    def _temperature_words(self) -> str:
        T = self.temperature.value
        effect = "tones them down" if T > 1.0 else "sharpens them"
        if abs(T - 1.0) < MAKE_DIFFER:
            effect = "changes little"
        return (
            f"Dividing the scores by the temperature {T:.3f} {effect}: calibration error "
            f"{self.before.expected_error:.4f} before, {self.after.expected_error:.4f} after; log loss "
            f"{self.before.log_loss:.4f} and {self.after.log_loss:.4f}. No answer changes."
        )

    def set_words(self) -> list[str]:
        """Say what the sets promise, and what they kept."""
        low, high = self.rule.coverage_range()
        promised, n = f"{100 * self.rule.coverage:.4g}%", self.rule.n_samples
        several, kept = int((self.sets.sum(axis=1) > 1).sum()), self.coverage
        promise = (
            f"The sets promise to hold the truth for {promised} of new pictures from the same source, calibrated on "
            f"{n:,} rows (nine times in ten that makes {low:.1%} to {high:.1%})."
        )
        if not np.isfinite(self.rule.limit):
            promise = (
                f"{n:,} rows are too few to promise {promised}: every set holds every class; ask for less, or give "
                "more rows."
            )
        return [
            promise,
            f"Calibrated on one half of the rows and judged on the other, in turn, {kept.value:.1%} of the sets hold "
            f"it (95% interval {kept.low:.1%} to {kept.high:.1%}); {several:,} of {len(self.sets):,} have more than "
            f"one class, {self.sets.sum(axis=1).mean():.2f} on average.",
        ]

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens certainty --json`` without the file name."""
        sizes, counts = np.unique(self.sets.sum(axis=1), return_counts=True)
        return {
            "accuracy": self.accuracy.to_json(),
            "calibration": {"before": self.before.to_json(), "after": self.after.to_json()},
            "temperature": self.temperature.value,
            "sets": {
                "method": self.rule.method,
                "promised": self.rule.coverage,
                "calibrated_on": self.rule.n_samples,
                "limit": self.rule.limit if np.isfinite(self.rule.limit) else None,
                "range": list(self.rule.coverage_range()),
                "covered": self.coverage.to_json(),
                "mean_size": float(self.sets.sum(axis=1).mean()),
                "sizes": {str(size): int(count) for size, count in zip(sizes, counts, strict=True)},
            },
            "notes": list(self.notes),
        }

    def displays(self) -> "dict[str, Display]":
        """Return the calibration curve and the sets, by name."""
        from inklens.displays import CalibrationDisplay, PredictionSetsDisplay

        return {
            "calibration": CalibrationDisplay.from_calibration(self.before, after=self.after),
            "sets": PredictionSetsDisplay.from_sets(
                self.sets,
                self.after.codes,
                self.frames,
                class_names=self.reader.classes,
                coverage=self.rule.coverage,
                words=self.set_words()[:1],
            ),
        }

    def save_figures(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write calibration.svg and sets.svg."""
        return [display.save(Path(folder) / f"{name}.svg") for name, display in self.displays().items()]


def judge_certainty(
    reader: DigitReader,
    *,
    data: str | None = None,
    train: Size = None,
    test: Size = None,
    seed: int | None = None,
    coverage: float = 0.95,
    method: Method = "threshold",
    progress: Progress | None = None,
) -> Certainty:
    """Judge on the test rows of the model's own split, or of `data`, how sure its answers are.

    Parameters
    ----------
    coverage : float
        Share of new pictures whose set is to hold the truth, in (0, 1).
    method : {"threshold", "cumulative"}
        How sets are made; see `Conformal`.

    Raises
    ------
    ParameterError, DataError

    Examples
    --------
    >>> from inklens.tasks.models import fit
    >>> reader = fit("embedded", train=1000, test=1000, C=0.01, tol=1e-2).reader
    >>> found = judge_certainty(reader, coverage=0.9)
    >>> found.rule.n_samples, bool(found.coverage.high > 0.9), found.answers(found.frames[:3])
    (1000, True, [...])
    """
    judged = evaluate(reader, data=data, train=train, test=test, seed=seed, progress=progress)
    return certainty_of(reader, judged.frames, judged.y_true, coverage=coverage, method=method, notes=judged.notes)


def certainty_of(
    reader: DigitReader,
    frames: np.ndarray,
    y: np.ndarray,
    *,
    coverage: float = 0.95,
    method: Method = "threshold",
    notes: Sequence[str] = (),
) -> Certainty:
    """Return the same for given frames and labels that the model was not fitted on."""
    if len(y) < FEWEST_ROWS:
        raise DataError(
            f"one half of the rows calibrates and the other judges, and {len(y)} rows are too few for that; give at "
            f"least {FEWEST_ROWS} with --test"
        )
    z = reader.raw_prediction(frames)
    codes = encode(y, reader.classes)
    stated = Temperature(1.0).proba(z)
    after, sets = np.empty_like(z), np.empty(z.shape, dtype=bool)
    order = np.random.default_rng(0).permutation(len(y))
    halves = order[: len(y) // 2], order[len(y) // 2 :]
    for fitted, judged in (halves, halves[::-1]):
        after[judged] = Temperature.fit(z[fitted], codes[fitted]).proba(z[judged])
        rule = Conformal.fit(stated[fitted], codes[fitted], coverage=coverage, method=method)
        sets[judged] = rule.sets(stated[judged])
    return Certainty(
        reader,
        Calibration(stated, codes),
        Calibration(after, codes),
        Temperature.fit(z, codes),
        Conformal.fit(stated, codes, coverage=coverage, method=method),
        sets,
        frames,
        tuple(notes),
    )


@dataclass(frozen=True)
class PictureSet:
    """The set of one picture, in words, beside its single answer."""

    name: str
    words: str
    label: str
    probability: float

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return {"path": self.name, "set": self.words, "label": self.label, "probability": self.probability}


def sets_of_pictures(found: Certainty, pictures: Sequence[str], *, anyway: bool = False) -> list[PictureSet]:
    """Read one digit from each picture ("-": standard input), and return its set after the temperature.

    Raises
    ------
    PhotoError
        A picture cannot be read, or is refused and not taken `anyway`.
    """
    from inklens.tasks.explaining import picture_frame

    answers = []
    for picture in pictures:
        frame, name = picture_frame(found.reader, picture, anyway=anyway)
        proba = found.proba(frame[None])[0]
        best = int(proba.argmax())
        answers.append(PictureSet(name, found.answers(frame[None])[0], found.reader.classes[best], float(proba[best])))
    return answers


# ---- coefficients ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CoefficientCertainty:
    """How far a model's coefficients can be relied on: by curvature, or by refits on other rows."""

    reader: DigitReader
    found: Curvature | Stability

    @property
    def by_curvature(self) -> bool:
        """Whether the curvature answered, and not refits."""
        return isinstance(self.found, Curvature)

    @property
    def has_maps(self) -> bool:
        """Whether the features lie on the picture."""
        return self.reader.coef.shape[1] == self.reader.image_shape[0] * self.reader.image_shape[1]

    def in_words(self) -> list[str]:
        """Say it."""
        return self.found.in_words()

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens stability --json`` without the file name; one map (rows, cols) a class."""
        names = ["posterior", "sampling"] if self.by_curvature else ["positive", "negative", "mean", "deviation"]
        maps = {
            name: dict(zip(self.reader.classes, self._maps(getattr(self.found, name)), strict=True)) for name in names
        }
        return {"by": "curvature" if self.by_curvature else "refits", **self.found.to_json(), "maps": maps}

    def _maps(self, rows: np.ndarray) -> list:
        shape = self.reader.image_shape
        return rows.reshape(-1, *shape).tolist() if self.has_maps else rows.tolist()

    def display(self) -> "StabilityDisplay | UncertaintyDisplay":
        """Return the figure.

        Raises
        ------
        ParameterError
            The features do not lie on the picture.
        """
        from inklens.displays import StabilityDisplay, UncertaintyDisplay

        if not self.has_maps:
            raise ParameterError(f"the features {self.reader.features!r} have no maps; leave out -o, or use --json")
        names, shape = self.reader.classes, self.reader.image_shape
        if isinstance(self.found, Curvature):
            return UncertaintyDisplay.from_curvature(self.found, class_names=names, image_shape=shape)
        return StabilityDisplay.from_stability(self.found, class_names=names, image_shape=shape)


def judge_coefficients(
    reader: DigitReader,
    *,
    data: str | None = None,
    by: Scheme = "auto",
    refits: int = 50,
    tol: float = 1e-2,
    progress: Progress | None = None,
) -> CoefficientCertainty:
    """Ask the model's own training rows how sure its coefficients are.

    Parameters
    ----------
    by : {"auto", "curvature", "halves", "bootstrap"}
        "curvature" for L2 fits, refits on halves or bootstrap samples for any; "auto" takes curvature where it exists,
        and halves elsewhere.
    refits : int
        How many.
    tol : float
        Promised gap of each.

    Raises
    ------
    ParameterError, DataError
        No such method for this penalty, or `data` is not what the model was fitted on.
    """
    reader.require_fit_record()
    session = Session.of(reader, data=data, progress=progress)
    return coefficients_of(session, by=by, refits=refits, tol=tol, progress=progress)


def coefficients_of(
    session: Session,
    *,
    by: Scheme = "auto",
    refits: int = 50,
    tol: float = 1e-2,
    progress: Progress | None = None,
) -> CoefficientCertainty:
    """Return the same for a model with its rows."""
    session.require_rows_of_fit("only the rows of the fit can tell, name them with --data")
    reader, record = session.reader, session.reader.require_fit_record()
    if by == "auto":
        by = "curvature" if record.has_l2_only else "halves"
    rows, weights = session.training_rows()  # the penalty may have seen stretched pixels, and so do the answers
    model, y = record.fitted_estimator(*weights, reader.classes), session.split.y_train
    if by == "curvature":
        return CoefficientCertainty(reader, curvature(model, rows, y, progress=progress))
    return CoefficientCertainty(
        reader, stability(model, rows, y, n_refits=refits, scheme=by, tol=tol, progress=progress)
    )
