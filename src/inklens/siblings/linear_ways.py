"""Linear models: what each pixel adds. Ours under L2, moreover, is a vote of its training rows."""

from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from inklens.displays.base import class_weights
from inklens.explanations import Votes, explain
from inklens.linear.estimators import SoftmaxRegression
from inklens.linear.softmax import raw_prediction, softmax
from inklens.reader import DigitReader
from inklens.siblings.results import Decision, Voter
from inklens.siblings.rivals import Asked, signed
from inklens.siblings.strokes import StrokeSoftmax

MOST_VOTERS = 6  # training rows that are shown on each side


def linear(asked: Asked) -> Decision | None:
    """Take the margin of a linear model apart into pixels: (w_a - w_b) x."""
    if not isinstance(asked.model, SoftmaxRegression | LogisticRegression | LinearSVC):
        return None
    coef, intercept, _ = class_weights(asked.model)
    i, j = asked.pair
    z = coef @ asked.x + intercept
    softly = not isinstance(asked.model, LinearSVC)
    return Decision(
        asked.said,
        asked.against,
        asked.by_class(z),
        "score" if not softly else "score z",
        asked.between(z),
        (
            f"Weight times ink, added up over all pixels, gives {asked.said} a lead of {asked.between(z):.2f} over "
            f"{asked.against}.",
        ),
        pixels=asked.picture((coef[i] - coef[j]) * asked.x),
        offset=float(intercept[i] - intercept[j]),
    )


def ours(asked: Asked) -> Decision | None:
    """Add what the training rows say: under L2, w is a sum over them, so the margin is one too."""
    found = linear(asked)
    model = asked.model
    if found is None or not isinstance(model, SoftmaxRegression) or model.l1_ratio != 0.0 or not np.isfinite(model.C):
        return found
    votes = row_votes(model, asked.X, asked.y, asked.x)
    each, (pro, con) = votes.of(asked.said, asked.against), votes.strongest(asked.said, asked.against, most=MOST_VOTERS)
    voters = tuple(Voter(int(row), str(asked.y[row]), float(each[row]), signed(each[row])) for row in (*pro, *con))
    parts = {name: signed(value) for name, value in votes.shares(asked.said, asked.against).items()}
    sentence = (
        f"The same lead as a vote of {len(asked.y):,} training images: {parts['for']} from those that vote for "
        f"{asked.said}, {parts['against']} from those for {asked.against}, {parts['intercept']} intercept, "
        f"{parts['remainder']} remainder."
    )
    return replace(found, sentences=(*found.sentences, sentence), voters=voters)


def row_votes(model: SoftmaxRegression, X: np.ndarray, y: np.ndarray, x: np.ndarray) -> Votes:
    """Return what every training row adds to the scores of x: C (y_ik - p_ik) x_i . x."""
    coef, intercept, names = class_weights(model)
    own = np.asarray(y, dtype=str)[:, None] == np.array(names)
    residual = model.C * (own - softmax(raw_prediction(X, coef, intercept)))  # (n_samples, n_classes)
    return Votes(tuple(names), X @ x, residual, intercept, (coef - residual.T @ X) @ x)


def strokes(asked: Asked) -> Decision | None:
    """Take the margin of the model on strokes apart, drawn where the strokes lie."""
    if not isinstance(asked.model, StrokeSoftmax):
        return None
    coef, intercept, names = class_weights(asked.model.softmax_)
    reader = DigitReader(coef, intercept, tuple(names), (28, 28), "strokes")
    evidence = explain(reader, asked.ink)
    pixels = evidence.between(asked.said, asked.against)
    margin = evidence.log_odds(asked.said, asked.against)
    return Decision(
        asked.said,
        asked.against,
        asked.by_class(evidence.z),
        "score z",
        margin,
        (
            f"Weight times edge, added up over all places and directions, gives {asked.said} a lead of {margin:.2f} "
            f"over {asked.against}; drawn where the edges lie.",
        ),
        pixels=asked.picture(pixels),
        offset=margin - float(pixels.sum()),
    )
