"""Pictures whose coding nothing here decodes: the coding is named, and they are never called damaged."""

import struct

import pytest
from handwriting import HEIC, encoded, patched, photo

from inklens.errors import PhotoError
from inklens.photos import decode

SEVEN = photo("7")
JPEG = encoded(SEVEN, "JPEG", quality=95)


def box(name, content):
    return struct.pack(">I4s", 8 + len(content), name) + content


def tiff_with(tag, value):
    """Return a TIFF in which one short number is another."""
    data = bytearray(encoded(SEVEN, "TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    (place,) = (p for p in range(start + 2, start + 2 + 12 * count, 12) if struct.unpack_from("<H", data, p) == (tag,))
    struct.pack_into("<HHIHH", data, place, tag, 3, 1, value, 0)
    return bytes(data)


@pytest.mark.parametrize("coding", [b"j2k1", b"av01", b"vvc1", b"unci", b"avc1"])
def test_an_unbuilt_coding_is_named(coding):
    pytest.importorskip("pi_heif")
    with pytest.raises(PhotoError, match=f"HEIC with coding {coding.decode()} is not supported") as caught:
        decode(HEIC.replace(b"hvc1", coding).replace(b"hvcC", coding[:3] + b"C"))
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize("coding", [b"j2k1", b"av01"])
def test_an_unbuilt_coding_behind_built_ones_is_named(coding):
    pytest.importorskip("pi_heif")
    item = b"infe\2\0\0\0\0\1\0\0"
    head = HEIC[: int.from_bytes(HEIC[:4], "big")]
    for first in (b"grid", b"hvc1", b"Exif"):
        with pytest.raises(PhotoError, match=f"HEIC with coding {coding.decode()} is not supported") as caught:
            decode(head + box(b"meta", bytes(4) + item + first + item + coding))
        assert caught.value.code == "unsupported"


@pytest.mark.parametrize("brand", [b"hevc", b"msf1"])
def test_an_image_sequence_is_called_one(brand):
    pytest.importorskip("pi_heif")
    with pytest.raises(PhotoError, match="image sequence") as caught:
        decode(box(b"ftyp", brand + bytes(4) + brand) + box(b"moov", bytes(40)) + box(b"mdat", bytes(40)))
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (0xC3, "lossless"),
        (0xC5, "hierarchical"),
        (0xCB, "arithmetic lossless"),
        (0xCF, "hierarchical arithmetic lossless"),
        (0xF7, "JPEG-LS"),
    ],
)
@pytest.mark.parametrize("end", [None, -2])
def test_an_unbuilt_coding_of_a_jpeg_is_named(frame, word, end):
    with pytest.raises(PhotoError, match=f"JPEG with .*{word} coding is not supported") as caught:
        decode(JPEG.replace(b"\xff\xc0\0", bytes((0xFF, frame, 0)))[:end])
    assert caught.value.code == "unsupported"


def test_a_jpeg_of_12_bits_is_called_so():
    start = JPEG.index(b"\xff\xc0\0") + 4
    with pytest.raises(PhotoError, match="JPEG with 12-bit coding"):
        decode(JPEG[:start] + b"\x0c" + JPEG[start + 1 :])


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [
        (259, 9, "coding JBIG"),
        (259, 34712, "coding JPEG 2000"),
        (259, 34887, "coding LERC"),
        (259, 50002, "coding JPEG XL"),
        (259, 12345, "coding 12345"),
        (258, 14, "14 bits each"),
        (262, 32803, "a camera's raw samples"),
        (262, 8, "pixels of kind 8"),
    ],
)
def test_an_unbuilt_coding_of_a_tiff_is_named(tag, value, words):
    with pytest.raises(PhotoError, match=f"TIFF with .*{words}.* is not supported") as caught:
        decode(tiff_with(tag, value))
    assert caught.value.code == "unsupported"


def test_a_coding_that_is_built_is_never_called_unbuilt():
    """What can be written here is read, and where its bytes are damaged it is called damaged, not unbuilt."""
    whole = {coding: encoded(SEVEN, "TIFF", compression=coding) for coding in ("tiff_lzw", "zstd", "lzma", "packbits")}
    for coding, data in whole.items():
        assert decode(data).gray.shape == SEVEN.shape, coding
        with pytest.raises(PhotoError) as caught:
            decode(data[:8] + bytes(40) + data[48:] if coding != "packbits" else data[:60])
        assert caught.value.code in ("corrupt", "truncated"), coding


@pytest.mark.parametrize(("offset", "form", "value", "words"), [
    (30, "<I", 4, "coding JPEG"), (30, "<I", 5, "coding PNG"), (30, "<I", 11, "coding 11"), (28, "<H", 12, "12 bits"),
])  # fmt: skip
def test_an_unbuilt_coding_of_a_bmp_is_named(offset, form, value, words):
    with pytest.raises(PhotoError, match=f"BMP with .*{words}.* is not supported"):
        decode(patched(encoded(SEVEN, "BMP"), offset, form, value))


@pytest.mark.parametrize("coding", [b"hvc1", b"vvc1", b"j2k1", b"unci"])
def test_an_unbuilt_coding_of_an_avif_is_named(coding):
    with pytest.raises(PhotoError, match=f"AVIF with coding {coding.decode()} is not supported"):
        decode(encoded(SEVEN, "AVIF").replace(b"av01", coding))


@pytest.mark.parametrize(("brand", "coding"), [(b"avci", "AVC"), (b"vvic", "VVC"), (b"j2ki", "JPEG 2000")])
def test_a_heif_whose_brand_is_another_coding_is_no_film(brand, coding):
    with pytest.raises(PhotoError, match=f"HEIF with coding {coding} is not supported") as caught:
        decode(box(b"ftyp", brand + bytes(4) + brand) + bytes(100))
    assert caught.value.code == "unsupported"


def test_layers_that_make_no_colour_are_no_damage():
    start = JPEG.index(b"\xff\xc0\0") + 9
    with pytest.raises(PhotoError, match="JPEG with 2 layers is not supported"):
        decode(JPEG[:start] + b"\2" + JPEG[start + 1 :])
