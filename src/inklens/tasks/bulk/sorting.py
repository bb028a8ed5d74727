"""Records in order, however many: beyond some of them, sorted runs lie in temporary files and are merged."""

import pickle
import tempfile
from collections.abc import Iterable, Iterator
from heapq import merge
from typing import IO, Generic, TypeVar

Record = TypeVar("Record", bound=tuple)

MOST_HELD = 200_000  # records in memory at a time: some 60 MB of names
PER_READ = 1_000  # records that each run has in memory while runs are merged


class Spool(Generic[Record]):
    """A heap of tuples that come back sorted, any number of times, in bounded memory.

    >>> spool = Spool([("b", 2), ("a", 1), ("c", 3)], most_held=2)
    >>> list(spool), len(spool)
    ([('a', 1), ('b', 2), ('c', 3)], 3)
    """

    def __init__(self, records: Iterable[Record] = (), *, most_held: int = MOST_HELD) -> None:
        self.most_held = most_held
        self._held: list[Record] = []
        self._runs: list[IO[bytes]] = []
        self._length = 0
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Take one more record."""
        self._held.append(record)
        self._length += 1
        if len(self._held) >= self.most_held:
            self._spill()

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Record]:
        self._held.sort()
        yield from merge(self._held, *map(_records_of, self._runs))  # a generator: it keeps the files open

    def __del__(self) -> None:
        for run in self._runs:
            run.close()

    def _spill(self) -> None:
        self._held.sort()
        run = tempfile.TemporaryFile()  # noqa: SIM115 (it goes with the spool)
        for start in range(0, len(self._held), PER_READ):
            pickle.dump(self._held[start : start + PER_READ], run)
        self._runs.append(run)
        self._held = []


def _records_of(run: IO[bytes]) -> Iterator:
    """Yield a run's records; two readers of one run do not disturb each other."""
    place = 0
    while True:
        run.seek(place)
        try:
            records = pickle.load(run)  # of this process alone: the file has no name
        except EOFError:
            return
        place = run.tell()
        yield from records
