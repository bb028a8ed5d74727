from benchmark_utils import packages
from benchmark_utils.called import Called


class Solver(Called):
    """Coordinate descent along a path of penalties."""

    name = "glmnet"
    requirements = ["pip::python-glmnet"]
    solves = ("l2", "l1", "elasticnet")

    @property
    def call(self):
        return packages.glmnet
