"""A model's certificate, computed again from its file and its data: what ``inklens verify`` does."""

from dataclasses import dataclass

import numpy as np

from inklens.errors import DataError
from inklens.linear.methods import refining
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates, unpenalised
from inklens.linear.proofs.dual import DualPoint
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import log_softmax, raw_prediction
from inklens.model.records import Certificate
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.tasks.session import Session, Weights

VERIFY_TOLERANCE = 1e-7  # relative, for rounding: NumPy adds in another order than the kernels
FEATURE_TOLERANCE = 5e-6  # the same where features are computed, in single precision and once with coarser sums


@dataclass(frozen=True)
class Verification:
    """Objective and bound as the file states them, and as they were computed again."""

    stated: Certificate
    objective: float
    lower_bound: float
    separated: bool | None = None  # None: the file does not claim it
    tolerance: float = VERIFY_TOLERANCE  # of the objective

    @property
    def relative_gap(self) -> float:
        """(objective - lower_bound) / objective."""
        return (self.objective - self.lower_bound) / self.objective if self.objective > 0.0 else 0.0

    @property
    def holds(self) -> bool:
        """Whether the objective is what the file states, and a gap hardly larger than the stated one is proven."""
        scale, moved = max(self.objective, np.finfo(float).tiny), self.objective - self.stated.objective
        expected = self.stated.lower_bound + (moved if self.separated is None else 0.0)  # features move both alike
        return (
            abs(moved) <= self.tolerance * scale
            and self.lower_bound >= expected - VERIFY_TOLERANCE * scale
            and self.separated is not False
        )

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens verify --json`` without the file name."""
        computed = {name: getattr(self, name) for name in ("objective", "lower_bound", "relative_gap")}
        return {"holds": self.holds, "stated": self.stated.numbers(), "computed": computed, "separated": self.separated}


def verify(reader: DigitReader, *, data: str | None = None, progress: Progress | None = None) -> Verification:
    """Compute a model's objective and lower bound again from its file and its data, in float64 and plain NumPy.

    Nothing of the solver is used: coefficients give the objective, the dual point in the file gives the bound. A file
    without one has the softmax of its own coefficients for a dual point, whose gap is that of the coefficients.

    Raises
    ------
    DataError
        The data are not those of the fit, or the file holds no certificate.
    """
    record, stated = reader.fit_record, None if reader.fit_record is None else reader.fit_record.certificate
    if record is None or stated is None:
        raise DataError("this model file holds no certificate; fit it again with inklens fit")
    known = reader.data_record
    if known.checksum is None:
        raise DataError(
            "this model states a certificate, but its file does not say which rows it was fitted on, so nothing can be "
            "computed again; verify a model made by inklens fit, or the reader that ships"
        )
    if data is None and known.spec is None:
        raise DataError(f"this model was fitted on {known.name}; name a copy, as --data mnist or --data idx:DIR")
    session = Session.of(reader, data=data, progress=progress)
    session.require_rows_of_fit("a certificate speaks of its own rows only, name them with --data")
    X, weights = session.exact_training_rows()
    problem = record.problem(Rows.of(X), session.training_codes, len(reader.classes))
    objective, proba = _objective(problem, X, *weights)
    tolerance = VERIFY_TOLERANCE if reader.features == "pixels" else FEATURE_TOLERANCE
    if stated.status == "separated":
        separates = certificates.separation(problem.rows, problem.codes, *weights) is not None
        return Verification(stated, objective, 0.0, separates, tolerance)
    bound = _lower_bound(problem, X, proba, weights, reader.dual, stated.lower_bound)
    return Verification(stated, objective, bound, tolerance=tolerance)


@np.errstate(under="ignore")
def _objective(problem: Problem, X: np.ndarray, coef: np.ndarray, intercept: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the objective, and the probabilities (n_samples, n_classes), in plain NumPy."""
    log_proba = log_softmax(raw_prediction(X, coef, intercept))
    losses = -log_proba[np.arange(len(X)), problem.codes]
    return float(problem.weights @ losses) + problem.penalty.value(coef), np.exp(log_proba)


def _lower_bound(
    problem: Problem, X: np.ndarray, proba: np.ndarray, weights: Weights, dual: DualPoint | None, stated: float
) -> float:
    if dual is not None or problem.is_penalised:
        point = dual or DualPoint(*weights)  # of the coefficients themselves, where the file has no other
        return float(certificates.lower_bound(X, problem.codes, problem.weights, problem.penalty, point))
    found, _ = unpenalised.bound(problem, weights[0], [RowArray.of(proba)])
    if found >= (1.0 - VERIFY_TOLERANCE) * stated:
        return found
    # The softmax proves what is of first order in the way that is left to go, a step from there what is of second.
    step = refining.refined(problem, *weights)
    return found if step is None else max(found, unpenalised.bound(problem, weights[0], [step.proba(problem.rows)])[0])
