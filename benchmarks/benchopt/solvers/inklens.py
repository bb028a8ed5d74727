from benchmark_utils import packages
from benchmark_utils.called import Called


class Solver(Called):
    """Ours: `tol` is a proven gap."""

    name = "inklens"
    requirements = ["pip::inklens"]
    solves = ("none", "l2", "l1", "elasticnet", "group")

    @property
    def call(self):
        return packages.inklens
