"""Why a model answered what it answered, and what would change its mind."""

from inklens.explanations.evidence import Evidence, SpreadEvidence, StrokeEvidence, explain
from inklens.explanations.flips import Flip, flip
from inklens.explanations.identifiability import Identifiability, identifiability
from inklens.explanations.label_errors import LabelErrors, OutOfFold, out_of_fold
from inklens.explanations.plausible import usual_ink
from inklens.explanations.radii import Robustness, robustness
from inklens.explanations.strokes import Stroke, strokes
from inklens.explanations.votes import Voters, Votes

__all__ = [
    "Evidence",
    "Flip",
    "Identifiability",
    "LabelErrors",
    "OutOfFold",
    "Robustness",
    "SpreadEvidence",
    "Stroke",
    "StrokeEvidence",
    "Voters",
    "Votes",
    "explain",
    "flip",
    "identifiability",
    "out_of_fold",
    "robustness",
    "strokes",
    "usual_ink",
]
