"""Keep one's own digits, ready to be fitted: what ``inklens collect`` does."""

import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from inklens.errors import ParameterError, PhotoError
from inklens.progress import Progress
from inklens.storage import write_inside

FORBIDDEN = set('/\\:*?"<>|') | {chr(code) for code in range(32)}
MAX_LABEL = 60  # characters


def collect(
    pictures: Iterable[str],
    *,
    label: str,
    folder: str | os.PathLike[str],
    recipe: str = "faithful",
    anyway: bool = False,
    progress: Progress | None = None,
    **parameters: Any,
) -> tuple[list[Path], list[PhotoError]]:
    """Normalise pictures of one digit each and keep the frames as ``folder/label/NAME.png``.

    The name follows from the content, so that the same picture is kept once. ``folder:FOLDER`` reads the result.

    Parameters
    ----------
    recipe, **parameters
        Those of `Normaliser`.
    anyway : bool, default=False
        Keep pictures, too, that do not look like a digit.

    Returns
    -------
    kept : list of Path
    refused : list of PhotoError
        One for each picture that could not be read or does not look like a digit.

    Raises
    ------
    ParameterError
        A label that is no name of a folder.
    OutputError
        The folder cannot be written.
    """
    place = Path(folder) / check_label(label)
    kept, refused = [], []
    pictures = list(pictures)
    for done, picture in enumerate(pictures):
        if progress is not None:
            progress(done, len(pictures), Path(picture).name)
        try:
            png = _frame_png(picture, anyway=anyway, recipe=recipe, **parameters)
        except PhotoError as error:
            refused.append(PhotoError(f"{picture}: {error}", code=error.code))
            continue
        path = place / f"{hashlib.sha256(png).hexdigest()[:16]}.png"
        write_inside(path, png)
        kept.append(path)
    return kept, refused


def check_label(label: str) -> str:
    """Return the label, or say why it can be no folder's name."""
    plain = label.strip()
    if not plain or plain.startswith(".") or len(plain) > MAX_LABEL or FORBIDDEN & set(plain):
        raise ParameterError(f"a label is a plain name such as 7, of at most {MAX_LABEL} characters; got {label!r}")
    return plain


def _frame_png(picture: str, *, anyway: bool, **parameters: Any) -> bytes:
    from PIL import Image

    from inklens.photos import normalise
    from inklens.photos.checks import advice

    seen = normalise(picture, **parameters)
    if not (seen.accepted or anyway):
        raise PhotoError(f"not kept: {advice(seen.reasons)} (--anyway keeps it)", code="not-a-digit")
    buffer = io.BytesIO()
    Image.fromarray(np.rint(seen.frame * 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
