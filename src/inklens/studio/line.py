"""The line to the child that reads drawings: asked and answered by the event loop itself, one question behind another.

Threads that wait for a child take the interpreter's lock from the loop at every read and write, some milliseconds each
time while many draw. Here no thread takes part, and a child that has answered finds its next question in the pipe.
"""

import asyncio
import json
import logging
import os
import socket
import struct
from collections import deque
from contextlib import suppress

from inklens.studio.children import answer_questions
from inklens.studio.messages import MAX_MESSAGE_BYTES, Message
from inklens.studio.problems import Problem
from inklens.studio.processes import Child, Worker, checked, died, late

LOG = logging.getLogger("inklens.studio")
SIZE = struct.Struct("!i")  # before each part, as `multiprocessing.connection` writes it


class Line:
    """The parent's end of a child's pipe, for the event loop.

    Parameters
    ----------
    child : Child
        It answers in the order of the questions.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self._waiting: deque[asyncio.Future[Message]] = deque()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._reading: asyncio.Task[None]
        self.is_open = False

    async def open(self) -> "Line":
        """Let the loop have the pipe."""
        end = socket.socket(fileno=os.dup(self._child.connection.fileno()))
        self._reader, self._writer = await asyncio.open_unix_connection(sock=end, limit=1 << 20)
        self._reading = asyncio.create_task(self._read())
        self.is_open = True
        return self

    async def ask(self, question: Message, *, seconds: float) -> Message:
        """Return the answer.

        Raises
        ------
        Problem
            The answer is an error, or there is none.
        """
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        try:
            async with asyncio.timeout(seconds):
                self._writer.writelines(_parts(question))
                await self._writer.drain()
                return checked(await answer)
        except TimeoutError as error:
            self.end(late(seconds))
            raise late(seconds) from error
        except OSError as error:
            raise died() from error

    @property
    def pid(self) -> int:
        """The child's number."""
        return self._child.pid

    async def _read(self) -> None:
        try:
            while True:
                answer = await self._receive()
                waiting = self._waiting.popleft()
                if not waiting.done():  # who asked may be gone
                    waiting.set_result(answer)
        except (OSError, EOFError, ValueError, KeyError, IndexError):
            self.end(died())

    async def _receive(self) -> Message:
        head = json.loads(await self._part())
        blobs = [await self._part() for _ in range(int(head["blobs"]))]
        return Message(head["data"], tuple(blobs))

    async def _part(self) -> bytes:
        (length,) = SIZE.unpack(await self._reader.readexactly(SIZE.size))
        if not 0 <= length <= MAX_MESSAGE_BYTES:
            raise ValueError("expected a part of a message")
        return await self._reader.readexactly(length)

    def end(self, problem: Problem) -> None:
        """End the child; who waits for an answer is told why."""
        if not self.is_open:
            return
        self.is_open = False
        LOG.info("the process %s ended: %s", self._child.process.name, problem.code)
        self._writer.close()
        self._reading.cancel()
        with suppress(ProcessLookupError):
            self._child.process.kill()
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(problem)
                waiting.exception()  # whoever asked may be gone

    def collect(self) -> None:
        """Leave nothing of the child; this may take a moment."""
        self._child.end()


def _parts(message: Message) -> list[bytes]:
    """Return a message as `messages.receive` reads it."""
    head = json.dumps({"data": message.data, "blobs": len(message.blobs)}, allow_nan=False).encode()
    return [part for whole in (head, *message.blobs) for part in (SIZE.pack(len(whole)), whole)]


class QuickWorker:
    """A child on a line; when it dies, another takes its place.

    Parameters
    ----------
    name : str
        Of the process.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._starting = asyncio.Lock()
        self._line: Line | None = None
        self._closed = False

    async def start(self) -> None:
        """Start the child, if there is none, before it is needed."""
        await self._require()

    async def ask(self, question: Message, *, seconds: float) -> Message:
        """Return the answer, or raise a `Problem`."""
        line = self._line if self._line is not None and self._line.is_open else await self._require()
        return await line.ask(question, seconds=seconds)

    @property
    def pid(self) -> int | None:
        """Number of the process; None where none runs."""
        return None if self._line is None else self._line.pid

    def retire(self) -> None:
        """Let the child finish what it does; no other takes its place."""
        self._closed = True

    async def close(self) -> None:
        """End the child for good."""
        self.retire()
        async with self._starting:
            await self._drop(Problem(503, "closing", "the studio is closing"))

    async def _require(self) -> Line:
        async with self._starting:
            if self._line is not None and self._line.is_open:
                return self._line
            await self._drop(died())
            if self._closed:
                raise Problem(503, "closing", "the studio is closing")
            child = await asyncio.to_thread(Child, answer_questions, name=self.name)
            self._line = await Line(child).open()
            return self._line

    async def _drop(self, problem: Problem) -> None:
        if self._line is not None:
            self._line.end(problem)
            await asyncio.to_thread(self._line.collect)
            self._line = None


class ThreadedWorker:
    """The same for systems whose pipes an event loop cannot read: a thread waits for each answer."""

    def __init__(self, name: str) -> None:
        self._worker = Worker(name)
        self.retire = self._worker.retire

    async def start(self) -> None:
        """Start the child, if there is none, before it is needed."""
        await asyncio.to_thread(self._worker.start)

    async def ask(self, question: Message, *, seconds: float) -> Message:
        """Return the answer, or raise a `Problem`."""
        return await asyncio.to_thread(self._worker.ask, question, seconds=seconds)

    @property
    def pid(self) -> int | None:
        """Number of the process; None where none runs."""
        return self._worker.pid

    async def close(self) -> None:
        """End the child for good."""
        await asyncio.to_thread(self._worker.close)


def quick_worker(name: str) -> QuickWorker | ThreadedWorker:
    """Return a child for answers that must be quick, as this system can have it."""
    return QuickWorker(name) if hasattr(asyncio, "open_unix_connection") else ThreadedWorker(name)
