"""Downloaded data on disk: uint8 ``X.npy``, ``y.npy`` and ``meta.json`` with their SHA-256, one folder per data set."""

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import numpy as np

from inklens.datasets.dataset import Dataset
from inklens.datasets.unpack import open_regular, read_file, user_path
from inklens.errors import DataError, DownloadError, OutputError
from inklens.progress import Progress
from inklens.storage import atomic_file, write_text
from inklens.strict_json import JsonError, parse

FORMAT = 1  # raise it when the files change their meaning; older ones are then fetched again
META, LOCK = "meta.json", "lock"
FILES = (("X.npy", "y.npy"), ("X.1.npy", "y.1.npy"))  # the second where the first is an entry that is still valid
MAX_META_BYTES = 1_000_000
MAX_WAIT_S = 600.0  # for another process that fetches: MNIST in 10 minutes is 200 kB/s
POLL_S = 0.1


class Origin(TypedDict):
    """Where a file came from, and who vouches for it."""

    url: str
    md5: str | None
    trust: str


class Meta(TypedDict):
    """What ``meta.json`` records."""

    format: int
    name: str
    source: str
    licence: str
    notes: list[str]
    n_train: int | None
    n_samples: int
    image_shape: tuple[int, int]
    sha256: dict[str, str]
    origin: Origin


def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of downloads: `cache_dir`, ``INKLENS_CACHE``, or the user's cache folder."""
    if cache_dir is not None:
        return Path(cache_dir)
    if os.environ.get("INKLENS_CACHE"):
        return user_path(os.environ["INKLENS_CACHE"])
    from platformdirs import user_cache_path

    return user_cache_path("inklens")


@dataclass(frozen=True)
class Entry:
    """One data set in the cache, there or not.

    Parameters
    ----------
    folder : Path
        Where its files lie.
    """

    folder: Path

    @classmethod
    def of(cls, key: str, cache_dir: str | os.PathLike[str] | None) -> "Entry":
        """Return the entry of a key such as ``openml-mnist_784-1``."""
        safe = re.sub(r"[^A-Za-z0-9._-]", lambda match: f"%{ord(match[0]):x}", key)
        return cls(cache_folder(cache_dir) / "datasets" / safe)

    def meta(self) -> Meta | None:
        """Return what is recorded about the files, or None when nothing (readable) is there."""
        try:
            meta = parse(read_file(self.folder / META, limit=MAX_META_BYTES))
        except (DataError, JsonError):
            return None
        return cast("Meta", meta) if _is_meta(meta) else None

    def size_bytes(self) -> int:
        """Return the bytes on disk."""
        size = 0
        with suppress(OSError):  # what may not be looked into, or is removed meanwhile
            for path in self.folder.iterdir():
                status = path.lstat()
                size += status.st_size if stat.S_ISREG(status.st_mode) else 0
        return size

    def load(self) -> Dataset:
        """Return the data set, memory-mapped, after its checksums have been verified.

        Raises
        ------
        DataError
            Not there, or changed; the text names path and both checksums.
        """
        meta = self.meta()
        if meta is None:
            raise DataError(f"{str(self.folder)!r} holds no data set")
        try:
            pixels, labels = _files(meta)
            for name in (pixels, labels):
                path = self.folder / name
                expected, found = meta["sha256"][name], sha256_of(path)
                if found != expected:
                    raise DataError(f"{str(path)!r} was changed: expected SHA-256 {expected}, got {found}")
            rows, cols = meta["image_shape"]
            return Dataset(
                np.load(self.folder / pixels, mmap_mode="r"),
                np.load(self.folder / labels, allow_pickle=False),
                image_shape=(rows, cols),
                name=meta["name"],
                source=meta["source"],
                licence=meta["licence"],
                notes=tuple(meta["notes"]),
                n_train=meta["n_train"],
            )
        except DataError:
            raise
        except Exception as error:  # NumPy's header is Python's own notation, and what parses that raises anything
            raise DataError(f"{str(self.folder)!r} cannot be read: {error}") from error

    def store(self, dataset: Dataset, origin: Origin) -> None:
        """Write the data set; `meta.json` comes last and makes it valid. Call it under `locked`."""
        older = self.meta()
        names = FILES[1] if older is not None and _files(older) == FILES[0] else FILES[0]
        for name in (META, *names):
            _make_way(self.folder / name)
        for name, array in zip(names, (dataset.X, dataset.y), strict=True):
            with atomic_file(self.folder / name) as file:
                np.save(file, array, allow_pickle=False)
        meta: Meta = {
            "format": FORMAT,
            "name": dataset.name,
            "source": dataset.source,
            "licence": dataset.licence,
            "notes": list(dataset.notes),
            "n_train": dataset.n_train,
            "n_samples": len(dataset),
            "image_shape": dataset.image_shape,
            "sha256": {name: sha256_of(self.folder / name) for name in names},
            "origin": origin,
        }
        write_text(self.folder / META, json.dumps(meta, indent=1))
        for path in self.folder.iterdir():  # left by writers that died; nobody else writes while the lock is held
            if path.name not in (META, LOCK, *names):
                with suppress(OSError):  # the entry is whole
                    path.unlink()

    def remove(self) -> int:
        """Delete the entry, whatever lies in it; return the bytes that were freed. Links are not followed.

        Raises
        ------
        OutputError
            A file cannot be removed.
        """
        try:
            if not stat.S_ISDIR(self.folder.lstat().st_mode):
                self.folder.unlink(missing_ok=True)
                return 0
            freed = self.size_bytes()
            with self.locked():
                _remove(self.folder / META)
                for path in self.folder.iterdir():
                    if path.name != LOCK:
                        _remove(path)
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(
                f"cannot remove {str(error.filename)!r} from the cache: {error.strerror}; remove it by hand"
            ) from error
        shutil.rmtree(self.folder, ignore_errors=True)
        return freed

    @contextmanager
    def locked(self, *, max_wait_s: float = MAX_WAIT_S, progress: Progress | None = None) -> Iterator[None]:
        """Be the only process that writes this entry. The system drops the lock when its owner dies."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / LOCK)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _make_way(self.folder / LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                if progress:
                    progress(0, None, "waiting for another process that fetches the same data")
                lock.acquire(timeout=max_wait_s, poll_interval=POLL_S)
        except Timeout:
            raise DownloadError(
                f"another process holds {str(self.folder)!r} since {max_wait_s:g} s; end it or wait"
            ) from None
        except OSError as error:
            raise OutputError(
                f"cannot write to the cache {str(self.folder)!r}: {error.strerror}; set INKLENS_CACHE to a folder that "
                "you may write to"
            ) from error
        try:
            yield
        finally:
            lock.release()


def _files(meta: Meta) -> tuple[str, str]:
    """Return the names of the files of pixels and labels."""
    return next(names for names in FILES if set(names) == set(meta["sha256"]))


def _is_meta(value: object) -> bool:
    """Tell whether a document records an entry, each part of its type; it may have been written by anyone."""
    if not isinstance(value, dict) or not Meta.__required_keys__ <= value.keys() or value["format"] != FORMAT:
        return False
    shape, sums, origin, n_train = (value[name] for name in ("image_shape", "sha256", "origin", "n_train"))
    counts = [value["n_samples"], *(shape if isinstance(shape, list) and len(shape) == 2 else [None])]
    return (
        all(isinstance(value[name], str) for name in ("name", "source", "licence"))
        and all(type(count) is int and 0 < count < 1 << 40 for count in counts)
        and (n_train is None or (type(n_train) is int and 0 <= n_train <= value["n_samples"]))
        and isinstance(value["notes"], list)
        and all(isinstance(note, str) for note in value["notes"])
        and isinstance(sums, dict)
        and any(set(names) == sums.keys() for names in FILES)
        and all(isinstance(checksum, str) for checksum in sums.values())
        and isinstance(origin, dict)
        and all(isinstance(origin.get(name), str) for name in ("url", "trust"))
        and isinstance(origin.get("md5"), str | None)
    )


def openml_key(name: str, version: int | None) -> str:
    """Return the key of a data set on OpenML."""
    return f"openml-{name}-{version}"


def versions(name: str, cache_dir: str | os.PathLike[str] | None = None) -> list[Entry]:
    """Return the entries of all versions of a data set on OpenML, the lowest first."""
    prefix = Entry.of(f"openml-{name}-", cache_dir).folder.name
    numbers = {
        int(number): entry
        for entry in entries(cache_dir)
        if entry.folder.name.startswith(prefix) and (number := entry.folder.name.removeprefix(prefix)).isdecimal()
    }
    return [numbers[number] for number in sorted(numbers)]


def entries(cache_dir: str | os.PathLike[str] | None = None) -> list[Entry]:
    """Return every entry that holds a data set or a part of one.

    Raises
    ------
    DataError
        The folder of all of them may not be looked into.
    """
    folder = cache_folder(cache_dir) / "datasets"
    try:
        return [Entry(path) for path in sorted(folder.iterdir()) if path.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(
            f"cannot look into the cache {str(folder)!r}: {error.strerror}; set INKLENS_CACHE to a folder that you may "
            "use"
        ) from error


def _make_way(path: Path) -> None:
    """Remove what is no regular file, where one belongs; who writes there says what could not be removed."""
    with suppress(OSError):
        if not stat.S_ISREG(path.lstat().st_mode):
            _remove(path)


def _remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that lies in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or what is wrong with it."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except DataError as error:
        return f"none ({error})"
    except OSError as error:
        return f"none ({error.strerror})"
