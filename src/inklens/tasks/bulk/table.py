"""A table in parts: a folder of Parquet files, each written whole, that a later run continues."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from filelock import FileLock, Timeout
from pyarrow import compute, parquet

from inklens.errors import DataError, OutputError, ParameterError
from inklens.reader import DigitReader
from inklens.storage import write_inside
from inklens.tasks.bulk.plan import Known
from inklens.tasks.bulk.rows import NOTED, Outcomes, outcomes, to_parquet, to_table

LOCK = ".lock"  # readers of folders of Parquet pass over names that begin with a dot
PART = re.compile(r"part-(\d{7,})\.parquet")
FLEETING = ("missing", "unreadable", "crashed")  # errors that another run may not have
NEEDED = ["path", "size", "modified", "accepted", "error_code"]


@dataclass(frozen=True)
class Origin:
    """What every part notes of the run that began its table."""

    model: str  # SHA-256 of its file
    recipe: str
    settings: Mapping[str, object]  # of the `Normaliser`
    many: bool | None
    batch: int  # pictures of a part, at most

    @classmethod
    def of(cls, reader: DigitReader, *, many: bool | None, batch: int = 0) -> "Origin":
        """Describe a run."""
        digest = hashlib.sha256(reader.to_bytes()).hexdigest()
        return cls(digest, reader.recipe, dict(reader.settings), many, batch)

    def check_same(self, now: "Origin", folder: Path) -> None:
        """Refuse to continue a table that another model, or other options, began.

        Raises
        ------
        ParameterError
            With what is different.
        """
        words = {"model": "another --model", "recipe": "another --recipe", "settings": "other options for photos"}
        words["many"] = "another of --one and --many"
        different = [word for name, word in words.items() if getattr(self, name) != getattr(now, name)]
        if different:
            raise ParameterError(
                f"{str(folder)!r} was begun with {' and '.join(different)}; name a new table with -o, or use the same "
                "again"
            )


class PartTable:
    """The folder of a table, and its parts by number."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts: dict[int, Path] = {}

    @contextmanager
    def opened(self) -> Iterator["PartTable"]:
        """Make the folder, or look at the parts that are there; one run at a time may write.

        Raises
        ------
        OutputError
            Something else is there, or another run writes this table.
        """
        if self.folder.is_file():
            raise OutputError(
                f"cannot write {str(self.folder)!r}: expected a folder for the parts of a table, found a file; name "
                "another with -o, or remove it"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / LOCK, timeout=0)
            lock.acquire()
        except Timeout as error:
            raise OutputError(f"another run is writing {str(self.folder)!r}; wait for it, or name another") from error
        except OSError as error:
            raise OutputError(
                f"cannot write {str(self.folder)!r}: {error.strerror}; choose a folder that you may write to"
            ) from error
        with lock:
            self.parts = self._listed()
            yield self

    def _listed(self) -> dict[int, Path]:
        parts = {}
        for path in sorted(self.folder.iterdir()):
            named = PART.fullmatch(path.name)
            if named:
                parts[int(named[1])] = path
            elif not path.name.startswith("."):
                raise OutputError(
                    f"{str(self.folder)!r} holds {path.name!r}, which is no part of such a table; name a new folder "
                    "with -o"
                )
        return parts

    def origin(self) -> Origin | None:
        """Return what the first part says of the run that began the table; None without parts."""
        if not self.parts:
            return None
        path = next(iter(self.parts.values()))
        with _readable(path):
            metadata = parquet.read_schema(path).metadata or {}
        try:
            return Origin(**json.loads(metadata[NOTED]))
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise OutputError(
                f"{str(path)!r} was not written by this version of inklens read; name another folder with -o"
            ) from error

    def known(self) -> Iterator[tuple[Known, Outcomes]]:
        """Yield what is known of every picture, and what became of it."""
        for number, path in self.parts.items():
            with _readable(path):
                table = parquet.ParquetFile(path).read(columns=NEEDED)
            modified = table["modified"].cast(pa.int64()).to_pylist()
            columns = [table[name].to_pylist() for name in ("path", "size", "accepted", "error_code")]
            for name, size, accepted, code, when in zip(*columns, modified, strict=True):
                failed = code is not None
                became = Outcomes(int(accepted), int(not accepted and not failed), int(failed))
                yield Known(name, size, when, number, code not in FLEETING), became

    def write(self, number: int, part: bytes, *, replaces: bool) -> Outcomes:
        """Write a part whole, or put its rows in the place of those of the same pictures; return what that changed.

        The counts are those of the new rows; less, where rows gave way, those of the old ones.
        """
        path = self.folder / f"part-{number:07d}.parquet"
        new = to_table(part)
        if not replaces:
            write_inside(path, part)
            self.parts[number] = path
            return outcomes(new)
        with _readable(path):
            old = parquet.ParquetFile(path).read()
        given_way = compute.is_in(old["path"], value_set=new["path"].combine_chunks())
        whole = pa.concat_tables([old.filter(compute.invert(given_way)), new.cast(old.schema)]).sort_by("path")
        write_inside(path, to_parquet(whole, old.schema))
        before, after = outcomes(old), outcomes(whole)
        return Outcomes(*(b - a for a, b in zip(before, after, strict=True)))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise DataError(
            f"{str(path)!r} cannot be read as a part of the table; remove it, and its pictures are read again"
        ) from error
