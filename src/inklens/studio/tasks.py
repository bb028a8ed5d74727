"""Long computations in a child process: each calls one function of the command line's, and tells how it gets on.

What is told goes through a thread of its own, so that an interruption never cuts a message in two.
"""

import base64
import hashlib
import io
import json
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypedDict, cast

import numpy as np
from PIL import Image

from inklens.datasets import fetch, load_dataset
from inklens.datasets.registry import absolute_spec
from inklens.datasets.relabel import DROP, Relabelling, write_relabel
from inklens.errors import DataError, ParameterError
from inklens.linear.driver import Solution
from inklens.model.linear_model import PHOTO_SHAPE
from inklens.storage import write_inside
from inklens.studio.messages import Message
from inklens.studio.work import Json, base64_of, described, plain, reader_of, session_of
from inklens.tasks.collecting import check_label
from inklens.tasks.exporting import POINTS, pack_model
from inklens.tasks.labels import suspect_labels
from inklens.tasks.models import fit

Tell = Callable[[Message], None]

BEAT_SECONDS = 0.03  # between two reports, where the computation has nothing new to say
MAPS_SECONDS = 0.3  # between two pictures of the coefficients
LEVELS = 127  # 8 bits with a sign


class Teller:
    """Tells the parent how far a computation is, from a thread of its own.

    Parameters
    ----------
    tell : callable
        Sends a message.
    """

    def __init__(self, tell: Tell, image_shape: tuple[int, int] | None = None) -> None:
        self._tell, self._began, self._maps_at = tell, time.perf_counter(), 0.0
        self._queue: SimpleQueue[Message | None] = SimpleQueue()
        self._known: Json = {"what": "data"}
        self.image_shape = image_shape
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> "Teller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()

    def step(self, done: int, total: int | None, what: str) -> None:
        """Tell a step of something countable."""
        self._known = {**self._known, "what": what, "done": done, "total": total}
        self._queue.put(self._report())

    def solution(self, solution: Solution) -> None:
        """Tell the best point of a fit so far."""
        self._known = {
            "what": "fit",
            "passes": solution.n_passes,
            "objective": solution.objective,
            "lower_bound": solution.lower_bound,
            "relative_gap": solution.gap,
            "zeros": int((solution.coef == 0.0).sum()),
        }
        self._queue.put(self._report())
        if time.perf_counter() - self._maps_at >= MAPS_SECONDS:
            self.maps(solution.coef)

    def maps(self, coef: np.ndarray) -> None:
        """Tell what coefficients look like."""
        self._maps_at = time.perf_counter()
        self._queue.put(Message({"event": "maps", "data": maps_of(coef)}))

    def _report(self) -> Message:
        seconds = time.perf_counter() - self._began
        return Message({"event": "progress", "data": plain({**self._known, "seconds": round(seconds, 3)})})

    def _send(self) -> None:
        while True:
            try:
                message = self._queue.get(timeout=BEAT_SECONDS)
            except Empty:
                message = self._report()
            if message is None:
                return
            try:
                self._tell(message)
            except OSError:  # the parent is gone
                signal.raise_signal(signal.SIGTERM)


def maps_of(coef: np.ndarray) -> Json:
    """Return coefficients in 255 steps, for a look.

    >>> maps_of(np.array([[0.0, -2.0]]))
    {'n_classes': 1, 'n_features': 2, 'scale': 0.01574..., 'coef': 'AIE='}
    """
    largest = float(np.abs(coef).max()) or 1.0
    steps = np.rint(coef * (LEVELS / largest)).astype(np.int8)
    return {
        "n_classes": len(coef),
        "n_features": coef.shape[1],
        "scale": largest / LEVELS,
        "coef": base64.b64encode(steps.tobytes()).decode(),
    }


class FitSettings(TypedDict, total=False):
    """Parameters of `inklens.tasks.models.fit` that a request may set; its schema has checked them."""

    train: int | float
    test: int | float
    seed: int
    C: float
    l1_ratio: float
    group: bool
    max_pixels: int
    features: str
    tol: float
    time_budget: float


FIT_SETTINGS = tuple(FitSettings.__annotations__)


def fit_model(question: Message, tell: Tell) -> Message:
    """Fit a model, as ``inklens fit``; the answer holds its file."""
    asked = dict(question.data)
    settings = cast(FitSettings, {name: asked[name] for name in FIT_SETTINGS if asked.get(name) is not None})
    if asked.get("penalised") is False:
        settings["C"] = float("inf")
    start = asked.get("start")
    data = absolute_spec(str(asked["data"]))
    with tempfile.TemporaryDirectory(prefix="inklens-") as folder, Teller(tell) as teller:
        relabel = asked.get("relabel")
        table = _relabel_file(Path(folder) / "relabel.csv", data, relabel) if isinstance(relabel, list) else None
        found = fit(
            data,
            **settings,
            relabel=table,
            add=_added_folder(asked.get("added"), asked.get("digits")),
            start=None if start is None else reader_of(start),
            progress=teller.step,
            callback=teller.solution,
        )
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what was found is to be kept
        teller.maps(found.reader.coef)  # the last picture is that of the model
    document = {**found.to_json(), "interrupted": found.interrupted, "known": described(found.reader)}
    return Message(plain(document), (found.reader.to_bytes(),))


def _added_folder(root: object, digits: object) -> Path | None:
    """Write one's own digits as the folder that ``inklens collect`` makes; one of the same digits is there already."""
    if not isinstance(digits, list) or not digits:
        return None
    content = json.dumps(digits, sort_keys=True).encode()
    folder = Path(str(root)) / hashlib.sha256(content).hexdigest()[:16]
    for number, digit in enumerate(digits):
        pixels = np.frombuffer(base64.b64decode(digit["pixels"]), np.uint8).reshape(PHOTO_SHAPE)
        png = io.BytesIO()
        Image.fromarray(pixels).save(png, "PNG")
        path = folder / check_label(digit["label"]) / f"{number:05d}.png"
        if not path.exists():
            write_inside(path, png.getvalue())
    return folder


def _relabel_file(path: Path, data: str, decisions: Iterable[Mapping[str, object]]) -> Path:
    """Write decisions about labels as the file that a person would have edited."""
    dataset = load_dataset(data, offline=True)
    labels: dict[int, str] = {}
    dropped = set()
    for decision in decisions:
        row, label = int(str(decision["row"])), decision["label"]
        if not row < len(dataset):
            raise DataError(f"expected a row from 0 to {len(dataset) - 1}, got {row}")
        if label is None or label == DROP:
            dropped.add(row)
        else:
            labels[row] = str(label)
    write_relabel(path, dataset, {}, decided=Relabelling(labels, frozenset(dropped)))
    return path


def follow_path(question: Message, tell: Tell) -> Message:
    """Follow a model's path, as ``inklens export --path``; the answer holds the bytes for a browser."""
    reader, points = reader_of(question.data["model"]), question.data.get("points")
    with Teller(tell) as teller:
        packed = pack_model(
            reader, points=points if isinstance(points, int) else POINTS, progress=teller.step, offline=True
        )
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return Message({"points": packed.points, "samples": packed.samples, "notes": list(packed.notes)}, (packed.model,))


def doubt_labels(question: Message, tell: Tell) -> Message:
    """Find training rows that are probably labelled wrong, as ``inklens labels --json``, with their pictures."""
    folds = question.data.get("folds")
    with Teller(tell) as teller:
        session = session_of(reader_of(question.data["model"]))
        found = suspect_labels(session, folds=folds if isinstance(folds, int) else 5, progress=teller.step)
    document = found.to_json()
    suspects = document["suspects"]
    assert isinstance(suspects, list)
    for i, suspect in zip(found.errors.suspects[: len(suspects)], suspects, strict=True):
        suspect["pixels"] = base64_of(found.frames[i])
    return Message(plain(document))


def fetch_dataset(question: Message, tell: Tell) -> Message:
    """Bring a named data set into the cache, as ``inklens data fetch``."""
    with Teller(tell) as teller:
        known = fetch(str(question.data["data"]), progress=teller.step)
        dataset = load_dataset(known.spec, offline=True)
    shape = list(dataset.image_shape)
    return Message(
        {"spec": known.spec, "n_samples": len(dataset), "classes": list(dataset.classes), "image_shape": shape}
    )


def loosen_tolerance(question: Message, tell: Tell) -> Message:
    """Fit as far as another solver's tolerances let it go; the answer holds the bytes for a browser."""
    from inklens.tasks.stops import early_stops

    reader = reader_of(question.data["model"])
    if reader.features != "pixels":
        raise ParameterError(f"early stops are shown on pixels, and this model is on {reader.features}")
    with Teller(tell) as teller:
        record = reader.fit_record
        C = record.C if record is not None and record.is_penalised else 1.0
        stops = early_stops(session_of(reader).split, C=C, progress=teller.step)
        packed = pack_model(reader, points=POINTS, progress=teller.step, tolerance=stops, offline=True)
    return Message({"points": packed.points, "samples": packed.samples, "notes": list(packed.notes)}, (packed.model,))


TASKS: dict[str, Callable[[Message, Tell], Message]] = {
    "fit": fit_model,
    "path": follow_path,
    "labels": doubt_labels,
    "tolerance": loosen_tolerance,
    "fetch": fetch_dataset,
}
