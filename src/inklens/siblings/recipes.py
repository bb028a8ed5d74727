"""How to build a classifier: a module, a class and literal arguments. No text that a person gives is ever evaluated."""

import ast
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Protocol, runtime_checkable

import numpy as np

from inklens.errors import ParameterError

Literal = str | int | float | bool | None | tuple["Literal", ...] | list["Literal"] | dict[str, "Literal"]

SEED = 0  # of whatever is random in a model, unless its recipe names another
EXAMPLE = "sklearn.naive_bayes:GaussianNB() or sklearn.svm:NuSVC(nu=0.1)"


@runtime_checkable
class Classifier(Protocol):
    """What a scikit-learn classifier can do; X (n_samples, n_features), y (n_samples,)."""

    classes_: np.ndarray

    def fit(self, X: np.ndarray, y: np.ndarray) -> object:
        """Learn from rows."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Answer rows, (n_samples,)."""


@dataclass(frozen=True)
class Recipe:
    """A classifier that is still to be built.

    Parameters
    ----------
    module, name : str
        Where the class lies, and what it is called there.
    arguments : mapping
        Keyword arguments, all literals.
    positional : tuple
        Positional arguments, all literals.

    Examples
    --------
    >>> recipe = Recipe("sklearn.neighbors", "KNeighborsClassifier", {"n_neighbors": 3})
    >>> print(recipe)
    KNeighborsClassifier(n_neighbors=3)
    >>> recipe.build().n_neighbors
    3
    """

    module: str
    name: str
    arguments: Mapping[str, Literal] = field(default_factory=dict)
    positional: tuple[Literal, ...] = ()

    def __str__(self) -> str:
        given = [*map(repr, self.positional), *(f"{name}={value!r}" for name, value in self.arguments.items())]
        return f"{self.name}({', '.join(given)})"

    def build(self) -> Classifier:
        """Build the classifier, with a seed where it takes one and none was named.

        Raises
        ------
        ParameterError
            There is no such module or class, it is no classifier, or it refuses these arguments.
        """
        kind = self._class()
        seed = {} if "random_state" in self.arguments else _seed(kind)
        try:
            built = kind(*self.positional, **(seed | dict(self.arguments)))
        except (TypeError, ValueError) as error:
            raise ParameterError(f"{self.module}:{self} cannot be built: {error}; look at its arguments") from error
        if not (callable(getattr(built, "fit", None)) and callable(getattr(built, "predict", None))):
            raise ParameterError(f"{self.module}:{self.name} has no fit and predict; name a classifier: {EXAMPLE}")
        return built

    def _class(self) -> type:
        module = _module(self.module)
        found = getattr(module, self.name, None)
        if not isinstance(found, type):
            raise ParameterError(f"{self.module!r} has no class {self.name!r}; name one, such as {EXAMPLE}")
        return found


def parse_recipe(text: str) -> Recipe:
    """Read ``module:Class(argument=literal, ...)``.

    Raises
    ------
    ParameterError
        It is not of that form, or an argument is more than a literal.

    Examples
    --------
    >>> parse_recipe("sklearn.svm:SVC(C=10, kernel='poly')")
    Recipe(module='sklearn.svm', name='SVC', arguments={'C': 10, 'kernel': 'poly'}, positional=())
    """
    module, colon, expression = text.partition(":")
    if not colon or not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", module):
        raise ParameterError(f"expected a classifier as MODULE:CLASS(...), such as {EXAMPLE}, got {text!r}")
    try:
        node = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ParameterError(f"{expression!r} is no call of a class; write it as {EXAMPLE}") from error
    if isinstance(node, ast.Name):
        return Recipe(module, node.id)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ParameterError(f"{expression!r} is no call of a class; write it as {EXAMPLE}")
    if any(keyword.arg is None for keyword in node.keywords):
        raise ParameterError(f"{expression!r}: name every argument; ** is not read")
    arguments = {str(keyword.arg): _literal(keyword.value, expression) for keyword in node.keywords}
    return Recipe(module, node.func.id, arguments, tuple(_literal(value, expression) for value in node.args))


def _literal(node: ast.expr, expression: str) -> Literal:
    try:
        value: Literal = ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ParameterError(
            f"{expression!r}: arguments are numbers, texts, True, False, None and lists of these, nothing that is "
            "computed"
        ) from error
    return value


def _module(name: str) -> ModuleType:
    try:
        if find_spec(name) is None:
            raise ModuleNotFoundError(name)
        return import_module(name)
    except ImportError as error:
        raise ParameterError(f"there is no installed module {name!r}; install it, or name another") from error


def _seed(kind: type) -> dict[str, Literal]:
    try:
        return {"random_state": SEED} if "random_state" in inspect.signature(kind).parameters else {}
    except ValueError:  # classes written in C may tell nothing
        return {}
