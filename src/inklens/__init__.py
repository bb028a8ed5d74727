"""See-through classification of small images.

Names are imported on first use, so that ``import inklens`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {
    "Dataset": "datasets",
    "DigitReader": "reader",
    "Evidence": "explanations",
    "Flip": "explanations",
    "SoftmaxPath": "linear.path",
    "SoftmaxRegression": "linear.estimators",
    "SoftmaxRegressionCV": "linear.model_selection",
    "explain": "explanations",
    "flip": "explanations",
    "load_dataset": "datasets",
    "softmax_path": "linear.path",
}

__all__ = ["__version__", *_HOME]

if TYPE_CHECKING:
    from inklens.datasets import Dataset as Dataset
    from inklens.datasets import load_dataset as load_dataset
    from inklens.explanations import Evidence as Evidence
    from inklens.explanations import Flip as Flip
    from inklens.explanations import explain as explain
    from inklens.explanations import flip as flip
    from inklens.linear.estimators import SoftmaxRegression as SoftmaxRegression
    from inklens.linear.model_selection import SoftmaxRegressionCV as SoftmaxRegressionCV
    from inklens.linear.path import SoftmaxPath as SoftmaxPath
    from inklens.linear.path import softmax_path as softmax_path
    from inklens.reader import DigitReader as DigitReader


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'inklens' has no attribute {name!r}")
    return getattr(import_module(f"inklens.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
