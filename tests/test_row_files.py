"""Files of rows, here and at addresses that fsspec opens: heads tell the size, and only what is asked for is read."""

import gzip
import struct
import zipfile
from contextlib import ExitStack
from functools import partial

import numpy as np
import pytest
from file_server import Whole, WithRanges, serving

from inklens import SoftmaxRegression, cluster
from inklens.errors import DataError, MissingPackageError
from inklens.linear.rows.remote import files
from inklens.linear.rows.remote.files import open_rows, read_rows
from inklens.linear.rows.remote.sources import plan
from inklens.linear.rows.rows import Rows

fsspec = pytest.importorskip("fsspec")
pd = pytest.importorskip("pandas")
pytest.importorskip("distributed")

N, P = 600, 6
X = np.random.default_rng(0).integers(0, 256, (N, P)).astype(np.uint8)
Y = (X[:, 0] > X[:, 1]).astype(np.int32)


def write_idx(path, values):
    path.write_bytes(struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes())


def write_gzip(path, values):
    write_idx(path, values)
    path.write_bytes(gzip.compress(path.read_bytes()))


def write_parquet(path, values):
    pd.DataFrame(values, columns=[f"x{j}" for j in range(values.shape[1])]).to_parquet(path, row_group_size=100)


def write_zarr(path, values):
    zarr = pytest.importorskip("zarr")
    zarr.create_array(str(path), data=values, chunks=(100, values.shape[1]))


WRITERS = {
    "rows.npy": np.save,
    "rows.idx": write_idx,
    "rows-ubyte.gz": write_gzip,
    "rows.parquet": write_parquet,
    "rows.zarr": write_zarr,
}


@pytest.fixture
def served(tmp_path):
    """Return the address of the folder on a server of this process, with or without ranges."""
    pytest.importorskip("aiohttp")
    with ExitStack() as servers:
        yield lambda handler: servers.enter_context(serving(tmp_path, handler))


@pytest.fixture(params=["path", "file://", "local://", "memory://", "zip://", "http://", "http:// without ranges"])
def at(request, tmp_path, served):
    """Return how a file of the folder is named there."""
    match request.param:
        case "path":
            return lambda name: str(tmp_path / name)
        case "file://" | "local://":
            return lambda name: f"{request.param}{tmp_path / name}"
        case "memory://":
            return partial(in_memory, tmp_path)
        case "zip://":
            return partial(zipped, tmp_path)
        case "http://":
            address = served(WithRanges)
        case _:
            address = served(Whole)
    return lambda name: f"{address}/{name}?key=1"


def in_memory(folder, name):
    fsspec.filesystem("memory").put(str(folder / name), f"/{name}", recursive=True)
    return f"memory://{name}"


def zipped(folder, name):
    path = folder / f"{name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(folder / name, name)
    return f"zip://{name}::file://{path}"


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "rows.zarr"])
def test_any_run_of_rows_is_read_from_anywhere(name, at, tmp_path):
    WRITERS[name](tmp_path / name, X)
    rows = open_rows(at(name))
    assert len(rows) == N
    for first, last in ((0, N), (0, 1), (N - 1, N), (95, 301), (100, 200), (7, 7)):
        np.testing.assert_array_equal(rows[first:last], X[first:last])


@pytest.mark.parametrize("place", ["", "file://", "memory://", "http://"])
def test_zarr_is_read_from_anywhere(place, tmp_path, served):
    write_zarr(tmp_path / "rows.zarr", X)
    if place == "http://":
        address = f"{served(WithRanges)}/rows.zarr"
    elif place == "memory://":
        address = in_memory(tmp_path, "rows.zarr")
    else:
        address = f"{place}{tmp_path / 'rows.zarr'}"
    rows = open_rows(address)
    assert len(rows) == N
    np.testing.assert_array_equal(rows[95:301], X[95:301])
    zarr = pytest.importorskip("zarr")
    zarr.create_group(str(tmp_path / "group.zarr"))
    with pytest.raises(DataError, match=r"group\.zarr.*name one of its arrays"):
        open_rows(str(tmp_path / "group.zarr"))


def test_labels_are_read_too(at, tmp_path):
    np.save(tmp_path / "y.npy", Y)
    np.testing.assert_array_equal(read_rows(at("y.npy")), Y)
    write_idx(tmp_path / "y.idx", Y.astype(np.uint8))
    np.testing.assert_array_equal(read_rows(at("y.idx")), Y)


def test_arrays_by_columns_are_read_whole(at, tmp_path):
    np.save(tmp_path / "rows.npy", np.asfortranarray(X))
    np.testing.assert_array_equal(open_rows(at("rows.npy"))[95:301], X[95:301])


@pytest.fixture(scope="module")
def inside():
    """A cluster of this process alone."""
    own = cluster.InProcess()
    with own.client.as_current():
        yield own.client
    own.close()


def test_a_fit_reads_addresses_of_several_kinds(inside, at, tmp_path):
    names = ["rows.npy", "rows.idx", "rows-ubyte.gz", "rows.parquet"]
    for number, name in enumerate(names):
        WRITERS[name](tmp_path / name, X[number::4])
    np.save(tmp_path / "y.npy", np.concatenate([Y[number::4] for number in range(4)]))
    addresses = [at(name) for name in names[:1]] + [str(tmp_path / name) for name in names[1:3]] + [at(names[3])]
    there = SoftmaxRegression(C=1e-3, tol=1e-8).fit(addresses, [at("y.npy")])
    here = SoftmaxRegression(C=1e-3, tol=1e-8).fit(X, Y)
    np.testing.assert_allclose(there.coef_, here.coef_, atol=1e-4 * np.abs(here.coef_).max())
    np.testing.assert_array_equal(there.predict(addresses).compute()[: N // 4], there.predict(X[::4]))


@pytest.mark.parametrize("name", ["rows.npy", "rows.idx"])
def test_the_driver_reads_heads_alone(name, served, tmp_path):
    """A plan of 20,000 rows of 784 takes some kilobytes; each shard, its own rows."""
    large = np.zeros((20_000, 784), dtype=np.uint8)
    large[:, 0] = np.arange(20_000) % 251
    WRITERS[name](tmp_path / name, large)
    total = (tmp_path / name).stat().st_size
    address = f"{served(WithRanges)}/{name}"
    WithRanges.sent = 0
    cuts = plan([address]).cuts
    assert WithRanges.sent < 100_000
    WithRanges.sent = 0
    first = cuts[0].source.rows([])
    assert isinstance(first, Rows)
    assert WithRanges.sent < 1.1 * total / len(cuts) + 10_000


@pytest.mark.parametrize("name", ["rows.npy", "rows.idx", "rows-ubyte.gz", "rows.parquet"])
@pytest.mark.parametrize("place", ["path", "memory"])
def test_a_file_that_was_cut_off_is_said(name, place, tmp_path):
    path = tmp_path / name
    WRITERS[name](path, X)
    path.write_bytes(path.read_bytes()[:-50])
    address = str(path) if place == "path" else in_memory(tmp_path, name)
    with pytest.raises(DataError, match=name):
        read_rows(address)


def test_what_is_no_file_of_rows_is_said(tmp_path, served):
    (tmp_path / "other-ubyte").write_bytes(b"not one")
    with pytest.raises(DataError, match=r"other-ubyte.*IDX"):
        open_rows(str(tmp_path / "other-ubyte"))
    for missing in (str(tmp_path / "no.npy"), "memory://no.npy", "nosuch://no.npy"):
        with pytest.raises(DataError, match=r"no\.npy"):
            open_rows(missing)
    address = served(Whole)
    with pytest.raises(DataError, match=r"no\.npy"):
        open_rows(f"{address}/no.npy")


def test_a_package_that_an_address_needs_is_named(monkeypatch):
    def lacks(path):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(files, "read_bytes", lambda path, *ends: lacks(path))
    with pytest.raises(MissingPackageError, match=r"s3://bucket/rows\.npy.*Install s3fs"):
        open_rows("s3://bucket/rows.npy")
