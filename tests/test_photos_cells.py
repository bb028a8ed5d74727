"""Printed lines, boxes, combs and dotted rules go; what a pen wrote beside, on and across them stays."""

import numpy as np
import pytest
from handwriting import STROKES, photo
from PIL import Image, ImageDraw

from inklens.photos import normalise, printed
from inklens.photos.clarity import hole_darkness
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


TICKS = {
    "both": [(8, 60, 8, 99, 3), (88, 60, 88, 99, 3)],
    "left": [(8, 50, 8, 99, 3)],
    "right, standing on its line": [(89, 50, 89, 88, 3), (-9, 90, 105, 90, 3)],
    "ending before the border": [(9, 50, 9, 90, 3)],
    "on its side": [(50, 89, 99, 89, 3)],
    "a neighbour's stroke": [(-5, 40, 8, 55, 6)],
}


def on_paper(mask, seed=1):
    """Return a grey cell in which some pixels are ink."""
    paper = 200 + np.random.default_rng(seed).normal(0, 3, (SIDE, SIDE))
    return np.where(mask, 70, paper).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", TICKS)
def test_ticks_and_strokes_along_the_border_are_no_digit(kind):
    ticks = drawn(lines=TICKS[kind])
    seen = normalise(on_paper(ticks))
    assert not seen.accepted
    assert normalise(on_paper(ticks | written("2"))).accepted  # a digit beside them is


@pytest.mark.parametrize("at", [(-33, 0), (33, 4), (0, 20), (0, -22)])
def test_a_one_near_the_border_with_paper_round_it_is_not_cut_off(at):
    assert not any("cut off" in reason for reason in normalise(on_paper(written("1", at=at, box=50))).reasons)


@pytest.mark.parametrize("angle", [0, 20, 70, 110, 160])
@pytest.mark.parametrize("pitch", [40, 60])
def test_stripes_however_turned_are_no_digit(angle, pitch):
    y, x = np.mgrid[:160, :160]
    wave = np.sin(2 * np.pi * (x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))) / pitch)
    assert not normalise((128 + 90 * wave).astype(np.uint8)).accepted


@pytest.mark.parametrize("inside", [0.9, 0.5, 0.3, 0.1])
def test_the_darkness_of_a_hole_is_that_of_the_photo(inside):
    y, x = np.mgrid[:120, :120] - 60.0
    away = np.hypot(x, y)
    bright = np.where(away < 30, inside, 0.9)
    mask = (away < 40) & (away >= 30)
    bright[mask] = 0.1
    found = hole_darkness(bright, mask, mask, (20, 20, 101, 101))
    assert found == pytest.approx((0.9 - inside) / 0.8)
    assert hole_darkness(bright, mask, away < 40, (20, 20, 101, 101)) == 0.0  # no hole, nothing to say


def test_a_blot_whose_rim_is_darker_is_no_nought_and_a_ring_is():
    y, x = np.mgrid[:160, :160] - 80.0
    away = np.hypot(1.3 * x, y)
    rim, inside = (away < 50) & (away > 38), away <= 38
    blot = np.where(rim, 40, np.where(inside, 75, 220)).astype(np.uint8)
    assert normalise(np.where(rim, 40, 220).astype(np.uint8)).accepted
    assert not normalise(blot).accepted


@pytest.mark.parametrize("n_bars", [1, 3, 5])
def test_the_length_of_strokes_is_measured(n_bars):
    """A comb of bars from end to end, joined at alternate ends, is as many extents long as it has bars."""
    mask = np.zeros((200, 200), bool)
    for k in range(n_bars):
        left = 100 - 19 * n_bars + 38 * k
        mask[25:175, left : left + 8] = True
        top = 25 if k % 2 else 167
        if k + 1 < n_bars:
            mask[top : top + 8, left : left + 46] = True
    seen = normalise(np.where(mask, 40, 220).astype(np.uint8))
    joints = 0.2 * (n_bars - 1)
    assert seen.measures["length"] == pytest.approx(n_bars + joints, rel=0.12)
    assert any("times as long" in reason for reason in seen.reasons) == (n_bars == 5)


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
