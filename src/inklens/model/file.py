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
from typing import Protocol

import numpy as np

from inklens.addresses import may_never_end, read_some
from inklens.errors import ModelFileError
from inklens.linear.proofs.dual import DualPoint
from inklens.model.schema import Header, Tensors
from inklens.strict_json import JsonError, parse

SCHEMA_VERSION = 1
MAX_FILE_BYTES = 64 * 2**20  # a model of 62 classes on 784 strokes has 0.4 MB
MAX_HEADER_BYTES = 2**20


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
    if may_never_end(path):
        raise ModelFileError(f"{str(path)!r} is no file, and may never end; give a model's file")
    try:
        with Path(path).open("rb") as file:
            return read_some(file, MAX_FILE_BYTES + 1)
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
    header = _header(data[8 : 8 + length])
    version = header.get("schema_version")
    if type(version) is not int or version < 1:
        raise ModelFileError("is not an inklens model (it states no version)")
    if version > SCHEMA_VERSION:
        raise ModelFileError(f"was written by a newer inklens (file version {version}); update inklens to read it")
    try:
        tensors = load(data)
        digest = header.pop("sha256", None)
        intact = digest == _digest(tensors, header) and pack(tensors, header) == data
    except (SafetensorError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise ModelFileError(f"is damaged: {error}") from error
    if not intact:
        raise ModelFileError("is damaged (its checksum does not fit); copy it again or fit the model again")
    return tensors, header


def _header(data: bytes) -> Header:
    """Return our header, which is a text within that of the container."""
    try:
        outer = parse(data)
        own = outer.get("__metadata__") if isinstance(outer, dict) else None
        text = own.get("inklens") if isinstance(own, dict) else None
        header = parse(text.encode()) if isinstance(text, str) else None
    except (JsonError, UnicodeEncodeError) as error:
        raise ModelFileError(f"is not an inklens model, or its header is damaged ({error})") from error
    if not isinstance(header, dict):
        raise ModelFileError("is not an inklens model (its header says nothing of one)")
    return header


def _digest(tensors: Tensors, header: Mapping[str, object]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()
