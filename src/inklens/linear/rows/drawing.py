"""Rows that stand for all: drawn by what they weigh, the heaviest for certain."""

from collections.abc import Callable

import numpy as np

THRESHOLD_ROUNDS = 8  # in which rows become certain to be drawn; few take more than two


def sample(importance: np.ndarray, n_wanted: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Return rows drawn with probability min(1, importance / threshold), and their weights; None for all rows.

    >>> rows, weights = sample(np.array([5.0, 1.0, 1.0, 1.0]), 2)
    >>> bool(0 in rows), float(weights[0])
    (True, 1.0)
    """
    if n_wanted >= len(importance):
        return None, np.ones(len(importance), dtype=np.float32)

    def beside_certain(threshold: float) -> tuple[int, float]:
        certain = importance >= threshold
        return int(certain.sum()), float(importance[~certain].sum())

    threshold = threshold_of(n_wanted, float(importance.sum()), beside_certain)
    probability = np.minimum(importance, threshold) / threshold  # a threshold near 0 is no divisor of large numbers
    rows = np.flatnonzero(np.random.default_rng(0).random(len(importance)) < probability)
    return rows, (1.0 / probability[rows]).astype(np.float32)


def threshold_of(n_wanted: int, total: float, beside_certain: Callable[[float], tuple[int, float]]) -> float:
    """Return the importance from which rows are certain to be drawn, so that about so many are.

    `beside_certain` tells of a threshold how many rows reach it, and what all others weigh.
    """
    threshold = total / n_wanted
    for _ in range(THRESHOLD_ROUNDS):  # rows that are certain to enter leave the others more room
        n_certain, rest = beside_certain(threshold)
        room = n_wanted - n_certain
        if room <= 0 or not n_certain:
            break
        threshold = rest / room
    return max(threshold, float(np.finfo(np.float32).tiny))
