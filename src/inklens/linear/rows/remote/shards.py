"""The driver's side: where shards are, what is asked of them, and what happens when a worker is lost.

A call names all that it needs, so an answer that comes twice is the same answer, and one that does not come is asked
again of another worker. Whether a worker still runs is asked when it is late: one that computes answers a ping.
"""

import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, cast

import numpy as np

from inklens import cluster
from inklens.errors import ClusterError, DataError, InklensError, require
from inklens.linear import deadline
from inklens.linear.rows.remote import keeper, lines, tree, wire
from inklens.linear.rows.remote.keeper import Answer, Keeper, Question, Share
from inklens.linear.rows.remote.recipes import Known, Operation
from inklens.linear.rows.remote.sources import Plan, plan
from inklens.linear.rows.row_arrays import Joins, Tree
from inklens.quiet import quiet

if TYPE_CHECKING:
    from distributed import Client, Future

LEAST_DEADLINE = 5.0  # seconds
DEADLINE_RATIO = 8.0  # of a call's deadline to the slowest answer of its kind, row for row
PING_SECONDS = 1.0  # within which a worker that is late has to say that it runs,
PATIENCE = 4.0  # and so many times as long for each time that its shards were lost in a row: computers may be busy
MOST_SECONDS = 3600.0  # for one answer, however alive its worker is
START_SECONDS = 30.0  # for a keeper to start
SCHEDULER_SECONDS = 5.0  # within which the scheduler has to answer,
SCHEDULER_TRIES = 2
WORKER_SECONDS = 60.0  # for which new workers are waited for when none is left
CHANCE_SECONDS = 5.0  # after which those that were late have another chance
MOST_SHARES = 2.0  # of the rows that each of all workers has on average, before shards go to one that has none
MOST_LOSSES = 4  # of the workers of one shard in a row, without an answer between: it is too large for them
# What is raised of a task that Dask has given up, or that found no keeper: no fault of the computation. The last is
# what Dask's `sync` makes of a task that is cancelled just as it is waited for.
GIVEN_UP = (
    "KilledWorker",
    "CancelledError",
    "FutureCancelledError",
    "LostDependencies",
    "KeeperLostError",
    "UnboundLocalError",
)
THERE = ("finished", "pending")  # what Dask says of an actor's task while it is there
LOST = (OSError, RuntimeError, KeyError, TimeoutError)  # what a call raises whose worker, or keeper, is not there


@dataclass
class Traffic:
    """What has gone over the network so far."""

    n_rounds: int = 0
    n_bytes: int = 0  # of numbers, sent and received
    n_lost: int = 0  # workers
    n_read: int = 0  # shards, again after losses


@dataclass
class _Place:
    """One worker, with the shards that it holds."""

    keeper: "Future"  # which keeps it alive
    line: lines.Line | None = None  # None: to be opened
    shards: set[int] = field(default_factory=set)
    forgotten: list[str] = field(default_factory=list)  # names that it may let go of

    def hang_up(self) -> None:
        """Await no answer any more."""
        if self.line is not None:
            self.line.close()
        self.line = None


class Shards:
    """The shards of one data set on a cluster, numbered from 0.

    Build it with `Shards.of`; `close` gives the workers' memory back.
    """

    def __init__(
        self, client: "Client", planned: Plan, scale: float = 1.0, owned: cluster.InProcess | None = None
    ) -> None:
        distributed = require("distributed", extra="dask")
        self.client, self.names, self.scale, self._owned = client, planned.names, scale, owned
        self._direct: Client = distributed.Client(
            client.scheduler.address, direct_to_workers=True, security=client.security, set_as_default=False
        )
        self._asking = RLock()  # a line has one question at a time
        self.session = uuid.uuid4().hex
        self.traffic = Traffic()
        self.cuts = planned.cuts
        self._keys = list(range(len(self.cuts)))  # of the shards on their worker's shelf
        self.known: list[Known] = []
        self.is_closed = False
        self._places: dict[str, _Place] = {}
        self._checked: set[str] = set()  # workers that run what this process does
        self._late: set[str] = set()  # workers that are not asked any more
        self._n_losses = [0] * len(self.cuts)
        self._pace: dict[type, float] = {}  # seconds for each row of the slowest answer, by kind of operation
        self._unwanted: list[str] = []
        self._given: dict[str, list[np.ndarray]] = {}
        self._n_names, self._n_passes = 0, 0.0
        self._unsent: list[set[str]] = [set() for _ in self.cuts]

    @classmethod
    def of(cls, X: object, client: "Client | None" = None, scale: float = 1.0) -> "Shards":
        """Cut data into shards, and let workers read them.

        Without a client it is Dask's current one; where there is none, this process is its own worker.
        """
        client, owned = client or cluster.current_client(), None
        if client is None:
            owned = cluster.InProcess()
            client = owned.client
        made = cls(client, plan(X), scale, owned)
        try:
            made._read()
        except BaseException:
            made.close()
            raise
        return made

    @property
    def n_shards(self) -> int:
        """Number of shards; but for data without any rows, all have some."""
        return len(self.cuts)

    def name(self, kind: str) -> str:
        """Return a new name for something that shards keep."""
        self._n_names += 1
        return f"{kind}-{self._n_names}"

    # ---- what shards are given, and keep -----------------------------------------------------------------------------

    def give(self, name: str, parts: list[np.ndarray]) -> None:
        """Send each shard its part of an array, with the next question."""
        self._given[name] = parts
        for unsent in self._unsent:
            unsent.add(name)

    def forget(self, name: str) -> None:
        """Let shards let go of what they keep under a name, when they are asked next."""
        self._unwanted.append(name)  # no more: this runs whenever Python collects garbage

    def _forget_unwanted(self) -> None:
        while self._unwanted:
            name = self._unwanted.pop()
            if self._given.pop(name, None) is not None:
                for unsent in self._unsent:
                    unsent.discard(name)
            for place in self._places.values():
                place.forgotten.append(name)

    # ---- questions ---------------------------------------------------------------------------------------------------

    def total(self, operation: Operation, by: Joins = np.add) -> Tree:
        """Return the sum of all shards' answers, along the tree."""
        sums = self._ask(operation, by)
        top = tree.root(self.n_shards)
        if list(sums) != [top]:
            raise ClusterError(f"the answers of the shards do not add up to one: {sorted(sums)}")
        return sums[top]

    def each(self, operation: Operation) -> list[Tree]:
        """Return the answers of the shards."""
        answers = self._ask(operation, None)
        return [answers[0, number] for number in range(self.n_shards)]

    def taken_passes(self) -> float:
        """Return the passes over all rows that questions took since this was asked last."""
        n_passes, self._n_passes = self._n_passes, 0.0
        return n_passes

    def _ask(self, operation: Operation, by: "Joins | None") -> tree.Sums:
        with self._asking:
            try:
                return self._answered(operation, by)
            except BaseException:  # there may be answers on their way that are not to be taken for those of the next
                for place in self._places.values():
                    place.hang_up()
                raise

    def _answered(self, operation: Operation, by: "Joins | None") -> tree.Sums:
        if self.is_closed:
            raise ClusterError("these rows were given back to their cluster; read them again (Rows.of)")
        self._forget_unwanted()
        sums: tree.Sums = {}
        open_ones = set(range(self.n_shards))
        self.traffic.n_rounds += 1
        while open_ones:
            deadline.check()
            for address, mine, waited in self._sent(operation, by, open_ones):
                answer = self._answer(address, mine, waited, type(operation))
                if answer is None:
                    continue
                if answer.error is not None:
                    raise self._said(answer.error, address)
                self._places[address].shards -= set(answer.missing)
                answered = [number for number in mine if number not in answer.missing]
                for node, value in answer.sums.items():
                    covered = tree.shards_of(node, self.n_shards)
                    if not open_ones.issuperset(covered):
                        raise ClusterError(f"the answer of shards {list(covered)} came twice, or was not asked for")
                    open_ones -= set(covered)
                    if by is None:
                        sums[node] = value
                    else:
                        tree.add(sums, node, value, self.n_shards, by)
                    self.traffic.n_bytes += wire.n_bytes(value)
                if not open_ones.isdisjoint(answered):
                    raise ClusterError(f"the answer of shards {sorted(open_ones & set(answered))} is missing")
                self._n_passes += sum(
                    n_passes * self.known[number].n_samples / max(1, self.n_rows)
                    for number, n_passes in answer.n_passes.items()
                )
                for number in answered:
                    self._unsent[number].clear()
                    self._n_losses[number] = 0
            self._restore()
        return sums

    def _sent(
        self, operation: Operation, by: "Joins | None", open_ones: set[int]
    ) -> list[tuple[str, list[int], lines.Waited | None]]:
        """Ask every worker for what it has of some shards; nothing is waited for where there is no keeper any more."""
        question: wire.Letter[object] = wire.Letter(Question(operation, self.n_shards, self.n_rows, by))
        asked = [
            (address, mine, self._call(address, question, mine))
            for address, place in self._places.items()
            if (mine := sorted(open_ones & place.shards))
        ]
        self.traffic.n_bytes += len(asked) * wire.n_bytes(operation)
        return asked

    def _call(self, address: str, question: wire.Letter[object], mine: list[int]) -> lines.Waited | None:
        place = self._places[address]
        given = {number: {name: self._given[name][number] for name in self._unsent[number]} for number in mine}
        shards = tuple((number, self._keys[number]) for number in mine)
        share = Share(shards, given, place.forgotten)
        self.traffic.n_bytes += wire.n_bytes(given)
        place.forgotten = []
        if place.keeper.status not in THERE:
            return None
        if place.line is None:
            place.line = lines.opened(self._direct, address, place.keeper.key)
        return place.line.send(question, share)

    def _answer(self, address: str, mine: list[int], waited: lines.Waited | None, kind: type) -> Answer | None:
        """Wait for an answer; None where the worker is lost, or late and silent."""
        n_rows = sum(self.known[number].n_samples for number in mine)
        most = max(LEAST_DEADLINE, DEADLINE_RATIO * n_rows * self._pace.get(kind, 0.0))
        try:
            answer = self._waited(address, mine, waited, most)
        except LOST:
            self._lose(address)
            return None
        self._pace[kind] = max(self._pace.get(kind, 0.0), answer.seconds / max(1, n_rows))
        return answer

    def _waited(self, address: str, mine: list[int], waited: lines.Waited | None, most: float) -> Answer:
        """Return the answer of a call; raise one of LOST when there will be none."""
        if waited is None:
            raise OSError(f"no keeper at {address}")
        began = time.monotonic()
        while time.monotonic() - began < MOST_SECONDS:
            left = began + most - time.monotonic()
            try:
                found = waited.result(timeout=cluster.LOOK_SECONDS if left <= 0.0 else min(left, cluster.LOOK_SECONDS))
                return wire.unpacked(cast("Answer | bytes", found))
            except TimeoutError:
                if address not in self._workers():
                    raise OSError(f"the worker {address} has gone") from None
                if left <= cluster.LOOK_SECONDS and not self._breathes(address, mine):
                    raise
        raise TimeoutError(f"{address} took more than {MOST_SECONDS:.0f} s for one answer")

    def _breathes(self, address: str, mine: list[int]) -> bool:
        """Tell whether a worker answers at all, though it computes."""
        seconds = PING_SECONDS * PATIENCE ** max(self._n_losses[number] for number in mine)
        try:
            asked = lines.ThroughDask(self._direct, address, self._places[address].keeper.key).ask("ping")
            return bool(asked.result(timeout=seconds))
        except LOST:
            return False

    @property
    def n_rows(self) -> int:
        """Rows of all shards."""
        return sum(known.n_samples for known in self.known)

    # ---- reading, and reading again ----------------------------------------------------------------------------------

    def _read(self) -> None:
        """Let every worker read its share; leave out what has no rows."""
        workers, n = sorted(self._workers() or self._awaited()), self.n_shards
        self._check(workers)
        wanted = {
            number: workers[k]
            for k in range(len(workers))
            for number in range(n * k // len(workers), n * (k + 1) // len(workers))
        }
        found = self._load(wanted)
        filled = [number for number in range(n) if found[number].n_samples] or [0]
        self.known = [found[number] for number in filled]
        self.cuts, self._keys = [self.cuts[number] for number in filled], filled
        self._n_losses, self._unsent = [0] * len(filled), [set() for _ in filled]
        renamed = {old: new for new, old in enumerate(filled)}
        for place in self._places.values():
            place.shards = {renamed[number] for number in place.shards if number in renamed}
        widths = {known.n_features for known in self.known}
        if len(widths) > 1:
            raise DataError(f"all parts must have the same number of columns, got {sorted(widths)}")
        if len({known.kernels for known in self.known}) > 1:
            raise ClusterError(
                "some workers have compiled kernels and some have none, so that results would depend on who computes; "
                "install the same wheel of inklens everywhere"
            )

    def _restore(self) -> None:
        """Read the shards that no worker holds on those that are left."""
        held = set().union(*(place.shards for place in self._places.values())) if self._places else set()
        while lost := sorted(set(range(self.n_shards)) - held):
            wanted: dict[int, str] = {}
            workers = self._awaited()
            for number in lost:
                self._n_losses[number] += 1
                if self._n_losses[number] > MOST_LOSSES:
                    raise ClusterError(
                        f"shard {number} of {self.n_shards} ended {MOST_LOSSES} workers one after the other; they may "
                        "have too little memory: start more workers, or larger ones"
                    )
                self._unsent[number] = set(self._given)
                wanted[number] = self._reader({address: self._n_rows_at(address, wanted) for address in workers})
            self._check(set(wanted.values()))
            found = self._load(wanted, again=True)
            for number, known in found.items():
                if self.known[number].n_samples != known.n_samples:
                    raise DataError(
                        f"shard {number} had {self.known[number].n_samples:,} rows when it was read first and has "
                        f"{known.n_samples:,} now; fit data that do not change"
                    )
            held |= set(found)

    def _reader(self, n_rows: dict[str, int]) -> str:
        """Return who reads a lost shard: who has the fewest rows.

        A new worker would have to import all first, and the rows wait for it; it is taken where all others have
        MOST_SHARES of theirs.
        """
        most = MOST_SHARES * self.n_rows / len(n_rows)
        ready = [address for address, n in n_rows.items() if address in self._places and n < most]
        return min(sorted(ready or n_rows), key=n_rows.__getitem__)

    def _n_rows_at(self, address: str, wanted: dict[int, str]) -> int:
        place = self._places.get(address)
        numbers = (place.shards if place else set()) | {number for number, at in wanted.items() if at == address}
        return sum(self.known[number].n_samples for number in numbers)

    def _load(self, wanted: dict[int, str], *, again: bool = False) -> dict[int, Known]:
        """Read shards on workers; those whose worker is lost meanwhile are left out, if they are read `again`."""
        ready = [address for address in sorted(set(wanted.values())) if self._place(address) is not None]
        loads = {number: self._submitted(number, address) for number, address in wanted.items() if address in ready}
        found: dict[int, Known] = {}
        try:
            for number, future in loads.items():
                if wanted[number] not in self._places:  # lost while another shard of it was waited for
                    continue
                known = self._loaded(number, wanted[number], future)
                if known is not None:
                    found[number] = known
                    self._places[wanted[number]].shards.add(number)
                    self.traffic.n_read += 1
        finally:
            for future in loads.values():
                future.release()
        if not again and len(found) < len(wanted):
            left = sorted(set(wanted) - set(found))
            others = self._awaited()
            for number in left:
                self._n_losses[number] += 1
                if self._n_losses[number] > MOST_LOSSES:
                    raise ClusterError(
                        f"shard {number} of {self.n_shards} could not be read by {MOST_LOSSES} workers in a row; they "
                        "may have too little memory: start more workers, or larger ones"
                    )
            self._check(others)
            found |= self._load({number: others[k % len(others)] for k, number in enumerate(left)})
        return found

    def _submitted(self, number: int, address: str) -> "Future":
        dask = require("dask", extra="dask")
        cut = self.cuts[number]
        task = dask.delayed(keeper.load, pure=False)(
            self.session, self._keys[number], self.scale, cut.source, *cut.parts
        )
        with quiet(UserWarning):  # of large graphs: arrays of this process are what it is asked to send
            return self.client.compute(task, workers=[address], allow_other_workers=False)

    def _loaded(self, number: int, address: str, future: "Future") -> Known | None:
        """Return what is known of a shard that was read; None where its worker is lost."""
        while True:
            try:
                return Known(*cluster.result_of(future, address, self._workers, LEAST_DEADLINE))  # type: ignore[misc]
            except cluster.WorkerGoneError:
                self._lose(address)
                return None
            except TimeoutError:
                if future.status == "error":  # the computation's own
                    raise
                if not self._breathes(address, [number]):
                    self._lose(address)
                    return None
            except InklensError:
                raise
            except Exception as error:
                if type(error).__name__ in GIVEN_UP:
                    self._lose(address)
                    return None
                if address not in self._places or address not in self._workers():
                    self._lose(address)
                    return None
                raise DataError(
                    f"part {number} of the data could not be computed: {type(error).__name__}: {error}"
                ) from error

    # ---- workers -----------------------------------------------------------------------------------------------------

    def _place(self, address: str) -> _Place | None:
        """Return a worker's place, with a keeper there; None where none starts."""
        if address not in self._places:
            future = self._direct.submit(
                Keeper, self.session, actor=True, workers=[address], allow_other_workers=False, pure=False,
                key=f"inklens-{self.session}-{self.name('keeper')}",
            )  # fmt: skip
            try:
                cluster.result_of(future, address, self._workers, START_SECONDS)
                self._places[address] = _Place(future)
            except LOST:
                self._lose(address)
                return None
        return self._places[address]

    def _lose(self, address: str) -> None:
        """Ask a worker nothing more; its shards are read anew by others."""
        self._late.add(address)
        self.traffic.n_lost += 1
        place = self._places.pop(address, None)
        if place is not None:
            place.hang_up()
            with suppress(*LOST):
                place.keeper.release()

    def _check(self, workers: Iterable[str]) -> None:
        """Check what workers run that have not been asked yet."""
        new = sorted(set(workers) - self._checked)
        if new:
            cluster.check(self.client, new)
            self._checked |= set(new)

    def _workers(self) -> list[str]:
        """Return the workers that the scheduler knows, without those that are late; raise where it is lost."""
        error: BaseException | None = None
        for _ in range(SCHEDULER_TRIES):
            try:
                cores = self._direct.sync(self._direct.scheduler.ncores, callback_timeout=SCHEDULER_SECONDS)
                return [address for address in cores if address not in self._late]
            except LOST as failed:
                error = failed
                if self._direct.status == "closed":
                    break
                time.sleep(0.2)
        raise ClusterError(
            f"the scheduler at {self._direct.scheduler.address if self._direct.scheduler else 'its address'} does not "
            "answer any more; start the cluster again, and go on from the last point (warm_start, --resume)"
        ) from error

    def _awaited(self) -> list[str]:
        """Return workers, waited for if there are none; those that were late have another chance then."""
        began = time.monotonic()
        while not (workers := self._workers()):
            if time.monotonic() - began > WORKER_SECONDS:
                raise ClusterError(
                    f"the cluster has had no workers for {WORKER_SECONDS:.0f} s; start some, and go on from the "
                    "last point (warm_start, --resume)"
                )
            time.sleep(0.1)
            if time.monotonic() - began > CHANCE_SECONDS:
                self._late.clear()
        return sorted(workers)

    def _said(self, error: Exception, address: str) -> Exception:
        if isinstance(error, MemoryError):
            return ClusterError(f"the worker {address} has too little memory; start more workers, or larger ones")
        return error

    def close(self) -> None:
        """Give the workers' memory back."""
        if self.is_closed:
            return
        self.is_closed = True
        for place in self._places.values():
            place.hang_up()
            with suppress(*LOST):
                place.keeper.release()
        self._places = {}
        with suppress(*LOST):
            self._direct.close(timeout=2.0)
        if self._owned is not None:
            self._owned.close()
