"""What a method offers to the driver."""

from typing import NamedTuple

import numpy as np

from inklens.linear.proofs.certificates import Separation
from inklens.linear.proofs.dual import DualPoint


class Iterate(NamedTuple):
    """A point, and the method's own estimate of what can be proven about it."""

    coef: np.ndarray  # (n_classes, n_features)
    intercept: np.ndarray  # (n_classes,)
    objective: float  # as the method's own passes saw it
    gap: float = np.inf  # estimate of objective - lower bound
    dual: DualPoint | None = None  # the dual point behind the estimate; None: softmax at the point
    stationary: bool = False  # the method cannot improve
    separation: Separation | None = None  # proof that no optimum exists, without a penalty
