"""NumPy archives: ``X, y``, ``images, labels`` or Keras' ``x_train, y_train, x_test, y_test``. Nothing is unpickled."""

import io
import zipfile
import zlib
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from inklens.datasets.dataset import Dataset
from inklens.datasets.options import LoadOptions
from inklens.datasets.sources.source import RawImages
from inklens.datasets.unpack import BURST_BYTES, MAX_DATA_BYTES, MAX_RATIO, existing, open_regular
from inklens.errors import DataError
from inklens.progress import Progress

LAYOUTS = (
    (("x_train", "y_train"), ("x_test", "y_test")),
    (("train_images", "train_labels"), ("test_images", "test_labels")),
    (("x", "y"),),
    (("images", "labels"),),
    (("data", "target"),),
)
MAX_MEMBERS = 1000
MAX_HEADER_BYTES = 64 << 10  # NumPy writes some 100, and reads at most 10,000


def load(place: str, options: LoadOptions, progress: Progress | None = None) -> Dataset:
    """Load a NumPy archive; names of arrays are compared without regard to case.

    Raises
    ------
    DataError
        No archive, unknown names, pickled objects, sizes that do not agree, or an archive that bursts.
    """
    path = existing(place, kind="file")
    pairs = _read_pairs(path)
    images, labels = [pair.images for pair in pairs], [pair.labels for pair in pairs]
    for x, y, (x_name, y_name) in ((pair.images, pair.labels, pair.names) for pair in pairs):
        if x.ndim < 2 or y.ndim < 1 or len(x) != len(y):
            raise DataError(
                f"{str(path)!r}: {x_name} of shape {x.shape} and {y_name} of shape {y.shape} do not belong together; "
                "expected one label per image"
            )
    if len({x.shape[1:] for x in images}) > 1 or len({y.shape[1:] for y in labels}) > 1:
        raise DataError(f"{str(path)!r}: training and test arrays differ in shape")
    return RawImages(
        np.concatenate(images) if len(images) > 1 else images[0],
        np.concatenate(labels),
        where=str(path),
        name=path.stem,
        source=f"npz:{path}",
        n_train=len(labels[0]) if len(labels) == 2 else None,
    ).dataset(options.pixels)


class _Pair(NamedTuple):
    """Two arrays that belong together, and their names."""

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, str]


def _read_pairs(path: Path) -> list[_Pair]:
    """Return the wanted arrays; names in lower case."""
    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
                if len(infos) > MAX_MEMBERS:
                    raise DataError(f"{str(path)!r} has {len(infos)} members; at most {MAX_MEMBERS} are taken")
                members = {info.filename.lower().removesuffix(".npy"): info for info in infos}
                if len(members) < len(infos):
                    raise DataError(
                        f"{str(path)!r} has two arrays of one name, as in {sorted(members)[:10]}; rename one"
                    )
                layout = _find_layout(members, path)
                return [
                    _Pair(_read_member(archive, members[x], path), _read_member(archive, members[y], path), (x, y))
                    for x, y in layout
                ]
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            NotImplementedError,
            RuntimeError,
            ValueError,
        ) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{str(path)!r} is no readable NumPy archive (.npz): {error}") from error


def _find_layout(members: Iterable[str], path: Path) -> tuple[tuple[str, str], ...]:
    for layout in LAYOUTS:
        there = tuple(pair for pair in layout if set(pair) <= set(members))
        if there:
            return there
    raise DataError(
        f"{str(path)!r}: expected arrays X and y, images and labels, or x_train, y_train, x_test, y_test; "
        f"found {', '.join(sorted(members)[:10]) or 'nothing'}"
    )


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> np.ndarray:
    """Read one array after its declared size has been compared with its header."""
    where = f"{str(path)!r}, array {info.filename!r}"
    burst = info.file_size > BURST_BYTES and info.file_size > MAX_RATIO * max(info.compress_size, 1)
    if info.file_size > MAX_DATA_BYTES or burst:
        raise DataError(
            f"{where}: {info.file_size:,} bytes from {info.compress_size:,} packed ones; refused "
            f"(at most {MAX_DATA_BYTES:,}, and {MAX_RATIO} times)"
        )
    with archive.open(info) as member:
        start = member.read(MAX_HEADER_BYTES)
    try:
        shape, dtype, header_bytes = _read_header(io.BytesIO(start))
    except DataError:
        raise
    except Exception as error:  # it is Python's own notation, and what parses that raises anything
        raise DataError(
            f"{where}: its header cannot be read: {str(error)[:200]}; save it with numpy.savez again"
        ) from error
    if any(type(side) is not int or side < 0 for side in shape):
        raise DataError(f"{where}: its header states the shape {shape}; save it with numpy.savez again")
    n_bytes = dtype.itemsize * prod(shape)
    if dtype.hasobject or dtype.kind not in "biufSU":
        raise DataError(f"{where}: type {dtype} is not taken (pickled objects could run code); save plain numbers")
    if n_bytes != info.file_size - header_bytes:
        raise DataError(f"{where}: its header asks for {n_bytes:,} bytes, it has {info.file_size - header_bytes:,}")
    if n_bytes == 0 and shape[:1] != (0,):  # any number of rows in no bytes
        raise DataError(f"{where}: an array of shape {shape} and type {dtype} holds nothing; save at least one image")
    with archive.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic], int]:
    version = np.lib.format.read_magic(member)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"NumPy format {version} is unknown; save with numpy.savez again")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    return shape, dtype, member.tell()
