"""Rounds of Newton's method in one call, on rows in one piece of memory: `Rows.takes_rounds` tells of these."""

from inklens.linear.kernels.rounds import LastRound, NewtonRounds, Rounds, Start
from inklens.linear.kernels.storage import Storage
from inklens.linear.rows.rows import Rows


def smooth_rounds(rows: Rows, start: Start) -> Rounds:
    """Return Newton's points from a start, for ridges alone; see `NewtonRounds.smooth`."""
    storage, taker = _taker(rows)
    found = taker.smooth(storage, start.of_stored(rows.scale), rows.threads(len(start.coef)))
    rows.n_passes += found.n_readings + len(found.steps)
    for values in (found.points, found.steps):
        values[:, :-1] /= rows.scale
    return found


def thresholded_rounds(rows: Rows, start: Start) -> LastRound:
    """Return where Newton's steps under thresholds lead; see `NewtonRounds.thresholded`."""
    storage, taker = _taker(rows)
    found = taker.thresholded(storage, start.of_stored(rows.scale), rows.threads(len(start.coef)))
    rows.n_passes += found.n_readings + found.n_rounds
    return found._replace(coef=found.coef / rows.scale)


def _taker(rows: Rows) -> tuple[Storage, NewtonRounds]:
    storage = rows.in_one_piece
    assert storage is not None
    assert storage.backend.rounds is not None
    return storage, storage.backend.rounds
