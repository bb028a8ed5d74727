"""Numbers in one style: whole ticks, singular and plural, a per cent sign beside its number."""

import base64
import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv, to_rgb
from matplotlib.figure import Figure

import inklens
from inklens.displays import CoefficientMapsDisplay, RadiiDisplay, StrengthDisplay, palettes
from inklens.displays.numbers import counted, share_ticks
from inklens.evaluation import Evaluation
from inklens.pages import ReportFigure

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
    ends = (("l1", 20.0), ("l2", 4.0), ("linf", 0.25))  # axes that end at a tick
    values = {name: np.minimum(rng.gamma(3, end / 4, 300), end) for name, end in ends}
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


# Machado, Oliveira and Fernandes (2009): full protanopia, deuteranopia, tritanopia, in linear RGB.
VISION = {
    "common": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TOGETHER = [("PREDICTED", "TRUE", "NEITHER"), ("TRUE", "MISTAKE"), ("ADDED", "ERASED"), ("FOR", "AGAINST")]


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("roles", TOGETHER, ids=" ".join)
def test_colours_in_one_figure_are_told_apart(roles, vision):
    def seen(name):
        rgb = np.array(to_rgb(getattr(palettes, name)))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        linear = np.clip(np.asarray(VISION[vision]) @ linear, 0, 1)
        matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        f = np.cbrt(matrix @ linear / [0.9505, 1.0, 1.089])
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    for first, second in combinations(roles, 2):
        assert np.linalg.norm(seen(first) - seen(second)) > 20, "20 in CIELAB is seen at a glance"


def test_blue_red_and_orange_are_left_to_evidence():
    roles = [palettes.TRUE, palettes.MISTAKE, palettes.ADDED, palettes.ERASED, palettes.PREDICTED, palettes.NEITHER]
    hues = np.array([rgb_to_hsv(to_rgb(colour)) for colour in roles])
    vivid = 360 * hues[hues[:, 1] > 0.5, 0]
    assert len(vivid) == 4
    for place, reach in ((15, 25), (215, 25)):  # red to orange, and blue, in degrees
        assert np.abs((vivid - place + 180) % 360 - 180).min() > reach


def test_a_page_gets_the_values_of_its_maps():
    coef = np.random.default_rng(0).normal(size=(2, 5, 7)) * np.array([1, 0, 1, 1, 0, 1, 1])
    coef[0, 0, 0] = 1e-9
    root = ElementTree.fromstring(ReportFigure("m", CoefficientMapsDisplay(coef, class_names=["a", "b"]), "c").html())
    pictures = [image for image in root.iter("image") if "data-what" in image.attrib]
    assert [image.get("data-what") for image in pictures] == ["coefficient for a", "coefficient for b"] * 2
    for image, values in zip(pictures[:2], coef, strict=True):
        steps = np.frombuffer(base64.b64decode(image.get("data-values")), "<i2").reshape(5, 7)
        assert np.allclose(steps * float(image.get("data-step")), values, atol=1e-4)
        assert ((steps == 0) == (values == 0)).all(), "only zero is zero"
    assert [image.get("data-values") for image in pictures[2:]] == ["", ""], "stored once"
