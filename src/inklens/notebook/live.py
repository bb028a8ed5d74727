"""What a notebook shows alive without a kernel: the face with a model, a path or judged rows, in a frame of its own."""

from inklens.datasets import Split
from inklens.errors import ParameterError
from inklens.linear.path import SoftmaxPath
from inklens.notebook import models
from inklens.reader import DigitReader
from inklens.tasks.paths import PathRun
from inklens.web.live import LivePage
from inklens.web.page import document


def live(
    shown: DigitReader | SoftmaxPath | PathRun,
    split: Split | None = None,
    *,
    view: str | None = None,
    language: str = "en",
) -> LivePage:
    """Return a page to draw on, to move the penalty on, or to look at mistakes in; a notebook shows it in a frame.

    Parameters
    ----------
    shown : DigitReader, SoftmaxPath or PathRun
        A model; or a path, whose points a slider moves over.
    split : Split, optional
        For a path: the rows that its accuracies are counted on. For a model: its test half becomes a confusion
        matrix.
    view : str, optional
        Key of the view that is open at first ("draw", "see", "fool", "penalty", "judge", "learn"); by default the one
        that shows what was given.
    language : {"en", "de"}

    Returns
    -------
    LivePage
        Its script needs neither a kernel nor a network; widgets (`DrawDigit` and others) tell Python what one does.

    Raises
    ------
    ParameterError
        A path without accuracies, and no rows to count them on; something that is neither a model nor a path.

    Examples
    --------
    >>> import numpy as np
    >>> from inklens import DigitReader
    >>> live(DigitReader(np.eye(2, 4), np.zeros(2), ("left", "right"), (2, 2)))
    LivePage: DigitReader: 2 classes, ... kB; a notebook shows it alive
    """
    if isinstance(shown, DigitReader):
        model = models.model_alone(shown) if split is None else models.model_with_rows(shown, split)
        title, opens = f"DigitReader: {len(shown.classes)} classes", "draw" if split is None else "judge"
    elif isinstance(shown, SoftmaxPath | PathRun):
        run, _, model = models.model_with_path(shown, split)
        title, opens = f"{len(run.path)} fits along C", "penalty"
    else:
        raise ParameterError(f"expected a DigitReader or a path of softmax_path, got {type(shown).__name__}")
    return LivePage(document(model, language=language, kind="output", opens=view or opens), title)
