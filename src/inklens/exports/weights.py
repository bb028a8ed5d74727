"""A model as JSON that any language reads, as `docs/weights.schema.json` describes; nothing of its file is lost.

Weights are plain numbers, to the last digit. The dual point, which only `inklens verify` reads, is packed: float64,
little endian, row by row, compressed by zlib, as base64. A SHA-256 covers all of the document but itself.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping

import numpy as np

from inklens.errors import DataError, ModelFileError
from inklens.exports.model import ExportedModel
from inklens.linear.proofs.dual import DualPoint
from inklens.model.file import SCHEMA_VERSION as FILE_VERSION
from inklens.model.file import dual_tensors
from inklens.model.records import FitRecord
from inklens.model.schema import Header, Tensors
from inklens.model.summary import proof, summary
from inklens.strict_json import JsonError, parse

FORMAT, SCHEMA_VERSION = "inklens-weights", 1
EXPORT_AGAIN = "export the model again: inklens export MODEL -o FILE.json"
HOW = {
    "pixels": "z = coef x + intercept with x the picture's pixels row by row, ink 1 and paper 0; p = softmax(z)",
    "upright": "z = coef x + intercept with x the pixels of the deskewed picture row by row; p = softmax(z)",
    "strokes": "z = coef x + intercept with x the picture's directed strokes in windows; p = softmax(z)",
}
PLAIN_ENTRIES = ("classes", "image_shape", "features", "recipe", "provenance", "inklens")  # as in a model file
ENTRIES = {
    *PLAIN_ENTRIES,
    *("schema_version", "format", "formula", "coef", "intercept", "dual", "card", "certificate", "penalty", "accuracy"),
    "sha256",
}
Document = dict[str, object]


def weights_document(model: ExportedModel) -> Document:
    """Return a model as what JSON can hold; its numbers are those of the model file, to the last digit.

    Examples
    --------
    >>> import numpy as np
    >>> from inklens import DigitReader
    >>> document = weights_document(DigitReader(np.eye(2, 4), np.zeros(2), ("a", "b"), (2, 2)))
    >>> document["coef"], document["certificate"]
    ([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]], None)
    """
    document: Document = {
        "schema_version": SCHEMA_VERSION,
        "format": FORMAT,
        "inklens": model.version,
        "formula": HOW[model.features],
        "classes": list(model.classes),
        "image_shape": list(model.image_shape),
        "features": model.features,
        "recipe": model.recipe,
        "coef": model.coef.astype(np.float64).tolist(),
        "intercept": model.intercept.astype(np.float64).tolist(),
        **summary(model),
        "provenance": model.provenance,
        "dual": _dual_entry(model.dual),
    }
    return {**document, "sha256": _digest(document)}


def weights_text(model: ExportedModel) -> str:
    """Return the document as a file's text.

    Raises
    ------
    DataError
        The model's records hold what JSON has no number for.
    """
    try:
        return json.dumps(weights_document(model), ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        raise DataError("the model's provenance holds NaN or infinity, which JSON has not; fit it again") from error


def is_json(data: bytes) -> bool:
    """Tell JSON from a model file, whose first eight bytes are a length and end in zeros.

    >>> is_json(b'  {"format": "x"}'), is_json((123).to_bytes(8, "little") + b"{}")
    (True, False)
    """
    return data.lstrip()[:1] == b"{" and 0 not in data[:8]


def unpack(data: bytes) -> tuple[Tensors, Header]:
    """Return the tensors and the header of the model file that a document stands for.

    Raises
    ------
    ModelFileError
        No such document, changed or damaged, written by a newer inklens, or one that contradicts itself.
    """
    try:
        document = parse(data)
    except JsonError as error:
        raise ModelFileError(f"is no JSON that can be read ({error}); {EXPORT_AGAIN}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ModelFileError(f'is JSON, but no model: expected "format": "{FORMAT}"; {EXPORT_AGAIN}')
    _check(document)
    try:
        tensors = _tensors(document)
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"is not a usable model: {error}") from error
    header: Header = {"schema_version": FILE_VERSION, **{name: document[name] for name in PLAIN_ENTRIES}}
    return tensors, header


def _check(document: Document) -> None:
    """Refuse what is newer, incomplete, changed, or at odds with its own records."""
    version = document.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ModelFileError(f"was written by a newer inklens (JSON version {version}); update inklens to read it")
    if version != SCHEMA_VERSION or document.keys() != ENTRIES:
        odd = sorted(ENTRIES ^ document.keys())
        raise ModelFileError(f"does not follow docs/weights.schema.json ({', '.join(odd[:4])[:80]}); {EXPORT_AGAIN}")
    if document["sha256"] != _digest({name: entry for name, entry in document.items() if name != "sha256"}):
        raise ModelFileError(f"was changed or damaged (its checksum does not fit); copy it again, or {EXPORT_AGAIN}")
    provenance = document["provenance"]
    if not isinstance(provenance, dict):
        raise ModelFileError("is not a usable model: expected a provenance by name")
    accuracy = provenance.get("accuracy")
    stated = proof(FitRecord.from_json(provenance.get("fit")), accuracy if isinstance(accuracy, dict) else {})
    for name, value in stated.items():
        if document[name] != value:
            raise ModelFileError(f"states a {name} that is not the one of its provenance; {EXPORT_AGAIN}")


def _digest(document: Mapping[str, object]) -> str:
    """Return the SHA-256 of a document with sorted names, in ASCII, without blanks."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _tensors(document: Document) -> Tensors:
    coef, intercept = _numbers(document["coef"], 2, "coef"), _numbers(document["intercept"], 1, "intercept")
    return {"coef": coef, "intercept": intercept, **_dual_tensors(document["dual"], coef.shape)}


def _numbers(values: object, depth: int, name: str) -> np.ndarray:
    """Return nested lists of numbers as float64; text and truth values, which NumPy would convert, are refused."""
    flat = values if isinstance(values, list) else [values]
    if depth == 2:
        flat = [number for row in flat for number in (row if isinstance(row, list) else [None])]
    if not isinstance(values, list) or any(type(number) not in (int, float) for number in flat):
        raise ValueError(f"{name} has to be {'a list of lists' if depth == 2 else 'a list'} of numbers")
    return np.array(values, dtype=np.float64)  # a ValueError where the lists differ in length


# ------------------------------------------------------------------------------------------------- dual point


def _dual_entry(dual: DualPoint | None) -> dict[str, str] | None:
    tensors = dual_tensors(dual)
    return {name.removeprefix("dual."): _packed(tensor) for name, tensor in tensors.items()} or None


def _dual_tensors(entry: object, shape: tuple[int, ...]) -> Tensors:
    """Return the parts of a dual point, whose shapes are those of coef and intercept."""
    if entry is None:
        return {}
    shapes = {"coef": shape, "intercept": shape[:1], "direction": shape, "intercept_direction": shape[:1]}
    if not isinstance(entry, dict) or not {"coef", "intercept"} <= entry.keys() <= shapes.keys():
        raise ValueError("dual has to hold coef and intercept, and may hold direction and intercept_direction")
    return {f"dual.{name}": _unpacked(part, shapes[name], name) for name, part in entry.items()}


def _packed(tensor: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(tensor.astype("<f8").tobytes(), 9)).decode("ascii")


def _unpacked(text: object, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Return an array; never more bytes are unpacked than it may have."""
    n_bytes = 8 * int(np.prod(shape))
    if not isinstance(text, str):
        raise TypeError(f"{name} of the dual point has to be base64")
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(base64.b64decode(text, validate=True), n_bytes + 1)
    except zlib.error as error:
        raise ValueError(f"{name} of the dual point is damaged: {error}") from error
    if len(data) != n_bytes or not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"{name} of the dual point has to be {' x '.join(map(str, shape))} numbers")
    values = np.frombuffer(data, "<f8").reshape(shape).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} of the dual point holds NaN or infinity")
    return values
