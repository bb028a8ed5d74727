"""Read pictures into a table: what ``inklens read --dask`` does."""

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from distributed import Client

from inklens.errors import ClusterError
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.tasks.bulk.found import Found
from inklens.tasks.bulk.pictures import Search
from inklens.tasks.bulk.plan import Batch, Known, batch_size, is_done, paired, planned
from inklens.tasks.bulk.rows import Outcomes, schema
from inklens.tasks.bulk.sorting import Spool
from inklens.tasks.bulk.table import Origin, PartTable
from inklens.tasks.bulk.workers import ReaderOnWorkers, answers

PER_TELL = 1_000  # names between two signs of life


@dataclass
class TableReading:
    """What became of the pictures; counts are of all rows of the table."""

    table: str
    outcomes: Outcomes = field(default_factory=Outcomes)
    n_read: int = 0  # in this run
    n_before: int = 0  # pictures whose rows were there already
    n_to_read: int = 0
    n_gone: int = 0  # rows of pictures that are no longer found; they stay
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return self.n_read / self.seconds if self.seconds else 0.0

    def in_words(self) -> list[str]:
        """Return what a person wants to know, in lines."""
        answered, refused, failed = self.outcomes
        lines = [
            f"{self.outcomes.total:,} pictures in {self.table}: {answered:,} answered, {refused:,} refused (column "
            f"reasons), {failed:,} that could not be read (column error)"
        ]
        if self.n_read:
            lines.append(f"{self.n_read:,} were read now, in {in_words(self.seconds)}: {self.rate:,.1f} pictures/s")
        if self.n_before:
            lines.append(f"{self.n_before:,} had been read before")
        if self.n_gone:
            lines.append(f"{self.n_gone:,} rows are of pictures that are no longer found; they stay")
        return lines

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens read --dask --json``."""
        return {
            "schema_version": 1,
            "table": self.table,
            "pictures": self.outcomes.total,
            "answered": self.outcomes.answered,
            "refused": self.outcomes.refused,
            "errors": self.outcomes.failed,
            "read_now": self.n_read,
            "read_before": self.n_before,
            "left": self.n_to_read - self.n_read,
            "gone": self.n_gone,
            "seconds": self.seconds,
            "notes": list(self.notes),
        }


def read_into_table(
    places: Iterable[str],
    *,
    table: str | Path,
    reader: DigitReader,
    cluster: Callable[[], AbstractContextManager[Client]],
    named: Iterable[str] = (),
    many: bool | None = None,
    size: int | None = None,
    progress: Progress | None = None,
) -> TableReading:
    """Read every picture that the table does not have yet, on the workers of a cluster.

    Parameters
    ----------
    places, named : iterables of str
        As for `Search`.
    table : path
        A folder of Parquet files, ``part-0000000.parquet`` and so on, that is made or continued. Each is written whole
        as soon as its pictures are read: a run that is killed loses what was being read, and the same call goes on.
    cluster : callable
        Returns a context manager of a `distributed.Client`; called once it is known that there is something to read.
        The workers have to be able to open the files under the same absolute names.
    many : bool, optional
        As for `DigitReader.read_lines`.
    size : int, optional
        Pictures of a batch, which are a part of the table; by default, what the table was begun with, or more the more
        pictures there are.

    Raises
    ------
    PhotoError
        A place that is not there.
    ParameterError
        The table was begun with another model, or other settings.
    OutputError, DataError
        The table cannot be written, or a part of it cannot be read.
    ClusterError
        The cluster has gone. What was read is kept.
    """
    tell = progress or (lambda done, total, what: None)
    search = Search(places, named=named)
    with PartTable(Path(table)).opened() as parts:
        begun = parts.origin()
        if begun is not None:
            begun.check_same(Origin.of(reader, many=many), parts.folder)
        pictures = _counted(search, tell)
        known, done = _known(parts, tell)
        result = TableReading(str(table), outcomes=done, notes=tuple(search.notes))
        _count(pictures, known, result)
        size = size or (begun.batch if begun else batch_size(len(pictures)))
        if result.n_to_read:
            columns = schema(reader.classes, asdict(Origin.of(reader, many=many, batch=size)))
            batches = planned(paired(pictures, known), taken=parts.parts, size=size)
            tell(0, result.n_to_read, "waiting for the cluster")
            with cluster() as client:
                _read(parts, answers(client, batches, ReaderOnWorkers(reader, many, columns)), result, tell)
    return result


def _counted(search: Iterable[Found], tell: Progress) -> Spool[Found]:
    pictures: Spool[Found] = Spool()
    for found in search:
        pictures.add(found)
        if len(pictures) % PER_TELL == 0:
            tell(0, None, f"{len(pictures):,} pictures found")
    return pictures


def _known(parts: PartTable, tell: Progress) -> tuple[Spool[Known], Outcomes]:
    """Return what the table has, by path, and what became of it."""
    known: Spool[Known] = Spool()
    done = Outcomes()
    for row, became in parts.known():
        known.add(row)
        done = done.plus(became)
        if len(known) % PER_TELL == 0:
            tell(0, None, f"{len(known):,} pictures were read before")
    return known, done


def _count(pictures: Iterable[Found], known: Iterable[Known], result: TableReading) -> None:
    for found, row in paired(pictures, known):
        if found is None:
            result.n_gone += 1
        elif row is not None and is_done(found, row):
            result.n_before += 1
        else:
            result.n_to_read += 1


def _read(parts: PartTable, answered: Generator[tuple[Batch, bytes]], result: TableReading, tell: Progress) -> None:
    """Write parts as they come; Ctrl-C ends that, and what is written stays."""
    begun = time.monotonic()
    tell(0, result.n_to_read, "waiting for the first pictures")
    try:
        with closing(answered):
            for batch, part in answered:
                changed = parts.write(batch.part, part, replaces=batch.replaces)
                result.outcomes = result.outcomes.plus(changed)
                result.n_read += len(batch.pictures)
                result.seconds = time.monotonic() - begun
                tell(result.n_read, result.n_to_read, _pace(result))
    except KeyboardInterrupt:
        result.interrupted = True
    except ClusterError as error:
        raise ClusterError(
            f"{error}; {result.n_read:,} pictures were read into {result.table!r}, and the same command goes on from "
            "there"
        ) from error


def _pace(result: TableReading) -> str:
    left = (result.n_to_read - result.n_read) / result.rate if result.rate else 0.0
    return f"{result.rate:,.1f} pictures/s, {in_words(left)} left"


def in_words(seconds: float) -> str:
    """Return a time as people say it.

    >>> in_words(42.4), in_words(600), in_words(40_000)
    ('42 s', '10 min', '11.1 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3_600:.1f} h"
