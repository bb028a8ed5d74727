"""A reader's own matplotlib settings change no byte of a figure; within a page a figure takes the page's colours."""

import hashlib
import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from test_displays_contract import CASES, DIGITS, DISPLAYS, ODD, TWO

from inklens.displays import CoefficientMapsDisplay
from inklens.displays.palettes import INK, LINE, MUTED
from inklens.pages import ReportFigure
from inklens.pages.inline import inline_svg

HOSTILE = {
    "font.family": "serif",
    "font.size": 31,
    "figure.dpi": 37,
    "figure.facecolor": "black",
    "savefig.bbox": "tight",
    "savefig.facecolor": "red",
    "savefig.transparent": True,
    "savefig.dpi": 11,
    "svg.fonttype": "path",
    "svg.hashsalt": "other",
    "text.color": "yellow",
    "axes.facecolor": "green",
    "axes.grid": True,
    "axes.linewidth": 9,
    "axes.labelsize": 40,
    "axes.xmargin": 0.4,
    "image.origin": "lower",
    "image.interpolation": "bilinear",
    "image.composite_image": True,
    "lines.linewidth": 12,
    "lines.markersize": 30,
    "patch.linewidth": 8,
    "path.sketch": (3, 100, 2),
    "xtick.direction": "in",
    "xtick.labelsize": 3,
    "legend.frameon": True,
    "errorbar.capsize": 20,
}


QUICK = {"maps", "by hand", "counts", "evidence", "strength", "path", "calibration", "radii"}  # of each kind of drawing


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in QUICK)) for n in DISPLAYS])
def test_settings_of_the_reader_change_no_byte(name):
    usual = DISPLAYS[name](CASES[TWO])
    svg, png = usual.to_svg(), usual.to_png(dpi=50)
    with matplotlib.rc_context(HOSTILE):
        again = DISPLAYS[name](CASES[TWO])
        assert again.to_svg() == svg
        assert again.to_png(dpi=50) == png
        assert matplotlib.rcParams["font.size"] == 31, "drawing leaves settings as they were"


@pytest.mark.slow
def test_no_backend_is_loaded_and_no_settings_file_is_followed(tmp_path):
    rc = tmp_path / "matplotlibrc"
    rc.write_text("font.family: serif\nfont.size: 31\naxes.grid: True\nsvg.fonttype: path\nlines.linewidth: 12\n")
    code = (
        "import hashlib, numpy as np; from inklens.displays import StrengthDisplay as D; x = np.array([0.1, 1.0]);"
        "print(hashlib.sha256(D(x, zeros=x, train_accuracy=x, test_accuracy=x).to_svg().encode()).hexdigest())"
    )
    found = set()
    backends = ("module://matplotlib_inline.backend_inline", "no_such_backend")
    for settings in ({}, *({"MPLBACKEND": backend, "MATPLOTLIBRC": str(rc)} for backend in backends)):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MPLBACKEND", "MATPLOTLIBRC"))}
        done = subprocess.run(
            [sys.executable, "-c", code], env={**environment, **settings}, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == len(hashlib.sha256().hexdigest())


@pytest.fixture(scope="module", params=["evidence", "path", "strength", "misclassified", "two models"])
def figure(request):
    return DISPLAYS[request.param](CASES[ODD]).plot()


def words(root):
    return ["".join(text.itertext()) for text in root.iter() if text.tag.rpartition("}")[2] == "text"]


def test_within_a_page_every_word_and_picture_is_kept(figure):
    text = figure.to_svg()
    whole, inline = ElementTree.fromstring(text), ElementTree.fromstring(inline_svg(text, prefix="p-", label="what"))
    assert words(inline) == words(whole)
    assert inline.get("role") == "img"
    assert inline.get("aria-label") == "what"
    titles = [e.text for e in whole.iter() if e.tag == "{http://www.w3.org/2000/svg}title"]
    assert [e.text for e in inline.iter("title")] == titles[1:], "the values of pixels stay; the figure's title goes"
    for tag in ("image", "path", "use", "rect"):
        kept = [e for e in inline.iter() if e.tag == tag]
        had = [e for e in whole.iter() if e.tag.rpartition("}")[2] == tag]
        assert len(kept) == len(had) - (tag == "path"), "one path less: the white paper"


def test_within_a_page_neutral_colours_are_the_page_s_and_roles_keep_theirs(figure):
    text = figure.to_svg()
    inline = inline_svg(text, prefix="p-", label="what")
    for colour, themed in ((INK, "currentColor"), (MUTED, "var(--muted)"), (LINE, "var(--line)")):
        assert colour not in inline
        assert inline.count(themed) == text.count(colour)
    kept = [colour for colour in re.findall("#[0-9a-f]{6}", text) if colour not in (INK, MUTED, LINE, "#ffffff")]
    assert sorted(kept) == sorted(c for c in re.findall("#[0-9a-f]{6}", inline) if c != "#ffffff")


def test_within_a_page_references_find_their_own_figure(figure):
    text = figure.to_svg()
    for prefix in ("a-", "b-"):
        root = ElementTree.fromstring(inline_svg(text, prefix=prefix, label="what"))
        ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
        values = [value for element in root.iter() for value in element.attrib.values()]
        targets = {match for value in values for match in re.findall(r"url\(#([^)]*)\)|^#(?![0-9a-f]{6}$)(.+)", value)}
        assert {a or b for a, b in targets} == set(ids)
        assert len(ids) == len(set(ids))
        assert all(name.startswith(prefix) for name in ids)


def test_a_label_and_a_caption_are_escaped():
    maps = CoefficientMapsDisplay(np.ones((2, 3, 3)), class_names=['<b>&"', "b"])
    page = str(ReportFigure("maps", maps, "<i>&").html())
    assert "<b>" not in page
    assert "<i>" not in page
    root = ElementTree.fromstring(page)
    assert {svg.get("aria-label") for svg in root.iter("svg")} == {maps.alt}


def test_small_pictures_of_a_page_have_the_same_pixels():
    import base64
    import io

    from PIL import Image

    text = DISPLAYS["maps"](CASES[DIGITS]).to_svg()

    def pictures(svg):
        found = [v for e in ElementTree.fromstring(svg).iter() for v in e.attrib.values() if v.startswith("data:")]
        opened = [Image.open(io.BytesIO(base64.b64decode(value.partition(",")[2]))) for value in found]
        return [np.asarray(picture.convert("RGB")) for picture in opened], sum(map(len, found))

    (before, large), (after, small) = pictures(text), pictures(inline_svg(text, prefix="", label=""))
    assert len(before) == len(after) == 11
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert small < large
