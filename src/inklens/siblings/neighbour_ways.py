"""Nearest neighbours: the training rows that vote."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from inklens.siblings.results import Decision, Voter
from inklens.siblings.rivals import Asked


def neighbours(asked: Asked) -> Decision | None:
    """Name the neighbours, how far away they are, and what each one's vote weighs."""
    model = asked.model
    if not isinstance(model, KNeighborsClassifier) or model.weights not in ("uniform", "distance"):
        return None
    distances, rows = (found[0] for found in model.kneighbors(asked.x[None]))
    weights = vote_weights(distances, model.weights)
    shares = np.array([weights[asked.y[rows].astype(str) == name].sum() for name in asked.classes])
    sign = {asked.said: 1.0, asked.against: -1.0}
    voters = tuple(
        Voter(int(row), label, float(weight * sign.get(label, 0.0)), f"{distance:.2f} away\n{weight:.0%} of the vote")
        for row, distance, weight, label in zip(rows, distances, weights, asked.y[rows].astype(str), strict=True)
    )
    nearest = asked.y[rows].astype(str)
    return Decision(
        asked.said,
        asked.against,
        asked.by_class(shares),
        "share of the vote",
        asked.between(shares),
        (f"Its {len(rows)} nearest training images are labelled {', '.join(nearest)}.",),
        voters=voters,
    )


def vote_weights(distances: np.ndarray, weights: str) -> np.ndarray:
    """Return each neighbour's share of the vote: the same, or in proportion to 1 / distance; a twin alone decides.

    >>> vote_weights(np.array([1.0, 2.0, 2.0]), "distance").tolist()
    [0.5, 0.25, 0.25]
    """
    if weights == "uniform":
        votes = np.ones_like(distances)
    else:
        votes = 1.0 / distances if (distances > 0).all() else (distances == 0).astype(float)
    return np.asarray(votes / votes.sum())
