"""MNIST's own file format, IDX: a magic number, the dimensions, the bytes (LeCun et al., "THE IDX FILE FORMAT")."""

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from inklens.datasets.dataset import Dataset
from inklens.datasets.options import LoadOptions
from inklens.datasets.sources.source import RawImages
from inklens.datasets.unpack import GZIP_MAGIC, MAX_DATA_BYTES, existing, open_regular, unpacked
from inklens.errors import DataError
from inklens.progress import Progress

# File: 0 0 type rank | rank big-endian uint32 sizes | values, last dimension fastest
TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_RANK = 4
HALVES = {"train": ("train",), "test": ("t10k", "test")}
GZIP_MAX_RATIO = 1032  # deflate cannot pack better


def load(place: str, options: LoadOptions, progress: Progress | None = None) -> Dataset:
    """Load a folder with MNIST's four files, packed (.gz) or not: the training half, then the test half.

    EMNIST's files (``emnist-digits-train-images-idx3-ubyte.gz``) and Fashion- and Kuzushiji-MNIST's are read alike.
    With only one half present, that half is used and `notes` says so.

    Raises
    ------
    DataError
        No such folder, no matching pair of files, or a damaged file; the text names the field.
    """
    folder = existing(place, kind="folder")
    halves = {half: pair for half, prefixes in HALVES.items() if (pair := _find_pair(folder, prefixes))}
    if not halves:
        raise DataError(
            f"no pair of IDX files in {str(folder)!r}; expected train-images-idx3-ubyte(.gz) with "
            "train-labels-idx1-ubyte(.gz), or the same with t10k"
        )
    parts = {half: _read_pair(*pair) for half, pair in halves.items()}
    images = _joined([part[0] for part in parts.values()], folder)
    missing = [f"the {half} half is missing: only the other half was read" for half in HALVES if half not in halves]
    return RawImages(
        images,
        np.concatenate([part[1] for part in parts.values()]),
        where=str(folder),
        name=folder.resolve().name,
        source=f"idx:{folder}",
        notes=tuple(missing),
        n_train=len(parts["train"][1]) if len(parts) == 2 else None,
        transposed="emnist-" in next(iter(halves.values()))[0].name.lower(),
    ).dataset(options.pixels)


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one IDX file, checked before anything is allocated.

    Raises
    ------
    DataError
        Wrong magic, type, rank, sizes, too short, or bytes left over; the text names the field.
    """
    name = str(path)
    with open_regular(path) as file:
        file_bytes = os.fstat(file.fileno()).st_size
        holds = file_bytes * (GZIP_MAX_RATIO if _is_gzip(file) else 1)
        stream = _Reader(unpacked(file, limit=MAX_DATA_BYTES, name=name))
        dtype, shape = _read_header(stream, name)
        n_bytes = dtype.itemsize * int(np.prod(shape, dtype=object))
        if n_bytes > min(holds, MAX_DATA_BYTES):
            raise DataError(
                f"{name!r}: the sizes {shape} ask for {n_bytes:,} bytes, more than the file of {file_bytes:,} can "
                "hold; get the file again"
            )
        body = stream.take(n_bytes)
        if len(body) < n_bytes:
            raise DataError(f"{name!r}: the sizes {shape} ask for {n_bytes:,} bytes, but {len(body):,} follow; cut off")
        if stream.take(1):
            raise DataError(f"{name!r}: bytes are left over after the {n_bytes:,} that the sizes {shape} ask for")
    return np.frombuffer(body, dtype).reshape(shape)


def _is_gzip(file: BinaryIO) -> bool:
    magic = file.read(len(GZIP_MAGIC))
    file.seek(0)
    return magic == GZIP_MAGIC


class _Reader:
    """Take exact numbers of bytes from a stream of chunks, holding little more than what is taken."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def take(self, n: int) -> bytearray:
        """Return the next n bytes, fewer at the end."""
        data = bytearray(self._rest)
        while len(data) < n and (chunk := next(self._chunks, b"")):
            data += chunk
        self._rest = bytes(data[n:])
        del data[n:]
        return data


def _read_header(stream: _Reader, name: str) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    magic = stream.take(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise DataError(
            f"{name!r}: the magic number is {magic.hex() or 'missing'}, expected 0000 and two bytes; no IDX file"
        )
    code, rank = magic[2], magic[3]
    if code not in TYPES:
        raise DataError(f"{name!r}: unknown type 0x{code:02x} in the magic number; expected one of {_hex(TYPES)}")
    if not 1 <= rank <= MAX_RANK:
        raise DataError(f"{name!r}: rank {rank} in the magic number; expected 1 (labels) to {MAX_RANK}")
    sizes = stream.take(4 * rank)
    if len(sizes) < 4 * rank:
        raise DataError(f"{name!r}: the file ends within its {rank} sizes; get the file again")
    return np.dtype(TYPES[code]), struct.unpack(f">{rank}I", sizes)


def _hex(codes: Iterable[int]) -> str:
    return ", ".join(f"0x{code:02x}" for code in codes)


def _find_pair(folder: Path, prefixes: tuple[str, ...]) -> tuple[Path, Path] | None:
    """Return the files of images and labels of one half; one without the other is an error."""
    names = sorted(path.name for path in folder.iterdir())
    images = [name for name in names if _is_part(name, prefixes, "images")]
    labels = [name for name in names if _is_part(name, prefixes, "labels")]
    if not images and not labels:
        return None
    if len({_stem(name) for name in images}) != 1 or len({_stem(name) for name in labels}) != 1:
        raise DataError(
            f"{str(folder)!r}: expected one file of images and one of labels for the half {prefixes[0]!r}, "
            f"found {images + labels}"
        )
    return folder / images[0], folder / labels[0]


def _is_part(name: str, prefixes: tuple[str, ...], what: str) -> bool:
    stem = _stem(name)
    return f"{what}-idx" in stem and any(stem.startswith(p) or f"-{p}-" in stem for p in prefixes)


def _stem(name: str) -> str:
    """Name without .gz, and with the dot that some copies write (`train-images.idx3-ubyte`) as a dash."""
    return name.lower().removesuffix(".gz").replace(".idx", "-idx")


def _read_pair(images_path: Path, labels_path: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3:
        raise DataError(f"{str(images_path)!r}: rank {images.ndim}, expected 3 (images, rows, columns)")
    if labels.ndim != 1:
        raise DataError(f"{str(labels_path)!r}: rank {labels.ndim}, expected 1 (labels)")
    if len(images) != len(labels):
        raise DataError(
            f"{len(images)} images in {str(images_path)!r} but {len(labels)} labels in {str(labels_path)!r}"
        )
    return images, labels


def _joined(halves: list[np.ndarray], folder: Path) -> np.ndarray:
    if len({half.shape[1:] for half in halves}) > 1:
        sizes = " and ".join("x".join(map(str, half.shape[1:])) for half in halves)
        raise DataError(f"{str(folder)!r}: training and test images differ in size: {sizes}")
    return halves[0] if len(halves) == 1 else np.concatenate(halves)
