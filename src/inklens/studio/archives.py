"""Uploads of pictures: a zip with one folder a class, or with MNIST's four files. Nothing is unpacked to disk."""

import io
import struct
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import BinaryIO

import numpy as np

from inklens.datasets.sources.folder import IGNORED, MAX_FILE_BYTES, SUFFIXES, Stack, check_together, decode_picture
from inklens.datasets.unpack import unpacked
from inklens.errors import DataError

MAX_PICTURES = 100_000
MAX_UNPACKED_BYTES = 512 << 20
MAX_RATIO = 200  # of a member; digits as PNG do not pack at all, IDX about 5 times
MAX_LABEL = 64  # characters
IDX_IMAGES, IDX_LABELS = 0x0803, 0x0801


def arrays_of(file: BinaryIO) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return images, labels and notes of an archive.

    Raises
    ------
    DataError
        No archive, one that bursts, or nothing in it that is taken.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = [info for info in archive.infolist() if not info.is_dir() and not _is_litter(info.filename)]
            _check(members)
            if any("idx" in info.filename.rsplit("/", 1)[-1] for info in members):
                return _of_idx(archive, members)
            return _of_pictures(archive, members)
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DataError("this is no zip archive that can be read; pack the folder again, without a password") from error


def _is_litter(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part.lower() in IGNORED for part in parts)


def _check(members: list[zipfile.ZipInfo]) -> None:
    """Refuse what would cost too much, by what the archive says of itself; `_read` holds it to that."""
    if len(members) > MAX_PICTURES:
        raise DataError(f"the archive has {len(members):,} files; at most {MAX_PICTURES:,} are taken")
    if sum(info.file_size for info in members) > MAX_UNPACKED_BYTES:
        raise DataError(f"the archive unpacks to more than {MAX_UNPACKED_BYTES >> 20} MB; leave some out")
    if any(info.file_size > 65536 and info.file_size > MAX_RATIO * max(1, info.compress_size) for info in members):
        raise DataError("a file in the archive is packed so tightly that it is no picture; leave it out")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as member:
        data = member.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise DataError("a file in the archive has another size than the archive says; pack the folder again")
    return data


def _of_pictures(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    pictures, labels, bad, n_pixels = Stack(None), [], 0, 0
    for info in sorted(members, key=lambda member: member.filename):
        parts = PurePosixPath(info.filename).parts
        if len(parts) < 2 or not parts[-1].lower().endswith(SUFFIXES) or info.file_size > MAX_FILE_BYTES:
            continue
        try:
            label = _label(parts[-2])
            picture = decode_picture(io.BytesIO(_read(archive, info)))
            n_pixels += picture.size
            pictures.add(picture)
            labels.append(label)
        except DataError:
            bad += 1
        check_together(n_pixels)
    if not len(pictures) or bad > max(10, 0.01 * len(pictures)):
        raise DataError(
            f"the archive holds {len(pictures)} pictures that can be read and {bad} that cannot; expected one folder "
            "a class with pictures in it"
        )
    images, notes = pictures.result()
    return images, np.array(labels), [*notes, *([f"{bad} pictures were skipped"] if bad else [])]


def _label(name: str) -> str:
    plain = "".join(char for char in name if char.isprintable()).strip()
    if not plain or len(plain) > MAX_LABEL:
        raise DataError("a folder's name is no class")
    return plain


def _of_idx(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the training half, then the test half, as far as they are there."""
    images, labels, notes = [], [], []
    for half in ("train", "t10k"):
        pair = []
        for what, magic in (("images", IDX_IMAGES), ("labels", IDX_LABELS)):
            found = [info for info in members if half in info.filename and what in info.filename]
            pair += [_idx(_read(archive, info), magic) for info in found[:1]]
        if len(pair) == 2:
            if len(pair[0]) != len(pair[1]):
                raise DataError(f"{half}: {len(pair[0]):,} images but {len(pair[1]):,} labels")
            images.append(pair[0])
            labels.append(pair[1].astype(str))
        else:
            notes.append(f"the half {half} is missing: only the other one was read")
    if not images:
        raise DataError("expected train-images-idx3-ubyte and train-labels-idx1-ubyte, packed (.gz) or not")
    return np.concatenate(images), np.concatenate(labels), notes


def _idx(data: bytes, magic: int) -> np.ndarray:
    """Return one IDX file of bytes: magic number, sizes, values."""
    if data[:2] == b"\x1f\x8b":
        data = b"".join(unpacked(io.BytesIO(data), limit=MAX_UNPACKED_BYTES, name="an IDX file"))
    n_dims = magic & 255
    head = 4 + 4 * n_dims
    if len(data) < head or struct.unpack_from(">I", data)[0] != magic:
        raise DataError("an IDX file has another magic number than its name says; get it again")
    shape = struct.unpack_from(f">{n_dims}I", data, 4)
    if len(data) - head != np.prod(shape, dtype=object):
        raise DataError(f"an IDX file says {shape} and holds {len(data) - head:,} bytes; get it again")
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)
