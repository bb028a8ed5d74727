"""What runs on a worker: it keeps shards, and answers for all of them in one call.

Actors answer in milliseconds where tasks take tens; what an actor lacks, recovery, is the driver's (`shards.py`).
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from inklens.linear import memory
from inklens.linear.rows.remote import tree
from inklens.linear.rows.remote.recipes import Known, NotGivenError, Operation, Shard, known
from inklens.linear.rows.remote.sources import Source
from inklens.linear.rows.row_arrays import Joins, Tree

MEMORY = 1 << 31  # bytes beside the rows that a shard takes to be free: the same everywhere, as bits depend on it

SHELVES: dict[tuple[str, str], dict[int, Shard]] = {}  # by worker and session: several workers may share a process


@dataclass(frozen=True)
class Message:
    """What the driver asks a worker."""

    operation: Operation
    shards: tuple[tuple[int, int], ...]  # number, and key on the shelf
    n_shards: int
    n_together: int  # rows of all shards
    by: "Joins | None"  # None: no sum, each shard's answer by itself
    given: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)


@dataclass
class Answer:
    """What a worker answers."""

    sums: tree.Sums = field(default_factory=dict)
    n_passes: dict[int, float] = field(default_factory=dict)  # that the answer took, by shard
    missing: list[int] = field(default_factory=list)
    error: Exception | None = None  # of the computation itself
    seconds: float = 0.0


class Keeper:
    """Keeps the shards of one session on one worker."""

    def __init__(self, session: str) -> None:
        from distributed import get_worker

        worker = get_worker()
        self.place = worker.address, session
        self.n_threads = worker.state.nthreads
        self.shelf: dict[int, Shard] = {}
        SHELVES[self.place] = self.shelf

    def __del__(self) -> None:
        if hasattr(self, "shelf") and SHELVES.get(self.place) is self.shelf:  # not that of one who came after
            del SHELVES[self.place]

    async def ping(self) -> bool:
        """Tell that this process runs, while a computation does."""
        return True

    def answer(self, message: Message) -> Answer:
        """Compute for each shard in turn, adding up as soon as two halves are there."""
        began, answer = time.perf_counter(), Answer()
        shelf = self.shelf
        answer.missing = [number for number, key in message.shards if key not in shelf]
        shards = [shelf[key] for _, key in message.shards if key in shelf]
        for number, key in message.shards:
            if key in shelf:
                shelf[key].number = number
        for shard in shelf.values():
            shard.forget(message.forgotten)
        try:
            if self.n_threads > 1 and len(shards) > 1:
                with ThreadPoolExecutor(self.n_threads) as pool:
                    results = pool.map(lambda shard: _answer(shard, message), shards)
                    self._add(results, shards, message, answer)
            else:
                self._add((_answer(shard, message) for shard in shards), shards, message, answer)
        except NotGivenError:
            answer.missing, answer.sums = [number for number, _ in message.shards], {}
        except Exception as error:  # travels to the driver, whose caller it is for
            answer.error = error
        answer.seconds = time.perf_counter() - began
        return answer

    def _add(self, results: "object", shards: list[Shard], message: Message, answer: Answer) -> None:
        for shard, (value, n_passes) in zip(shards, results, strict=True):  # type: ignore[call-overload]
            answer.n_passes[shard.number] = n_passes
            if message.by is None:
                answer.sums[0, shard.number] = value
            else:
                tree.add(answer.sums, (0, shard.number), value, message.n_shards, message.by)


def _answer(shard: Shard, message: Message) -> tuple[Tree, float]:
    """Return a shard's answer, and the passes that it took."""
    shard.rows.n_together = message.n_together
    for name, values in message.given.get(shard.number, {}).items():
        shard.give(name, values)
    before = shard.n_passes
    with memory.scope(MEMORY):
        value = message.operation(shard)
    return value, shard.n_passes - before


class KeeperLostError(RuntimeError):
    """A worker runs, and no longer has the keeper of a session: it has lost touch with the scheduler meanwhile."""


def load(session: str, key: int, scale: float, source: Source, *parts: object) -> Known:
    """Read a shard, and put it on the shelf of this worker; return what is known of it."""
    from distributed import get_worker

    place = get_worker().address, session
    if place not in SHELVES:
        raise KeeperLostError(f"no keeper of session {session} at {place[0]}")
    with memory.scope(MEMORY):
        rows = source.rows(parts)
        rows.scale *= scale
        found = known(rows)
    SHELVES[place][key] = Shard(key, rows)
    return found
