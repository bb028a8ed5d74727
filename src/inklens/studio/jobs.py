"""Jobs: what takes longer than an answer may. Two run at a time, others wait in line; each tells how it gets on.

A job is waiting, running, and then done, failed, cancelled or died: its process was killed, and nothing else was.
Its events are numbered, so that a browser that lost its connection goes on where it was.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from inklens.studio import limits
from inklens.studio.messages import Message
from inklens.studio.problems import Problem, not_found
from inklens.studio.processes import Task, problem_of
from inklens.studio.store import now

LOG = logging.getLogger("inklens.studio")
ENDED = ("done", "failed", "cancelled", "died")
CANCEL_SECONDS = 10.0  # that a job may take to give what it has; then it is killed
ANSWER_SECONDS = 5.0  # that whoever cancels waits for the end
BEAT_SECONDS = 10.0  # between two signs of life to whoever listens

Finish = Callable[[Message], tuple[str | None, Mapping[str, object]]]


@dataclass
class Event:
    """One thing that happened, by number and name."""

    number: int
    name: str
    data: Mapping[str, object]


@dataclass
class Job:
    """One job.

    Parameters
    ----------
    finish : callable
        Keeps what the job made; returns the model's identifier and the result to show.
    """

    kind: str
    asked: Mapping[str, object]
    question: Message
    finish: Finish
    model: str | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    created: str = field(default_factory=now)
    state: str = "waiting"
    progress: Mapping[str, object] | None = None
    result: Mapping[str, object] | None = None
    error: Mapping[str, object] | None = None
    cancelled: bool = False
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=limits.MAX_EVENTS_KEPT))
    task: Task | None = None
    _number: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def to_json(self) -> dict[str, object]:
        """Return the job's document."""
        names = ("id", "kind", "state", "created", "asked", "progress", "model", "result", "error")
        return {name: getattr(self, name) for name in names}

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

    async def tell(self, name: str, data: Mapping[str, object]) -> None:
        """Add an event; of pictures of the coefficients only the newest is kept."""
        async with self._news:
            self._number += 1
            if name == "maps":
                old = [event for event in self.events if event.name == "maps"]
                for event in old:
                    self.events.remove(event)
            self.events.append(Event(self._number, name, data))
            self._news.notify_all()

    async def enter(self, state: str) -> None:
        """Change the state; the last one brings the whole document."""
        self.state = state
        await self.tell(state if self.is_over else "state", self.to_json())

    async def follow(self, after: int, closing: asyncio.Event) -> AsyncIterator[Event | None]:
        """Yield events beyond a number until the job or the studio ends; None as a sign of life."""
        while True:
            for event in [event for event in self.events if event.number > after]:
                after = event.number
                yield event
            if (self.is_over and self._number <= after) or closing.is_set():
                return
            if not await self._wait(after):
                yield None

    async def _wait(self, after: int) -> bool:
        """Wait for news for a while; tell whether there are any."""
        async with self._news:
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._news.wait_for(lambda: self._number > after or self.is_over)
            except TimeoutError:
                return False
        return True

    async def over(self) -> None:
        """Wait for the end."""
        async with self._news:
            await self._news.wait_for(lambda: self.is_over)


class Jobs:
    """All jobs of a studio."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._places = asyncio.Semaphore(limits.MAX_RUNNING_JOBS)
        self._running: set[asyncio.Task[None]] = set()

    def all(self) -> list[Job]:
        """Return all jobs, the newest first."""
        return list(self._jobs.values())[::-1]

    def get(self, job: str) -> Job:
        """Return one job."""
        if job not in self._jobs:
            raise not_found("job")
        return self._jobs[job]

    def count(self, state: str) -> int:
        """Return how many are in a state."""
        return sum(job.state == state for job in self._jobs.values())

    def submit(self, job: Job) -> Job:
        """Put a job in line.

        Raises
        ------
        Problem
            Too many are waiting.
        """
        if self.count("waiting") >= limits.MAX_WAITING_JOBS + limits.MAX_RUNNING_JOBS - self.count("running"):
            raise Problem(429, "jobs", f"{limits.MAX_WAITING_JOBS} jobs are waiting already; cancel one, or try later")
        self._jobs[job.id] = job
        running = asyncio.get_running_loop().create_task(self._run(job))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        for old in [job for job in self._jobs.values() if job.is_over][: -limits.MAX_JOBS_KEPT]:
            del self._jobs[old.id]
        return job

    async def cancel(self, job: Job) -> None:
        """End a job; one that runs is asked to give what it has, and killed when it takes long over that."""
        if job.is_over:
            return
        job.cancelled = True
        if job.task is None:
            return await job.enter("cancelled")
        job.task.interrupt()
        asyncio.get_running_loop().call_later(CANCEL_SECONDS, job.task.kill)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await job.over()
        except TimeoutError:
            pass  # whoever asked sees that it still runs

    async def close(self) -> None:
        """Cancel all, and wait until their processes are gone."""
        for job in self._jobs.values():
            if not job.is_over:
                job.cancelled = True
                if job.task is not None:
                    job.task.interrupt()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=ANSWER_SECONDS)
            for job in self._jobs.values():
                if job.task is not None:
                    job.task.kill()
            if late:
                await asyncio.wait(late, timeout=ANSWER_SECONDS)

    async def _run(self, job: Job) -> None:
        async with self._places:
            if job.cancelled:
                return None if job.is_over else await job.enter("cancelled")
            job.task = Task(job.question)
            try:
                await job.enter("running")
                await asyncio.to_thread(job.task.start)
                await self._finish(job, await self._listen(job, job.task))
            except Exception:
                LOG.exception("job %s", job.id)
                problem = Problem(500, "internal", "this failed inside of the studio; its terminal says more")
                job.error = problem.to_json()
                await job.enter("failed")
            finally:
                await asyncio.to_thread(job.task.end)

    async def _listen(self, job: Job, task: Task) -> Message | None:
        """Pass on what the process tells; return its answer, None where it died."""
        while True:
            message = await asyncio.to_thread(task.next)
            if message is None or "event" not in message.data:
                return message
            name, data = str(message.data["event"]), message.data["data"]
            assert isinstance(data, Mapping)
            if name == "progress":
                job.progress = data
            await job.tell(name, data)

    async def _finish(self, job: Job, answer: Message | None) -> None:
        """Keep what came out, and say how it ended."""
        problem: Problem | None
        if answer is None:
            if job.cancelled:
                return await job.enter("cancelled")
            problem = Problem(503, "process-died", "the process of this job has died; start it again")
        else:
            problem = problem_of(answer)
        if problem is None and answer is not None and not answer.data.get("cancelled"):
            try:
                job.model, job.result = await asyncio.to_thread(job.finish, answer)
            except Problem as error:
                problem = error
        if problem is not None:
            job.error = problem.to_json()
            return await job.enter("died" if answer is None else "failed")
        await job.enter("cancelled" if job.cancelled else "done")
