"""Write a model for those who have no inklens: what ``inklens export`` does."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inklens.errors import InklensError, ParameterError
from inklens.explanations import usual_ink
from inklens.exports.weights import weights_text
from inklens.linear.driver import Solution
from inklens.linear.path import softmax_path
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.tasks.model_rows import pixel_rows
from inklens.tasks.paths import PathRun, path_accuracies
from inklens.tasks.session import Session
from inklens.tasks.stops import StopRun, early_stops
from inklens.web.page import document
from inklens.web.payload import samples as samples_of
from inklens.web.payload import web_model

POINTS = 60  # of a path: a page with so many takes 300 kB
SAMPLES = 80  # held-out digits in a page: about 18 kB
MOST_ROWS = 20_000  # of training: with more, a path takes minutes, and is fitted only when asked for
SPARSE_C = 1.0  # where L1 ends for a model without it, as in the tutorial: beyond its best C on small data
PATH_TOL = 1e-3  # each point's promise, as of ``inklens path``


@dataclass(frozen=True)
class Export:
    """A model in another form.

    Parameters
    ----------
    content : bytes
        The whole file.
    kind : {"html", "json", "onnx", "h"}
    points, samples : int
        Of the path and of the held-out digits in it.
    notes : tuple of str
        What a person should know: what was left out, and why.
    """

    content: bytes
    kind: str
    points: int = 0
    samples: int = 0
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The file as text, which it is unless it is ONNX."""
        return self.content.decode()

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens export --json``."""
        return {
            "schema_version": 1,
            "kind": self.kind,
            "bytes": len(self.content),
            "points": self.points,
            "samples": self.samples,
            "notes": list(self.notes),
        }


def kind_of(out: str | os.PathLike[str]) -> str:
    """Return what a file's name asks for.

    >>> kind_of("page.html"), kind_of("weights.JSON"), kind_of("-"), kind_of("model.h")
    ('html', 'json', 'html', 'h')
    """
    kinds = {".html": "html", ".htm": "html", ".json": "json", ".onnx": "onnx", ".h": "h", "": "html"}
    suffix = Path(out).suffix.lower()
    if suffix not in kinds:
        raise ParameterError(f"expected a file that ends in .html, .json, .onnx or .h, got {str(out)!r}; rename it")
    return kinds[suffix]


def export_weights(reader: DigitReader) -> Export:
    """Return weights, card, certificate and what proves it as JSON, which `DigitReader.load` reads."""
    return Export(weights_text(reader).encode(), "json")


def export_onnx(reader: DigitReader, *, uint8: bool = False) -> Export:
    """Return the model for ONNX runtimes; arguments and errors as of `DigitReader.to_onnx`."""
    return Export(reader.to_onnx(uint8=uint8), "onnx")


def export_c(reader: DigitReader) -> Export:
    """Return a model on pixels as a C header; errors as of `DigitReader.to_c`."""
    return Export(reader.to_c().encode(), "h")


def export_page(
    reader: DigitReader,
    *,
    points: int | None = None,
    l1_ratios: Sequence[float] = (),
    samples: int = SAMPLES,
    stops: bool = False,
    gate: bool = True,
    title: str | None = None,
    language: str = "en",
    data: str | None = None,
    progress: Progress | None = None,
    offline: bool = False,
) -> Export:
    """Return the model as one page that needs no server and no network.

    Parameters
    ----------
    points : int, optional
        Of a path fitted on the model's own rows; 0 for none; by default `POINTS` where the model is on plain pixels and
        its rows are known and at most `MOST_ROWS`.
    l1_ratios : sequence of float in (0, 1]
        Further paths of as many points, each with this share of L1 in its penalty: a second slider.
    samples : int
        Held-out digits to look at.
    stops : bool
        Whether the page shows what another solver has when it stops early: about 45 kB, and ten seconds of fits.
    gate : bool
        Whether the page knows what digits look like, and refuses to answer for what does not look like one.
    title, language
        As for `inklens.web.page.document`.
    data : str, optional
        The rows, where the model does not say which they are.
    offline : bool
        Never use the network for them.

    Raises
    ------
    ParameterError
        A path was asked for that this model cannot have.
    DataError, DownloadError
        Data were named that cannot be loaded.
    """
    packed = pack_model(
        reader,
        points=points,
        l1_ratios=l1_ratios,
        samples=samples,
        stops=stops,
        gate=gate,
        data=data,
        progress=progress,
        offline=offline,
    )
    page = document(packed.model, title=title, language=language)
    return Export(page.encode(), "html", packed.points, packed.samples, packed.notes)


@dataclass(frozen=True)
class Packed:
    """A model as bytes for a browser, and what is in it; as `Export`."""

    model: bytes
    points: int = 0
    samples: int = 0
    notes: tuple[str, ...] = ()


def pack_model(
    reader: DigitReader,
    *,
    points: int | None = None,
    l1_ratios: Sequence[float] = (),
    samples: int = SAMPLES,
    stops: bool = False,
    gate: bool = True,
    tolerance: StopRun | None = None,
    data: str | None = None,
    progress: Progress | None = None,
    offline: bool = False,
) -> Packed:
    """Return the model as bytes for a browser, with held-out digits and a path; as `export_page`.

    Parameters
    ----------
    tolerance : StopRun, optional
        Early stops of another solver, for the same slider; `stops` fits them.
    """
    session, notes = _session(reader, data, progress, offline=offline)
    if session is None:
        if points or stops or l1_ratios:
            raise ParameterError(f"a path needs the rows that it is fitted on: {'; '.join(notes)}")
        return Packed(web_model(reader, gate=gate), notes=notes)
    wanted, why = _points(session, points)
    if l1_ratios and not wanted:
        raise ParameterError(
            f"paths with other shares of L1 stand beside the model's; ask for that too: --path {POINTS}"
        )
    runs = [_path(session, wanted, progress, share) for share in (None, *l1_ratios)] if wanted else []
    if stops:
        tolerance = _stops(session, progress)
    shown = samples_of(reader, session, n=samples) if samples else None
    model = web_model(reader, path=runs or None, samples=shown, usual=_usual(session), gate=gate, tolerance=tolerance)
    n_shown = 0 if shown is None else len(shown.labels)
    return Packed(model, sum(len(run.path) for run in runs), n_shown, (*notes, *why))


def _session(
    reader: DigitReader, data: str | None, progress: Progress | None, *, offline: bool
) -> tuple[Session | None, tuple[str, ...]]:
    """Return the model's rows, or why there are none; data that were named have to load."""
    if data is None and reader.data_record.spec is None:
        return None, (
            "the model does not say which rows it was fitted on, so the page has no held-out digits and no path",
        )
    try:
        session = Session.of(reader, data=data, progress=progress, offline=offline)
    except InklensError as error:
        if data is not None:
            raise
        return None, (f"no held-out digits and no path in the page: {error}",)
    return session, session.notes


def _usual(session: Session) -> dict[str, np.ndarray] | None:
    """Return the most ink that is plausible, by class, where every class has training images."""
    X, y, _ = session.half("train")
    if set(session.reader.classes) - set(y.astype(str)):
        return None
    return usual_ink(X.reshape(-1, *session.dataset.image_shape), y)


def _stops(session: Session, progress: Progress | None) -> StopRun:
    if session.reader.features != "pixels":
        raise ParameterError(f"early stops are shown on pixels, and this model is on {session.reader.features}")
    return early_stops(session.split, C=_sparse_C(session.reader), progress=progress)


def _sparse_C(reader: DigitReader) -> float:
    """Return the C of L1 problems beside a model: its own where its penalty has L1, else the tutorial's at least."""
    record = reader.fit_record
    if record is None or not record.is_penalised:
        return SPARSE_C
    return record.C if record.l1_ratio > 0.0 else max(record.C, SPARSE_C)


def _points(session: Session, asked: int | None) -> tuple[int, tuple[str, ...]]:
    """Return how many points the path gets, and what to say of that."""
    reader, record, n_rows = session.reader, session.reader.fit_record, len(session.split.y_train)
    refusal = None
    if reader.features != "pixels":
        refusal = f"a path is followed on pixels, and this model is on {reader.features}"
    elif record is not None and record.is_stretched:
        refusal = "a path is followed on plain ink, and this model was fitted on stretched pixels (--scale min-max)"
    if asked and refusal:
        raise ParameterError(f"{refusal}; export it with --no-path")
    if asked is not None or refusal:
        return (asked or 0), ((f"no path in the page: {refusal}",) if refusal and asked is None else ())
    if n_rows > MOST_ROWS:
        return 0, (f"no path in the page: {n_rows:,} rows take a while; ask for it with --path {POINTS}",)
    return POINTS, ()


def _path(session: Session, points: int, progress: Progress | None, share: float | None) -> PathRun:
    """Follow a path on the model's training rows up to the model's C, with a share of L1 or with the model's own.

    Without L1 in the model's penalty, its own is L1 alone.
    """
    record, rows = session.reader.fit_record, session.split
    own, group = 1.0, False
    if record is not None and record.l1_ratio > 0.0:
        own, group = record.l1_ratio, record.group
    l1_ratio = own if share is None else share

    def count(index: int, value: float, solution: Solution) -> None:
        if progress is not None:
            progress(index + 1, points, f"path: L1 {l1_ratio:g}, C = {value:.3g}")

    X_train, X_test = pixel_rows(rows.X_train), pixel_rows(rows.X_test)
    path = softmax_path(
        X_train,
        rows.y_train,
        Cs=points,
        C=_sparse_C(session.reader),
        l1_ratio=l1_ratio,
        group=group,
        standardize=record is not None and record.standardize,
        tol=PATH_TOL,
        callback=count,
    )
    train_accuracy = path_accuracies(path, X_train, rows.y_train)
    return PathRun(path, train_accuracy, path_accuracies(path, X_test, rows.y_test), session.reader.image_shape)
