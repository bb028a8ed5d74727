"""Child processes of the studio, seen from the parent: they start quickly, may die at any time, and leave nothing.

All are forked by one small server process (`forkserver`) that has loaded what they need, so that a new one is there in
some hundredths of a second, whatever threads the parent runs. There are three kinds: a `Worker` lives on and answers
one question after another; a boxed child answers one question about bytes that may be hostile; a `Task` is one long
computation that tells how it gets on.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from inklens import forking
from inklens.studio import children
from inklens.studio.box import Box
from inklens.studio.messages import Message, receive, send
from inklens.studio.problems import Problem

LOG = logging.getLogger("inklens.studio")
PRELOADED = ["inklens.studio.preload"]
JOIN_SECONDS = 2.0


def prepare() -> None:
    """Start the process that all others are forked from, so that it loads while the parent still does."""
    forking.prepare(PRELOADED)


class Child:
    """A child process and the parent's end of the pipe to it."""

    def __init__(self, main: Callable[..., None], *given: object, name: str) -> None:
        context = forking.context(PRELOADED)
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=main, args=(theirs, *given), name=name, daemon=True)
        try:
            self.process.start()
        except BaseException:
            self.connection.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self.process.pid or 0

    def end(self) -> None:
        """Kill it if it lives, and close what belongs to it; the second time nothing happens."""
        if not self.connection.closed:
            self.connection.close()
            self.process.kill()
            self.process.join(JOIN_SECONDS)
            self.process.close()


def _ask(child: Child, question: Message, seconds: float) -> Message:
    """Put a question to a child that lives on.

    Raises
    ------
    TimeoutError, EOFError
        There is no answer in time, or none at all.
    """
    try:
        send(child.connection, question)
        if not child.connection.poll(seconds):
            raise TimeoutError
        return receive(child.connection)
    except TimeoutError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise EOFError from error


def _ask_stranger(child: Child, question: Message, seconds: float) -> Message:
    """Put a question to a child that may have been taken over: it is killed in time, even in the middle of an answer.

    Raises
    ------
    TimeoutError, EOFError
        As `_ask`.
    """
    late = threading.Event()

    def give_up() -> None:
        late.set()
        child.process.kill()

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        return _ask(child, question, seconds)
    except EOFError as error:
        if late.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
        timer.join()  # so that it never meets a process that is closed already


def problem_of(answer: Message) -> Problem | None:
    """Return the error that a child answered with, if it did."""
    error = answer.data.get("error")
    if not isinstance(error, Mapping):
        return None
    return Problem(int(error["status"]), str(error["code"]), str(error["detail"]))


def checked(answer: Message) -> Message:
    """Return an answer that is no error; raise the one that is."""
    problem = problem_of(answer)
    if problem is not None:
        raise problem
    return answer


def late(seconds: float) -> Problem:
    """Return the answer where a child took too long."""
    return Problem(503, "late", f"this took more than {seconds:g} s and was given up")


def died() -> Problem:
    """Return the answer where a child is gone."""
    return Problem(503, "process-died", "the process that was to answer has died; ask again")


class Worker:
    """A child that lives on and answers one question after another; when it dies, another takes its place.

    Parameters
    ----------
    name : str
        Of the process.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._closed = False

    def start(self) -> None:
        """Start the child, if there is none, before it is needed."""
        with self._lock:
            self._require()

    def ask(self, question: Message, *, seconds: float) -> Message:
        """Return the answer.

        Raises
        ------
        Problem
            The answer is an error, or there is none.
        """
        with self._lock:
            child = self._require()
            try:
                return checked(_ask(child, question, seconds))
            except TimeoutError:
                problem = late(seconds)
            except EOFError:
                problem = died()
            child.end()
            self._child = None
        LOG.warning("the process %s ended: %s", self.name, problem.code)
        if not self._closed:
            threading.Thread(target=self._start_again, daemon=True).start()
        raise problem

    def _start_again(self) -> None:
        with suppress(Problem):  # it is closing by now
            self.start()

    @property
    def pid(self) -> int | None:
        """Number of the process; None where none runs."""
        child = self._child
        return None if child is None else child.pid

    def retire(self) -> None:
        """Let the child finish what it does; no other takes its place."""
        self._closed = True

    def close(self) -> None:
        """End the child for good."""
        self.retire()
        with self._lock:
            if self._child is not None:
                self._child.end()
                self._child = None

    def _require(self) -> Child:
        if self._child is not None and not self._child.process.is_alive():
            self._child.end()
            self._child = None
        if self._child is None and self._closed:
            raise Problem(503, "closing", "the studio is closing")
        if self._child is None:
            self._child = Child(children.answer_questions, name=self.name)
        return self._child


def ask_boxed(
    question: Message, *, box: Box, what: str, main: Callable[..., None] = children.answer_in_a_box
) -> Message:
    """Put a question about hostile bytes to a child of its own, which can open nothing and take only so much.

    `main` is what the child runs, with its end of the pipe and the box, into which it has to go by itself.

    Raises
    ------
    Problem
        The answer is an error; or the child died of the bytes, or was late. `what` is what to say they are.
    """
    child = Child(main, box, name="inklens-box")
    try:
        return checked(_ask_stranger(child, question, box.seconds))
    except TimeoutError as error:
        raise Problem(422, "too-slow", f"this {what} takes more than {box.seconds:g} s; give a smaller one") from error
    except EOFError as error:
        detail = f"the process that was to read this {what} broke down on it; export it again, as PNG or JPEG"
        raise Problem(422, "crashed", detail) from error
    finally:
        child.end()


@dataclass
class Task:
    """One long computation in a child of its own."""

    question: Message
    _child: Child | None = None
    _is_ready: bool = False  # to be interrupted
    _stopped: bool = False

    def start(self) -> None:
        """Start it."""
        self._child = Child(children.do_task, name="inklens-task")
        send(self._child.connection, self.question)

    def next(self) -> Message | None:
        """Return what it tells next; None when it is over."""
        assert self._child is not None
        try:
            message = receive(self._child.connection)
        except (EOFError, OSError, ValueError, KeyError):
            return None
        if not self._is_ready:
            self._is_ready = True
            if self._stopped:
                self._signal()
        return message

    def interrupt(self) -> None:
        """Ask it once to stop and to give what it has, as Ctrl-C does on the command line."""
        if not self._stopped:
            self._stopped = True
            if self._is_ready:
                self._signal()

    @property
    def pid(self) -> int | None:
        """The process's number."""
        return None if self._child is None else self._child.pid

    def _signal(self) -> None:
        if self._child is not None and not self._child.connection.closed:
            with suppress(ProcessLookupError):  # it is over already
                os.kill(self._child.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it without waiting for anything."""
        if self._child is not None and not self._child.connection.closed:
            self._child.process.kill()

    def end(self) -> None:
        """Leave nothing of it."""
        if self._child is not None:
            self._child.end()
