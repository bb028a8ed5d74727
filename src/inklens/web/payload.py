"""A model as bytes for a browser: one header, then plain arrays.

    4 bytes    length of the header, little endian
    header     JSON, padded with spaces so that the arrays start at a multiple of 8 bytes
    arrays     each at its `offset` from the end of the header, a multiple of 8

`static/core.js` reads it (`decodeModel`). Studio, page, notebook output and widget all load these bytes.
"""

import json
import struct
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from inklens.model.records import FitRecord
from inklens.reprs import Card

FORMAT, VERSION = "inklens-web", 1
ALIGNMENT = 8  # bytes; a typed array of a browser starts at a multiple of its element's size

Tensors = Mapping[str, np.ndarray]


class WebReader(Protocol):
    """What is shown of a model: a `DigitReader`, or what looks like one."""

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
    def fit_record(self) -> FitRecord | None: ...
    def recorded(self, part: str) -> Mapping[str, object]: ...
    def _card(self) -> Card: ...


def web_model(reader: WebReader) -> bytes:
    """Return a model as bytes for a browser.

    Parameters
    ----------
    reader : DigitReader
        Its coefficients travel as float32.

    Examples
    --------
    >>> from inklens import DigitReader
    >>> data = web_model(DigitReader(np.eye(2, 4), np.zeros(2), ("a", "b"), (2, 2)))
    >>> header, tensors = parse(data)
    >>> header["classes"], tensors["coef"].shape
    (['a', 'b'], (2, 4))
    """
    tensors = {"coef": _float32(reader.coef), "intercept": _float32(reader.intercept)}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "classes": list(reader.classes),
        "image_shape": list(reader.image_shape),
        "features": reader.features,
        "card": _card(reader),
        "certificate": _certificate(reader.fit_record),
        "penalty": _penalty(reader.fit_record),
        "accuracy": _accuracy(reader.recorded("accuracy")),
        "path": None,
        "samples": None,
        "gate": None,
    }
    return pack(header, tensors)


def pack(header: Mapping[str, object], tensors: Tensors) -> bytes:
    """Join a header and arrays."""
    entries, blob = {}, bytearray()
    for name, array in tensors.items():
        blob += bytes(-len(blob) % ALIGNMENT)
        entries[name] = {"dtype": array.dtype.name, "shape": list(array.shape), "offset": len(blob)}
        blob += np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    text = json.dumps({**header, "tensors": entries}, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % ALIGNMENT)
    return struct.pack("<I", len(text)) + text + bytes(blob)


def parse(data: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """Return header and arrays of a model as bytes."""
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    tensors = {}
    for name, entry in header["tensors"].items():
        dtype, start = np.dtype(entry["dtype"]).newbyteorder("<"), 4 + length + entry["offset"]
        count = int(np.prod(entry["shape"]))
        tensors[name] = np.frombuffer(data, dtype, count, start).reshape(entry["shape"])
    return header, tensors


def _float32(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)


def _card(reader: WebReader) -> dict[str, object]:
    card = reader._card()
    return {"title": card.title, "facts": {name: str(value) for name, value in card.facts.items()}}


def _certificate(record: FitRecord | None) -> dict[str, object] | None:
    if record is None or record.certificate is None:
        return None
    return {**record.certificate.numbers(), "status": record.certificate.status}


def _penalty(record: FitRecord | None) -> dict[str, object] | None:
    if record is None:
        return None
    return {"C": record.C if record.is_penalised else "inf", "l1_ratio": record.l1_ratio, "group": record.group}


def _accuracy(recorded: Mapping[str, object]) -> dict[str, float | None]:
    """Return the accuracies that are known."""
    shares = {half: recorded.get(half) for half in ("train", "test")}
    return {half: share if isinstance(share, float) else None for half, share in shares.items()}
