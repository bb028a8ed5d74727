"""A folder with one sub-folder of pictures per class."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from inklens.datasets.dataset import Dataset
from inklens.datasets.options import LoadOptions
from inklens.datasets.sources.source import RawImages
from inklens.datasets.unpack import existing, open_regular
from inklens.errors import DataError
from inklens.names import showable
from inklens.progress import Progress
from inklens.quiet import quiet

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
IGNORED = ("thumbs.db", "desktop.ini", "__macosx")  # and every name that begins with a dot
HALF_NAMES = {"train": "train", "training": "train", "test": "test", "testing": "test"}
MAX_FILE_BYTES = 20 << 20
MAX_PICTURE_PIXELS = 16 << 20  # 4096 x 4096
MAX_TOTAL_PIXELS = 500_000_000  # decoded, of all pictures together: some 12 ns each
MAX_PIXELS_PER_BYTE = 100  # beyond that total: photos have some 10 pixels a byte, empty pages 70
MAX_KEPT_SIDE = 128  # larger pictures are made smaller even when all have one size
COMMON_SHAPE = (28, 28)
MIN_BAD, MAX_BAD_SHARE = 10, 0.01  # unreadable pictures that are skipped before the folder is refused


def load(place: str, options: LoadOptions, progress: Progress | None = None) -> Dataset:
    """Load a folder with one sub-folder of pictures per class, or with ``train`` and ``test`` of that kind.

    Pictures of one size, at most 128 x 128, stay as they are. Otherwise each is fitted into 28 x 28 (or
    the shape that was asked for): averaged down with its proportions kept, centred on the colour of its border.
    Colour becomes grey, transparency white. Links that lead out of the folder are not followed.

    Raises
    ------
    DataError
        No such folder, no class, no picture, or too many pictures (over 10 and over 1%) that cannot be read.
    """
    folder = existing(place, kind="folder")
    listing = _list_pictures(folder)
    stack = Stack(options.pixels.shape)
    is_good, bad = _read_all(listing, folder.resolve(), stack, progress)
    _refuse_if_too_bad(folder, bad, len(listing.paths))
    images, size_notes = stack.result()
    y = [label for label, good in zip(listing.classes, is_good, strict=True) if good]
    skipped = [f"{len(bad)} pictures were skipped: {'; '.join(bad)}"] if bad else []
    return RawImages(
        images,
        y,
        where=str(folder),
        name=folder.resolve().name,
        source=f"folder:{folder}",
        notes=(*listing.notes, *skipped, *size_notes),
        n_train=_n_train(listing, is_good),
    ).dataset(options.pixels)


@dataclass
class _Listing:
    """The pictures that were found, with their class, and what was passed over."""

    paths: list[Path] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    halves: list[str | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _list_pictures(root: Path) -> _Listing:
    listing, other = _Listing(), []
    top = _folders(root, root, listing)
    halves = {half: path for path in top if (half := HALF_NAMES.get(path.name.lower()))}
    if set(halves) == {"train", "test"} and len(top) == 2 and all(_folders(p, root, listing) for p in top):
        groups: list[tuple[str | None, Path]] = [
            (half, path) for half in ("train", "test") for path in _folders(halves[half], root, listing)
        ]
    else:
        groups = [(None, path) for path in top]
    first: dict[str, str] = {}
    for name in sorted({path.name for _, path in groups}):
        alike = first.setdefault(_shown(name).strip(), name)
        if alike != name:
            raise DataError(f"{str(root)!r}: sub-folders {alike!r} and {name!r} would be one class; rename one")
    if not groups:
        raise DataError(f"{str(root)!r} has no sub-folders; expected one sub-folder of pictures per class")
    for half, path in groups:
        found = 0
        for picture in _entries(path, listing):
            if picture.name.lower().endswith(SUFFIXES):
                listing.paths.append(picture)
                listing.classes.append(_shown(path.name))
                listing.halves.append(half)
                found += 1
            else:
                other.append(picture)
        if not found:
            listing.notes.append(f"class {_shown(path.name)!r} has no picture and is left out")
    if other:
        listing.notes.append(f"{len(other)} entries that are no pictures by their name were passed over")
    if not listing.paths:
        raise DataError(f"{str(root)!r} has no pictures in its sub-folders; taken are {', '.join(SUFFIXES)}")
    listing.notes = list(dict.fromkeys(listing.notes))
    return listing


def _folders(path: Path, root: Path, listing: _Listing) -> list[Path]:
    """Return sub-folders by name; links to folders are never followed, so no loop can arise."""
    folders = []
    for entry in _entries(path, listing):
        if entry.is_symlink() and entry.is_dir():
            listing.notes.append(f"the link {_shown(os.path.relpath(entry, root))!r} to a folder was not followed")
        elif entry.is_dir():
            folders.append(entry)
    return folders


def _entries(path: Path, listing: _Listing) -> Iterator[Path]:
    """Yield what lies in a folder, sorted by name, without the litter of file managers."""
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        listing.notes.append(f"the folder {_shown(path.name)!r} was skipped: {error.strerror}")
        return
    for entry in entries:
        if not entry.name.startswith(".") and entry.name.lower() not in IGNORED:
            yield entry


def _read_all(listing: _Listing, root: Path, stack: "Stack", progress: Progress | None) -> tuple[list[bool], list[str]]:
    """Decode every picture into the stack; tell which could be read, and why the others could not."""
    is_good, bad = [], []
    n_pixels = n_bytes = 0
    for done, path in enumerate(listing.paths):
        try:
            picture, stored = _decode(path, root)
        except DataError as error:
            is_good.append(False)
            bad.append(f"{_shown(f'{path.parent.name}/{path.name}')} ({error})")
        else:
            n_pixels, n_bytes = n_pixels + picture.size, n_bytes + stored
            check_together(n_pixels, n_bytes)
            stack.add(picture)
            is_good.append(True)
        if progress and done % 100 == 0:
            progress(done, len(listing.paths), "reading pictures")
    return is_good, bad


def check_together(n_pixels: int, n_bytes: int = 0) -> None:
    """Refuse pictures that take long to decode together, unless their files are as large as honest ones.

    Raises
    ------
    DataError
        Over 500 million pixels, and over 100 for each byte of the files.
    """
    if n_pixels > max(MAX_TOTAL_PIXELS, MAX_PIXELS_PER_BYTE * n_bytes):
        most = f"{MAX_TOTAL_PIXELS // 1_000_000} million"
        honest = f", and over {MAX_PIXELS_PER_BYTE} for each byte of their files" if n_bytes else ""
        raise DataError(f"the pictures have more than {most} pixels together{honest}; make them smaller")


def _decode(path: Path, root: Path) -> tuple[np.ndarray, int]:
    """Return one picture in grey, (rows, cols) uint8, and the bytes of its file."""
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
        raise DataError("a link that leads out of the folder")
    with open_regular(path) as file:
        return decode_picture(file), os.fstat(file.fileno()).st_size


def decode_picture(file: BinaryIO) -> np.ndarray:
    """Decode a small picture to grey (rows, cols) uint8; whatever goes wrong is a DataError."""
    from PIL import Image, UnidentifiedImageError

    if file.seek(0, os.SEEK_END) > MAX_FILE_BYTES:
        raise DataError(f"larger than {MAX_FILE_BYTES >> 20} MB")
    file.seek(0)
    try:
        with quiet(), Image.open(file, formats=FORMATS) as image:  # Pillow warns about every odd tag
            if image.width * image.height > MAX_PICTURE_PIXELS:
                raise DataError(f"{image.width}x{image.height} pixels are too many for a data set")
            return _grey(image)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"no picture of a kind that is taken ({', '.join(FORMATS)})") from error
    except Exception as error:  # Pillow raises nearly anything on damaged files
        raise DataError(f"no readable picture: {error}" if str(error) else "no readable picture") from error


def _grey(image: "Image.Image") -> np.ndarray:
    """Turn as the camera says, put transparency on white, and return 8-bit grey."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        return _from_deep(np.asarray(image))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("L"))


def _from_deep(values: np.ndarray) -> np.ndarray:
    """Map 16-bit (or 0 to 1 float) grey to 8 bits."""
    scale = 1.0 if values.dtype.kind == "f" and values.max() <= 1 else 65535.0
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > scale:
        raise DataError("deep pixels outside 0..1 and 0..65535")
    return np.rint(values / scale * 255).astype(np.uint8)


def _refuse_if_too_bad(folder: Path, bad: list[str], n_pictures: int) -> None:
    if len(bad) == n_pictures or len(bad) > max(MIN_BAD, MAX_BAD_SHARE * n_pictures):
        shown = "; ".join(bad[:10])
        raise DataError(f"{len(bad)} of {n_pictures} pictures in {str(folder)!r} cannot be read, first: {shown}")


class Stack:
    """Pictures of any sizes, to be stacked: a large one is made small at once, so that few bytes of each are held."""

    def __init__(self, asked: tuple[int, int] | None) -> None:
        self.asked, self.pictures, self.shapes = asked, list[np.ndarray](), set[tuple[int, ...]]()

    def __len__(self) -> int:
        return len(self.pictures)

    def add(self, picture: np.ndarray) -> None:
        """Take a picture in, (rows, cols) uint8."""
        self.shapes.add(picture.shape)
        final = self.asked or (COMMON_SHAPE if max(picture.shape) > MAX_KEPT_SIDE else None)
        self.pictures.append(picture if final in (None, picture.shape) else _fit(picture, final))

    def result(self) -> tuple[np.ndarray, list[str]]:
        """Return the pictures (n, rows, cols), fitted to one shape where they differ, and what was done to them."""
        common = {picture.shape for picture in self.pictures}
        shape = self.asked or (next(iter(common)) if len(common) == len(self.shapes) == 1 else COMMON_SHAPE)
        images = np.stack([picture if picture.shape == shape else _fit(picture, shape) for picture in self.pictures])
        if self.shapes == {shape}:
            return images, []
        first = "x".join(map(str, next(iter(self.shapes))))
        sizes = f"{len(self.shapes)} different sizes" if len(self.shapes) > 1 else f"size {first}"
        note = f"pictures of {sizes} were fitted into {shape[0]}x{shape[1]} (proportions kept, averaged, centred)"
        return images, [note]


def _fit(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Scale a picture into `shape` by area averages, centred on the median colour of its border."""
    from PIL import Image

    rows, cols = picture.shape
    scale = min(shape[0] / rows, shape[1] / cols)
    size = max(1, round(rows * scale)), max(1, round(cols * scale))
    small = np.asarray(Image.fromarray(picture).resize(size[::-1], Image.Resampling.BOX))
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    frame = np.full(shape, np.median(border), np.uint8)
    top, left = (shape[0] - size[0]) // 2, (shape[1] - size[1]) // 2
    frame[top : top + size[0], left : left + size[1]] = small
    return frame


def _n_train(listing: _Listing, is_good: list[bool]) -> int | None:
    if listing.halves[0] is None:
        return None
    return sum(half == "train" and good for half, good in zip(listing.halves, is_good, strict=True))


def _shown(name: str) -> str:
    """Make a file name of any bytes printable and UTF-8."""
    return showable(os.fsencode(name).decode("utf-8", "backslashreplace"))
