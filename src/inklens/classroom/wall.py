"""The class's wall in numbers: what a model reads, what the class expected, and what its digits are worth to a fit."""

from dataclasses import dataclass

import numpy as np

from inklens.classroom.drawn import N_PIXELS, SIDE, ClassDigits
from inklens.errors import DataError
from inklens.evaluation.counts import confusion_matrix
from inklens.evaluation.intervals import Proportion, proportion
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.reprs import listed

FULL_INK = 255
SHIPPED = "the reader that ships"
# The models of "before and after": on the embedded digits' pixels, as the studio's first model
C, L1_RATIO, TOL = 0.3, 1.0, 1e-3
MAX_FOLDS = 5  # a fit each
LEAST_STUDENTS = 3  # of whom one is held out at a time
SHOWN_HARDEST = 12
SHOWN_MISTAKES = 12  # kinds of them
BINS = 5  # of the histogram of guesses


@dataclass(frozen=True)
class Confused:
    """One kind of mistake: digits meant as one class and read as another."""

    meant: str
    read: str
    which: tuple[int, ...]  # digits of the class


@dataclass(frozen=True)
class Guesses:
    """What students expected the model to answer, against what it did."""

    n: int
    right: int
    by_student: tuple[int, ...]  # students by share of right guesses, in `BINS` equal steps from 0 to 1


@dataclass(frozen=True)
class Refitted:
    """A fit without and with the class's digits, judged on digits of students that neither saw.

    `fixed` were misread before and are read right after, `broken` the other way round; `chance` is the exact p-value
    of McNemar's test between them.
    """

    n_folds: int
    before: Proportion
    after: Proportion
    fixed: int
    broken: int
    chance: float
    n_embedded: int


@dataclass(frozen=True, eq=False)
class Wall:
    """A class and what a model reads.

    Parameters
    ----------
    drawn : ClassDigits
    title : str
        Of the model.
    classes : tuple of str
        Labels that were drawn or read, in order.
    labels, answers : str array (n,)
        What was meant and what the model read.
    probability : array (n,)
        That the model gives what was meant.
    confusion : int array (n_classes, n_classes)
        Rows: meant; columns: read.
    """

    drawn: ClassDigits
    title: str
    classes: tuple[str, ...]
    labels: np.ndarray
    answers: np.ndarray
    probability: np.ndarray
    confusion: np.ndarray
    guesses: Guesses
    refitted: Refitted | None
    notes: tuple[str, ...]

    @property
    def right(self) -> Proportion:
        """Share that is read as it was meant."""
        return proportion(int(np.sum(self.labels == self.answers)), len(self.labels))

    def recall(self) -> list[tuple[str, Proportion]]:
        """Return each class with the share of its digits that is read right, the hardest first."""
        found = [
            (name, proportion(int(row[k]), int(row.sum())))
            for k, (name, row) in enumerate(zip(self.classes, self.confusion, strict=True))
            if row.sum()
        ]
        return sorted(found, key=lambda each: (each[1].value, each[0]))

    def hardest(self) -> list[int]:
        """Return the digits whose meaning the model thinks least probable."""
        return [int(i) for i in np.argsort(self.probability, kind="stable")[:SHOWN_HARDEST]]

    def confused(self) -> list[Confused]:
        """Return kinds of mistakes, the most frequent first."""
        found: dict[tuple[str, str], list[int]] = {}
        for i, pair in enumerate(zip(self.labels.tolist(), self.answers.tolist(), strict=True)):
            if pair[0] != pair[1]:
                found.setdefault(pair, []).append(i)
        ordered = sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))
        return [Confused(*pair, tuple(which)) for pair, which in ordered[:SHOWN_MISTAKES]]

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens class wall --json``."""
        refitted = self.refitted
        return {
            "schema_version": 1,
            "model": self.title,
            "students": len(self.drawn.students),
            "digits": len(self.labels),
            "right": self.right.to_json(),
            "classes": list(self.classes),
            "confusion": self.confusion.tolist(),
            "recall": {name: share.to_json() for name, share in self.recall()},
            "guesses": {"n": self.guesses.n, "right": self.guesses.right, "by_student": list(self.guesses.by_student)},
            "refitted": None
            if refitted is None
            else {
                "folds": refitted.n_folds,
                "before": refitted.before.to_json(),
                "after": refitted.after.to_json(),
                "fixed": refitted.fixed,
                "broken": refitted.broken,
                "chance": refitted.chance,
            },
            "notes": list(self.notes),
        }


def make_wall(
    drawn: ClassDigits,
    reader: DigitReader,
    *,
    title: str = "the model",
    refit: bool = True,
    progress: Progress | None = None,
) -> Wall:
    """Read a class's digits with a model, and fit with them.

    Parameters
    ----------
    drawn : ClassDigits
    reader : DigitReader
    title : str
        What to call it.
    refit : bool
        Whether to fit the embedded digits with the class's: some seconds.
    progress : callable, optional

    Raises
    ------
    DataError
        The model takes no frames of 28 x 28 pixels, or knows none of the classes that were drawn.
    """
    if reader.image_shape != (SIDE, SIDE):
        raise DataError(f"a class draws on 28 x 28 pixels, and this model takes {reader.image_shape}")
    known = [digit for digit in drawn.digits if digit.label in reader.classes]
    if not known:
        raise DataError(f"the model knows the classes {listed(reader.classes)}, and nobody drew one of them")
    notes = list(drawn.notes)
    if len(known) < len(drawn.digits):
        notes.append(f"{len(drawn.digits) - len(known)} digits of classes that the model does not know are left out")
    kept = ClassDigits(tuple(known), drawn.notes)
    frames = frames_of(kept)
    proba = reader.predict_proba(frames)
    names = np.array(reader.classes)
    labels, answers = np.array([digit.label for digit in known]), names[proba.argmax(axis=1)]
    refitted = None
    if refit:
        refitted, why = _refit(kept, labels, progress)
        notes += [why] if why else []
    classes = tuple(name for name in reader.classes if name in {*labels.tolist(), *answers.tolist()})
    place = {name: k for k, name in enumerate(reader.classes)}
    return Wall(
        kept,
        title,
        classes,
        labels,
        answers,
        proba[np.arange(len(labels)), [place[label] for label in labels.tolist()]],
        confusion_matrix(labels, answers, classes),
        _judge_guesses(kept, answers),
        refitted,
        tuple(notes),
    )


def frames_of(drawn: ClassDigits) -> np.ndarray:
    """Return the digits as frames (n, 28, 28) from 0 to 1."""
    pixels = np.frombuffer(b"".join(digit.pixels for digit in drawn.digits), np.uint8)
    return pixels.reshape(-1, SIDE, SIDE) / np.float32(FULL_INK)


def _judge_guesses(drawn: ClassDigits, answers: np.ndarray) -> Guesses:
    """Compare what was expected with what was answered; a student counts once in the histogram."""
    by_student: dict[str, list[bool]] = {}
    for digit, answer in zip(drawn.digits, answers.tolist(), strict=True):
        if digit.guess is not None:
            by_student.setdefault(digit.student, []).append(digit.guess == answer)
    counts = [0] * BINS
    for rights in by_student.values():
        counts[min(BINS - 1, BINS * sum(rights) // len(rights))] += 1
    return Guesses(sum(map(len, by_student.values())), sum(map(sum, by_student.values())), tuple(counts))


# ------------------------------------------------------------------------------------------------- before and after


def _refit(drawn: ClassDigits, labels: np.ndarray, progress: Progress | None) -> tuple[Refitted | None, str]:
    """Fit the embedded digits without the class's and with those of other students; each student is judged unseen."""
    from inklens.datasets import load_dataset
    from inklens.evaluation.comparison import mcnemar
    from inklens.linear import SoftmaxRegression

    students = drawn.students
    if len(students) < LEAST_STUDENTS:
        return None, f"before and after a fit is shown from {LEAST_STUDENTS} students on, since each is judged unseen"
    embedded = load_dataset("embedded")
    X = np.asarray(embedded.X, np.float32).reshape(-1, N_PIXELS) / np.float32(FULL_INK)
    y = np.asarray(embedded.y, str)
    own = frames_of(drawn).reshape(-1, N_PIXELS)
    fold_of = {student: number % MAX_FOLDS for number, student in enumerate(students)}
    folds = np.array([fold_of[digit.student] for digit in drawn.digits])
    n_folds = int(folds.max()) + 1

    def fit(rows: np.ndarray, targets: np.ndarray) -> SoftmaxRegression:
        return SoftmaxRegression(C=C, l1_ratio=L1_RATIO, binary="softmax", tol=TOL).fit(rows, targets)

    before = fit(X, y).predict(own) == labels
    after = np.zeros(len(labels), bool)
    for fold in range(n_folds):
        if progress is not None:
            progress(fold, n_folds, "fitting with the class's digits")
        held_out = folds == fold
        model = fit(np.concatenate([X, own[~held_out]]), np.concatenate([y, labels[~held_out]]))
        after[held_out] = model.predict(own[held_out]) == labels[held_out]
    fixed, broken = int(np.sum(~before & after)), int(np.sum(before & ~after))
    n = len(labels)
    return Refitted(
        n_folds,
        proportion(int(before.sum()), n),
        proportion(int(after.sum()), n),
        fixed,
        broken,
        mcnemar(fixed, broken),
        len(y),
    ), ""
