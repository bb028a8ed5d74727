"""Footers of Parquet files: read as pyarrow reads them where they are honest, refused by us where they are not.

pyarrow ends the process where chunks and columns contradict each other, so lying footers are read in another one.
"""

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_datasets_hostile import peak_kibibytes_after_refusing
from thrift_trees import BINARY, I32, I64, LIST, STRUCT, parse, write

from inklens.datasets import load_dataset
from inklens.datasets.sources import parquet_footer
from inklens.datasets.sources.parquet_footer import BYTE_ARRAY, DELTA_BYTE_ARRAY, WIDTHS, read_footer
from inklens.errors import DataError

pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
PHYSICAL = ["BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"]


def picture():
    file = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(file, "PNG")
    return file.getvalue()


def tables():
    """Return tables of the forms in which pictures come, each with how it is written."""
    n = 30
    kinds, rows = np.arange(n) % 3, np.arange(n)
    names = [str(kind) for kind in kinds]
    numbers = pa.array((np.arange(n * 16) % 251).astype(np.float32))
    texts = {"use_dictionary": False, "column_encoding": {"label": "DELTA_BYTE_ARRAY"}}
    return [
        (pa.table({**{f"p{j}": (rows * j).astype(np.uint8) for j in range(16)}, "label": kinds}), {}),
        (pa.table({"image": [{"bytes": picture(), "path": "a"}] * n, "label": kinds}), {}),
        (pa.table({"image": [list(range(16))] * n, "label": names}), {"row_group_size": 7}),
        (pa.table({"image": pa.FixedSizeListArray.from_arrays(numbers, 16), "label": names}), texts),
        (pa.table({"image": [picture()] * n, "label": kinds}), {"data_page_version": "2.0", "write_page_index": True}),
        (pa.table({**{f"p{j}": rows / (j + 1) for j in range(4)}, "label": pa.array(names).dictionary_encode()}), {}),
        (pa.table({"a": rows.astype("M8[us]"), "p": pa.array([b"abcd"] * n, pa.binary(4)), "label": kinds > 1}), {}),
    ]


def written(table, options):
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def with_footer(content, tree):
    """Return a file with another footer."""
    (length,) = struct.unpack("<I", content[-8:-4])
    footer = write(tree)
    return content[: -8 - length] + footer + struct.pack("<I", len(footer)) + b"PAR1"


def footer_of(content):
    (length,) = struct.unpack("<I", content[-8:-4])
    return parse(content[-8 - length : -8])


def read(content, tmp_path):
    (tmp_path / "a.parquet").write_bytes(content)
    with (tmp_path / "a.parquet").open("rb") as file:
        return read_footer(file, "a.parquet")


@pytest.mark.parametrize("number", range(7))
def test_an_honest_footer_says_what_pyarrow_reads_in_it(tmp_path, number):
    content = written(*tables()[number])
    assert write(footer_of(content)) == content[-8 - struct.unpack("<I", content[-8:-4])[0] : -8]  # the trees are whole
    found, truth = read(content, tmp_path), pq.ParquetFile(io.BytesIO(content)).metadata
    columns = [truth.schema.column(j) for j in range(truth.num_columns)]
    groups = [truth.row_group(i) for i in range(truth.num_row_groups)]
    assert found.n_rows == truth.num_rows
    assert [leaf.path for leaf in found.leaves] == [column.path for column in columns]
    assert [PHYSICAL[leaf.kind] for leaf in found.leaves] == [column.physical_type for column in columns]
    assert found.unpacked == sum(group.total_byte_size for group in groups)
    decoded = 0
    for j, (leaf, column) in enumerate(zip(found.leaves, columns, strict=True)):
        chunks = [group.column(j) for group in groups]
        width = max(column.length, WIDTHS.get(leaf.kind, 8)) + 4 * (column.max_repetition_level > 0)
        decoded += width * sum(chunk.num_values for chunk in chunks)
        repeats = [c.total_uncompressed_size for c in chunks if "DELTA_BYTE_ARRAY" in c.encodings]
        assert (leaf.width, leaf.longest) == (width, max(repeats, default=0))
    assert found.decoded == decoded


CHILD = """
import random, sys
from pathlib import Path
from test_parquet_footers import footer_of, tables, with_footer, written
from thrift_trees import change
from inklens.datasets import load_dataset
from inklens.errors import InklensError
first, last, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
seeds = [written(*table) for table in tables()]
for number in range(first, last):
    say = random.Random(number)
    content = say.choice(seeds)
    tree = footer_of(content)
    change(tree, say)
    path.write_bytes(with_footer(content, tree))
    print(number, flush=True)
    try:
        load_dataset(f"parquet:{path}")
    except InklensError:
        pass
status = Path("/proc/self/status")  # not ru_maxrss, which counts the process that this one was forked from
lines = status.read_text().split("\\n") if status.exists() else []
print("high water", *[line.split()[1] for line in lines if line.startswith("VmHWM")])
"""


def read_lying_footers(first, last, tmp_path):
    """Read files with changed footers in a process of its own, whose last words name the one that ended it."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(first), str(last), str(tmp_path / "a.parquet")],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    *_, said = done.stdout.strip().split("\n")
    assert done.returncode == 0, f"footer {said} ended the process: {done.stderr[-500:]}"
    assert int(said.removeprefix("high water") or 0) < 300 << 10


def test_lying_footers_are_read_or_refused(tmp_path):
    read_lying_footers(0, 400, tmp_path)


@pytest.mark.slow
def test_many_lying_footers_are_read_or_refused(tmp_path):
    read_lying_footers(400, 5000, tmp_path)


def columns_of(content):
    """Return the chunks of the first group of rows, and its tree."""
    tree = footer_of(content)
    (groups,) = [value for number, _, value in tree if number == 4]
    (chunks,) = [value for number, _, value in groups[1][0] if number == 1]
    return chunks, tree


@pytest.mark.parametrize("by", [-1, 1])
def test_a_group_of_rows_without_a_chunk_for_each_column_is_refused(tmp_path, by):
    content = written(*tables()[0])
    chunks, tree = columns_of(content)
    chunks[1] = chunks[1][:-1] if by < 0 else [*chunks[1], chunks[1][0]]
    with pytest.raises(DataError, match=f"a group of rows with {17 + by} of 17 columns"):
        read(with_footer(content, tree), tmp_path)


@pytest.mark.parametrize(("field", "of"), [(5, "values"), (6, "bytes"), (3, "rows"), (2, "group")])
def test_what_a_footer_declares_below_zero_is_refused(tmp_path, field, of):
    content = written(*tables()[0])
    chunks, tree = columns_of(content)
    (sizes,) = [value for number, _, value in chunks[1][0] if number == 3]
    (groups,) = [value for number, _, value in tree if number == 4]
    fields = {"values": sizes, "bytes": sizes, "rows": tree, "group": groups[1][0]}[of]
    (found,) = [part for part in fields if part[0] == field]
    found[2] = -1
    with pytest.raises(DataError, match=r"'a\.parquet': it declares sizes below 0"):
        read(with_footer(content, tree), tmp_path)


def dropped(tree, *path):
    """Return a tree without the field at the end of a path of numbers; the first item of each list is meant."""
    fields = tree
    for number in path[:-1]:
        (value,) = [part[2] for part in fields if part[0] == number]
        fields = value[1][0] if len(value) == 3 and isinstance(value[1], list) else value
    fields[:] = [part for part in fields if part[0] != path[-1]]
    return tree


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ((2,), "17 of 0 columns"),
        ((3,), "no number of rows"),
        ((4, 1, 3), "has no sizes"),
        ((4, 1, 3, 5), "number of values"),
    ],
)
def test_a_footer_that_lacks_something_is_refused(tmp_path, path, said):
    content = written(*tables()[0])
    with pytest.raises(DataError, match=said):
        read(with_footer(content, dropped(footer_of(content), *path)), tmp_path)


def schema_of(*elements):
    """Return the footer of a file without rows whose schema is this: (name, children) each."""
    fields = [
        [*([[1, I32, BYTE_ARRAY]] if n == 0 else []), [4, BINARY, name.encode()], *([[5, I32, n]] if n else [])]
        for name, n in elements
    ]
    return [[1, I32, 1], [2, LIST, [STRUCT, fields, None]], [3, I64, 0], [4, LIST, [STRUCT, [], None]]]


def bare(tree):
    return with_footer(b"PAR1" + struct.pack("<I", 0) + b"PAR1", tree)


def test_paths_of_columns_lead_through_the_structures_above(tmp_path):
    tree = schema_of(("schema", 3), ("a", 2), ("b", 0), ("c", 1), ("d", 0), ("e", 0), ("f", 1), ("g", 0))
    assert [leaf.path for leaf in read(bare(tree), tmp_path).leaves] == ["a.b", "a.c.d", "e", "f.g"]


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ([("schema", 2), ("a", 0)], "lacks columns"),
        ([("schema", 1), ("a", 0), ("b", 0)], "no part of the schema"),
        ([("schema", 1), *[("a", 1)] * 40, ("b", 0)], "too deep"),
        ([], "no columns"),
    ],
)
def test_a_schema_that_is_no_tree_is_refused(tmp_path, elements, said):
    with pytest.raises(DataError, match=said):
        read(bare(schema_of(*elements)), tmp_path)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (STRUCT, [[1, STRUCT, []], [2, STRUCT, []]], None),
        (BINARY, b"abc", None),
        (LIST, [BINARY, [b"abc"], 10**6], "a list that goes on behind the end"),
        (STRUCT, [[1, 14, None]], "a value of type 14"),
    ],
)
def test_a_field_that_nobody_knows_is_passed_over_or_refused(tmp_path, kind, value, said):
    content = bare([*schema_of(("schema", 1), ("a", 0)), [30, kind, value]])
    if said is None:
        assert len(read(content, tmp_path).leaves) == 1
    else:
        with pytest.raises(DataError, match=said):
            read(content, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not end as such files do"),
        (b"PAR1", "does not end as such files do"),
        (b"PAR1" + struct.pack("<I", 4) + b"PARE", "does not end as such files do"),
        (b"PAR1" + struct.pack("<I", 1000) + b"PAR1", "longer than the file"),
        (b"PAR1\x15" + struct.pack("<I", 1) + b"PAR1", "damaged"),
        (b"PAR1\x15" + b"\xff" * 12 + struct.pack("<I", 13) + b"PAR1", "more than 64 bits"),
        (b"PAR1\x18\x7fab" + struct.pack("<I", 4) + b"PAR1", "a text that goes on behind the end"),
        (b"PAR1\x29\x15\x02" + struct.pack("<I", 3) + b"PAR1", "values of type 5 where 12 was expected"),
        (b"PAR1\x1d" + struct.pack("<I", 2) + b"PAR1", "damaged"),
    ],
)
def test_bytes_that_are_no_footer_are_refused(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        read(content, tmp_path)


def test_a_footer_that_is_longer_than_any_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_footer, "FOOTER_BYTES", 100)
    with pytest.raises(DataError, match=r"footer takes .* at most 100 are taken; write each picture as a list"):
        read(written(*tables()[0]), tmp_path)


@pytest.mark.slow
def test_more_columns_than_fit_into_memory_are_refused_before_they_are_held(tmp_path):
    wide, groups = tmp_path / "wide.parquet", tmp_path / "groups.parquet"
    pq.write_table(pa.table({f"p{j}": np.zeros(2, np.uint8) for j in range(70_000)}), wide)
    pq.write_table(pa.table({f"p{j}": np.zeros(300, np.uint8) for j in range(785)}), groups, row_group_size=1)
    assert peak_kibibytes_after_refusing(f"parquet:{wide}", f"parquet:{groups}") < 130 << 10


@pytest.mark.slow
def test_the_widest_table_is_read_within_little_memory(tmp_path):
    """A column for each of 256 x 256 pixels; the last lacks a value, so that all are read before it is refused."""
    n_columns = 256 * 256
    columns = {f"p{j}": np.arange(3, dtype=np.uint8) for j in range(n_columns - 1)}
    table = pa.table({"label": [0, 1, 0], **columns, "last": pa.array([1, 2, None], pa.uint8())})
    pq.write_table(table, tmp_path / "wide.parquet")
    with pytest.raises(DataError, match="no value in column 'last'"):
        load_dataset(f"parquet:{tmp_path / 'wide.parquet'}")
    assert peak_kibibytes_after_refusing(f"parquet:{tmp_path / 'wide.parquet'}") < 300 << 10


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint32", "int64", "float32", "float64", "bool"])
def test_numbers_are_read_as_they_lie(tmp_path, kind):
    """Of a batch that begins in the middle of its memory, too."""
    from inklens.datasets.sources.parquet import _numbers

    values = np.arange(20).astype(kind)
    column = pa.array(values)
    for part in (column, column[3:9], column[5:5]):
        expected = np.asarray(part.to_pylist(), kind)
        found = _numbers(part)
        assert np.array_equal(found, expected)
        assert len(part) == 0 or found.dtype == values.dtype


def test_columns_that_are_read_apart_are_the_whole_table(tmp_path, monkeypatch):
    from inklens.datasets.sources import parquet

    pixels = np.random.default_rng(0).integers(0, 256, (50, 16), dtype=np.uint8)
    for place in (0, 7, 16):
        names = [f"p{j}" for j in range(16)]
        columns = dict(zip(names, pixels.T, strict=True))
        order = [*names[:place], "label", *names[place:]]
        labels = [str(i % 3) for i in range(50)]
        pq.write_table(pa.table({n: columns.get(n, labels) for n in order}), tmp_path / "a.parquet", row_group_size=20)
        for n_columns, n_values in ((5, 1 << 21), (16, 30), (1, 7), (1024, 1 << 21)):
            monkeypatch.setattr(parquet, "COLUMNS_AT_A_TIME", n_columns)
            monkeypatch.setattr(parquet, "VALUES_AT_A_TIME", n_values)
            found = load_dataset(f"parquet:{tmp_path / 'a.parquet'}?invert=no")
            assert np.array_equal(found.X, pixels)
            assert found.y.tolist() == labels


def test_columns_beside_pictures_and_labels_are_left_alone(tmp_path):
    sources = pa.array([None, "b"] * 5)
    table = pa.table({"image": [picture()] * 10, "label": ["a", "b"] * 5, "source": sources})
    pq.write_table(table, tmp_path / "a.parquet")
    assert len(load_dataset(f"parquet:{tmp_path / 'a.parquet'}")) == 10


def test_encodings_are_numbered_as_the_format_does(tmp_path):
    found = read(written(*tables()[3]), tmp_path)
    assert [leaf.longest > 0 for leaf in found.leaves] == [False, True]
    assert DELTA_BYTE_ARRAY == 7
