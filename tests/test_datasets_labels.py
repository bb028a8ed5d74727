"""Labels are what is written, whatever they are kept in: two that differ stay two, or are refused."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from inklens.datasets import Dataset, load_dataset, registry
from inklens.datasets.labels import as_labels
from inklens.datasets.openml.arff import parse_arff
from inklens.datasets.openml.catalogue import KNOWN
from inklens.errors import DataError


def as_csv(folder, labels):
    lines = [f'"{label}",0,0,9,{row}' for row, label in enumerate(labels)]
    (folder / "a.csv").write_text("label,a,b,c,d\n" + "\n".join(lines))
    return f"csv:{folder / 'a.csv'}"


def as_plain_csv(folder, labels):
    (folder / "a.csv").write_text("".join(f"{label},0,0,9,{row}\n" for row, label in enumerate(labels)))
    return f"csv:{folder / 'a.csv'}?label=1"


def as_npz(folder, labels):
    np.savez(folder / "a.npz", X=np.arange(4 * len(labels)).reshape(-1, 4), y=np.array(labels))
    return f"npz:{folder / 'a.npz'}"


def as_bytes(folder, labels):
    return as_npz(folder, [label.encode() for label in labels])


def as_parquet(folder, labels):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    values = {"label": labels, **{name: np.arange(len(labels)) for name in "abcd"}}
    pq.write_table(pa.table(values), folder / "a.parquet", row_group_size=1)  # each batch has words of its own
    return f"parquet:{folder / 'a.parquet'}"


def as_folder(folder, labels):
    for label in labels:
        (folder / "all" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.eye(9, dtype=np.uint8) * 255).save(folder / "all" / label / "a.png")
    return f"folder:{folder / 'all'}"


@pytest.mark.parametrize("written", [as_csv, as_plain_csv, as_npz, as_bytes, as_parquet, as_folder])
@pytest.mark.parametrize("labels", [("3", "3.0"), ("3.00", "3.0"), ("-0.0", "0"), ("7.0", "x", "7"), ("+0.0", "0.0")])
def test_labels_that_would_become_one_are_refused(tmp_path, written, labels):
    with pytest.raises(DataError, match=r"would become one"):
        load_dataset(written(tmp_path, labels))


ODD_BLANKS = [chr(code) for code in range(128, 0x110000) if chr(code).isspace() and chr(code) not in "\x85\u2028\u2029"]


@pytest.mark.parametrize("written", [as_csv, as_plain_csv, as_npz, as_bytes, as_parquet, as_folder])
def test_white_space_that_no_table_adds_is_a_part_of_a_label(tmp_path, written):
    """A no-break space and its like: beside the same text without it, either would be lost in the other."""
    assert len(ODD_BLANKS) > 10
    for number, blank in enumerate(ODD_BLANKS):
        for labels in (["1", f"{blank}1"], [f"a b{blank}", "a b"]):
            folder = tmp_path / f"{number}{labels[0][0]}"
            folder.mkdir(exist_ok=True)
            with pytest.raises(DataError, match=r"would be(come)? one"):
                load_dataset(written(folder, labels))


def test_folders_whose_names_differ_in_blanks_are_not_one_class(tmp_path):
    with pytest.raises(DataError, match="would be one class"):
        load_dataset(as_folder(tmp_path, ["7", "7 "]))


@given(st.lists(st.text("0179.+- exna", min_size=1, max_size=5), min_size=2, max_size=4, unique_by=str.strip))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts_that_differ_stay_apart_or_are_refused(tmp_path, labels):
    try:
        found = load_dataset(as_csv(tmp_path, labels)).y
    except DataError:
        return
    assert len(set(found)) == len(labels)


@pytest.mark.parametrize("kind", ["timestamp[ns]", "timestamp[us]", "duration[ns]", "date32", "decimal128(21, 1)"])
def test_times_and_decimals_are_no_labels(tmp_path, kind):
    pa = pytest.importorskip("pyarrow")
    days = pa.array([1, 2, 1, 2], pa.int32() if kind == "date32" else pa.int64())
    wanted = pa.decimal128(21, 1) if kind.startswith("decimal") else pa.type_for_alias(kind)
    with pytest.raises(DataError, match="no usable label"):
        load_dataset(as_parquet(tmp_path, days.cast(wanted)))


def test_class_names_of_a_file_that_are_the_same_are_not_merged(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    features = {"label": {"names": ["cat", "cat"], "_type": "ClassLabel"}}
    table = pa.table({"label": [0, 1], **{name: [0, 9] for name in "abcd"}})
    named = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(named, tmp_path / "a.parquet")
    assert load_dataset(f"parquet:{tmp_path / 'a.parquet'}").y.tolist() == ["0", "1"]


@pytest.mark.parametrize("blank", ["", "% a comment\n"])  # that makes the quick way impossible
def test_classes_of_an_arff_file_are_those_that_it_names(blank):
    head = b"@relation x\n@attribute p numeric\n@attribute class {7,007,'7.0','-7'}\n@data\n"
    rows = b"0,7\n1,007\n2,'7.0'\n3,-7\n" + blank.encode() + b"4,007\n"
    _, y = parse_arff(head + rows, target="class", where="x")
    assert y.tolist() == ["7", "007", "7.0", "-7", "007"]
    _, y = parse_arff(head + b"0,007\n1,007\n", target="class", where="x")
    assert y.tolist() == ["007", "007"]


@pytest.mark.parametrize("kind", ["<U1", ">U1", "<U3"])
@pytest.mark.parametrize("number", [0x110000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_text_that_is_none_is_refused_by_its_rows(tmp_path, kind, number):
    """NumPy's arrays hold any number where a character should be; Python breaks down on making text of it."""
    width = np.dtype(kind).itemsize // 4
    numbers = np.full((4, width), ord("a"), np.uint32)
    numbers[2, -1] = number
    y = numbers.astype(kind[0] + "u4").view(kind).ravel()
    np.savez(tmp_path / "a.npz", X=np.arange(16).reshape(4, 4), y=y)
    with pytest.raises(DataError, match=r"1 rows have characters that are none.*row 3"):
        load_dataset(f"npz:{tmp_path / 'a.npz'}")
    kept = y[[0, 1, 3]]
    assert as_labels(kept, where="here").tolist() == ["a" * width] * 3


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        ([[0] * 4], np.array(["a"]), "expected NumPy arrays, got list and ndarray"),
        (np.zeros((2, 4), np.uint8), np.array([1.0, np.nan]), "row 1 has no label"),
        (
            np.zeros((2, 4), np.uint8),
            np.array([97, 0x110000], np.uint32).view("U1"),
            "row 1 has characters that are none",
        ),
        (np.zeros((2, 4), np.uint8), np.array(["a"]), "one label per image"),
        (np.zeros((2, 4)), np.array(["a", "b"]), "expected uint8 pixels"),
    ],
)
def test_what_is_no_data_set_is_refused_by_what_it_lacks(X, y, words):
    with pytest.raises(DataError, match=words):
        Dataset(X, y, image_shape=(2, 2), name="n", source="s")


def test_data_are_known_by_their_content_whatever_file_they_lie_in(tmp_path, monkeypatch):
    spec = as_npz(tmp_path, ["a", "b"] * 10)
    plain = load_dataset(spec)
    monkeypatch.setattr(registry, "title_of", lambda checksum: KNOWN[1] if checksum == plain.checksum else None)
    known, other = load_dataset(spec), load_dataset(as_csv(tmp_path, ["a", "b"] * 10))
    assert (known.name, known.licence) == (KNOWN[1].name, KNOWN[1].licence)
    assert known.notes[0] == "the content is Fashion-MNIST, byte for byte"
    assert known.checksum == plain.checksum != other.checksum
    assert other.name != KNOWN[1].name
