"""What a source does not take it refuses with its reason; what it passes over, it says."""

import csv
import gzip
import hashlib
import io
import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from datasets_makers import idx_bytes
from PIL import Image

from inklens import load_dataset
from inklens.datasets import info, registry, relabel
from inklens.datasets.dataset import Dataset
from inklens.datasets.describe import Overlap
from inklens.datasets.embedded import read_sheet
from inklens.datasets.near import near_duplicates
from inklens.datasets.openml import cache
from inklens.datasets.openml.arff import parse_arff
from inklens.datasets.registry import absolute_spec
from inklens.datasets.sources import parquet
from inklens.datasets.sources import plain as plain_text
from inklens.datasets.unpack import read_file
from inklens.errors import DataError, DownloadError, OutputError, ParameterError


def picture(path, pixels=((0, 255), (255, 0)), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(pixels, options.pop("dtype", np.uint8))).save(path, **options)


def two_classes(folder):
    for label in "ab":
        for number in range(3):
            picture(folder / label / f"{number}.png", ((0, 255), (number, 0)))
    return folder


def test_folders_without_classes_or_pictures(tmp_path):
    (tmp_path / "bare").mkdir()
    picture(tmp_path / "bare" / "1.png")
    with pytest.raises(DataError, match="has no sub-folders; expected one sub-folder of pictures per class"):
        load_dataset(f"folder:{tmp_path / 'bare'}")
    (tmp_path / "empty" / "a").mkdir(parents=True)
    (tmp_path / "empty" / "a" / "notes.txt").write_text("no picture")
    with pytest.raises(DataError, match=r"has no pictures in its sub-folders; taken are .png"):
        load_dataset(f"folder:{tmp_path / 'empty'}")


def test_pictures_that_are_too_large_or_too_deep_are_passed_over_and_named(tmp_path):
    two_classes(tmp_path)
    with (tmp_path / "a" / "huge.png").open("wb") as file:
        file.truncate((20 << 20) + 1)
    Image.new("1", (4097, 4097)).save(tmp_path / "a" / "wide.png")
    picture(tmp_path / "b" / "deep.tif", ((0, 70_000), (5, 0)), dtype=np.int32)
    found = load_dataset(f"folder:{tmp_path}")
    (note,) = (note for note in found.notes if "skipped" in note)
    assert found.counts == {"a": 3, "b": 3}
    for words in (
        "a/huge.png (larger than 20 MB)",
        "a/wide.png (4097x4097 pixels are too many",
        "b/deep.tif (deep pix",
    ):
        assert words in note


def test_a_folder_that_cannot_be_looked_into_is_passed_over_and_named(tmp_path, monkeypatch):
    two_classes(tmp_path)
    (tmp_path / "shut").mkdir()
    plain = Path.iterdir

    def iterdir(path):
        if path.name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found = load_dataset(f"folder:{tmp_path}")
    assert "the folder 'shut' was skipped: Permission denied" in found.notes
    assert found.classes == ("a", "b")
    monkeypatch.setattr(Path, "iterdir", lambda path: (_ for _ in ()).throw(PermissionError(13, "denied")))
    with pytest.raises(DataError, match=r"cannot look into .*denied; check the path"):
        load_dataset(tmp_path)


def a_fifo(path):
    os.mkfifo(path)


def a_socket(path):
    os.mknod(path, stat.S_IFSOCK | 0o600)


def a_device(path):
    path.symlink_to(os.devnull)


def a_link_to_nothing(path):
    path.symlink_to("nothing")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
@pytest.mark.parametrize("made", [a_fifo, a_socket, a_device, a_link_to_nothing], ids=lambda made: made.__name__)
@pytest.mark.parametrize("name", ["x", "x.csv", "x.npz", "x.csv?label=y", "x?"])
def test_what_is_no_data_is_called_what_it_is_however_it_is_named(tmp_path, made, name):
    made(tmp_path / name.removesuffix("?label=y"))
    specs = [
        f"{tmp_path / name}",
        *(f"{kind}:{tmp_path / name}" for kind in ("csv", "npz", "idx", "folder", "parquet")),
    ]
    for spec in specs:
        if "?label" in name and spec.startswith(("npz", "idx", "folder")):
            continue
        with pytest.raises(DataError, match=f"is {made.__name__.replace('_', ' ').replace('fifo', 'FIFO')}, not a"):
            load_dataset(spec)
    for door in (info, absolute_spec):
        with pytest.raises(DataError, match=r"is a.*, not a|cannot look"):
            door(str(tmp_path / name))


def test_a_file_whose_name_says_no_kind_is_told_how_to_be_named(tmp_path):
    (tmp_path / "a.dat").write_text("label,a,b,c,d\nx,0,9,9,0\ny,9,0,0,9\n")
    with pytest.raises(DataError, match=r"does not say of what kind.*\.parquet; name the kind, such as csv:.*a\.dat"):
        load_dataset(tmp_path / "a.dat")
    assert load_dataset(f"csv:{tmp_path / 'a.dat'}").classes == ("x", "y")
    for kind in ("idx", "folder"):
        with pytest.raises(DataError, match="is a file, not a folder"):
            load_dataset(f"{kind}:{tmp_path / 'a.dat'}")
    with pytest.raises(DataError, match="is a folder, not a regular file"):
        load_dataset(f"csv:{tmp_path}")


def test_reading_pictures_tells_how_far_it_is(tmp_path):
    told = []
    load_dataset(f"folder:{two_classes(tmp_path)}", progress=lambda *args: told.append(args))
    assert told == [(0, 6, "reading pictures")]


def test_a_folder_without_pairs_of_files(tmp_path):
    (tmp_path / "idx.txt").write_text("no such file")
    with pytest.raises(DataError, match=r"no pair of IDX files.*expected train-images-idx3-ubyte"):
        load_dataset(f"idx:{tmp_path}")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((2, 3, 4), np.uint8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros((2, 1), np.uint8)))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte.*rank 2, expected 1 \(labels\)"):
        load_dataset(f"idx:{tmp_path}")


def test_images_without_ink_are_said(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((4, 4)), y=list("abab"))
    assert "every pixel is 0: there is no ink anywhere" in load_dataset(f"npz:{tmp_path / 'a.npz'}").notes


def test_a_field_of_many_lines_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text('label,x,y\n"' + (9_999 * "a" + "\n") * 14 + '",1,2\n')
    with pytest.raises(DataError, match=r"is no readable CSV: field larger than field limit"):
        load_dataset(f"csv:{tmp_path / 'a.csv'}")


def test_an_older_pyarrow_is_refused():
    with pytest.raises(DataError, match=r"pyarrow 14\.0\.0 is not safe .* update it to 14\.0\.1"):
        parquet._refuse_old("14.0.0")
    parquet._refuse_old("14.0.1")


def test_a_table_with_fewer_rows_than_it_declares(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"label": pa.array([], pa.string()), "x": pa.array([], pa.int64())}), path)
    with pytest.raises(DataError, match="declares 0 rows and has 0"):
        load_dataset(f"parquet:{path}")


@pytest.mark.parametrize("names", [["zero", 1], {"0": "zero"}, ["zero", "zero"]])
def test_names_of_classes_that_are_none_leave_the_numbers(tmp_path, names):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"label": [0, 1, 0, 1], "x": [1, 2, 3, 4], "y": [4, 3, 2, 1]})
    info = {"info": {"features": {"label": {"names": names}}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), tmp_path / "a.parquet")
    assert load_dataset(f"parquet:{tmp_path / 'a.parquet'}?shape=1x2").classes == ("0", "1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@relation a\n@attribute x real\n", "expected @ATTRIBUTE lines and @DATA"),
        ("@attribute x real\n@attribute y {a,b}\n@data\nmany,a\n", "'many' is no number"),
        ("@attribute x real\n@attribute y {a,b}\n@data\n1,c\n", "'c' is no class of 'y'"),
    ],
)
def test_arff_that_is_none(text, words):
    with pytest.raises(DataError, match=words):
        parse_arff(text.encode(), target="y", where="here")


def test_too_little_memory_for_data_is_their_own_error(monkeypatch):
    def load(*_):
        raise MemoryError("Unable to allocate 8.00 EiB")

    monkeypatch.setattr(registry.KINDS["embedded"].source(), "load", load)
    with pytest.raises(DataError, match="embedded: not enough memory for these data; use fewer or smaller images"):
        load_dataset("embedded")


def test_packed_text_is_read_in_pieces_and_cut_packs_are_told(tmp_path):
    content = np.random.default_rng(0).bytes(100_000)
    packed = gzip.compress(content[:50_000]) + gzip.compress(content[50_000:]) + bytes(100)
    (tmp_path / "a.gz").write_bytes(packed)
    assert read_file(tmp_path / "a.gz") == content
    for n_bytes in (20, 16 << 10, 40_000, 70_000):
        (tmp_path / "a.gz").write_bytes(packed[:n_bytes])
        with pytest.raises(DataError, match="is cut off"):
            read_file(tmp_path / "a.gz")
    for place in (10, 20_000, len(packed) - 105):
        (tmp_path / "a.gz").write_bytes(packed[:place] + bytes([packed[place] ^ 255]) + packed[place + 1 :])
        with pytest.raises(DataError, match=r"is damaged: .*get the file again"):
            read_file(tmp_path / "a.gz")
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(1000)))
    with pytest.raises(DataError, match="unpacks to more than the 999 bytes that are taken"):
        read_file(tmp_path / "a.gz", limit=999)
    assert read_file(tmp_path / "a.gz", limit=1000) == bytes(1000)


def test_more_bytes_than_are_taken_are_refused_by_their_number(tmp_path):
    (tmp_path / "a.csv").write_bytes(bytes(11))
    with pytest.raises(DataError, match="has 11 bytes; at most 10 are taken"):
        read_file(tmp_path / "a.csv", limit=10)


@pytest.mark.skipif(not os.access("/proc/self/mem", os.R_OK), reason="no file that fails when it is read")
def test_a_file_that_fails_while_it_is_read_is_the_one_error():
    with pytest.raises(DataError, match="cannot read '/proc/self/mem': Input/output error"):
        read_file("/proc/self/mem")


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blank_lines_of_a_table_are_none_wherever_it_is_cut(monkeypatch, block):
    rows = [f"{number},{number % 7},0" for number in range(40)]
    text = "\n" * 30 + "".join(row + "\n" * (1 + 90 * (number % 13 == 12)) for number, row in enumerate(rows))
    monkeypatch.setattr(plain_text, "BLOCK_BYTES", block)
    parts = list(plain_text.blocks(text.encode()))
    assert all(part and part == part.strip(b"\n") for part in parts)
    assert [line for part in parts for line in part.decode().split("\n") if line] == rows


def test_names_of_classes_that_a_table_declares_stand_for_its_numbers(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"label": [0, 1, 0, 1], "x": [1, 2, 3, 4], "y": [4, 3, 2, 1]})
    info = {"info": {"features": {"label": {"names": ["zero", "one"]}}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), tmp_path / "a.parquet")
    found = load_dataset(f"parquet:{tmp_path / 'a.parquet'}?shape=1x2")
    assert found.y.tolist() == ["zero", "one", "zero", "one"]
    assert "labels are the class names that the file declares" in found.notes


def test_decisions_are_of_no_more_rows_than_are_taken_and_blank_lines_are_none(tmp_path, monkeypatch):
    dataset = Dataset(np.arange(8, dtype=np.uint8).reshape(2, 4), np.array(["a", "b"]), (2, 2), "made")
    path = tmp_path / "doubts.csv"
    relabel.write_relabel(path, dataset, {}, decided=relabel.Relabelling({0: "b", 1: "a"}))
    path.write_text(path.read_text() + "\n  \n")
    assert relabel.read_relabel(path, dataset).labels == {0: "b", 1: "a"}
    monkeypatch.setattr(relabel, "MAX_CHANGES", 1)
    with pytest.raises(DataError, match="changes 2 rows; at most 1 are taken"):
        relabel.read_relabel(path, dataset)
    monkeypatch.setattr(csv, "reader", lambda *_, **__: Broken())
    with pytest.raises(DataError, match="line 3: broken; save the table as CSV again"):
        relabel.read_relabel(path, dataset)


class Broken(io.StringIO):
    """A reader of CSV that gives up on its third line."""

    line_num = 3

    def __next__(self):
        raise csv.Error("broken")


def entry_of(tmp_path):
    entry = cache.Entry.of("openml-made-1", tmp_path)
    dataset = Dataset(np.arange(8, dtype=np.uint8).reshape(2, 4), np.array(["a", "b"]), (2, 2), "made")
    with entry.locked():
        entry.store(dataset, {"url": "/made", "md5": None, "trust": "made"})
    return entry


def test_an_array_that_is_none_is_an_error_though_its_checksum_fits(tmp_path):
    entry = entry_of(tmp_path)
    meta = entry.meta()
    pixels = next(name for name in meta["sha256"] if "pixels" in name or "X" in name)
    (entry.folder / pixels).write_bytes(b"\x93NUMPY\x01\0\x10\0{'descr': 1+(((((")
    meta["sha256"][pixels] = cache.sha256_of(entry.folder / pixels)
    (entry.folder / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(DataError, match="cannot be read"):
        entry.load()


def test_what_cannot_be_removed_from_the_cache_is_named(tmp_path, monkeypatch):
    assert cache.Entry.of("openml-none-1", tmp_path).remove() == 0
    entry = entry_of(tmp_path)

    def unlink(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", unlink)
        with pytest.raises(OutputError, match=r"cannot remove .*meta\.json.*Permission denied; remove it by hand"):
            entry.remove()
    with monkeypatch.context() as patched:
        patched.setattr(cache, "_make_way", unlink)
        with pytest.raises(
            OutputError, match="cannot write to the cache"
        ):  # what cannot be locked is not blamed on a file
            entry.remove()
    assert entry.load().classes == ("a", "b"), "it is still whole"
    assert entry.remove() > 8
    assert not entry.folder.exists()


def test_a_file_that_cannot_be_read_has_no_checksum(tmp_path, monkeypatch):
    def digest(*_):
        raise OSError(5, "Input/output error")

    (tmp_path / "a").write_bytes(b"a")
    assert cache.sha256_of(tmp_path / "a") == hashlib.sha256(b"a").hexdigest()
    monkeypatch.setattr(hashlib, "file_digest", digest)
    assert cache.sha256_of(tmp_path / "a") == "none (Input/output error)"


def test_what_is_no_question_about_near_duplicates():
    rows = np.zeros((2, 4), np.uint8)
    rows[0, 0] = 9
    for wrong in ({"closest": 1.0}, {"closest": float("nan")}, {"shift": 4}, {"shift": -1}):
        with pytest.raises(ParameterError):
            near_duplicates(rows, rows, (2, 2), **wrong)
    for wrong in (rows[:, :3], rows[:0], rows.astype(float)):
        with pytest.raises(DataError, match="expected uint8 rows of 4 pixels"):
            near_duplicates(rows, wrong, (2, 2))
    assert near_duplicates(rows, rows, (2, 2)).n_equal == 2


def test_digits_of_the_package_that_cannot_be_read_are_said(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"the digits inside the package cannot be read .*; install inklens again"):
        read_sheet(tmp_path, "a.png", "a.txt")


def test_a_table_that_repeats_a_picture_more_often_than_it_has_bytes_for_is_refused(tmp_path, monkeypatch):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    Image.fromarray(np.eye(2, dtype=np.uint8)).save(file, "PNG")
    table = pa.table({"label": ["a", "b"] * 1000, "image": [{"bytes": file.getvalue()}] * 2000})
    pq.write_table(table, tmp_path / "a.parquet")
    assert len(load_dataset(f"parquet:{tmp_path / 'a.parquet'}")) == 2000
    monkeypatch.setattr(parquet, "MOST_FREE_PICTURES", 50)
    with pytest.raises(DataError, match="repeats its pictures; write each once"):
        load_dataset(f"parquet:{tmp_path / 'a.parquet'}")


def test_what_is_known_without_loading_is_of_named_data_only(tmp_path):
    assert registry.info("embedded").n_samples == 5000
    assert registry.info("openml:made@1", tmp_path).cached is False
    with pytest.raises(ParameterError, match="lies on this computer: load it and look at describe"):
        registry.info(f"folder:{tmp_path}")
    with pytest.raises(ParameterError, match=r"expected the smallest and largest value such as \?range=0:16, got '1'"):
        load_dataset("csv:a.csv?range=1")


def test_rows_in_both_halves_are_said_with_their_labels():
    assert str(Overlap(0, ())) == "no test image occurs among the training images"
    assert "2 test images also occur" in str(Overlap(2, (0, 1)))
    assert "1 of them with another label" in str(Overlap(2, (0, 1), 1))


def test_halves_and_classes_that_are_not_there():
    dataset = Dataset(np.arange(8, dtype=np.uint8).reshape(2, 4), np.array(["a", "b"]), (2, 2), "made")
    with pytest.raises(ParameterError, match="expected subset 'all', 'train' or 'test', got 'both'"):
        dataset.subset("both")
    with pytest.raises(ParameterError, match="has no training and test halves of its own"):
        dataset.own_split()


def test_answers_of_others_that_are_no_json_or_no_description_are_one_error(tmp_path, monkeypatch):
    """Scikit-learn's cache stands for the server: whatever lies in it is no better than what that may answer."""
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    found = {"did": 7, "version": 1}
    about = {"url": "https://openml.org/file/7", "md5_checksum": "0" * 32, "default_target_attribute": "y"}
    feature = {"name": "y", "is_ignore": "true", "is_row_identifier": "false"}

    def asked(found=found, about=about, feature=feature, plain=None):
        answers = {
            "list/data_name/made/limit/2/data_version/1": {"data": {"dataset": [found]}},
            "7": {"data_set_description": about},
            "features/7": {"data_features": {"feature": [feature]}},
        }
        for name, answer in answers.items():
            path = tmp_path / "openml/openml.org/api/v1/json/data" / f"{name}.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(plain or json.dumps(answer).encode())
        load_dataset("openml:made@1", offline=True, cache_dir=tmp_path / "cache")

    with pytest.raises(DownloadError, match=r"is not in the cache .* fetching was switched off"):
        asked()
    for plain in (b"[" * 100_000, b"{", b"\xff", b"3" * 5000, b'{"data": NaN}'):
        with pytest.raises(DownloadError, match="expected JSON; try again later"):
            asked(plain=plain)
    for wrong in (
        {"found": {"did": "x" * 9}},
        {"found": [1]},
        {"about": {**about, "url": 5}},
        {"about": {**about, "url": "http://["}},
        {"about": {**about, "md5_checksum": 5}},
        {"about": {**about, "default_target_attribute": None}},
        {"about": "none"},
        {"feature": {**feature, "name": 3}},
        {"feature": None},
    ):
        with pytest.raises(DownloadError, match="description of 'made' cannot be read"):
            asked(**wrong)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_a_pipe_in_a_cache_of_others_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    folder = tmp_path / "openml/openml.org/api/v1/json/data/list/data_name/made/limit/2/data_version"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "1.gz")
    with pytest.raises(DownloadError, match="fetching was switched off"):
        load_dataset("openml:made@1", offline=True, cache_dir=tmp_path / "cache")
