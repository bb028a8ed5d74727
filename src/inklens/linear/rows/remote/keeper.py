"""What runs on a worker: it keeps shards, and answers for all of them in one call.

Actors answer in milliseconds where tasks take tens; what an actor lacks, recovery, is the driver's (`shards.py`).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np

from inklens.linear import memory
from inklens.linear.rows.remote import lines, tree, wire
from inklens.linear.rows.remote.recipes import Known, NotGivenError, Operation, Shard, known
from inklens.linear.rows.remote.sources import Source
from inklens.linear.rows.row_arrays import Joins, Tree

MEMORY = 1 << 31  # bytes beside the rows that a shard takes to be free: the same everywhere, as bits depend on it

Answered: TypeAlias = tuple[Tree, float]  # of one shard, with the passes that it took

SHELVES: dict[tuple[str, str], dict[int, Shard]] = {}  # by worker and session: several workers may share a process


@dataclass(frozen=True)
class Question:
    """What the driver asks all workers."""

    operation: Operation
    n_shards: int
    n_together: int  # rows of all shards
    by: "Joins | None"  # None: no sum, each shard's answer by itself


@dataclass(frozen=True)
class Share:
    """What it asks one of them."""

    shards: tuple[tuple[int, int], ...]  # number, and key on the shelf
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
        n_threads = worker.state.nthreads
        self.pool = ThreadPoolExecutor(n_threads) if n_threads > 1 else None
        self.shelf: dict[int, Shard] = {}
        SHELVES[self.place] = self.shelf
        self.answering = threading.Lock()  # who gives up an answer may ask anew while it is computed

    def __del__(self) -> None:
        pool: ThreadPoolExecutor | None = getattr(self, "pool", None)
        if pool is not None:
            pool.shutdown(wait=False)
        if hasattr(self, "shelf") and SHELVES.get(self.place) is self.shelf:  # not that of one who came after
            del SHELVES[self.place]

    async def ping(self) -> bool:
        """Tell that this process runs, while a computation does."""
        return True

    def listen(self) -> str:
        """Return the path of a socket where whoever comes first may ask."""
        return lines.listen(self._answer)

    def answer(self, question: Question | bytes, share: Share | bytes) -> Answer | bytes:
        """Compute for each shard in turn, adding up as soon as two halves are there."""
        return wire.packed(self._answer(wire.unpacked(question), wire.unpacked(share)))

    def _answer(self, question: Question, share: Share) -> Answer:
        with self.answering:
            return self._computed(question, share)

    def _computed(self, question: Question, share: Share) -> Answer:
        began, answer = time.perf_counter(), Answer()
        shelf = self.shelf
        answer.missing = [number for number, key in share.shards if key not in shelf]
        shards = [shelf[key] for _, key in share.shards if key in shelf]
        for number, key in share.shards:
            if key in shelf:
                shelf[key].number = number
        for shard in shelf.values():
            shard.forget(share.forgotten)
        try:
            self._add(self._each(partial(_answered, question=question, share=share), shards), shards, question, answer)
        except NotGivenError:
            answer.missing, answer.sums = [number for number, _ in share.shards], {}
        except Exception as error:  # travels to the driver, whose caller it is for
            answer.error = error
        answer.seconds = time.perf_counter() - began
        return answer

    def _each(self, answered: Callable[[Shard], Answered], shards: list[Shard]) -> Iterator[Answered]:
        if self.pool is None or len(shards) == 1:
            yield from map(answered, shards)
            return
        waiting = deque(self.pool.submit(answered, shard) for shard in shards)
        try:
            while waiting:
                yield waiting.popleft().result()
        finally:  # after an error of one, no other computes behind the next question
            for future in waiting:
                future.cancel()
            wait(waiting)

    def _add(self, results: Iterator[Answered], shards: list[Shard], question: Question, answer: Answer) -> None:
        for shard, (value, n_passes) in zip(shards, results, strict=True):
            answer.n_passes[shard.number] = n_passes
            if question.by is None:
                answer.sums[0, shard.number] = value
            else:
                tree.add(answer.sums, (0, shard.number), value, question.n_shards, question.by)


def _answered(shard: Shard, question: Question, share: Share) -> Answered:
    """Return a shard's answer, and the passes that it took."""
    shard.rows.n_together = question.n_together
    for name, values in share.given.get(shard.number, {}).items():
        shard.give(name, values)
    before = shard.n_passes
    with memory.scope(MEMORY):
        value = question.operation(shard)
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
