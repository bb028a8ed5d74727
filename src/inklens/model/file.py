"""The model file: a safetensors container with one JSON header, which cannot run code.

The tensors are ``coef`` (n_classes, n_features) and ``intercept`` (n_classes,), and those of the dual point that proves
the lower bound (``dual.coef``, ...). The header carries a SHA-256 over everything else, and a file is accepted only if
writing its contents again gives the same bytes: every flipped bit is noticed.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypedDict

import numpy as np

from inklens.errors import ModelFileError
from inklens.linear.proofs.dual import DualPoint

SCHEMA_VERSION = 1
MAX_FILE_BYTES = 64 * 2**20  # a model of 62 classes on 784 strokes has 0.4 MB
MAX_HEADER_BYTES = 2**20

Tensors = dict[str, np.ndarray]
Header = dict[str, object]


class SavedModel(Protocol):
    """What a file keeps of a model: a `DigitReader`, or what looks like one."""

    @property
    def coef(self) -> np.ndarray: ...
    @property
    def intercept(self) -> np.ndarray: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def image_shape(self) -> tuple[int, int]: ...
    @property
    def features(self) -> str: ...
    @property
    def recipe(self) -> str: ...
    @property
    def provenance(self) -> Mapping[str, object]: ...
    @property
    def version(self) -> str: ...
    @property
    def dual(self) -> DualPoint | None: ...


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Return a model file's bytes, at most one more than a model may have.

    Raises
    ------
    ModelFileError
        The file cannot be read.
    """
    place = Path(path)
    if place.is_fifo() and not place.is_relative_to("/dev"):  # there, it is a shell's own pipe
        raise ModelFileError(f"{str(path)!r} is a FIFO, which may never end; give a model's file")
    try:
        with place.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelFileError(
            f"cannot read the model {str(path)!r}: {reason}; make one with: inklens fit -o FILE"
        ) from error


def contents(model: SavedModel, dtype: type = np.float64) -> tuple[Tensors, Header]:
    """Return the tensors, the weights in `dtype`, and the header of a model's file."""
    tensors = {
        "coef": np.ascontiguousarray(model.coef, dtype=dtype),
        "intercept": np.ascontiguousarray(model.intercept, dtype=dtype),
        **dual_tensors(model.dual),
    }
    header: Header = {
        "schema_version": SCHEMA_VERSION,
        "inklens": model.version,
        "classes": list(model.classes),
        "image_shape": list(model.image_shape),
        "features": model.features,
        "recipe": model.recipe,
        "provenance": model.provenance,
    }
    return tensors, header


def dual_tensors(dual: DualPoint | None) -> Tensors:
    """Return the parts of a dual point in float64, so that the bound is proven again to the last digits."""
    parts = {} if dual is None else dual._asdict()
    return {
        f"dual.{name}": np.ascontiguousarray(part, dtype=np.float64) for name, part in parts.items() if part is not None
    }


def dual_point(tensors: Tensors) -> DualPoint | None:
    """Return the dual point of a file's tensors; None where it has none."""
    parts = {name[5:]: tensor for name, tensor in tensors.items() if name.startswith("dual.")}
    return DualPoint(**parts) if parts else None


def pack(tensors: Tensors, header: Mapping[str, object]) -> bytes:
    """Return the bytes of a file; the same contents give the same bytes."""
    from safetensors.numpy import save

    signed = {**header, "sha256": _digest(tensors, header)}
    return save(tensors, metadata={"inklens": json.dumps(signed, sort_keys=True, ensure_ascii=True)})


def unpack(data: bytes) -> tuple[Tensors, Header]:
    """Return the tensors and the header of a file's bytes.

    Raises
    ------
    ModelFileError
        Not a model, damaged, or written by a newer inklens.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if len(data) > MAX_FILE_BYTES:
        raise ModelFileError(f"is larger than {MAX_FILE_BYTES // 2**20} MiB, so it is no inklens model")
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MAX_HEADER_BYTES, len(data) - 8):
        raise ModelFileError("is not an inklens model (no safetensors header)")
    try:
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["inklens"])
        version = int(header["schema_version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError("is not an inklens model, or its header is damaged") from error
    if version > SCHEMA_VERSION:
        raise ModelFileError(f"was written by a newer inklens (file version {version}); update inklens to read it")
    try:
        tensors = load(data)
        digest = header.pop("sha256")
        intact = digest == _digest(tensors, header) and pack(tensors, header) == data
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelFileError(f"is damaged: {error}") from error
    if not intact:
        raise ModelFileError("is damaged (its checksum does not fit); copy it again or fit the model again")
    return tensors, header


def _digest(tensors: Tensors, header: Mapping[str, object]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()


class Entries(TypedDict):
    """What a header says of the model itself."""

    classes: tuple[str, ...]
    image_shape: tuple[int, int]
    features: str
    recipe: str
    provenance: Mapping[str, object]
    version: str


def entries_of(header: Mapping[str, object]) -> Entries:
    """Return the entries of a header.

    Raises
    ------
    KeyError, TypeError, ValueError
        One is missing or of the wrong type.
    """
    classes, shape, provenance = header["classes"], header["image_shape"], header["provenance"]
    if not isinstance(classes, list) or not isinstance(shape, list) or not isinstance(provenance, dict):
        raise TypeError("expected lists of classes and of the image's sides, and a provenance by name")
    rows, cols = (int(side) for side in shape)
    if min(rows, cols) < 1:
        raise ValueError(f"expected pictures of at least one pixel, got {rows} x {cols}")
    json.dumps(header, ensure_ascii=False).encode()  # half a character in a name could never be printed
    return Entries(
        classes=tuple(str(label) for label in classes),
        image_shape=(rows, cols),
        features=str(header["features"]),
        recipe=str(header["recipe"]),
        provenance=provenance,
        version=str(header["inklens"]),
    )
