"""A model's certificate, computed again from its file and its data: what ``inklens verify`` does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inklens.errors import DataError
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.dual import DualPoint
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import log_softmax, raw_prediction
from inklens.reader import DigitReader
from inklens.tasks.model_rows import as_fitted, rows_of

VERIFY_TOLERANCE = 1e-7  # relative, for rounding: NumPy adds in another order than the kernels


@dataclass(frozen=True)
class Verification:
    """Objective and bound as the file states them, and as they were computed again."""

    stated: dict[str, float]
    objective: float
    lower_bound: float
    separated: bool | None = None  # None: the file does not claim it

    @property
    def relative_gap(self) -> float:
        """(objective - lower_bound) / objective."""
        return (self.objective - self.lower_bound) / self.objective if self.objective > 0.0 else 0.0

    @property
    def holds(self) -> bool:
        """Whether the objective is what the file states, and a bound nearly as good as the stated one is proven."""
        allowed = VERIFY_TOLERANCE * max(self.objective, np.finfo(float).tiny)
        return (
            abs(self.objective - self.stated["objective"]) <= allowed
            and self.lower_bound >= self.stated["lower_bound"] - allowed
            and self.separated is not False
        )

    def to_json(self) -> dict:
        """Return the document of ``inklens verify --json`` without the file name."""
        computed = {name: getattr(self, name) for name in ("objective", "lower_bound", "relative_gap")}
        return {"holds": self.holds, "stated": self.stated, "computed": computed, "separated": self.separated}


def verify(reader: DigitReader, *, data: str | None = None, progress: Callable | None = None) -> Verification:
    """Compute a model's objective and lower bound again from its file and its data, in float64 and plain NumPy.

    Nothing of the solver is used: coefficients give the objective, the dual point in the file gives the bound. A file
    without one has the softmax of its own coefficients for a dual point, whose gap is that of the coefficients.

    Raises
    ------
    DataError
        The data are not those of the fit, or the file holds no certificate.
    """
    from inklens.linear.problem.penalties import ElasticNet, penalty_of
    from inklens.linear.proofs import certificates

    fitted = reader.recorded("fit")
    if "objective" not in fitted:
        raise DataError("this model file holds no certificate; fit it again with inklens fit")
    recorded = reader.recorded("data")
    if "checksum" not in recorded:
        raise DataError(
            "this model states a certificate, but its file does not say which rows it was fitted on, so nothing can be "
            "computed again; verify a model made by inklens fit, or the reader that ships"
        )
    if data is None and "spec" not in recorded:
        raise DataError(f"this model was fitted on {recorded['name']}; name a copy, as --data mnist or --data idx:DIR")
    _, rows, notes = rows_of(reader, data, progress=progress)
    if notes:
        raise DataError(f"{notes[0]}; a certificate speaks of its own rows only, name them with --data")
    unpenalised = fitted["C"] == "inf"
    penalty = ElasticNet(0.0, 0.0) if unpenalised else penalty_of(fitted["l1_ratio"], group=fitted["group"])
    weights = np.full(len(rows.y_train), 1.0 if unpenalised else float(fitted["C"]))
    codes = np.searchsorted(np.array(reader.classes), rows.y_train).astype(np.int32)
    X, coef, intercept = as_fitted(reader, rows.X_train)
    log_proba = log_softmax(raw_prediction(X, coef, intercept))
    objective = -float(weights @ log_proba[np.arange(len(codes)), codes]) + penalty.value(coef)
    bound, separated = 0.0, None
    if fitted["status"] == "separated":
        separated = certificates.separation(Rows.of(X), codes, coef, intercept) is not None
    elif reader.dual is not None or not unpenalised:
        dual = reader.dual or DualPoint(coef, intercept)  # of the coefficients themselves, where the file has no other
        bound = certificates.lower_bound(X, codes, weights, penalty, dual)
    else:
        problem = Problem(Rows.of(X), codes, weights, len(reader.classes), penalty)
        bound, _ = certificates.unpenalised_bound(problem, coef, RowArray.of(np.exp(log_proba)))
    stated = {name: fitted[name] for name in ("objective", "lower_bound", "relative_gap")}
    return Verification(stated, objective, float(bound), separated)
