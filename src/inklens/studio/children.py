"""The child's side: loops that take questions from a pipe and answer them. What they compute is in `work`."""

import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection

from inklens.errors import (
    DownloadError,
    InklensError,
    OutputError,
    PhotoError,
)
from inklens.studio.box import Box, NoBoxError, enclose
from inklens.studio.messages import Message, receive, send

NICENESS = 10  # of long computations: whoever draws goes first
PATHS = re.compile(r"(?<![\w.~])~?/(?:[^\s/'\"]+/)+([^\s/'\"]*)")


def answer_questions(connection: Connection) -> None:
    """Answer questions until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from inklens.studio import work

    while True:
        try:
            question = receive(connection)
        except (EOFError, OSError):
            return
        send(connection, _answer(work.QUESTIONS, question))


def answer_in_a_box(connection: Connection, box: Box) -> None:
    """Answer one question, boxed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from inklens.studio import work

    question = receive(connection)
    work.warm_up()  # nothing to do where the process that forked this one is the studio's
    with work.opened(question):
        try:
            enclose(box)
        except NoBoxError:
            detail = "this system cannot box what reads pictures; start the studio with --unboxed if you trust them"
            send(connection, _error(501, "no-box", detail))
            return
        send(connection, _answer(work.BOXED, question))


def do_task(connection: Connection) -> None:
    """Do one long computation; SIGINT interrupts it, as Ctrl-C does on the command line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        from inklens.studio import tasks

        if hasattr(os, "nice"):
            os.nice(NICENESS)
        question = receive(connection)
        send(connection, Message({"event": "progress", "data": {"what": "data", "seconds": 0.0}}))
        answer = _answer(tasks.TASKS, question, tell=lambda message: send(connection, message))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        answer = Message({"cancelled": True})
    try:
        send(connection, answer)
    except OSError:
        return  # the parent is gone, and nobody waits


def _answer(table: dict[str, Callable], question: Message, **more: object) -> Message:
    """Let the function that the question names answer it; an error is an answer too."""
    try:
        return table[str(question.data["do"])](question, **more)
    except InklensError as error:
        return _error(_status(error), _code(error), without_paths(str(error)))
    except MemoryError:
        return _error(422, "too-large", "there is not enough memory for this; give something smaller")
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return _error(500, "internal", "this failed inside of inklens; the terminal of the studio says more")


def _status(error: InklensError) -> int:
    if isinstance(error, DownloadError):
        return 502
    return 507 if isinstance(error, OutputError) else 422


def _code(error: InklensError) -> str:
    """Return a stable name: of a photo its own code, else the kind of error.

    >>> _code(PhotoError("", code="truncated")), _code(DownloadError(""))
    ('photo-truncated', 'download')
    """
    if isinstance(error, PhotoError):
        return f"photo-{error.code}"
    words = re.findall(r"[A-Z][a-z]+", type(error).__name__.removesuffix("Error"))
    return "-".join(words).lower()


def without_paths(text: str) -> str:
    """Leave of each path in a sentence only its last part.

    >>> without_paths("'/home/me/studio/x.npz' has no labels; see a/b or 1/2")
    "'x.npz' has no labels; see a/b or 1/2"
    """
    return PATHS.sub(r"\1", text)


def _error(status: int, code: str, detail: str) -> Message:
    return Message({"error": {"status": status, "code": code, "detail": detail}})
