"""The tutorial as a page: its figures and chapters, written into a folder."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from inklens import __version__
from inklens.datasets import Dataset
from inklens.displays import (
    ByHandDisplay,
    CoefficientMapsDisplay,
    EvidenceDisplay,
    MapComparisonDisplay,
    PathDisplay,
    ProbabilityBarsDisplay,
    RecipeStepsDisplay,
    SampleGalleryDisplay,
    ToleranceDisplay,
)
from inklens.displays.base import as_maps, class_weights
from inklens.explanations.plausible import usual_ink
from inklens.pages import (
    Chapter,
    ReportFigure,
    confusion_figures,
    model_page,
    render,
    replaced_folder,
    write_report,
)
from inklens.pages.folder import FIGURES
from inklens.pages.live import Live
from inklens.pages.reasons import TITLES, Subject, reasons_chapters
from inklens.pages.shell import Shell
from inklens.progress import Progress
from inklens.storage import write_inside
from inklens.tasks.model_rows import Size
from inklens.tasks.predictions import predictions_csv
from inklens.tasks.session import Session, row_name
from inklens.tutorial.fits import FittedModel, PenalisedModel
from inklens.tutorial.run import PIXEL_FILTER, Tutorial, compute_tutorial, n_steps
from inklens.web.payload import samples, web_model

CHAPTERS = [
    Chapter("data", "Look at the data", "tutorial/data.html"),
    Chapter("prepare", "Hold some images back", "tutorial/prepare.html"),
    Chapter("maps", "See what it learned", "tutorial/maps.html"),
    Chapter("by-hand", "One image by hand", "tutorial/by_hand.html"),
    Chapter("fit", "Fit a softmax regression", "tutorial/fit.html"),
    Chapter("judge", "How good is it?", "tutorial/judge.html"),
    Chapter("mistakes", "Look at the mistakes", "tutorial/mistakes.html"),
    Chapter("own", "Read your own picture", "tutorial/own.html"),
    Chapter("evidence", "Why this answer?", "tutorial/evidence.html"),
    Chapter("mind", "Change its mind", "tutorial/mind.html"),
    Chapter("regularise", "Use fewer pixels", "tutorial/regularise.html"),
    Chapter("tolerance", "What a loose stop hides", "tutorial/tolerance.html"),
    Chapter("sure", "How sure is all this?", "tutorial/sure.html"),
    Chapter("next", "What to try next", "tutorial/next.html"),
]
MIND_CAPTIONS = {
    "least": "The smallest change of ink that makes another class win clearly. "
    "Added ink is violet with a plus sign, erased ink gold with a cross.",
    "stroke": "The same with one stroke of a pen.",
}
SURE_CAPTIONS = {
    **model_page.SURE_CAPTIONS,
    "stability": "The L1 fit, repeated on halves of the training images: which coefficients are chosen again.",
}
WRITING_STEPS = 20  # of the progress, beside those of `compute_tutorial`: about as long as as many points of the path
REASONS_SHARE = 0.5  # of the time that the page takes
N_FIRST = 10  # first images shown with their labels


def run_tutorial(
    dataset: Dataset,
    *,
    train: Size = None,
    test: Size = None,
    seed: int = 9,
    out: str | os.PathLike[str],
    photo: str | os.PathLike[str] | None = None,
    label: str | None = None,
    anyway: bool = False,
    pixel_filter: float = PIXEL_FILTER,
    spec: str = "embedded",
    shell: Shell | None = None,
    progress: Progress | None = None,
) -> Tutorial:
    """Run the whole tutorial and write it into the folder `out`.

    There will be index.html, model.inklens (the model that the page reads), the picture that it reads, numbers.json,
    predictions.csv and figures/.

    Parameters
    ----------
    dataset, train, test, seed, photo, label, anyway, pixel_filter, spec, progress
        As for `compute_tutorial`.
    out : path
        A new or empty folder, or one with an older report, which is replaced as a whole at the end.
    shell : Shell, optional
        How the page's reader calls the program.

    Raises
    ------
    ParameterError, DataError, PhotoError, OutputError
        Nothing is written then, and an older report stays.
    """
    steps = _Steps(progress)
    with replaced_folder(out) as folder:
        result = compute_tutorial(
            dataset, train=train, test=test, seed=seed, photo=photo, label=label, anyway=anyway,
            pixel_filter=pixel_filter, spec=spec, progress=steps.computing,
        )  # fmt: skip
        write_page(result, folder, shell or Shell(), steps)
    return result


class _Steps:
    """One progress over the steps of the computation and those of the page."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress

    def computing(self, done: int, total: int | None, what: str) -> None:
        """Pass a step of the computation on."""
        if self.progress is not None:
            self.progress(done, None if total is None else total + WRITING_STEPS, what)

    def writing(self, share: float, what: str) -> None:
        """Tell which share of the page is written."""
        if self.progress is not None:
            self.progress(n_steps() + int(share * WRITING_STEPS), n_steps() + WRITING_STEPS, what)


def write_page(tutorial: Tutorial, folder: Path, shell: Shell, steps: _Steps) -> None:
    """Write index.html, numbers.json, predictions.csv, the model, its picture and the figures."""
    name, picture = tutorial.own.file
    write_inside(folder / name, picture)
    told = [name for name in TITLES if name != "flips"]
    reasons = reasons_chapters(
        _subject(tutorial), told, lambda number, title: steps.writing(REASONS_SHARE * number / len(told), title.lower())
    )
    figures = {figure.name: figure for figure in [*tutorial_figures(tutorial), *reasons.figures]}
    drawn = {}
    for number, figure in enumerate(figures.values(), 1):
        drawn[figure.name] = figure.html()
        figure.save(folder / FIGURES)
        steps.writing(REASONS_SHARE + (1.0 - REASONS_SHARE) * number / len(figures), "drawing the figures")
    page = render(
        "tutorial/tutorial.html",
        package="inklens.tutorial",
        chapters=reasons.among(CHAPTERS),
        context={
            "t": tutorial,
            "shell": replace(shell, picture=name if tutorial.own.readings else None, sample=tutorial.sample),
            "r": reasons,
            "live": _live(tutorial),
            "title": f"Seeing through a softmax regression: {tutorial.dataset.name}",
            "heading": "Seeing through a classifier",
            "description": _description(tutorial),
            "version": __version__,
            "figures": drawn,
        },
    )
    numbers = {**tutorial.numbers(), "reasons": reasons.to_json()}
    answers = predictions_csv(tutorial.split.y_test, tutorial.proba, tutorial.classes, index=tutorial.split.test_index)
    write_report(folder, page=page, numbers=numbers, predictions=answers, reader=tutorial.reader)


def tutorial_figures(tutorial: Tutorial) -> list[ReportFigure]:
    """Return the figures in reading order."""
    return [
        *_data_figures(tutorial),
        *_model_figures(tutorial),
        *_judging_figures(tutorial),
        *_own_figures(tutorial),
        *_penalty_figures(tutorial),
        *_sure_figures(tutorial),
    ]


def _subject(t: Tutorial) -> Subject:
    """Return the model that is read, and the picture that its reasons are told about."""
    best, words = t.own.best, row_name("test", t.sample)
    if best is not None:
        words = "the made picture" if t.own.made else "the picture of your own"
    return Subject(
        t.reader,
        t.split,
        t.picture,
        words,
        t.fits.unpenalised.model if t.fits.unpenalised.separated else None,
    )


def _live(t: Tutorial) -> Live:
    """Return the face of this run: its model and path, its test images, and how dark each class usually is where."""
    rows = Session(t.reader, t.dataset, t.split)
    usual = usual_ink(t.split.X_train.reshape(-1, *t.dataset.image_shape), t.split.y_train)
    model = web_model(t.reader, path=t.fits.path, samples=samples(t.reader, rows, always=[t.sample]), usual=usual)
    return Live(model, t.dataset.name)


def _description(t: Tutorial) -> str:
    n_train, n_test = len(t.split.y_train), len(t.split.y_test)
    return (
        f"{n_train:,} {_images(t)} of the data set “{t.dataset.name}” teach a softmax regression, that is, logistic "
        f"regression for {len(t.classes)} classes, to tell them apart; {n_test:,} others judge it. Every number on "
        "this page comes from this run."
    )


def _images(t: Tutorial) -> str:
    """Return what the images show, where their classes tell."""
    return "handwritten digits" if set(t.classes) <= set("0123456789") else "images"


def _data_figures(t: Tutorial) -> list[ReportFigure]:
    first = t.dataset.images(slice(0, N_FIRST))
    return [
        ReportFigure(
            "first-images",
            SampleGalleryDisplay(first[:, None], class_names=t.dataset.y[:N_FIRST].tolist()),
            f"The first {len(first)} images as they come, with their labels.",
        ),
        ReportFigure(
            "gallery",
            SampleGalleryDisplay.from_dataset(t.dataset, random_state=t.seed),
            "Images of every class, drawn at random. White is ink.",
        ),
    ]


def _model_figures(t: Tutorial) -> list[ReportFigure]:
    hand: ByHandDisplay = t.by_hand
    return [
        ReportFigure(
            "maps-no-penalty",
            CoefficientMapsDisplay(_maps(t, t.fits.unpenalised), class_names=t.classes),
            "What the fit without a penalty learned: one coefficient per pixel and class.",
        ),
        ReportFigure(
            "maps",
            CoefficientMapsDisplay(_maps(t, t.fits.l2), class_names=t.classes),
            f"What the fit with a gentle penalty ({t.fits.l2.title}) learned; the model of all that follows.",
        ),
        ReportFigure("by-hand", hand, f"Test row {t.sample} on its way from pixels to an answer."),
        ReportFigure(
            "by-hand-bars",
            ProbabilityBarsDisplay(hand.softmax, class_names=t.classes, true=hand.true),
            f"The probabilities of test row {t.sample}.",
            width=6.0,
        ),
    ]


def _judging_figures(t: Tutorial) -> list[ReportFigure]:
    return [
        *confusion_figures(t.evaluation.confusion, t.classes),
        ReportFigure(
            "mistakes",
            t.mistakes,
            "Mistakes, from the one the model was surest of to the closest call.",
        ),
    ]


def _own_figures(t: Tutorial) -> list[ReportFigure]:
    figures = []
    for name, reading in t.own.readings.items():
        captions = [f"{step.name}: {step.note}" if step.note else step.name for step in reading.steps]
        pictures = [np.clip(step.picture, 0, 1) for step in reading.steps]
        figures += [
            ReportFigure(
                f"own-{name}",
                RecipeStepsDisplay(pictures, captions=captions, answers=reading.answers),
                f"Step by step by {reading.title}. Bold: what the model says of a picture that already has its size.",
            ),
            ReportFigure(
                f"own-{name}-bars",
                ProbabilityBarsDisplay(reading.proba, class_names=t.classes, true=t.own.truth),
                f"Probabilities after {reading.title}.",
                width=6.0,
            ),
        ]
    coef, intercept, _ = class_weights(t.fits.l2.model)
    frame = t.picture
    maps = as_maps(coef, t.dataset.image_shape)
    evidence = EvidenceDisplay(frame, coef=maps, intercept=intercept, class_names=t.classes)
    caption = "Above: what the model learned for each class. Below: the same, seen only where this picture has ink."
    figures.append(ReportFigure("evidence", evidence, caption))
    return figures + [
        ReportFigure(f"flip-{kind}", display, MIND_CAPTIONS[kind], width=7.0)
        for kind, display in t.counterfactuals.displays.items()
    ]


def _penalty_figures(t: Tutorial) -> list[ReportFigure]:
    tight = f"inklens, gap {t.fits.l1.gap:.0e}"
    return [
        ReportFigure(
            "zeros",
            MapComparisonDisplay(
                {fit.title: _maps(t, fit) for fit in (t.fits.unpenalised, t.fits.l1)}, class_names=t.classes
            ),
            "Before and after the L1 penalty. Black is a coefficient that is exactly zero in that very model.",
            options={"shared_scale": False},
        ),
        ReportFigure(
            "path",
            PathDisplay.from_path(
                t.fits.path.path,
                image_shape=t.dataset.image_shape,
                accuracies={"training": t.fits.path.train_accuracy, "test": t.fits.path.test_accuracy},
            ),
            "The L1 penalty from strong (left) to weak (right): how many pixels it takes, what that costs, and which "
            "pixels come first.",
        ),
        ReportFigure(
            "tolerance",
            ToleranceDisplay(
                {t.fits.saga.title: _maps(t, t.fits.saga), tight: _maps(t, t.fits.l1)},
                class_names=t.classes,
                objectives={t.fits.saga.title: t.fits.saga.objective, tight: t.fits.l1.objective},
                lower_bounds={t.fits.saga.title: t.fits.saga.lower_bound, tight: t.fits.l1.lower_bound},
            ),
            "The same problem (L1, C = 1), stopped early and stopped with a proof; each on its own scale.",
            options={"shared_scale": False},
        ),
    ]


def _maps(t: Tutorial, fit: FittedModel[PenalisedModel]) -> np.ndarray:
    return as_maps(class_weights(fit.model)[0], t.dataset.image_shape)


def _sure_figures(t: Tutorial) -> list[ReportFigure]:
    return [ReportFigure(name, display, SURE_CAPTIONS[name]) for name, display in t.sure.displays.items()]
