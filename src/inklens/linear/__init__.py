"""Softmax regression whose answers come with proofs: rows, problem, solver, certificates, and scikit-learn's contract.

Names are imported on first use, so that ``import inklens.linear`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

_HOME = {
    "Problem": "problem.problem",
    "Rows": "rows.rows",
    "SoftmaxRegression": "estimators",
    "SoftmaxRegressionCV": "model_selection",
    "Solution": "driver",
    "certify": "proofs.certificates",
    "softmax_path": "path",
    "solve": "driver",
}

__all__ = [*_HOME]

if TYPE_CHECKING:
    from inklens.linear.driver import Solution as Solution
    from inklens.linear.driver import solve as solve
    from inklens.linear.estimators import SoftmaxRegression as SoftmaxRegression
    from inklens.linear.model_selection import SoftmaxRegressionCV as SoftmaxRegressionCV
    from inklens.linear.path import softmax_path as softmax_path
    from inklens.linear.problem.problem import Problem as Problem
    from inklens.linear.proofs.certificates import certify as certify
    from inklens.linear.rows.rows import Rows as Rows


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'inklens.linear' has no attribute {name!r}")
    return getattr(import_module(f"inklens.linear.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
