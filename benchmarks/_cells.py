"""Cells of printed grids and forms with a digit in each, as a phone photographs them and somebody cuts them out.

Lines of 1 to 12 pixels along one to four borders, combs, dotted rules and boxes; the cut wider or narrower than the
cell, slightly turned, with ink of the neighbours; coloured pens, thin or thick, that touch the lines; and thin strokes
scanned at 28 to 32 pixels. MNIST's training digits tune the photo path, its test digits judge it.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from _paper import light, not_digits, scribble, thick_ink
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

# digit (28, 28) uint8, ink = 255; ink, printed (rows, cols) float32 in [0, 1]; cell (rows, cols, 3) uint8

FINE = 3  # pixels drawn for one of the picture
PENS = ((35, 35, 40), (40, 60, 140), (25, 45, 95), (160, 45, 50), (40, 110, 70), (95, 95, 100))  # red, green, blue

Draw = Callable[["_Sheet"], None]


@dataclass(eq=False)
class _Sheet:
    """A drawing of `side` pixels, three times as fine, of what is printed and what a pen writes."""

    side: int
    rng: np.random.Generator
    printed: Image.Image
    inset: float  # of the cell's printed border from the picture's, in pixels; negative: cut off

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.printed)

    def border(self) -> tuple[float, float, float, float]:
        """Return where the cell's lines lie, in fine pixels: left, top, right, bottom."""
        low, high = 0.0, float(self.side * FINE)
        jitter = self.rng.normal(0, 0.04 * self.side, 4)
        left, top, right, bottom = (FINE * (self.inset + j) for j in jitter)
        return low + left, low + top, high - right, high - bottom


def _lines(sheet: _Sheet) -> None:
    """Lines along one to four borders, on into the neighbours."""
    rng, span = sheet.rng, FINE * sheet.side
    left, top, right, bottom = sheet.border()
    thick = np.exp(rng.uniform(0, np.log(12), 4)) if rng.random() < 0.4 else np.full(4, np.exp(rng.uniform(0, 2.5)))
    sides = rng.permutation(4)[: rng.integers(1, 5)]
    for side in sides:
        x, y = ((left, None), (None, top), (right, None), (None, bottom))[side]
        ends = [(x, -span), (x, 2 * span)] if y is None else [(-span, y), (2 * span, y)]
        sheet.draw.line(ends, fill=int(rng.uniform(110, 255)), width=max(1, round(FINE * thick[side])))


def _grid(sheet: _Sheet) -> None:
    """All lines of a puzzle, thick ones among thin ones."""
    rng = sheet.rng
    left, top, right, bottom = sheet.border()
    thin, thick = FINE * np.exp(rng.uniform(0, 1.2)), FINE * np.exp(rng.uniform(0.7, 2.5))
    tone = int(rng.uniform(120, 255))
    for axis, (low, high) in enumerate(((left, right), (top, bottom))):
        for k in range(-1, 3):
            at = low + k * (high - low)
            ends = [(at, -1e4), (at, 1e4)] if axis == 0 else [(-1e4, at), (1e4, at)]
            sheet.draw.line(ends, fill=tone, width=round(thick if rng.random() < 0.35 else thin))


def _box(sheet: _Sheet) -> None:
    """A box of its own, with square or round corners."""
    rng = sheet.rng
    left, top, right, bottom = sheet.border()
    radius = rng.choice([0.0, rng.uniform(0, 0.12)]) * FINE * sheet.side
    width = round(FINE * np.exp(rng.uniform(0, 1.6)))
    sheet.draw.rounded_rectangle([left, top, right, bottom], radius, outline=int(rng.uniform(110, 255)), width=width)


def _comb(sheet: _Sheet) -> None:
    """The comb of a form: a base line with ticks."""
    rng, span = sheet.rng, FINE * sheet.side
    left, _, right, bottom = sheet.border()
    tone, width = int(rng.uniform(110, 255)), round(FINE * np.exp(rng.uniform(0, 1.4)))
    sheet.draw.line([(-span, bottom), (2 * span, bottom)], fill=tone, width=width)
    tick = rng.uniform(0.15, 0.6) * span
    for x in (left, right):
        sheet.draw.line([(x, bottom - tick), (x, bottom)], fill=tone, width=width)


def _dotted(sheet: _Sheet) -> None:
    """A dotted or dashed rule below, perhaps another above."""
    rng, span = sheet.rng, FINE * sheet.side
    _, top, _, bottom = sheet.border()
    tone, thick = int(rng.uniform(140, 255)), FINE * rng.uniform(1, 3)
    dash = thick * rng.choice([1.0, rng.uniform(1, 5)])
    pitch = dash + thick * rng.uniform(1, 3)
    for y in (bottom, top)[: rng.integers(1, 3)]:
        for x in np.arange(rng.uniform(-pitch, 0), span, pitch):
            if dash > 1.2 * thick:
                sheet.draw.rectangle([x, y, x + dash, y + thick], fill=tone)
            else:
                sheet.draw.ellipse([x, y, x + thick, y + thick], fill=tone)


PRINTS: dict[str, Draw] = {"lines": _lines, "grid": _grid, "box": _box, "comb": _comb, "dotted": _dotted}
KINDS = (*PRINTS, "thin scan")


def picture(digit: np.ndarray | None, rng: np.random.Generator, kind: str) -> np.ndarray:
    """Return a picture of one digit, uint8 (rows, cols, 3); None leaves the cell empty."""
    return thin_scan(digit, rng) if kind == "thin scan" and digit is not None else cell(digit, rng, kind)


def cell(
    digit: np.ndarray | None, rng: np.random.Generator, kind: str, written: np.ndarray | None = None
) -> np.ndarray:
    """Return one printed cell, cut out roughly; `written` is other ink than a digit's."""
    side = int(rng.uniform(60, 121))
    sheet = _Sheet(side, rng, Image.new("L", (FINE * side, FINE * side), 0), rng.uniform(-0.04, 0.12) * side)
    PRINTS[kind](sheet)
    if rng.random() < 0.15 and (digit is not None or written is not None):
        _small_print(sheet)
    printed = np.asarray(sheet.printed, np.float32) / 255
    ink = np.zeros_like(printed)
    room = side - 2 * max(sheet.inset, 0)
    if digit is not None:
        height = FINE * room * rng.uniform(0.45, 0.88)
        written = thick_ink(
            digit, max(20, int(height)), rng.uniform(-0.1, 0.03), rng.normal(0, 0.08), rng.normal(0, 0.06)
        )
    if written is not None:
        _write(ink, written, rng.uniform(0.3, 0.7, 2) + (rng.normal(0, 0.25, 2) if rng.random() < 0.25 else 0), room)
    if rng.random() < 0.3:
        _neighbour(ink, rng, sheet)
    turned = _turned([printed, ink], rng)
    return _photographed(*turned, side, rng)


def _write(ink: np.ndarray, written: np.ndarray, place: np.ndarray, room: float) -> None:
    """Put ink into the cell; it may touch the lines, but stays in the picture."""
    free = np.array(ink.shape) - written.shape
    margin = (len(ink) - FINE * room) / 2
    span = np.maximum(free - 2 * margin, 0)
    top, left = (int(t) for t in np.clip((free - span) / 2 + place * span, 1, np.maximum(free - 1, 1)))
    rows, cols = (min(n, m - 2) for n, m in zip(written.shape, ink.shape, strict=True))
    ink[top : top + rows, left : left + cols] = written[:rows, :cols][: len(ink) - top, : len(ink) - left]


def _neighbour(ink: np.ndarray, rng: np.random.Generator, sheet: _Sheet) -> None:
    """Let a stroke of the next cell reach over the border of the picture, without touching the digit."""
    reach = FINE * max(2.0, (max(sheet.inset, 0) + 0.04 * sheet.side) * rng.uniform(0.3, 1.0))
    length = rng.uniform(0.08, 0.35) * len(ink)
    canvas = Image.new("L", ink.shape[::-1], 0)
    at = rng.uniform(0, len(ink))
    width = int(FINE * rng.uniform(2, 5))
    ImageDraw.Draw(canvas).line([(at, -5), (at + rng.normal(0, length), reach - width / 2)], fill=255, width=width)
    stroke = np.rot90(np.asarray(canvas, np.float32) / 255, int(rng.integers(4)))
    near = ndimage.binary_dilation(ink > 0.3, iterations=3 * FINE)
    if not (near & (stroke > 0)).any():
        np.maximum(ink, stroke, out=ink)


def _small_print(sheet: _Sheet) -> None:
    """Print the number of a crossword's cell into its corner."""
    from matplotlib import font_manager

    size = int(FINE * sheet.side * sheet.rng.uniform(0.1, 0.16))
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)
    left, top = (FINE * (max(sheet.inset, 0) + 0.04 * sheet.side) for _ in range(2))
    sheet.draw.text((left, top), str(sheet.rng.integers(1, 30)), font=font, fill=220)


def _turned(layers: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Turn and shear all layers alike, by a few degrees."""
    turn, shear = rng.normal(0, 0.025, 2)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn) + shear, np.cos(turn)]])
    middle = (np.array(layers[0].shape) - 1) / 2
    offset = middle - matrix @ middle
    return [ndimage.affine_transform(layer, matrix, offset, order=1, mode="nearest") for layer in layers]


def _photographed(printed: np.ndarray, ink: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return what a camera makes of print and pen on grey paper with speckle."""
    paper = rng.uniform(190, 216)
    tone = np.array(PENS[rng.integers(len(PENS))]) + rng.normal(0, 12, 3)
    pale = rng.uniform(0.55, 1.0)  # how well the pen covers
    black = rng.uniform(20, 90)
    shape = (round(side * rng.uniform(0.85, 1.15)), side)
    blur = FINE * rng.uniform(0.3, 1.1)
    layers = [
        np.asarray(Image.fromarray(ndimage.gaussian_filter(layer, blur)).resize(shape[::-1], Image.Resampling.BOX))
        for layer in (printed, ink)
    ]
    shade = light(rng, *shape, rng.uniform(0, 0.6))[..., None]
    color = np.full((*shape, 3), paper) + rng.normal(0, 2, 3)
    color += layers[0][..., None] * (black - paper)
    color += pale * layers[1][..., None] * (np.minimum(tone, color) - color)
    speckle = ndimage.gaussian_filter(rng.normal(0, 1, shape), rng.uniform(0.4, 1.2))
    color = color * shade + (rng.uniform(1, 7) * speckle / speckle.std())[..., None]
    buffer = io.BytesIO()
    Image.fromarray(np.clip(color, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=int(rng.uniform(60, 96)))
    return np.asarray(Image.open(buffer))


def thin_scan(digit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a scan of 28 to 32 pixels of a thin stroke, grey or black, perhaps light on dark."""
    side = int(rng.integers(28, 33))
    height = side * rng.uniform(0.55, 0.95)
    big = 8  # as fine
    written = thick_ink(digit, int(big * height), rng.uniform(-0.12, -0.03), rng.normal(0, 0.08), rng.normal(0, 0.05))
    ink = np.zeros((big * side, big * side), np.float32)
    written = written[: len(ink) - 2, : len(ink) - 2]
    top, left = (int(free * rng.uniform(0.25, 0.75)) for free in np.array(ink.shape) - written.shape)
    ink[top : top + len(written), left : left + written.shape[1]] = written
    ink = ndimage.gaussian_filter(ink, big * rng.uniform(0.2, 0.7))
    small = np.asarray(Image.fromarray(ink).resize((side, side), Image.Resampling.BOX))
    paper, darkness = rng.uniform(0.8, 1.0), rng.uniform(0.35, 1.0)
    gray = paper * (1 - darkness * small) + rng.normal(0, rng.uniform(0, 0.02), small.shape)
    if rng.random() < 0.3:
        gray = (gray < paper * (1 - 0.2 * darkness)).astype(float) if rng.random() < 0.5 else 1 - gray
    return np.repeat((np.clip(gray, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


def no_digits(rng: np.random.Generator, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield named pictures without a digit: those of `_paper`, cells without a digit, clothes, parts of photos."""
    made = {"empty cell": _empty, "scribbled cell": _scribbled, "clothes": clothing, "piece of a photo": _piece}
    yield from not_digits(rng, count)
    for name, make in made.items():
        for _ in range(count // 4):
            yield name, make(rng)


def _empty(rng: np.random.Generator) -> np.ndarray:
    return cell(None, rng, str(rng.choice(list(PRINTS))))


def _scribbled(rng: np.random.Generator) -> np.ndarray:
    ink = scribble(rng, 160, points=int(rng.integers(12, 30)))
    return cell(None, rng, str(rng.choice(list(PRINTS))), ink)


def clothing(rng: np.random.Generator) -> np.ndarray:
    """Return a garment's silhouette as catalogues show it: shirt, trousers, dress, bag, shoe or boot."""
    shapes = {
        "shirt": [
            (30, 15), (42, 12), (58, 12), (70, 15), (92, 40), (80, 50),
            (70, 40), (70, 90), (30, 90), (30, 40), (20, 50), (8, 40),
        ],
        "trousers": [(32, 8), (68, 8), (74, 94), (56, 94), (50, 36), (44, 94), (26, 94)],
        "dress": [(40, 6), (60, 6), (58, 40), (76, 94), (24, 94), (42, 40)],
        "shoe": [(6, 60), (30, 50), (44, 40), (56, 52), (94, 58), (94, 74), (6, 74)],
        "boot": [(34, 8), (62, 8), (62, 60), (92, 72), (92, 88), (34, 88)],
        "bag": [(14, 38), (86, 38), (92, 90), (8, 90)],
    }  # fmt: skip
    name = str(rng.choice(list(shapes)))
    side = int(rng.choice([28, 28, 80, 160]))
    canvas = Image.new("L", (400, 400), 0)
    draw = ImageDraw.Draw(canvas)
    points = [(4 * x + rng.normal(0, 6), 4 * y + rng.normal(0, 6)) for x, y in shapes[name]]
    draw.polygon(points, fill=255)
    if name == "bag":
        draw.arc([130, 40, 270, 260], 180, 360, fill=255, width=int(rng.uniform(10, 30)))
    cloth = ndimage.gaussian_filter(rng.normal(0, 1, (400, 400)), rng.uniform(2, 20))
    folds = 0.75 + 0.25 * np.clip(cloth / (3 * cloth.std()), -1, 1)
    inked = np.asarray(canvas, np.float32) / 255 * folds * rng.uniform(0.4, 1)
    inked = np.asarray(Image.fromarray(inked).resize((side, side), Image.Resampling.BOX))
    return ((inked if rng.random() < 0.5 else 1 - inked) * 255).astype(np.uint8)


def _piece(rng: np.random.Generator) -> np.ndarray:
    """Return a piece of one of scikit-learn's two photos, a temple or a flower."""
    from sklearn.datasets import load_sample_image

    photo = load_sample_image(str(rng.choice(["china.jpg", "flower.jpg"])))
    size = int(np.exp(rng.uniform(np.log(40), np.log(400))))
    top, left = (int(rng.integers(0, n - size)) for n in photo.shape[:2])
    return photo[top : top + size, left : left + size]
