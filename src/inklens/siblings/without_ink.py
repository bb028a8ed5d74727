"""Any classifier: what its answer loses where a patch of ink is taken away."""

import numpy as np

from inklens.siblings.results import Decision
from inklens.siblings.rivals import Asked, class_scores

PATCH = 4  # pixels on each side; a stroke is 2 to 4 wide


def patches(asked: Asked) -> Decision:
    """Erase each patch of the digit in turn, and see how far the answer's lead falls."""
    rows, cols = asked.ink.shape
    tops, lefts = range(0, rows, PATCH), range(0, cols, PATCH)
    erased = np.repeat(asked.x[None], 1 + len(tops) * len(lefts), axis=0)
    pictures = erased.reshape(-1, rows, cols)  # a view
    for number, (top, left) in enumerate(((top, left) for top in tops for left in lefts), 1):
        pictures[number, top : top + PATCH, left : left + PATCH] = 0
    scores, unit = _scores(asked, erased)
    i, j = asked.pair
    lead = scores[:, i] - scores[:, j]
    falls = (lead[0] - lead[1:]).reshape(len(tops), len(lefts))
    drawn = np.kron(falls, np.ones((PATCH, PATCH)))[:rows, :cols] / PATCH**2
    turned = sum(np.argmax(scores[1:], axis=1) != i)
    return Decision(
        asked.said,
        asked.against,
        asked.by_class(scores[0]),
        unit,
        float(lead[0]),
        (
            f"Of {len(scores) - 1} patches of {PATCH} x {PATCH} pixels, erasing {turned} alone changes the answer.",
            "The map shows what each patch's ink does for the lead; such effects do not sum to it.",
        ),
        pixels=asked.picture(drawn),
        additive=False,
    )


def _scores(asked: Asked, X: np.ndarray) -> tuple[np.ndarray, str]:
    """Return probabilities, else scores, else the bare answer as 0 and 1; (n, n_classes), and what they are."""
    for name, unit in (("predict_proba", "probability"), ("decision_function", "score")):
        if hasattr(asked.model, name):
            scores = class_scores(np.asarray(getattr(asked.model, name)(X)))
            if scores.shape[1] == len(asked.classes):
                return scores, unit
    said = np.asarray(asked.model.predict(X)).astype(str)
    return (said[:, None] == np.array(asked.classes)).astype(float), "answer"
