"""Printed lines, boxes, combs and dotted rules go; what a pen wrote beside, on and across them stays."""

import numpy as np
import pytest
from handwriting import STROKES, photo
from PIL import Image, ImageDraw

from inklens.photos import normalise, printed
from inklens.photos.connected import dilated
from inklens.tasks.reading import load_reader

SIDE = 96  # pixels of a cell


def written(label, *, at=(0, 0), box=56, pen=5):
    """Return the ink of a digit in a cell, bool."""
    left, top = ((SIDE - box) / 2 + shift for shift in at)
    return photo(label, size=(SIDE, SIDE), box=box, at=(left, top), pen=pen) < 128


def drawn(*, lines=(), box=None, radius=0, dots=None, turn=0.0):
    """Return the ink of what is printed, bool: lines (x0, y0, x1, y1, width), a box, a row of dots."""
    canvas = Image.new("L", (SIDE, SIDE), 0)
    draw = ImageDraw.Draw(canvas)
    for x0, y0, x1, y1, width in lines:
        draw.line([(x0, y0), (x1, y1)], fill=255, width=width)
    if box:
        draw.rounded_rectangle(box, radius, outline=255, width=3)
    if dots:
        row, length, pitch = dots
        for col in range(0, SIDE, pitch):
            draw.rectangle([col, row, col + length - 1, row + 1], fill=255)
    return np.asarray(canvas.rotate(turn, Image.Resampling.BILINEAR, fillcolor=0)) > 128


PRINTS = {
    "one line": drawn(lines=[(0, 88, 96, 88, 3)]),
    "one upright line": drawn(lines=[(9, 0, 9, 96, 6)]),
    "thick and thin": drawn(lines=[(3, 0, 3, 96, 8), (0, 90, 96, 90, 2), (0, 4, 96, 4, 2)]),
    "tilted": drawn(lines=[(-9, 6, 105, 6, 3), (-9, 90, 105, 90, 3), (6, -9, 6, 105, 3), (90, -9, 90, 105, 3)], turn=3),
    "box": drawn(box=(8, 6, 88, 90)),
    "round box": drawn(box=(8, 6, 88, 90), radius=9),
    "comb": drawn(lines=[(0, 90, 96, 90, 2), (8, 60, 8, 90, 2), (88, 60, 88, 90, 2)]),
    "dots": drawn(dots=(88, 2, 6)),
    "dashes": drawn(dots=(88, 8, 14)),
}


@pytest.mark.parametrize("label", STROKES)
@pytest.mark.parametrize("kind", PRINTS)
def test_print_goes_and_the_digit_stays(label, kind):
    digit = written(label)
    left = printed.without_lines(digit | PRINTS[kind])
    assert left[digit].all()
    assert not (left & ~dilated(digit, 2, 2)).any()


@pytest.mark.parametrize("label", STROKES)
def test_without_print_no_pixel_goes(label):
    for box in (56, 80, 90):  # however tight the cut
        digit = written(label, box=box, pen=8)
        left = printed.without_lines(digit)
        assert left[digit].mean() > 0.97 or (label == "1" and box == 90)  # the 1 spans the picture


@pytest.mark.parametrize("label", ["1", "4", "7"])
def test_a_stem_that_crosses_a_line_stays_whole(label):
    digit, line = written(label, at=(0, 14)), drawn(lines=[(0, 80, 96, 80, 3)])
    assert (digit & line).any()
    left = printed.without_lines(digit | line)
    assert left[digit].mean() > 0.98
    assert (left & ~digit).sum() < 0.15 * line.sum()


def test_stripes_are_a_texture_and_no_lines():
    stripes = np.zeros((SIDE, SIDE), bool)
    stripes[np.arange(SIDE) % 12 < 5] = True
    assert not printed.printed_lines(stripes)
    stripes[:] = False
    stripes[np.arange(SIDE) % 24 < 2] = True  # ruled paper
    assert len(printed.printed_lines(stripes)) == 4


@pytest.mark.parametrize("tilt", [-0.1, -0.03, 0.0, 0.05, 0.12])
@pytest.mark.parametrize("turned", [False, True])
def test_a_line_is_measured(tilt, turned):
    cols = np.arange(SIDE)
    mask = np.abs(cols[:, None] - 40 - tilt * cols) <= 2
    (line,) = printed.printed_lines(mask.T if turned else mask)
    assert line.turned == turned
    assert line.slope == pytest.approx(tilt, abs=0.01)
    assert line.at(0) == pytest.approx(40, abs=0.6)
    assert line.thickness == pytest.approx(5, abs=1)
    assert line.length == SIDE


@pytest.mark.parametrize("kind", PRINTS)
def test_a_cell_is_read_as_without_print(kind):
    reader = load_reader()
    rng = np.random.default_rng(0)
    for label in ("2", "4", "7"):
        paper = 200 + rng.normal(0, 4, (SIDE, SIDE))
        cell = np.where(written(label), 90, np.where(PRINTS[kind], 60, paper)).clip(0, 255).astype(np.uint8)
        (reading,) = reader.read(cell)
        assert (reading.label, reading.reasons) == (label, ())
        left, top, right, bottom = reading.box
        rows, cols = np.nonzero(written(label))
        assert (
            np.abs(np.array([left, top, right, bottom]) - [*np.min([cols, rows], 1), *np.max([cols, rows], 1)]).max()
            < 4
        )


@pytest.mark.parametrize("kind", PRINTS)
def test_an_empty_cell_holds_no_digit(kind):
    paper = 200 + np.random.default_rng(1).normal(0, 4, (SIDE, SIDE))
    cell = np.where(PRINTS[kind], 60, paper).clip(0, 255).astype(np.uint8)
    assert not normalise(cell).accepted


def test_a_pale_pen_has_its_own_threshold_beside_black_lines():
    lines = drawn(lines=[(4, 0, 4, 96, 8), (0, 92, 96, 92, 8)])
    cell = np.where(lines, 10, np.where(written("3"), 160, 205)).astype(np.uint8)
    result = normalise(cell)
    assert result.accepted
    assert np.abs(result.frame - normalise(np.where(written("3"), 160, 205).astype(np.uint8)).frame).mean() < 0.03


def test_the_picture_that_is_shown_keeps_its_lines():
    cell = np.where(PRINTS["box"], 60, np.where(written("2"), 90, 205)).astype(np.uint8)
    shown = normalise(cell).steps[0].picture
    assert shown.shape[0] >= SIDE
    assert (shown < 0.5).mean() > (cell < 128).mean() * 0.8
