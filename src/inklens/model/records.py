"""What a model file records of its fit and of its data, parsed from the JSON of its header.

A file may hold free text instead, or nothing: then there is no record. A record whose entries are of the wrong type
is refused as a whole; the model itself still reads pictures.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from sys import float_info
from typing import TYPE_CHECKING, Literal

import numpy as np

from inklens.datasets.relabel import Relabelling
from inklens.errors import ModelFileError
from inklens.linear.problem.build import make_problem
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import per_class

if TYPE_CHECKING:
    from inklens.linear.estimators import SoftmaxRegression

Record = Mapping[str, object]
MOST_FLOAT = int(float_info.max)  # compares with integers of any length
MOST_ROWS = 2**53 - 1  # whole numbers that every reader of JSON takes
MOST_SEED = 2**32 - 1  # NumPy's largest
Scale = Literal["255", "min-max"]
Binary = Literal["softmax", "logistic"]
BINARY = ("softmax", "logistic")


@dataclass(frozen=True)
class Certificate:
    """What the fit proved of its coefficients."""

    objective: float
    lower_bound: float
    relative_gap: float
    status: str  # "certified", "separated" or "stopped"

    def numbers(self) -> dict[str, float]:
        """Return objective, bound and gap by name."""
        return {"objective": self.objective, "lower_bound": self.lower_bound, "relative_gap": self.relative_gap}


@dataclass(frozen=True)
class FitRecord:
    """How a model was fitted; a file that leaves out C or the share of L1 does not say so, and has no such record.

    Parameters
    ----------
    C : float
        Weight of the loss against the penalty; infinite without a penalty ("inf" in JSON).
    l1_ratio, group, tol
        As for `SoftmaxRegression`.
    scale : {"255", "min-max"}
        Whether the penalty saw plain ink, or pixels stretched by their own range in the training rows.
    standardize : bool
        Whether coefficients were penalised times their columns' standard deviations in the training rows.
    binary : {"softmax", "logistic"}
        Whether two classes were penalised as two maps, or as their difference, the one row of a logistic regression.
    certificate : Certificate or None
        What was proven.
    passes : float or None
        Over the rows, for the fit.

    Examples
    --------
    >>> record = FitRecord.from_json({"C": "inf", "l1_ratio": 0.0})
    >>> record.C, record.is_penalised, record.certificate
    (inf, False, None)
    >>> FitRecord.from_json({"C": "much", "l1_ratio": 0.0})
    Traceback (most recent call last):
    ...
    inklens.errors.ModelFileError: records C='much' of its fit; expected a number above 0, or 'inf'
    """

    C: float
    l1_ratio: float = 0.0
    group: bool = False
    tol: float = 1e-4
    scale: Scale = "255"
    standardize: bool = False
    binary: Binary = "softmax"
    certificate: Certificate | None = None
    passes: float | None = None
    zeros: int | None = None

    @classmethod
    def from_json(cls, record: object) -> "FitRecord | None":
        """Return the record; None where it does not say how the model was fitted.

        Raises
        ------
        ModelFileError
            An entry is of the wrong type.
        """
        if not isinstance(record, Mapping) or not {"C", "l1_ratio"} <= record.keys():
            return None
        entry = _Entries(record, "fit")
        scale: Scale = "min-max" if entry.choice("scale", ("255", "min-max"), "255") == "min-max" else "255"
        binary: Binary = "logistic" if entry.choice("binary", BINARY, "softmax") == "logistic" else "softmax"
        return cls(
            C=_penalty_strength(record),
            l1_ratio=entry.number("l1_ratio", 0.0, largest=1.0),
            group=entry.flag("group", False),
            tol=entry.number("tol", cls.tol),
            scale=scale,
            standardize=entry.flag("standardize", False),
            binary=binary,
            certificate=_certificate(record, entry),
            passes=entry.number("passes", 0.0) if "passes" in record else None,
            zeros=entry.count("zeros", 0) if "zeros" in record else None,
        )

    @classmethod
    def of_estimator(cls, estimator: object) -> "FitRecord | None":
        """Return what a fitted `SoftmaxRegression` tells; None for other models, weighed classes, or no intercept."""
        from inklens.linear.estimators import SoftmaxRegression

        if not isinstance(estimator, SoftmaxRegression) or estimator.class_weight is not None:
            return None
        if not estimator.fit_intercept or estimator.positive or estimator.penalty_factor is not None:
            return None
        fitted, is_single = estimator, len(estimator.classes_) == 2 and estimator.binary == "logistic"
        proven = Certificate(fitted.objective_, fitted.lower_bound_, fitted.dual_gap_, fitted.status_)
        zeros = int((per_class(fitted.coef_, fitted.intercept_)[0] == 0.0).sum())
        return cls(
            float(fitted.C),
            float(fitted.l1_ratio),
            bool(fitted.group),
            float(fitted.tol),
            standardize=bool(fitted.standardize),
            binary="logistic" if is_single else "softmax",
            certificate=proven,
            passes=float(fitted.n_passes_),
            zeros=zeros,
        )

    def to_json(self) -> dict[str, object]:
        """Return what a model file keeps."""
        proven = self.certificate
        return {
            "C": self.C if self.is_penalised else "inf",
            "l1_ratio": self.l1_ratio,
            "group": self.group,
            "tol": self.tol,
            **({"scale": self.scale} if self.is_stretched else {}),
            **({"standardize": True} if self.standardize else {}),
            **({"binary": self.binary} if self.is_single else {}),
            **({} if proven is None else {**proven.numbers(), "status": proven.status}),
            **({} if self.passes is None else {"passes": self.passes}),
            **({} if self.zeros is None else {"zeros": self.zeros}),
        }

    def penalty_in_words(self) -> str:
        """Name the penalty and its strength.

        >>> FitRecord(C=0.5, l1_ratio=1.0).penalty_in_words(), FitRecord(C=math.inf).penalty_in_words()
        ('L1, C = 0.5', 'none (C = inf)')
        """
        if not self.is_penalised:
            return "none (C = inf)"
        kind = {0.0: "L2", 1.0: "L1"}.get(self.l1_ratio, f"elastic net with {self.l1_ratio:.0%} L1")
        of = " of standardised coefficients" if self.standardize else ""
        return f"{kind}{of}{', one choice of pixels for all classes' if self.group else ''}, C = {self.C:g}"

    @property
    def is_penalised(self) -> bool:
        """Whether C is finite."""
        return math.isfinite(self.C)

    @property
    def is_stretched(self) -> bool:
        """Whether the penalty saw stretched pixels."""
        return self.scale == "min-max"

    @property
    def is_single(self) -> bool:
        """Whether the penalty is that of the one row of two classes."""
        return self.binary == "logistic"

    @property
    def has_l2_only(self) -> bool:
        """Whether the penalty is half the sum of squares."""
        return self.is_penalised and self.l1_ratio == 0.0 and not self.standardize

    def problem(self, rows: Rows, codes: np.ndarray, n_classes: int) -> Problem:
        """Return the problem of a fit with these settings; `rows` as the penalty sees them."""
        return make_problem(
            rows, codes, np.ones(len(codes)), n_classes,
            C=self.C, l1_ratio=self.l1_ratio, group=self.group, single=self.is_single, standardize=self.standardize,
        )  # fmt: skip

    def fitted_estimator(
        self, coef: np.ndarray, intercept: np.ndarray, classes: tuple[str, ...]
    ) -> "SoftmaxRegression":
        """Return the estimator as the fit left it; rows and coefficients as the penalty sees them."""
        from inklens.linear.estimators import SoftmaxRegression

        model = SoftmaxRegression(
            C=self.C, l1_ratio=self.l1_ratio, group=self.group, standardize=self.standardize, binary=self.binary,
            tol=self.tol,
        )  # fmt: skip
        model.coef_, model.intercept_, model.classes_ = coef, intercept, np.array(classes)
        return model

    def estimator(self, *, tol: float | None = None, time_budget: float | None = None) -> "SoftmaxRegression":
        """Return an estimator that fits rows of ink, or of features of it, just as this fit did."""
        from inklens.linear.estimators import SoftmaxRegression
        from inklens.model.stretched import StretchedRegression

        kind = StretchedRegression if self.is_stretched else SoftmaxRegression
        return kind(
            C=self.C,
            l1_ratio=self.l1_ratio,
            group=self.group,
            standardize=self.standardize,
            binary=self.binary,
            tol=self.tol if tol is None else tol,
            time_budget=time_budget,
        )


@dataclass(frozen=True)
class AddedRecord:
    """Images of a folder that were added to the training rows."""

    folder: str
    rows: int
    checksum: str

    def to_json(self) -> dict[str, object]:
        """Return what a model file keeps."""
        return {"folder": _printed(self.folder), "rows": self.rows, "checksum": self.checksum}


@dataclass(frozen=True)
class DataRecord:
    """Which rows a model was fitted on; every entry may be missing.

    Parameters
    ----------
    name, licence, checksum : str or None
        Of the data set as it was loaded.
    spec : str or None
        How to load it; None where that is left to whoever asks.
    train, test : int or None
        Rows of each half.
    seed : int
        Of the split.
    has_own_split : bool
        Whether the halves are the source's own.
    added : AddedRecord or None
    relabelled : Relabelling or None
        Labels that were corrected.
    """

    name: str | None = None
    spec: str | None = None
    checksum: str | None = None
    licence: str | None = None
    train: int | None = None
    test: int | None = None
    seed: int = 9
    has_own_split: bool = False
    added: AddedRecord | None = None
    relabelled: Relabelling | None = None

    def to_json(self) -> dict[str, object]:
        """Return what a model file keeps, without what is missing, and without a path that is no UTF-8."""
        entries: dict[str, object] = {
            "spec": None if self.spec is None or _printed(self.spec) != self.spec else self.spec,
            "seed": self.seed,
            "train": self.train,
            "test": self.test,
            "relabel": None if self.relabelled is None else self.relabelled.to_json(),
            "add": None if self.added is None else self.added.to_json(),
            "name": None if self.name is None else _printed(self.name),
            "checksum": self.checksum,
            "licence": self.licence,
            "split": "own" if self.has_own_split else None,
        }
        return {name: value for name, value in entries.items() if value is not None}

    @classmethod
    def from_json(cls, record: object) -> "DataRecord":
        """Return the record; all of it missing where there is free text, or nothing.

        Raises
        ------
        ModelFileError
            An entry is of the wrong type.
        """
        if not isinstance(record, Mapping):
            return cls()
        entry = _Entries(record, "data")
        texts = {name: entry.text(name) for name in ("name", "spec", "checksum", "licence")}
        train, test = (entry.count(name, 0) if name in record else None for name in ("train", "test"))
        return cls(
            **texts,
            train=train,
            test=test,
            seed=entry.count("seed", cls.seed, largest=MOST_SEED),
            has_own_split=entry.text("split") == "own",
            added=_added(record.get("add")),
            relabelled=_relabelling(record.get("relabel")),
        )


def _printed(path: str) -> str:
    """Return a name or path as UTF-8 can hold it: bytes that are none become escapes, and lead nowhere."""
    return path.encode("utf-8", "backslashreplace").decode()


class _Entries:
    """Entries of one part of the header, each checked for its type."""

    def __init__(self, record: Record, part: str) -> None:
        self.record, self.part = record, part

    def number(self, name: str, missing: float, *, largest: float = math.inf) -> float:
        value = self.record.get(name, missing)
        most = min(largest, MOST_FLOAT)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= most:
            bound = "" if largest == math.inf else f" and at most {largest:g}"
            raise self.refusal(name, f"a number of at least 0{bound}")
        return float(value)

    def count(self, name: str, missing: int, *, largest: int = MOST_ROWS) -> int:
        value = self.record.get(name, missing)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
            raise self.refusal(name, f"a whole number from 0 to {largest}")
        return value

    def flag(self, name: str, missing: bool) -> bool:
        value = self.record.get(name, missing)
        if not isinstance(value, bool):
            raise self.refusal(name, "true or false")
        return value

    def text(self, name: str) -> str | None:
        value = self.record.get(name)
        if value is not None and not isinstance(value, str):
            raise self.refusal(name, "text")
        return value

    def choice(self, name: str, choices: tuple[str, ...], missing: str) -> str:
        value = self.record.get(name, missing)
        if value not in choices:
            raise self.refusal(name, " or ".join(map(repr, choices)))
        return str(value)

    def refusal(self, name: str, expected: str) -> ModelFileError:
        return ModelFileError(f"records {name}={self.record[name]!r} of its {self.part}; expected {expected}")


def _penalty_strength(record: Record) -> float:
    value = record["C"]
    if value == "inf":
        return math.inf
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value <= MOST_FLOAT:
        raise _Entries(record, "fit").refusal("C", "a number above 0, or 'inf'")
    return float(value)


def _certificate(record: Record, entry: _Entries) -> Certificate | None:
    if not {"objective", "lower_bound", "relative_gap", "status"} <= record.keys():
        return None
    status = entry.choice("status", ("certified", "separated", "stopped"), "")
    bound = record["lower_bound"]  # may lie below 0 by rounding
    if isinstance(bound, bool) or not isinstance(bound, int | float) or not abs(bound) <= MOST_FLOAT:
        raise entry.refusal("lower_bound", "a number")
    return Certificate(entry.number("objective", 0.0), float(bound), entry.number("relative_gap", 0.0), status)


def _added(record: object) -> AddedRecord | None:
    if record is None:
        return None
    if not isinstance(record, Mapping):
        raise ModelFileError(f"records add={record!r} of its data; expected a folder with the number of its rows")
    entry = _Entries(record, "added data")
    folder, checksum = entry.text("folder"), entry.text("checksum")
    if folder is None or checksum is None:
        raise ModelFileError("records added data without their folder or checksum")
    return AddedRecord(folder, entry.count("rows", 0), checksum)


def _are_changes(labels: object, dropped: object) -> bool:
    if not isinstance(labels, dict) or not isinstance(dropped, list):
        return False
    named = all(re.fullmatch("[0-9]{1,15}", row) and isinstance(label, str) for row, label in labels.items())
    return named and all(type(row) is int and 0 <= row <= MOST_ROWS for row in dropped)


def _relabelling(record: object) -> Relabelling | None:
    if record is None:
        return None
    try:
        if not isinstance(record, dict) or not _are_changes(record["labels"], record["dropped"]):
            raise TypeError("expected new labels by row, and rows to drop")
        return Relabelling.from_json({"labels": record["labels"], "dropped": record["dropped"]})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"records corrected labels that cannot be read: {error!r}") from error
