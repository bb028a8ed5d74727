"""Figures that commands write on request."""

import os
from collections.abc import Sequence
from pathlib import Path

from inklens.evaluation import Evaluation
from inklens.explanations import Evidence
from inklens.reader import Reading


def save_confusions(scores: Evaluation, folder: str | os.PathLike[str]) -> list[Path]:
    """Write the confusion matrix in counts and with rows that sum to 1."""
    from inklens.displays import ConfusionMatrixDisplay

    kinds = {"confusion-counts.svg": None, "confusion-normalised.svg": "true"}
    return [
        ConfusionMatrixDisplay(scores.confusion, class_names=scores.classes, normalize=normalize).save(
            Path(folder) / name
        )
        for name, normalize in kinds.items()
    ]


def save_evidence(evidence: Evidence, path: str | os.PathLike[str], *, scale: float) -> Path:
    """Write the evidence rows; `scale` is the colour range of the contributions relative to that of the weights."""
    import numpy as np

    from inklens.displays import EvidenceDisplay

    display = EvidenceDisplay(
        evidence.frame, coef=evidence.coef, intercept=evidence.intercept, class_names=evidence.classes
    )
    largest = float(np.abs(evidence.coef).max())
    return display.plot(scale=largest, evidence_scale=scale * largest).save(path)


def save_steps(reading: Reading, path: str | os.PathLike[str]) -> Path:
    """Write the pictures of a recipe's steps with what was done in each, and the answer under the last."""
    from inklens.displays import RecipeStepsDisplay

    captions = [f"{step.name}: {step.note}" if step.note else step.name for step in reading.steps]
    answers: Sequence[str | None] = [None] * (len(captions) - 1) + [f"{reading.label}: {reading.probability:.0%}"]
    return RecipeStepsDisplay([step.picture for step in reading.steps], captions=captions, answers=answers).save(path)
