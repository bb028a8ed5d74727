"""What child processes answer: each function calls one of the command line's, and returns what JSON can hold.

Pictures travel in base64: `pixels` are bytes (255 is full ink), `frame` is float32 in [0, 1], little endian, as the
model saw it.
"""

import base64
import io
import json
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np
from PIL import Image

from inklens.errors import DataError, InklensError, NoFlipError, ParameterError
from inklens.explanations import explain, flip
from inklens.linear.softmax import softmax
from inklens.photos.drawing import MAX_SIDE, normalise_drawing
from inklens.photos.normalise import Step
from inklens.reader import DigitReader, Reading
from inklens.studio.archives import arrays_of
from inklens.studio.messages import Message
from inklens.tasks import comparing, judging, mistakes
from inklens.tasks.exporting import export_page, pack_model
from inklens.tasks.session import Part, Session

if TYPE_CHECKING:
    from inklens.datasets import Dataset

FULL_INK = 255
MODELS_KEPT, SESSIONS_KEPT = 8, 3
MAX_STEP_SIDE = 320  # pixels of a step's picture
STEPS_OF = 4  # digits of a page that come with their steps

Json = dict[str, object]
T = TypeVar("T")


# ------------------------------------------------------------------------------------------------- models


_readers: OrderedDict[str, DigitReader] = OrderedDict()
_judged: OrderedDict[str, judging.Judgement] = OrderedDict()


def reader_of(located: object) -> DigitReader:
    """Return a model by identifier and path; its identifier is that of its content, so it never changes."""
    if not isinstance(located, Mapping):
        raise ParameterError("expected a model")
    return _kept(_readers, str(located["id"]), lambda: DigitReader.load(str(located["path"])), MODELS_KEPT)


def session_of(reader: DigitReader) -> Session:
    """Return a model with its rows; nothing is downloaded for that."""
    return Session.of(reader, offline=True)


def judgement_of(located: object, part: Part) -> judging.Judgement:
    """Return a model's answers on one of its halves."""
    reader = reader_of(located)
    assert isinstance(located, Mapping)
    return _kept(_judged, f"{located['id']} {part}", lambda: judging.judge(session_of(reader), part), SESSIONS_KEPT)


def _kept(kept: OrderedDict[str, T], key: str, make: Callable[[], T], most: int) -> T:
    """Return what is kept under a key, made if it is not; the one that was not asked for the longest makes room."""
    if key not in kept:
        kept[key] = make()
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)
    return kept[key]


def describe_model(question: Message) -> Message:
    """Say what is known of a model file."""
    return Message(described(DigitReader.from_bytes(question.blobs[0])))


def described(reader: DigitReader) -> Json:
    """Return what a list of models shows of one."""
    card, record, data = reader._card(), reader.fit_record, reader.data_record
    shares = reader.recorded("accuracy")
    return plain(
        {
            "classes": list(reader.classes),
            "image_shape": list(reader.image_shape),
            "features": reader.features,
            "title": card.title,
            "facts": {name: str(value) for name, value in card.facts.items()},
            "certificate": None
            if record is None or record.certificate is None
            else {**record.certificate.numbers(), "status": record.certificate.status},
            "penalty": None
            if record is None
            else {"C": record.C if record.is_penalised else None, "l1_ratio": record.l1_ratio, "group": record.group},
            "accuracy": {half: share for half, share in shares.items() if isinstance(share, float)},
            "data": {"name": data.name, "train": data.train, "test": data.test},
            "inklens": reader.version,
        }
    )


def pack_for_browser(question: Message) -> Message:
    """Return a model as the bytes that a browser loads, with held-out digits and, on request, a path."""
    reader = reader_of(question.data["model"])
    packed = pack_model(reader, points=0, offline=True)
    return Message({"notes": list(packed.notes), "samples": packed.samples}, (packed.model,))


def page_of_model(question: Message) -> Message:
    """Return the page that ``inklens export`` writes, without a path."""
    reader = reader_of(question.data["model"])
    page = export_page(reader, points=0, language=str(question.data["language"]), offline=True)
    return Message({"notes": list(page.notes)}, (page.text.encode(),))


# ------------------------------------------------------------------------------------------------- rows


def evaluation_of(question: Message) -> Message:
    """Judge a model on one of its halves, as ``inklens evaluate --json``."""
    judged = judgement_of(question.data["model"], _part(question))
    found = {"part": judged.part, "notes": list(judged.notes), **judged.evaluation.to_json()}
    return Message(plain({**found, "intervals": _intervals(judged)}))


def _intervals(judged: judging.Judgement) -> Json:
    """Return Wilson intervals of each class's recall and precision."""
    from inklens.evaluation import proportion

    counts, found = judged.evaluation, {}
    for k, name in enumerate(counts.classes):
        right = int(counts.true_positives[k])
        wholes = {"recall": right + int(counts.false_negatives[k]), "precision": right + int(counts.false_positives[k])}
        found[name] = {what: proportion(right, n).to_json() for what, n in wholes.items()}
    return dict(found)


def cell_of(question: Message) -> Message:
    """Open one cell of the confusion matrix, as ``inklens evaluate --mistakes``, the surest answer first."""
    judged = judgement_of(question.data["model"], _part(question))
    names, places = judged.reader.classes, (_index(question, "true"), _index(question, "predicted"))
    if max(places) >= len(names):
        raise ParameterError(f"expected rows and columns from 0 to {len(names) - 1}")
    cell = mistakes.open_cell(judged, *(names[place] for place in places))
    offset, limit = _index(question, "offset"), _index(question, "limit")
    chosen = range(len(cell.samples))[offset : offset + limit]
    return Message(
        plain(
            {
                "true": cell.true,
                "predicted": cell.answer,
                "against": cell.against,
                "part": cell.part,
                "n_images": len(cell.samples),
                "n_true": cell.n_true,
                "log_odds": cell.log_odds,
                "images": [
                    {
                        "index": int(cell.samples[i]),
                        "row": int(cell.rows[i]),
                        "probabilities": cell.proba[i].tolist(),
                        "pixels": pixels_of(cell.frames[i]),
                    }
                    for i in chosen
                ],
            }
        )
    )


def row_of(question: Message) -> Message:
    """Tell one row: what it is, what it is read as and why, what would change that, and who votes for it."""
    judged, index = judgement_of(question.data["model"], _part(question)), _index(question, "index")
    if index >= len(judged.frames):
        raise ParameterError(f"expected a row from 0 to {len(judged.frames) - 1}, got {index}")
    frame, reader = judged.frames[index], judged.reader
    why = explain(reader, frame)
    return Message(
        plain(
            {
                "part": judged.part,
                "index": index,
                "row": int(judged.index[index]),
                "label": str(judged.y_true[index]),
                "read_as": why.label,
                "rival": why.rival,
                "probabilities": judged.proba[index].tolist(),
                "z": why.z.tolist(),
                "pixels": pixels_of(frame),
                "words": why.in_words(why.label, why.rival),
                "flip": _nearest_flip(reader, frame),
                "votes": _votes(judged, index),
            }
        )
    )


def _nearest_flip(reader: DigitReader, frame: np.ndarray) -> Json | None:
    try:
        found = flip(reader, frame)
    except NoFlipError:
        return None
    return {
        "to": found.target,
        "cost": found.cost,
        "lower_bound": found.lower_bound,
        "optimal": found.optimal,
        "added": found.added,
        "erased": found.erased,
        "pixels": pixels_of(found.flipped),
    }


def _votes(judged: judging.Judgement, index: int) -> Json | None:
    """Return how the training rows vote on it; None for a model without votes."""
    from inklens.tasks.explaining import vote

    session = session_of(judged.reader)
    if session.foreign:
        return None
    try:
        shape = session.dataset.image_shape
        found = vote(judged.reader, session.split, judged.frames[index], image_shape=shape)
    except InklensError:
        return None
    strongest = found.to_json(most=8)
    sides = zip(("for", "against"), found.votes.strongest(found.a, found.b, most=8), strict=True)
    shown = {side: [base64_of(found.images[i]) for i in rows] for side, rows in sides}
    return {**strongest, "pixels": shown}


def compare_models(question: Message) -> Message:
    """Compare two models, as ``inklens compare --json``."""
    a, b = reader_of(question.data["a"]), reader_of(question.data["b"])
    return Message(plain(comparing.compare(a, b, offline=True).to_json()))


# ------------------------------------------------------------------------------------------------- drawings, photos


def read_drawing(question: Message) -> Message:
    """Read a drawing: the same answer as the page's own, as JSON that nobody has to parse on its way."""
    reader = reader_of(question.data["model"])
    rows, cols = _index(question, "rows"), _index(question, "cols")
    (ink,) = question.blobs
    if len(ink) != rows * cols or not 0 < max(rows, cols) <= MAX_SIDE:
        raise DataError(f"expected {rows} x {cols} bytes of ink, at most {MAX_SIDE} a side, got {len(ink)} bytes")
    seen = normalise_drawing(np.frombuffer(ink, np.uint8).reshape(rows, cols) / np.float32(FULL_INK))
    if reader.image_shape != seen.frame.shape:
        raise DataError("drawings are normalised to 28 x 28 pixels, and this model takes others")
    z = reader.raw_prediction(seen.frame[None])
    proba, z = softmax(z)[0], z[0]
    located = question.data["model"]
    assert isinstance(located, Mapping)
    answer = {
        "label": reader.classes[int(proba.argmax())],
        "probabilities": dict(zip(reader.classes, proba.tolist(), strict=True)),
        "z": z.tolist(),
        "frame": frame_of(seen.frame),
        "box": [float(edge) for edge in seen.box],
        "accepted": seen.accepted,
        "like_training": seen.like_training,
        "reasons": list(seen.reasons),
        "measures": seen.measures,
        "model": located["id"],
    }
    return Message({}, (json.dumps(plain(answer), allow_nan=False).encode(),))


def read_photo(question: Message) -> Message:
    """Read a photo, as ``inklens read --json``, with frames and steps."""
    photo, model = question.blobs
    settings = question.data["settings"]
    assert isinstance(settings, dict)
    if settings.get("pen") == "none":
        settings["pen"] = None
    reader = DigitReader.from_bytes(model).with_parameters(**settings)
    many = question.data["many"]
    lines = reader.read_lines(photo, many=many if isinstance(many, bool) else None)
    readings = [reading for line in lines for reading in line]
    digits = [_reading(reader, reading, with_steps=n < STEPS_OF) for n, reading in enumerate(readings)]
    texts = ["".join(reading.label for reading in line) for line in lines]
    return Message(plain({"text": " ".join(texts), "lines": texts, "digits": digits}))


def _reading(reader: DigitReader, reading: Reading, *, with_steps: bool) -> Json:
    steps = [_step(reader, step, reading.label) for step in reading.steps] if with_steps else []
    return {**reading.to_json(), "frame": frame_of(reading.frame), "steps": steps}


def _step(reader: DigitReader, step: Step, label: str) -> Json:
    """Return a step's picture, and how probable the answer would be if the recipe ended there."""
    proba = reader.predict_proba(step.as_frame()[None])[0]
    small = _smaller(np.asarray(step.picture, np.float32))
    return {
        "name": step.name,
        "note": step.note,
        "png": png_of(small),
        "rows": small.shape[0],
        "cols": small.shape[1],
        "probability": float(proba[reader.classes.index(label)]),
    }


# ------------------------------------------------------------------------------------------------- uploads of data


def check_npz(question: Message) -> Message:
    """Load an archive of arrays, as ``--data npz:FILE``, and say what it holds."""
    from inklens.datasets import load_dataset

    return Message(_summary(load_dataset(f"npz:{question.data['path']}")))


def unpack_archive(question: Message) -> Message:
    """Turn a zip of pictures, one folder a class, or of MNIST's files into an archive of arrays."""
    images, labels, notes = arrays_of(_files.pop())
    buffer = io.BytesIO()
    np.savez(buffer, images=images, labels=labels)
    return Message({"notes": notes}, (buffer.getvalue(),))


_files: list[BinaryIO] = []


@contextmanager
def opened(question: Message) -> Iterator[None]:
    """Open the file that a question is about before the box closes."""
    if question.data.get("do") != "archive":
        yield
        return
    with Path(str(question.data["path"])).open("rb") as file:
        _files.append(file)
        yield


def _summary(dataset: "Dataset") -> Json:
    return plain(
        {
            "n_samples": len(dataset),
            "classes": list(dataset.classes),
            "image_shape": list(dataset.image_shape),
            "notes": list(dataset.notes),
        }
    )


def join_modules(question: Message) -> Message:
    """Return the page's modules, joined."""
    from inklens.studio.static import bundles

    return Message({}, bundles())


def list_datasets(question: Message) -> Message:
    """Say which data sets are known by name, and which of them are on this computer."""
    from inklens.datasets import available

    known = [
        {
            "spec": entry.spec,
            "id": None,
            "name": entry.title,
            "origin": "embedded" if entry.spec == "embedded" else "openml",
            "n_samples": entry.n_samples,
            "classes": None,
            "image_shape": None if entry.image_shape is None else list(entry.image_shape),
            "ready": entry.cached,
            "download_bytes": entry.download_bytes,
            "licence": entry.licence,
        }
        for entry in available()
    ]
    return Message(plain({"datasets": known}))


# ------------------------------------------------------------------------------------------------- pictures as text


def base64_of(pixels: np.ndarray) -> str:
    """Return bytes as text.

    >>> base64_of(np.array([0, 255], np.uint8))
    'AP8='
    """
    return base64.b64encode(np.ascontiguousarray(pixels, np.uint8).tobytes()).decode()


def pixels_of(frame: np.ndarray) -> str:
    """Return a frame in whole levels."""
    return base64_of(np.rint(np.clip(frame, 0, 1) * FULL_INK).astype(np.uint8))


def frame_of(frame: np.ndarray) -> str:
    """Return a frame as the model saw it."""
    return base64.b64encode(np.ascontiguousarray(frame, "<f4").tobytes()).decode()


def png_of(picture: np.ndarray) -> str:
    """Return a picture, 0 black to 1 white, as a PNG file in base64."""
    buffer = io.BytesIO()
    Image.fromarray(np.rint(np.clip(picture, 0, 1) * FULL_INK).astype(np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _smaller(picture: np.ndarray) -> np.ndarray:
    """Return every n-th pixel's average, so that no side is longer than a screen needs."""
    factor = -(-max(picture.shape) // MAX_STEP_SIDE)
    if factor == 1:
        return picture
    size = (max(1, picture.shape[1] // factor), max(1, picture.shape[0] // factor))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def plain(value: Any) -> Any:  # a value, or a document, of what JSON can hold or NumPy has
    """Return what JSON can hold: NaN and infinity become null.

    >>> plain({"a": [1.5, float("nan")], "b": np.float32(2)})
    {'a': [1.5, None], 'b': 2.0}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and value - value != 0.0:
        return None
    return value


def _part(question: Message) -> Part:
    return "train" if question.data.get("part") == "train" else "test"


def _index(question: Message, name: str) -> int:
    value = question.data[name]
    assert isinstance(value, int)
    return value


QUESTIONS: dict[str, Callable[[Message], Message]] = {
    "describe": describe_model,
    "pack": pack_for_browser,
    "page": page_of_model,
    "evaluation": evaluation_of,
    "cell": cell_of,
    "row": row_of,
    "compare": compare_models,
    "datasets": list_datasets,
    "bundles": join_modules,
    "drawing": read_drawing,
}
BOXED: dict[str, Callable[[Message], Message]] = {
    "photo": read_photo,
    "npz": check_npz,
    "archive": unpack_archive,
}


@lru_cache(maxsize=1)
def warm_up() -> None:
    """Read one picture and one drawing: what is imported or loaded for that is then there in every child.

    Once in a process and those forked from it.
    """
    Image.init()
    paper = np.full((60, 50), 230, np.uint8)
    paper[10:50, 22:28] = 26
    model = DigitReader.shipped().to_bytes()
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        picture = io.BytesIO()
        Image.fromarray(paper).save(picture, kind)
        read_photo(Message({"settings": {}, "many": None}, (picture.getvalue(), model)))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0/a.gif", picture.getvalue())
    _files.append(packed)
    unpack_archive(Message({}))
