"""A page about one fitted model: its card, its maps, its accuracy, its mistakes, and how sure all that is."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from inklens import __version__
from inklens.datasets.registry import absolute_spec
from inklens.displays import CoefficientMapsDisplay, MisclassifiedDisplay
from inklens.errors import ParameterError
from inklens.pages import Chapter, ReportFigure, confusion_figures, render, replaced_folder, write_report
from inklens.pages.folder import FIGURES
from inklens.pages.live import Live
from inklens.pages.reasons import TITLES, Subject, reasons_chapters
from inklens.pages.shell import Shell
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.tasks.certainty import FEWEST_ROWS, Certainty, CoefficientCertainty, certainty_of, coefficients_of
from inklens.tasks.judging import Judgement, judge
from inklens.tasks.model_rows import scale_pixels
from inklens.tasks.session import Part, Session, row_name
from inklens.web.payload import samples, web_model

SAMPLE = 33  # the test image whose reasons are told; the tutorial's
SURE_CAPTIONS = {
    "calibration": "Stated against real: how many answers of each stated probability are right.",
    "sets": "Sets that hold the truth as often as promised, each judged on images that did not set its limit.",
    "coefficients": "How sure the coefficients are.",
}
ROWS = {"test": "test images", "train": "training images", "all": "images"}


@dataclass(frozen=True, eq=False)
class ModelPage:
    """What a page about a model says, as it was written."""

    judged: Judgement
    numbers: dict[str, object]  # what numbers.json holds


def write_model_page(
    reader: DigitReader,
    *,
    out: str | os.PathLike[str],
    data: str | None = None,
    part: Part = "test",
    stability: bool = False,
    shell: Shell | None = None,
    progress: Progress | None = None,
) -> "ModelPage":
    """Judge a model and write a page about it into the folder `out`.

    There will be index.html, model.inklens, numbers.json, predictions.csv and figures/.

    Parameters
    ----------
    reader : DigitReader
        The model.
    out : path
        A new or empty folder, or an older report, which is replaced as a whole at the end.
    data, part
        As for `evaluate`.
    stability : bool
        Whether to ask the training rows how sure the coefficients are, which takes some seconds.
    shell : Shell, optional
        How the page's reader calls the program.

    Raises
    ------
    ParameterError, DataError, OutputError
        Nothing is written then.
    """
    with replaced_folder(out) as folder:
        session = Session.of(reader, data=data, progress=progress)
        judged = judge(session, part)
        sure = _Sure(_answers(judged), coefficients_of(session, progress=progress) if stability else None)
        subject, chapters, sample = _subject(session)
        reasons = reasons_chapters(subject, chapters)
        figures = {f.name: f for f in (*_figures(reader, judged), *sure.figures(), *reasons.figures)}
        context = {
            **_context(judged, figures),
            **sure.context(),
            "r": reasons,
            "live": _live(session),
            "shell": _shell(shell, reader, data, sample),
        }
        page = render("model.html", chapters=reasons.among(_chapters(reader, bool(sure))), context=context)
        for figure in figures.values():
            figure.save(folder / FIGURES)
        numbers: dict[str, object] = {
            "schema_version": 1,
            "provenance": reader.provenance,
            "evaluation": judged.evaluation.to_json(),
            "how_sure": sure.to_json(),
            "reasons": reasons.to_json(),
        }
        write_report(folder, page=page, numbers=numbers, predictions=judged.predictions, reader=reader)
    return ModelPage(judged, numbers)


def _shell(shell: Shell | None, reader: DigitReader, data: str | None, sample: int) -> Shell:
    """Return how commands in the page's folder name the rows of the fit, and the test row that is explained."""
    record = reader.data_record
    try:
        recorded = None if record.spec is None else absolute_spec(record.spec)
    except ParameterError:  # a file of another place or time; the rows are those of `data`
        recorded = record.spec
    judged = recorded if data is None else absolute_spec(data)
    options = {"--data": recorded, "--train": record.train, "--test": record.test, "--seed": record.seed}
    named = [f"{name} {shlex.quote(str(value))}" for name, value in options.items() if value is not None]
    where = "" if judged in (None, record.spec) else f"--data {shlex.quote(str(judged))}"
    return replace(shell or Shell(), rows=" ".join(named), data=where, sample=sample)


def _live(session: Session) -> Live:
    """Return the model's face, with test images of the data that it is judged on."""
    reader = session.reader
    return Live(web_model(reader, samples=samples(reader, session)), str(reader.data_record.name or "a model"))


def _subject(session: Session) -> tuple[Subject, Sequence[str], int]:
    """Return what the reasons are told about, which chapters, and the test row: on other data none about the fit's."""
    reader, rows = session.reader, session.split
    sample = min(SAMPLE, len(rows.y_test) - 1)
    frame = scale_pixels(rows.X_test[sample]).reshape(reader.image_shape)
    names = ("cells", "why", "flips", "radii") if session.foreign else tuple(TITLES)
    return Subject(reader, rows, frame, row_name("test", sample)), names, sample


@dataclass(frozen=True, eq=False)
class _Sure:
    """What is known of how sure the answers and the coefficients are."""

    answers: Certainty | None
    coefficients: CoefficientCertainty | None

    def __bool__(self) -> bool:
        return self.answers is not None or self.coefficients is not None

    def figures(self) -> list[ReportFigure]:
        """Return the figures that there are."""
        found = [] if self.answers is None else list(self.answers.displays().items())
        if self.coefficients is not None and self.coefficients.has_maps:
            found.append(("coefficients", self.coefficients.display()))
        return [ReportFigure(name, display, SURE_CAPTIONS[name]) for name, display in found]

    def context(self) -> dict[str, object]:
        """Return what the template speaks of."""
        found = self.coefficients
        shown = found is not None and found.has_maps
        by_curvature = found is not None and found.by_curvature
        return {"answers": self.answers, "coefficients": shown, "by_curvature": by_curvature}

    def to_json(self) -> dict[str, object]:
        """Return plain numbers."""
        parts = {"answers": self.answers, "coefficients": self.coefficients}
        return {name: None if part is None else part.to_json() for name, part in parts.items()}


def _answers(judged: Judgement) -> Certainty | None:
    """Judge how sure the answers are, on enough rows that the model was not fitted on."""
    if judged.part != "test" or len(judged.y_true) < FEWEST_ROWS:
        return None
    return certainty_of(judged.reader, judged.frames, judged.y_true)


def _shows_pixels(reader: DigitReader) -> bool:
    return reader.features == "pixels"


def _chapters(reader: DigitReader, is_sure: bool) -> list[Chapter]:
    maps = Chapter("maps", "What it learned", "model/maps.html")
    mistakes = Chapter("mistakes", "Its mistakes", "model/mistakes.html")
    return [
        Chapter("model", "The model", "model/card.html"),
        *([maps] if _shows_pixels(reader) else []),
        Chapter("judge", "How good is it?", "model/judge.html"),
        *([mistakes] if _shows_pixels(reader) else []),
        *([Chapter("sure", "How sure is it?", "model/sure.html")] if is_sure else []),
    ]


def _figures(reader: DigitReader, judged: Judgement) -> list[ReportFigure]:
    figures = confusion_figures(judged.evaluation.confusion, reader.classes)
    if not _shows_pixels(reader):
        return figures
    maps = reader.coef.reshape(-1, *reader.image_shape)
    mistakes = MisclassifiedDisplay.from_predictions(
        judged.frames, judged.y_true, proba=judged.proba, coef=maps, class_names=reader.classes
    )
    return [
        ReportFigure("maps", CoefficientMapsDisplay(maps, class_names=reader.classes), "One coefficient per pixel."),
        *figures,
        ReportFigure("mistakes", mistakes, "Mistakes, from the one the model was surest of to the closest call."),
    ]


def _context(judged: Judgement, figures: dict[str, ReportFigure]) -> dict[str, object]:
    reader = judged.reader
    fit, data = reader.recorded("fit"), reader.recorded("data")
    return {
        "reader": reader,
        "j": judged,
        "fit": fit,
        "data": data,
        "card": _card(reader),
        "rows": ROWS[judged.part],
        "zero_share": float((reader.coef == 0.0).mean()),
        "title": f"A softmax model of {data.get('name', 'small images')}",
        "heading": "A model, seen through",
        "description": f"What a softmax model of {len(reader.classes)} classes learned, and how often it is right.",
        "version": __version__,
        "figures": {name: figure.html() for name, figure in figures.items()},
    }


def _card(reader: DigitReader) -> list[tuple[str, str]]:
    """Return the rows of the card that the model file can fill."""
    fit, data = reader.fit_record, reader.data_record
    proven = fit.certificate if fit is not None else None
    accuracies = {half: share for half, share in reader.recorded("accuracy").items() if isinstance(share, float)}
    split = None
    if data.train is not None and data.test is not None:
        split = f"{data.train:,} for training, {data.test:,} for testing, seed {data.seed}"
    names = {
        "data": data.name,
        "rows": split,
        "features": reader.features,
        "scale of the pixels": fit.scale if fit and fit.scale == "min-max" else None,
        "C": None if fit is None else fit.C,
        "share of L1 in the penalty": None if fit is None else fit.l1_ratio,
        "objective": None if proven is None else _decimal(proven.objective),
        "proven lower bound": None if proven is None else _decimal(proven.lower_bound),
        "relative gap": None if proven is None else f"{proven.relative_gap:.1e}",
        "status": None if proven is None else proven.status,
        "coefficients that are exactly zero": f"{int((reader.coef == 0).sum()):,} of {reader.coef.size:,}",
        **{f"right on its {half} rows, as the file says": f"{share:.2%}" for half, share in accuracies.items()},
        "made by": f"inklens {reader.version}",
    }
    return [(name, str(value)) for name, value in names.items() if value is not None]


def _decimal(value: float) -> str:
    return f"{value:,.4f}"
