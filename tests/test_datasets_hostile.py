"""Hostile and damaged files: parsed or one DataError, never anything else, and never much memory."""

import gzip
import io
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from datasets_makers import MAKERS, idx_bytes, make_folder, make_idx, sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from inklens.datasets import available, load_dataset, unpack
from inklens.datasets.openml.arff import parse_arff
from inklens.datasets.sources import folder
from inklens.datasets.sources.folder import Stack
from inklens.datasets.sources.idx import read_idx
from inklens.datasets.sources.tables import decode_text, read_rows
from inklens.datasets.unpack import read_file
from inklens.errors import DataError, InklensError

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = st.integers(0, 2**32 - 1) | st.integers(0, 40)


def load_or_data_error(spec):
    """Load; only a DataError may come out, and what comes out is a sound Dataset."""
    try:
        dataset = load_dataset(spec)
    except DataError:
        return
    assert dataset.X.shape == (len(dataset.y), np.prod(dataset.image_shape))


@FUZZ
@given(
    magic=st.binary(min_size=0, max_size=4) | st.just(b"\0\0\x08\x03") | st.just(b"\0\0\x0d\x02"),
    sizes=st.lists(SIZES, max_size=5),
    body=st.binary(max_size=200),
    packed=st.booleans(),
)
def test_any_idx_is_read_or_refused(tmp_path, magic, sizes, body, packed):
    data = magic + struct.pack(f">{len(sizes)}I", *sizes) + body
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(data) if packed else data)
    try:
        array = read_idx(path)
    except DataError:
        return
    assert data == magic[:4] + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda b: b"\1\0" + b[2:], "magic"),
        (lambda b: b[:2] + b"\x07" + b[3:], "type 0x07"),
        (lambda b: b[:3] + b"\x09" + b[4:], "rank 9"),
        (lambda b: b[:3] + b"\x02" + b[4:], "left over"),
        (lambda b: b[:4] + b"\x80\0\0\0" + b[8:], "sizes"),
        (lambda b: b[:-1], "cut off"),
        (lambda b: b + b"\0", "left over"),
        (lambda b: b[:9], "within its 3 sizes"),
        (lambda b: idx_bytes(np.zeros((149, 28, 28), np.uint8)), "149 images .* 150 labels"),
        (lambda b: idx_bytes(np.zeros((150, 20, 28), np.uint8)), "differ in size"),
        (lambda b: idx_bytes(np.zeros((150, 28), np.uint8)), "rank 2"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_idx_errors_name_the_field(tmp_path, change, field, packed):
    make_idx(tmp_path, packed=False)
    path = tmp_path / "train-images-idx3-ubyte"
    data = change(path.read_bytes())
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(DataError, match=field):
        load_dataset(f"idx:{tmp_path}")


@pytest.mark.parametrize("cut", [1, 30, 2000])
def test_cut_off_gzip_is_refused(tmp_path, cut):
    make_idx(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match="cut off"):
        load_dataset(f"idx:{tmp_path}")


def test_one_half_of_idx_is_used_and_said(tmp_path):
    make_idx(tmp_path)
    for path in tmp_path.glob("t10k*"):
        path.unlink()
    dataset = load_dataset(f"idx:{tmp_path}")
    assert len(dataset) == 150
    assert any("test half is missing" in note for note in dataset.notes)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="one file of images and one of labels"):
        load_dataset(f"idx:{tmp_path}")


def test_emnist_files_are_turned(tmp_path):
    make_idx(tmp_path, packed=False)
    for path in list(tmp_path.iterdir()):
        half, _, rest = path.name.partition("-")
        path.rename(tmp_path / f"emnist-digits-{'test' if half == 't10k' else half}-{rest}")
    X, _ = sample()
    turned = X.reshape(-1, 28, 28).transpose(0, 2, 1).reshape(len(X), -1)
    dataset = load_dataset(f"idx:{tmp_path}")
    np.testing.assert_array_equal(dataset.X, turned)
    assert any("exchanged" in note for note in dataset.notes)
    np.testing.assert_array_equal(load_dataset(f"idx:{tmp_path}?transpose=no").X, X)


@FUZZ
@given(st.binary(max_size=300) | st.text(alphabet='0123456789.,;\t"\n\rae-\0\ufeff', max_size=300).map(str.encode))
def test_any_csv_is_read_or_refused(tmp_path, data):
    (tmp_path / "x.csv").write_bytes(data)
    load_or_data_error(f"csv:{tmp_path / 'x.csv'}")


@FUZZ
@given(
    rows=st.lists(st.lists(st.text(alphabet='a1,"\n \r', max_size=5), min_size=1, max_size=4), max_size=5),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_quoted_csv_reads_back(rows, newline):
    rows = [["x", *row] for row in rows]
    text = "".join(",".join('"' + f.replace('"', '""') + '"' for f in row) + newline for row in rows)
    assert read_rows(text) == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_csv_encodings(encoding):
    assert decode_text("label,é\n".encode(encoding), name="x") == "label,é\n"


def write_csv(path, header, rows, *, sep=",", end="\n"):
    lines = ([header] if header else []) + [sep.join(map(str, row)) for row in rows]
    path.write_text(end.join(lines) + end)
    return f"csv:{path}"


@pytest.mark.parametrize("sep", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("where", ["first", "last", "named", "text", "indexed"])
def test_column_of_labels_is_found_and_said(tmp_path, sep, end, where):
    X, y = sample()
    pixel_names = [f"p{i}" for i in range(784)]
    layouts = {
        "first": (None, [[label, *x] for x, label in zip(X.tolist(), y, strict=True)]),
        "last": (None, [[*x, label] for x, label in zip(X.tolist(), y, strict=True)]),
        "named": (
            sep.join(["p", "Class", *pixel_names[1:]]),
            [[x[0], label, *x[1:]] for x, label in zip(X.tolist(), y, strict=True)],
        ),
        "text": (None, [[f"digit {label}", *x] for x, label in zip(X.tolist(), y, strict=True)]),
        "indexed": (
            sep.join(["", "label", *map(str, range(784))]),
            [[i, label, *x] for i, (x, label) in enumerate(zip(X.tolist(), y, strict=True))],
        ),
    }
    dataset = load_dataset(write_csv(tmp_path / "a.csv", *layouts[where], sep=sep, end=end))
    np.testing.assert_array_equal(dataset.X, X)
    assert [label.removeprefix("digit ") for label in dataset.y] == y.tolist()
    assert "labels from" in " ".join(dataset.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("label,a,b,c,d\n", "no rows"),
        ("1\n2\n", "1 columns"),
        ("label,a,b,c,d\n1,2,3,4,5\n1,2,3\n", "row 2"),
        ("label,a,b,c,d\n1,2,3,4,5\n1,2,x,4,5\n", "row 3, column 3 is 'x'"),
        ("label,a,b,c,d\n1,2,3,4,5\n1,2,nan,4,5\n", "pixel 2 of row 2"),
        ("label,a,b,c,d\n1,2,3,4,5\n,2,3,4,5\n", "no usable label.*row 2"),
        ("label,a,b,c\n1,2,3,4\n", "no square"),
        ("0,0,0,0,0\n0,0,0,0,0\n", "which column"),
        ("label,a\0,b,c,d\n1,2,3,4,5\n", "NUL"),
        ('label,a,b,c,d\n"' + "x" * 200_000 + '",1,2,3,4\n', "field"),
    ],
)
def test_unusable_csv_says_why(tmp_path, text, words):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        load_dataset(f"csv:{tmp_path / 'a.csv'}")


def test_wide_csv(tmp_path):
    rows = [[i % 2, *([i] * 100_000)] for i in range(4)]
    dataset = load_dataset(write_csv(tmp_path / "a.csv", None, rows) + "?label=first&shape=250x400")
    assert dataset.image_shape == (250, 400)
    load_or_data_error(f"csv:{tmp_path / 'a.csv'}")


@FUZZ
@given(data=st.data())
def test_any_damaged_npz_is_read_or_refused(tmp_path, data):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, X=sample()[0][:3], y=np.arange(3))
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    (tmp_path / "a.npz").write_bytes(content)
    load_or_data_error(f"npz:{tmp_path / 'a.npz'}")


class Malicious:
    def __reduce__(self):
        return os.abort, ()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"X": np.zeros((2, 4)), "y": np.array([Malicious(), 1])}, "pickled"),
        ({"X": np.zeros((2, 4))}, "expected arrays"),
        ({"X": np.zeros((2, 4)), "y": np.zeros(3)}, "do not belong together"),
        ({"X": np.zeros((2, 5)), "y": np.zeros(2)}, "no square"),
        ({"X": np.zeros((0, 4)), "y": np.zeros(0)}, "at least one"),
        ({"X": np.zeros((2, 2, 2, 3)), "y": np.zeros(2)}, "grey images"),
        ({"X": np.zeros((2, 4), complex), "y": np.zeros(2)}, "type complex"),
        ({"X": np.array([["a", "b"]]), "y": np.zeros(1)}, "expected numbers"),
        ({"x_train": np.eye(4), "y_train": [0, 1, 0, 1], "x_test": np.eye(9), "y_test": [0] * 9}, "differ in shape"),
        ({f"a{k}": np.zeros(1) for k in range(1001)}, "1001 members"),
        ({"X": np.eye(4), "y": np.ones((4, 2))}, "one label per image"),
    ],
)
def test_unusable_npz_says_why(tmp_path, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=words):
        load_dataset(f"npz:{tmp_path / 'a.npz'}")


def peak_kibibytes_after_refusing(*specs):
    """Return the most memory that a process of its own had resident while it refused all these data.

    VmHWM, not ru_maxrss: the latter also counts what the process was forked from.
    """
    code = (
        "import sys; from inklens.datasets import load_dataset; from inklens.errors import DataError\n"
        "for spec in sys.argv[1:]:\n"
        "    try: load_dataset(spec)\n"
        "    except DataError as error: print(error, file=sys.stderr)\n"
        "    else: raise SystemExit('loaded')\n"
        "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc to measure with")
    done = subprocess.run([sys.executable, "-c", code, *specs], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.slow
def test_bombs_stop_within_little_memory(tmp_path):
    """A gzip and an archive of 250 MB of zeros, read in a process of their own: under 300 MB (resident)."""
    with gzip.open(tmp_path / "bomb.csv.gz", "wb") as file:
        for _ in range(250):
            file.write(bytes(1 << 20))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (250 << 10, 1024)})
    with (
        zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("X.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        for _ in range(250):
            member.write(bytes(1 << 20))
    with zipfile.ZipFile(tmp_path / "bomb.npz", "a") as archive:
        archive.writestr("y.npy", b"")
    assert peak_kibibytes_after_refusing(f"csv:{tmp_path / 'bomb.csv.gz'}", f"npz:{tmp_path / 'bomb.npz'}") < 300 << 10


def test_only_what_bursts_is_refused_by_its_ratio(monkeypatch):
    monkeypatch.setattr(unpack, "BURST_BYTES", 1 << 16)
    noise = np.random.default_rng(0).bytes(1 << 20)
    sparse = b"".join(noise[i : i + 1] + bytes(99) for i in range(10_000))  # some 60 times, as drawings may be

    def read(*members):
        data = b"".join(gzip.compress(member) for member in members)
        return b"".join(unpack.unpacked(io.BytesIO(data), limit=1 << 30, name="x.gz"))

    for honest in ((noise,), (sparse,), (noise, sparse), (bytes(1 << 16),)):
        assert read(*honest) == b"".join(honest)
    for bomb in ((bytes(1 << 20),), (sparse, bytes(1 << 24))):
        with pytest.raises(DataError, match="over 200 times"):
            read(*bomb)


def test_idx_never_allocates_more_than_it_holds(tmp_path):
    """A header that promises 2^31 x 28 x 28 bytes costs no more than one that promises a little too much."""
    make_idx(tmp_path, packed=False)
    path = tmp_path / "train-images-idx3-ubyte"
    peaks = []
    for n_images in (2, 2**31):
        path.write_bytes(b"\0\0\x08\x03" + struct.pack(">3I", n_images, 28, 28) + bytes(1000))
        peaks.append(peak_kibibytes_after_refusing(f"idx:{tmp_path}"))
    assert peaks[1] < peaks[0] + 1024


def test_folder_survives_everything_that_may_lie_in_it(tmp_path):
    spec = make_folder(tmp_path)
    root = tmp_path / "pictures"
    secret = tmp_path / "secret.png"
    Image.fromarray(sample()[0][0].reshape(28, 28)).save(secret)
    (root / "0" / ".DS_Store").write_bytes(b"x")
    (root / "0" / "Thumbs.db").write_bytes(b"x")
    (root / "0" / "notes.txt").write_text("x")
    (root / "0" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    (root / "0" / "empty.png").write_bytes(b"")
    (root / "0" / "out.png").symlink_to(secret)
    (root / "0" / "loop.png").symlink_to(root / "0" / "loop.png")
    (root / "0" / "self").symlink_to(root)
    (root / "loop").symlink_to(root)
    (root / "void").mkdir()
    os.mkfifo(root / "0" / "pipe.png")
    (root / "0" / "zero.png").symlink_to("/dev/zero")
    odd = root / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    secret.rename(odd / os.fsdecode(b"\xff.png"))
    secret.write_bytes(b"not to be read")
    dataset = load_dataset(spec)
    assert len(dataset) == len(sample()[0]) + 1
    assert dataset.counts["caf\\xe9"] == 1
    notes = " ".join(dataset.notes)
    for words in (
        "bad.png",
        "empty.png",
        "out.png",
        "leads out",
        "pipe.png",
        "not a regular file",
        "zero.png",
        "'void'",
    ):
        assert words in notes
    assert ".DS_Store" not in notes
    for i in range(20):
        (root / "1" / f"bad{i}.png").write_bytes(b"no")
    with pytest.raises(DataError, match=r"26 of 2\d\d pictures"):
        load_dataset(spec)


def test_folder_of_different_sizes_follows_one_rule(tmp_path):
    (tmp_path / "a").mkdir()
    for name, shape in (("wide", (20, 40)), ("tall", (60, 30))):
        ink = np.full(shape, 255, np.uint8)
        ink[5:-5, 5:-5] = 0
        Image.fromarray(ink).save(tmp_path / "a" / f"{name}.png")
    dataset = load_dataset(f"folder:{tmp_path}")
    assert dataset.image_shape == (28, 28)
    notes = " ".join(dataset.notes)
    assert "2 different sizes were fitted into 28x28" in notes
    assert "inverted" in notes
    tall, wide = dataset.images()
    assert tall[:, 0].max() == wide[0].max() == 0
    assert load_dataset(f"folder:{tmp_path}?shape=10x12").image_shape == (10, 12)


@pytest.mark.parametrize("shape", [(10, 20), (20, 10), (9, 9), (200, 120)])
def test_a_picture_of_another_size_is_centred_on_the_colour_of_its_border(tmp_path, shape):
    picture = np.full(shape, 40, np.uint8)
    picture[1:-1, 1:-1] = 250
    for name, array in (("a", picture), ("b", np.zeros((5, 5), np.uint8))):
        (tmp_path / name).mkdir()
        Image.fromarray(array).save(tmp_path / name / "1.png")
    image = load_dataset(f"folder:{tmp_path}?invert=no").images(0)
    assert image[0, 0] == image[-1, -1] == 40
    for axis in (0, 1):
        inked = np.flatnonzero((image > 45).any(axis=axis))
        assert abs(inked[0] - (27 - inked[-1])) <= 1


def test_only_a_column_that_counts_is_an_index(tmp_path):
    X, y = sample()
    for numbers, n_left_out in ((range(50), 1), (range(1, 51), 1), (range(0, 100, 2), 0), (range(5, 55), 0)):
        with (tmp_path / "a.csv").open("w") as file:
            file.write("id,label," + ",".join(f"p{i}" for i in range(784 - 1 + n_left_out)) + "\n")
            for number, label, row in zip(numbers, y, X.tolist(), strict=False):
                file.write(f"{number},{label},{','.join(map(str, row[: 783 + n_left_out]))}\n")
        dataset = load_dataset(f"csv:{tmp_path / 'a.csv'}")
        assert any("left out" in note for note in dataset.notes) == bool(n_left_out)
        assert dataset.image_shape == (28, 28)


def test_folder_with_halves(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "both" / "test").mkdir(parents=True)
    (tmp_path / "pictures" / "9").rename(tmp_path / "both" / "test" / "9")
    (tmp_path / "pictures").rename(tmp_path / "both" / "train")
    counts = load_dataset(f"folder:{tmp_path / 'both'}", subset="test").counts
    assert counts == {"9": 20}


def test_deep_transparent_and_coloured_pictures(tmp_path):
    (tmp_path / "a").mkdir()
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "a" / "0.png")
    Image.fromarray(np.stack([grey] * 3, axis=2)).save(tmp_path / "a" / "1.png")
    alpha = np.dstack([np.zeros((16, 16, 3), np.uint8), 255 - grey])
    Image.fromarray(alpha).save(tmp_path / "a" / "2.png")
    images = load_dataset(f"folder:{tmp_path}?invert=no").images()
    for image in images:
        np.testing.assert_allclose(image.astype(int), grey, atol=1)


def test_any_damaged_parquet_is_read_or_refused(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    spec = MAKERS["parquet"](tmp_path, monkeypatch)
    path = tmp_path / "a.parquet"
    good = path.read_bytes()
    random = np.random.RandomState(0)
    for _ in range(60):
        content = bytearray(good)
        tail = len(content) - 1500  # the metadata lie at the end
        for place in random.randint(tail if random.rand() < 0.7 else 0, len(content), 3):
            content[place] = random.randint(256)
        path.write_bytes(
            content[: random.randint(len(content) // 2, len(content) + 1)] if random.rand() < 0.3 else content
        )
        load_or_data_error(spec)


def test_parquet_columns_nulls_and_names(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    X, y = sample()
    columns = {f"p{i}": X[:, i] for i in range(784)}
    pq.write_table(pa.table({**columns, "label": y}), path)
    np.testing.assert_array_equal(load_dataset(f"parquet:{path}").X, X)
    pq.write_table(pa.table({"image": X.reshape(-1, 784).tolist(), "kind": y}), path)
    np.testing.assert_array_equal(load_dataset(f"parquet:{path}?label=kind").X, X)
    with pytest.raises(DataError, match=r"\?label=NAME"):
        load_dataset(f"parquet:{path}")
    pq.write_table(pa.table({"image": X[:2].tolist(), "label": pa.array(["a", None])}), path)
    with pytest.raises(DataError, match=r"no value in column 'label': row 2"):
        load_dataset(f"parquet:{path}")


def test_plain_file_over_the_limit_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(bytes(100))
    with pytest.raises(DataError, match="at most 99"):
        read_file(tmp_path / "a", limit=99)


def of_parquet(path, **columns):
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    parquet.write_table(pyarrow.table(columns), path, compression="zstd")
    return f"parquet:{path}"


@pytest.mark.slow
def test_tables_that_decode_to_far_more_than_they_say_are_refused_before_they_are_held(tmp_path):
    """By columns, by lists, by texts, by pictures: each tiny, each far over what may be held once decoded."""
    pyarrow = pytest.importorskip("pyarrow")
    zeros = np.zeros(1_000_000, np.int64)
    picture = io.BytesIO()
    Image.fromarray(np.zeros((500, 500), np.uint8)).save(picture, "PNG")
    ends, values = np.arange(0, 3_000_001, 1_000_000, dtype=np.int32), np.zeros(3_000_000)
    lists = pyarrow.ListArray.from_arrays(pyarrow.array(ends), pyarrow.array(values))
    specs = [
        of_parquet(tmp_path / "a.parquet", label=zeros, **{f"p{i}": zeros for i in range(50)}),
        of_parquet(tmp_path / "b.parquet", label=[0] * 30, image=pyarrow.concat_arrays([lists] * 10)),
        of_parquet(tmp_path / "c.parquet", label=["x" * 200_000] * 2500, p=np.zeros(2500)),
        of_parquet(tmp_path / "d.parquet", label=[1] * 5000, image=[{"bytes": picture.getvalue()}] * 5000),
    ]
    assert peak_kibibytes_after_refusing(*specs) < 300 << 10


def test_text_that_decodes_to_far_more_than_it_says_is_refused(tmp_path):
    with gzip.open(tmp_path / "a.csv.gz", "wb") as file:
        for _ in range(40):
            file.write(b'"1","00","00"\n' * 100_000)
    assert peak_kibibytes_after_refusing(f"csv:{tmp_path / 'a.csv.gz'}") < 300 << 10
    names = b"".join(b"@attribute p%d numeric\n" % i for i in range(784))
    sparse = b"@relation x\n" + names + b"@attribute class {0,1}\n@data\n" + b"{}\n" * 200_000
    with pytest.raises(DataError, match="at most 20 times"):
        parse_arff(sparse, target="class", where="x")


def test_large_pictures_are_not_held_as_they_are(tmp_path):
    stack = Stack(None)
    for side in (4000, 128, 2000):
        stack.add(np.zeros((side, side), np.uint8))
    assert sum(picture.nbytes for picture in stack.pictures) < 20_000
    images, (note,) = stack.result()
    assert images.shape == (3, 28, 28)
    assert "3 different sizes" in note


@pytest.mark.parametrize("type_name", ["int64", "uint8", "float64", "int16", "bool"])
def test_parquet_in_batches_is_the_whole_table(tmp_path, monkeypatch, type_name):
    pytest.importorskip("pyarrow")
    from inklens.datasets.sources import parquet

    monkeypatch.setattr(parquet, "VALUES_AT_A_TIME", 12)
    monkeypatch.setattr(parquet, "NESTED_ROWS", 2)
    pixels = (np.random.default_rng(0).integers(0, 256, (9, 4)) > 99).astype(type_name)
    labels = ["a", "b", "a"] * 3
    wide = of_parquet(tmp_path / "a.parquet", label=labels, **{f"p{i}": pixels[:, i] for i in range(4)})
    nested = of_parquet(tmp_path / "b.parquet", label=labels, image=[list(row) for row in pixels])
    for spec in (wide, nested):
        found = load_dataset(spec + "?range=0:1&invert=no")
        assert np.array_equal(found.X, pixels.astype(np.uint8) * 255)
        assert found.y.tolist() == labels


@pytest.mark.parametrize("column", [0, 2, 4])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", [True, False])
def test_labels_are_text_as_written(tmp_path, column, end, header):
    labels = ["007", "7", "99999999999999999999", "99999999999999999998", "-1", "+1", "1e3", " 12 "]
    rows = [[str(i), "0", "9", "255"] for i in range(len(labels))]
    for row, label in zip(rows, labels, strict=True):
        row.insert(column, label)
    names = ["a", "b", "c", "d"]
    names.insert(column, "label")
    lines = [*([",".join(names)] if header else []), *(",".join(row) for row in rows)]
    (tmp_path / "a.csv").write_text(end.join(lines) + end, newline="")
    found = load_dataset(f"csv:{tmp_path / 'a.csv'}?label={column + 1}")
    assert found.y.tolist() == [label.strip() for label in labels]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_labels_that_a_float_cannot_tell_apart_are_refused(tmp_path, dtype):
    exact = 2.0 ** (np.finfo(dtype).nmant + 1)
    for labels, words in (
        ([1.0, exact - 1], None),
        ([1.0, exact], "no usable label.*row 2"),  # may have been written as exact + 1
        ([1.0, 2 * exact if dtype != np.float16 else 4096], "no usable label.*row 2"),
    ):
        np.savez(tmp_path / "a.npz", X=np.eye(2, 4), y=np.array(labels, dtype))
        if words is None:
            assert load_dataset(f"npz:{tmp_path / 'a.npz'}").y.tolist() == ["1", str(int(exact) - 1)]
        else:
            with pytest.raises(DataError, match=words):
                load_dataset(f"npz:{tmp_path / 'a.npz'}")


def test_two_columns_of_labels_are_not_merged(tmp_path):
    (tmp_path / "a.csv").write_text("label,Label,a,b,c,d\n1,2,0,0,0,9\n2,1,0,9,0,0\n")
    for spec in ("", "?label=label"):
        with pytest.raises(DataError, match=r"columns '[lL]abel'"):
            load_dataset(f"csv:{tmp_path / 'a.csv'}{spec}")


@pytest.mark.parametrize(
    "name", ["~t.csv", "~nosuchuser.csv", " t.csv", "t.csv ", "t.csv\n", "a?b=c.csv", "a:b.csv", "mnist.csv"]
)
def test_any_name_that_the_system_takes(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("label,a,b,c,d\n1,0,0,0,9\n2,0,9,0,0\n")
    for spec in (f"csv:{name}", f"csv:{tmp_path / name}", f"csv:{name}?label=label"):
        assert load_dataset(spec).y.tolist() == ["1", "2"]
    if name.endswith(".csv"):
        assert load_dataset(str(tmp_path / name)).y.tolist() == ["1", "2"]


@pytest.mark.parametrize("kind", ["csv", "npz", "parquet", "idx", "folder"])
@pytest.mark.parametrize("place", ["~nosuchuser/t", "a\0b", "x" * 5000, " "])
def test_paths_that_lead_nowhere_are_the_one_error(kind, place):
    with pytest.raises(InklensError):
        load_dataset(f"{kind}:{place}")


def test_a_cache_in_nobodys_home_is_a_path(monkeypatch):
    monkeypatch.setenv("INKLENS_CACHE", "~nosuchuser/x")
    assert available()


@pytest.mark.parametrize("honest", [True, False], ids=["photos", "blank"])
def test_a_folder_that_decodes_to_far_more_than_its_files_is_refused(tmp_path, monkeypatch, honest):
    monkeypatch.setattr(folder, "MAX_TOTAL_PIXELS", 100_000)
    rng = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / label).mkdir()
        for k in range(4):
            picture = rng.integers(0, 256, (200, 200)) if honest else np.full((200, 200), k)
            Image.fromarray(picture.astype(np.uint8)).save(tmp_path / label / f"{k}.png")
    if honest:
        assert len(load_dataset(f"folder:{tmp_path}")) == 8
    else:
        with pytest.raises(DataError, match="pixels together, and over 100 for each byte"):
            load_dataset(f"folder:{tmp_path}")
