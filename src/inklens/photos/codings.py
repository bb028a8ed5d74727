"""What a picture is coded in, where nothing here decodes that: a file like that is whole, and no damaged one."""

import re
import struct
from collections.abc import Callable, Iterator

from inklens.photos import libtiff
from inklens.photos.containers import JPEG_FRAMES, boxes

HEAD = 1 << 16  # bytes of a HEIF in which its items are described
# items that are made of others, or no picture
_NO_CODINGS = {b"grid", b"iovl", b"iden", b"tmap", b"Exif", b"mime", b"uri "}
# frames that libjpeg-turbo has no decoder for (ITU-T T.81, table B.1; T.87); arithmetic codes it has
_JPEG_CODINGS = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "hierarchical lossless",
    0xCB: "arithmetic lossless",
    0xCD: "hierarchical arithmetic",
    0xCE: "hierarchical arithmetic",
    0xCF: "hierarchical arithmetic lossless",
    0xDE: "hierarchical",
    0xF7: "JPEG-LS",
}
_BMP_CODINGS = {4: "JPEG", 5: "PNG"}  # of printers (BITMAPINFOHEADER); OS/2 has its own
_COMPRESSION, _PHOTOMETRIC, _BITS = 259, 262, 258  # tags of a TIFF
_SHORT, _MOST_TAGS = 3, 500
_TIFF_CODINGS = {  # those that are seldom built (TIFF 6.0 and libtiff's list)
    9: "JBIG",
    10: "JBIG",
    32908: "Pixar's film",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "LogLuv",
    34677: "LogLuv",
    34712: "JPEG 2000",
    34713: "Nikon's",
    34887: "LERC",
    34892: "lossy DNG",
    34925: "LZMA",
    34933: "PNG",
    34934: "JPEG XR",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_TIFF_PIXELS = {4: "a mask", 32803: "a camera's raw samples", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw"}


def unbuilt(data: bytes, kind: str, error: str = "") -> str:
    """Name what nothing here decodes in a file that a decoder has refused with some `error`; "" where all is usual.

    >>> unbuilt(b"\\xff\\xd8\\xff\\xc3\\0\\x0b\\x08", "JPEG")
    'JPEG with lossless coding'
    """
    try:
        found = _FINDERS[kind](data, error) if kind in _FINDERS else ""
    except (struct.error, IndexError):  # cut off before that
        return ""
    return f"{kind} with {found}" if found else ""


def _of_jpeg(data: bytes, error: str) -> str:
    """Look at the first frame's marker and precision."""
    position = 2
    while position + 5 <= len(data):
        marker = data[position + 1]
        if data[position] != 0xFF or marker in (0x01, 0xFF, *range(0xD0, 0xD9)):
            position += 1
            continue
        if marker in _JPEG_CODINGS:
            return f"{_JPEG_CODINGS[marker]} coding"
        if marker in JPEG_FRAMES:
            precision, layers = data[position + 4], data[position + 9]
            if precision in (12, 16):
                return f"{precision}-bit coding"
            return f"{layers} layers" if layers not in (1, 3, 4) and "layer" in error else ""
        if marker == 0xDA:
            return ""
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return ""


def _of_png(data: bytes, error: str) -> str:
    return "Apple's own coding (CgBI)" if data[12:16] == b"CgBI" else ""


def _of_bmp(data: bytes, error: str) -> str:
    if not error.startswith("unsupported bmp"):
        return ""
    coding, depth = int.from_bytes(data[30:34], "little"), int.from_bytes(data[28:30], "little")
    return f"coding {_BMP_CODINGS.get(coding, coding)} at {depth} bits a pixel"


def _of_tiff(data: bytes, error: str) -> str:
    tags = _tiff_tags(data)
    coding = tags.get(_COMPRESSION, 1)
    if coding in _TIFF_CODINGS and not libtiff.is_built(coding):
        return f"coding {_TIFF_CODINGS[coding]}"
    if "unknown pixel mode" in error or "unknown data organization" in error:
        pixels = _TIFF_PIXELS.get(tags.get(_PHOTOMETRIC, 1), f"pixels of kind {tags.get(_PHOTOMETRIC, 1)}")
        return f"{pixels}, {tags[_BITS]} bits each" if _BITS in tags else pixels
    return "" if libtiff.is_built(coding) else f"coding {coding}"


def _tiff_tags(data: bytes) -> dict[int, int]:
    """Return the short numbers of the first directory that stand in it themselves (TIFF 6.0, 2; BigTIFF)."""
    order, is_big = "<" if data[:2] == b"II" else ">", b"+" in data[2:4]
    start: int = struct.unpack_from(f"{order}Q" if is_big else f"{order}I", data, 8 if is_big else 4)[0]
    count: int = struct.unpack_from(f"{order}Q" if is_big else f"{order}H", data, start)[0]
    first, size = (start + 8, 20) if is_big else (start + 2, 12)
    entries = (struct.unpack_from(f"{order}HH", data, first + size * k) for k in range(min(count, _MOST_TAGS)))
    return {
        tag: struct.unpack_from(f"{order}H", data, first + size * (k + 1) - (8 if is_big else 4))[0]
        for k, (tag, kind) in enumerate(entries)
        if kind == _SHORT
    }


def _of_heic(data: bytes, error: str) -> str:
    names = {name for _, _, name in boxes(data)}
    if b"moov" in names and (b"meta" not in names or b"infe" not in data[:HEAD]):
        return "an image sequence and no still picture"
    return _other_item(data, b"hvc1")


def _of_avif(data: bytes, error: str) -> str:
    return _other_item(data, b"av01")


def _other_item(data: bytes, own: bytes) -> str:
    """Look for a picture that is coded otherwise than its kind is (ISO/IEC 23008-12, infe)."""
    for position in _found(data[:HEAD], b"infe"):
        wide = data[position + 4] == 3 if position + 4 < len(data) else False
        coding = data[position + (14 if wide else 12) :][:4]
        if re.fullmatch(rb"[ -~]{4}", coding) and coding != own and coding not in _NO_CODINGS:
            return f"coding {coding.decode().strip()}"
    return ""


def _found(data: bytes, word: bytes) -> Iterator[int]:
    position = data.find(word)
    while position >= 0:
        yield position
        position = data.find(word, position + 4)


_FINDERS: dict[str, Callable[[bytes, str], str]] = {
    "JPEG": _of_jpeg,
    "PNG": _of_png,
    "BMP": _of_bmp,
    "TIFF": _of_tiff,
    "HEIC": _of_heic,
    "AVIF": _of_avif,
}
