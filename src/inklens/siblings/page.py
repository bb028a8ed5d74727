"""The race as a page that fills while it runs: every version is whole, and the last one refreshes itself no more."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from markupsafe import Markup
from sklearn.preprocessing import MinMaxScaler

from inklens import __version__
from inklens.errors import OutputError
from inklens.pages import Chapter, ReportFigure, render
from inklens.pages.folder import NUMBERS, PAGE
from inklens.pages.shell import Shell
from inklens.siblings.drawings import DecisionDisplay, ImportancesDisplay, StandingsDisplay, WeightsDisplay
from inklens.siblings.results import Seconds
from inklens.siblings.roster import OURS
from inklens.siblings.run import Siblings
from inklens.storage import keeps_all, write_inside, write_text

Written = Callable[[Path], object]
CHAPTERS = [
    Chapter("race", "The race", "siblings/race.html"),
    Chapter("beside", "Where ours wins, and where it loses", "siblings/beside.html"),
    Chapter("digits", "The same digits, decided by all", "siblings/digits.html"),
    Chapter("depth", "{} against {} in depth", "siblings/depth.html"),
    Chapter("pixels", "Which pixels the trees ask", "siblings/pixels.html"),
    Chapter("again", "Do it again", "siblings/again.html"),
]


@dataclass
class SiblingsPage:
    """A page that is written again whenever something has come.

    Parameters
    ----------
    out : path
        A file ending in .html, or a folder, which gets index.html and numbers.json.
    shell : Shell
        How the page's reader calls the program; its `rows` name the data and the split.
    first : callable, optional
        Is given the page once it is there.
    """

    out: Path
    shell: Shell
    first: Written | None = None
    _drawn: dict[str, Markup] = field(default_factory=dict)

    @classmethod
    def at(
        cls,
        out: str | os.PathLike[str],
        *,
        program: str = "inklens",
        rows: str = "",
        first: Written | None = None,
    ) -> "SiblingsPage":
        """Return the page after a look at what is there.

        Parameters
        ----------
        out : path
        program : str
            How the page's reader calls the program.
        rows : str
            Options that name the data and the split.
        first : callable, optional
            Is given the page once it is there.

        Raises
        ------
        OutputError
            The folder holds somebody else's page.
        """
        path = Path(out)
        if path.suffix.lower() not in (".html", ".htm"):
            if path.exists() and not path.is_dir():
                raise OutputError(f"{str(path)!r} is not a folder; name a folder, or a page that ends in .html")
            if (path / PAGE).exists() and not (path / NUMBERS).exists():
                raise OutputError(f"{str(path)!r} holds another page ({PAGE!r}); choose another folder")
        return cls(path, Shell(program, rows=rows.strip()), first)

    @property
    def file(self) -> Path:
        """The page itself."""
        return self.out if self.out.suffix.lower() in (".html", ".htm") else self.out / PAGE

    def write(self, state: Siblings) -> None:
        """Write the page of a race, under way or done; into a pipe or a stream, which would keep each, only the last.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        if keeps_all(self.file) and not (state.finished or state.interrupted):
            return
        if self.file != self.out:
            write_inside(self.out / NUMBERS, json.dumps(state.to_json(), ensure_ascii=False))
        write = write_text if self.file == self.out else write_inside
        write(self.file, self.render(state))
        if self.first is not None:
            self.first(self.file)
            self.first = None

    def render(self, state: Siblings) -> str:
        """Return the page as text."""
        chapters = _chapters(state)
        context = {
            "s": state,
            "ours": OURS,
            "shell": self.shell,
            "running": not (state.finished or state.interrupted),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "figures": self._figures(state),
            "standings": state.standings,
            "seconds": seconds_in_words,
            "size": size_in_words,
            "same_problem": [o for o in state.outcomes.values() if state.gap(o) is not None],
            "ways": {sibling.key: sibling.way for sibling in state.siblings},
            "p_value": _p_in_words,
            "opened": _most_disputed(state),
            "version": __version__,
            "title": f"Siblings of logistic regression: {state.dataset.name}",
            "heading": "Siblings of logistic regression",
            "description": _description(state),
        }
        return render("siblings/siblings.html", chapters=chapters, context=context, package="inklens.siblings")

    def _figures(self, state: Siblings) -> dict[str, Markup]:
        """Return all figures that can be drawn by now; those that will not change are drawn once."""
        for outcome in state.outcomes.values():
            for number, decision in enumerate(outcome.decisions):
                name = f"digit-{number}-{outcome.key}"
                if name not in self._drawn:
                    digit = state.digits[number]
                    voters = [state.dataset.images(state.split.train_index[v.row]) for v in decision.voters]
                    display = DecisionDisplay(_image(state, digit.row), decision, true=digit.true, voters=voters)
                    self._drawn[name] = ReportFigure(name, display, " ".join(decision.sentences)).html()
        if state.duelled is not None and "pair" not in self._drawn:
            self._drawn |= {figure.name: figure.html() for figure in _pair_figures(state)}
        return {**self._drawn, **{figure.name: figure.html() for figure in _changing(state)}}


def _chapters(state: Siblings) -> list[Chapter]:
    """Return the chapters that have something to tell by now."""
    told = {"race", "again"}
    if len(state.standings) > 1:
        told.add("beside")
    if state.digits:
        told.add("digits")
    if state.duelled is not None:
        told.add("depth")
    if any(outcome.importances for outcome in state.outcomes.values()):
        told.add("pixels")
    pair = ("", "") if state.duelled is None else state.duelled.pair
    return [Chapter(c.id, c.title.format(*pair), c.template) for c in CHAPTERS if c.id in told]


def _image(state: Siblings, row: int) -> np.ndarray:
    return np.asarray(state.split.X_test[row].reshape(state.dataset.image_shape) / 255.0)


def _most_disputed(state: Siblings) -> int:
    """Return the digit that the models give the most different answers to."""
    answers = [{o.decisions[k].said for o in state.outcomes.values() if o.decisions} for k in range(len(state.digits))]
    return max(range(len(answers)), key=lambda k: len(answers[k]), default=0)


def _changing(state: Siblings) -> list[ReportFigure]:
    """Return the figures that every new outcome changes."""
    figures = []
    if state.standings:
        caption = "All on the same test images. Where two intervals overlap, only the paired test below can tell."
        figures.append(ReportFigure("standings", StandingsDisplay(state.standings, ours=OURS), caption))
    maps = {o.title: np.array(o.importances) for o in state.outcomes.values() if o.importances}
    if maps:
        caption = "How much each pixel's questions have sorted the training images; every map on its own scale."
        figures.append(ReportFigure("importances", ImportancesDisplay(maps), caption))
    return figures


def _pair_figures(state: Siblings) -> list[ReportFigure]:
    duelled, ours, shape = state.duelled, state.ours, state.dataset.image_shape
    assert duelled is not None
    scaler = MinMaxScaler().fit(state.split.X_train)
    x = scaler.transform(state.split.X_test[duelled.row][None])[0]
    decision = duelled.decision(x, shape)
    voters = [state.dataset.images(state.split.train_index[v.row]) for v in decision.voters]
    display = DecisionDisplay(_image(state, duelled.row), decision, true=duelled.true, voters=voters)
    figures = [ReportFigure("pair", display, " ".join(decision.sentences))]
    if ours is not None and ours.coef is not None:
        names = sorted(set(state.split.y_train.tolist()))
        i, j = (names.index(name) for name in duelled.pair)
        maps = {
            "SVC": np.array(duelled.w).reshape(shape),
            "softmax": (np.array(ours.coef[i]) - np.array(ours.coef[j])).reshape(shape),
        }
        compared = WeightsDisplay(maps, pair=duelled.pair)
        caption = "The weights by which both tell the two apart; each on its own scale."
        figures.append(ReportFigure("pair-maps", compared, caption, width=6.0))
    return figures


def _description(state: Siblings) -> str:
    split = state.split
    return (
        f"{len(state.siblings)} classifiers learn from the same {len(split.y_train):,} images of the data set "
        f"“{state.dataset.name}”, and {len(split.y_test):,} others judge them: how right, how fast, how large, and how "
        "each decides the same digits. Every number on this page comes from this run."
    )


def seconds_in_words(time: Seconds | None, which: str = "wall") -> str:
    """Write a time with two digits.

    >>> seconds_in_words(Seconds(12.34, 0.004)), seconds_in_words(Seconds(12.34, 0.004), "cpu")
    ('12 s', '4 ms')
    """
    if time is None:
        return "–"
    value = float(getattr(time, which))
    if value < 0.9995:
        return f"{value * 1000:.2g} ms" if value < 0.0995 else f"{value:.2f} s"
    return f"{value:.1f} s" if value < 9.95 else f"{value:,.0f} s"


def size_in_words(n_bytes: int | None) -> str:
    """Write a size.

    >>> size_in_words(63519), size_in_words(3568943)
    ('64 kB', '3.6 MB')
    """
    if n_bytes is None:
        return "–"
    return f"{n_bytes / 1e3:,.0f} kB" if n_bytes < 999_500 else f"{n_bytes / 1e6:,.1f} MB"


def _p_in_words(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"
