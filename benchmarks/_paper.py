"""Synthetic photos: a digit on paper under uneven light, between lines, with many pens, as a camera sees it.

Parameters of the photo path were chosen on these, never on pictures of real people's handwriting, which only check it.
"""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage

# digit (28, 28) uint8, ink = 255; ink (rows, cols) float32 in [0, 1]; photo (rows, cols) uint8, 0 black

KINDS = ("photo", "scan", "drawing", "tiny", "box", "ruled", "cell")


def thick_ink(digit: np.ndarray, side: int, width_change: float, slant: float, turn: float) -> np.ndarray:
    """Redraw a 28 x 28 digit `side` pixels high with smooth edges, its pen wider or narrower by a share of the box."""
    scale = side / 20
    big = ndimage.zoom(np.pad(digit, 4).astype(np.float32) / 255, scale, order=3)
    turning = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array([[1, 0], [slant, 1]])
    middle = (np.array(big.shape) - 1) / 2
    big = ndimage.affine_transform(big, turning, middle - turning @ middle, order=1)
    mask = ndimage.gaussian_filter(big, 0.35 * scale) > 0.42
    if not mask.any():
        mask = big > big.max() / 2
    signed = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    thinnest = 0.35 * np.percentile(signed[mask], 90)
    change = max(width_change * side / 2, thinnest - np.percentile(signed[mask], 90))
    inked = np.clip(signed + change + 0.5, 0, 1)
    rows, cols = np.flatnonzero(inked.max(1) > 0.5), np.flatnonzero(inked.max(0) > 0.5)
    return inked[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].astype(np.float32)


def light(rng: np.random.Generator, rows: int, cols: int, strength: float) -> np.ndarray:
    """Return brightness factors: a tilt, a bulge, a vignette, perhaps the shadow of a hand."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : cols * 1j]
    a, b, c, d = rng.normal(0, strength, 4)
    field = (
        1
        + 0.25 * (a * x + b * y)
        + 0.15 * (c * x * x + d * y * y)
        - abs(rng.normal(0, 0.12 * strength)) * (x * x + y * y)
    )
    if rng.random() < 0.4 * strength:
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.6)
        edge = (np.cos(angle) * x + np.sin(angle) * y - offset) / rng.uniform(0.03, 0.5)
        field = field * (1 - rng.uniform(0.1, 0.45) / (1 + np.exp(-np.clip(edge, -50, 50))))
    return np.clip(field, 0.25, 1.6)


def ruled(rng: np.random.Generator, shape: tuple[int, int], pitch: float, kind: str) -> np.ndarray:
    """Return the ink of printed lines: rules, a grid, or a box round the middle."""
    ink = np.zeros(shape, np.float32)
    canvas = Image.fromarray(ink)
    draw = ImageDraw.Draw(canvas)
    rows, cols = shape
    thick = int(max(1, rng.uniform(0.008, 0.025) * pitch))
    tilt = rng.normal(0, 0.01)
    start = rng.uniform(0, pitch)
    if kind in ("rules", "grid"):
        for y in np.arange(start - pitch, rows + pitch, pitch):
            draw.line([(0, y), (cols, y + tilt * cols)], fill=1.0, width=thick)
    if kind == "grid":
        for x in np.arange(start - pitch, cols + pitch, pitch):
            draw.line([(x, 0), (x - tilt * rows, rows)], fill=1.0, width=thick)
    if kind == "box":
        inset = [rng.uniform(-0.03, 0.08) * rows for _ in range(4)]
        draw.rectangle([inset[0], inset[1], cols - 1 - inset[2], rows - 1 - inset[3]], outline=1.0, width=thick + 1)
    return np.asarray(canvas)


def cell(rng: np.random.Generator, inked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a digit's ink and the lines about it, as one field of a printed grid, cut out roughly by hand."""
    side = int(max(inked.shape) / rng.uniform(0.42, 0.8))
    shape = (3 * side, 3 * side)
    thick = rng.uniform(0.008, 0.05, 2) * side
    canvas = Image.new("L", shape, 0)
    draw = ImageDraw.Draw(canvas)
    for k in range(4):
        width = max(1, round(thick[int(rng.random() < 0.3)]))
        draw.line([(k * side, 0), (k * side, 3 * side)], fill=255, width=width)
        draw.line([(0, k * side), (3 * side, k * side)], fill=255, width=width)
    ink = np.zeros(shape, np.float32)
    rows, cols = inked.shape
    top, left = (side + ((side - n) * rng.uniform(0.2, 0.8)).astype(int) for n in np.array(inked.shape))
    ink[top : top + rows, left : left + cols] = inked
    turn = np.degrees(rng.normal(0, 0.02))
    layers = [Image.fromarray(ink), Image.fromarray(np.asarray(canvas, np.float32) / 255)]
    turned = [np.asarray(layer.rotate(turn, Image.Resampling.BILINEAR)) for layer in layers]
    edges = side * (np.array([1, 2, 1, 2]) + rng.normal(0, 0.05, 4))
    y0, y1, x0, x1 = (int(edge) for edge in edges)
    return turned[0][y0:y1, x0:x1], turned[1][y0:y1, x0:x1]


def photo(digit: np.ndarray, rng: np.random.Generator, kind: str = "photo") -> np.ndarray:
    """Return one digit as a camera, a scanner or a drawing program would give it, uint8."""
    side = int(rng.uniform(16, 24) if kind == "tiny" else rng.uniform(60, 200))
    inked = thick_ink(digit, side, rng.uniform(-0.10, 0.12), rng.normal(0, 0.08), rng.normal(0, 0.06))
    margins = (rng.uniform(0.02, 0.3, 4) if rng.random() < 0.4 else rng.uniform(0.15, 1.2, 4)) * side
    if kind == "box":
        margins = rng.uniform(0.22, 0.8, 4) * side
    top, bottom, left, right = (int(m) for m in margins)
    ink = np.pad(inked, ((top, bottom), (left, right)))
    if kind == "drawing":
        return _drawing(ink, rng)
    if kind == "cell":
        ink, printed = cell(rng, inked)
    shape = ink.shape
    darkness = rng.uniform(0.25, 0.95) if kind != "scan" else rng.uniform(0.3, 1.0)
    if rng.random() < 0.4:  # pencil: the grain of the paper shows
        grain = ndimage.gaussian_filter(rng.normal(0, 1, shape), rng.uniform(0.5, 1.5))
        ink = ink * np.clip(1 + rng.uniform(0.2, 1.2) * grain, 0.15, 1.2)
    lines = np.zeros(shape, np.float32)
    if kind == "cell":
        lines = printed * rng.uniform(0.3, 1.2)
    elif kind == "box":
        lines = ruled(rng, shape, side, "box") * rng.uniform(0.4, 1.2)
    elif kind == "ruled":
        lines = ruled(rng, shape, rng.uniform(0.5, 1.6) * side, rng.choice(["rules", "grid"])) * rng.uniform(0.15, 0.7)
    ink = np.maximum(ink, lines)
    ink = ndimage.gaussian_filter(ink, rng.uniform(0.3, 0.03 * side if rng.random() < 0.7 else 0.07 * side))
    paper = rng.uniform(0.45, 0.95) if kind != "scan" else rng.uniform(0.9, 1.0)
    strength = rng.uniform(0, 1.2) if kind in ("photo", "ruled", "cell") else 0.1
    picture = paper * light(rng, *shape, strength) * (1 - darkness * np.clip(ink, 0, 1.1))
    texture = ndimage.gaussian_filter(rng.normal(0, 1, shape), rng.uniform(0.5, 4))
    picture += rng.uniform(0, 0.02) * texture / texture.std() + rng.normal(0, rng.uniform(0.002, 0.03), shape)
    gray = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    if kind == "scan" and rng.random() < 0.5:
        gray = gray.resize(
            (max(12, int(28 * shape[1] / max(shape))), max(12, int(28 * shape[0] / max(shape)))), Image.Resampling.BOX
        )
    buffer = io.BytesIO()
    gray.save(buffer, "JPEG", quality=int(rng.uniform(40, 95)))
    return np.asarray(Image.open(buffer))


def _drawing(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Clean ink as drawing programs save it: sharp or soft, black on white or white on black, some at 28 pixels."""
    if rng.random() < 0.3:
        ink = (ink > 0.5).astype(np.float32)
    if rng.random() < 0.4:
        canvas = Image.fromarray((ink * 255).astype(np.uint8))
        size = 28 if rng.random() < 0.6 else 64
        method = rng.choice([Image.Resampling.BOX, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR])
        ink = np.asarray(canvas.resize((size, int(size * rng.uniform(0.9, 1.1))), int(method)), np.float32) / 255
    level = rng.uniform(0.5, 1)
    if rng.random() < 0.4:
        return (ink * level * 255).astype(np.uint8)
    return (255 - ink * level * 255).astype(np.uint8)


def letters(side: int = 64) -> Iterator[np.ndarray]:
    """Yield printed signs that are no digits, dark on white, from the fonts at hand."""
    from matplotlib import font_manager

    names = ("DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono")
    signs = "ABCDEFGHJKLMNPQRTUVWXYabcdefhjkmnprtuvwxy&@#%?ÆΔΘΛΞΠΣΦΨΩЖЛЮЯШЫ֎אבגדשآبجدسع+=*"
    for name in names:
        path = font_manager.findfont(name)
        font = ImageFont.truetype(path, int(side * 0.7))
        for sign in signs:
            canvas = Image.new("L", (side, side), 255)
            ImageDraw.Draw(canvas).text((side / 2, side / 2), sign, font=font, fill=20, anchor="mm")
            yield np.asarray(canvas)


def scribble(
    rng: np.random.Generator, side: int = 160, points: int | None = None, width: float | None = None
) -> np.ndarray:
    """Return ink of a smooth random pen stroke through some points, float32."""
    points = points or int(rng.integers(4, 14))
    knots = rng.uniform(0.15, 0.85, (points, 2)) * side
    t = np.linspace(0, points - 1, 40 * points)
    path = np.stack([ndimage.map_coordinates(knots[:, k], [t], order=3, mode="nearest") for k in (0, 1)], 1)
    canvas = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(canvas)
    thick = int(width or rng.uniform(0.03, 0.1) * side)
    draw.line([tuple(p) for p in path], fill=255, width=thick, joint="curve")
    return np.asarray(canvas.filter(ImageFilter.GaussianBlur(1)), np.float32) / 255


def not_digits(rng: np.random.Generator, count: int = 200) -> list[tuple[str, np.ndarray]]:
    """Return named pictures without a digit: blanks, scribbles, letters, faces and textures, uint8."""
    out: list[tuple[str, np.ndarray]] = []
    signs = list(letters())
    makers = {"blank": blank, "scribble": _scribbled, "face": face, "texture": texture}
    for number in range(count):
        name = ("blank", "scribble", "letter", "face", "texture")[number % 5]
        if name == "letter":
            out.append((name, signs[int(rng.integers(len(signs)))]))
        else:
            out.append((name, makers[name](rng)))
    return out


def blank(rng: np.random.Generator) -> np.ndarray:
    shape = tuple(int(s) for s in rng.uniform(60, 300, 2))
    picture = rng.uniform(0.2, 0.95) * light(rng, *shape, rng.uniform(0, 1.2)) + rng.normal(
        0, rng.uniform(0.002, 0.02), shape
    )
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _scribbled(rng: np.random.Generator) -> np.ndarray:
    ink = scribble(rng, points=int(rng.integers(9, 30)))
    return (255 * (0.9 - 0.7 * ink)).astype(np.uint8)


def face(rng: np.random.Generator) -> np.ndarray:
    side = 160
    canvas = Image.new("L", (side, side), 230)
    draw = ImageDraw.Draw(canvas)
    w = int(rng.uniform(3, 9))
    j = lambda: rng.uniform(-6, 6)  # noqa: E731
    draw.ellipse([20 + j(), 15 + j(), 140 + j(), 145 + j()], outline=30, width=w)
    for x in (55, 105):
        draw.ellipse([x - 8 + j(), 50 + j(), x + 12 + j(), 72 + j()], outline=30, width=w)
    draw.arc([50 + j(), 70 + j(), 110 + j(), 120 + j()], 20, 160, fill=30, width=w)
    if rng.random() < 0.5:
        draw.line([80, 72, 74, 92], fill=30, width=w)
    return np.asarray(canvas.filter(ImageFilter.GaussianBlur(1)))


def texture(rng: np.random.Generator) -> np.ndarray:
    side = 160
    y, x = np.mgrid[:side, :side]
    choice = rng.integers(4)
    if choice == 0:
        field = ndimage.gaussian_filter(rng.normal(0, 1, (side, side)), rng.uniform(1, 12))
    elif choice == 1:
        field = np.sin(x / rng.uniform(2, 12) + rng.uniform(0, 3)) * np.sin(y / rng.uniform(2, 12))
    elif choice == 2:
        field = np.sin((x * np.cos(a := rng.uniform(0, 3)) + y * np.sin(a)) / rng.uniform(2, 10))
    else:
        field = (rng.random((side // 8, side // 8)) > 0.5).repeat(8, 0).repeat(8, 1).astype(float)
    field = (field - field.min()) / np.ptp(field)
    return (255 * (0.1 + 0.8 * field)).astype(np.uint8)
