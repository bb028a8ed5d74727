"""Parquet tables: a column of encoded pictures and labels (as Hugging Face writes them), or a column per pixel."""

import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inklens.datasets.dataset import Dataset
from inklens.datasets.labels import as_labels, check_written_out, refuse_merged, refuse_rows
from inklens.datasets.options import LoadOptions
from inklens.datasets.pixels import MAX_SIDE
from inklens.datasets.sources.folder import Stack, decode_picture
from inklens.datasets.sources.parquet_footer import BYTE_ARRAY, Footer, read_footer
from inklens.datasets.sources.source import RawImages
from inklens.datasets.sources.tables import LABEL_NAMES
from inklens.datasets.unpack import check_burst, existing, open_regular
from inklens.errors import DataError, require
from inklens.progress import Progress

if TYPE_CHECKING:
    import pyarrow

IMAGE_NAMES = ("image", "img", "pixels", "picture")
VALUES_AT_A_TIME, COLUMNS_AT_A_TIME = 1 << 21, 1024
REPEATED_BYTES = 16 << 20  # of texts that are written as what differs from the one before
MOST_FREE_PICTURES, PICTURE_BYTES = 10_000, 4  # beyond these, a picture takes so much of the file; a PNG has 67 or more
NESTED_ROWS = 64  # of lists and structures, which may be of any size
PICTURES_PACK = 8  # times better than other data: drawings of a few lines
NO_PICTURES = "the images differ in size, lack pixels or are no pictures; make them one size"
MIN_PYARROW = (14, 0, 1)  # older ones run code from a hostile file (CVE-2023-47248)


def load(place: str, options: LoadOptions, progress: Progress | None = None) -> Dataset:
    """Load a Parquet file; needs the extra ``parquet``.

    Raises
    ------
    DataError
        A damaged file, missing values, or columns that hold no images.
    MissingPackageError
        pyarrow is not installed, or too old.
    """
    _refuse_old(require("pyarrow", extra="parquet").__version__)
    path = existing(place, kind="file")
    try:
        images, values, notes = _read(path, options)
    except (DataError, ImportError):
        raise
    except Exception as error:  # pyarrow leaks UnicodeDecodeError and more on damaged files
        raise DataError(f"{str(path)!r} is no readable Parquet file: {error}") from error
    return RawImages(
        images, values, where=str(path), name=path.stem, source=f"parquet:{path}", notes=tuple(notes)
    ).dataset(options.pixels)


def _refuse_old(version: str) -> None:
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdecimal())
    if numbers < MIN_PYARROW:
        raise DataError(f"pyarrow {version} is not safe for files of others; update it to 14.0.1 or newer")


def _read(path: Path, options: LoadOptions) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return images, labels, and what was taken for them, batch by batch: only what is kept is ever held."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    where = str(path)
    with open_regular(path) as file:
        footer = read_footer(file, where)
        n_bytes = os.fstat(file.fileno()).st_size
        check_burst(max(footer.unpacked, footer.decoded), n_bytes, name=repr(where))
        texts, most_rows = _texts(footer), _most_rows(footer)
        footer.leaves.clear()  # before pyarrow holds them in its way
        file.seek(0)
        source = ParquetFile(file, read_dictionary=texts)  # a text that repeats is held once
        schema = source.schema_arrow
        nested = {field.name for field in schema if pyarrow.types.is_nested(field.type)}
        classes, columns = _class_names(schema), _Columns.of(schema.names, options.label, where)
        del schema  # 500 bytes a column
        taken = _Taken(columns, n_bytes, options, where)
        for names in columns.some_at_a_time():
            step = max(1, min(most_rows, VALUES_AT_A_TIME // len(names)))
            if not nested.isdisjoint(names):
                step = min(step, NESTED_ROWS)
            for batch in source.iter_batches(batch_size=step, columns=names, use_threads=False):
                batch.validate(full=True)
                taken.add(batch, names)
            taken.end(footer.n_rows)
    images, values, notes = taken.result()
    if classes and np.issubdtype(values.dtype, np.integer) and values.min() >= 0 and values.max() < len(classes):
        return images, np.array(classes)[values], [*notes, "labels are the class names that the file declares"]
    return images, values, notes


def _texts(footer: Footer) -> list[str]:
    """Return the paths of the leaves that are texts and can be read as dictionaries."""
    return [leaf.path for leaf in footer.leaves if leaf.kind == BYTE_ARRAY and not leaf.longest]


def _most_rows(footer: Footer) -> int:
    """Return how many rows to decode at a time: a text may repeat all of the one before, at no cost to the file."""
    longest = max(leaf.longest for leaf in footer.leaves)
    return VALUES_AT_A_TIME if longest == 0 else max(1, REPEATED_BYTES // longest)


@dataclass(frozen=True)
class _Columns:
    """Which columns hold what; `image` is None where each pixel has a column of its own."""

    label: str
    image: str | None
    pixels: tuple[str, ...]

    @classmethod
    def of(cls, names: list[str], asked: str | None, where: str) -> "_Columns":
        columns = {name.lower(): name for name in names}
        if len(columns) != len(names):
            raise DataError(f"{where}: two columns have the same name")
        label = columns.get((asked or next((n for n in LABEL_NAMES if n in columns), "")).lower())
        if label is None:
            raise DataError(f"{where}: no column of labels among {names[:10]}; say ?label=NAME")
        pixels = tuple(name for name in names if name != label)
        if not pixels:
            raise DataError(f"{where}: no column of images beside {label!r}")
        return cls(label, next((columns[n] for n in IMAGE_NAMES if n in columns), None), pixels)

    def some_at_a_time(self) -> Iterator[Sequence[str]]:
        """Yield the names of columns that are read together; the labels come with the first."""
        if self.image is not None:
            yield self.label, self.image
        else:
            for start in range(0, len(self.pixels), COLUMNS_AT_A_TIME):
                yield [*[self.label][start:], *self.pixels[start : start + COLUMNS_AT_A_TIME]]

    def notes(self) -> list[str]:
        if self.image is not None:
            return [f"images from column {self.image!r}, labels from {self.label!r}"]
        return [f"{len(self.pixels)} columns of pixels, labels from {self.label!r}"]


def _is_bytes(kind: "pyarrow.DataType") -> bool:
    import pyarrow

    kind = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
    return pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind) or pyarrow.types.is_string(kind)


def _stacked(column: "pyarrow.Array", where: str) -> np.ndarray:
    """Return a column of numbers, or of lists of one length, nested or not, as one array."""
    import pyarrow
    from pyarrow import compute

    kinds = (pyarrow.types.is_list, pyarrow.types.is_large_list, pyarrow.types.is_fixed_size_list)
    shape = [len(column)]
    while any(is_kind(column.type) for is_kind in kinds):
        lengths = compute.min_max(compute.list_value_length(column)).as_py()
        if column.null_count or lengths["min"] != lengths["max"] or not lengths["max"]:
            raise DataError(f"{where}: {NO_PICTURES}")
        shape.append(lengths["max"])
        if prod(shape[1:]) > MAX_SIDE**2:
            raise DataError(f"{where}: images of {prod(shape[1:]):,} pixels or more; at most {MAX_SIDE**2:,} are taken")
        column = column.flatten()
    return np.asarray(column.to_numpy(zero_copy_only=False)).reshape(shape)


def _numbers(column: "pyarrow.Array") -> np.ndarray:
    """Return a column without missing values; whole numbers as they lie, for which pyarrow would import pandas."""
    import pyarrow

    if not (pyarrow.types.is_integer(column.type) and len(column)) or column.null_count:
        return np.asarray(column.to_numpy(zero_copy_only=False))
    dtype = np.dtype(column.type.to_pandas_dtype())
    return np.frombuffer(column.buffers()[1], dtype, len(column), column.offset * dtype.itemsize)


class _Taken:
    """What the batches so far were made into; columns that are read together end with `end`."""

    def __init__(self, columns: _Columns, n_bytes: int, options: LoadOptions, where: str) -> None:
        self.columns, self.n_bytes, self.where = columns, n_bytes, where
        self.pictures = Stack(options.pixels.shape)
        self.blocks: list[np.ndarray] = []  # of columns that were read together
        self.parts: list[np.ndarray] = []  # of the rows of the block that is read
        self.labels: list[np.ndarray] = []
        self.written: set[str | bytes] = set()  # labels of all batches
        self.n_rows = self.held = self.decoded = 0

    def add(self, batch: "pyarrow.RecordBatch", names: Sequence[str]) -> None:
        """Add some rows of the columns with these names."""
        for name in names:
            column = batch.column(name)
            nulls = np.asarray(column.is_null()) if column.null_count else np.zeros(1, bool)
            rows = (self.n_rows + np.flatnonzero(nulls)).tolist()
            refuse_rows(rows, what=f"no value in column {name!r}", where=self.where)
        if self.columns.label in names:
            self.labels.append(self._labels(batch.column(self.columns.label)))
            self.held += self.labels[-1].nbytes
        if self.columns.image is not None:
            self._add_images(batch.column(self.columns.image))
        else:
            pixels = [name for name in names if name != self.columns.label]
            self._keep(np.stack([_numbers(batch.column(name)) for name in pixels], axis=1))
        self.n_rows += batch.num_rows

    def _labels(self, column: "pyarrow.Array") -> np.ndarray:
        """Return the labels of a batch; texts that repeat are looked at once, before they are written out."""
        import pyarrow

        if _is_bytes(column.type) and not pyarrow.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        if not pyarrow.types.is_dictionary(column.type):
            return _numbers(column)
        written = column.dictionary.to_pylist()
        names = as_labels(written, where=self.where)
        n_rows, n_characters = self.n_rows + len(column), self.n_rows + len(column) + sum(map(len, names))
        check_written_out(n_rows, names, n_characters, where=self.where)
        self.written |= set(written)
        refuse_merged(self.written, where=self.where)
        return np.asarray(names[column.indices.to_numpy(zero_copy_only=False)])

    def _add_images(self, column: "pyarrow.Array") -> None:
        """Decode a column of encoded pictures, or stack a column of lists."""
        import pyarrow

        if not (pyarrow.types.is_struct(column.type) or _is_bytes(column.type)):
            return self._keep(_stacked(column, self.where))
        for row, scalar in enumerate(column):
            value = scalar.as_py()
            content = value.get("bytes") if isinstance(value, dict) else value
            try:
                if not isinstance(content, bytes):
                    raise DataError("it holds no bytes of a picture file")
                self._add_picture(content)
            except DataError as error:
                raise DataError(f"{self.where}: the picture in row {self.n_rows + row + 1}: {error}") from error

    def _add_picture(self, content: bytes) -> None:
        picture = decode_picture(io.BytesIO(content))
        self.pictures.add(picture)
        self.decoded += picture.nbytes
        check_burst(self.decoded // PICTURES_PACK, self.n_bytes, name=repr(self.where))
        if len(self.pictures) > max(MOST_FREE_PICTURES, self.n_bytes // PICTURE_BYTES):
            raise DataError(f"the file of {self.n_bytes:,} bytes repeats its pictures; write each once")

    def _keep(self, part: np.ndarray) -> None:
        """Keep whole numbers of a byte as bytes: an eighth of what Parquet makes of them."""
        if part.dtype == object or (self.parts and part.shape[1:] != self.parts[0].shape[1:]):
            raise DataError(f"{self.where}: {NO_PICTURES}")
        if part.dtype.kind in "iu" and part.size and part.min() >= 0 and part.max() <= 255:
            part = part.astype(np.uint8)
        self.parts.append(part)
        self.held += part.nbytes
        check_burst(self.held, self.n_bytes, name=repr(self.where))

    def end(self, declared: int) -> None:
        """Close a block of columns, which have to have as many rows as the file declares."""
        if self.n_rows != declared or declared == 0:
            raise DataError(f"{self.where!r} declares {declared} rows and has {self.n_rows}")
        if self.parts:
            self.blocks.append(_whole(self.parts))
        self.parts, self.n_rows = [], 0

    def result(self) -> tuple[np.ndarray, np.ndarray, list[str]]:
        notes = self.columns.notes()
        if len(self.pictures):
            images, size_notes = self.pictures.result()
            notes += size_notes
        else:
            images = _whole(self.blocks, axis=1)
        return images, np.concatenate(self.labels), notes


def _whole(parts: list[np.ndarray], axis: int = 0) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis)


def _class_names(schema: "pyarrow.Schema") -> list[str] | None:
    """Return the names that Hugging Face's metadata give to the integer labels."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = next(f["names"] for n, f in features.items() if n.lower() in LABEL_NAMES and "names" in f)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return names if len(set(names)) == len(names) else None  # classes that would become one keep their numbers
