"""The answer to every image as a table that a spreadsheet opens."""

import csv
import io
from collections.abc import Sequence

import numpy as np


def predictions_csv(y_true: np.ndarray, proba: np.ndarray, classes: Sequence[str], *, index: np.ndarray) -> str:
    """Return one line an image: its number, its row in the data set, true class, answer, right or not, probabilities.

    Parameters
    ----------
    y_true : str array (n_samples,)
    proba : array (n_samples, n_classes)
    classes : sequence of str
        In the order of `proba`.
    index : int array (n_samples,)
        Row of each image in the data set.

    Examples
    --------
    >>> print(predictions_csv(np.array(["b"]), np.array([[0.75, 0.25]]), ["a", "b"], index=np.array([7])))
    image,row,true,answer,right,p_a,p_b
    0,7,b,a,no,0.75,0.25
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["image", "row", "true", "answer", "right", *(f"p_{name}" for name in classes)])
    answers = np.array(classes)[proba.argmax(axis=1)]
    for number, (row, true, answer, p) in enumerate(zip(index.tolist(), y_true, answers, proba.tolist(), strict=True)):
        right = "yes" if true == answer else "no"
        table.writerow([number, row, true, answer, right, *(f"{value:.6g}" for value in p)])
    return text.getvalue()
