from benchmark_utils import packages
from benchmark_utils.called import Called


class Solver(Called):
    """LogisticRegression with those of its solvers that scale."""

    name = "scikit-learn"
    requirements = ["scikit-learn"]
    parameters = {"solver": ["lbfgs", "newton_cholesky", "saga"]}

    @property
    def solves(self):
        return ("none", "l2", "l1", "elasticnet") if self.solver == "saga" else ("none", "l2")

    @property
    def call(self):
        return getattr(packages, self.solver)
