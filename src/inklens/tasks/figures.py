"""Figures that commands write on request."""

import os
from collections.abc import Sequence
from pathlib import Path

from inklens.evaluation import Evaluation
from inklens.explanations import Evidence, SpreadEvidence
from inklens.reader import DigitReader, Reading

BOX_COLOUR, DOUBT_COLOUR = "#0b5394", "#b45309"  # blue and orange, told apart by every kind of colour vision
SMALLEST_PICTURE = 240  # pixels of the longer side; smaller pictures are enlarged, so that boxes and labels have room


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

    if isinstance(evidence, SpreadEvidence):
        from inklens.displays import CoefficientMapsDisplay

        return CoefficientMapsDisplay(evidence.centred, class_names=evidence.classes).save(path)
    display = EvidenceDisplay(
        evidence.frame, coef=evidence.coef, intercept=evidence.intercept, class_names=evidence.classes
    )
    largest = float(np.abs(evidence.coef).max())
    return display.plot(scale=largest, evidence_scale=scale * largest).save(path)


def save_boxes(
    picture: str | os.PathLike[str],
    digits: Sequence[Reading],
    path: str | os.PathLike[str],
    *,
    orientation: int | None = None,
) -> Path:
    """Write the picture as a PNG with a frame and the answer at every digit; doubtful ones are orange, with a "?"."""
    import io

    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    from inklens.photos import decode
    from inklens.storage import check_ending, write_bytes

    path = Path(path)
    check_ending(path, (".png",))
    seen = decode(picture, orientation=orientation)
    image = Image.fromarray((seen.gray.clip(0.0, 1.0) * 255).astype("uint8")).convert("RGB")
    times = -(-SMALLEST_PICTURE // max(image.size))
    image = image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST)
    scale = image.width / seen.size[0]
    draw = ImageDraw.Draw(image)
    size = max(18, image.height // 24)
    line = max(2, size // 10)
    last = np.array([image.width, image.height] * 2) - 1
    font = ImageFont.load_default(size)
    for reading in digits:
        colour = BOX_COLOUR if reading.accepted else DOUBT_COLOUR
        around = np.array(reading.box) * scale + [-line - 1, -line - 1, line, line]  # beside the ink, not on it
        left, top, right, bottom = np.clip(around.round(), 0, last).tolist()
        draw.rectangle((left, top, right, bottom), outline=colour, width=line)
        label = reading.label if reading.accepted else f"{reading.label}?"
        place = (left, max(0.0, top - 1.25 * size))
        draw.text(place, label, fill=colour, font=font, stroke_width=max(1, size // 12), stroke_fill="white")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())
    return path


def save_steps(reading: Reading, path: str | os.PathLike[str], *, reader: DigitReader) -> Path:
    """Write the pictures of a recipe's steps, what was done in each, and what the model would say of it."""
    import numpy as np

    from inklens.displays import RecipeStepsDisplay

    captions = [f"{step.name}: {step.note}" if step.note else step.name for step in reading.steps]
    proba = reader.predict_proba(np.array([step.as_frame() for step in reading.steps]))
    answers = [f"{reader.classes[row.argmax()]}: {row.max():.0%}" for row in proba]
    return RecipeStepsDisplay([step.picture for step in reading.steps], captions=captions, answers=answers).save(path)
