"""Trees, alone and many: which pixels were asked, and what each question changed.

Going down a tree, every answer changes what the tree says; that change is put down to the pixel that was asked
(Saabas, 2014). The changes sum from what the root says to what the leaf says, so a map of them is exact.
"""

from collections.abc import Iterator

import numpy as np
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier

from inklens.siblings.recipes import Classifier
from inklens.siblings.results import Decision, Mark
from inklens.siblings.rivals import Asked, class_scores, signed

MOST_MARKS = 12  # questions that are written on the digit
STRONGEST_STUMPS = 8


def one_tree(asked: Asked) -> Decision | None:
    """Follow one tree down."""
    if not isinstance(asked.model, DecisionTreeClassifier):
        return None
    changes, root, leaf, steps = follow(asked.model, asked.x)
    i, j = asked.pair
    marks = tuple(
        Mark(*asked.place(pixel), _question(asked, step)) for step in steps[:MOST_MARKS] for pixel in (step[0],)
    )
    size = int(asked.model.tree_.n_node_samples[asked.model.apply(asked.x[None].astype(np.float32))[0]])
    return Decision(
        asked.said,
        asked.against,
        asked.by_class(leaf),
        "share of the leaf",
        asked.between(leaf),
        (
            f"{len(steps)} questions lead to a leaf of {size:,} training {'image' if size == 1 else 'images'}, "
            f"{leaf[i]:.0%} of them labelled {asked.said}.",
        ),
        pixels=asked.picture(changes[:, i] - changes[:, j]),
        offset=asked.between(root),
        marks=marks,
    )


def many_trees(asked: Asked) -> Decision | None:
    """Let the trees of a forest or a bag vote."""
    model = asked.model
    if not isinstance(model, RandomForestClassifier | ExtraTreesClassifier | BaggingClassifier):
        return None
    if not all(isinstance(tree, DecisionTreeClassifier) for tree in model.estimators_):
        return None
    paths = [follow(tree, asked.x) for tree in model.estimators_]
    changes = np.mean([path[0] for path in paths], axis=0)
    root, leaf = (np.mean(shares, axis=0) for shares in ([path[1] for path in paths], [path[2] for path in paths]))
    votes = np.bincount([int(path[2].argmax()) for path in paths], minlength=len(asked.classes))
    questions = sum(len(path[3]) for path in paths)
    i, j = asked.pair
    return Decision(
        asked.said,
        asked.against,
        asked.by_class(leaf),
        "average share",
        asked.between(leaf),
        (
            f"Of {len(paths)} trees {votes[i]} say {asked.said} and {votes[j]} say {asked.against}, after "
            f"{questions:,} questions in all.",
        ),
        pixels=asked.picture(changes[:, i] - changes[:, j]),
        offset=asked.between(root),
    )


Step = tuple[int, float, bool]  # pixel, threshold, whether its ink lies above


def follow(tree: DecisionTreeClassifier, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Step]]:
    """Go down a tree.

    Returns
    -------
    changes : array (n_features, n_classes)
        What the answers about each pixel change.
    root, leaf : array (n_classes,)
        Shares of the classes where the way begins and ends.
    steps : list of (pixel, threshold, above)
    """
    inside = tree.tree_
    nodes = tree.decision_path(x[None].astype(np.float32)).indices  # from the root down: children have larger numbers
    values = inside.value[nodes, 0]
    shares = values / values.sum(axis=1, keepdims=True)
    changes = np.zeros((len(x), shares.shape[1]))
    asked = inside.feature[nodes[:-1]]
    np.add.at(changes, asked, np.diff(shares, axis=0))
    steps = [
        (int(pixel), float(inside.threshold[node]), bool(np.float32(x[pixel]) > inside.threshold[node]))
        for node, pixel in zip(nodes[:-1], asked, strict=True)
    ]
    return changes, shares[0], shares[-1], steps


def _question(asked: Asked, step: Step) -> str:
    pixel, threshold, above = step
    row, col = asked.place(pixel)
    return f"row {row}, column {col}: {asked.x[pixel]:.2f} is {'above' if above else 'not above'} {threshold:.2f}"


def adaptive_boosting(asked: Asked) -> Decision | None:
    """Add up the weighted votes of AdaBoost's trees; what a tree says is put down to the pixels that it asked."""
    model = asked.model
    if not isinstance(model, AdaBoostClassifier):
        return None
    if not all(isinstance(tree, DecisionTreeClassifier) for tree in model.estimators_):
        return None
    weights = model.estimator_weights_[: len(model.estimators_)]
    weights = weights / weights.sum()
    scores = class_scores(np.asarray(model.decision_function(asked.x[None])))[0]
    n_classes = len(asked.classes)
    pixels, offset, said = np.zeros(len(asked.x)), 0.0, []
    for tree, weight in zip(model.estimators_, weights, strict=True):
        _, _, leaf, steps = follow(tree, asked.x)
        vote = np.where(np.arange(n_classes) == leaf.argmax(), weight, -weight / (n_classes - 1))
        adds = asked.between(vote)
        for pixel, _, _ in steps:
            pixels[pixel] += adds / len(steps)
        offset += 0.0 if steps else adds
        said.append((weight, asked.classes[int(leaf.argmax())], steps))
    loudest = sorted(said, key=lambda entry: -entry[0])[:STRONGEST_STUMPS]
    marks = tuple(
        Mark(*asked.place(steps[-1][0]), f"{_question(asked, steps[-1])}, so {name} ({weight:.1%})")
        for weight, name, steps in loudest
        if steps
    )
    behind = {name: sum(weight for weight, label, _ in said if label == name) for name in asked.classes}
    return Decision(
        asked.said,
        asked.against,
        behind,
        "weight of its trees",
        asked.between(scores),
        (
            f"Of the weight of all {len(said)} trees, {behind[asked.said]:.0%} says {asked.said} and "
            f"{behind[asked.against]:.0%} says {asked.against}. The questions of the weightiest are written out.",
        ),
        pixels=asked.picture(pixels),
        offset=offset,
        marks=marks,
    )


def histogram_boosting(asked: Asked) -> Decision | None:
    """Add up the values that the trees of every round give."""
    model = asked.model
    if not isinstance(model, HistGradientBoostingClassifier):
        return None
    x, rate = asked.x[None], float(model.learning_rate)
    scores = class_scores(np.asarray(model.decision_function(x)))[0]
    rounds = [list(map(float, class_scores(np.asarray(staged))[0])) for staged in model.staged_decision_function(x)]
    signs = _signs(asked, len(model._predictors[0]))
    pixels = np.zeros(len(asked.x))
    for trees in model._predictors:
        for tree, sign in zip(trees, signs, strict=True):
            if sign:
                for pixel, change in _boosted_changes(tree.nodes, asked.x, rate):
                    pixels[pixel] += sign * change
    margin = asked.between(scores)
    half = asked.between(np.array(rounds[(len(rounds) - 1) // 2]))
    return Decision(
        asked.said,
        asked.against,
        asked.by_class(scores),
        "sum of values",
        margin,
        (
            f"Ahead of {asked.against} by {signed(half)} after half of its {len(rounds)} rounds, by "
            f"{signed(margin)} after all of them.",
        ),
        pixels=asked.picture(pixels),
        offset=margin - float(pixels.sum()),  # what the classes have before the first round
    )


def _signs(asked: Asked, n_trees: int) -> list[float]:
    """Return what the value of each class's tree counts in the margin; two classes share one tree, for the second."""
    i, j = asked.pair
    if n_trees == 1:
        return [float(i - j)]
    return [float(k == i) - float(k == j) for k in range(n_trees)]


def _boosted_changes(nodes: np.ndarray, x: np.ndarray, rate: float) -> Iterator[tuple[int, float]]:
    """Yield (pixel, change of value) down one tree of a boosting; leaves are stored times the learning rate."""
    at, value = 0, 0.0
    while not nodes[at]["is_leaf"]:
        pixel = int(nodes[at]["feature_idx"])
        at = int(nodes[at]["left"] if x[pixel] <= nodes[at]["num_threshold"] else nodes[at]["right"])
        after = float(nodes[at]["value"]) * (1.0 if nodes[at]["is_leaf"] else rate)
        yield pixel, after - value
        value = after


def importances(model: Classifier) -> np.ndarray | None:
    """Return how much each pixel mattered in a model of trees, (n_features,), sum 1; None for any other model."""
    if isinstance(model, DecisionTreeClassifier | RandomForestClassifier | ExtraTreesClassifier | AdaBoostClassifier):
        return np.asarray(model.feature_importances_)
    if isinstance(model, BaggingClassifier) and all(isinstance(t, DecisionTreeClassifier) for t in model.estimators_):
        return np.asarray(np.mean([tree.feature_importances_ for tree in model.estimators_], axis=0))
    if isinstance(model, HistGradientBoostingClassifier):
        gains = np.zeros(model.n_features_in_)
        for tree in (tree for trees in model._predictors for tree in trees):
            inner = tree.nodes[tree.nodes["is_leaf"] == 0]
            np.add.at(gains, inner["feature_idx"], inner["gain"])
        return gains / gains.sum() if gains.any() else gains
    return None
