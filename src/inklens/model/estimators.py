"""Fitted classifiers of other makers as coefficients for plain ink: scikit-learn's, alone or behind scalers.

A scaler of single columns maps u to s u + o, so the coefficients w behind it are w s for u itself, with w . o added to
the intercept. Ink x in [0, 1] is u = F x where full ink was F in the rows of the fit.

Shapes: coef (n_classes, n_features), intercept (n_classes,), factor, offset (n_features,).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from scipy import sparse

from inklens.errors import DataError
from inklens.linear.softmax import per_class, raw_prediction, softmax
from inklens.names import beyond_unicode
from inklens.quiet import quiet

FULL_BYTE = 255.0  # full ink in rows of bytes
PROBES = 8  # random rows that a function of single columns, and the folded model, are tried on
FUNCTION_TOL = 1e-12  # relative; what rounding may make of a straight line
ANSWER_TOL = 1e-6  # between probabilities; scikit-learn answers float32 rows in float32

EXPECTED = (
    "expected a fitted SoftmaxRegression or scikit-learn LogisticRegression, alone or in a Pipeline behind "
    "MinMaxScaler, StandardScaler, MaxAbsScaler, RobustScaler or a FunctionTransformer such as X / 255"
)


@runtime_checkable
class LinearWeights(Protocol):
    """Coefficients, intercepts and classes of a fitted linear classifier."""

    @property
    def coef_(self) -> np.ndarray:
        """(n_classes, n_features), or one row for two classes."""

    @property
    def intercept_(self) -> np.ndarray:
        """(n_classes,), or one number for two classes."""

    @property
    def classes_(self) -> np.ndarray:
        """(n_classes,)."""


@dataclass(frozen=True, eq=False)
class Weights:
    """A softmax regression on plain ink."""

    coef: np.ndarray
    intercept: np.ndarray
    classes: tuple[str, ...]


def weights_of(estimator: object, *, full_ink: float | None = None) -> Weights:
    """Return the softmax regression on ink in [0, 1] that a fitted classifier is.

    Parameters
    ----------
    estimator : SoftmaxRegression, LogisticRegression, or a Pipeline of column scalers that ends in one
        Or a finished search over parameters of such. A two-class model with one row w, as scikit-learn's, is the
        softmax of -w/2 and w/2.
    full_ink : float, optional
        The value of full ink in the rows of the fit; if not given, 255 where the first step of the pipeline shows that
        it saw values above 1, else 1.

    Raises
    ------
    DataError
        Another kind of model, or one that is not fitted, or whose probabilities are no softmax of its scores.
    """
    steps, last = _parts(estimator)
    coef, intercept, classes = _softmax_of(last)
    full = full_ink if full_ink is not None else _full_ink(steps, coef.shape[1])
    factor, offset = np.full(coef.shape[1], full), np.zeros(coef.shape[1])
    for step in steps:
        scale, shift = _affine(step, coef.shape[1])
        factor, offset = factor * scale, offset * scale + shift
    found = Weights(coef * factor, intercept + coef @ offset, classes)
    _check_answers(found, estimator, full)
    return found


def _parts(estimator: object) -> tuple[list[object], LinearWeights]:
    """Return the steps before the classifier, and the classifier."""
    estimator = getattr(estimator, "best_estimator_", estimator)  # of a search over parameters
    chain = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    *before, last = chain
    if isinstance(last, type) or not hasattr(last, "predict_proba"):
        raise DataError(f"{EXPECTED}; got {_name(last)}, which gives no probabilities")
    if not isinstance(last, LinearWeights):
        state = "that is not fitted; call fit first" if hasattr(last, "fit") and _is_logistic(last) else "with no coef_"
        raise DataError(f"{EXPECTED}; got {_name(last)} {state}")
    return [step for step in before if step is not None and step != "passthrough"], last


def _is_logistic(estimator: object) -> bool:
    return any(kind.__name__ in ("SoftmaxRegression", "LogisticRegression") for kind in type(estimator).__mro__)


def _name(thing: object) -> str:
    return type(thing).__name__ if not isinstance(thing, type) else f"the class {thing.__name__} itself"


def _softmax_of(estimator: LinearWeights) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    held: Any = estimator.coef_
    held = held.toarray() if sparse.issparse(held) else held  # after sparsify()
    coef = np.atleast_2d(np.asarray(held, dtype=np.float64))
    intercept = np.atleast_1d(np.asarray(estimator.intercept_, dtype=np.float64))
    named = np.asarray(estimator.classes_)
    if beyond_unicode(named).any():
        raise DataError("a class has characters that are none in its name; read the labels again as text, and fit anew")
    classes = tuple(str(name) for name in named.tolist())
    if len(coef) == 1 and len(classes) == 2:
        coef, intercept = per_class(coef, intercept)
    return coef, np.broadcast_to(intercept, len(coef)), classes


def _affine(scaler: Any, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor and the offset of each column."""
    kind, ones, zeros = type(scaler).__name__, np.ones(n_features), np.zeros(n_features)
    if kind == "StandardScaler":
        scale = ones if scaler.scale_ is None else 1.0 / scaler.scale_
        return scale, zeros if scaler.mean_ is None or not scaler.with_mean else -scaler.mean_ * scale
    if kind == "MinMaxScaler" and not scaler.clip:
        return scaler.scale_, scaler.min_
    if kind == "MaxAbsScaler":
        return 1.0 / scaler.scale_, zeros
    if kind == "RobustScaler":
        scale = ones if scaler.scale_ is None else 1.0 / scaler.scale_
        return scale, zeros if scaler.center_ is None else -scaler.center_ * scale
    if kind == "FunctionTransformer":
        return _affine_function(scaler, n_features)
    why = " with clip=True" if kind == "MinMaxScaler" else ""
    raise DataError(f"{EXPECTED}; a {kind}{why} cannot be folded into coefficients; leave it out, and fit again")


def _affine_function(scaler: Any, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Return factor and offset of a function, once random rows have shown that it is a line in each column."""
    rows = np.random.default_rng(0).random((PROBES, n_features)) * FULL_BYTE
    rows[0], rows[1] = 0.0, FULL_BYTE
    try:
        made = np.asarray(scaler.transform(rows), dtype=np.float64)
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"the FunctionTransformer cannot be applied to rows of {n_features} columns: {error}"
        ) from error
    if made.shape == rows.shape:
        offset, factor = made[0], (made[1] - made[0]) / FULL_BYTE
        if np.allclose(
            made, rows * factor + offset, rtol=FUNCTION_TOL, atol=FUNCTION_TOL * np.abs(made).max(initial=0)
        ):
            return factor, offset
    raise DataError(
        f"{EXPECTED}; the function of this FunctionTransformer is not a factor and an offset for each column, so it "
        "cannot be folded into coefficients"
    )


def _full_ink(steps: list[object], n_features: int) -> float:
    """Return 255 where the first step shows that the fit saw values above 1, else 1."""
    if not steps:
        return 1.0
    first = steps[0]
    if type(first).__name__ == "FunctionTransformer":
        return FULL_BYTE if np.allclose(_affine(first, n_features)[0], 1.0 / FULL_BYTE) else 1.0
    return FULL_BYTE if any(largest > 1.0 for largest in _largest_seen(first)) else 1.0


def _largest_seen(scaler: object) -> Iterator[float]:
    """Yield numbers that exceed 1 only if the values that a scaler was fitted on did."""
    for name in ("data_max_", "max_abs_", "mean_", "center_"):
        if getattr(scaler, name, None) is not None:
            yield float(np.max(getattr(scaler, name)))
    variance = getattr(scaler, "var_", None)
    if variance is not None:
        yield 4.0 * float(np.max(variance))  # values in [0, 1] have a variance of at most 1/4


def _check_answers(found: Weights, estimator: Any, full_ink: float) -> None:
    """Refuse a model whose own probabilities are another function of its scores, such as one class against the rest."""
    frames = np.random.default_rng(0).random((PROBES, found.coef.shape[1]))
    with quiet():  # on names of columns, which a frame does not have
        theirs = np.asarray(estimator.predict_proba(frames * full_ink), dtype=np.float64)
    ours = np.asarray(softmax(raw_prediction(frames, found.coef, found.intercept)))
    if theirs.shape != ours.shape or np.abs(theirs - ours).max() > ANSWER_TOL:
        raise DataError(
            f"{EXPECTED}; the probabilities of this {_name(estimator)} are no softmax of its scores (as with one class "
            "against the rest); fit a multinomial logistic regression"
        )
