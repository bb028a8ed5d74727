"""Data that lie in other forms: bombs of every encoding, numbers of thousands of digits, lists, repeated names."""

import gzip
import io
import os
import struct
import sys
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_datasets_hostile import peak_kibibytes_after_refusing

from inklens.datasets import load_dataset, unpack
from inklens.datasets.dataset import Dataset
from inklens.datasets.labels import as_labels
from inklens.datasets.openml import cache
from inklens.datasets.openml.arff import parse_arff
from inklens.datasets.openml.client import parse_name
from inklens.datasets.relabel import mark, read_relabel
from inklens.errors import DataError, InklensError, ParameterError
from inklens.names import whole_number

SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LONG = "9" * 5000  # more digits than `int` takes


def in_parquet(path, columns, **options):
    parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    parquet.write_table(pyarrow.table(columns), path, **{"compression": "zstd", **options})
    return f"parquet:{path}"


def lists(values, lengths, *, of="list_"):
    """Return nested lists of these lengths, the outermost first."""
    pyarrow = pytest.importorskip("pyarrow")
    array = pyarrow.array(values)
    for length in reversed(lengths):
        if of == "fixed":
            array = pyarrow.FixedSizeListArray.from_arrays(array, length)
        else:
            kind, ends = (pyarrow.LargeListArray, np.int64) if of == "large" else (pyarrow.ListArray, np.int32)
            array = kind.from_arrays(np.arange(0, len(array) + 1, length, dtype=ends), array)
    return array


def repeating(prefix, n):
    """Texts of which each repeats all but the last digits of the one before: nearly free where only that is written."""
    return [prefix + b"%06d" % i for i in range(n)]


def parquet_bombs(folder):
    pyarrow = pytest.importorskip("pyarrow")
    n, picture = 40_000, io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(picture, "PNG")
    delta, zeros = {"use_dictionary": False, "column_encoding": {"a": "DELTA_BYTE_ARRAY"}}, np.zeros(n, np.int8)
    texts = pyarrow.array(repeating(b"x" * 20_000, n), pyarrow.large_binary())
    fixed = pyarrow.DictionaryArray.from_arrays(zeros, pyarrow.array([b"\0" * 20_000], pyarrow.binary(20_000)))
    return [
        in_parquet(folder / "fixed.parquet", {"label": zeros, "a": fixed.dictionary_decode()}),
        in_parquet(folder / "labels.parquet", {"a": texts, "p": zeros}, **delta) + "?label=a",
        in_parquet(folder / "texts.parquet", {"label": zeros, "p": zeros, "a": texts}, **delta),
        in_parquet(
            folder / "bits.parquet", {"label": [1, 2], "image": lists(np.zeros(50_000_000, bool), [25_000_000])}
        ),
        in_parquet(folder / "empty.parquet", {"label": np.zeros(400_000), "image": pyarrow.array([[]] * 400_000)}),
        in_parquet(folder / "again.parquet", {"label": zeros, "image": [{"bytes": picture.getvalue()}] * n}),
    ]


@pytest.mark.slow
def test_many_forms_of_parquet_take_little_memory(tmp_path):
    assert peak_kibibytes_after_refusing(*parquet_bombs(tmp_path)) < 300 << 10


def text_bombs(folder):
    return {
        "a line of many fields": "1," * 3_000_000 + "1\n",
        "a second line of many fields": "label,x\n" + "12," * 3_000_000 + "1\n",
        "one field": "1" * 20_000_000,
        "a label as long as all others": "label,x\n" + "a" * 200 + ",1\n" + "b,1\n" * 250_000,
    }


@pytest.mark.slow
def test_many_forms_of_text_take_little_memory(tmp_path):
    specs = []
    for name, text in text_bombs(tmp_path).items():
        (tmp_path / f"{name}.csv").write_text(text)
        specs.append(f"csv:{tmp_path / name}.csv")
    with (tmp_path / "hole.csv").open("wb") as file:
        file.truncate(1 << 30)
    assert peak_kibibytes_after_refusing(*specs, f"csv:{tmp_path / 'hole.csv'}") < 300 << 10


def test_one_long_class_makes_no_row_of_an_arff_file_long():
    _, y = arff("1,b\n" * 1000, classes="a" * 100_000 + ",b")
    assert y.nbytes < 20_000
    assert set(y.tolist()) == {"b"}


def test_many_members_of_a_gzip_file_are_not_copied_over_and_over(tmp_path, monkeypatch):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"", mtime=0) * 20_000)
    fed = [0]

    class Counted:
        def __init__(self, **options):
            self._of = zlib.decompressobj(**options)

        def decompress(self, data, most):
            fed[0] += len(data)
            return self._of.decompress(data, most)

        def __getattr__(self, name):
            return getattr(self._of, name)

    class Counting:
        decompressobj, error = Counted, zlib.error

    monkeypatch.setattr(unpack, "zlib", Counting)
    assert unpack.read_file(tmp_path / "a.gz") == b""
    assert fed[0] < 500 * (tmp_path / "a.gz").stat().st_size


@given(
    st.text(max_size=30) | st.integers(0, 10**12).map(str) | st.text("0123456789", max_size=30), st.integers(0, 10**9)
)
@example("\u0663", 9)
@example("00", 0)
@example("\u00b2", 9)
@example(LONG, 9)
def test_a_whole_number_is_ascii_digits_and_no_more_than_the_most(text, most):
    is_number = text != "" and set(text) <= set("0123456789")
    expected = int(text) if is_number and len(text) < 4000 and int(text) <= most else None
    assert whole_number(text, most) == expected


def arff(row, classes="a,b", kind="numeric"):
    head = f"@attribute p {kind}\n@attribute y {{{classes}}}\n@data\n"
    return parse_arff((head + row).encode(), target="y", where="x")


@pytest.mark.parametrize("digits", [LONG, "\u0663", "\u00b2", "-1", "1.0"])
def test_digits_of_any_length_and_script_are_refused_at_every_door(tmp_path, digits):
    (tmp_path / "a.csv").write_text("name,p\n3,1\n4,2\n")
    dataset = Dataset(np.eye(4, dtype=np.uint8), np.array(list("0101")), (2, 2), "made", "made", "none")
    (tmp_path / "r.csv").write_text(f"row,given,suggested,decision,data\n{digits},0,1,1,{mark(dataset)}\n")
    for door in (
        lambda: load_dataset(f"csv:{tmp_path / 'a.csv'}?label={digits}"),
        lambda: load_dataset(f"csv:{tmp_path / 'a.csv'}?label=name&shape={digits}x1"),
        lambda: parse_name(f"name@{digits}"),
        lambda: arff(f"{{{digits} 1}}"),
        lambda: read_relabel(tmp_path / "r.csv", dataset),
    ):
        with pytest.raises(InklensError) as caught:
            door()
        assert len(str(caught.value)) < 500


def test_a_class_of_any_number_of_digits_stays_what_is_written():
    assert arff("1,1\n2,1\n", classes=f"{LONG},1")[1].tolist() == ["1", "1"]
    assert arff("1,\u0663\n2,1\n", classes="\u0663,1")[1].tolist() == ["\u0663", "1"]


@pytest.mark.parametrize("name", ["\u00e9" * 60, "a" * 201, "\U0001d7d8" * 30])
def test_a_name_that_no_folder_can_have_is_refused(name):
    with pytest.raises(ParameterError, match="openml:NAME"):
        parse_name(name)
    assert len(os.fsencode(cache.Entry.of(cache.openml_key("\u00e9" * 33, 10**9), "/").folder.name)) < 256


@pytest.mark.parametrize("row", ["x" * 200_000 + ",a", "'" + "x" * 140_000 + "',a", "{0 1, 0 2, 1 a}", "{1 a, 1 b}"])
def test_rows_that_no_arff_reader_can_split_are_the_one_error(row):
    with pytest.raises(DataError, match="row 1"):
        arff(row + "\n1,b\n")


@pytest.mark.parametrize("value", [2**63, 2**63 + 5, 10**20, -(2**63) - 9, 10**30, 2**63 - 1])
def test_a_number_is_never_cut_to_what_an_integer_can_hold(tmp_path, value):
    pixels, _ = parse_arff(f"@attribute p real\n@attribute y {{a}}\n@data\n{value},a\n".encode(), target="y", where="x")
    assert float(pixels[0, 0]) == float(value)
    (tmp_path / "a.csv").write_text(f"label,p,q,r,s\n1,{value},0,0,0\n2,0,0,0,0\n")
    note = " ".join(load_dataset(f"csv:{tmp_path / 'a.csv'}").notes)
    assert f"{float(np.float32(value)) if abs(value) > 2**63 else float(value):g}" in note
    numbers = f"@attribute p real\n@attribute y real\n@data\n1,{value}\n2,0.0\n".encode()
    _, y = parse_arff(numbers, target="y", where="x")
    with pytest.raises(DataError, match="no usable label"):
        as_labels(y, where="x")


def test_a_number_beyond_float32_is_named_as_it_is_written(tmp_path):
    (tmp_path / "a.csv").write_text("label,p\na,1\nb,-1e39\n")
    with pytest.raises(DataError, match="row 3, column 2 is '-1e39'"):
        load_dataset(f"csv:{tmp_path / 'a.csv'}")


def npy(shape, kind, body=b"", *, header=None):
    text = header or repr({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + body


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (npy((10**15, 0), "|u1"), "holds nothing"),
        (npy((10**9, 4), "<U0"), "holds nothing"),
        (npy((-2, -4), "|u1", bytes(8)), "states the shape"),
        (npy((True, 8), "|u1", bytes(8)), "states the shape"),
        (npy((), "", header=b"[" * 9000), "cannot be read"),
        (npy((), "", header=b"-" * 9000 + b"1"), "cannot be read"),
        (npy((), "", header=b"{'descr': 5}"), "cannot be read"),
        (b"\x93NUMPY\x02\0" + struct.pack("<I", 90 << 20) + bytes(90 << 20), "cannot be read"),
        (npy((2, 4), ("<f8", (2, 3)), bytes(384)), "is not taken"),
    ],
    ids=["no pixels", "no width", "negative", "truth", "nested", "signs", "no type", "long header", "subarrays"],
)
def test_any_lying_header_of_an_array_is_refused(tmp_path, x, words):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", x)
        archive.writestr("y.npy", npy((2,), "|u1", b"\1\2"))
    with pytest.raises(DataError, match=words):
        load_dataset(f"npz:{tmp_path / 'a.npz'}")


def test_two_arrays_of_one_name_are_not_told_apart_by_their_order(tmp_path):
    body = npy((2, 4), "|u1", bytes(8))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("X.npy", "x.npy", "y.npy"):
            archive.writestr(name, body)
    with pytest.raises(DataError, match="two arrays of one name"):
        load_dataset(f"npz:{tmp_path / 'a.npz'}")


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(np.float64).max, reason="no longer floats here")
def test_what_only_a_long_float_holds_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.full((2, 4), np.longdouble("1e4000")), y=[1, 2])
    with pytest.raises(DataError, match="pixel 1 of row 1 is inf"):
        load_dataset(f"npz:{tmp_path / 'a.npz'}")


@SETTINGS
@given(
    st.sampled_from(["uint8", "int64", "float64", "bool"]),
    st.sampled_from(["list_", "large", "fixed"]),
    st.lists(st.integers(1, 5), min_size=1, max_size=2),
    st.integers(0, 2**32 - 1),
)
def test_a_column_of_lists_is_the_array_that_it_was_made_of(tmp_path, kind, of, shape, seed):
    shape = [shape[0] ** 2] if len(shape) == 1 else shape
    values = np.random.default_rng(seed).integers(0, 2, (70, *shape)).astype(kind)
    values[0, 0] = 1
    column = lists(values.ravel(), shape, of=of)
    spec = in_parquet(tmp_path / "a.parquet", {"label": np.arange(70) % 3, "image": column}, row_group_size=33)
    found = load_dataset(f"{spec}?invert=no&transpose=no&range=0:1")
    np.testing.assert_array_equal(found.X, 255 * values.reshape(70, -1).astype(np.uint8))


@pytest.mark.parametrize(
    "images",
    [
        [[1, None, 3, 4], [1, 2, 3, 4]],
        [[[1, 2], None], [[1, 2], [3, 4]]],
        [[[1, 2], [3]], [[1, 2], [3, 4]]],
        [[], []],
        [["a"], ["b"]],
        [[True, None, True, True], [True] * 4],
        [[{"k": 1}], [{"k": 2}]],
        ["text", "text"],
        [{"path": "a"}, {"path": "b"}],
    ],
)
def test_lists_that_are_no_pictures_are_refused(tmp_path, images):
    with pytest.raises(DataError):
        load_dataset(in_parquet(tmp_path / "a.parquet", {"label": [1, 2], "image": images}))


def test_a_text_is_the_same_however_it_is_written(tmp_path):
    columns = {"label": [f"class {i % 3}" for i in range(500)], **{f"p{i}": np.arange(500) % 256 for i in range(4)}}
    delta = {"label": "DELTA_BYTE_ARRAY", **{f"p{i}": "PLAIN" for i in range(4)}}
    plain = load_dataset(in_parquet(tmp_path / "a.parquet", columns))
    other = load_dataset(in_parquet(tmp_path / "b.parquet", columns, use_dictionary=False, column_encoding=delta))
    assert other.checksum == plain.checksum


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are text there")
@pytest.mark.parametrize("names", [(b"\xff", b"\\xff"), (b"a\x1b", b"a\\x1b"), (b"a\x1b ", b"a\\x1b")])
def test_sub_folders_that_look_alike_are_not_one_class(tmp_path, names):
    for name in names:
        folder = tmp_path / os.fsdecode(name)
        folder.mkdir()
        Image.fromarray(np.eye(4, dtype=np.uint8)).save(folder / "1.png")
    with pytest.raises(DataError, match="would be one class"):
        load_dataset(f"folder:{tmp_path}")


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9), min_size=1, max_size=30))
def test_numbers_are_labels_no_wider_than_they_are_written(numbers):
    labels = as_labels(np.array(numbers), where="x")
    assert labels.tolist() == [str(number) for number in numbers]
    assert labels.dtype.itemsize == 4 * max(len(str(number)) for number in numbers)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('label,x\n"' + "9" * 140_000 + '",1\n', "field of 140,|no readable CSV"),
        ("label,x\n1," + "9" * 2_000_000 + "\n", "a field of 2,000,001 characters"),
        ("label\n1\n2\n", "1 columns"),
        ("1," * 1_100_000 + "1\n", "has a line of 1,100,001 fields"),
        ("id,label\n0,a\n1,b\n2,a\n", "no column is left for pixels"),
        ("id,label\n0,a\nx,b\n", "every pixel must be a number"),
    ],
)
def test_tables_that_are_none_say_why(tmp_path, text, words):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        load_dataset(f"csv:{tmp_path / 'a.csv'}")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"X": npy((2, 4), "|u1", bytes(7)), "y": npy((2,), "|u1", b"\1\2")}, "its header asks for 8 bytes, it has 7"),
        ({"X": b"\x93NUMPY\x07\0" + bytes(90), "y": npy((2,), "|u1", b"\1\2")}, "NumPy format"),
        ({"X": npy((2, 4), "|u1", bytes(8)), "y": b"\x93NUMPY\1\0" + bytes(110_000_000)}, "packed ones; refused"),
    ],
    ids=["short", "version", "burst"],
)
def test_arrays_that_are_none_say_why(tmp_path, members, words):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(f"{name}.npy", body)
    with pytest.raises(DataError, match=words):
        load_dataset(f"npz:{tmp_path / 'a.npz'}")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"label": [1, 2]}, "no column of images beside 'label'"),
        ({"label": [1, 2], "A": [1, 2], "a": [3, 4]}, "two columns have the same name"),
        ({"p": [1, 2], "q": [3, 4]}, "no column of labels"),
        ({"label": [1], "image": lists(np.zeros(4096**2 + 1, bool), [4096**2 + 1])}, "at most 16,777,216 are taken"),
        ({"label": [1, 2], "p": ["a", "b"]}, "no pictures"),
    ],
    ids=["no images", "one name", "no labels", "too large", "text"],
)
def test_columns_that_are_no_images_say_why(tmp_path, columns, words):
    with pytest.raises(DataError, match=words):
        load_dataset(in_parquet(tmp_path / "a.parquet", columns))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@attribute p real\n@data\n1\n", "no column 'y'"),
        ("@attribute y {a}\n@attribute y {a}\n@attribute p real\n@data\na,a,1\n", "2 columns 'y'"),
        ("@attribute y {a}\n@attribute p {b}\n@data\na,b\n", "no pixels"),
        ("@attribute y {a}\n@attribute p real\n@data\n", "no rows after @DATA"),
        ("@attribute y {a}\nnonsense\n", "no ARFF file"),
        ("@attribute y\n@data\n", "cannot read"),
        ("@attribute y string\n@data\n", "is of type"),
        ("@attribute y {a}\n@attribute p real\n@data\na\n", "row 1 has 1 values, expected 2"),
        ("@attribute y {a}\n@attribute p real\n@data\nb,1\n", "'b' is no class"),
        ("@attribute y {a}\n@attribute p real\n@data\na,?\n", "missing values"),
        (b"@attribute y {a}\n@attribute p real\n@data\n\xff,1\n", "not UTF-8"),
    ],
)
def test_arff_files_that_are_none_say_why(text, words):
    with pytest.raises(DataError, match=words):
        parse_arff(text if isinstance(text, bytes) else text.encode(), target="y", where="x")


def test_a_column_and_images_of_one_channel_are_what_they_hold(tmp_path):
    X, y = np.arange(32, dtype=np.uint8).reshape(2, 4, 4), np.array([3, 4])
    np.savez(tmp_path / "a.npz", X=X[..., None], y=y[:, None])
    np.savez(tmp_path / "b.npz", X=X, y=y)
    assert load_dataset(f"npz:{tmp_path / 'a.npz'}").checksum == load_dataset(f"npz:{tmp_path / 'b.npz'}").checksum
    np.savez(tmp_path / "c.npz", X=np.zeros((1, 4097, 1), np.uint8), y=[1])
    with pytest.raises(DataError, match="at most 4096 rows"):
        load_dataset(f"npz:{tmp_path / 'c.npz'}")


def test_a_decimal_comma_in_a_table_with_semicolons_is_a_decimal_sign(tmp_path):
    rows = np.random.default_rng(0).random((12, 4)).round(3)
    labels = ["a,b" if i % 3 else "7" for i in range(len(rows))]
    point = "".join(f'"{label}",{",".join(map(str, row))}\n' for label, row in zip(labels, rows, strict=True))
    comma = "".join(
        f"{label};{';'.join(str(number).replace('.', ',') for number in row)}\r\n"
        for label, row in zip(labels, rows, strict=True)
    )
    (tmp_path / "point.csv").write_text(point)
    (tmp_path / "comma.csv").write_text(comma, newline="")
    one, other = (load_dataset(f"csv:{tmp_path / name}.csv?label=first") for name in ("point", "comma"))
    assert one.y.tolist() == other.y.tolist() == labels
    assert np.array_equal(one.X, other.X)
    assert len(np.unique(one.X)) > 30
