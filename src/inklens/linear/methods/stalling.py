"""When to give up: a method that halves nothing for long gets nowhere."""

import numpy as np

ADVANCE_RATIO = 0.5  # what counts as an advance: a number that falls to this share of what it was at the last one


class Progress:
    """Watches numbers that should fall, and counts the rounds since one of them last halved.

    >>> progress = Progress(most_rounds=2)
    >>> [progress.is_lost(gap) for gap in (8.0, 7.0, 4.0, 3.9, 3.8)]
    [False, False, False, False, True]
    """

    def __init__(self, most_rounds: int) -> None:
        self.most_rounds, self.n_rounds = most_rounds, 0
        self.least = np.empty(0)

    def is_lost(self, *numbers: float) -> bool:
        """Take the numbers of one round; tell whether too many have gone by."""
        now = np.array(numbers)
        if not len(self.least):
            self.least = np.full(len(now), np.inf)
        fallen = np.isfinite(now) & (now <= ADVANCE_RATIO * self.least)
        self.least[fallen] = now[fallen]
        self.n_rounds = 0 if fallen.any() else self.n_rounds + 1
        return self.n_rounds >= self.most_rounds
