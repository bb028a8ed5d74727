"""Made pages: rows of handwritten digits, and what people read by mistake: screenshots, print, photos of things.

The limits that tell them apart (`inklens.photos.checks`) were chosen on these, never on pictures of real handwriting.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import _paper as paper
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage

# every page (rows, cols[, 3]) uint8

FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "STIXGeneral", "STIXGeneralItalic", "cmr10",
    "cmss10", "cmtt10",
)  # fmt: skip
WORDS = (
    "the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "not", "which", "one", "you",
    "were", "there", "would", "their", "has", "when", "more", "no", "if", "out", "said", "file", "edit", "view", "help",
    "window", "settings", "2024", "17:45", "100", "3.14", "42", "1,280", "x = y + 1;", "return None", "def", "class",
)  # fmt: skip


@cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Return one of matplotlib's own fonts."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), size)


def handwritten(rng: np.random.Generator, images: np.ndarray) -> np.ndarray:
    """Return rows of handwritten digits by one hand, perhaps on ruled paper, as a camera sees them."""
    rows, cols = int(rng.integers(1, 9)), int(rng.integers(3, 13))
    side = int(rng.uniform(24, 90))
    pitch_y, pitch_x = int(side * rng.uniform(1.5, 2.2)), int(side * rng.uniform(1.1, 1.8))
    height, width = rows * pitch_y + side, cols * pitch_x + side
    ink = np.zeros((height, width), np.float32)
    slant, pen = rng.normal(0.05, 0.08), rng.uniform(-0.06, 0.06)
    for row, col in np.ndindex(rows, cols):
        digit = images[int(rng.integers(len(images)))]
        drawn = paper.thick_ink(digit, int(side * rng.uniform(0.85, 1.15)), pen, slant, rng.normal(0, 0.05))
        top = int(side / 2 + row * pitch_y + rng.normal(0, 0.05) * side)
        left = int(side / 2 + col * pitch_x + rng.normal(0, 0.05) * side)
        window = ink[max(top, 0) : top + drawn.shape[0], max(left, 0) : left + drawn.shape[1]]
        np.maximum(window, drawn[: window.shape[0], : window.shape[1]], out=window)
    if rng.random() < 0.3:
        ink = np.maximum(
            ink, paper.ruled(rng, ink.shape, pitch_y, rng.choice(["rules", "grid"])) * rng.uniform(0.2, 0.5)
        )
    light = rng.uniform(0.6, 0.95) * paper.light(rng, height, width, rng.uniform(0, 1))
    page = light * (1 - rng.uniform(0.4, 0.9) * ndimage.gaussian_filter(ink, rng.uniform(0.3, 1.2)))
    page += rng.normal(0, rng.uniform(0.002, 0.02), page.shape)
    return (np.clip(page, 0, 1) * 255).astype(np.uint8)


def text(rng: np.random.Generator, draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], name: str, size: int,
         fill: tuple[int, int, int]) -> None:  # fmt: skip
    """Fill a box with lines of words."""
    left, top, right, bottom = box
    for y in range(top, bottom - size, int(size * 1.4)):
        line, end = "", left + (right - left) * rng.uniform(0.4, 1)
        while draw.textlength(line, font(name, size)) + left < end:
            line += str(rng.choice(WORDS)) + " "
        draw.text((left, y), line[:-6], font=font(name, size), fill=fill)


def screenshot(rng: np.random.Generator) -> np.ndarray:
    """Return a desktop with windows of text, buttons and icons."""
    width, height = (int(v) for v in rng.choice([(1280, 720), (1024, 768), (640, 400), (390, 844), (1920, 1080)]))
    dark = rng.random() < 0.4

    def tone(low: float, high: float) -> tuple[int, int, int]:
        r, g, b = (int(level if dark else 255 - level) for level in rng.uniform(low, high, 3))
        return r, g, b

    canvas = Image.new("RGB", (width, height), tone(0, 60))
    draw = ImageDraw.Draw(canvas)
    ink = (230, 230, 230) if dark else (30, 30, 30)
    name = str(rng.choice(FONTS))
    size = int(rng.uniform(10, 22))
    draw.rectangle([0, 0, width, size * 2], fill=tone(40, 90))
    text(rng, draw, (size, size // 2, width // 2, size * 3), name, size, ink)
    for _ in range(int(rng.integers(1, 4))):
        x0, y0 = int(rng.uniform(0, 0.4) * width), int(rng.uniform(0.08, 0.4) * height)
        x1, y1 = int(x0 + rng.uniform(0.4, 0.6) * width), int(y0 + rng.uniform(0.4, 0.6) * height)
        draw.rectangle([x0, y0, x1, y1], fill=tone(0, 20), outline=tone(90, 140))
        draw.rectangle([x0, y0, x1, y0 + 2 * size], fill=tone(50, 120))
        text(rng, draw, (x0 + 8, y0 + 3 * size, x1 - 8, y1 - 8), name, size, ink)
    for k in range(int(rng.integers(0, 12))):
        x, y, r = 20 + k * 60, height - 50, 14
        draw.rounded_rectangle([x, y, x + 2 * r, y + 2 * r], 6, fill=tuple(int(v) for v in rng.integers(30, 226, 3)))
        if rng.random() < 0.5:
            draw.ellipse([x + 8, y + 8, x + 20, y + 20], fill=tone(0, 30))
    return np.asarray(canvas)


def printed(rng: np.random.Generator) -> np.ndarray:
    """Return a printed page, words or a table of numbers, as a scanner or a camera sees it."""
    width, height = (int(v) for v in rng.choice([(800, 1100), (1240, 1754), (600, 400), (1000, 700)]))
    canvas = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(canvas)
    name, size = str(rng.choice(FONTS)), int(rng.uniform(12, 40))
    if rng.random() < 0.3:
        for y in range(size, height - 2 * size, int(1.5 * size)):
            for x in range(size, width - 5 * size, 6 * size):
                draw.text((x, y), str(int(rng.integers(10, 99999))), font=font(name, size), fill=0)
    else:
        margin = int(0.08 * width)
        text(rng, draw, (margin, margin, width - margin, height - margin), name, size, 0)
    return _photographed(rng, np.asarray(canvas, np.float32) / 255)


def _photographed(rng: np.random.Generator, page: np.ndarray) -> np.ndarray:
    """Return a page with the blur, noise, turn and light of a camera or scanner."""
    turned = Image.fromarray(page).rotate(rng.normal(0, 0.6), Image.Resampling.BICUBIC, fillcolor=1.0)
    seen = ndimage.gaussian_filter(np.asarray(turned), rng.uniform(0.2, 1.2))
    seen = (0.15 + 0.8 * seen) * paper.light(rng, *page.shape, rng.uniform(0, 0.8))
    seen = seen + rng.normal(0, rng.uniform(0.002, 0.02), page.shape)
    return (np.clip(seen, 0, 1) * 255).astype(np.uint8)


def scene(rng: np.random.Generator) -> np.ndarray:
    """Return what a photo of things looks like: shaded shapes before a rough ground, leaves or stones."""
    side = int(rng.uniform(200, 700))
    cloud = sum(ndimage.gaussian_filter(rng.normal(0, 1, (side, side)), s) * s for s in (1, 3, 9, 27))
    cloud = (cloud - cloud.min()) / np.ptp(cloud)
    canvas = Image.fromarray((255 * (0.2 + 0.6 * cloud)).astype(np.uint8))
    for _ in range(int(rng.integers(3, 60))):
        shape = Image.new("L", (side, side), 0)
        x, y, r = *rng.uniform(0, side, 2), rng.uniform(0.02, 0.2) * side
        points = [(x + r * rng.uniform(0.5, 1) * np.cos(a), y + r * rng.uniform(0.5, 1) * np.sin(a))
                  for a in np.linspace(0, 2 * np.pi, int(rng.integers(3, 14)), endpoint=False)]  # fmt: skip
        ImageDraw.Draw(shape).polygon(points, fill=255)
        shade = 0.15 + 0.7 * rng.random() + 0.3 * paper.light(rng, side, side, 1.0) - 0.3
        fill = Image.fromarray((255 * np.clip(shade + 0.2 * (cloud - 0.5), 0, 1)).astype(np.uint8))
        canvas.paste(fill, mask=shape.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 3)))))
    seen = np.asarray(canvas, float) + rng.normal(0, 4, (side, side))
    return np.clip(seen, 0, 255).astype(np.uint8)


MAKERS = {"screenshot": screenshot, "printed": printed, "scene": scene}


def not_handwriting(rng: np.random.Generator, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield that many of each kind, with its name."""
    for name, make in MAKERS.items():
        for _ in range(count):
            yield name, make(rng)
