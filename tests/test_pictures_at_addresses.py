"""`inklens read --dask` of pictures that lie at addresses: the same rows as of the same files here."""

import zipfile
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime

import numpy as np
import pytest
from file_server import Whole, serving
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inklens import DigitReader, cluster, load_dataset
from inklens.errors import MissingPackageError, PhotoError
from inklens.photos.limits import MAX_FILE_BYTES
from inklens.tasks.bulk import addresses

fsspec = pytest.importorskip("fsspec")
parquet = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("distributed")

from inklens.tasks.bulk.pictures import Search  # noqa: E402
from inklens.tasks.bulk.run import read_into_table  # noqa: E402

SAID = ("size", "text", "digits", "accepted", "error_code")  # a web page that lists files does not tell their size
NAMES = ("a/0.png", "a/1.PNG", "b/deep/2.png")


@pytest.fixture
def scans(tmp_path):
    digits = load_dataset("embedded")
    folder = tmp_path / "scans"
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - digits.images(100 * number)).resize((56, 56)).save(folder / name)
    (folder / "a" / "cut.png").write_bytes((folder / NAMES[0]).read_bytes()[:100])
    (folder / "a" / ".hidden.png").write_bytes((folder / NAMES[0]).read_bytes())
    (folder / "notes.txt").write_text("no picture")
    return folder


@contextmanager
def in_memory(scans):
    files = fsspec.filesystem("memory")
    files.put(str(scans), "/scans", recursive=True)
    yield "memory://scans"
    files.rm("/scans", recursive=True)


@contextmanager
def zipped(scans):
    with zipfile.ZipFile(scans.parent / "scans.zip", "w") as archive:
        for path in scans.rglob("*"):
            archive.write(path, f"scans/{path.relative_to(scans)}")
    yield f"zip://scans::file://{scans.parent / 'scans.zip'}"


@contextmanager
def served(scans):
    pytest.importorskip("aiohttp")
    with serving(scans.parent, Whole) as address:
        yield f"{address}/scans/"


PLACES = {
    "file": lambda scans: nullcontext(f"file://{scans}"),
    "local": lambda scans: nullcontext(f"local://{scans}"),
    "memory": in_memory,
    "zip": zipped,
    "http": served,
}


@pytest.fixture(params=PLACES)
def place(request, scans):
    with PLACES[request.param](scans) as address:
        yield address


@pytest.fixture(scope="module")
def client():
    own = cluster.InProcess()
    yield own.client
    own.close()


@pytest.fixture
def begin(client, tmp_path):
    """Read pictures into a table, and return its rows."""
    reader = DigitReader(np.random.default_rng(0).normal(size=(10, 784)), np.zeros(10), tuple("0123456789"), (28, 28))

    def begin(*places, table="t.parquet", **others):
        options = {"reader": reader, "cluster": lambda: nullcontext(client), "size": 2, **others}
        result = read_into_table(places, table=tmp_path / table, **options)
        return result, parquet.read_table(tmp_path / table).to_pylist()

    return begin


def test_rows_are_those_of_the_same_files_here(begin, place, scans):
    _, here = begin(str(scans), table="here.parquet")
    result, there = begin(place, table="there.parquet")
    assert [row["path"].partition("::")[0].rpartition("scans/")[2] for row in there] == [
        *NAMES[:2],
        "a/cut.png",
        NAMES[2],
    ]
    told = ("text", "digits", "accepted", "error_code") if place.startswith("http") else SAID
    assert [[row[name] for name in told] for row in there] == [[row[name] for name in told] for row in here]
    assert result.outcomes.failed == 1
    again, _ = begin(place, table="there.parquet")
    assert (again.n_read, again.n_before) == (0, 4)


def test_a_picture_that_changes_is_read_again(begin, scans):
    with in_memory(scans) as place:
        begin(place)
        Image.new("L", (40, 40), 255).save(scans / NAMES[0])
        fsspec.filesystem("memory").put(str(scans / NAMES[0]), f"/scans/{NAMES[0]}")
        result, rows = begin(place)
    assert result.n_read == 1
    assert (len(rows), rows[0]["accepted"]) == (4, False)


def test_files_and_patterns_are_named_by_address(scans):
    with in_memory(scans) as place:
        assert [found.path for found in Search([f"{place}/a/0.png"])] == [f"memory:///scans/{NAMES[0]}"]
        assert {found.path for found in Search([f"{place}/a/?.png"])} == {f"memory:///scans/{NAMES[0]}"}
        for nothing in (f"{place}/none.png", f"{place}/none*.png"):
            with pytest.raises(PhotoError, match="none"):
                list(Search([nothing]))


def test_a_name_on_a_list_that_is_not_there_is_a_row(begin, scans):
    with in_memory(scans) as place:
        result, rows = begin(named=[f"{place}/a/0.png", f"{place}/none.png"])
    assert result.outcomes.total == 2
    assert {row["error_code"] for row in rows} == {None, "missing"}


def test_a_file_as_large_as_no_picture_is_not_fetched_whole(monkeypatch):
    asked = []
    monkeypatch.setattr(addresses, "read_bytes", lambda name, first, last: asked.append((first, last)) or b"")
    assert addresses.content_of("memory://large.png") == b""
    assert asked == [(0, MAX_FILE_BYTES + 1)]
    assert addresses.content_of("large.png") is None


def test_what_cannot_be_opened_is_said(monkeypatch):
    with pytest.raises(PhotoError, match="nosuch://scans"):
        list(Search(["nosuch://scans"]))

    def lacks(address):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(addresses, "file_system", lacks)
    with pytest.raises(MissingPackageError, match=r"s3://bucket.*Install s3fs"):
        list(Search(["s3://bucket/scans"]))


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_times_are_the_same_in_every_form(when):
    told = [{"mtime": when.timestamp()}, {"LastModified": when}, {"updated": when.isoformat()}]
    found = [addresses._modified(info) for info in told]
    assert len(set(found)) == 1
    assert abs(found[0] - when.timestamp() * 1e9) < 1e3


def test_folders_that_cannot_be_looked_into_are_noted(scans, monkeypatch):
    with in_memory(scans) as place:
        files = type(fsspec.filesystem("memory"))
        listed = files.ls

        def refused(self, path, detail=True, **others):
            if path.rstrip("/").endswith("/b"):
                raise PermissionError("not yours")
            return listed(self, path, detail=detail, **others)

        search = Search([place])
        with monkeypatch.context() as patched:
            patched.setattr(files, "ls", refused)
            assert len(list(search)) == 3
        assert search.notes == ["the folder 'memory:///scans/b' was skipped: not yours"]
