"""Each step of a fit, passed on to a plain callback and to scikit-learn's callbacks."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

import numpy as np
from sklearn.base import BaseEstimator, _fit_context

from inklens.linear.callbacks import asks_to_stop
from inklens.linear.driver import Solution

P = ParamSpec("P")
T = TypeVar("T")
Callback: TypeAlias = Callable[[Solution], object]

try:  # experimental since scikit-learn 1.9
    from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
    from sklearn.callback import with_callbacks as with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's."""

    def with_callbacks(method: Callable[P, T]) -> Callable[P, T]:
        """Leave the method as it is."""
        return method


def validated(method: Callable[P, T]) -> Callable[P, T]:
    """Have scikit-learn check the parameters of the estimator before its `fit`, which keeps its types."""
    return cast(Callable[P, T], _fit_context(prefer_skip_nested_validation=True)(method))


def watched(method: Callable[P, T]) -> Callable[P, T]:
    """Have scikit-learn's callbacks set up and torn down around `fit`, which keeps its types."""
    return cast(Callable[P, T], with_callbacks(method))


class Watching:
    """Passes each step on to a plain callback and to scikit-learn's callbacks."""

    def __init__(
        self, estimator: BaseEstimator, X: object, y: np.ndarray, classes: np.ndarray, callback: Callback | None
    ) -> None:
        self.estimator, self.data, self.classes, self.callback = estimator, {"X": X, "y": y}, classes, callback
        self.context: Any = None  # scikit-learn's, which has no types

    def __enter__(self) -> Callable[[Solution], bool] | None:
        if getattr(self.estimator, "_skl_callbacks", None):
            self.context = self.estimator._init_callback_context(max_subtasks=None)
            self.context.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        return self.step if self.context is not None or self.callback is not None else None

    def step(self, solution: Solution) -> bool:
        stop = self.callback is not None and asks_to_stop(self.callback(solution))
        if self.context is not None:
            part = self.context.subcontext(task_name="step")
            part.call_on_fit_task_begin(estimator=self.estimator, **self.data)
            stop |= bool(
                part.call_on_fit_task_end(
                    estimator=self.estimator,
                    metadata={"objective": solution.objective, "lower_bound": solution.lower_bound},
                    reconstruction_attributes={
                        "coef_": solution.coef, "intercept_": solution.intercept, "classes_": self.classes.copy()
                    },
                    **self.data,
                )
            )  # fmt: skip
        return stop

    def __exit__(self, *error: object) -> None:
        if self.context is not None and error[0] is None:
            self.context.call_on_fit_task_end(estimator=self.estimator, **self.data)
