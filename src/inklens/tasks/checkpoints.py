"""Checkpoints: the best point of a fit so far, in a file beside the model to be, from which a fit goes on.

Whoever runs a long fit has not planned for its end, so every fit that takes more than a moment keeps one. A checkpoint
holds coefficients and what they are of; where the rows were when it was written, here or on workers, does not matter.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inklens.addresses import read_some
from inklens.errors import ModelFileError, OutputError, ParameterError
from inklens.linear.driver import Solution
from inklens.model.file import MAX_FILE_BYTES, SCHEMA_VERSION, pack, unpack
from inklens.model.linear_model import are_weights
from inklens.model.records import DataRecord, FitRecord
from inklens.storage import write_bytes

SUFFIX = ".checkpoint"
EVERY_SECONDS = 2.0  # between two writings, and before the first
MOST_SHOWN = 200  # characters of an entry that differs
MOST_SHARE = 0.05  # of the time of a fit that goes into writing


class Point(NamedTuple):
    """Where a fit goes on, and what it took to get there."""

    coef: np.ndarray  # (n_classes, n_features)
    intercept: np.ndarray  # (n_classes,)
    passes: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Question:
    """What is fitted to what: a fit goes on only from a checkpoint of the same; the gap that is asked for may differ.

    >>> one, other = (Question(DataRecord(checksum="ab"), FitRecord(C), "pixels", ("0", "1")) for C in (1.0, 2.0))
    >>> other.differences(one.entries())
    ['C = 1.0 (here 2.0)']
    """

    data: DataRecord
    asked: FitRecord
    features: str
    classes: tuple[str, ...]

    def entries(self) -> dict[str, object]:
        """Return what has to be the same, by name, as JSON has it."""
        data, asked = self.data, self.asked
        return {
            "data": data.checksum,
            "training rows": data.train,
            "test rows": data.test,
            "seed": data.seed,
            "added rows": None if data.added is None else data.added.checksum,
            "corrected labels": None if data.relabelled is None else data.relabelled.to_json(),
            "C": asked.C if asked.is_penalised else "inf",
            "L1 share": asked.l1_ratio,
            "group": asked.group,
            "scale": asked.scale,
            "standardize": asked.standardize,
            "features": self.features,
            "classes": list(self.classes),
        }

    def differences(self, others: Mapping[str, object]) -> list[str]:
        """Return in words where the entries of a checkpoint are others than these."""
        return [
            f"{name} = {str(others.get(name))[:MOST_SHOWN]} (here {str(value)[:MOST_SHOWN]})"
            for name, value in self.entries().items()
            if others.get(name) != value
        ]


class Checkpoint:
    """The checkpoint of one fit; as a callback of the solver it writes itself, atomically, now and then.

    Parameters
    ----------
    path : Path
        The file.
    question : Question
        What is fitted.
    """

    def __init__(self, path: Path, question: Question) -> None:
        self.path, self.question = path, question
        self.before: Point | None = None  # where this fit went on
        self.warning = ""
        self._due = time.monotonic() + EVERY_SECONDS

    @classmethod
    def beside(cls, out: str | os.PathLike[str], question: Question) -> "Checkpoint | None":
        """Return the checkpoint beside a model's file; None where the model goes to a device or a pipe."""
        if Path(out).exists() and not Path(out).is_file():
            return None
        return cls(Path(os.path.realpath(out) + SUFFIX), question)

    def resume(self) -> Point | None:
        """Return where to go on; None, and a warning, where there is no checkpoint.

        Raises
        ------
        ModelFileError
            The file is damaged, or none of ours.
        ParameterError
            It is of another fit.
        """
        try:
            self.before = self._read()
        except (FileNotFoundError, OutputError):  # a name that is too long is no file's
            self.warning = f"there was no {self._name} to go on from; this fit is a new one"
        except OSError as error:
            raise ModelFileError(f"cannot read the checkpoint {self._name}: {error.strerror}") from error
        except ModelFileError as error:
            raise ModelFileError(f"the checkpoint {self._name} {error}; fit anew, without --resume") from error
        return self.before

    def check_columns(self, n_features: int) -> None:
        """Raise ModelFileError where this fit would go on from a point of another number of features."""
        if self.before is not None and self.before.coef.shape[1] != n_features:
            raise ModelFileError(
                f"the checkpoint {self._name} has weights of {self.before.coef.shape[1]:,} features, and the data has "
                f"{n_features:,}: it is damaged, or the data is not what it was; fit anew, without --resume"
            )

    def __call__(self, solution: Solution) -> None:
        """Write the point where that is due."""
        began = time.monotonic()
        if began >= self._due:
            self.keep(solution)
            self._due = began + max(EVERY_SECONDS, (time.monotonic() - began) / MOST_SHARE)

    def keep(self, solution: Solution) -> str | None:
        """Write the best point so far, and return the path; a disk that is full ends no fit, and is a warning."""
        try:
            if self._is_taken:
                raise OutputError(f"{self._name} is no file; move it away")
            self.write(solution)
        except OutputError as error:
            self.warning = f"no checkpoint was kept: {error}"
            return None
        return os.fspath(self.path)

    def write(self, solution: Solution) -> None:
        """Write the best point so far."""
        before = self.before or Point(solution.coef, solution.intercept)
        header = {
            "schema_version": SCHEMA_VERSION,
            "checkpoint": self.question.entries(),
            "passes": before.passes + solution.n_passes,
            "seconds": before.seconds + solution.seconds,
        }
        tensors = {name: np.ascontiguousarray(getattr(solution, name)) for name in ("coef", "intercept")}
        write_bytes(self.path, pack(tensors, header))

    def remove(self) -> None:
        """Remove the file, once the model is there."""
        with suppress(OSError):  # an OutputError is one
            if not self._is_taken:
                self.path.unlink(missing_ok=True)

    @property
    def remedy(self) -> str:
        """What to do with what was kept."""
        return f"the best point so far is in {self._name}: the same command with --resume goes on from there"

    @property
    def _name(self) -> str:
        return repr(str(self.path))

    @property
    def _is_taken(self) -> bool:
        """Whether something else stands at its place, which may never end, or take whatever is written."""
        try:
            return self.path.exists() and not self.path.is_file()
        except OSError as error:  # the model's name may be as long as the system takes, and this one is longer
            raise OutputError(f"{self._name[:80]}...: {error.strerror}") from error

    def _read(self) -> Point:
        if self._is_taken:
            raise ModelFileError("is no file")
        with self.path.open("rb") as file:
            tensors, header = unpack(read_some(file, MAX_FILE_BYTES + 1))
        entries, spent = header.get("checkpoint"), [header.get("passes"), header.get("seconds")]
        if not isinstance(entries, Mapping):
            raise ModelFileError("is no checkpoint")
        if differences := self.question.differences(entries):
            raise ParameterError(
                f"the checkpoint {self._name} is of another fit, with {'; '.join(differences)}; give the same data and "
                "options, or fit anew, without --resume"
            )
        passes, seconds = (value if isinstance(value, int | float) else -1.0 for value in spent)
        coef, intercept = (tensors.get(name, np.empty(0)) for name in ("coef", "intercept"))
        fits = coef.ndim == 2 and intercept.shape == (len(coef),) == (len(self.question.classes),)
        if not (fits and min(passes, seconds) >= 0.0 and are_weights(coef) and are_weights(intercept)):
            raise ModelFileError("is damaged")
        return Point(coef, intercept, passes, seconds)
