"""Hostile and odd picture files, row by row of what must happen then.

| row | fault | tests here, and in test_photos_decode.py (D) and test_photos_normalise.py (N) |
| --- | --- | --- |
| I1 | pixel bombs | test_bombs_are_refused_from_the_header, test_nothing_costs_more_than_200_mb |
| I3 | large honest photos | test_a_200_megapixel_photo_is_taken, test_nothing_costs_more_than_200_mb |
| I4, I5 | other formats, file reads, sockets | test_no_parser_is_entered_for_other_kinds, test_decoding_opens_nothing |
| I6 | truncated at every 1 % | D test_every_cut_is_an_error |
| I7 | damaged PNGs | test_fourteen_damaged_pngs |
| I8 | valid PNGs of every kind | test_every_kind_of_png |
| I9 | fuzz | test_many_damaged_files_are_read_or_refused, D test_damaged_files_decode_or_fail_cleanly |
| I9 | any number of components | test_any_number_of_components_ends_in_a_frame |
| I9 | endless chunks | test_specks_are_no_page, test_endless_chunks_and_scans_are_refused |
| I10 | decoders that raise anything | test_whatever_a_decoder_raises_is_one_error |
| I11 | Exif orientation, no double turn | test_heic_is_turned_once, D test_exif_orientation_is_undone |
| I12 | garbage Exif | test_garbage_exif_is_ignored |
| I13 | GPS, owner, thumbnails | test_nothing_private_is_kept |
| I14 | animations, pages | test_only_the_first_frame_is_ever_asked_for |
| I15 | bombs in metadata | test_bombs_in_metadata_are_never_unpacked |
| I16 | CMYK, YCCK, 16 bits, LAB, float, palette, 1 bit | test_any_kind_of_pixel_is_the_same_digit |
| I17 | codings that are not built in | all of test_photos_codings.py |
| I18 | polyglots | test_polyglots_are_pictures |
| I19 | 0 x n, 1 x 100,000, 1 x 1 | test_odd_sizes |
| I20 | blank, noise | N test_reasons_come_before_an_answer, test_ordinary_digits_are_accepted_and_noise_is_not |
| I23 | seven formats | test_seven_formats_one_answer |
"""

import io
import itertools
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from command import run
from handwriting import HEIC, chunk, encoded, patched, photo, png, seeds, tall_jpeg, turned_heic
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from scipy import ndimage

from inklens.errors import PhotoError
from inklens.photos import connected, containers, decode, limits, locate, normalise
from inklens.tasks.reading import load_reader

KINDS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
SEVEN = photo("7")
PNG = encoded(SEVEN, "PNG")
JPEG = encoded(SEVEN, "JPEG", quality=95)


def code_of(source):
    with pytest.raises(PhotoError) as caught:
        decode(source)
    return caught.value.code


def in_child(program, *arguments):
    """Run a program in a fresh interpreter and return what it printed."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- costs: I1, I3, I15 ------------------------------------------------------------------------------------------


def bombs():
    """Return small files that claim 60,000 x 60,000 pixels, or as many as their kind can, by name."""
    gray = photo(size=(40, 40), box=24, pen=3)
    many = 60_000
    tiff, avif = (encoded(gray, kind) for kind in ("TIFF", "AVIF"))
    width, length = (tiff.index(struct.pack("<HHI", tag, 4, 1)) + 8 for tag in (256, 257))
    progressive = encoded(gray, "JPEG", progressive=True)
    return {
        "PNG": png(many, many, 8, 6, b""),
        "GIF": patched(encoded(gray, "GIF"), 6, "<HH", many, many),
        "BMP": patched(encoded(gray, "BMP"), 18, "<ii", many, many),
        "TIFF": patched(patched(tiff, width, "<I", many), length, "<I", many),
        "JPEG": patched(JPEG, JPEG.index(b"\xff\xc0") + 5, ">HH", many, many),
        "progressive": patched(progressive, progressive.index(b"\xff\xc2") + 5, ">HH", many, many),
        "AVIF": patched(avif, avif.index(b"ispe") + 8, ">II", many, many),
        "HEIC": patched(HEIC, HEIC.index(b"ispe") + 8, ">II", many, many),
        "WEBP": patched(encoded(gray, "WEBP"), 26, "<HH", 16_383, 16_383),
    }


@pytest.mark.parametrize("kind", bombs())
def test_bombs_are_refused_from_the_header(kind, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("a pixel was decoded"))
    assert code_of(bombs()[kind]) in ("too-large", "truncated", "corrupt")


def test_a_200_megapixel_photo_is_taken():
    picture = decode(tall_jpeg(16_320, 12_240))
    assert picture.size == (16_320, 12_240)
    assert picture.gray.size < limits.MAX_GRAY_PIXELS


LARGEST = {  # kind -> the picture nearest to the limits of its kind
    "JPEG of 200 MP": lambda: tall_jpeg(16_320, 12_240),
    "JPEG of 1,000 x 60,000": lambda: tall_jpeg(1_000, 60_000),
    "progressive JPEG of 24 MP": lambda: encoded(grain(4000, 6000, "RGB"), "JPEG", progressive=True, subsampling=0),
    "gray PNG of 48 MP": lambda: encoded(grain(6000, 8000), "PNG", compress_level=1),
    "palette and alpha of 48 MP": lambda: encoded(palette(6000, 8000), "PNG", compress_level=1, transparency=3),
    "1 bit of 48 MP": lambda: encoded(grain(6000, 8000).convert("1", dither=0), "PNG", compress_level=1),
    "RGBA PNG of 30 MP": lambda: encoded(grain(5000, 6000, "RGBA"), "PNG", compress_level=1),
    "WebP of 12 MP": lambda: encoded(grain(3000, 4000, "RGB"), "WEBP", method=0),
    "AVIF of 12 MP": lambda: encoded(grain(3000, 4000, "RGB"), "AVIF", speed=10),
    "GIF of 48 MP": lambda: encoded(grain(6000, 8000), "GIF"),
    "TIFF of 48 MP": lambda: encoded(grain(6000, 8000), "TIFF"),
    "float TIFF of 18 MP": lambda: encoded(grain(3600, 5000, "F"), "TIFF"),
    "BMP of 20 MP": lambda: encoded(grain(4000, 5000, "RGB"), "BMP"),
}
MEASURE = """
import re, sys
import numpy as np
from inklens.errors import PhotoError
from inklens.photos import decode, locate
high = lambda: 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])  # of this program alone
locate(np.full((60, 50), 0.9))
before = high()
try:
    locate(sys.argv[1], many=True)
    code = "read"
except PhotoError as error:
    code = error.code
print(code, high() - before)
"""


def grain(rows, cols, mode="L"):
    """Return a large page with the grain of paper and one thick stroke."""
    tile = np.random.default_rng(0).normal(215, 4, (500, 500)).clip(0, 255).astype(np.uint8)
    page = np.tile(tile, (-(-rows // 500), -(-cols // 500)))[:rows, :cols]
    page[rows // 4 : 3 * rows // 4, cols // 2 : cols // 2 + min(rows, cols) // 20] = 40
    return Image.fromarray(page).convert(mode)


def palette(rows, cols):
    """Return the same with a palette of grays; to choose one would take seconds."""
    page = grain(rows, cols)
    page.putpalette(np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes())
    return page


def specks():
    """Return pages that are nothing but pieces of one size, or noise: 22,000 of them and more."""
    dots = np.full((1050, 1400), 220, np.uint8)
    for row, col in itertools.product(range(4), range(3)):
        dots[5 + row : -8 : 8, 5 + col : -8 : 8] = 30
    return {"dots": dots, "noise": np.random.default_rng(0).integers(0, 256, (700, 1000), dtype=np.uint8)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", specks())
def test_specks_are_no_page(kind):
    for many in (True, None, False):
        (found,) = itertools.chain(*locate(specks()[kind], many=many))
        assert not found.accepted


def texture(shape, period, mark, density, seed):
    """Return rows and columns of marks, a part of them missing."""
    page = np.ones(shape, np.float32)
    rng = np.random.default_rng(seed)
    for row in range(0, shape[0], period[0]):
        for col in range(0, shape[1], period[1]):
            if rng.random() < density:
                page[row : row + mark[0], col : col + mark[1]] = 0.1
    return page


pair = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(
    texture=st.builds(
        texture,
        st.tuples(st.integers(1, 260), st.integers(1, 260)),
        pair,
        pair,
        st.sampled_from([0.3, 0.9, 1.0]),
        st.integers(0, 99),
    ),
    many=st.sampled_from([True, None, False]),
)
@example(texture=texture((240, 240), (3, 3), (1, 1), 1.0, 0), many=False)  # 6,400 components
@settings(max_examples=20, deadline=None)
def test_any_number_of_components_ends_in_a_frame(texture, many):
    found = list(itertools.chain(*locate(texture, many=many)))
    assert found
    assert all(np.isfinite(each.frame).all() for each in found)


LARGEST["PNG of 22,000 specks"] = lambda: encoded(specks()["dots"], "PNG")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", LARGEST)
def test_nothing_costs_more_than_200_mb(kind, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(LARGEST[kind]())
    code, grown = in_child(MEASURE, path).split()
    assert code == "read"
    assert int(grown) < 200e6


def test_endless_chunks_and_scans_are_refused():
    chunks = containers.MAX_CHUNKS + 1
    assert code_of(PNG[:33] + chunk(b"tEXt", b"") * chunks + PNG[33:]) == "corrupt"
    avif = encoded(SEVEN, "AVIF")
    assert code_of(avif + struct.pack(">I4s", 8, b"free") * chunks) == "corrupt"
    progressive = encoded(Image.new("L", (3000, 2000), 200), "JPEG", progressive=True)
    last = progressive[progressive.rindex(b"\xff\xda") : -2]
    assert code_of(progressive[:-2] + 400 * last + b"\xff\xd9") == "too-large"
    runs = encoded(SEVEN, "BMP")
    assert code_of(patched(runs, 30, "<I", 1) + bytes(limits.MAX_RUN_BYTES)) == "too-large"
    tiles = encoded(SEVEN, "TIFF", compression="tiff_lzw")
    strips = tiles.index(struct.pack("<HHI", 278, 3, 1))  # rows of a strip: becomes the width of a tile
    assert code_of(patched(tiles, strips, "<HHII", 322, 4, 1, 1 << 30)) in ("corrupt", "truncated")


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"iCCP", b"eXIf"])
def test_bombs_in_metadata_are_never_unpacked(name, monkeypatch):
    import zlib as unpacker

    bomb = zlib.compress(bytes(20_000_000))
    head = {b"zTXt": b"key\0\0", b"iTXt": b"key\0\1\0\0\0", b"iCCP": b"icc\0\0", b"eXIf": b""}[name]
    data = PNG[:33] + chunk(name, head + bomb) + PNG[33:]
    monkeypatch.setattr(unpacker, "decompressobj", lambda *_: pytest.fail("metadata was unpacked"))
    assert np.array_equal(decode(data).gray, decode(PNG).gray)


# ---- what is never entered: I4, I5, I14, I13 -----------------------------------------------------------------------

OTHERS = {
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run", "PSD": b"8BPS\0\1", "FITS": b"SIMPLE  =  T",
    "PDF": b"%PDF-1.7",
    "ICO": b"\0\0\1\0\1\0\x10\x10", "JP2": b"\0\0\0\x0cjP  \r\n\x87\n", "DDS": b"DDS |\0\0\0", "QOI": b"qoif\0\0\0\x10",
    "SVG": b"<svg xmlns='x'><image href='file:///etc/passwd'/></svg>", "MVG": b"push graphic-context\nimage over 0,0",
    "TGA": bytes([0, 0, 2]) + bytes(9) + b"\x10\0\x10\0\x18\0" + bytes(768), "PPM": b"P6 2 2 255 " + bytes(12),
    "XPM": b"/* XPM */ static char *x[] = {", "PCX": b"\x0a\5\1\x08" + bytes(124), "MSP": b"DanM" + bytes(28),
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(40), "HDF5": b"\x89HDF\r\n\x1a\n", "GRIB": b"GRIB\0\0\0\1",
    "MPEG": b"\0\0\1\xb3", "text": b"seven", "NUL": bytes(64), "utf-16": "seven".encode("utf-16"),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_no_parser_is_entered_for_other_kinds(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "parser", lambda _: pytest.fail("a parser was entered"))
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("a parser was entered"))
    path = tmp_path / "photo.jpg"  # whatever the name
    path.write_bytes(OTHERS[kind])
    with pytest.raises(PhotoError, match="JPEG, PNG, WebP") as caught:
        decode(path)
    assert caught.value.code == "unsupported"


def test_decoding_opens_nothing(tmp_path):
    for name, data in {**seeds(), **OTHERS}.items():
        (tmp_path / name).write_bytes(data)
    program = """
import pathlib, sys
from inklens.errors import PhotoError
from inklens.photos import decode
files = [path.read_bytes() for path in pathlib.Path(sys.argv[1]).iterdir()]
def decode_all():
    for data in files:
        try:
            decode(data)
        except PhotoError:
            pass
decode_all()  # modules are loaded once
seen = []
banned = ("open", "socket", "subprocess", "os.system", "os.exec", "os.posix_spawn", "os.fork", "urllib")
sys.addaudithook(lambda event, args: seen.append((event, args)) if event.startswith(banned) else None)
decode_all()
print(seen)
"""
    assert in_child(program, tmp_path).strip() == "[]"


def mpo():
    """Return a JPEG with a second one behind it, as cameras with two lenses write it."""
    buffer = io.BytesIO()
    Image.fromarray(SEVEN).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(photo("0"))])
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_only_the_first_frame_is_ever_asked_for(kind, monkeypatch):
    pages = [Image.fromarray(photo("0"))] * 3
    data = mpo() if kind == "MPO" else encoded(SEVEN, kind, save_all=True, append_images=pages)
    parser = containers.parser("JPEG" if kind == "MPO" else kind)
    seek = parser.seek
    monkeypatch.setattr(parser, "seek", lambda self, n: seek(self, n) if n == 0 else pytest.fail("a frame was sought"))
    if kind in ("GIF", "TIFF"):  # these walk the file to count
        monkeypatch.setattr(parser, "n_frames", property(lambda _: pytest.fail("frames were counted")))
    assert np.abs(decode(data).gray - SEVEN / 255).mean() < 0.02


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_nothing_private_is_kept(kind, tmp_path):
    from inklens.tasks.collecting import collect

    exif = Image.Exif()
    exif[271], exif[315] = "SECRET-CAMERA", "SECRET-OWNER"
    exif.get_ifd(34853)[29] = "SECRET-PLACE"
    data = encoded(SEVEN, kind, exif=exif)
    assert b"SECRET" in data
    path = tmp_path / "photo"
    path.write_bytes(data)
    kept, _ = collect([str(path)], label="7", folder=tmp_path / "mine")
    stored = kept[0].read_bytes()
    assert b"SECRET" not in stored
    with Image.open(kept[0]) as image:
        assert not image.info
    assert "SECRET" not in repr(load_reader().read(path)) + repr(decode(path).notes)


# ---- damage: I7, I9, I10, I12, I17 ---------------------------------------------------------------------------------

ROWS = b"".join(b"\0" + bytes([215, 40] * 16) for _ in range(32))  # 32 x 32, gray, 8 bits
GRAY = png(32, 32, 8, 0, ROWS)


def header(depth, color):
    return GRAY[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, depth, color, 0, 0, 0)) + GRAY[33:]


DAMAGED = {  # as in PngSuite (Willem van Schaik), x*
    "xs1 signature, byte 1": patched(GRAY, 0, "B", 0x88), "xs2 signature, byte 2": patched(GRAY, 1, "B", 0),
    "xs4 signature, byte 4": patched(GRAY, 3, "B", 0), "xs7 signature, byte 7": patched(GRAY, 6, "B", 0),
    "xcr line ends became CR LF": GRAY.replace(b"\n", b"\r\n"), "xlf line ends became LF": GRAY.replace(b"\r\n", b"\n"),
    "xhd wrong checksum of IHDR": patched(GRAY, 29, ">I", 1), "xcs wrong checksum of IDAT": patched(
        GRAY, len(GRAY) - 16, ">I", 1
    ),
    "xc1 colour type 1": header(8, 1), "xc9 colour type 9": header(8, 9), "xd0 depth 0": header(0, 0),
    "xd3 depth 3": header(3, 0), "xd9 depth 99": header(99, 0), "xdt no IDAT": GRAY[:33] + GRAY[-12:],
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_fourteen_damaged_pngs(name):
    assert decode(GRAY).gray.shape == (32, 32)
    assert DAMAGED[name] != GRAY
    assert code_of(DAMAGED[name]) in ("corrupt", "unsupported", "truncated")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"), SyntaxError("x"), RuntimeError("x"), MemoryError(), struct.error("x"), zlib.error("x"),
        Image.DecompressionBombError("x"), OSError("x"), EOFError(), KeyError("x"), IndexError("x"), TypeError("x"),
        OverflowError("x"), ZeroDivisionError("x"), RecursionError("x"), UnicodeDecodeError("ascii", b"x", 0, 1, "x"),
        AttributeError("x"), AssertionError("x"), NotImplementedError("x"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_a_decoder_raises_is_one_error(error, monkeypatch):
    def broken(*_):
        raise error

    monkeypatch.setattr(containers.parser("PNG"), "load", broken)
    with pytest.raises(PhotoError) as caught:
        decode(PNG)
    assert caught.value.code in ("corrupt", "truncated", "too-large")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("value", [0, 9, 65535])
def test_absurd_orientations_are_ignored(kind, value):
    exif = Image.Exif()
    exif[274] = value
    assert np.abs(decode(encoded(SEVEN, kind, exif=exif)).gray - SEVEN / 255).mean() < 0.01


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "garbage",
    [b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff" + bytes(40), b"II*\0\x08\0\0\0\1\0\x12\1", b"\xff" * 64],
)
def test_garbage_exif_is_ignored(kind, garbage):
    data = encoded(SEVEN, kind, exif=b"Exif\0\0" + garbage)
    assert np.abs(decode(data).gray - SEVEN / 255).mean() < 0.01


@pytest.mark.parametrize("many", [True, None])
def test_a_page_of_too_many_digits_says_so_and_advises_no_page(many):
    page = np.full((1000, 1000), 0.95)
    for row, col in itertools.product(range(10, 1000, 38), repeat=2):  # 676 strokes of different lengths
        page[row : row + 18 + (row * col) % 9, col : col + 4] = 0.1
    ((seen,),) = locate(page, many=many)
    assert not seen.accepted
    assert seen.reasons == ("too many signs: 676, more than are read at once",)


def damaged(data, rng):
    """Change some bytes, most of them near the start; or move, drop or repeat a piece."""
    out, choice = bytearray(data), rng.random()
    if choice < 0.75:
        reach = min(len(out), 250) if choice < 0.45 else len(out)
        for position in rng.integers(0, reach, rng.integers(1, 12)):
            out[position] = rng.integers(256)
        return bytes(out)
    a, b = sorted(rng.integers(0, len(out), 2))
    if choice < 0.85:
        return bytes(out[:a] + out[b:])
    if choice < 0.95:
        return bytes(out[:b] + out[a:])
    return bytes(out[: max(b, 1)])


def small_files():
    """Return small valid files of every kind, a digit on each."""
    gray = photo("2", size=(60, 50), box=36, pen=5)
    color = Image.fromarray(gray).convert("RGB")
    wide = {
        "16 bits": encoded(gray.astype(np.uint16) * 257, "PNG"),
        "float": encoded(Image.fromarray(gray / 255), "TIFF"),
    }
    return {
        **{kind: encoded(color, kind) for kind in KINDS}, **wide, "HEIC": HEIC, "MPO": mpo(),
        "progressive": encoded(color, "JPEG", progressive=True), "CMYK": encoded(color.convert("CMYK"), "JPEG"),
        "palette": encoded(color.quantize(8), "PNG", transparency=1),
        "LZW": encoded(color, "TIFF", compression="tiff_lzw"),
        "animated": encoded(gray, "GIF", save_all=True, append_images=[color]),
    }  # fmt: skip


def read_or_refused(reader, data):
    """Say whether a file was read; it was refused in the one way otherwise."""
    try:
        readings = reader.read(data, many=None)
    except PhotoError as error:
        return not error.code  # False: refused, and it says why
    for reading in readings:
        assert reading.label in reader.classes
        assert abs(sum(reading.probabilities.values()) - 1) < 1e-9
        assert 0 <= reading.like_training <= 1
        assert reading.accepted == (not reading.reasons)
    return len(readings) > 0


@pytest.mark.slow
def test_many_damaged_files_are_read_or_refused():
    rng, reader, files = np.random.default_rng(0), load_reader(), list(small_files().values())
    assert all(read_or_refused(reader, data) for data in files)
    answers = [read_or_refused(reader, damaged(files[i % len(files)], rng)) for i in range(150)]
    assert 0.1 < np.mean(answers) < 0.9  # some of each, or the damage is no test


# ---- what is valid: I8, I11, I16, I18, I19, I23 --------------------------------------------------------------------

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def packed_rows(samples, depth, filters):
    """Return rows (n, values) as PNG stores them, each behind its filter's number (PNG 9.2)."""
    if not samples.size:
        return b""
    if depth == 16:
        rows = samples.astype(">u2").view(np.uint8).reshape(len(samples), -1)
    else:
        bits = (samples[..., None] >> np.arange(depth)[::-1]) & 1
        rows = np.packbits(bits.reshape(len(samples), -1).astype(np.uint8), axis=1)
    out, above = b"", np.zeros(rows.shape[1], np.uint8)
    for number, row in enumerate(rows):
        kind = filters[number % len(filters)]  # 0 as it is, 2 difference from above
        out += bytes([kind]) + (row - above if kind == 2 else row).astype(np.uint8).tobytes()
        above = row
    return out


@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize(
    ("depth", "color"),
    [
        *((depth, 0) for depth in (1, 2, 4, 8, 16)),
        *((depth, 3) for depth in (1, 2, 4, 8)),
        *((depth, color) for color in (2, 4, 6) for depth in (8, 16)),
    ],
)
def test_every_kind_of_png(depth, color, interlace):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    rng = np.random.default_rng(depth + color)
    for rows, cols in ((1, 1), (5, 7), (9, 3), (33, 40)):
        samples = rng.integers(0, 1 << depth, (rows, cols, channels))
        if color in (4, 6):
            samples[..., -1] = (1 << depth) - 1
        palette = rng.integers(0, 256, (1 << min(depth, 8), 3), dtype=np.uint8)
        if depth == 16 and color == 0:
            samples[0, 0] = 65535  # or it would count as a scan of 12 bits
        extra = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"PLTE", palette.tobytes()) * (color == 3)
        grids = ADAM7 if interlace else ((0, 0, 1, 1),)
        body = b"".join(
            packed_rows(part.reshape(len(part), -1) if part.size else part, depth, (0, 2))
            for part in (samples[y::dy, x::dx] for y, x, dy, dx in grids)
        )
        unit = palette[samples[..., 0]] / 255 if color == 3 else samples / ((1 << depth) - 1)
        expected = (
            unit @ [0.299, 0.587, 0.114]
            if color == 3
            else unit[..., :3] @ [0.299, 0.587, 0.114]
            if color in (2, 6)
            else unit[..., 0]
        )
        data = png(rows, cols, depth, color, body, interlace=interlace, extra=extra, split=7)
        assert np.abs(decode(data).gray - expected).max() < 1.5 / 255


@pytest.mark.parametrize(
    ("orientation", "turns", "mirror"),
    [(1, 0, None), (2, 0, 1), (3, 2, None), (4, 0, 0), (5, 1, 0), (6, 3, None), (7, 1, 1), (8, 1, None)],
)
def test_heic_is_turned_once(orientation, turns, mirror):
    pytest.importorskip("pi_heif")
    stored = decode(HEIC).gray
    exif = Image.Exif()
    exif[274] = orientation
    data = turned_heic(turns, mirror).replace(
        b"\x12\x01\x03\x00\x01\x00\x00\x00\x01", b"\x12\x01\x03\x00\x01\x00\x00\x00" + bytes([orientation])
    )
    as_pillow_turns_it = decode(encoded((stored * 255).round().astype(np.uint8), "PNG", exif=exif)).gray
    assert np.abs(decode(data).gray - as_pillow_turns_it).mean() < 0.5 / 255


def odd_pixels():
    """Return the same 7 in kinds of pixels that formats allow and few people meet."""
    gray = Image.fromarray(SEVEN)
    flat = lambda value: Image.new("L", gray.size, value)  # noqa: E731
    ycck = encoded(Image.merge("CMYK", [gray, flat(127), flat(127), flat(0)]), "JPEG", quality=95)
    ink = Image.merge("RGBA", [flat(0)] * 3 + [gray.point(lambda v: 255 - v)])
    return {
        "CMYK": encoded(gray.convert("RGB").convert("CMYK"), "JPEG"),
        "CMYK TIFF": encoded(gray.convert("RGB").convert("CMYK"), "TIFF"),
        "YCCK": patched(ycck, ycck.index(b"Adobe") + 11, "B", 2),
        "16 bits": encoded(SEVEN.astype(np.uint16) * 257, "PNG"),
        "16 bits TIFF": encoded(SEVEN.astype(np.uint16) * 257, "TIFF"),
        "12 bits": encoded(SEVEN.astype(np.uint16) * 16, "PNG"),
        "large 16 bits": encoded(np.kron(SEVEN, np.ones((6, 6), np.uint8)).astype(np.uint16) * 257, "PNG"),
        "32 bits": encoded(Image.fromarray(SEVEN.astype(np.int32) * 100_000), "TIFF"),
        "float": encoded(Image.fromarray(SEVEN / np.float32(255)), "TIFF"),
        "float, any range": encoded(Image.fromarray(SEVEN * np.float32(3.5) - 400), "TIFF"),
        "LAB": encoded(Image.merge("LAB", [gray, flat(128), flat(128)]), "TIFF"),
        "YCbCr TIFF": encoded(gray.convert("YCbCr"), "TIFF"),
        "palette": encoded(gray.quantize(16), "PNG"),
        "palette and alpha": encoded(gray.quantize(16), "PNG", transparency=bytes([255] * 8 + [250] * 8)),
        "one colour transparent": encoded(gray.convert("RGB"), "PNG", transparency=(225, 225, 225)),
        "1 bit": encoded(gray.convert("1", dither=Image.Dither.NONE), "PNG"),
        "fax": encoded(gray.convert("1", dither=Image.Dither.NONE), "TIFF", compression="group4"),
        "gray and alpha": encoded(gray.convert("LA"), "PNG"),
        "transparent ink": encoded(ink, "PNG"),
        "transparent ink, WebP": encoded(ink, "WEBP", lossless=True),
        "large transparent ink": encoded(ink.resize((1440, 1800)), "PNG"),
    }  # fmt: skip


@pytest.mark.parametrize("kind", odd_pixels())
def test_any_kind_of_pixel_is_the_same_digit(kind):
    (plain,) = load_reader().read(SEVEN)
    (seen,) = load_reader().read(odd_pixels()[kind])
    assert plain.label == "7"
    assert seen.label == "7"
    assert seen.accepted
    assert abs(seen.probability - plain.probability) < 0.02


@pytest.mark.parametrize(
    "tail", [b"PK\3\4" + bytes(30) + b"PK\5\6" + bytes(18), b"%PDF-1.7\n%%EOF", b"<html><script>", b"MZ\x90\0"]
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_polyglots_are_pictures(kind, tail):
    data = encoded(SEVEN, kind)
    assert np.array_equal(decode(data + tail).gray, decode(data).gray)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (1, 65_000), (65_000, 1), (100_000, 1), (1, 100_000)])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "JPEG", "GIF", "WEBP"])
def test_odd_sizes(kind, size):
    image = Image.new("L", size, 200)
    try:
        data = encoded(image, kind)
    except (OSError, ValueError, OverflowError, struct.error, SystemError):
        pytest.skip(f"{kind} cannot be that long")
    if max(size) > limits.MAX_SIDE:
        assert code_of(data) == "too-large"
    else:
        assert np.isfinite(normalise(data).frame).all()


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_no_pixels(size):
    assert code_of(png(*size, 8, 0, b"")) in ("empty", "corrupt")
    assert code_of(np.zeros(size)) == "empty"


@pytest.mark.parametrize("kind", [*KINDS, "HEIC"])
def test_seven_formats_one_answer(kind):
    gray = photo("7", size=(120, 100), box=70, pen=7)
    (plain,) = load_reader().read(gray)
    (seen,) = load_reader().read(HEIC if kind == "HEIC" else encoded(gray, kind))
    assert (seen.label, seen.accepted) == (plain.label, plain.accepted) == ("7", True)
    assert abs(seen.probability - plain.probability) < 0.02


@given(st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 40), st.integers(1, 40)), st.floats(0.02, 0.98))
@settings(max_examples=40, deadline=None)
def test_components_are_those_of_scipy(seed, shape, density):
    mask = np.random.default_rng(seed).random(shape) < density
    labels, components = connected.label(mask)
    boxes = {(c.box[1], c.box[3], c.box[0], c.box[2]) for c in components}
    assert boxes == {(r.start, r.stop, c.start, c.stop) for r, c in ndimage.find_objects(labels)}
    assert sum(component.area for component in components) == mask.sum()
    assert all((labels == component.label).sum() == component.area for component in components)


@pytest.mark.slow
def test_a_damaged_tiff_is_one_line_and_no_word_of_a_library(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300), dtype=np.uint8))
    paths = []
    for compression in ("tiff_lzw", "tiff_deflate", "packbits", "group4"):
        file = io.BytesIO()
        (noise.convert("1") if compression == "group4" else noise).save(file, "TIFF", compression=compression)
        data = bytearray(file.getvalue())
        data[200 : len(data) // 2] = b"\xff" * (len(data) // 2 - 200)
        paths.append(tmp_path / f"{compression}.tif")
        paths[-1].write_bytes(data)
    for args in (paths, [*paths, *["none"] * 46, "--jobs", "2"]):  # enough for two processes
        said = run("read", *args, fresh=True).stderr.splitlines()
        assert all(line.startswith("inklens: ") for line in said), said
