"""Why a model answered what it answered."""

from inklens.explanations.evidence import Evidence, explain
from inklens.explanations.flips import Flip, flip

__all__ = ["Evidence", "Flip", "explain", "flip"]
