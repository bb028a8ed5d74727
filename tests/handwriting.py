"""Digits drawn with plain strokes, and the picture files made of them, for the tests of the photo path."""

import base64
import io
import struct
import zlib

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

# a 7 as `photo("7", size=(120, 100), box=70, pen=7)`, coded with x265: no encoder for HEIC is among the packages here
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAZdtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAAAA"
    "AERAAAIAAQAAAAABuwABAAAAAAAAASkAAgAAAAAC5AABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZl"
    "AgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAAA1mlwcnAAAAC3aXBjbwAAAHhodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH/"
    "/wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoDSB535bqSSmubgIaDAgAAADAyAAAAMAIWIAAQAHRAHBcrAiQAAAABNj"
    "b2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABkAAAAeAAAABBwaXhpAAAAAAMICAgAAAAXaXBtYQAAAAAAAAABAAEEgQIDBAAAABppcmVmAAAA"
    "AAAAAA5jZHNjAAIAAQABAAABVW1kYXQAAAElKAGvGYCvQmg2NNPG4b6SW+Wme059BwvVsypltnMrUuDEBRaQfRbRNI/5f7326PRLblsBIeFUQy9V"
    "fa2iv4tlnD0izo9Cy2VoNT5yf/P2BQOVf6ot71hX3JpR4oakW7sJBP/6t0ji85sZNpR29VZB68MCKidLjuFTLai2xV14Op/lGT/qDXUiHChYo7GU"
    "BI/CO+TshE/Em76P25vRwSeIB9sLisSxqGLbG1EtAET6nKEBFHepEW85EKzTgbPEjbeRhTDCyJ3dCiZDLj5JiSt9DjwGb3ukXme/czoLOPdEB8Ox"
    "WfUB0RuMObwdOFJ9/fasm65ENm0OcbA+nopA7zx8kckmb2Q9T5CgxnDR2FHo507VXsTCpGpNHX+6hAAcZmqnmOAAD9gAAAAGRXhpZgAATU0AKgAA"
    "AAgAAQESAAMAAAABAAEAAAAAAAA="
)


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
        "heic": HEIC,
    }


def chunk(name, body):
    """Return a PNG chunk."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(rows, cols, depth, color, body, *, interlace=0, extra=b"", split=1 << 16):
    """Return a PNG with such a header, further chunks, and its filtered rows in pieces of `split` bytes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", cols, rows, depth, color, 0, 0, interlace))
    packed = zlib.compress(body)
    pieces = b"".join(chunk(b"IDAT", packed[at : at + split]) for at in range(0, len(packed), split))
    return b"\x89PNG\r\n\x1a\n" + header + extra + pieces + chunk(b"IEND", b"")


def patched(data, position, form, *values):
    """Return a file in which some numbers are others."""
    out = bytearray(data)
    struct.pack_into(form, out, position, *values)
    return bytes(out)


def tall_jpeg(cols, rows):
    """Return a baseline JPEG of any height at once: one row of blocks, between restart markers, again and again."""
    strip = np.random.default_rng(0).normal(215, 6, (8, cols)).clip(0, 255).astype(np.uint8)
    strip[:, cols // 2 - cols // 20 : cols // 2 + cols // 20] = 40
    data = encoded(strip, "JPEG", quality=60, restart_marker_rows=1)
    size, scan = data.index(b"\xff\xc0") + 5, data.index(b"\xff\xda")
    start = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")
    count = -(-rows // 8)
    head = data[:size] + struct.pack(">H", rows) + data[size + 2 : start]
    row = data[start:-2]
    return head + b"".join(row + bytes([0xFF, 0xD0 + k % 8]) for k in range(count - 1)) + row + b"\xff\xd9"


def turned_heic(quarter_turns, mirror=None):
    """Return `HEIC` with properties that turn it anticlockwise, then mirror it (0 up and down, 1 left and right)."""
    more = [(b"irot", quarter_turns)] if quarter_turns else []
    more += [] if mirror is None else [(b"imir", mirror)]
    boxes = b"".join(struct.pack(">I4sB", 9, name, value) for name, value in more)
    count_at = HEIC.index(b"ipma") + 14
    first = HEIC[count_at]
    links = bytes(0x80 | (first + 1 + k) for k in range(len(more)))
    end_of_ipco, end_of_ipma = HEIC.index(b"ipma") - 4, count_at + 1 + first
    data = bytearray(
        HEIC[:end_of_ipco] + boxes + HEIC[end_of_ipco:count_at] + bytes([first + len(more)])
        + HEIC[count_at + 1 : end_of_ipma] + links + HEIC[end_of_ipma:]
    )  # fmt: skip
    grown = len(data) - len(HEIC)
    for name, by in ((b"meta", grown), (b"iprp", grown), (b"ipco", len(boxes)), (b"ipma", len(links))):
        _add(data, data.index(name) - 4, by)
    item = data.index(b"iloc") + 4 + 8  # past version, sizes and count of items
    for _ in range(2):
        _add(data, item + 4, grown)  # the base offset, past id and data reference
        item += 18
    return bytes(data)


def _add(data, position, by):
    """Add to a big-endian number of four bytes, in place."""
    value = int.from_bytes(data[position : position + 4], "big")
    data[position : position + 4] = struct.pack(">I", value + by)
