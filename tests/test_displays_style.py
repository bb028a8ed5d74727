"""Numbers in one style: whole ticks, singular and plural, a per cent sign beside its number."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import inklens
from inklens.displays import RadiiDisplay, StrengthDisplay
from inklens.displays.numbers import counted, share_ticks
from inklens.evaluation import Evaluation

SOURCE = Path(inklens.__file__).parent


@pytest.mark.parametrize("which", ["x", "y"])
@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.884, 0.899), (0.8881, 0.8884), (0.5, 0.99), (0.97, 1.01), (0, 0), (1, 1)]
)
def test_ticks_of_shares_are_whole_and_at_least_two(which, low, high):
    axes = Figure().add_subplot()
    axes.set(**{f"{which}lim": (low - 1e-12, high + 1e-12)})
    share_ticks(axes, which)
    ticks = np.array(getattr(axes, f"get_{which}ticks")())
    assert len(ticks) >= 2
    assert np.allclose(100 * ticks, np.round(100 * ticks))
    limits = getattr(axes, f"get_{which}lim")()
    assert limits[0] <= ticks.min() + 1e-9 <= ticks.max() <= limits[1] + 1e-9
    assert limits[0] <= low
    assert limits[1] >= high


def test_no_tick_of_a_figure_is_clipped_or_repeated():
    rng = np.random.default_rng(0)
    values = {name: rng.gamma(3, size, 300) for name, size in (("l1", 2.0), ("l2", 0.4), ("linf", 0.03))}
    narrow_range = np.array([0.886, 0.888, 0.89, 0.893])
    strength = StrengthDisplay(
        np.array([0.01, 0.1, 1, 10]), zeros=narrow_range, train_accuracy=narrow_range, test_accuracy=narrow_range
    )
    for display in (RadiiDisplay(values), RadiiDisplay({name: values[name] for name in ("l1", "linf")}), strength):
        figure = display.plot().figure_
        figure.draw_without_rendering()
        for axes in figure.axes[0].child_axes:
            labels = [text.get_text() for text in axes.get_yticklabels()]
            assert len(set(labels)) == len(labels)
            low, high = axes.get_xlim()
            for text, place in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True):
                if low <= place <= high:
                    assert text.get_window_extent().x1 <= figure.bbox.x1


def test_a_per_cent_sign_stands_beside_its_number():
    apart = re.compile(r"[\d}] %(?=[\"'.,;:)<]| (?:of|in|and|or|with|against|confidence|interval))")
    bad = [
        (path.name, line.strip())
        for kind in ("*.html", "*.py")
        for path in SOURCE.rglob(kind)
        for line in path.read_text(encoding="utf-8").splitlines()
        if apart.search(re.sub(r"\{%.*?%\}", "", line))
    ]
    assert not [found for found in bad if found[0] != "output.py"], "the progress bar pads its number"


def test_one_is_singular():
    assert [counted(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]


def test_two_classes_have_no_superlative():
    words = " ".join(Evaluation(np.array([[9, 1], [2, 8]]), ["no", "yes"]).in_words())
    assert not re.search(r"[Ee]asiest|[Hh]ardest|[Mm]ost", words)
    assert "no (90% right) and yes (80% right)" in words
