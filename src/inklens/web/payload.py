"""A model as bytes for a browser: one header, then plain arrays.

    4 bytes    length of the header, little endian
    header     JSON, padded with spaces so that the arrays start at a multiple of 8 bytes
    arrays     each at its `offset` from the end of the header, a multiple of 8

`static/core.js` reads it (`decodeModel`). Studio, page, notebook output and widget all load these bytes.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from inklens.classes import encode
from inklens.datasets.dataset import Dataset
from inklens.datasets.relabel import mark
from inklens.errors import DataError, ParameterError
from inklens.linear.path import SoftmaxPath
from inklens.model.linear_model import PHOTO_SHAPE
from inklens.model.records import DataRecord
from inklens.model.summary import Summarised, summary
from inklens.photos import checks, typical

FORMAT, VERSION = "inklens-web", 1
ALIGNMENT = 8  # bytes; a typed array of a browser starts at a multiple of its element's size
FULL_INK = 255
PATH_LEVELS = 4095  # steps from 0 to the largest coefficient of a path: 12 bits; 15 would take 17 kB more in a page
STOP_LEVELS = 4095  # 12 bits: nearly all coefficients of an early stop are not 0, and compress badly
# Steps from 0 to the largest of a column, by how much likeness suffers: it moves by 0.006 (root mean square), and of
# 7,000 decisions on digits and made signs none changed that was further than 0.03 from the limit.
GATE_LEVELS = {"basis": 63, "whiten": 127, "prototypes": 31, "outliers": 127}
MISTAKE_SHARE, CLOSE_SHARE = 0.4, 0.3  # of the sample digits, at most

Tensors = Mapping[str, np.ndarray]
Half = tuple[np.ndarray, np.ndarray, np.ndarray]  # X uint8 (n, n_pixels), y (n,), rows of the data set


class WebReader(Summarised, Protocol):
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
    def data_record(self) -> DataRecord: ...
    def predict_proba(self, frames: np.ndarray) -> np.ndarray: ...


class WebSession(Protocol):
    """Rows that a model is asked about: a `Session`, or what looks like one."""

    @property
    def dataset(self) -> Dataset: ...
    def half(self, part: Literal["test", "train", "all"]) -> Half: ...


class WebPath(Protocol):
    """A path with the accuracies of its points: a `PathRun`, or what looks like one."""

    @property
    def path(self) -> SoftmaxPath: ...
    @property
    def train_accuracy(self) -> np.ndarray: ...
    @property
    def test_accuracy(self) -> np.ndarray: ...


class WebStops(Protocol):
    """Early stops of a solver on one L1 problem, the proven optimum last: a `StopRun`, or what looks like one."""

    @property
    def C(self) -> float: ...
    @property
    def epochs(self) -> tuple[int | None, ...]: ...
    @property
    def tols(self) -> tuple[float | None, ...]: ...
    @property
    def classes(self) -> np.ndarray: ...
    @property
    def coefs(self) -> np.ndarray: ...
    @property
    def intercepts(self) -> np.ndarray: ...
    @property
    def gaps(self) -> np.ndarray: ...
    @property
    def train_accuracy(self) -> np.ndarray: ...
    @property
    def test_accuracy(self) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Samples:
    """Digits of one half that are shown beside a model, and what it made of the whole half.

    Parameters
    ----------
    pixels : uint8 array (n_samples, n_pixels)
    labels, predicted, kinds : tuple of str
        True class, answer, and "mistake", "close" or "right".
    rows : tuple of int
        Numbers within the half.
    half : {"test", "train"}
    confusion : int array (n_classes, n_classes)
        Counts over the whole half: true class by answer; rows of classes that the model does not know are left out.
    n_rows : int
        Rows of the half.
    index : tuple of int
        Rows of the data set; empty where no relabel file can name them.
    data : str, optional
        What a relabel file says of the data set.
    """

    pixels: np.ndarray
    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: tuple[int, ...]
    half: str
    confusion: np.ndarray
    n_rows: int
    index: tuple[int, ...] = ()
    data: str | None = None


def web_model(
    reader: WebReader,
    *,
    path: WebPath | Sequence[WebPath] | None = None,
    tolerance: WebStops | None = None,
    samples: Samples | None = None,
    usual: Mapping[str, np.ndarray] | None = None,
    gate: bool = True,
) -> bytes:
    """Return a model as bytes for a browser.

    Parameters
    ----------
    reader : DigitReader
        Its coefficients travel as float32.
    path : PathRun, or several with other shares of L1, optional
        For a slider over C; see `encode_path` for what is lost.
    tolerance : StopRun, optional
        For the same slider over a solver's time, see `inklens.tasks.stops`.
    samples : Samples, optional
        Digits to try, as `samples` finds them.
    usual : mapping from class to array (rows, cols) in [0, 1], optional
        The most ink that a plausible flip may give a pixel, as `usual_ink` finds it.
    gate : bool
        Whether the browser can tell what is no digit; 60 kB compressed. Models of other classes or sizes have none.

    Raises
    ------
    DataError
        Path, samples or limits are not of this model's classes and pixels.

    Examples
    --------
    >>> from inklens import DigitReader
    >>> data = web_model(DigitReader(np.eye(2, 4), np.zeros(2), ("a", "b"), (2, 2)))
    >>> header, tensors = parse(data)
    >>> header["classes"], tensors["coef"].shape
    (['a', 'b'], (2, 4))
    """
    tensors = {"coef": _float32(reader.coef), "intercept": _float32(reader.intercept)}
    header: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "classes": list(reader.classes),
        "image_shape": list(reader.image_shape),
        "features": reader.features,
        **summary(reader),
        "path": None,
        "more_paths": [],
        "tolerance": None,
        "samples": None,
        "gate": None,
    }
    runs = [] if path is None else list(path) if isinstance(path, Sequence) else [path]
    entries = []
    for number, run in enumerate(runs):
        entry, arrays = encode_path(run, reader)
        entries.append(entry)
        tensors |= {f"path{number}.{name}": array for name, array in arrays.items()}
    if entries:
        header |= {"path": entries[0], "more_paths": entries[1:]}
    if tolerance is not None:
        header["tolerance"], arrays = encode_stops(tolerance, reader)
        tensors |= {f"tolerance.{name}": array for name, array in arrays.items()}
    if samples is not None:
        header["samples"] = _samples(samples, reader)
        tensors["samples.pixels"] = samples.pixels
    if usual is not None:
        tensors["usual"] = _usual(usual, reader)
    if gate and reader.image_shape == PHOTO_SHAPE and checks.DIGITS.issuperset(reader.classes):
        header["gate"], arrays = encode_gate(typical.shipped())
        tensors |= {f"gate.{name}": array for name, array in arrays.items()}
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


# ------------------------------------------------------------------------------------------------- path


def encode_path(run: WebPath, reader: WebReader) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Return a path's numbers, and its coefficients as `_coded` writes them."""
    path = run.path
    _check_weights(path.coefs, path.classes, reader)
    numbers, arrays = _coded(path.coefs, PATH_LEVELS)
    entry = {
        "Cs": _short(path.Cs, 9),
        "gaps": _short(path.gaps, 4),
        "nonzeros": path.n_nonzeros.tolist(),
        "pixels": path.n_features_used.tolist(),
        "train_accuracy": _short(run.train_accuracy, 6),
        "test_accuracy": _short(run.test_accuracy, 6),
        "l1_ratio": path.l1_ratio,
        "group": path.group,
        "entry_order": path.entry_order.tolist(),
        **numbers,
    }
    return entry, {**arrays, "intercept": _float32(path.intercepts)}


def encode_stops(stops: WebStops, reader: WebReader) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Return early stops as a path over a solver's time: the same lists, with its epochs and tolerances."""
    _check_weights(stops.coefs, stops.classes, reader)
    numbers, arrays = _coded(stops.coefs, STOP_LEVELS)
    entry = {
        "Cs": [stops.C] * len(stops.coefs),
        "epochs": list(stops.epochs),
        "tols": list(stops.tols),
        "gaps": _short(stops.gaps, 4),
        "nonzeros": np.count_nonzero(stops.coefs, axis=(1, 2)).tolist(),
        "pixels": (stops.coefs != 0.0).any(axis=1).sum(axis=1).tolist(),
        "train_accuracy": _short(stops.train_accuracy, 6),
        "test_accuracy": _short(stops.test_accuracy, 6),
        "l1_ratio": 1.0,
        "group": False,
        "entry_order": [],
        **numbers,
    }
    return entry, {**arrays, "intercept": _float32(stops.intercepts)}


def _check_weights(coefs: np.ndarray, classes: np.ndarray, reader: WebReader) -> None:
    if coefs.shape[1:] != reader.coef.shape or tuple(classes.astype(str)) != reader.classes:
        raise DataError(
            f"the path has {coefs.shape[1]} classes and {coefs.shape[2]} pixels, the model "
            f"{reader.coef.shape[0]} and {reader.coef.shape[1]}; follow a path on the data of the model"
        )


def _coded(coefs: np.ndarray, levels: int) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return coefficients as 16-bit differences from one point to the next.

    A coefficient is a whole number of steps of max |W| / levels. What is 0 stays 0, and what is not does not become 0,
    so a coefficient is at most one step off, which is stated as "error". Each coefficient's points lie side by side,
    with the low and the high bytes apart, and sizes before signs (zigzag): most bytes are then 0.
    """
    step = max(float(np.abs(coefs).max()), float(np.finfo(np.float32).tiny)) / levels
    steps = np.rint(coefs / step).astype(np.int64)
    steps = np.where((steps == 0) & (coefs != 0.0), np.sign(coefs), steps).astype(np.int64)
    change = np.diff(steps, axis=0, prepend=0).astype(np.int16).reshape(len(coefs), -1).T  # wraps, and so does its sum
    size = ((change << 1) ^ (change >> 15)).astype(np.uint16)
    numbers = {"scale": step, "error": float(np.abs(steps * step - coefs).max())}
    return numbers, {"low": (size & 255).astype(np.uint8), "high": (size >> 8).astype(np.uint8)}


def _short(values: np.ndarray, digits: int) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in values.tolist()]


# ------------------------------------------------------------------------------------------------- samples


def samples(
    reader: WebReader,
    session: WebSession,
    *,
    n: int = 120,
    part: Literal["test", "train"] = "test",
    always: Sequence[int] = (),
) -> Samples:
    """Choose digits to show: mistakes, the surest first; then close calls; then some of each class that are read right.

    Parameters
    ----------
    session : Session
        The model with its rows.
    n : int
        How many; fewer where the half has no more.
    always : sequence of int
        Rows of the half that are among them in any case.

    Raises
    ------
    ParameterError
        n is below 1.
    """
    if n < 1:
        raise ParameterError(f"expected at least one sample digit, got {n}")
    X, y, index = session.half(part)
    rows, cols = reader.image_shape
    proba = reader.predict_proba(X.reshape(-1, rows, cols) / FULL_INK)
    answers, y = proba.argmax(axis=1), np.asarray(y).astype(str)
    names = np.array(reader.classes)
    right = names[answers] == y
    chosen = {row: "close" if right[row] else "mistake" for row in always} | _choose(proba, right, answers, n)
    known = np.isin(y, names)
    confusion = np.zeros((len(names), len(names)), int)
    np.add.at(confusion, (encode(y[known], reader.classes), answers[known]), 1)
    picked = np.array(list(chosen), int)
    return Samples(
        X[picked].astype(np.uint8),
        tuple(y[picked].tolist()),
        tuple(names[answers[picked]].tolist()),
        tuple(chosen.values()),
        tuple(picked.tolist()),
        part,
        confusion,
        len(y),
        *_relabelled_by(reader, session, index[picked]),
    )


def _relabelled_by(reader: WebReader, session: WebSession, index: np.ndarray) -> tuple[tuple[int, ...], str | None]:
    """Return the rows as a relabel file names them, and its mark.

    There are none where labels were corrected before or images were added: a new file would forget the one, and has no
    row for the other.
    """
    if reader.data_record.relabelled is not None or (index < 0).any():
        return (), None
    return tuple(index.tolist()), mark(session.dataset)


def _choose(proba: np.ndarray, right: np.ndarray, answers: np.ndarray, n: int) -> dict[int, str]:
    """Return rows with what they are examples of."""
    first, second = np.sort(proba, axis=1)[:, :-3:-1].T
    margins = np.where(right, first - second, np.inf)
    wrong = np.where(right, np.inf, -first)
    mistakes = np.argsort(wrong, kind="stable")[: min(int((~right).sum()), int(MISTAKE_SHARE * n))]
    close = np.argsort(margins, kind="stable")[: min(int(right.sum()), int(CLOSE_SHARE * n))]
    chosen = dict.fromkeys(mistakes.tolist(), "mistake") | dict.fromkeys(close.tolist(), "close")
    left = [i for i in np.flatnonzero(right).tolist() if i not in chosen]
    nth = dict.fromkeys(range(proba.shape[1]), 0)  # of its class, so that all classes come in turn
    turns = []
    for i in left:
        turns.append((nth[int(answers[i])], i))
        nth[int(answers[i])] += 1
    return chosen | {i: "right" for _, i in sorted(turns)[: max(0, n - len(chosen))]}


def _samples(samples: Samples, reader: WebReader) -> dict[str, object]:
    n_pixels = reader.image_shape[0] * reader.image_shape[1]
    if samples.pixels.dtype != np.uint8 or samples.pixels.shape != (len(samples.labels), n_pixels):
        raise DataError(f"expected sample digits as uint8 (n, {n_pixels}), got {samples.pixels.shape}")
    return {
        "labels": list(samples.labels),
        "predicted": list(samples.predicted),
        "kinds": list(samples.kinds),
        "rows": list(samples.rows),
        "half": samples.half,
        "confusion": samples.confusion.tolist(),
        "n": samples.n_rows,
        "index": list(samples.index) or None,
        "data": samples.data,
    }


def _usual(usual: Mapping[str, np.ndarray], reader: WebReader) -> np.ndarray:
    """Return the limits of all classes as whole levels, none below what it was, (n_classes, n_pixels)."""
    absent = [name for name in reader.classes if name not in usual]
    if absent or any(usual[name].shape != reader.image_shape for name in reader.classes):
        raise DataError(
            f"expected usual ink of {reader.image_shape[0]} x {reader.image_shape[1]} pixels for each class"
            f"{' without ' + ', '.join(absent) if absent else ''}; take it from the training images of the model"
        )
    limits = np.stack([usual[name].ravel() for name in reader.classes])
    return np.ceil(limits * FULL_INK - 1e-9).astype(np.uint8)


# ------------------------------------------------------------------------------------------------- gate


def encode_gate(gate: typical.Typical) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Return what digits look like with 6 to 8 bits a number, each column in steps of its largest."""
    limits: dict[str, object] = {
        "least": checks.MIN_LIKENESS,
        "half_likely": typical.HALF_LIKELY_NOVELTY,
        "steepness": typical.STEEPNESS,
        "digits": typical.DIGITS,
        "noise": float(gate.noise[0]),
        "medians": gate.medians.tolist(),
    }
    tensors = {"mean": _float32(gate.mean), "bias": _float32(gate.outliers[-1])}
    large = {
        "basis": gate.basis,
        "whiten": gate.whiten,
        "prototypes": gate.prototypes,
        "outliers": gate.outliers[:-1],
    }
    for name, values in large.items():
        steps = np.abs(values).max(axis=0) / GATE_LEVELS[name]
        tensors[f"{name}.steps"] = _float32(steps)
        tensors[name] = np.rint(values / steps).astype(np.int8)
    return limits, tensors
