"""Parameters of other libraries' logistic regressions, answered with those that do it here."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")

OTHER_NAMES = {  # parameters that tutorials give to scikit-learn's LogisticRegression
    "penalty": "l1_ratio=1 is L1, l1_ratio=0 L2, between them an elastic net, and C=inf no penalty",
    "solver": "no solver is to be chosen; tol says how near the optimum the fit must come",
    "multi_class": "the model is always the softmax of all classes",
    "alpha": "C = 1 / (alpha * n_samples) gives the same model",
    "dual": "it is not to be chosen",
    "verbose": "pass fit(..., callback=...) to watch the fit",
    "intercept_scaling": "the intercept is never penalised",
}
PENALTIES = {"l1": "l1_ratio=1", "l2": "l1_ratio=0", "elasticnet": "l1_ratio=0.5", None: "C=inf", "none": "C=inf"}


def answer_other_names(init: Callable[P, None]) -> Callable[P, None]:
    """Let an `__init__` answer parameters of other estimators with those that do it here, as a `TypeError`."""

    @wraps(init)
    def checked(*args: P.args, **parameters: P.kwargs) -> None:
        for name in OTHER_NAMES.keys() & parameters.keys():
            value = parameters[name]
            advice = OTHER_NAMES[name]
            if name == "penalty" and (value is None or isinstance(value, str)) and value in PENALTIES:
                advice = f"write {PENALTIES[value]}"
            raise TypeError(f"there is no parameter {name}={value!r}: {advice}")
        init(*args, **parameters)

    return checked
