"""A page about one fitted model: its card, its maps, its accuracy, its mistakes."""

import json
import os
from collections.abc import Callable
from typing import Any

from inklens import __version__
from inklens.displays import CoefficientMapsDisplay, MisclassifiedDisplay
from inklens.reader import DigitReader
from inklens.report import Chapter, ReportFigure, confusion_figures, render, replaced_folder
from inklens.storage import write_text
from inklens.workflow.models import Judgement, evaluate

ROWS = {"test": "test images", "train": "training images", "all": "images"}


def write_model_page(
    reader: DigitReader,
    *,
    out: str | os.PathLike[str],
    data: str | None = None,
    part: str = "test",
    progress: Callable | None = None,
) -> Judgement:
    """Judge a model and write index.html, numbers.json, predictions.csv and figures/ into the folder `out`.

    Parameters
    ----------
    reader : DigitReader
        The model.
    out : path
        A new or empty folder, or an older report, which is replaced as a whole at the end.
    data, part
        As for `evaluate`.

    Raises
    ------
    ParameterError, DataError, OutputError
        Nothing is written then.
    """
    with replaced_folder(out) as folder:
        judged = evaluate(reader, data=data, part=part, progress=progress)
        figures = {figure.name: figure for figure in _figures(reader, judged)}
        page = render("model.html", chapters=_chapters(reader), context=_context(reader, judged, part, figures))
        for figure in figures.values():
            figure.save(folder / "figures")
        numbers = model_numbers(reader, judged)
        write_text(folder / "numbers.json", json.dumps(numbers, indent=1, ensure_ascii=False))
        write_text(folder / "predictions.csv", judged.predictions)
        write_text(folder / "index.html", page)
    return judged


def model_numbers(reader: DigitReader, judged: Judgement) -> dict[str, Any]:
    """Return what numbers.json holds."""
    return {"schema_version": 1, "provenance": reader.provenance, "evaluation": judged.evaluation.to_json()}


def _shows_pixels(reader: DigitReader) -> bool:
    return reader.features == "pixels"


def _chapters(reader: DigitReader) -> list[Chapter]:
    maps = Chapter("maps", "What it learned", "model/maps.html")
    mistakes = Chapter("mistakes", "Its mistakes", "model/mistakes.html")
    return [
        Chapter("model", "The model", "model/card.html"),
        *([maps] if _shows_pixels(reader) else []),
        Chapter("judge", "How good is it?", "model/judge.html"),
        *([mistakes] if _shows_pixels(reader) else []),
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


def _context(reader: DigitReader, judged: Judgement, part: str, figures: dict[str, ReportFigure]) -> dict[str, Any]:
    fit, data = reader.provenance.get("fit", {}), reader.provenance.get("data", {})
    return {
        "reader": reader,
        "j": judged,
        "fit": fit,
        "data": data,
        "card": _card(reader, fit, data),
        "rows": ROWS[part],
        "zero_share": float((reader.coef == 0.0).mean()),
        "title": f"A softmax model of {data.get('name', 'small images')}",
        "heading": "A model, seen through",
        "description": f"What a softmax model of {len(reader.classes)} classes learned, and how often it is right.",
        "version": __version__,
        "figures": {name: figure.html() for name, figure in figures.items()},
    }


def _card(reader: DigitReader, fit: dict, data: dict) -> list[tuple[str, str]]:
    """Return the rows of the card that the model file can fill."""
    names = {
        "data": data.get("name"),
        "rows": f"{data['train']:,} for training, {data['test']:,} for testing, seed {data['seed']}" if data else None,
        "features": reader.features,
        "scale of the pixels": fit.get("scale"),
        "C": fit.get("C"),
        "share of L1 in the penalty": fit.get("l1_ratio"),
        "objective": _decimal(fit.get("objective")),
        "proven lower bound": _decimal(fit.get("lower_bound")),
        "relative gap": f"{fit['relative_gap']:.1e}" if fit.get("relative_gap") is not None else None,
        "status": fit.get("status"),
        "coefficients that are exactly zero": f"{int((reader.coef == 0).sum()):,} of {reader.coef.size:,}",
        "made by": f"inklens {reader.version}",
    }
    return [(name, str(value)) for name, value in names.items() if value is not None]


def _decimal(value: float | None) -> str | None:
    return None if value is None else f"{value:,.4f}"
