"""What a picture file says about itself before it is decoded: kind, wholeness, orientation."""

import struct
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import IO, TYPE_CHECKING, Literal, NamedTuple, cast

from PIL import Image
from PIL.ImageFile import ImageFile

from inklens.errors import PhotoError

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import TiffImageFile

TAKEN = "JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP or TIFF"

_PARSERS = {  # kind -> (Pillow's plugin, class)
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "WEBP": ("WebPImagePlugin", "WebPImageFile"),
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
}
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
_REFUSED = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript file"),
    (b"8BPS", "a Photoshop file"),
    (b"SIMPLE", "a FITS file"),
    (b"\0\0\1\0", "a Windows icon"),
    (b"\0\0\0\x0cjP", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"DDS ", "a DirectDraw surface"),
    (b"qoif", "a QOI picture"),
    (b"icns", "a macOS icon"),
    (b"gimp xcf", "a GIMP file"),
    (b"II\xbc", "a JPEG XR picture"),
    (b"BPG\xfb", "a BPG picture"),
    (b"FLIF", "a FLIF picture"),
    (b"\x8aMNG", "an MNG film"),
    (b"\x8bJNG", "a JNG picture"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"IIRO", "a camera's raw file"),
    (b"IIRS", "a camera's raw file"),
    (b"IIU\0", "a camera's raw file"),
    (b"AT&TFORM", "a DjVu document"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"#?RADIANCE", "a Radiance picture"),
    (b"P4\n", "a portable bitmap"),
    (b"P5\n", "a portable graymap"),
    (b"P6\n", "a portable pixmap"),
    (b"P7\n", "a portable anymap"),
    (b"Pf\n", "a portable floatmap"),
    (b"PF\n", "a portable floatmap"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"\0\0\2\0\1\0", "a Windows cursor"),
    (b"\1\xda", "an SGI picture"),
    (b"\x59\xa6\x6a\x95", "a Sun raster picture"),
    (b"\xabKTX", "a texture"),
    (b"\x97JB2", "a JBIG2 picture"),
    (b"WMPHOTO", "a JPEG XR picture"),
    (b"/* XPM", "an X11 picture"),
    (b"#define", "an X11 picture"),
    (b"FOVb", "a camera's raw file"),
    (b"\0MRM", "a camera's raw file"),
    (b"\x1aE\xdf\xa3", "a film"),
    (b"data:", "a picture's address, with the picture written as text"),
    (b"iVBORw0KGgo", "a picture written as Base64 text"),
    (b"/9j/", "a picture written as Base64 text"),
    (b"R0lGOD", "a picture written as Base64 text"),
    (b"UklGR", "a picture written as Base64 text"),
    (b"\xd0\xcf\x11\xe0", "an office document"),
    (b"Rar!", "a rar archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"PK\3\4", "a zip archive or office document"),
    (b"PK\5\6", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<?xml", "an XML or SVG file"),
    (b"<svg", "an SVG drawing"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_REFUSED_AT = (
    (8, b"AVI ", "a film"),
    (8, b"WAVE", "a sound"),
    (40, b" EMF", "a Windows metafile"),
    (128, b"DICM", "a DICOM file"),
)
_COPIED_AS_TEXT = (  # PNG with other line ends; PNG and JPEG whose bytes were taken for characters
    b"\x89PNG\n\x1a\n", b"\x89PNG\r\r\n", b"\xef\xbf\xbdPNG", b"\xc2\x89PNG", b"\xef\xbf\xbd" * 3,
    b"\xc3\xbf\xc3\x98\xc3\xbf",
)  # fmt: skip
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}
_OTHER_BRANDS = {  # pictures and sequences of other codings (ISO/IEC 23008-12 and its annexes)
    **dict.fromkeys((b"avci", b"avcs"), "AVC"),
    **dict.fromkeys((b"vvic", b"vvis"), "VVC"),
    **dict.fromkeys((b"evbi", b"evbs"), "EVC"),
    **dict.fromkeys((b"j2ki", b"j2is"), "JPEG 2000"),
    **dict.fromkeys((b"jpeg", b"jpgs"), "JPEG"),
}
# chunks that change pixels; all others (text, profiles, animation frames, times) are never looked at
_PNG_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"}
_EXIF_ORIENTATION = 274
MAX_CHUNKS = 50_000  # chunks of a PNG, boxes of a HEIC: a file of 100 MB in the usual chunks of 8 kB has 12,000
JPEG_FRAMES = {0xC0 + k for k in range(16)} - {0xC4, 0xC8, 0xCC}  # not tables, not reserved
_JPEG_STREAMING = {0xC0, 0xC1}  # Huffman coded, not progressive


def identify(data: bytes) -> str:
    """Return the kind of a picture by its first bytes, or raise ``unsupported``."""
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _ftyp_kind(data)
    if data.startswith(_COPIED_AS_TEXT):
        raise PhotoError(
            "the picture was copied as text, which changed its bytes; copy it again as it is", code="corrupt"
        )
    start = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    found = next((name for mark, name in _REFUSED if start.startswith(mark) or data.startswith(mark)), None)
    found = found or next((name for place, mark, name in _REFUSED_AT if data[place : place + len(mark)] == mark), None)
    what = f"this is {found}; export the picture as" if found else "this is not a picture of a known kind; give a"
    raise PhotoError(f"{what} {TAKEN}", code="unsupported")


def _ftyp_kind(data: bytes) -> str:
    length = int.from_bytes(data[:4], "big")
    brands = {data[i : i + 4] for i in [8, *range(16, min(length, 512), 4)]}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if brands & _HEIC_BRANDS:
        return "HEIC"
    name = data[8:12].decode("ascii", "replace")
    if coding := next((_OTHER_BRANDS[brand] for brand in sorted(brands & _OTHER_BRANDS.keys())), None):
        raise PhotoError(f"HEIF with coding {coding} is not supported; export it as JPEG or PNG", code="unsupported")
    raise PhotoError(
        f"this is a film or another media file ({name!r}); export one picture as {TAKEN}", code="unsupported"
    )


def parser(kind: str) -> Callable[[IO[bytes]], ImageFile]:
    """Return Pillow's class for a kind; called directly, it never turns a JPEG into a book of pages (MPO)."""
    module, name = _PARSERS[kind]
    return cast(Callable[[IO[bytes]], ImageFile], getattr(import_module(f"PIL.{module}"), name))


def essential_png(data: bytes) -> bytes:
    """Keep the chunks that make pixels, and check every checksum."""
    kept, position = [data[:8]], 8
    for _ in range(MAX_CHUNKS):
        if position + 12 > len(data):
            raise _cut_off()
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise _cut_off()
        if name in _PNG_KEPT:
            if zlib.crc32(memoryview(data)[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise PhotoError("the file is damaged (a checksum is wrong); export it again", code="corrupt")
            kept.append(data[position:end])
        position = end
        if name == b"IEND":
            return b"".join(kept)
    raise _too_many_chunks()


def check_whole(data: bytes, kind: str) -> None:
    """Raise ``truncated`` where the container promises more bytes than there are."""
    if kind == "WEBP":
        if int.from_bytes(data[4:8], "little") + 8 > len(data):
            raise _cut_off()
        return
    for _, end, _ in boxes(data):
        if end > len(data):
            raise _cut_off()


def boxes(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield start, end and name of the outermost boxes (ISO/IEC 14496-12)."""
    position = 0
    for _ in range(MAX_CHUNKS):
        if position + 8 > len(data):
            return
        length = int.from_bytes(data[position : position + 4], "big")
        if length == 1:
            length = int.from_bytes(data[position + 8 : position + 16], "big")
        elif length == 0:  # to the end of the file
            length = len(data) - position
        end = position + max(length, 8)
        yield position, end, data[position + 4 : position + 8]
        position = end
    raise _too_many_chunks()


def without_metadata(data: bytes) -> bytes:
    """Cut the links from a HEIC's picture to its Exif and XMP: never needed, private, and a source of crashes."""
    for start, end, name in boxes(data):
        if name == b"meta":
            return data[:start] + data[start:end].replace(b"cdsc", b"free") + data[end:]
    return data


def looks_cut_off(data: bytes, kind: str) -> bool:
    """Say whether the end of a file that could not be decoded is missing."""
    if kind == "JPEG":
        return b"\xff\xd9" not in data[-64:]
    if kind == "GIF":
        return not data.endswith(b";")
    if kind == "TIFF" and b"*" in data[2:4]:
        order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
        return int.from_bytes(data[4:8], order) + 2 > len(data)
    return False


def check_strips(image: Image.Image, size: int) -> None:
    """Raise ``truncated`` where a TIFF's first page lies beyond the end of the file."""
    tags = cast("TiffImageFile", image).tag_v2
    for offsets, counts in ((273, 279), (324, 325)):
        starts, lengths = tags.get(offsets, ()), tags.get(counts, ())
        starts, lengths = (x if isinstance(x, tuple) else (x,) for x in (starts, lengths))
        if any(start + length > size for start, length in zip(starts, lengths, strict=False)):
            raise _cut_off()


def heif_has_grid(data: bytes) -> bool:
    """Say whether a HEIF file has a picture that is put together from tiles, as phones store theirs."""
    return any(
        b"grid" in data[start : min(end, start + (1 << 16))] for start, end, name in boxes(data) if name == b"meta"
    )


def orientation(image: Image.Image, notes: list[str]) -> int:
    """Return the Exif orientation 1 to 8; a broken or absurd tag counts as 1."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
        turn = int(value)
    except Exception:  # whatever Pillow's Exif reader raises on garbage
        notes.append("the Exif block is broken and was ignored")
        return 1
    return turn if 1 <= turn <= 8 else 1


class Scans(NamedTuple):
    """How a JPEG's pixels are stored."""

    held: float  # samples per pixel that the decoder must hold until the last scan; 0: rows stream
    passes: int


def jpeg_scans(data: bytes) -> Scans:
    """Read a JPEG's markers up to its first scan (ITU-T T.81, B.2), and count the scans behind it."""
    position, kind, sampling = 2, 0, [1]
    while position + 4 <= len(data):
        if data[position] != 0xFF or data[position + 1] in (0x01, 0xFF, *range(0xD0, 0xD9)):
            position += 1  # filling, or a marker that stands alone
            continue
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in JPEG_FRAMES:
            kind = marker
            factors = data[position + 11 : position + 2 + length : 3]  # H and V, four bits each
            sampling = [(f >> 4) * (f & 15) for f in factors] or [1]
        elif marker == 0xDA:
            together = data[position + 4] if position + 4 < len(data) else 0
            held = 0.0 if kind in _JPEG_STREAMING and together == len(sampling) else sum(sampling) / max(*sampling, 1)
            return Scans(held, data.count(b"\xff\xda", position))
        position += 2 + length
    return Scans(0.0, 0)


def check_tiles(image: Image.Image, most_bytes: int) -> None:
    """Raise ``corrupt`` where one tile of a TIFF is larger than any whole picture may be."""
    sides = [cast("TiffImageFile", image).tag_v2.get(tag, 1) for tag in (322, 323)]  # width and length
    if all(isinstance(side, int) for side in sides) and sides[0] * sides[1] * 4 > most_bytes:
        raise PhotoError(
            f"the file is damaged (tiles of {sides[0]} x {sides[1]} pixels); export it again", code="corrupt"
        )


def bmp_is_run_length_coded(data: bytes) -> bool:
    """Say whether a BMP's pixels are coded in runs (BI_RLE8 or BI_RLE4)."""
    return int.from_bytes(data[14:18], "little") >= 40 and int.from_bytes(data[30:34], "little") in (1, 2)


def _too_many_chunks() -> PhotoError:
    return PhotoError(f"the file is damaged (more than {MAX_CHUNKS:,} chunks); export it again", code="corrupt")


def _cut_off() -> PhotoError:
    return PhotoError("the file is cut off; copy or download it again", code="truncated")
