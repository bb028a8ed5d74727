from benchmark_utils import packages
from benchmark_utils.called import Called


class Solver(Called):
    """Incremental gradients with acceleration."""

    name = "Cyanure"
    requirements = ["pip::cyanure"]
    solves = ("none", "l2", "l1", "elasticnet", "group")
    takes_weights = False

    @property
    def call(self):
        return packages.cyanure
