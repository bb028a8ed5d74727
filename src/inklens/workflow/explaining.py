"""Explain answers and change them: what ``inklens explain`` and ``inklens flip`` do."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from inklens.errors import ParameterError
from inklens.explanations import Evidence, Flip, explain, flip
from inklens.reader import DigitReader
from inklens.workflow.reading import STDIN


def picture_frame(
    reader: DigitReader, picture: str | None, *, sample: int | None = None, data: str | None = None
) -> tuple[np.ndarray, str]:
    """Return the frame of a picture ("-": standard input) or of a test row, and its name for people.

    Raises
    ------
    PhotoError, ParameterError
        The picture cannot be read, or there is no such row.
    """
    if sample is not None:
        from inklens.workflow.models import sample_frame

        frame, label = sample_frame(reader, sample, data=data)
        return frame, f"test row {sample}, a {label}"
    assert picture is not None
    return reader.frame(sys.stdin.buffer.read() if picture == STDIN else picture), os.fsencode(picture).decode(
        "utf-8", "backslashreplace"
    )


def explain_frame(reader: DigitReader, frame: np.ndarray, against: str | None = None) -> tuple[Evidence, str]:
    """Return the evidence for a frame, and the class that the answer is compared with: by default the runner-up."""
    evidence = explain(reader, frame)
    if against == evidence.label:
        raise ParameterError(f"the answer is {against!r} itself; compare it with another class")
    if against is not None:
        evidence.log_odds(evidence.label, against)
    return evidence, against or evidence.rival


def save_explanation(
    evidence: Evidence, path: str | os.PathLike[str], *, against: str, view: str = "between", scale: float = 0.5
) -> Path:
    """Draw the answer against one class ("between"), or the evidence rows of every class ("classes")."""
    if view == "classes":
        from inklens.workflow.figures import save_evidence

        return save_evidence(evidence, path, scale=scale)
    from inklens.displays import ReasonsDisplay

    return ReasonsDisplay.from_evidence(evidence, evidence.label, against).save(path)


def flip_frame(
    reader: DigitReader, frame: np.ndarray, to: str | None = None, **options: Any
) -> tuple[Flip, dict[str, dict[str, float]]]:
    """Return the flip of a frame, and its robustness radii by measure, within the box and without it."""
    from inklens.explanations.radii import robustness

    found = flip(reader, frame, to, **options)
    radii = robustness(reader, frame[None])
    return found, {
        name: {"boxed": float(radii.boxed[name][0]), "free": float(radii.free[name][0])} for name in radii.boxed
    }


def save_flip(found: Flip, path: str | os.PathLike[str], *, radius: float | None = None) -> Path:
    """Draw a flip: before, what changes, after, and what is proven."""
    from inklens.displays import FlipDisplay

    return FlipDisplay.from_flip(found, radius=radius).save(path)
