"""A solver of benchopt's that calls a package as the zoo does."""

from benchopt import BaseSolver

from benchmark_utils import packages

MAX_ITER = 1_000_000  # none ends before its tolerance
LOOSEST = 0.1  # benchopt begins at tolerances that no package takes
STEP = 10.0  # from one tolerance to the next; smaller ones leave curves flat, and benchopt ends those


class Called(BaseSolver):
    """Fits by one function of `packages`; what it does not solve is in the solver's `solves`."""

    sampling_strategy = "tolerance"
    solves: tuple[str, ...] = ()
    takes_weights = True

    def skip(self, X, y, weights, penalty, C):
        if weights is not None and not self.takes_weights:
            return True, "takes no sample weights"
        return (False, None) if penalty in self.solves else (True, f"does not know the penalty {penalty}")

    def set_objective(self, X, y, weights, penalty, C):
        self.problem, self.order = (X, y), {"penalty": penalty, "C": C, "weights": weights}

    def get_next(self, tol):
        return min(tol, LOOSEST) / STEP

    @property
    def call(self):
        """The function."""
        raise NotImplementedError

    def run(self, tol):
        order = {**self.order, "tol": min(tol, LOOSEST), "max_iter": MAX_ITER, "threads": 1}
        coef, intercept, *_ = self.call(*self.problem, order)()
        self.coef, self.intercept = packages.a_row_a_class(coef, intercept)

    def get_result(self):
        return {"coef": self.coef, "intercept": self.intercept}
