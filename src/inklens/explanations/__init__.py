"""Why a model answered what it answered."""

from inklens.explanations.evidence import Evidence, explain

__all__ = ["Evidence", "explain"]
