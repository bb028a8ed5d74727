"""Outcomes on disk, by what they depend on: rows, recipe, budget, digits, and the versions of all that computes."""

import hashlib
import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sklearn

from inklens import __version__
from inklens.datasets.openml.cache import cache_folder
from inklens.datasets.unpack import read_file
from inklens.errors import DataError, OutputError
from inklens.siblings.child import Job, PairJob
from inklens.siblings.pair import Duelled
from inklens.siblings.results import Outcome
from inklens.storage import write_inside
from inklens.strict_json import parse

FORMAT = 2  # raise it when outcomes change their meaning
MOST_FILES = 500  # about 100 MB
MAX_BYTES = 20_000_000  # of one; with 10,000 test rows it has 0.3 MB


def versions() -> dict[str, str]:
    """Return the versions that an outcome depends on."""
    return {
        "inklens": __version__,
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }


class Cache:
    """A folder of outcomes.

    Parameters
    ----------
    rows : str
        Hash of all rows and labels.
    folder : Path, optional
        By default within the user's cache folder.
    """

    def __init__(self, rows: str, folder: Path | None = None) -> None:
        self.rows = rows
        self.folder = folder or cache_folder() / "siblings"

    def get(self, job: Job | PairJob) -> Outcome | Duelled | None:
        """Return what an earlier run of the same job gave; None where there is none, or it cannot be read."""
        try:
            kept: Any = parse(read_file(self._path(job), limit=MAX_BYTES))
            document = kept["outcome"]
            if kept["sha256"] != _checksum(document):  # anybody may have written it
                return None
            if isinstance(job, PairJob):
                return Duelled.from_json(document)
            return replace(Outcome.from_json(document), cached=True)
        except (DataError, ValueError, KeyError, TypeError):
            return None

    def put(self, job: Job | PairJob, result: Outcome | Duelled) -> None:
        """Keep a result; a failure is not kept, nor is a full disk an error."""
        if isinstance(result, Outcome) and (result.failed or result.answers is None):
            return
        with suppress(OutputError, OSError):
            document = result.to_json()
            write_inside(self._path(job), json.dumps({"sha256": _checksum(document), "outcome": document}))
            self._prune()

    def _path(self, job: Job | PairJob) -> Path:
        asked: Mapping[str, object] = {**asdict(job), "folder": self.rows}
        key = json.dumps([FORMAT, asked, versions()], sort_keys=True)
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def _prune(self) -> None:
        """Remove the oldest files beyond the limit."""
        files = sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in files[:-MOST_FILES]:
            path.unlink(missing_ok=True)


def _checksum(document: object) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def rows_hash(*arrays: np.ndarray) -> str:
    """Return a hash of arrays: their bytes, types and shapes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
