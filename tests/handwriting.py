"""Digits drawn with plain strokes, and the picture files made of them, for the tests of the photo path."""

import io

import numpy as np
from PIL import Image, ImageDraw

STROKES = {
    "0": [[(50, 10), (30, 20), (25, 50), (32, 80), (50, 90), (68, 80), (75, 50), (70, 20), (50, 10)]],
    "1": [[(50, 8), (50, 92)]],
    "2": [[(28, 28), (38, 12), (58, 10), (70, 24), (66, 42), (26, 88), (76, 88)]],
    "3": [[(28, 16), (55, 10), (70, 24), (62, 42), (45, 48), (66, 56), (72, 74), (55, 90), (26, 84)]],
    "4": [[(62, 92), (62, 8), (22, 62), (80, 62)]],
    "7": [[(24, 12), (76, 12), (44, 92)]],
}


def photo(label="3", *, size=(300, 240), box=120, at=None, pen=12, paper=225, ink=40):
    """Return a grey photo (rows, cols) uint8 of one digit on even paper."""
    canvas = Image.new("L", (size[1], size[0]), paper)
    left, top = at or ((size[1] - box) / 2, (size[0] - box) / 2)
    draw = ImageDraw.Draw(canvas)
    for stroke in STROKES[label]:
        points = [(left + x * box / 100, top + y * box / 100) for x, y in stroke]
        draw.line(points, fill=ink, width=pen, joint="curve")
        for x, y in points:
            draw.ellipse([x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2], fill=ink)
    return np.asarray(canvas)


def encoded(array, kind, **options):
    """Return the bytes of a picture file."""
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def seeds():
    """Return small picture files of every kind that is taken, by name."""
    gray = photo(size=(120, 100), box=70, pen=7)
    color = Image.fromarray(gray).convert("RGB")
    exif = Image.Exif()
    exif[274] = 6
    return {
        "jpeg": encoded(color, "JPEG", exif=exif),
        "progressive": encoded(color, "JPEG", progressive=True),
        "cmyk": encoded(color.convert("CMYK"), "JPEG"),
        "png": encoded(color, "PNG"),
        "palette": encoded(color.convert("P"), "PNG", transparency=3),
        "bits": encoded(Image.fromarray(gray).convert("1"), "PNG"),
        "webp": encoded(color, "WEBP"),
        "lossless": encoded(color.convert("RGBA"), "WEBP", lossless=True),
        "avif": encoded(color, "AVIF"),
        "gif": encoded(gray, "GIF"),
        "bmp": encoded(color, "BMP"),
        "tiff": encoded(color, "TIFF"),
        "lzw": encoded(color, "TIFF", compression="tiff_lzw"),
        "fax": encoded(Image.fromarray(gray).convert("1"), "TIFF", compression="group4"),
    }
