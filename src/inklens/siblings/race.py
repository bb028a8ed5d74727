"""The parent's side of the race: some children at a time, each killed when its time is over."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType

from inklens import forking
from inklens.siblings.child import Job, PairJob, work
from inklens.siblings.pair import Duelled
from inklens.siblings.results import Outcome

PRELOADED = ["inklens.siblings.preload"]
START_S = 120.0  # for a process to load what it needs, on a very busy machine
GRACE_S = 1.0  # beyond the budget, for a model that stops by itself
ANSWERING = 2.0  # budgets for fit, answers and explanations together
JOIN_S = 5.0

Work = Job | PairJob
Result = Outcome | Duelled


@dataclass(frozen=True)
class Step:
    """A model has finished some rounds."""

    key: str
    done: int
    total: int


@dataclass
class Runner:
    """A child at work."""

    job: Work
    process: BaseProcess
    connection: Connection
    started: float = field(default_factory=time.monotonic)
    begun: float | None = None
    rounds: tuple[int, int] | None = None

    @property
    def deadline(self) -> float:
        """When it is killed: a fit in rounds stops by itself, and gets time to answer."""
        if self.begun is None:
            return self.started + START_S
        if isinstance(self.job, PairJob):
            return float("inf")
        allowed = self.job.budget * (1.0 if self.rounds is None else ANSWERING)
        return self.begun + allowed + GRACE_S

    def end(self) -> None:
        """Kill it if it lives, and close what belongs to it."""
        if not self.connection.closed:
            self.connection.close()
            self.process.kill()
            self.process.join(JOIN_S)
            with suppress(ValueError):  # it would not die in time
                self.process.close()


def race(jobs: Sequence[Work], *, n_jobs: int) -> Iterator[Step | Result]:
    """Run the jobs in their order, `n_jobs` at a time, and yield what comes as it comes.

    A model that is not fitted when its budget is over is killed; its outcome says so. However the caller leaves, no
    child is left behind.
    """
    waiting, running = list(jobs), list[Runner]()
    try:
        running += [_start(job) for job in waiting[:n_jobs]]
        del waiting[:n_jobs]
        while running:
            heard = list(_listen(running))
            while waiting and len(running) < n_jobs:  # before the caller takes its time over what was heard
                running.append(_start(waiting.pop(0)))
            yield from heard
    finally:
        for runner in running:
            runner.end()


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep a child from running the caller's script again, as multiprocessing would do to know its names."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _start(job: Work) -> Runner:
    context = forking.context(PRELOADED)
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, job), daemon=True)
    with _no_main_module():
        process.start()
    theirs.close()
    return Runner(job, process, ours)


def _listen(running: list[Runner]) -> Iterator[Step | Result]:
    """Wait until something happens, and say what."""
    nearest = min(runner.deadline for runner in running)
    timeout = None if nearest == float("inf") else max(nearest - time.monotonic(), 0.0)
    ready = set(wait([runner.connection for runner in running], timeout))
    for runner in list(running):
        result: Step | Result | None = None
        if runner.connection in ready:
            result = _heard(runner)
        elif time.monotonic() > runner.deadline:
            result = _unfinished(runner.job, stopped=runner.begun is not None)
        if result is not None and not isinstance(result, Step):
            running.remove(runner)
            runner.end()
        if result is not None:
            yield result


def _heard(runner: Runner) -> Step | Result | None:
    try:
        message = runner.connection.recv()
    except (EOFError, OSError):
        return _unfinished(runner.job, stopped=False)
    if isinstance(message, Outcome | Duelled):
        return message
    if message is None:
        runner.begun = time.monotonic()
        return None
    runner.rounds = message
    assert isinstance(runner.job, Job)
    return Step(runner.job.sibling.key, *message)


def _unfinished(job: Work, *, stopped: bool) -> Outcome:
    """Return the outcome of a model that has none."""
    if isinstance(job, PairJob):
        return Outcome("pair", "pair", "", failed="its process ended without an answer")
    sibling = job.sibling
    bare = (sibling.key, sibling.title, str(sibling.recipe))
    if stopped:
        return Outcome(*bare, stopped=f"stopped after {job.budget:g} s, before it was fitted")
    return Outcome(*bare, failed="its process ended without an answer (is there enough memory?)")
