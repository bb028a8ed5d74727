"""Parquet tables: a column of encoded pictures and labels (as Hugging Face writes them), or a column per pixel."""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inklens.datasets.dataset import Dataset
from inklens.datasets.labels import refuse_rows
from inklens.datasets.sources.source import LoadOptions, RawImages
from inklens.datasets.sources.tables import LABEL_NAMES
from inklens.datasets.unpack import MAX_DATA_BYTES, existing, open_regular
from inklens.errors import DataError, require
from inklens.progress import Progress

if TYPE_CHECKING:
    import pyarrow

IMAGE_NAMES = ("image", "img", "pixels", "picture")
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
        table = _read_table(path)
        images, values, notes = _split(table, options.label, str(path))
        names = _class_names(table)
    except (DataError, ImportError):
        raise
    except Exception as error:  # pyarrow leaks UnicodeDecodeError and more on damaged files
        raise DataError(f"{str(path)!r} is no readable Parquet file: {error}") from error
    if names and np.issubdtype(values.dtype, np.integer) and values.min() >= 0 and values.max() < len(names):
        values = np.array(names)[values]
        notes.append("labels are the class names that the file declares")
    return RawImages(
        images, values, where=str(path), name=path.stem, source=f"parquet:{path}", notes=tuple(notes)
    ).dataset(options.pixels)


def _refuse_old(version: str) -> None:
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdecimal())
    if numbers < MIN_PYARROW:
        raise DataError(f"pyarrow {version} is not safe for files of others; update it to 14.0.1 or newer")


def _read_table(path: Path) -> "pyarrow.Table":
    """Read all columns after the declared sizes have been checked; the lengths are checked afterwards."""
    from pyarrow.parquet import ParquetFile

    with open_regular(path) as file:
        source = ParquetFile(file)
        groups = range(source.metadata.num_row_groups)
        declared = sum(source.metadata.row_group(i).total_byte_size for i in groups)
        if declared > MAX_DATA_BYTES or min(declared, source.metadata.num_rows) < 0:
            raise DataError(f"{str(path)!r} declares {declared:,} bytes; at most {MAX_DATA_BYTES:,} are taken")
        table = source.read(use_threads=False)
        table.validate(full=True)
    if table.num_rows != source.metadata.num_rows or table.num_rows == 0:
        raise DataError(f"{str(path)!r} declares {source.metadata.num_rows} rows and has {table.num_rows}")
    return table


def _split(table: "pyarrow.Table", asked: str | None, where: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return images, labels and what was taken for them."""
    columns = {name.lower(): name for name in table.column_names}
    if len(columns) != len(table.column_names):
        raise DataError(f"{where}: two columns have the same name")
    label = columns.get((asked or next((n for n in LABEL_NAMES if n in columns), "")).lower())
    if label is None:
        raise DataError(f"{where}: no column of labels among {table.column_names[:10]}; say ?label=NAME")
    for name in table.column_names:
        nulls = table[name].is_null().to_numpy(zero_copy_only=False) if table[name].null_count else np.zeros(1, bool)
        refuse_rows(np.flatnonzero(nulls).tolist(), what=f"no value in column {name!r}", where=where)
    values = np.asarray(table[label].to_numpy(zero_copy_only=False))
    image = next((columns[n] for n in IMAGE_NAMES if n in columns), None)
    if image is not None:
        return _images(table[image], where), values, [f"images from column {image!r}, labels from {label!r}"]
    pixels = [name for name in table.column_names if name != label]
    if not pixels:
        raise DataError(f"{where}: no column of images beside {label!r}")
    stacked = np.stack([table[name].to_numpy(zero_copy_only=False) for name in pixels], axis=1)
    return stacked, values, [f"{len(pixels)} columns of pixels, labels from {label!r}"]


def _images(column: "pyarrow.ChunkedArray", where: str) -> np.ndarray:
    """Decode a column of encoded pictures, or stack a column of lists."""
    from inklens.datasets.sources.folder import decode_picture

    images = []
    for row, value in enumerate(column.to_pylist()):
        content = value.get("bytes") if isinstance(value, dict) else value
        try:
            images.append(decode_picture(io.BytesIO(content)) if isinstance(content, bytes) else np.asarray(content))
        except DataError as error:
            raise DataError(f"{where}: the picture in row {row + 1}: {error}") from error
    if len({image.shape for image in images}) != 1 or images[0].dtype == object:
        raise DataError(f"{where}: the images differ in size or are no pictures; make them one size")
    return np.stack(images)


def _class_names(table: "pyarrow.Table") -> list[str] | None:
    """Return the names that Hugging Face's metadata give to the integer labels."""
    try:
        features = json.loads((table.schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = next(f["names"] for n, f in features.items() if n.lower() in LABEL_NAMES and "names" in f)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None
