"""How a fitted model decides one digit: which of the ways below is asked depends on what the model is.

Shapes: x (n_features,) the digit as the model is fed; ink (rows, cols) the same as a picture in [0, 1]; X (n_samples,
n_features) and y (n_samples,) the training rows.
"""

from collections.abc import Callable, Sequence

import numpy as np

from inklens.siblings import duels, linear_ways, neighbour_ways, tree_ways, without_ink
from inklens.siblings.digits import Digit
from inklens.siblings.recipes import Classifier
from inklens.siblings.results import Decision
from inklens.siblings.rivals import Asked

Way = Callable[[Asked], Decision | None]

WAYS: Sequence[Way] = (
    linear_ways.strokes,
    linear_ways.ours,
    linear_ways.linear,
    neighbour_ways.neighbours,
    tree_ways.one_tree,
    tree_ways.many_trees,
    tree_ways.adaptive_boosting,
    tree_ways.histogram_boosting,
    duels.support_vectors,
    without_ink.patches,
)


def decide(model: Classifier, x: np.ndarray, ink: np.ndarray, X: np.ndarray, y: np.ndarray, digit: Digit) -> Decision:
    """Ask a model how it decides a digit: the first way that knows such models tells.

    The answer is compared with the truth, or, where it is the truth, with the rival.
    """
    said = str(model.predict(x[None])[0])
    against = digit.true if said != digit.true else digit.rival
    asked = Asked(model, x, ink, X, y, said, against)
    return next(found for way in WAYS if (found := way(asked)) is not None)
