"""Lines from this process to keepers: through Dask, or, to workers of the same computer, past it.

A call through Dask crosses two event loops and four threads, which takes one to two milliseconds of processor time. A
socket in a folder that nobody but its owner may enter takes a tenth of that, and opens no port.
"""

import asyncio
import select
import socket
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from inklens import cluster
from inklens.linear.rows.remote import wire

if TYPE_CHECKING:
    from distributed import Client

OPEN_SECONDS = 5.0  # for a worker to listen, and for the driver to come
STALL_SECONDS = 5.0  # without a byte, in the middle of a message
HAS_SOCKETS = hasattr(socket, "AF_UNIX") and hasattr(socket.socket, "recvmsg_into") and hasattr(select, "poll")


class Waited(Protocol):
    """An answer to come."""

    def result(self, timeout: float) -> object:
        """Return it; raise TimeoutError where it is not there yet, OSError where it will not come."""


class Line(Protocol):
    """The way to one keeper, for one question at a time."""

    def send(self, question: wire.Letter[object], share: object) -> Waited:
        """Send what all are asked, and what one is asked of it."""

    def close(self) -> None:
        """Await no answer any more."""


def opened(client: "Client", address: str, keeper: str) -> Line:
    """Return a line to the keeper of that name, past Dask if it is on this computer."""
    through = ThroughDask(client, address, keeper)
    if HAS_SOCKETS and cluster.is_on_loopback(address):
        with suppress(OSError, RuntimeError, KeyError):  # without a keeper, a question will tell
            return OnThisComputer(str(through.ask("listen").result(OPEN_SECONDS)))
    return through


# ---- through Dask ----------------------------------------------------------------------------------------------------


class ThroughDask:
    """The methods of an actor."""

    def __init__(self, client: "Client", address: str, keeper: str) -> None:
        self.client, self.address, self.keeper = client, address, keeper
        self._open: set[asyncio.Task[None]] = set()  # asyncio itself would forget what runs

    def send(self, question: wire.Letter[object], share: object) -> Waited:
        """Send a question."""
        return self.ask("answer", question.packed, wire.packed(share))

    def ask(self, method: str, *arguments: object) -> Waited:
        """Call any method of the keeper."""
        answer: Future[object] = Future()
        self.client.loop.add_callback(self._begin, method, arguments, answer)
        return answer

    def close(self) -> None:
        """Do nothing: answers find who waits for them."""

    def _begin(self, method: str, arguments: tuple[object, ...], answer: "Future[object]") -> None:
        task = asyncio.ensure_future(self._answered(method, arguments, answer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _answered(self, method: str, arguments: tuple[object, ...], answer: "Future[object]") -> None:
        from distributed.protocol import to_serialize

        sent = [part if isinstance(part, bytes) else to_serialize(part) for part in arguments]
        try:
            worker = self.client.rpc(self.address)
            found = await worker.actor_execute(function=method, actor=self.keeper, args=sent)
            if found["status"] != "OK":
                raise found["exception"]
            answer.set_result(found["result"])
        except asyncio.CancelledError:  # the loop ends
            answer.set_exception(OSError(f"the way to {self.address} was closed"))
        except Exception as error:  # for who waits
            answer.set_exception(error)


# ---- on this computer ------------------------------------------------------------------------------------------------


class OnThisComputer:
    """The driver's end of a socket."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(STALL_SECONDS)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self._poll = select.poll()
        self._poll.register(self.socket, select.POLLIN)
        self._broken: OSError | None = None

    def send(self, question: wire.Letter[object], share: object) -> Waited:
        """Send a question; the answer is read from this very line."""
        try:
            wire.send(self.socket, question.frames, wire.frames(share))
        except OSError as error:  # for who waits for the answer
            self._broken = ConnectionError(f"a question broke off: {error}")
        return self

    def result(self, timeout: float) -> object:
        """Return the answer."""
        if self._broken is not None:
            raise self._broken
        if not self._poll.poll(1e3 * timeout):
            raise TimeoutError("no answer yet")
        try:
            return wire.receive(self.socket)[0]
        except TimeoutError as error:
            raise ConnectionError("an answer broke off") from error

    def close(self) -> None:
        """Close the socket, whose other end sees it."""
        self.socket.close()


def listen(answer: Callable[..., object]) -> str:
    """Wait in a thread for one who comes, and answer until that one goes; return where the socket is.

    Parameters
    ----------
    answer : callable
        Gets the messages that came together, and returns one.
    """
    folder = tempfile.TemporaryDirectory(prefix="inklens-")
    try:
        path = str(Path(folder.name) / "line")
        door = socket.socket(socket.AF_UNIX)
        door.bind(path)
        door.listen(1)
    except OSError:
        folder.cleanup()
        raise
    threading.Thread(target=_open, args=(folder, door, answer), name="inklens-line", daemon=True).start()
    return path


def _open(folder: tempfile.TemporaryDirectory[str], door: socket.socket, answer: Callable[..., object]) -> None:
    with suppress(OSError):  # who came has gone, or nobody came
        with folder, door:
            door.settimeout(OPEN_SECONDS)
            line, _ = door.accept()
        line.settimeout(None)
        with line:
            while True:
                _exchange(line, answer)


def _exchange(line: socket.socket, answer: Callable[..., object]) -> None:
    """Answer once; nothing of it stays in memory while the next question is waited for."""
    wire.send(line, wire.frames(answer(*wire.receive(line))))
