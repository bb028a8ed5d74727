"""How good a model is, with its uncertainty: counts, intervals, calibration, conformal sets, and its coefficients."""

from inklens.evaluation.calibration import Bin, Calibration, Temperature
from inklens.evaluation.chance import weak_share
from inklens.evaluation.comparison import Comparison, mcnemar, paired_difference
from inklens.evaluation.conformal import Conformal, covered, set_in_words
from inklens.evaluation.counts import Evaluation, confusion_matrix, most_confident_mistakes
from inklens.evaluation.curvature import Curvature, curvature
from inklens.evaluation.intervals import Proportion, proportion
from inklens.evaluation.stability import Stability, stability

__all__ = [
    "Bin",
    "Calibration",
    "Comparison",
    "Conformal",
    "Curvature",
    "Evaluation",
    "Proportion",
    "Stability",
    "Temperature",
    "confusion_matrix",
    "covered",
    "curvature",
    "mcnemar",
    "most_confident_mistakes",
    "paired_difference",
    "proportion",
    "set_in_words",
    "stability",
    "weak_share",
]
