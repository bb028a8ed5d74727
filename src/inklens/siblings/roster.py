"""The classifiers of the race: ours first, since the others are judged beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from inklens.errors import ParameterError
from inklens.siblings.recipes import Recipe, parse_recipe

Rows = Literal["scaled", "ink"]  # each pixel stretched to 0..1 by its range in the training rows, or bytes as they come
OURS = "softmax"


@dataclass(frozen=True)
class Sibling:
    """One classifier of the race.

    Parameters
    ----------
    key : str
        Its short name, as ``--only`` takes it and JSON has it.
    title : str
        Its name for people.
    recipe : Recipe
        How it is built.
    way : str
        How it decides, in one sentence.
    rows : {"scaled", "ink"}
        What it is fed.
    share : float
        Of the budget: what it may take of the time that one model may take.
    """

    key: str
    title: str
    recipe: Recipe
    way: str
    rows: Rows = "scaled"
    share: float = 1.0


ENSEMBLE = "sklearn.ensemble"
LOGISTIC = "sklearn.linear_model"
ROSTER = (
    Sibling(
        OURS,
        "softmax regression (ours)",
        Recipe("inklens", "SoftmaxRegression", {"C": 1.0, "tol": 1e-4, "n_jobs": 1}),
        "A weight for every pixel and class; the largest sum of weight times ink wins. Fitted until it is proven that "
        "no weights have an objective smaller by more than a ten-thousandth.",
    ),
    Sibling(
        "boosting",
        "histogram boosting",
        Recipe(ENSEMBLE, "HistGradientBoostingClassifier", {"max_iter": 100, "early_stopping": False}),
        "In every round one small tree for each class corrects what those before it got wrong; their values add up.",
        share=0.5,  # the slowest by far: more would hold up the page for a few more rounds of a hundred
    ),
    Sibling(
        "knn",
        "3 nearest neighbours",
        Recipe("sklearn.neighbors", "KNeighborsClassifier", {"n_neighbors": 3, "weights": "distance"}),
        "It learns nothing: the three most similar training images vote, the nearer the louder.",
    ),
    Sibling(
        "tree",
        "decision tree",
        Recipe("sklearn.tree", "DecisionTreeClassifier", {"random_state": 0}),
        "One question about one pixel after another, until only one class is left.",
    ),
    Sibling(
        "forest",
        "random forest of 100 trees",
        Recipe(ENSEMBLE, "RandomForestClassifier", {"n_estimators": 100, "random_state": 0}),
        "A hundred trees, each grown on rows drawn with replacement, choosing among a few random pixels at every "
        "question; their shares are averaged.",
    ),
    Sibling(
        "strokes",
        "softmax on strokes (ours)",
        Recipe("inklens.siblings.strokes", "StrokeSoftmax", {"C": 0.01, "tol": 1e-4}),
        "The same softmax regression, fed not with pixels but with how much edge of each direction lies where.",
        rows="ink",
    ),
    Sibling(
        "linear-svc",
        "linear SVC",
        Recipe("sklearn.svm", "LinearSVC", {"random_state": 0}),
        "A weight for every pixel and class, each class against the rest; only rows near the border shape it.",
    ),
    Sibling(
        "saga",
        "softmax by saga (tol 0.1)",
        Recipe(LOGISTIC, "LogisticRegression", {"solver": "saga", "tol": 0.1, "random_state": 0}),
        "The same problem as ours, by the tutorial's solver with the tutorial's tolerance.",
    ),
    Sibling(
        "adaboost",
        "AdaBoost of 50 stumps",
        Recipe(ENSEMBLE, "AdaBoostClassifier", {"n_estimators": 50, "random_state": 0}),
        "Fifty questions about one pixel each; every next one looks hardest at what those before it got wrong.",
    ),
    Sibling(
        "bagging",
        "bagging of 10 trees",
        Recipe(ENSEMBLE, "BaggingClassifier", {"n_estimators": 10, "random_state": 0}),
        "Ten trees, each grown on rows drawn with replacement; their shares are averaged.",
    ),
    Sibling(
        "rbf-svc",
        "SVC with RBF kernel",
        Recipe("sklearn.svm", "SVC", {"kernel": "rbf"}),
        "For every two classes, training rows near their border vote, the more alike the louder; most duels won wins.",
    ),
    Sibling(
        "lbfgs",
        "softmax by lbfgs",
        Recipe(LOGISTIC, "LogisticRegression", {"solver": "lbfgs"}),
        "The same problem as ours, by scikit-learn's default solver.",
    ),
)
KEYS = tuple(sibling.key for sibling in ROSTER)
NAMED = "Named on the command line."


def choose(only: Sequence[str] = (), named: Sequence[str] = ()) -> list[Sibling]:
    """Return ours and the siblings asked for (by default all), and those that a person named by class.

    Raises
    ------
    ParameterError
        An unknown name, or a class that cannot be built.

    Examples
    --------
    >>> [sibling.key for sibling in choose(["tree"], ["sklearn.naive_bayes:GaussianNB()"])]
    ['softmax', 'tree', 'GaussianNB']
    """
    unknown = [key for key in only if key not in KEYS]
    if unknown:
        raise ParameterError(f"there is no sibling {unknown[0]!r}; there are: {', '.join(KEYS)}")
    chosen = [sibling for sibling in ROSTER if not only or sibling.key in {OURS, *only}]
    taken = {sibling.key for sibling in chosen}
    for text in named:
        recipe = parse_recipe(text)
        recipe.build()
        key = _free_key(recipe.name, taken)
        taken.add(key)
        chosen.append(Sibling(key, str(recipe), recipe, NAMED))
    return chosen


def _free_key(name: str, taken: set[str]) -> str:
    return next(key for number in range(1, 10_000) if (key := name if number == 1 else f"{name}-{number}") not in taken)
