"""Batches of pictures on Dask's workers: the model goes there once, answers come back as they are ready."""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from uuid import uuid4

import pyarrow as pa
from distributed import CancelledError, Client, Future, KilledWorker, WorkerPlugin, get_worker
from distributed.client import ClosedClientError
from distributed.comm import CommClosedError

from inklens.errors import ClusterError, MissingPackageError, PhotoError
from inklens.reader import DigitReader
from inklens.tasks.bulk.addresses import content_of
from inklens.tasks.bulk.found import Found
from inklens.tasks.bulk.plan import Batch
from inklens.tasks.bulk.rows import row, to_parquet, to_table
from inklens.tasks.reading import PictureReading, read_one

PER_THREAD = 2  # batches that a thread of a worker has: one to read, one to begin at once when that is done
LOOK_SECONDS = 1.0  # between looks at which batches are late, and which workers there are
PATIENCE_SECONDS, PATIENCE = 60.0, 8  # a batch is late after this long, and so many times as long as any other took
GONE_SECONDS = 25.0  # without a scheduler, or a worker, before the run ends
TIDY_SECONDS = 5.0
GONE = "the cluster has gone: its scheduler, or every worker, no longer answers"
CRASHED = "a worker broke down whenever it read this picture; read it alone"


class ReaderOnWorkers(WorkerPlugin):
    """A model that every worker has, those that come later included."""

    def __init__(self, reader: DigitReader, many: bool | None, columns: pa.Schema) -> None:
        self.reader, self.many, self.columns = reader, many, columns
        self.name = f"inklens-reader-{uuid4()}"

    def read(self, pictures: tuple[Found, ...]) -> bytes:
        """Return the rows of some pictures as Parquet."""
        return to_parquet((row(picture, self._read(picture)) for picture in pictures), self.columns)

    def failed(self, picture: Found, code: str, message: str) -> bytes:
        """Return the row of a picture that no worker survived."""
        return to_parquet([row(picture, _error(picture, code, message))], self.columns)

    def _read(self, picture: Found) -> PictureReading:
        try:
            return read_one(picture.source, self.reader, self.many, content=content_of(picture.source))
        except PhotoError as error:
            return _error(picture, error.code, str(error))
        except MissingPackageError as error:  # which fsspec needs on this worker
            return _error(picture, "unreadable", str(error))
        except Exception as error:  # one picture of millions does not end the run
            return _error(picture, "crashed", f"{type(error).__name__}: {error}; please report this picture")


def read_batch(plugin: str, pictures: tuple[Found, ...]) -> bytes:
    """Read on a worker."""
    reader = get_worker().plugins[plugin]
    assert isinstance(reader, ReaderOnWorkers)
    return reader.read(pictures)


def answers(client: Client, batches: Iterable[Batch], plugin: ReaderOnWorkers) -> Generator[tuple[Batch, bytes]]:
    """Yield every batch once with its rows, as they are ready.

    Batches are drawn as workers have room, so there may be any number. A batch whose worker died is read again by
    another; one that is late is given to a second worker, to a third where one of these has gone, and the first answer
    counts. One that no worker survived is read picture by picture.

    Raises
    ------
    ClusterError
        The scheduler, or every worker, has gone.
    """
    desk = _Desk(client, plugin)
    try:
        with _installed(client, plugin):
            yield from desk.answers(iter(batches))
    except (CancelledError, ClosedClientError, CommClosedError, TimeoutError) as error:
        raise ClusterError(GONE) from error
    finally:
        desk.cancel()


@contextmanager
def _installed(client: Client, plugin: ReaderOnWorkers) -> Iterator[None]:
    client.register_plugin(plugin)
    try:
        yield
    finally:
        if client.status == "running":  # a worker that stands still would never say that it has forgotten the model
            tidy = Thread(target=_forget, args=(client, plugin.name), daemon=True)
            tidy.start()
            tidy.join(TIDY_SECONDS)


def _forget(client: Client, plugin: str) -> None:
    """Let workers forget the model; a cluster that ends meanwhile has forgotten it."""
    with suppress(OSError, TimeoutError, CancelledError, ClosedClientError):
        client.unregister_worker_plugin(plugin)


@dataclass
class _Job:
    """A batch that is being read, by one worker or two."""

    batch: Batch
    since: float
    given: float  # when it went to a worker last
    futures: list[Future] = field(default_factory=list)


class _Desk:
    """What is being read by whom, and who is late."""

    def __init__(self, client: Client, plugin: ReaderOnWorkers) -> None:
        self.client, self.plugin = client, plugin
        self.jobs: dict[int, _Job] = {}  # by part
        self.done: SimpleQueue[tuple[int, Future]] = SimpleQueue()
        self.threads: dict[str, int] = {}  # by address of a worker
        self.looked = self.seen = 0.0  # when workers were looked for, and seen
        self.longest = 0.0  # seconds that a batch took, waiting included

    def answers(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, bytes]]:
        self.seen = time.monotonic()
        while True:
            self._look()
            while len(self.jobs) < PER_THREAD * sum(self.threads.values()):
                batch = next(batches, None)
                if batch is None:
                    break
                self._begin(batch)
            if not self.jobs and self.threads:
                return
            answered = self._answered()
            if answered is not None:
                yield answered

    def cancel(self) -> None:
        """Leave nothing behind on the cluster."""
        futures = [future for job in self.jobs.values() for future in job.futures]
        with suppress(Exception):  # the cluster may have gone
            self.client.cancel(futures, force=True)

    def _submit(self, pictures: tuple[Found, ...], workers: list[str] | None = None) -> Future:
        return self.client.submit(
            read_batch, self.plugin.name, pictures, workers=workers, pure=False, key=f"inklens-read-{uuid4()}"
        )

    def _begin(self, batch: Batch) -> None:
        now = time.monotonic()
        job = self.jobs[batch.part] = _Job(batch, since=now, given=now)
        self._follow(job, self._submit(batch.pictures))

    def _follow(self, job: _Job, future: Future) -> None:
        job.futures.append(future)
        future.add_done_callback(lambda done, part=job.batch.part: self.done.put((part, done)))

    def _answered(self) -> tuple[Batch, bytes] | None:
        """Wait a moment for a batch; None where there is none, or it had been answered."""
        try:
            part, future = self.done.get(timeout=LOOK_SECONDS)
        except Empty:
            return None
        job = self.jobs.get(part)
        if job is None or future not in job.futures:
            return None
        rows = self._rows(job, future)
        if rows is None:
            return None
        del self.jobs[part]
        self.longest = max(self.longest, time.monotonic() - job.since)
        if len(job.futures) > 1:
            self.client.cancel(job.futures)  # who is late need not go on
        return job.batch, rows

    def _rows(self, job: _Job, future: Future) -> bytes | None:
        """Return the rows of a batch; None where the worker that had them cannot be reached."""
        try:
            return future.result(timeout=PATIENCE_SECONDS)
        except KilledWorker:
            return self._one_by_one(job.batch.pictures)
        except TimeoutError:
            self._again(job)
            return None

    def _one_by_one(self, pictures: tuple[Found, ...]) -> bytes:
        """Find the picture that no worker survives."""
        futures = [self._submit((picture,)) for picture in pictures]
        parts = [self._alone(picture, future) for picture, future in zip(pictures, futures, strict=True)]
        return to_parquet(pa.concat_tables(map(to_table, parts)), self.plugin.columns)

    def _alone(self, picture: Found, future: Future) -> bytes:
        for waiting in (future, None):  # twice: it may have died of what another picture did
            try:
                return (waiting or self._submit((picture,))).result()
            except KilledWorker:
                continue
        return self.plugin.failed(picture, "crashed", CRASHED)

    # ---- who is there, and who is late

    def _look(self) -> None:
        """Count the workers, and give late batches to others; not more often than once in a while."""
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return
        self.looked = now
        if self.client.status == "running":
            with suppress(OSError, TimeoutError):
                self.threads = self.client.nthreads()
                self.seen = time.monotonic() if self.threads else self.seen
        if self.client.status == "closed" or now - self.seen > GONE_SECONDS:
            raise ClusterError(GONE)
        late = max(PATIENCE_SECONDS, PATIENCE * self.longest)
        for job in self.jobs.values():
            if now - job.given > late:
                self._again(job)

    def _again(self, job: _Job) -> None:
        """Give a batch to a worker that does not have it, unless two have; who has gone since has it no more."""
        job.given = time.monotonic()
        keys = {future.key for future in job.futures}
        having = {address for address, tasks in self.client.processing().items() if keys.intersection(tasks)}
        others = [address for address in self.threads if address not in having]
        if others and len(having) < 2:
            self._follow(job, self._submit(job.batch.pictures, workers=others))


def _error(picture: Found, code: str, message: str) -> PictureReading:
    return PictureReading(picture.path, error={"code": code, "message": message})
