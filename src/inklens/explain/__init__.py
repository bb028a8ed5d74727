"""Why a model answered what it answered."""

from inklens.explain.evidence import Evidence, explain

__all__ = ["Evidence", "explain"]
