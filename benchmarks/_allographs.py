"""Shapes of digits that people write and MNIST has few of, drawn as strokes of a pen.

A 9 with a flat or hooked foot, a 1 as a caret with a long flag, a 4 as a small closed triangle on a long stem, a bare
bar, a 7 with a hook. Each is a function of shape numbers from 0 to 1: whoever tunes draws them from `TUNED`, whoever
judges from `HELD_OUT`, so that no shape is judged that was tuned on.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

# path  (n_points, 2)  x, y in units of the digit's height, y down
# ink   (rows, cols)   float32 in [0, 1]

Uniform = Callable[[float, float], float]
Path = np.ndarray

SIDE = 96  # pixels at which a digit is drawn
TUNED, HELD_OUT = ((0.1, 0.9),), ((0.0, 0.1), (0.9, 1.0))  # of the range of each shape number
PEN_WIDTHS = (0.05, 0.16)  # relative to the height
BAR_WIDTHS = (0.16, 0.32)


def curve(*points: tuple[float, float], smooth: bool = True) -> Path:
    """Return a path through points: a cubic spline, or straight pieces."""
    knots = np.array(points, float)
    t = np.linspace(0, len(knots) - 1, 24 * len(knots))
    if not smooth or len(knots) < 3:
        return np.stack([np.interp(t, np.arange(len(knots)), knots[:, k]) for k in (0, 1)], 1)
    return np.stack([ndimage.map_coordinates(knots[:, k], [t], order=3, mode="nearest") for k in (0, 1)], 1)


def arc(centre: tuple[float, float], radii: tuple[float, float], start: float, end: float) -> Path:
    """Return an arc of an ellipse; angles in turns, 0 to the right, a quarter down."""
    angle = 2 * np.pi * np.linspace(start, end, 60)
    return np.array(centre) + np.array(radii) * np.stack([np.cos(angle), np.sin(angle)], 1)


def footed_nine(u: Uniform) -> list[Path]:
    """A 9 whose stem ends in a flat foot to the left, or in a hook that rises again; its loop need not close."""
    wide, high = u(0.15, 0.27), u(0.15, 0.25)
    right, foot, rise, gap = 0.5 + wide, u(0.25, 0.65), u(-0.02, 0.24), u(-0.05, 0.2)
    corner = u(0.03, 0.2)
    loop = arc((0.5, high), (wide, high), -1.0 + max(gap, 0), 0.0)[::-1]
    stem = curve((right, high), (right + u(-0.06, 0.03), 0.6), (right + u(-0.08, 0.02), 1 - corner))
    end = stem[-1]
    turn = curve(tuple(end), (end[0] - 0.5 * corner, 1 - 0.25 * corner), (end[0] - 1.3 * corner, 1.0))
    tail = curve(tuple(turn[-1]), (end[0] - 0.6 * foot, 1 - 0.25 * rise), (end[0] - foot - 0.05, 1 - rise))
    return [loop, np.concatenate([stem, turn, tail])]


def caret_one(u: Uniform) -> list[Path]:
    """A 1 with a long flag, from a third to three quarters of its stem."""
    flag, angle, lean = u(0.32, 0.75), u(0.07, 0.15), u(-0.08, 0.12)
    top = (0.5, 0.0)
    low = (0.5 - flag * np.sin(2 * np.pi * angle), flag * np.cos(2 * np.pi * angle))
    bow = (0.5 * (top[0] + low[0]) + u(-0.03, 0.03), 0.5 * low[1])
    return [curve(low, bow, top), curve(top, (0.5 - lean, 1.0))]


def small_four(u: Uniform) -> list[Path]:
    """A closed 4: a small triangle high on a long stem."""
    high, wide, past = u(0.34, 0.56), u(0.24, 0.46), u(-0.01, 0.14)
    lean, drop = u(-0.05, 0.12), u(-0.05, 0.06)
    foot = (0.6 - lean, 1.0)
    at = 0.6 - lean * high
    triangle = curve((0.6, 0.0), (0.6 - wide, high + drop), (at + past, high), smooth=False)
    return [triangle, curve((0.6, 0.0), foot, smooth=False)]


def bar(u: Uniform) -> list[Path]:
    """A bare stroke."""
    bow = u(-0.04, 0.04)
    return [curve((0.5 + u(-0.05, 0.12), 0.0), (0.5 + bow, 0.5), (0.5, 1.0))]


def hooked_seven(u: Uniform) -> list[Path]:
    """A 7 with a hook at the start of its bar, and perhaps a dash across its stem."""
    wide, hook, back = u(0.4, 0.65), u(0.08, 0.28), u(0.0, 0.08)
    left, right = 0.5 - wide / 2, 0.5 + wide / 2
    start = curve((left - back, hook), (left, 0.03), smooth=False)
    top = curve((left, 0.03), (0.5, 0.03 + u(-0.03, 0.06)), (right, u(0.0, 0.05)))
    foot = right - wide * u(0.4, 0.85)
    stem = curve((right, top[-1][1]), (0.5 * (right + foot) + u(-0.06, 0.03), 0.5), (foot, 1.0))
    dash = u(0.08, 0.2) if u(0, 1) > 0.5 else 0.0
    middle = 0.5 * (right + foot)
    across = [curve((middle - dash, 0.5), (middle + dash, 0.5 + u(-0.04, 0.02)))] if dash else []
    return [np.concatenate([start, top, stem]), *across]


SHAPES: dict[str, tuple[str, Callable[[Uniform], list[Path]]]] = {
    "9 with a foot": ("9", footed_nine),
    "1 with a long flag": ("1", caret_one),
    "4 small on a stem": ("4", small_four),
    "bare bar": ("1", bar),
    "7 with a hook": ("7", hooked_seven),
}


def drawn(shape: str, rng: np.random.Generator, spans: tuple[tuple[float, float], ...] = TUNED) -> np.ndarray:
    """Return the ink of one digit of such a shape, by a pen of random width, tilted, slanted, and unsteady."""
    widths = BAR_WIDTHS if shape == "bare bar" and rng.random() < 0.7 else PEN_WIDTHS
    width = SIDE * rng.uniform(*widths)
    paths = SHAPES[shape][1](partial(_within, rng, spans))
    turn, slant, stretch = rng.normal(0, 0.07), rng.normal(-0.06, 0.12), np.exp(rng.normal(0, 0.08))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ [[stretch, slant], [0, 1]]
    canvas = Image.new("L", (2 * SIDE, 2 * SIDE), 0)
    draw = ImageDraw.Draw(canvas)
    for path in paths:
        points = SIDE + SIDE * (path - 0.5) @ matrix.T
        draw.line([tuple(p) for p in points], fill=255, width=max(2, round(width)), joint="curve")
        if shape != "bare bar" or rng.random() < 0.5:  # the ends of a marker are round, of a ruler's bar square
            for x, y in points[[0, -1]]:
                draw.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=255)
    return _unsteady(np.asarray(canvas, np.float32) / 255, rng)


def _within(rng: np.random.Generator, spans: tuple[tuple[float, float], ...], low: float, high: float) -> float:
    """Return a shape number from one of the spans of its range."""
    return low + (high - low) * float(rng.uniform(*spans[rng.integers(len(spans))]))


def _unsteady(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move the ink as a hand wavers."""
    amount = SIDE * rng.uniform(0.0, 0.5)
    y, x = np.mgrid[: len(ink), : len(ink)].astype(float)
    waver = [amount * ndimage.gaussian_filter(rng.normal(0, 1, ink.shape), 14) for _ in (0, 1)]
    return ndimage.map_coordinates(ink, [y + waver[0], x + waver[1]], order=1)
