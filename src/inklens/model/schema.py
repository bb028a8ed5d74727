"""What a model file may hold: one schema, checked once when it is loaded, whatever the container was.

A checksum says that a file is as it was written, not who wrote it. Past this check every entry has its type, range and
shape, and every name can be shown.
"""

from collections.abc import Mapping
from typing import TypedDict, TypeVar

import numpy as np

from inklens.errors import ModelFileError
from inklens.linear.proofs.dual import DualPoint
from inklens.model.linear_model import MAX_WEIGHT, are_weights
from inklens.model.records import DataRecord, FitRecord
from inklens.names import unshowable

T = TypeVar("T")
Tensors = dict[str, np.ndarray]
Header = dict[str, object]

FEATURES = ("pixels", "upright", "strokes")
RECIPES = ("faithful", "otsu", "tutorial")
DUAL = {"dual.coef", "dual.intercept"}
DIRECTED_DUAL = {*DUAL, "dual.direction", "dual.intercept_direction"}
VALUE_TYPES = ("float16", "float32", "float64")
MAX_VERSION_CHARACTERS = 100


class Parts(TypedDict):
    """The arguments of a `DigitReader`."""

    coef: np.ndarray
    intercept: np.ndarray
    dual: DualPoint | None
    classes: tuple[str, ...]
    image_shape: tuple[int, int]
    features: str
    recipe: str
    provenance: Mapping[str, object]
    version: str


def checked(tensors: Tensors, header: Header) -> Parts:
    """Return the parts of a model from the tensors and the header of its file.

    Raises
    ------
    ModelFileError
        An entry is missing, or not of its type, range or shape.
    """
    try:
        coef, intercept = _weights(tensors, "coef", 2), _weights(tensors, "intercept", 1)
        provenance = _entry(header, "provenance", dict)
        FitRecord.from_json(provenance.get("fit"))
        DataRecord.from_json(provenance.get("data"))
        _check_texts(header)
        return Parts(
            coef=coef,
            intercept=intercept,
            dual=_dual(tensors, coef.shape),
            classes=_classes(header),
            image_shape=_image_shape(header),
            features=_choice(header, "features", FEATURES),
            recipe=_choice(header, "recipe", RECIPES),
            provenance=provenance,
            version=_version(header),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        missing = f"it has no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
        raise ModelFileError(f"is not a usable model: {missing}") from error


def _entry(header: Header, name: str, kind: type[T]) -> T:
    value = header[name]
    if type(value) is not kind:
        raise TypeError(f"{name} has to be of type {kind.__name__}, got {type(value).__name__}")
    return value


def _choice(header: Header, name: str, choices: tuple[str, ...]) -> str:
    value = _entry(header, name, str)
    if value not in choices:
        raise ValueError(f"{name} has to be one of {', '.join(choices)}, got {value[:40]!r}")
    return value


def _classes(header: Header) -> tuple[str, ...]:
    """Return the names; that they are unique and can be shown is a law of `LinearModel` itself."""
    names = _entry(header, "classes", list)
    if not all(type(name) is str for name in names):
        raise TypeError("the names of classes have to be texts")
    return tuple(names)


def _image_shape(header: Header) -> tuple[int, int]:
    sides = _entry(header, "image_shape", list)
    if len(sides) != 2 or not all(type(side) is int and 1 <= side <= 1 << 20 for side in sides):
        raise ValueError("image_shape has to be the rows and columns of a picture of at least one pixel")
    return sides[0], sides[1]


def _version(header: Header) -> str:
    version = _entry(header, "inklens", str)
    if len(version) > MAX_VERSION_CHARACTERS or unshowable(version):
        raise ValueError("inklens has to be the number of a version")
    return version


def _check_texts(value: object) -> None:
    """Refuse half a character in any name or text: no file or terminal could take it."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, dict):
        for name, part in value.items():
            _check_texts(name)
            _check_texts(part)
    elif isinstance(value, list):
        for part in value:
            _check_texts(part)


def _weights(tensors: Tensors, name: str, ndim: int) -> np.ndarray:
    """Return a tensor as float64."""
    tensor = tensors[name]
    if tensor.ndim != ndim or tensor.dtype.name not in VALUE_TYPES:
        raise ValueError(f"{name} has to hold floating numbers in {ndim} dimensions, got {tensor.dtype} {tensor.shape}")
    if not are_weights(tensor):
        raise ValueError(f"{name} holds NaN, infinity or numbers beyond {MAX_WEIGHT:g}")
    return tensor.astype(np.float64)


def _dual(tensors: Tensors, shape: tuple[int, ...]) -> DualPoint | None:
    """Return the dual point, whose parts have the shapes of coef and intercept; None where the file has none."""
    names = tensors.keys() - {"coef", "intercept"}
    if not names:
        return None
    if names not in (DUAL, DIRECTED_DUAL):
        raise ValueError("a dual point has coef and intercept, and may have direction and intercept_direction with it")
    parts = {}
    for name in names:
        part = name.removeprefix("dual.")
        expected = shape[:1] if "intercept" in part else shape
        parts[part] = _weights(tensors, name, len(expected))
        if parts[part].shape != expected:
            raise ValueError(f"{name} has the shape {parts[part].shape}, expected {expected}")
    return DualPoint(**parts)
