"""Pictures decode to what a person sees, and hostile bytes end in one kind of error."""

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from handwriting import encoded, photo, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inklens.errors import PhotoError
from inklens.photos import containers, decode, limits
from inklens.photos.limits import MAX_DRAFT_PIXELS

SEEDS = seeds()


def code_of(source, **options):
    with pytest.raises(PhotoError) as caught:
        decode(source, **options)
    return caught.value.code


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG"])
def test_the_same_picture_in_every_format(kind):
    array = photo()
    picture = decode(encoded(array, kind))
    assert picture.format == kind
    assert picture.size == (240, 300)
    assert np.abs(picture.gray - array / 255).mean() < 0.01


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(kind, orientation):
    upright = photo("2")
    undo = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, 1)
    stored = decode(upright, orientation=undo).gray
    exif = Image.Exif()
    exif[274] = orientation
    data = encoded((stored * 255).round().astype(np.uint8), kind, exif=exif)
    assert np.abs(decode(data).gray - upright / 255).mean() < 0.01
    assert np.abs(decode(data, orientation=1).gray - stored).mean() < 0.01  # the override wins


def test_orientation_agrees_with_pillow():
    from PIL import ImageOps

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        data = encoded(photo("2"), "PNG", exif=exif)
        expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))) / 255
        assert np.abs(decode(data).gray - expected).max() < 1e-6


def test_broken_exif_is_ignored():
    data = encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    assert np.abs(decode(data).gray - photo() / 255).mean() < 0.01


@pytest.mark.parametrize(
    ("mode", "kind"), [("1", "PNG"), ("L", "PNG"), ("P", "PNG"), ("CMYK", "JPEG"), ("LA", "PNG"), ("I;16", "PNG")]
)
def test_modes_mean_the_same_grey(mode, kind):
    array = photo()
    image = Image.fromarray(array.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(array)
    if mode == "CMYK":
        image = image.convert("RGB")
    data = encoded(image if mode == "I;16" else image.convert(mode, dither=Image.Dither.NONE), kind)
    tolerance = 0.2 if mode == "1" else 0.02  # black and white only
    assert np.abs(decode(data).gray - array / 255).mean() < tolerance


@pytest.mark.parametrize(("ink", "paper"), [(0, 1.0), (255, 0.0)])
def test_transparent_paper_contrasts_with_the_ink(ink, paper):
    drawn = 255 - photo(paper=255, ink=0)
    layers = np.dstack([np.full_like(drawn, ink)] * 3 + [drawn])
    gray = decode(encoded(layers, "PNG")).gray
    assert gray[0, 0] == pytest.approx(paper)
    assert abs(gray.max() - gray.min()) > 0.9


def test_only_the_first_frame_counts():
    first, second = Image.fromarray(photo("1")), Image.fromarray(photo("0"))
    for kind in ("GIF", "PNG", "WEBP", "TIFF", "AVIF"):
        data = encoded(first, kind, save_all=True, append_images=[second])
        assert np.abs(decode(data).gray - photo("1") / 255).mean() < 0.02


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def test_large_jpegs_are_drafted_and_bombs_refused_from_the_header():
    big = decode(encoded(Image.new("L", (6000, 5000), 200), "JPEG"))
    assert big.size == (6000, 5000)
    assert big.gray.size < 2e6
    assert big.scale == pytest.approx(6000 / big.gray.shape[1])
    ihdr = struct.pack(">IIBBBBB", 13_000, 13_000, 8, 6, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    assert code_of(bomb) == "too-large"
    assert MAX_DRAFT_PIXELS >= 200_000_000
    assert code_of(np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (20_000, 20_000), (0, 0))) == "too-large"


def test_text_bombs_in_a_png_cost_nothing():
    data = encoded(photo(), "PNG")
    body = b"key\0\0" + zlib.compress(bytes(50_000_000))
    assert np.array_equal(decode(data[:33] + chunk(b"zTXt", body) + data[33:]).gray, decode(data).gray)


@pytest.mark.parametrize("name", SEEDS)
def test_every_cut_is_an_error(name):
    data = SEEDS[name]
    decode(data)
    codes = {code_of(data[: max(1, len(data) * percent // 100)]) for percent in range(1, 100)}
    assert codes <= {"truncated", "unsupported", "corrupt"}
    assert "truncated" in codes


def test_a_wrong_checksum_is_noticed():
    data = bytearray(SEEDS["png"])
    data[data.index(b"IDAT") + 20] ^= 1
    assert code_of(bytes(data)) == "corrupt"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7", "PDF"), (b"8BPS\0\1", "Photoshop"), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\0\0\1\0\1\0", "icon"), (b"%!PS-Adobe", "PostScript"), (b"\0\0\0\x0cjP  ", "JPEG 2000"),
        (b"\0" * 128 + b"DICM\2\0", "DICOM"), (b"RIFF\x50\0\0\0AVI LIST", "film"), (b"\x1aE\xdf\xa3", "film"),
        (b"iVBORw0KGgoAAAAN", "Base64"), (b"data:image/png;base64,", "as text"),
        (b"\1\0\0\0" + b"\0" * 36 + b" EMF", "metafile"),
        (b"PK\3\4rest", "zip"), (b"hello", "not a picture"), (b"\0\0\0\x18ftypmp42\0\0\0\0mp42", "film"),
    ],
)  # fmt: skip
def test_other_kinds_are_named_and_never_opened(data, what):
    with pytest.raises(PhotoError, match=what) as caught:
        decode(data)
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_that_was_copied_as_text_is_called_that(kind):
    data = encoded(photo(), kind)
    ways = [data.decode("utf-8", "replace").encode(), data.decode("latin-1").encode()]
    ways += [data.replace(b"\r\n", b"\n"), data.replace(b"\n", b"\r\n")] if kind == "PNG" else []
    for changed in ways:
        with pytest.raises(PhotoError, match="copied as text") as caught:
            decode(changed)
        assert caught.value.code == "corrupt"


def test_a_polyglot_is_read_as_the_picture_it_is():
    assert decode(SEEDS["png"] + b"PK\3\4%PDF<html>").gray.shape == (120, 100)


def test_sources(tmp_path):
    array = photo()
    data = encoded(array, "PNG")
    path = tmp_path / "digit.txt"  # the name does not matter
    path.write_bytes(data)
    expected = array / 255
    for source in (path, str(path), data, memoryview(data), io.BytesIO(data), array, expected, Image.fromarray(array)):
        assert np.abs(decode(source).gray - expected).max() < 1e-6
    assert decode(array > 128).gray.max() == 1
    assert np.abs(decode((array / 255 * 65535).astype(np.uint16)).gray - expected).max() < 1e-4


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("no/such/file.png", "missing"), (".", "missing"), ("a\0b", "unreadable"), (b"", "empty"),
        (np.zeros((0, 5)), "empty"), (np.zeros(5), "bad-value"), (np.zeros((2, 2, 7)), "bad-value"),
        (np.full((3, 3), np.nan), "bad-value"), (np.array([["a"]]), "bad-value"), (7, "bad-value"),
        (io.StringIO("text"), "bad-value"),
    ],
)  # fmt: skip
def test_bad_sources(source, code):
    assert code_of(source) == code


def test_bad_orientation():
    assert code_of(photo(), orientation=9) == "bad-value"


def test_a_pipe_is_refused_at_once(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    os.mkfifo(tmp_path / "pipe")
    assert code_of(tmp_path / "pipe") == "missing"


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(SEEDS)), seed=st.integers(0, 2**32 - 1))
def test_damaged_files_decode_or_fail_cleanly(name, seed):
    _decode_or_photo_error(_damaged(SEEDS[name], np.random.default_rng(seed)))


@pytest.mark.slow
def test_ten_thousand_damaged_files():
    rng = np.random.default_rng(0)
    names = sorted(SEEDS)
    answers = [_decode_or_photo_error(_damaged(SEEDS[names[i % len(names)]], rng)) for i in range(10_000)]
    assert 0.05 < np.mean(answers) < 0.95  # some of each, or the damage is no test


def _damaged(data, rng):
    out = bytearray(data)
    reach = min(len(out), 200) if rng.random() < 0.6 else len(out)
    for position in rng.integers(0, reach, rng.integers(1, 20)):
        out[position] = rng.integers(256)
    return bytes(out)


def _decode_or_photo_error(data):
    try:
        picture = decode(data)
    except PhotoError as error:
        return not error.code  # False: refused, and it says why
    assert picture.gray.ndim == 2
    assert np.isfinite(picture.gray).all()
    assert picture.gray.min() >= 0
    assert picture.gray.max() <= 1
    return True


def test_reading_imports_nothing_heavy():
    program = (
        "import sys, numpy as np; from inklens.photos import locate; locate(np.full((40, 40), 0.9));"
        "print([m for m in ('sklearn', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_picture_as_seen(orientation):
    stored = np.zeros((20, 30), np.uint8)
    picture = decode(stored, orientation=orientation)
    assert picture.size == ((30, 20) if orientation < 5 else (20, 30))
    assert picture.gray.shape == picture.size[::-1]


def test_colours_become_luminance():
    colours = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    luma = colours / 255 @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    for source in (colours, colours / 255, Image.fromarray(colours), encoded(colours, "PNG")):
        assert np.abs(decode(source).gray - luma).max() < 1 / 255


def test_a_file_that_cannot_be_read_is_the_one_error():
    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise OSError(5, "Input/output error")

    with pytest.raises(PhotoError, match="Input/output") as caught:
        decode(Broken())
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_an_image_that_pillow_has_opened_is_the_picture_in_its_file(options):
    file = io.BytesIO()
    Image.fromarray(photo("4")).save(file, "JPEG", quality=90, **options)
    opened = Image.open(io.BytesIO(file.getvalue()))
    assert opened.tile, "nothing is decoded yet"
    assert np.array_equal(decode(opened).gray, decode(file.getvalue()).gray)


def test_a_large_progressive_image_is_refused_however_it_comes(monkeypatch):
    file = io.BytesIO()
    Image.new("L", (3000, 3000), 255).save(file, "JPEG", progressive=True)
    monkeypatch.setattr(limits, "MAX_DECODED_BYTES", 10_000_000)
    assert {code_of(file.getvalue()), code_of(Image.open(file))} == {"too-large"}


def test_without_its_reader_a_heic_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    with pytest.raises(PhotoError, match=r"pip install 'inklens\[heic\]'") as told:
        decode(data)
    assert told.value.code == "unsupported"


def test_boxes_are_as_long_as_they_say_in_any_of_three_ways():
    """ISO/IEC 14496-12, 4.2: 32 bits; 1 and 64 bits; 0, to the end of the file."""
    short = struct.pack(">I4s", 12, b"ftyp") + b"heic"
    wide = struct.pack(">I4sQ", 1, b"meta", 20) + b"abcd"
    rest = struct.pack(">I4s", 0, b"mdat") + bytes(9)
    assert list(containers.boxes(short + wide + rest)) == [(0, 12, b"ftyp"), (12, 32, b"meta"), (32, 49, b"mdat")]
    containers.check_whole(short + wide + rest, "HEIC")
    with pytest.raises(PhotoError, match="cut off"):
        containers.check_whole((short + wide)[:-1], "HEIC")


def test_filling_between_markers_changes_nothing():
    """ITU-T T.81, B.1.1.2: any number of bytes 0xFF may stand before a marker."""
    data = encoded(photo("4"), "JPEG")
    filled = data[:2] + 3 * b"\xff" + data[2:]
    assert containers.jpeg_scans(filled) == containers.jpeg_scans(data)
    assert np.array_equal(decode(filled).gray, decode(data).gray)
    assert containers.jpeg_scans(data[:30]) == (0.0, 0)
