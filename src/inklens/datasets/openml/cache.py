"""Downloaded data on disk: uint8 ``X.npy``, ``y.npy`` and ``meta.json`` with their SHA-256, one folder per data set."""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inklens.datasets.dataset import Dataset
from inklens.errors import DataError, DownloadError, OutputError
from inklens.storage import atomic_file, write_text

FORMAT = 1  # raise it when the files change their meaning; older ones are then fetched again
META, PIXELS, LABELS, LOCK = "meta.json", "X.npy", "y.npy", "lock"
POLL_S = 0.1


def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of downloads: `cache_dir`, ``INKLENS_CACHE``, or the user's cache folder."""
    if cache_dir is not None:
        return Path(cache_dir)
    if os.environ.get("INKLENS_CACHE"):
        return Path(os.environ["INKLENS_CACHE"]).expanduser()
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

    def meta(self) -> dict[str, Any] | None:
        """Return what is recorded about the files, or None when nothing (readable) is there."""
        try:
            meta = json.loads((self.folder / META).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return meta if isinstance(meta, dict) and meta.get("format") == FORMAT else None

    def size_bytes(self) -> int:
        """Return the bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.glob("*") if path.is_file())

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
        for name, expected in meta["sha256"].items():
            found = sha256_of(self.folder / name)
            if found != expected:
                raise DataError(f"{str(self.folder / name)!r} was changed: expected SHA-256 {expected}, got {found}")
        try:
            return Dataset(
                np.load(self.folder / PIXELS, mmap_mode="r"),
                np.load(self.folder / LABELS, allow_pickle=False),
                image_shape=tuple(meta["image_shape"]),
                name=meta["name"],
                source=meta["source"],
                licence=meta["licence"],
                notes=tuple(meta["notes"]),
                n_train=meta["n_train"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{str(self.folder)!r} cannot be read: {error}") from error

    def store(self, dataset: Dataset, **origin: Any) -> None:
        """Write the data set; `meta.json` comes last and makes it valid. Call it under `locked`."""
        (self.folder / META).unlink(missing_ok=True)
        for name, array in ((PIXELS, dataset.X), (LABELS, dataset.y)):
            with atomic_file(self.folder / name) as file:
                np.save(file, array, allow_pickle=False)
        meta = {
            "format": FORMAT,
            "name": dataset.name,
            "source": dataset.source,
            "licence": dataset.licence,
            "notes": dataset.notes,
            "n_train": dataset.n_train,
            "n_samples": len(dataset),
            "image_shape": dataset.image_shape,
            "sha256": {name: sha256_of(self.folder / name) for name in (PIXELS, LABELS)},
            "origin": origin,
        }
        write_text(self.folder / META, json.dumps(meta, indent=1))
        self._sweep()

    def remove(self) -> int:
        """Delete the entry; return the bytes that were freed."""
        if not self.folder.is_dir():
            return 0
        freed = self.size_bytes()
        with self.locked():
            (self.folder / META).unlink(missing_ok=True)
            for path in self.folder.iterdir():
                if path.name != LOCK:
                    path.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        return freed

    @contextmanager
    def locked(self, *, timeout_s: float = 600, say=None) -> Iterator[None]:
        """Be the only process that writes this entry. The system drops the lock when its owner dies."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = open(self.folder / LOCK, "a+b")  # noqa: SIM115, PTH123
        except OSError as error:
            raise OutputError(
                f"cannot write to the cache {str(self.folder)!r}: {error.strerror}; set INKLENS_CACHE to a folder that "
                "you may write to"
            ) from error
        with file:
            self._wait_for(file, timeout_s, say)
            try:
                yield
            finally:
                _unlock(file)

    def _wait_for(self, file, timeout_s: float, say) -> None:
        deadline, said = time.monotonic() + timeout_s, False
        while not _try_lock(file):
            if time.monotonic() > deadline:
                raise DownloadError(f"another process holds {str(self.folder)!r} since {timeout_s:g} s; end it or wait")
            if say and not said:
                say(0, None, "waiting for another process that fetches the same data")
                said = True
            time.sleep(POLL_S)

    def _sweep(self) -> None:
        """Remove what dead writers left; the lock is held, so nobody writes here now."""
        for path in self.folder.iterdir():
            if path.name not in (META, PIXELS, LABELS, LOCK):
                path.unlink(missing_ok=True)


def entries(cache_dir: str | os.PathLike[str] | None = None) -> list[Entry]:
    """Return every entry that holds a data set or a part of one."""
    folder = cache_folder(cache_dir) / "datasets"
    return [Entry(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or what is wrong with it."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"none ({error.strerror})"


try:
    import fcntl

    def _try_lock(file) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(file) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)

except ImportError:  # Windows
    import msvcrt

    def _try_lock(file) -> bool:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True

    def _unlock(file) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]
